"""``zreplay cut``: take a part of a trace."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zreplay.cli.options import JSON, Grouped, GroupOption, print_json

if TYPE_CHECKING:
    from zreplay.trace.sample import Sample

_BY_TIME: dict[str, Any] = {
    "cls": GroupOption,
    "group": "A stretch of it (what the kernel counted stays, so `validate` can compare)",
}
_BY_SLOT: dict[str, Any] = {
    "cls": GroupOption,
    "group": "Some of its slots (rows of no slot stay; what the kernel counted goes)",
}


@click.command("cut", short_help="Take a part of a trace.", cls=Grouped)
@click.argument("trace", type=click.Path(path_type=Path), metavar="TRACE")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="OUT", help="The trace to write."
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@JSON
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@click.option("--from", "from_", metavar="SECONDS", help="From this time on, since the first row.", **_BY_TIME)
@click.option("--to", metavar="SECONDS", help="Before this time.", **_BY_TIME)
@click.option("--rows", metavar="A:B", help="Rows A to B-1, counted from 0; also A: or :B.", **_BY_TIME)
@click.option("--type", "types", type=int, multiple=True, metavar="N", help="A swap type; repeatable.", **_BY_SLOT)
@click.option(
    "--cgroup",
    "cgroups",
    type=int,
    multiple=True,
    metavar="ID",
    help="Pages that this cgroup stored; may be repeated. The trace must have the column cgroup.",
    **_BY_SLOT,
)
@click.option("--offsets", metavar="A:B", help="Slots A to B-1 of each swap area.", **_BY_SLOT)
@click.option(
    "--sample",
    metavar="N/M",
    help="N of every M slots, chosen by a hash of type and offset, such as 1/8: a smaller trace with nearly the same "
    "results. `zreplay run` takes N/M of the memory limit and scales pages back.",
    **_BY_SLOT,
)
def command(
    trace: Path,
    output: Path,
    force: bool,
    as_json: bool,
    quiet: bool,
    from_: str | None,
    to: str | None,
    rows: str | None,
    types: tuple[int, ...],
    cgroups: tuple[int, ...],
    offsets: str | None,
    sample: str | None,
) -> None:
    """Write a part of TRACE as a trace of its own; its metadata say what was cut, and how.

    Several options together keep what passes all of them. Events of no slot (a shrink, a compaction, a migration) stay
    in whatever slots are chosen. A stretch that does not begin with the trace loads pages that
    were stored before it; `zreplay check OUT` counts them.

    \b
    zreplay cut TRACE -o minute.parquet --from 60 --to 120
    zreplay cut TRACE -o head.parquet --rows :100000
    zreplay cut TRACE -o eighth.parquet --sample 1/8
    """
    from zreplay.trace.cut import Selection, cut

    selection = Selection(
        from_ns=_nanoseconds("--from", from_),
        to_ns=_nanoseconds("--to", to),
        rows=_range("--rows", rows),
        types=types,
        cgroups=cgroups,
        offsets=_range("--offsets", offsets),
        sample=_sample(sample),
    )
    written = cut(trace, output, selection, force=force)
    import json

    told = json.loads(written.cut or "[]")[-1]
    if as_json:
        print_json({"trace": output, "rows": told["rows_kept"], "cut": told})
    elif not quiet:
        click.echo(f"{output}: {told['rows_kept']:,} of {told['rows_of_it']:,} rows")


def _nanoseconds(option: str, text: str | None) -> int | None:
    from zreplay.errors import UsageError

    if text is None:
        return None
    try:
        seconds = Decimal(text)
        if 0 <= seconds < 2**33:
            return int(seconds * 10**9)
    except InvalidOperation:
        pass
    raise UsageError(f"{option}: found {text!r}, expected seconds since the first row, like 1.5")


def _range(option: str, text: str | None) -> tuple[int, int | None] | None:
    from zreplay.errors import UsageError

    if text is None:
        return None
    low, colon, high = text.partition(":")
    numbers = [number for number in (low, high) if number]
    if not (colon and numbers and all(number.isascii() and number.isdecimal() for number in numbers)):
        raise UsageError(f"{option}: found {text!r}, expected two whole numbers like 100:200, or one like 100: or :200")
    return int(low or 0), int(high) if high else None


def _sample(text: str | None) -> "Sample":
    from zreplay.errors import UsageError
    from zreplay.trace.sample import Sample

    try:
        return Sample.parse(text)
    except ValueError as error:
        raise UsageError(f"--sample: found {text!r}, expected {error}") from None
