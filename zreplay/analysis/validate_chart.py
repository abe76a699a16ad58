"""The picture of a validation: pool pages of the kernel and of the model over time, and their difference below."""

from pathlib import Path

import polars as pl

from zreplay.analysis.validate import Validation
from zreplay.errors import UsageError
from zreplay.replay.directory import cannot_write

#: More points than a screen has columns draw the same line.
_POINTS = 2_000


def draw(result: Validation, place: Path) -> None:
    """Write the chart as SVG.

    Raises:
        UsageError: Altair is not installed, or ``place`` cannot be written.
    """
    try:
        import altair as alt
        import vl_convert
    except ImportError as error:
        raise UsageError("--plot: needs Altair; `pip install 'zreplay[report]'` installs it") from error
    curves = result.curves.with_columns(seconds=(pl.col("ts_ns") - pl.col("ts_ns").first()) / 1e9)
    bucket = pl.int_range(pl.len()) * _POINTS // pl.len()
    curves = curves.group_by(bucket.alias("bucket"), maintain_order=True).last()
    lines = curves.unpivot(["kernel", "driven", "predicted"], index="seconds", variable_name="who", value_name="pages")
    apart = curves.select(
        "seconds", driven=pl.col("driven") - pl.col("kernel"), predicted=pl.col("predicted") - pl.col("kernel")
    )
    apart = apart.unpivot(["driven", "predicted"], index="seconds", variable_name="who", value_name="pages")
    colours = alt.Color("who:N", title=None, scale=alt.Scale(domain=["kernel", "driven", "predicted"]))
    time = alt.X("seconds:Q", title="seconds")
    top = (
        alt.Chart(alt.InlineData(values=lines.to_dicts()))
        .mark_line(interpolate="step-after")
        .encode(time, alt.Y("pages:Q", title="pool pages"), colours, alt.StrokeDash("who:N", title=None))
    )
    below = (
        alt.Chart(alt.InlineData(values=apart.to_dicts()))
        .mark_line(interpolate="step-after")
        .encode(time, alt.Y("pages:Q", title="model − kernel"), colours)
    )
    title = f"{result.trace.name}: kernel and model"
    chart = alt.vconcat(top.properties(width=720, height=260), below.properties(width=720, height=90)).properties(
        title=title
    )
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    try:
        beside = place.with_name(f".{place.name}.tmp")
        beside.write_text(svg, encoding="utf-8")
        beside.replace(place)
    except OSError as error:
        raise cannot_write(place, error) from error
