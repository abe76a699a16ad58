"""What a search found, for people and programs: the winner, the next best, the frontier, and the bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from zreplay.analysis.table import percent_text, value_text
from zreplay.replay.config import Config
from zreplay.trace.files import TraceMetadata
from zreplay.trace.sample import WHOLE
from zreplay.tune.goal import Metrics, Row
from zreplay.tune.search import Finding, Found

#: Designs that none can be better than, in what they bound: memory, and pages read from the device.
BOUNDS = ("ideal", "belady")
_BOUNDED = {"ideal": "memory", "belady": "device reads"}
#: Rows of the table of the best.
BEST = 6


@dataclass(frozen=True)
class Point:
    """A configuration on the frontier.

    Attributes:
        finding: it.
        metrics: the frontier's metrics → its values.
        value: of the expression.
        is_exact: replayed in full; else estimated from a sample.
    """

    finding: Finding
    metrics: dict[str, float]
    value: float
    is_exact: bool


def bound_configs(winner: Finding, trace: Path, metadata: TraceMetadata) -> list[tuple[str, Config]]:
    """The bounds at the winner's limit and threshold, with loads that leave or take the entry as the winner's do.

    ``ideal`` twice: as the design, and as the winner's own kernel over that pool. The better one is the bound.
    """
    candidate, config = winner.candidate, winner.candidate.config
    common: dict[str, Any] = {
        "trace": trace,
        "out": trace,
        "totalram_pages": config.totalram_pages,
        "max_pool_percent": candidate.limit_percent or 100,
        "accept_threshold_percent": candidate.threshold_percent,
        "exclusive_loads": config.exclusive_loads,
    }
    bounds = [(design, Config(design=design, **common)) for design in BOUNDS]
    if config.model == "zswap" and config.mm != "inactive-lru":
        own: dict[str, Any] = {
            "model": "zswap",
            "kernel": config.kernel,
            "mm": config.mm,
            "pool": "ideal",
            "index": "array",
        }
        bounds.append(("ideal", Config(**own, **common)))
    return [(name, bound.resolved(metadata)) for name, bound in bounds]


def frontier(found: Found) -> list[Point]:
    """The configurations that no other beats in all the frontier's metrics, best value first.

    What a sample says of those that were not replayed in full counts too, so that the frontier does not end where the
    search did; which way a metric is better is told by the goal.
    """
    winner = found.winner.row
    assert winner is not None
    signs = found.goal.directions(winner)
    points: list[Point] = []
    for finding in found.findings:
        numbers = finding.numbers
        if numbers is None or (finding.equal_to is not None):
            continue
        metrics = Metrics(numbers)
        values = {name: metrics[name] for name in found.goal.axes}
        points.append(Point(finding, values, found.goal.value(numbers), finding.row is not None))
    kept = [point for point in points if not any(_beats(other, point, signs) for other in points)]
    seen: dict[tuple[float, ...], Point] = {}
    for point in sorted(kept, key=lambda one: (not one.is_exact, one.finding.place)):
        seen.setdefault(tuple(point.metrics.values()), point)
    return sorted(seen.values(), key=lambda point: (point.value, point.finding.place))


def _beats(one: Point, other: Point, signs: Mapping[str, int]) -> bool:
    if other.is_exact and not one.is_exact:
        return False  # what was replayed is not put aside for an estimate
    differences = [signs[name] * (one.metrics[name] - other.metrics[name]) for name in signs]
    return all(difference <= 0 for difference in differences) and any(difference < 0 for difference in differences)


@dataclass(frozen=True)
class Outcome:
    """A search, and the bounds of its winner.

    Attributes:
        trace: its path.
        metadata: the trace's.
        rows: the trace's.
        found: what the search found.
        bounds: design → its summary.
    """

    trace: Path
    metadata: TraceMetadata
    rows: int
    found: Found
    bounds: dict[str, Row]

    @property
    def equals(self) -> list[Finding]:
        """Those that are known to have the winner's value, it excepted."""
        best = self.found.goal.judged(self._winner_row)
        exact = [one for one in self.found.exact if self.found.goal.judged(one.row or {}) == best]
        return exact[1:]

    @property
    def _winner_row(self) -> Row:
        row = self.found.winner.row
        assert row is not None
        return row

    def best(self) -> list[Finding]:
        """The best few that meet the conditions, else the nearest to them; each value once."""
        chosen: dict[tuple[float, float], Finding] = {}
        for finding in self.found.exact:
            judged = self.found.goal.judged(finding.row or {})
            if not (self.found.satisfies and judged[0]):
                chosen.setdefault(judged, finding)
        return list(chosen.values())[:BEST]

    def against(self, bound: str) -> str:
        """How far the winner is from a bound, in words."""
        row = self.bounds[bound]
        value, reached = self.found.goal.value(row), self.found.goal.value(self._winner_row)
        if self.found.goal.judged(row)[0] > 0:
            return "does not meet the conditions either"
        if value > reached:
            return f"{value_text(value)}, above the winner: it bounds {_BOUNDED[bound]}, not this expression"
        if value == reached:
            return "no better than the winner"
        ratio = reached / value if value > 0 and isfinite(reached) else inf
        return f"the winner is {percent_text(ratio)}" if isfinite(ratio) else "the winner is above it"

    def nearest(self) -> str:
        """Of a search that found nothing that meets the conditions: how near the nearest came."""
        metrics = Metrics(self._winner_row)
        missed = [
            f"{condition.text}: {_number(condition.left.value(metrics))}, "
            f"expected {condition.compare} {_number(condition.right.value(metrics))}"
            for condition in self.found.goal.subject_to
            if not condition.is_met(metrics)
        ]
        name = self.found.winner.candidate.name
        return f"--subject-to met by none of {len(self.found.findings)}; the nearest, {name}, has {'; '.join(missed)}"

    def searched(self) -> str:
        """What it took, in words."""
        found = self.found
        equal = sum(finding.equal_to is not None for finding in found.findings)
        words = [f"{found.replays[WHOLE]} of {len(found.findings)} configurations replayed in full"]
        words += [f"{many} on {share} of the slots" for share, many in found.replays.items() if not share.is_whole]
        words += [f"{equal} proven equal to one that was"] if equal else []
        share = found.events / found.all_events if found.all_events else 1.0
        return ", ".join(words) + f"; {share:.0%} of the events of replaying all"


