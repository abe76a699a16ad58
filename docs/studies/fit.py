"""Writes the tables of docs/fit.md: whether the trace of a recipe fitted to a recording replays as the recording does.

    python docs/studies/fit.py
    python docs/studies/fit.py --seeds 8    # only what other seeds come to, a line each

No times are measured, so a busy machine does; about a minute.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

DOCS = Path(__file__).parents[1]
sys.path.pop(0)  # this folder

from zreplay.errors import ZreplayError  # noqa: E402
from zreplay.plugins.registry import built_in  # noqa: E402
from zreplay.replay.axes import cores  # noqa: E402
from zreplay.replay.cells import answers  # noqa: E402
from zreplay.replay.config import Config  # noqa: E402
from zreplay.replay.profiles import profile_of  # noqa: E402
from zreplay.trace.files import open_trace  # noqa: E402
from zreplay.trace.fit import fit  # noqa: E402
from zreplay.trace.fit_file import recipe_text  # noqa: E402
from zreplay.trace.likeness import DISTANCES, distances, portrait  # noqa: E402
from zreplay.trace.recipes.fitted import FittedRecipe  # noqa: E402
from zreplay.trace.recipes.pattern import PatternRecipe  # noqa: E402
from zreplay.trace.synth import synth  # noqa: E402

RECORDINGS = sorted((DOCS.parent / "traces").glob("*.parquet"))
#: Every other one was looked at when the method was made.
TUNED_ON = frozenset(path.stem for path in RECORDINGS[::2])
#: What the first measurement of the others made us look at.
LOOKED_AT = frozenset(["linux-6.12-zsmalloc-lz4-python"])
#: Traces that the generator makes; nothing was tuned on them either.
GENERATED = {
    pattern: PatternRecipe(events=300_000, resident=30_000, pattern=pattern, seed=7)
    for pattern in ("random", "clustered", "zipf", "scan")
}
FIGURES = ("pool_pages_peak", "pool_pages_mean")
#: Beside the recording's own limit: none that is ever reached.
UNLIMITED = {"totalram_pages": 2**40}
WITHIN_PERCENT = 5
SCALED = (
    "linux-6.1-zsmalloc-lzo-mixed-2cpu",
    "linux-6.1-zram-lzorle-mixed",
    "linux-6.12-zbud-lz4-node",
    "linux-6.12-zsmalloc-lzorle-writeback",
)

MARK = "<!-- written by docs/studies/fit.py from here on -->\n"


@dataclass(frozen=True)
class Replayed:
    """What replays of a trace came to: (pool, limited) → figures, index → bytes at most."""

    pools: dict[tuple[str, bool], dict[str, float]]
    indexes: dict[str, int]


def replayed(trace: Path, indexes: Iterable[str] = built_in("index")) -> Replayed:
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
    distances: dict[str, float | None]
    values: int  #: in the recipe
    bytes: int  #: of its file

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


def results_of(trace: Path, work: Path, seeds: int) -> list[Result]:
    """Fit a recipe to a trace, generate its traces, of seed 0 and on, and replay them all."""
    recipe = fit(trace)
    recording = replayed(trace)
    results = []
    for seed in range(seeds):
        made = work / f"made-{trace.name}"
        synth(replace(recipe, seed=seed), made, force=True)
        results.append(
            Result(
                trace.stem,
                open_trace(trace).rows,
                recipe.events,
                recording,
                replayed(made),
                distances(portrait(trace), portrait(made)),
                values_in(recipe),
                len(recipe_text(recipe).encode()),
            )
        )
    return results


def result_of(trace: Path, work: Path) -> Result:
    """The same of seed 0."""
    return results_of(trace, work, 1)[0]


def by_seed(work: Path, seeds: int) -> Iterator[str]:
    """Of the recordings, what each seed comes to."""
    for seed, results in enumerate(zip(*(results_of(path, work, seeds) for path in RECORDINGS), strict=True)):
        errors = [abs(error) for result in results for *_, error in result.errors()]
        index_bytes = [
            abs(100 * (result.fitted.indexes[index] / found - 1))
            for result in results
            for index, found in result.recording.indexes.items()
        ]
        off, bytes_off = f"{fmean(errors):.2f} %", f"{fmean(index_bytes):.1f} %"
        yield f"seed {seed}: {within(results)} within {WITHIN_PERCENT} %, off by {off} in the mean; " + (
            f"ranks alike on {alike(results)}; index bytes off by {bytes_off}; not within: {missed(results) or 'none'}"
        )


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


def note_of(result: Result) -> str:
    """Whether the method was made with the recording in view."""
    return "tuned on" if result.name in TUNED_ON else "looked at" if result.name in LOOKED_AT else "held out"


def within(results: Iterable[Result]) -> str:
    """How many figures are within 5 %."""
    errors = [abs(error) for result in results for *_, error in result.errors()]
    return f"{sum(error <= WITHIN_PERCENT for error in errors)} of {len(errors)}"


def missed(results: Iterable[Result]) -> str:
    """The figures that are not, one by one."""
    limit = {True: "", False: " without limit"}
    return "; ".join(
        f"{result.name}, {pool}{limit[limited]}: {figure} {error:+.1f} %"
        for result in results
        for pool, limited, figure, error in result.errors()
        if abs(error) > WITHIN_PERCENT
    )


def alike(results: Iterable[Result]) -> str:
    """Of how many nothing ranks otherwise."""
    turned = [result.turned() for result in results]
    return f"{turned.count([])} of {len(turned)}"


def distances_of(results: Sequence[Result]) -> list[str]:
    """The table of distances."""
    lines = [
        "| | " + " | ".join(DISTANCES.values()) + " |",
        "|---|" + "--:|" * len(DISTANCES),
    ]
    for result in results:
        cells = ["–" if value is None else f"{value:.2f}" for value in result.distances.values()]
        lines.append(f"| {result.name} | " + " | ".join(cells) + " |")
    return lines


def scaled(work: Path) -> Iterator[str]:
    """Of some recordings, the pages of pools at other scales over those at scale 1."""
    yield "| | scale | events | " + " | ".join(f"{pool}, peak / mean" for pool in ("zbud", "z3fold", "zsmalloc")) + " |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name in SCALED:
        recipe = fit(DOCS.parent / "traces" / f"{name}.parquet")
        pages = {}
        for factor in (Fraction(1), Fraction(4), Fraction(1, 2)):
            made = work / f"{name}-{factor.numerator}-{factor.denominator}.parquet"
            part = recipe.scaled(factor)
            synth(part, made, force=True)
            pages[factor] = replayed(made, ()).pools
            if factor == 1:
                continue
            cells = [
                " / ".join(
                    f"{pages[factor][pool, True][figure] / pages[1][pool, True][figure]:.3f}" for figure in FIGURES
                )
                if (pool, True) in pages[factor]
                else "–"
                for pool in ("zbud", "z3fold", "zsmalloc")
            ]
            yield f"| {name} | {float(factor):g}x | {part.events:,} | " + " | ".join(cells) + " |"


def values_in(recipe: FittedRecipe) -> int:
    """How many numbers and words a recipe has."""

    def count(value: Any) -> int:
        if isinstance(value, dict):
            return sum(map(count, value.values()))
        return sum(map(count, value)) if isinstance(value, list) else 1

    return count(tomllib.loads(recipe_text(recipe)))


def page(work: Path) -> str:
    """What is written into it."""
    results = [result_of(path, work) for path in RECORDINGS]
    generated = []
    for pattern, recipe in GENERATED.items():
        path = work / f"{pattern}.parquet"
        synth(recipe, path)
        generated.append(result_of(path, work))
    notes = ("tuned on", "looked at", "held out")
    groups = {note: [result for result in results if note_of(result) == note] for note in notes}
    groups["generated"] = generated
    values, sizes = [result.values for result in results], [result.bytes / 1e3 for result in results]
    return "\n".join(
        [
            "",
            "## Pool pages",
            "",
            *HEADING,
            *(line_of(result, note_of(result)) for result in results),
            *(line_of(result, "generated") for result in generated),
            "",
            "| | within 5 % | rank alike | not within |",
            "|---|--:|--:|---|",
            *(f"| {name} | {within(some)} | {alike(some)} | {missed(some)} |" for name, some in groups.items()),
            "",
            f"The recordings' recipes have {min(values):,} to {max(values):,} values, in {min(sizes):.0f} to "
            f"{max(sizes):.0f} kB.",
            "",
            "## Distances",
            "",
            *distances_of([*results, *generated]),
            "",
            "## Scale",
            "",
            *scaled(work),
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, help="only print what so many seeds come to")
    if seeds := parser.parse_args().seeds:
        with TemporaryDirectory() as folder:
            print(*by_seed(Path(folder), seeds), sep="\n")
        sys.exit()
    place = DOCS / "fit.md"
    prose = place.read_text(encoding="utf-8").split(MARK)[0]
    with TemporaryDirectory() as folder:
        place.write_text(prose + MARK + page(Path(folder)), encoding="utf-8")
