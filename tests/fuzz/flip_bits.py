"""Single-bit flips over a trace and a run directory: each is detected with one error, or what is read is the same.

    python tests/fuzz/flip_bits.py --flips 10000            # CI's; spread over all files
    python tests/fuzz/flip_bits.py --flips 1000000          # the whole campaign
    python tests/fuzz/flip_bits.py --budget 600

A trace is read whole: its rows, its metadata, and how far ahead a replay of it would look. A replay is a function of
these, so that what is the same here is the same there; what is harmless is replayed all the same. A run directory is
read as `compare` and `report` do. In a child, so that a crash has a place: the flip is printed and the command exits
with 1. Every 200,000 flips, which is each bit of the trace, other rows of the recording take their place.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.analysis.results import load
from zreplay.errors import ModelError, ZreplayError
from zreplay.replay.config import Config
from zreplay.replay.run import run
from zreplay.trace.cut import Selection, cut
from zreplay.trace.files import open_trace

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "traces" / "linux-6.1-zbud-lzo-mixed.parquet"
FIRST_ROW, ROWS = 2_000, 600
ROUND = 200_000
_STRIDE = 1_000_003  # a prime, so that it comes to every bit
_MEASURED = ("seconds", "events_per_second", "ns_per_event")


def read_trace(path: Path) -> Any:
    """All that a replay learns of a trace."""
    trace = open_trace(path)
    rows = pa.Table.from_batches(list(trace.batches(use_threads=False)))
    return trace.rows, trace.metadata, trace.most_call_rows(), trace.columns, rows


def replay(path: Path, out: Path) -> Any:
    """The answer of a replay, without what is measured."""
    summary = run(Config(trace=path, out=out, index="rbtree", pool="zbud", force=True)).summary()
    return {name: value for name, value in summary.items() if name not in _MEASURED}


def read_run(directory: Path) -> Any:
    """All that `compare` and `report` learn of a run directory."""
    (result,) = load([directory])
    tables = [pq.read_table(result.run.file(name), use_threads=False) for name in ("timeline", "classes")]
    return result.settings, result.summary, result.operations, result.means, result.trace_sha256, tables


def _write_byte(file: Path, place: int, value: int) -> None:
    with file.open("r+b", buffering=0) as written:
        written.seek(place)
        written.write(bytes([value]))


class Flips:
    """The files of one thing, and what reading it gave before."""

    def __init__(self, files: list[Path], read: Callable[[], Any], use: Callable[[], Any]) -> None:
        self.files = [(file, file.read_bytes()) for file in files]
        self.bits = 8 * sum(len(data) for _, data in self.files)
        self.read, self.use = read, use
        self.before, self.answer = read(), use()

    def flip(self, bit: int) -> str:
        """What became of a flip: "detected" or "harmless"; AssertionError for a wrong answer."""
        number = 0
        while bit >= 8 * len(self.files[number][1]):
            bit -= 8 * len(self.files[number][1])
            number += 1
        file, data = self.files[number]
        place = bit // 8
        _write_byte(file, place, data[place] ^ 1 << bit % 8)
        print(f"at {file.name} byte {bit // 8} bit {bit % 8}", flush=True)
        try:
            found = self.read()
            assert found == self.before, "read without an error, and not the same"
            used = self.use()
            assert used == self.answer, f"another answer: {used}, expected {self.answer}"
        except ModelError:
            raise
        except ZreplayError as error:
            assert "\n" not in str(error), error
            return "detected"
        finally:
            _write_byte(file, place, data[place])
        return "harmless"


def things_of(folder: Path, number: int) -> list[Flips]:
    """A trace and a run of it, of the rows of round ``number``."""
    folder.mkdir()
    first = FIRST_ROW + ROWS * number
    trace = folder / "trace.parquet"
    cut(RECORDING, trace, Selection(rows=(first, first + ROWS)))
    directory = run(Config(trace=trace, out=folder / "run", index="rbtree", pool="zbud")).directory
    return [
        Flips([trace], lambda: read_trace(trace), lambda: replay(trace, folder / "again")),
        Flips(sorted(directory.iterdir()), lambda: read_run(directory), lambda: None),
    ]


def work(folder: Path, flips: int, budget: float, seed: int) -> None:
    """The flips; each is named before it is tried."""
    pa.set_cpu_count(1)  # a hand-over to a thread takes longer than what it is handed
    ends = time.monotonic() + budget
    counts: Counter[str] = Counter()
    things: list[Flips] = []
    bits: list[int] = []
    for number in range(flips):
        if time.monotonic() > ends:
            break
        at, of_round = divmod(number, ROUND)
        if not of_round:
            things = things_of(folder / str(at), seed + at)
            bits = [of + thing.bits for of, thing in zip(bits or [0, 0], things, strict=True)]
        thing = things[of_round % 2]
        # Spread over all of it, and no bit twice before each has had its turn.
        counts[thing.flip((seed + at + of_round // 2 * _STRIDE) % thing.bits)] += 1
    print(
        f"end {'+'.join(map(str, bits))} flips {sum(counts.values())} detected {counts['detected']} harmless "
        f"{counts['harmless']}",
        flush=True,
    )


def main() -> None:
    """Flip in a child, and say what became of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, metavar="N", help="so many (default: as many as the budget allows)")
    parser.add_argument("--budget", type=float, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0, help="of the first rows and bits")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    flips = options.flips or (sys.maxsize if options.budget else 10_000)
    budget = options.budget or float("inf")
    if options.work:
        work(options.work, flips, budget, options.seed)
        return
    folder = Path(tempfile.mkdtemp(prefix="zreplay-flips-"))
    command = [sys.executable, __file__, "--work", str(folder), "--flips", str(flips), "--budget", str(budget)]
    last = ""
    with subprocess.Popen([*command, "--seed", str(options.seed)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            last = line.strip()
    shutil.rmtree(folder)
    if child.returncode or not last.startswith("end "):
        print(f"{last}: failed with {child.returncode}")
        sys.exit(1)
    _, bits, _, tried, _, detected, _, harmless = last.split()
    print(
        f"bit flips: {int(tried):,} of {bits} bits (trace + run directory), of which {int(detected):,} detected and "
        f"{int(harmless):,} harmless; none else"
    )


if __name__ == "__main__":
    main()
