"""The chart of a curve: hit share and device traffic against the limit of the pool."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zreplay.errors import UsageError
from zreplay.replay.curve import Checked, Curve

ENDINGS = (".html", ".svg", ".png")
_MIB = 1 << 20


def refuse_chart(place: Path) -> None:
    """Raise UsageError when the chart cannot be made: another ending, no Altair."""
    if place.suffix.lower() not in ENDINGS:
        raise UsageError(f"{place}: found the ending {place.suffix or 'none'!r}, expected .html, .svg or .png")
    from zreplay.analysis import charts as _  # noqa: F401  (says which extra brings Altair)


def chart_bytes(curve: Curve, checked: Sequence[Checked], ending: str) -> bytes:
    """The chart: a page that needs nothing else (.html), or a picture; ``checked`` rows are points beside the lines."""
    import altair as alt

    from zreplay.analysis.charts import HEIGHT, WIDTH

    def mib(pages: int) -> float:
        return round(pages * 4096 / _MIB, 3)

    x = alt.X("mib:Q", title="limit of the pool, MiB", scale=alt.Scale(nice=False, zero=True))
    limit = alt.Tooltip("mib:Q", title="limit, MiB", format=",.1f")
    pages = alt.Tooltip("pages:Q", title="limit, pages", format=",")

    def layers(shown: dict[str, str], y: Any, value: Any, scale: alt.Scale) -> Any:
        lines = [
            {"mib": mib(row["limit_pages"]), "pages": row["limit_pages"], "name": name, "v": value(row, column)}
            for column, name in shown.items()
            for row in curve.rows
        ]
        points = [
            {
                "mib": mib(one.row["limit_pages"]),
                "pages": one.row["limit_pages"],
                "name": name,
                "v": one.hit_share if column == "hit_share" else one.replayed[column],
            }
            for column, name in shown.items()
            for one in checked
            if column != "lru_hit_share"
        ]
        legend = alt.Legend(orient="top", symbolType="stroke", labelLimit=320) if len(shown) > 1 else None
        color = alt.Color("name:N", title=None, scale=scale, sort=None, legend=legend)
        tooltip = [*(["name:N"] if len(shown) > 1 else []), limit, pages, value_tip]
        drawn = (
            alt.Chart(alt.InlineData(values=lines))
            .mark_line(strokeWidth=2)
            .encode(x=x, y=y, color=color, tooltip=tooltip)
        )
        if not points:
            return drawn
        beside = alt.Chart(alt.InlineData(values=points)).mark_point(size=45, strokeWidth=1.5)
        return alt.layer(drawn, beside.encode(x=x, y=y, color=color, tooltip=tooltip))

    value_tip = alt.Tooltip("v:Q", title="hit share", format=".2%")
    shares = {"hit_share": f"{curve.config.mm} over {curve.config.pool}"}
    if curve.method != "stack distances":
        shares["lru_hit_share"] = "plain LRU over the compressed bytes"
    hits = layers(
        shares,
        alt.Y("v:Q", title="loads that hit", axis=alt.Axis(format="%"), scale=alt.Scale(zero=True)),
        lambda row, column: round(row[column], 6),
        alt.Scale(domain=list(shares.values()), range=["#3f88c5", "#a0a0a8"][: len(shares)]),
    ).properties(width=WIDTH, height=HEIGHT, title=_title(curve, checked))
    value_tip = alt.Tooltip("v:Q", title="pages", format=",")
    names = {"device_reads": "read from the device", "device_writes": "written to the device"}
    traffic = layers(
        names,
        alt.Y("v:Q", title="pages", axis=alt.Axis(format="~s"), scale=alt.Scale(zero=True)),
        lambda row, column: row[column],
        alt.Scale(domain=list(names.values()), range=["#3ba272", "#e0803a"]),
    ).properties(width=WIDTH, height=HEIGHT, title=alt.TitleParams("Device traffic", anchor="start"))
    whole = alt.vconcat(hits, traffic).resolve_scale(color="independent").configure(font="DejaVu Sans, sans-serif")
    if ending == ".html":
        return str(whole.to_html(inline=True)).encode()
    buffer = io.BytesIO()
    if ending == ".svg":
        text = io.StringIO()
        whole.save(text, format="svg")
        return text.getvalue().encode()
    whole.save(buffer, format="png", scale_factor=2)
    return buffer.getvalue()


def _title(curve: Curve, checked: Sequence[Checked]) -> Any:
    import altair as alt

    config = curve.config
    about = f"zswap of kernel {config.kernel} over {config.pool}, {config.mm}"
    if not curve.sample.is_whole:
        about += f"; a sample of {curve.sample} of the slots"
    if checked:
        about += "; points: replays of their own"
    return alt.TitleParams(f"Hit share: {config.trace.stem}", subtitle=about, subtitleColor="#808088", anchor="start")
