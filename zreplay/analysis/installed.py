"""Pages about runs that installed packages make."""

from collections.abc import Sequence

from zreplay.errors import PluginError, UsageError, ZreplayError
from zreplay.plugins.installed import loaded, named, names
from zreplay.replay.run import Run


def page_of(name: str, runs: Sequence[Run]) -> str:
    """The page that an entry point of the group ``zreplay.reports`` makes: called with the runs, it gives HTML, whole.

    Raises:
        UsageError: no package has one of that name.
        PluginError: it cannot be had, raised something, or gave something else than text.
    """
    entry = named("report", name)
    if entry is None:
        known = ", ".join(names("report")) or "none is installed"
        raise UsageError(f"--report: found {name!r}, expected one that a package has as zreplay.reports: {known}")
    make = loaded(entry)
    if not callable(make):
        raise PluginError(f"plugin {name}: {entry.value} is of type {type(make).__name__}, expected a function of runs")
    try:
        page = make(runs)
    except ZreplayError:
        raise
    except Exception as error:
        from zreplay.plugins.python import told

        raise PluginError(f"plugin {name}: raised {told(error)}") from error
    if not isinstance(page, str):
        raise PluginError(f"plugin {name}: gave {type(page).__name__}, expected a page of HTML as str")
    return page
