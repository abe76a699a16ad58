"""z3fold, slow and obvious: pages as dicts of objects, one list of lists a CPU, work as a queue of functions."""

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

EINVAL, ENOSPC, EAGAIN = 22, 28, 11
FIRST, MIDDLE, LAST, HEADLESS = 0, 1, 2, 3


@dataclass(eq=False)
class Object:
    page: "Page"
    position: int
    chunks: int
    foreign: bool = False

    @property
    def place(self) -> tuple[int, int, int]:
        page = self.page
        start = {FIRST: 2, MIDDLE: page.start_middle, LAST: 64 - self.chunks, HEADLESS: 0}[self.position]
        return page.id, self.position, start * 64

    @property
    def used_bytes(self) -> int:
        return 64 * self.chunks


@dataclass(eq=False)
class Page:
    id: int
    objects: dict[int, Object] = field(default_factory=dict)
    start_middle: int = 0
    references: int = 0
    cpu: int = -1
    pending: bool = False
    claimed: bool = False

    def chunks(self, position: int) -> int:
        return self.objects[position].chunks if position in self.objects else 0

    @property
    def headless(self) -> bool:
        return HEADLESS in self.objects

    @property
    def foreign(self) -> bool:
        return any(held.foreign for held in self.objects.values())

    @property
    def holes(self) -> tuple[int, int]:
        """Chunks free before and after middle."""
        before = 0 if FIRST in self.objects else self.start_middle - 2
        after = 0 if LAST in self.objects else 64 - (self.start_middle + self.chunks(MIDDLE))
        return before, after

    @property
    def free_chunks(self) -> int:
        return max(self.holes) if MIDDLE in self.objects else 62 - self.chunks(FIRST) - self.chunks(LAST)


