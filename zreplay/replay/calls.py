"""Batches of a trace, read so far ahead that a replay learns of each call where it stands (core/replay/calls.hpp)."""

from collections import deque
from collections.abc import Iterator

import _zreplay
import pyarrow as pa

from zreplay.trace.sampled import Rows

#: Columns that are read for it.
COLUMNS = ("call_ts_ns", "call_rows", "alloc_rows", "made_pages")


def with_calls(
    trace: Rows, batches: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch, _zreplay.Calls | None]]:
    """Each batch of a trace, with the calls of stores that stand in it, though their rows come later.

    A call is a store's begin, or its asking the allocator. The columns are the engine's affair; None for a
    trace that has no such calls. Only as many rows are held as lie between a call and its row at most.
    """
    reach = trace.most_call_rows()
    if not reach:
        for batch in batches:
            yield batch, None
        return
    ahead = _zreplay.CallsAhead()
    waiting: deque[pa.RecordBatch] = deque()
    read = given = 0  # rows

    def oldest() -> tuple[pa.RecordBatch, _zreplay.Calls]:
        nonlocal given
        batch = waiting.popleft()
        given += batch.num_rows
        return batch, ahead.take_before(given)

    for batch in batches:
        waiting.append(batch)
        ahead.add(batch)
        read += batch.num_rows
        if not given and read > reach:
            # What is complete of the first goes out at once: nobody has anything to do before.
            first = waiting.popleft()
            complete = min(first.num_rows, read - reach)
            waiting.extendleft(
                [first.slice(complete), first.slice(0, complete)] if complete < first.num_rows else [first]
            )
            yield oldest()
        while waiting and given + waiting[0].num_rows + reach <= read:
            yield oldest()
    while waiting:
        yield oldest()
