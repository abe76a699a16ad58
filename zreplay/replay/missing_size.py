"""Sizes for stores that have none, because the recorded kernel refused them before it compressed the page."""

from collections.abc import Sequence

import _zreplay
import pyarrow as pa

from zreplay.replay.config import Config
from zreplay.replay.threads import Later
from zreplay.trace.sampled import Rows

#: A trace that is replayed in some hundredths of a second: what has to come first is worth a thread.
SHORT_TRACE_ROWS = 1 << 20

_COLUMNS = ("op", "size", "pid")


class RecordedSizes:
    """The sizes a trace has, learnt in a pass of its own when the first store without one comes up."""

    def __init__(self, trace: Rows, configs: Sequence[Config]) -> None:
        self.engine = _zreplay.RecordedSizes()
        self._trace = trace
        self._needed = any(config.missing_size != "reject" for config in configs)
        self._learning: Later[None] | None = None

    def begin(self) -> None:
        """Learn the sizes of a short recording at once, in a thread: most lack some, and soon."""
        if self._needed and "pid" in self._trace.columns and self._trace.rows <= SHORT_TRACE_ROWS:
            self._learning = Later(self._learn)

    def prepare(self, batch: pa.RecordBatch) -> None:
        """To be called with each batch before any replay is fed with it."""
        if not self._needed or not _zreplay.lacks_size(batch):
            return
        if self._learning:
            self._learning.result()
        else:
            self._learn()
        self._needed = False

    def _learn(self) -> None:
        columns = [name for name in _COLUMNS if name in self._trace.columns]
        for learnt in self._trace.unchecked_batches(columns, use_threads=False):  # checked when they are replayed
            self.engine.learn(learnt)
        self.engine.close()
