"""Several recordings of one machine as one, in the order of their times."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

import _zreplay
import polars as pl
import pyarrow as pa

from zreplay.errors import TraceError
from zreplay.trace.formats.format import Counts, Reading
from zreplay.trace.schema import SCHEMA
from zreplay.trace.source import Source

# Rows of another recording come between a call and its row, so that what counts the rows there would be wrong.
_COUNTED = ("call_rows", "alloc_rows")


class MergedText:
    """Texts of lines with times, a CPU each as in ``per_cpu/``, merged line by line (the earlier text first)."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.name = ", ".join(source.name for source in sources)
        self._sources = sources
        self._merger = _zreplay.LineMerger(len(sources))
        self._text = b""

    def text(self) -> bytes:
        """The next chunk of merged lines, empty at the end."""
        kept, self._text = self._text, b""
        return kept or self._more()

    def _more(self) -> bytes:
        while (wanted := self._merger.wants()) >= 0:
            chunk = self._sources[wanted].text()
            if chunk:
                self._merger.feed(wanted, chunk)
            else:
                self._merger.end(wanted)
            if merged := self._merger.take():
                return merged
        return self._merger.take()

    def peek(self, size: int) -> bytes:
        """The first `size` bytes of what comes next."""
        while len(self._text) < size and (more := self._more()):
            self._text += more
        return self._text[:size]


class MergedReading:
    """Readings whose rows stand for themselves, merged row by row (of one time, the earlier recording's first)."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings
        self.context = readings[0].context

    @property
    def text_bytes(self) -> int:
        """Of all of them."""
        return sum(reading.text_bytes for reading in self._readings)

    @property
    def messages(self) -> list[str]:
        """The first unreadable lines of any."""
        return [message for reading in self._readings for message in reading.messages]

    @property
    def notes(self) -> tuple[str, ...]:
        """Of all of them."""
        return tuple(note for reading in self._readings for note in reading.notes)

    @property
    def counts(self) -> Counts:
        """The sums."""
        return Counts(
            **{
                field.name: sum(getattr(reading.counts, field.name) for reading in self._readings)
                for field in fields(Counts)
            }
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; no more of each recording is held than a batch or two."""
        streams: dict[int, Iterator[pa.RecordBatch]] = {
            number: reading.batches() for number, reading in enumerate(self._readings)
        }
        held: dict[int, pl.DataFrame] = {}
        while streams or held:
            for number in [number for number in streams if number not in held]:
                batch = next((batch for batch in streams[number] if len(batch)), None)
                if batch is None:
                    del streams[number]
                    continue
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                held[number] = frame
            if not held:
                return
            # What is known of all of them that are still being read reaches up to here.
            last = min((frame["ts_ns"][-1] for number, frame in held.items() if number in streams), default=None)
            ready = []
            for number, frame in sorted(held.items()):
                rows = len(frame) if last is None else int(frame["ts_ns"].search_sorted(last, side="right"))
                ready.append(frame[:rows])
                if rows == len(frame):
                    del held[number]
                else:
                    held[number] = frame[rows:]
            table = pl.concat(ready).sort("ts_ns", maintain_order=True).to_arrow()
            for name in _COUNTED:
                table = table.set_column(table.schema.get_field_index(name), name, pa.nulls(len(table), pa.uint32()))
            yield from _in_schema(table)


def _in_schema(table: pa.Table) -> Iterator[pa.RecordBatch]:
    try:
        yield from table.select(SCHEMA.names).cast(SCHEMA).combine_chunks().to_batches()
    except pa.ArrowInvalid as error:  # pragma: no cover - both sides are ours
        raise TraceError(str(error)) from error
