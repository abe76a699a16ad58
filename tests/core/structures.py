"""Looking into the engine's structures where they lie, and counting what one call costs."""

import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path

import _zreplay
import pytest


def peek(address: int, format: str) -> tuple[int, ...]:
    """The words at an address, by struct's letters (I: 4 bytes, Q: 8 bytes), unpadded."""
    return struct.unpack("<" + format, ctypes.string_at(address, struct.calcsize("<" + format)))


def poke(address: int, format: str, *words: int) -> None:
    data = struct.pack("<" + format, *words)
    ctypes.memmove(address, data, len(data))


def stretches() -> set[int]:
    """Where the engine's descriptors begin (arena.hpp): two mebibytes at a multiple of that, amid addresses only."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("AddressSanitizer's own memory looks the same")
    step, found = 2 << 20, set()
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, access = line.split()[:2]
        begin, end = (int(address, 16) for address in addresses.split("-"))
        if access == "rw-p" and begin % step == 0 and end - begin == step:
            found.add(begin)
    return found


COUNTERS = {
    "nodes_visited": "visited",
    "cache_lines": "lines",
    "nodes_allocated": "made",
    "nodes_freed": "freed",
    "slots_written": "words",
    "tag_words_written": "tags",
}


def count_costs(index: _zreplay.Index, call: Callable[..., int], *arguments: int) -> dict[str, int]:
    """What the call adds to each of the index's counters, by short names and without those that stay."""
    before = index.cost()
    call(*arguments)
    after = index.cost()
    return {short: after[name] - before[name] for name, short in COUNTERS.items() if after[name] != before[name]}


def assert_costs(index: _zreplay.Index, call: Callable[..., int], *arguments: int, **counts: int) -> None:
    """The call adds exactly this to the index's counters."""
    assert count_costs(index, call, *arguments) == counts
