"""What the engine counts in batches of rows, worked out by hand: the check, the survey, the portrait, the fit."""

from typing import Any

import _zreplay
import pyarrow as pa
import pytest
from byhand import event, invalidate, load, store, writeback

from zreplay.trace.importer import WORDS
from zreplay.trace.schema import OPS, SCHEMA

MINUTE_NS = 60 * 10**9


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    """As a trace's reader gives them, words numbered by the schema; 1 µs apart unless an event brings its own time."""
    columns = []
    for field in SCHEMA:
        values = [
            row.get(field.name, number * 1000 if field.name == "ts_ns" else None) for number, row in enumerate(rows)
        ]
        if field.name in WORDS:
            words = list(WORDS[field.name])
            codes = [
                None if value is None else value if isinstance(value, int) else words.index(value) for value in values
            ]
            indices = pa.array(codes, pa.int8())
            columns.append(pa.DictionaryArray.from_arrays(indices, pa.array(words), safe=False))
        else:
            columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, names=SCHEMA.names)


# ---- the check ----


def findings(*rows: dict[str, Any], pause_ns: int = MINUTE_NS) -> dict[str, list[int]]:
    check = _zreplay.Check(pause_ns=pause_ns)
    check.add(batch())
    check.add(batch(*rows))
    assert check.rows == len(rows)
    return {finding.name: finding.first_rows for finding in check.findings()}


def test_time_that_is_missing_first_is_no_pause_behind() -> None:
    later = {**store(1, 9), "ts_ns": 10 * MINUTE_NS}
    assert findings({**store(1, 9), "ts_ns": None}, later) == {"null_value": [0]}
    assert findings(store(1, 9), {**load(1), "ts_ns": None}, {**load(1), "ts_ns": 2 * MINUTE_NS}) == {
        "null_value": [1],
        "pause": [2],
    }


def test_number_that_is_no_event_is_named() -> None:
    assert findings(store(1, 9), {**store(2, 9), "op": 10}) == {"not_an_op": [1]}
    numbers = pa.RecordBatch.from_pydict({"op": pa.array([0, 9, 10, -1], pa.int8())})
    assert _zreplay.find_bad_row(numbers, 0) == (2, "op", "10", "a number from 0 to 9")


@pytest.mark.parametrize("result", [None, 0])
def test_load_of_a_slot_that_was_emptied_is_remarked_on_if_it_says_that_it_found_it(result: int | None) -> None:
    found = findings(store(1, 9), invalidate(1), load(1, result=result))
    assert found == ({} if result is None else {"load_of_emptied": [2]})


@pytest.mark.parametrize("call", [{"call_ts_ns": 500}, {"call_rows": 1}, {}])
def test_load_that_took_its_entry_has_a_call_before_it(call: dict[str, int]) -> None:
    found = findings(store(1, 9), {**load(1, result=0), **call}, load(1, result=0))
    assert found == ({"load_of_emptied": [2]} if call else {})


def test_writeback_of_an_unknown_slot_takes_nothing_out() -> None:
    rows = [store(1, 9), event("writeback", result=0), event("writeback", type=0, result=0), load(1, result=0)]
    assert findings(*rows) == {}
    assert findings(*rows, writeback(1, result=-12), load(1, result=0), writeback(1), load(1, result=0)) == {
        "load_of_emptied": [7]
    }


# ---- rows that cannot be, of tables that lack columns ----


@pytest.mark.parametrize(
    ("columns", "bad"),
    [
        ({"ts_ns": pa.array([5, 4])}, (1, "ts_ns", "4", "at least 5, the time of the row before")),
        ({"type": pa.array([31, 32], pa.uint8())}, (1, "type", "32", "below 32")),
        ({"offset": pa.array([2**58 - 1, 2**58], pa.uint64())}, (1, "offset", str(2**58), "below 2^58")),
        ({"size": pa.array([4096, 4097], pa.uint32())}, (1, "size", "4097", "at most 4096 bytes, the page size")),
        ({"type": pa.array([0, None], pa.uint8()), "result": pa.array([0, -5000], pa.int32())}, None),
        ({"op": pa.array([0, 5], pa.int8()), "type": pa.array([0, None], pa.uint8())}, None),
        (
            {"op": pa.array([5, 0], pa.int8()), "type": pa.array([0, None], pa.uint8())},
            (1, "type", "null", "a value, as op is store"),
        ),
        (
            {"op": pa.array([0, 1], pa.int8()), "offset": pa.array([0, None], pa.uint64())},
            (1, "offset", "null", "a value, as op is load"),
        ),
    ],
)
def test_first_bad_row_is_told_by_the_columns_that_there_are(columns: dict[str, pa.Array], bad: Any) -> None:
    assert _zreplay.find_bad_row(pa.RecordBatch.from_pydict(columns), 0) == bad


# ---- the survey ----


