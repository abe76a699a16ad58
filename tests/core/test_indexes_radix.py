"""The radix tree of Linux 3.12 by hand: heights, node counts, memory, and what each call costs."""

import random

import _zreplay
import pytest
from core.reference_index import SAME_FILLED, stores, word
from core.structures import assert_costs, count_costs, peek, poke

RADIX = ["radix-tag", "radix-lowbit"]
FIRST, LAST = word(1, 0), word(2, 1)
both = pytest.mark.parametrize("kind", RADIX)


def filled(kind, offsets):
    index = _zreplay.Index(kind)
    index.apply(stores(offsets))
    return index


def height(index):
    return peek(index.root_address(0), "I")[0]


@both
@pytest.mark.parametrize(
    ("offsets", "expected_height", "nodes"),
    [
        ([0], 0, 0),  # in the root itself
        ([1], 1, 1),
        ([63], 1, 1),
        ([64], 2, 2),
        ([0, 64], 2, 3),  # a leaf each, and the top
        ([4095], 2, 2),
        ([4096], 3, 3),
        ([0, 4096], 3, 5),  # two leaves, two above them, the top
        ([(1 << 58) - 1], 10, 10),  # 64^9 = 2^54 does not reach, 64^10 does
        (range(64), 1, 1),
        (range(4096), 2, 65),
    ],
    ids=str,
)
def test_height_is_the_least_that_reaches_and_nodes_follow_the_formula(kind, offsets, expected_height, nodes):
    index = filled(kind, offsets)
    assert (height(index), index.nodes, index.bytes) == (expected_height, nodes, 568 * nodes)
    index.check()


@both
def test_erasing_the_far_entry_lowers_the_tree_to_what_is_left(kind):
    index = filled(kind, [0, 70, 5000, 1 << 40])
    assert height(index) == 7  # 64^6 = 2^36 does not reach
    for offset, expected_height, nodes in [(1 << 40, 3, 6), (5000, 2, 3), (70, 0, 0)]:
        index.erase(0, offset)
        index.check()
        assert (height(index), index.nodes) == (expected_height, nodes)
    assert index.items(0) == [(0, SAME_FILLED)]


@both
def test_one_dense_gigabyte_of_swap_takes_4161_nodes(kind):
    index = filled(kind, range(1 << 18))
    assert index.nodes == 4096 + 64 + 1
    assert index.bytes / (1 << 18) == pytest.approx(9.0, rel=0.01)


def test_node_bytes_per_entry_at_random_densities():
    offsets = list(range(1 << 20))
    random.Random(0).shuffle(offsets)
    index = _zreplay.Index("radix-lowbit")
    for entries_per_64_slots, bytes_per_entry in [(1, 370), (2, 251), (4, 142), (8, 72), (16, 36), (32, 18), (64, 9.0)]:
        entries = (1 << 20) // 64 * entries_per_64_slots
        index.apply(stores(offsets[index.entries : entries]))
        assert index.bytes / index.entries == pytest.approx(bytes_per_entry, rel=0.01)


@both
def test_nodes_lie_in_memory_as_the_kernel_s(kind):
    index = _zreplay.Index(kind, kernels_layout=True)
    index.apply(stores([64 + 5]))
    index.insert(0, 64 + 6, LAST)
    height, tags, first = peek(index.root_address(0), "IIQ")
    assert (height, first & 1) == (2, 1)
    top = first - 1
    assert peek(top, "IIQ") == (2, 1, 0)  # height, count, parent
    (marked_leaf,) = peek(top + 24 + 8 * 1, "Q")
    assert marked_leaf & 1
    leaf = marked_leaf - 1
    assert peek(leaf, "IIQ") == (1, 2, top)
    slots = peek(leaf + 24 + 8 * 5, "QQ")
    if kind == "radix-lowbit":
        assert slots == (SAME_FILLED, LAST)
        assert (tags, peek(leaf + 536, "QQQ")) == (0, (0, 0, 0))
    else:
        assert slots == (SAME_FILLED, LAST & ~0b110)
        assert (tags, peek(leaf + 536, "QQQ"), peek(top + 536, "QQQ")) == (1, (1 << 6, 0, 0), (1 << 1, 0, 0))


