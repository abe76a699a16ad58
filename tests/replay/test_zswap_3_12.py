"""What zswap of 3.12 decides, on traces small enough to work out by hand (kernel-model 2.4 and 2.8)."""

from functools import partial

import pytest
from byhand import event, invalidate, load, store


@pytest.fixture
def replay(replay):
    return partial(replay, kernel="3.12")


# 3000 bytes and the header are 47 of 63 chunks: a page each. 20 % of 50 pages is 10, full only above 10.
FILL = [store(i, 3000) for i in range(1, 12)]


def test_a_full_pool_makes_room_inside_the_store_and_the_store_goes_on(replay):
    # 11 pages after FILL. Each further store evicts the oldest page and takes one: no store is refused.
    summary = replay([*FILL, store(12, 3000), store(13, 3000), load(1), load(2), load(3)], totalram_pages=50)
    assert (summary["pool_pages_peak"], summary["pool_pages_final"]) == (11, 11)
    assert (summary["pool_limit_hit"], summary["stores_rejected"], summary["writebacks"]) == (2, 0, 2)
    assert (summary["loads_missed"], summary["loads_hit"]) == (2, 1)


def test_a_store_is_refused_when_eight_pages_in_turn_cannot_be_evicted(replay):
    # All are resident in the swap cache after their load.
    summary = replay([*FILL, *(load(i) for i in range(1, 12)), store(12, 3000)], totalram_pages=50)
    assert (summary["reject_reclaim_fail"], summary["stores_rejected"], summary["writebacks_failed"]) == (1, 1, 8)
    assert summary["pool_pages_final"] == 11


def test_there_is_no_threshold_for_accepting_again(replay):
    # 11 pages and resident, so the 12th is refused; with 10, which is above 90 % of the limit, the next is taken.
    resident = [load(i) for i in range(1, 12)]
    summary = replay([*FILL, *resident, store(12, 3000), invalidate(1), store(13, 3000)], totalram_pages=50)
    assert (summary["stores_rejected"], summary["reject_hysteresis"], summary["pool_pages_final"]) == (1, 0, 11)


def test_every_swap_type_has_its_own_pool(replay):
    # 16 chunks each: they would share a page of one pool.
    summary = replay([store(1, 1000), store(1, 1000, type=1)])
    assert summary["pool_pages_final"] == 2
    assert replay([store(1, 1000), store(2, 1000)])["pool_pages_final"] == 1


def test_the_limit_sees_the_pool_last_touched(replay):
    first_of_other = store(1, 3000, type=1)
    # The variable says 11, type 0's pages, so type 1's first store has to make room in its own pool, which is empty.
    summary = replay([*FILL, first_of_other], totalram_pages=50)
    assert (summary["reject_reclaim_fail"], summary["stores_rejected"]) == (1, 1)
    # Freeing an entry makes it 10: let in. Now it says 1, type 1's, and type 0 gets its 11th page: 12 in all.
    summary = replay([*FILL, first_of_other, invalidate(11), first_of_other, store(12, 3000)], totalram_pages=50)
    assert (summary["pool_limit_hit"], summary["stores_rejected"], summary["writebacks"]) == (1, 1, 0)
    assert summary["pool_pages_final"] == 12
    assert summary["pool_total_size"] == 11 * 4096


def test_a_failing_store_leaves_the_older_entry_out_of_reach(replay):
    stale = [store(1, 100), store(1, 3961)]  # 3969 bytes with the header: one too many for zbud
    summary = replay([*stale, load(1), invalidate(1)])
    assert (summary["reject_compress_poor"], summary["stored_pages"], summary["pool_pages_final"]) == (1, 1, 1)
    assert (summary["loads_unknown"], summary["invalidates_unknown"]) == (1, 1)  # frontswap's bit is clear
    summary = replay([*stale, store(1, 200)])
    assert (summary["duplicate_entry"], summary["stored_pages"], summary["compressed_bytes"]) == (1, 1, 200)
    assert replay([*stale, event("invalidate_area", type=0)])["pool_pages_final"] == 0


def test_an_overwriting_store_replaces_the_entry_it_finds(replay):
    summary = replay([store(1, 100), store(1, 200), load(1)])
    assert (summary["duplicate_entry"], summary["stored_pages"], summary["compressed_bytes"]) == (1, 1, 200)
    assert summary["loads_hit"] == 1


def test_same_filled_pages_are_one_chunk(replay):
    # 40 bytes and the header of 8, in one chunk of 64.
    run = replay([store(1, 0)])
    assert (run["same_filled_pages"], run["stored_pages"], run["compressed_bytes"]) == (0, 1, 40)
    assert run["pool_pages_final"] == 1


def test_entries_have_48_bytes(replay):
    assert replay([store(1, 100), store(2, 100)])["index_bytes_peak"] == 2 * 48


def test_invalidating_an_area_leaves_the_others_alone(replay):
    summary = replay([store(1, 100), store(1, 100, type=1), event("invalidate_area", type=0), load(1, type=1)])
    assert (summary["stored_pages"], summary["pool_pages_final"], summary["loads_hit"]) == (1, 1, 1)


@pytest.mark.parametrize("pool", ["z3fold", "zsmalloc"])
def test_other_allocators_take_zbuds_place(replay, pool):
    # 4000 bytes and the header: a page each in both. zsmalloc cannot evict, so a full pool refuses.
    summary = replay([store(i, 4000) for i in range(1, 13)], pool=pool, totalram_pages=50)
    assert (summary["pool_pages_peak"], summary["pool_limit_hit"]) == (11, 1)
    assert summary["stores_rejected"] == (pool == "zsmalloc")
