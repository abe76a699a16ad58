"""What an index entry costs in memory, by design and by density, and what the key does to a tree."""

import random

import _zreplay
import pytest
from core.reference_index import node_formula, stores
from core.structures import count_costs

SLAB_BYTES = {"radix-lowbit": 568, "xarray": 584}
GIBIBYTE = 1 << 18  # slots
trees = pytest.mark.parametrize("kind", SLAB_BYTES)


def filled(kind, offsets):
    index = _zreplay.Index(kind)
    index.apply(stores(offsets))
    return index


@trees
def test_dense_gibibyte_takes_4161_nodes(kind):
    index = filled(kind, range(GIBIBYTE))
    assert index.nodes == 4096 + 64 + 1
    assert index.bytes == 4161 * SLAB_BYTES[kind]
    assert index.bytes / GIBIBYTE == pytest.approx({"radix-lowbit": 9.0, "xarray": 9.3}[kind], abs=0.05)


@pytest.mark.parametrize(
    ("kind", "bytes_per_entry"),
    [
        ("radix-lowbit", {1: 370, 2: 251, 4: 142, 8: 72, 16: 36, 32: 18, 64: 9.0}),
        ("xarray", {1: 381, 2: 258, 4: 146, 8: 74, 16: 37, 32: 18.5, 64: 9.3}),
    ],
)
def test_bytes_per_entry_at_random_densities_per_64_slots(kind, bytes_per_entry):
    offsets = list(range(1 << 20))
    random.Random(0).shuffle(offsets)
    index = _zreplay.Index(kind)
    for entries_per_64_slots, expected in bytes_per_entry.items():
        entries = (1 << 20) // 64 * entries_per_64_slots
        index.apply(stores(offsets[index.entries : entries]))
        assert index.bytes / index.entries == pytest.approx(expected, rel=0.01)


# Links (24 bytes an entry), links and key (32), the whole entry of 3.12 (48) against a tree's nodes. However many
# entries a leaf has, its 64 slots take the leaf and its share of the levels above: 4161 / 4096 nodes in a gibibyte.
@pytest.mark.parametrize(
    ("bytes_per_entry", "entries_per_leaf", "percent", "radix", "xarray"),
    [(24, 24, 37.5, 24.04, 24.72), (32, 18, 28.1, 18.03, 18.54), (48, 12, 18.75, 12.02, 12.36)],
)
def test_tree_is_smaller_than_links_from_these_entries_a_leaf_on(
    bytes_per_entry, entries_per_leaf, percent, radix, xarray
):
    assert 100 * entries_per_leaf / 64 == pytest.approx(percent, abs=0.05)
    spread = [64 * leaf + 64 * i // entries_per_leaf for leaf in range(4096) for i in range(entries_per_leaf)]
    even = {}
    for kind in SLAB_BYTES:
        index = filled(kind, spread)
        assert index.nodes == 4161
        even[kind] = index.bytes / 4096 / bytes_per_entry
    assert even == {"radix-lowbit": pytest.approx(radix, abs=0.005), "xarray": pytest.approx(xarray, abs=0.005)}
    # The leaf alone is paid for at that number, and not at one less; its share of the upper levels tips it by 0.2 %.
    assert 568 < bytes_per_entry * entries_per_leaf < 577.1
    assert bytes_per_entry * (entries_per_leaf - 1) < 568
    assert round(even["radix-lowbit"]) == entries_per_leaf


@pytest.mark.parametrize("kind", ["radix-tag", "radix-lowbit", "xarray", "xarray-64m"])
@pytest.mark.parametrize(("offset", "height"), [(1, 1), (64, 2), (4096, 3), (1 << 18, 4), (1 << 57, 10)])
def test_one_isolated_entry_costs_a_node_for_each_level(kind, offset, height):
    assert filled(kind, [offset]).nodes == height


def test_split_trees_cost_a_top_for_each_range_where_slots_are_dense():
    assert filled("xarray", range(GIBIBYTE)).nodes == 4161
    # Sixteen ranges of 2^14 slots, each reaching into the third level: 256 leaves, 4 above them, the top.
    assert filled("xarray-64m", range(GIBIBYTE)).nodes == 16 * 261 == 4176


def test_split_trees_cost_the_full_height_again_for_a_sparse_entry_in_each_range():
    sparse = [(1 << 18) + (number << 14) for number in range(16)]
    # One tree: a leaf and a level-2 node for each; 16 nodes of 2^18 slots would be one; and the top.
    assert filled("xarray", sparse).nodes == 16 + 16 + 1 + 1
    assert filled("xarray-64m", sparse).nodes == 16 * 4


def test_swap_table_is_smaller_than_an_xarray_once_seven_leaves_of_eight_are_in_use():
    # A cluster of 512 slots is 8 leaves: 4096 bytes of table against 584 for each leaf that has an entry.
    def sizes(leaves_used):
        offsets = [512 * cluster + 64 * leaf for cluster in range(512) for leaf in range(leaves_used)]
        return filled("swap-table", offsets).bytes, filled("xarray", offsets).bytes

    table, xarray = sizes(6)
    assert table == 512 * 4096 > xarray == 584 * (512 * 6 + 64 + 1)
    table, xarray = sizes(7)
    assert table == 512 * 4096 < xarray == 584 * (512 * 7 + 64 + 1)


# 3.12 keyed the swap cache by the whole entry word, the type at bit 57; its height is that of the key.
def test_type_in_the_key_makes_a_tree_of_ten_levels_where_the_bare_offset_needs_three():
    whole_word = filled("radix-lowbit", range(1 << 57, (1 << 57) + GIBIBYTE))  # type 1
    bare = filled("radix-lowbit", range(GIBIBYTE))
    assert (bare.nodes, whole_word.nodes) == (4161, 4161 + 7)
    assert count_costs(bare, bare.find, 0, 777) == {"visited": 3, "lines": 3}
    assert count_costs(whole_word, whole_word.find, 0, (1 << 57) + 777) == {"visited": 10, "lines": 10}
    # A gibibyte and one slot: the fourth level, which lasts to 64 GiB.
    assert filled("radix-lowbit", [GIBIBYTE]).nodes == filled("radix-lowbit", [(1 << 24) - 1]).nodes == 4


@pytest.mark.parametrize(("type", "height"), [(1, 10), (7, 10), (8, 11), (31, 11)])
def test_types_above_seven_would_need_eleven_levels(type, height):
    # By the formula: our indexes are keyed by offset, and take none that large.
    assert node_formula([type << 57], 6) == height
