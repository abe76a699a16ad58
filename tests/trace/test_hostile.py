"""Files made to harm: memory, terminals, other people's files. And each bit of a trace in some checksum."""

import os
import re
import resource
import subprocess
import sys
import zlib
from pathlib import Path

import byhand
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from byhand import invalidate, load, store
from ftrace_text import Imported
from ftrace_text import text as ftrace

from zreplay import open_trace
from zreplay.errors import TraceError, UsageError, visible
from zreplay.replay.config import Config
from zreplay.replay.run import run
from zreplay.trace.context import Context
from zreplay.trace.convert import convert
from zreplay.trace.files import TraceMetadata, TraceWriter
from zreplay.trace.merge import MergedText
from zreplay.trace.schema import SCHEMA
from zreplay.trace.source import Source

PAIRS = {"zreplay.format_version": "1.0", "zreplay.page_size": "4096"}
EVENTS = [store(1, 100), store(2, 200), load(1), invalidate(2)]


def table(rows: int, **columns: pa.Array) -> pa.Table:
    """Stores one behind the other, with other columns instead."""
    usual = {
        "ts_ns": pa.array(range(rows), pa.int64()),
        "op": pa.array(["store"] * rows, pa.string()),
        "type": pa.array([0] * rows, pa.uint8()),
        "offset": pa.array(range(rows), pa.uint64()),
        "size": pa.array([100] * rows, pa.uint32()),
    }
    return pa.table(usual | columns).replace_schema_metadata(PAIRS)


def refusal(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        list(open_trace(path).batches())
    return str(caught.value).removeprefix(f"{path}: damaged: ")


def written(path: Path) -> Path:
    batch = byhand.table(EVENTS).replace_schema_metadata(None).to_batches()[0]
    with TraceWriter(path, TraceMetadata(model="zswap")) as writer:
        writer.write(batch)
    return path


# ---- memory ----


def test_pages_that_would_fill_memory_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    """300 MB of zeros are 30 KB of zstd: what is declared is summed up from the headers."""
    path, rows = tmp_path / "bomb.parquet", 300 * 2**20 // 8
    zeros = pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(bytes(8 * rows))])
    bomb = pa.table({"ts_ns": zeros}).replace_schema_metadata(PAIRS)
    pq.write_table(
        bomb, path, compression="zstd", use_dictionary=False, data_page_size=2**31 - 1, write_batch_size=rows,
        row_group_size=rows, max_rows_per_page=rows,
    )  # fmt: skip
    del bomb, zeros
    assert path.stat().st_size < 100_000
    from zreplay.trace.parquet_safety import Unsafe, check_pages, read_footer

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unsafe, match=r"row group 0 has pages of 314,572,8\d\d bytes to be decoded"):
        check_pages(path, pq.read_metadata(path).schema, read_footer(path), ())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # KB


def test_dictionary_of_a_giant_word_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    words = pa.array(["store"] * 99 + ["x" * 2_000_000], pa.string())
    pq.write_table(table(100, op=words), path, compression="zstd")
    assert path.stat().st_size < 10_000
    assert refusal(path) == "column op has a dictionary of 2,000,013 bytes, expected at most 1,048,576"


def test_words_that_share_their_begins_are_refused(tmp_path: Path) -> None:
    """A page of a megabyte becomes 65,536 words of a megabyte each."""
    path = tmp_path / "bomb.parquet"
    words = table(100, op=pa.array(["x" * 100_000] * 100, pa.string()))
    pq.write_table(words, path, use_dictionary=False, column_encoding={"op": "DELTA_BYTE_ARRAY"}, compression="zstd")
    assert refusal(path) == "column op is encoded as DELTA_BYTE_ARRAY, expected a dictionary or PLAIN"


def test_line_without_an_end_is_kept_no_longer_than_a_line_may_be(tmp_path: Path) -> None:
    """Two logs are merged line by line: 40 MB without a newline, of a gzip of 40 KB, are no line of 40 MB."""
    import gzip

    for name in ("a", "b"):
        (tmp_path / name).write_bytes(gzip.compress(b"x" * 40_000_000))
    merged = MergedText([Source(str(tmp_path / name)) for name in ("a", "b")])
    kept = b"".join(iter(merged.text, b""))
    assert len(kept) <= 2 * (8192 + 1)


# ---- each bit ----


@pytest.mark.parametrize("where", ["header", "page", "footer"])
def test_flipped_bit_of_a_trace_is_found(tmp_path: Path, where: str) -> None:
    path = written(tmp_path / "t.parquet")
    chunk = pq.read_metadata(path).row_group(0).column(SCHEMA.names.index("offset"))
    data = bytearray(path.read_bytes())
    footer = data.index(b"zreplay.model")
    begin = chunk.data_page_offset
    data[{"header": begin + 1, "page": begin + chunk.total_compressed_size - 1, "footer": footer}[where]] ^= 4
    path.write_bytes(data)
    found = {"header": "header", "page": "CRC|checksum", "footer": "its footer has the checksum"}[where]
    with pytest.raises(TraceError, match=found):
        list(open_trace(path).batches())


