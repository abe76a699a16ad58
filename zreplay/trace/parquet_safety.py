"""What holds a Parquet file of ours together, and what one may ask of a reader's memory.

Parquet has a checksum for each page, and none for what says where pages are, how long, and what they mean. A trace has
two more, in the pair `zreplay.crc32` of its metadata: of all headers of pages, and of all that stands behind the last
page. So each bit of the file is in one of the three.

    column chunks                           | footer                                               | length | PAR1
    header | page (checksum in the header)… | … zreplay.crc32 = "SIZE_OF_CHUNKS HEADERS BEHIND" …  |
    └─ HEADERS                              └─ BEHIND, with its own eight digits as zeros

Any file can declare pages of gigabytes in a few bytes: what there is to decode is summed up before anything is decoded.
"""

import os
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import _zreplay

if TYPE_CHECKING:
    import pyarrow.parquet as pq

KEY = "zreplay.crc32"
#: The most bytes of pages that one pass over a file may hold decoded at a time: a dictionary and a page of each column.
MOST_DECODED_BYTES = 1 << 28
#: The most bytes of a dictionary of words: there are a dozen of them.
MOST_WORDS_BYTES = 1 << 20
_NO_DIGITS = "0" * 8
# A key, the header and the length of its value (Thrift's), and the value.
_PAIR = re.compile(re.escape(KEY.encode()) + rb"(?s:..)(\d+) ([0-9a-f]{8}) ([0-9a-f]{8})")
_LENGTH_BYTES = 8  # the footer's length and PAR1
_MAGIC = b"PAR1"


class Unsafe(Exception):
    """What is wrong with a file, without its name."""


def seal(path: Path, chunk_bytes: int) -> None:
    """Fill in the checksum of what stands behind the pages of a file just written with a placeholder."""
    with path.open("r+b") as file:
        file.seek(chunk_bytes)
        behind = file.read()
        found = _PAIR.search(behind)
        assert found is not None
        file.seek(chunk_bytes + found.start(3))
        file.write(b"%08x" % zlib.crc32(behind))


class Chunk(NamedTuple):
    """A column of a row group, as the footer has it."""

    begin: int
    bytes: int
    values: int  #: null or not
    nulls: int | None
    most: int | None  #: the largest value, if it is not below 0; None where no statistic says it


class Group(NamedTuple):
    """A row group, as the footer has it."""

    rows: int
    chunks: list[Chunk]


@dataclass(frozen=True)
class Footer:
    """What stands behind a file's pages; `headers_crc`: the checksum that their headers must have, None of a file that
    has none."""

    groups: tuple[Group, ...] = ()
    headers_crc: int | None = None


def read_footer(path: Path) -> Footer:
    """Check and read what stands behind the pages; of what is no Parquet nothing, as its reader will say.

    Raises:
        Unsafe: the checksum is another one, or column chunks that Arrow would end the process for.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < _LENGTH_BYTES:
            return Footer()
        file.seek(size - _LENGTH_BYTES)
        length, magic = int.from_bytes(file.read(4), "little"), file.read(4)
        begin = size - _LENGTH_BYTES - length
        if begin < 0 or magic != _MAGIC:
            return Footer()
        file.seek(begin)
        behind = file.read()
    headers_crc = _checked(behind, begin)
    try:
        groups = _zreplay.parquet_footer(behind[:length])
    except ValueError as error:
        raise Unsafe(str(error)) from error
    return Footer(tuple(Group(rows, [Chunk(*chunk) for chunk in chunks]) for rows, chunks in groups), headers_crc)


def _checked(behind: bytes, begin: int) -> int | None:
    found = _PAIR.search(behind)
    # A table read from a trace and written by another tool has the pair too, of a file that it is not.
    if found is None or int(found[1]) != begin:
        return None
    zeroed = behind[: found.start(3)] + _NO_DIGITS.encode() + behind[found.end(3) :]
    if zlib.crc32(zeroed) != int(found[3], 16):
        raise Unsafe(f"its footer has the checksum {zlib.crc32(zeroed):08x}, expected {found[3].decode()}")
    return int(found[2], 16)


def pair_of(path: Path, chunk_bytes: int) -> str:
    """The pair's value for a file whose pages are written, before what stands behind them is known."""
    with path.open("rb", buffering=0) as file:
        headers, _ = _zreplay.parquet_pages(file.fileno(), [(len(_MAGIC), chunk_bytes - len(_MAGIC))])
    return f"{chunk_bytes} {headers:08x} {_NO_DIGITS}"


def check_pages(path: Path, schema: "pq.ParquetSchema", footer: Footer, bounded: Collection[str]) -> None:
    """Look at every page's header before a page is decoded; columns `bounded` are words, none longer than its page.

    Raises:
        Unsafe: headers that cannot be, or that are not those of the file that was written; pages that need more than
            `MOST_DECODED_BYTES` of memory.
        OSError: the file cannot be read.
    """
    columns = [schema.column(number) for number in range(len(schema))]
    # Of another's column of lists (None) there are not as many values as rows.
    names = [None if column.max_repetition_level else column.path for column in columns]
    if any(len(group.chunks) != len(names) for group in footer.groups):
        raise Unsafe(f"its row groups have other columns than the schema's {len(names):,}")
    file = os.open(path, os.O_RDONLY)
    try:
        chunks = [(chunk.begin, chunk.bytes) for group in footer.groups for chunk in group.chunks]
        crc, pages = _zreplay.parquet_pages(file, chunks)
    except ValueError as error:
        raise Unsafe(str(error)) from error
    finally:
        os.close(file)
    if footer.headers_crc is not None and crc != footer.headers_crc:
        raise Unsafe(f"its pages' headers have the checksum {crc:08x}, expected {footer.headers_crc:08x}")
    for number, group in enumerate(footer.groups):
        in_group = pages[number * len(names) : (number + 1) * len(names)]
        _check_group(number, group.rows, names, in_group, bounded)


def _check_group(
    group: int,
    rows: int,
    names: Sequence[str | None],
    pages: Sequence[tuple[int, int, int, bool]],
    bounded: Collection[str],
) -> None:
    needed = sum(dictionary + page for dictionary, page, _, _ in pages)
    if needed > MOST_DECODED_BYTES:
        raise Unsafe(
            f"row group {group:,} has pages of {needed:,} bytes to be decoded at a time, expected at most "
            f"{MOST_DECODED_BYTES:,}; a writer with smaller pages (data_page_size) makes it readable"
        )
    for name, (dictionary, _, values, shares_prefixes) in zip(names, pages, strict=True):
        if name in bounded and dictionary > MOST_WORDS_BYTES:
            raise Unsafe(
                f"column {name} has a dictionary of {dictionary:,} bytes, expected at most {MOST_WORDS_BYTES:,}"
            )
        if values != rows and name is not None:
            raise Unsafe(f"row group {group:,} has {rows:,} rows, and {values:,} values of {name}")
        if shares_prefixes and name in bounded:
            raise Unsafe(f"column {name} is encoded as DELTA_BYTE_ARRAY, expected a dictionary or PLAIN")
