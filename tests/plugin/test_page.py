"""docs/plugins*.md: what they show is in the examples, and what they say to type works, from begin to end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from plugin.building import EXAMPLES, ROOT

TEXT = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_c_it_shows_is_the_examples_own():
    sources = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.c")]
    assert len(blocks("c")) == 4
    for block in blocks("c"):
        assert any(block in source for source in sources), block


def test_it_names_every_operation_and_capability_of_pools_that_is_optional():
    header = (ROOT / "zreplay" / "core" / "plugin" / "zreplay_plugin.h").read_text(encoding="utf-8")
    optional = header.split("What follows is optional (NULL). */")[1].split("};")[0]
    names = re.findall(r"\(\*(\w+)\)", optional)
    assert names == re.findall(
        r"^\| `(\w+)`", TEXT.split("What is optional decides")[1].split("\n\n**")[0], re.MULTILINE
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", ["plugins.md", "plugins-in-python.md"])
def test_what_it_says_to_type_works(page: str, tmp_path: Path):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for folder in ("docs", "traces"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    verb = tmp_path / "bin" / "zreplay"
    verb.parent.mkdir()
    fewer = 'test "$1 $2" = "plugin test" && set -- "$@" --operations 100000'  # than a user wants
    verb.write_text(f'#!/bin/sh\n{fewer}\nexec {sys.executable} -m zreplay "$@"\n')
    verb.chmod(0o755)
    environment = {**os.environ, "PATH": f"{verb.parent}:{os.environ['PATH']}"}
    stdout = ""
    for language, block in re.findall(r"^```(sh|text)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if language == "text":
            missing = [line for line in block.splitlines() if without_hash(line) not in without_hash(stdout)]
            assert missing == [], stdout
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        stdout = done.stdout


def without_hash(text: str) -> str:
    """Of another compiler it is another; it is as long."""
    return re.sub(r"@[0-9a-f]{8}", "@", text)
