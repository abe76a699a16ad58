"""What zswap of 6.1 decides, on traces small enough to work out by hand (kernel-model 2.2 to 2.7)."""

import pytest
from byhand import event, invalidate, load, store, writeback


def test_pool_at_its_limit_takes_one_more_page_and_the_next_store_is_refused_and_shrinks(replay):
    # 20 % of 50 pages is 10; full only above 10, so the 11th page still comes. One zbud page each: 48 chunks of 63.
    summary = replay([store(i, 3000) for i in range(1, 13)], totalram_pages=50)
    assert summary["pool_pages_peak"] == 11
    assert summary["pool_limit_hit"] == 1
    assert summary["stores_rejected"] == 1
    assert summary["writebacks"] == 1  # the refused store queued the work, which evicted the oldest page
    assert summary["pool_pages_final"] == 10


def test_after_being_full_stores_are_refused_until_below_the_accept_threshold(replay):
    # Accepts again below 50·90/100·20/100 = 45·20/100 = 9 pages.
    fill = [store(i, 3000) for i in range(1, 13)]  # 11 pages; the 12th is refused and offset 1 written back
    # pool_total_size was refreshed when offset 1 was freed, before its page was given back, and so still says 11:
    # the next store meets the limit again and costs offset 2 as well. 9 pages, of which the variable knows 10.
    again = [store(20, 3000)]
    between = [store(21, 3000)]  # 10 is not above the limit, but 9 > 10 does not hold either
    below = [invalidate(3), store(22, 3000)]  # 8 pages, and known to be: 9 > 8
    summary = replay([*fill, *again, *between, *below], totalram_pages=50)
    assert (summary["pool_limit_hit"], summary["writebacks"]) == (2, 2)
    assert summary["reject_hysteresis"] == 1
    assert summary["pool_pages_final"] == 9


def test_zsmalloc_cannot_evict_so_the_shrink_work_fails_every_time(replay):
    # 4096-byte objects take one page each: limit 10, the 11th comes in, two are refused.
    summary = replay([store(i, 4096) for i in range(1, 14)], pool="zsmalloc", totalram_pages=50)
    assert (summary["pool_pages_peak"], summary["stores_rejected"]) == (11, 2)
    # The first refusal is the limit; as long as the pool is above it, so is the second.
    assert (summary["pool_limit_hit"], summary["reject_reclaim_fail"], summary["writebacks"]) == (2, 2, 0)


def test_without_totalram_there_is_no_limit(replay):
    assert replay([store(i, 3000) for i in range(1, 500)])["stores_rejected"] == 0


def test_same_filled_pages_are_stored_without_pool_memory(replay):
    summary = replay([store(1, 0), store(2, 0), load(1), invalidate(2)])
    assert (summary["stored_pages"], summary["same_filled_pages"], summary["pool_pages_peak"]) == (1, 1, 0)
    assert summary["loads_hit"] == 1


@pytest.mark.parametrize(
    ("pool", "size", "counter"),
    [
        ("zbud", 3960, None),  # 3960 + 8 bytes of swap header = 3968, the largest zbud takes
        ("zbud", 3961, "reject_compress_poor"),
        ("zsmalloc", 4096, None),
    ],
)
def test_largest_size_that_is_accepted(replay, pool, size, counter):
    summary = replay([store(1, size)], pool=pool)
    assert summary["stores_rejected"] == (counter is not None)
    if counter:
        assert summary[counter] == 1


def test_zsmalloc_refuses_more_than_a_page_with_einval_which_counts_as_alloc_fail(replay):
    assert replay([store(1, 4097, result=-22)], pool="zsmalloc")["reject_alloc_fail"] == 1


def test_an_overwriting_store_that_fails_leaves_no_stale_copy(replay):
    # frontswap invalidates first, so the old object is gone although the new one is refused.
    summary = replay([store(1, 100), store(1, 3961), load(1)])
    assert (summary["stored_pages"], summary["pool_pages_final"], summary["duplicate_entry"]) == (0, 0, 0)
    assert (summary["loads_missed"], summary["loads_unknown"]) == (1, 1)  # the bit is clear: zswap is not asked


def test_overwriting_replaces_the_object(replay):
    summary = replay([store(1, 100), store(1, 200)])
    assert (summary["stored_pages"], summary["compressed_bytes"], summary["duplicate_entry"]) == (1, 200, 0)


def test_a_slot_written_back_is_asked_for_and_missed_and_its_invalidate_does_nothing(replay):
    fill = [store(i, 3000) for i in range(1, 13)]  # offset 1 is written back
    summary = replay([*fill, load(1), invalidate(1), load(1)], totalram_pages=50)
    assert (summary["loads_missed"], summary["loads_unknown"]) == (2, 1)  # the first was asked of zswap
    assert summary["stored_pages"] == 10


def test_a_resident_page_is_not_written_back(replay):
    # Offset 1 is loaded, so its copy is in the swap cache: eviction fails and the next page of the LRU goes.
    fill = [store(i, 3000) for i in range(1, 12)]
    summary = replay([*fill, load(1), store(12, 3000), load(1), load(2)], totalram_pages=50)
    assert (summary["writebacks"], summary["writebacks_failed"]) == (1, 1)
    assert (summary["loads_hit"], summary["loads_missed"]) == (2, 1)


def test_unknown_offsets_are_counted(replay):
    summary = replay([load(7), invalidate(8)])
    assert (summary["loads_unknown"], summary["invalidates_unknown"]) == (1, 1)


def test_invalidate_area_frees_one_type_only(replay):
    summary = replay(
        [store(1, 100), store(2, 0), store(1, 100, type=3), event("invalidate_area", type=0), load(1), load(1, type=3)]
    )
    assert (summary["stored_pages"], summary["same_filled_pages"]) == (1, 0)
    assert (summary["loads_hit"], summary["loads_unknown"]) == (1, 1)


def test_sizes_the_recorded_kernel_never_saw_are_refused_and_counted(replay):
    summary = replay([store(1, None, result=-12), store(2, None, result=-22)])
    assert (summary["reject_missing_size"], summary["reject_compress_fail"]) == (1, 1)


def test_compaction_frees_pages_in_zsmalloc_and_nothing_in_zbud(replay):
    # Class 2048+8 → 2336: 7 objects in a zspage of 4 pages. Keep one of each of two zspages: one zspage goes.
    events = [store(i, 2300) for i in range(1, 15)]
    events += [invalidate(i) for i in range(1, 15) if i not in (1, 8)]
    events += [event("compact")]
    assert replay(events, pool="zsmalloc")["pages_compacted"] == 4
    assert replay(events, pool="zbud")["pages_compacted"] == 0


def test_driven_the_recording_decides(replay):
    events = [
        store(1, 3000, result=0),
        store(2, None, result=-12),
        event("shrink", result=0),
        writeback(1),
        load(1, result=-1),
    ]
    summary = replay(events, driven=True, totalram_pages=50)
    assert (summary["writebacks"], summary["pool_pages_final"], summary["loads_missed"]) == (1, 0, 1)
    assert summary["pool_limit_hit"] == 1


def test_predicted_the_model_decides_and_recorded_writebacks_are_not_inputs(replay):
    summary = replay([store(1, 3000), writeback(1), load(1)])
    assert (summary["writebacks"], summary["loads_hit"]) == (0, 1)
