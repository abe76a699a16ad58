"""Every command that a page, a message or a comment tells to type is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"\bpython ((?:docs|tests|lab)/[\w/.-]*\w)")
READ = {".md", ".py", ".toml", ".yml", ".yaml", ".hpp", ".cpp", ".h", ".c"}


def sources() -> list[Path]:
    return [
        path
        for folder in ("docs", "tests", "zreplay", ".github")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in READ and path.parent != Path(__file__).parent
    ] + sorted(ROOT.glob("*.*"))


def test_every_script_that_is_named_is_there():
    named = {
        (command, path.relative_to(ROOT))
        for path in sources()
        if path.suffix in READ
        for command in COMMAND.findall(path.read_text(encoding="utf-8"))
    }
    assert {command for command, _ in named} >= {"docs/studies/fidelity", "docs/studies/sampling.py"}
    missing = [
        f"{path}: python {command}"
        for command, path in sorted(named)
        if not ((ROOT / command).is_file() or (ROOT / command / "__main__.py").is_file())
    ]
    assert missing == []
