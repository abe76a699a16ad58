"""Trace files: whole or absent when written; every rule of the format when read."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import byhand
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from _zreplay import find_bad_row
from byhand import invalidate, load, store
from hypothesis import given
from hypothesis import strategies as st

from zreplay import open_trace
from zreplay.errors import TraceError, UsageError
from zreplay.trace.files import ROW_GROUP_ROWS, Trace, TraceMetadata, TraceWriter
from zreplay.trace.schema import OPS, SCHEMA


def batch_of(*events: dict[str, Any]) -> pa.RecordBatch:
    return byhand.table(events).replace_schema_metadata(None).to_batches()[0]


def all_rows(trace: Trace) -> list[dict[str, Any]]:
    return [row for batch in trace.batches() for row in batch.to_pylist()]


def error_of(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        all_rows(open_trace(path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(f"{path}: ")


# ---- writing ----


def test_what_is_written_is_read_back_with_its_metadata(tmp_path: Path) -> None:
    batch = batch_of(store(7, 1000), load(7, result=0), byhand.event("compact", result=3), invalidate(7))
    metadata = TraceMetadata(pool="zbud", totalram_pages=52685, lost_events=0)
    with TraceWriter(tmp_path / "t.parquet", metadata) as writer:
        writer.write(batch)
        writer.write(batch.slice(3))
    trace = open_trace(tmp_path / "t.parquet")
    assert trace.metadata == metadata
    assert trace.rows == 5
    assert all_rows(trace) == batch.to_pylist() + batch.to_pylist()[3:]
    assert list(tmp_path.iterdir()) == [tmp_path / "t.parquet"]


def test_metadata_known_last_is_written_last(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "t.parquet", TraceMetadata()) as writer:
        writer.write(batch_of(store(7, 1000)))
        writer.metadata = TraceMetadata(lost_events=12)
    assert open_trace(tmp_path / "t.parquet").metadata.lost_events == 12


def test_file_has_explicit_encodings_checksums_and_row_groups_of_a_quarter_million(tmp_path: Path) -> None:
    rows = ROW_GROUP_ROWS + 5
    columns = {name: pa.nulls(rows, SCHEMA.field(name).type) for name in SCHEMA.names}
    columns["ts_ns"] = pa.array(range(rows), pa.int64())
    columns["op"] = pa.DictionaryArray.from_arrays(pa.array([5] * rows, pa.int8()), pa.array(OPS))
    with TraceWriter(tmp_path / "t.parquet", TraceMetadata()) as writer:
        writer.write(pa.RecordBatch.from_arrays(list(columns.values()), schema=SCHEMA))
    footer = pq.ParquetFile(tmp_path / "t.parquet").metadata
    assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == [ROW_GROUP_ROWS, 5]
    group = footer.row_group(0)
    encodings = {group.column(i).path_in_schema: group.column(i).encodings for i in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in encodings["ts_ns"]
    assert "RLE_DICTIONARY" in encodings["op"]
    assert {group.column(i).compression for i in range(group.num_columns)} == {"LZ4"}


def test_same_rows_give_the_same_bytes_however_they_are_batched(tmp_path: Path) -> None:
    batch = batch_of(*(store(i, 100 + i) for i in range(50)))
    for name, cuts in (("a", [0, 50]), ("b", [0, 7, 7, 30, 50])):
        with TraceWriter(tmp_path / name, TraceMetadata()) as writer:
            for begin, end in pairwise(cuts):
                writer.write(batch.slice(begin, end - begin))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert open_trace(tmp_path / "a").content_hash() == open_trace(tmp_path / "b").content_hash()


def test_interrupted_write_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "t.parquet"
    place.write_text("before")
    with pytest.raises(KeyboardInterrupt), TraceWriter(place, TraceMetadata(), force=True) as writer:
        writer.write(batch_of(store(7, 1000)))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
    assert place.read_text() == "before"


def test_existing_output_is_refused_without_force(tmp_path: Path) -> None:
    place = tmp_path / "t.parquet"
    place.write_text("before")
    with pytest.raises(UsageError, match=r"already exists; --force replaces it"):
        TraceWriter(place, TraceMetadata())


def test_output_that_cannot_be_created_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        TraceWriter(tmp_path / "nowhere" / "t.parquet", TraceMetadata())
    with pytest.raises(UsageError, match="is a directory"):
        TraceWriter(tmp_path, TraceMetadata())


@pytest.mark.skipif("COVERAGE_PROCESS_START" in os.environ, reason="its counts would be on the full disk, too")
def test_full_disk_is_a_usage_error_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the write fails in the same place."""
    script = """
import resource, signal, sys
import pyarrow as pa
from zreplay.errors import UsageError
from zreplay.trace.files import TraceMetadata, TraceWriter, open_trace
batches = list(open_trace(sys.argv[2]).batches())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    with TraceWriter(sys.argv[1], TraceMetadata()) as writer:
        for batch in batches:
            writer.write(batch)
except UsageError as error:
    print(error)
"""
    source = byhand.trace(tmp_path / "in.parquet", [store(i * 7919 % 65537, i % 4096) for i in range(20_000)])
    place = tmp_path / "out" / "t.parquet"
    place.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", script, place, source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{place}: cannot be written: File too large; -o names another place"
    assert done.stderr == ""
    assert list(place.parent.iterdir()) == []


