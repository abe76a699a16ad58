"""``zreplay synth``: generate a trace."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zreplay.cli.options import JSON, Grouped, complete_names, complete_recipe, load_pyarrow_alone, print_json
from zreplay.cli.table import fitted

if TYPE_CHECKING:
    from zreplay.trace.recipes.kinds import Recipe

#: Options that a recipe's file is changed by.
_OF_EVERY_RECIPE = ("events", "seed")
#: Those and what says how to write; the other options are a recipe of their own.
_OF_THE_VERB = (
    *_OF_EVERY_RECIPE,
    "recipe",
    "output",
    "force",
    "list",
    "fit",
    "scale",
    "pages_from",
    "compressor",
    "as_json",
    "quiet",
)


def _print_ready(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from zreplay.trace.recipes.kinds import find_recipe, ready_names

    for name in ready_names():
        found = find_recipe(name)
        print(fitted(f"{name:<10} {found.recipe.events:>14,} events  {found.title}"))
    ctx.exit()


@click.command("synth", cls=Grouped, short_help="Generate a trace.")
@click.argument("recipe", required=False, shell_complete=complete_recipe)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The file to write."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_ready,
    help="List the ready recipes.",
)
@click.option(
    "--fit",
    type=click.Path(path_type=Path),
    metavar="TRACE",
    help="Write a recipe, whose trace is like TRACE: sizes, lives of slots, pages of a pool. None of its slots.",
)
@click.option(
    "--scale",
    metavar="N[x]",
    help="Of RECIPE: N times the memory and N times the events, of the same shape; 4x, or 0.5x.",
)
@click.option(
    "--events",
    type=int,
    default=10_000_000,
    metavar="N",
    help="Rows of the trace.  [default: 10000000, or RECIPE's]",
)
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
    shell_complete=complete_names("pattern"),
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
    "--pages-from",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Draw the sizes, and the share of same-filled pages, from the pages of a file, a directory or a core dump "
    "(zreplay pages); more than once for several. Of RECIPE too.",
)
@click.option(
    "--compressor",
    shell_complete=complete_names("compressor"),
    metavar="NAME",
    help="Of --pages-from: lz4, zstd, zstd-unsized or lzo (zreplay pages --help).  [default: lz4]",
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
@click.option(
    "--seed",
    type=int,
    default=0,
    metavar="N",
    help="Another seed, another trace.  [default: 0, or RECIPE's]",
)
@JSON
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    recipe: str | None,
    output: Path,
    force: bool,
    as_json: bool,
    quiet: bool,
    fit: Path | None,
    scale: str | None,
    **options: Any,
) -> None:
    """Generate a trace: of RECIPE, which is a file or one that is ready (--list), or of the options below.

    The same arguments give the same bytes. The trace's metadata says how it was made (zreplay info).

    \b
    zreplay synth phone -o phone.parquet --scale 4x
    zreplay synth mine.toml -o mine.parquet --seed 2
    zreplay synth --fit trace.parquet -o like-it.toml
    zreplay synth -o million.parquet --events 50000000 --resident 1000000 --pattern random
    zreplay synth -o like-gcc.parquet --sizes-from traces/linux-6.1-zsmalloc-g++.parquet
    zreplay synth phone -o mine.parquet --pages-from core.1234 --compressor zstd
    """
    load_pyarrow_alone()
    from zreplay.trace.synth import synth

    if fit:
        _fit(ctx, fit, output, force, quiet, as_json)
        return
    made: Recipe = _of_file(ctx, recipe, scale, options) if recipe else _of_options(ctx, scale, options)
    if quiet or not sys.stderr.isatty():
        synth(made, output, force=force)
    else:
        from tqdm import tqdm  # 30 ms, for those who watch

        with tqdm(total=made.events, unit=" events", unit_scale=True, leave=False) as bar:
            synth(made, output, force=force, progress=bar.update)
    if as_json:
        print_json({"trace": output, "rows": made.events, "bytes": output.stat().st_size})
    elif not quiet:
        print(f"{output}: {made.events:,} events, {output.stat().st_size / 1e6:.1f} MB")


for _parameter in command.params:
    if _parameter.name not in _OF_THE_VERB:
        setattr(_parameter, "group", "A pattern, without RECIPE")  # noqa: B010


def _fit(ctx: click.Context, trace: Path, output: Path, force: bool, quiet: bool, as_json: bool) -> None:
    from zreplay.errors import UsageError
    from zreplay.trace.fit_file import write_recipe

    for key, value in ctx.params.items():
        source = ctx.get_parameter_source(key)
        if key in ("fit", "output", "force", "as_json", "quiet") or source is click.core.ParameterSource.DEFAULT:
            continue
        name = value if key == "recipe" else f"--{key.replace('_', '-')}"
        raise UsageError(f"{name}: found beside --fit, expected without; `zreplay synth {output}` makes the trace")
    recipe = write_recipe(trace, output, force=force)
    if as_json:
        print_json({"recipe": output, "events": recipe.events, "phases": recipe.phases})
    elif not quiet:
        print(f"{output}: {recipe.events:,} events in {recipe.phases} phases, {output.stat().st_size / 1e3:.1f} kB")


def _of_options(ctx: click.Context, scale: str | None, options: dict[str, Any]) -> "Recipe":
    from zreplay.errors import UsageError
    from zreplay.trace.recipes.pattern import PatternRecipe
    from zreplay.trace.recipes.tables import RecipeError

    if scale is not None:
        raise UsageError("--scale: found without RECIPE, expected with one; without, say --events and --resident")
    sources = [f"--{name.replace('_', '-')}" for name in ("sizes", "sizes_from", "pages_from") if options[name]]
    if len(sources) > 1:
        raise UsageError(f"{' and '.join(sources)}: found {'both' if len(sources) == 2 else 'all'}, expected one")
    options["sizes"] = options["sizes"] or "mixed"
    options |= _measured(ctx, options.pop("pages_from"), options.pop("compressor"))
    try:
        return PatternRecipe(**options)
    except RecipeError as error:
        names = " and ".join(f"--{key.replace('_', '-')}" for key in error.key.split(" and "))
        raise UsageError(f"{names}: {error.complaint}") from error


def _measured(ctx: click.Context, paths: Sequence[Path], compressor: str | None) -> dict[str, Any]:
    """What a recipe takes of real pages; nothing where none are asked for."""
    from zreplay.cli.progress import steps_bar
    from zreplay.errors import UsageError

    if not paths:
        if compressor:
            raise UsageError("--compressor: found without --pages-from, expected with it")
        return {}
    from zreplay.pages.distribution import page_sizes

    with steps_bar("pages", quiet=ctx.params["quiet"]) as progress:
        found = page_sizes(paths, compressor or "lz4", progress)
    if ctx.get_parameter_source("same_filled") is click.core.ParameterSource.DEFAULT:
        return {"page_sizes": found, "same_filled": found.same_filled / found.pages}
    return {"page_sizes": found}


def _of_file(ctx: click.Context, name: str, scale: str | None, options: dict[str, Any]) -> "Recipe":
    from dataclasses import replace

    from zreplay.errors import UsageError
    from zreplay.trace.recipes.kinds import find_recipe, scale_factor
    from zreplay.trace.recipes.tables import RecipeError

    pages_from, compressor = options.pop("pages_from"), options.pop("compressor")
    given = {
        key: value
        for key, value in options.items()
        if ctx.get_parameter_source(key) is not click.core.ParameterSource.DEFAULT
    }
    for key in given:
        if key not in _OF_EVERY_RECIPE:
            option = f"--{key.replace('_', '-')}"
            raise UsageError(
                f"{option}: found beside {name}, expected without; a recipe has keys of its own (docs/synth.md)"
            )
    made = find_recipe(name).recipe
    if pages_from and not hasattr(made, "page_sizes"):
        raise UsageError(f"--pages-from: found beside {name}, expected without; the recipe's sizes are its own")
    given |= _measured(ctx, pages_from, compressor)
    if scale is not None:
        try:
            made = made.scaled(scale_factor(scale))
        except RecipeError as error:
            raise UsageError(f"--scale {scale}: {error}") from error
    try:
        return replace(made, **given)  # type: ignore[type-var]
    except RecipeError as error:
        raise UsageError(f"--{error}") from error
