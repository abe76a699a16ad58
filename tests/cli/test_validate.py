"""`zreplay validate` as typed: an object per trace, a picture, and an exit code that a CI can use."""

import json
import subprocess
import sys
from pathlib import Path

from byhand import store, trace


def validate(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zreplay", "validate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def seen(offset: int, pages: int) -> dict[str, object]:
    """A store of 3,000 bytes, so a page of its own, and what the kernel counted behind it."""
    handle = 0x1000040 + offset * 4096
    return store(offset, 3000, result=0) | {"seen_handle": handle, "seen_pool_pages": pages, "seen_stored": offset}


def test_json_is_an_object_per_trace_with_both_ways(tmp_path):
    trace(tmp_path / "a.parquet", [seen(1, 1), seen(2, 2)], pool="zbud")
    trace(tmp_path / "b.parquet", [seen(1, 1), seen(2, 3)], pool="zbud")
    result = validate("a.parquet", "b.parquet", "--json", cwd=tmp_path)
    first, second = json.loads(result.stdout)
    assert (first["trace"], first["driven"]["events_equal"], first["driven"]["first_divergence"]) == (
        "a.parquet",
        2,
        None,
    )
    for way in ("driven", "predicted"):
        assert (second[way]["events_compared"], second[way]["events_equal"]) == (2, 1)
        assert (second[way]["max_abs_pages"], second[way]["first_divergence"]["row"]) == (1, 1)
        # One of two events is one page of three off: a sixth on average.
        assert abs(second[way]["mean_abs_percent"] - 100 / 6) < 1e-9
        assert second[way]["within_0_5_percent"] == 50
        assert (second[way]["placements_compared"], second[way]["placements_equal"]) == (2, 2)


def test_below_what_is_required_it_exits_with_3_and_names_the_trace(tmp_path):
    trace(tmp_path / "b.parquet", [seen(1, 1), seen(2, 3)], pool="zbud")
    assert validate("b.parquet", "--require", 50, cwd=tmp_path).returncode == 0
    result = validate("b.parquet", "--require", 99.9, cwd=tmp_path)
    assert result.returncode == 3
    assert result.stderr == "zreplay: --require 99.9: events exactly equal: b.parquet: 50.000 %\n"


def test_the_plot_is_an_svg_and_is_not_written_over(tmp_path):
    trace(tmp_path / "a.parquet", [seen(1, 1), seen(2, 2)], pool="zbud")
    assert validate("a.parquet", "--plot", "p.svg", cwd=tmp_path).returncode == 0
    assert (tmp_path / "p.svg").read_text().startswith("<svg")
    again = validate("a.parquet", "--plot", "p.svg", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "--force replaces it" in again.stderr
    nowhere = validate("a.parquet", "--plot", "nowhere/p.svg", cwd=tmp_path)
    assert nowhere.returncode == 2
    assert "nowhere/p.svg: cannot be written: No such file or directory; --plot names another place" in nowhere.stderr
    assert nowhere.stdout == ""  # before anything is replayed
