"""What there is to choose from: built in, or plugged in by a shared object or a class; one record for each.

A plugin is code: it runs in this process with its user's rights. It is loaded when somebody names it, on the command
line, in a call or in the environment, and never because a trace or a run directory does.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import _zreplay

from zreplay.errors import PluginError, UsageError, ZreplayError
from zreplay.version import __version__

#: What can be plugged in, and the option that names one.
KINDS = {"index": "--index", "pool": "--pool", "mm": "--mm"}
#: The reclaim orders that are part of a model; those of the engine's registry come after them.
MODEL_ORDERS = ("pool-lru", "inactive-lru", "entry-lru")
#: Plugins that can be named by the names of what is in them: paths, with commas between, as in ``--index A,B``.
ENVIRONMENT = "ZREPLAY_PLUGINS"
#: The origin of what zreplay comes with.
OURS = "zreplay"


@dataclass(frozen=True)
class Variant:
    """One choice.

    Attributes:
        kind: ``index``, ``pool`` or ``mm``.
        name: what results call it: a built-in's name; a plugin's, ``@`` and eight digits of its file's SHA-256, so that
            two builds of one plugin are told apart.
        origin: ``zreplay``, the path of a shared object, or ``module:Class``.
        version: the plugin's own; zreplay's of what is built in.
        summary: one line.
        capabilities: words, such as ``evicts``.
        like: the built-in variant it is a copy of; empty: none.
        is_python: it is a class in Python, called for every event: some hundred thousand events a second.
        sha256: of the plugin's file; empty of what is built in.
    """

    kind: str
    name: str
    origin: str
    version: str
    summary: str
    capabilities: tuple[str, ...] = ()
    like: str = ""
    sha256: str = ""
    is_python: bool = False

    @property
    def own_name(self) -> str:
        """The name that its author gave it."""
        return self.name.split("@")[0]


#: Bits of a plugin's capabilities, by kind (zreplay_plugin.h).
_CAPABILITIES = {
    "index": ("values", "tags", "entries"),
    "pool": ("evicts", "compacts", "migrates", "spans", "lru"),
    "mm": ("makes-room", "groups"),
}
_SHARED_OBJECT = re.compile(r"(.+\.so|.*/.*?)(?::([a-z0-9-]+))?")
_loaded: dict[str, tuple[str, list[Variant]]] = {}  # path, or module:Class → SHA-256 of the file and what it has
_CLASS = re.compile(r"(.+\.py|[A-Za-z_][\w.]*(?<!\.so)):[A-Za-z_][\w.]*")


def built_in(kind: str) -> tuple[str, ...]:
    """Names of the variants of a kind that zreplay comes with, in the order of the engine's registry."""
    return _BUILT_IN[kind]


def plug(kind: str, spec: str) -> tuple[str, str]:
    """The variant that ``spec`` names, loaded: its name in results, and what to load to have it elsewhere.

    ``spec`` is a built-in's name, a variant that is loaded already, the path of a shared object, ``:NAME`` behind it
    where it has several of the kind, a class in Python (``module:Class``, ``path.py:Class``), the name under which an
    installed package has one of these, or the name of something in the plugins that :data:`ENVIRONMENT` names. Of what
    needs no loading the second is empty.

    Raises:
        UsageError: there is none of that name, or no such file, module or class.
        PluginError: the file is no plugin, or not one for this zreplay; a module that cannot be imported.
    """
    if spec in built_in(kind) or spec in _plugged(kind):
        return spec, ""
    if "/" not in spec and ":" not in spec and not spec.endswith(".so"):
        from zreplay.plugins.installed import brought

        spec = brought(kind, spec) or spec
    if _CLASS.fullmatch(spec):
        return _plug_class(kind, spec)
    matched = _SHARED_OBJECT.fullmatch(spec)
    if not matched:
        return _of_environment(kind, spec)
    path, wanted = Path(matched[1]).absolute(), matched[2]
    some = [variant for variant in load(path, option=KINDS[kind]) if variant.kind == kind]
    names = [variant.own_name for variant in some]
    if not some or (wanted and wanted not in names):
        there = ", ".join(f"{variant.kind} {variant.own_name}" for variant in load(path))
        raise UsageError(
            f"{KINDS[kind]}: found {spec}, which has {there}; expected one with {kind} {wanted or ''}".rstrip()
        )
    if len(some) > 1 and not wanted:
        raise UsageError(
            f"{KINDS[kind]}: found {spec}, which has {', '.join(names)}; expected which, as in {spec}:{names[0]}"
        )
    return some[names.index(wanted) if wanted else 0].name, str(path)