# ---- reading other people's files ----


def rewritten(path: Path, events: list[dict[str, Any]], **columns: Any) -> Path:
    """A trace with some columns replaced (an Arrow array) or left out (None)."""
    table = byhand.table(events)
    for name, column in columns.items():
        at = table.schema.get_field_index(name)
        table = table.remove_column(at) if column is None else table.set_column(at, name, column)
    pq.write_table(table, path)
    return path


def test_missing_optional_columns_read_as_null(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "t", [store(7, 100)], cpu=None, pid=None, result=None, seen_handle=None)
    trace = open_trace(path)
    assert all_rows(trace)[0] | {"op": "store"} == {
        **dict.fromkeys(SCHEMA.names),
        "ts_ns": 0,
        "op": "store",
        "type": 0,
        "offset": 7,
        "size": 100,
    }
    assert next(iter(trace.batches())).schema.equals(SCHEMA)


def test_other_integer_widths_are_accepted_where_the_values_fit(tmp_path: Path) -> None:
    path = rewritten(
        tmp_path / "t",
        [store(7, 100), store(8, 100)],
        offset=pa.array([7, 8], pa.int32()),
        type=pa.array([0, 1], pa.int64()),
        size=pa.array([100, None], pa.int16()),
    )
    assert [(row["type"], row["offset"], row["size"]) for row in all_rows(open_trace(path))] == [
        (0, 7, 100),
        (1, 8, None),
    ]


def test_ops_may_be_plain_words_or_a_dictionary_in_any_order(tmp_path: Path) -> None:
    events = [store(7, 100), load(7), invalidate(7)]
    dictionary = pa.DictionaryArray.from_arrays(pa.array([2, 1, 0], pa.int32()), ["invalidate", "load", "store"])
    for name, column in (("words", pa.array(["store", "load", "invalidate"])), ("dictionary", dictionary)):
        batch = next(iter(open_trace(rewritten(tmp_path / name, events, op=column)).batches()))
        assert batch["op"].indices.to_pylist() == [0, 1, 2]
        assert batch["op"].dictionary.to_pylist() == list(OPS)


def test_row_groups_may_bring_dictionaries_of_their_own(tmp_path: Path) -> None:
    first = byhand.table([store(7, 100)] * 3)
    second = byhand.table([load(7, result=0), store(8, 10), invalidate(7)] * 2)
    second = second.set_column(0, "ts_ns", pa.array([5000] * 6, pa.int64()))
    plain = pa.schema([field.with_type(pa.string()) if field.name == "op" else field for field in first.schema])
    with pq.ParquetWriter(tmp_path / "t", plain.with_metadata(first.schema.metadata)) as writer:
        writer.write_table(first.cast(plain))
        writer.write_table(second.cast(plain))
    ops = [row["op"] for row in all_rows(open_trace(tmp_path / "t"))]
    assert ops == ["store"] * 3 + ["load", "store", "invalidate"] * 2


