"""Events per second, from Parquet to Parquet: `pytest tests/bench --benchmark-only`. Nothing here is asserted.

Compare ratios of one run, never figures of two: machines are noisy.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import zreplay
from zreplay.plugins.registry import built_in

TRACES = Path(__file__).parents[2] / "traces"
RECORDING = TRACES / "linux-6.1-zsmalloc-g++.parquet"
#: Of 6.12: two pools with writeback and second chances, and a device.
RECORDINGS_6_12 = ("zsmalloc-lzorle-writeback", "zbud-lzo-writeback", "zram-lz4-writeback")


@pytest.fixture(scope="session")
def a_million_resident(tmp_path_factory) -> Path:
    """Ten million events over one million resident entries at random offsets."""
    path = tmp_path_factory.mktemp("synth") / "random-1m.parquet"
    command = "synth --events 10000000 --resident 1000000 --pattern random --seed 1 -q --force -o"
    subprocess.run([sys.executable, "-m", "zreplay", *command.split(), path], check=True, cwd=path.parent)
    return path


def replay(benchmark, trace: Path, index: str, pool: str, out: Path) -> None:
    measure(
        benchmark,
        zreplay.Config(trace=trace, out=out / "run", index=index, pool=pool, force=True, max_pool_percent=100),
    )


def measure(benchmark, config: zreplay.Config) -> None:
    run = benchmark.pedantic(zreplay.run, args=(config,), rounds=3, warmup_rounds=1)
    best = run.summary()["events"] / benchmark.stats["min"]
    benchmark.extra_info["million_events_per_second"] = round(best / 1e6, 2)


@pytest.mark.parametrize("pool", built_in("pool"))
@pytest.mark.parametrize("index", built_in("index"))
def test_recording(benchmark, tmp_path, index, pool):
    replay(benchmark, RECORDING, index, pool, tmp_path)


@pytest.mark.parametrize("recording", RECORDINGS_6_12)
def test_recording_of_6_12(benchmark, tmp_path, recording):
    """As its kernel would: its pool, its limit, its release's profile."""
    trace = TRACES / f"linux-6.12-{recording}.parquet"
    measure(benchmark, zreplay.Config(trace=trace, out=tmp_path / "run", force=True))


@pytest.mark.parametrize("pool", built_in("pool"))
@pytest.mark.parametrize("index", built_in("index"))
def test_a_million_random_entries(benchmark, tmp_path, a_million_resident, index, pool):
    replay(benchmark, a_million_resident, index, pool, tmp_path)
