"""Plugins in Python: the examples beside what is built in, and errors in one line."""

import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from byhand import invalidate, load, store, trace
from plugin.written import module

import zreplay
from zreplay.plugins import Index
from zreplay.replay.axes import cross, run_missing, values_of
from zreplay.replay.run import open_run

ROOT = Path(__file__).parents[2]
TRACES, EXAMPLES = ROOT / "traces", ROOT / "docs" / "examples" / "plugins"
RADIX, ZBUD, FIFO = (str(EXAMPLES / name) for name in ("radix_lowbit.py:RadixLowbit", "zbud.py:Zbud", "fifo.py:Fifo"))
TIMES = ("events_per_second", "seconds", "ns_per_event")


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory) -> Callable[..., Path]:
    """The first rows of a recording."""

    def cut(name: str, rows: int) -> Path:
        path = tmp_path_factory.mktemp("cut") / f"{name}.parquet"
        command = [sys.executable, "-m", "zreplay", "cut", TRACES / f"{name}.parquet", "-o", path, "--rows", f":{rows}"]
        subprocess.run([*map(str, command), "-q"], check=True)
        return path

    return cut


def replayed(path: Path, out: Path, **settings: Any) -> dict[str, Any]:
    """All that a run says but what it was and how long it took."""
    zreplay.run(zreplay.Config(trace=path, out=out, **settings))
    run = open_run(out)
    summary = {name: value for name, value in run.summary().items() if name not in (*TIMES, "config")}
    tables = {name: pl.read_parquet(out / f"{name}.parquet").to_dict(as_series=False) for name in TABLES}
    return {"summary": summary, **tables}


TABLES = ("timeline", "operations", "classes")


# ---- the examples ----


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("linux-6.1-zbud-lzo-writeback", {}),
        ("linux-6.12-zsmalloc-lz4-python", {"check_every": 7000}),
        ("linux-6.1-z3fold-zstd-python", {"locate": "bits:5", "cma_every": 5000}),
    ],
)
def test_radix_lowbit_in_python_has_every_metric_of_the_built_in(cut_short, tmp_path, name, settings):
    path = cut_short(name, 40_000)
    built_in = replayed(path, tmp_path / "built-in", index="radix-lowbit", **settings)
    assert built_in["summary"]["index_nodes_peak"] > 50
    assert replayed(path, tmp_path / "python", index=RADIX, **settings) == built_in


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(TRACES.glob("*.parquet")), ids=lambda path: path.stem)
def test_radix_lowbit_in_python_has_every_metric_on_every_recording(tmp_path, path):
    built_in = replayed(path, tmp_path / "built-in", index="radix-lowbit")
    assert replayed(path, tmp_path / "python", index=RADIX) == built_in


def test_radix_lowbit_in_python_over_offsets_far_apart(tmp_path):
    """Trees that grow and shrink by several levels, and offset 0, which lives in the root."""
    offsets = (0, 5, 64, 4095, 4096, 1 << 30, (1 << 58) - 1, 1 << 57)
    events = [store(offset, 1000, type=type) for type in (0, 31) for offset in offsets]
    events += [store(4096, 500), load(1 << 30), invalidate((1 << 58) - 1, type=31), invalidate(1 << 57, type=31)]
    events += [invalidate(offset) for offset in reversed(offsets)] + [{"op": "invalidate_area", "type": 31}]
    path = trace(tmp_path / "t.parquet", events)
    settings = {"kernel": "6.1", "check_every": 1, "sample_events": 1}
    built_in = replayed(path, tmp_path / "built-in", index="radix-lowbit", **settings)
    assert built_in["summary"]["index_nodes_peak"] > 30
    assert replayed(path, tmp_path / "python", index=RADIX, **settings) == built_in