def command_of(finding: Finding) -> str:
    """What repeats a candidate: options of `zreplay run`."""
    config = finding.candidate.config
    words = [f"--design {config.design}"] if config.design else [f"--model {config.model}", f"--kernel {config.kernel}"]
    words += [] if config.design else [f"--pool {config.pool}"]
    words += [] if config.design or config.model == "zram" else [f"--mm {config.mm}"]
    if finding.candidate.limit_percent is not None:
        words.append(f"--max-pool-percent {finding.candidate.limit_percent}")
    if finding.candidate.threshold_percent is not None:
        words.append(f"--accept-threshold-percent {finding.candidate.threshold_percent}")
    return " ".join(words)


def text(outcome: Outcome) -> str:
    """The outcome as aligned text."""
    found, goal = outcome.found, outcome.found.goal
    winner = found.winner
    assert winner.row is not None
    parts = [f"{outcome.trace.name}: {outcome.rows:,} events, {len(found.findings)} configurations"]
    name = winner.candidate.name
    head = f"{name}: {goal.minimise.text} = {value_text(goal.value(winner.row))}"
    if not found.satisfies:
        head = f"no configuration meets the conditions; the nearest is {name}"
    if outcome.equals:
        head += f"\n  {_others(outcome.equals)}"
    parts.append(head)
    columns = tuple(dict.fromkeys((*goal.names, *found.goal.axes)))
    rows = [
        (one.candidate.name, _cells(goal.value(one.row or {}), Metrics(one.row or {}), columns))
        for one in outcome.best()
    ]
    rows += [
        (f"{bound} (bound)", _cells(goal.value(row), Metrics(row), columns)) for bound, row in outcome.bounds.items()
    ]
    parts.append(_table("the best" if found.satisfies else "the nearest", ("value", *columns), rows))
    points = frontier(found)
    rows = [
        (
            point.finding.candidate.name + ("" if point.is_exact else " ~"),
            _cells(point.value, point.metrics, tuple(point.metrics)),
        )
        for point in points
    ]
    parts.append(_table("the frontier: none is better in all", ("value", *found.goal.axes), rows))
    if any(not point.is_exact for point in points):
        parts[-1] += "\n~ estimated from a sample"
    parts.append("\n".join(f"{bound}: {outcome.against(bound)}" for bound in outcome.bounds))
    parts.append(f"{outcome.searched()}\nzreplay run {outcome.trace} {command_of(winner)} -o DIR")
    return "\n\n".join(parts)


def _others(equals: Sequence[Finding]) -> str:
    names = [finding.candidate.name for finding in equals]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"as good, and later in order: {'; '.join(names[:3])}{more}"


def _cells(value: float, metrics: Mapping[str, float], columns: Sequence[str]) -> list[str]:
    return [_number(value), *(_number(metrics[name]) for name in columns)]


def _number(value: float) -> str:
    return value_text(value) if isfinite(value) else "none"


def _table(heading: str, columns: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> str:
    lines = [(heading, list(columns)), *rows]
    first = max(len(name) for name, _ in lines)
    widths = [max(len(cells[i]) for _, cells in lines) for i in range(len(columns))]
    return "\n".join(
        f"{name:<{first}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for name, cells in lines
    )


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything a program wants."""
    found, goal = outcome.found, outcome.found.goal

    def one(finding: Finding) -> dict[str, Any]:
        numbers = finding.numbers or {}
        metrics = Metrics(numbers)
        known = finding.row is not None
        place = finding.equal_to
        return {
            "configuration": finding.candidate.name,
            "settings": _settings(finding.candidate.config),
            "value": _plain(goal.value(numbers)) if numbers else None,
            "metrics": {name: _plain(metrics[name]) for name in found.goal.axes} if numbers else {},
            "meets": goal.judged(numbers)[0] == 0 if numbers else None,
            "known": "equal" if place is not None else "full" if known else str(finding.share) if numbers else None,
            "equal_to": found.findings[place].candidate.name if place is not None else None,
        }

    return {
        "trace": str(outcome.trace),
        "minimise": goal.minimise.text,
        "subject_to": [condition.text for condition in goal.subject_to],
        "satisfied": found.satisfies,
        "winner": one(found.winner),
        "equal": [finding.candidate.name for finding in outcome.equals],
        "frontier": [one(point.finding) for point in frontier(found)],
        "bounds": {
            name: {"value": _plain(goal.value(row)), "metrics": {n: _plain(Metrics(row)[n]) for n in found.goal.axes}}
            for name, row in outcome.bounds.items()
        },
        "configurations": [one(finding) for finding in found.findings],
        "replays": {str(share): many for share, many in found.replays.items()},
        "events": found.events,
        "events_of_all": found.all_events,
    }


def _settings(config: Config) -> dict[str, Any]:
    names = (
        "design",
        "model",
        "kernel",
        "pool",
        "mm",
        "max_pool_percent",
        "accept_threshold_percent",
        "totalram_pages",
    )
    return {name: getattr(config, name) for name in names}


def _plain(value: float) -> float | None:
    return value if isfinite(value) else None
