"""Sweeps: the cells of a grid are the runs they stand for, are kept, and are the same however they were come by."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from comparing import runs, small_trace

from zreplay.analysis.results import load
from zreplay.errors import ModelError
from zreplay.replay import cells as cells_module
from zreplay.sweep import directory as directory_module
from zreplay.sweep.grid import AXES, Grid

GRID = """
traces = ["*.parquet"]
index = ["rbtree", "radix-tag"]
pool = ["zbud", "zsmalloc"]
max_pool_percent = [10, 20]
"""


@pytest.fixture
def grid(tmp_path) -> Path:
    """Eight cells of one trace."""
    small_trace(tmp_path / "t.parquet", events=600)
    return write(tmp_path, GRID)


def write(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def files(out: Path) -> dict[str, bytes]:
    """What a cell is, byte by byte."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def counts(out: str) -> list[int]:
    """Of the summary: cells, there already, replayed and, if there are any, failed."""
    return [int(line.split()[-1].replace(",", "")) for line in out.split("\n\n")[0].splitlines()]


def test_cells_are_the_runs_they_stand_for_in_one_table(zreplay, grid, tmp_path):
    code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert (code, err) == (0, "")
    assert counts(out) == [8, 0, 8] and out.endswith(f"\n\n{tmp_path / 's'}\n")
    table = pl.scan_parquet(f"{tmp_path}/s/**/*.parquet", hive_partitioning=True).collect()
    assert len(table) == 8 and table["cell"].n_unique() == 8
    assert set(table["trace"]) == {f"t-{table['trace_sha256'][0][:8]}"}
    axes = {"index": ["rbtree", "radix-tag"], "pool": ["zbud", "zsmalloc"], "max_pool_percent": [10, 20]}
    by_settings = {
        (row["config_index"], row["config_pool"], row["config_max_pool_percent"]): row
        for row in table.iter_rows(named=True)
    }
    for run in load(runs([tmp_path / "t.parquet"], tmp_path / "runs", **axes)):
        row = by_settings[run.settings["index"], run.settings["pool"], run.settings["max_pool_percent"]]
        counted = {k: v for k, v in run.summary.items() if k not in directory_module.MEASURED}
        assert {name: row[name] for name in counted} == counted
        assert row["density"] == run.means["pool_objects"] / run.means["pool_pages"]


def test_a_sweep_compares_like_its_runs_in_the_grids_order(zreplay, grid, tmp_path):
    zreplay("sweep", grid, "-o", tmp_path / "s", "-q")
    swept = zreplay("compare", tmp_path / "s", "--format", "csv")
    options = ("--index", "rbtree,radix-tag", "--pool", "zbud,zsmalloc", "--max-pool-percent", "10,20")
    run = zreplay("compare", tmp_path / "t.parquet", *options, "-o", tmp_path / "runs", "--format", "csv")
    tables = []
    for code, out, _ in (swept, run):
        assert code == 0
        table = pl.read_csv(out.encode())
        tables.append(table.select([n for n in table.columns if not n.startswith("ns_per_event") and n != "directory"]))
    assert tables[0].equals(tables[1].select(tables[0].columns))
    assert {"density", "swap_in_us", "nodes_per_operation"} <= set(tables[0].columns)


def test_of_a_sweep_no_curves_are_drawn_and_compare_is_named(zreplay, grid, tmp_path):
    sweep, page = tmp_path / "s", tmp_path / "r.html"
    zreplay("sweep", grid, "-o", sweep, "-q")
    for words in (
        ("compare", sweep, "--report", page),
        ("report", sweep, "-o", page),
        ("plot", sweep, "work", "-o", page),
    ):
        code, _, err = zreplay(*words)
        assert code == 2 and err == (
            f"zreplay: {sweep}: a sweep, which has no timelines to draw; `zreplay compare {sweep}` shows its cells\n"
        )


