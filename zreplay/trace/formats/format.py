"""What a format is to a conversion: how it is known, and how rows are made of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from zreplay.trace.context import Context

if TYPE_CHECKING:
    import _zreplay

    from zreplay.trace.source import Source

#: How many messages of unreadable lines are kept, as the engine keeps them.
MOST_MESSAGES = 5


class Text(Protocol):
    """A recording's text: a `Source`, or several merged."""

    @property
    def name(self) -> str:
        """For messages."""

    def text(self) -> bytes:
        """The next chunk, empty at the end."""

    def peek(self, size: int) -> bytes:
        """The first `size` bytes of what comes next, which `text` gives again."""


@dataclass
class Counts:
    """What became of a text's lines; the same names as the engine's ``ImportCounts``."""

    lines: int = 0
    lost_events: int = 0
    unreadable_lines: int = 0
    backward_times: int = 0
    unpaired_lines: int = 0
    open_calls: int = 0
    first_open_line: int = 0
    other_events: int = 0
    count_times: int = 0
    without_cpu: int = 0
    limit_refusals: int = 0
    compress_refusals: int = 0
    unexpected_stores: int = 0
    unsure_pages: int = 0
    spoiled_lines: int = 0
    empty_discards: int = 0
    kept_overwritten: int = 0
    pool_overlaps: int = 0
    overlaps_by_lock: int = 0
    overlaps_by_count: int = 0


class Reading(Protocol):
    """One recording being read. What it says of itself is whole once `batches` has ended."""

    @property
    def context(self) -> Context:
        """With what the text itself tells."""

    @property
    def text_bytes(self) -> int:
        """Read so far, decompressed."""

    @property
    def messages(self) -> list[str]:
        """The first unreadable lines, "line 1,204: expected …, found …"."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What it is taken for against what its release says."""

    @property
    def counts(self) -> "Counts | _zreplay.ImportCounts":
        """What became of the lines."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order, in SCHEMA's columns. Raises TraceError for what cannot be read at all."""


@dataclass
class RowsReading:
    """A reading whose format has a line a row: what such formats share."""

    source: "Source"
    context: Context
    text_bytes: int = 0
    messages: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    notes: tuple[str, ...] = ()

    def unreadable(self, line: int, expected: str, found: str) -> None:
        """Note a line, counted from 1, that could not be read."""
        if len(self.messages) < MOST_MESSAGES:
            shown = "".join(c if " " <= c <= "~" else "?" for c in found[:80])
            self.messages.append(f'line {line:,}: expected {expected}, found "{shown}{"…" if len(found) > 80 else ""}"')


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of recording.

    Attributes:
        name: what to call it in a message.
        knows: whether a recording is of it, told by its beginning (some 64 KiB) and whether columns are mapped.
        read: opens one. Raises UsageError where the context or the map leaves open what it means.
        merges_text: several of them are merged line by line, before calls are paired, and `read` takes any `Text`; else
            they are merged row by row, and it takes a `Source`.
        records: words of `lacks.WORDS` that it always records: a recording without them had none.
    """

    name: str
    knows: Callable[[bytes, bool], bool]
    read: Callable[[Any, Context, str | None], Reading]
    merges_text: bool = False
    records: tuple[str, ...] = ()
