"""A pool, two reclaim orders and an index that are right, in Python, to derive from them what is wrong."""

import errno
from collections.abc import Iterable

from zreplay.plugins import Index, Order, Pool


class Shelf(Pool):
    """Two objects a page, in the first that has room; of the oldest page first. A handle is an object's number."""

    capabilities = frozenset({"lru"})

    def __init__(self) -> None:
        self.pages: dict[int, dict[int, int]] = {}  # number → position → handle; the latest allocation's last
        self.objects: dict[int, tuple[int, int, int, int]] = {}  # handle → page, position, bytes, cookie
        self.next_page = self.next_handle = 0

    def bytes(self, page: int) -> int:
        return sum(self.objects[handle][2] for handle in self.pages[page].values())

    def put(self, page: int, size_bytes: int, cookie: int) -> int:
        there = self.pages.pop(page, {})
        position = 1 if 0 in there else 0
        self.pages[page] = there
        there[position] = self.next_handle = self.next_handle + 1
        self.objects[self.next_handle] = (page, position, size_bytes, cookie)
        return self.next_handle

    def new_page(self) -> int:
        self.next_page += 1
        return self.next_page

    def alloc(self, size_bytes: int, cookie: int) -> int:
        if not 0 < size_bytes <= 4096:
            return -errno.EINVAL
        fits = (page for page, there in self.pages.items() if len(there) < 2 and self.bytes(page) + size_bytes <= 4096)
        page = next(fits, 0)
        return self.put(page or self.new_page(), size_bytes, cookie)

    def free(self, handle: int) -> None:
        page, position, _, _ = self.objects.pop(handle)
        del self.pages[page][position]
        if not self.pages[page]:
            del self.pages[page]

    def memory(self) -> tuple[int, int, int]:
        return len(self.pages), sum(bytes for _, _, bytes, _ in self.objects.values()), len(self.pages)

    def map(self, handle: int, length_known: bool) -> None:
        assert handle in self.objects

    def where(self, handle: int) -> tuple[int, int]:
        return self.objects[handle][:2]

    def cookies(self, page: int) -> list[int]:
        return [self.objects[handle][3] for handle in self.pages[page].values()]

    def reclaim(self, retries: int) -> int:
        for _ in range(retries):
            if not self.pages:
                return -errno.EINVAL
            page = next(iter(self.pages))
            if all(self.evict(cookie) for cookie in self.cookies(page)):
                return 0
            self.pages[page] = self.pages.pop(page)
        return -errno.EAGAIN

    def compact(self) -> int:
        alone = [page for page, there in self.pages.items() if len(there) == 1]
        pairs = list(zip(alone[::2], alone[1::2], strict=False))
        pairs = [(to, page) for to, page in pairs if self.bytes(to) + self.bytes(page) <= 4096]
        for to, page in pairs:
            self.pull(next(iter(self.pages[page].values())), to)
        return len(pairs)

    def pull(self, handle: int, to: int) -> None:
        """Into another page, with another handle."""
        _, _, size_bytes, cookie = self.objects[handle]
        self.free(handle)
        self.moved(cookie, self.put(to, size_bytes, cookie))

    def renumber(self, page: int) -> int:
        new, there = self.new_page(), self.pages.pop(page)
        self.pages[new] = there
        for handle in there.values():
            self.objects[handle] = (new, *self.objects[handle][1:])
        return len(there)

    def migrate(self, handle: int) -> int:
        return self.renumber(self.objects[handle][0])

    def classes(self) -> list[tuple[int, int, int, int]]:
        return [(4096, 0, len(self.pages), len(self.objects))] if self.pages else []


class Queues(Order):
    """A queue for each group. A handle is a cookie."""

    capabilities = frozenset({"groups"})

    def __init__(self) -> None:
        self.group_of: dict[int, int] = {}  # the oldest first

    def stored(self, cookie: int, type: int, offset: int, length_bytes: int, group: int) -> int:
        self.group_of[cookie] = group
        return cookie

    def gone(self, handle: int) -> None:
        del self.group_of[handle]

    def next(self, group: int) -> int | None:
        return next((cookie for cookie, of in self.group_of.items() if of == group), None)

    def visited(self, handle: int) -> None:
        self.group_of[handle] = self.group_of.pop(handle)

    def memory(self) -> tuple[int, int]:
        return len(self.group_of), 8 * len(self.group_of)


class Queue(Queues):
    """One for all."""

    capabilities = frozenset()

    def next(self, group: int) -> int | None:
        return next(iter(self.group_of), None)


class Words(Index):
    """A node an entry, of 8 bytes."""

    def __init__(self) -> None:
        self.words: dict[tuple[int, int], int] = {}

    def find(self, type: int, offset: int) -> int | None:
        self.cost.nodes_visited += 1
        return self.words.get((type, offset))

    def insert(self, type: int, offset: int, location: int) -> int | None:
        old, self.words[type, offset] = self.words.get((type, offset)), location
        self.cost.nodes_allocated += not old
        return old

    def erase(self, type: int, offset: int) -> int | None:
        old = self.words.pop((type, offset), None)
        self.cost.nodes_freed += old is not None
        return old

    def move(self, type: int, offset: int, location: int) -> int | None:
        return self.insert(type, offset, location) if (type, offset) in self.words else None

    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return sorted((offset, word) for (of, offset), word in self.words.items() if of == type)

    def memory(self) -> tuple[int, int, int]:
        return len(self.words), len(self.words), 8 * len(self.words)
