"""Hold samples of every recording in traces/ against the whole and write docs/sampling.md: python docs/sampling.py"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
sys.path.pop(0)  # this folder

from zreplay.replay.config import Config  # noqa: E402
from zreplay.replay.run import run  # noqa: E402
from zreplay.trace.cut import Selection, cut  # noqa: E402
from zreplay.trace.sample import Sample  # noqa: E402

SAMPLES = (Sample(1, 2), Sample(1, 4), Sample(1, 8), Sample(1, 16))
INTRODUCTION = """# How far off a run on a sample is

Written by `python docs/sampling.py`; the results are zreplay's own, of the whole recording and of samples of its slots
(`zreplay cut --sample`), each replayed as `zreplay run` does by default: the recorded kernel's model, pool and limits.
A sample is of one hash, so the numbers are the same every time; another set of slots would have other errors of this
size.

Read it so: with a sample of 1/8, the highest count of pool pages is off by that many percent of the whole's. Shares are
compared in percentage points: refused stores of all stores, missed loads of all loads, writebacks of all stores.

What to expect:

* **The highest count** is the limit where the pool came up to it, and that is scaled exactly. Pools of zbud and z3fold
  are else within a percent or a few, as long as some thousand pages stay in the sample.
* **zsmalloc** keeps part of a zspage free in each of its classes, however small the pool is; a sample has as many
  classes as the whole, and its waste is scaled up. A pool of few thousand pages comes out too large, and where that
  reaches the limit the sample writes back what the whole keeps.
* **Near the limit** a replay refuses in bursts (from the limit down to the accept threshold), and one burst more or
  less in a short recording is some percentage points.
* **The memory manager's demands** (shrinks, compactions, migrations) stay whole in a sample, as they name no slot, so a
  sample is asked more often than its size would have it.
* **Index bytes** are scaled for rbtree, a node an entry. Of the others they are what the sample itself took: zram's
  table is as large as ever, and of xarray's nodes of 64 slots the sample has between its share and all. The column is
  of the recorded kernel's own index.
"""


def measured(trace: Path, place: Path) -> dict[str, Any]:
    """The summary of a run with every default."""
    return run(Config(trace=trace, out=place, force=True)).summary()


def share(part: float, whole: float) -> float:
    """Percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def rows_of(trace: Path, work: Path) -> list[str]:
    """A line of the table for each sample of one recording."""
    whole = measured(trace, work / "whole")
    lines = []
    for sample in SAMPLES:
        part = work / "part.parquet"
        cut(trace, part, Selection(sample=sample), force=True)
        found = measured(part, work / "part")
        cells = [f"{trace.stem}" if sample == SAMPLES[0] else "", str(sample)]
        for name in ("pool_pages_peak", "pool_pages_mean", "stored_pages_peak", "index_bytes_peak"):
            cells.append(f"{share(found[name] - whole[name], whole[name]):+.1f}")
        for part_name, whole_name in (
            (("stores_rejected",), ("stores",)),
            (("loads_missed",), ("loads_hit", "loads_missed")),
            (("writebacks",), ("stores",)),
        ):
            shares = [share(sum(x[n] for n in part_name), sum(x[n] for n in whole_name)) for x in (found, whole)]
            cells.append(f"{shares[0] - shares[1]:+.1f}")
        cells.insert(2, f"{whole['pool_pages_peak']:,}" if sample == SAMPLES[0] else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def page() -> str:
    """The whole document."""
    lines = [
        INTRODUCTION,
        "| recording | sample | pool pages, peak | of it, % | pool pages, mean, % | stored pages, peak, % "
        "| index bytes, peak, % | refused, points | missed, points | written back, points |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    with TemporaryDirectory() as work:
        for trace in sorted((HERE.parent / "traces").glob("*.parquet")):
            lines += rows_of(trace, Path(work))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "sampling.md").write_text(page(), encoding="utf-8")
