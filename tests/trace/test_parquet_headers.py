"""Parquet's footers and page headers, written by hand in Thrift's compact protocol, and wrong in one thing each."""

import os
import zlib
from pathlib import Path

import pytest
from _zreplay import parquet_footer, parquet_pages

YES, NO, I8, I16, I32, I64, REAL, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INT32, INT64 = 1, 2  # parquet.thrift's Type
DATA, INDEX, DICTIONARY, DATA_V2 = range(4)  # … and PageType


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def number(value: int) -> bytes:
    return varint((value << 1 ^ value >> 63) & 2**64 - 1)


def struct(*fields: tuple[int, int, bytes]) -> bytes:
    """Of (id, type, value as bytes), each with its id written in full."""
    return b"".join(bytes([kind]) + number(id) + value for id, kind, value in fields) + b"\0"


def listed(kind: int, *items: bytes) -> bytes:
    head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([15 << 4 | kind]) + varint(len(items))
    return head + b"".join(items)


def binary(data: bytes) -> bytes:
    return varint(len(data)) + data


def ints(kind: int, values: dict[int, int]) -> list[tuple[int, int, bytes]]:
    return [(id, kind, number(value)) for id, value in values.items()]


# ---- the footer ----

SCHEMA = [struct(*ints(I32, {5: 2})), struct(*ints(I32, {1: INT64})), struct(*ints(I32, {1: INT32, 3: 1}))]


def chunk(type: int, *more: tuple[int, int, bytes], begin: int = 4, stored: int = 70, most: bytes = b"") -> bytes:
    """A column chunk of nine values, whose statistics say two nulls and seven different ones."""
    statistics = struct(*ints(I64, {3: 2, 4: 7}), (5, BINARY, binary(most)), (7, YES, b""))
    fields = [*ints(I32, {1: type, 4: 6}), *ints(I64, {5: 9, 6: 80, 7: stored, 9: begin}), (12, STRUCT, statistics)]
    return struct((3, STRUCT, struct(*fields, (3, LIST, listed(BINARY, binary(b"path"))))), *more)


def group(*chunks: bytes, rows: int = 9) -> bytes:
    return struct((1, LIST, listed(STRUCT, *chunks)), *ints(I64, {2: 1000, 3: rows}), (4, LIST, listed(STRUCT)))


def footer(*groups: bytes, schema: list[bytes] = SCHEMA) -> bytes:
    return struct(*ints(I32, {1: 2}), (2, LIST, listed(STRUCT, *schema)), (4, LIST, listed(STRUCT, *groups)))


def test_chunks_are_read_with_their_places_nulls_and_largest_values() -> None:
    both = group(chunk(INT64, most=(77).to_bytes(8, "little")), chunk(INT32, begin=74, most=(5).to_bytes(4, "little")))
    unknown = group(chunk(INT64, most=b"\xff" * 8), chunk(INT32, most=b"123"))
    assert parquet_footer(footer(both, unknown)) == [
        (9, [(4, 70, 9, 2, 77), (74, 70, 9, 2, 5)]),
        (9, [(4, 70, 9, 2, None), (4, 70, 9, 2, None)]),  # negative; and of another length than a number has
    ]


def test_group_in_the_schema_is_no_column() -> None:
    """A column of lists: its element has a type only at the leaf. One with children has none, whatever it says."""
    schema = [*SCHEMA, struct(*ints(I32, {1: INT64, 5: 1}))]
    assert len(parquet_footer(footer(group(chunk(INT64), chunk(INT32)), schema=schema))) == 1


