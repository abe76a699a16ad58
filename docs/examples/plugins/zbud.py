"""zbud in Python: at most two objects a page, found by best fit; reclaim takes the page of the oldest allocation.

Pages, stores refused and pages written back are the built-in zbud's. An index's costs are not: a slot names a page of
the built-in's, and of a plugin's pool the handle.

    zreplay run trace.parquet --pool docs/examples/plugins/zbud.py:Zbud -o runs/in-python

A page is cut into 64 chunks of 64 bytes. Its header takes one, and one more is kept back for a second object, so that
the largest object has 62. The first object grows from the page's begin, the last from its end.
"""

import errno
from collections import OrderedDict

from zreplay.plugins import Pool

CHUNK_BYTES = 64
USABLE_CHUNKS = 63
LARGEST_BYTES = 62 * CHUNK_BYTES
FIRST, LAST = 0, 1


class Page:
    """`chunks` and `cookies` of the first object and of the last; 0 chunks: there is none."""

    __slots__ = ("chunks", "cookies", "number", "under_reclaim")

    def __init__(self, number: int) -> None:
        self.number = number
        self.chunks = [0, 0]
        self.cookies = [0, 0]
        self.under_reclaim = False

    @property
    def free_chunks(self) -> int:
        return USABLE_CHUNKS - self.chunks[FIRST] - self.chunks[LAST]


class Zbud(Pool):
    """at most two objects a page, found by best fit; evicts by its own LRU; in Python"""

    name = "zbud-py"
    version = "1"
    capabilities = frozenset({"lru"})

    def __init__(self) -> None:
        self.pages: dict[int, Page] = {}  # by number; a handle is number << 1 | position
        self.lru: OrderedDict[Page, None] = OrderedDict()  # the oldest first; a page under reclaim is not in it
        # Pages with one object by their free chunks, the head of the list last.
        self.unbuddied: list[dict[Page, None]] = [{} for _ in range(USABLE_CHUNKS)]
        self.next_number = self.used_chunks = 0

    # ---- what zreplay calls ----

    def alloc(self, size_bytes: int, cookie: int) -> int:
        if size_bytes == 0:
            return -errno.EINVAL
        if size_bytes > LARGEST_BYTES:
            return -errno.ENOSPC
        chunks = -(-size_bytes // CHUNK_BYTES)
        page = next((pages.popitem()[0] for pages in self.unbuddied[chunks:] if pages), None)
        if page:
            self.cost.headers_read += 1
            position = LAST if page.chunks[FIRST] else FIRST
        else:
            page = self.pages[self.next_number] = Page(self.next_number)
            self.next_number += 1
            position = FIRST
        page.chunks[position] = chunks
        page.cookies[position] = cookie
        self.enlist(page)
        self.lru[page] = None
        self.lru.move_to_end(page)
        self.used_chunks += chunks
        return page.number << 1 | position

    def free(self, handle: int) -> None:
        page, position = self.pages[handle >> 1], handle & 1
        self.cost.headers_read += 1
        self.used_chunks -= page.chunks[position]
        if not page.under_reclaim:
            self.unlist(page)
        page.chunks[position] = 0
        if page.under_reclaim:
            return  # whoever reclaims it finishes it
        if any(page.chunks):
            self.enlist(page)
        else:
            del self.lru[page], self.pages[page.number]

    def reclaim(self, retries: int) -> int:
        if not self.lru or not retries:
            return -errno.EINVAL
        for _ in range(retries):
            page, _ = self.lru.popitem(last=False)
            self.cost.headers_read += 1
            self.unlist(page)
            page.under_reclaim = True
            for position in [position for position in (FIRST, LAST) if page.chunks[position]]:
                if not self.evict(page.cookies[position]):
                    break
            page.under_reclaim = False
            if not any(page.chunks):
                del self.pages[page.number]
                return 0
            self.enlist(page)
            self.lru[page] = None  # at the head
        return -errno.EAGAIN

    def map(self, handle: int, length_known: bool) -> None:
        self.cost.headers_read += not length_known

    def where(self, handle: int) -> tuple[int, int]:
        return handle >> 1, handle & 1

    def memory(self) -> tuple[int, int, int]:
        return len(self.pages), self.used_chunks * CHUNK_BYTES, 0

    def classes(self) -> list[tuple[int, int, int, int]]:
        pages, objects = [0] * USABLE_CHUNKS, [0] * USABLE_CHUNKS
        for page in self.pages.values():
            pages[page.free_chunks] += 1
            objects[page.free_chunks] += sum(map(bool, page.chunks))
        return [(0, free, pages[free], objects[free]) for free in range(USABLE_CHUNKS) if pages[free]]

    def check(self) -> None:
        assert set(self.lru) == set(self.pages.values()), "a page is not on the LRU, or one on it is no page"
        assert self.used_chunks == sum(sum(page.chunks) for page in self.lru), "used chunks are not those of the pages"
        for page in self.lru:
            assert any(page.chunks) and page.free_chunks >= 0, f"page {page.number}: {page.chunks} chunks"
            is_alone = not all(page.chunks)
            assert (page in self.unbuddied[page.free_chunks]) == is_alone, f"page {page.number} is on a wrong list"
        alone = sum(not all(page.chunks) for page in self.lru)
        assert sum(map(len, self.unbuddied)) == alone, f"{alone} pages with one object, others are on a list"

    # ---- the lists ----

    def enlist(self, page: Page) -> None:
        if not all(page.chunks):
            self.unbuddied[page.free_chunks][page] = None

    def unlist(self, page: Page) -> None:
        if not all(page.chunks):
            del self.unbuddied[page.free_chunks][page]
