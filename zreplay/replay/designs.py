"""Designs by name: what the 2013 thread proposed, what came after, and bounds. docs/designs.md draws their slots.

A design is a choice of swap index, pool, index of the memory manager and policy, that is, values of
:class:`zreplay.replay.config.Config`. Each can still be given on its own, and then stands in the design's place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Design:
    """Values of Config under one name.

    Attributes:
        summary: one line, shown by the command line.
        settings: field of Config → value.
        is_bound: nothing that could be built, but what one can at best reach.
    """

    summary: str
    settings: Mapping[str, Any]
    is_bound: bool = False


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
        is_bound=True,
    ),
    "ideal-packing": Design(
        "a bound: whole objects, packed into pages as well as can be",
        {"kernel": "latest", "pool": "ideal-packing", "index": "array"},
        is_bound=True,
    ),
    "belady": Design(
        "a bound: the latest, evicting what is loaded furthest in the future",
        {**_LATEST, "mm": "belady"},
        is_bound=True,
    ),
}
