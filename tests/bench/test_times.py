"""Calibration of the times on this machine: one configuration against itself, and against one that does 3 % more.

    pytest tests/bench/test_times.py --benchmark-only -s

Prints what share of comparisons was called different and how far two times of one round differ. No test depends on it.
"""

import math
import statistics
from pathlib import Path

import pytest

from zreplay.analysis.statistics import paired_ratio
from zreplay.replay.config import Config
from zreplay.replay.times import measure
from zreplay.trace.files import open_trace

TRACE = Path(__file__).parents[2] / "traces/linux-6.1-zsmalloc-g++.parquet"
ROUNDS, COMPARISONS = 20, 10


@pytest.mark.benchmark(group="times")
def test_calibration_on_this_machine(benchmark):
    config = Config(trace=TRACE, out=Path("unused"), index="radix-lowbit", pool="zbud").resolved(
        open_trace(TRACE).metadata
    )
    copies = 2 * COMPARISONS

    rounds = benchmark.pedantic(measure, ([config] * copies, ROUNDS, 1), rounds=1)

    times = [[row[copy]["ns_per_event"] for row in rounds] for copy in range(copies)]
    pairs = [(times[copy], times[other]) for copy in range(copies) for other in range(copy)]
    different = sum(paired_ratio(one, other).p <= 0.05 for one, other in pairs)
    found = sum(paired_ratio([1.03 * time for time in one], other).p <= 0.05 for one, other in pairs)
    spread = statistics.median(
        statistics.stdev(math.log(a / b) for a, b in zip(one, other, strict=True)) for one, other in pairs
    )
    print(f"\n{len(pairs)} comparisons of {ROUNDS} rounds: {different / len(pairs):.1%} called different, ", end="")
    print(f"3 % found in {found / len(pairs):.1%}; ratios of a round vary by {spread:.1%}; load {_load()}")


def _load() -> str:
    return Path("/proc/loadavg").read_text().split()[0]
