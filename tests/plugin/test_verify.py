"""``--verify`` beside plugins in Python: what is right comes to the same, each wrong answer is told as what it is."""

import errno
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from byhand import store, trace
from comparing import small_trace
from plugin.right import Queue, Queues, Shelf, Words

import zreplay
from zreplay.errors import PluginError

TIMES = ("events_per_second", "seconds", "ns_per_event", "config")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_trace(tmp_path_factory.mktemp("trace") / "t.parquet", events=1500, totalram_pages=200)


@pytest.mark.parametrize(
    ("settings", "counter"),
    [
        (
            {"kernel": "6.1", "pool": "plugin.right:Shelf", "index": "plugin.right:Words", "check_every": 1},
            "written_back_pages",
        ),
        ({"kernel": "3.12", "pool": "plugin.right:Shelf", "cma_every": 100}, "written_back_pages"),
        ({"kernel": "6.1", "pool": f"{__name__}:Unmoved", "observe": True, "cma_every": 100}, "written_back_pages"),
        ({"kernel": "6.12", "mm": "plugin.right:Queues", "exclusive_loads": False}, "writebacks"),
        ({"kernel": "6.12", "mm": "plugin.right:Queue", "exclusive_loads": False, "cgroups": (1, 2)}, "writebacks"),
        ({"kernel": "6.12", "mm": "plugin.right:Queues", "cgroups": (0, 7, 8)}, "writebacks"),
        ({"kernel": "6.12", "mm": f"{__name__}:MakesRoom"}, "writebacks"),
        (
            {"kernel": "6.12", "mm": f"{__name__}:MakesRoom", "max_pool_percent": 1, "totalram_pages": 99},
            "stores_rejected",
        ),
        ({"kernel": "6.1", "pool": f"{__name__}:Spanning"}, "written_back_pages"),
        ({"kernel": "6.1", "index": "radix-lowbit", "pool": f"{__name__}:Restless"}, "stores_rejected"),
    ],
)
def test_what_is_right_comes_to_the_same(events: Path, tmp_path: Path, settings: dict[str, Any], counter: str) -> None:
    summaries = []
    for verify in True, False:
        config = zreplay.Config(trace=events, out=tmp_path / str(verify), **settings, verify=verify)
        summaries.append({name: value for name, value in zreplay.run(config).summary().items() if name not in TIMES})
    assert summaries[0] == summaries[1]
    assert summaries[0][counter] > 0


class Unmoved(Shelf):
    """Which cannot move what is in it, nor says where that is."""

    migrate, compact, where, capabilities = Shelf.__base__.migrate, Shelf.__base__.compact, Shelf.__base__.where, set()


class Restless(Shelf):
    """Each that comes takes the handle of the last, who gets a new one; in a page of its own."""

    reclaim, where, capabilities = Shelf.__base__.reclaim, Shelf.__base__.where, set()

    def alloc(self, size_bytes: int, cookie: int) -> int:
        if not 0 < size_bytes <= 4096:
            return -errno.EINVAL
        handle = next(reversed(self.objects), 0)
        if handle:
            _, _, last_bytes, last_cookie = self.objects[handle]
            self.free(handle)
            self.moved(last_cookie, self.put(self.new_page(), last_bytes, last_cookie))
        self.put(self.new_page(), size_bytes, cookie)
        return self.named_anew(handle) if handle else self.next_handle

    def named_anew(self, handle: int) -> int:
        page, position, *rest = self.objects.pop(self.next_handle)
        self.pages[page][position] = handle
        self.objects[handle] = (page, position, *rest)
        return handle


class MakesRoom(Queues):
    """Asked by name, before anything is there, too."""

    capabilities = frozenset({"groups", "makes-room"})


class Spanning(Shelf):
    """Objects may lie across two pages: how much is in one says nothing."""

    capabilities = frozenset({"spans"})


# ---- and what is wrong ----

Wrong = Callable[[Any], Any]
WRONG = []


def is_told(message: str, rows: list[dict[str, Any]], **settings: Any) -> Wrong:
    """Of a class: what a replay of the rows ends with; what is of no event is told without one."""

    def note(wrong: Any) -> Any:
        kind = "index" if issubclass(wrong, Words) else "pool" if issubclass(wrong, Shelf) else "mm"
        WRONG.append(pytest.param(message, rows, {kind: f"{__name__}:{wrong.__name__}"} | settings, id=wrong.__name__))
        return wrong

    return note


