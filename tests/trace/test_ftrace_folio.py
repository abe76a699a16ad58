"""The importer over texts of the folio era, 6.6 and later: where a row stands, and what it carries."""

import random
from typing import Any

import pytest
from _zreplay import find_bad_row
from ftrace_text import (
    HANDLE,
    Imported,
    folio_invalidated,
    folio_refused,
    folio_stored,
    folio_written,
    kernel,
    line,
    swap,
    text,
    visited,
)
from hypothesis import given
from hypothesis import strategies as st

OTHER = HANDLE + 4096
#: ``enum lru_status``
REMOVED_RETRY, ROTATE, RETRY = 1, 2, 4
LIMITS = {"max_pages": 10, "accept_pages": 8}


def imported(*events: Any, release: tuple[int, int] = (6, 12), **options: Any) -> Imported:
    return Imported(text(*events), **{**kernel(*release), **options})


# ---- slots and answers ----


def test_store_stands_at_its_allocations_return_and_knows_when_it_was_called() -> None:
    """No header is taken off; the pool's pages are read before the next call, and hold after this one's row."""
    found = imported(*folio_stored(77, size=2790, seen=1), ("alloc", {"size": 5, "pages": 7, "pid": 9}))
    assert found.rows[0] == {
        "ts_ns": 4_000_002_000,
        "op": "store",
        "type": 0,
        "offset": 77,
        "size": 2790,
        "cpu": 0,
        "pid": 38,
        "result": 0,
        "seen_stored": 1,
        "seen_pool_pages": 7,
        "seen_handle": HANDLE,
        "call_ts_ns": 4_000_000_000,
        "call_rows": 0,
        "alloc_rows": 0,
        "return_ts_ns": 4_000_003_000,
    }


def test_swap_entry_is_one_word_with_the_type_from_bit_58_up() -> None:
    most = 31 << 58 | 2**58 - 1
    found = imported(
        ("load", {"swap": 3 << 58 | 77}), ("load_ret", {"ret": 0}), ("load", {"swap": most}), ("load_ret", {"ret": 0})
    )
    assert found.columns("type", "offset") == [(3, 77), (31, 2**58 - 1)]


def test_type_beyond_31_is_unreadable_and_says_which() -> None:
    found = imported(*folio_stored(1), ("load", {"swap": 32 << 58 | 5}), ("load_ret", {"ret": 0}))
    assert found.columns("op") == [("store",)]
    assert found.messages[0].startswith("line 5: expected swap= of a type below 32, found type 32 in ")
    # … and so is its return: there is no call that it could be of.
    assert (found.counts.unreadable_lines, found.counts.unpaired_lines) == (1, 1)


def test_zbud_tells_the_handle_by_its_first_use() -> None:
    found = imported(
        ("store", {"swap": 7}),
        ("alloc", {"size": 3000, "pages": 0}),
        ("alloc_ret", {"ret": 0}),
        ("map", {"handle": HANDLE}),
        ("store_ret", {"ret": 1, "stored": 1}),
    )
    assert found.columns("ts_ns", "result", "seen_handle") == [(4_000_002_000, 0, HANDLE)]


def test_answers_are_booleans() -> None:
    """1: taken, or found; 0: refused, or read from the device."""
    found = imported(
        *folio_stored(7),
        ("load", {"swap": 7}),
        ("load_ret", {"ret": 1, "stored": 1}),
        ("load", {"swap": 8}),
        ("load_ret", {"ret": 0, "stored": 1}),
        *folio_refused(9, seen=1),
    )
    assert found.columns("op", "offset", "result") == [
        ("store", 7, 0),
        ("load", 7, 0),
        ("load", 8, -1),
        ("store", 9, -12),
    ]


