"""libFuzzer with AddressSanitizer and UBSan over the importer in C++: tests/fuzz/fuzz_importer.cpp, built and run.

    python tests/fuzz/fuzz_importer.py --budget 60                # CI's
    python tests/fuzz/fuzz_importer.py --runs 1e8 --workers 2     # the whole campaign
    python tests/fuzz/fuzz_importer.py --input FILE               # one input again

Starts from tests/fuzz/corpus.zip (what earlier campaigns found, minimised) and the texts of tests/trace; prints how
many inputs were tried. An input that fails is kept in build/fuzz/ and the command exits with 1. Needs clang++ with its
libFuzzer; a build takes half a minute.
"""

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parents[2]
CORE = ROOT / "zreplay" / "core"
CORPUS = Path(__file__).with_name("corpus.zip")
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
HEADS = (b"\0\x10\x04\0", b"\0\x13\x03\x0b", b"\1\x07\x0a\x07", b"\2\x12\x02\x1f")


def build() -> Path:
    """The fuzzer, compiled if a source is newer."""
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "fuzz_importer"
    parts = [f"ftrace{part}" for part in ("", "_checks", "_columns", "_line", "_pages", "_pool", "_sight", "_zram")]
    parts += ["line_merger", "ring_buffer", "row_queue", "rows"]
    sources = [Path(__file__).with_suffix(".cpp"), *(CORE / "trace" / f"{part}.cpp" for part in parts)]
    headers = [*CORE.glob("*.hpp"), *CORE.glob("trace/*.hpp"), *CORE.glob("pool/*.hpp")]
    if program.exists() and program.stat().st_mtime > max(file.stat().st_mtime for file in sources + headers):
        return program
    compiler = [*(["ccache"] if shutil.which("ccache") else []), "clang++"]
    objects, compiling = [], []
    waiting = list(sources)
    while waiting or compiling:
        while waiting and len(compiling) < (os.cpu_count() or 1):
            source = waiting.pop(0)
            objects.append(str(BUILD / f"{source.stem}.o"))
            command = [*compiler, *FLAGS, f"-I{CORE}", "-c", str(source), "-o", objects[-1]]
            compiling.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        if compiling.pop(0).wait():
            sys.exit("the fuzzer does not compile")
    subprocess.run(["clang++", *FLAGS, *objects, "-o", str(program)], check=True)
    return program


def seeds() -> Path:
    """A folder with the samples of the tests, each in the ways it may be read."""
    folder = BUILD / "seeds"
    folder.mkdir(parents=True, exist_ok=True)
    texts = [file for name in ("samples", "inputs") for file in (ROOT / "tests" / "trace" / name).glob("*.txt")]
    for text in texts:
        for number, head in enumerate(HEADS):
            (folder / f"{text.stem}-{number}").write_bytes(head + text.read_bytes()[: MOST_BYTES - len(head)])
    return folder


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

    def done(self, said: str, code: int) -> None:
        """A slice has ended, and said this."""
        tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
        with self._lock:
            self.tried += int(tried[1]) if tried else 0
            if code or not tried:
                self.failure = said[-6000:]
            elif self.tried >= SLICE:
                print(f"importer: {self.tried:,} so far", file=sys.stderr, flush=True)


def fuzz(program: Path, number: int, slices: Slices, most_bytes: int) -> None:
    """A worker: what it finds is in a folder of its own, and met by its next slice."""
    found = BUILD / "found"
    own = found if number == 0 else BUILD / f"found-{number + 1}"
    own.mkdir(exist_ok=True)
    folders = [own, *([found] if number else []), seeds()]
    command = [
        program,
        f"-max_len={most_bytes}",
        "-entropic=0",
        "-timeout=10",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={BUILD}/",
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
    parser.add_argument("--budget", type=int, metavar="SECONDS", help="default: 60, or what --runs need")
    parser.add_argument("--runs", type=float, metavar="N", help="no more than so many inputs")
    parser.add_argument("--workers", type=int, default=1, help="processes, each with seeds of its own")
    parser.add_argument("--bytes", type=int, default=MOST_BYTES, metavar="N", help="of the longest text")
    parser.add_argument("--input", type=Path, help="one input, again")
    parser.add_argument("--merge", action="store_true", help="take what was found into the committed corpus, minimised")
    options = parser.parse_args()
    if not shutil.which("clang++"):
        sys.exit("needs clang++ and its libFuzzer (Debian: clang, libclang-rt-14-dev)")
    program = build()
    if options.input:
        sys.exit(subprocess.run([program, options.input]).returncode)
    found = BUILD / "found"
    found.mkdir(exist_ok=True)
    with ZipFile(CORPUS) as corpus:
        corpus.extractall(found)
    if options.merge:
        merged = BUILD / "merged"
        shutil.rmtree(merged, ignore_errors=True)
        merged.mkdir()
        subprocess.run([program, "-merge=1", f"-max_len={MOST_BYTES}", merged, found], check=True)
        with ZipFile(CORPUS, "w", ZIP_DEFLATED, compresslevel=9) as corpus:
            for file in sorted(merged.iterdir()):
                corpus.writestr(ZipInfo(file.name), file.read_bytes(), ZIP_DEFLATED)
        return
    began = time.monotonic()
    slices = Slices(options.runs or math.inf, options.budget or (math.inf if options.runs else 60))
    with ThreadPoolExecutor(options.workers) as workers:
        for working in [
            workers.submit(fuzz, program, number, slices, options.bytes) for number in range(options.workers)
        ]:
            working.result()
    rate = slices.tried / (time.monotonic() - began)
    if slices.failure:
        sys.exit(slices.failure)
    print(f"importer: {slices.tried:,} executions ({rate:,.0f} a second), nothing found")


if __name__ == "__main__":
    main()
