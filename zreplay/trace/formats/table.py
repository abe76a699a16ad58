"""CSV, NDJSON and Parquet with columns that a map names (column_map.py). Read by pyarrow, a part at a time."""

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
from _zreplay import find_bad_row

from zreplay.errors import TraceError, UsageError, why
from zreplay.trace.context import Context
from zreplay.trace.formats.column_map import Column, read_map, resolve
from zreplay.trace.formats.format import Format, RowsReading
from zreplay.trace.formats.lines import to_rows
from zreplay.trace.parquet_safety import Unsafe, check_pages, read_footer

if TYPE_CHECKING:
    from zreplay.trace.source import Source

_BATCH_ROWS = 1 << 16
# A name or value that is no UTF-8 is a ValueError.
#: The most of what has to be read whole before its first row is known.
MOST_WHOLE_BYTES = 1 << 31
_UNREADABLE = (pa.ArrowException, OSError, ValueError)
_FORMAT_VERSION = b"zreplay.format_version"
_HEADER = re.compile(rb"(?:^|[\t,;\"])(?:ts_ns|op)(?:[\t,;\"\r]|$)")


class _Text(io.RawIOBase):
    """A source's bytes as a file for pyarrow."""

    def __init__(self, source: "Source", reading: "TableReading") -> None:
        self._source, self._reading, self._rest = source, reading, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or not self._rest:
            chunk = self._source.text()
            self._reading.text_bytes += len(chunk)
            self._rest += chunk
            if not chunk:
                break
            if len(self._rest) > MOST_WHOLE_BYTES:
                raise ValueError(
                    f"more than {MOST_WHOLE_BYTES:,} bytes, which are read whole; decompress it into a file"
                )
        data = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(data) :]
        return data


class TableReading(RowsReading):
    """A table being read."""

    def __init__(self, source: "Source", context: Context, mapping: str | None) -> None:
        super().__init__(source, context)
        self._map = read_map(mapping)
        self._is_mapped = mapping is not None
        self._names, self._parts = self._open()
        self._columns: tuple[Column, ...] = resolve(self._map, self._names, source.name)

    def _open(self) -> tuple[list[str], Iterator[pa.RecordBatch]]:
        """The table's columns, and its rows."""
        raise NotImplementedError

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, each of which passes the rules of the format."""
        name, previous_ts_ns, first_row = self.source.name, -(2**63), 0
        while True:
            try:
                part = next(self._parts, None)
                if part is not None:
                    part.validate(full=True)  # that words are UTF-8, which not every reader of pyarrow looks at
            except _UNREADABLE as error:
                raise TraceError(f"{name}: at or after row {first_row:,}: {why(error)}") from error
            if part is None:
                break
            found = pl.from_arrow(part)
            assert isinstance(found, pl.DataFrame)
            frame = pl.DataFrame({column.ours: column.of(found, name, first_row) for column in self._columns})
            for must in ("ts_ns", "op"):
                if frame[must].null_count():
                    row, theirs = int(frame[must].is_null().arg_true()[0]), self._theirs(must)
                    raise TraceError(f"{name}: row {first_row + row:,}: column {theirs}: found no value, expected one")
            if "offset" in frame.columns:  # a row without a slot has no type either, but for the whole type's
                has_slot = pl.col("offset").is_not_null() | pl.col("op").is_in(["invalidate_area"])
                frame = frame.with_columns(pl.when(has_slot).then(pl.col("type")).alias("type"))
            rows = self._rows(frame, first_row)
            if bad := find_bad_row(rows, previous_ts_ns):
                row, column, value, expected = bad
                raise TraceError(
                    f"{name}: row {first_row + row:,}: column {self._theirs(column)}: found {value}, "
                    f"expected {expected}"
                )
            if len(rows):
                previous_ts_ns = rows["ts_ns"][-1].as_py()
            first_row += len(rows)
            self.counts.lines = first_row
            yield rows

    def _rows(self, frame: pl.DataFrame, first_row: int) -> pa.RecordBatch:
        try:
            return to_rows(frame, self.source.name)
        except TraceError as error:
            raise TraceError(f"{error} (at or after row {first_row:,})") from error

    def _theirs(self, ours: str) -> str:
        theirs = next((column.theirs for column in self._columns if column.ours == ours), ours)
        return ours if theirs == ours else f"{theirs} ({ours})"


class CsvReading(TableReading):
    """Comma or tab between columns, names in the first line."""

    def _open(self) -> tuple[list[str], Iterator[pa.RecordBatch]]:
        first = self.source.peek(1 << 16).partition(b"\n")[0]
        separator = next((mark for mark in (b"\t", b",", b";") if mark in first), b",").decode()
        options = pa_csv.ParseOptions(delimiter=separator)
        try:
            names = pa_csv.read_csv(pa.BufferReader(first + b"\n"), parse_options=options).column_names
            reader = pa_csv.open_csv(
                pa.PythonFile(_Text(self.source, self), mode="r"),
                parse_options=options,
                convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            )
            return reader.schema.names, iter(reader)
        except _UNREADABLE as error:
            raise TraceError(f"{self.source.name}: {why(error)}") from error


class NdjsonReading(TableReading):
    """An object a line."""

    def _open(self) -> tuple[list[str], Iterator[pa.RecordBatch]]:
        try:
            reader = pa_json.open_json(pa.PythonFile(_Text(self.source, self), mode="r"))
            return reader.schema.names, iter(reader)
        except _UNREADABLE as error:
            raise TraceError(f"{self.source.name}: {why(error)}") from error


class ParquetReading(TableReading):
    """A Parquet file that is no trace; through a pipe it is read whole, since its index stands at its end."""

    def _open(self) -> tuple[list[str], Iterator[pa.RecordBatch]]:
        source = self.source
        try:
            if source.path is not None and source.compression is None:
                file = pq.ParquetFile(source.path)
                check_pages(source.path, file.schema, read_footer(source.path), ())
                self.text_bytes = source.path.stat().st_size
            else:
                file = pq.ParquetFile(pa.BufferReader(_Text(source, self).read()))
            names = file.schema_arrow.names
        except (*_UNREADABLE, Unsafe) as error:
            raise TraceError(f"{source.name}: damaged: {why(error)}") from error
        if _FORMAT_VERSION in (file.metadata.metadata or {}) and not self._is_mapped:
            raise UsageError(
                f"{source.name}: is a trace already, which needs no conversion (--map reads it as a table)"
            )
        return names, file.iter_batches(_BATCH_ROWS)


def _is_csv(head: bytes, has_map: bool) -> bool:
    first = head.partition(b"\n")[0]
    return has_map or (len(_HEADER.findall(first)) >= 1 and b"ts_ns" in first and b"op" in first)


PARQUET = Format(name="Parquet", knows=lambda head, has_map: head.startswith(b"PAR1"), read=ParquetReading)
NDJSON = Format(name="NDJSON", knows=lambda head, has_map: head.lstrip()[:1] == b"{", read=NdjsonReading)
CSV = Format(name="CSV", knows=_is_csv, read=CsvReading)
