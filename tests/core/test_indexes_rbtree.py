"""zswap 6.1's red-black tree by hand: what each call costs, how entries lie in memory, and broken trees found out.

The tree as the kernel lays it out is then what the compact one, which does not descend, is held against.
"""

import math

import _zreplay
import polars as pl
import pyarrow as pa
import pytest
from core.reference_index import batch_of, random_calls, stores, word
from core.structures import assert_costs, count_costs, peek, poke

W = word(1)
RED, BLACK = 0, 1
RIGHT, LEFT = 8, 16  # where the links are in an entry


def tree_of(*offsets):
    index = _zreplay.Index("rbtree", kernels_layout=True)
    for offset in offsets:
        index.insert(0, offset, W)
    return index


def shape(index):
    """Offset, colour, left, right of each entry below the root, as nested tuples."""

    def below(entry):
        if not entry:
            return None
        parent_and_colour, right, left, offset = peek(entry, "QQQQ")
        return offset, "RB"[parent_and_colour & 1], below(left), below(right)

    return below(peek(index.root_address(0), "Q")[0])


def test_costs_of_a_tree_of_four():
    index = _zreplay.Index("rbtree", kernels_layout=True)
    # The new entry's line. Words: the root's pointer, the handle, the parent and colour twice (a root turns black).
    assert_costs(index, index.insert, 0, 10, W, lines=1, made=1, words=4)
    assert_costs(index, index.insert, 0, 20, W, visited=1, lines=2, made=1, words=3)
    # 10 has no left child, so one rotation makes 20 the root: a child each, both parents' words with the colours, and
    # the root's pointer.
    assert_costs(index, index.insert, 0, 30, W, visited=2, lines=3, made=1, words=3 + 2 + 2 + 1)
    assert shape(index) == (20, "B", (10, "R", None, None), (30, "R", None, None))
    # The uncle, 10, is red and looked at: four colours, the root's twice.
    assert_costs(index, index.insert, 0, 40, W, visited=2, lines=2 + 1 + 1, made=1, words=3 + 4)
    assert_costs(index, index.find, 0, 40, visited=3, lines=3)
    assert_costs(index, index.find, 0, 15, visited=2, lines=2)
    assert_costs(index, index.update, 0, 10, word(2), visited=2, lines=2, words=1)


def test_second_store_of_an_offset_collides_erases_and_descends_again():
    index = tree_of(10, 20, 30, 40)
    # 20, 30: there already. 40 takes its place (link, and parent with colour), then 20, 40: hangs left of it.
    assert_costs(index, index.insert, 0, 30, word(2), visited=2 + 2, lines=4 + 1 + 1, made=1, freed=1, words=2 + 3)
    assert shape(index) == (20, "B", (10, "B", None, None), (40, "B", (30, "R", None, None), None))


def test_erasing_an_entry_with_two_children_visits_its_successor():
    index = tree_of(10, 20, 30, 40)
    index.insert(0, 30, W)
    # 20, then 40 and 30 on the way to the successor, and 10, which gets a new parent.
    assert_costs(index, index.erase, 0, 20, visited=3, lines=4, freed=1, words=7)
    assert shape(index) == (30, "B", (10, "B", None, None), (40, "B", None, None))


def test_rebalancing_comes_back_to_an_entry_and_counts_its_line_once():
    """The left child of an entry that is erased gets a new parent, and then is the sibling of the missing black. It was
    counted as both, and a colour apart from its parent; the kernel's code, counted access by access, does neither.
    """
    index = tree_of(30, 20, 40, 10)
    # 30, 40, 20, 10. 40 goes to the root: pointer, left child, that one's parent, 40's own. 20 rises over it: a child
    # each, 10 turns black, both parents, the root's pointer.
    assert_costs(index, index.erase, 0, 30, visited=2, lines=4, freed=1, words=4 + 2 + 1 + 2 + 1)
    assert shape(index) == (20, "B", (10, "B", None, None), (40, "B", None, None))


@pytest.mark.parametrize("stride", [1, -1, 7919], ids=["ascending", "descending", "scattered"])
def test_height_stays_below_twice_the_logarithm(stride):
    entries = 1 << 14
    index = _zreplay.Index("rbtree", kernels_layout=True)
    index.apply(stores([(i * stride) % 16381 if stride > 1 else 20_000 + i * stride for i in range(entries)]))
    index.check()
    deepest = max(count_costs(index, index.find, 0, offset)["visited"] for offset, _ in index.items(0))
    assert deepest <= 2 * math.log2(index.entries + 1)


def test_entry_lies_in_memory_as_zswap_s():
    index = tree_of(10)
    index.insert(0, 20, word(5, 1))
    root = peek(index.root_address(0), "Q")[0]
    assert root % 64 == 0
    parent, right, left, offset = peek(root, "QQQQ")
    assert (parent, left, offset) == (BLACK, 0, 10)
    assert peek(right, "QQQQIIQQQ") == (root | RED, 0, 0, 20, 1, 0, 0, word(5, 1), 0)


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (
            lambda root, ten, thirty: (ten, "Q", root | RED),
            "black height, left against right at type 0, offset 20: found 0, expected 1",
        ),
        (lambda root, ten, thirty: (root, "Q", RED), "root is black at type 0, offset 20: found 0, expected 1"),
        (
            lambda root, ten, thirty: (thirty, "Q", root | RED),
            "red entry has a black parent at type 0, offset 40: found 0, expected 1",
        ),
        (lambda root, ten, thirty: (ten, "Q", thirty | BLACK), "entry's parent at type 0, offset 10"),
        (lambda root, ten, thirty: (ten + 24, "Q", 25), "offsets ascend at type 0, offset 20: found 25, expected 20"),
        (
            lambda root, ten, thirty: (ten + 48, "Q", 17),
            "handle is a location at type 0, offset 10: found 17, expected 16",
        ),
        (
            lambda root, ten, thirty: (ten + 48, "Q", 0),
            "handle is a location at type 0, offset 10: found 0, expected 0",
        ),
        (
            lambda root, ten, thirty: (ten + 32, "I", 2),
            "references are the tree's at type 0, offset 10: found 2, expected 1",
        ),
        (lambda root, ten, thirty: (thirty + RIGHT, "Q", 0), "allocated but not in a tree: found 4, expected 3"),
    ],
    ids=[
        "black height",
        "red root",
        "red below red",
        "parent",
        "order",
        "bit 0",
        "no handle",
        "references",
        "lost entry",
    ],
)
def test_check_names_what_is_broken_and_where(breaks, says):
    index = tree_of(10, 20, 30, 40)
    index.check()
    root = peek(index.root_address(0), "Q")[0]
    poke(*breaks(root, *(peek(root + link, "Q")[0] for link in (LEFT, RIGHT))))
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


