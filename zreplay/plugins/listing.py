"""All variants there are: built in, of installed packages, of the environment, and of those somebody names."""

from collections.abc import Sequence

from zreplay.errors import ZreplayError
from zreplay.plugins.installed import GROUPS, names
from zreplay.plugins.registry import ENVIRONMENT, KINDS, Variant, built_in, environment, load_named, plug, variant


def everything(specs: Sequence[str]) -> tuple[list[Variant], list[str]]:
    """All variants by kind, each once, in the order above; and one line for each that nobody named and that fails.

    Raises:
        UsageError, PluginError: one of ``specs`` cannot be loaded.
    """
    found = [variant(kind, name) for kind in KINDS for name in built_in(kind)]
    failed: list[str] = []
    brought = [(kind, name) for kind in KINDS for name in names(kind)]
    for kind, name in brought:
        try:
            found.append(variant(kind, plug(kind, name)[0]))
        except ZreplayError as error:
            failed.append(f"entry point {name} of {GROUPS[kind]}: {error}")
    for spec in environment():
        try:
            found += load_named(spec, option=ENVIRONMENT)
        except ZreplayError as error:
            failed.append(f"{ENVIRONMENT}: {error}".replace(f"{ENVIRONMENT}: {ENVIRONMENT}", ENVIRONMENT))
    for spec in specs:
        found += load_named(spec, option="SPEC")
    kinds = list(KINDS)
    return sorted(dict.fromkeys(found), key=lambda one: kinds.index(one.kind)), failed