def test_loads_of_6_15_answer_with_an_errno_and_stores_still_with_a_boolean() -> None:
    """−ENOENT is a page on the device; −EIO, one that did not decompress, is neither."""
    loads = [event for ret in (0, -2, -5) for event in (("load", {"swap": 7}), ("load_ret", {"ret": ret}))]
    found = imported(*folio_stored(7), *loads, release=(6, 15))
    assert found.columns("op", "result") == [("store", 0), ("load", 0), ("load", -1), ("load", -5)]
    assert found.counts.unreadable_lines == 0


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (("store_ret", {"ret": -12, "stored": 1}), "expected ret= 0 or 1, found -12"),
        (("load_ret", {"ret": 2, "stored": 1}), "expected ret= 0 or 1, found 2"),
        (("visit_ret", {"ret": 6}), "expected ret= 0 to 5, an LRU status, found 6"),
        (("writeback_ret", {"ret": 1, "stored": 1}), "expected ret= 0 or an errno, -4095 to -1, found 1"),
    ],
)
def test_answer_of_another_kind_is_unreadable(event: Any, message: str) -> None:
    found = imported(*folio_stored(1), event)
    assert (found.messages, found.counts.unreadable_lines) == ([f"line 5: {message}"], 1)


# ---- what takes an entry out ----


def test_load_that_takes_its_entry_stands_at_the_free() -> None:
    """The slot is then free: its invalidate, which comes when the page is swapped in for good, finds nothing."""
    found = imported(
        *folio_stored(7),
        ("load", {"swap": 7}),
        ("free", {"handle": HANDLE, "pages": 1}),
        ("load_ret", {"ret": 1, "stored": 0}),
        *folio_invalidated(7, None),
    )
    assert found.columns("ts_ns", "op", "result", "seen_stored", "seen_handle", "call_ts_ns")[1:] == [
        (4_000_005_000, "load", 0, 0, HANDLE, 4_000_004_000),
        (4_000_007_000, "invalidate", None, 0, None, None),
    ]


def test_load_that_leaves_its_entry_stands_at_its_call() -> None:
    """It does where the page is not in the swap cache (6.12: an SWP_SYNCHRONOUS_IO device)."""
    found = imported(
        *folio_stored(7), ("load", {"swap": 7}), ("load_ret", {"ret": 1, "stored": 1}), *folio_invalidated(7)
    )
    assert found.columns("ts_ns", "op", "result", "seen_handle")[1:] == [
        (4_000_004_000, "load", 0, None),
        (4_000_007_000, "invalidate", None, HANDLE),
    ]


def test_invalidate_stands_at_its_free_and_of_a_slot_that_is_not_there_at_its_call() -> None:
    found = imported(*folio_stored(7), *folio_invalidated(7), *folio_invalidated(8, None))
    assert found.columns("ts_ns", "op", "offset", "seen_handle", "call_ts_ns")[1:] == [
        (4_000_005_000, "invalidate", 7, HANDLE, 4_000_004_000),
        (4_000_007_000, "invalidate", 8, None, None),
    ]


def test_same_filled_pages_are_in_zswap_until_6_11_and_unknown_to_it_since() -> None:
    taken = [("store", {"swap": 9}), ("store_ret", {"ret": 1, "stored": 1})]
    assert imported(*taken, release=(6, 11)).columns("ts_ns", "size", "result") == [(4_000_001_000, 0, 0)]
    assert imported(*taken, release=(6, 12)).columns("ts_ns", "size", "result") == [(4_000_001_000, None, 0)]


def test_store_over_an_occupied_slot_frees_the_older_object_without_a_row() -> None:
    found = imported(
        *folio_stored(7),
        ("store", {"swap": 7}),
        ("alloc", {"size": 500, "pages": 1}),
        ("alloc_ret", {"handle": OTHER}),
        ("free", {"handle": HANDLE, "pages": 2}),
        ("store_ret", {"ret": 1, "stored": 1}),
        *folio_invalidated(7, OTHER),
    )
    assert found.columns("op", "ts_ns", "seen_handle") == [
        ("store", 4_000_002_000, HANDLE),
        ("store", 4_000_006_000, OTHER),
        ("invalidate", 4_000_010_000, OTHER),
    ]


# ---- stores that were refused ----


def test_refused_store_that_drops_an_older_copy_stands_at_that_free() -> None:
    found = imported(*folio_stored(7), *folio_refused(7, ("free", {"handle": HANDLE, "pages": 10})), **LIMITS)
    assert found.columns("ts_ns", "op", "size", "result", "seen_stored", "call_ts_ns", "call_rows") == [
        (4_000_002_000, "store", 1000, 0, 1, 4_000_000_000, 0),
        (4_000_005_000, "store", None, -12, 0, 4_000_004_000, 0),
    ]
    # The entry has gone with it: an invalidate that follows finds nothing, and frees nothing twice.
    assert found.counts.unpaired_lines == 0


