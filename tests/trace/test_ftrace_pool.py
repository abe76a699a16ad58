"""The importer, as to the pool: tasks that are at work in it at once, whose each free is, and what is counted when."""

from typing import Any

import pytest
from ftrace_text import (
    HANDLE,
    Imported,
    folio_invalidated,
    folio_refused,
    folio_stored,
    invalidated,
    kernel,
    line,
    stored,
    swap,
    text,
)

OTHER, THIRD = HANDLE + 4096, HANDLE + 8192
LINUX_6_12 = kernel(6, 12)


def folio(*events: Any, **options: Any) -> Imported:
    return Imported(text(*events), **LINUX_6_12 | options)


# ---- who made a page, of two at once ----

QUICK, SLOW, UNDECIDED = 1, 20, 5  # µs: an allocation that makes a page waits for memory


def at_once(took: dict[int, int], before: int, after: int, *inside: Any) -> list[Any]:
    """Tasks store pages 1, 2, … at the same time, on CPUs of their own; each allocation took so many µs."""
    asks: list[Any] = [("store", {"swap": swap(page), "pid": page, "cpu": page, "us": 100}) for page in took]
    asks += [("alloc", {"size": 900, "pages": before, "pid": page, "cpu": page, "us": 100}) for page in took]
    asks += [*inside]
    for page, us in sorted(took.items(), key=lambda item: item[1]):
        asks += [("alloc_ret", {"handle": HANDLE + 64 * page, "pid": page, "cpu": page, "us": 100 + us})]
    asks += [("store_ret", {"ret": 1, "stored": 1, "pid": page, "cpu": page, "us": 200}) for page in took]
    return [*asks, *folio_stored(99, THIRD, before=after, us=300)]


@pytest.mark.parametrize(
    ("took", "made_in_all", "made"),
    [
        ({1: SLOW, 2: QUICK}, 1, {1: 1, 2: 0}),
        ({1: QUICK, 2: SLOW}, 1, {1: 0, 2: 1}),
        ({1: UNDECIDED, 2: UNDECIDED}, 1, {}),  # either, and no time tells
        ({1: UNDECIDED, 2: UNDECIDED}, 2, {1: 1, 2: 1}),
        ({1: UNDECIDED, 2: UNDECIDED}, 0, {1: 0, 2: 0}),
        ({1: SLOW, 2: SLOW, 3: QUICK}, 2, {1: 1, 2: 1, 3: 0}),
        ({1: SLOW, 2: SLOW, 3: QUICK}, 3, {1: 1, 2: 1, 3: 1}),
        ({1: SLOW, 2: QUICK}, 3, {}),  # two cannot make three
        ({1: SLOW, 2: QUICK}, -1, {}),
        (dict.fromkeys(range(1, 12), SLOW), 11, {}),  # of eleven there are too many ways
        ({1: SLOW}, 1, {}),  # alone: it shows in the count
    ],
)
def test_which_allocation_made_a_page_is_told_by_the_count_and_the_time_it_took(
    took: dict[int, int], made_in_all: int, made: dict[int, int]
) -> None:
    found = folio(*at_once(took, 5, 5 + made_in_all), chain=1)
    assert {offset: flag for offset, flag in found.columns("offset", "made_pages") if flag is not None} == made
    assert found.counts.overlaps_by_count == len(made)


@pytest.mark.parametrize(
    ("took", "change", "made"),
    [
        (QUICK, 0, {1: 0}),  # neither made nor emptied one, rather than both
        (SLOW, 0, {}),
        (SLOW, 1, {1: 1}),
        (QUICK, -1, {1: 0}),
    ],
)
def test_a_free_at_the_same_time_may_have_emptied_a_page(took: int, change: int, made: dict[int, int]) -> None:
    free = folio_invalidated(50, OTHER, before=5, pid=70, cpu=7, us=100)
    found = folio(*folio_stored(50, OTHER, us=0), *at_once({1: took}, 5, 5 + change, *free), chain=1)
    assert {offset: flag for offset, flag in found.columns("offset", "made_pages") if flag is not None} == made


@pytest.mark.parametrize(
    "inside",
    [
        folio_invalidated(50, OTHER, before=5, pid=70, cpu=7, us=100),  # how large that object was is not known
        [("compact", {"pid": 70, "cpu": 7, "us": 100}), ("alloc", {"size": 9, "pid": 71, "cpu": 8, "us": 100})],
    ],
)
def test_nothing_is_told_where_something_unknown_was_at_work_too(inside: list[Any]) -> None:
    found = folio(*at_once({1: SLOW, 2: QUICK}, 5, 6, *inside), chain=1)
    assert found.counts.overlaps_by_count == 0


