"""Sweeps on Dask and of traces elsewhere: the same cells, whatever becomes of a worker; what cannot be is one line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from comparing import small_trace

distributed = pytest.importorskip("distributed")

GRID = """
traces = ["{traces}"]
index = ["rbtree", "radix-tag"]
pool = ["zbud", "zsmalloc"]
max_pool_percent = [10, 15, 20]
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator["distributed.LocalCluster"]:
    """Two workers, processes of their own, on the loopback."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def lonely(tmp_path) -> Iterator[str]:
    """The address of a scheduler without workers."""
    file = tmp_path / "scheduler.json"
    command = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with process("dask_scheduler", *command):
        while not file.exists() or not file.read_text():
            time.sleep(0.02)
        yield json.loads(file.read_text())["address"]


@contextmanager
def process(program: str, *arguments: str, **environment: str) -> Iterator[None]:
    """A program of Dask's, while it is needed."""
    command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
    # From elsewhere, as Python looks into its folder first, which may be a checkout.
    started = subprocess.Popen(command, env=os.environ | environment, cwd="/", stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        started.terminate()
        started.wait(timeout=20)


@pytest.fixture
def grid(tmp_path) -> Path:
    """Twelve cells of one trace."""
    small_trace(tmp_path / "t.parquet", events=600)
    return write(tmp_path, GRID.format(traces="*.parquet"))


def write(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def test_cells_replayed_on_a_cluster_are_those_replayed_here(zreplay, cluster, grid, tmp_path):
    assert zreplay("sweep", grid, "-o", tmp_path / "here", "-q") == (0, "", "")
    code, out, err = zreplay("sweep", grid, "-o", tmp_path / "there", "--scheduler", cluster.scheduler_address)
    assert (code, err) == (0, "") and "replayed       12" in out
    assert len(files(tmp_path / "here")) == 12 and files(tmp_path / "here") == files(tmp_path / "there")


def test_a_trace_that_a_worker_does_not_find_fails_its_cells_alone(zreplay, cluster, grid, tmp_path, monkeypatch):
    small_trace(tmp_path / "u.parquet", events=300, seed=3)
    from zreplay.sweep.directory import SweepDirectory

    note = SweepDirectory.note

    def gone(self, cells):
        note(self, cells)
        (tmp_path / "u.parquet").unlink()

    monkeypatch.setattr(SweepDirectory, "note", gone)
    code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s", "--scheduler", cluster.scheduler_address)
    assert code == 6 and "failed         12" in out
    assert ": worker tcp://127.0.0.1:" in err and "u.parquet: no such file; " in err
    assert len(files(tmp_path / "s")) == 12


@pytest.mark.slow
def test_the_loss_of_a_worker_costs_time_and_no_cell(zreplay, cluster, tmp_path):
    zreplay("synth", "--events", 1_000_000, "--resident", 20_000, "-o", tmp_path / "t.parquet", "-q")
    grid = write(tmp_path, GRID.format(traces="t.parquet") + "totalram_pages = 40000\nseed = [0, 1, 2]")
    options = ("--scheduler", cluster.scheduler_address, "-q")
    sweep = subprocess.Popen(
        [sys.executable, "-m", "zreplay", "sweep", str(grid), "-o", str(tmp_path / "there"), *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not files(tmp_path / "there") and sweep.poll() is None:
        time.sleep(0.02)
    assert sweep.poll() is None and len(files(tmp_path / "there")) < 36
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        process = next(iter(client.run(os.getpid).values()))
    os.kill(process, signal.SIGKILL)
    assert sweep.communicate(timeout=120)[1] == "" and sweep.returncode == 0
    zreplay("sweep", grid, "-o", tmp_path / "here", "-q")
    assert len(files(tmp_path / "here")) == 36 and files(tmp_path / "here") == files(tmp_path / "there")


def test_a_worker_of_another_version_is_refused_by_name(zreplay, lonely, grid, tmp_path):
    shim = tmp_path / "older" / "zreplay"
    shim.mkdir(parents=True)
    (shim / "__init__.py").write_text('__version__ = "0.0.9"\n')
    path = f"{shim.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with process("dask_worker", lonely, "--no-nanny", "--no-dashboard", PYTHONPATH=path):
        code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s", "--scheduler", lonely)
    assert code == 2 and err.count("\n") == 1
    assert err.startswith(f"zreplay: --scheduler {lonely}: worker tcp://127.0.0.1:")
    assert " has 0.0.9, expected zreplay " in err


def test_a_scheduler_that_does_not_answer_is_one_line(zreplay, grid, tmp_path, monkeypatch):
    from zreplay.sweep import cluster as cluster_module

    monkeypatch.setattr(cluster_module, "ANSWER_SECONDS", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        for wrong in (address, "tcp://127.0.0.1:1", "nonsense", "foo://a:1"):
            code, out, err = zreplay("sweep", grid, "-o", tmp_path / "s", "--scheduler", wrong)
            assert (code, out) == (2, "")
            assert err == (
                f"zreplay: --scheduler {wrong}: no scheduler answers there within 1 s, expected an address like "
                "tcp://host:8786, as `dask scheduler` prints\n"
            )


def test_a_scheduler_without_workers_is_one_line(zreplay, lonely, grid, tmp_path, monkeypatch):
    from zreplay.sweep import cluster as cluster_module

    monkeypatch.setattr(cluster_module, "WORKER_SECONDS", 1)
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s", "--scheduler", lonely)
    assert code == 2 and err == (
        f"zreplay: --scheduler {lonely}: it has no workers after 1 s; `dask worker {lonely}` starts one\n"
    )


def test_without_dask_the_extra_is_named(zreplay, grid, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "s", "--scheduler", "local")
    assert (code, err) == (2, "zreplay: --scheduler: needs dask.distributed; pip install 'zreplay[dask]'\n")