class ReferenceZ3fold:
    def __init__(
        self, work: str = "immediate", cpus: int = 1, claimed_after_migration: bool = True, frames: bool = False
    ) -> None:
        self.cells = not frames  # where slots name pages there are no handle cells, so none is foreign
        self.immediate, self.claimed_after_migration = work == "immediate", claimed_after_migration
        self.cpu = self.taken = self.headers = 0
        self.moves: Counter[str] = Counter()
        self.live: list[Page] = []
        self.lru: list[Page] = []
        self.lists: list[list[list[Page]]] = [[[] for _ in range(62)] for _ in range(cpus)]
        self.work: list[Callable[[], None]] = []

    @property
    def pages(self) -> int:
        return len(self.live)

    @property
    def movable_pages(self) -> int:
        return sum(not (page.headless or page.claimed or page.foreign or page.pending) for page in self.live)

    def set_cpu(self, cpu: int) -> None:
        self.cpu = cpu % len(self.lists)

    def new_page(self) -> Page:
        page = Page(self.taken, references=1)
        self.taken += 1
        self.live.append(page)
        return page

    def delist(self, page: Page) -> None:
        for lists in self.lists:
            for pages in lists:
                if page in pages:
                    pages.remove(page)

    def add(self, page: Page, cpu: int) -> None:
        if len(page.objects) < 3:
            self.lists[cpu][page.free_chunks].insert(0, page)
            page.cpu = cpu

    def discard(self, page: Page) -> None:
        self.delist(page)
        if page in self.lru:
            self.lru.remove(page)
        self.live.remove(page)

    def take(self, pages: list[Page]) -> Page | None:
        page = pages.pop(0)
        self.headers += 1
        page.cpu = -1
        if page.pending or page.claimed:
            return None
        page.references += 1
        return page

    def find(self, chunks: int, cpu: int) -> Page | None:
        while any(self.lists[cpu][chunks:]):
            page = self.take(next(pages for pages in self.lists[cpu][chunks:] if pages))
            if page:
                return page
        for lists in self.lists:
            if lists[chunks]:
                page = self.take(lists[chunks])
                if page:
                    return page
        return None

    def put(self, moved: Object, page: Page) -> None:
        taken = page.objects
        if MIDDLE in taken:
            position = FIRST if FIRST not in taken and moved.chunks <= page.holes[0] else LAST
        else:
            position = next(p for p in (FIRST, LAST, MIDDLE) if p not in taken)
        if position == MIDDLE:
            page.start_middle = 2 + page.chunks(FIRST)
        assert position not in taken
        page.objects[position] = moved
        moved.page, moved.position = page, position

    def alloc(self, size: int) -> Object | int:
        if size == 0:
            return -EINVAL
        if size > 4096:
            return -ENOSPC
        if size > 3904:
            page = self.new_page()
            made = Object(page, HEADLESS, 64)
            page.objects[HEADLESS] = made
        else:
            chunks = -(-size // 64)
            page = self.find(chunks, self.cpu) or self.new_page()
            made = Object(page, FIRST, chunks)
            self.put(made, page)
            self.add(page, self.cpu)
        if page in self.lru:
            self.lru.remove(page)
        self.lru.insert(0, page)
        return made

    def free(self, freed: Object) -> None:
        page = freed.page
        self.headers += 1
        if page.headless:
            if not page.claimed:
                self.discard(page)
            return
        del page.objects[freed.position]
        page.references -= 1
        if page.references == 0:
            self.discard(page)
        elif not page.claimed and not page.pending:
            page.pending = True
            page.references += 1
            cpu = page.cpu
            if cpu < 0:
                self.compact_page(page, self.cpu)
            else:
                self.queue(page, cpu)

    def queue(self, page: Page, cpu: int) -> None:
        self.work.append(lambda: self.compact_page(page, cpu))
        if self.immediate:
            self.run_work()

    def run_work(self) -> None:
        while self.work:
            self.work.pop(0)()

    def compact_page(self, page: Page, cpu: int) -> None:
        page.pending = False
        self.headers += 1
        self.delist(page)
        page.references -= 1
        if page.references == 0:
            self.discard(page)
            return
        if page.claimed:
            return
        if not page.foreign and len(page.objects) == 1:
            [lone] = page.objects.values()
            target = self.find(lone.chunks, cpu)
            if target:
                self.put(lone, target)
                lone.foreign = self.cells
                self.add(target, cpu)
                self.discard(page)
                self.moves.update(["objects_copied", "handles_rewritten", "pages_compacted"])
                return
        self.tidy(page)
        self.add(page, cpu)

    def tidy(self, page: Page) -> None:
        has = set(page.objects)
        before = page.start_middle - 2 - page.chunks(FIRST)
        after = 64 - page.chunks(LAST) - page.start_middle - page.chunks(MIDDLE)
        if has == {MIDDLE}:
            middle = page.objects.pop(MIDDLE)
            middle.position = FIRST
            page.objects[FIRST] = middle
            self.moves["objects_copied"] += 1
        elif has == {FIRST, MIDDLE} and before >= 3:
            page.start_middle -= before
            self.moves["objects_copied"] += 1
        elif has == {MIDDLE, LAST} and after >= 3:
            page.start_middle += after
            self.moves["objects_copied"] += 1

    def reclaim(self, retries: int) -> Generator[tuple[int, int], bool, int]:
        if not retries:
            return -EINVAL
        for _ in range(retries):
            self.run_work()
            if not self.lru:
                return -EINVAL
            for page in reversed(self.lru):
                self.headers += 1
                if not page.claimed and not page.foreign:
                    break
            else:
                return -EAGAIN
            self.lru.remove(page)
            self.delist(page)
            page.cpu = -1
            page.claimed = True
            page.references += 1
            evicted = True
            for victim in [page.objects[p] for p in (MIDDLE, FIRST, LAST, HEADLESS) if p in page.objects]:
                evicted = yield victim.place[:2]
                if not evicted:
                    break
            page.claimed = False
            page.references -= 1
            self.lru.insert(0, page)
            if evicted if page.headless else page.references == 0:
                self.discard(page)
                return 0
            if not page.headless:
                self.add(page, self.cpu)
        return -EAGAIN

    def migrate(self, moved: Object) -> int | None:
        page = moved.page
        self.headers += 1
        if page.headless or page.pending or page.claimed or page.foreign:
            return None
        self.delist(page)
        page.id = self.taken
        self.taken += 1
        self.lru.remove(page)
        self.lru.insert(0, page)
        page.cpu = self.cpu
        page.claimed = self.claimed_after_migration
        page.pending = True
        page.references += 1
        handles = len(page.objects)
        self.moves["pages_migrated"] += 1
        self.moves["handles_rewritten"] += handles
        self.queue(page, self.cpu)
        return handles