def test_objects_of_zsmalloc_bring_their_zspages_pages() -> None:
    """900 bytes and a word are of class 912; with chains of up to 8 pages 31 of them waste the least, in 7 pages."""
    assert folio(*at_once({1: SLOW, 2: QUICK}, 5, 12), chain=8).columns("made_pages")[:2] == [(0,), (1,)]
    assert folio(*at_once({1: SLOW, 2: QUICK}, 5, 6), chain=8).counts.overlaps_by_count == 0


# ---- behind the allocator's lock ----


def locked(handle: int, pid: int, us: int, **more: int) -> tuple[str, dict[str, int]]:
    return ("locked", {"handle": handle, "pid": pid, "cpu": pid, "us": us, **more})


def test_allocations_stand_where_they_held_the_lock_and_the_first_in_a_zspage_made_it() -> None:
    def both(handles: tuple[int, int], us: int) -> list[Any]:
        at = [{"pid": 1, "cpu": 1}, {"pid": 2, "cpu": 2}]
        return [
            *(("store", {"swap": swap(us + n), "us": us, **at[n]}) for n in (0, 1)),
            *(("alloc", {"size": 900, "us": us + 1, **at[n]}) for n in (0, 1)),
            locked(handles[1], 2, us + 2, zspage=7, free=0),
            locked(handles[0], 1, us + 3, zspage=7, free=0),
            *(("alloc_ret", {"handle": handles[n], "us": us + 4, **at[n]}) for n in (0, 1)),
            *(("store_ret", {"ret": 1, "stored": 1, "us": us + 5, **at[n]}) for n in (0, 1)),
        ]

    frees = [
        event
        for n, handle in ((10, HANDLE), (11, OTHER))
        for event in (
            ("invalidate", {"swap": swap(n), "pid": 1, "cpu": 1, "us": 20 + n}),
            ("free", {"handle": handle, "pages": 9, "pid": 1, "cpu": 1, "us": 20 + n}),
            locked(handle + 64, 1, 20 + n, free=1),  # another's
            locked(handle, 1, 40 + n, free=1),
            ("invalidate_ret", {"stored": 0, "pid": 1, "cpu": 1, "us": 40 + n}),
        )
    ]
    found = folio(*both((HANDLE, OTHER), 10), *frees, *both((HANDLE, OTHER), 60))
    assert found.columns("op", "ts_ns", "offset", "made_pages") == [
        ("store", 4_000_012_000, 11, 1),
        ("store", 4_000_013_000, 10, 0),
        ("invalidate", 4_000_050_000, 10, None),
        ("invalidate", 4_000_051_000, 11, None),
        ("store", 4_000_062_000, 61, 1),  # the zspage of before is gone
        ("store", 4_000_063_000, 60, 0),
    ]
    assert found.counts.overlaps_by_lock == 4


@pytest.mark.parametrize("key", [{}, {"zspage": 7}, {"handle": HANDLE}])
def test_probe_behind_the_lock_tells_where_even_if_it_does_not_tell_what(key: dict[str, int]) -> None:
    found = folio(
        ("load", {"swap": 3}), ("locked", key), ("load_ret", {"ret": 0}),
        ("store", {"swap": 7}), ("alloc", {"size": 900}), ("locked", key), ("alloc_ret", {"handle": HANDLE}),
        ("locked", key), ("store_ret", {"ret": 1}),
        ("invalidate", {"swap": 7}), ("free", {"handle": HANDLE}), ("locked", key), ("invalidate_ret", {}),
        ("locked", key),
    )  # fmt: skip
    assert found.columns("op", "ts_ns", "made_pages") == [
        ("load", 4_000_000_000, None),
        ("store", 4_000_005_000, None),
        ("invalidate", 4_000_011_000, None),
    ]


@pytest.mark.parametrize("more", [{}, {"free": 0}])
def test_probe_behind_the_lock_that_frees_nothing_leaves_the_zspage_in_use(more: dict[str, int]) -> None:
    """Its object is still in the zspage, so the allocation into it, with another at work, made none."""
    first = [("store", {"swap": 1}), ("alloc", {"size": 9}), ("locked", {"handle": HANDLE, "zspage": 7})]
    used = ("locked", {"handle": HANDLE, **more})
    at_work = [("store", {"swap": 3, "pid": 5, "cpu": 5}), ("alloc", {"size": 9, "pid": 5, "cpu": 5})]
    next_one = [("store", {"swap": 2}), ("alloc", {"size": 9}), ("locked", {"handle": OTHER, "zspage": 7})]
    found = folio(*first, used, *at_work, *next_one)
    assert dict(found.columns("offset", "made_pages")) == {1: None, 2: 0, 3: None}


def test_z3folds_object_is_in_the_page_that_its_cell_names_or_has_one_to_itself() -> None:
    """The handle of an object that has its page to itself is the page's, with bit 0 set."""
    events = [("store", {"type": 0, "offset": 7}), ("alloc", {"size": 900}), ("alloc_ret", {"ret": 0})]
    place = 0xFFFF_8880_0000_5678
    for handle, page in (
        (0xFFFF_8880_0000_9E40, 0xFFFF_8880_0000_5000),
        (0xFFFF_8880_0000_7001, 0xFFFF_8880_0000_7000),
    ):
        found = Imported(text(*events, ("map", {"handle": handle, "place": place}), ("store_ret", {"ret": 0})))
        assert found.columns("seen_handle", "seen_page") == [(handle, page)]


