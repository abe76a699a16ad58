"""The importer over zram's probes: bios of several pages, devices, discards, writeback, and calls without a return."""

from typing import Any

import pytest
from ftrace_text import HANDLE, Imported, line, text

OTHER, THIRD = HANDLE + 4096, HANDLE + 8192
READ, WRITE, FLUSH, DISCARD, ZEROES = 0, 1, 2, 3, 9  # enum req_op


def imported(*events: Any) -> Imported:
    return Imported(text(*events), header_bytes=0)


def written(page: int, handle: int | None = None, **at: Any) -> list[Any]:
    """The lines of a write of one page; without a handle it is of one repeated word."""
    alloc = [] if handle is None else [("alloc", {"size": 500, **at}), ("alloc_ret", {"handle": handle, **at})]
    return [("rw", {"sector": page * 8, "op": WRITE, **at}), *alloc]


def bio(page: int, pages: int, op: int, **at: Any) -> tuple[str, dict[str, Any]]:
    return ("bio", {"sector": page * 8, "size": pages * 4096, "op": op, **at})


def freed(page: int, handle: int, **at: Any) -> list[Any]:
    return [("slotfree", {"index": page, **at}), ("free", {"handle": handle, **at})]


# ---- requests ----


def test_devices_are_swap_types_by_their_minor_or_the_lowest_that_is_free() -> None:
    found = imported(*(event for dev in (1, 1000, 0, 1) for event in written(3, dev=dev)))
    assert found.columns("type", "offset") == [(1, 3), (0, 3), (2, 3), (1, 3)]


def test_the_33rd_device_is_none_that_a_trace_can_name() -> None:
    found = imported(
        *(event for dev in range(33) for event in written(3, dev=1000 + dev)), ("slot", {"index": 3, "dev": 9999})
    )
    assert found.columns("type") == [(dev,) for dev in range(32)]
    assert found.messages == [
        "line 33: expected dev= of at most 32 devices, found another: 1032",
        "line 34: expected dev= of at most 32 devices, found another: 9999",
    ]


def test_requests_that_move_no_page_are_no_rows() -> None:
    found = imported(
        ("bio", {"sector": 8, "op": FLUSH}), bio(1, 0, WRITE), bio(1, 0, READ), ("rw", {"sector": 8, "op": 7})
    )
    assert (found.rows, found.counts.unreadable_lines) == ([], 0)


def test_a_bios_flags_are_above_its_operation_and_it_touches_pages_in_part() -> None:
    """REQ_SYNC is bit 11. From sector 12 on, 4096 bytes are the second half of page 1 and the first half of page 2."""
    found = imported(("bio", {"sector": 12, "size": 4096, "op": 0x800 | WRITE}))
    assert found.columns("op", "offset", "size") == [("store", 1, 0), ("store", 2, 0)]


def test_last_page_that_there_can_be_is_written() -> None:
    assert imported(bio(2**58 - 1, 1, WRITE)).columns("offset") == [(2**58 - 1,)]


BIO = "expected size= of a bio in whole sectors of 512 bytes, at most 256 MiB, found"
DISCARDED = "expected size= of a discard in whole sectors of 512 bytes, found"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"size": 100, "op": WRITE}, f"{BIO} 100"),
        ({"size": -512, "op": READ}, f"{BIO} -512"),
        ({"size": 2**28 + 512, "op": WRITE}, f"{BIO} 2"),
        (
            {"sector": 2**61 - 8, "size": 8192, "op": WRITE},
            "expected sector= and size= within 2^61 sectors, found 2305843009213693944",
        ),
        ({"size": 100, "op": DISCARD}, f"{DISCARDED} 100"),
        ({"size": 2**33, "op": ZEROES}, f"{DISCARDED} 8589934592"),
    ],
)  # fmt: skip
def test_request_that_cannot_be_is_an_unreadable_line(request_: dict[str, int], message: str) -> None:
    found = imported(("bio", {"sector": 8, **request_}))
    assert found.rows == []
    assert found.messages[0].startswith(f"line 1: {message}")


# ---- writeback to the backing device ----


