"""Version 1.2 of the format: what it adds, which version a file says, and that older files stay readable."""

from pathlib import Path
from typing import Any

import byhand
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from byhand import event, invalidate, load, store

from zreplay import open_trace
from zreplay.errors import TraceError
from zreplay.trace.files import Trace, TraceMetadata, TraceWriter
from zreplay.trace.schema import ASKERS, FORMAT_MAJOR, FORMAT_MINOR, MINOR_OF, OPS, SCHEMA

#: The eleven columns of 1.0.
OLD = [name for name in SCHEMA.names if name not in MINOR_OF]
TRACES = Path(__file__).parents[2] / "traces"


def all_rows(trace: Trace) -> list[dict[str, Any]]:
    return [row for batch in trace.batches() for row in batch.to_pylist()]


def written(path: Path, events: list[dict[str, Any]], columns: list[str]) -> Trace:
    schema = pa.schema([SCHEMA.field(name) for name in SCHEMA.names if name in columns])
    with TraceWriter(path, TraceMetadata(), schema=schema) as writer:
        writer.write(byhand.table(events).select(schema.names).replace_schema_metadata(None).to_batches()[0])
    return open_trace(path)


def error_of(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        all_rows(open_trace(path))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


# ---- what there is ----


def test_words_are_added_at_the_end_so_that_the_numbers_of_the_older_ones_stay() -> None:
    assert (FORMAT_MAJOR, FORMAT_MINOR) == (1, 2)
    assert OPS[:8] == ("store", "load", "invalidate", "invalidate_area", "writeback", "shrink", "compact", "migrate")
    assert OPS[8:] == ("cma", "visit")
    assert ASKERS == ("limit", "pressure", "cgroup", "user")


def test_every_column_of_1_2_comes_back_as_it_was_written(tmp_path: Path) -> None:
    rows = [
        store(7, 1000, result=0)
        | {
            "call_ts_ns": 3,
            "call_rows": 0,
            "alloc_rows": 0,
            "made_pages": 1,
            "return_ts_ns": 5,
            "cgroup": 34,
            "node": 1,
        },
        store(8, None, result=-12) | {"call_ts_ns": 900, "call_rows": 1},
        event("visit", type=0, offset=7, result=2, referenced=1, asked_by="limit", seen_page=0xFFFF_EA00_0004_0000),
        event("shrink", asked_by="pressure", nr_to_scan=2**64 - 1, cgroup=2**32, node=65535, result=-1),
        event("visit", type=31, offset=2**58 - 1, referenced=0, asked_by="cgroup"),
    ]
    table = byhand.table(rows)
    trace = written(tmp_path / "t.parquet", rows, SCHEMA.names)
    assert all_rows(trace) == table.to_pylist()
    assert trace.metadata.format_version == "1.2"
    assert trace.columns == tuple(SCHEMA.names)


def test_visit_needs_a_slot(tmp_path: Path) -> None:
    byhand.trace(tmp_path / "t.parquet", [store(7, 100), event("visit", type=0)])
    assert error_of(tmp_path / "t.parquet") == "row 1: column offset: found null, expected a value, as op is visit"


def test_a_word_that_nobody_knows_is_named_with_its_row(tmp_path: Path) -> None:
    table = byhand.table([store(7, 100), event("shrink", asked_by="limit"), event("shrink", asked_by="limit")])
    words = pa.array([None, "limit", "hunger"], pa.string())
    place = table.schema.get_field_index("asked_by")
    pq.write_table(table.set_column(place, "asked_by", words), tmp_path / "t.parquet")
    assert error_of(tmp_path / "t.parquet") == (
        "row 2: column asked_by: found 'hunger', expected one of limit, pressure, cgroup, user"
    )


def test_who_asked_may_be_plain_words_or_a_dictionary_in_any_order(tmp_path: Path) -> None:
    askers = ["cgroup", "limit", None, "pressure"]
    table = byhand.table([event("shrink")] * 4)
    place = table.schema.get_field_index("asked_by")
    for words in (pa.array(askers, pa.string()), pa.array(askers, pa.string()).dictionary_encode()):
        pq.write_table(table.set_column(place, "asked_by", words), tmp_path / "t.parquet")
        trace = open_trace(tmp_path / "t.parquet")
        assert [row["asked_by"] for row in all_rows(trace)] == askers
        # The engine goes by the numbers.
        (batch,) = trace.batches(["asked_by"])
        assert batch["asked_by"].indices.to_pylist() == [2, 0, None, 1]


@pytest.mark.parametrize("name", ["call_rows", "node", "referenced", "asked_by"])
def test_column_of_another_kind_is_refused_by_name(tmp_path: Path, name: str) -> None:
    table = byhand.table([store(7, 100)])
    wrong = pa.array([1.5]) if name != "asked_by" else pa.array([1])
    place = table.schema.get_field_index(name)
    pq.write_table(table.set_column(place, name, wrong), tmp_path / "t.parquet")
    with pytest.raises(TraceError, match=f"column {name} has type"):
        open_trace(tmp_path / "t.parquet")


def test_number_that_does_not_fit_is_named(tmp_path: Path) -> None:
    table = byhand.table([store(7, 100), store(8, 100)])
    place = table.schema.get_field_index("call_rows")
    pq.write_table(table.set_column(place, "call_rows", pa.array([0, -1], pa.int64())), tmp_path / "t.parquet")
    assert error_of(tmp_path / "t.parquet") == "row 1: column call_rows: found -1, expected a number that fits uint32"


# ---- which version a file says ----


@pytest.mark.parametrize("column", sorted(MINOR_OF))
def test_a_file_with_a_column_of_1_2_says_1_2(tmp_path: Path, column: str) -> None:
    trace = written(tmp_path / "t.parquet", [store(7, 100)], [*OLD, column])
    assert trace.metadata.format_version == "1.2"


def test_a_file_with_the_columns_of_1_0_says_1_0(tmp_path: Path) -> None:
    trace = written(tmp_path / "t.parquet", [store(7, 100), load(7), invalidate(7)], OLD)
    assert trace.metadata.format_version == "1.0"


@pytest.mark.parametrize(("word", "version"), [("cma", "1.1"), ("visit", "1.2")])
def test_a_word_raises_the_version_as_a_column_does(tmp_path: Path, word: str, version: str) -> None:
    """A reader of 1.0 would refuse the row; the file's version is what tells it before."""
    trace = written(tmp_path / "t.parquet", [store(7, 100), event(word, type=0, offset=7)], OLD)
    assert trace.metadata.format_version == version


# ---- files of before ----


def test_file_of_1_0_reads_with_nulls_in_what_it_does_not_have(tmp_path: Path) -> None:
    table = byhand.table([store(7, 100), event("shrink"), load(7)], format_version="1.0").select(OLD)
    pq.write_table(table, tmp_path / "t.parquet")
    trace = open_trace(tmp_path / "t.parquet")
    assert (trace.metadata.format_version, trace.columns) == ("1.0", tuple(OLD))
    assert {row[name] for row in all_rows(trace) for name in MINOR_OF} == {None}
    assert trace.most_call_rows() == 0
    assert trace.events().collect()["asked_by"].null_count() == 3


def test_file_of_1_1_reads_with_its_word(tmp_path: Path) -> None:
    table = byhand.table([store(7, 100), event("cma", size=5000)], format_version="1.1").select(OLD)
    pq.write_table(table, tmp_path / "t.parquet")
    trace = open_trace(tmp_path / "t.parquet")
    assert [(row["op"], row["size"]) for row in all_rows(trace)] == [("store", 100), ("cma", 5000)]


def test_recordings_of_every_version_are_readable() -> None:
    traces = [open_trace(path) for path in sorted(TRACES.glob("*.parquet"))]
    assert traces
    for trace in traces:
        assert trace.metadata.format_version in ("1.0", "1.1", "1.2")
        first = next(trace.batches(batch_rows=64))
        assert first.schema.names == SCHEMA.names


# ---- how far a reader has to look ahead ----


def called(*rows: int | None) -> list[dict[str, Any]]:
    return [store(slot, 100) | {"call_rows": before} for slot, before in enumerate(rows)]


def test_farthest_call_is_known_without_reading_the_rows(tmp_path: Path) -> None:
    events = called(0, None, 2, 1)
    trace = written(tmp_path / "t.parquet", events, SCHEMA.names)
    assert trace.most_call_rows() == 2
    # … and where a writer left no statistics, by reading that column.
    pq.write_table(byhand.table(events), tmp_path / "bare.parquet", write_statistics=False, row_group_size=2)
    assert open_trace(tmp_path / "bare.parquet").most_call_rows() == 2


def test_farthest_call_is_looked_for_in_every_row_group(tmp_path: Path) -> None:
    pq.write_table(byhand.table(called(None, None, 3, 0, None, 0)), tmp_path / "t.parquet", row_group_size=2)
    assert open_trace(tmp_path / "t.parquet").most_call_rows() == 3


def test_trace_in_which_nothing_knows_its_call_needs_no_looking_ahead(tmp_path: Path) -> None:
    for statistics in (True, False):
        pq.write_table(byhand.table(called(None, None)), tmp_path / "t.parquet", write_statistics=statistics)
        assert open_trace(tmp_path / "t.parquet").most_call_rows() == 0


def test_farthest_call_is_found_beside_columns_of_others(tmp_path: Path) -> None:
    """A reader passes over them; one that holds others within is several to Parquet."""
    table = byhand.table(called(0, 1, 2))
    nested = pa.array([{"a": 7, "b": 8, "c": 9}] * 3)
    for place in (0, table.num_columns):
        pq.write_table(table.add_column(place, "theirs", nested), tmp_path / "t.parquet")
        trace = open_trace(tmp_path / "t.parquet")
        assert trace.most_call_rows() == 2
        assert len(all_rows(trace)) == 3