# ---- whose free it is ----


@pytest.mark.parametrize("handle", [0, 2**64 - 12])
def test_free_of_no_object_is_nobodys(handle: int) -> None:
    """zs_free gets what zs_malloc answered, also where that was an errno."""
    found = Imported(text(*stored(7), ("free", {"handle": handle}), *invalidated(7)))
    assert (len(found.rows), found.counts.unpaired_lines) == (2, 0)


def test_free_of_an_object_never_seen_is_named() -> None:
    found = Imported(text(("free", {"handle": HANDLE})))
    assert found.messages == ["line 1: free of an object that was never seen: handle=0xffff888000000040"]


def test_invalidate_under_way_stands_where_a_load_drops_the_last_reference() -> None:
    load, other = {"pid": 20}, {"pid": 10, "cpu": 3}
    found = Imported(
        text(
            *stored(7),
            ("load", {"type": 0, "offset": 7, **load}),
            ("invalidate", {"type": 0, "offset": 7, **other}),
            ("free", {"handle": HANDLE, **load}),
            ("invalidate_ret", {"stored": 0, "pool": 0, **other}),
            ("load_ret", {"ret": 0, **load}),
        )
    )
    # What is stored is not known while the load may not have counted that yet.
    assert found.columns("op", "ts_ns", "pid", "seen_handle", "seen_stored", "seen_pool_pages")[1:] == [
        ("load", 4_000_005_000, 20, None, None, None),
        ("invalidate", 4_000_007_000, 10, HANDLE, None, 0),
    ]


def test_invalidate_under_way_is_found_among_what_its_task_does() -> None:
    """It reclaims inside a writeback, of another page."""
    found = Imported(
        text(
            *stored(7),
            *stored(8, OTHER, seen=2, pages=2),
            ("load", {"type": 0, "offset": 7, "pid": 20}),
            ("writeback", {"handle": OTHER, "pid": 10}),
            ("invalidate", {"type": 0, "offset": 7, "pid": 10}),
            ("free", {"handle": HANDLE, "pid": 20}),
            ("invalidate_ret", {"stored": 1, "pool": 4096, "pid": 10}),
            ("writeback_ret", {"ret": -12, "stored": 1, "pool": 4096, "pid": 10}),
        )
    )
    assert found.columns("op", "offset", "result", "seen_handle")[2:] == [
        ("load", 7, None, None),
        ("invalidate", 7, None, HANDLE),
        ("writeback", 8, -12, OTHER),
    ]


def test_object_of_an_invalidate_whose_end_was_lost_is_known_no_more() -> None:
    lost = [("invalidate", {"type": 0, "offset": 7}), "CPU:0 [LOST 2 EVENTS]"]
    found = Imported(text(*stored(7), *lost, ("free", {"handle": HANDLE}), *stored(7)))
    assert found.columns("op", "result") == [("store", 0), ("invalidate", None), ("store", 0)]
    assert found.counts.unpaired_lines == 1


def test_swapoff_of_one_area_leaves_the_others_objects() -> None:
    swapoff = [("invalidate_area", {"type": 0}), ("free", {"handle": HANDLE}), ("invalidate_area_ret", {})]
    other = [event if event[0] != "store" else ("store", {"type": 1, "offset": 7}) for event in stored(7, OTHER)]
    found = Imported(text(*stored(7), *other, *swapoff, ("free", {"handle": OTHER})))
    assert found.columns("op", "type", "offset")[2:] == [("invalidate_area", 0, None), ("invalidate", 1, 7)]


def test_refused_store_over_an_occupied_slot_leaves_the_free_to_an_invalidate() -> None:
    """Before 6.6 it is frontswap that takes the older copy out."""
    refused = [("store", {"type": 0, "offset": 7}), ("alloc", {"size": 5000}), ("alloc_ret", {"ret": -28})]
    found = Imported(text(*stored(7), *refused, ("free", {"handle": HANDLE}), ("store_ret", {"ret": -28})))
    assert found.columns("op", "result", "seen_handle")[1:] == [("store", -28, None), ("invalidate", None, HANDLE)]


def test_shrink_of_before_6_6_that_frees_without_a_writeback_invalidates() -> None:
    found = Imported(text(*stored(7), ("shrink", {"nr": 1}), ("free", {"handle": HANDLE}), ("shrink_ret", {"ret": 0})))
    assert found.columns("op", "offset", "nr_to_scan")[1:] == [("shrink", None, None), ("invalidate", 7, None)]


