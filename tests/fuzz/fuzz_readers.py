"""Fuzzing of every reader in Python: any bytes become what they should, or one ZreplayError of one line.

    python tests/fuzz/fuzz_readers.py --budget 60                # CI's, with the engine that is installed
    python tests/fuzz/fuzz_readers.py --budget 600 --address     # with AddressSanitizer and UBSan in the engine

Traces (bytes of Parquet of many kinds, and tables that no kernel made), run directories, texts and tables to convert,
contexts, recipes, grids. Begins with files of the tests, changes bytes, numbers, words and lines of them. In a child,
so that a crash has a place: the input stays in build/fuzz/ and the command exits with 1.
"""

import argparse
import json
import os
import random
import re
import resource
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
from zreplay.sweep.grid import Grid
from zreplay.trace.check import check
from zreplay.trace.context import Context, read_context
from zreplay.trace.convert import convert
from zreplay.trace.cut import Selection, cut
from zreplay.trace.files import open_trace
from zreplay.trace.recipes.kinds import read_recipe
from zreplay.trace.schema import SCHEMA

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "fuzz"
RECORDING = ROOT / "traces" / "linux-6.1-zbud-lzo-mixed.parquet"
MAP = "ts_ns=time_us*1000,op=rw:R=load:W=store,offset=sector/8,size=bytes"
_MOST_MEMORY = 6 << 30
_LONGEST_SECONDS = 20
_NUMBERS = (
    0,
    1,
    2,
    31,
    32,
    255,
    4096,
    4097,
    2**31 - 1,
    2**31,
    2**32,
    2**58 - 1,
    2**58,
    2**63 - 1,
    2**64 - 1,
    -1,
    -4096,
)
_WORDS = ("", "\x1b[2J", "\n", "../../x", "/dev/null", "é" * 20, "[" * 50, "nan", "inf", "null", "true", "1e999")


class Fuzzer:
    """The files that are changed, and what reads them."""

    def __init__(self, folder: Path, choose: random.Random) -> None:
        self.folder, self.choose = folder, choose
        small = folder / "small.parquet"
        cut(RECORDING, small, Selection(rows=(2_000, 2_200)))
        self.run = run(Config(trace=small, out=folder / "run", index="rbtree", pool="zbud")).directory
        manifest = json.loads((self.run / "manifest.json").read_text())
        del manifest["sha256"], manifest["manifest_sha256"]  # as a stranger would: what is changed is to be read
        (self.run / "manifest.json").write_text(json.dumps(manifest))
        self.tables = {file: file.read_bytes() for file in self.run.iterdir()}
        rows = pa.Table.from_batches(list(open_trace(small).batches()))
        pairs = {key: value for key, value in pq.read_metadata(small).metadata.items() if key.startswith(b"zreplay.")}
        del pairs[b"zreplay.crc32"]
        self.rows = rows.replace_schema_metadata(pairs)
        self.traces = [self._parquet(**kind) for kind in self._kinds()]
        self.texts = [file.read_bytes() for file in sorted((ROOT / "tests/trace/samples").iterdir())]
        self.recipes = [file.read_bytes() for file in sorted((ROOT / "zreplay/trace/recipes/ready").glob("*.toml"))]
        self.grid = (
            f'traces = ["{small}"]\n[axes]\nindex = ["rbtree", "xarray"]\npool = ["zbud"]\nmax_pool_percent = [5, 20]\n'
        )
        self.context = (
            b'{"kernel_release": "6.1.0", "pool": "zbud", "totalram_pages": 1000, "max_pool_percent": 20, "cpus": 2}'
        )
        self.targets: dict[str, Callable[[], None]] = {
            "trace": self.trace,
            "rows": self.made_rows,
            "run directory": self.run_directory,
            "convert": self.convert,
            "context": self.context_file,
            "recipe": self.recipe,
            "grid": self.grid_file,
        }

    def _kinds(self) -> list[dict[str, Any]]:
        return [
            {"compression": "none", "use_dictionary": False},
            {"compression": "zstd", "data_page_version": "2.0"},
            {"compression": "gzip", "row_group_size": 50, "write_page_index": True},
            {"compression": "snappy", "use_dictionary": False, "column_encoding": {"ts_ns": "DELTA_BINARY_PACKED"}},
        ]

    def _parquet(self, rows: pa.Table | None = None, **kind: Any) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(self.rows if rows is None else rows, sink, **kind)
        return bytes(sink.getvalue())

    # ---- how bytes are changed ----

    def changed(self, data: bytes) -> bytes:
        """Bytes, numbers, lines or parts changed."""
        choose, found = self.choose, bytearray(data)
        for _ in range(choose.choice((1, 1, 2, 4, 8))):
            at = choose.randrange(len(found) + 1)
            match choose.randrange(8):
                case 0 | 1 if at < len(found):
                    found[at] ^= 1 << choose.randrange(8)
                case 2 if at < len(found):
                    found[at] = choose.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 3:
                    del found[at : at + choose.choice((1, 4, 64, 1 << 20))]
                case 4:
                    other = choose.randrange(len(found) + 1)
                    found[at:at] = found[other : other + choose.choice((1, 8, 100))]
                case 5:
                    found[at:at] = str(choose.choice((*_NUMBERS, *_WORDS))).encode()
                case 6 if numbers := list(re.finditer(rb"\d+", found)):
                    number = choose.choice(numbers)
                    found[number.start() : number.end()] = str(choose.choice(_NUMBERS)).encode()
                case _:
                    lines = found.split(b"\n")
                    line = choose.randrange(len(lines))
                    lines.insert(choose.randrange(len(lines) + 1), lines[line])
                    found = bytearray(b"\n".join(lines))
        return bytes(found)

    # ---- what reads them ----

    def _read_trace(self, data: bytes) -> None:
        path = self._write("t.parquet", data)
        try:
            check(path)
        except ZreplayError as error:
            expect_line(error)
        trace = open_trace(path)
        trace.most_call_rows()
        for batch in trace.batches(use_threads=False):
            batch.validate(full=True)
            assert batch.schema.names == SCHEMA.names
        if trace.rows < 10_000:
            run(Config(trace=path, out=self.folder / "again", force=True, index="rbtree", pool="zbud"))

    def trace(self) -> None:
        self._read_trace(self.changed(self.choose.choice(self.traces)))

    def made_rows(self) -> None:
        """Rows of values that no kernel gives, in types that no trace has."""
        choose, table = self.choose, self.rows
        for _ in range(choose.randrange(1, 4)):
            name = choose.choice(table.column_names)
            at = table.column_names.index(name)
            match choose.randrange(4):
                case 0:
                    table = table.remove_column(at)
                case 1:
                    kind = choose.choice(
                        (pa.int8(), pa.int64(), pa.uint64(), pa.float64(), pa.string(), pa.bool_(), pa.binary())
                    )
                    table = table.set_column(at, name, pa.nulls(len(table), kind))
                case 2:
                    values = [choose.choice([*_NUMBERS, None]) for _ in range(len(table))]
                    fitting = [None if value is None else value % 2**63 for value in values]
                    table = table.set_column(at, name, pa.array(fitting, pa.int64()))
                case _:
                    words = [
                        choose.choice(["store", "load", "invalidate", "shrink", "x\x1b", "", None])
                        for _ in range(len(table))
                    ]
                    table = table.set_column(at, name, pa.array(words, pa.string()))
            if not table.column_names:
                break
        self._read_trace(self._parquet(table, compression=choose.choice(("none", "zstd"))))

    def run_directory(self) -> None:
        file = self.choose.choice(list(self.tables))
        file.write_bytes(self.changed(self.tables[file]))
        try:
            load([self.run])
        finally:
            file.write_bytes(self.tables[file])

    def convert(self) -> None:
        log = self._write("log", self.changed(self.choose.choice(self.texts)))
        context = Context(
            pool=self.choose.choice(("zbud", "zsmalloc")), kernel_release=self.choose.choice(("6.1.0", "6.12.0"))
        )
        mapping = MAP if self.choose.random() < 0.3 else None
        convert(str(log), self.folder / "c.parquet", context, mapping=mapping, force=True, allow_partial=True)
        for _ in open_trace(self.folder / "c.parquet").batches(use_threads=False):
            pass

    def context_file(self) -> None:
        read_context(self._write("context.json", self.changed(self.context))).metadata()

    def recipe(self) -> None:
        read_recipe(self._write("recipe.toml", self.changed(self.choose.choice(self.recipes))))

    def grid_file(self) -> None:
        Grid.read(self._write("GRID.toml", self.changed(self.grid.encode()))).products()

    def _write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        BUILD.mkdir(parents=True, exist_ok=True)
        self.last = data
        return path


