"""Classes in Python as plugins: found by module and name, looked at, and registered with the engine."""

import os
import re
import sys
from collections.abc import Callable
from functools import partial, reduce
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import _zreplay

from zreplay.errors import PluginError, UsageError
from zreplay.plugins.index import Index, IndexOptions
from zreplay.plugins.order import Order
from zreplay.plugins.plugin import Plugin
from zreplay.plugins.pool import Pool

if TYPE_CHECKING:
    from _zreplay import PluggedIn

BASES: dict[str, type[Plugin]] = {"index": Index, "pool": Pool, "mm": Order}
#: What a pool can do only if its class says how, and the capability that this is.
_OPTIONAL = {"map": "", "where": "", "classes": "", "reclaim": "evicts", "compact": "compacts", "migrate": "migrates"}


def find(spec: str, option: str) -> tuple[type[Plugin], Path]:
    """The class of ``module:Class`` or ``path.py:Class``, and the file that it stands in.

    A module is looked for as an import does, and in the current directory.

    Raises:
        UsageError: there is no such module, or no such class in it.
        PluginError: the module cannot be imported, or the class is none that can be plugged in.
    """
    where, _, name = spec.rpartition(":")
    module = _file(Path(where), spec, option) if where.endswith(".py") else _module(where, spec, option)
    try:
        found = reduce(getattr, name.split("."), module)
    except AttributeError:
        there = [
            of
            for of, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Plugin) and value.__module__ == module.__name__
        ]
        raise UsageError(
            f"{option}: found {spec}, expected a class that {where} has: {', '.join(there) or 'there is none'}"
        ) from None
    if not isinstance(found, type) or not issubclass(found, tuple(BASES.values())):
        raise PluginError(
            f"plugin {spec}: is {_what(found)}, expected a class derived from zreplay.plugins.Index, Pool or Order"
        )
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    if not file:
        raise PluginError(f"plugin {spec}: its class is in no file, expected a module with one")
    return found, Path(file)


def kind_of(found: type[Plugin]) -> str:
    """``index``, ``pool`` or ``mm``, of what :func:`find` gave."""
    return next(kind for kind, base in BASES.items() if issubclass(found, base))


def plug_in(found: type[Plugin], file: Path, spec: str, suffix: str, words: dict[str, tuple[str, ...]]) -> "PluggedIn":
    """Register a class as its name and ``@suffix``; ``words``: a kind's capabilities in the order of their bits.

    Raises:
        PluginError: it is none that can be plugged in.
    """
    kind = kind_of(found)
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        raise PluginError(f"plugin {spec}: without {missing[0]}(), which is not optional")
    optional = [name for name in _OPTIONAL if kind == "pool" and getattr(found, name) is not getattr(Pool, name)]
    capabilities = {*found.capabilities, *(_OPTIONAL[name] for name in optional)} - {""}
    if unknown := sorted(capabilities - set(words[kind])):
        raise PluginError(f"plugin {spec}: found capability {unknown[0]!r}, expected one of {', '.join(words[kind])}")
    try:
        return _zreplay.plug_in_class(
            kind,
            suffix,
            origin=spec,
            name=found.name or re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_", "-", found.__name__).lower(),
            version=found.version,
            summary=found.summary or ((found.__doc__ or "").strip().splitlines() or [""])[0],
            like=found.like,
            capabilities=sum(1 << words[kind].index(word) for word in capabilities),
            positions_64=found.positions_64 if issubclass(found, Index) else 0,
            positions_32=found.positions_32 if issubclass(found, Index) else 0,
            optional=optional,
            make=partial(_index if kind == "index" else _other, found),
            told=partial(told, file=str(file)),
        )
    except (_zreplay.PluginFailed, ValueError, TypeError) as error:
        text = str(error).splitlines()[0]
        raise PluginError(text if isinstance(error, _zreplay.PluginFailed) else f"plugin {spec}: {text}") from None


def told(error: BaseException, file: str = "") -> str:
    """An exception in one line: its type, what it says, and where: the innermost line of ``file``, else of any."""
    text = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, SyntaxError) and error.filename:
        place: tuple[str, int | None] | None = error.filename, error.lineno
        text = error.msg
    else:
        from traceback import extract_tb

        ours = str(Path(__file__).parent)
        frames = [(frame.filename, frame.lineno) for frame in extract_tb(error.__traceback__)]
        own = [frame for frame in frames if frame[0] == file] or [
            frame for frame in frames if not frame[0].startswith(ours) and "importlib" not in frame[0]
        ]
        place = own[-1] if own else None
    where = f" ({_shown(place[0])}:{place[1]})" if place else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


def _shown(file: str) -> str:
    near = os.path.relpath(file)
    return file if near.startswith("..") else near


def _what(found: object) -> str:
    return f"the class {found.__qualname__}" if isinstance(found, type) else f"of type {type(found).__qualname__}"


def _module(name: str, spec: str, option: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)  # behind the others: nothing that zreplay imports later is looked for here first
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(
                f"{option}: found {spec}, expected a module that can be imported or is in the current directory; "
                f"there is none named {error.name}"
            ) from None
        raise _failed(spec, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(spec, error) from error


def _file(path: Path, spec: str, option: str) -> ModuleType:
    path = path.absolute()
    try:
        name = f"{path.stem}@{sha256(path.read_bytes()).hexdigest()[:8]}"
    except OSError as error:
        raise UsageError(f"{option}: {path}: {error.strerror}, expected a module in Python") from None
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # for what it imports from beside it
    made = spec_from_file_location(name, path)
    assert made and made.loader
    module = sys.modules[name] = module_from_spec(made)
    try:
        made.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failed(spec, error) from error
    return module


def _failed(spec: str, error: BaseException) -> PluginError:
    return PluginError(f"plugin {spec}: its module raised {told(error)}")


def _index(found: type[Plugin], words: str, entry_bytes: int, small: bool, timing: bool) -> Index:
    self = found.__new__(found)
    assert isinstance(self, Index)
    self.options = IndexOptions(words, entry_bytes, small, timing)
    self.__init__()  # type: ignore[misc]
    return self


def _other(found: Callable[[], Plugin]) -> Plugin:
    return found()
