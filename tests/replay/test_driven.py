"""Replays driven by recordings that are not as neat as the model would have them."""

import pytest
from byhand import event, invalidate, load, store, trace, writeback

import zreplay
from zreplay.analysis.validate import validate
from zreplay.errors import TraceError
from zreplay.replay import replaying

SHRINK = event("shrink", result=0)


@pytest.fixture
def driven(replay):
    return lambda events, **options: replay(events, driven=True, **options)


@pytest.mark.parametrize("other", [writeback(2), event("writeback", result=0)], ids=["another slot", "no slot"])
@pytest.mark.parametrize("size", [1000, 4000], ids=["with a header", "headless"])
def test_an_eviction_of_something_else_leaves_the_page_and_its_object(driven, size, other):
    """z3fold freed a headless page whose object was alive, because a row said that an eviction had succeeded."""
    summary = driven([store(1, size, result=0), SHRINK, other, load(1)], pool="z3fold")
    assert (summary["stored_pages"], summary["pool_pages_final"], summary["loads_hit"]) == (1, 1, 1)


@pytest.mark.parametrize("pool", ["zbud", "z3fold"])
def test_a_second_shrink_gives_the_first_ones_page_back(driven, pool):
    """Of two reclaims under way the first was forgotten, and its page stayed claimed for good."""
    events = [store(1, 3900, result=0), store(2, 3900, result=0), SHRINK, SHRINK, writeback(1), writeback(2)]
    summary = driven(events, pool=pool)
    assert (summary["stored_pages"], summary["pool_pages_final"]) == (0, 0)


@pytest.mark.parametrize("kernel", ["3.12", "6.1", "latest"])
def test_a_writeback_that_names_no_slot_frees_nothing_whatever_the_batches(tmp_path, monkeypatch, kernel):
    """What lay under the null was taken for a slot, and so another one's object was freed."""
    path = trace(tmp_path / "t.parquet", [store(0, 100), event("writeback", result=0), store(0, 100, type=1)])
    for rows in (65_536, 1, 2):
        monkeypatch.setattr(replaying, "BATCH_ROWS", rows)
        config = zreplay.Config(trace=path, out=tmp_path / f"{rows}", driven=True, kernel=kernel, pool="zbud")
        assert zreplay.run(config).summary()["stored_pages"] == 2


def test_an_area_without_a_type_is_refused(tmp_path):
    path = trace(tmp_path / "t.parquet", [store(0, 100), event("invalidate_area")])
    with pytest.raises(TraceError, match=r"type.*null.*as op is invalidate_area"):
        zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r"))


# ---- z3fold's worker ----


def test_z3fold_page_with_work_pending_stays_until_the_counter_shows_that_the_worker_ran(tmp_path):
    # 1000 bytes are 16 of 62 chunks: two objects are in one page. The first free queues the page's work, which holds
    # the emptied page; an allocation passes over a page that waits for work.
    emptied = [(store(1, 1000, result=0), 1), (store(2, 1000, result=0), 1), (invalidate(1), 1), (invalidate(2), 1)]
    ran_before = [*emptied, (store(3, 1000, result=0), 1)]
    ran_after = [*emptied, (store(3, 1000, result=0), 2), (store(4, 3000, result=0), 2)]
    still_waits = [*emptied, (store(3, 1000, result=0), 2), (store(4, 3000, result=0), 3)]
    for events in (ran_before, ran_after, still_waits):
        rows = [row | {"seen_pool_pages": pages} for row, pages in events]
        path = trace(tmp_path / "t.parquet", rows, kernel_release="6.1.0", pool="z3fold", totalram_pages=100_000)
        stores = [pages for row, pages in events if row["op"] == "store"]
        assert validate(path).curves["driven"].to_list() == stores
