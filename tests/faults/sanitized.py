"""The core's tests on engines with sanitizers: leaks, races, undefined behaviour. No suppressions.

    python tests/faults/sanitized.py leaks            # the lock-step program, tests/core: ASan, LeakSanitizer, UBSan
    python tests/faults/sanitized.py races            # parallel replay: ThreadSanitizer
    python tests/faults/sanitized.py leaks --only-programs
    python tests/faults/sanitized.py leaks --budget 600         # seconds for the tests, which end there, as at Ctrl-C

What must be silent altogether is a C++ program of ours without Python (lockstep, races). Under Python the interpreter
and Arrow leave memory behind at the exit and pass data between threads in ways a sanitizer cannot see, as neither is
compiled with one: there, of what is reported, that counts which has a frame of ours in it.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from programs import HERE, ROOT, program

#: What of the Python tests replays in parallel.
PARALLEL = ("tests/replay/test_threads.py", "tests/replay/test_cells.py", "tests/replay/test_curve.py")
OF_OURS = re.compile(r"zreplay/core/|_zreplay\.")
INTERRUPTED = 2  # pytest's exit code
BLOCK = {"address": re.compile(r"(?:Direct|Indirect) leak of"), "thread": re.compile(r"WARNING: ThreadSanitizer")}


def ours(log: str, kind: str) -> list[str]:
    """The reports of a sanitizer's log that have a frame of the engine."""
    begins = [match.start() for match in BLOCK[kind].finditer(log)]
    reports = [log[begin:end] for begin, end in zip(begins, [*begins[1:], len(log)], strict=True)]
    return [report for report in reports if OF_OURS.search(report)]


def programs(kind: str, operations: float) -> int:
    """Exit code of the program of that kind, which must say nothing."""
    stops = "halt_on_error=1:exitcode=66"
    options = os.environ | {"ASAN_OPTIONS": f"detect_leaks=1:{stops}", "TSAN_OPTIONS": stops, "UBSAN_OPTIONS": stops}
    if kind == "thread":
        return subprocess.run(
            [program("races", "thread"), str(max(1, int(operations // 120_000)))], env=options
        ).returncode
    lockstep = program("lockstep", "address")
    names = subprocess.check_output([lockstep, "list"], text=True).split()
    command = [lockstep, "run", str(operations), "3600", "1", *names]
    done = subprocess.run(command, env=options, stdout=subprocess.PIPE, text=True)
    counts = [int(line.split()[1]) for line in done.stdout.splitlines()]
    print(f"{sum(counts):,} operations over {len(counts)} subjects")
    return done.returncode


def tests(kind: str, paths: list[str], budget: float | None) -> int:
    """The Python tests on that engine: 1 if one fails or something of ours is reported."""
    sys.path.insert(0, str(ROOT / "tests"))
    from engines import CORE, environment

    only_structures = not any(path.startswith("tests/") and not path.startswith("tests/core") for path in paths)
    source = HERE / "structures" if only_structures else CORE
    with tempfile.TemporaryDirectory() as folder:
        log = f"log_path={folder}/log"
        options = {
            "ASAN_OPTIONS": f"detect_leaks=1:{log}",
            "LSAN_OPTIONS": "exitcode=0",
            "TSAN_OPTIONS": f"exitcode=0:{log}",
            "PYTHONMALLOC": "malloc",
            # Whose free() a sanitizer sees, so that what is allocated again is known to be another's by then.
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        }
        # -x: that one failed is the exit code even if the budget ends the others.
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *paths]
        # In a shell's background SIGINT is ignored, and would be in pytest.
        heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        variables = os.environ | options | environment(kind, source)
        begun = subprocess.Popen(command, cwd=ROOT, env=variables, preexec_fn=heeds)
        ended_by_us = False
        try:
            begun.wait(budget)
        except subprocess.TimeoutExpired:
            begun.send_signal(signal.SIGINT)
            ended_by_us = begun.wait() == INTERRUPTED
        logs = [path.read_text(errors="replace") for path in Path(folder).glob("log*")]
    found = [report for text in logs for report in ours(text, kind)]
    print("\n".join(found[:5]), file=sys.stderr)
    errors = sum("ERROR: AddressSanitizer" in text or "runtime error" in text for text in logs)
    ended = "ended by the budget" if ended_by_us else f"exit {begun.returncode}"
    print(f"{kind}: tests {ended}, {len(found)} reports with a frame of ours, {errors} errors")
    return bool((begun.returncode and not ended_by_us) or found or errors)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=["leaks", "races"])
    options.add_argument("--operations", type=float, default=1e6, help="of the program")
    options.add_argument("--budget", type=float, metavar="SECONDS", help="of the tests; without it, to their end")
    options.add_argument("--only-programs", action="store_true")
    options.add_argument("paths", nargs="*", help="tests, instead of tests/core or those that replay in parallel")
    given = options.parse_args()
    kind = {"leaks": "address", "races": "thread"}[given.what]
    failed = bool(programs(kind, given.operations))
    if not given.only_programs:
        paths = given.paths or (["tests/core"] if kind == "address" else list(PARALLEL))
        failed |= bool(tests(kind, paths, given.budget))
    return failed


if __name__ == "__main__":
    sys.exit(main())
