"""Shell completion, in the shells themselves: what they would write behind what was typed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zreplay.replay.designs import DESIGNS

#: What was typed → some of what it is completed with.
TYPED = {
    "zreplay pl": {"plot", "plugin", "plugins"},
    "zreplay plugin ": {"test"},
    "zreplay run T --index radix": {"radix-tag", "radix-lowbit"},
    "zreplay run T --kernel 6": {"6.1", "6.12"},
    "zreplay run T --max-p": {"--max-pool-percent"},
    "zreplay compare T --pool zbud,zs": {"zbud,zsmalloc"},
    "zreplay compare T --columns pool_pages_p": {"pool_pages_peak"},
    "zreplay compare T --design zswap": {name for name in DESIGNS if name.startswith("zswap")},
    "zreplay synth ph": {"phone"},
    "zreplay plugin test ./my": {"./mytree.so"},
    "zreplay plugin test x --like radix-l": {"radix-lowbit"},
    "zreplay completion ": {"bash", "zsh", "fish"},
}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A directory with a plugin's file, and `zreplay` in PATH."""
    (tmp_path / "mytree.so").touch()
    command = tmp_path / "bin" / "zreplay"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m zreplay "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def script(zreplay, shell: str) -> str:
    code, out, err = zreplay("completion", shell)
    assert (code, err) == (0, "")
    return out


def shell(*words: str) -> list[str]:
    if not shutil.which(words[0]):
        pytest.skip(f"needs {words[0]}")
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def test_bash_completes_verbs_options_and_names(zreplay, place):
    (place / "zreplay.bash").write_text(script(zreplay, "bash"))
    asked = [
        f"COMP_WORDS=({typed} {'' if typed[-1] != ' ' else chr(34) * 2}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        'COMPREPLY=(); _zreplay_completion zreplay; echo "${COMPREPLY[@]}"'
        for typed in TYPED
    ]
    lines = shell("bash", "--norc", "-c", "source ./zreplay.bash; " + "; ".join(asked))
    for (typed, expected), line in zip(TYPED.items(), lines, strict=True):
        assert expected <= set(line.split()), typed


def test_fish_completes_verbs_options_and_names(zreplay, place):
    (place / "zreplay.fish").write_text(script(zreplay, "fish"))
    for typed in ("zreplay pl", "zreplay run T --index radix", "zreplay plugin test ./my"):
        lines = shell("fish", "--no-config", "-c", f"source ./zreplay.fish; complete -C '{typed}'")
        assert TYPED[typed] <= {line.split("\t")[0] for line in lines}, typed


def test_zsh_takes_the_script_and_its_protocol_has_the_names(zreplay, place):
    (place / "_zreplay").write_text(script(zreplay, "zsh"))
    # zsh completes on a terminal alone; what its script asks for is asked here.
    asked = 'COMP_WORDS="zreplay run T --index radix" COMP_CWORD=4 _ZREPLAY_COMPLETE=zsh_complete zreplay'
    lines = shell("zsh", "-f", "-c", f"autoload -U compinit; compinit -u -D; source ./_zreplay; {asked}")
    assert TYPED["zreplay run T --index radix"] <= set(lines)
