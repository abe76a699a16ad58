"""Which lines and branches of the engine, and which lines of Python, the tests reach.

    python tests/covered.py                 # the fast tests
    python tests/covered.py -m "slow or not slow" --workers 2

Of a Hypothesis test ten examples are enough to reach what it reaches (`ZREPLAY_EXAMPLES` says another number).
Builds the engine with counters (`tests/engines.py`, no optimisation), runs pytest on it under coverage.py, and prints
both tables, the files with most left out first. Ends with 1 if a figure is below its bar: what CI or a developer runs.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engines import CORE, ROOT, engine, environment

BUILD, RULES = ROOT / "build" / "coverage", ROOT / "tests" / "coverage.ini"
CORE_LINES, CORE_BRANCHES, PYTHON_LINES = 95.0, 90.0, 95.0


def pytest_collection_modifyitems(items) -> None:
    """In pytest, of which this file is a plugin then."""
    most = int(os.environ.get("ZREPLAY_EXAMPLES", "10"))
    for item in items:
        if given := getattr(getattr(item, "function", None), "_hypothesis_internal_use_settings", None):
            from hypothesis import settings

            few = settings(given, max_examples=min(given.max_examples, most))
            item.function._hypothesis_internal_use_settings = few


def run_tests(arguments: list[str], workers: str, add: bool) -> int:
    if not add:
        shutil.rmtree(BUILD, ignore_errors=True)
        for counted in engine("coverage").rglob("*.gcda"):
            counted.unlink()
    BUILD.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", "covered"]
    command += [*(["-n", workers] if workers != "0" else []), *arguments]
    measured = environment("coverage") | {"COVERAGE_PROCESS_START": str(RULES), "COVERAGE_FILE": str(BUILD / "data")}
    measured["PYTHONPATH"] += os.pathsep + str(RULES.parent)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **measured}).returncode


def python_lines() -> tuple[float, list[tuple[str, int, int]]]:
    """Per cent of the lines of zreplay/, and (file, lines, of them missed)."""
    coverage = [sys.executable, "-m", "coverage"]
    shared = {"cwd": ROOT, "check": True, "stdout": subprocess.DEVNULL}
    shared["env"] = {**os.environ, "COVERAGE_FILE": str(BUILD / "data")}
    if list(BUILD.glob("data.*")):  # 1 if none of them is whole: of processes that were killed, or whose disk was full
        combine = [*coverage, "combine", "--append", f"--rcfile={RULES}", "--quiet"]
        subprocess.run(combine, **shared | {"check": False, "stderr": subprocess.DEVNULL})
    # Errors: of copies of the package that a test made, and that are gone.
    subprocess.run([*coverage, "json", f"--rcfile={RULES}", "--ignore-errors", "-o", BUILD / "python.json"], **shared)
    read = json.loads((BUILD / "python.json").read_text())
    rows = [
        (name, of["summary"]["num_statements"], of["summary"]["missing_lines"]) for name, of in read["files"].items()
    ]
    return read["totals"]["percent_covered"], rows


def counts_of(notes: Path) -> list[dict[str, Any]]:
    """What gcov says of one object file, by source."""
    command = ["gcov", "--branch-probabilities", "--demangled-names", "--json-format", "--stdout", notes]
    said = json.loads(subprocess.run(command, cwd=notes.parent, check=True, capture_output=True).stdout)
    names = {of["name"]: of["demangled_name"] for file in said["files"] for of in file["functions"]}
    for file in said["files"]:
        file["path"] = os.path.normpath(Path(said["current_working_directory"]) / file["file"])
        for line in file["lines"]:
            line["function"] = without_arguments(names.get(line.get("function_name"), ""))
    return said["files"]


def without_arguments(name: str) -> str:
    """One name for all instances of a template: what tells the functions of one line apart, and no types."""
    name = re.sub(r"operator(<=>|<<|<=|<|>>|>=|>|->|\(\))", "operator", name).replace(" const", "")
    while name != (name := re.sub(r"<[^<>()]*>|\([^<>()]*\)", "", name)):
        pass
    return name.rpartition(" ")[2]


def decisions(branches: list[dict[str, Any]]) -> Iterator[int]:
    """How often each way out of a condition was taken.

    A call that may throw has two ways out as well, the next statement and whoever catches: no decision of ours.
    """
    left = list(branches)
    while left:
        first, second = left[0], left[1] if len(left) > 1 else None
        if second and first["throw"] != second["throw"] and (first["fallthrough"] or second["fallthrough"]):
            left = left[2:]
        elif second and first["fallthrough"] != second["fallthrough"]:
            yield from (first["count"], second["count"])
            left = left[2:]
        else:
            if not first["throw"]:
                yield first["count"]
            left = left[1:]


def core() -> tuple[float, float, list[tuple[str, int, int, int, int]]]:
    """Per cent of the core's lines and branches, and (file, lines, missed, branches, missed).

    Left out by rule, none by a mark in the source: branches that are there because a call may throw; those of lines
    with no code of ours (destructors of what an exception leaves behind); and the branch of an assert that ends the
    process, which no test can take. Of a template, a line or a branch is one, and reached if any instance does.
    """
    with ThreadPoolExecutor(os.cpu_count()) as several:
        found = list(several.map(counts_of, sorted(engine("coverage").glob("CMakeFiles/*zreplay*/**/*.gcno"))))
    lines: dict[str, Counter[int]] = defaultdict(Counter)
    branches: dict[str, Counter[tuple[int, str, int]]] = defaultdict(Counter)
    for file in (file for files in found for file in files):
        if not file["path"].startswith(f"{CORE}/"):
            continue
        name = str(Path(file["path"]).relative_to(ROOT))
        source = (ROOT / name).read_text().splitlines()
        for line in file["lines"]:
            number = line["line_number"]
            lines[name][number] += line["count"]
            code = source[number - 1].partition("//")[0].strip()
            if code.strip("{};() ") and not code.startswith("assert("):
                ways = enumerate(decisions(line["branches"]))
                branches[name].update({(number, line["function"], k): count for k, count in ways})
    counted = {"lines": lines, "branches": {name: Counter() for name in lines} | branches}
    (BUILD / "core.json").write_text(
        json.dumps(
            {
                name: {
                    what: [[*([key] if what == "lines" else key), n] for key, n in of[name].items()]
                    for what, of in counted.items()
                }
                for name in lines
            }
        )
    )
    rows = []
    for name in lines:
        missed = [sum(not count for count in of[name].values()) for of in counted.values()]
        rows.append((name, len(lines[name]), missed[0], len(counted["branches"][name]), missed[1]))
    lines_reached, branches_taken = (
        100 - 100 * sum(row[k + 1] for row in rows) / max(1, sum(row[k] for row in rows)) for k in (1, 3)
    )
    return lines_reached, branches_taken, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="0", help="processes of pytest (0: this one)")
    parser.add_argument("--report", action="store_true", help="of the last run, without running anything")
    parser.add_argument("--add", action="store_true", help="to what earlier runs have counted")
    parser.add_argument("--quiet", action="store_true", help="run, and report nothing yet")
    options, of_pytest = parser.parse_known_args()
    failed = 0 if options.report else run_tests(of_pytest, options.workers, options.add)
    if options.quiet:
        return failed
    percent, rows = python_lines()
    for name, lines, missed in sorted(rows, key=lambda row: -row[2])[:20]:
        print(f"{name:50} {lines:5} lines, {missed:4} missed")
    lines_percent, branches_percent, core_rows = core()
    for name, lines, missed, branches, not_taken in sorted(core_rows, key=lambda row: -row[2] - row[4])[:40]:
        print(f"{name:50} {lines:5} lines, {missed:4} missed; {branches:5} branches, {not_taken:4} missed")
    figures = [
        ("Python, lines", percent, PYTHON_LINES),
        ("core, lines", lines_percent, CORE_LINES),
        ("core, branches", branches_percent, CORE_BRANCHES),
    ]
    for what, found, bar in figures:
        print(f"{what:16} {found:5.1f} %, at least {bar} %{'' if found >= bar else ': below'}")
    return failed or any(found < bar for _, found, bar in figures)


if __name__ == "__main__":
    sys.exit(main())