def test_page_written_back_is_a_row_and_its_loads_miss_until_it_is_freed_or_written() -> None:
    """Of a page of one repeated word zram_free_page is all there is to see; it reclaims meanwhile, and goes on."""
    found = imported(
        *written(5, HANDLE),
        *written(6),
        ("zwriteback", {}),
        ("slot", {"index": 5}),
        ("free", {"handle": HANDLE}),
        ("slot", {"index": 6}),
        ("slot", {"index": 6}),
        *written(9),
        ("slot", {"index": 10}),
        ("zwriteback_ret", {"ret": 4}),
        *(("rw", {"sector": page * 8, "op": READ}) for page in (5, 6, 7)),
        ("slotfree", {"index": 5}),
        *written(6),
        *(("rw", {"sector": page * 8, "op": READ}) for page in (5, 6)),
    )
    assert found.columns("op", "offset", "size", "result", "asked_by", "seen_handle") == [
        ("store", 5, 500, 0, None, HANDLE),
        ("store", 6, 0, 0, None, None),
        ("shrink", None, None, -115, "user", None),
        ("writeback", 5, None, 0, None, HANDLE),
        ("writeback", 6, None, 0, None, None),
        ("store", 9, 0, 0, None, None),
        ("shrink", None, None, 2, "user", None),
        ("load", 5, None, -1, None, None),
        ("load", 6, None, -1, None, None),
        ("load", 7, None, 0, None, None),
        ("invalidate", 5, None, None, None, None),
        ("store", 6, 0, 0, None, None),
        ("load", 5, None, 0, None, None),
        ("load", 6, None, 0, None, None),
    ]
    assert (found.messages, found.counts.open_calls) == ([], 0)


def test_writeback_that_ends_in_an_errno_has_an_end_all_the_same() -> None:
    found = imported(("zwriteback", {}), ("zwriteback_ret", {"ret": -5}))
    assert found.columns("op", "result") == [("shrink", -115), ("shrink", 0)]


# ---- what is freed, and how ----


def test_slot_whose_lock_was_taken_keeps_its_object_and_is_freed_later() -> None:
    found = imported(*written(5, HANDLE), ("slotfree", {"index": 5}), *written(6), *freed(5, HANDLE))
    assert found.columns("op", "offset", "seen_handle") == [
        ("store", 5, HANDLE),
        ("store", 6, None),
        ("invalidate", 5, HANDLE),
    ]
    assert found.counts.unpaired_lines == 1


def test_slotfree_of_an_empty_page_is_a_row_that_freed_nothing() -> None:
    assert imported(("slotfree", {"index": 5})).columns("op", "seen_handle") == [("invalidate", None)]


def test_discard_of_unknown_length_is_known_by_what_it_frees() -> None:
    found = imported(*written(5, HANDLE), ("bio", {"sector": 40, "op": DISCARD}), ("free", {"handle": HANDLE}))
    assert found.columns("op", "offset") == [("store", 5), ("invalidate", 5)]


def test_discard_of_less_than_a_page_frees_nothing() -> None:
    found = imported(*written(0, HANDLE), ("bio", {"sector": 4, "size": 4096, "op": DISCARD}))
    assert (found.columns("op"), found.counts.empty_discards) == ([("store",)], 0)


def test_discarded_pages_whose_frees_are_not_seen_hold_nothing_either() -> None:
    """Else the pages that are written then would be said to be written over."""
    pages = [*written(5, HANDLE), *written(6, OTHER)]
    found = imported(*written(99, THIRD), *pages, bio(5, 2, DISCARD), *freed(99, THIRD), *pages)
    assert [row for row in found.columns("op", "offset") if row[1] != 99] == [
        ("store", 5), ("store", 6), ("invalidate", 5), ("invalidate", 6), ("store", 5), ("store", 6),
    ]  # fmt: skip
    assert (found.counts.kept_overwritten, found.contradiction) == (0, "")


@pytest.mark.parametrize("pages", [256, 9])
@pytest.mark.parametrize("op", [DISCARD, ZEROES])
def test_discard_takes_out_what_is_in_its_pages_whichever_way_they_are_held(pages: int, op: int) -> None:
    """An object, a page on the backing device, one of one repeated word: 5, 7 and 8. Not 0, 300, nor another
    device's 6. Whether its pages or what is held is the shorter to go through makes no difference."""
    found = imported(
        *written(0, THIRD),
        *written(300, THIRD + 4096),
        *written(6, THIRD + 8192, dev=1),
        *written(5, HANDLE),
        *written(7, OTHER),
        *written(8),
        *(event for page in range(400, 405) for event in written(page)),
        ("zwriteback", {}),
        ("free", {"handle": OTHER}),
        ("zwriteback_ret", {"ret": 4}),
        bio(1, pages, op),
        ("slot", {"index": 5}),
        ("free", {"handle": HANDLE}),
        ("rw", {"sector": 56, "op": READ}),
    )
    assert [row for row in found.columns("op", "type", "offset", "result", "seen_handle") if row[0] != "store"] == [
        ("shrink", None, None, -115, None),
        ("writeback", 0, 7, 0, OTHER),
        ("shrink", None, None, 1, None),
        ("invalidate", 0, 7, None, None),
        ("invalidate", 0, 8, None, None),
        ("invalidate", 0, 5, None, HANDLE),
        ("load", 0, 7, 0, None),
    ]
    assert found.counts.empty_discards == pages - 3


