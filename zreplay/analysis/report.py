"""The report: one HTML page that needs nothing else, no network, no file beside it, and stays below MAX_BYTES.

page.html has style and behaviour; this file fills in the answer, the tables and the charts. Charts are Altair's, drawn
in the reader's browser by the Vega runtime, which is part of the page. A page that would be too large is made again
with curves of fewer pixels. Altair and the runtime take 107 MB on a disk, so they are an extra of the package: without
it a page has one chart, of our own, and says what brings the others.
"""

import html
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

from zreplay.analysis.answer import answer
from zreplay.analysis.comparison import Cell, Comparison, Row
from zreplay.analysis.metrics import Metric
from zreplay.analysis.series import PIXELS, SHOWN, View, views
from zreplay.analysis.table import (
    GROUPS,
    MEANS_HEADING,
    SHORT,
    change_text,
    differing_metrics,
    group_heading,
    value_text,
)
from zreplay.version import __version__
from zreplay.whole import new_file, refuse_place

MAX_BYTES = 5_000_000
_LOOK = {
    "font": 'system-ui, "DejaVu Sans", sans-serif',
    "axis": {"labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal"},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
}
#: Traces whose charts are drawn; the table has all.
TRACES_DRAWN = 8


def has_charts() -> bool:
    """Whether what draws charts is installed: Altair, and vl-convert, which has the Vega runtime."""
    try:
        for name in ("altair", "vl_convert"):
            import_module(name)
    except ImportError:
        return False
    return True


def refuse_page(place: Path, *, force: bool, mend: str = "-o names another place") -> None:
    """Raise UsageError when no page can be written there: a directory, a file (without ``force``), no permission."""
    refuse_place(place, force=force, parents=True, what="an HTML file", mend=mend)


def write_report(comparison: Comparison, place: Path, *, force: bool = False) -> None:
    """Write the page, whole or not at all.

    Raises:
        UsageError: it exists and ``force`` is not set; it cannot be written.
    """
    refuse_page(place, force=force)
    write_page(page(comparison), place)


def write_page(page: str, place: Path) -> None:
    """Write a page, whole or not at all. Raises UsageError where it cannot be written."""
    with new_file(place, parents=True) as file:
        file.write(page.encode())


def page(comparison: Comparison, max_bytes: int = MAX_BYTES) -> str:
    """The page as text, of at most ``max_bytes`` bytes as UTF-8."""
    pixels = PIXELS
    while True:
        text = _page(comparison, pixels)
        if len(text.encode()) <= max_bytes or pixels < 10:
            return text
        pixels //= 2


def _page(comparison: Comparison, pixels: int) -> str:
    specs: dict[str, Any] = {}
    body = "\n".join(_body(comparison, views(comparison, pixels), specs))
    return filled(_title(comparison), body, specs)


def filled(title: str, body: str, specs: dict[str, Any]) -> str:
    """The page with that title, body of HTML, and charts by the ids of their places in it."""
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    parts = {
        "title": html.escape(title),
        "body": body,
        # Inside a script element nothing but its end tag has a meaning.
        "runtime": _runtime().replace("</script", r"<\/script") if specs else "",
        "charts": json.dumps(specs, separators=(",", ":")).replace("</", r"<\/"),
    }
    for name, part in parts.items():
        before, after = template.split("{{" + name + "}}")
        template = before + part + after
    return template


@lru_cache
def _runtime() -> str:
    """Vega, Vega-Lite of Altair's version and vega-embed, as one script."""
    import altair
    import vl_convert

    version = altair.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)


def _title(comparison: Comparison) -> str:
    names = list(dict.fromkeys(row.name for row in comparison.rows))
    what = f"{len(names)} configurations" if len(names) > 1 else names[0]
    traces = comparison.traces
    return f"{what} on {traces[0] if len(traces) == 1 else f'{len(traces)} traces'}"


def _body(comparison: Comparison, shown: list[View], specs: dict[str, Any]) -> Iterator[str]:
    yield "<header><h1>" + html.escape(_title(comparison)) + "</h1>"
    yield '<button id="theme" type="button">Dark</button></header>'
    yield from _answer(comparison)
    yield _question(comparison)
    yield "<h2>The table</h2>"
    yield '<p class="quiet">Green: best of its trace. Below a value: its difference to the baseline. Headings sort.</p>'
    yield from _tables(
        comparison, [metric for group in GROUPS for metric in comparison.metrics if metric.group == group]
    )
    yield '<ul class="quiet">' + "".join(f"<li>{html.escape(note)}</li>" for note in comparison.notes) + "</ul>"
    yield from _charts(shown, specs)
    yield _manifests(comparison)


