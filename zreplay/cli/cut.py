"""``zreplay cut``: a part of a trace."""

import re
from pathlib import Path

import click

from zreplay.cli.progress import bytes_bar


def _range(text: str | None, name: str, kind: type[int] | type[float]) -> "tuple[int, int | None] | None":
    if text is None:
        return None
    number = r"(\d+)" if kind is int else r"(\d+(?:\.\d+)?)"
    match = re.fullmatch(f"{number}?:{number}?", text.replace(",", "").replace("_", ""))
    if not match or not any(match.groups()):
        raise click.BadParameter(f"found {text!r}, expected A:B, A: or :B", param_hint=name)
    first, end = (None if word is None else kind(word) for word in match.groups())
    if end is not None and end <= (first or 0):
        raise click.BadParameter(f"found {text!r}, expected an end after its begin", param_hint=name)
    return first or 0, end  # type: ignore[return-value]


def _sample(text: str | None) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"1/(\d+)", text)
    if not match or int(match[1]) < 2:
        raise click.BadParameter(f"found {text!r}, expected a share like 1/8", param_hint="--sample")
    return int(match[1])


@click.command("cut", short_help="Take a part of a trace: a time, rows, slots, or a sample of the slots.")
@click.argument("trace", type=click.Path(path_type=Path), metavar="TRACE")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="PART", help="The file to write."
)
@click.option("--force", is_flag=True, help="Replace PART if it exists.")
@click.option("--seconds", metavar="A:B", help="A time, from the trace's first row on; A: and :B are open.")
@click.option("--rows", metavar="A:B", help="Rows, counted from 0, without the last.")
@click.option(
    "--type", "types", type=click.IntRange(0, 31), multiple=True, metavar="N", help="A swap type; repeatable."
)
@click.option("--cgroup", "cgroups", type=click.IntRange(0), multiple=True, metavar="ID", help="A cgroup; repeatable.")
@click.option("--offsets", metavar="A:B", help="Slots within their type, without the last.")
@click.option("--sample", metavar="1/N", help="One slot in N, by its hash, with all its events.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def command(
    trace: Path,
    output: Path,
    force: bool,
    seconds: str | None,
    rows: str | None,
    types: tuple[int, ...],
    cgroups: tuple[int, ...],
    offsets: str | None,
    sample: str | None,
    quiet: bool,
) -> None:
    """Write the part of TRACE that all given options choose.

    A sample is replayed with an N-th of the memory, and its pages are told N times as many (docs/sampling.md: how far
    off that is). A part that begins in the middle begins with an empty pool.

    \b
    zreplay cut trace.parquet --seconds 60:120 -o minute.parquet
    zreplay cut trace.parquet --sample 1/8 -o eighth.parquet
    """
    from zreplay.trace.cut import Selection, cut

    selection = Selection(
        seconds=_range(seconds, "--seconds", float),
        rows=_range(rows, "--rows", int),
        types=types or None,
        cgroups=cgroups or None,
        offsets=_range(offsets, "--offsets", int),
        one_in=_sample(sample),
    )
    if selection == Selection():
        raise click.UsageError(
            "nothing chooses a part: --seconds, --rows, --type, --cgroup, --offsets or --sample does"
        )
    with bytes_bar(trace, quiet=quiet) as progress:
        kept = cut(trace, output, selection, force=force, progress=progress or (lambda rows, all_rows: None))
    if not quiet:
        click.echo(f"{output}: {kept:,} rows ({selection.words()})")
