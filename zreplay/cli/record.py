"""``zreplay record``: a trace of this machine's swap, as it happens."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON, counts_of, print_json
from zreplay.cli.table import fitted
from zreplay.errors import UsageError

if TYPE_CHECKING:
    from zreplay.record.machine import Machine
    from zreplay.record.probes import Plan
    from zreplay.record.recorder import Recording, Status

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if not match or not float(match[1]):
            self.fail(f"found {value!r}, expected a time like 90, 90s, 10m or 2h", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


@click.command("record", short_help="Record this machine's swap, as root.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND…]")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="TRACE", help="The file to write.")
@click.option("--force", is_flag=True, help="Replace TRACE if it exists.")
@click.option("--duration", type=_Duration(), metavar="TIME", help="Stop after 90s, 10m, 2h.")
@click.option("--model", type=click.Choice(["zswap", "zram"]), help="What to record; default: what is swapped to.")
@click.option("--buffer", "buffer_kb", type=click.IntRange(64), default=16384, show_default=True, metavar="KIB",
              help="Kernel memory for events, for each CPU.")  # fmt: skip
@click.option("--handles", is_flag=True, help="Keep kernel addresses of objects and pages.")
@click.option("--anonymise", is_flag=True, help="Hide PIDs, and where in the swap area pages are.")
@click.option("--print-probes", is_flag=True, help="Show the kernel probes, touch nothing, and stop.")
@click.option("--doctor", is_flag=True, help="Show what this machine can do, and stop.")
@click.option("--cleanup", is_flag=True, help="Remove what killed recordings left, and stop. With -o: join its parts.")
@JSON
@click.option("-q", "--quiet", is_flag=True, help="No status line, no summary; warnings still.")
def command(
    command: tuple[str, ...],
    output: Path | None,
    force: bool,
    duration: float | None,
    model: str | None,
    buffer_kb: int,
    handles: bool,
    anonymise: bool,
    print_probes: bool,
    doctor: bool,
    cleanup: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Record this machine's swap until Ctrl-C, for a time, or as long as a command runs.

    It takes root, a kernel with kernel probes, and swap through zswap or zram; nothing else is installed or changed,
    and everything is removed at the end. What a trace reveals is in docs/recording.md.

    \b
    sudo zreplay record -o trace.parquet
    sudo zreplay record -o trace.parquet --duration 10m
    sudo zreplay record -o trace.parquet -- make -j8
    """
    from zreplay.record.machine import Machine
    from zreplay.record.probes import plan

    machine = Machine()
    chosen = model or machine.model()
    if cleanup:
        _clean(machine, output, force=force, as_json=as_json)
    elif print_probes:
        planned = plan(machine, chosen)
        definitions = []
        for probe in planned.probes:
            group = f"zreplay_PID_{probe.group}" if probe.group else "zreplay_PID"
            definition = probe.definition(group) + (f"    # if {probe.filter}" if probe.filter else "")
            definitions.append(definition)
        if as_json:
            print_json({"probes": definitions})
        else:
            click.echo("\n".join(definitions))
        _say_lacks(planned)
    elif doctor:
        _print_findings(machine, chosen, as_json=as_json)
    else:
        if output is None:
            raise UsageError("record: no output; -o TRACE names the file to write")
        _record(
            machine, chosen, output, command, duration,
            buffer_kb=buffer_kb, handles=handles, anonymise=anonymise, force=force, as_json=as_json, quiet=quiet,
        )  # fmt: skip