@pytest.mark.parametrize("work", ["shrink", "zwriteback"])
def test_work_that_frees_an_object_never_seen_is_named(work: str) -> None:
    found = Imported(text((work, {}), ("free", {"handle": HANDLE}), (f"{work}_ret", {"ret": 0})))
    assert found.columns("op", "offset")[0] == ("shrink", None)
    assert found.messages == ["line 2: free of an object that was never seen: handle=0xffff888000000040"]


def test_writeback_of_what_nobody_has_seen_stored_has_no_slot() -> None:
    found = Imported(
        text(("writeback", {"handle": 1, "type": 0}), ("free", {"handle": HANDLE}), ("writeback_ret", {"ret": 0}))
    )
    assert found.columns("op", "offset", "result", "seen_handle") == [("writeback", None, 0, HANDLE)]


@pytest.mark.parametrize(
    "meanwhile", [[*invalidated(7, pid=10), *stored(8, HANDLE, pid=10)], invalidated(7, None, pid=10)]
)
def test_writeback_that_succeeds_on_an_entry_that_has_gone_took_nothing(meanwhile: list[Any]) -> None:
    """Its object is another page's by now, or still held by somebody."""
    written = [("writeback", {"handle": HANDLE}), *meanwhile, ("writeback_ret", {"ret": 0, "stored": 1, "pool": 4096})]
    rows = Imported(text(*stored(7), *written)).columns("op", "offset", "result", "seen_handle")
    assert rows[-1] == ("writeback", None, 0, HANDLE)


def test_entry_stored_while_its_writeback_fails_is_no_strange_one() -> None:
    found = folio(("writeback", {"swap": 8}), *folio_stored(8, pid=10), ("writeback_ret", {"ret": -12, "stored": 1}))
    assert found.columns("op", "offset", "result") == [("store", 8, 0), ("writeback", 8, -12)]
    assert found.messages == []


# ---- what is read when ----


def test_count_without_the_pools_size_says_nothing_before_6_6() -> None:
    events = [event if event[0] != "store_ret" else ("store_ret", {"ret": 0, "stored": 1}) for event in stored(7)]
    assert Imported(text(*events)).columns("seen_stored", "seen_pool_pages") == [(None, None)]


def test_pages_counted_at_a_compactions_end_are_not_those_of_later() -> None:
    """The store returns after it: what it counts stands on the compaction's row, the last that changed the pool."""
    store = stored(7, pid=10, seen=1, pages=5)
    compaction = [("compact", {"pid": 50}), ("compact_ret", {"freed": 2, "pid": 50})]
    found = Imported(text(*store[:4], *compaction, store[4]))
    assert found.columns("op", "seen_stored", "seen_pool_pages") == [("store", None, None), ("compact", 1, None)]


@pytest.mark.parametrize("stored_first", [True, False])
def test_reading_while_a_compaction_is_at_work_is_of_its_begin(stored_first: bool) -> None:
    first = folio_stored(1, THIRD, before=0) if stored_first else []
    found = folio(
        *first,
        ("compact", {"pages": 3, "pid": 50, "cpu": 5}),
        *folio_stored(7, before=2),
        *folio_stored(8, OTHER, before=4),
        ("compact_ret", {"freed": 2, "pid": 50, "cpu": 5}),
        *folio_invalidated(8, OTHER, before=1),
    )
    assert found.columns("op", "offset", "result", "seen_pool_pages")[len(first) // 4 :] == [
        ("compact", None, -115, 2),
        ("store", 7, 0, 4),
        ("store", 8, 0, None),
        ("compact", None, 2, 1),
        ("invalidate", 8, None, None),
    ]


@pytest.mark.parametrize(
    ("header", "size", "says"),
    [
        (0, 0, "1 to 4,096 bytes, found 0"),
        (0, 65537, "1 to 4,096 bytes, found 65537"),
        (8, 8, "1 to 4,096 bytes and a header of 8, found 8"),
        (8, 65545, "1 to 4,096 bytes and a header of 8, found 65545"),
    ],
)
def test_size_that_no_page_compresses_to_is_an_unreadable_line(header: int, size: int, says: str) -> None:
    found = Imported(text(*stored(7, size=size)), header_bytes=header)
    assert found.messages == [f"line 2: expected size= {says}"]
    assert found.columns("offset", "size", "result") == [(7, None, 0)]


@pytest.mark.parametrize(("size", "page_size"), [(16_000, 16384), (20_000, 65536)])
@pytest.mark.parametrize("many", [1, 64])
def test_allocations_of_larger_pages_are_told_from_a_few_lines_that_are_wrong(
    size: int, page_size: int, many: int
) -> None:
    """By the first 64, or at the end of the text."""
    found = Imported(text(*(event for slot in range(many) for event in stored(slot, HANDLE + 64 * slot, size=size))))
    assert found.contradiction.startswith(
        f"line 2: found allocations of up to {size - 8} bytes, as with a page size of {page_size}"
    )
    # 17 of 70, at the end: not a fourth.
    sizes = [(slot, 900 if slot < 53 else size) for slot in range(70)]
    few = [event for slot, its in sizes for event in stored(slot, HANDLE + 64 * slot, size=its)]
    assert Imported(text(*few)).contradiction == ""


