"""zreplay: replay traces of compressed swap through the kernel's structures."""

from zreplay.version import __version__

# typing takes longer to load than the help to print; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from zreplay.replay.config import Config as Config
    from zreplay.replay.run import Run as Run
    from zreplay.replay.run import open_run as open_run
    from zreplay.replay.run import run as run
    from zreplay.trace.files import Trace as Trace
    from zreplay.trace.files import open_trace as open_trace

# Loaded at first use: `zreplay --help` must not wait for pyarrow and polars.
_HOMES = {
    "Config": "zreplay.replay.config",
    "Run": "zreplay.replay.run",
    "open_run": "zreplay.replay.run",
    "run": "zreplay.replay.run",
    "Trace": "zreplay.trace.files",
    "open_trace": "zreplay.trace.files",
}
__all__ = ["Config", "Run", "Trace", "__version__", "open_run", "open_trace", "run"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zreplay' has no attribute {name!r}")