def test_header_of_a_page_that_says_something_else_is_found(tmp_path: Path) -> None:
    """The encoding of a page stands in its header, which no checksum of Parquet covers: another one, other numbers."""
    path = written(tmp_path / "t.parquet")
    chunk = pq.read_metadata(path).row_group(0).column(SCHEMA.names.index("offset"))
    data = bytearray(path.read_bytes())
    header = data[chunk.data_page_offset : chunk.data_page_offset + chunk.total_compressed_size]
    fields = header.index(b"\x15\x08\x15\x00\x15\x08\x15\x0a")  # 4 values, 0 nulls, 4 rows, DELTA_BINARY_PACKED
    data[chunk.data_page_offset + fields + 7] = 0  # PLAIN
    path.write_bytes(data)
    assert refusal(path).startswith("its pages' headers have the checksum ")


def test_checksum_is_the_usual_crc32_of_what_the_format_says(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet")
    data = path.read_bytes()
    chunk_bytes, _, behind = pq.read_metadata(path).metadata[b"zreplay.crc32"].decode().split()
    footer_bytes = int.from_bytes(data[-8:-4], "little")
    assert int(chunk_bytes) == len(data) - 8 - footer_bytes
    zeroed = data[int(chunk_bytes) :].replace(behind.encode(), b"00000000")
    assert zlib.crc32(zeroed) == int(behind, 16)


def test_footer_that_contradicts_itself_is_an_error_and_no_end_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(2), path)
    data = path.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for at in range(begin, len(data) - 8, 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 2]) + data[at + 1 :])
        try:
            trace = open_trace(path)
            trace.most_call_rows()
            list(trace.batches(use_threads=False))
        except TraceError as error:
            assert str(error).isprintable(), at


def test_chunk_of_another_type_than_its_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(2), path)
    # In parquet.thrift's order: type INT64, two encodings, the path. Arrow ends the process where this is BOOLEAN.
    meta = re.compile(rb"\x15\x04(?=\x19.{1,5}\x18\x05ts_ns)", re.S)
    assert len(meta.findall(path.read_bytes())) == 1
    path.write_bytes(meta.sub(b"\x15\x00", path.read_bytes()))
    assert refusal(path) == "its footer: row group 0 has another type in its column 0 than the schema"


def test_word_that_is_no_utf8_is_named_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(2, op=pa.array(["store", "stXre"])), path, use_dictionary=False, compression="none")
    path.write_bytes(path.read_bytes().replace(b"stXre", b"st\xf2re"))
    assert "row 1: column op: found 'st\ufffdre', expected one of store, " in refusal(path)


def test_trace_without_checksums_is_read_as_before(tmp_path: Path) -> None:
    pq.write_table(table(5), tmp_path / "old.parquet")
    assert sum(batch.num_rows for batch in open_trace(tmp_path / "old.parquet").batches()) == 5


def test_trace_of_no_rows_is_read(tmp_path: Path) -> None:
    """Its groups have dictionaries and no data pages, whose place is then said to be 0."""
    with TraceWriter(tmp_path / "t.parquet", TraceMetadata()):
        pass
    assert list(open_trace(tmp_path / "t.parquet").batches()) == []


def test_table_that_carries_the_pair_of_another_file_is_read(tmp_path: Path) -> None:
    """Another tool copies the metadata of a trace that it has filtered."""
    path = written(tmp_path / "t.parquet")
    pairs = {key: value for key, value in pq.read_metadata(path).metadata.items() if key.startswith(b"zreplay.")}
    pq.write_table(pq.read_table(path).slice(1).replace_schema_metadata(pairs), tmp_path / "part.parquet")
    assert sum(batch.num_rows for batch in open_trace(tmp_path / "part.parquet").batches()) == len(EVENTS) - 1


# ---- numbers at the edge ----