def _answer(comparison: Comparison) -> Iterator[str]:
    """Who wins, in words, and the few columns that tell why."""
    yield '<dl class="answer">'
    for verdict in answer(comparison):
        yield f"<dt>{_ABOUT[verdict.about]}</dt><dd>{html.escape(verdict.words)}</dd>"
    yield "</dl>"
    if metrics := differing_metrics(comparison)[:SHORT]:
        yield from _tables(comparison, sorted(metrics, key=lambda metric: GROUPS.index(metric.group)))


_ABOUT = {"memory": "Memory", "device": "Device traffic", "time": "Time"}


def _tables(comparison: Comparison, metrics: list[Metric]) -> Iterator[str]:
    """One of these columns for each trace, and of their means."""
    for trace in comparison.traces:
        yield from _table(trace, [row for row in comparison.rows if row.trace == trace], comparison, metrics)
    if comparison.means:
        yield from _table(MEANS_HEADING, comparison.means, comparison, metrics)


def _question(comparison: Comparison) -> str:
    rows = comparison.rows
    baseline = next((row.name for row in rows if row.is_baseline), None)
    names = list(dict.fromkeys(row.name for row in rows))
    facts = []
    for trace in comparison.traces:
        result = next(row.result for row in rows if row.trace == trace and row.result)
        metadata = result.run.manifest["trace"].get("metadata", {})
        known = [
            f"{words} {metadata[key]}"
            for key, words in (
                ("source_kernel", "kernel"),
                ("pool", "pool"),
                ("compressor", "compressor"),
                ("totalram_pages", "totalram pages"),
                ("max_pool_percent", "max_pool_percent"),
            )
            if metadata.get(key) is not None
        ]
        events = f"{result.summary.get('events', 0):,} events"
        facts.append(("Trace", f"{trace}: " + ", ".join([events, *known])))
    facts.append(
        ("Configurations", ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else ""))
    )
    if baseline:
        facts.append(("Baseline", baseline))
    facts += [("Settings", text) for text in [_settings(rows)] if text]
    which = "Which of these serves this workload best" if len(names) > 1 else "What did this configuration do"
    question = f"{which}: in memory, in pages spared the device, in work per operation, and in time?"
    items = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in facts)
    return f"<p>{question}</p><dl>{items}</dl>"


def _settings(rows: list[Row]) -> str:
    """The settings that all runs share."""
    settings = [row.result.settings for row in rows if row.result]
    shared = {
        name: value
        for name, value in settings[0].items()
        if value not in (None, False) and all(other.get(name) == value for other in settings)
    }
    for name, needs in _ONLY_WITH.items():
        if not any(needs(other) for other in settings):
            shared.pop(name, None)
    return ", ".join(f"{name} {value}" for name, value in shared.items())


#: Settings that say nothing unless another does.
_ONLY_WITH: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pointer_bits": lambda settings: str(settings.get("locate")).startswith(("bits", "value")),
    "cma_percent": lambda settings: settings.get("cma_every"),
    **dict.fromkeys(
        ("mm_new_page", "mm_load", "mm_join", "mm_first_time"), lambda settings: settings.get("mm") == "inactive-lru"
    ),
}


def _table(heading: str, rows: list[Row], comparison: Comparison, metrics: list[Metric]) -> Iterator[str]:
    if len(comparison.traces) > 1:
        yield f"<h3>{html.escape(heading)}</h3>"
    yield '<div class="scroll"><table class="sortable"><thead><tr class="groups"><th></th>'
    for group, some in groupby(metrics, key=lambda metric: metric.group):
        yield f'<th class="first" colspan="{len(list(some))}">{group_heading(comparison, group)}</th>'
    yield '</tr><tr><th scope="col"><button type="button">configuration</button></th>'
    for number, metric in enumerate(metrics):
        unit = f" ({metric.unit})" if metric.unit else ""
        yield (
            f'<th scope="col" title="{html.escape(metric.meaning + unit)}"{_edge(metrics, number)}>'
            f'<button type="button">{metric.name.replace("_", "_<wbr>")}</button></th>'
        )
    yield "</tr></thead><tbody>"
    for row in rows:
        name = html.escape(row.name)
        yield '<tr class="baseline">' if row.is_baseline else "<tr>"
        shown = name.replace("/", "/<wbr>") + (" (baseline)" if row.is_baseline else "")
        yield f'<th scope="row" data-value="{name}">{shown}</th>'
        for number, metric in enumerate(metrics):
            yield _td(row.cells[metric.name], metric, row.is_baseline, _edge(metrics, number))
        yield "</tr>"
    yield "</tbody></table></div>"


