"""A search's report: one HTML page like that of a comparison, with the frontier drawn."""

import html
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from zreplay.analysis.plain_chart import HINT
from zreplay.analysis.report import chart_spec, filled, has_charts, refuse_page
from zreplay.analysis.report import write_page as write_file
from zreplay.analysis.table import value_text
from zreplay.tune.found import Finding
from zreplay.tune.goal import Metrics
from zreplay.tune.outcome import Outcome, Point, frontier
from zreplay.tune.written import command_of
from zreplay.version import __version__

#: Rows of the table of all configurations; the JSON has all.
_ROWS = 400


def write_page(outcome: Outcome, place: Path, *, force: bool = False) -> None:
    """Write the page, whole or not at all.

    Raises:
        UsageError: it exists and ``force`` is not set; it cannot be written.
    """
    refuse_page(place, force=force)
    write_file(page(outcome), place)


def page(outcome: Outcome) -> str:
    """The page as text."""
    specs: dict[str, Any] = {}
    body = "\n".join(_body(outcome, specs))
    return filled(f"The best of {len(outcome.found.findings)} on {outcome.trace.stem}", body, specs)


def _body(outcome: Outcome, specs: dict[str, Any]) -> Iterator[str]:
    found, goal = outcome.found, outcome.found.goal
    yield f"<header><h1>The best of {len(found.findings)} on {html.escape(outcome.trace.stem)}</h1>"
    yield '<button id="theme" type="button">Dark</button></header>'
    facts = [
        ("Least", goal.minimise.text),
        *(("Subject to", condition.text) for condition in goal.subject_to),
        ("Trace", f"{outcome.trace.name}: {outcome.rows:,} events"),
        ("Winner" if found.satisfies else "Nearest", found.winner.candidate.name),
        *((bound, outcome.against(bound)) for bound in outcome.bounds),
        ("Searched", outcome.searched()),
        ("Again", f"zreplay run {outcome.trace} {command_of(found.winner)} -o DIR"),
    ]
    items = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in facts)
    yield f"<dl>{items}</dl>"
    points = frontier(found)
    x, y = goal.axes[:2]
    yield '<section id="frontier"><h2>The frontier</h2>'
    yield (
        '<p class="quiet">The line joins those that no other beats in all of '
        f"{html.escape(', '.join(goal.axes))}. Full: replayed in full. Hollow: estimated from a sample.</p>"
    )
    if has_charts():
        specs["chart0"], title = chart_spec(_chart(outcome, points, x, y), alone=True)
        yield f'<figure><div class="chart" id="chart0" role="img" aria-label="{title}"></div></figure>'
    else:
        yield f'<p class="quiet">{html.escape(HINT)}.</p>'
    yield from _table("frontier", [point.finding for point in points], outcome)
    yield "</section><section><h2>All that was replayed</h2>"
    known = sorted(
        (one for one in found.findings if one.numbers is not None),
        key=lambda one: (one.row is None, *goal.judged(one.numbers or {}), one.place),
    )
    yield from _table("all", known[:_ROWS], outcome)
    yield f'<p class="quiet">Written by zreplay {__version__}.</p></section>'


def _table(name: str, findings: Sequence[Finding], outcome: Outcome) -> Iterator[str]:
    goal = outcome.found.goal
    heads = ["configuration", "value", *goal.axes]
    yield f'<div class="scroll"><table class="sortable" id="{name}-table"><thead><tr>'
    yield "".join(f'<th scope="col"><button type="button">{html.escape(head)}</button></th>' for head in heads)
    yield '<th scope="col"><button type="button">known</button></th></tr></thead><tbody>'
    for finding in findings:
        numbers = finding.numbers or {}
        metrics = Metrics(numbers)
        cells = [goal.value(numbers), *(metrics[axis] for axis in goal.axes)]
        known = "in full" if finding.row is not None else f"estimated, {finding.share}"
        if finding.equal_to is not None:
            known = f"equal to {outcome.found.findings[finding.equal_to].candidate.name}"
        chosen = ' class="baseline"' if finding is outcome.found.winner else ""
        words = html.escape(finding.candidate.name)
        yield f'<tr{chosen}><th scope="row" data-value="{words}">{words}</th>'
        yield "".join(
            f'<td data-value="{cell if isfinite(cell) else ""}">{value_text(cell) if isfinite(cell) else "none"}</td>'
            for cell in cells
        )
        yield f'<td data-value="">{html.escape(known)}</td></tr>'
    yield "</tbody></table></div>"


def _chart(outcome: Outcome, points: Sequence[Point], x: str, y: str) -> Any:
    import altair as alt

    from zreplay.analysis.charts import HEIGHT, WIDTH

    found = outcome.found
    kinds = ["replayed in full", "estimated from a sample", "bound", "winner"]
    rows = []
    for finding in found.findings:
        if finding.numbers is None or finding.equal_to is not None or finding is found.winner:
            continue
        kind = kinds[0] if finding.row is not None else kinds[1]
        rows.append(_dot(finding.candidate.name, kind, Metrics(finding.numbers), x, y))
    rows += [_dot(name, "bound", Metrics(row), x, y) for name, row in outcome.bounds.items()]
    rows.append(_dot(found.winner.candidate.name, "winner", Metrics(found.winner.row or {}), x, y))
    line = sorted(({"x": point.metrics[x], "y": point.metrics[y]} for point in points), key=lambda one: one["x"])
    base = alt.Chart(alt.InlineData(values=rows), width=WIDTH, height=HEIGHT + 60)
    across = alt.X("x:Q", title=x, axis=alt.Axis(format="~s"), scale=alt.Scale(type="symlog", constant=_knee(rows)))
    up = alt.Y("y:Q", title=y, axis=alt.Axis(format="~s"), scale=alt.Scale(zero=False, padding=12))
    colours = ["#3f88c5", "#a0a0a8", "#e0803a", "#3ba272"]
    legend = alt.Legend(orient="top", title=None)
    dots = base.mark_point(filled=True, opacity=0.85).encode(
        x=across,
        y=up,
        color=alt.Color("kind:N", sort=kinds, scale=alt.Scale(domain=kinds, range=colours), legend=legend),
        fillOpacity=alt.condition(alt.datum.kind == kinds[1], alt.value(0), alt.value(0.85)),
        shape=alt.Shape(
            "kind:N",
            sort=kinds,
            scale=alt.Scale(domain=kinds, range=["circle", "circle", "diamond", "triangle-up"]),
            legend=legend,
        ),
        stroke=alt.Color("kind:N", sort=kinds, scale=alt.Scale(domain=kinds, range=colours), legend=None),
        size=alt.condition(alt.datum.kind == "winner", alt.value(190), alt.value(70)),
        tooltip=[
            "name:N",
            "kind:N",
            alt.Tooltip("x:Q", title=x, format=",.6~g"),
            alt.Tooltip("y:Q", title=y, format=",.6~g"),
        ],
    )
    joined = alt.Chart(alt.InlineData(values=line)).mark_line(color="#a0a0a8", strokeDash=[4, 3]).encode(x=across, y=up)
    return alt.layer(joined, dots).properties(width=WIDTH, height=HEIGHT + 60, title=f"{y} against {x}")


def _dot(name: str, kind: str, metrics: Metrics, x: str, y: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "x": metrics[x], "y": metrics[y]}


def _knee(rows: Sequence[dict[str, Any]]) -> float:
    """Where the axis across turns from linear to logarithmic: a hundredth of its length, so that 0 is on it."""
    return max(1e-9, *(abs(float(row["x"])) / 100 for row in rows if isfinite(row["x"])))
