"""Cross products of runs: each trace decoded once, what is there reused, what is stale replaced."""

import json

import pytest
from comparing import runs, small_trace

from zreplay.errors import UsageError
from zreplay.replay import axes as axes_module
from zreplay.replay import replaying
from zreplay.replay.axes import cross, run_missing, values_of
from zreplay.replay.config import Config
from zreplay.replay.run import run, run_together
from zreplay.replay.times import measure
from zreplay.trace.files import Trace

AXES = {"index": ["rbtree", "radix-tag"], "pool": ["zbud", "zsmalloc"]}
TIMES = {"seconds", "events_per_second", "ns_per_event"}


@pytest.fixture
def decodes(monkeypatch):
    """Counts the times any trace's rows were read."""
    counted = []
    batches = Trace.batches

    def counting(self, *args, **options):
        counted.append(self.path)
        return batches(self, *args, **options)

    monkeypatch.setattr(Trace, "batches", counting)
    return counted


def test_all_cells_of_a_trace_share_one_decode(tmp_path, decodes):
    found = runs([small_trace(tmp_path / "t.parquet")], tmp_path / "runs", **AXES)
    assert len(found) == 4 and len(decodes) == 1
    assert {(r.manifest["config"]["index"], r.manifest["config"]["pool"]) for r in found} == {
        (index, pool) for index in AXES["index"] for pool in AXES["pool"]
    }


def test_replays_fed_together_give_what_each_gives_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(replaying, "BATCH_ROWS", 501)
    path = small_trace(tmp_path / "t.parquet")

    def config(place, index, pool):
        return Config(trace=path, out=tmp_path / place / f"{index}-{pool}", index=index, pool=pool)

    cells = [(index, pool) for index in AXES["index"] for pool in AXES["pool"]]
    together = run_together([config("together", *cell) for cell in cells], workers=3)
    for cell, one in zip(cells, together, strict=True):
        alone = run(config("alone", *cell))
        assert one.timeline().collect().equals(alone.timeline().collect())
        assert one.classes().collect().equals(alone.classes().collect())
        summaries = [{k: v for k, v in r.summary().items() if k not in TIMES} for r in (one, alone)]
        assert summaries[0] == summaries[1]


def test_cells_that_are_there_are_reused(tmp_path, decodes):
    path = small_trace(tmp_path / "t.parquet")
    first = runs([path], tmp_path / "runs", index=["rbtree"])
    stamp = (first[0].directory / "manifest.json").stat().st_mtime_ns
    again = runs([path], tmp_path / "runs", index=["rbtree", "radix-tag"])
    assert (again[0].directory / "manifest.json").stat().st_mtime_ns == stamp
    assert len(decodes) == 2
    runs([path], tmp_path / "runs", index=["radix-tag", "rbtree"])
    assert len(decodes) == 2


@pytest.mark.parametrize("change", ["version", "configuration", "a file", "a bit of a file", "the manifest"])
def test_a_cell_of_another_version_or_configuration_or_damaged_is_replayed(tmp_path, decodes, change):
    path = small_trace(tmp_path / "t.parquet", events=500)
    directory = runs([path], tmp_path / "runs", index=["rbtree"])[0].directory
    manifest = json.loads((directory / "manifest.json").read_text())
    del manifest["manifest_sha256"]  # an older zreplay's: what is changed below is all that is wrong with it
    if change == "version":
        manifest["zreplay"] = "0.0.9"
    elif change == "configuration":
        manifest["config"]["sample_events"] = 7
    elif change == "a file":
        (directory / "classes.parquet").unlink()
    elif change == "a bit of a file":
        data = bytearray((directory / "summary.parquet").read_bytes())
        data[200] ^= 1
        (directory / "summary.parquet").write_bytes(data)
    (directory / "manifest.json").write_text("{" if change == "the manifest" else json.dumps(manifest))
    (again,) = runs([path], tmp_path / "runs", index=["rbtree"])
    assert len(decodes) == 2
    assert again.summary()["events"] == 500
    assert (directory / "classes.parquet").is_file()


def test_another_trace_of_the_same_name_has_its_own_cells(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    paths = [small_trace(tmp_path / name / "t.parquet", events=300, seed=seed) for seed, name in enumerate("ab")]
    assert len({r.directory for r in runs(paths, tmp_path / "runs", index=["rbtree"])}) == 2


def test_limits_given_are_part_of_a_cells_place_and_the_same_trace_twice_is_once(tmp_path):
    path = small_trace(tmp_path / "t.parquet", events=300)
    groups = cross([path, path], {"max_pool_percent": [10, 20]}, tmp_path / "runs")
    assert len(groups) == 1
    assert [cell.config.out.name for cell in groups[0]] == [
        "rbtree-zbud-6.1-max_pool_percent=10",
        "rbtree-zbud-6.1-max_pool_percent=20",
    ]


def test_a_failure_leaves_no_cell_of_its_pass(tmp_path):
    def stop(rows: int, all_rows: int) -> None:
        raise KeyboardInterrupt

    cells = cross([small_trace(tmp_path / "t.parquet")], AXES, tmp_path / "runs")[0]
    with pytest.raises(KeyboardInterrupt):
        run_missing(cells, stop)
    assert [p for p in (tmp_path / "runs").rglob("*") if p.is_file()] == []


def test_more_cells_than_share_a_pass_take_several(tmp_path, decodes, monkeypatch):
    monkeypatch.setattr(axes_module, "TOGETHER", 3)
    assert len(runs([small_trace(tmp_path / "t.parquet", events=300)], tmp_path / "runs", **AXES)) == 4
    assert len(decodes) == 2


def test_values_of_numeric_axes_are_numbers():
    assert values_of("max_pool_percent", ["10", "20"]) == [10, 20]
    with pytest.raises(UsageError, match="--max-pool-percent: found 'ten', expected whole numbers"):
        values_of("max_pool_percent", ["ten"])


def test_rounds_time_every_configuration_on_one_decode_each(tmp_path, decodes):
    cells = cross([small_trace(tmp_path / "t.parquet")], AXES, tmp_path / "runs")[0]
    rounds = measure([cell.config for cell in cells], rounds=3, seed=1)
    assert len(decodes) == 3
    assert [len(row) for row in rounds] == [4, 4, 4]
    assert all(times["ns_per_event"] > 0 for row in rounds for times in row)
    assert all(set(times) == {"ns_per_event"} for row in rounds for times in row)


def test_rounds_with_timing_time_the_operations_too(tmp_path):
    cells = cross([small_trace(tmp_path / "t.parquet")], {"index": ["rbtree"]}, tmp_path / "runs", timing=True)[0]
    assert cells[0].config.out.name == "rbtree-zbud-6.1-timing"
    ((times,),) = measure([cell.config for cell in cells], rounds=1, seed=1)
    assert set(times) == {"ns_per_event", "store_ns", "load_ns", "invalidate_ns"}
