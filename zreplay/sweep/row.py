"""The row of a cell: what a run's summary has, and the metrics of a comparison, and nothing that was measured."""

from typing import Any

from zreplay.analysis.metrics import METRICS, Assumptions
from zreplay.analysis.results import Result
from zreplay.replay.cells import Answer
from zreplay.replay.run import Run
from zreplay.replay.sampling import COLUMNS
from zreplay.sweep.cell import Cell
from zreplay.version import __version__

#: Computed by a comparison from its options, so not kept.
_ASSUMED = ("swap_in_us",)


def row_of(cell: Cell, answer: Answer) -> dict[str, Any]:
    """The columns of summary.parquet, then those of docs/compare.md that are not among them, None where it has none."""
    row: dict[str, Any] = {"zreplay": __version__, "trace_sha256": cell.trace.sha256}
    settings = {name: value for name, value in answer.row.items() if name.startswith("config_")}
    summary = {name: value for name, value in answer.row.items() if name not in settings}
    result = Result(Run(cell.config.out, {}), {}, summary, answer.operations, answer.means)
    metrics = {
        metric.name: metric.value(result, Assumptions())
        for metric in METRICS
        if metric.name not in summary and metric.name not in _ASSUMED and not metric.measured
    }
    of_samples = {name: _number(summary.pop(name, None)) for name in COLUMNS}
    numbers = {name: _number(value) for name, value in metrics.items()}
    return {**row, **summary, **numbers, **of_samples, **settings}


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