def load(path: str | Path, *, option: str = "plugin") -> list[Variant]:
    """What a shared object has, or a class, once it is loaded; a second time it is only looked up.

    Raises:
        UsageError: there is no such file, module or class, or it has changed since it was loaded.
        PluginError: it is no plugin, or not one for this zreplay.
    """
    if _CLASS.fullmatch(str(path)):
        return [_load_class(str(path), option)]
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option}: {path}: {error.strerror}, expected a shared object") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if str(path) in _loaded:
        before, variants = _loaded[str(path)]
        if before != sha256:
            raise UsageError(f"{option}: {path} has changed since it was loaded; start anew, or give it another name")
        return variants
    _require_loadable(path, data)
    twin = next((variants for known, variants in _loaded.values() if known == sha256), None)
    try:
        variants = twin or [_variant(str(path), sha256, told) for told in _zreplay.load_plugin(str(path), sha256[:8])]
    except (_zreplay.PluginFailed, ValueError) as error:
        text = str(error)
        raise PluginError(text if text.startswith("plugin ") else f"plugin {path}: {text}") from None
    _loaded[str(path)] = sha256, variants
    return variants


def _require_loadable(path: Path, data: bytes) -> None:
    """Raise PluginError for what is no object of this machine's: of another's the loader says that there is none."""
    with Path("/proc/self/exe").open("rb") as own:
        ours = own.read(20)
    if data[:4] != b"\x7fELF":
        raise PluginError(f"plugin {path}: no shared object (ELF), found {len(data):,} bytes of something else")
    # Class and byte order; e_machine (ELF, gABI 4.1).
    found, expected = (f"class {head[4]}, machine {int.from_bytes(head[18:20], 'little')}" for head in (data, ours))
    if found != expected:
        raise PluginError(
            f"plugin {path}: a shared object of ELF {found}, expected {expected}; compile it on this machine"
        )


def variant(kind: str, name: str) -> Variant:
    """The record of a built-in's name, or of a plugged-in variant's as results call it (``NAME@HASH``).

    Raises:
        UsageError: there is none, or it is not loaded.
    """
    if name in built_in(kind):
        return Variant(kind, name, OURS, __version__, _summary(kind, name), _capabilities(kind, name))
    for one in loaded():
        if (one.kind, one.name) == (kind, name):
            return one
    raise UsageError(_unknown(kind, name))


def loaded() -> list[Variant]:
    """What plugins have brought so far, in the order in which they were loaded."""
    return list(dict.fromkeys(one for _, variants in _loaded.values() for one in variants))


def in_python() -> list[str]:
    """The names of those plugged in that are classes in Python."""
    return list(dict.fromkeys(one.name for _, variants in _loaded.values() for one in variants if one.is_python))


def _plug_class(kind: str, spec: str) -> tuple[str, str]:
    found = _load_class(spec, KINDS[kind])
    if found.kind != kind:
        raise UsageError(f"{KINDS[kind]}: found {spec}, which is of kind {found.kind}; expected one of kind {kind}")
    return found.name, found.origin


def _load_class(spec: str, option: str) -> Variant:
    from zreplay.plugins import python

    where, _, name = spec.rpartition(":")
    if where.endswith(".py"):
        spec = f"{Path(where).absolute()}:{name}"  # the same from wherever it is loaded
    found, file = python.find(spec, option)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    for known, (before, variants) in _loaded.items():
        if known == spec and before != sha256:
            raise UsageError(f"{option}: {file} has changed since it was loaded; start anew, or give it another name")
        if before == sha256 and known.endswith(f":{name}"):  # the same file by another name
            _loaded[spec] = sha256, variants
            return variants[0]
    told = python.plug_in(found, file, spec, sha256[:8], _CAPABILITIES)
    variant = replace(_variant(spec, sha256, told), is_python=True)
    _loaded[spec] = sha256, [variant]
    return variant


def spec_of(kind: str, name: str) -> str:
    """What to type for a variant that results call ``name``: itself, or the path of its plugin."""
    some = [one for one in loaded() if one.kind == kind]
    for one in some:
        if one.name == name:
            several = sum(other.origin == one.origin for other in some) > 1
            return f"{one.origin}:{one.own_name}" if several else one.origin
    return name


