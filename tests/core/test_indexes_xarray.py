"""The xarray of Linux 6.1 by hand, one tree a type and one a range: heights, memory, slots, and what calls cost."""

import _zreplay
import pytest
from core.reference_index import SAME_FILLED, stores, value_word, wide_word, word
from core.structures import assert_costs, peek, poke

FIRST, LAST = word(1, 0), word(2, 1)
SLOTS = 40  # byte of a node at which its slots begin
both = pytest.mark.parametrize("kind", ["xarray", "xarray-64m"])


def filled(kind, offsets):
    index = _zreplay.Index(kind)
    index.apply(stores(offsets))
    return index


def head(index):
    """What the head of type 0's (first) tree names."""
    return peek(index.root_address(0), "IIQ")[2]


def height(index):
    first = head(index)
    return peek(first - 2, "B")[0] // 6 + 1 if first & 3 == 2 else 0


@pytest.mark.parametrize(
    ("offsets", "expected_height", "nodes"),
    [
        ([0], 0, 0),  # in the head itself
        ([1], 1, 1),
        ([63], 1, 1),
        ([64], 2, 2),
        ([0, 64], 2, 3),  # a leaf each, and the top
        ([4096], 3, 3),
        ([0, 4096], 3, 5),
        ([(1 << 58) - 1], 10, 10),
        (range(4096), 2, 65),
    ],
    ids=str,
)
def test_heights_and_nodes_are_the_radix_tree_s(offsets, expected_height, nodes):
    index = filled("xarray", offsets)
    assert (height(index), index.nodes, index.bytes) == (expected_height, nodes, 584 * nodes)
    index.check()


def test_erasing_the_far_entry_lowers_the_tree_to_what_is_left():
    index = filled("xarray", [0, 70, 5000, 1 << 40])
    assert height(index) == 7
    for offset, expected_height, nodes in [(1 << 40, 3, 6), (5000, 2, 3), (70, 0, 0)]:
        index.erase(0, offset)
        index.check()
        assert (height(index), index.nodes) == (expected_height, nodes)
    assert index.items(0) == [(0, SAME_FILLED)]


@both
def test_nodes_lie_in_memory_as_the_kernel_s(kind):
    index = filled(kind, [64 + 5])
    index.insert(0, 64 + 6, LAST)
    index.insert(0, 64 + 7, FIRST)
    root = index.root_address(0)
    assert peek(root, "II") == (0, 0)  # lock, flags
    top = head(index) - 2
    assert peek(top, "BBBB4xQQQQ") == (
        6,
        0,
        1,
        0,
        0,
        root,
        0,
        0,
    )  # shift, offset, count, nr_values, parent, array, list
    leaf = peek(top + SLOTS + 8 * 1, "Q")[0] - 2
    # A pointer of tag 1 has bit 0 set: the kernel counts it as a value, as it does the same-filled page's.
    assert peek(leaf, "BBBB4xQQ") == (0, 1, 3, 2, top, root)
    assert peek(leaf + SLOTS + 8 * 5, "QQQ") == (1, 2 << 4 | 0b01, 1 << 4)
    assert peek(leaf + 552, "QQQ") == (0, 0, 0)
    index.erase(0, 64 + 6)
    assert peek(leaf, "BBBB") == (0, 1, 2, 1)


@pytest.mark.parametrize(
    ("words", "given", "slot"),
    [
        ("narrow", word(0x100, 0), 0x1000),
        ("narrow", word(0x100, 1), 0x1001),
        ("narrow", word(0x100, 2), 0x1003),  # tag 2 would be a node's mark
        ("narrow", word(0x100, 3), 0x1004),
        ("narrow", word(0x101, 3), 0x1014),  # bit 4 is the descriptor's
        ("narrow", SAME_FILLED, 1),
        ("wide", wide_word(0x40, 0), 0x1000),
        ("wide", wide_word(0x40, 1), 0x1001),
        ("wide", wide_word(0x40, 2), 0x1003),
        ("wide", wide_word(0x40, 3), 0x1004),
        ("wide", wide_word(0x40, 4), 0x1005),  # its word has bit 3 set, as a same-filled page's
        ("wide", wide_word(0x40, 31), 0x1000 | 10 << 2 | 0b01),
        ("wide", wide_word(0x40, 32), 0x1000 | 10 << 2 | 0b11),  # its word has bit 0 set
        ("wide", wide_word(0x40, 47), 0x103F),
        ("wide", SAME_FILLED, 1),
        ("value", value_word(0x123), 0x247),
        ("value", 0x1000, 0x1000),
        ("value", SAME_FILLED, 1),
    ],
)
def test_slot_never_ends_in_the_two_bits_that_mark_a_node(words, given, slot):
    index = _zreplay.Index("xarray", words=words)
    index.insert(0, 5, given)
    assert peek(head(index) - 2 + SLOTS + 8 * 5, "Q") == (slot,)
    assert (index.find(0, 5), index.items(0), index.warm([(0, 5)])) == (given, [(5, given)], [given])
    assert index.erase(0, 5) == given