def test_newer_minor_version_is_read_and_newer_major_refused_by_name(tmp_path: Path) -> None:
    assert (
        open_trace(byhand.trace(tmp_path / "a", [store(7, 1)], format_version="1.7")).metadata.format_version == "1.7"
    )
    path = byhand.trace(tmp_path / "b", [store(7, 1)], format_version="2.0")
    assert error_of(path) == "format 2.0, this zreplay reads 1.x; a newer zreplay reads it"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format_version": "one"}, "format version 'one', expected two numbers like 1.0"),
        ({"page_size": "16384"}, "pages of 16384 bytes, this zreplay reads 4096"),
        ({"lost_events": "-3"}, "metadata lost_events: found '-3', expected a whole number"),
    ],
)
def test_metadata_that_cannot_be_is_refused(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    assert error_of(byhand.trace(tmp_path / "t", [store(7, 1)], **metadata)) == message


def test_missing_file_and_directory_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        open_trace(tmp_path / "nothing")
    with pytest.raises(UsageError, match="is a directory"):
        open_trace(tmp_path)


def test_what_is_not_a_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("store 7\n")
    assert error_of(tmp_path / "text") == "not a trace (expected Parquet; `zreplay convert` reads ftrace text)"
    (tmp_path / "empty").write_text("")
    assert error_of(tmp_path / "empty").startswith("not a trace")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "columns")
    assert error_of(tmp_path / "columns") == "not a trace: no column op"
    pq.write_table(pa.table({"op": ["store"]}), tmp_path / "other")
    assert error_of(tmp_path / "other") == "not a trace: no zreplay.format_version in the file's metadata"
    assert error_of(rewritten(tmp_path / "t", [store(7, 1)], offset=None)).startswith("not a trace: no column offset")
    offset = pa.array(["seven"])
    expected = "column offset has type string, expected uint64 or another integer"
    assert error_of(rewritten(tmp_path / "t", [store(7, 1)], offset=offset)) == expected


def test_truncated_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    data = byhand.trace(tmp_path / "whole", [store(i, 100) for i in range(100)]).read_bytes()
    cut = tmp_path / "cut"
    for length in range(8, len(data), len(data) // 40):
        cut.write_bytes(data[:length])
        assert error_of(cut).startswith(("truncated", "damaged", "not a trace"))


def test_flipped_bit_in_a_page_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with TraceWriter(path, TraceMetadata()) as writer:
        writer.write(batch_of(*(store(i * 7919 % 65537, i % 4096) for i in range(5000))))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(data)
    assert error_of(path).startswith("damaged at or after row 0: ")


GOOD = [store(i, 100) for i in range(3)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"ts_ns": 1}, "column ts_ns: found 1, expected at least 2000, the time of the row before"),
        ({"type": 32}, "column type: found 32, expected below 32"),
        ({"offset": 2**58}, "column offset: found 288230376151711744, expected below 2^58"),
        ({"size": 4097}, "column size: found 4097, expected at most 4096 bytes, the page size"),
        (
            {"size": 8193, "result": -28},
            "column size: found 8193, expected at most 8192 bytes, for a store that was refused",
        ),
        ({"size": 2**32 - 1}, "column size: found 4294967295, expected at most 4096 bytes, the page size"),
        ({"offset": None}, "column offset: found null, expected a value, as op is store"),
        ({"op": "load", "type": None}, "column type: found null, expected a value, as op is load"),
        ({"op": "invalidate", "offset": None}, "column offset: found null, expected a value, as op is invalidate"),
    ],
)
def test_row_that_cannot_be_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = byhand.trace(tmp_path / "t", [*GOOD, GOOD[0] | {"ts_ns": 3000} | row])
    assert error_of(path) == f"row 3: {message}"


def test_size_of_two_pages_is_legal_on_a_store_the_kernel_refused(tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "t", [store(1, 8192, result=-28), store(2, 4096), store(3, 4090, result=0)])
    assert [row["size"] for row in all_rows(open_trace(path))] == [8192, 4096, 4090]


def test_unknown_op_and_null_op_are_named(tmp_path: Path) -> None:
    words = rewritten(tmp_path / "words", GOOD, op=pa.array(["store", "load", "stoer"]))
    assert error_of(words) == "row 2: column op: found 'stoer', expected one of " + ", ".join(OPS)
    nothing = rewritten(tmp_path / "null", GOOD, op=pa.array(["store", "load", None]))
    assert error_of(nothing) == "row 2: column op: found null, expected one of the words of the format"