def named_plugins(**specs: str | None) -> list[str]:
    """Of what is given for each kind, what is not built in; nothing is loaded."""
    return [spec for kind, spec in specs.items() if spec is not None and spec not in built_in(kind)]


def native_plugins(specs: Mapping[str, Sequence[str]]) -> list[str]:
    """Of what is given for each kind, what is native code of others', which could crash; nothing is loaded."""
    some = [spec for kind, found in specs.items() for word in found for spec in named_plugins(**{kind: word})]
    return [spec for spec in dict.fromkeys(some) if not _CLASS.fullmatch(spec)]


def environment() -> list[str]:
    """The plugins that :data:`ENVIRONMENT` names."""
    return [word for text in os.environ.get(ENVIRONMENT, "").split(",") if (word := text.strip())]


def load_named(spec: str, *, option: str) -> list[Variant]:
    """What the plugin that ``spec`` names has, of all kinds, or what is ``NAME`` in ``PATH:NAME``; as :func:`load`."""
    if _CLASS.fullmatch(spec):
        return load(spec, option=option)
    matched = _SHARED_OBJECT.fullmatch(spec)
    path, wanted = (matched[1], matched[2]) if matched else (spec, None)
    there = load(Path(path).absolute(), option=option)
    some = [one for one in there if wanted in (None, one.own_name)]
    if not some:
        raise UsageError(f"{option}: found {spec}, expected one of {', '.join(one.own_name for one in there)}")
    return some


def _of_environment(kind: str, spec: str) -> tuple[str, str]:
    """As :func:`plug`, of a name that is neither built in nor a path."""
    named: list[Variant] = []
    failed: list[str] = []  # which need not matter
    for each in environment():
        try:
            named += [one for one in load_named(each, option=ENVIRONMENT) if one.kind == kind]
        except ZreplayError as error:
            failed.append(str(error).removeprefix(f"{ENVIRONMENT}: "))
    found = list(dict.fromkeys(one for one in named if spec in (one.own_name, one.name)))
    if len(found) > 1:
        raise UsageError(
            f"{KINDS[kind]}: found {spec!r}, which {' and '.join(one.origin for one in found)} have; expected a path"
        )
    if not found:
        raise UsageError(_unknown(kind, spec) + "".join(f"; of {ENVIRONMENT}: {each}" for each in failed))
    return found[0].name, found[0].origin


@cache
def _summary(kind: str, name: str) -> str:
    known = {"index": _zreplay.index_kinds, "pool": _zreplay.pool_kinds, "mm": _zreplay.order_kinds}[kind]()
    return dict(known).get(name) or _MODELS_SUMMARIES[name]


@cache
def _capabilities(kind: str, name: str) -> tuple[str, ...]:
    if kind == "mm":
        return ("groups",) if name == "entry-lru" else tuple(_zreplay.order_capabilities(name))
    return tuple((_zreplay.index_capabilities if kind == "index" else _zreplay.pool_capabilities)(name))


_MODELS_SUMMARIES = {
    "pool-lru": "the pool's own LRU of its pages, as zswap of 3.12 and 6.1",
    "inactive-lru": "the memory manager's inactive list of pool pages, as proposed in 2013",
    "entry-lru": "zswap's lists of entries with a second chance, as from 6.12 on",
    "none": "nobody: zram has no reclaim of its own",
}


def _variant(origin: str, sha256: str, told: "_zreplay.PluggedIn") -> Variant:
    words = _CAPABILITIES[told["kind"]]
    capabilities = tuple(word for bit, word in enumerate(words) if told["capabilities"] >> bit & 1)
    return Variant(
        told["kind"], told["label"], origin, told["version"], told["summary"], capabilities, told["like"], sha256
    )


def _plugged(kind: str) -> list[str]:
    return [one.name for one in loaded() if one.kind == kind]


def _unknown(kind: str, spec: str) -> str:
    from difflib import get_close_matches

    names = (*built_in(kind), *_plugged(kind))
    near = get_close_matches(spec, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "a plugin is named by its path, ./my.so, or class, my:Class"
    if "@" in spec:
        hint = "that one's file is not loaded, or has changed"
    return f"{KINDS[kind]}: found {spec!r}, expected one of {', '.join(names)}; {hint}"


_BUILT_IN = {
    "index": tuple(name for name, _ in _zreplay.index_kinds()),
    "pool": tuple(name for name, _ in _zreplay.pool_kinds()),
    "mm": (*MODEL_ORDERS, *(name for name, _ in _zreplay.order_kinds()), "none"),
}
