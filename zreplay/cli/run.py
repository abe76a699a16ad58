"""`zreplay run`: a trace in, a run directory out."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zreplay.cli.options import (
    JSON,
    MEMORY_LIMIT,
    PLUGIN,
    Grouped,
    GroupOption,
    complete_names,
    complete_variants,
    load_pyarrow_alone,
    spare_memory,
)
from zreplay.cli.progress import bytes_bar
from zreplay.cli.table import aligned, fitted, number

if TYPE_CHECKING:
    from zreplay.replay.isolated import Parent


def _group(heading: str) -> dict[str, Any]:
    return {"cls": GroupOption, "group": heading}


_LIMITS = _group("Limits")
_KERNEL = _group("What a kernel does, if other than its profile's (docs/profiles.md)")
_ALLOCATOR = _group("Allocators, if other than the profile's")
_SLOTS = _group("What a slot says, and who reclaims, if other than the design's (docs/designs.md)")
_MM_LISTS = _group("The memory manager's lists, with --mm inactive-lru")
_MOVING = _group("Movable pages")
_SIZES = _group("Stores whose size the recorded kernel never knew")


@click.command(name="run", cls=Grouped)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Run directory to write."
)
@click.option(
    "--design",
    shell_complete=complete_names("design"),
    metavar="NAME",
    help="Index, pool, reclaim and policy by one name: zswap-3.12, radix-tag, radix-lowbit, two-index, zbud-v3, "
    "xarray, xarray-64m, swap-table, latest, or a bound: ideal, ideal-packing, belady.",
)
@click.option(
    "--index",
    metavar="NAME",
    shell_complete=complete_variants("index"),
    help="Swap index: rbtree, radix-tag, radix-lowbit, xarray, xarray-64m, swap-table, table, array (a bound) or "
    f"{PLUGIN}.  [default: the profile's]",
)
@click.option(
    "--pool",
    metavar="NAME",
    shell_complete=complete_variants("pool"),
    help="Allocator: zbud, z3fold, zsmalloc, a bound: ideal, ideal-packing, or a plugin likewise.  [default: the "
    "trace's, if the kernel had it]",
)
@click.option(
    "--model",
    shell_complete=complete_names("model"),
    metavar="NAME",
    help="zswap or zram.  [default: the trace's, else zswap]",
)
@click.option(
    "--kernel",
    shell_complete=complete_names("kernel"),
    metavar="NAME",
    help="Whose profile: 3.12, 6.1, 6.12 or latest.  [default: the design's, else the trace's release, else 6.1]",
)
@click.option(
    "--sample",
    metavar="N/M",
    help="Replay N of every M slots, chosen by their hash, such as 1/16: sooner done; limits are scaled, pages scaled "
    "back (docs/sampling.md).",
)
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
@click.option(
    "--timing",
    is_flag=True,
    help="Measure operations: no look-ahead, the kernel's own access pattern (slower).  [default: as fast as can be]",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Compare each answer of index, plugged-in pool and order with a slow obvious reference's (slow).",
)
@click.option("--isolate", is_flag=True, help="Replay in a child process: a plugin that crashes is told, in one line.")
@MEMORY_LIMIT
@click.option("--force", is_flag=True, help="Replace an existing run directory.")
@JSON
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
    "--locate",
    metavar="HOW",
    help="A slot's object: indirect, bits:N (page and N bits), value (frame in a value entry), header (v3's zbud).",
    **_SLOTS,
)
@click.option(
    "--pointer-bits", type=int, default=64, show_default=True, metavar="64|32", help="What bits:N can use.", **_SLOTS
)
@click.option(
    "--mm",
    metavar="NAME",
    shell_complete=complete_variants("mm"),
    help="Who goes next: pool-lru, inactive-lru, entry-lru, lru, a bound: belady, or a plugin likewise.",
    **_SLOTS,
)
@click.option(
    "--mm-new-page", default="head", show_default=True, metavar="head|tail", help="A zpool page enters.", **_MM_LISTS
)
@click.option(
    "--mm-load", default="reference", show_default=True, metavar="HOW", help="none, reference or activate.", **_MM_LISTS
)
@click.option(
    "--mm-join",
    default="none",
    show_default=True,
    metavar="HOW",
    help="A second object stored into the page: none, reference or activate.",
    **_MM_LISTS,
)
@click.option(
    "--mm-first-time",
    default="old",
    show_default=True,
    metavar="old|new",
    help="A page never seen before, beside zpool pages.",
    **_MM_LISTS,
)
@click.option("--movable/--no-movable", default=None, help="zbud's pages can move; in no release.", **_MOVING)
@click.option(
    "--cma-every", type=int, default=0, metavar="N", help="Evacuate a range of pool pages every N events.", **_MOVING
)
@click.option(
    "--cma-percent", type=int, default=10, show_default=True, metavar="N", help="Its share of the pool.", **_MOVING
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
def command(isolate: bool, **options: Any) -> None:
    """Replay TRACE through a swap index and a pool, and write a run directory.

    \b
    zreplay run TRACE -o runs/as-recorded
    zreplay run TRACE --index radix-lowbit --pool zbud -o runs/lowbit-zbud
    zreplay run TRACE --design two-index --json -o runs/two-index
    """
    spare_memory()
    load_pyarrow_alone()
    if not isolate:
        _run(None, **options)
        return
    from zreplay.plugins.registry import named_plugins
    from zreplay.replay.isolated import isolated

    named = named_plugins(**{kind: options[kind] for kind in ("index", "pool", "mm")})
    isolated(partial(_run, **options), trace=options["trace"], out=options["out"], named=named)


def _run(parent: "Parent | None", *, as_json: bool, quiet: bool, memory_limit: str | None, **options: Any) -> None:
    """Replay, and say what came of it; ``parent`` is told of the plugins."""
    from zreplay.replay.config import Config
    from zreplay.replay.memory import limited, size_bytes
    from zreplay.replay.run import run
    from zreplay.trace.lacks import told

    config = Config(**options)
    if parent:
        parent.plugins([one.name for one in config.plugged_in])
    limit_bytes = size_bytes("--memory-limit", memory_limit)
    with bytes_bar(config.trace, quiet=quiet) as progress:
        finished = run(config, limited(limit_bytes, progress))
    if quiet and not as_json:
        return
    summary = finished.summary()
    lacks = told(finished.manifest["trace"]["metadata"]["lacks"])
    if as_json:
        json.dump({**summary, "lacks": lacks} if lacks else summary, sys.stdout)
        print()
    else:
        print(fitted(_text(config.trace.name, summary, lacks)))
        print(f"\n{config.out}")


def _text(trace: str, summary: dict[str, Any], lacks: tuple[str, ...] = ()) -> str:
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
    if summary["pages_reclaimed"] or summary["pages_rotated"]:
        both = share("both_buddies_written", summary["pages_reclaimed"])
        pages, stayed = number(summary["pages_reclaimed"]), number(summary["pages_rotated"])
        rows.append(("pages reclaimed by the MM", f"{pages}, {both} with both buddies; {stayed} stayed"))
    if summary["objects_spilled"]:
        rows.append(("slots spilled", share("objects_spilled", summary["stores"] - summary["stores_rejected"])))
    rows.append(("pages movable", _moving(summary)))
    ram = config["totalram_pages"]
    limit = f"{config['max_pool_percent']} % of {number(ram)} pages" if ram else "none; --totalram-pages sets one"
    heading = f"{trace} through {config['index']} over {config['pool']}, {config['model']} of kernel {config['kernel']}"
    if config["design"]:
        heading = f"{config['design']}: {heading}"
    if summary["is_bound"]:
        heading += " (a bound)"
    if config["driven"]:
        heading += ", driven by the recording"
    if config["timing"]:
        heading += ", timing operations"
    if config["mm"] == "inactive-lru":
        limit = "none: the memory manager reclaims"
    notes = [] if config["driven"] or config["model"] == "zram" else [("pool limit", limit)]
    if sampled := _share(config):
        slots = f" ({number(summary['sample_slots'])})" if "sample_slots" in summary else ""
        notes.append(("sample", f"{sampled} of the slots{slots}; what is stored is scaled back, events are not"))
        if slots:
            from zreplay.replay.sampling import told

            notes += [(f"  of all slots, {_WHOLE[name]}", words) for name, words in told(summary).items()]
    if config["slots_hold"] == "handle":
        notes.append(("slots hold", f"{config['pool']} handles (indirection: one page is not one location)"))
    from zreplay.trace.lacks import rests_on

    notes += [(f"no {word} in the trace", rests_on(word)) for word in lacks]
    return f"{heading}\n\n{aligned(rows + notes)}"


def _share(config: dict[str, Any]) -> str:
    """The share of the machine's slots that was replayed; empty of all of them."""
    from zreplay.trace.sample import Sample

    share = Sample.parse(config["trace_sample"]).of_it(Sample.parse(config["sample"]))
    return "" if share.is_whole else str(share)


