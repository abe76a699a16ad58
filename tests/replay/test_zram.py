"""What zram does, on traces small enough to work out by hand."""

from functools import partial

import pytest
from byhand import event, invalidate, load, store, trace, writeback

import zreplay


@pytest.fixture
def replay(replay):
    return partial(replay, model="zram", pool="zsmalloc")


@pytest.mark.parametrize(("kernel", "huge"), [("6.1", 3257), ("latest", 3625)])
def test_a_page_of_the_huge_class_is_stored_as_it_is(replay, kernel, huge):
    # The largest class below 4096 is 3264 with chains of 4, 3632 with chains of 8; 8 bytes of it are the handle.
    summary = replay([store(1, huge - 1), store(2, huge)], kernel=kernel)
    assert (summary["huge_pages"], summary["compressed_bytes"]) == (1, huge - 1 + 4096)
    assert replay([store(1, huge), invalidate(1)], kernel=kernel)["huge_pages"] == 0


def test_pages_of_one_word_are_in_the_table_alone(replay):
    summary = replay([store(1, 0), load(1)])
    assert (summary["same_filled_pages"], summary["pool_pages_peak"], summary["loads_hit"]) == (1, 0, 1)


def test_an_overwriting_write_allocates_before_it_frees(run):
    # Two objects of class 2048 share a page. The new one joins the old; freed first, the page would have gone.
    events = [store(1, 2000), store(1, 2000)]
    seen = run(events, model="zram", pool="zsmalloc", observe=True).observations().collect()
    assert seen["page"].to_list() == [0, 0]


def test_a_write_that_fails_leaves_the_old_page(replay):
    summary = replay([store(1, 100), store(1, None, result=-22), load(1)])
    assert (summary["stores_rejected"], summary["reject_compress_fail"], summary["loads_hit"]) == (1, 1, 1)


def test_loads_leave_the_page_and_a_free_slot_frees_it(replay):
    summary = replay([store(1, 100), load(1), load(1), invalidate(1), load(1), invalidate(1)])
    assert (summary["loads_hit"], summary["loads_unknown"], summary["invalidates_unknown"]) == (2, 1, 1)
    assert (summary["stored_pages"], summary["pool_pages_final"]) == (0, 0)


def test_there_is_no_limit(replay):
    assert replay([store(i, 4096) for i in range(1, 100)], totalram_pages=50)["stores_rejected"] == 0


def test_compaction_frees_pages(replay):
    # Class 2048+8 → 2336: 7 objects in a zspage of 4 pages. Keep one of each of two zspages: one is copied.
    events = [store(i, 2300) for i in range(1, 15)]
    events += [invalidate(i) for i in range(1, 15) if i not in (1, 8)]
    summary = replay([*events, event("compact")])
    assert (summary["compactions"], summary["pages_compacted"], summary["pool_total_size"]) == (1, 4, 4 * 4096)
    assert (summary["objects_copied"], summary["handles_rewritten"]) == (1, 1)


def test_a_reset_device_is_empty(replay):
    summary = replay([store(1, 100), store(2, 0), event("invalidate_area", type=0)])
    assert (summary["stored_pages"], summary["same_filled_pages"], summary["pool_pages_final"]) == (0, 0, 0)


def test_the_table_counts_its_pages_in_use(replay):
    # 256 slots of 16 bytes a page: slots 1 and 255 share one, 256 has the next.
    summary = replay([store(1, 100), store(255, 100), store(256, 100)])
    assert (summary["index_nodes_peak"], summary["index_bytes_peak"]) == (2, 8192)


def test_driven_writes_that_failed_fail_again(replay):
    summary = replay([store(1, 100), store(1, 200, result=-12)], driven=True)
    assert (summary["stores_rejected"], summary["compressed_bytes"]) == (1, 100)


def test_a_recording_of_zram_is_replayed_as_one(tmp_path):
    path = trace(tmp_path / "t.parquet", [store(1, 100)], model="zram", pool="zsmalloc")
    config = zreplay.run(zreplay.Config(trace=path, out=tmp_path / "run")).summary()["config"]
    assert (config["model"], config["index"], config["pool"]) == ("zram", "table", "zsmalloc")


def test_only_a_write_that_succeeded_takes_a_page_to_the_device(replay):
    events = [store(1, 100), store(2, 100), writeback(1, result=-5), event("writeback", result=0), writeback(3)]
    summary = replay([*events, writeback(2), load(1), load(2)])
    assert (summary["written_back_pages"], summary["stored_pages"]) == (1, 1)
    assert (summary["loads_hit"], summary["loads_missed"], summary["loads_unknown"]) == (1, 1, 0)


def test_what_zram_has_not_is_passed_over(replay):
    assert replay([store(1, 100), event("shrink", result=0), load(1)])["loads_hit"] == 1