# ---- pages of a folio ----


def pages(*handles: int, size: int = 500) -> list[Any]:
    """What a store of several pages asks of the allocator, and is given."""
    return [event for handle in handles for event in (("alloc", {"size": size}), ("alloc_ret", {"handle": handle}))]


def test_folio_is_of_512_pages_at_most_and_ends_with_its_area() -> None:
    found = folio(
        *folio_refused(0),
        ("store", {"swap": 0}),
        *pages(*(HANDLE + 64 * n for n in range(513))),
        ("store_ret", {"ret": 1}),
    )
    assert found.columns("offset", "result")[1:] == [(page, 0) for page in range(512)]
    last = folio(("store", {"swap": 2**58 - 1}), *pages(HANDLE, OTHER), ("store_ret", {"ret": 1}))
    assert last.columns("offset", "seen_handle") == [(2**58 - 1, HANDLE)]
    assert (found.counts.unpaired_lines, last.counts.unpaired_lines) == (2, 2)  # an alloc and its return


@pytest.mark.parametrize(
    ("maps", "rows"),
    [
        ([HANDLE, HANDLE], [(100, HANDLE)]),
        ([HANDLE, 0xFFFF_0000_0000_0000], [(100, HANDLE)]),  # of an object never seen
        ([HANDLE, OTHER, HANDLE], [(100, HANDLE), (101, OTHER)]),
        ([HANDLE, OTHER, THIRD], [(100, HANDLE), (101, OTHER), (102, THIRD)]),
        ([HANDLE, THIRD + 64], [(100, HANDLE)]),  # 512 pages on
        ([HANDLE, THIRD + 128], [(100, HANDLE)]),  # in another area
        ([HANDLE, THIRD + 192], [(100, HANDLE)]),  # before it
        ([HANDLE, THIRD + 256], [(100, HANDLE)]),  # an entry that is being written back, or was taken out
    ],
)
def test_load_of_a_folio_is_of_the_pages_whose_objects_it_uses(maps: list[int], rows: list[tuple[int, int]]) -> None:
    slots = [
        (100, HANDLE),
        (101, OTHER),
        (102, THIRD),
        (612, THIRD + 64),
        (101 | 1 << 58, THIRD + 128),
        (99, THIRD + 192),
    ]
    found = folio(
        *(event for slot, handle in [*slots, (103, THIRD + 256)] for event in folio_stored(slot, handle)),
        ("invalidate", {"swap": 103, "pid": 10}),
        ("load", {"swap": 100}),
        *(("map", {"handle": handle}) for handle in maps),
        ("load_ret", {"ret": 1}),
    )
    assert [row[1:] for row in found.columns("op", "offset", "seen_handle") if row[0] == "load"] == rows


@pytest.mark.parametrize("offset", [99, 100 + 512, 101 | 1 << 58])
def test_objects_freed_in_a_store_but_not_of_its_folio_are_invalidated(offset: int) -> None:
    found = folio(*folio_stored(offset), *folio_refused(100, ("free", {"handle": HANDLE, "pages": 1})))
    assert found.columns("op", "result")[1:] == [("store", -12), ("invalidate", None)]


@pytest.mark.parametrize(
    ("asked", "op", "result"),
    [
        ([], "store", -12),
        ([("alloc", {"size": 900}), ("alloc_ret", {"ret": -12})], "store", -12),
        ([*pages(THIRD), ("free", {"handle": THIRD})], "store", -12),
        ([("alloc", {"size": 900})], "invalidate", None),
        (pages(THIRD), "invalidate", None),
    ],
)
def test_older_copies_of_a_folios_later_pages_go_when_it_is_refused(
    asked: list[Any], op: str, result: int | None
) -> None:
    """Where nothing has been refused by then, it is no part of a refusal."""
    found = folio(*folio_stored(101), *folio_refused(100, *asked, ("free", {"handle": HANDLE, "pages": 1})))
    assert [row[::2] for row in found.columns("op", "offset", "result") if row[1] == 101][1:] == [(op, result)]


def test_object_that_another_store_was_given_meanwhile_is_not_the_refused_ones() -> None:
    refused = folio_refused(7, *pages(HANDLE))
    found = folio(*refused[:-1], *folio_stored(9, HANDLE, pid=10), refused[-1], *folio_invalidated(9, HANDLE))
    assert found.columns("op", "offset", "result", "seen_handle") == [
        ("store", 7, -12, None),
        ("store", 9, 0, HANDLE),
        ("invalidate", 9, None, HANDLE),
    ]


