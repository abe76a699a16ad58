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

HEAD_BYTES, TAGS_BYTES, SLAB_BYTES = 24, 24, 8
HEAD_LINE = 0


class Node:
    """Slots are nodes, or in a leaf locations; 0 is empty. `place`: its own slot in `parent`."""

    __slots__ = ("count", "parent", "place", "slots")

    def __init__(self, parent: "Node | None", place: int, fan_out: int) -> None:
        self.count = 0
        self.parent = parent
        self.place = place
        self.slots: list[Any] = [0] * fan_out


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
        self.bits = 2 if self.options.small else 6  # of an offset, at each level
        self.fan_out = 1 << self.bits
        self.mask = self.fan_out - 1
        self.node_bytes = HEAD_BYTES + 8 * self.fan_out + TAGS_BYTES + SLAB_BYTES
        # Lines touched where a slot is, by its place, and the head; or these and the tags.
        lines = [(HEAD_BYTES + 8 * place) // 64 for place in range(self.fan_out)]
        tag_line = (HEAD_BYTES + 8 * self.fan_out) // 64
        self.with_head = [len({line, HEAD_LINE}) for line in lines]
        self.with_head_and_tags = [len({line, HEAD_LINE, tag_line}) for line in lines]

    # ---- what zreplay calls ----

    def find(self, type: int, offset: int) -> int | None:
        tree = self.trees[type]
        height = tree.height
        if offset >> self.bits * height:
            return None  # beyond the tree, as the root says
        if not height:
            return tree.first
        leaf = self.walk(tree, offset)
        return leaf and (leaf.slots[offset & self.mask] or None)

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
        place = offset & self.mask
        leaf.slots[place] = location
        leaf.count += 1
        self.cost.cache_lines += self.with_head_and_tags[place]
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
        place = offset & self.mask
        cost.cache_lines += self.with_head_and_tags[place] - 1
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
            cost.cache_lines += self.with_head[place] - 1
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
        return self.total, self.nodes, self.nodes * self.node_bytes

    def check(self) -> None:
        nodes = total = 0
        for type, tree in enumerate(self.trees):
            offsets = [offset for offset, _ in self.entries(type)]
            total += len(offsets)
            height = 0
            while offsets and offsets[-1] >> self.bits * height:
                height += 1
            assert tree.height == height, f"type {type}: height {tree.height}, expected {height}"
            nodes += sum(len({offset >> self.bits * level for offset in offsets}) for level in range(1, height + 1))
            if height:
                self.check_node(tree.first, height - 1)
        assert nodes == self.nodes, f"{self.nodes} nodes, expected {nodes}"
        assert total == self.total, f"{self.total} entries, expected {total}"

    # ---- the tree ----

    def walk(self, tree: Tree, offset: int) -> Node | None:
        """The offset's leaf; None where a slot on the way is empty."""
        node: Node | None = tree.first
        nodes = 1
        shift = self.bits * (tree.height - 1)
        while shift and node:
            node = node.slots[offset >> shift & self.mask]
            shift -= self.bits
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
        for shift in range(self.bits * (tree.height - 1), 0, -self.bits):
            node = node.slots[offset >> shift & self.mask]
        return node

    def overwrite(self, tree: Tree, offset: int, location: int) -> int:
        self.cost.slots_written += 1
        if not tree.height:
            old, tree.first = tree.first, location
            return old
        slots = self.leaf(tree, offset).slots
        old, slots[offset & self.mask] = slots[offset & self.mask], location
        return old

    def path(self, tree: Tree, offset: int) -> Node | None:
        """The offset's leaf, with all that is missing on the way to it; None: it lives in the root. The leaf's lines
        depend on what is done there, and are not counted."""
        cost = self.cost
        if offset >> self.bits * tree.height:
            self.grow(tree, offset)
        if not tree.height:
            return None
        if tree.first is None:
            tree.first = self.make(None, 0)
            cost.slots_written += 1
        node: Node = tree.first
        for shift in range(self.bits * (tree.height - 1), 0, -self.bits):
            place = offset >> shift & self.mask
            child = node.slots[place]
            if child:
                cost.cache_lines += 1
            else:
                child = node.slots[place] = self.make(node, place)
                node.count += 1
                cost.cache_lines += self.with_head[place]
                cost.slots_written += 2  # the slot and the child's parent
            node = child
        cost.nodes_visited += tree.height
        return node

    def grow(self, tree: Tree, offset: int) -> None:
        """An empty tree takes the height at once; else each missing level becomes a node above the root."""
        cost = self.cost
        while offset >> self.bits * tree.height:
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
        return Node(parent, place, self.fan_out)

    def free(self, node: Node) -> None:
        self.nodes -= 1
        self.cost.nodes_freed += 1
        node.parent = None

    def below(self, node: Node, level: int, first: int) -> Iterator[tuple[int, int]]:
        for place, word in enumerate(node.slots):
            if word:
                offset = first | place << self.bits * level
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
