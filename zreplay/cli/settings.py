"""Where an option's value comes from: the command line, else the environment, else a zreplay.toml, else its default.

The same for each option of each verb, without a word in the verb: its option ``--max-pool-percent`` is
``ZREPLAY_RUN_MAX_POOL_PERCENT`` in the environment and ``max-pool-percent`` under ``[run]`` in the file. An error that
names an option says where its value came from, if that was not the command line.

A file that is merely found, in the working directory, may be a stranger's. So it can set nothing that would run code or
replace a file: no plugin by its path, no scheduler, no ``force``. One that is named (``--config``,
``ZREPLAY_CONFIG``) can.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from zreplay.errors import UsageError, missing, nearest, why

#: Read where nobody names another, if it is there.
FILE = Path("zreplay.toml")
#: What a file that was only found must not set, and options whose value may name code by its path.
_ONLY_NAMED = ("force", "scheduler")
_CODE = ("index", "pool", "mm", "like")


@dataclass
class State:
    """What a call of the command line has of its own.

    Attributes:
        is_verbose: ``-v`` was given, before the verb or behind it.
        context: the verb's, once its callback is called.
        file: the settings file that was read.
    """

    is_verbose: bool = False
    context: click.Context | None = None
    file: "SettingsFile | None" = None


def prepared(command: click.Command, path: tuple[str, ...]) -> click.Command:
    """The command with ``-v`` and, for each option, its variable of the environment; of a group's commands each."""
    if getattr(command, "is_prepared", False):
        return command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            prepared(inner, (*path, name))
    verbose = click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        help="Say which settings are in force, time and memory.",
        callback=_set_verbose,
    )
    command.params.append(verbose)
    for option in _options(command):
        option.envvar = variable(path, option)
    if command.callback:
        command.callback = _told(command.callback)
    command.is_prepared = True  # type: ignore[attr-defined]
    return command


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def key(option: click.Option) -> str:
    """An option's name in a settings file: its long form, without the dashes."""
    return max(option.opts, key=len).lstrip("-")


def variable(path: Sequence[str], option: click.Option) -> str:
    """An option's name in the environment."""
    return "_".join(("ZREPLAY", *path, key(option))).upper().replace("-", "_")


def _set_verbose(context: click.Context, _parameter: click.Parameter, wanted: bool) -> bool:
    state = context.find_object(State)
    if state and wanted:
        state.is_verbose = True
    return wanted