def test_folio_that_is_refused_may_free_what_is_no_page_of_it() -> None:
    """One page is given back, an older copy of the next goes; and an object of slot 50, which has its own row."""
    frees = [("free", {"handle": handle, "pages": 1}) for handle in (THIRD, HANDLE, OTHER)]
    before = [*folio_stored(50, THIRD), *folio_stored(101, OTHER + 64)]
    found = folio(*before, *folio_refused(100, *pages(HANDLE, OTHER), *frees))
    rows = found.columns("op", "offset", "result")[2:]
    assert sorted(rows, key=lambda row: row[1]) == [("invalidate", 50, None), ("store", 100, -12), ("store", 101, -12)]


@pytest.mark.parametrize("answers", [[{"handle": THIRD}, {"handle": THIRD + 64}], [{"ret": 0}, {"ret": 0}]])
def test_folio_over_older_copies_frees_them_without_rows(answers: list[dict[str, int]]) -> None:
    """Also where no handle tells which object is new."""
    asked = [event for answer in answers for event in (("alloc", {"size": 500}), ("alloc_ret", answer))]
    frees = [("free", {"handle": handle, "pages": 4}) for handle in (HANDLE, OTHER)]
    older = [*folio_stored(100), *folio_stored(101, OTHER)]
    found = folio(*older, ("store", {"swap": 100}), *asked, *frees, ("store_ret", {"ret": 1}))
    assert found.columns("op", "offset", "result")[2:] == [("store", 100, 0), ("store", 101, 0)]
    assert found.counts.unpaired_lines == 0


@pytest.mark.parametrize(
    ("offset", "asked"), [(100, [("alloc", {"size": 9}), ("alloc_ret", {"handle": THIRD})]), (101, [])]
)
def test_copy_that_an_invalidate_is_taking_out_is_that_ones(offset: int, asked: list[Any]) -> None:
    """A store over the slot drops the last reference, or one that is refused and covers it."""
    events = [
        ("invalidate", {"swap": offset, "pid": 10}),
        ("store", {"swap": 100}),
        *asked,
        ("free", {"handle": HANDLE}),
    ]
    found = folio(
        *folio_stored(offset), *events, ("store_ret", {"ret": 0}), ("invalidate_ret", {"stored": 0, "pid": 10})
    )
    assert ("invalidate", offset, 10, HANDLE) in found.columns("op", "offset", "pid", "seen_handle")
    assert found.columns("op").count(("store",)) == 2


def test_allocation_after_the_folio_was_given_back_is_no_next_page() -> None:
    found = folio(*folio_refused(100, *pages(HANDLE), ("free", {"handle": HANDLE}), *pages(OTHER)))
    assert found.columns("offset", "result") == [(100, -12)]
    assert found.counts.unpaired_lines == 2


@pytest.mark.parametrize("handles", [(THIRD,), (HANDLE, THIRD), (HANDLE, HANDLE + 64)])
def test_load_that_takes_its_entry_may_free_another_page_too(handles: tuple[int, ...]) -> None:
    """Whose invalidate waited for it, say; or an object never seen, behind its own."""
    events = [*folio_stored(7), *folio_stored(50, THIRD), ("load", {"swap": 7})]
    found = folio(*events, *(("free", {"handle": handle}) for handle in handles), ("load_ret", {"ret": 1}))
    assert [row[0] for row in found.columns("op")].count("load") == 1
    assert (("invalidate", 50) in found.columns("op", "offset")) == (THIRD in handles)
    assert found.counts.unpaired_lines == (HANDLE + 64 in handles)


# ---- damaged and cut ----


@pytest.mark.parametrize(
    ("events", "sizes"),
    [
        ([("alloc", {"size": "x"})], []),
        ([*folio_stored(7), ("alloc", {"size": "x"})], [1000]),
        ([("load", {"swap": 7}), ("alloc", {"size": "x"})], [None]),
        ([line("store", swap="x"), ("alloc", {"size": "x"}), ("store_ret", {"ret": 1})], []),
        ([("store", {"swap": 7}), ("alloc", {"size": "x"}), ("store_ret", {"ret": 1})], [None]),
        ([("store", {"swap": 7}), ("alloc_ret", {"ret": "x"}), ("store_ret", {"ret": 1})], [None]),
        ([("store", {"swap": 7}), ("alloc", {"size": 9}), ("alloc", {"size": "x"}), ("store_ret", {"ret": 1})], [9]),
        ([("store", {"swap": 7}), *pages(HANDLE), ("alloc_ret", {"ret": "x"}), ("store_ret", {"ret": 1})], [500]),
        ([("store", {"swap": 7}), *pages(HANDLE), ("alloc", {"size": "x"}), ("store_ret", {"ret": 1})], [500, None]),
        ([("rw", {"sector": 8, "op": 1}), *pages(HANDLE), ("alloc", {"size": "x"})], [500]),
    ],
)
def test_allocation_that_cannot_be_read_is_one_of_the_store_it_is_in(
    events: list[Any], sizes: list[int | None]
) -> None:
    found = folio(*events)
    assert found.columns("size") == [(size,) for size in sizes]
    assert found.counts.unreadable_lines >= 1


