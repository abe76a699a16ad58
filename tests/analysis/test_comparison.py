"""Who is compared with whom, what counts as different, and what the reader is told."""

import math
import random

import pytest
from comparing import result, runs, small_trace

from zreplay.analysis.comparison import compare, configuration_names, distinguishing
from zreplay.analysis.metrics import METRICS, Assumptions, choose, metric_named
from zreplay.analysis.results import load
from zreplay.errors import UsageError

PEAK = next(metric for metric in METRICS if metric.name == "pool_pages_peak")
HITS = next(metric for metric in METRICS if metric.name == "loads_hit")
NS = next(metric for metric in METRICS if metric.name == "ns_per_event")
SWAP_IN = next(metric for metric in METRICS if metric.name == "swap_in_us")


def peaks(tmp_path, **by_pool):
    return [result(tmp_path, pool=pool, summary={"pool_pages_peak": pages}) for pool, pages in by_pool.items()]


def test_counts_are_compared_exactly_and_the_best_is_marked(tmp_path):
    comparison = compare(peaks(tmp_path, zbud=1000, z3fold=1001, zsmalloc=1000), [PEAK], Assumptions())
    cells = [row.cells["pool_pages_peak"] for row in comparison.rows]
    assert [cell.different for cell in cells] == [False, True, False]
    assert [cell.best for cell in cells] == [True, False, True]
    assert cells[1].ratio == 1.001


def test_where_all_are_equal_none_is_best(tmp_path):
    comparison = compare(peaks(tmp_path, zbud=5, zsmalloc=5), [PEAK], Assumptions())
    assert not any(row.cells["pool_pages_peak"].best for row in comparison.rows)


def test_more_is_better_for_hits(tmp_path):
    results = [result(tmp_path, pool=pool, summary={"loads_hit": hits}) for pool, hits in (("a", 1), ("b", 2))]
    assert compare(results, [HITS], Assumptions()).rows[1].cells["loads_hit"].best


@pytest.mark.parametrize("by", ["name", "directory"])
def test_the_baseline_is_the_first_or_the_one_named(tmp_path, by):
    results = peaks(tmp_path, zbud=100, zsmalloc=50)
    assert compare(results, [PEAK], Assumptions()).rows[1].cells["pool_pages_peak"].ratio == 0.5
    named = "rbtree/zsmalloc" if by == "name" else f"{results[1].run.directory}/"
    comparison = compare(results, [PEAK], Assumptions(), baseline=named)
    assert comparison.rows[0].cells["pool_pages_peak"].ratio == 2.0
    assert comparison.rows[1].is_baseline


def test_a_baseline_that_is_no_run_is_an_error_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match=r"--baseline: found 'rbtree/zbut', .*did you mean rbtree/zbud"):
        compare(peaks(tmp_path, zbud=1, zsmalloc=2), [PEAK], Assumptions(), baseline="rbtree/zbut")


def test_configurations_are_named_by_what_differs_within_a_trace(tmp_path):
    results = [
        result(tmp_path, max_pool_percent=20, kernel="6.1"),
        result(tmp_path, max_pool_percent=40, kernel="6.1"),
    ]
    names = [row.name for row in compare(results, [], Assumptions()).rows]
    assert names == ["rbtree/zbud/max_pool_percent=20", "rbtree/zbud/max_pool_percent=40"]


def test_what_differs_between_traces_only_is_no_other_configuration(tmp_path):
    results = [
        result(tmp_path, trace="one", sha="1" * 64, max_pool_percent=20),
        result(tmp_path, trace="two", sha="2" * 64, max_pool_percent=35),
    ]
    assert {row.name for row in compare(results, [], Assumptions()).rows} == {"rbtree/zbud"}


def test_one_configuration_twice_is_told_apart_by_its_directories(tmp_path):
    path = small_trace(tmp_path / "t.parquet", events=200)
    twice = [run for out in ("a", "b") for run in runs([path], tmp_path / out, index=["rbtree"])]
    comparison = compare(load(twice), [], Assumptions())
    assert [row.name for row in comparison.rows] == [f"rbtree/zbud ({run.directory})" for run in twice]
    assert [row.is_baseline for row in comparison.rows] == [True, False]


def test_runs_of_different_versions_are_compared_and_it_is_said(tmp_path):
    results = [result(tmp_path, zreplay="0.1.0"), result(tmp_path, zreplay="0.2.0")]
    comparison = compare(results, [], Assumptions())
    assert [row.name for row in comparison.rows] == ["rbtree/zbud/zreplay=0.1.0", "rbtree/zbud/zreplay=0.2.0"]
    assert any("different versions of zreplay: 0.1.0, 0.2.0" in note for note in comparison.notes)


