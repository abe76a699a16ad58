"""``zreplay check``: what is wrong and what is odd, each in a trace of a few rows."""

import json
from pathlib import Path
from typing import Any

import byhand
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from byhand import event, invalidate, load, store, writeback
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zreplay.errors import TraceError
from zreplay.trace.check import check
from zreplay.trace.files import open_trace
from zreplay.trace.recipes.pattern import PatternRecipe as Recipe
from zreplay.trace.synth import synth

TRACES = Path(__file__).parents[2] / "traces"
GOOD = [store(1, 100, result=0), load(1, result=0), invalidate(1)]


def found(path: Path, severity: str) -> dict[str, tuple[int | None, tuple[int, ...]]]:
    return {f.name: (f.count, f.first_rows) for f in check(path).findings if f.severity == severity}


def test_rows_that_cannot_be_are_errors_with_their_counts_and_rows(zreplay, tmp_path: Path) -> None:
    events = [
        store(1, 100, result=0),
        store(2, 4097, result=0),  # row 1
        load(1, result=1),  # row 2
        {**invalidate(1), "ts_ns": 500},  # row 3: the row before is at 2000
        {"op": "store", "type": 0, "size": 5},  # row 4: no offset
        store(2**58, 5, type=0),  # row 5
        store(3, 5, type=32),  # row 6
        load(1, result=-4096),  # row 7
        {**store(4, 5), "made_pages": 2, "seen_stored": -1},  # row 8
        {**store(5, 5), "call_rows": 1, "alloc_rows": 2, "call_ts_ns": 9001},  # row 9, at 9000
    ]
    path = byhand.trace(tmp_path / "t.parquet", events)
    assert found(path, "error") == {
        "size_over_page": (1, (1,)),
        "not_a_result": (2, (2, 7)),
        "time_back": (1, (3,)),
        "null_value": (1, (4,)),
        "slot_range": (2, (5, 6)),
        "not_a_flag": (1, (8,)),
        "negative_count": (1, (8,)),
        "call_after_row": (1, (9,)),
        "alloc_before_call": (1, (9,)),
    }
    code, out, err = zreplay("check", path)
    assert (code, err) == (4, f"zreplay: {path}: invalid: time_back and 8 more\n")
    assert "size_over_page: 1 × larger than a page: column size: found 4097, expected at most 4096 bytes" in out
    code, out, _ = zreplay("check", path, "--json")
    assert code == 4
    assert json.loads(out)["valid"] is False
    assert json.loads(out)["rows"] == 10


def test_what_recordings_also_have_is_remarked_on_and_valid(zreplay, tmp_path: Path) -> None:
    events = [
        load(7, result=0),  # row 0: stored before the recording
        load(8, result=-1),  # a miss is no finding
        invalidate(9),  # row 2
        store(1, 100, result=0),
        store(1, 200, result=0),  # row 4
        writeback(1),
        load(1, result=0),  # row 6: written back before
        {**store(2, None, result=0), "call_rows": 9},  # row 7: no size; called before row 0
        {**store(3, 5000, result=-28), "ts_ns": 20_000_000_000},  # row 8: refused, so its size may be
    ]
    path = byhand.trace(tmp_path / "t.parquet", events, lost_events=3, clock="synthetic")
    code, out, err = zreplay("check", path)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{path}: valid; 9 rows, errors: 0, remarks: 8"
    assert found(path, "error") == {}
    assert found(path, "remark") == {
        "load_never_stored": (1, (0,)),
        "invalidate_never_stored": (1, (2,)),
        "store_over_live": (1, (4,)),
        "load_of_emptied": (1, (6,)),
        "taken_without_size": (1, (7,)),
        "call_before_begin": (1, (7,)),
        "pause": (1, (8,)),
        "lost_events": (3, ()),
    }


def test_first_five_rows_are_named_of_many(zreplay, tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "t.parquet", [store(1, 9, result=0), *(invalidate(i) for i in range(2, 9))])
    assert found(path, "remark")["invalidate_never_stored"] == (7, (1, 2, 3, 4, 5))
    assert "(rows 1, 2, 3, 4, 5, …)" in zreplay("check", path)[1]


def test_load_that_took_its_entry_leaves_an_empty_slot(tmp_path: Path) -> None:
    took = {**load(1, result=0), "call_rows": 0}
    path = byhand.trace(tmp_path / "t.parquet", [store(1, 9, result=0), took, store(1, 9, result=0)])
    assert "store_over_live" not in found(path, "remark")


def test_mixes_that_no_kernel_makes(tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "loads", [load(1, result=0), load(2, result=0)])
    assert found(path, "error") == {"no_store": (None, ())}
    path = byhand.trace(tmp_path / "shrinks", [event("shrink", result=0)])
    assert found(path, "error") == {}
    path = byhand.trace(tmp_path / "grows", [store(i, 9, result=0) for i in range(5)])
    assert found(path, "error") == {}
    assert "only_grows" in found(path, "remark")
    path = byhand.trace(tmp_path / "frees", [*(store(i, 9) for i in range(5)), event("invalidate_area", type=0)])
    assert "only_grows" not in found(path, "remark")
    # Invalidates by another numbering than the stores' free nothing.
    events = [*(store(i, 9, result=0) for i in range(5)), *(invalidate(8 * i + 64) for i in range(5)), writeback(64)]
    assert "only_grows" in found(byhand.trace(tmp_path / "sectors", events), "remark")
    path = byhand.trace(tmp_path / "one", [*events, writeback(3)])
    assert "only_grows" not in found(path, "remark")


