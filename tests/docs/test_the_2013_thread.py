"""docs/the-2013-thread.md is what its command writes, and what is behind it counts right where a hand can count."""

from pathlib import Path

import pytest
from byhand import invalidate, load, store, trace
from studies.the_2013_thread.measure import Refused, density, done, radix_nodes, refused, replay
from studies.the_2013_thread.page import cells_per_moved, objects_per_moved, page, percent, span

PAGE = Path(__file__).parents[2] / "docs" / "the-2013-thread.md"
#: Two pages of two objects: slots 1 and 2 of one leaf, slots 100 and 200 of two.
TWO_PAGES = [store(1, 1000), store(2, 1000), store(100, 1000), store(200, 1000)]


@pytest.mark.slow
def test_the_committed_page_is_what_the_command_writes():
    committed = PAGE.read_text(encoding="utf-8")
    assert committed == page(), "run python docs/studies/the_2013_thread: a number has changed since"


def test_density_is_taken_when_most_slots_are_in_use():
    rows = [("store", 0, offset) for offset in (1, 2, 64, 65, 66)]
    rows += [("invalidate", 0, 1), ("invalidate", 0, 2), ("load", 0, 64), ("store", 0, 64)]
    found = density(rows)
    assert (found.slots, found.leaves, found.per_leaf) == (5, 2, 2.5)
    # 1, 2, 3, 4, 5, 4, 3, 3, 3 slots in 1, 1, 2, 2, 2, 2, 1, 1, 1 leaves.
    assert found.mean_per_leaf == 28 / 13


def test_an_area_that_goes_takes_the_slots_of_its_type_only():
    rows = [("store", 0, 5), ("store", 1, 5), ("invalidate_area", 0, None), ("store", 1, 6), ("store", 1, 7)]
    assert (density(rows).slots, density(rows).leaves) == (3, 1)


def test_leaves_are_counted_from_each_break_even_on():
    rows = [("store", 0, offset) for offset in (*range(24), *range(64, 82), *range(128, 140))]
    assert density(rows).leaves_of_at_least == {24: 1, 18: 2, 12: 3}


def test_nodes_are_those_of_the_kernels_tree():
    assert radix_nodes([]) == 0
    assert radix_nodes([(0, 0)]) == 0  # in the root
    assert radix_nodes([(0, 63)]) == 1
    assert radix_nodes([(0, 64)]) == 2
    assert radix_nodes([(0, offset) for offset in range(2**18)]) == 4096 + 64 + 1
    assert radix_nodes([(0, 63), (1, 64)]) == 3


def test_a_moved_page_costs_a_slot_and_a_walk_for_each_object(tmp_path):
    there = trace(tmp_path / "t.parquet", TWO_PAGES)
    run = done(there, design="radix-lowbit", cma_every=4, cma_percent=100)
    assert (run["pages_migrated"], objects_per_moved(run)) == (2, 2.0)
    assert run["moved_page_slots_written"] == 2.0
    assert run["moved_page_nodes_visited"] == 4.0  # two walks of two levels: the greatest offset is 200
    assert cells_per_moved(run) == 0.0


def test_where_slots_hold_handles_a_cell_is_written_for_each_object(tmp_path):
    there = trace(tmp_path / "t.parquet", TWO_PAGES)
    run = done(there, kernel="6.1", pool="zsmalloc", index="rbtree", cma_every=4, cma_percent=100)
    assert cells_per_moved(run) == objects_per_moved(run) > 0


def test_pairs_of_one_leaf(tmp_path):
    there = trace(tmp_path / "t.parquet", TWO_PAGES)
    assert done(there, design="radix-lowbit", observe=True).joins_in_a_leaf == 0.5


def test_costs_are_per_event_and_bytes_per_stored_page(tmp_path):
    there = trace(tmp_path / "t.parquet", [*TWO_PAGES, load(1), load(2), invalidate(2)])
    tag, lowbit = (done(there, design=name, sample_events=4) for name in ("radix-tag", "radix-lowbit"))
    assert (tag.per_event("load", "nodes_visited"), lowbit.per_event("load", "nodes_visited")) == (4.0, 2.0)
    # Samples after 4 events and at the end: 4 and 3 stored pages in leaves of 1 and 2, of 100, of 200, and the top.
    assert lowbit.per_entry("index_bytes") == 2 * 4 * 568 / 7


def test_a_replay_that_cannot_be_made_says_why(tmp_path):
    there = trace(tmp_path / "t.parquet", TWO_PAGES)
    assert "page's objects lie within it" in replay(there, design="two-index", pool="z3fold")
    with pytest.raises(RuntimeError, match="no index"):
        done(there, index="no such")


def test_numbers_read_the_same_once():
    assert span([1.001, 1.002], 2) == "1.00"
    assert span([2, 1]) == "1 to 2"
    assert percent(1, 0) == "–"


def test_slots_that_the_kernel_refused_are_told_from_those_it_took():
    rows = [
        ("store", 0, 1, 0),
        ("store", 0, 2, -12),
        ("load", 0, 1, 0),
        ("load", 0, 2, 0),  # of a refused slot
        ("store", 0, 2, -12),  # over it
        ("store", 0, 1, 0),  # over one that was taken
        ("invalidate", 0, 1, 0),
        ("store", 0, 1, 0),
        ("invalidate", 0, 2, 0),  # of a refused slot
    ]
    assert refused(rows) == Refused(stores=2, asked=2, over=1, over_taken=1)