def test_cells_that_are_there_are_not_replayed_again_and_what_a_wider_grid_adds_is(zreplay, grid, tmp_path):
    zreplay("sweep", grid, "-o", tmp_path / "s")
    before = files(tmp_path / "s")
    stamps = [path.stat().st_mtime_ns for path in sorted((tmp_path / "s").rglob("*.parquet"))]
    write(tmp_path, GRID.replace("[10, 20]", "[10, 20, 30]"))
    assert counts(zreplay("sweep", grid, "-o", tmp_path / "s")[1]) == [12, 8, 4]
    after = files(tmp_path / "s")
    assert {name: after[name] for name in before} == before
    there = [
        path for path in sorted((tmp_path / "s").rglob("*.parquet")) if str(path.relative_to(tmp_path / "s")) in before
    ]
    assert [path.stat().st_mtime_ns for path in there] == stamps


def test_two_combinations_of_the_same_configuration_are_one_cell(zreplay, tmp_path):
    small_trace(tmp_path / "t.parquet", events=300, max_pool_percent=20)
    grid = write(tmp_path, 'traces = "t.parquet"\nmax_pool_percent = 20\nseed = [0, 0, 1]')
    assert counts(zreplay("sweep", grid, "-o", tmp_path / "s")[1])[0] == 2


SLOW = """
import sys, time
from zreplay.sweep import sweep
write = sweep._write
def slowly(*arguments):
    written = write(*arguments)
    print("written", flush=True)
    time.sleep({seconds})
    return written
sweep._write = slowly
from zreplay.replay import cells
cells.AT_ONCE = 2
from zreplay.__main__ import main
sys.argv = ["zreplay", "sweep", *sys.argv[1:]]
main()
"""


def slow_sweep(grid: Path, out: Path, seconds: float = 60) -> "subprocess.Popen[str]":
    """A process that waits when it has written its first two cells."""
    program = SLOW.format(seconds=seconds)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(grid), "-o", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "written\n"
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_was_stopped_goes_on_and_its_cells_are_those_of_one_that_was_not(zreplay, grid, tmp_path, end):
    zreplay("sweep", grid, "-o", tmp_path / "undisturbed", "-q")
    process = slow_sweep(grid, tmp_path / "s", seconds=60 if end == signal.SIGKILL else 2)
    process.send_signal(end)
    _, err = process.communicate(timeout=30)
    if end == signal.SIGINT:
        there = len(files(tmp_path / "s"))
        assert process.returncode == 130, err
        assert err == f"zreplay: interrupted; {there} of 8 cells are in {tmp_path / 's'}, the same command goes on\n"
    there = files(tmp_path / "s")
    assert 0 < len(there) < 8
    notes = " ".join(zreplay("compare", tmp_path / "s")[1].split())
    assert "cells are not there yet; the same sweep goes on with them" in notes
    (tmp_path / "s" / ".new").mkdir(exist_ok=True)
    (tmp_path / "s" / ".new" / "c0123").write_bytes(b"half")
    code, out, _ = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert (code, counts(out)) == (0, [8, len(there), 8 - len(there)])
    assert files(tmp_path / "s") == files(tmp_path / "undisturbed")
    assert not (tmp_path / "s" / ".new").exists()


def test_a_second_sweep_into_the_same_directory_is_refused(zreplay, grid, tmp_path):
    process = slow_sweep(grid, tmp_path / "s")
    try:
        code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s")
        assert (code, out) == (2, "")
        assert err == (
            f"zreplay: {tmp_path / 's'}: another sweep is at work there (process {process.pid}); wait for it, or -o "
            "names another directory\n"
        )
    finally:
        process.kill()
        process.communicate()


def test_a_trace_that_changed_under_finished_cells_is_named_and_they_stay(zreplay, grid, tmp_path):
    zreplay("sweep", grid, "-o", tmp_path / "s", "-q")
    before = files(tmp_path / "s")
    small_trace(tmp_path / "t.parquet", events=600, seed=6)
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert code == 4
    assert err.startswith(f"zreplay: {tmp_path / 't.parquet'}: it has changed since 8 cells in {tmp_path / 's'} were ")
    assert err.endswith("-o names another directory for the new one\n") and err.count("\n") == 1
    assert files(tmp_path / "s") == before


