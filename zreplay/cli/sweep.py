"""`zreplay sweep`: a grid in, a directory of cells out; what is there is not replayed again."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zreplay.cli.options import JSON, MEMORY_LIMIT, load_pyarrow_alone, print_json, spare_memory
from zreplay.cli.table import aligned, fitted, number

if TYPE_CHECKING:
    from zreplay.sweep.cell import Cell
    from zreplay.sweep.grid import Grid
    from zreplay.sweep.sweep import Outcome


@click.command(name="sweep")
@click.argument("grid", type=click.Path(path_type=Path), metavar="GRID.toml")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where the cells are kept; what a sweep has finished there is not replayed again.",
)
@click.option("--dry-run", is_flag=True, help="Say how many cells there are, and about what they will take.")
@click.option(
    "--scheduler",
    metavar="tcp://…|local",
    help="Replay on a Dask cluster: a scheduler's address, or one of this machine's processes.  "
    "[default: threads of this process]",
)
@click.option(
    "--workers", type=int, metavar="N", help="Cores to use, or processes of --scheduler local.  [default: all]"
)
@MEMORY_LIMIT
@JSON
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no summary.")
def command(grid: Path, out: Path, **options: Any) -> None:
    """Replay the cross product of the traces and values in GRID.toml, and keep each answer in DIR.

    \b
    GRID.toml:
      traces = ["traces/*.parquet"]     # paths from the grid's folder, or URLs
      design = ["latest", "zswap-3.12"] # a list for each axis: design, index, pool, kernel, model, mm, locate,
      max_pool_percent = [10, 20, 30]   # totalram_pages, max_pool_percent, accept_threshold_percent, cma_every,
      seed = [0, 1]                     # seed, missing_size, sample

    \b
    zreplay sweep GRID.toml -o sweeps/first --dry-run
    zreplay sweep GRID.toml -o sweeps/first

    A sweep that was stopped, by Ctrl-C or anything else, goes on when the same command is given again. The answers are
    one table: `zreplay compare DIR`, or in Python
    pl.scan_parquet("DIR/**/*.parquet", hive_partitioning=True). Exit codes: 6 when some cells failed (they are listed,
    the others are there), 130 when interrupted (finished cells are kept).
    """
    spare_memory()
    load_pyarrow_alone()
    from zreplay.plugins.registry import KINDS, native_plugins
    from zreplay.sweep.grid import Grid

    asked = Grid.read(grid)
    named = native_plugins({kind: [str(word) for word in asked.axes.get(kind, ())] for kind in KINDS})
    work = partial(_sweep, asked, out, **options)
    if not named:
        work()
        return
    from zreplay.errors import Interrupted
    from zreplay.replay.isolated import isolated

    left = "the cells that were finished are in {out}"
    try:
        isolated(lambda _parent: work(), trace="a cell", out=out, named=named, left=left)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {left.format(out=out)}, the same command goes on") from None


def _sweep(
    asked: "Grid",
    out: Path,
    *,
    dry_run: bool,
    scheduler: str | None,
    workers: int | None,
    memory_limit: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    from zreplay.errors import CellsFailed, Interrupted, MemoryLimitError
    from zreplay.replay.axes import cores
    from zreplay.replay.cells import AT_ONCE
    from zreplay.replay.config import within
    from zreplay.replay.memory import in_words, size_bytes
    from zreplay.sweep.directory import SweepDirectory, missing_of
    from zreplay.sweep.estimate import estimate
    from zreplay.sweep.grid import open_traces
    from zreplay.sweep.sweep import Outcome, sweep

    within("--workers", workers, 1, 4096)
    limit_bytes = size_bytes("--memory-limit", memory_limit)
    here = workers or cores()
    cells = asked.cells(open_traces(asked, here))
    if dry_run:
        missing = missing_of(out, cells)
        if as_json:
            print_json({"out": out, "cells": len(cells), "kept": len(cells) - len(missing), "missing": len(missing)})
            return
        print(fitted(_dry(cells, missing, here, limit_bytes, out)))
        return
    at_once = AT_ONCE
    if limit_bytes is not None:
        expected = estimate(cells, here)
        at_once = expected.at_once_within(limit_bytes)
        if expected.least_bytes > limit_bytes:
            raise MemoryLimitError(
                f"--memory-limit: found that one replay of the largest trace takes {in_words(expected.least_bytes)} "
                f"and more, expected at most {in_words(limit_bytes)}; a larger limit mends it"
            )
    with SweepDirectory.opened(out) as directory:
        directory.note(cells)
        missing = directory.missing(cells)
        outcome = Outcome(len(cells), kept=len(cells) - len(missing))
        try:
            if missing:
                with _executor(scheduler, workers, at_once, limit_bytes) as executor, _bar(outcome, quiet) as progress:
                    sweep(directory, missing, executor, outcome, at_once=at_once, progress=progress)
        except (KeyboardInterrupt, click.Abort):
            outcome.is_interrupted = True  # told below, when nobody holds the replays any more
    if outcome.is_interrupted:
        raise Interrupted(
            f"interrupted; {outcome.finished:,} of {len(cells):,} cells are in {out}, the same command goes on"
        )
    if as_json:
        print_json(_document(outcome, out))
    elif not quiet:
        print(fitted(_text(outcome, out)))
    if outcome.failed:
        failed = [f"  {cell.name}: {error}" for cell, error in outcome.failed.items()]
        raise CellsFailed(f"{len(outcome.failed):,} of {len(cells):,} cells failed:", *failed)


@contextmanager
def _executor(scheduler: str | None, workers: int | None, at_once: int, limit_bytes: int | None) -> Iterator[Any]:
    if scheduler is None:
        from zreplay.replay.axes import cores
        from zreplay.sweep.local import Local

        yield Local(workers or cores(), at_once, limit_bytes)
        return
    from zreplay.sweep.cluster import Cluster

    with Cluster(scheduler, workers, at_once, limit_bytes) as cluster:
        yield cluster


@contextmanager
def _bar(outcome: "Outcome", quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """A bar of cells; yields what is told of those done, or None when nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    shape = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
    with tqdm(
        total=outcome.cells, initial=outcome.kept, unit="cell", desc="cells", leave=False, bar_format=shape
    ) as bar:

        def progress(done: float) -> None:
            if outcome.failed:
                bar.set_postfix_str(f"{len(outcome.failed)} failed", refresh=False)
            bar.update(max(0, outcome.kept + done - bar.n))

        yield progress


