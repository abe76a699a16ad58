"""A comparison written down: plain text, Markdown, CSV, JSON or Parquet."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zreplay.analysis.comparison import Cell, Comparison, Row, differ
from zreplay.analysis.metrics import METRICS, Metric

FORMATS = ("table", "md", "csv", "json", "parquet")
GROUPS = ("memory", "effectiveness", "work", "time", "other")
#: Columns of text that a mail takes without breaking lines: the width of what goes into a pipe.
WIDTH = 100
#: Columns of a short table, and which come first: what a reader decides by, then what explains it.
SHORT = 8
_FIRST = (
    *("mib_per_gib_swapped", "pool_pages_mean", "pool_pages_peak", "device_reads", "device_writes", "hit_percent"),
    *("store_ns", "load_ns", "ns_per_event", "stores_rejected", "index_bytes_per_entry", "swap_in_us"),
    *("lines_per_operation", "nodes_per_operation", "movable_percent", "density", "fragmentation_percent"),
)
#: With fewer columns than this a table leaves out the changes beside its values, for more.
_ENOUGH = 6
#: The least that is left of a row's name, and between columns.
_LEAST_NAME, _GAP = 12, 2
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
    if isinstance(value, int) or (abs(value) < 1e15 and abs(value - round(value)) <= 1e-12 * abs(value)):
        return f"{round(value):,}"
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


def text(comparison: Comparison, width: int = WIDTH) -> str:
    """The answer, then for each trace and each group of metrics a block, broken where it would be too wide."""
    from zreplay.analysis.answer import lines

    parts = [lines(comparison, width)]
    for heading, rows in _sections(comparison):
        parts.append(_filled(heading, width))
        for group in GROUPS:
            metrics = [metric for metric in comparison.metrics if metric.group == group]
            columns = [_Column([metric.name], *_cells(metric, rows)) for metric in metrics]
            heading = group_heading(comparison, group)
            for number, some in enumerate(_packed(columns, rows, width)):
                parts.append(_block("" if number else heading, rows, some, width))
    parts += _legend(comparison, comparison.metrics, with_changes=True)
    return "\n\n".join([*parts, *_paragraphs(comparison.notes, width)]) + "\n"


def short_text(comparison: Comparison, width: int) -> str:
    """The answer, then one table of the metrics that differ, as many as there is room for, at most :data:`SHORT`."""
    from zreplay.analysis.answer import lines

    differing = differing_metrics(comparison)
    sections = _sections(comparison)
    metrics, with_changes = _that_fit(differing[:SHORT], sections, width)
    parts = [lines(comparison, width)]
    for heading, rows in sections:
        block = _block("", rows, _short_columns(metrics, rows, with_changes), width)
        parts.append(f"{_filled(heading, width)}\n{block}")
    parts += _legend(comparison, metrics, with_changes=with_changes)
    names = {metric.name for metric in metrics}
    what = "Nothing else differs."
    if len(differing) > len(metrics):
        what = f"{len(differing)} metrics differ, {len(metrics)} of them are shown."
        if len({row.name for row in comparison.rows}) < 2:
            what = f"{len(metrics)} of {len(differing)} metrics are shown."
    notes = [f"{what} --all shows every column, --columns NAME,… some."]
    for note in comparison.notes:
        about_time = note.startswith("Times:")
        if (not about_time or any(metric.measured for metric in metrics)) and (
            not note.startswith("swap_in_us") or "swap_in_us" in names
        ):
            notes.append(note)
    return "\n\n".join([*parts, *_paragraphs(notes, width)]) + "\n"


def _that_fit(
    metrics: list[Metric], sections: Sequence[tuple[str, list[Row]]], width: int
) -> tuple[list[Metric], bool]:
    """As many metrics as one table has room for, and whether each value has its change beside it.

    Changes are left out where few columns had room with them: the answer above has those that matter.
    """
    found = metrics
    for with_changes in (True, False):
        found = list(metrics)
        while len(found) > 1 and not all(
            _fits(_short_columns(found, rows, with_changes), rows, width) for _, rows in sections
        ):
            found.pop()
        if len(found) >= min(_ENOUGH, len(metrics)):
            return found, with_changes
    return found, False


def differing_metrics(comparison: Comparison) -> list[Metric]:
    """Those that are not the same for all configurations of some trace, what is decided by first; of one run all.

    A single time always differs and says nothing, so times count only when they were measured in rounds.
    """
    order = {name: place for place, name in enumerate(dict.fromkeys((*_FIRST, *(metric.name for metric in METRICS))))}
    ranked = sorted(comparison.metrics, key=lambda metric: order.get(metric.name, len(order)))
    if len({row.name for row in comparison.rows}) < 2:
        return ranked
    found = []
    for metric in ranked:
        if metric.measured and not comparison.rounds:
            continue
        of_traces = [
            [row.cells[metric.name].value for row in comparison.rows if row.trace == trace]
            for trace in comparison.traces
        ]
        known = [[value for value in values if value is not None] for values in of_traces]
        if any(differ(values) for values in known) or any(
            0 < len(k) < len(v) for k, v in zip(known, of_traces, strict=True)
        ):
            found.append(metric)
    return found


def _is_telling(values: Sequence[float | None]) -> bool:
    """Whether values differ, or some runs have one and others none."""
    known = [value for value in values if value is not None]
    return differ(known) or 0 < len(known) < len(values)


def _legend(comparison: Comparison, metrics: Sequence[Metric], *, with_changes: bool) -> list[str]:
    names = {metric.name for metric in metrics}
    if any(cell.best for row in comparison.rows for name, cell in row.cells.items() if name in names):
        return ["* best   = as the baseline" if with_changes else "* best"]
    return []


def group_heading(comparison: Comparison, group: str) -> str:
    """A group's name; of times also the mode that they are of."""
    return f"{group} ({comparison.mode} mode)" if group == "time" and comparison.mode != "mixed" else group


