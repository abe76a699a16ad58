"""Stores without a size, which the recorded kernel refused before it compressed the page."""

import pytest
from byhand import store, trace

import zreplay
from zreplay.replay import missing_size, replaying

REFUSED = -12  # by a limit


def of(pid, *events):
    return [event | {"pid": pid} for event in events]


def sizes(pid, size, count, first=1):
    return of(pid, *(store(i, size, result=0) for i in range(first, first + count)))


def missing(pid, count, first=1000):
    return of(pid, *(store(i, None, result=REFUSED) for i in range(first, first + count)))


def test_rejected_they_are_counted_and_nothing_is_drawn(replay):
    summary = replay([*sizes(1, 100, 2), *missing(1, 3)], missing_size="reject")
    assert (summary["reject_missing_size"], summary["stores_imputed"], summary["stored_pages"]) == (3, 0, 2)


def test_mean_is_that_of_all_recorded_sizes_same_filled_pages_among_them(replay):
    # (0 + 100 + 501) / 3 = 200.3
    recorded = [store(1, 0), store(2, 100), store(3, 501)]
    summary = replay([*recorded, *missing(1, 1)], missing_size="mean")
    assert summary["compressed_bytes"] == 601 + 200
    assert (summary["stores_imputed"], summary["stores_imputed_share"]) == (1, 0.25)


def test_mean_is_the_processs_own_from_32_recorded_sizes_on(replay):
    # Process 2 has 31, so it gets everybody's mean: (32·100 + 31·2000) / 63 = 1034.9.
    recorded = [*sizes(1, 100, 32), *sizes(2, 2000, 31, first=100)]
    before = 32 * 100 + 31 * 2000
    assert replay([*recorded, *missing(1, 1)], missing_size="mean")["compressed_bytes"] == before + 100
    assert replay([*recorded, *missing(2, 1)], missing_size="mean")["compressed_bytes"] == before + 1035


def test_drawn_sizes_are_the_processs_own_from_32_on(replay):
    recorded = [*sizes(1, 100, 32), *sizes(2, 2000, 31, first=100)]
    summary = replay([*recorded, *missing(1, 50)])
    assert summary["compressed_bytes"] == 32 * 100 + 31 * 2000 + 50 * 100
    # Process 3 is drawn from all: about half of each, and nothing else.
    drawn = replay([*recorded, *missing(3, 400)])["compressed_bytes"] - 32 * 100 - 31 * 2000
    large, rest = divmod(drawn - 400 * 100, 1900)
    assert rest == 0
    assert 140 < large < 260  # 400 draws of 31 in 63: 197, give or take 10 a standard deviation


def test_same_filled_pages_are_drawn_as_often_as_they_were_recorded(replay):
    recorded = [*sizes(1, 0, 16), *sizes(1, 100, 16, first=100)]
    summary = replay([*recorded, *missing(1, 400)])
    assert 150 < summary["same_filled_pages"] - 16 < 250


def test_sizes_recorded_behind_a_store_count_too(replay):
    assert replay([*missing(1, 1), *sizes(1, 100, 1)])["compressed_bytes"] == 200


def test_without_any_recorded_size_they_are_refused(replay):
    summary = replay(missing(1, 2))
    assert (summary["reject_missing_size"], summary["stores_imputed"]) == (2, 0)


def test_what_the_compressor_could_not_do_stays_refused(replay):
    summary = replay([*sizes(1, 100, 1), store(5, None, result=-22)])
    assert (summary["reject_compress_fail"], summary["stores_imputed"]) == (1, 0)


def test_no_size_is_drawn_for_a_store_that_the_limit_refuses(replay):
    # 11 pages are above the limit of 10: of two missing ones the first is refused, the second by the threshold.
    recorded = [store(i, 3000) for i in range(1, 12)]
    summary = replay([*recorded, *missing(1, 2)], totalram_pages=50)
    assert (summary["stores_rejected"], summary["stores_imputed"]) == (2, 0)


def test_a_driven_replay_draws_nothing_for_what_the_kernel_refused(replay):
    summary = replay([*sizes(1, 100, 1), *missing(1, 2)], driven=True)
    assert (summary["stores_rejected"], summary["stores_imputed"]) == (2, 0)


@pytest.fixture
def many(tmp_path):
    recorded = of(1, *(store(i, i, result=0) for i in range(1, 1001)))
    return trace(tmp_path / "many.parquet", [*recorded, *missing(1, 500, first=2000)])


def test_the_seed_decides(many, tmp_path):
    def total(name, **options):
        config = zreplay.Config(trace=many, out=tmp_path / name, **options)
        return zreplay.run(config).summary()["compressed_bytes"]

    assert total("a", seed=1) == total("b", seed=1)
    assert total("c", seed=1) != total("d", seed=2)


def test_a_row_has_its_size_whatever_the_pool_and_the_batches(many, tmp_path, monkeypatch):
    def total(name, **options):
        config = zreplay.Config(trace=many, out=tmp_path / name, **options)
        return zreplay.run(config).summary()["compressed_bytes"]

    large = total("zbud", pool="zbud")
    assert total("zsmalloc", pool="zsmalloc") == large
    monkeypatch.setattr(replaying, "BATCH_ROWS", 7)
    assert total("small", pool="zbud") == large


def test_the_manifest_says_how_many_were_drawn(many, tmp_path):
    run = zreplay.run(zreplay.Config(trace=many, out=tmp_path / "r", seed=3))
    assert (run.manifest["stores_imputed"], run.manifest["seed"]) == (500, 3)
    assert run.manifest["stores_imputed_share"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("short", [0, 1 << 20])
def test_sizes_learnt_beforehand_are_those_learnt_when_one_is_missing(tmp_path, monkeypatch, short):
    monkeypatch.setattr(missing_size, "SHORT_TRACE_ROWS", short)
    known = [store(slot, 100 + slot) | {"pid": slot % 2} for slot in range(200)]
    path = trace(tmp_path / "t.parquet", [*known, *(store(1000 + slot, None) | {"pid": 1} for slot in range(50))])
    run = zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r", pool="zsmalloc", missing_size="mean"))
    assert run.summary()["stores_imputed"] == 50
    # The mean of the odd slots' sizes, 101 to 299, is 200: 50 of them beside 200 stores of 100 to 299.
    last = run.timeline().collect().row(-1, named=True)
    assert last["compressed_bytes"] == sum(100 + slot for slot in range(200)) + 50 * 200
