"""`zreplay tune`: a trace and what to make least in; the best configuration, the next best and the frontier out."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from zreplay.cli.options import (
    JSON,
    Grouped,
    GroupOption,
    complete_names,
    complete_variants,
    load_pyarrow_alone,
    spare_memory,
    tell_how_to_get_charts,
)
from zreplay.cli.table import fitted


def _space(name: str, **settings: Any) -> Callable[[Any], Any]:
    return click.option(name, cls=GroupOption, group="What is searched", **settings)


@click.command(name="tune", cls=Grouped)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "--minimise",
    required=True,
    metavar="EXPR",
    help="What to make least, of a run's metrics: 'device_reads + 0.1*pool_pages_mean'. + - * / **, min, max, abs.",
)
@click.option(
    "--subject-to",
    multiple=True,
    metavar="EXPR",
    help="What must hold: 'pool_pages_peak <= 8000'. Again for another.",
)
@_space(
    "--pool",
    metavar="A,B,…",
    shell_complete=complete_variants("pool", several=True),
    help="Allocators, plugins among them.  [default: those that each kernel could have]",
)
@_space(
    "--max-pool-percent",
    metavar="A,B,…|LOW:HIGH:STEP",
    help="Pool limits, percent of totalram.  [default: 5:50:5]",
)
@_space(
    "--accept-threshold-percent",
    metavar="A,B,…|LOW:HIGH:STEP",
    help="Accept thresholds, percent of the limit.  [default: 90,80,70,100]",
)
@_space(
    "--kernel",
    shell_complete=complete_names("kernel", several=True),
    metavar="A,B,…",
    help="Whose profiles.  [default: 6.1, 6.12 and latest, the trace's own first]",
)
@_space(
    "--design",
    shell_complete=complete_names("design", several=True),
    metavar="A,B,…",
    help="Designs by name, as `zreplay run --design` takes them.  [default: none]",
)
@_space(
    "--mm",
    metavar="A,B,…",
    shell_complete=complete_variants("mm", several=True),
    help="Reclaim indexes, as `zreplay run --mm` takes them.  [default: the kernel's]",
)
@_space("--totalram-pages", type=int, metavar="N", help="Memory of the machine.  [default: the trace's]")
@click.option("--exhaustive", is_flag=True, help="Replay every configuration in full: to check the search.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the report, one HTML page.")
@click.option("--force", is_flag=True, help="Replace an existing report.")
@JSON
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but the winner's options of `zreplay run`.")
def command(
    trace: Path,
    minimise: str,
    subject_to: tuple[str, ...],
    totalram_pages: int | None,
    exhaustive: bool,
    report: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **axes: str | None,
) -> None:
    """Find the configuration that is best for TRACE: limit, threshold, pool, kernel, design.

    Equal values go to the one that comes first in the order given.

    \b
    zreplay tune TRACE --minimise pool_pages_mean --max-pool-percent 10:30:10
    zreplay tune TRACE --minimise 'device_reads + 0.1*pool_pages_mean' --subject-to 'pool_pages_peak <= 8000'
    """
    spare_memory()
    load_pyarrow_alone()
    from zreplay.errors import RequirementError
    from zreplay.tune.tuning import tune
    from zreplay.tune.written import as_json as record
    from zreplay.tune.written import command_of, text

    if report:
        from zreplay.analysis.report import refuse_page

        refuse_page(report, force=force, mend="--report names another place")
    values = {name: _values(name, given) for name, given in axes.items() if given is not None}
    with _events_bar(trace, quiet=quiet or as_json) as progress:
        outcome = tune(
            trace,
            minimise,
            subject_to,
            values,
            totalram_pages=totalram_pages,
            every_one=exhaustive,
            progress=progress,
        )
    if report:
        from zreplay.tune.page import write_page

        write_page(outcome, report, force=force)
        if not quiet:
            tell_how_to_get_charts()
    if as_json:
        json.dump(record(outcome), sys.stdout)
        print()
    elif quiet:
        print(command_of(outcome.found.winner))
    else:
        print(fitted(text(outcome)))
        if report:
            print(f"\n{report}")
    if not outcome.found.satisfies:
        raise RequirementError(outcome.nearest())


def _values(name: str, text: str) -> list[Any]:
    """The values that an axis was given: a list, or a range of whole numbers that includes its end."""
    from zreplay.errors import UsageError
    from zreplay.replay.axes import values_of

    option = f"--{name.replace('_', '-')}"
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"{option}: found {text!r}, expected names or numbers separated by commas")
    found: list[Any] = []
    for word in words:
        ends = word.split(":")
        if not name.endswith("percent") or len(ends) == 1:
            found += values_of(name, [word])
            continue
        numbers = [int(end) if end.isdecimal() else -1 for end in ends]
        if len(numbers) != 3 or min(numbers) < 0 or numbers[0] > numbers[1] or not numbers[2]:
            raise UsageError(f"{option}: found {word!r}, expected LOW:HIGH:STEP, like 5:50:5")
        found += range(numbers[0], numbers[1] + 1, numbers[2])
    return list(dict.fromkeys(found))


@contextmanager
def _events_bar(trace: Path, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Events replayed so far: how many there will be is what the search decides."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit=" events", unit_scale=True, leave=False, desc=trace.name) as bar:
        yield bar.update
