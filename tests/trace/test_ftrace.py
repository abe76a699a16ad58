"""The importer: where a row stands, and what it carries (docs/trace-format.md)."""

from typing import Any

import pytest
from ftrace_text import HANDLE, Imported, invalidated, line, stored, text
from hypothesis import given
from hypothesis import strategies as st

OTHER = HANDLE + 4096


def test_store_stands_at_its_allocations_return_with_the_swap_header_taken_off() -> None:
    found = Imported(text(*stored(7, size=3452, seen=1, pages=1)))
    assert found.rows == [
        {
            "ts_ns": 4_000_002_000,
            "op": "store",
            "type": 0,
            "offset": 7,
            "size": 3444,
            "cpu": 0,
            "pid": 38,
            "result": 0,
            "seen_stored": 1,
            "seen_pool_pages": 1,
            "seen_handle": HANDLE,
            "call_ts_ns": 4_000_000_000,
            "call_rows": 0,
            "alloc_rows": 0,
            "return_ts_ns": 4_000_004_000,
        }
    ]


def test_pools_that_do_not_evict_are_asked_for_the_compressed_length_itself() -> None:
    assert Imported(text(*stored(7, size=3452)), header_bytes=0).columns("size") == [(3452,)]


def test_store_without_allocation_that_succeeds_is_same_filled_and_stands_at_its_return() -> None:
    found = Imported(text(("store", {"type": 1, "offset": 9}), ("store_ret", {"ret": 0, "stored": 1, "pool": 0})))
    assert found.columns("ts_ns", "type", "size", "result", "seen_handle") == [(4_000_001_000, 1, 0, 0, None)]


def test_store_refused_before_it_allocates_stands_at_its_call_and_has_no_size() -> None:
    found = Imported(text(("store", {"type": 0, "offset": 9}), ("store_ret", {"ret": -12, "stored": 0, "pool": 0})))
    assert found.columns("ts_ns", "size", "result") == [(4_000_000_000, None, -12)]


def test_store_whose_allocation_fails_has_a_size_and_no_handle() -> None:
    found = Imported(
        text(
            ("store", {"type": 0, "offset": 9}),
            ("alloc", {"size": 4300}),
            ("alloc_ret", {"ret": -28}),
            ("store_ret", {"ret": -28, "stored": 0, "pool": 0}),
        )
    )
    assert found.columns("ts_ns", "size", "result", "seen_handle") == [(4_000_002_000, 4292, -28, None)]


def test_load_stands_at_its_call_with_its_result_and_the_handle_it_read() -> None:
    found = Imported(
        text(
            ("load", {"type": 0, "offset": 7}),
            ("map", {"handle": HANDLE}),
            ("load_ret", {"ret": 0}),
            ("load", {"type": 0, "offset": 8}),
            ("load_ret", {"ret": -1}),
        )
    )
    assert found.columns("ts_ns", "op", "result", "seen_handle") == [
        (4_000_000_000, "load", 0, HANDLE),
        (4_000_003_000, "load", -1, None),
    ]


def test_invalidate_stands_at_its_free() -> None:
    found = Imported(text(*stored(7), *invalidated(7)))
    assert found.columns("ts_ns", "op", "offset", "result", "seen_stored", "seen_handle")[1] == (
        4_000_006_000,
        "invalidate",
        7,
        None,
        0,
        HANDLE,
    )


def test_invalidate_of_a_same_filled_slot_stands_at_its_return() -> None:
    found = Imported(
        text(
            ("store", {"type": 0, "offset": 9}),
            ("store_ret", {"ret": 0, "stored": 1, "pool": 0}),
            *invalidated(9, None),
        )
    )
    assert found.columns("ts_ns", "op", "seen_stored", "seen_handle")[1] == (4_000_003_000, "invalidate", 0, None)


def test_invalidate_of_a_slot_that_is_not_there_stands_at_its_call() -> None:
    found = Imported(text(*invalidated(9, None)))
    assert found.columns("ts_ns", "op", "seen_handle") == [(4_000_000_000, "invalidate", None)]


def test_invalidate_of_a_slot_stored_before_the_recording_began_is_known_by_its_free() -> None:
    assert Imported(text(*invalidated(9))).columns("ts_ns", "seen_handle") == [(4_000_001_000, HANDLE)]


