"""The engine's encoder of Parquet: what pyarrow and polars read back, and pages worked out by hand."""

import io
import random
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zreplay.trace.groups import GroupWriter
from zreplay.trace.schema import ASKERS, OPS, SCHEMA, WORDS

DICTIONARIES = [name for name in SCHEMA.names if name not in ("ts_ns", "offset", "seen_handle", "nr_to_scan")]


def written(table: pa.Table, group_rows: int = 1 << 18) -> bytes:
    """A file of the table, in groups of so many rows."""
    file = io.BytesIO()
    writer = GroupWriter(
        file,
        table.schema,
        use_dictionary=[name for name in DICTIONARIES if name in table.schema.names],
        column_encoding={"ts_ns": "DELTA_BINARY_PACKED", "offset": "DELTA_BINARY_PACKED"},
        write_statistics=["ts_ns", "offset"],
    )
    for first in range(0, table.num_rows, group_rows):
        writer.write_table(table.slice(first, group_rows), group_rows)
    writer.add_key_value_metadata({"zreplay.clock": "none"})
    writer.close()
    return file.getvalue()


def table_of(columns: dict[str, list[Any]]) -> pa.Table:
    schema = pa.schema([SCHEMA.field(name) for name in SCHEMA.names if name in columns])
    arrays = []
    for field in schema:
        values = columns[field.name]
        if field.name in WORDS:
            words = WORDS[field.name]
            codes = pa.array([None if value is None else words.index(value) for value in values], pa.int8())
            arrays.append(pa.DictionaryArray.from_arrays(codes, pa.array(words)))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def is_read_as(data: bytes, table: pa.Table) -> None:
    """By pyarrow with its checksums, and by polars."""
    read = pq.read_table(io.BytesIO(data), page_checksum_verification=True)
    assert read.to_pylist() == table.to_pylist()
    assert pl.read_parquet(io.BytesIO(data)).rows() == [tuple(row.values()) for row in table.to_pylist()]


def rows_drawn(count: int, seed: int) -> dict[str, list[Any]]:
    """Of every column, with nulls where it may have some, in runs and alone."""
    chance = random.Random(seed)
    columns: dict[str, list[Any]] = {}
    for field in SCHEMA:
        if field.name in WORDS:
            of: list[Any] = list(WORDS[field.name])
        else:
            bits, low = field.type.bit_width, 0
            if pa.types.is_signed_integer(field.type):
                low = -(2 ** (bits - 1))
            of = [low, low + 2**bits - 1, 0, 1, *(chance.randrange(low, low + 2**bits) for _ in range(20))]
        values: list[Any] = []
        while len(values) < count:
            value = None if field.nullable and chance.random() < 0.3 else chance.choice(of)
            values += [value] * chance.choice((1, 1, 2, 7, 8, 15, 16, 17, 40))
        columns[field.name] = values[:count]
    return columns


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 31, 128, 129, 130, 1000])
def test_every_column_is_read_back(count):
    table = table_of(rows_drawn(count, seed=count))
    is_read_as(written(table), table)


def test_groups_that_begin_anywhere_in_a_byte():
    table = table_of(rows_drawn(500, seed=1))
    is_read_as(written(table, group_rows=73), table)
    assert written(table.slice(3, 200)) == written(table_of({name: v[3:203] for name, v in rows_drawn(500, 1).items()}))
    # However the rows of a group come in batches.
    pieces = pa.Table.from_batches([batch for i in range(0, 500, 37) for batch in table.slice(i, 37).to_batches()])
    assert written(pieces) == written(table)


def test_more_values_than_a_dictionary_has_are_plain():
    sizes = list(range(70_000))
    table = table_of({"ts_ns": sizes, "op": ["store"] * 70_000, "size": sizes})
    is_read_as(written(table), table)
    group = pq.ParquetFile(io.BytesIO(written(table))).metadata.row_group(0)
    assert "PLAIN" in group.column(2).encodings
    assert group.column(2).total_uncompressed_size > 4 * 70_000


def test_a_column_of_nulls_and_one_without():
    table = table_of(
        {"ts_ns": [1, 2, 3], "op": ["store"] * 3, "type": [None] * 3, "cpu": [7] * 3, "offset": [None] * 3}
    )
    is_read_as(written(table), table)


def test_a_page_by_hand():
    # Differences 3, 3, 4: the least is 3, and what is left, 0 0 1, is of one bit.
    data = written(table_of({"ts_ns": [100, 103, 106, 110], "op": ["load"] * 4}))
    values = bytes([0x80, 0x01, 4, 4, 0xC8, 0x01, 6, 1, 0, 0, 0, 0b100, 0, 0, 0])
    assert values in data
    # Four times the same, eight at a time: 1 is load's number, and there are four bits for ten words.
    assert bytes([4, 1 << 1 | 1, 0x11, 0x11, 0, 0]) in data


def test_ranges_and_nulls_are_told():
    table = table_of({"ts_ns": [5, 9], "op": ["load", "cma"], "offset": [2**63 + 1, 7], "size": [None, 3]})
    group = pq.ParquetFile(io.BytesIO(written(table))).metadata.row_group(0)
    told = {group.column(i).path_in_schema: group.column(i).statistics for i in range(4)}
    assert (told["ts_ns"].min, told["ts_ns"].max) == (5, 9)
    assert (told["offset"].min, told["offset"].max) == (7, 2**63 + 1)
    assert (told["size"].null_count, told["size"].has_min_max) == (1, False)


def test_a_file_without_rows_and_one_of_many_groups():
    none = table_of({"ts_ns": [], "op": []})
    assert pq.read_table(io.BytesIO(written(none))).num_rows == 0
    many = table_of({"ts_ns": list(range(40)), "op": [random.Random(1).choice(OPS)] * 40, "asked_by": [ASKERS[0]] * 40})
    data = written(many, group_rows=2)
    is_read_as(data, many)
    file = pq.ParquetFile(io.BytesIO(data)).metadata
    assert (file.num_row_groups, file.num_rows, file.metadata[b"zreplay.clock"]) == (20, 40, b"none")


def test_a_flipped_bit_is_found_by_the_checksum():
    data = bytearray(written(table_of({"ts_ns": list(range(0, 3000, 3)), "op": ["load"] * 1000})))
    place = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(0).column(0).data_page_offset
    data[place + 40] ^= 1
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(io.BytesIO(bytes(data)), page_checksum_verification=True)
