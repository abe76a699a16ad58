"""What charts are drawn from: curves cut down to what a screen can show, whatever a trace's length.

A chart is so many pixels wide. Of all samples that fall on one pixel column only the lowest and the highest are kept,
in their order in time, so a drawn curve looks the same as one of all samples: peaks do not get lost, as they would
with every n-th sample. Runs whose curves are the same (an index does not change which pages a pool takes) share one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import prod

import polars as pl

from zreplay.analysis.comparison import Comparison
from zreplay.analysis.results import Result

PIXELS = 400
#: Configurations one chart tells apart by colour.
SHOWN = 12

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class View:
    """The runs of one trace that charts show: the baseline and the first rows of the table.

    Attributes:
        trace: the trace's name.
        runs: name of the configuration → its run.
        all_runs: how many the table has.
        pixels: width for which curves are cut down.
    """

    trace: str
    runs: dict[str, Result]
    all_runs: int
    pixels: int = PIXELS

    @property
    def any(self) -> Result:
        """One of the runs, for what they share: the trace."""
        return next(iter(self.runs.values()))

    @cached_property
    def start_ns(self) -> int:
        """Time of the earliest event known: where the charts' time starts."""
        frames = [result.run.timeline() for result in self.runs.values()]
        if self.any.has_trace:
            frames.append(pl.scan_parquet(self.any.trace_path))
        starts = [frame.select(pl.col("ts_ns").min()).collect().item() for frame in frames]
        return min((int(start) for start in starts if start is not None), default=0)


def views(comparison: Comparison, pixels: int = PIXELS) -> list[View]:
    """A view for each trace."""
    found = []
    for trace in comparison.traces:
        rows = [row for row in comparison.rows if row.trace == trace and row.result]
        first = sorted(rows, key=lambda row: not row.is_baseline)[:SHOWN]
        runs = {row.name: row.result for row in rows if row in first and row.result}
        found.append(View(trace, runs, len(rows), pixels))
    return found


def curve(frame: pl.LazyFrame, column: str, start_ns: int, pixels: int) -> Points:
    """(seconds since ``start_ns``, value) of ``column`` over ``ts_ns``, at most two points per pixel column."""
    frame = frame.select("ts_ns", pl.col(column).cast(pl.Float64).alias("value")).drop_nulls()
    ends = frame.select(pl.col("ts_ns").min().alias("low"), pl.col("ts_ns").max().alias("high")).collect()
    low, high = ends.row(0)
    if low is None:
        return []
    pixel = (pl.col("ts_ns") - low) * pixels // (high - low + 1)
    value = pl.col("value")
    kept = (
        frame.group_by(pixel.alias("pixel"))
        .agg(
            pl.col("ts_ns").get(value.arg_min()).alias("low_ns"),
            value.min().alias("low"),
            pl.col("ts_ns").get(value.arg_max()).alias("high_ns"),
            value.max().alias("high"),
        )
        .collect()
    )
    points = {(row[1], row[2]) for row in kept.iter_rows()} | {(row[3], row[4]) for row in kept.iter_rows()}
    return [(round((ts_ns - start_ns) / 1e9, 6), value) for ts_ns, value in sorted(points)]


def merged(curves: dict[str, Points], all_names: Iterable[str]) -> dict[str, Points]:
    """Curves that are the same under one name: the words that the others of ``all_names`` do not share."""
    by_points: dict[tuple[tuple[float, float], ...], list[str]] = {}
    for name, points in curves.items():
        by_points.setdefault(tuple(points), []).append(name)
    labels = shared_names(list(by_points.values()), list(all_names))
    return {label: list(points) for label, points in zip(labels, by_points, strict=True)}


def shared_names(groups: Sequence[Sequence[str]], all_names: Sequence[str]) -> list[str]:
    """A name for each group of configurations, such as ``zbud`` for zbud with every index there is.

    A word that takes all its values within the group is left out; one that takes some is a list.
    """
    words = [name.split("/") for name in all_names]
    if len({len(name) for name in words}) > 1:
        return [", ".join(group) for group in groups]
    every = [set(column) for column in zip(*words, strict=True)]
    labels = []
    for group in groups:
        columns = [list(dict.fromkeys(column)) for column in zip(*(name.split("/") for name in group), strict=True)]
        kept = [
            "|".join(column)
            for column, values in zip(columns, every, strict=True)
            if len(column) == 1 or set(column) != values
        ]
        # Only a group of all combinations of its words is named by them.
        is_product = prod(map(len, columns)) == len(group)
        labels.append(("/".join(kept) or "all configurations") if is_product else ", ".join(group))
    # Names cut short must still tell the groups apart.
    return labels if len(set(labels)) == len(labels) else [", ".join(group) for group in groups]


def frontier(points: Sequence[tuple[float, float]]) -> Points:
    """Those points for which no other is lower or equal in both, from left to right."""
    kept: Points = []
    for _, column in groupby(sorted(set(points)), key=lambda point: point[0]):
        lowest = next(column)
        if not kept or lowest[1] < kept[-1][1]:
            kept.append(lowest)
    return kept
