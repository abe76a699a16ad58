"""When each page is loaded next: what the bound ``belady`` evicts by."""

from collections.abc import Sequence

import _zreplay

from zreplay.replay.config import Config
from zreplay.replay.replaying import Progress
from zreplay.trace.sampled import Rows

#: Columns that are read for it.
COLUMNS = ("ts_ns", "op", "type", "offset")


def future_loads(
    trace: Rows, configs: Sequence[Config], progress: Progress | None = None
) -> _zreplay.FutureLoads | None:
    """The trace's loads, learnt in a pass of its own; None where no resolved configuration asks for them.

    Takes four bytes for each row of the trace; ``progress`` is told meanwhile that none is replayed yet.
    """
    if not any(config.mm == "belady" for config in configs):
        return None
    loads = _zreplay.FutureLoads()
    loads.reserve(trace.rows)
    for batch in trace.batches(columns=COLUMNS):
        loads.learn(batch)
        if progress:
            progress(0, trace.rows)
    loads.close()
    return loads