# ---- pages of one bio ----


@pytest.mark.parametrize("elsewhere", [{"index": 3}, {"index": 12}, {"index": 9, "dev": 1}])
def test_free_of_a_slot_elsewhere_ends_a_write_whose_pages_are_of_one_repeated_word(elsewhere: dict[str, int]) -> None:
    found = imported(bio(8, 4, WRITE), ("slot", elsewhere))
    assert found.columns("op", "offset", "size", "result") == [("store", page, 0, 0) for page in range(8, 12)]


def test_bio_without_a_length_is_of_one_page() -> None:
    assert imported(("bio", {"sector": 8, "op": WRITE})).columns("op", "offset") == [("store", 1)]


@pytest.mark.parametrize(("single", "sizes"), [([], [0, 500]), ([5], [700, 500, 500])])
def test_whether_a_page_is_freed_before_its_write_asks_for_memory_is_learnt(
    single: list[int], sizes: list[int]
) -> None:
    """Since 6.14 it is, as a write of one page shows. Before, a page freed without having asked is of one word."""
    asked = [("alloc", {"size": 500}), ("alloc_ret", {"handle": OTHER})]
    events: list[Any] = []
    for page in single:
        events += [("rw", {"sector": page * 8, "op": WRITE}), ("slot", {"index": page}), ("alloc", {"size": 700})]
        events += [("alloc_ret", {"handle": HANDLE})]
    events += [bio(8, 2, WRITE), ("slot", {"index": 8}), *asked, ("slot", {"index": 9})]
    events += [("alloc", {"size": 500}), ("alloc_ret", {"handle": THIRD})] if single else []
    assert imported(*events).columns("size") == [(size,) for size in sizes]


def test_writes_without_a_probe_at_the_allocations_return_are_told_by_the_objects_use() -> None:
    """The use of the last page's object ends nothing: what is asked for then is one too many."""
    asked = [("alloc", {"size": 500}), ("map", {"handle": HANDLE})]
    found = imported(bio(8, 2, WRITE), *asked, *asked, ("alloc", {"size": 600}))
    assert found.columns("offset", "size") == [(8, 500), (9, 600)]
    assert found.messages == ["line 6: alloc in a store whose alloc before has not returned"]


def test_read_uses_the_object_of_its_page_alone() -> None:
    uses = [("map", {"handle": handle}) for handle in (OTHER, HANDLE)]
    found = imported(*written(5, HANDLE), *written(6, OTHER), ("rw", {"sector": 48, "op": READ}), *uses)
    assert found.columns("op", "offset", "seen_handle")[2:] == [("load", 6, OTHER)]


def test_free_in_a_discard_of_what_it_does_not_cover_is_an_invalidate_of_its_own() -> None:
    stored = [event for n, handle in ((5, HANDLE), (300, OTHER)) for event in written(n, handle)]
    found = imported(*stored, bio(5, 1, DISCARD), ("free", {"handle": HANDLE}), ("free", {"handle": OTHER}))
    assert found.columns("op", "offset", "seen_handle")[2:] == [("invalidate", 5, HANDLE), ("invalidate", 300, OTHER)]


def test_write_that_the_allocator_refuses_leaves_what_the_page_held() -> None:
    found = imported(*written(5, HANDLE), *written(5, 2**64 - 12), *freed(5, HANDLE))
    assert found.columns("op", "result", "seen_handle") == [
        ("store", 0, HANDLE),
        ("store", -12, None),
        ("invalidate", None, HANDLE),
    ]
    assert found.counts.kept_overwritten == 0


def test_write_may_ask_twice_with_more_patience_the_second_time() -> None:
    asked = [
        ("alloc", {"size": 500}),
        ("alloc_ret", {"ret": -12}),
        ("alloc", {"size": 500}),
        ("alloc_ret", {"handle": HANDLE}),
    ]
    found = imported(("rw", {"sector": 40, "op": WRITE}), *asked)
    assert found.columns("ts_ns", "size", "result", "seen_handle") == [(4_000_004_000, 500, 0, HANDLE)]
    assert found.messages == []


