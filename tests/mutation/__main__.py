"""Do the tests of pools and indexes notice when the engine is wrong?

    python tests/mutation zreplay/core/pool/zbud.hpp --budget 600 --seed 1 --sample 40
    python tests/mutation                                   # all files of index/ and pool/

Writes copies of these files with all mutants of the sample in them (`switch.hpp`), compiles them once, with the part of
the engine that tests/core calls and no more, and runs those tests in a fork for each mutant: only tests that reach it,
the quickest first, until one fails. Prints each mutant that survived as a diff, and the score of each file.
"""

import argparse
import contextlib
import ctypes
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from sites import Mutant, mutants, written

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORE = ROOT / "zreplay" / "core"
BUILD = ROOT / "build" / "mutation"

MOST = 8192  # switch.hpp's
MOST_BYTES = 2 << 30
# Declarations, names, what a message is made of, a stopwatch, and what adapts a plugin: no part of a pool or an index.
NO_BACKENDS = {"ahead", "broken", "index", "pool", "registry", "time_index", "virtual_pool"}


@dataclass
class Placed:
    number: int
    file: Path
    mutant: Mutant
    text: str
    tests: list[int] = field(default_factory=list)  # that reach it, quickest first
    outcome: str = ""

    def __str__(self) -> str:
        line = self.mutant.line(self.text)
        begin = self.text.rfind("\n", 0, self.mutant.begin) + 1
        end = self.text.find("\n", self.mutant.end)
        old = self.text[begin:end]
        new = self.text[begin : self.mutant.begin] + self.mutant.instead + self.text[self.mutant.end : end]
        marked = [f"  - {old_line.strip()}" for old_line in old.splitlines()]
        marked += [f"  + {new_line.strip()}" for new_line in new.splitlines()]
        return "\n".join([f"{self.outcome}: {self.file.relative_to(CORE)}:{line}", *marked])


def sample(files: list[Path], count: int, seed: int) -> list[Placed]:
    placed: list[Placed] = []
    for file in files:
        text = file.read_text()
        all_there_are = mutants(text)
        random.Random(f"{seed} {file.name}").shuffle(all_there_are)
        # Of two operators for one, one: they would be written at the same place.
        some = {mutant.begin if len(mutant.edits) == 1 else mutant: mutant for mutant in reversed(all_there_are)}
        some = list(reversed(some.values()))[:count]
        for mutant in sorted(some, key=lambda mutant: (mutant.begin, mutant.end, mutant.instead)):
            placed.append(Placed(len(placed) + 1, file, mutant, text))
    return placed


def compile_mutants(placed: list[Placed]) -> list[Placed]:
    """Builds the module; gives those that compiled."""
    source = BUILD / "core"
    shutil.copytree(CORE, source, dirs_exist_ok=True)
    left = placed
    for _ in range(8):
        for file in {each.file for each in placed}:
            numbered = [(each.number, each.mutant) for each in left if each.file == file]
            target = source / file.relative_to(CORE)
            text = written(file.read_text(), numbered)
            if target.read_text() != text:
                target.write_text(text)
        (BUILD / "CMakeLists.txt").write_text((HERE / "CMakeLists.txt").read_text())
        (BUILD / "module.cpp").write_text((HERE / "module.cpp").read_text())
        ninja = ["-G", "Ninja"] if shutil.which("ninja") else []
        configure = ["cmake", "-S", BUILD, "-B", BUILD / "engine", *ninja, f"-DPython_EXECUTABLE={sys.executable}"]
        configure += [f"-DMUTATION_HEADER={HERE / 'switch.hpp'}"]
        if shutil.which("ccache"):
            configure.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
        subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
        build = ["cmake", "--build", BUILD / "engine", "--parallel", "2", *(["--", "-k0"] if ninja else [])]
        built = subprocess.run(build, capture_output=True, text=True)
        if built.returncode == 0:
            return left
        output = built.stdout + built.stderr
        (BUILD / "errors.txt").write_text(output)
        wrong = blamed(output, left, source)
        if not wrong:
            sys.exit(f"mutation: does not compile, and no mutant is to blame: {BUILD / 'errors.txt'}")
        for each in wrong:
            each.outcome = "does not compile"
        left = [each for each in left if each not in wrong]
    sys.exit("mutation: does not compile after eight tries")