@pytest.mark.parametrize(
    ("unreturned", "answer", "result"),
    [([], 1, 0), ([], 0, -12), ([("alloc", {"size": 900})], 1, 0), ([("alloc", {"size": 900})], 0, -12)],
)
def test_store_whose_allocations_answer_was_not_seen_has_its_own(
    unreturned: list[Any], answer: int, result: int
) -> None:
    found = folio(("store", {"swap": 7}), *unreturned, ("store_ret", {"ret": answer}))
    assert found.columns("result", "alloc_rows", "seen_handle") == [(result, None, None)]
    errno = Imported(text(("store", {"type": 0, "offset": 7}), *unreturned, ("store_ret", {"ret": result})))
    assert errno.columns("result", "alloc_rows") == [(result, None)]


def test_index_without_memory_gives_back_an_object_whose_free_is_not_seen() -> None:
    found = folio(*folio_refused(7, *pages(HANDLE)), ("free", {"handle": HANDLE}))
    assert found.columns("result", "seen_handle") == [(-12, None)]
    assert found.counts.unpaired_lines == 1


def test_call_that_cannot_be_read_ends_the_one_before_and_not_the_one_around_it() -> None:
    cut = line("load", type=0)
    assert Imported(text(*stored(7)[:4], cut)).columns("op", "result") == [("store", None)]
    around = [("writeback", {"handle": HANDLE}), line("store", type=0), ("store_ret", {"ret": 0})]
    found = Imported(text(*stored(7), *around, ("free", {"handle": HANDLE}), ("writeback_ret", {"ret": 0})))
    assert found.columns("op", "offset", "result") == [("store", 7, 0), ("writeback", 7, 0)]
    assert found.messages[1:] == ["line 8: return of a store whose begin could not be read"]


def test_begin_inside_a_call_that_it_cannot_be_in_means_that_ones_return_was_missed() -> None:
    calls = [("writeback", {"handle": HANDLE}), ("writeback", {"handle": OTHER}), ("writeback_ret", {"ret": -17})]
    found = Imported(text(*stored(7), *stored(8, OTHER, seen=2), *calls))
    assert found.columns("op", "offset", "result")[2:] == [("writeback", 8, -17)]
    assert found.counts.open_calls == 1
    # Before 6.6 no shrinker of the memory manager's is among the probes, so no shrink is inside a writeback.
    calls = [
        ("writeback", {"handle": HANDLE}),
        ("shrink", {}),
        ("shrink_ret", {"ret": -11}),
        ("writeback_ret", {"ret": 0}),
    ]
    found = Imported(text(*stored(7), *calls))
    assert found.columns("op", "result")[1:] == [("shrink", -11)]
    assert (found.counts.open_calls, found.counts.unpaired_lines) == (1, 1)


def test_size_of_more_than_a_page_does_not_stand_on_a_store_that_succeeds() -> None:
    """Its allocation is refused, and the store is not: one of these lines is another's."""
    refused = [("alloc", {"size": 5008}), ("alloc_ret", {"ret": -12})]
    found = Imported(text(("store", {"type": 0, "offset": 7}), *refused, ("store_ret", {"ret": 0})))
    assert found.columns("size", "result") == [(None, 0)]
    assert found.counts.unreadable_lines == 1


def test_a_text_of_two_clocks_contradicts_itself_whichever_comes_first() -> None:
    seconds = line("load", type=0, offset=1)
    count = seconds.replace(" 4.000000:", " 4000000:")
    assert Imported(seconds + count).contradiction == (
        "line 2: found a time without a point, expected one in seconds as in the lines before: a text is of one clock"
    )
    assert Imported(count + seconds).contradiction.startswith("line 2: found a time in seconds, expected one without")


def test_tasks_that_have_ended_do_not_pile_up_and_those_at_work_are_kept() -> None:
    """65,536 of them are looked through."""
    loads = "".join(
        line("load", type=0, offset=1, pid=pid) + line("load_ret", ret=0, pid=pid) for pid in range(2, 66_000)
    )
    begin, *rest = stored(7, pid=1)
    found = Imported(text(begin) + loads + text(*rest))
    assert found.batch.num_rows == 1 + 66_000 - 2
    assert found.columns("op", "result")[-1] == ("store", 0)


# ---- a migration, a visit ----