def expect_line(error: ZreplayError) -> None:
    """One line that a terminal shows as it is."""
    assert not isinstance(error, ModelError), error
    assert str(error).isprintable(), repr(str(error))


def work(budget: float, runs: int, seed: int) -> None:
    """Fuzz until the time is over; the last input is in build/fuzz/last."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY)) if "LD_PRELOAD" not in os.environ else None
    pa.set_cpu_count(1)
    folder = Path(tempfile.mkdtemp(prefix="zreplay-fuzz-"))
    fuzzer = Fuzzer(folder, random.Random(seed))
    counts: Counter[str] = Counter()
    errors = 0
    names = list(fuzzer.targets)
    ends = time.monotonic() + budget
    while time.monotonic() < ends and sum(counts.values()) < runs:
        name = names[sum(counts.values()) % len(names)]
        print(f"at {name} number {sum(counts.values())} of seed {seed}", flush=True)
        begun = time.monotonic()
        try:
            fuzzer.targets[name]()
        except ZreplayError as error:
            errors += 1
            expect_line(error)
        except BaseException:
            (BUILD / "last").write_bytes(getattr(fuzzer, "last", b""))
            raise
        assert time.monotonic() - begun < _LONGEST_SECONDS, "takes too long"
        counts[name] += 1
    shutil.rmtree(folder)
    shares = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    print(
        f"readers: {sum(counts.values()):,} executions ({shares}), of which {errors:,} ended in one error", flush=True
    )


def main() -> None:
    """Fuzz in a child, and say how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--runs", type=int, default=sys.maxsize, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--address", action="store_true", help="with the sanitizers")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.budget, options.runs, options.seed)
        return
    variables = dict(os.environ)
    if options.address:
        sys.path.insert(0, str(ROOT / "tests"))
        from engines import environment

        variables |= environment("address") | {"ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, __file__, "--work", "--budget", str(options.budget), "--runs", str(options.runs)]
    last = ""
    with subprocess.Popen(
        [*command, "--seed", str(options.seed)], env=variables, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            last = line.strip()
    print(last)
    if child.returncode or not last.startswith("readers"):
        sys.exit(f"failed with {child.returncode}")


if __name__ == "__main__":
    main()
