"""The charts, each a function from the runs of one trace to Altair charts; KINDS is what `zreplay plot` offers.

Every chart is drawn from few rows (zreplay.analysis.series), has a title that says what it shows, and colours that
can be told apart on white and on black. What a page does with text and background is the page's style sheet's to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from zreplay.analysis.metrics import MIB, beside_pool_bytes
from zreplay.analysis.series import Points, View, curve, frontier, merged, shared_names
from zreplay.errors import UsageError
from zreplay.whole import new_file

try:
    import altair as alt
except ImportError as error:
    raise UsageError("charts need Altair; `pip install 'zreplay[report]'` brings it") from error

PAGE_BYTES = 4096
WIDTH, HEIGHT = 680, 260
KERNEL = "kernel (recorded)"
Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart
_COLORS = [
    "#3f88c5", "#e0803a", "#3ba272", "#c264b8", "#c9a227", "#dc5470",
    "#45b3bd", "#94795d", "#7d83e8", "#8ba63f", "#b4553c", "#5fa8a0",
]  # fmt: skip
_GREY = "#a0a0a8"
_TIME_COLUMNS = 60


@dataclass(frozen=True)
class Kind:
    """A kind of chart: its title, what a reader should know, and how it is drawn."""

    title: str
    about: str
    draw: Callable[[View], list[Chart]]


def _data(rows: Sequence[dict[str, Any]]) -> alt.InlineData:
    return alt.InlineData(values=list(rows))


def _chart(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(_data(rows), width=WIDTH, height=HEIGHT)


def _color(names: Sequence[str], symbol: str) -> alt.Color:
    """A colour for each name, in order, so that a configuration keeps its own from chart to chart."""
    colors = iter(_COLORS * (len(names) // len(_COLORS) + 1))
    scale = alt.Scale(domain=list(names), range=[_GREY if name == KERNEL else next(colors) for name in names])
    legend = alt.Legend(orient="top", columns=2, labelLimit=320, symbolType=symbol, symbolStrokeWidth=3)
    return alt.Color("name:N", title=None, scale=scale, sort=None, legend=legend)


def _lines(curves: dict[str, Points], y_title: str, title: str) -> Chart:
    rows = [{"name": name, "s": s, "v": v} for name, points in curves.items() for s, v in points]
    chart: alt.Chart = (
        _chart(rows)
        .mark_line(clip=True)
        .encode(
            x=alt.X("s:Q", title="seconds of trace time", scale=alt.Scale(nice=False)),
            y=alt.Y("v:Q", title=y_title, axis=alt.Axis(format="~s")),
            color=_color(list(curves), "stroke"),
            # Wide and pale behind the others: where a model agrees with the kernel both are seen.
            strokeWidth=alt.condition(alt.datum.name == KERNEL, alt.value(7), alt.value(1.6)),
            strokeOpacity=alt.condition(alt.datum.name == KERNEL, alt.value(0.35), alt.value(1)),
            tooltip=["name:N", alt.Tooltip("s:Q", title="seconds"), alt.Tooltip("v:Q", title=y_title, format=",")],
        )
        .properties(title=title)
    )
    return chart


def _timelines(view: View, column: str) -> dict[str, Points]:
    start_ns = view.start_ns
    curves = {name: curve(r.run.timeline(), column, start_ns, view.pixels) for name, r in view.runs.items()}
    return merged(curves, view.runs)


def pool_pages(view: View) -> list[Chart]:
    """Pool pages over time, and the recorded kernel's own."""
    curves = _timelines(view, "pool_pages")
    if view.any.has_trace:
        events = pl.scan_parquet(view.any.trace_path)
        if "seen_pool_pages" in events.collect_schema().names():
            kernel = curve(events, "seen_pool_pages", view.start_ns, view.pixels)
            if kernel:
                curves = {KERNEL: kernel} | curves
    return [_lines(curves, "pool pages", "Pool pages over time")] if any(curves.values()) else []


def tradeoff(view: View) -> list[Chart]:
    """Memory against device traffic; the line joins the configurations that no other beats in both, bounds left out."""
    by_place: dict[tuple[float, float], list[str]] = {}
    for name, result in view.runs.items():
        summary = result.summary
        mib = summary["pool_pages_mean"] * PAGE_BYTES / MIB + beside_pool_bytes(result) / MIB
        place = float(summary["device_writes"] + summary["device_reads"]), round(mib, 3)
        by_place.setdefault(place, []).append(name)
    names = shared_names(list(by_place.values()), list(view.runs))
    rows = [{"name": name, "pages": x, "mib": y} for name, (x, y) in zip(names, by_place, strict=True)]
    built = [place for place, found in by_place.items() if any(not view.runs[name].is_bound for name in found)]
    line = [{"pages": x, "mib": y} for x, y in frontier(built)]
    x = alt.X(
        "pages:Q",
        title="pages written to and read from the device",
        axis=alt.Axis(format="~s"),
    )
    y = alt.Y("mib:Q", title="pool, index and entries, mean MiB", scale=alt.Scale(zero=False, padding=12))
    color = _color(names, "circle")
    points = _chart(rows).mark_point(size=110, filled=True, opacity=0.9)
    tooltip = ["name:N", alt.Tooltip("pages:Q", format=","), alt.Tooltip("mib:Q", format=",.1f")]
    beaten = alt.Chart(_data(line)).mark_line(color=_GREY, strokeDash=[4, 3]).encode(x=x, y=y)
    layers = alt.layer(beaten, points.encode(x=x, y=y, color=color, tooltip=tooltip))
    return [layers.properties(width=WIDTH, height=HEIGHT, title="Memory against device traffic")]