def test_calls_of_two_tasks_interleave_and_each_gets_its_own_return() -> None:
    found = Imported(
        text(
            ("store", {"type": 0, "offset": 1, "pid": 10}),
            ("store", {"type": 0, "offset": 2, "pid": 20, "cpu": 1}),
            ("alloc", {"size": 108, "pid": 20, "cpu": 1}),
            ("alloc", {"size": 208, "pid": 10}),
            ("alloc_ret", {"ret": 0, "pid": 10}),
            ("alloc_ret", {"ret": -12, "pid": 20, "cpu": 1}),
            ("store_ret", {"ret": -12, "stored": 0, "pool": 0, "pid": 20, "cpu": 1}),
            ("map", {"handle": HANDLE, "pid": 10}),
            ("store_ret", {"ret": 0, "stored": 1, "pool": 4096, "pid": 10}),
        )
    )
    assert found.columns("offset", "pid", "cpu", "size", "result", "seen_handle") == [
        (1, 10, 0, 200, 0, HANDLE),
        (2, 20, 1, 100, -12, None),
    ]


def shrink(*inside: Any, ret: int = 0) -> list[Any]:
    return [("shrink", {"pages": 1}), *inside, ("shrink_ret", {"ret": ret, "stored": 0, "pool": 0})]


def evicted(handle: int, *inside: Any, ret: int = 0, seen: int = 0, pages: int = 0) -> list[Any]:
    free = [("free", {"handle": handle})] if ret == 0 else []
    writeback_ret = ("writeback_ret", {"ret": ret, "stored": seen, "pool": pages * 4096})
    return [("writeback", {"handle": handle}), ("map", {"handle": handle}), *inside, *free, writeback_ret]


def test_writeback_finds_its_slot_through_the_handle_and_stands_at_its_free() -> None:
    found = Imported(text(*stored(7), *shrink(*evicted(HANDLE))))
    assert found.columns("ts_ns", "op", "type", "offset", "result", "seen_handle")[1:] == [
        (4_000_005_000, "shrink", None, None, 0, None),
        (4_000_008_000, "writeback", 0, 7, 0, HANDLE),
    ]


def test_writeback_that_fails_stands_at_its_return() -> None:
    found = Imported(text(*stored(7), *shrink(*evicted(HANDLE, ret=-17, seen=1, pages=1), ret=-11)))
    assert found.columns("ts_ns", "op", "offset", "result", "seen_handle")[1:] == [
        (4_000_005_000, "shrink", None, -11, None),
        (4_000_008_000, "writeback", 7, -17, HANDLE),
    ]


def test_store_and_invalidate_inside_a_writeback_keep_their_own_returns() -> None:
    """A writeback allocates a page, so its task may reclaim: it stores, and invalidates with a free of its own."""
    inside = [*stored(3, HANDLE + 128, seen=3, pages=2), *invalidated(8, OTHER, seen=2, pages=1)]
    found = Imported(text(*stored(7), *stored(8, OTHER, seen=2), *shrink(*evicted(HANDLE, *inside, seen=1, pages=1))))
    assert found.columns("op", "offset", "result", "seen_handle", "seen_stored")[2:] == [
        ("shrink", None, 0, None, None),
        ("store", 3, 0, HANDLE + 128, 3),
        ("invalidate", 8, None, OTHER, 2),
        ("writeback", 7, 0, HANDLE, 1),
    ]
    assert found.counts.unpaired_lines == 0


def test_invalidate_whose_object_a_load_still_holds_stands_at_the_loads_free() -> None:
    load, other = {"pid": 20}, {"pid": 10, "cpu": 3}
    found = Imported(
        text(
            *stored(7),
            ("load", {"type": 0, "offset": 7, **load}),
            ("map", {"handle": HANDLE, **load}),
            *invalidated(7, None, seen=1, pages=1, **other),
            ("free", {"handle": HANDLE, **load}),
            ("load_ret", {"ret": 0, **load}),
        )
    )
    assert found.columns("ts_ns", "op", "offset", "pid", "cpu", "seen_handle", "seen_stored")[1:] == [
        (4_000_005_000, "load", 7, 20, 0, HANDLE, None),
        (4_000_009_000, "invalidate", 7, 10, 3, HANDLE, None),
    ]


def test_invalidate_during_a_writeback_of_its_slot_frees_there_and_the_writeback_frees_nothing() -> None:
    """6.1 then counts the writeback as a success; its row has no slot, so that a replay frees the object once."""
    found = Imported(
        text(
            *stored(7),
            ("writeback", {"handle": HANDLE}),
            *invalidated(7, None, seen=1, pages=1, pid=10),
            ("free", {"handle": HANDLE}),
            ("writeback_ret", {"ret": 0, "stored": 0, "pool": 0}),
        )
    )
    assert found.columns("op", "offset", "pid", "result", "seen_handle")[1:] == [
        ("invalidate", 7, 10, None, HANDLE),
        ("writeback", None, 38, 0, HANDLE),
    ]