@pytest.mark.parametrize(
    ("answer", "result", "handle"),
    [
        ({"handle": 0}, -12, None),  # zs_malloc up to 6.0
        ({"handle": 2**64 - 12}, -12, None),
        ({"ret": -12}, -12, None),
        ({"ret": 2**32 - 12}, -12, None),  # an int without its sign
        ({"ret": 0}, 0, None),  # zpool_malloc: the handle is another's to tell
        ({"ret": HANDLE}, 0, HANDLE),
    ],
)  # fmt: skip
def test_an_allocations_answer_is_a_handle_or_an_errno(answer: dict[str, int], result: int, handle: int | None) -> None:
    found = imported(*written(5), ("alloc", {"size": 500}), ("alloc_ret", answer))
    assert found.columns("result", "seen_handle") == [(result, handle)]


@pytest.mark.parametrize(("answer", "result"), [(0, -12), (5, 0)])
def test_zs_malloc_by_its_name_gives_a_handle_and_0_is_none(answer: int, result: int) -> None:
    """… whether the name stands at the call or at its return."""
    call, back = line("alloc", us=1, size=500), line("alloc_ret", us=2, ret=answer)
    by_kernel = call.replace(" alloc: (alloc+0x0/0x20 [module])", " p_zs_malloc_0: (0xffffffff81234567)")
    named = [
        call.replace("(alloc+", "(zs_malloc+") + back,
        call + back.replace("<- alloc", "<- zs_malloc"),
        by_kernel + back,
    ]
    for lines in named:
        functions = {"zs_malloc": "alloc"}
        found = Imported(line("rw", sector=40, op=WRITE) + lines, header_bytes=0, functions=functions)
        assert found.columns("result") == [(result,)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"ret": 5}, "expected ret= 0, an errno or a handle, found 5"),
        ({"nothing": 5}, "expected ret= or handle= of an allocation, found neither"),
    ],
)
def test_answer_that_an_allocator_does_not_give_is_unreadable(answer: dict[str, int], message: str) -> None:
    found = imported(*written(5), ("alloc", {"size": 500}), ("alloc_ret", answer), *written(6))
    assert found.messages == [f"line 3: {message}"]
    assert found.columns("offset", "size") == [(5, 500), (6, 0)]  # but there was one


def test_allocations_that_belong_to_no_page_are_counted() -> None:
    asked = ("alloc", {"size": 500})
    found = imported(*written(5, HANDLE), asked, ("alloc_ret", {"handle": OTHER}), *written(6), asked, asked)
    assert found.messages == [
        "line 4: alloc in a store whose pages have theirs",
        "line 5: return of an alloc that was not seen to begin",
        "line 8: alloc in a store whose alloc before has not returned",
    ]
    assert imported(asked).messages == ["line 1: alloc outside of a store"]


# ---- pages written again ----


def overwritten(times: int) -> list[Any]:
    """Page 1, first written and then again, its old object freed each time."""
    out = written(1, THIRD)
    for number in range(times):
        old, new = (THIRD, THIRD + 64) if number % 2 == 0 else (THIRD + 64, THIRD)
        out += [*written(1, new), ("free", {"handle": old})]
    return out


TWICE = [*written(5, HANDLE), *written(5, OTHER)]


@pytest.mark.parametrize(
    ("events", "kept", "is_of_two"),
    [
        ([*overwritten(1), *TWICE], 1, True),
        ([*overwritten(99), *TWICE], 1, True),
        ([*overwritten(100), *TWICE], 1, False),  # 1 of 101
        (TWICE, 1, False),  # no probe at frees
        ([*written(9, THIRD, dev=0), *overwritten(1), *TWICE], 1, False),  # which device it is, is told
        ([*overwritten(1), "CPU:5 [LOST 1 EVENTS]", *TWICE], 1, False),
        ([*overwritten(1), *written(5, HANDLE), *written(5), ("free", {"handle": HANDLE})], 0, False),
    ],
)
def test_pages_written_again_without_a_free_are_of_two_devices(events: list[Any], kept: int, is_of_two: bool) -> None:
    found = imported(*events)
    assert found.counts.kept_overwritten == kept
    assert ("found a page written again whose object is not freed (1 such)" in found.contradiction) == is_of_two