@pytest.mark.parametrize(
    ("name", "rows", "settings"),
    [
        ("linux-6.1-zbud-lzo-writeback15", 200_000, {}),
        ("linux-6.12-zbud-lzo-mixed-2cpu", 60_000, {"totalram_pages": 12_000}),
    ],
)
def test_zbud_in_python_has_the_pages_of_the_built_in(cut_short, tmp_path, name, rows, settings):
    """The headers that a second try of a reclaim reads are on another account, but as many."""
    path = cut_short(name, rows)
    settings = {"index": "xarray", **settings}
    built_in = replayed(path, tmp_path / "built-in", pool="zbud", **settings)
    python = replayed(path, tmp_path / "python", pool=ZBUD, check_every=9000, **settings)
    assert built_in["summary"]["writebacks"] > 500
    headers = [sum(run["operations"].pop("page_headers_read")) for run in (built_in, python)]
    assert headers[0] == headers[1] > 0
    assert python == built_in


def test_first_in_first_out_is_lru_where_loads_take_entries_away(cut_short, tmp_path):
    path = cut_short("linux-6.12-zbud-lz4-node", 60_000)
    settings = {"kernel": "6.12", "totalram_pages": 12_000}
    built_in = replayed(path, tmp_path / "lru", mm="lru", **settings)
    assert built_in["summary"]["writebacks"] > 500
    assert replayed(path, tmp_path / "fifo", mm=FIFO, **settings) == built_in


