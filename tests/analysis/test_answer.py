"""The answer before the table, from numbers that no run gave, and the table that fits a terminal."""

import pytest
from comparing import result

from zreplay.analysis.answer import answer, lines
from zreplay.analysis.comparison import compare
from zreplay.analysis.metrics import METRICS, Assumptions
from zreplay.analysis.table import SHORT, differing_metrics, short_text, text


def numbers(memory: float, reads: int = 0, writes: int = 0, **more: float) -> dict[str, float]:
    return {"mib_per_gib_swapped": memory, "device_reads": reads, "device_writes": writes, **more}


def compared(tmp_path, of_pools, *, times=None, **more):
    """One run a pool, of one trace; the first is the baseline."""
    results = [result(tmp_path, pool=pool, summary=summary) for pool, summary in of_pools.items()]
    return compare(results, METRICS, Assumptions(), times=times, **more)


def words(comparison) -> dict[str, str]:
    return {verdict.about: verdict.words for verdict in answer(comparison)}


def test_the_least_wins_by_so_much_against_the_next_and_the_baseline(tmp_path):
    found = compared(tmp_path, {"zbud": numbers(800), "z3fold": numbers(440), "zsmalloc": numbers(400)})
    assert words(found)["memory"] == (
        "rbtree/zsmalloc: 400 MiB per GiB swapped; -9.1% against rbtree/z3fold, the next, "
        "-50.0% against rbtree/zbud, the baseline (exact)"
    )
    assert answer(found)[0].values == {"rbtree/zbud": 800, "rbtree/z3fold": 440, "rbtree/zsmalloc": 400}


def test_device_traffic_is_reads_and_writes_and_equal_ones_share_the_win(tmp_path):
    found = compared(tmp_path, {"a": numbers(1, 60, 40), "b": numbers(1, 30, 70), "c": numbers(1, 0, 200)})
    assert words(found)["device"] == (
        "rbtree/a, rbtree/b: 100 pages read and written; -50.0% against rbtree/c, the next (exact)"
    )


def test_what_does_not_differ_is_no_win_nor_is_the_last_digit_of_a_mean(tmp_path):
    found = compared(tmp_path, {"a": numbers(0.1 + 0.2, 5), "b": numbers(0.3, 5)})
    assert words(found)["memory"] == "no difference: both 0.3 MiB per GiB swapped (exact)"
    assert words(found)["device"] == "no difference: both 5 pages read and written (exact)"
    assert [metric.name for metric in differing_metrics(found)] == []
    assert not any(cell.best or cell.different for row in found.rows for cell in row.cells.values())


def test_a_bound_wins_nothing(tmp_path):
    found = compared(tmp_path, {"ideal": numbers(1, is_bound=True), "zbud": numbers(3), "zsmalloc": numbers(2)})
    assert answer(found)[0].best == ("rbtree/zsmalloc",)


def test_of_one_configuration_its_values_are_said(tmp_path):
    found = compared(tmp_path, {"zbud": numbers(800, 3, 4)})
    assert words(found)["device"] == "7 pages read and written (exact)"


def test_what_no_run_says_is_not_known(tmp_path):
    assert words(compared(tmp_path, {"a": {}, "b": {}}))["memory"] == "not known: no run says it"


def test_over_traces_device_traffic_is_added_up_and_memory_a_geometric_mean(tmp_path):
    results = [
        result(tmp_path, trace=trace, sha=sha * 64, pool=pool, summary=numbers(memory, pages))
        for trace, sha, of_pools in (
            ("t", "1", {"zbud": (200, 0), "zsmalloc": (100, 50)}),
            ("u", "2", {"zbud": (800, 100), "zsmalloc": (400, 10)}),
        )
        for pool, (memory, pages) in of_pools.items()
    ]
    found = words(compare(results, METRICS, Assumptions()))
    assert found["memory"].startswith("rbtree/zsmalloc: 200 MiB per GiB swapped, geometric mean over 2 traces; -50.0%")
    assert found["device"].startswith("rbtree/zsmalloc: 60 pages read and written, sum over 2 traces; -40.0%")


def test_samples_whose_errors_overlap_are_not_told_apart(tmp_path):
    def sample(pages: int, error: float) -> dict[str, float]:
        return numbers(1, pages) | {
            "whole_device_reads": pages,
            "whole_device_reads_error": error,
            "whole_device_writes_error": 0.0,
        }

    def of_samples(error: float) -> str:
        results = [
            result(tmp_path, pool=pool, sample="1/4", summary={**sample(pages, error), "sample_slots": 9})
            for pool, pages in (("a", 100), ("b", 130))
        ]
        return words(compare(results, METRICS, Assumptions()))["device"]

    assert of_samples(20).startswith("no difference that a sample can tell: both 100 pages")
    assert of_samples(10).startswith("rbtree/a: 100 pages read and written ± 10; -23.1% against rbtree/b")


def test_times_are_compared_in_rounds_each_with_each_other(tmp_path):
    pools = {"a": numbers(1), "b": numbers(1), "c": numbers(1)}
    rounds = [100.0 + number for number in range(10)]
    # b takes a fifth more than a in each round, c is now faster than a and now slower: p of 2^-9 and 0.23.
    slower = [1.2 * time for time in rounds]
    as_fast = [time * (0.99 if number % 2 else 1.02) for number, time in enumerate(rounds)]
    times = [{"ns_per_event": each} for each in (rounds, slower, as_fast)]
    found = words(compared(tmp_path, pools, times=times, seed=0))["time"]
    assert found.startswith("rbtree/a, rbtree/c (not told apart): 104 ns per event; ")
    # three pairs: 2 in 2^10 ways, times three after Holm's correction
    assert "-16.7% [-16.7%, -16.7%] against rbtree/b, the next" in found and "p ≤ 0.0059)" in found


def test_too_few_rounds_show_nothing_and_say_how_many_would(tmp_path):
    times = [{"ns_per_event": [100.0, 101.0]}, {"ns_per_event": [200.0, 202.0]}]
    found = words(compared(tmp_path, {"a": numbers(1), "b": numbers(1)}, times=times, seed=0))["time"]
    assert found.startswith("no difference shown: both about 100 ns per event")
    assert "1 comparisons need 6 and more" in found


def test_single_times_are_not_compared(tmp_path):
    found = compared(tmp_path, {"a": numbers(1, ns_per_event=1), "b": numbers(1, ns_per_event=9)})
    assert words(found)["time"].startswith("not compared: measured once each")
    assert "ns_per_event" not in [metric.name for metric in differing_metrics(found)]


def many(tmp_path, runs: int, least: int = 10**9):
    summaries = {
        f"a-pool-with-a-long-name-{number}": {
            metric.name: least + number * 7919 for metric in METRICS if metric.group != "time"
        }
        for number in range(runs)
    }
    return compared(tmp_path, summaries)


@pytest.mark.parametrize("runs", [1, 2, 30])
@pytest.mark.parametrize("width", range(60, 201, 7))
def test_nothing_is_wider_than_the_terminal(tmp_path, runs, width):
    found = many(tmp_path, runs)
    for shown in (short_text(found, width), text(found, width), lines(found, width)):
        assert max(map(len, shown.splitlines())) <= width
        assert "\x1b" not in shown


def test_the_short_table_is_one_of_at_most_eight_columns(tmp_path):
    found = many(tmp_path, 3, 1)
    shown = short_text(found, 200).split("\n\n")
    assert len(shown) == 4  # the answer, the table, the legend, what is left
    assert f"{len(differing_metrics(found))} metrics differ, {SHORT} of them are shown." in shown[3]
    assert "5 of them are shown" in short_text(found, 80)
