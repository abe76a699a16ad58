"""What there is to choose from: built in, or plugged in by a shared object; one record for each, whatever its origin.

A plugin is code: it runs in this process with its user's rights. It is loaded when somebody names it, on the command
line or in a call, and never because a trace or a run directory does.
"""

import hashlib
import re
from dataclasses import dataclass
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
        origin: ``zreplay``, or the path of the shared object.
        version: the plugin's own; zreplay's of what is built in.
        summary: one line.
        capabilities: words, such as ``evicts``.
        like: the built-in variant it is a copy of; empty: none.
    """

    kind: str
    name: str
    origin: str
    version: str
    summary: str
    capabilities: tuple[str, ...] = ()
    like: str = ""


#: Bits of a plugin's capabilities, by kind (zreplay_plugin.h).
_CAPABILITIES = {
    "index": ("values", "tags", "entries"),
    "pool": ("evicts", "compacts", "migrates", "spans", "lru"),
    "mm": ("makes-room", "groups"),
}
_loaded: dict[str, tuple[str, list[Variant]]] = {}  # path → SHA-256 and what it has


def built_in(kind: str) -> tuple[str, ...]:
    """Names of the variants of a kind that zreplay comes with, in the order of the engine's registry."""
    return _BUILT_IN[kind]


def plug(kind: str, spec: str) -> tuple[str, str]:
    """The variant that ``spec`` names, loaded: its name in results, and what to load to have it elsewhere.

    ``spec`` is a built-in's name, a variant that is loaded already, or the path of a shared object, ``:NAME`` behind it
    where it has several of the kind. Of what needs no loading the second is empty.

    Raises:
        UsageError: there is none of that name, or no such file.
        PluginError: the file is no plugin, or not one for this zreplay.
    """
    if spec in built_in(kind) or spec in _plugged(kind):
        return spec, ""
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


def load(path: Path, *, option: str = "plugin") -> list[Variant]:
    """What a shared object has, once it is loaded; a second time it is only looked up.

    Raises:
        UsageError: there is no such file, or it has changed since it was loaded.
        PluginError: it is no plugin, or not one for this zreplay.
    """
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
    hint = f"did you mean {near[0]}?" if near else "a plugin is named by its path, such as ./my.so"
    return f"{KINDS[kind]}: found {spec!r}, expected one of {', '.join(names)}; {hint}"


_BUILT_IN = {
    "index": tuple(name for name, _ in _zreplay.index_kinds()),
    "pool": tuple(name for name, _ in _zreplay.pool_kinds()),
    "mm": (*MODEL_ORDERS, *(name for name, _ in _zreplay.order_kinds()), "none"),
}
