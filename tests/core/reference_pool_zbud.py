"""zbud, slow and obvious: a list of pages, lists of lists, head first; reclaim is a generator that asks to evict."""

from collections.abc import Generator
from dataclasses import dataclass, field

EINVAL, ENOSPC, EAGAIN = 22, 28, 11
FIRST, LAST = 0, 1


@dataclass(eq=False)
class Page:
    id: int
    chunks: list[int] = field(default_factory=lambda: [0, 0])
    under_reclaim: bool = False

    @property
    def free_chunks(self) -> int:
        return 63 - sum(self.chunks)


@dataclass(eq=False)
class Object:
    page: Page
    position: int

    @property
    def place(self) -> tuple[int, int]:
        return self.page.id, self.position

    @property
    def used_bytes(self) -> int:
        return 64 * self.page.chunks[self.position]


class ReferenceZbud:
    def __init__(self) -> None:
        self.taken = self.headers = 0
        self.live: list[Page] = []
        self.lru: list[Page] = []
        self.unbuddied: list[list[Page]] = [[] for _ in range(63)]

    movable_pages = 0

    @property
    def pages(self) -> int:
        return len(self.live)

    def classes(self) -> list[tuple[int, int, int]]:
        """(free chunks, pages, objects) of the pages that are not empty."""
        of = {page.free_chunks: [0, 0] for page in self.live if any(page.chunks)}
        for page in self.live:
            if any(page.chunks):
                of[page.free_chunks][0] += 1
                of[page.free_chunks][1] += sum(chunks > 0 for chunks in page.chunks)
        return [(free_chunks, *counts) for free_chunks, counts in sorted(of.items())]

    def alloc(self, size: int) -> Object | int:
        if size == 0:
            return -EINVAL
        if size > 3968:
            return -ENOSPC
        chunks = -(-size // 64)
        for pages in self.unbuddied[chunks:]:
            if pages:
                page = pages.pop(0)
                self.lru.remove(page)
                self.headers += 1
                break
        else:
            page = Page(self.taken)
            self.taken += 1
            self.live.append(page)
        position = LAST if page.chunks[FIRST] else FIRST
        page.chunks[position] = chunks
        self.enlist(page)
        self.lru.insert(0, page)
        return Object(page, position)

    def enlist(self, page: Page) -> None:
        if not all(page.chunks):
            self.unbuddied[page.free_chunks].insert(0, page)

    def delist(self, page: Page) -> None:
        for pages in self.unbuddied:
            if page in pages:
                pages.remove(page)

    def free(self, freed: Object) -> None:
        page = freed.page
        self.headers += 1
        page.chunks[freed.position] = 0
        if page.under_reclaim:
            return
        self.delist(page)
        if any(page.chunks):
            self.enlist(page)
        else:
            self.lru.remove(page)
            self.live.remove(page)

    def reclaim(self, retries: int) -> Generator[tuple[int, int], bool, int]:
        if not self.lru or not retries:
            return -EINVAL
        for _ in range(retries):
            page = self.lru.pop()
            self.headers += 1
            self.delist(page)
            page.under_reclaim = True
            for position in [p for p in (FIRST, LAST) if page.chunks[p]]:
                evicted = yield page.id, position
                if not evicted:
                    break
            page.under_reclaim = False
            if not any(page.chunks):
                self.live.remove(page)
                return 0
            self.enlist(page)
            self.lru.insert(0, page)
        return -EAGAIN


class ReferenceMovableZbud(ReferenceZbud):
    """zbud in the designs of 2013: the memory manager may move a page unless somebody is at work in it."""

    def __init__(self, movable: bool) -> None:
        super().__init__()
        assert movable

    @property
    def movable_pages(self) -> int:
        return sum(not page.under_reclaim for page in self.live)

    def migrate(self, moved: Object) -> int | None:
        page = moved.page
        if page.under_reclaim:
            return None
        page.id = self.taken
        self.taken += 1
        objects = sum(chunks > 0 for chunks in page.chunks)
        self.headers += objects
        return objects
