"""The commands that README and docs/ show, and what they say about running them.

Run are: ```console blocks (after `$ `, with their output where it is shown), ```sh and ```python blocks, indented
blocks of which a line begins with a command, and commands in a table's second cell. `…` in shown output is what varies:
within a line any text, alone on a line any lines. Where a command names its files in capitals (TRACE, DIR, RUN) the
reader has his own, and the test has some. A block that cannot be run, or that must fail, says so in the line before (a
row of a table in itself):

    <!-- not run: REASON -->
    <!-- exits 3 -->

`python tests/shell_blocks.py` lists all that is not run, and why.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Whole pages, and why. A study's page is written by its own program, through which a marker would have to go.
ELSEWHERE = {
    "docs/plugins.md": "typed, with all that it prints, by tests/plugin/test_page.py",
    "docs/plugins-in-python.md": "typed, with all that it prints, by tests/plugin/test_page.py",
    "docs/kernel-plugins.md": "needs the kernel's sources",
    "docs/performance.md": "measures for an hour; its own program runs what it shows",
    "docs/performance-intel.md": "measures for an hour; its own program runs what it shows",
    "docs/testing.md": "campaigns: tests themselves, or hours long",
    "docs/packaging.md": "builds packages; tests/packages does",
    "docs/fidelity.md": "validates every recording; tests/fidelity does",
    "docs/reenactments.md": "a study: its own program writes the page",
    "docs/the-2013-thread.md": "a study: its own program writes the page",
    "docs/sampling.md": "a study: its own program writes the page",
    "docs/sampling-first.md": "a study: its own program writes the page",
    "docs/fit-first.md": "a study: its own program writes the page",
    "docs/tune-first.md": "a study: its own program writes the page",
    "lab/README.md": "needs a kernel and root",
    "lab/check-record.md": "needs a kernel and root",
    "traces/README.md": "the texts that the traces were made of are not in the repository",
}
_COMMANDS = ("zreplay ", "sudo zreplay ", "python ", "pip ", "pytest ", "cc ", "cargo ", "gcore ", "ruff ", "mkdocs ")
_MARKER = re.compile(r"<!-- (?:not run: (?P<reason>.*?)|exits (?P<code>\d+)) -->")


@dataclass
class Command:
    """A command, and the lines it should print; None: nothing is shown."""

    text: str
    output: list[str] | None = None


@dataclass
class Block:
    """One block of commands; ``reason``: why it is not run."""

    page: str
    line: int
    commands: list[Command]
    code: int = 0
    reason: str | None = None
    placeholders: bool = field(default=False)

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README and every page of the documentation."""
    docs = sorted(path for path in (ROOT / "docs").rglob("*.md") if "notebooks" not in path.parts)
    return [ROOT / "README.md", *docs, *(ROOT / name for name in ("lab/README.md", "traces/README.md"))]


def blocks(path: Path) -> list[Block]:
    """The blocks of commands of a page, in order."""
    page = str(path.relative_to(ROOT))
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for number, kind, text in _pieces(lines):
        before = (line for line in reversed(lines[: number - 1]) if line.strip() and not line.startswith("```"))
        marked = lines[number - 1] if kind == "cell" else next(before, "")
        marker = _MARKER.search(marked)
        commands = _shown(text) if text[0].startswith("$ ") else _typed(text)
        if kind == "sh":
            commands = [Command("set -e\n" + "\n".join(text))]  # one script
        elif kind == "python":
            commands = [Command("python - <<'END'\n" + "\n".join(text) + "\nEND")]
        if kind == "code" and not any(command.text.startswith(_COMMANDS) for command in commands):
            continue
        block = Block(page, number, commands, placeholders=kind not in ("console", "python"))
        if marker:
            block.reason, block.code = marker["reason"], int(marker["code"] or 0)
        block.reason = block.reason or ELSEWHERE.get(page)
        found.append(block)
    return found


def _pieces(lines: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Line of the first text, kind (console, sh, code, cell) and text of each block."""
    at = 0
    while at < len(lines):
        line = lines[at]
        if fence := re.match(r"( *)```(\w*)", line):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            if fence[2] in ("console", "sh", "python"):
                yield at + 1, fence[2], [text.removeprefix(fence[1]) for text in lines[at + 1 : end]]
            at = end
        elif line.startswith("    ") and line.strip() and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield at + 1, "code", [text[4:] for text in lines[at:end]]
            at = end - 1
        elif line.startswith("| ") and line.count(" | ") == 1:
            cells = re.findall(r"`(zreplay [^`]+)`", line.split(" | ")[1])
            if cells:
                yield at + 1, "cell", cells
        at += 1


def _shown(lines: list[str]) -> list[Command]:
    """Commands of a session, each with what it printed."""
    commands: list[Command] = []
    for line in lines:
        if line.startswith("$ "):
            commands.append(Command(line[2:], []))
        elif commands[-1].text.endswith("\\") and not commands[-1].output:
            commands[-1].text += "\n" + line
        else:
            commands[-1].output.append(line)
    for command in commands:
        while command.output and not command.output[-1].strip():
            command.output.pop()
    return commands


def _typed(lines: list[str]) -> list[Command]:
    """Commands without output, one a line; a line that ends in a backslash goes on."""
    text = "\n".join(lines).replace("\\\n", "\\\0")
    return [Command(line.replace("\0", "\n")) for line in text.splitlines() if line.strip() and line[0] not in " #"]


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether what a command printed is what the page shows, with its `…`."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*?".join(map(re.escape, line.rstrip().split("…"))) + "\n"
        for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed).strip("\n") + "\n") is not None


def not_run() -> list[Block]:
    """All blocks that are not run."""
    return [block for page in pages() for block in blocks(page) if block.reason]


if __name__ == "__main__":
    for block in not_run():
        first = next(line for line in block.commands[0].text.splitlines() if line != "set -e")
        print(f"{block.where}: {block.reason}: {first}")
