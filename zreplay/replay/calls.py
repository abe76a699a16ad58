"""Batches of a trace, read so far ahead that a replay learns of each call where it stands (core/replay/calls.hpp)."""

from collections import deque
from collections.abc import Iterator

import _zreplay
import pyarrow as pa

from zreplay.trace.sampled import Rows

#: Columns that are read for it.
COLUMNS = ("call_ts_ns", "call_rows", "alloc_rows", "made_pages")

Called = tuple[pa.RecordBatch, _zreplay.Calls | None]


class WithCalls:
    """Batches go in, and come out with the calls of stores that stand in them, though their rows come later.

    A call is a store's begin, or its asking the allocator. The columns are the engine's affair; None for a trace that
    has no such calls. Only as many rows are held as lie between a call and its row at most: ``reach``.
    """

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._ahead = _zreplay.CallsAhead()
        self._waiting: deque[pa.RecordBatch] = deque()
        self._read = self._given = 0  # rows

    def add(self, batch: pa.RecordBatch) -> Iterator[Called]:
        """The next batch; what is complete by it."""
        if not self._reach:
            yield batch, None
            return
        self._waiting.append(batch)
        self._ahead.add(batch)
        self._read += batch.num_rows
        if not self._given and self._read > self._reach:
            # What is complete of the first goes out at once: nobody has anything to do before.
            first = self._waiting.popleft()
            complete = min(first.num_rows, self._read - self._reach)
            self._waiting.extendleft(
                [first.slice(complete), first.slice(0, complete)] if complete < first.num_rows else [first]
            )
            yield self._oldest()
        while self._waiting and self._given + self._waiting[0].num_rows + self._reach <= self._read:
            yield self._oldest()

    def rest(self) -> Iterator[Called]:
        """There are no more; what was still held."""
        while self._waiting:
            yield self._oldest()

    def _oldest(self) -> Called:
        batch = self._waiting.popleft()
        self._given += batch.num_rows
        return batch, self._ahead.take_before(self._given)


def with_calls(trace: Rows, batches: Iterator[pa.RecordBatch]) -> Iterator[Called]:
    """Each batch of a trace, with its calls."""
    called = WithCalls(trace.most_call_rows())
    for batch in batches:
        yield from called.add(batch)
    yield from called.rest()