def test_types_no_swapon_gives(tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "t", [store(1, 9, result=0, type=2), load(1, result=-1, type=0)])
    messages = {finding.name: finding.message for finding in check(path).findings}
    assert messages["type_without_store"] == "swap types 0: no store was taken on them"
    assert messages["type_without_swapon"].startswith("type 2 is used, 1 not")


def test_sectors_in_place_of_slots(tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "t", [store(8 * i, 9, result=0) for i in range(64)])
    assert "offsets_of_sectors" in found(path, "remark")
    path = byhand.trace(tmp_path / "u", [*(store(8 * i, 9, result=0) for i in range(64)), store(1, 9, result=0)])
    assert "offsets_of_sectors" not in found(path, "remark")


def test_what_validate_would_lack(tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "t", GOOD, clock="monotonic", model="zswap", pool="zbud", source_kernel="6.1.0")
    messages = {finding.name: finding.message for finding in check(path).findings}
    assert "no seen_pool_pages, seen_stored (all null)" in messages["columns_for_validate"]
    assert "totalram_pages, max_pool_percent, accept_threshold_percent" in messages["metadata_for_validate"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model", "zcache", "one of zswap, zram"),
        ("pool", "zbud2", "one of zbud, z3fold, zsmalloc"),
        ("max_pool_percent", "500", "1 to 100"),
        ("accept_threshold_percent", "101", "0 to 100"),
        ("totalram_pages", "0", "1 to 281,474,976,710,656"),
        ("cpus", "0", "1 to 65,536"),
        ("lost_events", "many", "a whole number"),
        ("sample", "8/1", "a share above 0/1 and up to 1/1, like 1/8"),
        ("cut", "half", "a JSON list, as `zreplay cut` writes it"),
    ],
)
def test_metadata_that_cannot_be(zreplay, tmp_path: Path, key: str, value: str, expected: str) -> None:
    path = byhand.trace(tmp_path / "t", [*GOOD, load(1, result=1)], **{key: value})
    message = f"metadata {key}: found {value!r}, expected {expected}"
    for verb in (("info", path), ("run", path, "-o", tmp_path / "run"), ("validate", path)):
        assert zreplay(*verb) == (4, "", f"zreplay: {path}: {message}\n")
    assert not (tmp_path / "run").exists()
    # check goes on: what else is wrong is told in the same pass.
    assert {f.name: f.message for f in check(path).findings if f.severity == "error"} == {
        "metadata": message,
        "not_a_result": "a result that the kernel does not return: column result: found 1, expected 0, or minus an "
        "errno, -4095 to -1, as op is load",
    }


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (store(1, 5, result=1), "0, or minus an errno, -4095 to -1, as op is store"),
        (writeback(1, result=-4096), "0, or minus an errno, -4095 to -1, as op is writeback"),
        (event("visit", type=0, offset=1, result=6), "one of the kernel's enum lru_status, 0 to 5, as op is visit"),
        (event("compact", result=-5000), "a count, or minus an errno, -4095 to -1, as op is compact"),
    ],
)
def test_run_refuses_a_result_that_is_none(zreplay, tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    path = byhand.trace(tmp_path / "t", [*GOOD, event("compact", result=70_000), row])
    message = f"zreplay: {path}: row 4: column result: found {row['result']}, expected {expected}\n"
    assert zreplay("run", path, "-o", tmp_path / "run") == (4, "", message)


def with_column(path: Path, events: list[dict[str, Any]], **columns: pa.Array) -> Path:
    """A trace of these events with columns as another program may write them."""
    table = byhand.table(events)
    metadata = table.schema.metadata
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def test_check_goes_on_behind_values_that_no_column_can_hold(zreplay, tmp_path: Path) -> None:
    rows = [store(1, 100, result=0), store(2, 100, result=0), load(2, result=1), load(3, result=0), load(4, result=0)]
    path = with_column(
        tmp_path / "t",
        rows,
        op=pa.array(["store", "discard", "load", "load", "load"]),
        size=pa.array([-5, 100, None, None, None]),
        offset=pa.array([1, 2, 2, -3, 4]),
        pid=pa.array([2**40, 2**41, 0, 0, -(2**31) - 1]),
        asked_by=pa.array([None, None, None, None, "root"]),
    )
    # Rows 1 (its event) and 3 (its slot) tell nothing more; row 0 is a store whatever its size.
    assert [(f.name, f.count, f.first_rows) for f in check(path).findings] == [
        ("not_an_op", 1, (1,)),
        ("out_of_range", 1, (3,)),  # offset
        ("out_of_range", 1, (0,)),  # size
        ("out_of_range", 3, (0, 1, 4)),  # pid
        ("out_of_range", 1, (4,)),  # asked_by
        ("not_a_result", 1, (2,)),
        ("load_never_stored", 1, (4,)),  # not row 2: only a result of 0 says that a page was found
        ("only_grows", None, ()),
    ]
    code, out, err = zreplay("check", path)
    assert (code, err) == (4, f"zreplay: {path}: invalid: not_an_op and 5 more\n")
    assert out.startswith(f"{path}: invalid; 5 rows, errors: 6, remarks: 2\n")
    assert "not_an_op: 1 × no event of the format: column op: found 'discard', expected one of store, load" in out
    assert "column size: found -5, expected a number that fits uint32 (row 0)" in out
    assert "column asked_by: found 'root', expected one of limit, pressure, cgroup, user (row 4)" in out


def test_rows_of_later_batches_are_counted_from_the_first_row_of_the_trace(tmp_path: Path) -> None:
    rows = 65_536 + 3  # a batch is 65,536
    sizes = [100] * rows
    sizes[7] = sizes[-1] = -1
    path = with_column(tmp_path / "t", [store(i, 100, result=0) for i in range(rows)], size=pa.array(sizes))
    assert found(path, "error") == {"out_of_range": (2, (7, 65_538))}


def test_all_columns_of_a_wrong_type_are_told_at_once(zreplay, tmp_path: Path) -> None:
    size, result = pa.array([100.0, None, None]), pa.array([True, True, None])
    path = with_column(tmp_path / "t", GOOD, size=size, result=result)
    message = "column size has type double, expected uint32 or another integer; column result has type bool, expected "
    assert zreplay("check", path) == (4, "", f"zreplay: {path}: {message}int32 or another integer\n")


ODD = {
    "ts_ns": st.sampled_from([0, 3, 2**63]),
    "op": st.sampled_from(["store", "load", "invalidate", "writeback", "shrink", "compact", "cma", "visit", "discard"]),
    "type": st.sampled_from([0, 1, 31, 32, 256, None]),
    "offset": st.sampled_from([1, 2, 2**58, 2**64 - 1, None]),
    "size": st.sampled_from([0, 4096, 4097, 8193, 2**32, None]),
    "cpu": st.sampled_from([0, 70_000, None]),
    "pid": st.sampled_from([1, 2**31, None]),
    "result": st.sampled_from([0, 1, 6, 4095, 2**31, None]),
    "asked_by": st.sampled_from(["limit", "user", "root", None]),
    "node": st.sampled_from([0, 2**16, None]),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_check_calls_valid_every_verb_reads_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    """All columns are read here, as `cut` and `validate` do; an odd value is put into a good trace now and then."""
    good = {"type": 0, "offset": 1, "size": 9, "result": 0, "cpu": 0, "pid": 1, "node": 0, "asked_by": None}
    rows = [{"ts_ns": i, "op": "store", **good} for i in range(data.draw(st.integers(1, 5)))]
    for row, name in data.draw(st.lists(st.tuples(st.sampled_from(rows), st.sampled_from(sorted(ODD))), max_size=3)):
        row[name] = data.draw(ODD[name])
    columns = {
        name: pa.array([row[name] for row in rows], pa.string() if name in ("op", "asked_by") else pa.uint64())
        for name in rows[0]
    }
    path = tmp_path / "t"
    pq.write_table(pa.table(columns).replace_schema_metadata({"zreplay.format_version": "1.2"}), path)
    try:
        sum(batch.num_rows for batch in open_trace(path).batches())
        readable = True
    except TraceError:
        readable = False
    errors = found(path, "error")
    errors.pop("no_store", None)  # of the whole, not of a row
    assert (not errors) == readable


def test_not_a_trace_at_all_is_one_line(zreplay, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("# tracer: nop")
    code, out, err = zreplay("check", path)
    assert (code, out) == (4, "")
    assert err.startswith(f"zreplay: {path}: not a trace")


@pytest.mark.parametrize("path", sorted(TRACES.glob("*.parquet")), ids=lambda path: path.stem)
def test_recordings_of_real_kernels_are_valid(path: Path) -> None:
    report = check(path)
    assert report.valid, report.findings
    assert report.rows == pq.read_metadata(path).num_rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.integers(1, 3000),
    resident=st.integers(1, 500),
    pattern=st.sampled_from(["random", "clustered", "zipf", "scan"]),
    types=st.integers(1, 32),
    load_share=st.floats(0, 0.9),
    seed=st.integers(0, 2**32),
)
def test_any_synthetic_trace_is_valid(tmp_path: Path, **numbers: Any) -> None:
    numbers["resident"] = max(numbers["resident"], numbers["types"])
    recipe = Recipe(**numbers, rewrite_share=0.05, compact_every=100, migrate_every=70)
    synth(recipe, tmp_path / "t", force=True)
    report = check(tmp_path / "t")
    assert report.valid, report.findings
    assert report.rows == numbers["events"]
