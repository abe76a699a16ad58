"""`zreplay man`: a manual page for each verb, from what its help says."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from zreplay.cli.options import JSON, print_json


@click.command(name="man", short_help="Write the manual pages.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@JSON
def command(folder: Path, as_json: bool) -> None:
    """Write zreplay.1 and a page for each verb to DIR, which MANPATH can name (its parent, if DIR is called man1).

    \b
    zreplay man ~/.local/share/man/man1
    """
    from zreplay.errors import UsageError, why

    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages():
            path = folder / f"{name}.1"
            part = path.with_suffix(".part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)
            written.append(path)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {why(error)}") from error
    if as_json:
        print_json({"pages": written})
    else:
        click.echo(f"{folder}: {len(written)} pages")


def pages() -> Iterator[tuple[str, str]]:
    """Name and text of each page."""
    from zreplay.cli.verbs import zreplay

    root = click.Context(zreplay, info_name="zreplay")
    yield "zreplay", "\n".join(_root_page(root))
    for verb in zreplay.list_commands(root):
        found = zreplay.get_command(root, verb)
        assert found is not None
        yield from _pages_of(click.Context(found, info_name=verb, parent=root))


def _pages_of(context: click.Context) -> Iterator[tuple[str, str]]:
    """Of a verb, and of those that it is a group of."""
    yield context.command_path.replace(" ", "-"), "\n".join(_page(context))
    if isinstance(context.command, click.Group):
        for name, inner in context.command.commands.items():
            yield from _pages_of(click.Context(inner, info_name=name, parent=context))


def _root_page(root: click.Context) -> Iterator[str]:
    from zreplay.cli.help import ABOUT, EXAMPLES, OPTIONS, VERBS

    yield from _head("zreplay", ABOUT)
    yield ".B zreplay\n[OPTIONS] COMMAND [ARGS]..."
    yield ".SH OPTIONS"
    for names, words in OPTIONS.items():
        yield from _entry(names, words)
    yield ".SH COMMANDS"
    for verb, words in VERBS.items():
        yield from _entry(f"zreplay-{verb}(1)", words)
    yield from _examples(EXAMPLES)
    yield ".SH FILES"
    yield from _entry("zreplay.toml", "Defaults of options, in the working directory or where --config says.")
    yield ".SH ENVIRONMENT"
    yield from _entry("ZREPLAY_VERB_OPTION", "The default of an option, such as ZREPLAY_RUN_POOL=zbud.")
    yield from _entry("ZREPLAY_CONFIG", "The settings file.")
    yield from _entry("ZREPLAY_PLUGINS", "Plugins that can be named by what is in them.")
    yield ".SH EXIT STATUS"
    yield _escaped(
        "0 done, 2 usage, 3 a requirement not met, 4 the trace, 5 a model failed its own check, 6 some cells of a "
        "sweep failed, 7 a plugin failed, 130 interrupted."
    )


def _page(context: click.Context) -> Iterator[str]:
    command = context.command
    paragraphs = [paragraph for paragraph in (command.help or "").replace("\f", "").split("\n\n") if paragraph.strip()]
    yield from _head(context.command_path, command.get_short_help_str(200))
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".B {_escaped(context.command_path)}\n{_escaped(usage)}"
    yield ".SH DESCRIPTION"
    examples: list[str] = []
    for paragraph in paragraphs:
        lines = [line.strip() for line in paragraph.strip("\n").splitlines()]
        if lines[0] != "\b":
            yield f".PP\n{_escaped(' '.join(lines))}"
        elif any("zreplay " in line for line in lines):
            examples += lines[1:]
        else:
            yield ".PP\n.nf"
            yield from (_escaped(line) for line in lines[1:])
            yield ".fi"
    headings: dict[str, list[tuple[str, str]]] = {"Options": []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and not isinstance(parameter, click.Argument):
            headings.setdefault(getattr(parameter, "group", "Options"), []).append(record)
    for heading, records in headings.items():
        yield f'.SH "{_escaped(heading.upper())}"'
        for names, words in records:
            yield from _entry(names, words)
    yield from _examples(examples)
    yield '.SH "SEE ALSO"'
    yield ".BR zreplay (1)"


def _head(name: str, words: str) -> Iterator[str]:
    from zreplay.version import __version__

    dashed = _escaped(name.replace(" ", "-"))
    yield f'.TH "{dashed.upper()}" 1 "" "zreplay {__version__}" "zreplay"'
    yield f".SH NAME\n{dashed} \\- {_escaped(words)}"
    yield ".SH SYNOPSIS"


def _entry(names: str, words: str) -> Iterator[str]:
    yield f".TP\n.B {_escaped(names)}\n{_escaped(' '.join(words.split()))}"


def _examples(lines: "tuple[str, ...] | list[str]") -> Iterator[str]:
    if lines:
        yield ".SH EXAMPLES\n.nf"
        yield from (_escaped(line) for line in lines)
        yield ".fi"


def _escaped(text: str) -> str:
    """Text without what roff would take for its own."""
    text = re.sub(r"([\\-])", lambda found: "\\e" if found[1] == "\\" else "\\-", text)
    return f"\\&{text}" if text.startswith((".", "'")) else text
