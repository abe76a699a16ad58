"""What installed packages bring: indexes, pools, orders, formats and reports, by entry points."""

import subprocess
import sys
import uuid

import polars as pl
import pytest
from byhand import load, store, trace
from plugin.written import module

from zreplay.replay.run import open_run


@pytest.fixture
def package(tmp_path, monkeypatch) -> str:
    """An installed package with one of each; gives the name that all of its things have."""
    place = tmp_path / "site-packages"
    name = f"brings_{uuid.uuid4().hex}"
    about = place / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    module(
        place,
        name,
        f'''
from pathlib import Path

import pyarrow as pa

from zreplay.trace.formats import Format, RowsReading
from zreplay.trace.formats.lines import to_rows

OBJECT = Path({str(place / "tree.so")!r})

class Lines(RowsReading):
    """ns op offset size: a line a row."""

    def batches(self):
        import polars as pl

        text = self.source.text().decode()
        self.text_bytes, self.counts.lines = len(text), text.count("\\n")
        rows = [line.split() for line in text.splitlines()]
        frame = pl.DataFrame({{
            "ts_ns": [int(row[0]) for row in rows], "op": [row[1] for row in rows], "type": [0] * len(rows),
            "offset": [int(row[2]) for row in rows], "size": [int(row[3]) if row[3:] else None for row in rows],
        }})
        yield to_rows(frame, self.source.name)

FORMAT = Format(name="lines", knows=lambda head, has_map: False, read=lambda source, context, _: Lines(source, context))

def report(runs):
    rows = "".join(f"<li>{{run.summary()['stores']}}</li>" for run in runs)
    return f"<!DOCTYPE html><title>Stores</title><ul>{{rows}}</ul>"

def broken(runs):
    return 1 / len(runs[1:])
''',
    )
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    entries = f"""
[zreplay.indexes]
dict = {name}:InADict
object = {name}:OBJECT
gone = {name}:Gone
[zreplay.formats]
lines = {name}:FORMAT
number = {name}:Path
[zreplay.reports]
stores = {name}:report
broken = {name}:broken
"""
    (about / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(place)
    monkeypatch.chdir(tmp_path)
    return name


def test_a_package_brings_an_index(zreplay, package, tmp_path):
    trace(tmp_path / "t.parquet", [store(1, 100), load(1)])
    code, out, err = zreplay("run", "t.parquet", "-o", "r", "--index", "dict")
    assert code == 0, err
    assert "through in-a-dict@" in out
    assert open_run("r").summary()["loads_hit"] == 1


def test_a_package_brings_a_shared_object(zreplay, package, tmp_path):
    trace(tmp_path / "t.parquet", [store(1, 100)])
    code, _, err = zreplay("run", "t.parquet", "-o", "r", "--index", "object")
    assert code == 2 and err.endswith("site-packages/tree.so: No such file or directory, expected a shared object\n")


def test_what_a_package_names_and_has_not_is_one_line(zreplay, package, tmp_path):
    trace(tmp_path / "t.parquet", [store(1, 100)])
    code, _, err = zreplay("run", "t.parquet", "-o", "r", "--index", "gone")
    assert code == 7
    said = f"AttributeError: module '{package}' has no attribute 'Gone'"
    assert err == f"zreplay: plugin gone of {package}: {package}:Gone raised {said}\n"


def test_a_package_brings_a_format(zreplay, package, tmp_path):
    (tmp_path / "log").write_text("5 store 1 100\n7 store 2 90\n9 load 1\n")
    code, out, err = zreplay("convert", "log", "-o", "t.parquet", "--format", "lines", "--kernel-release", "6.1")
    assert code == 0, err
    assert "3 rows (2 store, 1 load) from 3 lines" in out
    assert pl.read_parquet("t.parquet")["size"].to_list() == [100, 90, None]
    (tmp_path / "log").write_text("5 store one 100\n")
    code, _, err = zreplay("convert", "log", "-o", "u.parquet", "--format", "lines")
    assert code == 7 and err.count("\n") == 1
    assert err.startswith("zreplay: plugin lines: raised ValueError: invalid literal for int() with base 10: 'one' (")
    assert not (tmp_path / "u.parquet").exists()
    code, _, err = zreplay("convert", "log", "-o", "u.parquet", "--format", "number")
    assert (code, err) == (7, f"zreplay: plugin number: {package}:Path is of type type, expected a Format\n")


def test_a_format_can_be_named(zreplay, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").write_text("ts_ns,op,offset,size\n5,store,1,100\n")
    assert zreplay("convert", "log", "-o", "t.parquet", "--format", "csv")[0] == 0
    code, _, err = zreplay("convert", "log", "-o", "u.parquet", "--format", "ftrace")
    assert code == 4 and "no event of zswap or zram in its 2 lines" in err
    code, _, err = zreplay("convert", "log", "-o", "u.parquet", "--format", "cvs")
    assert code == 2 and err.startswith("zreplay: --format: found 'cvs', expected one of parquet, ndjson, blkparse, ")


def test_a_package_brings_a_report(zreplay, package, tmp_path):
    trace(tmp_path / "t.parquet", [store(1, 100), store(2, 100), load(1)])
    assert zreplay("run", "t.parquet", "-o", "r", "-q")[0] == 0
    assert zreplay("report", "r", "-o", "page.html", "--report", "stores")[0] == 0
    assert (tmp_path / "page.html").read_text() == "<!DOCTYPE html><title>Stores</title><ul><li>2</li></ul>"
    code, _, err = zreplay("report", "r", "-o", "page.html", "--report", "stores")
    assert code == 2 and err == "zreplay: page.html: already exists; --force replaces it\n"
    code, _, err = zreplay("report", "r", "-o", "other.html", "--report", "broken")
    assert code == 7 and err.startswith("zreplay: plugin broken: raised ZeroDivisionError: division by zero (")
    assert not (tmp_path / "other.html").exists()
    code, _, err = zreplay("report", "r", "-o", "other.html", "--report", "none")
    assert code == 2 and "expected one that a package has as zreplay.reports: broken, stores" in err
    code, _, err = zreplay("report", "r", "-o", "other.html", "--report", "stores", "--sort", "x")
    assert code == 2 and err.startswith("zreplay: --sort: not with --report")


RUN_AND_MODULES = """
import sys
from zreplay.__main__ import main
sys.argv = ["zreplay", "run", "t.parquet", "-o", "r", "--index", "rbtree", "-q"]
try:
    main()
except SystemExit:
    asked = ("importlib.metadata", "zreplay.plugins.python", "zreplay.plugins.plugin")
    print([name for name in asked if name in sys.modules])
"""


def test_a_run_of_what_is_built_in_looks_at_no_package(package, tmp_path):
    trace(tmp_path / "t.parquet", [store(1, 100)])
    command = [sys.executable, "-c", RUN_AND_MODULES]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout.strip() == "[]"