def test_handle_given_to_another_page_meanwhile_is_not_of_the_page_written_again() -> None:
    found = imported(
        *written(5, HANDLE),
        *written(5, OTHER),
        ("free", {"handle": HANDLE}),
        *written(6, HANDLE, pid=10),
        *written(7),
        *freed(6, HANDLE, pid=10),
    )
    assert found.columns("op", "offset")[-2:] == [("store", 7), ("invalidate", 6)]
    assert (found.counts.kept_overwritten, found.counts.unpaired_lines) == (0, 0)


# ---- lost and damaged ----


def test_write_under_way_when_lines_are_lost_says_nothing_of_its_page() -> None:
    """Neither that it is of one repeated word, nor that it held what it held."""
    asked = ("alloc", {"size": 500})
    found = imported(*written(5, HANDLE), bio(5, 2, WRITE), asked, "CPU:0 [LOST 1 EVENTS]", *written(5, OTHER))
    assert found.columns("offset", "size", "result", "seen_handle") == [
        (5, 500, 0, HANDLE),
        (5, 500, None, None),
        (5, 500, 0, OTHER),
    ]
    assert (found.counts.open_calls, found.counts.unsure_pages, found.counts.kept_overwritten) == (1, 1, 0)


@pytest.mark.parametrize(
    ("cut", "spoiled", "unpaired"),
    [
        (line("rw", sector=72), 3, 0),
        (line("bio", op=1, sector="(fault)"), 3, 0),
        (line("slotfree", index="x"), 2, 1),  # which does not allocate
    ],
)
def test_what_happens_in_a_call_that_could_not_be_read_is_no_other_calls(cut: str, spoiled: int, unpaired: int) -> None:
    """Its allocation, its answer and what it frees count as spoiled; a free of a known object tells its own slot."""
    found = imported(
        *written(5, HANDLE),
        *written(6),
        cut,
        ("slot", {"index": 6}),
        ("alloc", {"size": 500}),
        ("alloc_ret", {"handle": OTHER}),
        ("free", {"handle": THIRD}),
        ("free", {"handle": HANDLE}),
        *written(7),
    )
    assert found.columns("op", "offset", "size", "seen_handle") == [
        ("store", 5, 500, HANDLE),
        ("store", 6, 0, None),
        ("invalidate", 5, None, HANDLE),
        ("store", 7, 0, None),
    ]
    assert (found.counts.spoiled_lines, found.counts.unpaired_lines) == (spoiled, unpaired)
    assert (found.counts.unreadable_lines, found.counts.open_calls) == (1, 0)


def test_call_that_could_not_be_read_does_not_end_the_writeback_around_it() -> None:
    found = imported(
        *written(5, HANDLE), ("zwriteback", {}), line("rw", sector=72), ("zwriteback_ret", {"ret": 0}), *written(6)
    )
    assert found.columns("op", "offset", "result") == [
        ("store", 5, 0), ("shrink", None, -115), ("shrink", None, 0), ("store", 6, 0),
    ]  # fmt: skip


# ---- rows held for long ----

#: Reads of 65,536 pages each, by another task: rows enough that no more are held.
MANY = [bio(10**6 * number, 65536, READ, pid=10) for number in range(1, 6)]


def test_write_open_for_longer_than_rows_are_held_ends_there() -> None:
    """By then it is of one repeated word: what it asks for later belongs to no page."""
    found = imported(bio(5, 2, WRITE), *MANY, ("rw", {"sector": 0, "op": READ, "pid": 11}), ("alloc", {"size": 500}))
    assert found.batch.num_rows == 2 + 5 * 65536 + 1
    rows = [row for row in found.columns_but_of(10, "op", "offset", "size") if row[0] == "store"]
    assert rows == [("store", 5, 0), ("store", 6, 0)]
    assert found.messages == ["line 8: alloc outside of a store"]


def test_visit_open_for_longer_than_rows_are_held_has_no_result_and_the_work_around_it_goes_on() -> None:
    found = imported(
        *written(5, HANDLE),
        ("zwriteback", {}),
        ("visit", {"swap": 5}),
        *MANY,
        ("rw", {"sector": 0, "op": READ, "pid": 11}),
        ("visit_ret", {"ret": 2}),
        ("zwriteback_ret", {"ret": 0}),
    )
    rows = [row for row in found.columns_but_of(10, "op", "result") if row[0] != "load"]
    assert rows == [("store", 0), ("shrink", -115), ("visit", None), ("shrink", 1)]
    assert found.messages == ["line 12: return of a visit that was not seen to begin"]
