"""docs/performance.md and performance.json: each row measured is kept, and the page written from what is kept."""

import json
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import Any

from studies.performance.bars import Bar, Figure, Range
from studies.performance.bench import Bench, Left, Unavailable
from studies.performance.instructions import table_of_the_baseline
from studies.performance.rows import ROWS, Row

BEGIN = """\
<!-- Written by python docs/studies/performance: change docs/studies/performance instead. -->
# How fast it is

    pip install '.[bench]'           # libCacheSim, to compare with
    apt-get install linux-source-6.1 # the kernel's own index code, to compare with
    python docs/studies/performance       # all of this page; --rows index-1m,run: these rows; --quick: small and rough

Ratios travel from machine to machine, absolute figures do not; they are for orientation. What is compared was measured
in turns, A B A B …, in one run; a ratio is the Hodges-Lehmann estimate over the rounds' own ratios with the 95 %
interval of Wilcoxon's signed-rank test, a time the median with its bootstrap interval ([compare.md](compare.md)). Must
and aim are what the project asks of itself; "**no**": the estimate does not reach what it must.

How much a machine decides: [performance-intel.md](performance-intel.md) is this page as it was on an Intel on 1
December 2026, with the engine of the day before. The EPYC of the rows below is a Zen 4 with 1 MiB of second level and
32 MiB of third, and shares its processors too: on 1 December ten million turns of an empty Python loop took 0.73 s at
one time and 1.1 s at another, and a run of 20 million random events 1.04 s and 1.57 s, without any change in between.
"""


class Kept:
    """The rows measured so far, in a file; without one, only here."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.rows: dict[str, dict[str, Any]] = {}
        if path and path.exists():
            self.rows = json.loads(path.read_text(encoding="utf-8"))

    def keep(self, name: str, row: dict[str, Any]) -> None:
        self.rows[name] = row
        order = [row.name for row in ROWS]
        self.rows = {name: self.rows[name] for name in order if name in self.rows}
        if not self._path:
            return
        staging = self._path.with_suffix(".tmp")
        staging.write_text(json.dumps(self.rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        staging.replace(self._path)


def measure(names: Sequence[str], kept: Kept, *, budget: float, quick: bool, work: Path | None = None) -> list[str]:
    """Measures rows and keeps each as it is done; gives those that failed."""
    rows = [row for row in ROWS if row.name in names]
    share = budget / sum(row.seconds for row in ROWS)
    failed = []
    with TemporaryDirectory(prefix="zreplay-performance-", dir=work) as folder:
        bench = Bench(Path(folder), quick)
        for row in rows:
            bench.row, bench.seconds, bench.rounds = row.name, row.seconds * share, 0
            begun = time.monotonic()
            try:
                kept.keep(row.name, _measured(row, bench))
            except Exception:
                traceback.print_exc()
                failed.append(row.name)
            if sys.stderr.isatty():
                print(f"{row.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return failed


def _measured(row: Row, bench: Bench) -> dict[str, Any]:
    why = None
    try:
        figures, details = row.measure(bench)
    except Left as left:
        (figures, details), why = left.measured, str(left)
    except Unavailable as error:
        figures, details, why = [], [], str(error)
    return {
        "figures": [asdict(figure) for figure in figures],
        "details": details,
        "left_out": why,
        "rounds": bench.rounds,
        "quick": bench.quick,
        "day": time.strftime("%Y-%m-%d"),
        "machine": machine(),
    }


def machine() -> str:
    """Processor, memory, compiler: what the absolute figures are of."""
    processor = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{processor}, {os.cpu_count()} CPUs, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}, {compiler()}"
    )


def compiler() -> str:
    try:
        found = subprocess.run(["cc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no compiler"
    return f"GCC {found}"


def page(kept: Kept) -> str:
    """The whole page."""
    parts = [BEGIN, *_machines(kept), *_summary(kept)]
    for row in ROWS:
        parts += _section(row, kept.rows.get(row.name))
    return "\n".join([*parts, table_of_the_baseline()])


def _machines(kept: Kept) -> list[str]:
    lines = []
    for found in dict.fromkeys(row["machine"] for row in kept.rows.values()):
        names = [name for name, row in kept.rows.items() if row["machine"] == found]
        of = "" if len(names) == len(kept.rows) else f" ({', '.join(names)})"
        lines.append(f"Machine: {found}{of}.")
    return [*lines, ""]


def _summary(kept: Kept) -> list[str]:
    lines = ["| row | what | measured | 95 % interval | must | aim | reached |", "|---|---|--:|---|---|---|---|"]
    for row in ROWS:
        figures = [figure for figure in _figures(kept.rows.get(row.name)) if figure.bar.must]
        for figure in figures:
            label = f"[{row.name}](#{_anchor(row.title)})" if figure is figures[0] else ""
            lines.append(f"| {label} | {' | '.join(figure.cells())} |")
    return [*lines, ""]


def _section(row: Row, found: dict[str, Any] | None) -> list[str]:
    lines = [
        f"## {row.title}",
        "",
        *wrap(row.text, 118, break_long_words=False, break_on_hyphens=False),
        "",
        *(f"    {line}" for line in row.commands.splitlines()),
        "",
    ]
    if found is None:
        return [*lines, f"Not measured yet: `python docs/studies/performance --rows {row.name}`.", ""]
    if figures := _figures(found):
        lines += ["| | measured | 95 % interval | must | aim | reached |", "|---|--:|---|---|---|---|"]
        lines += [f"| {' | '.join(figure.cells())} |" for figure in figures]
        lines.append("")
    if found["details"]:
        lines += [f"| {' | '.join(row.head)} |", f"|{'---|' * len(row.head)}"]
        lines += [f"| {' | '.join(cells)} |" for cells in found["details"]]
        lines.append("")
    if row.why and any(figure.verdict() == "**no**" for figure in _figures(found)):
        lines += ["Why not:", *wrap(row.why, 118, break_long_words=False, break_on_hyphens=False), ""]
    if found["left_out"]:
        lines += [f"Left out: {found['left_out']}.", ""]
    quick = ", quick: small and rough" if found["quick"] else ""
    rounds = f"{found['rounds']} round{'s' if found['rounds'] != 1 else ''}"
    return [*lines, f"{found['day']}, {rounds}{quick}.", ""]


def _figures(found: dict[str, Any] | None) -> list[Figure]:
    figures = []
    for kept in found["figures"] if found else ():
        bar = Bar(**{name: Range(**asked) if asked else None for name, asked in kept["bar"].items()})
        figures.append(Figure(**{**kept, "bar": bar}))
    return figures


def _anchor(title: str) -> str:
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
