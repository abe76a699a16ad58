"""Traces that are elsewhere: on a server like S3, copied once, and again when they are others."""

import os
import sys
from pathlib import Path
from urllib import request

import pytest
from comparing import small_trace

from zreplay.errors import UsageError
from zreplay.sweep import remote
from zreplay.sweep.remote import local_path, matching_urls

moto = pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """A file system like S3 on the loopback, with an empty bucket, known to fsspec by the environment."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    request.urlopen(request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(remote.tempfile, "gettempdir", lambda: str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir("traces")
    yield files
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def put(bucket, folder: Path, name: str, seed: int) -> Path:
    path = small_trace(folder / name, events=300, seed=seed)
    bucket.put_file(str(path), f"traces/{name}")
    return path


def test_a_trace_is_copied_once_and_again_when_it_is_another(bucket, tmp_path):
    path = put(bucket, tmp_path, "t.parquet", seed=1)
    copy = local_path("s3://traces/t.parquet")
    assert copy.read_bytes() == path.read_bytes()
    copy.write_bytes(b"as it was")
    assert local_path("s3://traces/t.parquet") == copy and copy.read_bytes() == b"as it was"
    path = put(bucket, tmp_path, "t.parquet", seed=2)
    assert local_path("s3://traces/t.parquet").read_bytes() == path.read_bytes()
    assert [p.name for p in copy.parent.parent.rglob("*") if p.is_file()] == ["t.parquet"] * 2


def test_patterns_match_and_what_is_not_there_is_one_line(bucket, tmp_path):
    for seed, name in enumerate(("b.parquet", "a.parquet", "c.txt")):
        put(bucket, tmp_path, name, seed)
    assert matching_urls("s3://traces/*.parquet") == ["s3://traces/a.parquet", "s3://traces/b.parquet"]
    with pytest.raises(UsageError, match=r"^s3://traces/none\.parquet: cannot be read: "):
        local_path("s3://traces/none.parquet")


def test_a_file_system_whose_library_is_missing_names_the_extra(monkeypatch):
    with pytest.raises(UsageError, match=r"^none://a/b: cannot be read: Protocol not known: none"):
        local_path("none://a/b")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"needs fsspec; pip install 'zreplay\[remote\]'"):
        local_path("s3://traces/t.parquet")


def test_a_sweep_of_traces_elsewhere_has_the_cells_of_the_same_traces_here(bucket, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from zreplay.__main__ import main

    put(bucket, tmp_path, "t.parquet", seed=1)
    cells = {}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    ) as cluster:
        for place in ("s3://traces/t.parquet", "t.parquet"):
            grid = tmp_path / "grid.toml"
            grid.write_text(f'traces = ["{place}"]\nindex = ["rbtree", "radix-tag"]')
            out = tmp_path / f"s{len(cells)}"
            options = ["--scheduler", cluster.scheduler_address] if "s3" in place else []
            monkeypatch.setattr(sys, "argv", ["zreplay", "sweep", str(grid), "-o", str(out), "-q", *options])
            with pytest.raises(SystemExit) as exit_:
                main()
            assert exit_.value.code == 0
            cells[place] = {os.path.relpath(path, out): path.read_bytes() for path in out.rglob("*.parquet")}
    first, second = cells.values()
    assert len(first) == 2 and first == second