@pytest.mark.parametrize("index", ["rbtree", "radix-tag", "radix-lowbit", "xarray", "swap-table"])
def test_offsets_up_to_2_58_and_a_type_for_each_row(tmp_path: Path, index: str) -> None:
    """The last slot there can be, slots far apart, and another swap area at each row. (Ten million rows of it take as
    long as ten million of any other, docs/testing.md.)"""
    rows = 6_400
    last = 2**58 - 1
    slots = [last - number * 2**40 for number in range(rows // 2)]
    edges = table(
        rows,
        op=pa.array(["store"] * (rows // 2) + ["load"] * (rows // 2), pa.string()),
        type=pa.array([number % 32 for number in range(rows // 2)] * 2, pa.uint8()),
        offset=pa.array(slots * 2, pa.uint64()),
    )
    pq.write_table(edges, tmp_path / "t.parquet")
    found = run(Config(trace=tmp_path / "t.parquet", out=tmp_path / "run", index=index, pool="zbud", model="zswap"))
    assert found.summary()["loads_hit"] == rows // 2


def test_offset_2_58_is_refused(tmp_path: Path) -> None:
    pq.write_table(table(1, offset=pa.array([2**58], pa.uint64())), tmp_path / "t.parquet")
    with pytest.raises(TraceError, match="column offset: found 288230376151711744"):
        list(open_trace(tmp_path / "t.parquet").batches())


# ---- terminals ----


def test_names_with_newlines_and_escapes_are_shown_as_they_are() -> None:
    assert visible("näme_1.txt") == "näme_1.txt"
    assert visible("a\nb\x1b[31m\u202e") == "a\\nb\\x1b[31m\\u202e"
    assert str(UsageError("a\nb: no such file")) == "a\\nb: no such file"
    assert str(UsageError("these:", "  one", "  t\two")) == "these:\n  one\n  t\\two"


def test_error_about_a_name_is_one_line_of_the_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zreplay", "info", str(tmp_path / "a\n\x1b[2Jb")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"zreplay: {tmp_path}/a\\n\\x1b[2Jb: no such file\n"


def test_metadata_that_would_steer_a_terminal_are_refused(tmp_path: Path) -> None:
    pairs = PAIRS | {"zreplay.compressor": "lzo\x1b[31m\nstores 0"}
    pq.write_table(table(1).replace_schema_metadata(pairs), tmp_path / "t.parquet")
    with pytest.raises(TraceError, match=r"found 'lzo.x1b.31m.nstores 0', expected text without control characters"):
        open_trace(tmp_path / "t.parquet")


def test_metadata_with_html_are_text_in_a_report(tmp_path: Path) -> None:
    pairs = PAIRS | {"zreplay.source_kernel": "6.1<script>alert(1)</script>", "zreplay.model": "zswap"}
    path = tmp_path / "<img src=x onerror=alert(1)>.parquet"
    pq.write_table(table(50).replace_schema_metadata(pairs), path)
    run(Config(trace=path, out=tmp_path / "run", index="rbtree", pool="zbud"))
    command = [sys.executable, "-m", "zreplay", "report", "run", "-o", "page.html"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


# ---- outputs that are links ----


def test_output_that_is_a_link_is_replaced_and_what_it_names_is_not(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    link = tmp_path / "t.parquet"
    link.symlink_to("victim")
    with pytest.raises(UsageError, match="already exists; --force replaces it"):
        TraceWriter(link, TraceMetadata())
    batch = byhand.table(EVENTS).replace_schema_metadata(None).to_batches()[0]
    with TraceWriter(link, TraceMetadata(), force=True) as writer:
        writer.write(batch)
    assert not link.is_symlink()
    assert (tmp_path / "victim").read_text() == "precious"


def test_output_that_is_a_link_to_nothing_exists(tmp_path: Path) -> None:
    link = tmp_path / "t.parquet"
    link.symlink_to("nowhere")
    with pytest.raises(UsageError, match="already exists; --force replaces it"):
        TraceWriter(link, TraceMetadata())


def test_file_put_where_a_trace_is_written_is_not_written_through(tmp_path: Path) -> None:
    """The name of the file beside the output can be guessed by who may write there too."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / f".t.parquet.{os.getpid()}.tmp").symlink_to("victim")
    written(tmp_path / "t.parquet")
    assert (tmp_path / "victim").read_text() == "precious"


# ---- found by fuzzing ----


def test_size_of_an_allocation_whose_answer_cannot_be_read_is_no_size() -> None:
    """Found by tests/fuzz: whether it was refused is not known, and 20,000 bytes stood in a row that every reader
    refuses."""
    log = ftrace(
        ("store", {"type": 0, "offset": 1}),
        ("alloc", {"size": 20_000}),
        ("alloc_ret", {"unknown": 1}),
        ("store_ret", {"ret": -12}),
    )
    found = Imported(log)
    assert found.columns("op", "size", "result") == [("store", None, -12)]


def test_no_errno_ends_a_writeback_from_zram() -> None:
    """Found by tests/fuzz: the rows of a shrink whose end is another probe's took whatever that one answered."""
    log = ftrace(("shrink", {}), ("zwriteback_ret", {"ret": -4096}))
    assert Imported(log).messages == ["line 2: expected ret= a length or an errno, -4095 to -1, found -4096"]


def test_text_that_no_event_is_in_is_not_kept_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the text is has to be known before its first line is read; a gigabyte of other things does not tell."""
    from zreplay.trace.formats import ftrace as reader

    monkeypatch.setattr(reader, "MOST_UNTOLD_BYTES", 1000)
    (tmp_path / "log").write_bytes(b"hello\n" * 1000)
    with pytest.raises(TraceError, match="no event of zswap or zram in its first 1,000 bytes of text"):
        convert(str(tmp_path / "log"), tmp_path / "t.parquet", Context())
