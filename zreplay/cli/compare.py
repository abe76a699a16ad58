"""`zreplay compare`: run directories, sweeps, or traces and axes, in; one table out."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from zreplay.cli.options import (
    JSON,
    MEMORY_LIMIT,
    complete_names,
    complete_variants,
    load_pyarrow_alone,
    spare_memory,
    tell_how_to_get_charts,
)
from zreplay.cli.progress import bytes_bar
from zreplay.cli.table import terminal_width

# Axis → its help; zreplay.replay.axes says which there are and how a value is read.
_AXES = {
    "design": "Designs by name, as `zreplay run --design` takes them.",
    "index": "Swap indexes, plugins among them, as `zreplay run --index` takes them.  [default: rbtree]",
    "pool": "Allocators, likewise.  [default: the trace's own]",
    "kernel": "Whose policies.  [default: the nearest to the release of the trace]",
    "mm": "Reclaim indexes, as `zreplay run --mm` takes them.  [default: the kernel's]",
    "locate": "What slots say of objects, as `zreplay run --locate` takes it.  [default: the index's]",
    "totalram_pages": "Memory sizes of the machine, in pages.  [default: the trace's]",
    "max_pool_percent": "Pool limits, percent of totalram.  [default: the trace's, else 20]",
    "accept_threshold_percent": "Accept thresholds, percent of the limit.  [default: the trace's, else 90]",
    "cma_every": "Evacuate a tenth of the pool every so many events.  [default: never]",
    "sample": "Shares of the traces' slots, such as 1/16: sooner done, pages scaled back.  [default: all]",
}


def _axes(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, words in reversed(_AXES.items()):
        complete = complete_variants(name, several=True) if name in ("index", "pool", "mm") else None
        if name in ("design", "kernel"):
            complete = complete_names(name, several=True)
        option = f"--{name.replace('_', '-')}"
        command = click.option(option, name, metavar="A,B,…", help=words, shell_complete=complete)(command)
    return command


@click.command(name="compare")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="RUN… | SWEEP… | TRACE…")
@_axes
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/compare"),
    show_default=True,
    metavar="DIR",
    help="Where the runs of traces are kept, and found again.",
)
@click.option("--baseline", metavar="RUN", help="Run directory or configuration to compare with.  [default: the first]")
@click.option(
    "--columns",
    shell_complete=complete_names("metric", several=True),
    metavar="A,B,…",
    help="Metrics to show, in this order.  [default: those that differ]",
)
@click.option("--all", "all_columns", is_flag=True, help="Show all metrics, as a pipe always gets them.")
@click.option(
    "--sort", shell_complete=complete_names("metric"), metavar="METRIC", help="Best first; -METRIC: worst first."
)
@click.option(
    "--format", "form", default="table", show_default=True, metavar="NAME", help="table, md, csv, json, parquet."
)
@JSON
@click.option(
    "--replicates", type=int, default=0, metavar="N", help="Measure times in N interleaved rounds (20 find 3 %)."
)
@click.option(
    "--timing", is_flag=True, help="Measure operations, without look-ahead: store_ns, load_ns, invalidate_ns."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the order within the rounds.")
@click.option("--decompress-us", type=float, metavar="µS", help="To decompress a page, for swap_in_us.  [default: 4]")
@click.option("--device-read-us", type=float, metavar="µS", help="To read a page from the device.  [default: 90]")
@click.option(
    "--fail-if", multiple=True, metavar="EXPR", help="Exit with 3 if a row has, say, 'pool_pages_peak > +2%'."
)
@MEMORY_LIMIT
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the report, one HTML page.")
@click.option("--force", is_flag=True, help="Replace an existing report.")
@click.option("-q", "--quiet", is_flag=True, help="Print no table and no progress.")
def command(paths: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Compare runs, the cells of sweeps, or replay TRACEs through every combination of the values given.

    A terminal gets the answer and the columns that differ, a pipe the answer and all columns (docs/compare.md).

    \b
    zreplay compare TRACE --index rbtree,radix-lowbit --pool zbud,zsmalloc
    zreplay compare RUN RUN --columns pool_pages_peak,device_reads --sort device_reads
    zreplay compare TRACE --design zswap-3.12,two-index --replicates 6 --report out.html
    """
    spare_memory()
    load_pyarrow_alone()
    from zreplay.plugins.registry import KINDS, native_plugins

    named = native_plugins({kind: _listed(f"--{kind}", options[kind]) or () for kind in KINDS})
    work = partial(_compare, paths, out, **options)
    if not named:
        work()
        return
    from zreplay.replay.isolated import isolated

    traces, left = ", ".join(map(str, paths)), "what was finished is in {out}"
    isolated(lambda _parent: work(), trace=traces, out=out, named=named, left=left)