def test_store_that_the_allocator_refuses_stands_at_its_answer_or_at_the_free_of_the_older_copy() -> None:
    """zbud takes no page of more than 3968 bytes: −ENOSPC."""
    asked = [("alloc", {"size": 4000, "pages": 1}), ("alloc_ret", {"ret": -28})]
    free = ("free", {"handle": HANDLE, "pages": 1})
    found = imported(*folio_stored(7), *folio_refused(8, *asked, seen=1), *folio_refused(7, *asked, free))
    assert found.columns("ts_ns", "offset", "size", "result", "seen_handle")[1:] == [
        (4_000_006_000, 8, 4000, -28, None),
        (4_000_011_000, 7, 4000, -28, None),
    ]


def test_store_for_which_the_index_has_no_memory_gives_its_object_back() -> None:
    inside = [
        ("alloc", {"size": 900, "pages": 0}),
        ("alloc_ret", {"handle": HANDLE}),
        ("free", {"handle": HANDLE, "pages": 1}),
    ]
    found = imported(*folio_refused(7, *inside), *folio_invalidated(7, None))
    assert found.columns("op", "size", "result", "seen_handle") == [
        ("store", 900, -12, None),
        ("invalidate", None, None, None),
    ]
    assert found.counts.unpaired_lines == 0


@pytest.mark.parametrize(("pages", "result"), [(10, -12), (9, -22)])
def test_why_a_store_was_refused_is_told_by_the_next_reading_of_the_pool(pages: int, result: int) -> None:
    """Full at 10 of 10 pages: the limit. Below, and not full before: it must have been the compressor."""
    for reading in (folio_invalidated(1, before=pages), folio_stored(2, OTHER, before=pages)):
        found = imported(*folio_stored(1), *folio_refused(7, seen=1), *reading, **LIMITS)
        assert found.columns("offset", "result")[1] == (7, result)
        assert (found.counts.limit_refusals, found.counts.compress_refusals) == ((1, 0) if result == -12 else (0, 1))


def test_pool_that_was_full_refuses_until_it_is_at_its_threshold() -> None:
    """10 pages: full. 9: below the limit, above the threshold of 8. At 8 it takes pages: that refusal is another's."""
    events = [event for slot in (1, 2, 3) for event in folio_stored(slot, HANDLE + 64 * slot)]
    for slot, pages in ((1, 10), (2, 9), (3, 8)):
        events += [*folio_refused(10 + slot), *folio_invalidated(slot, HANDLE + 64 * slot, before=pages)]
    found = imported(*events, **LIMITS)
    refused = [(offset, result) for offset, result in found.columns("offset", "result") if result]
    assert refused == [(11, -12), (12, -12), (13, -22)]


def test_refusals_are_the_limits_where_nothing_tells() -> None:
    """No limits known; no reading any more."""
    events = [*folio_stored(1), *folio_refused(7, seen=1)]
    assert imported(*events, *folio_invalidated(1, before=9)).columns("result")[1] == (-12,)
    assert imported(*events, **LIMITS).columns("result")[1] == (-12,)

    assert imported(*folio_refused(7), **LIMITS).columns("result") == [(-12,)]


def test_stores_that_overlap_are_told_by_the_reading_after_each_began() -> None:
    """Three begin; the second is refused, the third is taken though none has read since, the first never ends."""
    begun = [("store", {"swap": n, "pid": n}) for n in (1, 2, 3)]
    ends = [("store_ret", {"ret": 0, "stored": 1, "pid": 2}), ("store_ret", {"ret": 1, "stored": 1, "pid": 3})]
    found = imported(*folio_stored(9), *begun, *ends, *folio_invalidated(9, before=9), **LIMITS)
    assert [row for row in found.columns("op", "offset", "result") if row[0] == "store"] == [
        ("store", 9, 0), ("store", 1, None), ("store", 2, -22), ("store", 3, 0),
    ]  # fmt: skip
    assert (found.counts.compress_refusals, found.counts.unexpected_stores) == (1, 0)
    assert imported(*folio_stored(9), begun[0], **LIMITS).columns("result") == [(0,), (None,)]


