"""``zreplay synth``: generate a trace."""

import sys
from pathlib import Path
from typing import Any

import click


@click.command("synth", short_help="Generate a trace.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="TRACE", help="The file to write."
)
@click.option("--force", is_flag=True, help="Replace TRACE if it exists.")
@click.option("--events", type=int, default=10_000_000, show_default=True, metavar="N", help="Rows of the trace.")
@click.option(
    "--resident",
    type=int,
    default=100_000,
    show_default=True,
    metavar="N",
    help="Swapped-out pages in the steady state; the trace begins with none, climbs to N and stays there.",
)
@click.option(
    "--pattern",
    default="clustered",
    show_default=True,
    metavar="NAME",
    help="Which slots: random (uniform over twice as many as are resident), clustered (runs of 256 slots per CPU, as "
    "the kernel's allocator for SSDs makes them), zipf (random, but the k-th resident page is loaded and rewritten 1/k "
    "as often as the first) or scan (a sweep).",
)
@click.option("--types", type=int, default=1, show_default=True, metavar="N", help="Swap areas, 1 to 32.")
@click.option("--cpus", type=int, default=1, show_default=True, metavar="N", help="CPUs, 1 to 1024.")
@click.option(
    "--load-share",
    type=float,
    default=0.4,
    show_default=True,
    metavar="SHARE",
    help="Loads among the events of slots, 0 to 0.99.",
)
@click.option(
    "--rewrite-share",
    type=float,
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Stores to a resident slot among the events of slots. What is left is first stores and invalidates, in equal "
    "parts once N pages are resident.",
)
@click.option(
    "--sizes",
    metavar="WHICH",
    help="Compressed sizes in bytes, 1 to 4096: mixed, uniform:LO-HI, normal:MEAN,SD or fixed:N.  [default: mixed]",
)
@click.option(
    "--sizes-from",
    type=click.Path(path_type=Path),
    metavar="TRACE",
    help="Draw the sizes from those of another trace instead (without its same-filled pages).",
)
@click.option(
    "--same-filled",
    type=float,
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Same-filled pages (size 0) among the stores, 0 to 1.",
)
@click.option("--compact-every", type=int, default=0, metavar="N", help="A compaction every N events.")
@click.option("--migrate-every", type=int, default=0, metavar="N", help="A page migration every N events.")
@click.option(
    "--totalram-pages",
    type=int,
    metavar="N",
    help="Memory of the machine, for a replay's limits in per cent.  [default: not said, no limit]",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Another seed, another trace.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def command(output: Path, force: bool, quiet: bool, sizes: str | None, sizes_from: Path | None, **numbers: Any) -> None:
    """Generate a trace: stores, loads and invalidates of slots, as many and as spread out as you say.

    The same arguments give the same bytes. The trace's metadata says how it was made (zreplay info).

    \b
    zreplay synth -o million.parquet --events 50000000 --resident 1000000 --pattern random
    zreplay synth -o like-gcc.parquet --sizes-from traces/linux-6.1-zsmalloc-g++.parquet
    """
    from zreplay.errors import UsageError
    from zreplay.trace.synth import Recipe, synth

    if sizes and sizes_from:
        raise UsageError("--sizes and --sizes-from: found both, expected one")
    recipe = Recipe(sizes=sizes or "mixed", sizes_from=sizes_from, **numbers)
    if quiet or not sys.stderr.isatty():
        synth(recipe, output, force=force)
    else:
        from tqdm import tqdm  # 30 ms, for those who watch

        with tqdm(total=recipe.events, unit=" events", unit_scale=True, leave=False) as bar:
            synth(recipe, output, force=force, progress=bar.update)
    if not quiet:
        print(f"{output}: {recipe.events:,} events, {output.stat().st_size / 1e6:.1f} MB")