@pytest.mark.parametrize(("words", "positions"), [("narrow", 4), ("wide", 48)])
def test_each_position_has_a_slot_word_of_its_own(words, positions):
    index = _zreplay.Index("xarray", words=words)
    spell = {"narrow": lambda p: word(0x400, p), "wide": lambda p: wide_word(0x100, p)}[words]
    for position in range(positions):
        index.insert(0, position, spell(position))
    index.insert(0, 63, SAME_FILLED)
    slots = peek(head(index) - 2 + SLOTS, "64Q")
    assert len(set(slots[:positions])) == positions
    assert all(slot & 0b11 != 0b10 for slot in slots)
    assert index.items(0) == [(p, spell(p)) for p in range(positions)] + [(63, SAME_FILLED)]
    index.check()


def test_costs_of_a_tree_of_one_and_two_levels():
    index = _zreplay.Index("xarray")
    # The head, then the slot. A node's shift, count and parent are in line 0, with slots 0 to 2; slot 5 is in line 1.
    assert_costs(index, index.insert, 0, 5, FIRST, visited=1, lines=2, made=1, words=2)
    assert_costs(index, index.find, 0, 5, visited=1, lines=2)
    assert_costs(index, index.find, 0, 2, visited=1, lines=1)
    assert_costs(index, index.find, 0, 64, visited=1, lines=1)  # the top's shift says no
    # Growing: line 0 of both tops; the new top's slot 0, the head, the old top's parent. The walk: line 0 of the new
    # top (shift, count, slot 1) once more, and of the leaf; slot and parent, then the slot.
    assert_costs(index, index.insert, 0, 64, LAST, visited=2, lines=2 + 1, made=2, words=3 + 2 + 1)
    assert_costs(index, index.find, 0, 64, visited=2, lines=2)
    assert_costs(index, index.find, 0, 64 + 3, visited=2, lines=3)
    assert_costs(index, index.insert, 0, 64, FIRST, visited=2, lines=2, words=1)  # one walk: it replaces
    assert_costs(index, index.update, 0, 64, LAST, visited=2, lines=2, words=1)
    assert_costs(index, index.erase, 0, 65, visited=2, lines=2)  # not there: a lookup
    assert_costs(index, index.update, 0, 64, LAST, visited=2, lines=2)  # it is there already
    # The walk, the leaf's three marks in line 8 (a store of nothing clears them, set or not), then leaf and top go:
    # line 0 of the old leaf, which is the top again. Words: two slots, the head, the parent.
    assert_costs(index, index.erase, 0, 64, visited=2, lines=2 + 1 + 1, freed=2, words=4, tags=3)
    assert_costs(index, index.erase, 0, 5, visited=1, lines=2 + 1, freed=1, words=2, tags=3)
    assert_costs(index, index.erase, 0, 5)
    assert_costs(index, index.insert, 0, 0, FIRST, words=1)  # the head
    assert_costs(index, index.find, 0, 0)
    assert_costs(index, index.insert, 0, 2, FIRST, visited=1, lines=1, made=1, words=3)  # slot 0, the head, slot 2
    # An erase looks at the slot behind, which is in line 1. The entry left goes back to the head, where its slot sends
    # who still reads there.
    assert_costs(index, index.erase, 0, 2, visited=1, lines=1 + 1 + 1, freed=1, words=1 + 1 + 1, tags=3)


def test_store_is_one_walk_where_the_radix_tree_needs_two():
    visits = {}
    for kind in ("radix-lowbit", "xarray"):
        index = filled(kind, range(1 << 18))
        index.erase(0, 12345)
        before = index.cost()["nodes_visited"]
        index.insert(0, 12345, FIRST)
        visits[kind] = index.cost()["nodes_visited"] - before
    assert visits == {"radix-lowbit": 3 + 3, "xarray": 3}