@pytest.mark.parametrize(("full", "result"), [(1, -12), (0, -22)])
def test_recording_that_reads_whether_the_pool_was_full_is_believed(full: int, result: int) -> None:
    """zswap_pool_reached_full at the return says it outright, whatever the next reading."""
    refused = [("store", {"swap": 7}), ("store_ret", {"ret": 0, "stored": 1, "full": full})]
    for pages in (9, 10):
        found = imported(*folio_stored(1), *refused, *folio_invalidated(1, before=pages), **LIMITS)
        assert found.columns("result")[1] == (result,)


def test_store_that_a_full_pool_took_is_counted() -> None:
    """The limits told to the importer are not the recording's, or were changed meanwhile."""
    assert imported(*folio_stored(1, before=10), **LIMITS).counts.unexpected_stores == 1
    assert imported(*folio_stored(1, before=9), **LIMITS).counts.unexpected_stores == 0


# ---- the LRU ----


def shrink(*inside: Any, **at: Any) -> list[Any]:
    return [("shrink", {"work": 0xFFFF_FFFF_837D_5940, **at}), *inside, ("shrink_ret", {**at})]


def test_visit_stands_at_its_call_with_its_referenced_bit_and_verdict() -> None:
    found = imported(*folio_stored(7), *visited(7, referenced=1, verdict=ROTATE))
    assert found.rows[1] == {
        "ts_ns": 4_000_004_000,
        "op": "visit",
        "type": 0,
        "offset": 7,
        "cpu": 0,
        "pid": 38,
        "result": 2,
        "referenced": 1,
        "asked_by": "pressure",
    }


def test_writeback_inside_a_visit_stands_at_its_free_and_the_visit_before_it() -> None:
    found = imported(*folio_stored(7), *shrink(*visited(7, *folio_written(7, HANDLE), verdict=REMOVED_RETRY)))
    assert found.columns("ts_ns", "op", "offset", "result", "seen_handle", "asked_by")[1:] == [
        (4_000_004_000, "shrink", None, -115, None, "limit"),
        (4_000_005_000, "visit", 7, 1, None, "limit"),
        (4_000_007_000, "writeback", 7, 0, HANDLE, None),
        (4_000_010_000, "shrink", None, 1, None, "limit"),
    ]


def test_writeback_that_fails_stands_at_its_return_and_leaves_the_entry() -> None:
    """−ENOMEM: no page to decompress into."""
    failed = visited(7, *folio_written(7, None, ret=-12, seen=1), verdict=RETRY)
    found = imported(*folio_stored(7), *failed, *folio_invalidated(7))
    assert found.columns("ts_ns", "op", "offset", "result", "seen_handle")[1:] == [
        (4_000_004_000, "visit", 7, 4, None),
        (4_000_006_000, "writeback", 7, -12, None),
        (4_000_009_000, "invalidate", 7, None, HANDLE),
    ]


def test_entry_invalidated_while_it_is_being_written_is_no_strange_one() -> None:
    """6.12 looks the entry up again, does not find it, and answers −ENOMEM: it was stored, and is gone by now."""
    found = imported(
        *folio_stored(7),
        ("visit", {"swap": 7, "referenced": 0}),
        ("writeback", {"swap": 7}),
        *folio_invalidated(7, pid=10),
        ("writeback_ret", {"ret": -12, "stored": 0}),
        ("visit_ret", {"ret": RETRY}),
    )
    assert found.columns("op", "pid", "result", "seen_handle")[:3] == [
        ("store", 38, 0, HANDLE),
        ("visit", 38, 4, None),
        ("invalidate", 10, None, HANDLE),
    ]
    assert (found.messages, found.counts.unpaired_lines) == ([], 0)


def test_work_has_a_begin_and_an_end_which_says_how_many_entries_it_looked_at() -> None:
    """It returns nothing. −EINPROGRESS marks the begin, as of a compaction."""
    looks = [event for _ in range(3) for event in visited(7, verdict=ROTATE)]
    found = imported(*folio_stored(7), *shrink(*looks), *shrink())
    assert [row for row in found.columns("op", "asked_by", "result") if row[0] == "shrink"] == [
        ("shrink", "limit", -115),
        ("shrink", "limit", 3),
        ("shrink", "limit", -115),
        ("shrink", "limit", 0),
    ]


