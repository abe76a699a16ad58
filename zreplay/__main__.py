"""The command line's entry: a help that waits for nothing, and errors to exit codes, here and nowhere else.

The verbs are options and calls in ``zreplay/cli``, loaded when one is used. ``zreplay --help`` alone loads not even
click, which takes longer than all the rest of it.
"""

import gc
import os
import sys

from zreplay.cli.help import columns, help_text
from zreplay.errors import ZreplayError, why
from zreplay.version import __version__


def main() -> None:
    """Run the command line; exits with 0, 2 (usage), 3 (a requirement), 4 (the trace), 5, 6 (cells failed),
    7 (a plugin) or 130."""
    # What a start makes stays: looked through for garbage at every 700 objects, it takes a tenth longer.
    gc.set_threshold(50_000)
    arguments = sys.argv[1:]
    if arguments in ([], ["-h"], ["--help"]) and "_ZREPLAY_COMPLETE" not in os.environ:
        code = _printed(help_text(columns()))
    elif arguments == ["--version"]:
        code = _printed(f"zreplay {__version__}")
    else:
        code = _run()
    code = _ended(code)
    gc.freeze()  # nor at the end, when all of it goes
    sys.exit(code)


def _printed(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        return 0
    except OSError as error:
        return _failed(f"standard output: {why(error)}", 2)
    return 0


def _ended(code: int) -> int:
    """What cannot be printed is dropped, so that the interpreter has nothing to complain of at its end."""
    for stream in filter(None, (sys.stderr, sys.stdout)):  # None: closed by whoever started us
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not code and not isinstance(error, BrokenPipeError):
                code = 2
    return code


def _run() -> int:
    """Call the verb; what it raises becomes a line and an exit code."""
    import click

    from zreplay.cli.settings import State, source_of
    from zreplay.cli.verbs import zreplay

    state = State()
    try:
        done = zreplay(prog_name="zreplay", standalone_mode=False, obj=state)
        if sys.stdout:
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
    except MemoryError:
        return _failed("out of memory; nothing was written", 1)
    except BrokenPipeError:
        return 0
    except OSError as error:
        return _failed(f"{_refused(error)}: {why(error)}", 2, error if state.is_verbose else None)
    return done if isinstance(done, int) else 0


def _refused(error: OSError) -> str:
    """What the system refused, where no verb has said it: mostly to write what was printed."""
    if error.filename is not None:
        return str(error.filename)
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        return "standard output"
    return "a file or standard output"


def _failed(message: str, code: int, shown: BaseException | None = None) -> int:
    """Tell an error, with its traceback if it is ``shown``."""
    if shown:
        from traceback import print_exception

        print_exception(shown)
    try:  # noqa: SIM105  contextlib takes longer to load than the help to print
        print(f"zreplay: {message}", file=sys.stderr, flush=True)
    except OSError:
        pass
    return code


if __name__ == "__main__":
    main()
