"""The formats `zreplay convert` reads, one file each. To add one: its file, and its line here.

The first that knows a recording's beginning reads it, so ftrace, whose texts may begin with anything, is the last.
"""

from zreplay.trace.formats import blkparse, bpftrace, ftrace, table
from zreplay.trace.formats.format import Counts, Format, Reading, Text

__all__ = ["FORMATS", "Counts", "Format", "Reading", "Text", "format_of"]

FORMATS: tuple[Format, ...] = (
    table.PARQUET,
    table.NDJSON,
    blkparse.FORMAT,
    bpftrace.FORMAT,
    table.CSV,
    ftrace.FORMAT,
)


def format_of(head: bytes, has_map: bool) -> Format:
    """The format of a recording that begins like this."""
    return next((format for format in FORMATS if format.knows(head, has_map)), ftrace.FORMAT)
