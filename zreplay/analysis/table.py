"""A comparison written down: plain text, Markdown, CSV, JSON or Parquet."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from zreplay.analysis.comparison import Cell, Comparison, Row
from zreplay.analysis.metrics import Metric

FORMATS = ("table", "md", "csv", "json", "parquet")
GROUPS = ("memory", "effectiveness", "work", "time", "other")
#: Columns of text that a mail and a terminal take without breaking lines.
WIDTH = 100
ABSENT = "–"
MEANS_HEADING = "geometric mean over traces, against the baseline"


def render(comparison: Comparison, form: str) -> bytes:
    """The comparison in one of :data:`FORMATS`; text is UTF-8 and ends with a line end."""
    if form == "table":
        return text(comparison).encode()
    if form == "md":
        return markdown(comparison).encode()
    if form == "json":
        return (json.dumps(as_json(comparison), indent=1) + "\n").encode()
    records = as_records(comparison)
    if form == "parquet":
        import polars as pl

        buffer = io.BytesIO()
        pl.DataFrame(records, infer_schema_length=None).write_parquet(buffer)
        return buffer.getvalue()
    lines = io.StringIO()
    writer = csv.DictWriter(lines, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return lines.getvalue().encode()


def value_text(value: float | None) -> str:
    """A value as people read it: three digits that matter, thousands separated."""
    if value is None:
        return ABSENT
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def change_text(cell: Cell, metric: Metric, *, is_baseline: bool = False) -> str:
    """The difference to the baseline: a percentage, ``=``, ``not resolved``, or nothing when there is none to tell."""
    if is_baseline or (cell.value is None and cell.ratio is None):
        return ""
    if cell.different is None:
        return "not resolved" if cell.times_ratio else ""
    if not cell.different:
        return "=" if cell.ratio is not None or cell.value == 0 else ""
    return percent_text(cell.ratio) if cell.ratio is not None else "from 0"


def percent_text(ratio: float) -> str:
    """A ratio as a signed percentage, from ten on as a factor; what differs never reads +0.0 %, nor a rest -100.0 %."""
    if ratio >= 10:
        return f"x{value_text(ratio if ratio < 100 else round(ratio))}"
    percent = 100 * (ratio - 1)
    if abs(percent) < 0.05:
        return f"{percent:+.1g}%"
    return f"{percent:+,.1f}%" if ratio == 0 or percent > -99.95 else f"{percent:+.4g}%"


def _entry(cell: Cell, metric: Metric, is_baseline: bool) -> tuple[str, str]:
    """Value and change, the two halves of a column."""
    value = value_text(cell.value) if cell.value is not None or cell.ratio is None else ""
    value += "*" if cell.best else ""
    if cell.estimate and cell.estimate.low is not None:
        value += f" [{value_text(cell.estimate.low)}, {value_text(cell.estimate.high)}]"
    return value, change_text(cell, metric, is_baseline=is_baseline)


def _sections(comparison: Comparison) -> list[tuple[str, list[Row]]]:
    """A heading and its rows: each trace, then the means."""
    sections = []
    for trace in comparison.traces:
        rows = [row for row in comparison.rows if row.trace == trace]
        assert rows[0].result
        events = rows[0].result.summary.get("events", 0)
        sections.append((f"{trace}: {events:,} events", rows))
    if comparison.means:
        sections.append((MEANS_HEADING, comparison.means))
    return sections


def _label(row: Row) -> str:
    return row.name + (" (baseline)" if row.is_baseline else "")


def text(comparison: Comparison) -> str:
    """Aligned text: for each trace and each group of metrics a block, broken where it would be wider than a mail."""
    parts = []
    for heading, rows in _sections(comparison):
        parts.append(heading)
        labels = [_label(row) for row in rows]
        for group in GROUPS:
            columns = [_column(metric, rows) for metric in comparison.metrics if metric.group == group]
            heading = group_heading(comparison, group)
            parts += [_block("" if number else heading, labels, some) for number, some in _packed(columns, labels)]
    if any(cell.best for row in comparison.rows for cell in row.cells.values()):
        parts.append("* best   = as the baseline")
    return "\n\n".join(parts + _paragraphs(comparison.notes)) + "\n"


def group_heading(comparison: Comparison, group: str) -> str:
    """A group's name; of times also the mode that they are of."""
    return f"{group} ({comparison.mode} mode)" if group == "time" and comparison.mode != "mixed" else group