def test_the_name_in_results_is_the_class_and_its_file(tmp_path):
    path = trace(tmp_path / "t.parquet", [store(1, 100), load(1)])
    config = zreplay.Config(trace=path, out=tmp_path / "r", index=RADIX, pool=ZBUD)
    assert config.plugins == (RADIX, ZBUD)
    settings = zreplay.run(config).summary()["config"]
    digits = subprocess.run(["sha256sum", EXAMPLES / "radix_lowbit.py"], capture_output=True, text=True, check=True)
    assert settings["index"] == f"radix-lowbit-py@{digits.stdout[:8]}"
    assert settings["pool"].startswith("zbud-py@")
    # Elsewhere what is to be loaded comes with it.
    program = (
        f"import zreplay; print(zreplay.Config('t', 'r', index={settings['index']!r}, plugins={(RADIX,)!r}).index)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == settings["index"]


def test_a_comparison_calls_python_from_two_threads(cut_short, tmp_path):
    path = cut_short("linux-6.1-zbud-lzo-writeback", 30_000)
    axes = {
        "index": values_of("index", ["radix-lowbit", RADIX, "rbtree"]),
        "pool": values_of("pool", ["zbud", ZBUD]),
    }
    runs = [run for cells in cross([path], axes, tmp_path / "runs") for run in run_missing(cells)]
    rows = [run.summary() for run in runs]
    assert len({row["config"]["index"] for row in rows}) == 3 and len({row["config"]["pool"] for row in rows}) == 2
    for name in ("written_back_pages", "stores_rejected", "pool_pages_peak", "loads_hit"):
        assert len({row[name] for row in rows}) == 1, name
    nodes = Counter((row["config"]["pool"].split("@")[0], row["index_nodes_peak"]) for row in rows)
    assert sorted(nodes.values()) == [1, 1, 2, 2]  # both radix trees alike, over either pool


def test_a_class_can_be_tried_without_a_replay():
    sys.path.append(str(EXAMPLES))
    try:
        from radix_lowbit import RadixLowbit
    finally:
        sys.path.remove(str(EXAMPLES))
    tree = RadixLowbit()
    assert isinstance(tree, Index)
    assert tree.insert(0, 100, 16) is None  # two levels are made, and the top's and the leaf's first line is 0
    assert (tree.cost.nodes_allocated, tree.cost.nodes_visited, tree.cost.slots_written) == (2, 2, 4)
    assert list(tree.entries(0)) == [(100, 16)]


def test_the_python_that_the_page_shows_is_the_examples_own():
    page = (ROOT / "docs" / "plugins-in-python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        assert block in (EXAMPLES / "radix_lowbit.py").read_text(encoding="utf-8"), block


# ---- errors ----


def failing(zreplay, tmp_path, monkeypatch, *options: str) -> str:
    """The one line that a run ends with."""
    monkeypatch.chdir(tmp_path)
    path = trace(tmp_path / "t.parquet", [store(1, 100), store(2, 200), load(1), invalidate(2)])
    code, out, err = zreplay("run", path, "-o", tmp_path / "r", *options)
    assert out == "" and err.count("\n") == 1, err
    assert not (tmp_path / "r").exists()
    return f"{code} {err.strip()}".replace(str(tmp_path), "HERE")


HASH = "@[0-9a-f]{8}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "    def erase(self, type, offset):\n        return self.words[offset]\n",
            f"7 zreplay: plugin wrong{HASH}: erase\\(0, 2\\) raised KeyError: 2 \\(wrong_N.py:23\\); "
            "after event 3 of HERE/t.parquet",
        ),
        (
            "    def check(self):\n        import json\n        json.loads('{')\n",
            f"7 zreplay: plugin wrong{HASH}: check\\(\\) raised JSONDecodeError: .* \\(wrong_N.py:24\\); "
            "after event 4 of HERE/t.parquet",
        ),
        ("    def find(self, type, offset):\n        return 'here'\n", "gave 'here', expected a location"),
        ("    def find(self, type, offset):\n        return True\n", "gave True, expected a location"),
        ("    def find(self, type, offset):\n        return -2\n", "gave -2, expected a location"),
        # Followed as an address, it would be the end of the process.
        (
            "    def find(self, type, offset):\n        return 4096\n",
            "gave 4096, expected a location that it was given",
        ),
        ("    def erase(self, type, offset):\n        return 4096\n", "gave 4096, expected a location that it was"),
        (
            "    def memory(self):\n        return 1, 2\n",
            f"7 .*{HASH}: memory\\(\\) gave \\(1, 2\\), expected entries, nodes and bytes",
        ),
        ("    def __init__(self):\n        1 / 0\n", "__init__\\(\\) raised ZeroDivisionError: .* \\(wrong_N.py:23\\)"),
        ("    def __init__(self, options):\n        pass\n", "__init__\\(\\) raised TypeError: .*'options'"),
        ("    cost = 3\n    def __init__(self):\n        self.cost = 3\n", "has something else for cost"),
        ("    capabilities = {'fast'}\n", "found capability 'fast', expected one of values, tags, entries"),
        ("    name = 'My Index'\n", "index named 'My Index', expected lower-case letters, digits and '-'"),
    ],
)
def test_what_a_class_does_wrong_is_one_line(zreplay, tmp_path, monkeypatch, body, expected):
    number = uuid.uuid4().hex
    name = module(tmp_path, f"wrong_{number}", f"\nclass Wrong(InADict):\n{body}")
    line = failing(zreplay, tmp_path, monkeypatch, "--index", f"{name}:Wrong")
    assert line.startswith("7 zreplay: plugin wrong") and "\n" not in line
    assert re.search(expected, line.replace(number, "N")), line