def test_a_full_disk_is_one_line_and_finished_cells_stay(zreplay, grid, tmp_path, monkeypatch):
    monkeypatch.setattr(cells_module, "AT_ONCE", 2)
    write_row = directory_module._write_row
    written = []

    def full(path, row):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        write_row(path, row)

    monkeypatch.setattr(directory_module, "_write_row", full)
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert (code, err) == (
        2,
        f"zreplay: {tmp_path / 's'}: cannot be written: No space left on device; finished cells are kept, the same "
        "command goes on\n",
    )
    assert len(files(tmp_path / "s")) == 2
    monkeypatch.setattr(directory_module, "_write_row", write_row)
    assert counts(zreplay("sweep", grid, "-o", tmp_path / "s")[1]) == [8, 2, 6]


def test_cells_that_fail_are_told_at_the_end_and_the_others_are_there(zreplay, grid, tmp_path, monkeypatch):
    end = cells_module._Averaging.end

    def failing(self):
        if self.config.index == "radix-tag" and self.config.max_pool_percent == 20:
            raise ModelError("found 1, expected 2")
        end(self)

    monkeypatch.setattr(cells_module._Averaging, "end", failing)
    code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert code == 6
    assert counts(out) == [8, 0, 6, 2]
    lines = err.splitlines()
    assert lines[0] == "zreplay: 2 of 8 cells failed:"
    assert [line.split(" (")[1] for line in lines[1:]] == [
        f"t, radix-tag over {pool}, kernel 6.1): found 1, expected 2" for pool in ("zbud", "zsmalloc")
    ]
    monkeypatch.setattr(cells_module._Averaging, "end", end)
    assert counts(zreplay("sweep", grid, "-o", tmp_path / "s")[1]) == [8, 6, 2]


def test_many_short_traces_are_replayed_side_by_side(zreplay, tmp_path):
    for seed in range(5):
        small_trace(tmp_path / f"t{seed}.parquet", events=200, seed=seed)
    grid = write(tmp_path, 'traces = ["t*.parquet"]')
    assert counts(zreplay("sweep", grid, "-o", tmp_path / "s", "--workers", 3)[1]) == [5, 0, 5]
    assert len(files(tmp_path / "s")) == 5


def test_a_dry_run_writes_nothing_and_says_what_it_would_take(zreplay, grid, tmp_path):
    code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s", "--dry-run", "--workers", 2)
    assert (code, err) == (0, "") and not (tmp_path / "s").exists()
    words = {line[:24].strip(): line for line in out.splitlines()}
    assert "8, 4,800 events" in words["to replay"]
    assert "about 1 s on 2 cores, as 600 rows of 1 traces were replayed now" in out
    assert "8 replays at a time" in words["memory"]


def test_a_line_of_times_that_was_torn_is_dropped(zreplay, grid, tmp_path):
    """A full disk or a kill in the middle of a line: the next line stood right behind it, and neither could be read."""
    zreplay("sweep", grid, "-o", tmp_path / "s")
    times = tmp_path / "s" / "times.jsonl"
    whole = times.read_text()
    times.write_text(whole + '{"cell": "c12')
    next((tmp_path / "s").rglob("summary.parquet")).unlink()
    assert counts(zreplay("sweep", grid, "-o", tmp_path / "s")[1]) == [8, 7, 1]
    assert times.read_text().startswith(whole + '{"cell": "c') and times.read_text().count("\n") == 9
    assert [json.loads(line) for line in times.read_text().splitlines()]


def test_times_are_beside_the_cells(zreplay, grid, tmp_path):
    zreplay("sweep", grid, "-o", tmp_path / "s")
    times = [json.loads(line) for line in (tmp_path / "s" / "times.jsonl").read_text().splitlines()]
    assert len({line["cell"] for line in times}) == 8 and all(line["ns_per_event"] > 0 for line in times)


