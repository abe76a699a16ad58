"""Zswap at one limit as plainly as can be: an ordered dictionary, and the ideal pool. Slow and obvious."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

PAGE = 4096
RETRIES = 16


class AtLimit:
    """Replays events written by hand; ``lru``: the oldest goes at once, else 6.12's list with its second chance."""

    def __init__(self, limit_pages: int, *, lru: bool, accept_percent: int = 90) -> None:
        self.limit, self.lru = limit_pages, lru
        self.accept = limit_pages * accept_percent // 100
        self.entries: OrderedDict[tuple[int, int], tuple[int, bool]] = OrderedDict()  # oldest first: bytes, referenced
        self.zeroes: set[tuple[int, int]] = set()
        self.is_full = False
        self.loads_hit = self.loads_missed = self.stores_rejected = self.writebacks = 0

    def replay(self, events: Sequence[dict[str, Any]]) -> "AtLimit":
        for event in events:
            slot = event.get("type", 0), event.get("offset")
            match event["op"]:
                case "store":
                    self.store(slot, event["size"])
                case "load":
                    if slot in self.zeroes or self.entries.pop(slot, None):
                        self.loads_hit += 1
                    else:
                        self.loads_missed += 1
                case "invalidate":
                    self.zeroes.discard(slot)
                    self.entries.pop(slot, None)
                case "invalidate_area":
                    self.zeroes = {zero for zero in self.zeroes if zero[0] != slot[0]}
                    for gone in [entry for entry in self.entries if entry[0] == slot[0]]:
                        del self.entries[gone]
        return self

    @property
    def pages(self) -> int:
        return -(-sum(size for size, _ in self.entries.values()) // PAGE)

    def store(self, slot: Any, size: int | None) -> None:
        if size == 0:
            self.zeroes.add(slot)
            return
        self.zeroes.discard(slot)
        if not self.admits() or size is None:
            self.stores_rejected += 1
            self.entries.pop(slot, None)
            if self.is_full:
                self.shrink()
            return
        self.entries.pop(slot, None)
        self.entries[slot] = size, not self.lru

    def admits(self) -> bool:
        if self.lru:
            while self.pages >= self.limit and self.entries:
                self.entries.popitem(last=False)
                self.writebacks += 1
            return self.pages < self.limit
        if self.pages >= self.limit:
            self.is_full = True
        elif self.pages <= self.accept:
            self.is_full = False
        return not self.is_full

    def shrink(self) -> None:
        failures = 0
        while self.pages > self.accept and failures < RETRIES and self.entries:
            slot, (size, referenced) = self.entries.popitem(last=False)
            if referenced:
                self.entries[slot] = size, False
                failures += 1
            else:
                self.writebacks += 1