def _told(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The callback, which says with ``-v`` what it was called with, how long it took and how much memory."""

    @wraps(callback)
    def told(*arguments: Any, **options: Any) -> Any:
        context = click.get_current_context()
        state = context.ensure_object(State)
        state.context = context
        _warn_of_variables(context)
        if not state.is_verbose or isinstance(context.command, click.Group):
            return callback(*arguments, **options)
        _tell_settings(context)
        begin = time.perf_counter()
        try:
            return callback(*arguments, **options)
        finally:
            from resource import RUSAGE_SELF, getrusage

            seconds, mib = time.perf_counter() - begin, getrusage(RUSAGE_SELF).ru_maxrss / 1024
            click.echo(f"{context.command_path}: {seconds:.3f} s, {mib:,.0f} MiB at most", err=True)

    return told


def _tell_settings(context: click.Context) -> None:
    from zreplay.version import __version__

    click.echo(f"{context.command_path}: zreplay {__version__}, Python {sys.version.split()[0]}", err=True)
    for option in _options(context.command):
        if source := _source(context, option):
            value = context.params.get(str(option.name), "")
            click.echo(f"{context.command_path}: {key(option)} = {value} ({source})", err=True)


def _source(context: click.Context, option: click.Parameter) -> str:
    """Where an option's value comes from; empty: it is the default."""
    match context.get_parameter_source(str(option.name)):
        case ParameterSource.COMMANDLINE:
            return "the command line"
        case ParameterSource.ENVIRONMENT:
            return str(option.envvar)
        case ParameterSource.DEFAULT_MAP:
            state = context.find_object(State)
            if state and state.file and isinstance(option, click.Option):
                return state.file.place(tuple(context.command_path.split()[1:]), key(option))
    return ""


def source_of(message: str, context: click.Context | None) -> str:
    """Where the option that a message begins with has its value from, in brackets; of the command line nothing."""
    named = re.search(r"--[a-z][a-z0-9-]*", message)
    if not named or not context:
        return ""
    for option in _options(context.command):
        if named[0] in option.opts + option.secondary_opts:
            source = _source(context, option)
            return f" (from {source})" if source and source != "the command line" else ""
    return ""


def _warn_of_variables(context: click.Context) -> None:
    """Variables of this verb that no option of it has."""
    if isinstance(context.command, click.Group):
        return
    path = context.command_path.split()[1:]
    begin = "_".join(("ZREPLAY", *path)).upper() + "_"
    if not any(name.startswith(begin) for name in os.environ):
        return
    known = [str(option.envvar) for option in _options(context.command)]
    for name in os.environ:
        if name.startswith(begin) and name not in known:
            click.echo(f"zreplay: warning: {name}: no option of {' '.join(path)}{_meant(name, known)}", err=True)


def _meant(found: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(found, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


@dataclass(frozen=True)
class SettingsFile:
    """A zreplay.toml; ``is_named``: somebody said that it is to be read."""

    path: Path
    text: str
    is_named: bool

    def place(self, table: Sequence[str], name: str = "") -> str:
        """File and line of a key, or of its table, where that can be found."""
        return f"{self.path}:{self._line(table, name)}"

    def _line(self, table: Sequence[str], name: str) -> int:
        within: list[str] = []
        heading = 1
        wanted = [*table, name] if name else list(table)
        for number, line in enumerate(self.text.splitlines(), 1):
            if found := re.match(r"\s*\[\[?([^\]]+)\]", line):
                within = _words(found[1])
                heading = number if within == list(table) else heading
                if within == wanted:
                    return number
                continue
            found = re.match(r"\s*([\w.\"' -]+?)\s*=", line)
            if found and [*within, *_words(found[1])][: len(wanted)] == wanted:
                return number
        return heading


def _words(key: str) -> list[str]:
    """A key with dots, as options write theirs."""
    return [word.strip(" \"'").replace("_", "-") for word in key.split(".")]


def read_file(context: click.Context, named: Path | None) -> None:
    """Make what a settings file says of the verb that is called its options' defaults.

    Raises:
        UsageError: a file that is named is not there; it is no TOML; a key that is no option, a value that is none.
    """
    path = named or FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise missing(named) from None
        return
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not TOML: byte {error.start} is not UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {why(error)}") from None
    import tomllib

    from zreplay.cli.help import VERBS

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
    file = SettingsFile(path, text, named is not None)
    context.ensure_object(State).file = file
    for verb, table in tables.items():
        if verb not in VERBS or not isinstance(table, dict):
            where = file.place([], verb) if not isinstance(table, dict) else file.place([verb])
            raise UsageError(f"{where}: found {verb}, expected a table of one of {nearest(verb, list(VERBS))}")
    verb = str(context.invoked_subcommand)
    command = context.command.get_command(context, verb) if isinstance(context.command, click.Group) else None
    if verb in tables and command:
        context.default_map = {verb: _defaults(file, command, (verb,), tables[verb])}


def _defaults(
    file: SettingsFile, command: click.Command, path: tuple[str, ...], table: dict[str, Any]
) -> dict[str, Any]:
    """A table's values by the names of the command's parameters."""
    options = {key(option): option for option in _options(command)}
    inner = command.commands if isinstance(command, click.Group) else {}
    found: dict[str, Any] = {}
    for name, value in table.items():
        word = name.replace("_", "-")
        if word in inner and isinstance(value, dict):
            found[word] = _defaults(file, inner[word], (*path, word), value)
        elif word in options:
            found[str(options[word].name)] = _value(file, path, options[word], value)
        else:
            where = file.place(path, word)
            raise UsageError(
                f"{where}: found {name}, expected an option of {' '.join(path)}{_meant(word, [*options, *inner])}"
            )
    return found


def _value(file: SettingsFile, path: tuple[str, ...], option: click.Option, value: Any) -> Any:
    """A value as the command line would have it: text, or true and false; lists where an option takes several."""
    name = key(option)
    where = f"{file.place(path, name)}: {name}"
    words = [str(word) for word in value] if isinstance(value, list) else [str(value)]
    if option.is_flag != isinstance(value, bool):
        expected = "true or false" if option.is_flag else "text, a number or a list of them"
        raise UsageError(f"{where}: found {value!r}, expected {expected}")
    if isinstance(value, dict):
        raise UsageError(f"{where}: found a table, expected text, a number or a list of them")
    if not file.is_named and (name in _ONLY_NAMED or (name in _CODE and any(map(_is_path, words)))):
        what = "a plugin, which is code," if name in _CODE else name
        raise UsageError(
            f"{where}: {what} can be set only by a file that is named: --config {file.path}, or ZREPLAY_CONFIG"
        )
    if option.is_flag:
        return value
    return words if option.multiple else ",".join(words)


def _is_path(word: str) -> bool:
    """Whether this names a plugin by its file or module, not by a name that the user has made known."""
    return any(sign in word for sign in "/:.")
