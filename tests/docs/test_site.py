"""The documentation's site: it builds without a warning, has a page for every verb, and fetches nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zreplay.cli.help import VERBS

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
#: What makes a browser fetch: a script, a style, a picture, a font; links that a reader follows are not among them.
_FETCHED = re.compile(
    r"""(?:src|srcset)=["']?(?:https?:)?//[^"'\s>]+|<link[^>]+rel=["']?(?:stylesheet|preconnect)[^>]+//[^>]+>"""
)
_FETCHED_BY_STYLE = re.compile(r"url\(['\"]?(?:https?:)?//|@import\s+['\"](?:https?:)?//")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("completion", "man")])
def test_every_verb_has_its_how_to_with_a_command_and_what_to_look_at(verb):
    text = (HOW_TO / f"{verb}.md").read_text(encoding="utf-8")
    assert re.search(rf"^(?:\$ |sudo )?zreplay {verb}\b", text, re.MULTILINE)
    assert "**Look at**" in text
    assert f"`zreplay {verb}`" in text.splitlines()[0]
    assert f"({verb}.md)" in (HOW_TO / "index.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_builds_without_a_warning_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is missing: pip install 'zreplay[docs]'")
    pytest.importorskip("material", reason="mkdocs-material is missing: pip install 'zreplay[docs]'")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is missing: pip install 'zreplay[docs]'")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(site.rglob("*.html"))
    assert {"index.html", "tutorial.html", "api.html", "cli.html"} <= {page.name for page in pages}
    assert [fetched for page in pages for fetched in _FETCHED.findall(page.read_text(encoding="utf-8"))] == []
    styles = site.rglob("*.css")
    assert [style for style in styles if _FETCHED_BY_STYLE.search(style.read_text(encoding="utf-8"))] == []
    api = (site / "api.html").read_text(encoding="utf-8")
    assert 'id="zreplay.run"' in api
    assert ":func:" not in api
    command_line = (site / "cli.html").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"zreplay {verb}" not in command_line] == []