def test_memory_managers_shrinker_is_a_shrink_by_pressure_that_says_what_it_was_asked_for() -> None:
    """Of a node and a cgroup; what it answers is how many entries it freed, −1: it would not try (SHRINK_STOP)."""
    found = imported(
        *folio_stored(7),
        ("scan", {"nr": 128, "nid": 1, "cgroup": 34}),
        *visited(7, verdict=ROTATE),
        ("scan_ret", {"freed": 5}),
        ("scan", {"nr": 64, "nid": 0, "cgroup": 1}),
        ("scan_ret", {"freed": -1}),
    )
    assert found.columns("op", "asked_by", "nr_to_scan", "cgroup", "node", "result")[1:] == [
        ("shrink", "pressure", 128, 34, 1, 5),
        ("visit", "pressure", None, None, None, 2),
        ("shrink", "pressure", 64, 1, 0, -1),
    ]


def test_visit_is_asked_for_by_the_call_around_it() -> None:
    """A store whose cgroup is at its own limit evicts; a writeback needs a page, so the memory manager may reclaim."""
    visit = visited(7, verdict=ROTATE)
    inner = [("scan", {"nr": 1}), *visit, ("scan_ret", {"freed": 0})]
    found = imported(
        *folio_stored(7),
        *folio_refused(8, *visit, seen=1),
        *shrink(*visited(7, ("writeback", {"swap": 7}), *inner, ("writeback_ret", {"ret": -12}), verdict=RETRY)),
        *visit,
    )
    assert [asker for op, asker in found.columns("op", "asked_by") if op == "visit"] == [
        "cgroup",
        "limit",
        "pressure",
        "pressure",
    ]


def test_visit_of_an_entry_never_stored_is_no_row_and_says_where() -> None:
    found = imported(*folio_stored(7), *visited(8, verdict=ROTATE), *folio_invalidated(7))
    assert found.columns("op", "offset") == [("store", 7), ("invalidate", 7)]
    assert found.messages == ["line 5: visit of an entry that was never stored: swap=8"]
    assert found.counts.unpaired_lines == 1


def test_writeback_of_an_entry_never_stored_is_no_row_and_says_where() -> None:
    found = imported(*folio_stored(7), *folio_written(8, None, ret=-12, seen=1))
    assert found.columns("op", "offset") == [("store", 7)]
    assert found.messages == ["line 6: writeback of an entry that was never stored: swap=8"]


def test_cgroup_of_a_store_and_of_a_visit_are_kept() -> None:
    found = imported(
        ("store", {"swap": 7, "cgroup": 34}),
        *folio_stored(7)[1:],
        ("visit", {"swap": 7, "referenced": 1, "cgroup": 1}),
        ("visit_ret", {"ret": ROTATE}),
    )
    assert found.columns("op", "cgroup", "node") == [("store", 34, None), ("visit", 1, None)]


# ---- readings, and how far a call is from its row ----


def test_pages_read_before_a_call_stand_on_the_last_row_that_changed_the_pool() -> None:
    """A load that misses, a refused store and a visit change nothing; the reading after them is of the store before."""
    found = imported(
        *folio_stored(1, before=4),
        ("load", {"swap": 9}),
        ("load_ret", {"ret": 0, "stored": 1}),
        *folio_refused(8, seen=1),
        *visited(1, verdict=ROTATE),
        *folio_stored(2, OTHER, before=5, seen=2),
        *folio_invalidated(1, before=7, seen=1),
    )
    assert found.columns("op", "offset", "seen_stored", "seen_pool_pages") == [
        ("store", 1, 1, 5),
        ("load", 9, 1, None),
        ("store", 8, 1, None),
        ("visit", 1, None, None),
        ("store", 2, 2, 7),
        ("invalidate", 1, 1, None),
    ]


def test_rows_between_a_call_and_its_row_are_counted_and_dropped_places_are_not() -> None:
    """Between: the load, and the invalidate where it freed. Not the place of the invalidate's call, which it left."""
    other = {"pid": 10}
    found = imported(
        *folio_stored(7),
        ("store", {"swap": 8}),
        ("load", {"swap": 9, **other}),
        ("load_ret", {"ret": 0, "stored": 1, **other}),
        ("alloc", {"size": 500, "pages": 1}),
        *folio_invalidated(7, **other),
        ("alloc_ret", {"handle": OTHER}),
        ("store_ret", {"ret": 1, "stored": 1}),
    )
    assert found.columns("op", "offset", "call_ts_ns", "call_rows", "alloc_rows")[1:] == [
        ("load", 9, None, None, None),
        ("invalidate", 7, 4_000_008_000, 0, None),
        ("store", 8, 4_000_004_000, 2, 1),
    ]