BAD = {
    "an axis that is none": ('desing = ["latest"]', "axis: found 'desing', expected one of design, index"),
    "its nearest": ('desing = ["latest"]', "did you mean design?"),
    "a word for a number": ('max_pool_percent = ["ten"]', "max_pool_percent: found 'ten', expected whole numbers"),
    "a number for a word": ("kernel = [6.1]", "kernel: found 6.1, expected words in quotes"),
    "no values": ("kernel = []", "kernel: found '[]', expected words in quotes"),
    "no file": (
        'traces = ["none*.parquet"]',
        "traces: found no file of 'none*.parquet' (relative to",
    ),
    "no TOML": ("kernel = [", "not TOML: "),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_grid_is_one_line(zreplay, grid, tmp_path, what):
    line, message = BAD[what]
    write(tmp_path, line if line.startswith("traces") else f'traces = ["t.parquet"]\n{line}')
    code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"zreplay: {grid}: ") and message in err
    assert not (tmp_path / "s").exists()


def test_a_grid_without_traces_or_without_a_file_is_one_line(zreplay, tmp_path):
    assert "no traces, expected a line like traces = " in zreplay("sweep", write(tmp_path, ""), "-o", tmp_path / "s")[2]
    assert "none.toml: no such file" in zreplay("sweep", tmp_path / "none.toml", "-o", tmp_path / "s")[2]


def test_all_cells_that_cannot_be_are_named_and_nothing_is_run(zreplay, grid, tmp_path):
    small_trace(tmp_path / "u.parquet", events=300)
    write(tmp_path, 'traces = ["*.parquet"]\nkernel = ["6.1", "latest"]\nmm = ["pool-lru", "bogus"]')
    code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0].startswith(f"zreplay: {grid}: 6 of 8 cells cannot be, so none was replayed")
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        "kernel=6.1, mm=bogus",
        "kernel=latest, mm=pool-lru",
        "kernel=latest, mm=bogus",
    ]
    assert not (tmp_path / "s").exists()


def test_traces_that_cannot_be_read_are_all_named(zreplay, grid, tmp_path):
    (tmp_path / "x.parquet").write_text("no")
    (tmp_path / "y.parquet").write_text("no")
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert code == 4 and [Path(line.split(": ")[-2]).name for line in err.splitlines()] == ["x.parquet", "y.parquet"]


def test_what_is_no_sweep_is_left_alone(zreplay, grid, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine").write_text("")
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s")
    assert code == 2 and "not a sweep's directory (no sweep.json) and not empty; -o names another place" in err
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["mine"]


def test_a_limit_of_memory_is_told_before_anything_is_replayed(zreplay, grid, tmp_path):
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s", "--memory-limit", "1M")
    assert (
        code == 2
        and err.startswith("zreplay: --memory-limit: found that one replay ")
        and "expected at most 1 MiB" in err
    )
    assert not (tmp_path / "s").exists()
    assert zreplay("sweep", grid, "-o", tmp_path / "s", "--memory-limit", "8G", "-q") == (0, "", "")


def test_help_and_docs_name_every_axis(zreplay):
    text = " ".join(zreplay("sweep", "--help")[1].split())
    page = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text()
    assert all(re.search(rf"\b{axis}\b", text) for axis in AXES)
    assert all(f"`{axis}`" in page for axis in AXES)


def test_the_grid_in_the_docs_is_one(tmp_path):
    path = Path(__file__).parents[2] / "docs" / "examples" / "sweep.toml"
    grid = Grid.read(path)
    assert len(grid.products()) == 12
    text = path.read_text().split("\n", 1)[1]  # without its comment
    assert text in (path.parents[1] / "sweep.md").read_text()


def test_samples_are_an_axis(zreplay, grid, tmp_path):
    write(tmp_path, 'traces = ["t.parquet"]\nsample = ["1/1", "1/2"]')
    assert "2, 1,200 events" in zreplay("sweep", grid, "-o", tmp_path / "s", "--dry-run")[1]
    assert counts(zreplay("sweep", grid, "-o", tmp_path / "s")[1]) == [2, 0, 2]
    table = pl.scan_parquet(f"{tmp_path}/s/**/*.parquet", hive_partitioning=True).collect().sort("events")
    assert table["config_sample"].to_list() == ["1/2", None] and table["events"][0] < table["events"][1] == 600