def test_null_time_is_named(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "t", GOOD, ts_ns=pa.array([0, None, 5], pa.int64()))
    assert error_of(path) == "row 1: column ts_ns: found null, expected a time in nanoseconds"


def test_number_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "t", GOOD, offset=pa.array([0, 1, -5], pa.int64()))
    assert error_of(path) == "row 2: column offset: found -5, expected a number that fits uint64"
    path = rewritten(tmp_path / "t", GOOD, type=pa.array([0, 300, 1], pa.int64()))
    assert error_of(path) == "row 1: column type: found 300, expected a number that fits uint8"


def test_rows_are_counted_across_batches_and_time_is_compared_across_them(tmp_path: Path) -> None:
    events = [store(i, 100) | {"ts_ns": 10} for i in range(1500)]
    events[1204] |= {"ts_ns": 9}
    trace = open_trace(byhand.trace(tmp_path / "t", events))
    for batch_rows in (1, 301, 602, 1204, 5000):
        with pytest.raises(TraceError, match=r"row 1,204: column ts_ns: found 9, expected at least 10"):
            list(trace.batches(batch_rows=batch_rows))


def test_columns_that_are_not_asked_for_are_not_read(tmp_path: Path) -> None:
    trace = open_trace(byhand.trace(tmp_path / "t", GOOD))
    assert [batch.schema.names for batch in trace.batches(columns=["size", "op"])] == [["op", "size"]]


def test_events_is_a_lazy_frame_with_every_column(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "t", [store(7, 100), load(7)], cpu=None)
    frame = open_trace(path).events().collect()
    assert frame.columns == SCHEMA.names
    assert frame["op"].dtype == pl.Enum(OPS)
    assert frame["op"].to_list() == ["store", "load"]
    assert frame["cpu"].to_list() == [None, None]


# ---- the check itself, against the rules said once more in Python ----

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "ts_ns": st.sampled_from([0, 1, 2, -(2**63), 2**63 - 1]) | st.integers(0, 5),
            "op": st.sampled_from(OPS),
            "type": st.none() | st.sampled_from([0, 31, 32, 255]) | st.just(0),
            "offset": st.none() | st.sampled_from([0, 2**58 - 1, 2**58, 2**64 - 1]) | st.just(0),
            "size": st.none() | st.sampled_from([0, 4096, 4097, 8192, 8193, 2**32 - 4096, 2**32 - 1]) | st.just(1),
            "result": st.none() | st.sampled_from([0, -28]),
        }
    ),
    max_size=20,
)


SLOT_OPS = ("store", "load", "invalidate", "visit")


def expected_fault(rows: list[dict[str, Any]]) -> tuple[int, str] | None:
    for number, row in enumerate(rows):
        if number and row["ts_ns"] < rows[number - 1]["ts_ns"]:
            return number, "ts_ns"
        for name, ops in (("type", (*SLOT_OPS, "invalidate_area")), ("offset", SLOT_OPS)):
            if row[name] is None and row["op"] in ops:
                return number, name
        for name, most in (("type", 31), ("offset", 2**58 - 1)):
            if row[name] is not None and row[name] > most:
                return number, name
        refused = row["op"] == "store" and (row["result"] or 0) < 0
        if row["size"] is not None and row["op"] != "cma" and row["size"] > (8192 if refused else 4096):
            return number, "size"
    return None


@given(ROWS, st.integers(0, 9))
def test_first_bad_row_is_found_at_any_alignment(rows: list[dict[str, Any]], skip: int) -> None:
    table = pa.Table.from_pylist(
        rows, schema=pa.schema([SCHEMA.field(name) for name in [*rows[0]]] if rows else SCHEMA)
    )
    codes = pa.array([OPS.index(row["op"]) for row in rows], pa.int8())
    batch = pa.RecordBatch.from_arrays(
        [
            pa.DictionaryArray.from_arrays(codes, pa.array(OPS)) if name == "op" else table[name].combine_chunks()
            for name in table.column_names
        ],
        schema=table.schema,
    ).slice(skip)
    found = find_bad_row(batch, -(2**63))
    assert (found and found[:2]) == expected_fault(rows[skip:])
