"""Instructions per event under cachegrind, held against a baseline: a busy machine does not change them.

Each cell is run twice in a process that imports nothing but _zreplay (engine.py), the second time with more events; the
difference is what these took. Builds of two compilers differ, so the baseline says whose it is. It is written anew by
`python docs/studies/performance --instructions`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import _zreplay
from bench.text import ftrace_text
from studies.performance.bench import HERE, engine_spec, random_entries

BASELINE = HERE / "instructions.json"
#: Percent that a count may be off before somebody should look.
TOLERANCE_PERCENT = 2.0
MORE_EVENTS = 100_000
TEXT_LINES = 20_000
#: Entries: with many, the loop looks ahead; a few fit a core's cache, and it does not.
SIZES = {"looking ahead": 300_000, "small": 5_000}


@dataclass(frozen=True)
class Cell:
    """What is counted: `replay` are Replay.make's settings, None draws the events only."""

    name: str
    resident: int = 0
    replay: dict[str, Any] | None = None
    unit: str = "event"


REPLAYS: dict[str, dict[str, Any]] = {
    "radix-lowbit × zbud": {"index": "radix-lowbit", "pool": "zbud"},
    "radix-lowbit × zsmalloc": {"index": "radix-lowbit", "pool": "zsmalloc"},
    "rbtree × zbud": {"index": "rbtree", "pool": "zbud"},
    "xarray-64m × zsmalloc, 6.12": {"index": "xarray-64m", "pool": "zsmalloc", "kernel": "6.12"},
}
GENERATOR = Cell("generator, random", SIZES["small"])
ENGINE = tuple(
    Cell(f"{name}, {size}", resident, settings)
    for name, settings in REPLAYS.items()
    for size, resident in SIZES.items()
)
PARSER = Cell("parser of ftrace text", unit="line")
CELLS = (*ENGINE, GENERATOR, PARSER)


def why_not() -> str | None:
    """What is missing."""
    return None if shutil.which("valgrind") else "no valgrind: apt-get install valgrind"


def compiler() -> str:
    """Whose build _zreplay is: name and major version."""
    found = re.match(r"(\S+) (\d+)", _zreplay.compiler)
    return f"{found[1]} {found[2]}" if found else _zreplay.compiler


def measure(cells: tuple[Cell, ...] = CELLS) -> dict[str, float]:
    """Cell's name → instructions per event (or line); of a replay without those that draw its events."""
    with TemporaryDirectory(prefix="zreplay-instructions-") as folder, ThreadPoolExecutor(os.cpu_count()) as threads:
        counting = {
            (cell.name, more): threads.submit(_count, Path(folder), cell, more)
            for cell in cells
            for more in (False, True)
        }
        per_event = {}
        for cell in cells:
            difference = counting[cell.name, True].result() - counting[cell.name, False].result()
            per_event[cell.name] = difference / (TEXT_LINES if cell is PARSER else MORE_EVENTS)
    for cell in ENGINE:
        if cell in cells:
            per_event[cell.name] -= per_event[GENERATOR.name]  # drawing takes the same however many entries there are
    return per_event


def _count(folder: Path, cell: Cell, more: bool) -> int:
    spec = folder / f"{CELLS.index(cell)}-{more}.json"
    if cell is PARSER:
        text = spec.with_suffix(".txt")
        lines = ftrace_text("trace_pipe", 4 << 20).splitlines(keepends=True)
        text.write_bytes(b"".join(lines[: TEXT_LINES * (1 + more)]))
        content = engine_spec(random_entries(1, 1), None, 0) | {"text": str(text)}
    else:
        # 55 % of the events store a new page until all are there.
        events = 2 * cell.resident + (MORE_EVENTS if more else 0)
        content = engine_spec(random_entries(1, cell.resident), cell.replay, events)
    spec.write_text(json.dumps(content), encoding="utf-8")
    return instructions_of(spec)["I refs"]


def instructions_of(spec: Path, *options: str) -> dict[str, int]:
    """What cachegrind counts of engine.py with that file: its totals by their names."""
    command = ["valgrind", "--tool=cachegrind", "--cachegrind-out-file=/dev/null", *(options or ["--cache-sim=no"])]
    # The same environment everywhere: its size moves the stack, its hash seed the dictionaries.
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0"}
    command += [sys.executable, "-S", "-s", "-B", str(HERE / "engine.py"), str(spec)]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-2000:]}")
    totals = re.findall(r"^==\d+== (\w+ +\w+(?: \w+)?): +([\d,]+)", done.stderr, re.MULTILINE)
    return {" ".join(name.split()): int(count.replace(",", "")) for name, count in totals}


def baseline() -> dict[str, Any]:
    return json.loads(BASELINE.read_text(encoding="utf-8"))


def write_baseline() -> None:
    per_event = {name: round(count, 1) for name, count in measure().items()}
    content = {"compiler": compiler(), "valgrind": _valgrind_version(), "per_event": per_event}
    BASELINE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _valgrind_version() -> str:
    return subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def table_of_the_baseline() -> str:
    """The section of the page."""
    kept = baseline()
    lines = [
        "## Instructions per event",
        "",
        f"Counted by {kept['valgrind']} (cachegrind) for a build of {kept['compiler']}, the same each time; CI",
        f"fails when one is off by more than {TOLERANCE_PERCENT:g} % (tests/performance/test_instructions.py).",
        f"Of a replay: the engine alone, without drawing the events. Looking ahead: {SIZES['looking ahead']:,}",
        f"random entries; small: {SIZES['small']:,}, where it is off.",
        "",
        "    python docs/studies/performance --instructions   # writes the baseline anew",
        "",
        "| | instructions |",
        "|---|--:|",
    ]
    units = {cell.name: cell.unit for cell in CELLS}
    lines += [f"| {name} | {count:,.0f} per {units[name]} |" for name, count in kept["per_event"].items()]
    return "\n".join([*lines, ""])
