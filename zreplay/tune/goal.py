"""What is asked of a configuration: the least value of an expression, under conditions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zreplay.analysis.expression import Condition, Expression
from zreplay.analysis.metrics import METRICS, Assumptions, Metric
from zreplay.analysis.results import Result
from zreplay.replay.config import Config, known
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import Replaying
from zreplay.replay.run import Run
from zreplay.trace.files import Trace

#: Numbers of a summary that are measured, so that no search can be the same twice.
_MEASURED = ("seconds", "events_per_second", "ns_per_event")

#: Metrics of a comparison that rest on a summary alone, and that it does not have by that name.
_OF_A_SUMMARY = ("hit_percent", "swap_in_us", "spilled_percent", "both_buddies_percent")
_DERIVED: dict[str, Metric] = {metric.name: metric for metric in METRICS if metric.name in _OF_A_SUMMARY}

Row = Mapping[str, Any]


class Metrics(Mapping[str, float]):
    """The numbers of a summary by name, and the metrics of `zreplay compare` that follow from them.

    ``read``: the names of the summary's own numbers that were asked for.
    """

    def __init__(self, row: Row) -> None:
        self._row = _Read(row)
        self._result = Result(Run(Path(), {}), {}, self._row, {}, {})

    @property
    def read(self) -> tuple[str, ...]:
        """As above, in order."""
        return tuple(self._row.read)

    def __getitem__(self, name: str) -> float:
        if name in _DERIVED and name not in self._row:
            value = _DERIVED[name].value(self._result, Assumptions())
            return float("inf") if value is None else value  # a share of nothing
        return float(self._row[name])

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
        there = tuple(Metrics(Replaying(config, RecordedSizes(trace, [config]), None).summary(0.0)))
        for option, names in [
            ("--minimise", goal.minimise.names),
            *(("--subject-to", condition.names) for condition in goal.subject_to),
        ]:
            for name in names:
                known(option, name, there)
        return goal

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics in it, in order."""
        return tuple(dict.fromkeys([*self.minimise.names, *(n for c in self.subject_to for n in c.names)]))

    def needs(self, row: Row) -> tuple[str, ...]:
        """The numbers of a summary that the metrics rest on."""
        metrics = Metrics(row)
        for name in self.names:
            _ = metrics[name]
        return metrics.read

    def value(self, row: Row) -> float:
        """Of a summary, or of an estimate of one: the less the better."""
        return self.minimise.value(Metrics(row))

    def excesses(self, row: Row) -> list[float]:
        """How far a summary is beyond each condition, in the condition's own unit; at most 0 where it is met."""
        metrics = Metrics(row)
        return [condition.excess(metrics) for condition in self.subject_to]

    def judged(self, row: Row) -> tuple[float, float]:
        """How far a summary is beyond all conditions, 0 if it meets them, and its value: the less the better.

        How far is a share of each condition's right side, summed up; above 0 also where a strict one is just missed.
        """
        metrics = Metrics(row)
        beyond = sum(
            0.0 if condition.is_met(metrics) else max(condition.share(metrics), 1e-12) for condition in self.subject_to
        )
        return beyond, self.minimise.value(metrics)