@dataclass(frozen=True)
class _Column:
    """A heading of some lines, values that end at one place, and changes after them; ``changes`` empty: not shown."""

    heading: list[str]
    values: list[str]
    changes: list[str]

    @property
    def width(self) -> int:
        """Of all its lines."""
        return max(map(len, (*self.heading, *self.cells())))

    def cells(self) -> list[str]:
        """A cell for each row, all of one width."""
        if not self.changes:
            return self.values
        width = max(map(len, self.changes))
        return [f"{value} {change:>{width}}" for value, change in zip(self.values, self.changes, strict=True)]


def _cells(metric: Metric, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Values, filled up to one width, and changes."""
    entries = [_entry(row.cells[metric.name], metric, row.is_baseline) for row in rows]
    # A mark or an interval stands behind the number, so that the numbers' last digits stay below each other.
    numbers = [value.split("*")[0].split(" ")[0] for value, _ in entries]
    widest = max(len(number) for number in numbers)
    values = [" " * (widest - len(n)) + value for n, (value, _) in zip(numbers, entries, strict=True)]
    width = max(len(value) for value in values)
    return [f"{value:<{width}}" for value in values], [change for _, change in entries]


def _short_columns(metrics: Sequence[Metric], rows: Sequence[Row], with_changes: bool) -> list[_Column]:
    """Columns as narrow as their cells: headings are broken behind their underscores."""
    columns = []
    for metric in metrics:
        values, changes = _cells(metric, rows)
        # Only ratios have no values.
        cells = (values, changes if with_changes or not any(map(str.strip, values)) else [])
        width = max(_Column([], *cells).width, *(len(word) + 1 for word in metric.name.split("_")))
        columns.append(_Column(_broken(metric.name, width, "_"), *cells))
    return columns


def _broken(words: str, width: int, behind: str) -> list[str]:
    """``words`` in lines of at most ``width``, broken behind a character, or anywhere where that is not enough."""
    lines = [""]
    for piece in re.findall(f"[^{behind}]*[{behind}]?", words):
        while piece:
            if len(lines[-1]) + len(piece) <= width:
                lines[-1] += piece
                break
            if not lines[-1]:
                lines[-1], piece = piece[:width], piece[width:]
            if piece:
                lines.append("")
    return lines


def _room(columns: Sequence[_Column], width: int) -> int:
    """What columns leave of the width for the names of rows."""
    return width - sum(column.width + _GAP for column in columns)


def _fits(columns: Sequence[_Column], rows: Sequence[Row], width: int) -> bool:
    """Whether names of rows are left half of what they take, in two lines then."""
    longest = max(len(_label(row)) for row in rows)
    return _room(columns, width) >= max(_LEAST_NAME, (longest + 1) // 2 + 4 if longest > _LEAST_NAME else longest)


def _packed(columns: Sequence[_Column], rows: Sequence[Row], width: int) -> list[list[_Column]]:
    """Columns in as few blocks as the width allows."""
    room = width - max(min(max(len(_label(row)) for row in rows), width // 2), _LEAST_NAME)
    blocks: list[list[_Column]] = []
    used = room
    for column in columns:
        needed = column.width + _GAP
        if used + needed > room:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += needed
    return blocks


def _block(heading: str, rows: Sequence[Row], columns: Sequence[_Column], width: int) -> str:
    """Names of rows, broken where there is no room for them, and columns beside them."""
    room = max(_LEAST_NAME, _room(columns, width))
    names = [_broken(_label(row), room, "/ ") for row in rows]
    first = max(len(line) for lines in (*names, [heading]) for line in lines)
    height = max((len(column.heading) for column in columns), default=1)
    lines = []
    for number in range(height):
        place = number - height
        heads = [column.heading[place] if len(column.heading) >= -place else "" for column in columns]
        lines.append([heading if number == height - 1 else "", *heads])
    cells = [column.cells() for column in columns]
    for number, name in enumerate(names):
        lines.append([name[0], *(cell[number] for cell in cells)])
        lines += [[more, *([""] * len(columns))] for more in name[1:]]
    widths = [first, *(column.width for column in columns)]
    return "\n".join(
        (" " * _GAP).join(f"{cell:<{wide}}" for cell, wide in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _filled(words: str, width: int) -> str:
    import textwrap

    return textwrap.fill(words, width, break_on_hyphens=False)


def _paragraphs(notes: Sequence[str], width: int) -> list[str]:
    return ["\n".join(_filled(note, width) for note in notes)] if notes else []


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
    """Everything a program wants: the answer, the records, the metrics with units, what was assumed, the notes."""
    from zreplay.analysis.answer import answer

    return {
        "answer": [
            {"about": v.about, "best": list(v.best), "unit": v.unit, "values": dict(v.values), "words": v.words}
            for v in answer(comparison)
        ],
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
