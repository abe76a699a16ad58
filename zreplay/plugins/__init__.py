"""Swap indexes, pools and reclaim orders of your own. docs/plugins.md goes through it from the beginning.

In C they are tables of operations in a shared object; in Python, classes that derive from one of these.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _zreplay import Cost as Cost

    from zreplay.plugins.index import Index as Index
    from zreplay.plugins.index import IndexOptions as IndexOptions
    from zreplay.plugins.order import Order as Order
    from zreplay.plugins.pool import Pool as Pool

# Loaded at first use: a run without plugins has none.
_HOMES = {
    "Cost": "_zreplay",
    "Index": "zreplay.plugins.index",
    "IndexOptions": "zreplay.plugins.index",
    "Order": "zreplay.plugins.order",
    "Pool": "zreplay.plugins.pool",
}
__all__ = ["Cost", "Index", "IndexOptions", "Order", "Pool"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zreplay.plugins' has no attribute {name!r}")