def test_low_bit_costs_of_a_tree_of_one_and_two_levels():
    index = _zreplay.Index("radix-lowbit")
    # The top is made; slot 5 is in line 1 of its node, the count in line 0, the tags that must be clear in line 8.
    assert_costs(index, index.insert, 0, 5, FIRST, visited=1, lines=3, made=1, words=2)
    assert_costs(index, index.find, 0, 5, visited=1, lines=1)
    assert_costs(index, index.find, 0, 6, visited=1, lines=1)
    assert_costs(index, index.find, 0, 64)  # the root's height says no
    # Growing: line 0 of both tops; three words: the new top's slot 0, the root's pointer, the old top's parent.
    # Inserting: line 0 of the new top (slot 1, count); lines 0 and 8 of the leaf; slot and parent, then the slot.
    assert_costs(index, index.insert, 0, 64, LAST, visited=2, lines=2 + 1 + 2, made=2, words=3 + 2 + 1)
    assert_costs(index, index.find, 0, 64, visited=2, lines=2)
    assert_costs(index, index.insert, 0, 64, FIRST, visited=2, lines=2, words=1)
    assert_costs(index, index.update, 0, 64, LAST, visited=2, lines=2, words=1)
    # The top's line 0, the leaf's lines 0 and 8; then the leaf goes, and the top, as only its slot 0 is left: the old
    # leaf's parent is in its line 0. Words: two slots, the root's pointer, the parent.
    assert_costs(index, index.erase, 0, 64, visited=2, lines=1 + 2 + 1, freed=2, words=4)
    assert_costs(index, index.erase, 0, 5, visited=1, lines=3, freed=1, words=2)
    assert_costs(index, index.erase, 0, 5)


def test_tag_costs_one_more_walk_to_load_and_one_to_store_the_last_buddy():
    index = _zreplay.Index("radix-tag")
    assert_costs(index, index.insert, 0, 5, FIRST, visited=1, lines=3, made=1, words=2)
    # As radix-lowbit's 2 nodes and 5 lines, then the tag's walk: line 0 and 8 of the top, 8 of the leaf.
    assert_costs(index, index.insert, 0, 64, LAST, visited=2 + 2, lines=5 + 3, made=2, words=6, tags=2)
    assert_costs(index, index.find, 0, 64, visited=4, lines=4)  # lookup, tag get
    assert_costs(index, index.find, 0, 6, visited=2, lines=2)  # nothing there to be tagged
    assert_costs(index, index.find, 0, 128, visited=1, lines=1)
    assert_costs(index, index.update, 0, 64, word(7, 1), visited=2, lines=2, words=1)
    # Lookup, tag get, slot; then tag clear: the top's line 0, the leaf's line 8, and as the word is empty now the
    # leaf's parent (line 0) and the top's line 8.
    assert_costs(index, index.insert, 0, 64, FIRST, visited=6, lines=4 + 4, words=1, tags=2)
    assert_costs(index, index.insert, 0, 64, LAST, visited=6, lines=4 + 3, words=1, tags=2)
    # Tag get; then delete as radix-lowbit's 4 lines, and the top's line 8.
    assert_costs(index, index.erase, 0, 64, visited=4, lines=2 + 5, freed=2, words=4, tags=2)


def test_positions_two_and_three_use_the_second_tag():
    index = _zreplay.Index("radix-tag")
    index.insert(0, 5, word(1, 0))
    assert count_costs(index, index.insert, 0, 6, word(1, 2))["visited"] == 1 + 1 + 1  # lookup, insert, tag 1
    assert count_costs(index, index.insert, 0, 7, word(1, 3))["visited"] == 1 + 1 + 2  # and tag 0
    assert peek(index.root_address(0), "II") == (1, 0b11)
    assert index.items(0) == [(5, word(1, 0)), (6, word(1, 2)), (7, word(1, 3))]
    index.erase(0, 7)
    assert peek(index.root_address(0), "II") == (1, 0b10)


def test_tag_is_copied_up_as_the_tree_grows_and_kept_by_the_root_as_it_shrinks():
    index = _zreplay.Index("radix-tag")
    index.insert(0, 0, LAST)
    assert peek(index.root_address(0), "II") == (0, 1)  # no node: the tag is the root's
    assert count_costs(index, index.insert, 0, 4096, FIRST)["tags"] == 3  # one in each new level
    index.check()
    index.erase(0, 4096)
    assert peek(index.root_address(0), "II") == (0, 1)
    assert index.find(0, 0) == LAST