def test_writeback_whose_object_a_load_still_holds_stands_at_the_loads_free() -> None:
    found = Imported(
        text(
            *stored(7),
            ("load", {"type": 0, "offset": 7, "pid": 20}),
            ("writeback", {"handle": HANDLE}),
            ("writeback_ret", {"ret": 0, "stored": 1, "pool": 4096}),
            ("free", {"handle": HANDLE, "pid": 20}),
            ("load_ret", {"ret": 0, "pid": 20}),
        )
    )
    assert found.columns("ts_ns", "op", "offset", "pid", "result")[2:] == [(4_000_008_000, "writeback", 7, 38, 0)]


def test_invalidate_that_comes_too_late_for_a_writeback_stands_behind_it() -> None:
    found = Imported(
        text(
            *stored(7),
            ("writeback", {"handle": HANDLE}),
            ("invalidate", {"type": 0, "offset": 7, "pid": 10}),
            ("free", {"handle": HANDLE}),
            ("writeback_ret", {"ret": 0, "stored": 0, "pool": 0}),
            ("invalidate_ret", {"stored": 0, "pool": 0, "pid": 10}),
        )
    )
    assert found.columns("op", "offset", "pid", "seen_handle")[1:] == [
        ("writeback", 7, 38, HANDLE),
        ("invalidate", 7, 10, None),
    ]


def test_z3fold_evicts_by_a_handle_of_its_own_so_the_free_tells_the_slot() -> None:
    on_stack = 0xFFFF_C900_0014_3C42
    found = Imported(
        text(
            *stored(7),
            ("writeback", {"handle": on_stack}),
            ("free", {"handle": HANDLE}),
            ("writeback_ret", {"ret": 0, "stored": 0, "pool": 0}),
            ("writeback", {"handle": on_stack}),
            ("writeback_ret", {"ret": -17, "stored": 0, "pool": 0}),
        )
    )
    assert found.columns("op", "offset", "result", "seen_handle")[1:] == [
        ("writeback", 7, 0, HANDLE),
        ("writeback", None, -17, on_stack),
    ]


def test_swapoff_is_one_row_and_its_frees_are_its_own() -> None:
    found = Imported(text(*stored(7), ("invalidate_area", {"type": 0}), ("free", {"handle": HANDLE})))
    assert found.columns("ts_ns", "op", "type", "offset")[1:] == [(4_000_005_000, "invalidate_area", 0, None)]
    assert found.counts.unpaired_lines == 0


def test_compaction_stands_at_its_return_with_the_pages_it_freed() -> None:
    found = Imported(
        text(
            ("compact", {"nr": 18446612682146652160}),
            ("compact_ret", {"freed": 7, "stored": 3, "pool": 8192}),
            ("compact", {"nr": 1}),
            ("compact_ret", {"freed": -1}),
        )
    )
    assert found.columns("ts_ns", "op", "result", "seen_pool_pages") == [
        (4_000_001_000, "compact", 7, 2),
        (4_000_003_000, "compact", 0, None),
    ]


def test_migration_stands_at_its_return_with_the_page_it_left() -> None:
    found = Imported(text(("migrate", {"newpage": 0xEA000040, "page": 0xEA000080}), ("migrate_ret", {"ret": 0})))
    assert found.columns("ts_ns", "op", "result", "seen_handle") == [(4_000_001_000, "migrate", 0, 0xEA000080)]


# ---- the kernel's counters ----


def overlapping(first_ret: tuple[int, int], second_ret: tuple[int, int]) -> list[Any]:
    """Store 1 by PID 10 allocates, store 2 by PID 20 runs from end to end, store 1 returns."""
    return [
        ("store", {"type": 0, "offset": 1, "pid": 10}),
        ("alloc", {"size": 108, "pid": 10}),
        ("alloc_ret", {"ret": 0, "pid": 10}),
        ("map", {"handle": HANDLE, "pid": 10}),
        *stored(2, OTHER, seen=second_ret[0], pages=second_ret[1], pid=20),
        ("store_ret", {"ret": 0, "stored": first_ret[0], "pool": first_ret[1] * 4096, "pid": 10}),
    ]


