"""Curves: worked out by hand, against a slow reference, and against a replay at each limit."""

from pathlib import Path
from typing import Any

import byhand
import pytest
from byhand import event, invalidate, load, store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay.reference_curve import AtLimit

from zreplay import open_trace
from zreplay.errors import UsageError
from zreplay.replay import curve as curves
from zreplay.replay.curve import CHECKED, Curve, Limits, check, config_of, curve, sample_of, spread
from zreplay.trace.cut import Selection, cut
from zreplay.trace.recipes.pattern import PatternRecipe as Recipe
from zreplay.trace.sample import WHOLE, Sample
from zreplay.trace.synth import synth

TRACES = Path(__file__).parents[2] / "traces"
COUNTS = ("loads_hit", "loads_missed", "stores_rejected", "writebacks")
ALL = Sample(1, 1)


def of(path: Path, limits: Limits, sample: Sample | None = None, **options: Any) -> Curve:
    return curve(config_of(open_trace(path), **options), limits, sample)


def assert_as_replayed(found: Curve, count: int, scratch: Path) -> None:
    """To the last page, at ``count`` of its limits."""
    for one in check(found, count, scratch):
        assert {name: one.row[name] for name in CHECKED} == one.replayed, one.row["limit_pages"]


def test_in_lru_order_a_page_is_there_where_the_younger_ones_leave_it_room(tmp_path):
    # Three pages of 4,096 bytes. A pool of one page makes room for each, a pool of two for the third.
    events = [store(1, 4096), store(2, 4096), store(3, 4096), load(1), load(3), load(2)]
    found = of(byhand.trace(tmp_path / "t", events), Limits(given=(1, 2, 3, 4)), mm="lru")
    assert found.method == "stack distances"
    assert found.peak_pages == 3
    assert [row["loads_hit"] for row in found.rows] == [1, 2, 3, 3]
    assert [row["writebacks"] for row in found.rows] == [2, 1, 0, 0]
    assert [row["hit_share"] for row in found.rows] == [1 / 3, 2 / 3, 1, 1]


def test_distances_are_in_compressed_bytes_of_the_pages_that_are_there(tmp_path):
    # Before the last store 2 and 3 have 3,000 bytes, and 1 has 5,000 with them: two pages, so a limit of 3 keeps it.
    # Had 3 been 4,000 bytes still, it would take 4.
    events = [
        store(1, 2000),
        store(2, 2000),
        store(3, 4000),
        invalidate(3),
        store(3, 1000),
        store(4, 100),
        load(1),
        load(2),
    ]
    found = of(byhand.trace(tmp_path / "t", events), Limits(given=(1, 2, 3, 4)), mm="lru")
    assert [row["loads_hit"] for row in found.rows] == [0, 1, 2, 2]


def test_a_load_of_a_page_that_was_loaded_is_missed_at_any_limit_and_one_of_zeroes_at_none(tmp_path):
    events = [store(1, 100), load(1), load(1), store(2, 0), load(2), load(2), load(3)]
    for mm in ("entry-lru", "lru"):
        found = of(byhand.trace(tmp_path / "t", events), Limits(given=(1, 100)), mm=mm)
        assert [(row["loads_hit"], row["device_reads"]) for row in found.rows] == [(3, 2), (3, 2)]
        assert found.counts["loads_cold"] == 2


def test_the_mm_lru_makes_room_for_every_store_and_refuses_none(tmp_path, replay):
    events = [store(i, 4000) for i in range(20)] + [load(i) for i in range(20)]
    settings_ = {"kernel": "6.12", "mm": "lru", "pool": "ideal", "totalram_pages": 5, "max_pool_percent": 100}
    summary = replay(events, **settings_)
    # ⌈4 · 4,000 / 4,096⌉ = 4 pages leave room for one more.
    assert [summary[name] for name in COUNTS] == [5, 15, 0, 15]


