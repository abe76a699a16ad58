"""``zreplay info``: numbers counted by hand."""

import json
from pathlib import Path

import byhand
from byhand import event, invalidate, load, store, writeback
from click.testing import CliRunner

from zreplay.cli.info import command

EVENTS = [
    store(1, 100, result=0),
    store(2, 200, result=0),
    store(3, 0, result=0),
    store(4, 5000, result=-28),  # refused: not resident, its size in no quantile
    store(5, None),
    load(1, result=0),
    load(9, result=-1),
    invalidate(2),
    writeback(1),
    writeback(3, result=-17),
    store(6, 300, type=1),
    event("compact", result=-115),  # interrupted: its begin …
    event("compact", result=4),  # … and its end
    event("invalidate_area", type=0),
    store(7, 400, type=1),
]


def test_info_counts_events_slots_sizes_and_residents(tmp_path: Path) -> None:
    trace = byhand.trace(tmp_path / "t.parquet", EVENTS, pool="zbud", source_kernel="6.1.0", lost_events=12)
    found = json.loads(CliRunner().invoke(command, [str(trace), "--json"]).stdout)
    assert found["events"] == {
        "store": 7,
        "load": 2,
        "invalidate": 1,
        "invalidate_area": 1,
        "writeback": 2,
        "shrink": 0,
        "compact": 2,
        "migrate": 0,
        "cma": 0,
        "visit": 0,
    }
    assert found["seconds"] == 14e-6
    assert found["distinct_slots"] == 8  # offsets 1 to 5 and 9 of type 0, 6 and 7 of type 1
    assert found["resident_peak"] == 4  # 1, 2, 3 and 5
    assert (found["stores_rejected"], found["loads_missed"], found["writebacks_failed"]) == (1, 1, 1)
    assert found["compactions_interrupted"] == 1
    assert found["same_filled_share"] == 1 / 6
    assert found["missing_size_share"] == 1 / 6
    assert found["size_bytes"] == {"min": 100, "p5": 100, "p25": 100, "p50": 200, "p75": 300, "p95": 400, "max": 400}
    assert found["size_bytes_mean"] == 250
    assert (found["source"]["pool"], found["source"]["source_kernel"], found["source"]["lost_events"]) == (
        "zbud",
        "6.1.0",
        12,
    )


def test_info_prints_aligned_text(tmp_path: Path) -> None:
    trace = byhand.trace(tmp_path / "t.parquet", EVENTS, pool="zbud", lost_events=12)
    lines = CliRunner().invoke(command, [str(trace)]).stdout.splitlines()
    value_at = lines[0].index(str(trace))
    assert all(line[value_at - 1] == " " and line[value_at] for line in lines)
    assert f"{'  store':<{value_at}}7  1 refused" in lines
    assert f"{'lost events':<{value_at}}12" in lines
    assert f"{'pool':<{value_at}}zbud" in lines


def test_info_of_an_empty_trace_divides_nothing_by_nothing(tmp_path: Path) -> None:
    trace = byhand.trace(tmp_path / "t.parquet", [])
    found = json.loads(CliRunner().invoke(command, [str(trace), "--json"]).stdout)
    assert (found["rows"], found["same_filled_share"], found["size_bytes"], found["size_bytes_mean"]) == (
        0,
        None,
        {},
        None,
    )


def test_info_of_a_recording_says_what_the_kernel_said() -> None:
    trace = Path(__file__).parents[2] / "traces" / "linux-6.1-zbud-lzo-mixed.parquet"
    found = json.loads(CliRunner().invoke(command, [str(trace), "--json"]).stdout)
    assert found["rows"] == 172_794
    assert found["events"]["store"] == 115_850
    assert found["events"]["writeback"] == 10
    assert found["source"]["totalram_pages"] == 52_685
