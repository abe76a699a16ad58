"""Plugins where people meet them: listed, completed, chosen, recorded, compared, swept; and never loaded unasked."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from comparing import small_trace

from zreplay import __version__
from zreplay.cli.verbs import zreplay as group
from zreplay.errors import UsageError
from zreplay.plugins import registry
from zreplay.replay.axes import cross
from zreplay.replay.config import Config
from zreplay.replay.run import run

SIMPLE = Path(__file__).with_name("simple.c")
Verb = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module")
def simple(build_plugin: Callable[..., Path]) -> Path:
    return build_plugin(SIMPLE)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_trace(tmp_path_factory.mktemp("trace") / "t.parquet", source_kernel="6.12.0")


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZREPLAY_PLUGINS", raising=False)


def with_a_mark(build_plugin: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """A plugin that leaves a file as soon as it is loaded, and the file."""
    mark = tmp_path / "loaded"
    return build_plugin(SIMPLE, f'-DLEAVES_A_MARK="{mark}"', name="marking"), mark


# ---- listed ----


def test_what_is_built_in_is_listed_with_its_capabilities(zreplay: Verb, no_environment: None) -> None:
    code, out, err = zreplay("plugins", "--json")
    assert (code, err) == (0, "")
    listed = {(one["kind"], one["name"]): one for one in json.loads(out)}
    words = {key: set(one["capabilities"]) for key, one in listed.items()}
    assert words["index", "rbtree"] == {"entries"}
    assert words["index", "radix-tag"] == {"tags"}
    assert words["index", "radix-lowbit"] == set()
    assert words["index", "array"] == {"values", "bound"}
    assert words["pool", "zbud"] == {"evicts", "lru"}
    # No "lru": a free that moves objects between pages changes its order, too.
    assert words["pool", "z3fold"] == {"evicts", "migrates"}
    assert words["pool", "zsmalloc"] == {"compacts", "migrates", "spans"}
    assert words["pool", "ideal"] == {"bound"}
    assert words["mm", "entry-lru"] == {"groups"}
    assert words["mm", "lru"] == {"makes-room"}
    assert words["mm", "belady"] == {"makes-room", "bound"}
    assert {(one["origin"], one["version"]) for one in listed.values()} == {("zreplay", __version__)}
    assert all(one["summary"] for one in listed.values())


def test_a_plugin_is_listed_beside_them(zreplay: Verb, no_environment: None, simple: Path) -> None:
    code, out, err = zreplay("plugins", simple)
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["kind", "name", "origin", "version", "capabilities"]
    own = [row for row in rows if row[2] == str(simple)]
    assert [row[0] for row in own] == ["index", "pool", "mm"]
    assert [row[1].split("@")[0] for row in own] == ["sorted", "pages", "fifo"]
    assert [row[3:] for row in own] == [["1", "values"], ["1", "–"], ["1", "makes-room"]]
    assert ["index", "rbtree", "zreplay", __version__, "entries"] in rows


def test_the_environment_names_plugins(
    zreplay: Verb, simple: Path, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZREPLAY_PLUGINS", f"{simple}, ")
    code, out, _ = zreplay("plugins")
    assert code == 0
    assert "sorted@" in out
    code, out, _ = zreplay("run", trace, "-o", tmp_path / "run", "--index", "sorted", "--json")
    assert code == 0
    assert json.loads(out)["config"]["index"].startswith("sorted@")


def test_a_broken_one_of_the_environment_breaks_only_what_asks_for_it(
    zreplay: Verb, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZREPLAY_PLUGINS", str(tmp_path / "none.so"))
    code, out, err = zreplay("plugins")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith(f"zreplay: ZREPLAY_PLUGINS: {tmp_path}/none.so: No such file")
    assert "rbtree" in out
    assert zreplay("run", trace, "-o", tmp_path / "run", "--index", "rbtree")[0] == 0
    code, _, err = zreplay("run", trace, "-o", tmp_path / "other", "--index", "mine")
    assert (code, err.count("\n")) == (2, 1)
    assert "ZREPLAY_PLUGINS" in err


def test_an_unknown_name_is_told_all_that_are_known(
    zreplay: Verb, trace: Path, tmp_path: Path, simple: Path, no_environment: None
) -> None:
    registry.load(simple)
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", "sortde")
    assert (code, err.count("\n")) == (2, 1)
    assert "expected one of rbtree, radix-tag" in err
    assert "sorted@" in err


def test_help_loads_nothing(
    zreplay: Verb, build_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, mark = with_a_mark(build_plugin, tmp_path)
    monkeypatch.setenv("ZREPLAY_PLUGINS", str(plugin))
    for verb in ("run", "compare", "tune", "curve", "plugins"):
        code, out, _ = zreplay(verb, "--help")
        assert code == 0
        assert "zreplay plugins" in out or verb != "run"
    assert not mark.exists()
    registry.load(plugin)
    assert mark.exists()


# ---- completed ----


def completed(verb: str, option: str, begun: str) -> list[str]:
    shell = ShellComplete(group, {}, "zreplay", "_ZREPLAY_COMPLETE")
    return [item.value for item in shell.get_completions([verb, option], begun)]


def test_a_shell_completes_names_and_shared_objects(
    build_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, mark = with_a_mark(build_plugin, tmp_path)
    folder = tmp_path / "work"
    (folder / "build").mkdir(parents=True)
    shutil.copy(plugin, folder / "mine.so")
    shutil.copy(plugin, folder / "build" / "other.so")
    (folder / "notes.txt").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ZREPLAY_PLUGINS", "/elsewhere/far.so")
    assert completed("run", "--index", "radix") == ["radix-tag", "radix-lowbit"]
    assert completed("run", "--pool", "")[:3] == ["zbud", "z3fold", "zsmalloc"]
    assert completed("run", "--mm", "") == [*registry.built_in("mm"), "/elsewhere/far.so", "./mine.so"]
    assert completed("run", "--index", "./") == ["./build/", "./mine.so"]
    assert completed("run", "--index", "build/o") == ["build/other.so"]
    assert completed("compare", "--index", "rbtree,sw") == ["rbtree,swap-table"]
    assert completed("tune", "--pool", "zbud,./m") == ["zbud,./mine.so"]
    assert completed("curve", "--pool", "zs") == ["zsmalloc"]
    assert not mark.exists()


# ---- recorded ----


def test_a_manifest_says_what_was_plugged_in(trace: Path, tmp_path: Path, simple: Path) -> None:
    done = run(Config(trace, tmp_path / "run", index=str(simple), pool=str(simple), mm=str(simple)))
    import hashlib

    sha256 = hashlib.sha256(simple.read_bytes()).hexdigest()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["plugins"] == done.manifest["plugins"]
    assert manifest["plugins"] == [
        {"kind": kind, "name": f"{name}@{sha256[:8]}", "version": "1", "origin": str(simple), "sha256": sha256}
        for kind, name in [("index", "sorted"), ("pool", "pages"), ("mm", "fifo")]
    ]
    plain = run(Config(trace, tmp_path / "plain"))
    assert plain.manifest["plugins"] == []


def test_nothing_is_loaded_for_a_strangers_run(
    zreplay: Verb, build_plugin: Callable[..., Path], trace: Path, tmp_path: Path, simple: Path
) -> None:
    """What a manifest and a summary name is never asked for: neither the path nor the name is anything to a reader."""
    plugin, mark = with_a_mark(build_plugin, tmp_path)
    place = run(Config(trace, tmp_path / "run", index=str(simple))).directory
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["config"]["index"] = str(plugin)
    manifest["plugins"][0] |= {"name": str(plugin), "origin": str(plugin)}
    manifest["trace"]["metadata"]["source"] = str(plugin)
    del manifest["sha256"], manifest["manifest_sha256"]
    (place / "manifest.json").write_text(json.dumps(manifest))
    here = run(Config(trace, tmp_path / "here")).directory
    assert zreplay("compare", place, here)[0] == 0
    assert zreplay("report", place, "-o", tmp_path / "report.html")[0] == 0
    zreplay("info", place)
    assert not mark.exists()
    # Nor in a process that has never heard of the plugin that it was made with.
    command = [sys.executable, "-m", "zreplay", "compare", str(place), str(here), "--format", "csv"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert str(plugin) in told.stdout
    assert not mark.exists()


# ---- compared, swept, tuned ----


def test_a_run_is_not_kept_for_a_plugin_that_has_changed(
    zreplay: Verb, build_plugin: Callable[..., Path], trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "mine.so"
    found = []
    for version in "1", "1", "2":
        shutil.copy(build_plugin(SIMPLE, f'-DVERSION="{version}"'), tmp_path / "new.so")
        (tmp_path / "new.so").replace(plugin)
        if version == "2":
            with pytest.raises(UsageError, match=r"mine.so has changed since it was loaded"):
                registry.load(plugin)
            monkeypatch.setattr(registry, "_loaded", {})  # as in another process
        cells = cross([trace], {"index": ["rbtree", str(plugin)]}, tmp_path / "runs")
        found.append([cell.kept() is not None for some in cells for cell in some])
        assert zreplay("compare", trace, "--index", f"rbtree,{plugin}", "-o", tmp_path / "runs", "-q")[0] == 0
    assert found == [[False, False], [True, True], [True, False]]
    names = sorted(path.name.split("-")[0].split("@")[0] for path in next((tmp_path / "runs").iterdir()).iterdir())
    assert names == ["rbtree", "sorted", "sorted"]


def test_a_sweep_takes_plugins(zreplay: Verb, trace: Path, tmp_path: Path, simple: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text(f'traces = ["{trace}"]\nindex = ["xarray", "{simple}"]\npool = ["zsmalloc", "{simple}"]\n')
    code, out, _ = zreplay("sweep", grid, "-o", tmp_path / "swept", "--dry-run")
    assert (code, "0, 0 events" in out) == (0, False)
    assert zreplay("sweep", grid, "-o", tmp_path / "swept", "-q")[0] == 0
    rows = compared(zreplay, tmp_path / "swept")
    assert len(rows) == 4
    by_names = {(row["index"].split("@")[0], row["pool"].split("@")[0]): row for row in rows}
    assert set(by_names) == {(index, pool) for index in ("xarray", "sorted") for pool in ("zsmalloc", "pages")}
    # The index decides nothing.
    for pool in "zsmalloc", "pages":
        assert by_names["xarray", pool]["pool_pages_peak"] == by_names["sorted", pool]["pool_pages_peak"]
        assert by_names["xarray", pool]["hit_percent"] == by_names["sorted", pool]["hit_percent"]
    code, out, _ = zreplay("sweep", grid, "-o", tmp_path / "swept")
    assert code == 0
    assert out.split()[:7] == ["cells", "4", "there", "already", "4", "replayed", "0"]


@pytest.mark.slow
def test_workers_of_a_cluster_load_them_too(zreplay: Verb, trace: Path, tmp_path: Path, simple: Path) -> None:
    pytest.importorskip("distributed")
    grid = tmp_path / "grid.toml"
    grid.write_text(f'traces = ["{trace}"]\nindex = ["{simple}"]\npool = ["zsmalloc", "{simple}"]\n')
    assert zreplay("sweep", grid, "-o", tmp_path / "here", "-q")[0] == 0
    assert zreplay("sweep", grid, "-o", tmp_path / "there", "-q", "--scheduler", "local", "--workers", 1)[0] == 0
    files = [sorted((tmp_path / place).glob("**/*.parquet")) for place in ("here", "there")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert len(files[0]) == 2


def compared(zreplay: Verb, *places: Path) -> list[dict[str, Any]]:
    code, out, err = zreplay("compare", *places, "--format", "json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)["rows"]
    return found


def test_tune_names_the_path_of_what_it_has_found(zreplay: Verb, trace: Path, simple: Path) -> None:
    arguments = ["--kernel", "6.12", "--max-pool-percent", "20", "--accept-threshold-percent", "90"]
    code, out, err = zreplay("tune", trace, "--minimise", "device_reads", "--pool", simple, *arguments, "-q")
    assert code == 0, err
    assert out.split() == [
        *("--model", "zswap", "--kernel", "6.12", "--pool", str(simple), "--mm", "entry-lru"),
        *("--max-pool-percent", "20", "--accept-threshold-percent", "90"),
    ]


def test_a_curve_over_a_plugins_pool_is_what_its_replays_say(zreplay: Verb, trace: Path, simple: Path) -> None:
    code, out, err = zreplay("curve", trace, "--pool", simple, "--limits", "20,40", "--check", "2", "--format", "json")
    assert code == 0, err
    told = json.loads(out)
    for row in told["checked"]:
        assert row["replayed"]["loads_hit"] == row["loads_hit"]
        assert row["replayed"]["device_writes"] == row["device_writes"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["curve", "TRACE", "--mm", "PLUGIN"], "--mm: found"),
        (["run", "TRACE", "-o", "OUT", "--kernel", "6.1", "--mm", "PLUGIN"], "--mm: found 'fifo@"),
        (["run", "TRACE", "-o", "OUT", "--design", "two-index", "--pool", "PLUGIN"], "--pool: found 'pages@"),
        (["run", "TRACE", "-o", "OUT", "--pool", "PLUGIN", "--locate", "bits:2"], "--locate bits:2"),
        (["run", "TRACE", "-o", "OUT", "--index", "PLUGIN:none"], "expected one with index none"),
    ],
)
def test_where_a_plugin_cannot_be_one_line_says_so(
    zreplay: Verb, trace: Path, tmp_path: Path, simple: Path, arguments: list[str], words: str
) -> None:
    names = {"TRACE": str(trace), "OUT": str(tmp_path / "run")}
    given = [names.get(word, word.replace("PLUGIN", str(simple))) for word in arguments]
    code, _, err = zreplay(*given)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err


def test_what_slots_hold_is_the_plugins_say(build_plugin: Callable[..., Path], trace: Path, tmp_path: Path) -> None:
    entries = build_plugin(SIMPLE, "-DCAPABILITIES=ZR_INDEX_ENTRIES")
    plain = build_plugin(SIMPLE, "-DCAPABILITIES=0")
    metadata = import_module("zreplay.trace.files").open_trace(trace).metadata

    def holds(index: Path, pool: str) -> str:
        config = Config(trace, tmp_path / "run", kernel="6.1", index=str(index), pool=pool)
        return config.resolved(metadata).slots_hold

    assert holds(entries, "zbud") == holds(entries, "zsmalloc") == "entry"
    assert holds(plain, "zbud") == "page"
    assert holds(plain, "zsmalloc") == holds(plain, str(plain)) == "handle"
