"""What installed packages bring, by the entry points they name. Looked at only for a name that nothing built in has."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from zreplay.errors import PluginError, UsageError

#: What can be brought, and the group of its entry points.
GROUPS = {
    "index": "zreplay.indexes",
    "pool": "zreplay.pools",
    "mm": "zreplay.orders",
    "format": "zreplay.formats",
    "report": "zreplay.reports",
}


def names(what: str) -> tuple[str, ...]:
    """The names there are of a key of :data:`GROUPS`; nothing is loaded."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUPS[what])}))


def named(what: str, name: str) -> EntryPoint | None:
    """The entry point of that name; None: no package has one.

    Raises:
        UsageError: several packages have one, and not the same.
    """
    found = {entry.value: entry for entry in entry_points(group=GROUPS[what], name=name)}
    if len(found) > 1:
        packages = ", ".join(f"{value} of {entry.dist.name if entry.dist else '?'}" for value, entry in found.items())
        raise UsageError(f"{GROUPS[what]}: found {name} more than once: {packages}; expected one, uninstall another")
    return next(iter(found.values()), None)


def brought(kind: str, name: str) -> str | None:
    """What an installed package has under a name, as a path or as ``module:Class``; None: no package has that name.

    Raises:
        UsageError: several packages have one.
        PluginError: it cannot be had.
    """
    entry = named(kind, name)
    if entry is None:
        return None
    found = loaded(entry)
    return str(Path(found).absolute()) if isinstance(found, (str, Path)) else f"{entry.module}:{entry.attr}"


def loaded(entry: EntryPoint) -> object:
    """What an entry point names. Raises PluginError where that cannot be had."""
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        from zreplay.plugins.python import told

        package = f" of {entry.dist.name}" if entry.dist else ""
        raise PluginError(f"plugin {entry.name}{package}: {entry.value} raised {told(error)}") from error
