"""``--fail-if``: a condition that no row of a comparison may meet, such as ``pool_pages_peak > +2%``."""

import operator
import re
from dataclasses import dataclass

from zreplay.analysis.comparison import Comparison, Row
from zreplay.analysis.metrics import Metric
from zreplay.analysis.table import percent_text, value_text
from zreplay.errors import UsageError

_OPERATORS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_FORM = re.compile(
    r"\s*([a-z_][a-z0-9_]*)\s*(>=|<=|==|!=|>|<)\s*([+-]?)([0-9][0-9_,]*\.?[0-9]*(?:e[+-]?[0-9]+)?)\s*(%?)\s*"
)


@dataclass(frozen=True)
class Requirement:
    """A metric, a comparison and a limit: a value in the metric's unit, or a ratio to the baseline.

    Attributes:
        text: as written.
        metric: the metric's name.
        compare: one of ``> >= < <= == !=``.
        limit: the value, or the ratio to the baseline (``+2%`` is 1.02).
        relative: whether the limit is a ratio.
    """

    text: str
    metric: str
    compare: str
    limit: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> "Requirement":
        """Raises UsageError, showing the two forms, for anything else."""
        match = _FORM.fullmatch(text)
        if match:
            metric, compare, sign, digits, percent = match.groups()
            number = float(digits.replace(",", "").replace("_", ""))
            if bool(sign) == bool(percent):
                limit = 1 + float(sign + "1") * number / 100 if percent else number
                return cls(text.strip(), metric, compare, limit, relative=bool(percent))
        raise UsageError(
            f"--fail-if: found {text!r}, expected METRIC > NUMBER or, against the baseline, METRIC > +NUMBER% "
            "(also >=, <, <=, ==, !=, -NUMBER%)"
        )

    def check(self, metric: Metric, comparison: Comparison) -> None:
        """Raise UsageError when the comparison cannot decide this."""
        if self.relative and metric.measured and not comparison.rounds:
            raise UsageError(
                f"--fail-if {self.text!r}: times are compared in rounds only; --replicates N measures them"
            )
        if self.relative and len(comparison.rows) < 2:
            raise UsageError(f"--fail-if {self.text!r}: there is only the baseline, nothing to compare with it")

    def failing(self, comparison: Comparison) -> list[str]:
        """A line for each row that meets the condition; the baseline never does by comparison with itself.

        A time is above or below a relative limit only where its difference is resolved. A row that has no such metric
        is listed: what cannot be checked has not passed.
        """
        lines = []
        for row in comparison.rows:
            if self.relative and row.is_baseline:
                continue
            if (found := self._found(row)) is not None:
                trace = f"{row.trace}: " if len(comparison.traces) > 1 else ""
                lines.append(f"  {self.text}: {trace}{row.name}: {found}")
        return lines

    def _found(self, row: Row) -> str | None:
        cell = row.cells[self.metric]
        if cell.value is None:
            return "this run has no such metric"
        meets = _OPERATORS[self.compare]
        if not self.relative:
            return value_text(cell.value) if meets(cell.value, self.limit) else None
        if cell.times_ratio and not cell.different:
            return None
        if cell.ratio is None:
            if cell.different is None:
                return "no baseline to compare with"
            # Both 0: no difference. From 0 to something: more than any percentage.
            ratio = float("inf") if cell.value else 1.0
            return f"{value_text(cell.value)}, the baseline has 0" if meets(ratio, self.limit) else None
        change = percent_text(cell.ratio) if cell.ratio != 1 else "as the baseline"
        return f"{value_text(cell.value)} ({change})" if meets(cell.ratio, self.limit) else None