SLOTS = st.integers(0, 9)
SIZES = st.sampled_from([0, 100, 700, 1500, 2048, 3000, 4096])
EVENTS = st.lists(
    st.one_of(
        st.builds(store, SLOTS, SIZES, type=st.integers(0, 1)),
        st.builds(store, SLOTS, SIZES, type=st.integers(0, 1)),
        st.builds(store, SLOTS, st.none(), type=st.integers(0, 1), result=st.just(-22)),  # does not compress
        st.builds(load, SLOTS, type=st.integers(0, 1)),
        st.builds(invalidate, SLOTS, type=st.integers(0, 1)),
        st.builds(lambda type: event("invalidate_area", type=type), st.integers(0, 1)),
    ),
    min_size=1,
    max_size=150,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
@pytest.mark.parametrize("lru", [False, True])
def test_each_limit_is_as_a_slow_reference_has_it(tmp_path, events, lru):
    limits = (1, 2, 3, 4, 5, 6, 8, 12, 30)
    path = byhand.trace(tmp_path / "t", events)
    found = of(path, Limits(given=limits), kernel="6.12", pool="ideal", mm="lru" if lru else "entry-lru")
    for row, limit in zip(found.rows, limits, strict=True):
        wanted = AtLimit(limit, lru=lru).replay(events)
        assert {name: row[name] for name in COUNTS} == {name: getattr(wanted, name) for name in COUNTS}, limit


def test_stack_distances_are_each_limits_own_simulation_where_the_tree_is_made_anew_often(tmp_path):
    path = tmp_path / "t.parquet"
    synth(Recipe(events=60_000, resident=6_000, rewrite_share=0.1), path)
    config = config_of(open_trace(path), mm="lru")
    by_distances = curve(config, Limits(30))
    [events] = curves._read(open_trace(path), config, [WHOLE])
    zero, cold = events.counts()["loads_zero"], events.counts()["loads_cold"]
    kernels = curve(config_of(open_trace(path)), Limits(given=tuple(row["limit_pages"] for row in by_distances.rows)))
    assert [row["lru_hit_share"] for row in kernels.rows] == [row["hit_share"] for row in by_distances.rows]
    for row in by_distances.rows:
        at = events.at(row["limit_pages"])
        assert row["loads_hit"] == at["loads_hit"] + zero
        assert row["loads_missed"] == at["loads_missed"] + cold
        assert row["writebacks"] == at["writebacks"]


@pytest.mark.parametrize("pool", ["zsmalloc", "zbud", "ideal-packing"])
@pytest.mark.parametrize("mm", ["entry-lru", "lru"])
def test_each_limit_is_its_own_replay(tmp_path, pool, mm):
    path = tmp_path / "t.parquet"
    synth(Recipe(events=20_000, resident=3_000, types=2, compact_every=4_000, rewrite_share=0.1), path)
    found = of(path, Limits(8), pool=pool, mm=mm)
    assert found.method == "side by side"
    assert found.rows[0]["writebacks"] > found.rows[-1]["writebacks"]
    assert_as_replayed(found, 8, tmp_path / "runs")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        # Two CPUs: stores that were decided, and asked the allocator, before their rows.
        ("linux-6.12-zsmalloc-lzorle-mixed-2cpu", {}),
        ("linux-6.1-zbud-lzo-mixed-2cpu", {}),
        # The memory manager's visits; a list for each of several cgroups.
        ("linux-6.12-zsmalloc-zstd-database-shrinker", {}),
        ("linux-6.12-zsmalloc-zstd-database-cgroup", {"kernel": "latest"}),
        ("linux-6.1-zram-lzorle-mixed", {"pool": "zsmalloc", "mm": "lru"}),
    ],
)
def test_recordings_at_three_limits_are_their_own_replays(tmp_path, name, options):
    assert_as_replayed(of(TRACES / f"{name}.parquet", Limits(3), **options), 3, tmp_path)


def test_every_tenth_of_64_limits_on_the_g_recording_is_its_own_replay(tmp_path):
    found = of(TRACES / "linux-6.1-zsmalloc-g++.parquet", Limits())
    assert len(found.rows) == 64
    assert_as_replayed(Curve(**{**vars(found), "rows": found.rows[9::10]}), 6, tmp_path)


def visit(slot: int, result: int) -> dict[str, Any]:
    return event("visit", type=0, offset=slot, result=result, asked_by="pressure")


ROTATED, REMOVED, RETRIED = 2, 1, 4


@pytest.mark.parametrize(
    "events",
    [
        # Nobody there yet; a second chance; a page that was resident, before its second chance and after; nobody left.
        [
            visit(1, ROTATED),
            *(store(slot, 4096) for slot in (1, 2, 3)),
            visit(1, ROTATED),
            visit(2, RETRIED),
            visit(3, ROTATED),
            visit(1, RETRIED),
            visit(9, RETRIED),
            load(1),
            load(2),
            invalidate(3),
            visit(3, REMOVED),
            store(4, 4096),
            load(4),
        ],
        [
            store(1, None),
            store(1, 3000),
            store(1, None),
            load(1),
            load(1),
            invalidate(7),
        ],  # no length, for want of others
        [
            store(1, 100, result=-12),
            store(1, 5000, result=-22),
            store(2, 3000),
            event("compact", result=0),
            load(2),
            load(1),
        ],
    ],
    ids=["visits", "lengths", "refused"],
)
@pytest.mark.parametrize("mm", ["entry-lru", "lru"])
def test_what_is_rare_is_as_replayed_at_each_limit(tmp_path, events, mm):
    path = byhand.trace(tmp_path / "t.parquet", events)
    for pool in ("zsmalloc", "zbud", "ideal-packing"):
        found = of(path, Limits(given=(1, 2, 3, 8)), kernel="6.12", mm=mm, pool=pool)
        assert_as_replayed(found, 4, tmp_path / pool)


