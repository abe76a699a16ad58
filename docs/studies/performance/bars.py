"""What is asked of a figure, and a figure held against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zreplay.analysis.statistics import Ratio, estimate


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``; None: no such end."""

    low: float | None = None
    high: float | None = None

    def has(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def words(self, unit: str) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g} {unit}"
        return f"≥ {self.low:g} {unit}" if self.low is not None else f"≤ {self.high:g} {unit}"


@dataclass(frozen=True)
class Bar:
    """What must be reached and what is aimed at."""

    must: Range | None = None
    aim: Range | None = None


def at_least(must: float, aim: float | None = None) -> Bar:
    return Bar(Range(low=must), Range(low=aim) if aim else None)


def at_most(must: float, aim: float | None = None) -> Bar:
    return Bar(Range(high=must), Range(high=aim) if aim else None)


def between(low: float, high: float) -> Bar:
    return Bar(Range(low, high))


NO_BAR = Bar()


@dataclass(frozen=True)
class Figure:
    """A measured value with its 95 % interval (None: too few rounds for one) and what is asked of it."""

    what: str
    value: float
    low: float | None
    high: float | None
    unit: str
    bar: Bar = NO_BAR

    @classmethod
    def of_ratio(cls, what: str, ratio: Ratio, bar: Bar = NO_BAR) -> "Figure":
        return cls(what, ratio.value, ratio.low, ratio.high, "×", bar)

    @classmethod
    def of_values(cls, what: str, values: Sequence[float], unit: str, bar: Bar = NO_BAR) -> "Figure":
        """The median of several rounds."""
        found = estimate(values)
        return cls(what, found.median, found.low, found.high, unit, bar)

    def verdict(self) -> str:
        if not self.bar.must:
            return ""
        if not self.bar.must.has(self.value):
            return "**no**"
        return "aim" if self.bar.aim and self.bar.aim.has(self.value) else "yes"

    def cells(self) -> tuple[str, ...]:
        interval = "–" if self.low is None or self.high is None else f"{_three(self.low)} to {_three(self.high)}"
        must, aim = (bar.words(self.unit) if bar else "" for bar in (self.bar.must, self.bar.aim))
        return self.what, f"{_three(self.value)} {self.unit}", interval, must, aim, self.verdict()

    def to_json(self) -> dict[str, Any]:
        """Without the bar, which is the code's affair."""
        return {name: getattr(self, name) for name in ("what", "value", "low", "high", "unit")}


def _three(value: float) -> str:
    """Three digits, no exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"