def refusals(view: View) -> list[Chart]:
    """Stores refused and pages written back so far, over time."""
    charts: list[Chart] = []
    for column, title in (
        ("stores_rejected", "Stores refused so far"),
        ("written_back_pages", "Pages written back so far"),
    ):
        curves = _timelines(view, column)
        if any(v for points in curves.values() for _, v in points):
            charts.append(_lines(curves, "pages", title))
    return charts


def classes(view: View) -> list[Chart]:
    """How full each size class of zsmalloc is, over time."""
    frames = _class_frames(view, "class_size")
    charts: list[Chart] = []
    for name, frame in frames.items():
        percent = 100 * pl.col("objects_used") / pl.col("objects_allocated")
        frame = frame.filter(pl.col("objects_allocated") > 0).with_columns(value=percent.round(1))
        charts.append(
            _heat_map(frame, "class_size", "class size, bytes", "objects in use, %", f"Class occupancy: {name}")
        )
    return charts


def chunks(view: View) -> list[Chart]:
    """Pages of zbud (and its kin) by the free chunks left in them, over time."""
    frames = _class_frames(view, "free_chunks")
    return [
        _heat_map(
            frame.with_columns(value=pl.col("pages")),
            "free_chunks",
            "free chunks",
            "pages",
            f"Pages by room left: {name}",
        )
        for name, frame in frames.items()
    ]


def _class_frames(view: View, column: str) -> dict[str, pl.DataFrame]:
    """The classes of those runs that have ``column``, at the last sample in each of so many stretches of time."""
    start_ns = view.start_ns
    frames: list[pl.DataFrame] = []
    groups: list[list[str]] = []
    for name, result in view.runs.items():
        frame = result.run.classes().filter(pl.col(column).is_not_null())
        ends = frame.select(pl.col("ts_ns").min().alias("low"), pl.col("ts_ns").max().alias("high")).collect()
        low, high = ends.row(0)
        if low is None:
            continue
        stretch = (pl.col("ts_ns") - low) * _TIME_COLUMNS // (high - low + 1)
        last = frame.group_by(stretch.alias("stretch")).agg(pl.col("ts_ns").max())
        # A sample stands until the next one: no gaps where few events happened.
        last = last.sort("stretch").with_columns(until=pl.col("ts_ns").shift(-1, fill_value=high + 1))
        found = (
            frame.join(last, on="ts_ns")
            .with_columns(
                start=((pl.col("ts_ns") - start_ns) / 1e9).round(6), end=((pl.col("until") - start_ns) / 1e9).round(6)
            )
            .unique(["stretch", column], keep="last")
            .sort("stretch", column)
            .collect()
        )
        same = next((number for number, frame in enumerate(frames) if frame.equals(found)), None)
        if same is None:
            frames.append(found)
            groups.append([name])
        else:
            groups[same].append(name)
    return dict(zip(shared_names(groups, list(view.runs)), frames, strict=True))


