"""Kills zreplay at each of its calls, in the middle of its writes, and at random moments; then starts it again.

    python tests/faults/crash.py --verb run --points 1000 --budget 600

What a verb writes must be whole or absent after each kill, what was there before must be there or be replaced, and a
second start must finish, or say how it does, and leave exactly what an undisturbed one leaves, byte for byte.
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

from faults.starts import HOW, Start, Starts, contents, is_hidden, units
from faults.verbs import VERBS, Scenario, prepare, scenarios


@dataclass(frozen=True)
class Point:
    """Where it is killed: at a call, in the middle of a call, or after some seconds."""

    scenario: Scenario
    how: str
    at: int = 0
    seconds: float | None = None

    def __str__(self) -> str:
        what = f"after {self.seconds:.3f} s" if self.seconds is not None else f"call {self.at}"
        if self.at and self.at <= len(self.scenario.calls):
            what += ", {} of {}".format(*self.scenario.calls[self.at - 1])
        return f"{self.scenario.verb}, {self.scenario.name}, {self.how}, {what}"


@dataclass
class Found:
    """What a campaign has seen."""

    points: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """Those that found it alive."""
        return self.points.total() - self.points["after its end"]


def points(scenario: Scenario, many: int, draw: random.Random) -> Iterator[Point]:
    """Without an end: of so many as are wanted, each call and the middle of each write, if there is room for all, and
    then moments, of which some come too late."""
    at_calls = [Point(scenario, "kill", at) for at in range(1, len(scenario.calls) + 1)]
    at_calls += [Point(scenario, "torn", p.at) for p in at_calls if scenario.calls[p.at - 1][0] == "write"]
    moments = max(many // 5, many - len(at_calls))
    if len(at_calls) > many - moments:
        at_calls = draw.sample(at_calls, many - moments)
    yield from at_calls
    while True:
        yield Point(scenario, "moment", seconds=draw.uniform(0, scenario.seconds))


def campaign(starts: Starts, some: Sequence[Scenario], many: int, until: float, seed: int = 0) -> Found:
    """Kill at so many points in all, or until the time has come."""
    found = Found()
    draw = random.Random(seed)
    for number, scenario in enumerate(some):
        until_kills = found.kills + many // len(some) + (number < many % len(some))
        for point in points(scenario, until_kills - found.kills, draw):
            if found.kills >= until_kills:
                break
            if time.monotonic() > until:
                return found
            starts.put(scenario.before)
            killed = starts.start(
                *scenario.arguments, at=point.at, how=HOW[point.how] if point.at else 0, kill_after=point.seconds
            )
            found.points["after its end" if killed.code == 0 else point.how] += 1
            said = list(after_kill(starts, scenario, killed))
            found.faults += [f"{point}: {fault}" for fault in said]
    return found


def after_kill(starts: Starts, scenario: Scenario, killed: Start) -> Iterator[str]:
    """What is wrong with what a killed start has left, and with the next one."""
    if killed.code not in (0, -9):
        yield f"exit code {killed.code}, expected to be killed: {killed.err}"
    left = contents(starts.work)
    yield from not_whole(scenario, left)
    yield from next_start(starts, scenario, left)


def not_whole(scenario: Scenario, left: dict[str, object]) -> Iterator[str]:
    """What is neither as it was before nor as it is to be."""
    before = units(contents(scenario.before)) if scenario.before else {}
    after = units(scenario.expected)
    there = units(left)
    for name, unit in there.items():
        if "/times.jsonl" in name or ".parts/" in name:
            continue  # lines of cells that are there; whole traces, which a second start names
        if unit not in (before.get(name), after.get(name)):
            yield f"{name} is neither old nor new: {sorted(unit)}"
    yield from (f"{name} is gone" for name in before if name not in there)


def next_start(starts: Starts, scenario: Scenario, left: dict[str, object]) -> Iterator[str]:
    """What is wrong with a second start; what it says it needs is done."""
    arguments = scenario.arguments
    for _ in range(4):  # as long as it says what to do
        again = starts.start(*arguments)
        if again.code == 2 and "left by a recording that was killed" in again.err:
            clean = starts.start("record", "--cleanup", *arguments[1:])
            if clean.code == 2 and "--force replaces it" in clean.err:
                clean = starts.start("record", "--cleanup", *scenario.forced[1:])
            if clean.code:
                yield f"`record --cleanup` after the kill: exit code {clean.code}, {clean.err}"
        elif again.code == 2 and "--force replaces it" in again.err and arguments != scenario.forced:
            if not units(left).items() >= units(scenario.expected).items():
                yield f"a second start says {again.err!r}, but {sorted(left)} is there"
        else:
            break
        arguments = scenario.forced
    if again.code or "zreplay" in again.err:
        yield f"a second start: exit code {again.code}, {again.err}"
    now = contents(starts.work)
    for name in sorted({*now, *scenario.expected}):
        if "times.jsonl" in name:
            continue  # a line each time that a cell was replayed: one that was killed may be without
        if name not in now:
            yield f"after a second start {name} is not there"
        elif name not in scenario.expected:
            yield f"a second start leaves {name}" + (", litter" if is_hidden(name) else "")
        elif now[name] != scenario.expected[name]:
            yield f"after a second start {name} differs from an undisturbed one's"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verb", default="all", help=f"all, or some of {','.join(VERBS)}")
    parser.add_argument("--points", type=int, default=1000, help="kills for each verb")
    parser.add_argument("--budget", type=float, default=3600, metavar="SECONDS", help="for each verb")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = 0
    for verb in VERBS if given.verb == "all" else given.verb.split(","):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            starts = Starts(Path(folder))
            prepare(starts)
            began = time.monotonic()
            some = scenarios(starts, verb)
            found = campaign(starts, some, given.points, began + given.budget, given.seed)
            seconds = time.monotonic() - began
            how = ", ".join(f"{count} {how}" for how, count in sorted(found.points.items()))
            print(f"{verb}: {found.kills:,} kills ({how}), {len(found.faults)} faults, {seconds:.0f} s", flush=True)
            for fault in found.faults[:20]:
                print(f"  {fault}", flush=True)
            failed += len(found.faults)
            starts.close()
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
