"""Designs by name: what the 2013 thread proposed, what came after, and bounds. docs/designs.md draws their slots.

A design is a choice of swap index, pool, index of the memory manager and policy, that is, values of
:class:`zreplay.replay.config.Config`. Each can still be given on its own, and then stands in the design's place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import _zreplay


@dataclass(frozen=True)
class Design:
    """Values of Config under one name.

    Attributes:
        summary: one line, shown by the command line.
        settings: field of Config → value.
    """

    summary: str
    settings: Mapping[str, Any]

    @property
    def is_bound(self) -> bool:
        """Whether it is nothing that could be built, but what one can at best reach."""
        return has_bound(*(self.settings.get(name) for name in ("index", "pool", "mm")))


def has_bound(index: str | None, pool: str | None, mm: str | None) -> bool:
    """Whether one of them is a bound: no kernel's, but what none can do better than."""
    return (
        (index is not None and _zreplay.index_positions(index)["is_bound"])
        or (pool is not None and _zreplay.pool_is_bound(pool))
        or mm == "belady"
    )


_THREAD = {"kernel": "3.12", "pool": "zbud", "movable": True}
_LATEST = {"kernel": "latest", "pool": "zsmalloc"}

DESIGNS: dict[str, Design] = {
    "zswap-3.12": Design(
        "as merged: rbtree, entry and handle; pages cannot move",
        {**_THREAD, "index": "rbtree", "movable": False},
    ),
    "radix-tag": Design("radix tree of pages, the buddy in a tree tag", {**_THREAD, "index": "radix-tag"}),
    "radix-lowbit": Design("radix tree of pages, the buddy in a low bit", {**_THREAD, "index": "radix-lowbit"}),
    "two-index": Design(
        "a swap index, and one of the memory manager's, which reclaims; no limit",
        {**_THREAD, "index": "radix-lowbit", "mm": "inactive-lru"},
    ),
    "zbud-v3": Design(
        "the series as posted: slots name page headers, offsets are compared",
        {**_THREAD, "index": "radix-lowbit", "locate": "header"},
    ),
    "xarray": Design("an xarray for each swap type: in no release, for comparing", {**_LATEST, "index": "xarray"}),
    "xarray-64m": Design("an xarray for each 64 MiB of swap", {**_LATEST, "index": "xarray-64m"}),
    "swap-table": Design("a table for each 512 slots, its words naming entries", {**_LATEST, "index": "swap-table"}),
    "latest": Design("6.18 as it is: xarray-64m over zsmalloc, by its profile", {"kernel": "latest"}),
    "ideal": Design(
        "a bound: the compressed bytes and a word an entry",
        {"kernel": "latest", "pool": "ideal", "index": "array"},
    ),
    "ideal-packing": Design(
        "a bound: whole objects, packed into pages as well as can be",
        {"kernel": "latest", "pool": "ideal-packing", "index": "array"},
    ),
    "belady": Design(
        "a bound: the latest, evicting what is loaded furthest in the future",
        {**_LATEST, "mm": "belady"},
    ),
}
