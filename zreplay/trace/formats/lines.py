"""What formats of one row a line share: text to lines, lines to rows. Whole columns at a time, by polars."""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from zreplay.errors import TraceError, why
from zreplay.trace.formats.format import Counts, RowsReading
from zreplay.trace.schema import SCHEMA, WORDS

MOST_LINE_BYTES = 4096


def frames(reading: RowsReading) -> Iterator[pl.DataFrame]:
    """The text as frames of columns ``line`` (from 1) and ``text``; what is too long for a line is counted."""
    tail = b""
    while True:
        chunk = reading.source.text()
        reading.text_bytes += len(chunk)
        whole, newline, rest = (tail + chunk).rpartition(b"\n") if chunk else (tail, b"", b"")
        if chunk and not newline and len(rest) <= 1 << 24:
            tail = rest
            continue
        tail = rest if newline or not chunk else b""
        text = (
            (whole if newline or not chunk else rest).decode(errors="replace").replace("\r\n", "\n").removesuffix("\r")
        )
        if text or newline:
            lines = pl.DataFrame({"text": pl.Series([text]).str.split("\n").explode()})
            frame = lines.select(
                pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line") + reading.counts.lines, "text"
            )
            reading.counts.lines += len(frame)
            is_long = pl.col("text").str.len_bytes() > MOST_LINE_BYTES
            for line, found in frame.filter(is_long).iter_rows():
                reading.counts.unreadable_lines += 1
                reading.unreadable(line, f"at most {MOST_LINE_BYTES} bytes", found)
            yield frame.filter(~is_long)
        if not chunk:
            return


def raise_times(frame: pl.DataFrame, last_ns: int, counts: Counts) -> tuple[pl.DataFrame, int]:
    """Times that step backwards raised to the one before, and the last time."""
    if not len(frame):
        return frame, last_ns
    raised = frame["ts_ns"].cum_max().clip(lower_bound=last_ns)
    counts.backward_times += int((raised != frame["ts_ns"]).sum())
    return frame.with_columns(raised.alias("ts_ns")), int(raised[-1])


def to_rows(frame: pl.DataFrame, name: str) -> pa.RecordBatch:
    """A frame with some of SCHEMA's columns as a batch with all. Raises TraceError for a value that cannot be."""
    columns = []
    for field in SCHEMA:
        if field.name not in frame.columns:
            columns.append(pa.nulls(len(frame), field.type))
            continue
        if field.name in WORDS:
            codes = frame[field.name].cast(pl.Enum(WORDS[field.name])).to_physical().cast(pl.Int8).to_arrow()
            columns.append(pa.DictionaryArray.from_arrays(codes, pa.array(WORDS[field.name], pa.string())))
            continue
        kind = pl.UInt64 if pa.types.is_unsigned_integer(field.type) else pl.Int64
        try:
            columns.append(frame[field.name].cast(kind).to_arrow().cast(field.type))
        except (pa.ArrowInvalid, pl.exceptions.PolarsError) as error:
            raise TraceError(f"{name}: column {field.name}: {why(error)}") from error
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
