"""What a search found, for people and programs: the winner, the next best, the frontier, and the bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from zreplay.analysis.table import percent_text, value_text
from zreplay.replay.config import Config
from zreplay.trace.files import TraceMetadata
from zreplay.trace.sample import WHOLE
from zreplay.tune.found import Finding, Found
from zreplay.tune.goal import Metrics, Row

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
    points: dict[tuple[float, ...], Point] = {}
    for finding in sorted(found.findings, key=lambda one: (one.row is None, one.place)):
        numbers = finding.numbers
        if numbers is not None:
            metrics = Metrics(numbers).of(found.goal.axes)
            point = Point(finding, metrics, found.goal.value(numbers), finding.row is not None)
            points.setdefault(tuple(metrics.values()), point)
    kept = [point for point in points.values() if not any(_beats(other, point, signs) for other in points.values())]
    return sorted(kept, key=lambda point: (point.value, point.finding.place))


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
            f"{condition.left.text} {number(condition.left.value(metrics))}, "
            f"expected {condition.compare} {number(condition.right.value(metrics))}"
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


def number(value: float) -> str:
    """A value as people read it; ``none`` where an expression has none."""
    return value_text(value) if isfinite(value) else "none"
