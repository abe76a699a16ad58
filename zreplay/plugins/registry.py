"""What there is to choose from: built in, or plugged in by a shared object or a class; one record for each.

A plugin is code: it runs in this process with its user's rights. It is loaded when somebody names it, on the command
line or in a call, and never because a trace or a run directory does.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import _zreplay

from zreplay.errors import PluginError, UsageError

#: What can be plugged in, and the option that names one.
KINDS = {"index": "--index", "pool": "--pool", "mm": "--mm"}
#: The reclaim orders that are part of a model; those of the engine's registry come after them.
MODEL_ORDERS = ("pool-lru", "inactive-lru", "entry-lru")


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
    """

    kind: str
    name: str
    origin: str
    version: str
    summary: str
    capabilities: tuple[str, ...] = ()
    like: str = ""
    is_python: bool = False


#: Bits of a plugin's capabilities, by kind (zreplay_plugin.h).
_CAPABILITIES = {
    "index": ("values", "tags", "entries"),
    "pool": ("evicts", "compacts", "migrates", "spans", "lru"),
    "mm": ("makes-room", "groups"),
}
_loaded: dict[str, tuple[str, list[Variant]]] = {}  # path, or module:Class → SHA-256 of the file and what it has
_CLASS = re.compile(r"(.+\.py|[A-Za-z_][\w.]*(?<!\.so)):[A-Za-z_][\w.]*")


def built_in(kind: str) -> tuple[str, ...]:
    """Names of the variants of a kind that zreplay comes with, in the order of the engine's registry."""
    return _BUILT_IN[kind]


def plug(kind: str, spec: str) -> tuple[str, str]:
    """The variant that ``spec`` names, loaded: its name in results, and what to load to have it elsewhere.

    ``spec`` is a built-in's name, a variant that is loaded already, the path of a shared object, ``:NAME`` behind it
    where it has several of the kind, a class in Python (``module:Class``, ``path.py:Class``), or the name under which
    an installed package has one of these. Of what needs no loading the second is empty.

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
    matched = re.fullmatch(r"(.+\.so|.*/.*?)(?::([a-z0-9-]+))?", spec)
    if not matched:
        raise UsageError(_unknown(kind, spec))
    path, wanted = Path(matched[1]).absolute(), matched[2]
    some = [variant for variant in load(path, option=KINDS[kind]) if variant.kind == kind]
    names = [variant.name.split("@")[0] for variant in some]
    if not some or (wanted and wanted not in names):
        there = ", ".join(f"{variant.kind} {variant.name.split('@')[0]}" for variant in load(path))
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
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{option}: {path}: {error.strerror}, expected a shared object") from None
    if str(path) in _loaded:
        before, variants = _loaded[str(path)]
        if before != sha256:
            raise UsageError(f"{option}: {path} has changed since it was loaded; start anew, or give it another name")
        return variants
    twin = next((variants for known, variants in _loaded.values() if known == sha256), None)
    try:
        variants = twin or [_variant(path, told) for told in _zreplay.load_plugin(str(path), sha256[:8])]
    except (_zreplay.PluginFailed, ValueError) as error:
        raise PluginError(str(error)) from None
    _loaded[str(path)] = sha256, variants
    return variants


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
    variant = replace(_variant(Path(spec), told), is_python=True)
    _loaded[spec] = sha256, [variant]
    return variant


def _variant(path: Path, told: "_zreplay.PluggedIn") -> Variant:
    words = _CAPABILITIES[told["kind"]]
    capabilities = tuple(word for bit, word in enumerate(words) if told["capabilities"] >> bit & 1)
    return Variant(told["kind"], told["label"], str(path), told["version"], told["summary"], capabilities, told["like"])


def _plugged(kind: str) -> list[str]:
    return [variant.name for _, variants in _loaded.values() for variant in variants if variant.kind == kind]


def _unknown(kind: str, spec: str) -> str:
    from difflib import get_close_matches

    names = (*built_in(kind), *_plugged(kind))
    near = get_close_matches(spec, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "a plugin is named by its path, ./my.so, or class, my:Class"
    return f"{KINDS[kind]}: found {spec!r}, expected one of {', '.join(names)}; {hint}"


_BUILT_IN = {
    "index": tuple(name for name, _ in _zreplay.index_kinds()),
    "pool": tuple(name for name, _ in _zreplay.pool_kinds()),
    "mm": (*MODEL_ORDERS, *(name for name, _ in _zreplay.order_kinds()), "none"),
}
