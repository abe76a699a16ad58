"""libFuzzer with AddressSanitizer and UBSan over the importer in C++: tests/fuzz/fuzz_importer.cpp, built and run.

    python tests/fuzz/fuzz_importer.py --budget 60                # CI's
    python tests/fuzz/fuzz_importer.py --runs 1e8 --workers 2     # the whole campaign
    python tests/fuzz/fuzz_importer.py --input FILE               # one input again

Starts from tests/fuzz/corpus.zip (what earlier campaigns found, minimised) and the texts of tests/trace; prints how
many inputs were tried. An input that fails is kept in build/fuzz/ and the command exits with 1. Needs clang++ with its
libFuzzer; a build takes half a minute.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
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
    "-fno-sanitize-recover=all",
    "-fno-sanitize-coverage=trace-cmp",  # which value of a key comes next is the mutator's affair
]
# An input makes hundreds of small allocations: without the stack of each, and with a short row of freed ones, half as
# many again are tried in a second. `--input` shows the stacks of one that fails.
ASAN_OPTIONS = "malloc_context_size=0:quarantine_size_mb=2:thread_local_quarantine_size_kb=64"
MOST_BYTES = 1024
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


def main() -> None:
    """Build, fuzz, and say how many inputs there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=60, metavar="SECONDS")
    parser.add_argument("--runs", type=float, metavar="N", help="so many inputs instead")
    parser.add_argument("--workers", type=int, default=1, help="processes; each has its share, and a seed of its own")
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
    bound = f"-runs={int(options.runs / options.workers)}" if options.runs else f"-max_total_time={options.budget}"
    common = [
        "-entropic=0",
        "-timeout=10",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={BUILD}/",
    ]
    variables = {"ASAN_OPTIONS": ASAN_OPTIONS, **os.environ}
    executions = rate = 0
    working = []
    for number in range(options.workers):
        # What is found is written to the first folder. The texts of the second worker are half as long.
        of_worker = found if number == 0 else BUILD / f"found-{number + 1}"
        of_worker.mkdir(exist_ok=True)
        folders = [of_worker, *([found] if number else []), seeds()]
        length = f"-max_len={max(MOST_BYTES >> number, 256)}"
        command = [program, bound, length, *common, "-print_final_stats=1", "-reload=0", *folders]
        log = (BUILD / f"log-{number + 1}").open("w+", errors="replace")
        working.append((log, subprocess.Popen(command, stderr=log, env=variables)))
    for log, process in working:
        process.wait()
        log.seek(0)
        said = log.read()
        tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
        speed = re.search(r"stat::average_exec_per_sec:\s*(\d+)", said)
        executions += int(tried[1]) if tried else 0
        rate += int(speed[1]) if speed else 0
        if process.returncode or not tried:
            print(said[-6000:])
            for _, other in working:
                other.kill()
            sys.exit(1)
    print(f"importer: {executions:,} executions ({rate:,} a second), nothing found")


if __name__ == "__main__":
    main()
