"""libFuzzer with AddressSanitizer and UBSan over what reads in C++: fuzz_importer.cpp and fuzz_parquet.cpp.

    python tests/fuzz/fuzz_core.py --budget 60                       # CI's, of the importer
    python tests/fuzz/fuzz_core.py parquet --budget 60               # of a Parquet file's footer and its pages' headers
    python tests/fuzz/fuzz_core.py importer --runs 1e8 --workers 2   # the whole campaign
    python tests/fuzz/fuzz_core.py parquet --input build/fuzz/fuzz_parquet-crash-…   # one input again

Starts from importer.zip or parquet.zip (what earlier campaigns found, minimised) and from the texts of tests/trace, or
from small files; prints how many inputs were tried, also when Ctrl-C ends it. An input that fails is kept in
build/fuzz/ and the command exits with 1. Needs clang++ with its libFuzzer; a build takes half a minute.
"""

import argparse
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parents[2]
CORE = ROOT / "zreplay" / "core"
BUILD = ROOT / "build" / "fuzz"
FLAGS = [
    "-std=c++20",
    "-O2",
    "-g1",
    "-fno-omit-frame-pointer",
    "-fsanitize=fuzzer,address,undefined",
    "-fsanitize-trap=undefined",  # a stack in place of words, and a seventh more inputs a second
    "-fno-sanitize-coverage=trace-cmp",  # which value of a key comes next is the mutator's affair
]
# An input makes hundreds of small allocations: without the stack of each, and with a short row of freed ones, half as
# many again are tried in a second. `--input` shows the stacks of one that fails.
ASAN_OPTIONS = "malloc_context_size=0:quarantine_size_mb=2:thread_local_quarantine_size_kb=64"
MOST_BYTES = 1024
SLICE = 2_000_000  #: inputs after which a worker begins again, from what it has found
#: How the text of a sample may be read: what, family, pool, cut.
HEADS = (b"\0\x90\x04\0", b"\0\x13\x03\x0b", b"\1\x87\x0a\0", b"\2\x12\x02\x1f")
FTRACE = [f"ftrace{part}" for part in ("", "_checks", "_columns", "_line", "_pages", "_pool", "_sight", "_zram")]
#: What is fuzzed → the sources of trace/ that it is.
TARGETS = {
    "importer": [*FTRACE, "line_merger", "ring_buffer", "row_queue", "rows"],
    "parquet": ["parquet_footer", "parquet_pages"],
}


def build(target: str) -> Path:
    """The fuzzer, compiled if a source is newer."""
    objects_of = BUILD / target
    objects_of.mkdir(parents=True, exist_ok=True)
    program = BUILD / f"fuzz_{target}"
    sources = [
        Path(__file__).with_name(f"fuzz_{target}.cpp"),
        *(CORE / "trace" / f"{part}.cpp" for part in TARGETS[target]),
    ]
    headers = [
        *Path(__file__).parent.glob("*.hpp"),
        *CORE.glob("*.hpp"),
        *CORE.glob("trace/*.hpp"),
        *CORE.glob("pool/*.hpp"),
    ]
    if program.exists() and program.stat().st_mtime > max(file.stat().st_mtime for file in sources + headers):
        return program
    compiler = [*(["ccache"] if shutil.which("ccache") else []), "clang++"]
    objects, compiling = [], []
    waiting = list(sources)
    while waiting or compiling:
        while waiting and len(compiling) < (os.cpu_count() or 1):
            source = waiting.pop(0)
            objects.append(str(objects_of / f"{source.stem}.o"))
            command = [*compiler, *FLAGS, f"-I{CORE}", "-c", str(source), "-o", objects[-1]]
            compiling.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        if compiling.pop(0).wait():
            sys.exit("the fuzzer does not compile")
    subprocess.run(["clang++", *FLAGS, *objects, "-o", str(program)], check=True)
    return program


def seeds(target: str) -> Path:
    """A folder with what the tests have, each in the ways it may be read."""
    folder = BUILD / target / "seeds"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (texts() if target == "importer" else files()).items():
        (folder / name).write_bytes(data[:MOST_BYTES])
    return folder


def texts() -> dict[str, bytes]:
    """The samples of the importer's tests."""
    found = [file for name in ("samples", "inputs") for file in (ROOT / "tests" / "trace" / name).glob("*.txt")]
    return {f"{text.stem}-{i}": head + text.read_bytes() for text in found for i, head in enumerate(HEADS)}


