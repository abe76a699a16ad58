"""Looking ahead changes nothing: every design on a recording, looked ahead from the first event and never."""

from pathlib import Path
from typing import Any

import _zreplay
import pyarrow as pa
import pytest

from zreplay.errors import ZreplayError
from zreplay.replay.batches import columns_of
from zreplay.replay.calls import with_calls
from zreplay.replay.config import Config, index_names
from zreplay.replay.designs import DESIGNS
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import RecordedSizes
from zreplay.trace.files import open_trace
from zreplay.trace.recipes.pattern import PatternRecipe as Recipe
from zreplay.trace.synth import synth

TRACES = Path(__file__).parents[2] / "traces"
RECORDINGS = ("linux-6.1-zbud-lzo-writeback", "linux-6.12-zsmalloc-zstd-database-cgroup", "linux-6.12-zram-zstd-2cpu")
ALWAYS, NEVER = 0, 2**63

POOLS = ("zbud", "z3fold", "zsmalloc", "ideal")
CELLS: list[dict[str, Any]] = [{"design": design} for design in DESIGNS]
CELLS += [{"index": index, "pool": pool} for index in index_names() for pool in POOLS]
CELLS += [{"driven": True}, {"index": "radix-tag", "movable": True, "pool": "zbud", "cma_every": 997}]


def counted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if not name.endswith("_ns") and name != "timed"} for row in rows
    ]


def results(config: Config, look_above_bytes: int, batch_rows: int) -> Any:
    trace = open_trace(config.trace)
    config = config.resolved(trace.metadata)
    sizes = RecordedSizes(trace, [config])
    settings = config.engine_settings() | {"look_above_bytes": look_above_bytes}
    replay = _zreplay.Replay.make(sizes.engine, future_loads(trace, [config]), **settings)
    for batch, calls in with_calls(trace, trace.batches(columns=columns_of([config]), batch_rows=batch_rows)):
        replay.feed(batch, calls)
    replay.finish()
    timeline = pa.record_batch(replay.take_timeline())
    return replay.counters(), counted(replay.operations()), timeline.to_pydict()


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join(map(str, cell.values())))
@pytest.mark.parametrize("recording", RECORDINGS)
def test_results_are_those_of_the_plain_order(recording, cell):
    config = Config(trace=TRACES / f"{recording}.parquet", out=Path("unused"), **cell)
    try:
        config.resolved(open_trace(config.trace).metadata)
    except ZreplayError:
        pytest.skip("no such kernel had this")

    plain = results(config, NEVER, 50_000)
    ahead = results(config, ALWAYS, 4_099)  # batches that end within groups

    assert ahead == plain
    assert plain[0]["events"] == open_trace(config.trace).rows


@pytest.mark.parametrize("pool", POOLS[:3])
def test_a_pool_for_each_type_is_asked_about_its_own_objects(tmp_path, pool):
    path = tmp_path / "t.parquet"
    synth(Recipe(events=60_000, resident=3_000, types=4, migrate_every=50, seed=3), path)
    config = Config(
        trace=path, out=Path("unused"), kernel="3.12", index="rbtree", pool=pool, movable=True, check_every=500
    )
    assert results(config, ALWAYS, 4_099) == results(config, NEVER, 65_536)


def test_a_large_state_is_looked_into_by_default_with_the_same_counts(tmp_path):
    path = tmp_path / "t.parquet"
    synth(Recipe(events=400_000, resident=150_000, pattern="random", seed=3), path)
    config = Config(trace=path, out=Path("unused"), index="radix-lowbit", pool="zsmalloc")
    assert results(config, 5 << 20, 65_536) == results(config, NEVER, 65_536)
