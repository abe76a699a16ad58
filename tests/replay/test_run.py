"""Properties of whole replays: independent of batch size, of the index, of repetition; directories whole or absent."""

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from byhand import event, invalidate, load, store, trace

import zreplay
from zreplay.errors import UsageError
from zreplay.plugins.registry import built_in
from zreplay.replay import replaying
from zreplay.replay.profiles import PROFILES

TIMES = {"seconds", "events_per_second", "ns_per_event"}
INDEX = {"index_nodes_peak", "index_bytes_peak", "nodes_visited_per_lookup", "is_bound"}


@pytest.fixture(scope="module")
def mixed_trace(tmp_path_factory) -> Path:
    """20,000 events over 400 slots of three types, tight enough for a limit of 40 pages to bite."""
    random_ = random.Random(5)
    events: list[dict[str, Any]] = []
    for _ in range(20_000):
        slot, kind = random_.randrange(1, 400), random_.randrange(3)
        choice = random_.random()
        if choice < 0.45:
            size = random_.choice([0, random_.randrange(1, 4097), random_.randrange(1, 4097), None])
            events.append(store(slot, size, type=kind) | {"pid": random_.randrange(3), "cpu": random_.randrange(2)})
        elif choice < 0.7:
            events.append(load(slot, type=kind))
        elif choice < 0.995:
            events.append(invalidate(slot, type=kind))
        else:
            events.append(event(random_.choice(["compact", "migrate"])))
    return trace(tmp_path_factory.mktemp("trace") / "mixed.parquet", events, totalram_pages=200)


def answers(run: zreplay.Run, without: set[str]) -> dict[str, Any]:
    return {name: value for name, value in run.summary().items() if name not in without | {"config"}}


#: Every profile over each pool its kernel had.
profiles = pytest.mark.parametrize(
    ("model", "kernel", "pool"),
    [(*names, pool) for names, profile in PROFILES.items() for pool in profile.pools],
)


@profiles
def test_every_metric_but_the_index_columns_is_the_same_whatever_the_index(mixed_trace, tmp_path, model, kernel, pool):
    options = {"model": model, "kernel": kernel, "pool": pool, "check_every": 500}
    runs = [
        zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / i, index=i, **options)) for i in built_in("index")
    ]
    first = answers(runs[0], TIMES | INDEX)
    assert first["stores_rejected"] > 0 or model == "zram"
    assert all(answers(run, TIMES | INDEX) == first for run in runs)
    columns = [c for c in runs[0].timeline().collect_schema().names() if not c.startswith("index_")]
    frames = [run.timeline().select(columns).collect() for run in runs]
    assert all(frame.equals(frames[0]) for frame in frames)
    classes = [run.classes().collect() for run in runs]
    assert all(frame.equals(classes[0]) for frame in classes)


@profiles
def test_counters_do_not_depend_on_the_batch_size(mixed_trace, tmp_path, monkeypatch, model, kernel, pool):
    def once(rows: int) -> zreplay.Run:
        monkeypatch.setattr(replaying, "BATCH_ROWS", rows)
        options = {"model": model, "kernel": kernel, "pool": pool}
        return zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / f"{rows}", **options))

    large, small = once(65_536), once(7)
    assert answers(large, TIMES) == answers(small, TIMES)
    assert large.timeline().collect().equals(small.timeline().collect())
    counted = [c for c in large.operations().collect_schema().names() if not c.endswith("_ns") and c != "timed"]
    assert large.operations().select(counted).collect().equals(small.operations().select(counted).collect())


def test_the_timeline_ends_with_the_state_the_summary_tells(mixed_trace, tmp_path):
    run = zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "r", sample_events=777))
    timeline, summary = run.timeline().collect(), run.summary()
    assert timeline["events"].to_list() == [*range(777, 20_000, 777), 20_000]
    last = timeline.row(-1, named=True)
    for name in ("events", "stores", "stored_pages", "pool_limit_hit", "loads_hit"):
        assert last[name] == summary[name], name
    assert last["pool_pages"] == summary["pool_pages_final"]
    whole = timeline.with_columns(
        rest=pl.col("pool_bytes") - pl.col("internal_fragmentation_bytes") - pl.col("external_fragmentation_bytes")
    )
    # What is left is what was asked of zbud: compressed bytes and an 8-byte header per object.
    assert (whole["rest"] == whole["compressed_bytes"] + 8 * whole["pool_objects"]).all()


def test_samples_by_trace_time_stand_on_the_interval(tmp_path):
    path = trace(tmp_path / "t.parquet", [store(i, 100) | {"ts_ns": i * 1_000_000} for i in range(1, 11)])
    run = zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r", sample_ms=3))
    # From 1 ms on every 3 ms: before the events at 4, 7 and 10 ms; and the end.
    assert run.timeline().collect()["events"].to_list() == [3, 6, 9, 10]


