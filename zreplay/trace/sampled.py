"""A sample of a trace's slots, taken while it is read: what `zreplay cut --sample` writes, without the file.

Which rows stay, and how their calls are counted anew, is the engine's affair (core/trace/slot_sample.hpp).
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import _zreplay
import pyarrow as pa

from zreplay.trace.files import BATCH_ROWS, Trace
from zreplay.trace.sample import Sample

#: What the kernel counted of all slots: of some of them it would be true of no replay.
OF_ALL_SLOTS = ("seen_stored", "seen_pool_pages", "made_pages")
_SLOT = ("op", "type", "offset")


class Rows(Protocol):
    """What a replay asks of a trace, whole or sampled."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the schema's columns that there are."""

    @property
    def rows(self) -> int:
        """How many are read."""

    def most_call_rows(self) -> int:
        """As :meth:`zreplay.trace.files.Trace.most_call_rows`, or more."""

    def batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, *, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """Rows in order, checked."""

    def unchecked_batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, *, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """The same, with rows that cannot be among them."""


class SampledTrace:
    """The rows of some of a trace's slots.

    Args:
        trace: it, itself perhaps a sample.
        sample: the share of its slots. Of a trace that has 1/8 of a machine's slots, 1/2 is the machine's 1/16.
    """

    def __init__(self, trace: Trace, sample: Sample) -> None:
        self._trace = trace
        self._read: _zreplay.SampledRows | None = None
        self._sample = sample
        self.columns = tuple(name for name in trace.columns if name not in OF_ALL_SLOTS)
        self.rows = trace.rows

    def most_call_rows(self) -> int:
        """Of the whole: as many or more than of the sample."""
        return self._trace.most_call_rows()

    def batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, *, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """Those of ``batch_rows`` rows of the whole that stay, if any; all rows have passed the rules of the format.

        Columns of words hold their numbers. Raises TraceError as :meth:`zreplay.trace.files.Trace.batches`.
        """
        self._read = self._rows(counts=True)
        batches = self._trace.batches(self._columns_read(columns), batch_rows, use_threads=use_threads)
        return self._kept(batches, self._read)

    def unchecked_batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, *, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """The same, with rows that cannot be among them."""
        batches = self._trace.unchecked_batches(self._columns_read(columns), batch_rows, use_threads=use_threads)
        return self._kept(batches, self._rows())

    @property
    def slots(self) -> int:
        """How many different slots there were among the rows that stayed, as far as `batches` has come."""
        return self._read.slots if self._read else 0

    @property
    def stores(self) -> int:
        """How many the trace has, whether or not they stayed, likewise."""
        return self._read.stores if self._read else 0

    @property
    def loads(self) -> int:
        """Likewise."""
        return self._read.loads if self._read else 0

    def _columns_read(self, columns: Sequence[str] | None) -> list[str]:
        return [name for name in self.columns if columns is None or name in (*columns, *_SLOT)]

    def _rows(self, *, counts: bool = False) -> _zreplay.SampledRows:
        within = Sample.parse(self._trace.metadata.sample).of
        return _zreplay.SampledRows((self._sample.keep, self._sample.of, within, 0), self.most_call_rows(), counts)

    @staticmethod
    def _kept(batches: Iterator[pa.RecordBatch], rows: _zreplay.SampledRows) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            kept = pa.record_batch(rows.next(batch))
            if kept.num_rows:
                yield kept


def sampled(trace: Trace, sample: Sample) -> Rows:
    """The trace, or a sample of its slots."""
    return trace if sample.is_whole else SampledTrace(trace, sample)
