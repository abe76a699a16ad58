"""The same trace and configuration give the same counters to the last bit, however they are replayed.

    python tests/faults/determinism.py             # 144 combinations: six traces, -O0 and -O3
    python tests/faults/determinism.py --small     # 12, the installed engine alone

A combination is a number of threads (1, 2), rows of a batch (1, 7, 65,536), straight or resumed (half of the runs kept
from before, as after an interrupt), and an engine compiled with -O0 or -O3. Each replays every design that the trace
can have; of each run the summary, the timeline, the classes and the operations are compared, all but measured times.
"""

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECORDINGS = (
    "linux-6.1-zbud-lzo-writeback",
    "linux-6.1-z3fold-lzo-mixed",
    "linux-6.12-zsmalloc-zstd-database-cgroup",
    "linux-6.12-zsmalloc-lzorle-shrinker",
    "linux-6.12-zram-zstd-2cpu",
)
ROWS = 4000  # of each
THREADS, BATCH_ROWS, WAYS = (1, 2), (1, 7, 65_536), ("straight", "resumed")
MEASURED = ("seconds", "events_per_second", "ns_per_event", "timed", "total_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns")


def cells_of(trace: Path, out: Path) -> list[Any]:
    """Every design the trace can have, and z3fold, which is in none."""
    from zreplay.errors import ZreplayError
    from zreplay.replay.axes import cross
    from zreplay.replay.designs import DESIGNS

    cells: list[Any] = []
    for axes in ({"design": [name]} for name in DESIGNS):
        try:
            cells += cross([trace], axes, out)[0]
        except ZreplayError:  # zram's trace has no zswap of the thread
            continue
    for pool in ("z3fold", "zbud", "zsmalloc"):
        try:
            cells += cross([trace], {"pool": [pool]}, out)[0]
        except ZreplayError:
            continue
    return list({cell.config.out: cell for cell in cells}.values())


def digest(run: Path) -> str:
    """Of everything that is counted in a run directory, as bytes of Arrow columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = hashlib.sha256()
    for table in ("summary", "timeline", "classes", "operations"):
        read = pq.read_table(run / f"{table}.parquet")
        kept = read.drop_columns([name for name in MEASURED if name in read.column_names])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, kept.schema.remove_metadata()) as writer:
            writer.write_table(kept.replace_schema_metadata().combine_chunks())
        made.update(sink.getvalue())
    return made.hexdigest()


def digests(trace: Path) -> dict[str, dict[str, str]]:
    """Combination → run → digest, with the engine that is loaded."""
    from zreplay.replay import axes, replaying

    replaying.SHORT_TRACE_ROWS = -1  # batches of one size
    found = {}
    for threads, rows, way in itertools.product(THREADS, BATCH_ROWS, WAYS):
        axes.cores = lambda threads=threads: threads
        replaying.BATCH_ROWS = rows
        with tempfile.TemporaryDirectory() as folder:
            cells = cells_of(trace, Path(folder))
            if way == "resumed":
                axes.run_missing(cells[::2])
            axes.run_missing(cells)
            found[f"{threads} threads, batches of {rows}, {way}"] = {
                cell.config.out.name: digest(cell.config.out) for cell in cells
            }
    return found


def differences(by_engine: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    """A line for each run that is not what the first combination made of it."""
    combinations = [
        (f"{engine}, {combination}", runs) for engine, found in by_engine.items() for combination, runs in found.items()
    ]
    first_name, first = combinations[0]
    return [
        f"{run}: {name} is not {first_name}"
        for name, runs in combinations
        for run in sorted(first | runs)
        if runs.get(run) != first.get(run)
    ]


def traces(folder: Path, *, small: bool) -> list[Path]:
    from zreplay.trace.cut import Selection, cut
    from zreplay.trace.recipes.pattern import PatternRecipe
    from zreplay.trace.synth import synth

    generated = folder / "generated.parquet"
    synth(PatternRecipe(events=1000 if small else ROWS, resident=300, types=3, migrate_every=50, seed=5), generated)
    made = [generated]
    for name in () if small else RECORDINGS:
        made.append(folder / f"{name}.parquet")
        cut(ROOT / "traces" / f"{name}.parquet", made[-1], Selection(rows=(0, ROWS)))
    return made


def campaign(*, small: bool) -> tuple[int, int, list[str]]:
    """Combinations, runs compared, and what differs."""
    sys.path.insert(0, str(ROOT / "tests"))
    from engines import environment

    kinds = {"-O3": {}} | ({} if small else {"-O0": environment("plain")})
    combinations, runs, wrong = 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        for trace in traces(Path(folder), small=small):
            by_engine = {}
            for kind, variables in kinds.items():
                command = [sys.executable, __file__, "--digests", str(trace)]
                said = subprocess.check_output(command, text=True, env=os.environ | variables)
                by_engine[kind] = json.loads(said)
            combinations += sum(map(len, by_engine.values()))
            runs += sum(len(found) for engine in by_engine.values() for found in engine.values())
            wrong += [f"{trace.stem}: {line}" for line in differences(by_engine)]
            print(f"{trace.stem}: {combinations} combinations so far", file=sys.stderr, flush=True)
    return combinations, runs, wrong


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--small", action="store_true", help="one trace, the installed engine alone")
    options.add_argument("--digests", type=Path, metavar="TRACE", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.digests:
        print(json.dumps(digests(given.digests)))
        return 0
    combinations, runs, wrong = campaign(small=given.small)
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    print(f"{combinations} combinations, {runs:,} runs compared, {len(wrong)} differ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
