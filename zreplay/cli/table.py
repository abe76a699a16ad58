"""Aligned plain text that survives a pipe and a mail."""

import shutil
import sys
from collections.abc import Sequence


def terminal_width() -> int | None:
    """How wide the terminal is that standard output is; None: it is none. COLUMNS says otherwise."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout and sys.stdout.isatty() else None


def width() -> int:
    """How wide a line of output may be: in a pipe as wide as it is."""
    return terminal_width() or sys.maxsize


def fitted(text: str) -> str:
    """Text whose lines fit the terminal; what does not go to a terminal stays as it is.

    What stands behind a name goes on below itself, a command to type goes on after a backslash.
    """
    columns = terminal_width()
    if columns is None:
        return text
    return "\n".join(line if len(line) <= columns else _folded(line, columns) for line in text.split("\n"))


def _folded(line: str, columns: int) -> str:
    import re
    import textwrap

    begin = re.match(r"\s*", line)
    margin = len(begin[0]) if begin else 0
    if line.startswith("zreplay "):
        words = textwrap.wrap(
            line, columns - 2, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
        )
        return " \\\n".join(words)
    value = re.match(r"\s*\S+(?: \S+)*  +", line)
    indent = len(value[0]) if value and len(value[0]) < columns // 2 else margin + 2
    # Spaces within the line are its columns, so they stay.
    lines = []
    while len(line) > columns:
        place = line.rfind(" ", indent + 1, columns + 1)
        place = place if place > indent else columns
        lines.append(line[:place].rstrip())
        line = " " * indent + line[place:].lstrip()
    return "\n".join([*lines, line])


def number(value: float) -> str:
    """A count with thousands separators."""
    return f"{value:,}"


def aligned(rows: Sequence[tuple[str, str]]) -> str:
    """Names to the left, values in one column beside them."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