def _moving(summary: dict[str, Any]) -> str:
    """The 2013 thread's question: how many pages can move, and what a moved page costs."""
    share = f"{summary['movable_percent']:.1f} %"
    moved, refused = summary["pages_migrated"], summary["migrations_refused"] + summary["migrations_not_movable"]
    if moved:
        slots, nodes, headers = (
            summary[f"moved_page_{cost}"] for cost in ("slots_written", "nodes_visited", "page_headers_read")
        )
        objects = summary["objects_migrated"] / moved
        share += (
            f"; each moved: {objects:.2f} objects, {slots:.2f} index slots, {nodes:.2f} nodes, {headers:.2f} headers"
        )
    return share + (f" ({number(moved)} moved, {number(refused)} refused)" if moved or refused else "")


_WHOLE = {
    "pool_pages_peak": "pool pages, peak",
    "pool_pages_mean": "pool pages, mean",
    "hit_percent": "loads hit",
    "device_reads": "pages read from the device",
    "device_writes": "pages written to it",
}
_SOME_STORES = {"stores_imputed": "given a size", "swpout_zero": "zero-filled"}
_REJECTS = (
    "pool_limit_hit",
    "reject_hysteresis",
    "reject_compress_poor",
    "reject_alloc_fail",
    "reject_compress_fail",
    "reject_missing_size",
)
