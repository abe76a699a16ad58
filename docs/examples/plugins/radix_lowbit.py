"""The radix tree of Linux 3.12 with the position in the location's low bits, in Python.

What the built-in index radix-lowbit does, to the last count (`like`, below): to be read beside docs/models.md, and to
begin with. It walks as the kernel does.

    zreplay run trace.parquet --index docs/examples/plugins/radix_lowbit.py:RadixLowbit -o runs/in-python

A node holds no key: six bits of the offset choose a slot at each level, so the offset is the path. The height is the
least with offset < 64^height, and offset 0 alone lives in the root, without a node.

    byte  0        24                        536    560
          | head   | slot 0 … slot 63        | tags |       the slab's object is 568 bytes
    line  |-- 0, with slots 0 to 4 --|-- 1 … 7 --|-- 8, with slots 61 to 63 --|
"""

from collections.abc import Iterator
from typing import Any

from zreplay.plugins import Index

NODE_BYTES = 568
HEAD_LINE, TAG_LINE = 0, 8


def lines_with_head(place: int) -> int:
    """Lines touched by a slot's and the head's access."""
    return 1 + ((24 + 8 * place) // 64 != HEAD_LINE)


def lines_with_head_and_tags(place: int) -> int:
    """The same, and the tags'."""
    return lines_with_head(place) + ((24 + 8 * place) // 64 != TAG_LINE)


WITH_HEAD = tuple(map(lines_with_head, range(64)))
WITH_HEAD_AND_TAGS = tuple(map(lines_with_head_and_tags, range(64)))


class Node:
    """Slots are nodes, or in a leaf locations; 0 is empty. `place`: its own slot in `parent`."""

    __slots__ = ("count", "parent", "place", "slots")

    def __init__(self, parent: "Node | None", place: int) -> None:
        self.count = 0
        self.parent = parent
        self.place = place
        self.slots: list[Any] = [0] * 64


class Tree:
    """One swap type's."""

    __slots__ = ("first", "height")

    def __init__(self) -> None:
        self.height = 0
        self.first: Any = None  # the top node, or the location of offset 0


class RadixLowbit(Index):
    """radix tree of descriptors, the position in the pointer's low bits; in Python"""

    name = "radix-lowbit-py"
    version = "1"
    like = "radix-lowbit"
    positions_64 = 32
    positions_32 = 2

    def __init__(self) -> None:
        self.trees = [Tree() for _ in range(32)]
        self.total = self.nodes = 0

    # ---- what zreplay calls ----

    def find(self, type: int, offset: int) -> int | None:
        tree = self.trees[type]
        height = tree.height
        if offset >> 6 * height:
            return None  # beyond the tree, as the root says
        if not height:
            return tree.first
        leaf = self.walk(tree, offset)
        return leaf and (leaf.slots[offset & 63] or None)

    def insert(self, type: int, offset: int, location: int) -> int | None:
        tree = self.trees[type]
        if self.find(type, offset) is not None:  # 3.12 has no replace: a lookup of the slot, which is written
            return self.overwrite(tree, offset, location)
        self.total += 1
        self.cost.slots_written += 1
        leaf = self.path(tree, offset)
        if leaf is None:
            tree.first = location
            return None
        place = offset & 63
        leaf.slots[place] = location
        leaf.count += 1
        self.cost.cache_lines += WITH_HEAD_AND_TAGS[place]
        return None

    def move(self, type: int, offset: int, location: int) -> int | None:
        if self.find(type, offset) is None:
            return None
        return self.overwrite(self.trees[type], offset, location)

    def erase(self, type: int, offset: int) -> int | None:
        tree = self.trees[type]
        old = self.find(type, offset)
        if old is None:
            return None
        self.total -= 1
        cost = self.cost
        if not tree.height:
            tree.first = None
            cost.slots_written += 1
            return old
        place = offset & 63
        cost.cache_lines += WITH_HEAD_AND_TAGS[place] - 1
        node = self.leaf(tree, offset)
        while True:
            node.slots[place] = 0
            node.count -= 1
            cost.slots_written += 1
            if node.count:
                break
            # An empty node is freed, and its slot in the node above emptied.
            parent, place = node.parent, node.place
            self.free(node)
            if parent is None:
                tree.height, tree.first = 0, None
                cost.slots_written += 1
                return old
            cost.cache_lines += WITH_HEAD[place] - 1
            node = parent
        if node.parent is None:
            self.shrink(tree)
        return old

    def entries(self, type: int) -> Iterator[tuple[int, int]]:
        tree = self.trees[type]
        if tree.first is None:
            return
        if not tree.height:
            yield 0, tree.first
        else:
            yield from self.below(tree.first, tree.height - 1, 0)

    def memory(self) -> tuple[int, int, int]:
        return self.total, self.nodes, self.nodes * NODE_BYTES

    def check(self) -> None:
        nodes = total = 0
        for type, tree in enumerate(self.trees):
            offsets = [offset for offset, _ in self.entries(type)]
            total += len(offsets)
            height = 0
            while offsets and offsets[-1] >> 6 * height:
                height += 1
            assert tree.height == height, f"type {type}: height {tree.height}, expected {height}"
            nodes += sum(len({offset >> 6 * level for offset in offsets}) for level in range(1, height + 1))
            if height:
                self.check_node(tree.first, height - 1)
        assert nodes == self.nodes, f"{self.nodes} nodes, expected {nodes}"
        assert total == self.total, f"{self.total} entries, expected {total}"

    # ---- the tree ----

    def walk(self, tree: Tree, offset: int) -> Node | None:
        """The offset's leaf; None where a slot on the way is empty."""
        node: Node | None = tree.first
        nodes = 1
        shift = 6 * tree.height - 6
        while shift and node:
            node = node.slots[offset >> shift & 63]
            shift -= 6
            nodes += 1
        if not node:
            nodes -= 1  # there was none to look into
        cost = self.cost
        cost.nodes_visited += nodes
        cost.cache_lines += nodes
        return node or None

    def leaf(self, tree: Tree, offset: int) -> Node:
        """The offset's leaf once more, which is there and has been paid for."""
        node: Node = tree.first
        for shift in range(6 * tree.height - 6, 0, -6):
            node = node.slots[offset >> shift & 63]
        return node

    def overwrite(self, tree: Tree, offset: int, location: int) -> int:
        self.cost.slots_written += 1
        if not tree.height:
            old, tree.first = tree.first, location
            return old
        slots = self.leaf(tree, offset).slots
        old, slots[offset & 63] = slots[offset & 63], location
        return old

    def path(self, tree: Tree, offset: int) -> Node | None:
        """The offset's leaf, with all that is missing on the way to it; None: it lives in the root. The leaf's lines
        depend on what is done there, and are not counted."""
        cost = self.cost
        if offset >> 6 * tree.height:
            self.grow(tree, offset)
        if not tree.height:
            return None
        if tree.first is None:
            tree.first = self.make(None, 0)
            cost.slots_written += 1
        node: Node = tree.first
        for shift in range(6 * tree.height - 6, 0, -6):
            place = offset >> shift & 63
            child = node.slots[place]
            if child:
                cost.cache_lines += 1
            else:
                child = node.slots[place] = self.make(node, place)
                node.count += 1
                cost.cache_lines += WITH_HEAD[place]
                cost.slots_written += 2  # the slot and the child's parent
            node = child
        cost.nodes_visited += tree.height
        return node

    def grow(self, tree: Tree, offset: int) -> None:
        """An empty tree takes the height at once; else each missing level becomes a node above the root."""
        cost = self.cost
        while offset >> 6 * tree.height:
            if tree.first is not None:
                top = self.make(None, 0)
                top.slots[0] = tree.first
                top.count = 1
                cost.cache_lines += 1
                cost.slots_written += 2
                if tree.height:
                    tree.first.parent = top
                    cost.cache_lines += 1
                    cost.slots_written += 1
                tree.first = top
            tree.height += 1

    def shrink(self, tree: Tree) -> None:
        """A top node with slot 0 alone is taken out."""
        cost = self.cost
        while tree.height and tree.first.count == 1 and tree.first.slots[0]:
            top = tree.first
            tree.first = top.slots[0]
            tree.height -= 1
            cost.slots_written += 1
            if tree.height:
                tree.first.parent = None
                cost.slots_written += 1
                cost.cache_lines += 1
            self.free(top)

    def make(self, parent: Node | None, place: int) -> Node:
        self.nodes += 1
        self.cost.nodes_allocated += 1
        return Node(parent, place)

    def free(self, node: Node) -> None:
        self.nodes -= 1
        self.cost.nodes_freed += 1
        node.parent = None

    def below(self, node: Node, level: int, first: int) -> Iterator[tuple[int, int]]:
        for place, word in enumerate(node.slots):
            if word:
                offset = first | place << 6 * level
                if level:
                    yield from self.below(word, level - 1, offset)
                else:
                    yield offset, word

    def check_node(self, node: Node, level: int) -> None:
        used = [slot for slot in node.slots if slot]
        assert used and len(used) == node.count, f"a node of {len(used)} slots counts {node.count}"
        if level:
            for place, child in enumerate(node.slots):
                if child:
                    assert child.parent is node and child.place == place, f"the node at slot {place} has another parent"
                    self.check_node(child, level - 1)
