"""Aligned plain text that survives a pipe and a mail."""

import shutil
import sys
from collections.abc import Sequence

#: Of output that goes into a pipe or a file, whatever the terminal is like.
PIPE_WIDTH = 100


def terminal_width() -> int | None:
    """How wide the terminal is that standard output is; None: it is none. COLUMNS says otherwise."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None


def width() -> int:
    """How wide a line of output may be."""
    return terminal_width() or PIPE_WIDTH


def number(value: float) -> str:
    """A count with thousands separators."""
    return f"{value:,}"


def aligned(rows: Sequence[tuple[str, str]]) -> str:
    """Names to the left, values in one column beside them."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