@pytest.mark.slow
@pytest.mark.parametrize("mm", ["entry-lru", "lru"])
def test_every_recording_at_ten_limits_is_its_own_replay(tmp_path, mm):
    for path in sorted(TRACES.glob("*.parquet")):
        assert_as_replayed(of(path, Limits(10), mm=mm), 10, tmp_path / path.stem)


def test_a_sampled_trace_has_limits_of_the_whole_machine(tmp_path):
    path = tmp_path / "t.parquet"
    synth(Recipe(events=30_000, resident=4_000), path)
    cut(path, tmp_path / "quarter.parquet", Selection(sample=Sample(1, 4)))
    found, whole = of(tmp_path / "quarter.parquet", Limits(6), mm="lru"), of(path, Limits(6), mm="lru")
    assert found.peak_pages == pytest.approx(whole.peak_pages, rel=0.1)
    found = of(tmp_path / "quarter.parquet", Limits(6))
    assert_as_replayed(found, 6, tmp_path / "runs")
    with pytest.raises(UsageError, match="is a sample itself"):
        of(tmp_path / "quarter.parquet", Limits(6), Sample(1, 2))


def test_a_sample_of_a_curve_counts_for_the_whole_trace(tmp_path):
    path = tmp_path / "t.parquet"
    synth(Recipe(events=100_000, resident=10_000), path)
    for mm in ("entry-lru", "lru"):
        whole = of(path, Limits(given=(1000, 2000, 3000)), pool="ideal", mm=mm)
        found = of(path, Limits(given=(1000, 2000, 3000)), Sample(1, 4), pool="ideal", mm=mm)
        assert found.counts == {
            **whole.counts,
            "loads_cold": pytest.approx(whole.counts["loads_cold"], rel=0.2, abs=50),
        }
        for one, other in zip(found.rows, whole.rows, strict=True):
            assert one["hit_share"] == pytest.approx(other["hit_share"], abs=0.05)
            assert 0 < one["hit_share_error"] < 0.05
            assert one["loads_hit"] + one["loads_missed"] == whole.counts["loads"]
        assert of(path, Limits(given=(1000,)), ALL, pool="ideal", mm=mm).rows[0] == whole.rows[0]


def test_a_trace_of_many_rows_is_sampled_unless_told_otherwise(tmp_path, monkeypatch):
    path = byhand.trace(tmp_path / "t", [store(i, 100) for i in range(100)])
    monkeypatch.setattr(curves, "WHOLE_ROWS", 30)
    assert sample_of(open_trace(path), None) == Sample(1, 4)
    assert sample_of(open_trace(path), ALL) == ALL


def test_limits_are_evenly_spaced_or_given():
    assert Limits.parse("4").of(99) == [25, 50, 75, 100]
    assert Limits.parse("64").of(3) == [1, 2, 3, 4]
    assert Limits.parse("50%, 7,100%,7").of(200) == [7, 100, 200]
    assert Limits.parse("500,").of(200) == [500]
    assert Limits.parse("4").of(0) == [1]
    for text in ("", "0", "-1", "1.5", "x%", "0%", "nan%", "1,,x", "100001"):
        with pytest.raises(UsageError, match="--limits: found"):
            Limits.parse(text)


def test_some_rows_stand_for_all():
    rows = [{"limit_pages": i} for i in range(10)]
    assert [row["limit_pages"] for row in spread(rows, 3)] == [2, 5, 9]
    assert spread(rows, 50) == rows
    assert spread([], 3) == []


def test_a_trace_without_stores_has_a_flat_curve(tmp_path):
    found = of(byhand.trace(tmp_path / "t", [load(1), load(2)]), Limits(4))
    assert [(row["hit_share"], row["device_reads"]) for row in found.rows] == [(0, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "6.1"}, "--kernel: found '6.1', expected 6.12 or latest"),
        ({"mm": "belady"}, "--mm: found 'belady', expected entry-lru or lru"),
        ({"pool": "z3fold"}, "--pool: found 'z3fold'"),
        ({"pool": "zmalloc"}, "did you mean zsmalloc"),
        ({"accept_threshold_percent": 101}, "--accept-threshold-percent: found 101"),
    ],
)
def test_what_has_no_curve_is_named(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        of(byhand.trace(tmp_path / "t", [store(1, 100)]), Limits(1), **options)