def files() -> dict[str, bytes]:
    """Footers and pages of small Parquet files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {}
    numbers = pa.table({"a": pa.array([1, None, 3], pa.uint32()), "b": pa.array([2**40, 0, 7], pa.int64())})
    words = pa.table({"w": ["zbud", "z3fold", None, "zbud"]})
    for name, table, options in (
        ("numbers", numbers, {"write_page_checksum": True}),
        ("words", words, {"use_dictionary": False, "column_encoding": {"w": "DELTA_BYTE_ARRAY"}}),
        ("groups", words, {"row_group_size": 2, "data_page_version": "2.0"}),
    ):
        file = pa.BufferOutputStream()
        pq.write_table(table, file, store_schema=False, **options)
        data = file.getvalue().to_pybytes()
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        found |= {f"{name}-footer": bytes(3) + data[footer:-8], f"{name}-pages": b"\1" + bytes(2) + data[4:footer]}
    return found


class Slices:
    """A campaign's inputs, which workers take in turns: which of them is the faster is not known before."""

    def __init__(self, runs: float, seconds: float) -> None:
        self._lock = Lock()
        self._left = runs
        self._until = time.monotonic() + seconds
        self.tried = 0
        self.failure = ""

    def take(self) -> list[str]:
        """libFuzzer's bounds of the next slice, so many inputs and so much time; none at the end."""
        with self._lock:
            runs = min(self._left, SLICE)
            seconds = min(self._until - time.monotonic(), 1e6)
            if self.failure or runs < 1 or seconds < 1:
                return []
            self._left -= runs
            return [f"-runs={int(runs)}", f"-max_total_time={int(seconds)}"]

    def end(self) -> None:
        """No further ones."""
        self._left = 0

    def done(self, said: str, code: int) -> None:
        """A slice has ended, and said this."""
        tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
        with self._lock:
            self.tried += int(tried[1]) if tried else 0
            if "run interrupted" in said:
                self._left = 0
            elif code or not tried:
                self.failure = said[-6000:] or f"ended with {code}"
            elif self.tried >= SLICE:
                print(f"{self.tried:,} so far", file=sys.stderr, flush=True)


def fuzz(program: Path, given: Path, number: int, slices: Slices, most_bytes: int) -> None:
    """A worker: what it finds is in a folder of its own, and met by its next slice."""
    found = given.with_name("found")
    own = found if number == 0 else given.with_name(f"found-{number + 1}")
    own.mkdir(exist_ok=True)
    folders = [own, *([found] if number else []), given]
    command = [
        program,
        f"-max_len={most_bytes}",
        "-entropic=0",
        "-timeout=10",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={program}-",
    ]
    command += ["-print_final_stats=1", "-reload=0"]
    while bounds := slices.take():
        done = subprocess.run(
            [*command, *bounds, *folders],
            stderr=subprocess.PIPE,
            env={"ASAN_OPTIONS": ASAN_OPTIONS, **os.environ},
            errors="replace",
            text=True,
        )
        slices.done(done.stderr, done.returncode)


def main() -> None:
    """Build, fuzz, and say how many inputs there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", default="importer", choices=TARGETS)
    parser.add_argument("--budget", type=int, metavar="SECONDS", help="default: 60, or what --runs need")
    parser.add_argument("--runs", type=float, metavar="N", help="no more than so many inputs")
    parser.add_argument("--workers", type=int, default=1, help="processes, each with seeds of its own")
    parser.add_argument("--bytes", type=int, default=MOST_BYTES, metavar="N", help="of the longest text")
    parser.add_argument("--input", type=Path, help="one input, again")
    parser.add_argument("--merge", action="store_true", help="take what was found into the committed corpus, minimised")
    options = parser.parse_args()
    if not shutil.which("clang++"):
        sys.exit("needs clang++ and its libFuzzer (Debian: clang, libclang-rt-14-dev)")
    program = build(options.target)
    if options.input:
        sys.exit(subprocess.run([program, options.input]).returncode)
    found, kept = BUILD / options.target / "found", Path(__file__).with_name(f"{options.target}.zip")
    found.mkdir(exist_ok=True)
    with ZipFile(kept) as corpus:
        corpus.extractall(found)
    if options.merge:
        merged = BUILD / options.target / "merged"
        shutil.rmtree(merged, ignore_errors=True)
        merged.mkdir()
        every = [folder for folder in found.parent.glob("found*") if folder.is_dir()]
        subprocess.run([program, "-merge=1", f"-max_len={options.bytes}", merged, *every], check=True)
        with ZipFile(kept, "w", ZIP_DEFLATED, compresslevel=9) as corpus:
            for file in sorted(merged.iterdir()):
                corpus.writestr(ZipInfo(file.name), file.read_bytes(), ZIP_DEFLATED)
        return
    began = time.monotonic()
    slices = Slices(options.runs or math.inf, options.budget or (math.inf if options.runs else 60))
    signal.signal(signal.SIGINT, lambda *_: slices.end())  # a slice ends by itself, and says how many it has tried
    given = seeds(options.target)
    with ThreadPoolExecutor(options.workers) as workers:
        for working in [
            workers.submit(fuzz, program, given, number, slices, options.bytes) for number in range(options.workers)
        ]:
            working.result()
    rate = slices.tried / (time.monotonic() - began)
    if slices.failure:
        sys.exit(slices.failure)
    print(f"{options.target}: {slices.tried:,} executions ({rate:,.0f} a second), nothing found")


if __name__ == "__main__":
    main()
