"""zsmalloc, slow and obvious: classes from their definition, zspages as lists of slots, groups by division."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache

EINVAL = 22


@cache
def shape_of_raw(size: int, rule: str, limit: int) -> tuple[int, int]:
    """(pages, objects) of a zspage of a raw class."""
    chains = range(1, limit + 1)
    if rule == "a":
        pages = max(chains, key=lambda k: (4096 * k - 4096 * k % size) * 100 // (4096 * k))
    elif size.bit_count() == 1:
        pages = 1
    else:
        pages = min(chains, key=lambda k: 4096 * k % size)
    return pages, 4096 * pages // size


@cache
def class_sizes(rule: str, limit: int) -> list[int]:
    """Class sizes in ascending order: of raw neighbours with one shape, the largest."""
    shapes = {size: shape_of_raw(size, rule, limit) for size in range(32, 4097, 16)}
    return [size for size, shape in shapes.items() if shape != shapes.get(size + 16)]


@dataclass(eq=False)
class Zspage:
    page_ids: list[int]
    slots: list["Object | None"]
    free: list[int]
    group: int = -1

    @property
    def in_use(self) -> int:
        return len(self.slots) - len(self.free)


@dataclass(eq=False)
class Object:
    size_class: int
    zspage: Zspage
    index: int

    @property
    def place(self) -> tuple[int, int]:
        return self.zspage.page_ids[self.index * self.size_class // 4096], self.index

    @property
    def used_bytes(self) -> int:
        return self.size_class


@dataclass
class ReferenceZsmalloc:
    class_rule: str = "a"
    chain_limit: int = 4
    fullness_groups: str = "four"
    frames: bool = False  # who names an object changes nothing of where it is
    pages: int = 0
    taken: int = 0
    headers: int = 0
    moves: Counter[str] = field(default_factory=Counter)
    groups: dict[int, list[list[Zspage]]] = field(default_factory=dict)  # by class size; head first

    def __post_init__(self) -> None:
        self.twelve = self.fullness_groups == "twelve"
        self.upward = list(range(1, 11)) if self.twelve else [1, 2]  # the groups with room, from the emptiest
        self.downward = self.upward[::-1]
        sizes = class_sizes(self.class_rule, self.chain_limit)
        self.groups = {size: [[] for _ in range(12 if self.twelve else 4)] for size in sizes}

    @property
    def movable_pages(self) -> int:
        return self.pages

    def classes(self) -> list[tuple[int | None, ...]]:
        """(class, pages, objects used, allocated, almost empty, almost full, full) of the classes with zspages."""
        rows: list[tuple[int | None, ...]] = []
        for size_class, groups in sorted(self.groups.items()):
            zspages = [zspage for group in groups for zspage in group]
            if zspages:
                pages, objects = len(zspages[0].page_ids), len(zspages[0].slots)
                named = (None, None) if self.twelve else (len(groups[1]), len(groups[2]))
                used = sum(zspage.in_use for zspage in zspages)
                count = len(zspages)
                rows.append((size_class, pages * count, used, objects * count, *named, len(groups[-1])))
        return rows

    def group_of(self, zspage: Zspage) -> int:
        used, objects = zspage.in_use, len(zspage.slots)
        if used == 0:
            return 0
        if self.twelve:
            return 11 if used == objects else 100 * used // objects // 10 + 1
        if used == objects:
            return 3
        return 1 if used <= 3 * objects // 4 else 2

    def enlist(self, size_class: int, zspage: Zspage) -> None:
        zspage.group = self.group_of(zspage)
        zspages = self.groups[size_class][zspage.group]
        second = not self.twelve and zspages and zspage.in_use < zspages[0].in_use
        zspages.insert(1 if second else 0, zspage)

    def take(self, size_class: int, order: list[int]) -> Zspage | None:
        for group in order:
            if self.groups[size_class][group]:
                self.headers += 1
                return self.groups[size_class][group].pop(0)
        return None

    def put(self, moved: Object, zspage: Zspage) -> None:
        moved.zspage, moved.index = zspage, zspage.free.pop()
        zspage.slots[moved.index] = moved

    def alloc(self, size: int) -> Object | int:
        if not 1 <= size <= 4096:
            return -EINVAL
        size_class = min(c for c in self.groups if c >= min(size + 8, 4096))
        pages, objects = shape_of_raw(size_class, self.class_rule, self.chain_limit)
        zspage = next((group[0] for group in (self.groups[size_class][g] for g in self.downward) if group), None)
        if zspage is None:
            zspage = Zspage(list(range(self.taken, self.taken + pages)), [None] * objects, list(range(objects))[::-1])
            self.taken += pages
            self.pages += pages
        else:
            self.headers += 1
        made = Object(size_class, zspage, 0)
        self.put(made, zspage)
        self.regroup(size_class, zspage)
        return made

    def regroup(self, size_class: int, zspage: Zspage) -> None:
        if zspage.group != self.group_of(zspage):
            if zspage.group >= 0:
                self.groups[size_class][zspage.group].remove(zspage)
            self.enlist(size_class, zspage)
        if not zspage.in_use:
            self.discard(size_class, zspage)

    def discard(self, size_class: int, zspage: Zspage) -> None:
        self.groups[size_class][0].remove(zspage)
        self.pages -= len(zspage.page_ids)

    def free(self, freed: Object) -> None:
        self.headers += 1
        freed.zspage.slots[freed.index] = None
        freed.zspage.free.append(freed.index)
        self.regroup(freed.size_class, freed.zspage)

    def can_compact_class(self, size_class: int, off_lists: list[Zspage]) -> int:
        zspages = [zspage for group in self.groups[size_class] for zspage in group] + off_lists
        if not zspages:
            return 0
        unused = sum(len(zspage.free) for zspage in zspages)
        return unused // len(zspages[0].slots) * len(zspages[0].page_ids)

    def can_compact(self) -> int:
        return sum(self.can_compact_class(size_class, []) for size_class in self.groups)

    def compact(self) -> int:
        before = self.pages
        for size_class in sorted(self.groups, reverse=True):
            if self.twelve:
                self.compact_in_pairs(size_class)
            else:
                while self.compact_one_source(size_class):
                    pass
        return before - self.pages

    def move(self, moved: Object, destination: Zspage) -> None:
        moved.zspage.slots[moved.index] = None
        moved.zspage.free.append(moved.index)
        self.put(moved, destination)
        self.moves.update(["objects_copied", "handles_rewritten"])

    def put_back(self, size_class: int, zspage: Zspage) -> None:
        self.enlist(size_class, zspage)
        if not zspage.in_use:
            self.discard(size_class, zspage)
            self.moves["pages_compacted"] += len(zspage.page_ids)

    def compact_in_pairs(self, size_class: int) -> None:
        destination = None
        while self.can_compact_class(size_class, [destination] if destination else []):
            destination = destination or self.take(size_class, self.downward)
            source = self.take(size_class, self.upward)
            if destination is None or source is None:
                break
            for moved in [slot for slot in source.slots if slot][: len(destination.free)]:
                self.move(moved, destination)
            self.put_back(size_class, source)
            if not destination.free:
                self.put_back(size_class, destination)
                destination = None
        if destination:
            self.put_back(size_class, destination)

    def compact_one_source(self, size_class: int) -> bool:
        source = self.take(size_class, self.upward)
        if source is None:
            return False
        destination = None
        if self.can_compact_class(size_class, [source]):
            for moved in [slot for slot in source.slots if slot]:
                if destination is None or not destination.free:
                    if destination is not None:
                        self.enlist(size_class, destination)
                    destination = self.take(size_class, self.downward)
                    if destination is None:
                        break
                self.move(moved, destination)
        if destination is not None:
            self.enlist(size_class, destination)
        self.put_back(size_class, source)
        return not source.in_use

    def migrate(self, moved: Object) -> int:
        page, zspage = moved.index * moved.size_class // 4096, moved.zspage
        zspage.page_ids[page] = self.taken
        self.taken += 1
        objects = sum(1 for slot in zspage.slots if slot and slot.index * moved.size_class // 4096 == page)
        self.headers += 1 + objects
        self.moves["pages_migrated"] += 1
        self.moves["handles_rewritten"] += objects
        return objects