def test_over_two_traces_each_is_compared_with_its_own_baseline_and_the_ratios_have_a_geometric_mean(tmp_path):
    numbers = {"one": (100, 50), "two": (10, 20)}
    results = [
        result(tmp_path, trace=trace, sha=trace, pool=pool, summary={"pool_pages_peak": pages})
        for trace, pair in numbers.items()
        for pool, pages in zip(("zbud", "zsmalloc"), pair, strict=True)
    ]
    comparison = compare(results, [PEAK], Assumptions())
    assert [row.cells["pool_pages_peak"].ratio for row in comparison.rows] == [None, 0.5, None, 2.0]
    assert [(row.name, row.cells["pool_pages_peak"].ratio) for row in comparison.means] == [
        ("rbtree/zsmalloc", pytest.approx(1.0))
    ]
    assert any("2 different traces" in note for note in comparison.notes)


def test_a_trace_without_the_baseline_has_no_differences_and_it_is_said(tmp_path):
    results = [
        result(tmp_path, trace="one", sha="1", summary={"pool_pages_peak": 5}),
        result(tmp_path, trace="two", sha="2", pool="zsmalloc", summary={"pool_pages_peak": 7}),
    ]
    comparison = compare(results, [PEAK], Assumptions())
    assert comparison.rows[1].cells["pool_pages_peak"].ratio is None
    assert any("No differences for two: no run of the baseline rbtree/zbud" in note for note in comparison.notes)
    assert comparison.means == []


def test_a_metric_that_only_some_runs_have_is_absent_in_the_others(tmp_path):
    results = [
        result(tmp_path, pool="a", summary={"reject_new_kind": 5}),
        result(tmp_path, pool="b", summary={}),
    ]
    comparison = compare(results, choose(results, ["reject_new_kind"], Assumptions()), Assumptions())
    cell = comparison.rows[1].cells["reject_new_kind"]
    assert (cell.value, cell.ratio, cell.different) == (None, None, None)


def test_a_metric_that_no_run_has_is_an_error_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match=r"--columns: found 'pool_pages_peek'.*did you mean pool_pages_peak"):
        metric_named("pool_pages_peek", peaks(tmp_path, zbud=1), "--columns")


def test_from_0_to_something_is_a_difference_without_a_ratio(tmp_path):
    comparison = compare(peaks(tmp_path, zbud=0, z3fold=3, zsmalloc=0), [PEAK], Assumptions())
    cells = [row.cells["pool_pages_peak"] for row in comparison.rows]
    assert [(cell.ratio, cell.different) for cell in cells] == [(None, False), (None, True), (None, False)]


def test_a_single_time_is_shown_and_never_judged(tmp_path):
    results = [result(tmp_path, pool=pool, summary={"ns_per_event": ns}) for pool, ns in (("a", 10.0), ("b", 99.0))]
    cell = compare(results, [NS], Assumptions()).rows[1].cells["ns_per_event"]
    assert (cell.value, cell.different, cell.best) == (99.0, None, False)


def test_times_in_rounds_are_medians_and_a_difference_needs_the_paired_interval_to_leave_out_1(tmp_path):
    draw = random.Random(1)
    drift = [math.exp(draw.gauss(0, 0.2)) for _ in range(12)]
    times = [
        {"ns_per_event": [factor * d * math.exp(draw.gauss(0, noise)) for d in drift]}
        for factor, noise in ((50, 0.001), (55, 0.001), (51, 0.2))
    ]
    results = [result(tmp_path, pool=pool, summary={"ns_per_event": 1.0}) for pool in "abc"]
    comparison = compare(results, [NS], Assumptions(), times=times, seed=0)
    base, slower, unclear = (row.cells["ns_per_event"] for row in comparison.rows)
    assert base.estimate and base.value == base.estimate.median
    assert slower.different is True and slower.ratio == pytest.approx(1.1, abs=0.002)
    assert unclear.different is None and unclear.p is not None and unclear.p > 0.05


def test_too_few_rounds_say_how_many_are_needed(tmp_path):
    results = [result(tmp_path, pool=pool, summary={}) for pool in "ab"]
    times = [{"ns_per_event": [10.0, 11.0, 10.0]}, {"ns_per_event": [20.0, 21.0, 20.5]}]
    comparison = compare(results, [NS], Assumptions(), times=times, seed=0)
    assert comparison.rows[1].cells["ns_per_event"].different is None
    assert "1 comparisons need at least 6 rounds" in comparison.notes[-1]


