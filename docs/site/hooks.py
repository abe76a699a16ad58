"""What mkdocs cannot do by itself: links out of docs/ lead to copies of what they name, verbs' help is a page.

Pages are written to be read in a checkout too, where `../traces/README.md` is beside docs/. In the site it becomes the
page repository/traces/README.html; a file that is no page is copied as it is. A link to a folder leads to its README.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
#: Columns of the help texts: what a page shows without scrolling.
WIDTH = 90
_LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)")
_WHOLE_LINK = re.compile(r"\[([^\[\]]+)\]\((?![a-z]+:)([^)#\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """A page that nobody has given its place in the navigation is at the end of the reference: none is lost."""
    placed = json.dumps(config.nav)
    (reference,) = [section["Reference"] for section in config.nav or [] if "Reference" in section]
    reference += [page.name for page in sorted((ROOT / "docs").glob("*.md")) if f'"{page.name}"' not in placed]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages name outside docs/, and the page of the command line."""
    pages = [(file.src_uri, Path(str(file.abs_src_path))) for file in files if file.is_documentation_page()]
    while pages:
        uri, path = pages.pop()
        for target in _links(path.read_text(encoding="utf-8")):
            there = _place(uri, target)
            if not there.startswith("repository/") or files.get_file_from_path(there) is not None:
                continue
            source = ROOT / there.removeprefix("repository/")
            if not source.is_file():
                continue  # the link is reported where it stands
            files.append(File.generated(config, there, abs_src_path=str(source)))
            if there.endswith(".md"):
                pages.append((there, source))
    files.append(File.generated(config, "cli.md", content=command_line()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to where the site has what they name."""

    def there(link: re.Match[str]) -> str:
        target = _place(page.file.src_uri, link[1])
        return f"]({posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or '.')}{link[2] or ''})"

    def named(link: re.Match[str]) -> str:
        """A folder without a README of its own is named, not linked."""
        place = _place(page.file.src_uri, link[2])
        path = place.removeprefix("repository/") if place.startswith("repository/") else f"docs/{place}"
        return link[1] if (ROOT / path).is_dir() else link[0]

    return _LINK.sub(there, _WHOLE_LINK.sub(named, markdown))


def _links(markdown: str) -> Iterator[str]:
    return (link[1] for link in _LINK.finditer(markdown))


def _place(uri: str, link: str) -> str:
    """Where the site has what a page at ``uri`` calls ``link``."""
    home = uri.removeprefix("repository/") if uri.startswith("repository/") else f"docs/{uri}"
    target = posixpath.normpath(posixpath.join(posixpath.dirname(home), link))
    if (ROOT / target).is_dir():
        names = [name for name in ("README.md", "index.md") if (ROOT / target / name).is_file()]
        target = posixpath.join(target, names[0]) if names else target
    return target.removeprefix("docs/") if target.startswith("docs/") else f"repository/{target}"


def command_line() -> str:
    """Every verb's help, as the program prints it."""
    import click

    from zreplay.cli.help import VERBS

    program = click.Context(click.Group("zreplay"), info_name="zreplay")
    verbs = "\n".join(f"| [{verb}](#zreplay-{verb}) | {what} |" for verb, what in VERBS.items())
    sections = [f"# Command line\n\n| verb | |\n|---|---|\n{verbs}\n"]
    for verb in VERBS:
        sections += _helps(import_module(f"zreplay.cli.{verb}").command, verb, program)
    return "\n".join(sections)


def _helps(command: Any, name: str, parent: Any) -> Iterator[str]:
    """A command's section, and those of its own commands."""
    import click

    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    level = "##" if parent.parent is None else "###"
    text = click.unstyle(command.get_help(context))
    yield f"{level} {context.command_path}\n\n{_more(name)}```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            yield from _helps(command.get_command(context, verb), verb, context)


def _more(verb: str) -> str:
    return f"[How to](how-to/{verb}.md)\n\n" if (ROOT / "docs" / "how-to" / f"{verb}.md").is_file() else ""