def _edge(metrics: list[Metric], number: int) -> str:
    is_first = number == 0 or metrics[number].group != metrics[number - 1].group
    return ' class="first"' if is_first else ""


def _td(cell: Cell, metric: Metric, is_baseline: bool, edge: str) -> str:
    number = cell.value if cell.value is not None else cell.ratio
    value = value_text(cell.value) if cell.value is not None or cell.ratio is None else ""
    if cell.best:
        value = f'<span class="best">{value}</span>'
    if cell.estimate and cell.estimate.low is not None:
        value += f" [{value_text(cell.estimate.low)}, {value_text(cell.estimate.high)}]"
    change = html.escape(change_text(cell, metric, is_baseline=is_baseline))
    return f'<td data-value="{"" if number is None else number}"{edge}>{value}<span class="change">{change}</span></td>'


def _plain_charts(shown: list[View]) -> Iterator[str]:
    """What there is without Altair."""
    from zreplay.analysis.plain_chart import HINT, plain_chart

    yield f'<section id="pool-pages"><h2>Pool pages over time</h2><p class="quiet">{html.escape(HINT)} of refusals, '
    yield "classes, sizes and work: write the page again then.</p>"
    for view in shown[:TRACES_DRAWN]:
        if len(shown) > 1:
            yield f"<h3>{html.escape(view.trace)}</h3>"
        yield from plain_chart(view)
    yield "</section>"


def _charts(shown: list[View], specs: dict[str, Any]) -> Iterator[str]:
    if not has_charts():
        yield from _plain_charts(shown)
        return
    from zreplay.analysis.charts import KINDS, why_empty

    for view in shown[:TRACES_DRAWN]:
        if len(shown) > 1:
            yield f"<h2>{html.escape(view.trace)}</h2>"
        if view.all_runs > SHOWN:
            yield (
                f'<p class="quiet">{SHOWN} of {view.all_runs} configurations are drawn: the baseline and the first of '
                "the table; --sort decides which those are.</p>"
            )
        heading = "h3" if len(shown) > 1 else "h2"
        for name, kind in KINDS.items():
            drawn = kind.draw(view)
            yield f'<section id="{name}"><{heading}>{html.escape(kind.title)}</{heading}>'
            if not drawn:
                yield f'<p class="quiet">None: {html.escape(why_empty(name, view))}.</p></section>'
                continue
            yield f'<p class="quiet">{html.escape(kind.about)}</p>'
            for chart in drawn:
                number = f"chart{len(specs)}"
                specs[number], title = chart_spec(chart, alone=len(drawn) == 1)
                yield f'<figure><div class="chart" id="{number}" role="img" aria-label="{title}"></div></figure>'
            yield "</section>"
    if len(shown) > TRACES_DRAWN:
        words = f"Charts of the first {TRACES_DRAWN} of {len(shown)} traces; zreplay plot draws any."
        yield f'<p class="quiet">{words}</p>'


def chart_spec(chart: Any, *, alone: bool) -> tuple[dict[str, Any], str]:
    """A chart as the page embeds it, as wide as the page, and its title; alone in its section it repeats no title."""
    autosize = {"type": "fit", "contains": "padding"}
    spec = (
        chart.properties(width="container", autosize=autosize)
        .configure(background="transparent")
        .to_dict(validate=False)
    )
    spec["config"] |= _LOOK
    title = html.escape(spec.pop("title") if alone else spec["title"])
    return spec, title


def _manifests(comparison: Comparison) -> str:
    results = [row.result for row in comparison.rows if row.result][:SHOWN]
    parts = [
        f"<details><summary>{html.escape(str(result.run.directory))}</summary>"
        f"<pre>{html.escape(json.dumps(result.run.manifest, indent=1))}</pre></details>"
        for result in results
    ]
    more = len(comparison.rows) - len(results)
    words = f" ({more} more runs are not shown)" if more else ""
    return (
        f'<section id="manifest" class="manifests"><h2>Manifest</h2><p class="quiet">What was run, to repeat it; page '
        f"written by zreplay {__version__}{words}.</p>{''.join(parts)}</section>"
    )