def test_rows_to_a_call_are_right_however_much_has_been_taken_meanwhile() -> None:
    """The first rows have long left the importer when the call they are counted from returns."""
    loads = [event for _ in range(100) for event in (("load", {"swap": 9}), ("load_ret", {"ret": 0}))]
    waiting = {"pid": 10}
    found = imported(*loads, ("store", {"swap": 1, **waiting}), *loads, *folio_stored(1, **waiting)[1:], chunk_bytes=50)
    assert found.columns("op", "call_rows")[-1] == ("store", 100)


def test_reservation_that_was_never_answered_counts_from_its_call_not_from_the_begin() -> None:
    """The return was lost: where the allocator was asked is not known, or is the row itself; never the first row."""
    found = imported(
        *folio_stored(1),
        *folio_stored(2, OTHER, before=1),
        ("store", {"swap": 3}),
        ("alloc", {"size": 900, "pages": 2}),
        "CPU:0 [LOST 2 EVENTS]",
    )
    assert found.columns("offset", "result", "alloc_rows")[2] in [(3, None, None), (3, None, 0)]


def test_incompressible_page_whose_answer_was_lost_is_a_row_that_a_reader_accepts() -> None:
    """What did not compress is more than a page: legal on a store that was refused, not on one that nobody knows of."""
    lost = [("store", {"swap": 3}), ("alloc", {"size": 5000, "pages": 0}), "CPU:0 [LOST 2 EVENTS]"]
    assert find_bad_row(imported(*lost).batch, 0) is None


def test_readings_go_on_when_a_task_has_ended_with_a_free() -> None:
    """A probe of the free's return there is none: whoever frees last before it exits has left the pool all the same."""
    exiting = {"pid": 10}
    found = imported(
        *folio_stored(1, before=0),
        ("invalidate", {"swap": 1, **exiting}),
        ("free", {"handle": HANDLE, "pages": 1, **exiting}),
        *folio_stored(2, before=0),
        *folio_stored(3, OTHER, before=1, seen=2),
        *folio_stored(4, OTHER + 64, before=2, seen=3),
    )
    assert [pages for op, pages in found.columns("op", "seen_pool_pages") if op == "store"] == [1, 1, 2, None]


# ---- two kernels, no returns ----


def test_lines_of_6_1_in_a_text_of_6_12_contradict_it() -> None:
    found = imported(*folio_stored(7), ("load", {"type": 0, "offset": 7}), ("load_ret", {"ret": 0}))
    assert found.contradiction == (
        "line 5: found type= and offset=, as Linux before 6.6, expected swap= as in the lines before: "
        "a text is of one kernel"
    )


def test_lines_of_6_12_in_a_text_of_6_1_contradict_it() -> None:
    found = Imported(text(("load", {"type": 0, "offset": 7}), ("load_ret", {"ret": 0}), *folio_stored(7)))
    assert found.contradiction == (
        "line 3: found swap=, as Linux 6.6 and later, expected type= and offset= as in the lines before: "
        "a text is of one kernel"
    )


def test_calls_that_never_return_are_rows_without_a_result() -> None:
    calls = [("store", {"swap": 1}), ("load", {"swap": 2}), ("visit", {"swap": 1}), ("writeback", {"swap": 1})]
    found = imported(*calls, *calls)
    assert {result for (result,) in found.columns("result")} == {None}
    assert [op for (op,) in found.columns("op")].count("store") == 2
    assert find_bad_row(found.batch, 0) is None


# ---- any lines in any order ----

OPTIONS = [
    {**kernel(*release), **limits, "chain": chain}
    for release in ((6, 6), (6, 12), (6, 15))
    for limits in ({}, LIMITS)
    for chain in (0, 1, 8)
]


