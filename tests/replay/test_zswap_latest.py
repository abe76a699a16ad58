"""What the latest zswap decides, on traces small enough to work out by hand (kernel-model 2.7 and 2.10)."""

from functools import partial

import pytest
from byhand import event, invalidate, load, store


@pytest.fixture
def replay(replay):
    return partial(replay, kernel="latest", pool="zsmalloc")


# 4096 bytes are a page each.
def fill(pages):
    return [store(i, 4096) for i in range(1, pages + 1)]


def test_the_pool_is_full_at_its_limit_and_accepts_again_at_its_threshold(replay):
    # Limit 50·20/100 = 10, threshold 10·90/100 = 9. The 11th store finds 10 pages and is refused; the work takes the
    # referenced bit from all ten, evicts the oldest, and 9 pages are enough. The 12th finds 9 and is let in.
    summary = replay([*fill(12), load(1), load(2)], totalram_pages=50)
    assert (summary["pool_pages_peak"], summary["pool_limit_hit"], summary["stores_rejected"]) == (10, 1, 1)
    assert (summary["writebacks"], summary["reject_hysteresis"]) == (1, 0)
    assert (summary["loads_missed"], summary["loads_hit"]) == (1, 1)


def test_between_limit_and_threshold_stores_are_refused_and_shrink_again(replay):
    # Threshold 10·50/100 = 5: ten looks take the referenced bits, five evict.
    summary = replay(fill(11), totalram_pages=50, accept_threshold_percent=50)
    assert (summary["writebacks"], summary["pool_pages_final"]) == (5, 5)
    # Limit 20, threshold 10. The 21st store: 16 looks evict nothing, and the work gives up with 20 pages. Slots 1 and
    # 2 go, and the 22nd finds 18: below the limit, above the threshold. Its work clears 19 and 20, evicts 3 to 10.
    events = [*fill(21), invalidate(1), invalidate(2), store(22, 4096), load(10), load(11)]
    summary = replay(events, totalram_pages=100, accept_threshold_percent=50)
    assert (summary["pool_limit_hit"], summary["reject_hysteresis"], summary["stores_rejected"]) == (1, 1, 2)
    assert (summary["writebacks"], summary["loads_missed"], summary["loads_hit"]) == (8, 1, 1)


def test_the_work_gives_up_after_sixteen_looks_that_evict_nothing(replay):
    # Limit 20, threshold 18. First refusal: 16 entries lose their referenced bit. Second: 17 to 20 lose theirs, then 1
    # and 2, the oldest again, are evicted.
    assert replay(fill(21), totalram_pages=100)["writebacks"] == 0
    summary = replay([*fill(22), load(1), load(2), load(3)], totalram_pages=100)
    assert (summary["pool_limit_hit"], summary["writebacks"]) == (2, 2)
    assert (summary["loads_missed"], summary["loads_hit"]) == (2, 1)


def test_loads_are_exclusive(replay):
    summary = replay([store(1, 100), load(1), load(1)])
    assert (summary["loads_hit"], summary["loads_missed"], summary["stored_pages"]) == (1, 1, 0)
    assert summary["loads_unknown"] == 0  # without frontswap zswap is asked every time


def test_without_exclusive_loads_the_entry_stays_and_cannot_be_evicted_while_resident(replay):
    assert replay([store(1, 100), load(1), load(1)], exclusive_loads=False)["loads_hit"] == 2
    # Offset 1 is resident: its second look fails, and offset 2 goes instead.
    summary = replay([*fill(10), load(1), store(11, 4096), load(2)], exclusive_loads=False, totalram_pages=50)
    assert (summary["writebacks"], summary["writebacks_failed"], summary["reject_reclaim_fail"]) == (1, 1, 1)
    assert summary["loads_missed"] == 1


def test_what_does_not_compress_is_kept_as_it_is(replay):
    # The compressor gave an error; exactly a page; more than a page. 4095 bytes are an object like any other.
    summary = replay([store(1, None, result=-22), store(2, 4096), store(3, 5000, result=-22), store(4, 4095)])
    assert (summary["stored_pages"], summary["stored_incompressible_pages"], summary["stores_rejected"]) == (4, 3, 0)
    assert summary["compressed_bytes"] == 3 * 4096 + 4095
    assert replay([store(1, 4096), invalidate(1)])["stored_incompressible_pages"] == 0


