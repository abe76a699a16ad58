"""`zreplay curve`: hit share and device traffic at many pool limits."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON, complete_names, complete_variants, load_pyarrow_alone, spare_memory
from zreplay.cli.progress import bytes_bar, steps_bar
from zreplay.cli.table import aligned, fitted, number
from zreplay.cli.table import width as columns

if TYPE_CHECKING:
    from zreplay.replay.curve import Checked, Curve
    from zreplay.trace.sample import Sample

#: Rows of the table; all are in the file and in JSON.
_SHOWN = 16
_BAR = 30


@click.command(name="curve")
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="x.parquet, to write every row to.")
@click.option("--chart", type=click.Path(path_type=Path), metavar="FILE", help="x.html, x.svg or x.png, to draw.")
@click.option(
    "--limits",
    metavar="WHICH",
    help="How many, evenly spaced up to what a pool without limit takes; or which: pages or shares of that, such as "
    "1000,2000,50%.  [default: 64]",
)
@click.option(
    "--kernel",
    shell_complete=complete_names("kernel"),
    metavar="NAME",
    help="Whose policy: 6.12 or latest.  [default: the trace's, or 6.12 if that is older]",
)
@click.option(
    "--pool",
    metavar="NAME",
    shell_complete=complete_variants("pool"),
    help="zsmalloc, zbud, ideal, ideal-packing or a plugin's path.  [default: as for run]",
)
@click.option(
    "--mm",
    metavar="NAME",
    help="Who goes next: entry-lru, the kernel's list with its second chance and its worker; or lru, the oldest, at "
    "once: over the ideal pool that is a curve by stack distances, all limits for the price of one.  "
    "[default: entry-lru]",
)
@click.option(
    "--accept-threshold-percent",
    type=int,
    metavar="N",
    help="A full pool accepts again at this percentage of its limit.  [default: the trace's, else 90]",
)
@click.option(
    "--sample",
    metavar="N/M",
    help="Look at N of every M slots, chosen by a hash; 1/1 at all.  [default: all, of a trace of more than 16 million "
    "rows a share with so many]",
)
@click.option(
    "--check", "checks", type=int, default=0, metavar="N", help="Replay N of the limits one by one, and compare."
)
@click.option("--format", "form", default="table", show_default=True, metavar="NAME", help="table or json.")
@JSON
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("-q", "--quiet", is_flag=True, help="Print no table and no progress.")
def command(
    trace: Path,
    out: Path | None,
    chart: Path | None,
    limits: str | None,
    kernel: str | None,
    pool: str | None,
    mm: str | None,
    accept_threshold_percent: int | None,
    sample: str | None,
    checks: int,
    form: str,
    as_json: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Hit share and device traffic of TRACE against the limit of the pool, for many limits in one pass.

    \b
    zreplay curve TRACE
    zreplay curve TRACE -o curve.parquet --chart curve.html --check 10
    zreplay curve TRACE --mm lru --limits 1000
    """
    spare_memory()
    load_pyarrow_alone()
    from zreplay.replay.config import known, within
    from zreplay.replay.curve import Limits, check, config_of, curve
    from zreplay.replay.curve_file import write_curve
    from zreplay.trace.files import open_trace
    from zreplay.whole import new_file, refuse_place

    known("--format", form, ("table", "json"))
    form = "json" if as_json else form
    within("--check", checks, 0, 1000)
    wanted, share = Limits.parse(limits) if limits else Limits(), _sample(sample)
    if out:
        refuse_place(out, force=force, parents=True)
    if chart:
        from zreplay.analysis.curve_chart import chart_bytes, refuse_chart

        refuse_chart(chart)
        refuse_place(chart, force=force, parents=True, mend="--chart names another place")
    config = config_of(
        open_trace(trace), kernel=kernel, pool=pool, mm=mm, accept_threshold_percent=accept_threshold_percent
    )
    with bytes_bar(trace, quiet=quiet) as reading, steps_bar("limits", quiet=quiet) as replaying:
        found = curve(config, wanted, share, reading=reading, replaying=replaying)
    checked: list[Checked] = []
    if checks:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="zreplay-") as scratch, bytes_bar(trace, quiet=quiet) as progress:
            checked = check(found, checks, Path(scratch), progress)
    if out:
        write_curve(found, out)
    if chart:
        drawn = chart_bytes(found, checked, chart.suffix.lower())
        with new_file(chart, parents=True, mend="--chart names another place") as file:
            file.write(drawn)
    if quiet and not as_json:
        return
    if form == "json":
        from zreplay.replay.curve_file import about

        rows = [one.row | {"replayed": one.replayed} for one in checked]
        json.dump({**about(found), "rows": found.rows} | ({"checked": rows} if checks else {}), sys.stdout)
        print()
        return
    print(fitted(_text(found)))
    if checked:
        print(fitted(f"\n{_check_text(found, checked)}"))
    for place in (out, chart):
        if place:
            print(f"\n{place}", end="")
    if out or chart:
        print()