def test_counters_read_late_go_on_the_last_row_that_changed_the_state() -> None:
    """Store 2 counted both pages but not store 1's entry; when store 1 returns, both are in, behind store 2's row."""
    found = Imported(text(*overlapping(first_ret=(2, 2), second_ret=(1, 2))))
    assert found.columns("offset", "seen_stored", "seen_pool_pages") == [(1, None, None), (2, 2, 2)]


def test_stored_is_unknown_while_another_store_may_not_have_counted_yet() -> None:
    found = Imported(text(*overlapping(first_ret=(2, 2), second_ret=(1, 2))[:-1]))
    assert found.columns("offset", "seen_stored", "seen_pool_pages") == [(1, None, None), (2, None, 2)]


def test_counters_of_a_refused_store_stay_with_it_when_nothing_came_between() -> None:
    refused = [("store", {"type": 0, "offset": 5}), ("store_ret", {"ret": -12, "stored": 1, "pool": 4096})]
    assert Imported(text(*stored(7), *refused)).columns("seen_stored", "seen_pool_pages")[1] == (1, 1)


def test_counters_of_a_refused_store_that_was_overtaken_are_dropped() -> None:
    found = Imported(
        text(
            ("store", {"type": 0, "offset": 5, "pid": 10}),
            *stored(7),
            ("store_ret", {"ret": -12, "stored": 1, "pool": 4096, "pid": 10}),
        )
    )
    assert found.columns("offset", "seen_stored", "seen_pool_pages") == [(5, None, None), (7, 1, 1)]


def test_counters_of_a_refused_store_are_dropped_while_a_store_has_not_counted_yet() -> None:
    found = Imported(
        text(
            ("store", {"type": 0, "offset": 1, "pid": 10}),
            ("alloc", {"size": 108, "pid": 10}),
            ("alloc_ret", {"ret": 0, "pid": 10}),
            ("store", {"type": 0, "offset": 5}),
            ("store_ret", {"ret": -12, "stored": 0, "pool": 0}),
        )
    )
    assert found.columns("offset", "seen_stored", "seen_pool_pages")[1] == (5, None, None)


def test_compaction_that_others_interrupt_has_a_begin_and_its_counts_are_not_read_twice() -> None:
    """The store counted 9 pages half way; what the compaction's return still shows is that count, true no more."""
    found = Imported(
        text(
            ("compact", {"nr": 1, "pid": 50}),
            *stored(7, seen=1, pages=9),
            ("compact_ret", {"freed": 3, "stored": 1, "pool": 9 * 4096, "pid": 50}),
            *stored(8, OTHER, seen=2, pages=7),
        )
    )
    assert found.columns("op", "result", "seen_stored", "seen_pool_pages") == [
        ("compact", -115, None, None),
        ("store", 0, 1, 9),
        ("compact", 3, 1, None),
        ("store", 0, 2, 7),
    ]


# ---- zram ----


def written(index: int, handle: int | None, *, size: int = 500, pages: int = 0, pid: int = 38) -> list[Any]:
    allocated = [
        ("alloc", {"size": size, "pages": pages, "pid": pid}),
        ("alloc_ret", {"handle": handle or 0, "pid": pid}),
        ("map", {"handle": handle or 0, "mode": 2, "pid": pid}),
    ]
    return [("rw", {"sector": index * 8, "op": 1, "pid": pid}), *(allocated if handle is not None else [])]


def test_zram_writes_and_reads_pages_by_index_and_the_pool_is_read_before_each_call() -> None:
    found = Imported(
        text(
            *written(16384, HANDLE, pages=3),
            *written(16385, OTHER, pages=4),
            ("rw", {"sector": 16385 * 8, "op": 0}),
            ("map", {"handle": OTHER, "mode": 1}),
            ("slotfree", {"index": 16384}),
            ("free", {"handle": HANDLE, "pages": 4}),
            ("compact", {"pages": 3}),
            ("compact_ret", {"freed": 1}),
            *written(9, HANDLE, pages=2),
        ),
        header_bytes=0,
    )
    assert found.columns("ts_ns", "op", "type", "offset", "size", "result", "seen_pool_pages", "seen_handle") == [
        (4_000_002_000, "store", 0, 16384, 500, 0, 4, HANDLE),
        (4_000_006_000, "store", 0, 16385, 500, 0, 4, OTHER),
        (4_000_008_000, "load", 0, 16385, None, 0, None, OTHER),
        (4_000_011_000, "invalidate", 0, 16384, None, None, 3, HANDLE),
        (4_000_013_000, "compact", None, None, None, 1, 2, None),
        (4_000_016_000, "store", 0, 9, 500, 0, None, HANDLE),
    ]


