"""``zreplay convert``: turn a recording into a trace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zreplay.cli.options import JSON, complete_names, counts_of, print_json
from zreplay.cli.table import fitted

if TYPE_CHECKING:
    from zreplay.trace.convert import Conversion


@click.command("convert", short_help="Turn a recording into a trace.")
@click.argument("logs", metavar="LOG...", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="TRACE", help="The file to write."
)
@click.option("--force", is_flag=True, help="Replace TRACE if it exists.")
@click.option(
    "--format",
    "form",
    metavar="NAME",
    help="ftrace, bpftrace, blkparse, csv, ndjson, parquet, or an installed package's.  [default: told by LOG's begin]",
)
@click.option(
    "--context", "context_file", type=click.Path(path_type=Path), metavar="FILE", help="The recorder's context.txt."
)
@click.option("--model", shell_complete=complete_names("model"), metavar="NAME", help="zswap or zram.")
@click.option("--pool", metavar="NAME", help="zbud, z3fold or zsmalloc: what was recorded.")
@click.option("--compressor", metavar="NAME", help="The compressor that was recorded.")
@click.option("--kernel-release", metavar="RELEASE", help="uname -r of the recorded machine.")
@click.option("--totalram-pages", type=int, metavar="N", help="Its memory: MemTotal in kB / 4.")
@click.option("--max-pool-percent", type=int, metavar="N", help="zswap's limit, 1 to 100.")
@click.option("--accept-threshold-percent", type=int, metavar="N", help="zswap's hysteresis, 0 to 100.")
@click.option("--cpus", type=int, metavar="N", help="Its CPUs.")
@click.option("--clock", metavar="NAME", help="The trace_clock it was recorded with.")
@click.option(
    "--map", "mapping", metavar="MAP", help="A table's columns: offset=sector/8,op=rw:R=load:W=store,ts_ns=time*1000."
)
@click.option("--page-size", type=int, metavar="N", help="Its pages' bytes, getconf PAGE_SIZE: only 4096 is modelled.")
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be read.")
@click.option("--allow-partial", is_flag=True, help="Convert even if over 10 % of the lines are of no use.")
@JSON
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary; warnings still.")
def command(
    logs: tuple[str, ...],
    output: Path,
    force: bool,
    form: str | None,
    context_file: Path | None,
    strict: bool,
    allow_partial: bool,
    as_json: bool,
    quiet: bool,
    model: str | None,
    pool: str | None,
    compressor: str | None,
    kernel_release: str | None,
    totalram_pages: int | None,
    max_pool_percent: int | None,
    accept_threshold_percent: int | None,
    cpus: int | None,
    clock: str | None,
    mapping: str | None,
    page_size: int | None,
) -> None:
    """Turn a recording into a trace.

    LOG is text of ftrace (trace_pipe in any style, trace-cmd report, perf script), of bpftrace or blkparse, or a table
    (CSV, NDJSON, Parquet) with --map: told by its content, plain or compressed (zstd, lz4, gzip, xz, bzip2). - reads
    standard input. Several are merged by time. What a recording does not say comes from --context or from options; an
    option beats the file.

    \b
    zreplay convert trace.txt.zst --context context.txt -o trace.parquet
    trace-cmd report trace.dat | zreplay convert - --pool zsmalloc --kernel-release 6.8.0 -o trace.parquet
    """
    from zreplay.trace.context import Context, read_context
    from zreplay.trace.convert import convert

    options = Context(
        model=model,
        pool=pool,
        compressor=compressor,
        kernel_release=kernel_release,
        totalram_pages=totalram_pages,
        max_pool_percent=max_pool_percent,
        accept_threshold_percent=accept_threshold_percent,
        cpus=cpus,
        clock=clock,
        page_size=page_size,
    )
    context = (read_context(context_file) if context_file else Context()).overridden_by(options)
    with _bar(logs, quiet=quiet) as progress:
        done = convert(
            logs,
            output,
            context,
            form=form,
            mapping=mapping,
            force=force,
            strict=strict,
            allow_partial=allow_partial,
            progress=progress,
        )
    _warn(done)
    if as_json:
        print_json(_document(done, output))
    elif not quiet:
        click.echo(fitted(_summary(done, output)))


@contextmanager
def _bar(logs: tuple[str, ...], *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """A bar by bytes of the logs, on a terminal only."""
    from tqdm import tqdm

    paths = [Path(log) for log in logs]
    total = sum(path.stat().st_size for path in paths) if all(path.is_file() for path in paths) else None
    # disable=None: only on a terminal
    with tqdm(total=total, unit="B", unit_scale=True, leave=False, desc=paths[0].name, disable=quiet or None) as bar:
        yield lambda read_bytes: bar.update(read_bytes - bar.n)


def _warn(done: "Conversion") -> None:
    counts = done.counts
    warnings = [
        (counts.lost_events, "events lost by the kernel's buffer: calls of that time lack a result"),
        (counts.unreadable_lines, "lines could not be read"),
        (counts.backward_times, "times stepped backwards and were set to the time before"),
        (
            counts.open_calls,
            f"calls never returned: their result is unknown (the first: line {counts.first_open_line:,})",
        ),
        (counts.unpaired_lines, "lines belong to no call or object that was seen"),
        (
            counts.count_times,
            "events have a count for a time (trace_clock counter or tsc): ts_ns is that, not nanoseconds",
        ),
        (counts.spoiled_lines, "allocations and frees are of calls whose begin could not be read"),
        (
            counts.unsure_pages,
            "pages of calls for several have no line of their own: which they are is not known",
        ),
        (counts.kept_overwritten, "pages were written again without a free of what they held"),
        (counts.unexpected_stores, "stores were taken though the pool was at its limit"),
    ]
    for number, what in warnings:
        if number:
            click.echo(f"zreplay: warning: {number:,} {what}", err=True)
    for note in done.notes:
        click.echo(f"zreplay: warning: {note}", err=True)
    for message in done.messages:
        click.echo(f"  {message}", err=True)


def _document(done: "Conversion", output: Path) -> dict[str, Any]:
    return {
        "trace": output,
        "rows": sum(done.rows.values()),
        "events": done.rows,
        "lacks": list(done.lacks),
        "counts": counts_of(done.counts),
        "text_bytes": done.text_bytes,
        "seconds": done.seconds,
    }


def _summary(done: "Conversion", output: Path) -> str:
    rows = ", ".join(f"{count:,} {op}" for op, count in done.rows.items() if count)
    counts = done.counts
    overlaps = f"; {counts.empty_discards:,} pages discarded that held nothing" if counts.empty_discards else ""
    if counts.pool_overlaps:
        overlaps += (
            f"; {counts.pool_overlaps:,} allocations and frees met another in the pool: {counts.overlaps_by_lock:,} "
            f"ordered by a probe behind its lock, {counts.overlaps_by_count:,} by the pool's count"
        )
    lacks = f"; not in it: {', '.join(done.lacks)}" if done.lacks else ""
    return (
        f"{output}: {sum(done.rows.values()):,} rows ({rows}) from {counts.lines:,} lines; "
        f"{counts.lost_events:,} events lost, {counts.unreadable_lines:,} lines unreadable{overlaps}{lacks}; "
        f"{done.text_bytes / 1e6:,.1f} MB of text at {done.text_bytes / 1e6 / done.seconds:,.0f} MB/s"
    )