WHOLE = group(chunk(INT64), chunk(INT32))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (footer(group(chunk(INT64))), "row group 0 has 1 columns, expected 2"),
        (
            footer(WHOLE, group(chunk(INT64), chunk(INT64))),
            "row group 1 has another type in its column 1 than the schema",
        ),
        (footer(group(chunk(INT64, begin=-1), chunk(INT32))), "a column of 70 bytes at byte -1"),
        (footer(group(chunk(INT64, stored=-5), chunk(INT32))), "a column of -5 bytes at byte 4"),
        (footer(group(struct((9, BINARY, binary(b"key"))))), "a column that is encrypted, expected one that is not"),
        (footer(group(struct((2, I64, number(4))))), "a column without metadata"),
        (struct((2, LIST, listed(I32, number(1)))), "a list of what are no structs"),
        (struct((4, LIST, listed(STRUCT, struct((1, LIST, listed(I32, number(1))))))), "columns that are no structs"),
        (footer(WHOLE)[:-1], "ends too early"),
        (struct((1, I32, b"\xff" * 10 + b"\1")), "a number without an end"),
        (struct((1, BINARY, varint(1000))), "ends too early"),
        (struct((9, MAP, b"")), "a field of a type that none has"),
        (struct((9, 14, b"")), "a field of a type that none has"),
        (struct((9, LIST, b"\x1c" * 20)), "structs within structs"),
        (b"\x19" + b"\x19" * 20, "structs within structs"),
        (b"\x9c" + b"\x1c" * 20, "structs within structs"),
    ],
)
def test_footer_that_cannot_be_is_refused(bad: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^its footer: {message}"):
        parquet_footer(bad)


def test_fields_that_nobody_asks_for_are_passed_over_whatever_they_are() -> None:
    strange = [
        (20, YES, b""), (21, NO, b""), (22, I8, b"\7"), (23, I16, number(-9)), (24, REAL, bytes(8)),
        (25, BINARY, binary(b"x")),
        (26, LIST, listed(YES, b"\1", b"\2")), (27, SET, listed(NO, b"\1")), (28, LIST, listed(I64, *[number(5)] * 20)),
        (29, STRUCT, struct((1, STRUCT, struct((2, I8, b"\7"))))),
    ]  # fmt: skip
    assert parquet_footer(struct(*strange)) == []


# ---- page headers ----


def header(kind: int | None, page: int = 50, stored: int = 0, *more: tuple[int, int, bytes]) -> bytes:
    return struct(*(ints(I32, {1: kind}) if kind is not None else []), *ints(I32, {2: page, 3: stored}), *more)


def values(count: int, encoding: int = 0, *, v2: bool = False) -> bytes:
    return struct(*ints(I32, {1: count, 2: 1, 4: encoding} if v2 else {1: count, 2: encoding, 3: 3}))


def pages_of(
    path: Path, data: bytes, *, chunk_bytes: int | None = None
) -> tuple[int, list[tuple[int, int, int, bool]]]:
    path.write_bytes(b"PAR1" + data)
    file = os.open(path, os.O_RDONLY)
    try:
        return parquet_pages(file, [(4, len(data) if chunk_bytes is None else chunk_bytes)])
    finally:
        os.close(file)


def test_pages_sizes_values_and_encodings_are_summed_up(tmp_path: Path) -> None:
    """An index page has no values. 7 is DELTA_BYTE_ARRAY."""
    words = header(DICTIONARY, 300, 10, (7, STRUCT, values(5)))
    plain = header(DATA, 20, 30, (5, STRUCT, values(6)))
    index = header(INDEX, 40, 3, (6, STRUCT, struct()), (8, I32, number(1)))
    delta = header(DATA_V2, 99, 0, (8, STRUCT, values(7, 7, v2=True)))
    data = words + bytes(10) + plain + bytes(30) + index + bytes(3)
    assert pages_of(tmp_path / "a", data) == (zlib.crc32(words + plain + index), [(300, 40, 6, False)])
    assert pages_of(tmp_path / "b", data + delta)[1] == [(300, 99, 13, True)]


def test_header_longer_than_one_read_is_read_whole(tmp_path: Path) -> None:
    long = header(DATA, 20, 0, (9, BINARY, binary(bytes(50_000))), (5, STRUCT, values(6)))
    assert pages_of(tmp_path / "a", long)[1] == [(0, 20, 6, False)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (header(None), "of kind -1"),
        (header(4), "of kind 4"),
        (header(DATA, -1), "a page of 0 bytes where 0 are left"),
        (header(DATA, 5, -2), "a page of -2 bytes where 0 are left"),
        (header(DATA, 5, 9) + b"12345678", "a page of 9 bytes where 8 are left"),
        (header(DATA, 5, 0, (5, STRUCT, values(-1))), "a page of 0 bytes where 0 are left"),
        (header(DATA)[:-1], "longer than its column's pages, or than 65,536 bytes"),
        (
            header(DATA, 5, 0, (9, BINARY, binary(bytes(70_000)))),
            "longer than its column's pages, or than 65,536 bytes",
        ),
        (header(DATA, 5, 0, (9, MAP, b"")), "a field of a type that none has"),
    ],
)
def test_page_header_that_cannot_be_is_refused(tmp_path: Path, bad: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^a page's header: {message}"):
        pages_of(tmp_path / "a", bad)


def test_file_that_ends_before_its_pages_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="longer than its column's pages"):
        pages_of(tmp_path / "a", header(DATA, 5, 0), chunk_bytes=1000)


def test_file_that_cannot_be_read_is_an_error_of_the_system(tmp_path: Path) -> None:
    file = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            parquet_pages(file, [(0, 10)])
    finally:
        os.close(file)
