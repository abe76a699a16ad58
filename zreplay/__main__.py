"""The command line: verbs are found by name and loaded when used; errors become exit codes here and nowhere else."""

import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from zreplay import __version__
from zreplay.errors import ZreplayError

# verb → its one-line help; the code is zreplay/cli/<verb>.py, a click command named `command`.
VERBS = {
    "run": "Replay a trace through a swap index and a pool; write a run directory.",
    "curve": "Hit share and device traffic at many pool limits, in one pass.",
    "compare": "Compare runs, or traces through many configurations.",
    "sweep": "Replay a whole grid of traces and configurations, here or on a cluster; stopped, it goes on.",
    "tune": "Find the configuration that is best for a trace.",
    "report": "Write one HTML page about runs.",
    "plot": "Draw one chart of runs.",
    "plugin": "Test a plugin of yours; flags to compile one.",
    "plugins": "List the indexes, pools and reclaim orders there are, built in and plugged in.",
    "validate": "Compare the models with the kernel that made a recording, event by event.",
    "info": "Say what is in a trace.",
    "record": "Record this machine's swap, as root.",
    "check": "Say whether a trace can be believed.",
    "cut": "Take a part of a trace: a time, rows, types, cgroups, offsets, a sample.",
    "convert": "Turn a recording into a trace: text of ftrace, trace-cmd, perf, bpftrace, blkparse, a table.",
    "synth": "Generate a trace.",
    "pages": "Say what compressors and pools would make of real pages.",
}


class Verbs(click.Group):
    """Loads a verb's module only when that verb is used; its help line is known without it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would make an error of it
            raise click.exceptions.Exit(0) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"zreplay.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="zreplay %(version)s")
def zreplay() -> None:
    """Replay traces of compressed swap (zswap, zram) through the kernel's index structures and allocators."""


def main() -> None:
    """Run the command line; exits with 0, 2 (usage), 3 (a requirement), 4 (the trace), 5, 6 (cells failed),
    7 (a plugin) or 130."""
    try:
        code = zreplay(prog_name="zreplay", standalone_mode=False) or 0
        if sys.stdout:  # None: closed by whoever started us
            sys.stdout.flush()
    except click.exceptions.Exit as error:
        _end(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _end(130, "interrupted; nothing was written")
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "zreplay"
        _end(error.exit_code, f"{error.format_message().rstrip('.')}; `{where} --help` tells more")
    except ZreplayError as error:
        _end(error.exit_code, str(error))
    except BrokenPipeError:
        _end(0)
    except OSError as error:
        _end(2, _refused(error))
    _end(code)


def _refused(error: OSError) -> str:
    """What the system refused, where no verb has said it: mostly to write what was printed."""
    where = error.filename
    if where is None:
        where = "a file or standard output"
        try:
            sys.stdout.flush()
        except OSError:
            where = "standard output"
    return f"{where}: {error.strerror or error}"


def _end(code: int, message: str = "") -> NoReturn:
    """Exit. What cannot be printed is dropped, so that the interpreter has nothing to complain of at its end."""
    for stream, text in ((sys.stderr, f"zreplay: {message}\n" if message else ""), (sys.stdout, "")):
        try:
            if stream:
                stream.write(text)
                stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not code and not isinstance(error, BrokenPipeError):
                code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