def test_times_over_several_traces_are_judged_by_the_rounds_mean_ratio(tmp_path):
    results = [result(tmp_path, trace=trace, sha=trace, pool=pool) for trace in ("one", "two") for pool in ("a", "b")]
    flat = {"ns_per_event": [10.0 + i / 100 for i in range(10)]}
    times = [flat, {"ns_per_event": [t * 1.2 for t in flat["ns_per_event"]]}] * 2
    comparison = compare(results, [NS], Assumptions(), times=times, seed=0)
    mean = comparison.means[0].cells["ns_per_event"]
    assert mean.ratio == pytest.approx(1.2) and mean.different is True


def test_the_swap_in_estimate_is_hits_and_misses_at_their_prices(tmp_path):
    results = [result(tmp_path, summary={"loads_hit": 3, "loads_missed": 1})]
    comparison = compare(results, [SWAP_IN], Assumptions(decompress_us=2, device_read_us=10))
    assert comparison.rows[0].cells["swap_in_us"].value == (3 * 2 + 10) / 4
    assert "2 µs to decompress" in comparison.notes[0] and "10 µs to read the device" in comparison.notes[0]
    assert SWAP_IN.value(result(tmp_path, summary={"loads_hit": 0, "loads_missed": 0}), Assumptions()) is None


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_prices_that_cannot_be_name_the_option(value):
    with pytest.raises(UsageError, match="--device-read-us: found"):
        Assumptions(device_read_us=value)


def test_no_runs_are_an_error():
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([], [PEAK], Assumptions())


@pytest.mark.parametrize(("sort", "order"), [("pool_pages_peak", [1, 2, 3]), ("-pool_pages_peak", [3, 2, 1])])
def test_sorting_puts_the_best_first_or_the_worst(tmp_path, sort, order):
    comparison = compare(peaks(tmp_path, a=2, b=3, c=1), [PEAK], Assumptions(), sort=sort)
    assert [row.cells["pool_pages_peak"].value for row in comparison.rows] == order


def test_every_usual_metric_of_a_real_run_has_a_value(tmp_path):
    results = load(runs([small_trace(tmp_path / "t.parquet")], tmp_path / "runs", pool=["zbud", "zsmalloc"]))
    chosen = choose(results, None, Assumptions())
    names = {metric.name for metric in chosen}
    assert {"density", "mib_per_gib_swapped", "lines_per_operation", "ns_per_event"} <= names
    assert "store_ns" not in names  # nothing was timed
    for metric in chosen:
        assert all(metric.value(run, Assumptions()) is not None for run in results), metric.name


def test_designs_name_their_rows_and_what_differs_within_one_is_said(tmp_path):
    results = [
        result(tmp_path, design="zswap-3.12", index="rbtree", movable=False, mm_load="none"),
        result(tmp_path, design="two-index", index="radix-lowbit", movable=True, mm_load="none"),
        result(tmp_path, design="two-index", index="radix-lowbit", movable=True, mm_load="activate"),
    ]
    names = configuration_names(results, distinguishing(results))
    assert names == ["zswap-3.12/none", "two-index/none", "two-index/activate"]
    assert configuration_names(results[:2], distinguishing(results[:2])) == ["zswap-3.12", "two-index"]


def test_a_run_without_a_design_makes_index_and_pool_the_names_again(tmp_path):
    results = [
        result(tmp_path, design="two-index", index="radix-lowbit"),
        result(tmp_path, design=None, index="rbtree"),
    ]
    assert configuration_names(results, distinguishing(results)) == [
        "radix-lowbit/zbud/two-index",
        "rbtree/zbud/design=none",
    ]


def test_what_an_older_version_did_not_write_tells_no_runs_apart(tmp_path):
    results = [result(tmp_path, index="rbtree"), result(tmp_path, index="radix-tag", mm="pool-lru", cma_every=0)]
    assert configuration_names(results, distinguishing(results)) == ["rbtree/zbud", "radix-tag/zbud"]


def test_a_bound_is_marked_and_never_the_best(tmp_path):
    results = [
        result(tmp_path, index="rbtree", summary={"pool_pages_peak": 20, "is_bound": False}),
        result(tmp_path, index="radix-tag", summary={"pool_pages_peak": 15, "is_bound": False}),
        result(tmp_path, index="array", summary={"pool_pages_peak": 5, "is_bound": True}),
    ]
    comparison = compare(results, [PEAK], Assumptions())
    assert [row.name for row in comparison.rows] == ["rbtree/zbud", "radix-tag/zbud", "array/zbud (bound)"]
    assert [row.cells["pool_pages_peak"].best for row in comparison.rows] == [False, True, False]
    assert any("(bound)" in note for note in comparison.notes)