def blamed(output: str, left: list[Placed], source: Path) -> list[Placed]:
    def at(pattern: str) -> list[Placed]:
        found = {
            ((BUILD / "engine" / path).resolve(), int(line)) for path, line in re.findall(pattern, output, re.MULTILINE)
        }
        return [
            each
            for each in left
            for path, line in found
            if path == (source / each.file.relative_to(CORE)).resolve()
            and each.mutant.line(each.text) <= line <= each.text.count("\n", 0, each.mutant.end) + 1
        ]

    numbers = {int(number) for number in re.findall(r"\[with int I = (\d+)", output)}
    by_number = [each for each in left if each.number in numbers]
    return at(r"^(\S+?):(\d+):\d+: error:") or by_number or at(r"^(\S+?):(\d+):\d+:\s+required from")


class Campaign:
    """pytest's loop over the tests, as one loop over the mutants; a plugin of it."""

    def __init__(self, placed: list[Placed], budget: float, longest: float, examples: int, module: Path) -> None:
        self.placed, self.deadline, self.longest = placed, time.monotonic() + budget, longest
        self.examples = examples
        self.switch = ctypes.CDLL(str(module))
        self.active = ctypes.c_int.in_dll(self.switch, "mutation_active")
        self.reached = (ctypes.c_ubyte * MOST).in_dll(self.switch, "mutation_reached")
        self.invalid = (ctypes.c_ubyte * MOST).in_dll(self.switch, "mutation_invalid")
        self.failed = False

    def pytest_runtest_logreport(self, report) -> None:
        self.failed |= report.failed

    def pytest_runtestloop(self, session) -> bool:
        at_import = bytes(self.reached)
        for item in session.items:
            if given := getattr(item.function, "_hypothesis_internal_use_settings", None):
                few = settings(given, max_examples=min(given.max_examples, self.examples))
                item.function._hypothesis_internal_use_settings = few
        seconds = self.baseline(session)
        tried = [each for each in self.placed if not each.outcome]
        random.Random(0).shuffle(tried)
        for k, each in enumerate(tried):
            if time.monotonic() > self.deadline:
                break
            each.tests = sorted((k for k in each.tests if seconds[k] <= self.longest), key=seconds.__getitem__)
            if not each.tests:
                each.outcome = "set before the tests" if at_import[each.number] else "not reached"
                continue
            each.outcome = self.try_one(session, each, seconds)
            print(f"\r{k + 1} of {len(tried)} mutants", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return True

    def fork(self, child) -> tuple[int, int]:
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reading)
            shown = os.dup(2)
            try:
                child(writing)
            except BaseException:
                os.write(shown, traceback.format_exc().encode())
            os._exit(3)
        os.close(writing)
        return process, reading

    def baseline(self, session) -> list[float]:
        def child(writing: int) -> None:
            silent()
            with os.fdopen(writing, "w") as out:
                for item in session.items:
                    ctypes.memset(self.reached, 0, MOST)
                    begin = time.process_time()
                    self.failed = False
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                    reached = [each.number for each in self.placed if self.reached[each.number]]
                    print(json.dumps([time.process_time() - begin, self.failed, reached]), file=out, flush=True)
            os._exit(0)

        process, reading = self.fork(child)
        seconds = []
        by_number = {each.number: each for each in self.placed}
        with os.fdopen(reading) as lines:
            for k, line in enumerate(lines):
                print(f"\r{k + 1} of {len(session.items)} tests", end="", file=sys.stderr, flush=True)
                took, failed, reached = json.loads(line)
                if failed:
                    os.kill(process, signal.SIGKILL)
                    raise pytest.exit.Exception(f"{session.items[k].nodeid} fails without any mutant", 3)
                seconds.append(took)
                for number in reached:
                    by_number[number].tests.append(k)
        _, status = os.waitpid(process, 0)
        if len(seconds) != len(session.items):
            test = session.items[len(seconds)].nodeid
            raise pytest.exit.Exception(f"{test} ends the process without any mutant: wait status {status}", 3)
        print(f"\n{len(seconds)} tests, {sum(seconds):.0f} s of processor time", file=sys.stderr)
        return seconds

    def try_one(self, session, each: Placed, seconds: list[float]) -> str:
        def child(writing: int) -> None:
            silent()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            self.active.value = each.number
            self.failed = False
            for test in each.tests:
                signal.setitimer(signal.ITIMER_PROF, 0.5 + 5 * seconds[test])  # ends the process: it loops
                item = session.items[test]
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                if self.failed or self.invalid[each.number]:
                    break
            os._exit(2 if self.invalid[each.number] else 1 if self.failed else 0)

        process, reading = self.fork(child)
        os.close(reading)
        while True:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                break
            with contextlib.suppress(OSError):
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                if pages * 4096 > MOST_BYTES:
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.01)
        if os.WIFSIGNALED(status):
            return "killed"
        return {0: "survived", 1: "killed", 2: "does not compile"}.get(os.WEXITSTATUS(status), "killed")


