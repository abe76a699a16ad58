"""A sample of a trace's slots, taken while it is read: the rows of `zreplay cut --sample`, without the file."""

from collections.abc import Iterator, Sequence

import _zreplay
import pyarrow as pa

from zreplay.trace.files import BATCH_ROWS, Trace
from zreplay.trace.sample import Sample
from zreplay.trace.schema import OFFSET_BITS

#: What the kernel counted of all slots: of some of them it would be true of no replay.
_OF_ALL_SLOTS = ("seen_stored", "seen_pool_pages", "made_pages")
#: What the engine looks at, whatever is asked for.
_LOOKED_AT = ("ts_ns", "op", "type", "offset")
_CALLS = ("call_rows", "alloc_rows")
_MOST = 2**63 - 1


class SampledRows:
    """What a replay asks of a trace (:class:`zreplay.trace.files.Trace`), of a share of its slots."""

    def __init__(self, trace: Trace, share: Sample) -> None:
        self._trace = trace
        self._share = share
        self.path = trace.path
        self.columns = tuple(name for name in trace.columns if name not in _OF_ALL_SLOTS)
        self.rows = trace.rows * share.keep // share.of  # about

    def most_call_rows(self) -> int:
        """Of the whole: as many or more than of the sample."""
        return self._trace.most_call_rows()

    def batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, *, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """Those of ``batch_rows`` rows of the whole that stay, if any. Raises TraceError as Trace's."""
        return self._kept(self._trace.batches(self._read(columns), batch_rows, use_threads=use_threads))

    def unchecked_batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, *, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """The same, with rows that cannot be among them."""
        return self._kept(self._trace.unchecked_batches(self._read(columns), batch_rows, use_threads=use_threads))

    def _read(self, columns: Sequence[str] | None) -> list[str]:
        return [name for name in self.columns if columns is None or name in (*columns, *_LOOKED_AT)]

    def _kept(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        engine = _zreplay.Cut(
            self.most_call_rows(),
            rows=(0, _MOST),
            ts_ns=(-(2**63), _MOST),
            types=2**32 - 1,
            cgroups=[],
            offsets=(0, 2**OFFSET_BITS),
            sample=(self._share.keep, self._share.of),
        )
        for batch in batches:
            kept = pa.record_batch(engine.next(batch))
            columns = [kept[name] if name in _CALLS else batch[name] for name in batch.schema.names]
            rows = pa.RecordBatch.from_arrays(columns, schema=batch.schema).filter(kept["keep"].cast(pa.bool_()))
            if rows.num_rows:
                yield rows
