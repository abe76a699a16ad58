"""Every verb's help has an example, and what it shows works as it is typed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from cli.surface import leaves, on_terminal

ROOT = Path(__file__).parents[2]
HELPS = {path: command.help or "" for path, command in leaves()}
#: What takes a machine, or a failure, that a test has not.
_NOT_HERE = ("sudo ", "gcore ", "trace-cmd ", "cc ", "ZREPLAY_PLUGINS=", "zreplay plugin test ./mytree.so --replay")
#: Sizes for tests.
_SMALLER = {
    "20000000": "2000",
    "5m": "20s",
    "50000000": "2000",
    "1000000": "500",
    "60": "0",
    "120": "900",
    "/usr/lib": "lib",
    "core.1234": "lib",
}


def examples(path: tuple[str, ...]) -> list[str]:
    lines = [line.strip() for line in HELPS[path].splitlines()]
    return [line for line in lines if re.match(r"(\S+=\S+ |sudo |cc |gcore .*|trace-cmd .*)?zreplay ", line)]


EXAMPLES = [line for path in HELPS for line in examples(path) if not line.startswith(_NOT_HERE)]


@pytest.mark.parametrize("path", HELPS, ids=" ".join)
def test_every_help_has_an_example_that_calls_its_verb(path):
    own = "zreplay " + " ".join(path)
    assert any(own in line for line in examples(path))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A directory with what the examples name."""
    place = tmp_path_factory.mktemp("examples")
    from zreplay.replay.config import Config
    from zreplay.replay.run import run
    from zreplay.trace.cut import Selection, cut

    cut(ROOT / "traces" / "linux-6.1-zbud-lzo-mixed.parquet", place / "TRACE", Selection(rows=(0, 4000)), force=False)
    (place / "traces").mkdir()
    for name in ("linux-6.1-zbud-lzo-mixed", "linux-6.1-zsmalloc-g++"):
        (place / "traces" / f"{name}.parquet").symlink_to(place / "TRACE")
    run(Config(trace=place / "TRACE", out=place / "RUN"), None)
    (place / "GRID.toml").write_text('traces = ["TRACE"]\npool = ["zbud", "zsmalloc"]\n')
    (place / "mine.toml").write_text((ROOT / "zreplay/trace/recipes/ready/phone.toml").read_text())
    (place / "lib").mkdir()
    (place / "lib" / "some").write_bytes(b"some text " * 5000)
    from cli.test_convert import CONTEXT, LOG

    (place / "trace.txt.zst").write_text(LOG)
    (place / "context.txt").write_text(CONTEXT)
    source = ROOT / "docs/examples/plugins/radix_lowbit.c"
    flags = f"-I{ROOT / 'zreplay/core/plugin'}"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", flags, source, "-o", place / "mytree.so"], check=True)
    return place


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_does_what_it_shows(zreplay, place, monkeypatch, line):
    words = shlex.split(re.split(r" [|>] ", line, maxsplit=1)[0].split("  # ")[0])[1:]
    words = [_SMALLER.get(word, word) for word in words]
    monkeypatch.chdir(place)
    for name in ("like-it.parquet", "trace.parquet"):  # which an example may have replaced
        Path(name).unlink(missing_ok=True)
        Path(name).symlink_to("TRACE")
    monkeypatch.setenv("HOME", str(place))
    if "--fit" not in words:
        monkeypatch.setenv("ZREPLAY_SYNTH_EVENTS", "2000")
    monkeypatch.setenv("ZREPLAY_PLUGIN_TEST_OPERATIONS", "2000")
    monkeypatch.setenv("ZREPLAY_PAGES_LIMIT_PAGES", "50")
    for verb in ("RUN", "SYNTH", "CUT", "CONVERT", "REPORT", "CURVE", "TUNE", "COMPARE"):
        monkeypatch.setenv(f"ZREPLAY_{verb}_FORCE", "1")
    code, out, err = zreplay(*(str(Path(word).expanduser()) if word.startswith("~") else word for word in words))
    assert code == 0, err
    assert out, "an example says something"


#: A call of each verb that prints, beside its arguments.
PRINTING = [
    ("info", "TRACE"),
    ("info", "TRACE", "traces/linux-6.1-zsmalloc-g++.parquet"),
    ("check", "TRACE"),
    ("curve", "TRACE", "--limits", "6"),
    ("validate", "TRACE"),
    ("run", "TRACE", "-o", "wide", "--force"),
    ("compare", "TRACE", "--pool", "zbud,zsmalloc", "--all"),
    ("compare", "TRACE", "--index", "rbtree,radix-lowbit"),
    ("tune", "TRACE", "--minimise", "pool_pages_mean", "--max-pool-percent", "10,20", "--kernel", "6.1"),
    ("plugins",),
    ("synth", "--list"),
    ("pages", "lib"),
    ("record", "--doctor"),
    ("cut", "TRACE", "-o", "wide.parquet", "--rows", ":10", "--force"),
    ("sweep", "GRID.toml", "-o", "wide-sweep"),
    ("sweep", "GRID.toml", "-o", "wide-sweep", "--dry-run"),
    ("convert", "trace.txt.zst", "--context", "context.txt", "-o", "wide.parquet", "--force"),
]


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_nothing_on_a_terminal_of_80_columns_is_wider_or_coloured(place, words):
    shown = on_terminal(80, *words, cwd=place, NO_COLOR="1")
    assert shown.strip()
    assert max(map(len, shown.splitlines())) <= 80, shown
    assert not re.search(r"\x1b\[[0-9;]*m", shown)


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_json_is_one_document_and_nothing_else(zreplay, place, monkeypatch, words):
    import json

    if words == ("synth", "--list"):
        words = ("synth", "phone", "--events", "100", "-o", "json.parquet", "--force")
    monkeypatch.chdir(place)
    code, out, _ = zreplay(*words, "--json")
    assert code == 0
    json.loads(out)
