"""``zreplay cut``: which rows stay is worked out by hand; parts put together are the whole."""

import json
from pathlib import Path
from typing import Any

import byhand
import polars as pl
import pyarrow.parquet as pq
import pytest
from byhand import event, invalidate, load, store, writeback
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zreplay import open_trace
from zreplay.trace.cut import Selection, cut
from zreplay.trace.recipes.pattern import PatternRecipe as Recipe
from zreplay.trace.sample import Sample
from zreplay.trace.synth import synth

TRACES = Path(__file__).parents[2] / "traces"
RECORDING = TRACES / "linux-6.1-zbud-lzo-mixed-2cpu.parquet"


@pytest.fixture
def kept(zreplay, tmp_path: Path):
    """Cuts a trace of the given events; returns the numbers of the rows that stayed (row i is at i µs)."""

    def of(events: list[dict[str, Any]], *options: str, **metadata: Any) -> list[int]:
        path = byhand.trace(tmp_path / "whole", events, **metadata)
        code, out, err = zreplay("cut", path, "-o", tmp_path / "part", "--force", *options)
        assert (code, err) == (0, "")
        rows = pl.read_parquet(tmp_path / "part")["ts_ns"].to_list()
        assert out == f"{tmp_path / 'part'}: {len(rows):,} of {len(events):,} rows\n"
        return [ts_ns // 1000 for ts_ns in rows]

    return of


EVENTS = [
    store(1, 100, type=0),
    store(2, 100, type=1),
    event("compact", result=0),
    load(1, type=0),
    event("invalidate_area", type=1),
    invalidate(1, type=0),
    writeback(7, type=0),
    event("writeback", result=0),  # names no slot
]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["--rows", "2:5"], [2, 3, 4]),
        (["--rows", ":2"], [0, 1]),
        (["--rows", "6:"], [6, 7]),
        (["--from", "0.000003"], [3, 4, 5, 6, 7]),
        (["--to", "0.000003"], [0, 1, 2]),
        (["--from", "0.000001", "--to", "0.0000045"], [1, 2, 3, 4]),
        (["--type", "0"], [0, 2, 3, 5, 6, 7]),
        (["--type", "1"], [1, 2, 4, 7]),
        (["--type", "0", "--type", "1", "--rows", "1:4"], [1, 2, 3]),
        (["--offsets", "2:7"], [1, 2, 4, 7]),
        (["--offsets", "2:"], [1, 2, 4, 6, 7]),
    ],
)
def test_rows_that_stay(kept, options: list[str], rows: list[int]) -> None:
    assert kept(EVENTS, *options) == rows


def test_a_slot_belongs_to_the_cgroup_of_the_store_that_filled_it(kept) -> None:
    events = [
        {**store(1, 100), "cgroup": 40},
        {**store(2, 100), "cgroup": 50},
        load(1),
        load(2),
        {**store(1, 100), "cgroup": 50},  # 4: over 40's page
        load(1),
        {**event("shrink", result=0), "cgroup": 40},
        event("compact", result=0),
        {**store(3, 100, result=-12), "cgroup": 40},  # 8: refused, so the slot is nobody's
        load(3),
    ]
    assert kept(events, "--cgroup", "40", cgroups="40 50") == [0, 2, 6, 7, 8]
    assert kept(events, "--cgroup", "50", cgroups="40 50") == [1, 3, 4, 5, 7]
    assert kept(events, "--cgroup", "50", "--rows", "5:") == [5, 7]  # filled before the stretch


def test_metadata_stay_and_say_what_was_cut(zreplay, tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "whole", EVENTS, pool="zbud", lost_events=3, converter="mine", cgroups="40 50")
    zreplay("cut", path, "-o", tmp_path / "a", "--rows", "0:6", "--from", "0.000001")
    zreplay("cut", tmp_path / "a", "-o", tmp_path / "b", "--type", "0", "--sample", "2/2")
    metadata = open_trace(tmp_path / "b").metadata
    assert (metadata.pool, metadata.lost_events, metadata.converter, metadata.sample) == ("zbud", 3, "mine", None)
    assert json.loads(metadata.cut) == [
        {"trace": "whole", "rows_of_it": 8, "rows_kept": 5, "from_ns": 1000, "rows": [0, 6]},
        {"trace": "a", "rows_of_it": 5, "rows_kept": 3, "types": [0]},
    ]
    zreplay("cut", path, "-o", tmp_path / "c", "--sample", "1/2")
    assert open_trace(tmp_path / "c").metadata.sample == "1/2"