def test_survey_counts_rows_without_a_slot_where_it_has_one() -> None:
    survey = _zreplay.Survey()
    survey.add(batch())
    survey.add(batch(store(1, 9), event("writeback", result=0), event("migrate", offset=7), event("shrink", type=0)))
    survey.add(batch(store(2, 9), writeback(1), event("writeback", offset=2, result=0), store(3, 9)))
    assert (survey.rows, survey.resident_peak, survey.writebacks_failed) == (8, 2, 0)


# ---- the portrait ----


def bins(counts: list[int]) -> dict[int, int]:
    return {at: count for at, count in enumerate(counts) if count}


def test_portrait_of_a_dozen_rows() -> None:
    rows = [
        load(7),
        store(1, 100, result=0),
        store(2, None, result=0),
        store(0, 50, type=1, result=0),
        {**load(1, result=0), "call_ts_ns": 3500},  # takes it out, 3 rows after its store
        {**load(2, result=-1), "call_rows": 1},  # takes nothing out
        writeback(2, result=-12),  # nor this
        event("invalidate_area", type=0),  # slot 2, 5 rows after its store
        event("writeback", result=0),
        event("writeback", type=1, result=0),
        invalidate(0, type=1),  # 7 rows
        writeback(1),
    ]
    portrait = _zreplay.Portrait(len(rows))
    portrait.add(batch(*rows[:5]))
    portrait.add(batch(*rows[5:]))
    portrait.end()
    by_op = {(OPS[at // 2], at % 2): count for at, count in bins(portrait.ops).items()}
    assert by_op == {
        ("load", 0): 2, ("load", 1): 1, ("store", 0): 3, ("writeback", 0): 3, ("writeback", 1): 1,
        ("invalidate_area", 0): 1, ("invalidate", 0): 1,
    }  # fmt: skip
    assert bins(portrait.sizes) == {50: 1, 100: 1}
    assert bins(portrait.ages) == {3: 1, 5: 1, 7: 1}
    assert bins(portrait.reuses) == {2: 2}  # since each was stored, two others were stored or loaded
    assert (bins(portrait.store_runs), bins(portrait.free_runs)) == ({1: 1, 2: 1}, {1: 1})
    assert (bins(portrait.store_steps), bins(portrait.free_steps)) == ({1: 1}, {})  # none from one area to the other
    assert [portrait.resident[at] for at in (50, 100, 200, 300, 400, 600, -1)] == [0, 1, 2, 3, 2, 1, 0]


def test_portrait_of_no_row_and_of_no_store() -> None:
    for rows in ([], [load(1)]):
        portrait = _zreplay.Portrait(len(rows))
        portrait.add(batch(*rows))
        portrait.end()
        assert (portrait.resident, sum(portrait.store_runs)) == ([0] * 1000, 0)


# ---- the fit ----


def fit(*rows: dict[str, Any]) -> tuple[_zreplay.Fit, list[dict[str, Any]]]:
    counted = _zreplay.Fit(len(rows), 1, 1)
    counted.add(batch(*rows))
    return counted, counted.kinds()


def test_kinds_differ_by_who_asked_by_what_was_said_and_by_whether_an_entry_was_taken() -> None:
    rows = [
        store(1, 9, result=0),
        store(2, None, result=0),  # no size
        event("visit", type=0, offset=1, result=2, asked_by="limit"),
        event("visit", type=0, offset=1, result=2, asked_by="pressure"),
        event("visit", type=0, offset=1, result=1, asked_by="pressure"),
        event("shrink", result=5),  # how many is its own affair
        event("shrink", result=7),
        load(1, result=0),
        load(1, result=0),
        {**load(1, result=0), "call_ts_ns": 7},
        load(1, result=-1),
        {**load(2, result=-1), "call_rows": 1},  # a miss takes nothing
        store(2, 9, result=-12),
        writeback(2, result=0),
        store(2, 9, result=0),
        writeback(2, result=-12),
        {**load(2, result=0), "call_rows": 0},
    ]
    counted, kinds = fit(*rows)
    found = [
        (kind["op"], kind["of"], kind["to"], kind.get("result"), counted.counts(at, 0)["rows"])
        for at, kind in enumerate(kinds)
    ]
    assert found == [
        ("store", "none", "fresh", 0, 1),
        ("store", "none", "fresh", 0, 1),
        ("visit", "fresh", "fresh", 2, 1),
        ("visit", "fresh", "fresh", 2, 1),
        ("visit", "fresh", "fresh", 1, 1),
        ("shrink", "none", "none", None, 2),
        ("load", "fresh", "read", 0, 1),
        ("load", "read", "read", 0, 1),
        ("load", "read", "back", 0, 1),
        ("load", "back", "back", -1, 1),
        ("load", "fresh", "back", -1, 1),
        ("store", "back", "refused", -12, 1),
        ("writeback", "refused", "refused", 0, 1),
        ("store", "refused", "fresh", 0, 1),
        ("writeback", "fresh", "fresh", -12, 1),
        ("load", "fresh", "back", 0, 1),
    ]


def test_slots_of_an_area_that_is_switched_off_are_none_again() -> None:
    off = event("invalidate_area", type=0)
    _, kinds = fit(store(1, 9), store(1, 9, type=1), load(1, type=1), off, store(1, 9), load(1, type=1))
    assert [(kind["op"], kind["of"]) for kind in kinds] == [
        ("store", "none"), ("load", "fresh"), ("invalidate_area", "none"), ("load", "read"),
    ]  # fmt: skip


def test_rows_of_more_kinds_than_are_told_apart_are_counted_as_left_out() -> None:
    """64 kinds, of writebacks that failed in as many ways."""
    counted, kinds = fit(*(writeback(1, result=-errno) for errno in range(1, 71)), writeback(1, result=-1))
    assert (len(kinds), counted.rows, counted.kinds_left_out) == (64, 71, 6)


def test_changes_of_the_cpu_are_counted_among_rows_that_have_one() -> None:
    counted, _ = fit(*({**load(1), "cpu": cpu} for cpu in (None, 3, 3, None, 4, 3)), event("shrink", type=0))
    assert (counted.cpu_rows, counted.cpu_changes) == (4, 2)


# ---- cuts and samples ----


def cut(reach: int, first_row: int = 0) -> _zreplay.Cut:
    everything = {"types": 2**32 - 1, "cgroups": [], "offsets": (0, 2**58), "sample": (1, 1)}
    return _zreplay.Cut(reach, rows=(first_row, 2**62), ts_ns=(0, 2**62), **everything)


def test_calls_from_before_a_cut_or_from_further_back_than_is_remembered_are_unknown() -> None:
    """A file may say of a row that it is called further back than it says of itself, here 0 rows."""
    called = [{**load(1), "call_rows": rows} for rows in (0, 1, 2, 3)]
    assert pa.record_batch(cut(9, 2).next(batch(*called)))["call_rows"].to_pylist()[2:] == [None, None]
    assert pa.record_batch(cut(9).next(batch(*called)))["call_rows"].to_pylist() == [0, 1, 2, 3]
    one = cut(0)
    one.next(batch(*[load(1)] * 66_000))
    far = batch({**load(1), "call_rows": 65_000}, {**load(1), "call_rows": 1})
    assert pa.record_batch(one.next(far))["call_rows"].to_pylist() == [None, 1]


@pytest.mark.parametrize("sample", [(1, 1, 1, 0), (3, 3, 1, 0), (2, 2, 3, 0)])
def test_a_sample_of_everything_keeps_what_has_a_slot_and_all_that_has_none(sample: tuple[int, int, int, int]) -> None:
    rows = [
        store(1, 9),
        event("shrink"),
        {**store(2, 9), "call_rows": 2, "alloc_rows": 9},
        event("migrate", type=0),
        load(1),
    ]
    sampled = _zreplay.SampledRows(sample, 9, counts=True)
    kept = pa.record_batch(sampled.next(batch(*rows)))
    assert kept["offset"].to_pylist() == [1, None, 2, None, 1]
    # 9 rows before the third there is no row.
    assert (kept["call_rows"].to_pylist()[2], kept["alloc_rows"].to_pylist()[2]) == (2, None)
    assert (sampled.slots, sampled.stores, sampled.loads) == (2, 2, 1)


def test_a_sample_forgets_rows_that_no_call_can_stand_at() -> None:
    sampled = _zreplay.SampledRows((1, 1, 1, 0), 2)
    for _ in range(3):
        sampled.next(batch(*[load(1)] * 40_000))
    kept = pa.record_batch(sampled.next(batch(*[{**load(1), "call_rows": rows} for rows in (0, 1, 2)])))
    assert kept["call_rows"].to_pylist() == [0, 1, 2]


@pytest.mark.parametrize("missing", ["type", "offset"])
def test_a_table_without_slots_is_its_own_sample(missing: str) -> None:
    rows = batch(load(1), load(2)).drop_columns([missing])
    sampled = _zreplay.SampledRows((1, 2**40, 1, 0), 0)
    assert pa.record_batch(sampled.next(rows)).num_rows == 2


# ---- lines of several logs ----


def test_lines_are_merged_by_time_and_the_last_may_lack_its_newline() -> None:
    def line_at(us: int, more: str = "") -> bytes:
        return f"a-1 [000] 4.{us:06}: load: (x) type=0 offset={us}{more}\n".encode()

    merger = _zreplay.LineMerger(2)
    assert merger.wants() == 0
    merger.feed(0, line_at(1) + line_at(5)[:-1])
    assert (merger.wants(), merger.take()) == (1, b"")
    merger.feed(1, line_at(3) + line_at(4, "x" * 9000))  # longer than a line may be, but whole
    assert merger.take() == line_at(1)
    merger.end(0)
    merger.end(1)
    assert merger.take() == line_at(3) + line_at(4, "x" * 9000) + line_at(5)
    assert (merger.wants(), merger.take()) == (-1, b"")
