"""Run directories of strangers: nothing in one is executed or followed; what was changed is seen."""

import json
import sys
from pathlib import Path
from typing import Any

import byhand
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from byhand import load as loads
from byhand import store

from zreplay.analysis.results import load
from zreplay.errors import UsageError
from zreplay.replay.config import Config
from zreplay.replay.run import run


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    trace = byhand.trace(tmp_path / "t.parquet", [store(1, 100), store(2, 200), loads(1)])
    return run(Config(trace=trace, out=tmp_path / "run", index="rbtree", pool="zbud", model="zswap")).directory


def change(directory: Path, **values: Any) -> None:
    """A manifest with other values, as a stranger would write it: without hashes."""
    manifest = json.loads((directory / "manifest.json").read_text()) | values
    del manifest["sha256"], manifest["manifest_sha256"]
    (directory / "manifest.json").write_text(json.dumps(manifest))


def refusal(directory: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load([directory])
    return str(caught.value)


def test_changed_number_is_seen(directory: Path) -> None:
    """Nothing in the file itself tells: it is whole, with checksums, of another answer."""
    path = directory / "summary.parquet"
    summary = pq.read_table(path)
    column = summary.schema.get_field_index("loads_hit")
    changed = summary.set_column(column, "loads_hit", pa.array([7], summary.schema.field(column).type))
    pq.write_table(changed, path)
    assert "damaged: summary.parquet has sha256" in refusal(directory)


def test_changed_manifest_is_seen(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text().replace('"index": "rbtree"', '"index": "xarray"'))
    assert refusal(directory).startswith(f"{path}: damaged: its text is not the one it has the hash of")


def test_directory_of_before_there_were_hashes_is_read(directory: Path) -> None:
    change(directory)
    assert load([directory])[0].summary["loads_hit"] == 1


@pytest.mark.parametrize("name", ["summary.parquet", "timeline.parquet", "classes.parquet", "operations.parquet"])
def test_link_in_a_directory_is_not_followed(directory: Path, name: str, tmp_path: Path) -> None:
    (directory / name).rename(tmp_path / "elsewhere")
    (directory / name).symlink_to(tmp_path / "elsewhere")
    found = "found a link or a device, expected a file; what it names was not opened"
    assert refusal(directory) == f"{directory / name}: {found}"


def test_manifest_that_is_a_link_is_not_followed(directory: Path, tmp_path: Path) -> None:
    (directory / "manifest.json").rename(tmp_path / "secret")
    (directory / "manifest.json").symlink_to(tmp_path / "secret")
    assert "found a link, expected a file" in refusal(directory)


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/zero", "/nonexistent", "x" * 5000, "a\0b", ""])
def test_path_that_a_manifest_names_is_no_more_than_looked_for(directory: Path, path: str) -> None:
    """A report charts the trace where it is still there: a file of that name that is another one is not it."""
    change(directory, trace={"path": path, "sha256": "0" * 64, "rows": 3, "metadata": {}})
    assert not load([directory])[0].has_trace


def test_plugin_that_a_manifest_names_is_not_loaded(directory: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "evil.py"
    plugin.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    manifest = json.loads((directory / "manifest.json").read_text())
    origin = {"kind": "pool", "name": str(plugin), "version": "1", "origin": str(plugin), "sha256": "0" * 64}
    change(directory, plugins=[origin], config=manifest["config"] | {"pool": str(plugin), "index": str(plugin)})
    (found,) = load([directory])
    assert found.settings["pool"] == str(plugin)
    assert not (tmp_path / "executed").exists()
    assert "evil" not in sys.modules


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "[]", "null", '"x"', "\xff", '{"schema_version": {"a": 1}}', ""])
def test_manifest_that_is_none_is_one_error(directory: Path, text: str) -> None:
    (directory / "manifest.json").write_text(text, encoding="latin-1")
    assert refusal(directory).isprintable()