@pytest.mark.parametrize(("first", "nodes"), [(0, 256 + 4 + 1), (1 << 20, 256 + 4 + 1 + 1)])
def test_full_range_of_64_mib_has_a_chain_of_nodes_above_it_if_it_is_a_high_one(first, nodes):
    index = filled("xarray-64m", range(first, first + (1 << 14)))
    assert (index.nodes, index.bytes) == (nodes, 584 * nodes)
    assert_costs(index, index.find, 0, first, visited=nodes - 258, lines=nodes - 258 + (0 if first == 0 else 1))


def test_ranges_are_trees_of_their_own():
    index = filled("xarray-64m", [0, 1 << 14])
    assert index.nodes == 0 + 3  # 0 in the head of its tree; 2^14 below 64^3
    assert_costs(index, index.find, 0, 1 << 15)  # nobody has stored in that range
    assert_costs(index, index.find, 0, (1 << 15) - 1, visited=1, lines=2)  # the top's slot 7 is empty
    index.erase(0, 1 << 14)
    assert (index.nodes, index.items(0)) == (0, [(0, SAME_FILLED)])
    index.check()


@both
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda root, top, leaf: (top + 2, "B", 3), "radix node's count at type 0, offset 0: found 3, expected 2"),
        (lambda root, top, leaf: (leaf, "B", 6), "radix node's height at type 0, offset 64: found 2, expected 1"),
        (lambda root, top, leaf: (leaf + 8, "Q", 16), "radix node's parent at type 0, offset 64: found 16"),
        (lambda root, top, leaf: (leaf + 1, "B", 2), "xarray node's offset at type 0, offset 64: found 2, expected 1"),
        (
            lambda root, top, leaf: (leaf + 3, "B", 2),
            "xarray node's nr_values at type 0, offset 64: found 2, expected 1",
        ),
        (lambda root, top, leaf: (leaf + 16, "Q", 8), "xarray node's array at type 0, offset 64: found 8"),
        (
            lambda root, top, leaf: (top + SLOTS + 8 * 1, "Q", leaf),
            "low bits 10 mark a node at type 0, offset 64: found 0",
        ),
        (lambda root, top, leaf: (leaf + SLOTS + 8 * 6, "Q", 0), "nr_values at type 0, offset 64: found 1, expected 0"),
        (
            lambda root, top, leaf: (leaf + 552, "Q", 1),
            "tags are the OR of what is below at type 0, offset 64: found 1",
        ),
        (lambda root, top, leaf: (root + 4, "I", 4), "root's tags are the OR of the tree at type 0, offset 0: found 4"),
        (
            lambda root, top, leaf: (leaf + SLOTS + 8 * 6, "Q", 0x1007),
            "xarray slot holds a location at type 0, offset 70",
        ),
    ],
    ids=[
        "count",
        "shift",
        "parent",
        "offset",
        "nr_values",
        "array",
        "node mark",
        "lost",
        "mark",
        "flags",
        "fifth position",
    ],
)
def test_check_names_what_is_broken_and_where(kind, breaks, says):
    index = _zreplay.Index(kind)
    index.insert(0, 5, FIRST)
    index.insert(0, 70, LAST)
    index.check()
    root = index.root_address(0)
    top = head(index) - 2
    leaf = peek(top + SLOTS + 8, "Q")[0] - 2
    poke(*breaks(root, top, leaf))
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


@pytest.mark.parametrize(("slot", "offset"), [(5, 5 << 12), (4, 4 << 12)], ids=["far beyond", "first beyond"])
def test_check_names_an_offset_that_is_another_range_s(slot, offset):
    index = filled("xarray-64m", [4096])  # below slot 1 of the top; the range ends with slot 3
    top = head(index) - 2
    marked = peek(top + SLOTS + 8, "Q")[0]
    poke(top + SLOTS + 8, "Q", 0)
    poke(top + SLOTS + 8 * slot, "Q", marked)
    poke(marked - 2 + 1, "B", slot)
    says = f"radix tree's range has the offset at type 0, offset {offset}: found {offset}, expected 0"
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


def test_last_offset_of_a_range_is_its_own():
    index = filled("xarray-64m", [(1 << 14) - 1, 1 << 14, (1 << 15) - 1])
    index.check()
    assert index.nodes == 3 + 5  # below 64^3: three levels; two leaves, two above them, one top
