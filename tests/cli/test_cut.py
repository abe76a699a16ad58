"""``zreplay cut``: rows kept by hand-made choices, distances counted anew, and samples that stand for the whole."""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from byhand import event, invalidate, load, store, trace
from click.testing import CliRunner

import zreplay
from zreplay.cli.cut import command
from zreplay.errors import UsageError
from zreplay.trace.files import open_trace


@pytest.fixture
def cut(tmp_path):
    """Cut a trace; the part's rows."""

    def cut(path: Path, *options: str) -> pl.DataFrame:
        part = tmp_path / "part.parquet"
        CliRunner().invoke(command, [str(path), "-o", str(part), "--force", *options], catch_exceptions=False)
        return open_trace(part).events().collect()

    return cut


def slots(rows: pl.DataFrame) -> list[int | None]:
    return rows["offset"].to_list()


def called(row: dict, back: int, asked: int | None = None) -> dict:
    return row | {"call_rows": back, "call_ts_ns": 0, "alloc_rows": asked}


@pytest.fixture
def ten(tmp_path):
    """Slots 0 to 9 of types 0 and 1 in turn, one a millisecond, then a compaction."""
    rows = [store(slot, 100, type=slot % 2) | {"ts_ns": 5_000_000_000 + slot * 1_000_000} for slot in range(10)]
    return trace(tmp_path / "ten.parquet", [*rows, event("compact", result=0, ts_ns=6_000_000_000)])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--rows", "2:4"], [2, 3]),
        (["--rows", "9:"], [9, None]),
        (["--rows", ":2"], [0, 1]),
        (["--seconds", "0.002:0.0041"], [2, 3, 4]),
        (["--seconds", "0.5:"], [None]),
        (["--type", "1"], [1, 3, 5, 7, 9, None]),  # the compaction is of no type
        (["--offsets", "3:5"], [3, 4, None]),
        (["--offsets", "3:8", "--type", "0", "--rows", ":7"], [4, 6]),
    ],
)
def test_what_is_kept(cut, ten, options, kept):
    assert slots(cut(ten, *options)) == kept


def test_what_was_cut_is_in_the_metadata_and_other_metadata_stay(cut, tmp_path):
    path = trace(tmp_path / "t.parquet", [store(1, 100), store(2, 100), store(3, 100)], pool="zbud", totalram_pages=50)
    cut(path, "--rows", "1:")
    metadata = open_trace(tmp_path / "part.parquet").metadata
    assert (metadata.cut, metadata.pool, metadata.totalram_pages) == ("rows 1 to the end", "zbud", 50)


def test_distances_count_the_rows_that_stay(cut, tmp_path):
    # Slot 5's store was called before row 1 and asked before row 3; slots 2 and 4 are left out in between.
    rows = [store(1, 9), store(2, 9), store(3, 9), store(4, 9), store(7, 9), called(store(5, 9), 4, 2)]
    path = trace(tmp_path / "t.parquet", rows)
    whole = cut(path, "--rows", "0:6")
    assert (whole["call_rows"][5], whole["alloc_rows"][5]) == (4, 2)
    odd = cut(path, "--offsets", "5:8")  # of the rows in between slot 7's alone
    assert (odd["call_rows"].to_list(), odd["alloc_rows"].to_list()) == ([None, 1], [None, 1])
    begun_before = cut(path, "--rows", "3:")
    assert (begun_before["call_rows"][2], begun_before["alloc_rows"][2]) == (2, 2)  # up to the part's begin


def test_cgroup_has_what_belongs_to_the_slots_it_stored_last(cut, tmp_path):
    rows = [
        store(1, 9) | {"cgroup": 7},
        store(2, 9) | {"cgroup": 8},
        load(1),
        store(1, 9) | {"cgroup": 8},  # now 8's
        invalidate(1),
        invalidate(2),
        load(3),  # nobody knows whose
    ]
    path = trace(tmp_path / "t.parquet", rows)
    ops = cut(path, "--cgroup", "7")["op"].cast(pl.String).to_list()
    assert ops == ["store", "load"]
    assert slots(cut(path, "--cgroup", "8")) == [2, 1, 1, 2]


