"""What is asked of a configuration: the least value of an expression, under conditions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from zreplay.analysis.expression import Condition, Expression
from zreplay.analysis.metrics import METRICS, Assumptions, Metric
from zreplay.analysis.results import Result
from zreplay.errors import UsageError
from zreplay.replay.config import Config
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import Replaying
from zreplay.replay.run import Run
from zreplay.trace.files import Trace

#: Numbers of a summary that are measured, so that no search can be the same twice.
_MEASURED = ("seconds", "events_per_second", "ns_per_event")

#: Metrics of a comparison that rest on a summary alone, and that it does not have by that name.
_OF_A_SUMMARY = ("hit_percent", "swap_in_us", "spilled_percent", "both_buddies_percent")
_DERIVED: dict[str, Metric] = {metric.name: metric for metric in METRICS if metric.name in _OF_A_SUMMARY}

_NO_RUN = Run(Path(), {})

Row = Mapping[str, Any]


class Metrics(Mapping[str, float]):
    """The numbers of a summary by name, and the metrics of `zreplay compare` that follow from them.

    ``read``: the names of the summary's own numbers that were asked for.
    """

    def __init__(self, row: Row) -> None:
        self._row = _Read(row)
        self._result = Result(_NO_RUN, {}, self._row, {}, {})

    @property
    def read(self) -> tuple[str, ...]:
        """As above, in order."""
        return tuple(self._row.read)

    def __getitem__(self, name: str) -> float:
        if name in _DERIVED and name not in self._row:
            value = _DERIVED[name].value(self._result, Assumptions())
            return float("inf") if value is None else value  # a share of nothing
        return float(self._row[name])

    def of(self, names: Sequence[str]) -> dict[str, float]:
        """Some of them."""
        return {name: self[name] for name in names}

    def __iter__(self) -> Iterator[str]:
        return iter([*numbers(self._row), *_DERIVED])

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Read(dict[str, Any]):
    """A row that remembers what it was asked for."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.read: dict[str, None] = {}

    def __getitem__(self, name: str) -> Any:
        self.read[name] = None
        return super().__getitem__(name)


def numbers(row: Row) -> list[str]:
    """Names of the numbers in a summary that a search may use."""
    return [
        name
        for name, value in row.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and name not in _MEASURED
        and not name.startswith("config_")
    ]


@dataclass(frozen=True)
class Goal:
    """The expression to make least, and what must hold.

    Attributes:
        minimise: the expression.
        subject_to: the conditions.
    """

    minimise: Expression
    subject_to: tuple[Condition, ...]

    @classmethod
    def parse(cls, minimise: str, subject_to: Sequence[str], trace: Trace, config: Config) -> "Goal":
        """Of what was written; ``config`` is any resolved configuration of the trace.

        Raises:
            UsageError: no such expression, no condition, or a metric that a summary does not have.
        """
        goal = cls(
            Expression.parse(minimise, "--minimise"),
            tuple(Condition.parse(text, "--subject-to") for text in subject_to),
        )
        there = list(Metrics(Replaying(config, RecordedSizes(trace, [config]), None).summary(0.0)))
        for option, names in [
            ("--minimise", goal.minimise.names),
            *(("--subject-to", condition.names) for condition in goal.subject_to),
        ]:
            for name in names:
                if name not in there:
                    near = get_close_matches(name, there, n=1)
                    hint = f"did you mean {near[0]}?" if near else "pool_pages_mean and device_reads are two"
                    raise UsageError(
                        f"{option}: found the metric {name!r}, expected one of docs/run-directory.md's summary; {hint}"
                    )
        return goal

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The metrics in it, in order."""
        return tuple(dict.fromkeys([*self.minimise.names, *(n for c in self.subject_to for n in c.names)]))

    def _metrics(self, row: Row) -> Mapping[str, float]:
        # A search asks some thousand times, and mostly for what a summary has by that name.
        return row if all(name in row for name in self.names) else Metrics(row)

    @property
    def axes(self) -> tuple[str, ...]:
        """The metrics of a frontier: the goal's, and beside a single one memory, or device reads."""
        if len(self.names) > 1:
            return self.names
        return tuple(dict.fromkeys((*self.names, "pool_pages_mean", "device_reads")))[:2]

    def directions(self, row: Row) -> dict[str, int]:
        """Of each metric of the frontier, whether less of it is better (1) or more (-1), seen from a summary."""
        metrics = Metrics(row).of(self.axes)

        def slope(name: str) -> float:
            up, down = (
                {**metrics, name: metrics[name] + step} for step in (_step(metrics[name]), -_step(metrics[name]))
            )
            moves = [self.minimise.value(up) - self.minimise.value(down)] if name in self.minimise.names else []
            moves += [c.excess(up) - c.excess(down) for c in self.subject_to if name in c.names]
            return next((move for move in moves if move), 1.0)

        return {name: 1 if slope(name) > 0 else -1 for name in self.axes}

    def needs(self, row: Row) -> tuple[str, ...]:
        """The numbers of a summary that its metrics rest on."""
        return _read_for(self.names, row)

    def of_axes(self, row: Row) -> tuple[str, ...]:
        """The numbers of a summary that the frontier's metrics rest on."""
        return _read_for(self.axes, row)

    def value(self, row: Row) -> float:
        """Of a summary, or of an estimate of one: the less the better."""
        return self.minimise.value(self._metrics(row))

    def excesses(self, row: Row) -> list[float]:
        """How far a summary is beyond each condition, in the condition's own unit; at most 0 where it is met."""
        metrics = self._metrics(row)
        return [condition.excess(metrics) for condition in self.subject_to]

    def judged(self, row: Row) -> tuple[float, float]:
        """How far a summary is beyond all conditions, 0 if it meets them, and its value: the less the better.

        How far is a share of each condition's right side, summed up; above 0 also where a strict one is just missed.
        """
        metrics = self._metrics(row)
        beyond = sum(
            0.0 if condition.is_met(metrics) else max(condition.share(metrics), 1e-12) for condition in self.subject_to
        )
        return beyond, self.minimise.value(metrics)


def _step(value: float) -> float:
    return max(1e-6, abs(value) / 100)


def _read_for(names: Sequence[str], row: Row) -> tuple[str, ...]:
    metrics = Metrics(row)
    metrics.of(names)
    return metrics.read