def _document(outcome: "Outcome", out: Path) -> dict[str, Any]:
    failed = {cell.name: str(error) for cell, error in outcome.failed.items()}
    return {
        "out": out,
        "cells": outcome.cells,
        "kept": outcome.kept,
        "replayed": outcome.replayed,
        "failed": failed,
    }


def _text(outcome: "Outcome", out: Path) -> str:
    rows = [
        ("cells", number(outcome.cells)),
        ("  there already", number(outcome.kept)),
        ("  replayed", number(outcome.replayed)),
        *([("  failed", number(len(outcome.failed)))] if outcome.failed else []),
    ]
    return f"{aligned(rows)}\n\n{out}"


def _dry(cells: Sequence["Cell"], missing: Sequence["Cell"], cores: int, limit_bytes: int | None, out: Path) -> str:
    from zreplay.replay.memory import in_words
    from zreplay.sweep.estimate import STATE_BYTES, estimate

    traces = {cell.trace.sha256: cell.trace for cell in cells}
    rows = [
        ("traces", f"{number(len(traces))}, {number(sum(trace.rows for trace in traces.values()))} rows"),
        ("cells", number(len(cells))),
        (f"  in {out} already", number(len(cells) - len(missing))),
        ("  to replay", f"{number(len(missing))}, {number(sum(cell.trace.rows for cell in missing))} events"),
    ]
    if missing:
        found = estimate(missing, cores)
        at_once = min(found.at_once_within(limit_bytes), len(missing))
        tried = f"{number(found.rows)} rows of {number(found.traces)} traces"
        rows += [
            ("time", f"about {_duration(found.seconds)} on {cores} cores, as {tried} were replayed now"),
            (
                "memory",
                f"at most about {in_words(found.memory_bytes(at_once))}: {at_once} replays at a time, {STATE_BYTES} "
                "bytes for each page stored",
            ),
        ]
    return aligned(rows)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
