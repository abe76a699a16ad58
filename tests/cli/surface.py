"""What tests of all verbs alike share: each verb with its path, and a terminal of some width to run one in."""

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import click

from zreplay.cli.verbs import zreplay as group


def leaves() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by the words that call it."""
    context = click.Context(group, info_name="zreplay")
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        yield (verb,), command
        if isinstance(command, click.Group):
            yield from (((verb, name), inner) for name, inner in command.commands.items())


def on_terminal(columns: int, *words: object, cwd: Path, **environment: str) -> str:
    """What a verb prints on a terminal of that width."""
    process, master = pty.fork()
    if not process:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.chdir(cwd)
        clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        arguments = [sys.executable, "-m", "zreplay", *map(str, words)]
        os.execve(sys.executable, arguments, {**clean, "TERM": "xterm", **environment})
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    os.waitpid(process, 0)
    text = b"".join(parts).decode().replace("\r\n", "\n")
    # What a progress bar drew and took away again.
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text.split("\n"))
