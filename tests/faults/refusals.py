"""Lets the system refuse zreplay's n-th call, n = 1, 2, … until it is done before the n-th comes.

    python tests/faults/refusals.py --verb run,convert --budget 600

A call fails once, or from then on (the disk stays full while the error is told). Expected: exit code 0 and all that an
undisturbed start writes, or the documented exit code and one line that names what was refused; nothing half-written,
nothing lost, no litter where it could be removed, no traceback; and a second start finishes.
"""

import argparse
import itertools
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.crash import next_start, not_whole
from faults.starts import HOW, Start, Starts, contents, is_hidden, units
from faults.verbs import VERBS, Scenario, prepare, scenarios

#: What is refused, of which calls, and whether it goes on.
REFUSALS = [
    ("ENOSPC", ("open", "write", "sync", "rename", "mkdir", "change"), False),
    ("ENOSPC", ("open", "write", "sync", "rename", "mkdir", "change"), True),
    ("EIO", ("open", "write", "sync", "rename", "mkdir", "change", "remove"), False),
    ("EIO", ("write", "sync", "rename", "mkdir", "change", "remove"), True),
    ("EINTR", ("open", "write", "sync"), False),
    ("short", ("write",), False),
    ("short", ("write",), True),
    ("EMFILE", ("open",), False),
    ("EIO", ("read",), False),
    ("EINTR", ("read",), False),
    ("short", ("read",), False),
    ("short", ("read",), True),
]
#: Usage (the output), the trace, cells of a sweep.
CODES = (2, 4, 6)


@dataclass
class Found:
    """What a campaign has seen."""

    refused: Counter[str] = field(default_factory=Counter)
    told: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Series:
    """A command line, and what is refused of it: of the first such call, the second, …"""

    scenario: Scenario
    how: str
    kinds: tuple[str, ...]
    forever: bool

    def __str__(self) -> str:
        what = "reads" if self.kinds == ("read",) else "calls"
        return f"{self.scenario.name}: {self.how} {'from' if self.forever else 'at'} {what}"

    def start(self, starts: Starts, at: int) -> Start:
        """Start it where the ``at``-th call is refused."""
        starts.put(self.scenario.before)
        return starts.start(*self.scenario.arguments, at=at, how=HOW[self.how], kinds=self.kinds, forever=self.forever)


def campaign(
    starts: Starts, some: Sequence[Scenario], until: float, most: int | None = None, seed: int = 0, only: str = ""
) -> Found:
    """All refusals of all calls, or ``most`` by chance, or until the time has come; of series that have ``only``."""
    found = Found()
    tried: set[tuple[object, ...]] = set()
    every = [Series(s, *refusal) for s in some for refusal in REFUSALS]
    every = [series for series in every if re.search(only, str(series))]
    if most is not None:
        calls = [
            (series, at)
            for series in every
            if time.monotonic() < until
            for at in range(1, series.start(starts, sys.maxsize).calls + 1)
        ]
        for series, at in random.Random(seed).sample(calls, min(most, len(calls))):
            if time.monotonic() > until:
                break
            refuse(starts, series, at, found, tried)
        return found
    for series in every:
        for at in itertools.count(1):
            if time.monotonic() > until:
                return found
            if not refuse(starts, series, at, found, tried):
                break
    return found


def refuse(starts: Starts, series: Series, at: int, found: Found, tried: set[tuple[object, ...]]) -> bool:
    """Refuse one call; False if it was done before that call came."""
    scenario = series.scenario
    start = series.start(starts, at)
    if not start.fired:
        return start.calls >= at
    found.refused[series.how] += 1
    found.told += start.code != 0
    kind, path = start.log[at - 1] if at <= len(start.log) else (series.kinds[0], "…")  # the log has the first ones
    where = f"{scenario.verb}, {series}, number {at}: {kind} of {path}"
    # Removing a directory begins with opening it.
    removes = kind == "remove" or (kind == "open" and is_hidden(path.rpartition("/")[2]) and start.code == 0)
    named = [path.rpartition("/")[2], *names(scenario)]
    # From what is the same a second start does the same: one is enough.
    left = contents(starts.work)
    state = (scenario.verb, scenario.name, repr(left))
    said = [
        *after(scenario, start, left, named, excused=series.forever or removes),
        *(next_start(starts, scenario, left) if state not in tried else ()),
    ]
    tried.add(state)
    found.faults += [f"{where}: {fault}" for fault in said]
    return True


def after(
    scenario: Scenario, start: Start, left: dict[str, object], named: Sequence[str], *, excused: bool
) -> Iterator[str]:
    """What is wrong with how a start took a refusal, and with what it left.

    ``named``: what an error may be of; ``excused``: what is hidden may be left, since it could not be removed.
    """
    lines = [line for line in start.err.splitlines() if line.startswith("zreplay: ")]
    if start.code == 0:
        whole = units(left).items() >= units(scenario.expected).items()
        if not whole and not all("times.jsonl" in name for name in units(scenario.expected) if name not in left):
            yield "exit code 0, but not all is there"
        if lines:
            yield f"exit code 0, but {start.err!r}"
    elif start.code not in CODES:
        yield f"exit code {start.code}, expected one of {CODES}: {start.err[-700:]}"
    elif start.code == 6:
        pass  # a line for each cell
    elif len([line for line in lines if "warning:" not in line]) != 1 or len(lines) != len(start.err.splitlines()):
        yield f"not one line: {start.err[-700:]!r}"
    elif not any(name in start.err for name in named):
        yield f"names nothing: {start.err!r}"
    yield from not_whole(scenario, left)
    before = contents(scenario.before) if scenario.before else {}
    litter = [name for name in left if is_hidden(name) and name not in {**scenario.expected, **before}]
    if litter and not excused and ".sweep.lock" not in " ".join(litter):
        yield f"leaves {', '.join(litter)}"


def names(scenario: Scenario) -> list[str]:
    """What an error may be of: an argument, or what the verb reads and writes below it."""
    words = scenario.arguments
    outputs = [words[number + 1] for number, word in enumerate(words) if word == "-o"]
    return ["standard output", *outputs, *(word for word in words if "/" in word or word.endswith((".html", ".svg")))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verb", default="all", help=f"all, or some of {','.join(VERBS)}")
    parser.add_argument("--budget", type=float, default=3600, metavar="SECONDS", help="for each verb")
    parser.add_argument("--points", type=int, metavar="N", help="so many for each verb, by chance, not all")
    parser.add_argument(
        "--only", default="", metavar="REGEX", help='of "new: ENOSPC at calls", "replacing: short from reads", …'
    )
    given = parser.parse_args()
    failed = 0
    for verb in VERBS if given.verb == "all" else given.verb.split(","):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            starts = Starts(Path(folder))
            prepare(starts)
            began = time.monotonic()
            found = campaign(starts, scenarios(starts, verb), began + given.budget, given.points, only=given.only)
            seconds = time.monotonic() - began
            how = ", ".join(f"{count} {how}" for how, count in sorted(found.refused.items()))
            ended = "" if seconds < given.budget else ", stopped by the budget"
            print(
                f"{verb}: {found.refused.total():,} refusals ({how}), {found.told:,} told, {len(found.faults)} faults, "
                f"{seconds:.0f} s{ended}",
                flush=True,
            )
            for fault in found.faults[:25]:
                print(f"  {fault}", flush=True)
            failed += len(found.faults)
            starts.close()
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
