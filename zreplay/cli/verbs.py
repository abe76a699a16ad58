"""The group of verbs: each is found by its name and loaded when it is used."""

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from zreplay.cli.help import ABOUT, MOST_COLUMNS, OPTIONS, VERBS, columns, help_text
from zreplay.cli.settings import State, prepared, read_file
from zreplay.errors import nearest
from zreplay.version import __version__


class Verbs(click.Group):
    """Loads a verb's module only when that verb is used; its help line is known without it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Call the verb; a reader that has gone is no error, of which click would make one."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(0) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, with what all verbs have."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"zreplay.cli.{cmd_name}").command
        return prepared(command, (cmd_name,))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click has it; of what is no verb the nearest is told."""
        if args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {args[0]!r}, expected one of {nearest(args[0], list(VERBS))}", ctx)
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """The text that ``zreplay --help`` prints without click."""
        return help_text(columns())


@click.group(
    cls=Verbs,
    help=ABOUT,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": MOST_COLUMNS},
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="ZREPLAY_CONFIG",
    help=OPTIONS["--config FILE"],
)
@click.option("-v", "--verbose", is_flag=True, envvar="ZREPLAY_VERBOSE", help=OPTIONS["-v, --verbose"])
@click.version_option(__version__, "--version", message="zreplay %(version)s")
@click.pass_context
def zreplay(context: click.Context, config: Path | None, verbose: bool) -> None:
    """Read what the defaults are, before the verb looks for its own."""
    state = context.ensure_object(State)
    state.is_verbose = verbose
    read_file(context, config)
