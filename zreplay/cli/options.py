"""What commands share: rare options under headings of their own, and an allocator for those that replay."""

import os
from typing import Any

import click


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


def spare_memory() -> None:
    """Have Arrow allocate plainly, from memory that is used again; before pyarrow is loaded.

    Its own default takes 35 MB of huge pages for three batches of 1 MB, and is no faster at it.
    """
    from _zreplay import keep_freed_memory

    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    keep_freed_memory()


#: Of verbs that replay; zreplay.replay.memory reads the size.
MEMORY_LIMIT = click.option(
    "--memory-limit",
    metavar="SIZE",
    help="Stop with an error before this process has more resident, like 800M or 2G.  [default: none]",
)
