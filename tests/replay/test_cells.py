"""Answers without run directories: the same as a run's, and one that fails takes no other with it."""

import pytest
from comparing import runs, small_trace

from zreplay.analysis.results import load
from zreplay.errors import ModelError, TraceError
from zreplay.replay import replaying
from zreplay.replay.axes import cross
from zreplay.replay.cells import answers, summaries
from zreplay.trace.files import Trace

AXES = {"index": ["rbtree", "radix-tag"], "pool": ["zbud", "zsmalloc"]}
TIMES = ("seconds", "events_per_second", "ns_per_event")
NANOSECONDS = ("timed", "total_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns")


def configs(path, tmp_path, **axes):
    return [cell.config for cell in cross([path], axes or AXES, tmp_path / "unused")[0]]


def without(row, names):
    return {name: value for name, value in row.items() if name not in names}


def test_answers_are_those_of_runs_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(replaying, "TIMELINE_ROWS", 2)  # samples are taken on the way, too
    path = small_trace(tmp_path / "t.parquet")
    found = answers(configs(path, tmp_path), workers=2, at_once=3)
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
    for answer, run in zip(found, load(runs([path], tmp_path / "runs", **AXES)), strict=True):
        settings = {f"config_{name}": value for name, value in run.settings.items() if name != "zreplay"}
        assert without(answer.row, TIMES) == without(run.summary | settings, TIMES)
        assert set(TIMES) <= set(answer.row)
        assert answer.means == run.means
        assert {op: without(row, NANOSECONDS) for op, row in answer.operations.items()} == {
            op: without(row, NANOSECONDS) for op, row in run.operations.items()
        }


def test_a_trace_is_decoded_once_for_the_cells_of_a_pass(tmp_path, monkeypatch):
    decoded = []
    batches = Trace.batches
    monkeypatch.setattr(Trace, "batches", lambda self, *a, **o: decoded.append(1) or batches(self, *a, **o))
    path = small_trace(tmp_path / "t.parquet", events=300)
    told = []
    rows = summaries(configs(path, tmp_path), at_once=2, progress=lambda *rows: told.append(rows))
    assert len(rows) == 4 and len(decoded) == 2
    assert told == [(300, 600), (600, 600)]


def test_one_that_fails_is_told_and_the_others_have_their_answers(tmp_path, monkeypatch):
    path = small_trace(tmp_path / "t.parquet", events=300)
    some = configs(path, tmp_path)
    object.__setattr__(some[1], "pool", "none-such")
    found = answers(some)
    assert isinstance(found[1], ModelError) and "rbtree over none-such" in str(found[1])
    assert [a.row["config_pool"] for a in (found[0], *found[2:])] == ["zbud", "zbud", "zsmalloc"]
    with pytest.raises(ModelError):
        summaries(some)


def test_a_trace_that_is_another_by_now_is_refused(tmp_path):
    path = small_trace(tmp_path / "t.parquet", events=300)
    with pytest.raises(TraceError, match="it has changed: found SHA-256 "):
        answers(configs(path, tmp_path), trace_sha256="0" * 64)
