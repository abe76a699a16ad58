"""Replays for a search: the same summaries that runs have, from memory or decoded anew."""

from dataclasses import replace

import pytest
from comparing import small_trace

from zreplay.errors import TraceError
from zreplay.replay.config import Config
from zreplay.replay.run import run
from zreplay.trace.cut import Selection, cut
from zreplay.trace.files import open_trace
from zreplay.trace.sample import Sample
from zreplay.tune import replays as replays_module
from zreplay.tune.replays import TraceReplays

TIMES = ("seconds", "events_per_second", "ns_per_event")


def counted(summary):
    return {name: value for name, value in summary.items() if name not in TIMES and not name.startswith("config")}


@pytest.fixture
def path(tmp_path):
    return small_trace(tmp_path / "t.parquet")


def configs(path, **more):
    metadata = open_trace(path).metadata
    return [
        Config(trace=path, out=path, pool=pool, kernel=kernel, **more).resolved(metadata)
        for pool, kernel in (("zbud", "6.1"), ("zsmalloc", "6.1"), ("zsmalloc", "6.12"))
    ]


@pytest.mark.parametrize("kept_rows", [0, 1 << 21])
def test_summaries_are_those_of_runs(path, tmp_path, monkeypatch, kept_rows):
    monkeypatch.setattr(replays_module, "_KEPT_ROWS", kept_rows)
    some = configs(path)
    rows = TraceReplays(path, some, workers=2).rows(some)
    for config, row in zip(some, rows, strict=True):
        assert counted(row) == counted(run(replace(config, out=tmp_path / "run", force=True)).summary())


@pytest.mark.parametrize("kept_rows", [0, 1 << 21])
def test_summaries_of_a_sample_are_those_of_runs_on_what_cut_writes(path, tmp_path, monkeypatch, kept_rows):
    monkeypatch.setattr(replays_module, "_KEPT_ROWS", kept_rows)
    part = tmp_path / "part.parquet"
    cut(path, part, Selection(sample=Sample(1, 4)))
    some = configs(path)
    rows = TraceReplays(path, some).rows(some, Sample(1, 4))
    for config, row in zip(configs(part), rows, strict=True):
        assert counted(row) == counted(run(replace(config, out=tmp_path / "run", force=True)).summary())


def test_the_future_is_known_to_those_who_evict_by_it(path, tmp_path):
    some = configs(path)[2:]
    some = [Config(trace=path, out=path, design="belady").resolved(open_trace(path).metadata), *some]
    row = TraceReplays(path, some).rows(some)[0]
    assert counted(row) == counted(run(replace(some[0], out=tmp_path / "run")).summary())


def test_progress_is_events_of_all_replays(path):
    told = []
    some = configs(path)
    TraceReplays(path, some, progress=told.append).rows(some)
    assert sum(told) == 3 * 6000


def test_a_trace_that_is_damaged_is_said_to_be(tmp_path):
    path = small_trace(tmp_path / "t.parquet")
    some = configs(path)
    replays = TraceReplays(path, some)
    data = bytearray(path.read_bytes())
    data[200:3000] = bytes(2800)
    path.write_bytes(data)
    with pytest.raises(TraceError, match="damaged"):
        replays.rows(some)