@both
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda root, top, leaf: (top + 4, "I", 3), "radix node's count at type 0, offset 0: found 3, expected 2"),
        (lambda root, top, leaf: (leaf, "I", 2), "radix node's height at type 0, offset 64: found 2, expected 1"),
        (lambda root, top, leaf: (root, "I", 3), "radix node's height at type 0, offset 0: found 2, expected 3"),
        (lambda root, top, leaf: (leaf + 8, "Q", 16), "radix node's parent at type 0, offset 64: found 16"),
        (
            lambda root, top, leaf: (leaf + 24 + 8 * 6, "Q", LAST | 1),
            "bit 0 marks a node at type 0, offset 70: found 1",
        ),
        (lambda root, top, leaf: (leaf + 24 + 8 * 6, "Q", 0), "radix node's count at type 0, offset 64: found 1"),
        (
            lambda root, top, leaf: (leaf + 536, "Q", 1),
            "tags are the OR of what is below at type 0, offset 64: found 1",
        ),
        (lambda root, top, leaf: (top + 544, "Q", 1), "tags are the OR of what is below at type 0, offset 0: found 2"),
        (lambda root, top, leaf: (root + 4, "I", 4), "root's tags are the OR of the tree at type 0, offset 0: found 4"),
    ],
    ids=["count", "height", "root height", "parent", "bit 0", "lost entry", "leaf tag", "upper tag", "root tag"],
)
def test_check_names_what_is_broken_and_where(kind, breaks, says):
    index = _zreplay.Index(kind, kernels_layout=True)
    for offset in (5, 70):
        index.insert(0, offset, FIRST)
    index.check()
    root = index.root_address(0)
    top = peek(root + 8, "Q")[0] - 1
    leaf = peek(top + 24 + 8, "Q")[0] - 1
    poke(*breaks(root, top, leaf))
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


@both
def test_a_leaf_whose_count_is_kept_beside_it_is_checked_too(kind):
    index = filled(kind, [64 + 5])
    index.insert(0, 64 + 6, FIRST)
    top = peek(index.root_address(0) + 8, "Q")[0] - 1
    leaf = peek(top + 24 + 8, "Q")[0] - 1
    poke(leaf + 24 + 8 * 6, "Q", 0)
    with pytest.raises(_zreplay.CheckFailed, match="radix leaf's count at type 0, offset 64: found 2, expected 1"):
        index.check()


@both
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (
            lambda root, top, leaf: [(root + 8, "Q", top)],
            "root above height 0 names a node at type 0, offset 0: found 0, expected 1",
        ),
        (
            lambda root, top, leaf: [(root, "I", 0)],
            "root of height 0 holds an entry at type 0, offset 0: found 1, expected 0",
        ),
        (
            lambda root, top, leaf: [(leaf + 24 + 8 * 6, "Q", 0), (leaf + 4, "I", 0)],
            "radix node is not empty at type 0, offset 64: found 0, expected 1",
        ),
        (
            lambda root, top, leaf: [(top + 24 + 8, "QQ", 0, 0), (top + 4, "I", 1)],
            "radix height is the least that reaches at type 0, offset 5: found 2, expected 1",
        ),
        (
            lambda root, top, leaf: [(top + 24 + 8, "Q", 0), (top + 4, "I", 2)],
            "radix nodes allocated but not in a tree: found 4, expected 3",
        ),
        (
            lambda root, top, leaf: [(leaf + 24 + 8 * 7, "Q", FIRST), (leaf + 4, "I", 2)],
            "radix tree's number of entries: found 3, expected 4",
        ),
        (
            lambda root, top, leaf: [(top + 4, "I", 2)],
            "radix node's count at type 0, offset 0: found 2, expected 3",
        ),
    ],
    ids=["no node", "height 0", "empty leaf", "too high", "lost leaf", "one entry more", "upper count"],
)
def test_check_names_the_shape_that_is_wrong(kind, breaks, says):
    index = _zreplay.Index(kind, kernels_layout=True)
    for offset in (5, 70, 140):
        index.insert(0, offset, FIRST)
    index.check()
    root = index.root_address(0)
    top = peek(root + 8, "Q")[0] - 1
    leaf = peek(top + 24 + 8, "Q")[0] - 1
    for place in breaks(root, top, leaf):
        poke(*place)
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


def test_check_of_the_tree_that_uses_no_tag_names_one():
    index = filled("radix-lowbit", [0])  # in the root itself
    poke(index.root_address(0) + 4, "I", 2)
    with pytest.raises(_zreplay.CheckFailed, match="radix-lowbit sets no tag at type 0, offset 0: found 2, expected 0"):
        index.check()


@both
def test_leaf_that_the_directory_does_not_name_is_found(kind):
    """The leaf of 64 to 127 comes to stand where that of 128 to 191 was looked for."""
    index = filled(kind, [70, 140])
    top = peek(index.root_address(0) + 8, "Q")[0] - 1
    poke(top + 24 + 8, "QQ", *reversed(peek(top + 24 + 8, "QQ")))
    with pytest.raises(_zreplay.CheckFailed, match="directory of radix leaves at type 0, offset 64"):
        index.check()


def test_root_s_own_entry_has_its_tags_and_nobody_else_has():
    index = _zreplay.Index("radix-tag")
    assert (index.erase(0, 5), index.find(0, 5), index.warm([(0, 5), (0, 0)])) == (0, 0, [0, 0])
    index.insert(0, 0, LAST)  # in the root, tagged
    assert index.warm([(0, 0), (0, 1), (1, 0)]) == [LAST, 0, 0]
    assert (index.find(0, 1), index.find(0, 64)) == (0, 0)
