"""``zreplay check``: what is wrong and what is odd, each in a trace of a few rows."""

import json
import sys
from pathlib import Path
from typing import Any

import byhand
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from byhand import event, invalidate, load, store, writeback
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zreplay.__main__ import main
from zreplay.trace.check import check
from zreplay.trace.synth import Recipe, synth

TRACES = Path(__file__).parents[2] / "traces"
GOOD = [store(1, 100, result=0), load(1, result=0), invalidate(1)]


@pytest.fixture
def zreplay(monkeypatch, capfd):
    """Calls a verb; returns exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["zreplay", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return (exit_.value.code, *capfd.readouterr())

    return call


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


def test_words_of_no_format_end_the_check_with_an_error(zreplay, tmp_path: Path) -> None:
    table = byhand.table(GOOD)
    words = pa.array(["store", "load", "discard"])
    path = tmp_path / "t"
    pq.write_table(table.set_column(1, "op", words), path)
    code, out, _ = zreplay("check", path)
    assert code == 4
    assert "unreadable: row 2: column op: found 'discard', expected one of store, load" in out


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