def lines_of(kind: str, slot: int, answer: int, pages: int, size: int) -> list[Any]:
    """What one task does, every line of it; the numbers need not fit together."""
    handle = HANDLE + 64 * slot
    alloc = [
        ("alloc", {"size": size, "pages": pages}),
        ("locked", {"handle": handle, "zspage": slot // 2, "free": 0}),
        ("alloc_ret", {"handle": handle} if answer == 1 else {"ret": min(answer, 0)}),
        ("map", {"handle": handle}),
    ]
    free = [("free", {"handle": handle, "pages": pages}), ("locked", {"handle": handle, "free": 1})]
    writeback = folio_written(slot, handle, before=pages, ret=min(answer, 0))
    visit = visited(slot, *writeback, verdict=max(answer, 0), referenced=slot & 1)
    store_ret = ("store_ret", {"ret": answer, "stored": slot, "full": pages & 1} if size else {"ret": answer})
    return {
        "store": [("store", {"swap": swap(slot), "cgroup": slot & 1}), *alloc, *free, store_ret],
        "refused": folio_refused(slot, *free, *visit),
        "load": [("load", {"swap": swap(slot)}), *free, ("load_ret", {"ret": answer, "stored": slot})],
        "invalidate": folio_invalidated(slot, handle, before=pages),
        "work": shrink(*visit),
        "pressure": [("scan", {"nr": size}), *visit, ("scan_ret", {"freed": answer})],
        "compact": [("compact", {"nr": size}), ("compact_ret", {"freed": answer})],
        "migrate": [("migrate", {"page": size}), ("migrate_ret", {"ret": answer})],
    }[kind]


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Tasks that do things at the same time, some lines of it lost, others doubled; and the names of the lines."""
    kinds = ["store", "store", "refused", "load", "invalidate", "work", "pressure", "compact", "migrate"]
    doings = st.tuples(
        st.sampled_from(kinds),
        st.integers(0, 3),
        st.sampled_from([0, 1, 1, 2, -2, -12]),
        st.sampled_from([0, 9, 10]),
        st.sampled_from([0, 100, 4096, 5000]),
    )
    tasks = draw(st.lists(st.lists(doings, max_size=6), max_size=3))
    chance = random.Random(draw(st.integers(0, 999)))
    damaged = draw(st.sampled_from([0.0, 0.05, 0.3]))
    queues = {pid: [line for doing in task for line in lines_of(*doing)] for pid, task in enumerate(tasks, 1)}
    out: list[Any] = []
    while queues := {pid: queue for pid, queue in queues.items() if queue}:
        pid = chance.choice(list(queues))
        name, arguments = queues[pid].pop(0)
        event = (name, {**arguments, "pid": pid, "cpu": chance.choice([0, 0, 1])})
        out += [event] * (1 if chance.random() >= damaged else chance.choice([0, 0, 2]))
        if chance.random() < damaged / 5:
            out.append(chance.choice(["CPU:0 [LOST 4 EVENTS]", "nonsense"]))
    return text(*out), [event[0] for event in out if not isinstance(event, str)]


@given(texts(), st.sampled_from(OPTIONS), st.integers(1, 200))
def test_rows_do_not_depend_on_how_the_text_is_cut(
    drawn: tuple[str, list[str]], options: dict[str, Any], chunk_bytes: int
) -> None:
    log, _ = drawn
    whole, cut = Imported(log, **options), Imported(log, chunk_bytes=chunk_bytes, **options)
    assert cut.batch.equals(whole.batch)
    assert cut.messages == whole.messages


@given(texts(), st.sampled_from(OPTIONS))
def test_any_order_of_lines_gives_rows_a_reader_accepts(drawn: tuple[str, list[str]], options: dict[str, Any]) -> None:
    assert find_bad_row(Imported(drawn[0], **options).batch, 0) is None


@given(texts(), st.sampled_from(OPTIONS))
def test_every_store_and_load_becomes_a_row_and_no_call_stands_before_the_trace(
    drawn: tuple[str, list[str]], options: dict[str, Any]
) -> None:
    log, names = drawn
    found = Imported(log, **options)
    for op, others in (("store", ("alloc", "free")), ("load", ("map",))):
        # Where the lines between two calls are lost, the second's can be taken for those of the first's next page.
        most = names.count(op) + sum(map(names.count, others))
        assert names.count(op) <= found.columns("op").count((op,)) <= most
    for number, (called, asked) in enumerate(found.columns("call_rows", "alloc_rows")):
        assert (asked or 0) <= (called or 0) <= number


def test_no_line_of_the_folio_era_is_that_of_another_event() -> None:
    assert Imported(line("zswap_store", swap=1), **kernel(6, 12)).counts.other_events == 1
