"""The swap table of Linux 6.18 and the array that bounds every index, by hand."""

import _zreplay
import pytest
from core.reference_index import SAME_FILLED, stores, word
from core.structures import assert_costs, peek, poke

FIRST, LAST = word(1, 0), word(2, 1)


def cluster(index, number):
    """The descriptor of one of type 0's first clusters: its table's address, and how many slots of it are used."""
    return peek(index.root_address(0) + 16 * number, "QQ")


def test_table_is_there_while_its_cluster_has_an_entry():
    index = _zreplay.Index("swap-table")
    index.insert(0, 511, FIRST)
    index.insert(0, 512, LAST)
    index.insert(0, 1023, SAME_FILLED)
    assert (index.nodes, index.bytes) == (2, 2 * 4096)
    (first, used_first), (second, used_second) = cluster(index, 0), cluster(index, 1)
    assert (used_first, used_second, cluster(index, 2)) == (1, 2, (0, 0))
    assert (first % 4096, second % 4096) == (0, 0)
    assert peek(first + 8 * 511, "Q") + peek(second, "Q") + peek(second + 8 * 511, "Q") == (FIRST, LAST, SAME_FILLED)
    index.erase(0, 512)
    assert (index.nodes, cluster(index, 1)) == (2, (second, 1))
    index.erase(0, 1023)
    assert (index.nodes, index.bytes, cluster(index, 1)) == (1, 4096, (0, 0))
    index.insert(1, 0, LAST)
    assert index.nodes == 2  # another type's cluster 0


def test_table_that_was_freed_is_empty_when_it_comes_back():
    index = _zreplay.Index("swap-table")
    index.apply(stores(range(512)))
    for offset in range(512):
        index.erase(0, offset)
    assert index.nodes == 0
    index.insert(0, 600, FIRST)
    assert index.items(0) == [(600, FIRST)]


def test_dense_gigabyte_takes_eight_bytes_an_entry_and_one_entry_a_cluster_takes_4096():
    index = _zreplay.Index("swap-table")
    index.apply(stores(range(1 << 18)))
    assert (index.nodes, index.bytes) == (512, 8 << 18)
    sparse = _zreplay.Index("swap-table")
    sparse.apply(stores(range(0, 1 << 18, 512)))
    assert (sparse.entries, sparse.bytes) == (512, 512 * 4096)


def test_costs_are_the_descriptor_s_line_and_the_word_s():
    index = _zreplay.Index("swap-table")
    assert_costs(index, index.find, 0, 5, lines=1)  # the descriptor says there is no table
    assert_costs(index, index.erase, 0, 5, lines=1)
    assert_costs(index, index.insert, 0, 5, FIRST, visited=1, lines=2, made=1, words=2)  # the table, the word
    assert_costs(index, index.insert, 0, 6, LAST, visited=1, lines=2, words=1)
    assert_costs(index, index.insert, 0, 5, LAST, visited=1, lines=2, words=1)
    assert_costs(index, index.find, 0, 5, visited=1, lines=2)
    assert_costs(index, index.find, 0, 7, visited=1, lines=2)
    assert_costs(index, index.erase, 0, 7, visited=1, lines=2)
    assert_costs(index, index.update, 0, 5, FIRST, visited=1, lines=2, words=1)
    assert_costs(index, index.erase, 0, 5, visited=1, lines=2, words=1)
    assert_costs(index, index.erase, 0, 6, visited=1, lines=2, freed=1, words=2)
    assert_costs(index, index.find, 0, 6, lines=1)


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda table, used: (used, "Q", 2), "swap cluster's used slots at type 0, offset 512: found 2, expected 1"),
        (
            lambda table, used: (used, "Q", 0),
            "swap table is there while its cluster has entries at type 0, offset 512: found 1, expected 0",
        ),
        (
            lambda table, used: (table + 8 * 3, "Q", 33),
            "swap table's word is no value at type 0, offset 515: found 33, expected 32",
        ),
    ],
    ids=["used", "none used", "value"],
)
def test_check_names_the_cluster_that_is_broken(breaks, says):
    index = _zreplay.Index("swap-table")
    index.insert(0, 515, FIRST)
    index.check()
    poke(*breaks(cluster(index, 1)[0], index.root_address(0) + 16 + 8))
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


def test_array_costs_one_line_a_call_and_eight_bytes_an_entry():
    index = _zreplay.Index("array")
    assert_costs(index, index.find, 0, 5, lines=1)
    assert_costs(index, index.erase, 0, 5, lines=1)
    assert_costs(index, index.insert, 0, 5, FIRST, lines=1, words=1)
    assert_costs(index, index.insert, 0, 5, LAST, lines=1, words=1)
    assert_costs(index, index.update, 0, 5, FIRST, lines=1, words=1)
    assert_costs(index, index.find, 0, 5, lines=1)
    index.insert(0, 1 << 50, LAST)
    assert (index.entries, index.nodes, index.bytes) == (2, 0, 16)
    assert peek(index.root_address(0) + 8 * 5, "Q") == (FIRST,)
    assert_costs(index, index.erase, 0, 5, lines=1, words=1)
    poke(index.root_address(0) + 8 * 9, "Q", 16)
    with pytest.raises(_zreplay.CheckFailed, match="array entries: found 1, expected 2"):
        index.check()


def test_array_s_check_names_the_word_that_is_none():
    index = _zreplay.Index("array")
    index.insert(0, 5, FIRST)
    poke(index.root_address(0) + 8 * 5, "Q", FIRST | 1)
    with pytest.raises(_zreplay.CheckFailed, match="is no value at type 0, offset 5: found 17, expected 16"):
        index.check()


def test_check_finds_an_entry_and_a_table_that_nobody_counted():
    index = _zreplay.Index("swap-table")
    index.insert(0, 515, FIRST)
    table, _used = cluster(index, 1)
    poke(table + 8 * 4, "Q", FIRST)
    poke(index.root_address(0) + 16 + 8, "Q", 2)
    with pytest.raises(_zreplay.CheckFailed, match="swap table entries: found 1, expected 2"):
        index.check()
    poke(table + 8 * 4, "Q", 0)
    poke(index.root_address(0) + 16, "QQ", 0, 0)
    with pytest.raises(_zreplay.CheckFailed, match="swap table entries: found 1, expected 0"):
        index.check()


def test_no_index_gets_below_the_array_s_bytes():
    offsets = range(1 << 18)  # dense: the others' best case
    sizes = {}
    for kind, _ in _zreplay.index_kinds():
        index = _zreplay.Index(kind)
        index.apply(stores(offsets))
        sizes[kind] = index.bytes
    assert min(sizes.values()) == sizes["array"] == 8 << 18