def _sample(text: str | None) -> "Sample | None":
    from zreplay.errors import UsageError
    from zreplay.trace.sample import Sample

    if text is None:
        return None
    try:
        return Sample.parse(text)
    except ValueError as error:
        raise UsageError(f"--sample: found {text!r}, expected {error}") from None


def _text(curve: "Curve") -> str:
    from zreplay.replay.curve import spread

    config, counts = curve.config, curve.counts
    heading = f"{config.trace.name}: zswap of kernel {config.kernel} over {config.pool}, {config.mm}, by {curve.method}"
    rows = [
        ("stores, loads", f"{number(counts['stores'])}, {number(counts['loads'])}"),
        ("pool without limit", f"{number(curve.peak_pages)} pages at most"),
    ]
    if counts["loads"] and counts["loads_cold"]:
        share = counts["loads_cold"] / counts["loads"]
        rows.append(
            (
                "loads that no limit hits",
                f"{number(counts['loads_cold'])} ({share:.1%}): not stored since the last load",
            )
        )
    if not curve.sample.is_whole:
        off = [100 * row["hit_share_error"] for row in curve.rows]
        error = f"half of it differs by {sum(off) / len(off):.2f} points of hits on average, {max(off):.2f} at most"
        rows.append(("sample", f"{curve.sample} of the slots; {error}"))
    if curve.method != "stack distances":
        rows.append(("lru", "hits of plain LRU over the compressed bytes, by stack distances"))
    shown = spread(curve.rows, _SHOWN)
    most = max((row["hit_share"] for row in shown), default=0) or 1
    lru = "" if curve.method == "stack distances" else "lru"
    width = 9 if lru else 0
    table = [f"{'limit':>12}  {'of it':>6}  {'hits':>7}{lru:>{width}}  {'read':>12}  {'written':>12}"]
    for row in shown:
        lru = f"{row['lru_hit_share']:.2%}" if lru else ""
        cells = (
            f"{row['limit_pages']:>12,}  {row['limit_share']:>6.1%}  {row['hit_share']:>7.2%}{lru:>{width}}  "
            f"{row['device_reads']:>12,}  {row['device_writes']:>12,}  "
        )
        bar = "█" * round(min(_BAR, max(0, columns() - len(cells))) * row["hit_share"] / most)
        table.append((cells + bar).rstrip())
    return "\n".join([heading, "", aligned(rows), "", *table, *_knee(curve)])


def _knee(curve: "Curve") -> list[str]:
    """The least limits that come near the most hits."""
    rows = curve.rows
    most = max((row["hit_share"] for row in rows), default=0)
    if not most:
        return []
    words = []
    for part in (0.9, 0.99):
        row = next(row for row in rows if row["hit_share"] >= part * most)
        words.append(f"{part:.0%} of the most hits from {row['limit_pages']:,} pages on ({row['limit_share']:.0%})")
    return ["", "; ".join(words)]


def _check_text(curve: "Curve", checked: "Sequence[Checked]") -> str:
    """Beside their own replays: hits in points, counts in percent."""
    lines = [f"{'limit':>12}  {'hits':>7}  {'replayed':>8}  {'points':>7}  {'read, %':>8}  {'written, %':>10}"]
    worst: dict[str, float] = {"points": 0, "read": 0, "written": 0}
    for one in checked:
        values = {
            "points": 100 * (one.row["hit_share"] - one.hit_share),
            "read": one.difference_percent("device_reads"),
            "written": one.difference_percent("device_writes"),
        }
        worst = {name: max(worst[name], abs(value)) for name, value in values.items()}
        lines.append(
            f"{one.row['limit_pages']:>12,}  {one.row['hit_share']:>7.2%}  {one.hit_share:>8.2%}  "
            f"{values['points']:>+7.2f}  {values['read']:>+8.2f}  {values['written']:>+10.2f}"
        )
    most = f"at most {worst['points']:.2f} points of hits, {worst['read']:.2f} % of reads, "
    most += f"{worst['written']:.2f} % of writes"
    return "\n".join([f"each by its own `{curve.command('LIMIT')}`:", "", *lines, "", most])