def test_parts_one_after_the_other_are_the_whole(cut, tmp_path):
    path = tmp_path / "synth.parquet"
    recipe = ["synth", "-o", str(path), "--events", "5000", "--resident", "300", "--load-share", "0.3"]
    from zreplay.__main__ import zreplay as program

    assert CliRunner().invoke(program, recipe).exit_code == 0
    whole = open_trace(path).events().collect()
    parts = [cut(path, "--rows", rows) for rows in (":1234", "1234:1235", "1235:")]
    assert pl.concat(parts).equals(whole)


# ---- samples ----


@pytest.fixture
def pages(tmp_path):
    """4,000 slots, each stored, loaded and, every other one, freed again."""
    rows = [store(slot, 3000, result=0) for slot in range(4000)]
    rows += [load(slot) for slot in range(4000)]
    rows += [invalidate(slot) for slot in range(0, 4000, 2)]
    return trace(tmp_path / "t.parquet", rows, kernel_release="6.1.0", pool="zbud", totalram_pages=10_000)


def test_sample_keeps_the_whole_life_of_one_slot_in_eight(cut, pages):
    rows = cut(pages, "--sample", "1/8")
    stored = set(rows.filter(pl.col("op").cast(pl.String) == "store")["offset"].to_list())
    assert 400 < len(stored) < 600  # 500 expected; binomial, three deviations are 63
    expected = [s for s in range(4000) if s in stored]
    assert slots(rows) == expected * 2 + [s for s in expected if s % 2 == 0]
    assert slots(cut(pages, "--sample", "1/8")) == slots(rows)


def test_run_of_a_sample_stands_for_the_whole(cut, pages, tmp_path):
    rows = cut(pages, "--sample", "1/8")
    stored = rows.filter(pl.col("op").cast(pl.String) == "store").height
    config = zreplay.Config(
        trace=tmp_path / "part.parquet", out=tmp_path / "run", kernel="6.1", pool="zbud", totalram_pages=100_000
    )
    summary = zreplay.run(config).summary()
    # 3,000 bytes and the header are more than half a page: a page each.
    assert (summary["stores"], summary["pool_pages_peak"], summary["stored_pages_peak"]) == (8 * stored,) * 3
    assert summary["events"] == rows.height


def test_limit_of_a_sample_is_its_share_of_the_machine(cut, pages, tmp_path):
    # 10,000 · 20 % is 2,000 pages; the sample's limit is 1,250 · 20 % = 250, and it stops one above it.
    cut(pages, "--sample", "1/8")
    config = zreplay.Config(trace=tmp_path / "part.parquet", out=tmp_path / "run", kernel="6.1", pool="zbud")
    assert zreplay.run(config).summary()["pool_pages_peak"] == 8 * 251


def test_readings_of_all_slots_are_not_a_samples(cut, tmp_path):
    rows = [store(s, 9) | {"seen_stored": s, "seen_pool_pages": 1} for s in range(100)]
    path = trace(tmp_path / "t.parquet", rows)
    assert cut(path, "--sample", "1/2")["seen_pool_pages"].null_count() > 20
    assert cut(path, "--rows", "0:50")["seen_pool_pages"].null_count() == 0


def test_sample_of_a_sample(cut, pages, tmp_path):
    cut(pages, "--sample", "1/4")
    (tmp_path / "part.parquet").rename(tmp_path / "quarter.parquet")
    cut(tmp_path / "quarter.parquet", "--sample", "1/2")
    metadata = open_trace(tmp_path / "part.parquet").metadata
    assert (metadata.sample_one_in, metadata.cut) == (8, "one slot in 4; one slot in 2")


# ---- what cannot be ----


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rows", "4"], "found '4', expected A:B, A: or :B"),
        (["--rows", "4:2"], "expected an end after its begin"),
        (["--sample", "0.1"], "found '0.1', expected a share like 1/8"),
        (["--sample", "1/1"], "found '1/1', expected a share like 1/8"),
        ([], "nothing chooses a part"),
    ],
)
def test_choice_that_is_none(ten, tmp_path, options, says):
    found = CliRunner().invoke(command, [str(ten), "-o", str(tmp_path / "p"), *options])
    assert found.exit_code == 2
    assert says in found.output
    assert not (tmp_path / "p").exists()


def test_part_without_a_row_is_not_written(ten, tmp_path):
    with pytest.raises(UsageError, match="no row is of rows 99 to the end"):
        CliRunner().invoke(command, [str(ten), "-o", str(tmp_path / "p"), "--rows", "99:"], catch_exceptions=False)
    assert not (tmp_path / "p").exists()
    assert pq.read_table(ten).num_rows == 11
