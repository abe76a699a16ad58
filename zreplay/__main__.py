"""The command line's entry: a help that waits for nothing, and errors to exit codes, here and nowhere else.

The verbs are options and calls in ``zreplay/cli``, loaded when one is used. ``zreplay --help`` alone loads not even
click, which takes longer than all the rest of it.
"""

import os
import sys

from zreplay import __version__
from zreplay.errors import ZreplayError, why

TYPE_CHECKING = False  # as in __init__
if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "completion": "Print what completes zreplay's verbs, options and names in bash, zsh or fish.",
    "man": "Write the manual pages.",
}
ABOUT = "Replay traces of compressed swap (zswap, zram) through the kernel's index structures and allocators."
EXAMPLES = (
    "zreplay info TRACE",
    "zreplay run TRACE --index radix-lowbit --pool zbud -o DIR",
    "zreplay compare TRACE --pool zbud,zsmalloc",
)
OPTIONS = {
    "--config FILE": "Options' defaults, a zreplay.toml (docs/settings.md).  [default: ./zreplay.toml, if there]",
    "-v, --verbose": "Say on standard error which settings are in force, time and memory; of errors the traceback.",
    "--version": "Show the version and exit.",
    "-h, --help": "Show this message and exit.",
}
#: Help is no wider than this on any terminal.
MOST_COLUMNS = 100


def main() -> None:
    """Run the command line; exits with 0, 2 (usage), 3 (a requirement), 4 (the trace), 5, 6 (cells failed),
    7 (a plugin) or 130."""
    arguments = sys.argv[1:]
    if arguments in ([], ["-h"], ["--help"]) and "_ZREPLAY_COMPLETE" not in os.environ:
        code = _printed(help_text(columns()))
    elif arguments == ["--version"]:
        code = _printed(f"zreplay {__version__}")
    else:
        code = _run()
    sys.exit(code)


def _printed(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stderr.close()
    except OSError as error:
        print(f"zreplay: standard output: {why(error)}", file=sys.stderr)
        return 2
    return 0


def _run() -> int:
    """Call the verb; what it raises becomes a line and an exit code."""
    import click

    from zreplay.cli.settings import State, source_of
    from zreplay.cli.verbs import zreplay

    state = State()
    try:
        done = zreplay(prog_name="zreplay", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted; nothing was written", 130)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "zreplay"
        message = error.format_message().rstrip(".").replace("\n", " ")
        more = f"{source_of(message, error.ctx)}{'' if message.endswith('?') else ';'} `{where} --help` tells more"
        return _failed(message + more, error.exit_code)
    except ZreplayError as error:
        message = f"{error}{source_of(str(error), state.context)}"
        return _failed(message, error.exit_code, error if state.is_verbose else None)
    except (BrokenPipeError, SystemExit):  # click exits when nobody reads on
        sys.stderr.close()
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _failed(f"{where}{why(error)}", 2, error if state.is_verbose else None)
    return done if isinstance(done, int) else 0


def _failed(message: str, code: int, shown: BaseException | None = None) -> int:
    """Tell an error, with its traceback if it is ``shown``."""
    if shown:
        from traceback import print_exception

        print_exception(shown)
    print(f"zreplay: {message}", file=sys.stderr)
    return code


def columns() -> int:
    """The terminal's, or what COLUMNS says; as shutil has it, which loads three compression libraries."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return min(int(said), MOST_COLUMNS)
    try:
        return min(os.get_terminal_size(1).columns or 80, MOST_COLUMNS)
    except OSError:
        return 80


def help_text(width: int) -> str:
    """What ``zreplay --help`` prints."""
    lines = ["Usage: zreplay [OPTIONS] COMMAND [ARGS]...", "", *_wrapped(ABOUT, "  ", width), ""]
    lines += [f"  {example}" for example in EXAMPLES]
    for heading, entries in (("Options", OPTIONS), ("Commands", VERBS)):
        lines += ["", f"{heading}:"]
        margin = " " * (max(map(len, entries)) + 4)
        for name, words in entries.items():
            first, *more = _wrapped(words, margin, width)
            lines += [f"  {name}".ljust(len(margin)) + first[len(margin) :], *more]
    return "\n".join(lines)


def _wrapped(text: str, indent: str, width: int) -> "Iterator[str]":
    """Lines of at most that width, all of them indented; what textwrap does, which takes 20 ms to load."""
    line = indent
    for word in text.split():
        if line != indent and len(line) + 1 + len(word) > width:
            yield line
            line = indent
        line += word if line == indent else f" {word}"
    yield line


if __name__ == "__main__":
    main()
