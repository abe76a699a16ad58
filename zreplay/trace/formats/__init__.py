"""The formats `zreplay convert` reads, one file each. To add one: its file, and its line here; or a package of its own.

The first that knows a recording's beginning reads it, so ftrace, whose texts may begin with anything, is the last.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from zreplay.errors import PluginError, UsageError, ZreplayError
from zreplay.trace.formats import blkparse, bpftrace, ftrace, table
from zreplay.trace.formats.format import Counts, Format, Reading, RowsReading, Text

__all__ = ["FORMATS", "Counts", "Format", "Reading", "RowsReading", "Text", "format_named", "format_of", "guarded"]

#: By the names that ``--format`` takes.
NAMED: dict[str, Format] = {
    "parquet": table.PARQUET,
    "ndjson": table.NDJSON,
    "blkparse": blkparse.FORMAT,
    "bpftrace": bpftrace.FORMAT,
    "csv": table.CSV,
    "ftrace": ftrace.FORMAT,
}
FORMATS = tuple(NAMED.values())


def format_of(head: bytes, has_map: bool) -> Format:
    """The format of a recording that begins like this."""
    return next((format for format in FORMATS if format.knows(head, has_map)), ftrace.FORMAT)


def format_named(name: str) -> Format:
    """The format of that name: one of :data:`NAMED`, or what an installed package has as an entry point of the group
    ``zreplay.formats``, a :class:`Format`.

    Raises:
        UsageError: there is none.
        PluginError: a package's cannot be had, or is something else.
    """
    if name in NAMED:
        return NAMED[name]
    from zreplay.plugins.installed import loaded, named, names

    if (entry := named("format", name)) is None:
        known = ", ".join((*NAMED, *names("format")))
        raise UsageError(f"--format: found {name!r}, expected one of {known}")
    found = loaded(entry)
    if not isinstance(found, Format):
        raise PluginError(f"plugin {name}: {entry.value} is of type {type(found).__name__}, expected a Format")
    return found


@contextmanager
def guarded(name: str | None) -> Iterator[None]:
    """What a package's format raises in the block, as an error that names it."""
    try:
        yield
    except ZreplayError:
        raise
    except Exception as error:
        if name is None or name in NAMED:
            raise
        from zreplay.plugins.python import told

        raise PluginError(f"plugin {name}: raised {told(error)}") from error