def _record(
    machine: "Machine",
    model: str,
    output: Path,
    command: tuple[str, ...],
    duration: float | None,
    *,
    buffer_kb: int,
    handles: bool,
    anonymise: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from zreplay.record.probes import plan
    from zreplay.record.recorder import record
    from zreplay.record.tracing import leftovers

    machine.require(model, as_root=os.geteuid() == 0)
    if not machine.swaps:
        if not command:
            raise UsageError("nothing is swapped to: swapon DEVICE (a file will do: fallocate, mkswap, swapon)")
        click.echo("zreplay: warning: nothing is swapped to yet", err=True)
    assert machine.tracefs is not None
    if left := leftovers(machine.tracefs):
        click.echo(
            f"zreplay: warning: found {', '.join(left)}, left by a recording that was killed: its probes still cost "
            "time; `zreplay record --cleanup` removes them",
            err=True,
        )
    if model == "zswap" and machine.zram_swaps:
        click.echo(f"zreplay: warning: {', '.join(machine.zram_swaps)} is not recorded; --model zram does", err=True)
    planned = plan(machine, model)
    _say_lacks(planned)
    if lacks := planned.essential_lacks:
        event, why, _ = lacks[0]
        raise UsageError(f"{model} of Linux {machine.release} cannot be recorded: {event}: {why}; --doctor shows more")
    with _status_line(quiet=quiet) as told:
        done = record(
            machine, planned, output, command=command, seconds=duration,
            buffer_kb=buffer_kb, handles=handles, anonymise=anonymise, force=force, told=told,
            warned=lambda message: click.echo(f"zreplay: warning: {message}", err=True),
        )  # fmt: skip
    _say(done, output, buffer_kb, as_json=as_json, quiet=quiet)


def _clean(machine: "Machine", output: Path | None, *, force: bool, as_json: bool) -> None:
    from zreplay.record.parts import join
    from zreplay.record.tracing import cleanup

    if machine.tracefs is None or os.geteuid():
        machine.require(machine.model(), as_root=os.geteuid() == 0)
    assert machine.tracefs is not None
    names = cleanup(machine.tracefs)
    rows = join(output, force=force) if output is not None and as_json else None
    if as_json:
        print_json({"removed": list(names), "trace": output, "rows": rows})
        return
    click.echo(f"removed {', '.join(names)}" if names else "nothing was left behind")
    if output is not None:
        click.echo(f"{output}: {join(output, force=force):,} rows")


def _say_lacks(planned: "Plan") -> None:
    for event, why, lacks in planned.lacks:
        if lacks:
            click.echo(f"zreplay: warning: {event}: {why}; the trace will lack {lacks}", err=True)


def _print_findings(machine: "Machine", model: str, *, as_json: bool) -> None:
    from zreplay.record.doctor import examine

    rows = [(finding.verdict, finding.what, finding.found) for finding in examine(machine, model)]
    if as_json:
        print_json({"findings": [dict(zip(("verdict", "what", "found"), row, strict=True)) for row in rows]})
        return
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for verdict, what, found in rows:
        click.echo(fitted(f"{verdict:{widths[0]}}  {what:{widths[1]}}  {found}"))


@contextmanager
def _status_line(*, quiet: bool) -> Iterator[Callable[["Status"], object]]:
    """Events/s, lost events and the pool's size, on a terminal only."""
    from tqdm import tqdm

    with tqdm(bar_format="{desc}", leave=False, disable=quiet or None) as line:

        def told(status: "Status") -> None:
            lost = sum(status.lost_by_cpu)
            pool = "" if status.pool_pages is None else f", pool {status.pool_pages:,} pages"
            by_cpu = f" ({' '.join(map(str, status.lost_by_cpu))})" if lost else ""
            line.set_description_str(
                f"{status.events:,} events, {status.events_per_second:,.0f}/s, {lost:,} lost{by_cpu}{pool}; "
                "Ctrl-C ends the recording"
            )

        yield told


def _say(done: "Recording", output: Path, buffer_kb: int, *, as_json: bool, quiet: bool) -> None:
    lost = sum(done.lost_by_cpu)
    if lost:
        by_cpu = ", ".join(f"CPU {cpu}: {n:,}" for cpu, n in enumerate(done.lost_by_cpu) if n)
        click.echo(
            f"zreplay: warning: {lost:,} events lost ({by_cpu}): --buffer {4 * buffer_kb} gives them more room",
            err=True,
        )
    counts = done.counts
    for number, what in (
        (done.missed_hits, "calls had no room in their return probe: their result is unknown"),
        (counts.unreadable_lines, "lines could not be read"),
        (counts.unpaired_lines, "lines belong to no call or object that was seen: it was there before the recording"),
    ):
        if number:
            click.echo(f"zreplay: warning: {number:,} {what}", err=True)
    if done.command_status:
        click.echo(f"zreplay: warning: the command ended with status {done.command_status}", err=True)
    if not sum(done.rows.values()):
        click.echo(f"zreplay: warning: nothing was swapped; {output} was not written", err=True)
    if as_json:
        print_json(
            {
                "trace": output if sum(done.rows.values()) else None,
                "rows": sum(done.rows.values()),
                "events": done.rows,
                "seconds": done.seconds,
                "lost_events": lost,
                "counts": counts_of(counts),
            }
        )
    elif sum(done.rows.values()) and not quiet:
        rows = ", ".join(f"{count:,} {op}" for op, count in done.rows.items() if count)
        click.echo(
            f"{output}: {sum(done.rows.values()):,} rows ({rows}) in {done.seconds:,.1f} s; {lost:,} events lost"
        )
