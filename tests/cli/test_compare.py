"""`zreplay compare`, `report` and `plot`: what is printed where, exit codes, and every way to name the wrong thing."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from comparing import runs, small_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    return small_trace(tmp_path_factory.mktemp("trace") / "small.parquet")


@pytest.fixture(scope="module")
def kept(tmp_path_factory, trace) -> list[Path]:
    """Four runs, kept."""
    out = tmp_path_factory.mktemp("kept")
    return [run.directory for run in runs([trace], out, index=["rbtree", "radix-tag"], pool=["zbud", "zsmalloc"])]


def joined(text: str) -> str:
    """Text whose broken lines are whole again."""
    return text.replace("\n        ", " ")


def test_a_trace_and_axes_become_a_table_and_runs_that_are_kept(zreplay, trace, tmp_path):
    arguments = ("compare", trace, "--index", "rbtree,radix-lowbit", "--pool", "zbud,zsmalloc", "-o", tmp_path / "runs")
    code, out, err = zreplay(*arguments)
    assert (code, err) == (0, "")
    assert re.match("memory  .*\ndevice  .*\ntime    not compared: .*\n\nsmall: 6,000 events\n\nmemory ", joined(out))
    assert "radix-lowbit/zsmalloc" in out and "rbtree/zbud (baseline)" in out
    assert len(list((tmp_path / "runs").glob("small-*/*/manifest.json"))) == 4
    assert zreplay(*arguments)[1] == out


def test_run_directories_are_compared_with_the_baseline_named(zreplay, kept):
    code, out, _ = zreplay("compare", *kept, "--baseline", kept[3], "--columns", "pool_pages_peak", "--format", "md")
    assert code == 0
    assert "| radix-tag/zsmalloc (baseline) |" in out


def test_columns_sort_and_json(zreplay, kept):
    arguments = ("--columns", "pool_pages_peak,duplicate_entry", "--sort", "pool_pages_peak", "--format", "json")
    code, out, _ = zreplay("compare", *kept, *arguments)
    rows = json.loads(out)["rows"]
    peaks = [row["pool_pages_peak"] for row in rows]
    assert code == 0 and peaks == sorted(peaks) and rows[0]["duplicate_entry"] == 0


def test_replicates_give_medians_with_intervals(zreplay, trace, tmp_path):
    out = tmp_path / "runs"
    options = ("--columns", "ns_per_event", "--replicates", 3, "--seed", 9, "--format", "json")
    code, text, _ = zreplay("compare", trace, "--index", "rbtree,radix-tag", "-o", out, *options)
    found = json.loads(text)
    assert (code, found["rounds"], found["seed"]) == (0, 3, 9)
    assert all(row["ns_per_event_low"] <= row["ns_per_event"] <= row["ns_per_event_high"] for row in found["rows"])
    assert found["rows"][1]["ns_per_event_different"] is None
    assert "at least 6 rounds" in found["notes"][-1]


def test_with_timing_operations_have_times_and_it_is_said_which_mode_they_are_of(zreplay, trace, tmp_path):
    arguments = ("compare", trace, "--index", "rbtree,radix-tag", "-o", tmp_path / "runs")
    code, text, _ = zreplay(*arguments, "--format", "json")
    found = json.loads(text)
    assert (code, found["mode"]) == (0, "default")
    assert "store_ns" not in found["rows"][0]
    assert found["notes"][-1].startswith("Times: in default mode (")

    code, text, _ = zreplay(*arguments, "--timing", "--format", "json")
    found = json.loads(text)
    assert (code, found["mode"]) == (0, "timing")
    assert all(row["store_ns"] > 0 for row in found["rows"])
    assert found["notes"][-1].startswith("Times: in timing mode (no look-ahead")
    assert "time (timing mode)" in zreplay(*arguments, "--timing")[1]


def test_times_of_different_modes_are_not_compared(zreplay, trace, tmp_path):
    for more in ((), ("--timing",)):
        zreplay("run", trace, "-o", tmp_path / f"r{len(more)}", "-q", *more)
    code, text, _ = zreplay("compare", tmp_path / "r0", tmp_path / "r1", "--format", "json")
    found = json.loads(text)
    assert (code, found["mode"]) == (0, "mixed")
    default, timed = found["rows"]
    assert timed["configuration"] == f"{default['configuration']}/timing"
    assert (default["store_ns"], timed["ns_per_event_vs_baseline"]) == (None, None)
    assert timed["pool_pages_peak_vs_baseline"] == 1
    assert "not compared with each other" in found["notes"][-1]


def test_a_condition_that_is_met_prints_the_table_then_the_rows_and_exits_with_3(zreplay, kept):
    code, out, err = zreplay("compare", *kept, "--fail-if", "pool_pages_peak > +5%", "--columns", "density")
    assert code == 3
    assert "density" in out and "pool_pages_peak" not in out
    assert err.splitlines()[0] == "zreplay: --fail-if met by:"
    assert [line.split(":")[1].strip() for line in err.splitlines()[1:]] == ["rbtree/zsmalloc", "radix-tag/zsmalloc"]


def test_a_condition_that_is_not_met_is_silent(zreplay, kept):
    assert zreplay("compare", *kept, "--fail-if", "loads_hit < 1", "-q") == (0, "", "")


def test_two_traces_are_allowed_and_said(zreplay, trace, tmp_path):
    other = small_trace(tmp_path / "other.parquet", seed=6, events=2000)
    code, out, _ = zreplay("compare", trace, other, "--pool", "zbud,zsmalloc", "-o", tmp_path / "runs")
    assert code == 0
    assert "small: 6,000 events" in out and "other: 2,000 events" in out
    assert "geometric mean over traces" in out and "2 different traces" in out


def test_one_run_is_a_table_without_differences(zreplay, kept):
    code, out, _ = zreplay("compare", kept[0])
    assert code == 0 and "%" not in out.replace("percent", "")


def test_parquet_goes_into_a_pipe(trace, tmp_path, kept):
    import io
    import subprocess

    import polars as pl

    command = [sys.executable, "-m", "zreplay", "compare", *map(str, kept), "--format", "parquet"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    assert pl.read_parquet(io.BytesIO(done.stdout)).height == 4


@pytest.fixture
def damaged(kept, tmp_path):
    """A copy of a run to break."""
    shutil.copytree(kept[0], tmp_path / "broken")
    return tmp_path / "broken"


def edit_manifest(directory: Path, **values: object) -> None:
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text()) | values
    for hashes in ("sha256", "manifest_sha256"):  # which older versions did not write
        del manifest[hashes]
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (lambda d: (d / "summary.parquet").unlink(), "broken: damaged: .*--force. writes it anew"),
        (lambda d: (d / "timeline.parquet").write_bytes(b"PAR1"), "broken: damaged: "),
        (lambda d: (d / "manifest.json").unlink(), "broken: no manifest.json, so not a complete run directory"),
        (lambda d: (d / "manifest.json").write_text("[1]"), "manifest.json: not a manifest of zreplay"),
        (lambda d: edit_manifest(d, schema_version="2.0"), "broken: schema version 2.0, this zreplay reads 1.x"),
        (lambda d: edit_manifest(d, trace={}), "broken: not a run directory of zreplay: no 'sha256' in its manifest"),
    ],
)
def test_a_damaged_or_foreign_directory_is_one_line(zreplay, kept, damaged, breaking, message):
    import re

    breaking(damaged)
    for verb in (("compare", kept[0], damaged), ("report", damaged, "-o", damaged.parent / "x.html")):
        code, out, err = zreplay(*verb)
        assert (code, out) == (2, "")
        assert re.search(message, err) and len(err.splitlines()) == 1, err


def test_a_newer_minor_version_with_new_columns_is_read_and_said(zreplay, kept, damaged):
    import polars as pl

    edit_manifest(damaged, schema_version="1.9", zreplay="0.3.0")
    summary = pl.read_parquet(damaged / "summary.parquet")
    summary.with_columns(objects_copied=pl.lit(77)).write_parquet(damaged / "summary.parquet")
    code, out, err = zreplay("compare", kept[0], damaged, "--columns", "objects_copied,pool_pages_peak")
    assert (code, err) == (0, "")
    assert "rbtree/zbud/zreplay=0.3.0" in out and "–" in out and "77" in out
    assert "different schema versions: 1.1, 1.9" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to compare; name run directories, or traces and axes"),
        (("RUN", "--index", "rbtree"), "--index: needs traces to replay, found only run directories"),
        (("RUN", "--replicates", "5"), "--replicates: needs traces to replay"),
        (("RUN", "--timing"), "--timing: needs traces to replay"),
        (("RUN", "TRACE"), "a directory among traces; compare runs or traces, not both"),
        (("nowhere",), "nowhere: no such file"),
        (("TRACE", "--index", "rbtree,,"), "--index: found 'rbtree,,', expected names or numbers separated by commas"),
        (("TRACE", "--index", "btree"), "--index: found 'btree'"),
        (("TRACE", "--pool", "zsmaloc"), "did you mean zsmalloc"),
        (("TRACE", "--max-pool-percent", "ten"), "--max-pool-percent: found 'ten', expected whole numbers"),
        (("TRACE", "--max-pool-percent", "0,10"), "--max-pool-percent: found 0, expected 1 to 100"),
        (("RUN", "--format", "xls"), "--format: found 'xls'"),
        (("RUN", "--columns", "pool_pages_peek"), "did you mean pool_pages_peak"),
        (("RUN", "--sort", "density", "--columns", "loads_hit"), "--sort: found 'density'"),
        (("RUN", "--fail-if", "speed > 5"), "--fail-if: found 'speed'"),
        (("RUN", "--fail-if", "density"), "expected METRIC > NUMBER"),
        (("RUN", "--fail-if", "density > +1%"), "there is only the baseline"),
        (("RUN", "--device-read-us", "-1"), "--device-read-us: found -1"),
        (("RUN", "--baseline", "x"), "--baseline: found 'x'"),
        (("RUN", "--report", "."), "is a directory, expected the name of an HTML file"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_code_2(zreplay, trace, kept, tmp_path, arguments, message):
    places = {"RUN": kept[0], "TRACE": trace}
    code, out, err = zreplay("compare", *(places.get(word, word) for word in arguments), "-o", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert message in err and len(err.splitlines()) == 1, err


def test_a_cells_place_that_is_somebody_elses_is_not_touched(zreplay, trace, tmp_path):
    out = tmp_path / "runs"
    zreplay("compare", trace, "--index", "rbtree", "-o", out, "-q")
    cell = next(out.glob("*/*"))
    shutil.rmtree(cell)
    cell.mkdir()
    (cell / "thesis.tex").write_text("precious")
    code, _, err = zreplay("compare", trace, "--index", "rbtree", "-o", out)
    assert code == 2 and "not a run directory" in err
    assert (cell / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_plot_draws_one_chart(zreplay, kept, tmp_path, ending):
    place = tmp_path / f"x.{ending}"
    assert zreplay("plot", *kept, "pool-pages", "-o", place) == (0, f"{place}\n", "")
    assert place.read_bytes().startswith(b"<svg" if ending == "svg" else b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pool-page", "-o", "x.svg"), "KIND: found 'pool-page'"),
        (("pool-pages", "-o", "x.pdf"), "x.pdf: found the ending '.pdf', expected .svg or .png"),
        (("classes", "-o", "x.svg"), "classes: nothing to draw: no run has zsmalloc's classes"),
        (("pool-pages", "-o", "nowhere/x.svg"), "nowhere/x.svg: cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_plotted_is_one_line(zreplay, kept, monkeypatch, tmp_path, arguments, message):
    run = kept[0].resolve()
    monkeypatch.chdir(tmp_path)
    code, _, err = zreplay("plot", run, *arguments)
    assert code == 2
    assert message in err and len(err.splitlines()) == 1, err


def test_without_the_extra_there_is_a_page_that_says_what_brings_charts(kept, tmp_path):
    import subprocess

    def without_altair(*arguments: object) -> subprocess.CompletedProcess[str]:
        program = "import sys; sys.modules['altair'] = None; from zreplay.__main__ import main; main()"
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    for verb in (("compare", *kept, "--report", "x.html"), ("report", *kept, "-o", "y.html")):
        done = without_altair(*verb)
        assert done.returncode == 0, done.stderr
        hint = "zreplay: the page has one plain chart; pip install 'zreplay[report]' brings the charts"
        assert done.stderr.splitlines()[-1] == hint
        page = (tmp_path / verb[-1]).read_text()
        assert "brings the charts" in page and "<dt>Memory</dt><dd>" in page
        assert page.count("<polyline") == 2  # an index does not change which pages a pool takes
        assert len(page) < 100_000
    done = without_altair("plot", *kept, "sizes", "-o", "x.svg")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'zreplay[report]'" in done.stderr and len(done.stderr.splitlines()) == 1
    assert without_altair("compare", *kept).returncode == 0


def test_a_sample_stands_beside_the_whole_with_its_error(zreplay, tmp_path):
    path = small_trace(tmp_path / "t.parquet", events=4000)
    code, out, _ = zreplay("compare", path, "--sample", "1/1,1/2", "--pool", "zbud", "-o", tmp_path / "runs")
    assert code == 0
    assert "rbtree/zbud/sample=none (baseline)" in out
    words = " ".join(out.split())
    assert re.search(r"rbtree/zbud/sample=1/2: 1/2 of the slots, \d+ sampled: pool_pages_peak \d+ ± ", words)
    assert "Of samples, pages and counts are scaled back to all slots" in words
    code, out, _ = zreplay(
        "compare", path, "--sample", "1/1,1/2", "--pool", "zbud", "-o", tmp_path / "runs", "--format", "json"
    )
    _, half = json.loads(out)["rows"]
    assert 0.6 < half["loads_hit_vs_baseline"] < 1.6
    assert half["sample"] == "1/2"
