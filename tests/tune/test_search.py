"""The search finds what replaying everything finds, and what it takes for granted is so."""

from pathlib import Path

import pytest
from comparing import small_trace

from zreplay.trace.files import open_trace
from zreplay.trace.sample import WHOLE, Sample
from zreplay.tune import search as search_module
from zreplay.tune.found import Found
from zreplay.tune.goal import Goal
from zreplay.tune.replays import TraceReplays
from zreplay.tune.search import exhaustive, search
from zreplay.tune.space import candidates

TRACES = Path(__file__).parents[2] / "traces"
BAR = "device_reads + 0.1*pool_pages_mean"


def found_by(what, path: Path, minimise: str, subject_to=(), **axes) -> Found:
    trace = open_trace(path)
    chosen = candidates(path, trace.metadata, axes)
    goal = Goal.parse(minimise, subject_to, trace, chosen[0].config)
    return what(chosen, goal, TraceReplays(path, [one.config for one in chosen], workers=2))


def both(path: Path, minimise: str, subject_to=(), **axes) -> tuple[Found, Found]:
    return tuple(found_by(what, path, minimise, subject_to, **axes) for what in (search, exhaustive))


def counted(row):
    """What was counted: neither times nor what the configuration was."""
    left_out = ("seconds", "events_per_second", "ns_per_event")
    return {name: value for name, value in row.items() if name not in left_out and not name.startswith("config_")}


@pytest.fixture(scope="module")
def middling(tmp_path_factory) -> Path:
    """40,000 events whose working set some of the limits hold."""
    place = tmp_path_factory.mktemp("middling") / "t.parquet"
    return small_trace(place, events=40_000, seed=11, totalram_pages=700)


@pytest.mark.parametrize("seed", range(4))
def test_on_a_small_space_it_finds_what_the_exhaustive_search_finds(tmp_path, seed):
    path = small_trace(tmp_path / "t.parquet", events=6000, seed=seed)
    axes = {"kernel": ["6.1", "6.12"], "max_pool_percent": [10, 20, 40, 60], "accept_threshold_percent": [90, 70]}
    for minimise in (BAR, "device_reads + device_writes", "pool_pages_peak"):
        one, other = both(path, minimise, **axes)
        assert one.winner.place == other.winner.place
        assert counted(one.winner.row) == counted(other.winner.row)


def test_sampling_finds_the_same_on_a_longer_trace_for_a_part_of_the_events(middling):
    one, other = both(middling, BAR)
    assert one.winner.place == other.winner.place
    assert one.replays[WHOLE] < 40 and one.replays[Sample(1, 16)] > 50
    assert one.events < 0.25 * other.events == 0.25 * one.all_events


def test_conditions_are_met_by_the_same_winner(middling):
    one, other = both(middling, "device_reads", ["pool_pages_peak <= 150"])
    assert one.satisfies and other.satisfies
    assert one.winner.place == other.winner.place
    assert one.winner.row["pool_pages_peak"] <= 150


def test_of_conditions_that_nobody_meets_the_nearest_is_the_same(middling):
    one, other = both(middling, "device_reads", ["pool_pages_peak <= 10"])
    assert not one.satisfies and not other.satisfies
    assert one.goal.judged(one.winner.row) == other.goal.judged(other.winner.row)


def test_what_is_proven_equal_is_equal_to_the_last_bit(middling):
    one, other = both(middling, BAR, max_pool_percent=range(5, 100, 5))
    proven = [finding for finding in one.findings if finding.equal_to is not None]
    assert len(proven) > 40
    for finding in proven:
        assert counted(finding.row) == counted(other.findings[finding.place].row)


def test_equal_values_go_to_the_first_in_the_order_given(middling):
    for thresholds in ([90, 70], [70, 90]):
        axes = {"pool": ["zbud"], "max_pool_percent": [80, 90, 95], "accept_threshold_percent": thresholds}
        one, other = both(middling, BAR, **axes)
        assert one.winner.place == other.winner.place == 0
        assert one.winner.candidate.threshold_percent == thresholds[0]


def test_the_same_answer_every_time(middling):
    first, second = (found_by(search, middling, BAR) for _ in range(2))
    assert [finding.estimate for finding in first.findings] == [finding.estimate for finding in second.findings]
    assert (first.winner.place, first.replays) == (second.winner.place, second.replays)


def test_a_long_trace_has_a_smaller_sample_first(middling, monkeypatch):
    monkeypatch.setattr(search_module, "_SHARES", ((0, (Sample(1, 8), Sample(1, 2))),))
    one, other = both(middling, BAR)
    assert one.winner.place == other.winner.place
    assert one.replays[Sample(1, 2)] < one.replays[Sample(1, 8)]


def test_a_trace_that_is_a_sample_is_sampled_again(tmp_path, middling):
    from zreplay.trace.cut import Selection, cut

    part = tmp_path / "part.parquet"
    cut(middling, part, Selection(sample=Sample(1, 2)))
    axes = {"pool": ["zbud"], "max_pool_percent": [10, 20, 90], "accept_threshold_percent": [90, 70]}
    one, other = both(part, BAR, **axes)
    assert one.winner.place == other.winner.place
    assert list(one.replays) == [WHOLE, Sample(1, 4)] and one.replays[WHOLE] < 6


@pytest.mark.parametrize("name", ["linux-6.1-z3fold-zstd-python"])
def test_on_a_recording(name):
    one, other = both(TRACES / f"{name}.parquet", BAR)
    assert one.winner.place == other.winner.place
    assert one.events < 0.25 * one.all_events


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["linux-6.1-zbud-lz4-node", "linux-6.12-zram-lz4-writeback", "linux-6.1-zbud-lzo-writeback"]
)
def test_on_larger_recordings(name):
    one, other = both(TRACES / f"{name}.parquet", BAR)
    assert one.winner.place == other.winner.place
    assert one.events < 0.25 * one.all_events