def _column(metric: Metric, rows: Sequence[Row]) -> list[str]:
    """Heading and cells, all of one width: values end at one place, changes after it."""
    entries = [_entry(row.cells[metric.name], metric, row.is_baseline) for row in rows]
    # A mark or an interval stands behind the number, so that the numbers' last digits stay below each other.
    numbers = [value.split("*")[0].split(" ")[0] for value, _ in entries]
    widest = max(len(number) for number in numbers)
    values = [" " * (widest - len(n)) + value for n, (value, _) in zip(numbers, entries, strict=True)]
    values_width = max(len(value) for value in values)
    change_width = max(len(change) for _, change in entries)
    cells = [f"{v:<{values_width}} {c:>{change_width}}" for v, (_, c) in zip(values, entries, strict=True)]
    width = max(len(metric.name), len(cells[0]))
    return [f"{metric.name:<{width}}", *(f"{cell:<{width}}" for cell in cells)]


def _packed(columns: list[list[str]], labels: Sequence[str]) -> list[tuple[int, list[list[str]]]]:
    """Columns in as few blocks as the width allows, numbered."""
    room = WIDTH - max(map(len, labels))
    blocks: list[list[list[str]]] = []
    used = room
    for column in columns:
        needed = len(column[0]) + 2
        if used + needed > room:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += needed
    return list(enumerate(blocks))


def _block(heading: str, labels: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    width = max(len(heading), *map(len, labels))
    first = [f"{label:<{width}}" for label in [heading, *labels]]
    return "\n".join("  ".join(line).rstrip() for line in zip(first, *columns, strict=True))


def _paragraphs(notes: Sequence[str]) -> list[str]:
    import textwrap

    return ["\n".join(textwrap.fill(note, WIDTH, break_on_hyphens=False) for note in notes)] if notes else []


def markdown(comparison: Comparison) -> str:
    """A table for each trace and group, best values bold."""
    parts = []
    for heading, rows in _sections(comparison):
        parts.append(f"### {_escaped(heading)}")
        for group in GROUPS:
            metrics = [metric for metric in comparison.metrics if metric.group == group]
            if not metrics:
                continue
            lines = [
                f"| {group_heading(comparison, group)} | " + " | ".join(metric.name for metric in metrics) + " |",
                "|---|" + "---:|" * len(metrics),
            ]
            for row in rows:
                cells = []
                for metric in metrics:
                    cell = row.cells[metric.name]
                    value, change = _entry(cell, metric, row.is_baseline)
                    cells.append(
                        " ".join(filter(None, [f"**{value.replace('*', '')}**" if cell.best else value, change]))
                    )
                lines.append(f"| {_escaped(_label(row))} | " + " | ".join(cells) + " |")
            parts.append("\n".join(lines))
    parts += [f"- {note}" for note in comparison.notes[:1]]
    return "\n\n".join(parts) + "".join(f"\n- {note}" for note in comparison.notes[1:]) + "\n"


def _escaped(words: str) -> str:
    return words.replace("|", "\\|")


def as_records(comparison: Comparison) -> list[dict[str, Any]]:
    """One flat record per row, all with the same keys: the row, its settings, then each metric's value and ratio.

    ``METRIC_vs_baseline`` is a ratio; a time measured in rounds also has ``METRIC_low`` and ``METRIC_high`` (95 %) and
    ``METRIC_different`` (null: not resolved). Means over traces have a null ``trace`` and ``directory`` and no values.
    """
    records = []
    for row in comparison.rows + comparison.means:
        record: dict[str, Any] = {
            "trace": row.trace or None,
            "configuration": row.name,
            "baseline": row.is_baseline,
            "directory": str(row.result.run.directory) if row.result else None,
        }
        for name in comparison.fields:
            record[name] = row.result.settings.get(name) if row.result else None
        for metric in comparison.metrics:
            cell = row.cells[metric.name]
            record[metric.name] = cell.value
            record[f"{metric.name}_vs_baseline"] = cell.ratio
            if metric.measured and comparison.rounds:
                record[f"{metric.name}_low"] = cell.estimate.low if cell.estimate else None
                record[f"{metric.name}_high"] = cell.estimate.high if cell.estimate else None
                record[f"{metric.name}_different"] = cell.different
        records.append(record)
    return records


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Everything a program wants: the records, the metrics with units, what was assumed, the notes."""
    return {
        "baseline": next((row.name for row in comparison.rows if row.is_baseline), None),
        "metrics": [
            {"name": m.name, "group": m.group, "unit": m.unit, "better": m.better, "meaning": m.meaning}
            for m in comparison.metrics
        ],
        "rows": as_records(comparison),
        "mode": comparison.mode,
        "rounds": comparison.rounds,
        "seed": comparison.seed,
        "decompress_us": comparison.assumptions.decompress_us,
        "device_read_us": comparison.assumptions.device_read_us,
        "notes": comparison.notes,
    }
