"""What commands share: rare options under headings of their own, and an allocator for those that replay."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: What else there is to choose, in helps.
PLUGIN = "a plugin's path, ./my.so (`zreplay plugins` lists all there are)"


class Grouped(click.Command):
    """A command whose help lists options by the group they name; those of no group come first, as "Options"."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section a group, in the order in which the groups first appear."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and not isinstance(parameter, click.Argument):
                sections.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class GroupOption(click.Option):
    """An option that names its group."""

    def __init__(self, *arguments: Any, group: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.group = group


def complete_variants(
    kind: str, *, several: bool = False
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What a shell completes an index, pool or reclaim order with; of ``several``, what comes behind the last comma.

    Names of what is built in, what ZREPLAY_PLUGINS names, and shared objects. Nothing is loaded for it.
    """

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from zreplay.plugins.registry import built_in, environment

        before, comma, begun = incomplete.rpartition(",") if several else ("", "", incomplete)
        words = [*built_in(kind), *environment(), *_shared_objects(begun)]
        return [before + comma + word for word in dict.fromkeys(words) if word.startswith(begun)]

    return complete


def complete_names(what: str, *, several: bool = False) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What a shell completes a name with: one of ``what``, a key of the table below."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",") if several else ("", "", incomplete)
        return [before + comma + word for word in _NAMES[what]() if word.startswith(begun)]

    return complete


def complete_recipe(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Ready recipes, and files."""
    from click.shell_completion import CompletionItem

    from zreplay.trace.recipes.kinds import ready_names

    names = [CompletionItem(name) for name in ready_names() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


def complete_spec(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Plugins, as ``zreplay plugin test`` takes them: shared objects, and what is built in."""
    return [word for word in (*_shared_objects(incomplete), *_variants()) if word.startswith(incomplete)]


def _variants() -> list[str]:
    from zreplay.plugins.registry import KINDS, built_in

    return list(dict.fromkeys(name for kind in KINDS for name in built_in(kind)))


def _designs() -> tuple[str, ...]:
    from zreplay.replay.designs import DESIGNS

    return tuple(DESIGNS)


def _kernels() -> tuple[str, ...]:
    from zreplay.replay.profiles import KERNELS

    return KERNELS


def _metrics() -> list[str]:
    from zreplay.analysis.metrics import METRICS

    return [metric.name for metric in METRICS]


def _compressors() -> tuple[str, ...]:
    from zreplay.pages.compressors import NAMES

    return NAMES


def _patterns() -> tuple[str, ...]:
    from zreplay.trace.recipes.pattern import PATTERNS

    return PATTERNS


#: What has names, and what they are; each is loaded when a shell asks.
_NAMES: dict[str, Callable[[], Sequence[str]]] = {
    "design": _designs,
    "kernel": _kernels,
    "metric": _metrics,
    "compressor": _compressors,
    "pattern": _patterns,
    "variant": _variants,
    "model": lambda: ("zswap", "zram"),
    "chart": lambda: ("pool-pages", "frontier", "refusals", "classes", "chunks", "sizes", "work"),
}


def _shared_objects(begun: str) -> list[str]:
    """Paths of shared objects, and of folders, that go on as ``begun`` does."""
    folder = begun.rpartition("/")[0] + "/" if "/" in begun else ""
    try:
        found = sorted(Path(folder or ".").iterdir())
    except OSError:
        return []
    return [
        (folder or "./") + path.name + ("/" if path.is_dir() else "")
        for path in found
        if not path.name.startswith(".") and (path.suffix == ".so" or (begun and path.is_dir()))
    ]


def spare_memory() -> None:
    """Have Arrow allocate plainly, from memory that is used again; before pyarrow is loaded.

    Its own default takes 35 MB of huge pages for three batches of 1 MB, and is no faster at it.
    """
    from _zreplay import keep_freed_memory

    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    keep_freed_memory()


def load_pyarrow_alone() -> None:
    """Load pyarrow without numpy and cloudpickle, which have nothing to do in a run and would be most of a short one.

    Pyarrow does without where there are none. Who wants them imports them after that, a plugin in Python for instance.
    """
    if "pyarrow" in sys.modules:
        return
    spared = {"numpy", "cloudpickle"} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(spared))  # type: ignore[arg-type]
    try:
        import pyarrow.parquet  # noqa: F401
    finally:
        for name in spared:
            del sys.modules[name]


#: One document on standard output, and nothing else there.
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for machines.")


def print_json(document: object) -> None:
    """Print a verb's result for machines."""
    import json

    print(json.dumps(document, default=str))


def counts_of(counts: object) -> dict[str, int]:
    """What an importer has counted, by name."""
    found = {name: getattr(counts, name) for name in dir(counts) if not name.startswith("_")}
    return {name: value for name, value in found.items() if isinstance(value, int)}


def tell_how_to_get_charts() -> None:
    """A line on standard error where a page was written without charts."""
    from zreplay.analysis.plain_chart import HINT
    from zreplay.analysis.report import has_charts

    if not has_charts():
        click.echo(f"zreplay: the page has one plain chart; {HINT}", err=True)


#: Of verbs that replay; zreplay.replay.memory reads the size.
MEMORY_LIMIT = click.option(
    "--memory-limit",
    metavar="SIZE",
    help="Stop with an error before this process has more resident, like 800M or 2G.  [default: none]",
)
