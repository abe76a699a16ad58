"""Every error zreplay raises on purpose, and the exit code each becomes."""

TYPE_CHECKING = False  # as in __init__
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def visible(text: str) -> str:
    """Text that a terminal shows as it is: what would steer it or break the line is written as an escape, ``\\x1b``.

    Names of files, values of metadata and lines of recordings are other people's words.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class ZreplayError(Exception):
    """An error to show in one line: the thing, the value found, the value expected, the option that mends it.

    What is a list by its nature is given as further arguments, a line each.
    """

    exit_code = 1

    def __str__(self) -> str:
        return "\n".join(visible(str(line)) for line in self.args)


class UsageError(ZreplayError):
    """What was asked for cannot be done: an option, a path, an output that exists, a disk that is full."""

    exit_code = 2


class MemoryLimitError(UsageError):
    """More is resident than ``--memory-limit`` allows."""


class RequirementError(ZreplayError):
    """A result below what was required of it (``--require``, ``--fail-if``)."""

    exit_code = 3


class TraceError(ZreplayError):
    """The trace itself: not a trace, damaged, of a newer format, or with a row that cannot be."""

    exit_code = 4


class ModelError(ZreplayError):
    """A structure of the model failed its own check: a bug of zreplay, never of the trace."""

    exit_code = 5


class PluginError(ZreplayError):
    """A plugin that cannot be loaded, raised something, or answered what cannot be; the message names it."""

    exit_code = 7


class CellsFailed(ZreplayError):
    """Some cells of a sweep failed; the others have their answers."""

    exit_code = 6


class Interrupted(ZreplayError):
    """Ctrl-C in something that keeps what it has finished."""

    exit_code = 130


def nearest(found: str, names: "Sequence[str]") -> str:
    """The names that are expected, and which of them was meant if one is near."""
    from difflib import get_close_matches

    near = get_close_matches(found, names, n=1)
    return f"{', '.join(names)}; did you mean {near[0]}?" if near else ", ".join(names)


def missing(path: "Path | str") -> UsageError:
    """The error for a file that is not there; one beside it with nearly that name is suggested."""
    from difflib import get_close_matches
    from pathlib import Path

    path = Path(path)
    try:
        beside = [other.name for other in path.parent.iterdir()]
    except OSError:
        return UsageError(f"{path}: no such file, as there is no folder {path.parent}")
    near = get_close_matches(path.name, beside, n=1, cutoff=0.75)
    return UsageError(f"{path}: no such file" + (f"; did you mean {path.parent / near[0]}?" if near else ""))


def why(error: BaseException) -> str:
    """Why the system refused something, in its words and without numbers of errors."""
    if isinstance(error, OSError) and error.errno:
        import os

        return os.strerror(error.errno)
    words = (str(error).splitlines() or [type(error).__name__])[0]
    for number in ("[Errno ", "[errno "):  # Python's, and Arrow's at the end of its own words
        before, _, behind = words.partition(number)
        words = before + (behind.partition("] ")[2] or behind)
    return words