STORES = [store(5, 100), store(7, 4000), store(9, 4000)]


@is_told("for_each(): type 0, offset 10 gave location N, expected nothing more", STORES)
class WalksOn(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        there = list(super().entries(type))
        return [*there, *((offset + 1, word) for offset, word in there[-1:])]


@is_told("for_each() of type 0 gave type 0, offset 7, expected type 0, offset 5, which is next", STORES)
class WalksAgainFromTheSecond(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return list(super().entries(type))[1:]


@is_told("for_each() gave no more, expected type 0, offset 9, which is next", STORES)
class StopsEarly(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return list(super().entries(type))[:-1]


@is_told("memory() of an empty index: entries gave 1, expected 0", [])
class BeginsWithOne(Words):
    def memory(self) -> tuple[int, int, int]:
        entries, nodes, bytes = super().memory()
        return entries + 1, nodes, bytes


@is_told("memory() after the last erase(): bytes gave 1, expected 0", STORES)
class KeepsAByte(Words):
    used = 0

    def insert(self, type: int, offset: int, location: int) -> int | None:
        self.used = 1
        return super().insert(type, offset, location)

    def memory(self) -> tuple[int, int, int]:
        entries, nodes, bytes = super().memory()
        return entries, nodes, bytes + self.used


@is_told("alloc() of 4104 bytes gave an object, expected -22", [store(5, 4096)], kernel="6.1")
class TakesAnything(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return self.put(self.new_page(), size_bytes, cookie)


@is_told(
    "memory() after alloc() of 4000 bytes: pages gave 1, expected at least 2 for 8000 bytes in 2 objects",
    [store(5, 3992), store(7, 3992)],
    kernel="6.1",
)
class HasAPage(Shelf):
    def memory(self) -> tuple[int, int, int]:
        return min(1, len(self.pages)), super().memory()[1], 0


@is_told(
    "memory() after alloc() of 100 bytes: pages gave 1, expected at least 2 for 100 bytes in 1 objects",
    [store(5, 92)],
    kernel="6.1",
)
class UsesTwoOfOne(Shelf):
    def memory(self) -> tuple[int, int, int]:
        return len(self.pages), 4097 * len(self.pages), 0


FULL = [store(slot, 3000) for slot in range(1, 13)]  # 6.1 is full beyond its limit, with the eleventh page


@is_told(
    "reclaim() gave 0 and 11 pages, expected fewer than the 11 before",
    FULL,
    kernel="6.1",
    totalram_pages=50,
    max_pool_percent=20,
)
class FreesNothing(Shelf):
    def reclaim(self, retries: int) -> int:
        return 0


@is_told("memory() after an empty pool: pages gave 0, expected at least 1 for 0 bytes in 0 objects", [])
class UsesWithoutAPage(Shelf):
    def memory(self) -> tuple[int, int, int]:
        return len(self.pages), 1 + super().memory()[1], 0


@is_told(
    "memory(): used_bytes gave 4098, expected no more than 1 pages have", [store(5, 3990)], kernel="6.1", verify=False
)
class UsesMore(Shelf):
    def memory(self) -> tuple[int, int, int]:
        return len(self.pages), 100 * len(self.pages) + super().memory()[1], 0


@is_told(
    "next() of group 0 gave nothing, expected one of 1 entries",
    FULL,
    kernel="6.12",
    totalram_pages=50,
    max_pool_percent=4,
)
class NamesNobody(Queue):
    def next(self, group: int) -> int | None:
        return None


@is_told(
    "next() of a group that never had an entry gave the entry of type 0, offset 1, expected nothing",
    FULL,
    kernel="6.12",
    totalram_pages=50,
    max_pool_percent=4,
    cgroups=(7,),
)
class NamesOthers(Queue):
    capabilities = frozenset({"groups"})


@pytest.mark.parametrize(("message", "rows", "settings"), WRONG)
def test_a_wrong_answer_is_told(
    tmp_path: Path, message: str, rows: list[dict[str, Any]], settings: dict[str, Any]
) -> None:
    path = trace(tmp_path / "t.parquet", rows, source_kernel="6.12.0")
    with pytest.raises(PluginError) as raised:
        zreplay.run(zreplay.Config(trace=path, out=tmp_path / "run", **{"verify": True} | settings))
    found = re.fullmatch(r"plugin [a-z-]+@[0-9a-f]{8}: (.*?)(; after event \d+ of .*)?", str(raised.value))
    assert found
    assert re.sub(r"location \d+", "location N", found[1]) == message
