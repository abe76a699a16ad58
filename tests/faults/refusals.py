"""Lets the system refuse zreplay's n-th call, n = 1, 2, … until it is done before the n-th comes.

    python tests/faults/refusals.py --verb run,convert --budget 600

A call fails once, or from then on (the disk stays full while the error is told). Expected: exit code 0 and all that an
undisturbed start writes, or the documented exit code and one line that names what was refused; nothing half-written,
nothing lost, no litter where it could be removed, no traceback; and a second start finishes.
"""

import argparse
import random
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
    ("EIO", ("open", "read", "write", "sync", "rename", "mkdir", "change", "remove"), False),
    ("EIO", ("write", "sync", "rename", "mkdir", "change", "remove"), True),
    ("EINTR", ("open", "read", "write", "sync"), False),
    ("short", ("read", "write"), False),
    ("short", ("read", "write"), True),
    ("EMFILE", ("open",), False),
]
#: Usage (the output), the trace, cells of a sweep.
CODES = (2, 4, 6)


@dataclass
class Found:
    """What a campaign has seen."""

    refused: Counter[str] = field(default_factory=Counter)
    told: int = 0
    faults: list[str] = field(default_factory=list)


def campaign(starts: Starts, some: Sequence[Scenario], until: float, most: int | None = None, seed: int = 0) -> Found:
    """All refusals of all calls, or ``most`` by chance, or until the time has come."""
    found = Found()
    # Reads are not among the calls of a scenario: so many that the last is never reached, and then it is done.
    plans = [(s, *refusal, n) for s in some for refusal in REFUSALS for n in range(1, 4 * len(s.calls) + 40)]
    if most is not None:
        draw = random.Random(seed)
        plans = [plan for plan in plans if plan[-1] <= len(plan[0].calls)]
        plans = draw.sample(plans, min(most, len(plans)))
    done: set[tuple[object, ...]] = set()
    tried: set[tuple[object, ...]] = set()
    for scenario, how, kinds, forever, at in plans:
        if time.monotonic() > until:
            break
        series = (scenario.verb, scenario.name, how, forever)
        if series in done and most is None:
            continue
        starts.put(scenario.before)
        start = starts.start(*scenario.arguments, at=at, how=HOW[how], kinds=kinds, forever=forever)
        if not start.fired:
            if start.calls < at:
                done.add(series)
            continue
        found.refused[how] += 1
        found.told += start.code != 0
        kind, path = start.log[at - 1]
        where = f"{scenario.verb}, {scenario.name}: {how}{' from' if forever else ' at'} call {at}, {kind} of {path}"
        # Removing a directory begins with opening it.
        removes = kind == "remove" or (kind == "open" and is_hidden(path.rpartition("/")[2]) and start.code == 0)
        named = [path.rpartition("/")[2], *names(scenario)]
        # From what is the same a second start does the same: one is enough.
        left = contents(starts.work)
        state = (scenario.verb, scenario.name, repr(left))
        said = [
            *after(scenario, start, left, named, excused=forever or removes),
            *(next_start(starts, scenario, left) if state not in tried else ()),
        ]
        tried.add(state)
        found.faults += [f"{where}: {fault}" for fault in said]
    return found


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
    given = parser.parse_args()
    failed = 0
    for verb in VERBS if given.verb == "all" else given.verb.split(","):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            starts = Starts(Path(folder))
            prepare(starts)
            began = time.monotonic()
            found = campaign(starts, scenarios(starts, verb), began + given.budget, given.points)
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