def test_zero_filled_pages_never_reach_zswap(replay):
    summary = replay([store(1, 0), load(1), load(1)])
    assert (summary["stored_pages"], summary["pool_pages_peak"], summary["stores_rejected"]) == (0, 0, 0)
    assert (summary["swpout_zero"], summary["swpin_zero"], summary["loads_hit"]) == (1, 2, 2)
    summary = replay([store(1, 0), invalidate(1), load(1)])
    assert (summary["invalidates_unknown"], summary["loads_missed"]) == (0, 1)
    assert replay([store(1, 0), event("invalidate_area", type=0), load(1)])["loads_missed"] == 1


def test_a_page_that_is_not_zero_takes_the_zero_marks_place(replay):
    summary = replay([store(1, 0), store(1, 100), load(1)])
    assert (summary["swpin_zero"], summary["loads_hit"], summary["loaded_bytes"]) == (0, 1, 100)


def test_a_zero_filled_page_leaves_the_older_entry_out_of_reach(replay):
    summary = replay([store(1, 100), store(1, 0), load(1)])
    assert (summary["stored_pages"], summary["swpin_zero"]) == (1, 1)


def test_a_failing_store_drops_the_older_entry(replay):
    # The limit is met, so the page is refused and its old copy goes; that makes 9 pages, and the work's one look
    # only takes a referenced bit.
    summary = replay([*fill(10), store(5, 4096), load(5)], totalram_pages=50)
    assert (summary["pool_pages_final"], summary["writebacks"], summary["loads_missed"]) == (9, 0, 1)


def test_an_overwriting_store_replaces_the_entry(replay):
    summary = replay([store(1, 100), store(1, 200)])
    assert (summary["stored_pages"], summary["compressed_bytes"], summary["duplicate_entry"]) == (1, 200, 0)


@pytest.mark.parametrize("pool", ["zbud", "z3fold"])
def test_no_header_is_in_front_of_objects_whatever_the_allocator(replay, pool):
    # 3968 bytes are the most zbud takes; with a header of 8 they would be too many.
    assert replay([store(1, 3968)], pool=pool)["stores_rejected"] == 0


def test_pool_total_size_is_counted_when_it_is_asked_for(replay):
    # Class 1568 of chain 8: 5 pages. In 6.1 an eviction leaves the variable stale; here nothing does.
    summary = replay([store(1, 1560), invalidate(1), store(2, 1560)])
    assert summary["pool_total_size"] == 5 * 4096


def test_entries_are_56_bytes_beside_the_index(replay):
    events = [store(1, 100), store(2, 100)]
    summary = replay(events, index="rbtree")
    assert (summary["entry_bytes"], summary["index_bytes_peak"]) == (2 * 56, 2 * 24)  # the links alone
    assert replay(events, index="radix-lowbit")["index_bytes_peak"] == 568
    assert replay(events)["index_bytes_peak"] == 584  # the kernel's own: an xarray's leaf


def test_index_without_nodes_has_a_peak_of_bytes_too(replay):
    summary = replay([store(1, 100), store(2, 100), invalidate(1)], index="array")
    assert (summary["index_nodes_peak"], summary["index_bytes_peak"]) == (0, 2 * 8)


def test_an_area_goes_with_all_its_entries_and_no_other_type(replay):
    events = [*fill(3), store(1, 4096, type=1), event("invalidate_area", type=0), load(1), load(1, type=1)]
    summary = replay(events)
    assert (summary["stored_pages"], summary["loads_missed"], summary["loads_hit"]) == (0, 1, 1)
    assert summary["invalidates"] == 0


def test_a_store_is_refused_where_making_room_evicts_nothing(replay):
    # LRU order: room is made by evicting. Without exclusive loads both pages are resident, so neither goes.
    options = {"mm": "lru", "exclusive_loads": False, "totalram_pages": 10}
    summary = replay([*fill(2), load(1), load(2), store(3, 4096)], **options)
    assert (summary["stores_rejected"], summary["writebacks"], summary["stored_pages"]) == (1, 0, 2)
    # With a limit of no page there is nobody to evict.
    assert replay(fill(1), mm="lru", totalram_pages=1)["stores_rejected"] == 1
