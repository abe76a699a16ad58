"""`zreplay run`: a trace in, a run directory out."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from zreplay.cli.options import Grouped, GroupOption
from zreplay.cli.progress import bytes_bar
from zreplay.cli.table import aligned, number


def _group(heading: str) -> dict[str, Any]:
    return {"cls": GroupOption, "group": heading}


_LIMITS = _group("Limits")
_KERNEL = _group("What a kernel does, if other than its profile's (docs/profiles.md)")
_ALLOCATOR = _group("Allocators, if other than the profile's")
_SIZES = _group("Stores whose size the recorded kernel never knew")


@click.command(name="run", cls=Grouped)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Run directory to write."
)
@click.option(
    "--index",
    metavar="NAME",
    help="Swap index: rbtree, radix-tag, radix-lowbit or table.  [default: the profile's]",
)
@click.option(
    "--pool", metavar="NAME", help="Allocator: zbud, z3fold or zsmalloc.  [default: the trace's, if the kernel had it]"
)
@click.option("--model", metavar="NAME", help="zswap or zram.  [default: the trace's, else zswap]")
@click.option("--kernel", default="6.1", show_default=True, metavar="NAME", help="Whose profile: 3.12, 6.1 or latest.")
@click.option("--driven", is_flag=True, help="Replay the recorded kernel's decisions; by default the model decides.")
@click.option(
    "--sample-events", type=int, default=1000, show_default=True, metavar="N", help="A timeline row every N events …"
)
@click.option("--sample-ms", type=float, metavar="T", help="… or every T ms of trace time.")
@click.option(
    "--check-every",
    type=int,
    default=0,
    metavar="N",
    help="Verify every structure each N events (slow).  [default: at the end only]",
)
@click.option("--force", is_flag=True, help="Replace an existing run directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@click.option(
    "--totalram-pages",
    type=int,
    metavar="N",
    help="Pages the kernel manages; limits are shares of them.  [default: the trace's, else no limit]",
    **_LIMITS,
)
@click.option(
    "--max-pool-percent",
    type=int,
    metavar="N",
    help="Limit of the pool, percent of totalram.  [default: the trace's, else 20]",
    **_LIMITS,
)
@click.option(
    "--accept-threshold-percent",
    type=int,
    metavar="N",
    help="A full pool accepts again at this percentage of its limit.  [default: the trace's, else 90]",
    **_LIMITS,
)
@click.option(
    "--exclusive-loads/--no-exclusive-loads", default=None, help="A load takes the entry out of zswap.", **_KERNEL
)
@click.option(
    "--same-filled/--no-same-filled",
    default=None,
    help="Pages of one repeated word use no pool memory.",
    **_KERNEL,
)
@click.option("--zsmalloc-rule", metavar="a|b", help="How a zspage's pages are chosen: to 6.2, from 6.3.", **_ALLOCATOR)
@click.option("--zsmalloc-chain", type=int, metavar="N", help="The most pages of a zspage, 4 to 16.", **_ALLOCATOR)
@click.option(
    "--zsmalloc-groups",
    type=int,
    metavar="4|12",
    help="Groups of a class, and compaction: to 6.3, from 6.4.",
    **_ALLOCATOR,
)
@click.option(
    "--z3fold-work",
    metavar="WHEN",
    help="Compaction work: immediate, or deferred to the next pause of 1 ms.",
    **_ALLOCATOR,
)
@click.option(
    "--z3fold-cpus", type=int, metavar="N", help="CPUs with lists of their own.  [default: the trace's]", **_ALLOCATOR
)
@click.option(
    "--z3fold-stays-claimed/--no-z3fold-stays-claimed",
    default=None,
    help="A migrated page is never used again (6.1.190).",
    **_ALLOCATOR,
)
@click.option(
    "--missing-size",
    default="empirical",
    show_default=True,
    metavar="HOW",
    help="reject them; give them the mean of the recorded sizes; or empirical: one drawn from these.",
    **_SIZES,
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of what is drawn.", **_SIZES)
def command(as_json: bool, quiet: bool, **options: Any) -> None:
    """Replay TRACE through a swap index and a pool, and write a run directory."""
    from zreplay.replay.config import Config
    from zreplay.replay.run import run

    config = Config(**options)
    with bytes_bar(config.trace, quiet=quiet) as progress:
        summary = run(config, progress).summary()
    if quiet:
        return
    if as_json:
        json.dump(summary, sys.stdout)
        print()
    else:
        print(_text(config.trace.name, summary))
        print(f"\n{config.out}")


def _text(trace: str, summary: dict[str, Any]) -> str:
    config = summary["config"]

    def share(part: str, whole: float) -> str:
        return f"{number(summary[part])} ({summary[part] / whole:.1%})" if whole else number(summary[part])

    loads = summary["loads_hit"] + summary["loads_missed"]
    rows = [
        (
            "events",
            f"{number(summary['events'])} in {summary['seconds']:.2f} s, "
            f"{summary['events_per_second'] / 1e6:.1f} million/s",
        ),
        ("stores", number(summary["stores"])),
        ("  rejected", share("stores_rejected", summary["stores"])),
        *((f"    {name}", number(summary[name])) for name in _REJECTS if summary[name]),
        *(
            [("  of a size not recorded", share("stores_imputed", summary["stores"]))]
            if summary["stores_imputed"]
            else []
        ),
        ("loads hit", share("loads_hit", loads)),
        ("loads missed", share("loads_missed", loads)),
        ("writebacks", number(summary["writebacks"])),
        ("stored pages, peak", number(summary["stored_pages_peak"])),
        ("pool pages, peak", number(summary["pool_pages_peak"])),
        ("pool pages, final", number(summary["pool_pages_final"])),
        ("index nodes, peak", f"{number(summary['index_nodes_peak'])} ({number(summary['index_bytes_peak'])} bytes)"),
        ("nodes visited per lookup", f"{summary['nodes_visited_per_lookup']:.2f}"),
    ]
    if summary["compactions"]:
        rows.append(
            ("compactions", f"{number(summary['compactions'])}, {number(summary['pages_compacted'])} pages freed")
        )
    ram = config["totalram_pages"]
    limit = f"{config['max_pool_percent']} % of {number(ram)} pages" if ram else "none; --totalram-pages sets one"
    heading = f"{trace} through {config['index']} over {config['pool']}, {config['model']} of kernel {config['kernel']}"
    if config["driven"]:
        heading += ", driven by the recording"
    notes = [] if config["driven"] or config["model"] == "zram" else [("pool limit", limit)]
    if config["locate"] == "handle":
        notes.append(("slots hold", f"{config['pool']} handles (indirection: one page is not one location)"))
    return f"{heading}\n\n{aligned(rows + notes)}"


_SOME_STORES = {"stores_imputed": "given a size", "swpout_zero": "zero-filled"}
_REJECTS = (
    "pool_limit_hit",
    "reject_hysteresis",
    "reject_compress_poor",
    "reject_alloc_fail",
    "reject_compress_fail",
    "reject_missing_size",
)