@pytest.mark.parametrize(
    ("option", "spec", "expected"),
    [
        ("--index", "no_such_module:X", "2 zreplay: --index: found no_such_module:X, expected a module that can be"),
        ("--index", "./none.py:X", "2 zreplay: --index: HERE/none.py: No such file or directory"),
        ("--index", "MODULE:Nothing", "expected a class that MODULE has: InADict, Unfinished, APool"),
        ("--index", "./MODULE.py:Nothing", "expected a class that HERE/MODULE.py has: InADict, Unfinished, APool"),
        ("--index", "MODULE:APool", "2 zreplay: --index: found MODULE:APool, which is of kind pool; expected one of"),
        ("--index", "MODULE:Unfinished", "7 zreplay: plugin MODULE:Unfinished: without entries(), which is not"),
        ("--index", "MODULE:NUMBER", "7 zreplay: plugin MODULE:NUMBER: is of type int, expected a class derived from"),
        ("--pool", "MODULE:APool", "alloc(108, COOKIE) gave None, expected a handle, −12, −22 or −28; after event 0"),
        (
            "--index",
            "BROKEN:X",
            "7 zreplay: plugin BROKEN:X: its module raised SyntaxError: invalid syntax (BROKEN.py:1)",
        ),
        ("--index", "./BROKEN.py:X", "BROKEN.py:X: its module raised SyntaxError: invalid syntax (BROKEN.py:1)"),
        (
            "--index",
            "NEEDS:X",
            "7 zreplay: plugin NEEDS:X: its module raised ModuleNotFoundError: No module named 'noo'",
        ),
        ("--index", "radix_lowbit", "2 zreplay: --index: found 'radix_lowbit', expected one of rbtree, "),
    ],
)
def test_a_name_that_cannot_be_is_one_line(zreplay, tmp_path, monkeypatch, option, spec, expected):
    number = uuid.uuid4().hex
    names = {word: f"{word.lower()}_{number}" for word in ("MODULE", "BROKEN", "NEEDS")}
    more = """
NUMBER = 3
class Unfinished(Index):
    def find(self, type, offset):
        return None
class APool(Pool):
    def alloc(self, size_bytes, cookie):
        return None
    def free(self, handle):
        pass
    def memory(self):
        return 0, 0, 0
    def reclaim(self, retries):
        return 0
"""
    module(tmp_path, names["MODULE"], more)
    (tmp_path / f"{names['BROKEN']}.py").write_text("def f(:\n")
    (tmp_path / f"{names['NEEDS']}.py").write_text("import noo\n")
    for word, name in names.items():
        spec = spec.replace(word, name)
    line = failing(zreplay, tmp_path, monkeypatch, option, spec, "--kernel", "6.1")
    for word, name in names.items():
        line = line.replace(name, word)
    assert expected in re.sub(r"\b\d{9,}\b", "COOKIE", line), line


def test_a_file_that_changed_is_not_taken_for_what_was_loaded(zreplay, tmp_path, monkeypatch):
    module(tmp_path, "changes_soon")
    trace(tmp_path / "t.parquet", [store(1, 100)])
    monkeypatch.chdir(tmp_path)
    assert zreplay("run", "t.parquet", "-o", "r", "--index", "changes_soon:InADict", "-q")[0] == 0
    module(tmp_path, "changes_soon", "# another\n")
    code, _, err = zreplay("run", "t.parquet", "-o", "r2", "--index", "changes_soon:InADict")
    assert code == 2 and "has changed since it was loaded; start anew" in err


def test_what_an_order_says_is_looked_at(zreplay, tmp_path, monkeypatch):
    module(
        tmp_path,
        "order_of_none",
        """
class Nobody(Order):
    capabilities = {"makes-room"}
    def stored(self, cookie, type, offset, length_bytes, group):
        return 7
    def gone(self, handle):
        assert handle == 7
    def next(self, group):
        return 5
    def visited(self, handle):
        pass
    def memory(self):
        return 1, 0
""",
    )
    monkeypatch.chdir(tmp_path)
    trace(tmp_path / "t.parquet", [store(offset, 4000) for offset in range(1, 9)])
    command = ["run", "t.parquet", "-o", "r", "--kernel", "6.12", "--totalram-pages", "10", "--pool", "zsmalloc"]
    code, _, err = zreplay(*command, "--mm", "order_of_none:Nobody")
    assert code == 7 and "next(): cookie 5, expected an entry's that is live; after event" in err, err


def test_an_interrupt_in_a_plugin_is_an_interrupt(zreplay, tmp_path, monkeypatch):
    module(
        tmp_path,
        "interrupted",
        "class Now(InADict):\n    def find(self, type, offset):\n        raise KeyboardInterrupt\n",
    )
    monkeypatch.chdir(tmp_path)
    trace(tmp_path / "t.parquet", [store(1, 100), load(1)])
    code, _, err = zreplay("run", "t.parquet", "-o", "r", "--index", "interrupted:Now", "--kernel", "6.1")
    assert (code, err.strip()) == (130, "zreplay: interrupted; nothing was written")