def silent() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="of zreplay/core/index and pool; all, if none")
    parser.add_argument("--budget", type=float, default=1800, help="seconds for the mutants, building apart (1800)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=40, help="mutants of each file (40)")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--examples", type=int, default=20, help="of a Hypothesis test, at most (20)")
    parser.add_argument("--longest", type=float, default=4, help="seconds of a test: longer ones are left out (4)")
    parser.add_argument("-k", default="", help="only these tests, as pytest's -k")
    options = parser.parse_args()
    both = [file for folder in ("index", "pool") for file in (CORE / folder).glob("*.[ch]pp")]
    backends = sorted(file for file in both if file.stem not in NO_BACKENDS)
    files = [file.resolve() for file in options.files] or backends
    if others := set(files) - set(backends):
        parser.error(f"{min(others)}: no file of a pool or an index")

    placed = sample(backends, options.sample, options.seed)  # of all files: one build, whatever is tried
    compiled = compile_mutants(placed)
    if options.build_only:
        return 0
    print(f"{len(placed)} mutants, {len(compiled)} compile", file=sys.stderr)
    module = BUILD / "engine" / f"_zreplay{sysconfig.get_config_var('EXT_SUFFIX')}"
    sys.path.insert(0, str(module.parent))
    os.environ["POLARS_MAX_THREADS"] = "1"

    # The same examples for every mutant, and no smaller one looked for.
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")
    placed = [each for each in placed if each.file in files]
    campaign = Campaign(placed, options.budget, options.longest, options.examples, module)
    tests = [
        str(test) for test in sorted((ROOT / "tests" / "core").glob("test_*.py")) if "ring_buffer" not in test.name
    ]
    arguments = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler", "-q", "--rootdir", str(ROOT)]
    code = pytest.main([*arguments, *tests, "-k", options.k], plugins=[campaign])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(code)
    return report(placed, files)


def report(placed: list[Placed], files: list[Path]) -> int:
    for each in placed:
        if each.outcome in ("survived", "not reached", "set before the tests"):
            print(each)
    rows = []
    for file in files:
        of_file = [each.outcome for each in placed if each.file == file]
        tried = [outcome for outcome in of_file if outcome not in ("", "does not compile")]
        killed = tried.count("killed")
        rows.append((str(file.relative_to(CORE)), len(of_file), len(tried), killed))
    rows.append(("all", *(sum(row[k] for row in rows) for k in (1, 2, 3))))
    print(f"{'file':32} sampled  tried  killed  survived  score")
    for name, sampled, tried_count, killed in rows:
        score = f"{100 * killed / tried_count:5.1f} %" if tried_count else "      –"
        print(f"{name:32} {sampled:7} {tried_count:6} {killed:7} {tried_count - killed:9}  {score}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
