"""Reclaim by the memory manager, by hand: which pages go when the trace stores a page, and what it costs."""

import polars as pl
import pytest
from byhand import event, invalidate, load, store


@pytest.fixture
def two_index(replay):
    return lambda events, **options: replay(events, design="two-index", **options)


#: One page with both buddies, older than the ordinary page 9, which is then stored.
BOTH_THEN_NINE = [store(1, 1000), store(2, 1000), load(9), store(9, 1000)]


def reclaimed(summary):
    return tuple(summary[name] for name in ("pages_reclaimed", "writebacks", "writebacks_failed", "pages_rotated"))


def test_a_page_older_than_the_one_stored_goes_with_both_buddies(two_index):
    summary = two_index(BOTH_THEN_NINE)
    assert reclaimed(summary) == (1, 2, 0, 0)
    assert (summary["both_buddies_written"], summary["temporary_pages"], summary["temporary_pages_peak"]) == (1, 2, 2)
    assert (summary["pool_pages_peak"], summary["pool_pages_final"], summary["stored_pages"]) == (1, 1, 1)
    assert summary["device_writes"] == 2


def test_one_buddy_alone_needs_one_free_page(two_index):
    summary = two_index([store(1, 3000), load(9), store(9, 1000)])
    assert reclaimed(summary) == (1, 1, 0, 0)
    assert (summary["both_buddies_written"], summary["temporary_pages_peak"]) == (0, 1)


def test_a_newer_page_stays(two_index):
    assert reclaimed(two_index([load(9), store(1, 1000), store(9, 1000)])) == (0, 0, 0, 0)


def test_a_page_is_known_by_its_slot_though_the_slot_was_freed(two_index):
    events = [store(9, 1000), load(9), invalidate(9), store(1, 3000), load(8), store(9, 3000), store(8, 3000)]
    # 9 is older than the page of 1; 8 is newer than it, and older than its own page.
    assert reclaimed(two_index(events)) == (1, 1, 0, 0)


def test_a_page_seen_for_the_first_time_is_old_or_new(two_index):
    events = [store(1, 3000), store(2, 3000), store(3, 3000)]
    assert reclaimed(two_index(events)) == (0, 0, 0, 0)
    assert reclaimed(two_index(events, mm_first_time="new")) == (2, 2, 0, 0)


def test_an_object_whose_page_is_resident_fails_and_its_page_goes_round(two_index):
    events = [store(1, 1000), store(2, 1000), load(1), load(9), store(9, 1000)]
    summary = two_index(events, mm_load="none")
    # The first buddy's page is in memory: −EEXIST, and the last buddy is not tried.
    assert reclaimed(summary) == (0, 0, 1, 1)
    assert (summary["temporary_pages"], summary["stored_pages"]) == (0, 3)


def test_a_last_buddy_that_is_resident_leaves_the_page_half_empty(two_index):
    events = [store(1, 1000), store(2, 1000), load(2), load(9), store(9, 1000)]
    summary = two_index(events, mm_load="none")
    assert reclaimed(summary) == (0, 1, 1, 1)
    # The place that 1 left takes 9, so the pool holds 2 and 9 in one page.
    assert (summary["stored_pages"], summary["pool_pages_final"]) == (2, 1)


def test_a_referenced_page_has_a_second_chance(two_index):
    events = [store(1, 1000), store(2, 1000), load(2), invalidate(2), load(9), store(9, 1000)]
    assert reclaimed(two_index(events, mm_load="none")) == (1, 1, 0, 0)
    assert reclaimed(two_index(events, mm_load="reference")) == (0, 0, 0, 0)
    # It went to the head, and 9 into it; 8 is newer, so the next time both go.
    assert reclaimed(two_index([*events, load(8), store(8, 1000)], mm_load="reference")) == (1, 2, 0, 0)


def test_an_active_page_is_out_of_reach_until_the_inactive_list_is_shorter(two_index):
    # Two pages, each activated by a load of its last buddy, which then goes.
    active = [store(slot, 1000) for slot in (1, 2, 3, 4)] + [load(2), load(4), invalidate(2), invalidate(4)]
    nine = [load(9), store(9, 1000)]
    assert reclaimed(two_index([*active, *nine], mm_load="activate")) == (0, 0, 0, 0)
    # Stored again, 2 and 4 are in memory no more. Two active pages then are more than the one inactive (ordinary) page,
    # so the store of 4 moves the first to the inactive list, and itself into it; 9 is newer.
    assert reclaimed(two_index([*active, store(2, 1000), store(4, 1000), *nine], mm_load="activate")) == (1, 2, 0, 0)


