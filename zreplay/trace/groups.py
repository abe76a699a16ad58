"""Parquet written by the engine's own encoder (core/trace/parquet_group.hpp), in place of pyarrow's general one.

What the file says of itself, its schema and its metadata, is pyarrow's: of a file without rows, in whose footer the
row groups are then put.
"""

import io
from collections.abc import Collection, Mapping
from typing import Protocol

import _zreplay
import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.trace.schema import WORDS

#: Arrow's letters of the types of SCHEMA.
_FORMATS = {
    pa.int8(): "c",
    pa.uint8(): "C",
    pa.uint16(): "S",
    pa.int32(): "i",
    pa.uint32(): "I",
    pa.int64(): "l",
    pa.uint64(): "L",
}
_ENCODINGS = {"PLAIN": "plain", "DELTA_BINARY_PACKED": "differences"}
_MAGIC = b"PAR1"


class _File(Protocol):
    def write(self, data: bytes) -> int: ...


class GroupWriter:
    """Writes tables to a file as Parquet's row groups; what TraceWriter asks of pyarrow's ParquetWriter, and no more.

    `use_dictionary`, `column_encoding` and `write_statistics` name columns, and are as there; chunks have one page, a
    checksum and no compression.
    """

    def __init__(
        self,
        file: _File,
        schema: pa.Schema,
        *,
        use_dictionary: Collection[str],
        column_encoding: Mapping[str, str],
        write_statistics: Collection[str],
    ) -> None:
        self._file = file
        self._schema = schema
        self._words: dict[str, str] = {}
        self._groups: list[bytes] = []
        self._rows = 0
        self._bytes = 0
        self._is_open = True
        columns = []
        for field in schema:
            encoding = _ENCODINGS[column_encoding.get(field.name, "PLAIN")]
            columns.append(
                {
                    "name": field.name,
                    "format": "c" if field.name in WORDS else _FORMATS[field.type],
                    "nullable": field.nullable,
                    "ranged": field.name in write_statistics,
                    "words": list(WORDS.get(field.name, ())),
                    "encoding": "dictionary" if field.name in use_dictionary else encoding,
                }
            )
        self._encoder = _zreplay.ParquetGroup(columns)
        self._write(_MAGIC)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._bytes += len(data)

    def write_table(self, table: pa.Table, row_group_size: int) -> None:
        """Append a row group of all rows of the table; columns of words are numbered as in WORDS."""
        assert table.num_rows <= row_group_size
        if table.num_rows:
            data, group = self._encoder.encode(table.to_batches(), self._bytes)
            self._write(data)
            self._groups.append(group)
            self._rows += table.num_rows

    def add_key_value_metadata(self, metadata: Mapping[str, str]) -> None:
        """To the file's."""
        self._words |= metadata

    def close(self) -> None:
        """Write the footer."""
        if not self._is_open:
            return
        self._is_open = False
        empty = io.BytesIO()
        with pq.ParquetWriter(empty, self._schema, version="2.6") as writer:
            writer.add_key_value_metadata(self._words)
        footer = with_groups(empty.getvalue()[:-8], self._groups, self._rows)
        self._write(footer + len(footer).to_bytes(4, "little") + _MAGIC)


def with_groups(empty: bytes, groups: list[bytes], rows: int) -> bytes:
    """The footer of a file without rows, which ends with it, with these row groups of so many rows in it.

    A footer is a struct in Thrift's compact protocol, FileMetaData: version, schema, number of rows, row groups, and
    what follows.
    """
    # A file without rows is a magic number and its footer.
    footer = empty[len(_MAGIC) :]
    at = _end_of_field(footer, 0)
    at = _end_of_field(footer, at)
    none = b"\x16\x00\x19\x0c"  # an i64 of 0, and a list without structs
    if footer[at : at + len(none)] != none:
        raise AssertionError(f"found {footer[at : at + 4].hex()} behind a schema, expected {none.hex()}: no rows")
    many = bytes([len(groups) << 4 | 12]) if len(groups) < 15 else b"\xfc" + _varint(len(groups))
    return footer[:at] + b"\x16" + _varint(2 * rows) + b"\x19" + many + b"".join(groups) + footer[at + len(none) :]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _end_of_field(data: bytes, at: int) -> int:
    return _end_of_value(data, at + 1, data[at] & 15, in_list=False)


def _end_of_value(data: bytes, at: int, kind: int, *, in_list: bool) -> int:
    """Where a value of Thrift's compact protocol ends that begins at `at`."""
    if kind in (1, 2):  # a truth: a field's type says it
        return at + in_list
    if kind == 3:
        return at + 1
    if kind in (4, 5, 6):
        return _read_varint(data, at)[1]
    if kind == 7:
        return at + 8
    if kind == 8:
        size, at = _read_varint(data, at)
        return at + size
    if kind in (9, 10):
        size, of = data[at] >> 4, data[at] & 15
        at += 1
        if size == 15:
            size, at = _read_varint(data, at)
        for _ in range(size):
            at = _end_of_value(data, at, of, in_list=True)
        return at
    assert kind == 12, kind
    while data[at]:
        at = _end_of_field(data, at)
    return at + 1
