"""Write docs/sampling.md, how far a replay of a sample is from one of the whole trace: python docs/sampling.py"""

import tempfile
from pathlib import Path

import zreplay
from zreplay.trace.cut import Selection, cut

DOCS = Path(__file__).parent
TRACES = DOCS.parent / "traces"
SHARES = (4, 16)
WHAT = {"stored_pages_peak": "stored, peak", "pool_pages_mean": "pool, mean", "pool_pages_peak": "pool, peak"}

HEAD = """<!-- Written by python docs/sampling.py. -->
# Samples

    zreplay cut trace.parquet --sample 1/16 -o sample.parquet
    zreplay run sample.parquet -o runs/sample

keeps every event of one slot in 16, chosen by the hash of its type and offset (as SHARDS does, FAST 2015), and in its
metadata that it did (`sample_one_in`). `zreplay run` gives the sample a 16th of the machine's memory, so that the
pool's limit is one of the sample, and its summary says 16 times the pages and events of slots it saw. Index nodes,
costs and ratios are the sample's own: its slots lie apart, so they share fewer nodes. `timeline.parquet` is not scaled.

How far off that is, in percent of the whole trace's replay, for each recording in its own profile and pool (rbtree or
xarray as it had them). Rare events (a limit that was hit a few times) and small pools are where a sample tells least.
zsmalloc keeps a zspage of several pages open in each size class, however few objects there are: a
sample of a small pool has as many of them as the whole, and each stands for 16. zbud and z3fold have no such floor.

"""


def measured(path: Path, folder: Path, one_in: int | None) -> dict[str, float]:
    """The summary of a trace, or of a sample of it."""
    trace = path
    if one_in:
        trace = folder / "sample.parquet"
        cut(path, trace, Selection(one_in=one_in), force=True)
    return zreplay.run(zreplay.Config(trace=trace, out=folder / "run", force=True)).summary()


def main() -> None:
    columns = [f"{what}, 1/{one_in}" for one_in in SHARES for what in (*WHAT.values(), "writebacks")]
    lines = ["| recording | stored, peak | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in sorted(TRACES.glob("linux-*.parquet")):
            whole = measured(path, folder, None)
            cells = []
            for one_in in SHARES:
                part = measured(path, folder, one_in)
                cells += [f"{100 * (part[what] / whole[what] - 1):+.1f} %" for what in WHAT]
                cells.append(f"{part['writebacks']:,} for {whole['writebacks']:,}" if whole["writebacks"] else "–")
            short = path.stem.removeprefix("linux-")
            lines.append(f"| {short} | {whole['stored_pages_peak']:,} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    (DOCS / "sampling.md").write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
