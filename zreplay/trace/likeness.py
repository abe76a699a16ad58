"""How alike two traces are: the same things counted in both, and how far the counts are apart.

The distance of two distributions is Kolmogorov and Smirnov's: the most by which the shares below any one value differ,
0 to 1. In two dimensions (size and age) it is the same of the shares below a pair of values. Of the kinds of rows it is
half the sum of the shares' differences (the share of rows that would have to be of another kind), of the resident
curves the most by which they differ, as a share of the higher peak. What is counted says core/trace/portrait.hpp.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import _zreplay
import pyarrow as pa

from zreplay.trace.files import open_trace
from zreplay.trace.survey import Summary, survey

#: What of a trace is read for it.
COLUMNS = ("ts_ns", "op", "type", "offset", "size", "result", "call_ts_ns", "call_rows")
#: What is compared, in the order in which it is shown: name → what it is.
DISTANCES = {
    "ops": "kinds of rows",
    "sizes": "compressed bytes",
    "ages": "rows from store to free",
    "sizes_ages": "bytes and rows to free",
    "reuses": "other slots until loaded",
    "store_runs": "slots in a row, stored",
    "store_steps": "slots to the next store",
    "free_runs": "invalidates in a row",
    "free_steps": "slots to the next one",
    "resident": "resident curve",
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Portrait:
    """Counts of a trace; of numbers by bin (sizes by bytes)."""

    ops: tuple[int, ...]
    sizes: tuple[int, ...]
    ages: tuple[int, ...]
    sizes_ages: tuple[int, ...]
    reuses: tuple[int, ...]
    store_runs: tuple[int, ...]
    store_steps: tuple[int, ...]
    free_runs: tuple[int, ...]
    free_steps: tuple[int, ...]
    resident: tuple[int, ...]  #: slots, at the end of each of 1,000 equal parts of the rows

    def has_quantiles(self, name: str) -> bool:
        """Whether what is counted there are single numbers."""
        return name not in ("ops", "sizes_ages", "resident")

    def quantiles(self, name: str) -> tuple[int, ...]:
        """The numbers of QUANTILES of a distribution, of a bin its least; empty without any."""
        counts = getattr(self, name)
        total = sum(counts)
        if not total:
            return ()
        reached = list(accumulate(counts))
        bins = [next(i for i, below in enumerate(reached) if below >= share * total) for share in QUANTILES]
        return tuple(bins) if name == "sizes" else tuple(_zreplay.Portrait.least_of(i) for i in bins)


@dataclass(frozen=True)
class Likeness:
    """Two traces side by side."""

    summaries: tuple[Summary, Summary]
    portraits: tuple[Portrait, Portrait]
    distances: dict[str, float | None]  #: of each of DISTANCES, 0 to 1; None where one of the traces has none of it

    def as_dict(self) -> dict[str, object]:
        """For ``zreplay info A B --json``."""
        return {"traces": [summary.as_dict() for summary in self.summaries], "distances": self.distances}


def likeness(one: Path, other: Path) -> Likeness:
    """Read two traces, twice each. Raises what `open_trace` and `Trace.batches` raise."""
    portraits = portrait(one), portrait(other)
    return Likeness((survey(one), survey(other)), portraits, distances(*portraits))


def portrait(path: Path) -> Portrait:
    """Read a trace once. Raises what `open_trace` and `Trace.batches` raise."""
    trace = open_trace(path)
    return portrait_of(trace.batches(COLUMNS), trace.rows)


def portrait_of(batches: Iterable[pa.RecordBatch], rows: int) -> Portrait:
    """Of the batches of a trace, or of its begin, which are of so many rows; of columns COLUMNS need be there."""
    counted = _zreplay.Portrait(rows)
    for batch in batches:
        counted.add(batch)
    counted.end()
    return Portrait(**{name: tuple(getattr(counted, name)) for name in DISTANCES})


def distances(one: Portrait, other: Portrait) -> dict[str, float | None]:
    """The distance of each of DISTANCES, 0 to 1; None where one of the traces has none of it."""
    found: dict[str, float | None] = {}
    for name in DISTANCES:
        here, there = getattr(one, name), getattr(other, name)
        if name == "resident":
            peak = max(*here, *there)
            found[name] = max(abs(a - b) for a, b in zip(here, there, strict=True)) / peak if peak else None
        elif not (sum(here) and sum(there)):
            found[name] = None
        elif name == "ops":
            found[name] = sum(abs(a - b) for a, b in zip(_shares(here), _shares(there), strict=True)) / 2
        elif name == "sizes_ages":
            found[name] = kolmogorov_smirnov_2d(here, there, _zreplay.Portrait.age_bins)
        else:
            found[name] = kolmogorov_smirnov(here, there)
    return found


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts]


def kolmogorov_smirnov(one: Sequence[int], other: Sequence[int]) -> float:
    """The distance of two samples, each counted by the same bins and not empty."""
    one_in_all, other_in_all = sum(one), sum(other)
    below = zip(accumulate(one), accumulate(other), strict=True)
    return max(abs(here / one_in_all - there / other_in_all) for here, there in below)


def kolmogorov_smirnov_2d(one: Sequence[int], other: Sequence[int], columns: int) -> float:
    """The same of pairs of numbers, counted row by row: the most by which shares below both of a pair differ."""
    one_in_all, other_in_all = sum(one), sum(other)
    above = [0.0] * columns  # the difference below each column, in all rows so far
    greatest = 0.0
    for start in range(0, len(one), columns):
        row = (
            here / one_in_all - there / other_in_all
            for here, there in zip(one[start : start + columns], other[start : start + columns], strict=True)
        )
        above = [before + now for before, now in zip(above, accumulate(row), strict=True)]
        greatest = max(greatest, *map(abs, above))
    return greatest