# Beside a compact tree: its root, then where each offset's depth and entry are told, how many offsets, how many beyond.
DEPTHS, ENTRIES, UNCOVERED = 8, 24, 48


def depths_of(index, kept=DEPTHS):
    return peek(index.root_address(0) + kept, "Q")[0]


def test_depth_and_number_of_each_entry_are_told_beside_a_compact_tree():
    index = _zreplay.Index("rbtree")
    for offset in (10, 20, 30, 40, 1 << 40):
        index.insert(0, offset, W)
    # 10, 20, 30 with 40 red, then the far one: 40 rises over 30.
    assert peek(depths_of(index), "41B") == tuple({10: 2, 20: 1, 30: 3, 40: 2}.get(offset, 0) for offset in range(41))
    assert peek(depths_of(index, ENTRIES) + 4 * 10, "I") == (1,)
    assert peek(depths_of(index, ENTRIES) + 4 * 40, "I") == (4,)
    assert peek(index.root_address(0) + UNCOVERED, "Q") == (1,)


@pytest.mark.parametrize(
    ("kept", "at", "format", "value", "says"),
    [
        (DEPTHS, 10, "B", 3, "rbtree entry's depth at type 0, offset 10: found 2, expected 1"),
        (DEPTHS, 10, "B", 0, "rbtree entry's number at type 0, offset 10"),
        (DEPTHS, 15, "B", 2, "rbtree entry before at type 0, offset 20: found 15, expected 10"),
        (DEPTHS, 9, "B", 2, "rbtree entry before at type 0, offset 10: found 9"),
        (DEPTHS, 45, "B", 2, "rbtree has no further entry at type 0, offset 40: found 45"),
        (ENTRIES, 4 * 20, "I", 1, "rbtree entry's number at type 0, offset 20: found 1, expected 2"),
    ],
)
def test_check_names_the_entry_that_is_told_wrongly(kept, at, format, value, says):
    index = _zreplay.Index("rbtree")
    for offset in (10, 20, 30, 40, 1 << 40):
        index.insert(0, offset, W)
    index.check()
    poke(depths_of(index, kept) + at, format, value)
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


def test_check_counts_the_entries_beyond_those_told():
    index = _zreplay.Index("rbtree")
    index.insert(0, 1 << 40, W)
    poke(index.root_address(0) + UNCOVERED, "Q", 2)
    with pytest.raises(_zreplay.CheckFailed, match="rbtree entries beyond those covered at type 0, offset 0: found 2"):
        index.check()


OFFSET, ROW = pl.col("offset"), pl.int_range(pl.len(), dtype=pl.UInt64)
#: Where the offsets of random ones come to lie. Of 2^22 offsets where each is and how deep is always written down.
PLACES = {
    "anywhere": OFFSET,
    "in heaps": OFFSET % 64 + OFFSET // 64 % 50 * 70_000,
    "ascending": ROW // 3 * 2 + OFFSET % 8,
    "some far away": pl.when(OFFSET % 10 == 0).then(OFFSET * 2**30).otherwise(OFFSET),
    "about 2^22": OFFSET % 240 + 2**22 - 120,
    "half beyond 2^22": OFFSET * 2**23 // 20_000,
}


def assert_as_the_kernel_s(calls, check_every, **options):
    plain, compact = _zreplay.Index("rbtree", kernels_layout=True), _zreplay.Index("rbtree", **options)
    for batch in calls:
        expected = pa.record_batch(plain.apply(batch))
        assert pa.record_batch(compact.apply(batch, check_every=check_every, warm=True)).equals(expected)
        assert compact.cost() == plain.cost()
    assert all(compact.items(type) == plain.items(type) for type in range(3))
    compact.check()


@pytest.mark.parametrize("small", [False, True], ids=["2^22 offsets", "64 offsets"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("offsets", [40, 20_000])
def test_compact_tree_answers_and_costs_the_same(offsets, place, small):
    calls = random_calls(20_000, seed=11, offsets=offsets, types=3).with_columns(place.cast(pl.UInt64).alias("offset"))
    assert_as_the_kernel_s([batch_of(calls)], check_every=499, small=small)


@pytest.mark.slow
def test_compact_tree_answers_and_costs_the_same_in_five_million_calls():
    for number, (name, place) in enumerate(PLACES.items()):
        offsets = 1 << (12, 16, 20)[number % 3]
        frames = (random_calls(212_500, seed=number * 4 + part, offsets=offsets, types=3) for part in range(4))
        calls = [batch_of(frame.with_columns(place.cast(pl.UInt64).alias("offset"))) for frame in frames]
        for small in (False, True):
            print(name, small)
            assert_as_the_kernel_s(calls, check_every=42_500, small=small)