def test_zram_write_without_allocation_before_the_tasks_next_event_is_same_filled() -> None:
    found = Imported(text(*written(5, None), *written(6, HANDLE), ("slotfree", {"index": 5})), header_bytes=0)
    assert found.columns("ts_ns", "op", "offset", "size", "result") == [
        (4_000_000_000, "store", 5, 0, 0),
        (4_000_003_000, "store", 6, 500, 0),
        (4_000_005_000, "invalidate", 5, None, None),
    ]


def test_zram_write_over_an_occupied_page_frees_the_old_object_without_a_row() -> None:
    found = Imported(
        text(*written(5, HANDLE, pages=0), *written(5, OTHER, pages=1), ("free", {"handle": HANDLE, "pages": 1})),
        header_bytes=0,
    )
    assert found.columns("op", "offset", "seen_handle") == [("store", 5, HANDLE), ("store", 5, OTHER)]


def test_zram_allocation_that_fails_gives_an_errno_for_a_handle() -> None:
    found = Imported(text(*written(5, 2**64 - 12)), header_bytes=0)
    assert found.columns("op", "offset", "size", "result", "seen_handle") == [("store", 5, 500, -12, None)]


# ---- lost, damaged and strange lines ----


def test_lost_events_are_counted_and_calls_of_that_cpu_end_without_a_result() -> None:
    """The store's return and the next store's call were lost; the return that follows belongs to that next store."""
    found = Imported(
        text(
            ("store", {"type": 0, "offset": 1}),
            ("load", {"type": 0, "offset": 9, "pid": 10, "cpu": 1}),
            "CPU:0 [LOST 12 EVENTS]",
            ("store_ret", {"ret": -12, "stored": 5, "pool": 4096}),
            ("load_ret", {"ret": 0, "pid": 10, "cpu": 1}),
        )
    )
    assert found.columns("op", "offset", "result") == [("store", 1, None), ("load", 9, 0)]
    assert (found.counts.lost_events, found.counts.open_calls, found.counts.unpaired_lines) == (12, 1, 1)


def test_task_that_moved_while_events_were_lost_is_not_paired_either() -> None:
    found = Imported(
        text(
            ("store", {"type": 0, "offset": 1, "cpu": 0}),
            "CPU:1 [LOST 3 EVENTS]",
            ("store_ret", {"ret": 0, "stored": 5, "pool": 4096, "cpu": 1}),
        )
    )
    assert found.columns("op", "result") == [("store", None)]


def test_return_that_a_full_kretprobe_missed_does_not_go_to_the_next_call() -> None:
    found = Imported(text(("store", {"type": 0, "offset": 1}), *stored(2)))
    assert found.columns("offset", "result") == [(1, None), (2, 0)]


def test_end_of_the_text_leaves_open_calls_without_a_result() -> None:
    found = Imported(text(*stored(1)[:4]))
    assert found.columns("offset", "size", "result", "seen_handle") == [(1, 1000, None, HANDLE)]
    assert found.counts.open_calls == 1


@pytest.mark.parametrize(
    "comm",
    ["kworker/0:2", "Web Content", "a-1 [000] ", "-", "[x]-3", "ftrace: (", "x-38 [001] d.", "CPU:0 [LOST 1"],
)
def test_names_of_tasks_may_hold_anything(comm: str) -> None:
    found = Imported(text(*stored(7, comm=comm, pid=412, cpu=2)))
    assert found.columns("offset", "pid", "cpu", "result") == [(7, 412, 2, 0)]
    assert found.counts.unreadable_lines == 0


def test_thread_group_ids_and_missing_flags_are_read_over() -> None:
    log = (
        "  cc1plus-121   (    119) [000] .....     4.000001: load: (zswap_load+0x0/0x1) type=0 offset=3\n"
        "  cc1plus-121   [000]     4.000002: load_ret: (a <- b) ret=0\n"
    )
    assert Imported(log).columns("offset", "pid", "result") == [(3, 121, 0)]


