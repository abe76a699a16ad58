"""The picture of a validation: pool pages of the kernel and of the model over time, and their difference below."""

from pathlib import Path

import polars as pl

from zreplay.analysis.validate import Validation
from zreplay.errors import UsageError
from zreplay.whole import new_file

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
    who = ["kernel", "driven", "predicted"]
    colours = alt.Color("who:N", title=None, scale=alt.Scale(domain=who, range=["#b0b0b0", "#1f77b4", "#d62728"]))
    time = alt.X("seconds:Q", title="seconds")

    def drawn(rows: pl.DataFrame, title: str) -> alt.LayerChart:
        # The kernel wide and pale beneath, so that it shows where a model lies on it.
        layers = []
        for name, width in (("kernel", 7), ("driven", 3), ("predicted", 1)):
            data = alt.InlineData(values=rows.filter(pl.col("who") == name).to_dicts())
            line = alt.Chart(data).mark_line(interpolate="step-after", strokeWidth=width)
            layers.append(line.encode(time, alt.Y("pages:Q", title=title), colours))
        return alt.LayerChart(layer=layers)

    top, below = drawn(lines, "pool pages"), drawn(apart, "model − kernel")
    title = f"{result.trace.name}: kernel and model"
    chart = alt.vconcat(top.properties(width=720, height=260), below.properties(width=720, height=90)).properties(
        title=title
    )
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    with new_file(place, mend="--plot names another place") as file:
        file.write(svg.encode())