@pytest.mark.parametrize("missing", [None, "vmemmap", "direct", "newpage"])
def test_migrations_pages_are_addresses_where_the_kernels_layout_is_told(missing: str | None) -> None:
    """A struct page is 64 bytes: 0x80 behind the begin of their array is the one of page 2, of 0x2000 bytes in."""
    begin, direct = 0xFFFF_EA00_0000_0000, 0xFFFF_8880_0000_0000
    keys = {"page": begin + 0x80, "newpage": begin + 0x140, "vmemmap": begin, "direct": direct}
    found = Imported(
        text(("migrate", {key: at for key, at in keys.items() if key != missing}), ("migrate_ret", {"ret": 0}))
    )
    pages = (begin + 0x80, None) if missing else (direct + 0x2000, direct + 0x5000)
    assert found.columns("seen_handle", "seen_page") == [pages]


def test_visit_directly_inside_a_writeback_is_by_pressure_and_may_not_say_whether_referenced() -> None:
    events = [
        ("writeback", {"swap": 7}),
        ("visit", {"swap": 7}),
        ("visit_ret", {"ret": 2}),
        ("writeback_ret", {"ret": -12}),
    ]
    found = folio(*folio_stored(7), ("scan", {}), *events, ("scan_ret", {"freed": 0}))
    assert found.columns("op", "asked_by", "referenced", "nr_to_scan")[1:3] == [
        ("shrink", "pressure", None, None),
        ("visit", "pressure", None, None),
    ]


# ---- more rows than are held ----

#: Reads of 65,536 pages each, by another task, through zram's probes: a row a page, from one line.
MANY = [("bio", {"sector": 8 << 30, "size": 2**28, "op": 0, "pid": 1000, "cpu": 9}) for _ in range(5)]
LIMITS = {"max_pages": 10, "accept_pages": 8}


def test_count_that_comes_too_late_for_the_allocations_before_it_tells_nothing_of_them() -> None:
    *both, store, alloc, answer, back = at_once({1: SLOW, 2: QUICK}, 5, 6)
    found = folio(*both, *((name, {**at, "us": 250}) for name, at in MANY), store, alloc, answer, back, chain=1)
    assert found.counts.overlaps_by_count == 0
    assert found.columns_but_of(1000, "made_pages")[:2] == [(None,), (None,)]


def test_reading_that_comes_too_late_for_the_row_before_it_is_of_no_row() -> None:
    found = folio(*folio_stored(1, before=0), *MANY, *folio_invalidated(1, before=1))
    assert found.batch.num_rows == 1 + 5 * 65536 + 1
    assert found.columns_but_of(1000, "op", "seen_pool_pages")[0] == ("store", None)


def test_refusal_that_no_reading_explains_for_so_long_is_the_limits() -> None:
    """Two of them; the reading that comes at last, of 9 pages of 10, would have said otherwise."""
    refused = [*folio_refused(7), *folio_refused(8)]
    moved = [("load", {"swap": 1, "pid": pid}) for pid in (5, 6)]
    late = folio_invalidated(1, before=9)
    found = folio(*folio_stored(1, before=0), *refused, *MANY, *moved, *late, **LIMITS)
    assert found.columns_but_of(1000, "op", "offset", "result")[1:3] == [("store", 7, -12), ("store", 8, -12)]
    assert (found.counts.limit_refusals, found.counts.compress_refusals) == (2, 0)


STORE_OF_THREE = [("store", {"swap": 100}), *pages(HANDLE, OTHER, THIRD)]
LOAD_OF_TWO = [
    *(event for page, handle in ((100, HANDLE), (101, OTHER)) for event in folio_stored(page, handle)),
    ("load", {"swap": 100}),
    *(("map", {"handle": handle}) for handle in (HANDLE, OTHER)),
    ("free", {"handle": HANDLE}),  # its row now stands behind the other page's
]
DISCARD_OF_TWO = [
    *(event for n in (0, 1) for event in (("rw", {"sector": 800 + 8 * n, "op": 1}), *pages((HANDLE, OTHER)[n]))),
    ("bio", {"sector": 800, "size": 8192, "op": 3}),
    ("free", {"handle": HANDLE}),
]


@pytest.mark.parametrize(
    ("begin", "end", "rows"),
    [
        (STORE_OF_THREE, ("store_ret", {"ret": 1}), [("store", 100, None), ("store", 101, 0), ("store", 102, 0)]),
        (STORE_OF_THREE, "CPU:0 [LOST 1 EVENTS]", [("store", 100, None), ("store", 101, None), ("store", 102, None)]),
        (LOAD_OF_TWO, ("load_ret", {"ret": 1}), [("load", 101, None), ("load", 100, 0)]),
        (DISCARD_OF_TWO, ("rw", {"sector": 0, "op": 0}), [("invalidate", 101, None), ("invalidate", 100, None)]),
    ],
)
def test_page_of_a_call_that_has_left_meanwhile_is_a_row_as_it_then_was(
    begin: list[Any], end: Any, rows: list[tuple[str, int, int | None]]
) -> None:
    found = folio(*begin, *MANY[:4], end)
    op = rows[0][0]
    assert [row for row in found.columns_but_of(1000, "op", "offset", "result") if row[0] == op and row[1]] == rows
