"""``zreplay curve``: what it prints and writes."""

import json
from pathlib import Path

import byhand
import polars as pl
import pytest
from byhand import load, store


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three incompressible pages, of which one is loaded twice."""
    events = [store(1, 4096), store(2, 4096), store(3, 4096), load(1), load(3), load(2), load(2)]
    return byhand.trace(tmp_path / "three.parquet", events)


def test_the_table_says_what_it_is_of_and_where_the_knee_is(zreplay, three):
    code, out, err = zreplay("curve", three, "--mm", "lru", "--limits", "1,2,3,4")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "three.parquet: zswap of kernel 6.12 over ideal, lru, by stack distances"
    assert "loads that no limit hits  1 (25.0%): not stored since the last load" in lines
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [row[:5] for row in rows[:4]] == [
        ["1", "33.3%", "25.00%", "3", "2"],
        ["2", "66.7%", "50.00%", "2", "1"],
        ["3", "100.0%", "75.00%", "1", "0"],
        ["4", "133.3%", "75.00%", "1", "0"],
    ]
    assert lines[-1].startswith("90% of the most hits from 3 pages on")


def test_a_check_replays_some_of_the_limits(zreplay, three):
    code, out, err = zreplay("curve", three, "--limits", "1,2,3,4", "--check", 2)
    assert (code, err) == (0, "")
    assert "--kernel 6.12 --pool zsmalloc --mm entry-lru --totalram-pages LIMIT --max-pool-percent 100" in out
    assert out.splitlines()[-1] == "at most 0.00 points of hits, 0.00 % of reads, 0.00 % of writes"


def test_the_file_has_every_row_and_what_it_is_of(zreplay, three, tmp_path):
    place = tmp_path / "curves" / "c.parquet"
    assert zreplay("curve", three, "--mm", "lru", "--limits", 4, "-o", place, "-q") == (0, "", "")
    rows = pl.read_parquet(place)
    assert rows["limit_pages"].to_list() == [1, 2, 3, 4]
    assert rows["device_reads"].to_list() == [3, 2, 1, 1]
    assert rows["pool_pages_peak"].to_list() == [None] * 4
    about = json.loads(pl.read_parquet_metadata(place)["zreplay.curve"])
    assert (about["method"], about["trace_rows"], about["config"]["mm"]) == ("stack distances", 7, "lru")
    assert [path.name for path in place.parent.iterdir()] == ["c.parquet"]
    code, _, err = zreplay("curve", three, "-o", place)
    assert (code, err) == (2, f"zreplay: {place}: already exists; --force replaces it\n")
    assert zreplay("curve", three, "-o", place, "-q", "--force")[0] == 0


def test_json_has_rows_and_checks(zreplay, three):
    code, out, _ = zreplay("curve", three, "--limits", 2, "--check", 1, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert [row["limit_pages"] for row in found["rows"]] == [2, 4]
    assert found["checked"][0]["replayed"]["device_reads"] == found["rows"][-1]["device_reads"]


@pytest.mark.parametrize("ending", ["svg", "html", "png"])
def test_the_chart_is_drawn(zreplay, three, tmp_path, ending):
    pytest.importorskip("altair")
    place = tmp_path / f"c.{ending}"
    assert zreplay("curve", three, "--check", 2, "--chart", place, "-q") == (0, "", "")
    drawn = place.read_bytes()
    assert {"svg": b"Device traffic", "html": b"loads that hit", "png": b"PNG"}[ending] in drawn


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--limits", "x"), "--limits: found 'x', expected how many"),
        (("--sample", "3"), "--sample: found '3', expected a share like 1/8"),
        (
            ("--chart", "/dev/null/c.svg"),
            "/dev/null/c.svg: cannot be written: Not a directory; --chart names another place",
        ),
        (("--chart", "c.gif"), "c.gif: found the ending '.gif', expected .html, .svg or .png"),
        (("--format", "xml"), "--format: found 'xml'"),
        (("--check", "-1"), "--check: found -1, expected 0 to 1000"),
        (("--kernel", "6.1"), "zreplay compare TRACE --totalram-pages"),
    ],
)
def test_what_cannot_be_is_one_line(zreplay, three, options, message):
    code, out, err = zreplay("curve", three, *options)
    assert (code, out) == (2, "")
    assert err.startswith("zreplay: ") and message in err and err.count("\n") == 1
