"""Writes docs/fit.md: whether a trace generated from a recipe fitted to a recording replays as the recording does.

    python docs/fit.py

No times are measured, so a busy machine does; about a minute.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
sys.path.pop(0)  # this folder

from zreplay.errors import ZreplayError  # noqa: E402
from zreplay.replay.axes import cores  # noqa: E402
from zreplay.replay.cells import answers  # noqa: E402
from zreplay.replay.config import Config, index_names  # noqa: E402
from zreplay.replay.profiles import profile_of  # noqa: E402
from zreplay.trace.files import open_trace  # noqa: E402
from zreplay.trace.fit import fit  # noqa: E402
from zreplay.trace.recipes.pattern import PatternRecipe  # noqa: E402
from zreplay.trace.synth import synth  # noqa: E402

RECORDINGS = sorted((HERE.parent / "traces").glob("*.parquet"))
#: Every other one was looked at when the method was made.
TUNED_ON = frozenset(path.stem for path in RECORDINGS[::2])
#: Traces that the generator makes; nothing was tuned on them either.
GENERATED = {
    pattern: PatternRecipe(events=300_000, resident=30_000, pattern=pattern, seed=7)
    for pattern in ("random", "clustered", "zipf", "scan")
}
FIGURES = ("pool_pages_peak", "pool_pages_mean")
#: Beside the recording's own limit: none that is ever reached.
UNLIMITED = {"totalram_pages": 2**40}
WITHIN_PERCENT = 5


@dataclass(frozen=True)
class Replayed:
    """What replays of a trace came to: (pool, limited) → figures, index → bytes at most."""

    pools: dict[tuple[str, bool], dict[str, float]]
    indexes: dict[str, int]


def replayed(trace: Path, indexes: Iterable[str] = index_names()) -> Replayed:
    """Replay a trace through all pools of its kernel, with its limit and without, and through the indexes."""
    metadata = open_trace(trace).metadata
    base = Config(trace=trace, out=trace.parent / "unused").resolved(metadata)
    pools = profile_of(str(base.model), str(base.kernel)).pools
    limits: list[dict[str, Any]] = [{}, UNLIMITED] if metadata.totalram_pages and base.model == "zswap" else [{}]
    configs = {
        (pool, not limit): Config(trace=trace, out=base.out, pool=pool, **limit).resolved(metadata)
        for limit in limits
        for pool in pools
    }
    by_index = {}
    for index in indexes:
        try:
            by_index[index] = Config(trace=trace, out=base.out, index=index).resolved(metadata)
        except ZreplayError:
            continue  # the model has no such index
    found = []
    for answer in answers([*configs.values(), *by_index.values()], workers=cores()):
        if isinstance(answer, ZreplayError):
            raise answer
        found.append(answer.row)
    rows = dict(zip([*configs, *by_index], found, strict=True))
    return Replayed(
        {key: {figure: rows[key][figure] for figure in FIGURES} for key in configs},
        {index: rows[index]["index_bytes_peak"] for index in by_index},
    )


def ranks_alike(one: dict[str, float], other: dict[str, float]) -> list[str]:
    """Pairs that stand in another order; those within 1 % of each other in either have no order."""
    apart = 1.01
    turned = []
    names = list(one)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            here = (one[first] > apart * one[second]) - (one[second] > apart * one[first])
            there = (other[first] > apart * other[second]) - (other[second] > apart * other[first])
            if here * there < 0:
                turned.append(f"{first}, {second}")
    return turned


@dataclass(frozen=True)
class Result:
    """A recording and the trace fitted to it."""

    name: str
    rows: int
    made_rows: int
    recording: Replayed
    fitted: Replayed

    def errors(self) -> Iterator[tuple[str, bool, str, float]]:
        """Each figure's error, in percent: pool, whether limited, figure, error."""
        for (pool, limited), figures in self.recording.pools.items():
            for figure, value in figures.items():
                error = 100 * (self.fitted.pools[pool, limited][figure] / value - 1) if value else 0.0
                yield pool, limited, figure, error

    def turned(self) -> list[str]:
        """What ranks otherwise: pools by their pages, with and without the limit, and indexes by their bytes."""
        turned = ranks_alike(self.recording.indexes, self.fitted.indexes)
        for limited in (True, False):
            for figure in FIGURES:
                one, other = (
                    {pool: found[figure] for (pool, limit), found in replays.pools.items() if limit == limited}
                    for replays in (self.recording, self.fitted)
                )
                turned += [f"{pair} by {figure}{'' if limited else ', no limit'}" for pair in ranks_alike(one, other)]
        return turned


def result_of(trace: Path, work: Path) -> Result:
    """Fit a recipe to a trace, generate its trace, and replay both."""
    recipe = fit(trace)
    made = work / f"made-{trace.name}"
    synth(recipe, made, force=True)
    return Result(trace.stem, open_trace(trace).rows, recipe.events, replayed(trace), replayed(made))


def line_of(result: Result, note: str) -> str:
    """A line of the table: errors in percent, peak / mean of each pool; bold what is not within."""
    cells = {}
    for pool, limited, _, error in result.errors():
        text = f"{error:+.1f}"
        cells.setdefault((pool, limited), []).append(f"**{text}**" if abs(error) > WITHIN_PERCENT else text)
    columns = [
        " / ".join(cells.get((pool, limited), ["–"]))
        for limited in (True, False)
        for pool in ("zbud", "z3fold", "zsmalloc")
    ]
    return f"| {result.name} | {note} | " + " | ".join(columns) + f" | {'; '.join(result.turned()) or 'alike'} |"


HEADING = [
    "| | | zbud | z3fold | zsmalloc | zbud, no limit | z3fold, no limit | zsmalloc, no limit | ranks |",
    "|---|---|--:|--:|--:|--:|--:|--:|---|",
]


def within(results: Iterable[Result]) -> str:
    """How many figures are within 5 %."""
    errors = [abs(error) for result in results for *_, error in result.errors()]
    return f"{sum(error <= WITHIN_PERCENT for error in errors)} of {len(errors)}"


def page(work: Path) -> str:
    """The whole document."""
    results = [result_of(path, work) for path in RECORDINGS]
    generated = []
    for pattern, recipe in GENERATED.items():
        path = work / f"{pattern}.parquet"
        synth(recipe, path)
        generated.append(result_of(path, work))
    tuned = [result for result in results if result.name in TUNED_ON]
    held_out = [result for result in results if result.name not in TUNED_ON]
    return "\n".join(
        [
            *HEADING,
            *(line_of(result, "tuned on" if result.name in TUNED_ON else "held out") for result in results),
            *(line_of(result, "generated") for result in generated),
            "",
            f"Within {WITHIN_PERCENT} %: {within(tuned)} figures of the recordings it was tuned on, "
            f"{within(held_out)} of those held out, {within(generated)} of those generated.",
            "",
        ]
    )


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        (HERE / "fit.md").write_text(page(Path(folder)), encoding="utf-8")
