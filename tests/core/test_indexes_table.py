"""zram's table by hand: its pages, what a call costs, and broken ones found out."""

import _zreplay
import pytest
from core.reference_index import SAME_FILLED, word
from core.structures import assert_costs, peek, poke

FIRST, LAST = word(1, 0), word(2, 1)
USED = 256 * 16  # where a page of the table keeps how many of its slots are


def page(index: _zreplay.Index, number: int) -> int:
    """Address of one of type 0's first pages."""
    return peek(index.root_address(0) + 8 * number, "Q")[0]


def test_page_of_the_table_counts_while_something_is_stored_in_it():
    index = _zreplay.Index("table")
    for offset, location in [(255, FIRST), (256, LAST), (511, SAME_FILLED)]:
        index.insert(0, offset, location)
    assert (index.entries, index.nodes, index.bytes) == (3, 2, 2 * 4096)
    assert peek(page(index, 0) + 16 * 255, "QQ") == (FIRST, 0)
    assert peek(page(index, 1), "QQ") + peek(page(index, 1) + 16 * 255, "QQ") == (LAST, 0, SAME_FILLED, 0)
    assert peek(page(index, 0) + USED, "Q") + peek(page(index, 1) + USED, "Q") == (1, 2)
    index.erase(0, 256)
    assert (index.entries, index.nodes) == (2, 2)
    index.erase(0, 511)
    assert (index.entries, index.nodes, index.bytes) == (1, 1, 4096)
    index.insert(1, 0, LAST)
    assert index.nodes == 2  # another device's
    index.insert(0, 511, FIRST)
    assert index.items(0) == [(255, FIRST), (511, FIRST)]
    index.check()


def test_costs_are_the_slot_s_line_where_the_page_is_in_use():
    index = _zreplay.Index("table")
    assert_costs(index, index.find, 0, 5)
    assert_costs(index, index.erase, 0, 5)
    assert_costs(index, index.insert, 0, 5, FIRST, visited=1, lines=1, made=1, words=1)
    assert_costs(index, index.insert, 0, 6, LAST, visited=1, lines=1, words=1)
    assert_costs(index, index.insert, 0, 5, LAST, visited=1, lines=1, words=1)
    assert_costs(index, index.find, 0, 5, visited=1, lines=1)
    assert_costs(index, index.find, 0, 7, visited=1, lines=1)
    assert_costs(index, index.update, 0, 5, FIRST, visited=1, lines=1, words=1)
    assert_costs(index, index.erase, 0, 7, visited=1, lines=1)
    assert_costs(index, index.erase, 0, 5, visited=1, lines=1, words=1)
    assert_costs(index, index.erase, 0, 6, visited=1, lines=1, freed=1, words=1)
    assert_costs(index, index.find, 0, 6)
    assert_costs(index, index.find, 0, 1 << 40)


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        ([(USED, "Q", 2)], "table page's used slots at type 0, offset 256: found 2, expected 1"),
        ([(16 * 3, "Q", 33)], "table handle is a location at type 0, offset 259: found 33, expected 32"),
        ([(16 * 4, "Q", FIRST)], "table page's used slots at type 0, offset 256: found 1, expected 2"),
        ([(16 * 4, "Q", FIRST), (USED, "Q", 2)], "table entries: found 1, expected 2"),
        ([(16 * 3, "Q", 0), (USED, "Q", 0)], "table entries: found 1, expected 0"),
    ],
    ids=["used", "bit 0", "one more", "one more that is counted", "none"],
)
def test_check_names_the_page_that_is_broken(breaks, says):
    index = _zreplay.Index("table")
    index.insert(0, 259, FIRST)
    index.check()
    for at, format, value in breaks:
        poke(page(index, 1) + at, format, value)
    with pytest.raises(_zreplay.CheckFailed, match=says):
        index.check()


def test_check_finds_a_page_too_many():
    index = _zreplay.Index("table")
    for offset in (0, 1, 256):
        index.insert(0, offset, FIRST)
    poke(page(index, 0) + 16 * 2, "Q", FIRST)
    poke(page(index, 0) + USED, "Q", 3)
    poke(page(index, 1), "Q", 0)
    poke(page(index, 1) + USED, "Q", 0)
    with pytest.raises(_zreplay.CheckFailed, match="table pages in use: found 2, expected 1"):
        index.check()
