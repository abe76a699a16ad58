"""Every command that README and docs/ show works, and prints what they say it prints (shell_blocks.py finds them)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shell_blocks as blocks

import zreplay

SHOWN = {str(page.relative_to(blocks.ROOT)): blocks.blocks(page) for page in blocks.pages()}
RUN = {page: found for page, found in SHOWN.items() if any(not block.reason for block in found)}
#: Pages that take more than ten seconds.
SLOW = ("README.md", "docs/tune.md")
TIMEOUT_S = 300
#: Rows of the reader's own trace: enough to fill a pool, soon replayed.
ROWS = 20_000


@pytest.fixture(scope="session")
def kit(tmp_path_factory):
    """What a reader has: a trace, some runs of it, a plugin of his own, a grid, and programs by their names."""
    from zreplay.trace.cut import Selection, cut

    place = tmp_path_factory.mktemp("kit")
    cut(blocks.ROOT / "traces" / "linux-6.1-zbud-lz4-node.parquet", place / "trace.parquet", Selection(rows=(0, ROWS)))
    for name, pool in (("a", "zbud"), ("b", "z3fold"), ("c", "zsmalloc")):
        zreplay.run(zreplay.Config(trace=place / "trace.parquet", out=place / "runs" / name, pool=pool))
    (place / "grid.toml").write_text('traces = ["trace.parquet"]\npool = ["zbud", "zsmalloc"]\n')
    (place / "bin").mkdir()
    fewer = 'test "$#" = 3 && test "$1 $2" = "plugin test" && set -- "$@" --operations 50000'  # than a user wants
    for name, words in (
        ("zreplay", f'{fewer}\nexec {sys.executable} -m zreplay "$@"'),
        ("python", f'exec {sys.executable} "$@"'),
    ):
        program = place / "bin" / name
        program.write_text(f"#!/bin/sh\n{words}\n")
        program.chmod(0o755)
    return place


@pytest.fixture
def scratch(kit, tmp_path, monkeypatch):
    """A folder as a reader has it, and the current one."""
    for name in ("trace.parquet", "TRACE.parquet", "TRACE"):
        shutil.copy(kit / "trace.parquet", tmp_path / name)  # a page may write its own
    for name in ("grid.toml", "GRID.toml"):
        shutil.copy(kit / "grid.toml", tmp_path / name)
    shutil.copytree(kit / "runs", tmp_path / "runs")
    (tmp_path / "RUN").symlink_to("runs/a")
    for name in ("traces", "docs"):
        (tmp_path / name).symlink_to(blocks.ROOT / name)
    for folder in ("share/bash-completion/completions", "share/man/man1"):
        (tmp_path / "home" / ".local" / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{kit / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", *filter(None, [os.environ.get("PYTHONPATH")])]))
    return tmp_path


@pytest.mark.parametrize("page", [pytest.param(page, marks=pytest.mark.slow if page in SLOW else ()) for page in RUN])
def test_what_a_page_shows_works(page, scratch):
    faults = []
    for block in RUN[page]:
        if block.reason:
            continue
        for command in block.commands:
            if fault := _fault(command, block):
                faults.append(f"{block.where}\n$ {command.text}\n{fault}")
    assert not faults, "\n\n".join(faults)


def _fault(command, block):
    """What is wrong with a command; None: nothing."""
    text = _named(command.text) if block.placeholders else command.text
    _have_plugin(text)
    session = ["bash", "-o", "pipefail", "-c", text]
    done = subprocess.run(session, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
    printed = done.stdout + done.stderr
    expected = block.code if command is block.commands[-1] else 0
    if done.returncode != expected:
        return f"exit code {done.returncode}, expected {expected}:\n{printed}"
    if command.output and not blocks.matches(command.output, printed.splitlines()):
        return f"printed:\n{printed}\nshown:\n" + "\n".join(command.output)
    return None


def _named(text):
    """A command that names its files in capitals, for a folder that has them; what it writes is not there yet."""
    text = text.replace("…", "").replace(" KIND ", " pool-pages ")
    for out in re.findall(r"-o ([A-Z][A-Z-]*(?:\.\w+)?)(?= |$)", text):
        place = Path(out)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
    return text


def _have_plugin(text):
    """The reader's ./mytree.so, where a page takes it for granted."""
    if "mytree.so" in text and "-o mytree.so" not in text and not Path("mytree.so").exists():
        flags = subprocess.check_output(["zreplay", "plugin", "--cflags"], text=True).split()
        source = blocks.ROOT / "docs" / "examples" / "plugins" / "skiplist.c"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", *flags, source, "-o", "mytree.so"], check=True)


def test_a_block_that_is_not_run_says_why():
    reasons = [block.reason for block in blocks.not_run()]
    assert reasons
    assert all(len(reason) >= 10 for reason in reasons)
    assert {block.page for block in blocks.not_run()} >= set(blocks.ELSEWHERE) & {
        p for p, found in SHOWN.items() if found
    }


def test_commands_are_found_in_all_their_forms(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    page = tmp_path / "x.md"
    page.write_text(
        "    zreplay info TRACE \\\n        --json\n\n<!-- not run: takes root -->\n\n    sudo zreplay record\n\n"
        "| see | `zreplay info TRACE`, `zreplay check TRACE` |\n\n"
        "<!-- exits 3 -->\n```console\n$ zreplay x\nno\n$ y\n```\n"
    )
    typed, root, cell, session = blocks.blocks(page)
    assert typed.commands[0].text == "zreplay info TRACE \\\n    --json"
    assert root.reason == "takes root"
    assert [command.text for command in cell.commands] == ["zreplay info TRACE", "zreplay check TRACE"]
    assert [(command.text, command.output) for command in session.commands] == [("zreplay x", ["no"]), ("y", [])]
    assert session.code == 3


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a 1"], ["a 1  "], True),
        (["a … s"], ["a 1.2 s"], True),
        (["…", "b"], ["x", "y", "b"], True),
        (["a", "…"], ["a"], True),
        (["a"], ["a", "b"], False),
        (["a 1"], ["a 2"], False),
    ],
)
def test_an_ellipsis_is_what_varies_and_all_else_is_as_shown(shown, printed, same):
    assert blocks.matches(shown, printed) is same