def _compare(
    paths: tuple[Path, ...],
    out: Path,
    *,
    baseline: str | None,
    columns: str | None,
    all_columns: bool,
    sort: str | None,
    form: str,
    as_json: bool,
    replicates: int,
    timing: bool,
    seed: int,
    decompress_us: float | None,
    device_read_us: float | None,
    fail_if: Sequence[str],
    memory_limit: str | None,
    report: Path | None,
    force: bool,
    quiet: bool,
    **axes: str | None,
) -> None:
    from zreplay.analysis.comparison import compare
    from zreplay.analysis.metrics import Assumptions, choose, metric_named
    from zreplay.analysis.requirement import Requirement
    from zreplay.analysis.table import FORMATS, render, short_text, text
    from zreplay.errors import RequirementError, UsageError
    from zreplay.replay.config import known, within
    from zreplay.replay.memory import size_bytes
    from zreplay.sweep.directory import is_sweep, refuse_sweeps, unfinished

    known("--format", form, FORMATS)
    form = "json" if as_json else form
    within("--replicates", replicates, 0, 1000)
    requirements = [Requirement.parse(text) for text in fail_if]
    given = {"decompress_us": decompress_us, "device_read_us": device_read_us}
    assumptions = Assumptions(**{name: value for name, value in given.items() if value is not None})
    if form == "parquet" and not quiet and sys.stdout.isatty():
        raise UsageError("--format parquet: standard output is a terminal; redirect it to a file")
    if report:
        refuse_sweeps(paths)
        from zreplay.analysis.report import refuse_page

        refuse_page(report, force=force, mend="--report names another place")

    measuring = _Measuring(timing, replicates, seed, size_bytes("--memory-limit", memory_limit))
    runs, times = _runs(paths, axes, out, measuring, quiet)
    results = _results(runs)
    metrics = choose(results, _listed("--columns", columns), assumptions)
    shown = list(metrics)
    for requirement in requirements:
        if requirement.metric not in [metric.name for metric in metrics]:
            metrics.append(metric_named(requirement.metric, results, "--fail-if"))
    comparison = compare(results, metrics, assumptions, baseline=baseline, times=times, seed=seed, sort=sort)
    comparison.notes += [note for path in paths if is_sweep(path) and (note := unfinished(path))]
    failing = []
    for requirement in requirements:
        requirement.check(metric_named(requirement.metric, results, "--fail-if"), comparison)
        failing += requirement.failing(comparison)

    comparison.metrics = shown
    if as_json or not quiet:
        wide = terminal_width()
        if form == "table" and wide:
            print((text if columns or all_columns else short_text)(comparison, wide), end="")
        else:
            sys.stdout.buffer.write(render(comparison, form))
            sys.stdout.buffer.flush()
    if report:
        from zreplay.analysis.report import write_report

        write_report(comparison, report, force=force)
        if not quiet:
            print(report, file=sys.stderr)
            tell_how_to_get_charts()
    if failing:
        raise RequirementError("--fail-if met by:", *failing)


def _results(places: Sequence[Any]) -> list[Any]:
    """The results of runs, and of all cells of sweeps."""
    from zreplay.analysis.results import load
    from zreplay.sweep.directory import is_sweep, results

    return [
        result
        for place in places
        for result in (results(place) if isinstance(place, Path) and is_sweep(place) else load([place]))
    ]


class _Measuring(NamedTuple):
    timing: bool
    replicates: int
    seed: int
    memory_limit_bytes: int | None


def _runs(
    paths: Sequence[Path], axes: dict[str, str | None], out: Path, measuring: _Measuring, quiet: bool
) -> tuple[list[Any], list[dict[str, list[float]]] | None]:
    """The runs to compare, and for each its times in rounds when these were asked for."""
    from zreplay.errors import UsageError

    directories = [path.is_dir() for path in paths]
    if not paths:
        raise UsageError(
            "nothing to compare; name run directories, or traces and axes such as --index rbtree,radix-tag"
        )
    given = {name: values for name, values in axes.items() if values is not None}
    if all(directories):
        option = next((f"--{name.replace('_', '-')}" for name in given), None)
        option = option or ("--replicates" if measuring.replicates else "--timing" if measuring.timing else None)
        if option:
            raise UsageError(f"{option}: needs traces to replay, found only run directories")
        return list(dict.fromkeys(paths)), None
    if any(directories):
        raise UsageError(
            f"{paths[directories.index(True)]}: a directory among traces; compare runs or traces, not both"
        )
    return _replayed(paths, given, out, measuring, quiet)


def _replayed(
    traces: Sequence[Path], given: dict[str, str], out: Path, measuring: _Measuring, quiet: bool
) -> tuple[list[Any], list[dict[str, list[float]]] | None]:
    from zreplay.replay.axes import cross, run_missing, values_of
    from zreplay.replay.memory import limited
    from zreplay.replay.times import measure

    axes = {name: values_of(name, _listed(f"--{name.replace('_', '-')}", text) or []) for name, text in given.items()}
    runs, times = [], []
    for cells in cross(traces, axes, out, timing=measuring.timing):
        trace = cells[0].config.trace
        with bytes_bar(trace, quiet=quiet) as progress:
            runs += run_missing(cells, limited(measuring.memory_limit_bytes, progress))
        if measuring.replicates:
            with bytes_bar(trace, quiet=quiet) as progress:
                told = limited(measuring.memory_limit_bytes, progress)
                rounds = measure([cell.config for cell in cells], measuring.replicates, measuring.seed, told)
            for number in range(len(cells)):
                names = set.intersection(*(set(row[number]) for row in rounds))
                times.append({name: [row[number][name] for row in rounds] for name in names})
    return runs, times or None


def _listed(option: str, text: str | None) -> list[str] | None:
    """The words of ``a,b,c``; None for None."""
    from zreplay.errors import UsageError

    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"{option}: found {text!r}, expected names or numbers separated by commas")
    return list(dict.fromkeys(words))