def test_calls_are_counted_anew(zreplay, tmp_path: Path) -> None:
    events = [
        store(1, 9),
        store(2, 9, type=1),
        {**store(3, 9), "call_rows": 2, "alloc_rows": 1, "call_ts_ns": 5},  # called before row 0 + …: before row 0
        store(4, 9, type=1),
        {**store(5, 9), "call_rows": 3, "alloc_rows": 0, "call_ts_ns": 900},  # called before row 1
    ]
    path = byhand.trace(tmp_path / "whole", events)
    zreplay("cut", path, "-o", tmp_path / "type", "--type", "0")
    part = pl.read_parquet(tmp_path / "type")
    # Rows 0, 2, 4. Before row 2: 0 and 1, of which 0 stayed; the allocator was asked before 1.
    assert part["call_rows"].to_list() == [None, 1, 1]
    assert part["alloc_rows"].to_list() == [None, 0, 0]
    zreplay("cut", path, "-o", tmp_path / "rows", "--rows", "1:")
    part = pl.read_parquet(tmp_path / "rows")
    assert part["call_rows"].to_list() == [None, None, None, 3]  # the first call began before the part does
    assert part["alloc_rows"].to_list() == [None, 1, None, 0]
    assert part["call_ts_ns"].to_list() == [None, 5, None, 900]


def test_what_the_kernel_counted_of_all_slots_goes_when_some_go(zreplay, tmp_path: Path) -> None:
    events = [{**store(1, 9), "seen_stored": 1, "seen_pool_pages": 1, "made_pages": 1}, store(2, 9, type=1)]
    path = byhand.trace(tmp_path / "whole", events)
    zreplay("cut", path, "-o", tmp_path / "rows", "--rows", "0:1")
    zreplay("cut", path, "-o", tmp_path / "type", "--type", "0")
    assert open_trace(tmp_path / "rows").columns == open_trace(path).columns
    assert set(open_trace(path).columns) - set(open_trace(tmp_path / "type").columns) == {
        "seen_stored",
        "seen_pool_pages",
        "made_pages",
    }
    code, _, err = zreplay("validate", tmp_path / "type")
    assert (code, err.count("\n")) == (4, 1)
    assert err.endswith("the kernel counted slots that were cut away; validate the trace it was cut from\n")