def _heat_map(frame: pl.DataFrame, column: str, y_title: str, value_title: str, title: str) -> Chart:
    rows = frame.select(pl.col("start").alias("a"), pl.col("end").alias("b"), pl.col(column).alias("c"), "value")
    ordered = sorted(frame[column].unique().to_list())
    # A few of the pages' counts are far above the others; a class's percentage is not.
    scale = alt.Scale(scheme="viridis", type="symlog" if column == "free_chunks" else "linear")
    step = max(1, len(ordered) // 12)
    values = [float(value) for value in frame["value"].unique()]
    ends = [min(values), max(values)] if values else []
    chart: alt.Chart = (
        _chart(rows.rename({"value": "v"}).to_dicts())
        .mark_rect()
        .encode(
            x=alt.X("a:Q", title="seconds of trace time", scale=alt.Scale(nice=False)),
            x2="b:Q",
            y=alt.Y("c:O", title=y_title, sort="descending", axis=alt.Axis(values=ordered[::step])),
            color=alt.Color("v:Q", title=value_title, scale=scale,
                            legend=alt.Legend(orient="top", gradientLength=260, values=ends)),
            tooltip=[
                alt.Tooltip("c:O", title=y_title),
                alt.Tooltip("v:Q", title=value_title, format=","),
                alt.Tooltip("a:Q", title="seconds"),
            ],
        )
        .properties(height=340, title=title)
    )  # fmt: skip
    return chart


def sizes(view: View) -> list[Chart]:
    """Compressed sizes of the stores in the trace, 64 bytes a bar."""
    if not view.any.has_trace:
        return []
    stores = pl.scan_parquet(view.any.trace_path).filter(
        (pl.col("op").cast(pl.String) == "store") & (pl.col("size") > 0)
    )
    bars = stores.group_by(((pl.col("size") - 1) // 64 * 64).cast(pl.Int64).alias("from")).len().sort("from").collect()
    if bars.is_empty():
        return []
    rows = [{"a": row["from"], "b": row["from"] + 64, "n": row["len"]} for row in bars.to_dicts()]
    return [
        _chart(rows)
        .mark_bar(color=_COLORS[0], binSpacing=0)
        .encode(
            x=alt.X("a:Q", title="compressed size, bytes", scale=alt.Scale(domain=[0, 4096], nice=False)),
            x2="b:Q",
            y=alt.Y("n:Q", title="stores", axis=alt.Axis(format="~s")),
            y2=alt.Y2Datum(0),
            tooltip=[
                alt.Tooltip("a:Q", title="above"),
                alt.Tooltip("b:Q", title="up to"),
                alt.Tooltip("n:Q", title="stores", format=","),
            ],
        )
        .properties(title="Sizes of the pages stored")
    ]


def work(view: View) -> list[Chart]:
    """Index nodes visited and cache lines touched per operation, by configuration."""
    charts: list[Chart] = []
    for cost, title in (
        ("nodes_visited", "Index nodes visited per operation"),
        ("cache_lines", "Cache lines touched per operation"),
    ):
        by_bars: dict[tuple[tuple[str, float], ...], list[str]] = {}
        for name, result in view.runs.items():
            bars = tuple(
                (op, round(row[cost] / row["count"], 3))
                for op, row in result.operations.items()
                if op in ("store", "load", "invalidate") and row["count"]
            )
            by_bars.setdefault(bars, []).append(name)
        names = shared_names(list(by_bars.values()), list(view.runs))
        rows = [{"name": n, "op": op, "v": v} for n, bars in zip(names, by_bars, strict=True) for op, v in bars]
        if not rows:
            return []
        chart = (
            _chart(rows)
            .mark_bar()
            .encode(
                x=alt.X("v:Q", title=None),
                y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=170)),
                yOffset=alt.YOffset("op:N", sort=["store", "load", "invalidate"]),
                color=alt.Color("op:N", title=None, scale=alt.Scale(range=_COLORS),
                                sort=["store", "load", "invalidate"], legend=alt.Legend(orient="top")),
                tooltip=["name:N", "op:N", "v:Q"],
            )
            .properties(height=70 + 38 * len(by_bars), title=title)
        )  # fmt: skip
        charts.append(chart)
    return charts


KINDS: dict[str, Kind] = {
    "pool-pages": Kind(
        "Pool pages over time",
        "Configurations whose curves are the same share one. Wide and pale: the kernel that was recorded.",
        pool_pages,
    ),
    "frontier": Kind(
        "Memory against device traffic",
        "Lower is less memory, left is less traffic. The dashed line joins those that no other beats in both.",
        tradeoff,
    ),
    "refusals": Kind("Refused stores and writebacks over time", "Cumulative.", refusals),
    "classes": Kind(
        "Size classes of zsmalloc",
        "Each row is a class, bright is full. What is dark is memory that compaction could give back.",
        classes,
    ),
    "chunks": Kind(
        "Pages of zbud and z3fold by free chunks",
        "A chunk is 64 bytes; pages far up hold one object and much air.",
        chunks,
    ),
    "sizes": Kind("Sizes in the trace", "Compressed bytes per page stored; same-filled pages are left out.", sizes),
    "work": Kind("Work per operation by index", "Counted, not timed: the same on every machine.", work),
}


def draw(kind: str, view: View, place: Path) -> None:
    """Write one kind of chart as SVG or PNG, by the ending of ``place``.

    Raises:
        UsageError: another ending, nothing to draw, or a file that cannot be written.
    """
    import io

    ending = place.suffix.lower()
    if ending not in (".svg", ".png"):
        raise UsageError(f"{place}: found the ending {ending or 'none'!r}, expected .svg or .png")
    drawn = KINDS[kind].draw(view)
    if not drawn:
        raise UsageError(f"{kind}: nothing to draw: {why_empty(kind, view)}")
    whole = alt.vconcat(*drawn).resolve_scale(color="independent").configure(font="DejaVu Sans, sans-serif")
    buffer = io.BytesIO()
    if ending == ".svg":
        text = io.StringIO()
        whole.save(text, format="svg")
        buffer.write(text.getvalue().encode())
    else:
        whole.save(buffer, format="png", scale_factor=2)
    with new_file(place) as file:
        file.write(buffer.getbuffer())


def why_empty(kind: str, view: View) -> str:
    """Why these runs have no such chart."""
    if kind == "sizes" and not view.any.has_trace:
        return f"the trace {view.any.trace_path} is no longer there"
    return {
        "classes": "no run has zsmalloc's classes",
        "chunks": "no run has pages of free chunks",
        "refusals": "no store was refused and no page written back",
    }.get(kind, "the runs have no events")
