"""``zreplay info``: say what is in a trace."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON
from zreplay.cli.table import fitted, width
from zreplay.errors import visible

if TYPE_CHECKING:
    from zreplay.trace.likeness import Likeness
    from zreplay.trace.survey import Summary


@click.command("info", short_help="Say what is in a trace, or how alike two are.")
@click.argument("trace", type=click.Path(path_type=Path), metavar="TRACE")
@click.argument("other", type=click.Path(path_type=Path), metavar="[OTHER]", required=False)
@JSON
def command(trace: Path, other: Path | None, as_json: bool) -> None:
    """Say what is in a trace: events by kind, time span, slots, sizes, and where it came from.

    With OTHER, both side by side, and how far apart they are: 0 is alike, 1 as different as can be.

    \b
    zreplay info traces/linux-6.1-zbud-lzo-mixed.parquet
    zreplay info traces/linux-6.1-zbud-lzo-mixed.parquet like-it.parquet
    """
    if other:
        from zreplay.trace.likeness import likeness

        alike = likeness(trace, other)
        click.echo(json.dumps(alike.as_dict(), indent=2) if as_json else fitted(_side_by_side(alike)))
        return
    from zreplay.trace.survey import survey

    found = survey(trace)
    click.echo(json.dumps(found.as_dict(), indent=2) if as_json else fitted(_text(found)))


def _side_by_side(alike: "Likeness") -> str:
    from zreplay.cli.table import number
    from zreplay.trace.likeness import DISTANCES, QUANTILES

    one, other = alike.summaries
    rows: list[tuple[str, ...]] = [("", Path(one.trace).stem, Path(other.trace).stem, "distance")]
    rows.append(("events", number(one.rows), number(other.rows), ""))
    rows += [
        (f"  {op}", number(one.events[op]), number(other.events[op]), "")
        for op in one.events
        if one.events[op] or other.events[op]
    ]
    rows.append(("distinct slots", number(one.distinct_slots), number(other.distinct_slots), ""))
    rows.append(("resident at most", number(one.resident_peak), number(other.resident_peak), ""))
    for name, meaning in DISTANCES.items():
        shown = [
            " ".join(f"{value:,}" for value in portrait.quantiles(name)) if portrait.has_quantiles(name) else ""
            for portrait in alike.portraits
        ]
        distance = alike.distances[name]
        rows.append((meaning, *shown, "–" if distance is None else f"{distance:.3f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}".rstrip()
        for row in rows
    ]
    if sum(widths) + 6 > width():
        lines = _stacked(rows)
    shares = ", ".join(f"{share:.0%}" for share in QUANTILES)
    return "\n".join([*lines, f"Several numbers are what {shares} do not exceed. Distances: docs/fit.md."])


def _stacked(rows: "list[tuple[str, ...]]") -> list[str]:
    """The same below each other, for a terminal that is too narrow: a name, then a line for each trace."""
    _, one, other, _ = rows[0]
    margin = max(len(one), len(other)) + 2
    lines = []
    for name, of_one, of_other, distance in rows[1:]:
        lines.append(f"{name.strip()}: distance {distance}" if distance else name.strip())
        lines += [f"  {one:<{margin}}{of_one}".rstrip(), f"  {other:<{margin}}{of_other}".rstrip()]
    return lines


def _text(found: "Summary") -> str:
    from zreplay.cli.table import aligned, number

    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.2%}"

    events = [(f"  {op}", number(count)) for op, count in found.events.items() if count]
    width = max([len(count) for _, count in events] or [0])
    notes = {
        "  store": f"{found.stores_rejected:,} refused",
        "  load": f"{found.loads_missed:,} missed",
        "  writeback": f"{found.writebacks_failed:,} failed",
        "  compact": f"{found.compactions_interrupted:,} of them the begin of an interrupted one",
    }
    if found.shrinks_begun:
        notes["  shrink"] = f"{found.shrinks_begun:,} of them the begin of one"
    rows = [
        ("trace", f"{visible(found.trace)} ({found.bytes / 1e6:,.2f} MB)"),
        ("events", f"{found.rows:,} in {found.seconds:,.3f} s"),
        *((op, f"{count:>{width}}" + (f"  {notes[op]}" if op in notes else "")) for op, count in events),
        ("distinct slots", number(found.distinct_slots)),
        ("resident at most", f"{found.resident_peak:,} slots"),
        ("same-filled", f"{share(found.same_filled_share)} of the accepted stores"),
        ("size unknown", f"{share(found.missing_size_share)} of the accepted stores"),
    ]
    if found.size_bytes:
        quantiles = ", ".join(f"{name} {size:,}" for name, size in found.size_bytes.items())
        rows.append(("compressed bytes", f"{quantiles}; mean {found.size_bytes_mean:,.1f}"))
    lost = found.source.get("lost_events")
    rows.append(("lost events", "unknown" if lost is None else number(int(lost))))
    told = [(key.replace("_", " "), value) for key, value in found.source.items() if key != "lost_events"]
    rows += [
        (name, number(value) if isinstance(value, int) else str(value)) for name, value in told if value is not None
    ]
    return aligned(rows)
