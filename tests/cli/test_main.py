"""The command line as a whole: one-line errors, exit codes, and a help that does not wait for heavy imports."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from byhand import invalidate, load, store, trace

from zreplay.version import __version__


def call(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zreplay", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "none.parquet", "-o", "r"], 2, "none.parquet: no such file"),
        (["run", "t.parquet"], 2, "Missing option '-o' / '--out'"),
        (["run", "t.parquet", "-o", "r", "--pool", "zsmaloc"], 2, "did you mean zsmalloc?"),
        (["run", "t.parquet", "-o", "r", "--max-pool-percent", "x"], 2, "'x' is not a valid integer"),
        (["run", "text", "-o", "r"], 4, "text: not a trace"),
        (["rum"], 2, "No such command 'rum'"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code_and_leaves_nothing(tmp_path, arguments, code, message):
    trace(tmp_path / "t.parquet", [store(1, 100)])
    (tmp_path / "text").write_text("hello")
    result = call(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.parquet", "text"]


def test_json_is_one_object_with_the_names_that_are_an_interface(tmp_path):
    import json

    trace(tmp_path / "t.parquet", [store(1, 100)])
    result = call("run", "t.parquet", "-o", "r", "--json", cwd=tmp_path)
    summary = json.loads(result.stdout)
    names = (
        "events events_per_second seconds stores stores_rejected loads_hit loads_missed writebacks stored_pages_peak "
        "pool_pages_peak pool_pages_final index_nodes_peak index_bytes_peak nodes_visited_per_lookup ns_per_event "
        "config"
    )
    assert set(names.split()) <= summary.keys()
    assert (summary["events"], summary["config"]["index"], result.stderr) == (1, "rbtree", "")


def test_interrupted_it_exits_with_130_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "zreplay", "synth", "-o", str(tmp_path / "t"), "--events", "100000000000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    for _ in range(200):  # until it has begun to write
        time.sleep(0.05)
        if any(tmp_path.iterdir()):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == "zreplay: interrupted; nothing was written"
    assert list(tmp_path.iterdir()) == []


HELP_AND_MODULES = """
import sys
from zreplay.__main__ import main
sys.argv = ["zreplay", "--help"]
try:
    main()
except SystemExit:
    slow = ("pyarrow", "polars", "numpy", "tqdm", "_zreplay", "click", "typing", "re")
    print([name for name in slow if name in sys.modules])
"""


@pytest.mark.skipif("COVERAGE_PROCESS_START" in os.environ, reason="what measures coverage loads some of these")
def test_help_loads_nothing_heavy():
    result = subprocess.run([sys.executable, "-c", HELP_AND_MODULES], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


RUN_AND_MODULES = """
import sys
from zreplay.__main__ import main
sys.argv = ["zreplay", "run", sys.argv[1], "-o", sys.argv[2]]
try:
    main()
except SystemExit:
    heavy = ("polars", "numpy", "tqdm", "pyarrow.compute", "pyarrow.dataset", "concurrent.futures", "dateutil")
    print([name for name in (*heavy, "cloudpickle", "zreplay.analysis") if name in sys.modules])
"""


def test_a_run_loads_nothing_that_it_does_not_use(tmp_path):
    """What each of them takes to load was most of the time of a short run."""
    path = trace(tmp_path / "t.parquet", [store(1, 100), load(1), invalidate(1)])
    command = [sys.executable, "-c", RUN_AND_MODULES, path, tmp_path / "run"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert " 3 in " in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_version_is_written_in_one_place(zreplay):
    assert zreplay("--version")[:2] == (0, f"zreplay {__version__}\n")


def test_the_help_without_click_is_the_help_of_click(zreplay, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    code, plain, err = zreplay("--help")
    assert (code, err) == (0, "") and max(map(len, plain.splitlines())) <= 70
    assert zreplay() == (0, plain, "")
    assert zreplay("--config", "none.toml", "--help") == (0, plain, "")


def test_what_cannot_be_written_is_one_line(tmp_path):
    if not Path("/dev/full").is_char_device():
        pytest.skip("needs the device /dev/full")
    for words in (["--help"], ["plugins"]):
        with Path("/dev/full").open("r+b", buffering=0) as full:
            done = subprocess.run(
                [sys.executable, "-m", "zreplay", *words], stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert done.returncode == 2
        assert "No space left on device" in done.stderr and done.stderr.count("\n") == 1


def test_a_near_name_is_suggested_for_files_and_verbs(tmp_path):
    trace(tmp_path / "minute.parquet", [store(1, 100)])
    assert "did you mean minute.parquet?" in call("info", "minute.parqet", cwd=tmp_path).stderr
    assert "did you mean compare?" in call("compair", cwd=tmp_path).stderr
    assert "--max-pool-percent" in call("run", "minute.parquet", "-o", "r", "--max-pool", cwd=tmp_path).stderr