def splitmix64(word: int) -> int:
    x = (word + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def test_a_sample_is_of_slots_by_the_documented_hash(kept) -> None:
    slots = [(kind, offset) for kind in (0, 3) for offset in range(50)]
    events = [store(offset, 9, type=kind) for kind, offset in slots] + [invalidate(o, type=kind) for kind, o in slots]
    expected = [i for i in range(200) if splitmix64(slots[i % 100][0] << 58 | slots[i % 100][1]) % 4 < 1]
    assert kept(events, "--sample", "1/4") == expected
    assert 30 < len(expected) < 70  # 50 of 200 on average
    assert splitmix64(0) == 0xE220A8397B1DCDAF  # the generator's published first number


def test_run_takes_the_samples_share_of_the_limit_and_scales_pages_back(zreplay, tmp_path: Path) -> None:
    """Forty objects of 3000 bytes, each alone in a zbud page; a limit of 40 pages is one of 20 to a half."""
    events = [store(i, 3000) for i in range(40)]
    for sample, stored in ((None, 40), ("1/2", 80)):
        metadata = {} if sample is None else {"sample": sample}
        path = byhand.trace(tmp_path / "t", events, totalram_pages=4000, max_pool_percent=50, pool="zbud", **metadata)
        code, out, _ = zreplay("run", path, "-o", tmp_path / "run", "--force", "--json", "--sample-events", "10")
        summary = json.loads(out)
        assert code == 0
        assert (summary["stores"], summary["stores_rejected"]) == (40, 0)
        assert (summary["stored_pages_peak"], summary["pool_pages_peak"], summary["pool_pages_final"]) == (stored,) * 3
        assert summary["config"]["trace_sample"] == sample
        assert summary["config"]["totalram_pages"] == 4000
        timeline = pl.read_parquet(tmp_path / "run" / "timeline.parquet")
        assert timeline["pool_pages"].to_list() == [stored * i // 4 for i in (1, 2, 3, 4)]
        assert timeline["events"].to_list() == [10, 20, 30, 40]

    # The limit: 10 % of 200 pages is 20; zswap takes one more, and then it evicts.
    path = byhand.trace(tmp_path / "t", events, totalram_pages=400, max_pool_percent=10, pool="zbud", sample="1/2")
    _, out, _ = zreplay("run", path, "-o", tmp_path / "run", "--force", "--json")
    assert json.loads(out)["pool_pages_peak"] == 2 * 21
    path = byhand.trace(tmp_path / "t", events, totalram_pages=400, max_pool_percent=10, pool="zbud")
    _, out, _ = zreplay("run", path, "-o", tmp_path / "run", "--force", "--json")
    assert json.loads(out)["pool_pages_peak"] == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to cut by: give --from, --to, --rows, --type, --cgroup, --offsets or --sample"),
        (["--rows", "5"], "--rows: found '5', expected two whole numbers like 100:200, or one like 100: or :200"),
        (["--rows", "5:5"], "--rows: found 5 to 5, expected an end behind the begin"),
        (["--from", "soon"], "--from: found 'soon', expected seconds since the first row, like 1.5"),
        (["--from", "nan"], "--from: found 'nan', expected seconds since the first row, like 1.5"),
        (
            ["--from", "2", "--to", "1"],
            "--from and --to: found 2 s to 1 s, expected an end behind the begin",
        ),
        (["--type", "32"], "--type: found 32, expected 0 to 31"),
        (["--sample", "8"], "--sample: found '8', expected a share like 1/8"),
        (["--sample", "9/8"], "--sample: found '9/8', expected a share above 0/1 and up to 1/1, like 1/8"),
        (["--rows", "100:"], "{path}: no row is selected; `zreplay info {path}` tells what is in it"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(zreplay, tmp_path: Path, options: list[str], message: str) -> None:
    path = byhand.trace(tmp_path / "whole", EVENTS)
    expected = (2, "", f"zreplay: {message.format(path=path)}\n")
    assert zreplay("cut", path, "-o", tmp_path / "part", *options) == expected
    assert [found.name for found in tmp_path.iterdir()] == ["whole"]


def test_a_sample_of_a_sample_and_cgroups_nobody_knows_are_refused(zreplay, tmp_path: Path) -> None:
    path = byhand.trace(tmp_path / "t", EVENTS, sample="1/4")
    assert zreplay("cut", path, "-o", tmp_path / "part", "--sample", "1/2")[0] == 2
    old = tmp_path / "old"
    pq.write_table(byhand.table(EVENTS).drop_columns(["cgroup"]), old)
    code, _, err = zreplay("cut", old, "-o", tmp_path / "part", "--cgroup", "4")
    assert (code, err.startswith(f"zreplay: --cgroup: {old} has no column cgroup")) == (2, True)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.integers(2, 2000), at=st.floats(0, 1), types=st.integers(1, 3), seed=st.integers(0, 1000))
def test_two_parts_together_are_the_whole(tmp_path: Path, events: int, at: float, types: int, seed: int) -> None:
    whole = tmp_path / "whole"
    synth(Recipe(events=events, resident=50, types=types, seed=seed, compact_every=40), whole, force=True)
    row = min(max(1, round(at * events)), events - 1)
    cut(whole, tmp_path / "a", Selection(rows=(0, row)), force=True)
    cut(whole, tmp_path / "b", Selection(rows=(row, None)), force=True)
    together = pl.concat([pl.read_parquet(tmp_path / "a"), pl.read_parquet(tmp_path / "b")])
    assert together.equals(pl.read_parquet(whole))


def test_parts_of_a_recording_are_the_whole_but_for_calls_begun_before_the_second(tmp_path: Path) -> None:
    row = 70_000
    whole = pl.read_parquet(RECORDING).with_row_index("row")
    cut(RECORDING, tmp_path / "a", Selection(rows=(0, row)))
    cut(RECORDING, tmp_path / "b", Selection(rows=(row, None)))
    together = pl.concat([pl.read_parquet(tmp_path / "a"), pl.read_parquet(tmp_path / "b")]).with_row_index("row")
    before = (pl.col("row") >= row) & (pl.col("row").cast(pl.Int64) - pl.col("call_rows") < row)
    asked_before = (pl.col("row") >= row) & (pl.col("row").cast(pl.Int64) - pl.col("alloc_rows") < row)
    expected = whole.with_columns(
        call_rows=pl.when(before).then(None).otherwise("call_rows"),
        alloc_rows=pl.when(asked_before).then(None).otherwise("alloc_rows"),
    )
    assert together.equals(expected)


def test_samples_of_a_recording_add_up_to_its_slots(tmp_path: Path) -> None:
    cut(RECORDING, tmp_path / "a", Selection(sample=Sample(1, 4)))
    cut(RECORDING, tmp_path / "b", Selection(sample=Sample(1, 2)))
    whole, quarter, half = (pl.read_parquet(path) for path in (RECORDING, tmp_path / "a", tmp_path / "b"))
    no_slot = whole["offset"].null_count()
    assert quarter["offset"].null_count() == half["offset"].null_count() == no_slot
    for part, share in ((quarter, 0.25), (half, 0.5)):
        assert abs((part.height - no_slot) / (whole.height - no_slot) - share) < 0.02