def test_crlf_headers_and_other_events_are_read_over() -> None:
    log = "# tracer: nop\n\n" + text(*stored(7)) + line("sched_switch", prev=1)
    found = Imported(log.replace("\n", "\r\n"))
    assert found.columns("offset", "result", "seen_handle") == [(7, 0, HANDLE)]
    assert (found.counts.unreadable_lines, found.counts.other_events) == (0, 1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (line("load", type=0), 'line 1,204: expected offset=…, found " type=0"'),
        (line("load", type=0, offset="(fault)"), 'line 1,204: expected offset=…, found " type=0 offset=(fault)"'),
        (line("load", type=32, offset=1), "line 1,204: expected type= below 32, found"),
        (line("load", type=0, offset=2**58), "line 1,204: expected offset= below 2^58, found"),
        (line("store_ret", ret=0, stored=1, pool=409), "line 1,204: expected pool= in whole pages of 4096 bytes"),
        ("     kswapd0-38   [000] ..", "line 1,204: expected COMM-PID [CPU] FLAGS SECONDS: EVENT: …, found"),
        ("     kswapd0-38   [000] ...1.  4.1: load: (zswap_lo", "line 1,204: expected (PROBE POINT) after load:"),
        ("x" * 5000, "line 1,204: expected at most 4096 bytes, found a longer line"),
    ],
)
def test_line_that_cannot_be_read_is_counted_and_shown(bad: str, message: str) -> None:
    found = Imported("#\n" * 1203 + bad + "\n" + text(*stored(7)))
    assert found.counts.unreadable_lines == 1
    assert found.messages[0].startswith(message)
    assert found.columns("offset") == [(7,)]


def test_last_line_cut_in_two_is_unreadable_not_wrong() -> None:
    log = text(*stored(7, seen=1, pages=15805))
    found = Imported(log[: log.rindex("64737280") + 4])
    assert found.columns("offset", "result") == [(7, None)]
    assert found.counts.unreadable_lines == 1


def test_times_that_step_backwards_are_held_and_counted() -> None:
    found = Imported(text(*stored(7), ("load", {"type": 0, "offset": 7, "us": 1}), ("load_ret", {"ret": 0, "us": 9})))
    assert found.columns("op", "ts_ns") == [("store", 4_000_002_000), ("load", 4_000_004_000)]
    assert found.counts.backward_times == 1


def test_call_that_never_returns_does_not_hold_the_rows_behind_it_for_ever() -> None:
    loads = "".join(line("load", type=0, offset=1, pid=9) + line("load_ret", ret=0, pid=9) for _ in range(300_000))
    importer = Imported(line("shrink", pages=1) + loads)
    assert importer.batch.num_rows == 300_001
    assert (importer.rows[0]["op"], importer.rows[0].get("result")) == ("shrink", None)


# ---- however the text is cut ----

EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                [
                    "store",
                    "load",
                    "invalidate",
                    "writeback",
                    "shrink",
                    "compact",
                    "migrate",
                    "alloc",
                    "map",
                    "free",
                    "rw",
                    "slotfree",
                    "invalidate_area",
                ]
            ),
            st.booleans(),
            st.integers(0, 2),
            st.integers(0, 2),
            st.integers(0, 3),
            st.sampled_from([0, 0, 0, -12, -17]),
        ),
        st.sampled_from(["CPU:0 [LOST 4 EVENTS]", "nonsense", ""]),
    ),
    max_size=60,
)


def written_out(events: list[Any]) -> str:
    out = []
    for event in events:
        if isinstance(event, str):
            out.append(event)
            continue
        name, is_return, pid, cpu, slot, ret = event
        common = {"pid": pid, "cpu": cpu}
        state = {"ret": ret, "stored": slot, "pool": slot * 4096, "freed": slot}
        call = {"type": 0, "offset": slot, "size": 100, "handle": HANDLE + slot, "page": 1, "sector": slot * 8, "op": 1}
        out.append((name + "_ret", {**common, **state}) if is_return else (name, {**common, **call, "index": slot}))
    return text(*out)


@given(EVENTS, st.integers(1, 200))
def test_rows_do_not_depend_on_how_the_text_is_cut(events: list[Any], chunk_bytes: int) -> None:
    log = written_out(events)
    whole, cut = Imported(log), Imported(log, chunk_bytes=chunk_bytes)
    assert cut.batch.equals(whole.batch)
    assert cut.messages == whole.messages


@given(EVENTS)
def test_any_order_of_lines_gives_rows_a_reader_accepts(events: list[Any]) -> None:
    from _zreplay import find_bad_row

    found = Imported(written_out(events))
    assert find_bad_row(found.batch, 0) is None


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_counted(data: bytes) -> None:
    counts = Imported(data).counts
    assert counts.unreadable_lines <= counts.lines == len([*data.split(b"\n")[:-1]]) + (data[-1:] not in (b"", b"\n"))