def test_every_file_opens_lazily_and_carries_its_schema_version(mixed_trace, tmp_path):
    import pyarrow.parquet as pq

    run = zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "r"))
    for name in json.loads((run.directory / "manifest.json").read_text())["files"]:
        assert pl.scan_parquet(run.directory / name).collect().height > 0
        assert pq.read_schema(run.directory / name).metadata[b"zreplay.schema_version"] == b"1.1"


def test_the_summary_at_hand_is_the_one_that_is_read_back(mixed_trace, tmp_path):
    run = zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "r"))
    assert run.summary() == zreplay.open_run(tmp_path / "r").summary()
    assert run.manifest == zreplay.open_run(tmp_path / "r").manifest


def test_operations_have_durations_only_where_they_were_measured(mixed_trace, tmp_path):
    default, timed = (
        zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / str(timing), timing=timing))
        for timing in (False, True)
    )
    assert answers(default, TIMES) == answers(timed, TIMES)
    assert [run.summary()["config"]["timing"] for run in (default, timed)] == [False, True]
    durations = [name for name in timed.operations().collect_schema().names() if name.endswith("_ns")]
    assert durations == ["total_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns"]
    none = default.operations().collect()
    assert none["timed"].sum() == 0 and all(none[name].null_count() == none.height for name in durations)
    rows = timed.operations().collect()
    assert rows.schema == none.schema
    assert (rows.filter(pl.col("timed") == 0)["p50_ns"].is_null()).all()
    assert rows.filter(op="store").select((pl.col("timed") > 0) & (pl.col("total_ns") > 0)).item()
    assert rows.drop("timed", *durations).equals(none.drop("timed", *durations))


def test_a_trace_without_events_gives_an_empty_run(tmp_path):
    run = zreplay.run(zreplay.Config(trace=trace(tmp_path / "t.parquet", []), out=tmp_path / "r"))
    assert run.summary()["events"] == 0


def test_an_existing_run_is_refused_without_force_and_replaced_with_it(mixed_trace, tmp_path):
    config = zreplay.Config(trace=mixed_trace, out=tmp_path / "r")
    zreplay.run(config)
    with pytest.raises(UsageError, match="already exists; --force"):
        zreplay.run(config)
    zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "r", index="radix-tag", force=True))
    assert zreplay.open_run(tmp_path / "r").manifest["config"]["index"] == "radix-tag"
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_force_never_replaces_what_is_not_a_run_directory(mixed_trace, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="not a run directory"):
        zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "home", force=True))
    assert (tmp_path / "home" / "thesis.tex").read_text() == "precious"


def test_a_failure_half_way_leaves_nothing(mixed_trace, tmp_path):
    def stop(rows: int, all_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "r"), stop)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_error(mixed_trace, tmp_path, monkeypatch):
    from zreplay.replay import directory

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(directory, "sync", full)
    with pytest.raises(UsageError, match="No space left on device; -o names another place"):
        zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "r"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "zsmaloc"}, "--pool: found 'zsmaloc', .* did you mean zsmalloc"),
        ({"index": "btree"}, "--index: found 'btree'.* did you mean rbtree"),
        ({"kernel": "2.4"}, "--kernel: found '2.4'"),
        ({"max_pool_percent": 0}, "--max-pool-percent: found 0, expected 1 to 100"),
        ({"max_pool_percent": 101}, "--max-pool-percent: found 101, expected 1 to 100"),
        ({"accept_threshold_percent": 101}, "--accept-threshold-percent: found 101, expected 0 to 100"),
        ({"sample_events": 0}, "--sample-events: found 0, expected at least 1"),
        ({"sample_ms": 0.0}, "--sample-ms: found 0.0"),
        ({"sample_ms": float("inf")}, "--sample-ms: found inf, expected 0.001 to"),
        ({"seed": 2**63}, "--seed: found 9223372036854775808, expected 0 to 9223372036854775807"),
        ({"cma_every": 2**63}, "--cma-every: found 9223372036854775808"),
        ({"totalram_pages": 2**62}, "--totalram-pages: found 4611686018427387904, expected 1 to 281474976710656"),
        ({"index": "a\nb"}, r"--index: found 'a\\nb'"),
    ],
)
def test_options_that_cannot_be_name_the_option_the_value_and_what_can_be(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        zreplay.Config(trace=tmp_path / "t", out=tmp_path / "r", **options)


def test_samples_written_while_the_replay_goes_on_are_all_there_in_their_order(mixed_trace, tmp_path, monkeypatch):
    monkeypatch.setattr(replaying, "BATCH_ROWS", 100)
    monkeypatch.setattr(replaying, "TIMELINE_ROWS", 10)
    run = zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "r", sample_events=7))
    assert run.timeline().collect()["events"].to_list() == [*range(7, 20_000, 7), 20_000]
    monkeypatch.undo()
    at_once = zreplay.run(zreplay.Config(trace=mixed_trace, out=tmp_path / "whole", sample_events=7))
    assert run.timeline().collect().equals(at_once.timeline().collect())
    assert run.classes().collect().equals(at_once.classes().collect())