def test_a_second_store_into_a_page_may_count_as_an_access(two_index):
    assert reclaimed(two_index(BOTH_THEN_NINE, mm_join="reference")) == (0, 0, 0, 0)
    assert reclaimed(two_index(BOTH_THEN_NINE, mm_join="activate")) == (0, 0, 0, 0)


def test_a_new_page_enters_at_the_head_or_the_tail(two_index):
    events = [load(9), store(1, 3000), store(9, 3000)]
    assert reclaimed(two_index(events, mm_new_page="head")) == (0, 0, 0, 0)
    assert reclaimed(two_index(events, mm_new_page="tail")) == (1, 1, 0, 0)


def test_there_is_no_limit(two_index, replay):
    events = [store(slot, 3000) for slot in range(1, 101)]
    limits = {"totalram_pages": 100, "max_pool_percent": 10}
    assert two_index(events, **limits)["pool_pages_final"] == 100
    assert replay(events, design="radix-lowbit", **limits)["pool_pages_final"] == 11


def test_the_memory_managers_index_has_a_slot_a_page(two_index):
    one = two_index([store(1, 3000)])
    assert (one["mm_nodes"], one["mm_bytes"]) == (0, 0)  # number 0 is in the root itself
    two = two_index([store(1, 3000), store(2, 3000)])
    assert (two["mm_nodes"], two["mm_bytes"]) == (1, 568)
    # Numbers are used again: 100 pages come and go, one at a time, beside the first.
    many = [store(1, 3000)] + [step for slot in range(2, 102) for step in (store(slot, 3000), invalidate(slot))]
    assert two_index([*many, store(200, 3000)])["mm_nodes"] == 1


def test_what_the_memory_managers_index_costs(run):
    done = run([store(1, 3000), store(2, 3000), store(3, 900), event("migrate"), invalidate(1)], design="two-index")
    rows = {row["op"]: row for row in done.operations().collect().to_dicts()}
    # Page 0 in the root. Page 1: a node is made above it; its slot, the root's pointer, page 0's slot; dirty tags go up
    # as the tree grows and when page 1's is set. The third store joins a page and changes nothing.
    assert rows["store"]["mm_nodes_allocated"] == 1
    assert rows["store"]["mm_slots_written"] == 4  # page 0: 1; growing: slot and root; page 1: 1
    assert rows["store"]["mm_tag_words_written"] == 2
    assert (rows["migrate"]["mm_nodes_visited"], rows["migrate"]["mm_slots_written"]) == (1, 1)
    assert rows["migrate"]["mm_tag_words_written"] == 0
    assert rows["load"]["mm_nodes_visited"] == 0


def test_writing_a_page_back_changes_its_tags_once_whatever_is_in_it(run):
    done = run([store(5, 3000), *BOTH_THEN_NINE], design="two-index")
    rows = {row["op"]: row for row in done.operations().collect().to_dicts()}
    assert done.summary()["pages_reclaimed"] == 2
    # Pages 0 and 1 in one node. Each: dirty cleared, writeback set, one word and one walk each.
    assert (rows["shrink"]["mm_nodes_visited"], rows["shrink"]["mm_tag_words_written"]) == (4, 4)
    # The new page is given the number freed last, 1, which takes a node.
    timeline = done.timeline().select(pl.col("mm_nodes").last(), pl.col("pages_reclaimed").last()).collect()
    assert timeline.row(0) == (1, 2)


def test_an_areas_pages_go_and_what_was_known_of_its_ordinary_pages(two_index):
    # 9 was loaded before 1 was stored, and is forgotten with its area: stored again, it is no older than the page of 1.
    events = [store(5, 100, type=1), load(9), event("invalidate_area", type=0), store(1, 3000), store(9, 3000)]
    summary = two_index(events)
    assert reclaimed(summary) == (0, 0, 0, 0)
    assert summary["stored_pages"] == 3
