"""What the conformance suite says of one wrong answer of a pool: steps by hand, each class right but for a method."""

import errno
from runpy import run_path
from typing import Any

import pytest
from plugin.building import EXAMPLES
from plugin.right import Shelf
from plugin.verdicts import Wrong, expect, replayed

from zreplay.plugins import Pool

WRONG = Wrong()
fails = WRONG.fails


EVERY_STEP = """pool; alloc key=1 size=3000; alloc key=2 size=3000; alloc key=3 size=900; alloc key=3 size=900;
    map key=1; alloc key=4 size=0; alloc key=5 size=4097; alloc_without_memory key=3 size=7;
    alloc_without_memory key=6 size=3000; free key=9; map key=9; migrate key=9; places; check; reclaim size=2;
    reclaim type=100 size=2; reclaim_beside_one; free key=3; migrate key=2; reclaim size=1; alloc key=7 size=4096;
    compact; alloc key=8 size=10; reclaim size=1; renew; create_without_memory; alloc key=1 size=9; reclaim;
    reclaim; reclaim_beside_one"""


class WithoutWhere(Shelf):
    """Of which nobody knows where things are."""

    capabilities = frozenset()
    where = Pool.where


class Spanning(Shelf):
    """Two pages are too few to ask for another than one object's."""

    capabilities = frozenset({"spans"})


@pytest.mark.parametrize("pool", ["Shelf", "WithoutWhere", "Spanning"])
def test_what_is_right_passes_every_step(pool: str) -> None:
    assert replayed(f"{__name__}:{pool}", EVERY_STEP) is None


def test_what_is_optional_is_not_asked_for() -> None:
    assert replayed("ideal", EVERY_STEP) is None
    assert replayed("zsmalloc", EVERY_STEP) is None


TWO = "pool; alloc key=1 size=1000; alloc key=2 size=1000"
THREE = f"{TWO}; alloc key=3 size=3000"


@fails(f"{TWO}; reclaim", "reclaim", "reclaim() of 1 retry gave 0, but objects of the page it took were not evicted")
class KeepsOne(Shelf):
    def reclaim(self, retries: int) -> int:
        page = next(iter(self.pages))
        first, other = self.cookies(page)
        self.evict(first)
        handle = next(iter(self.pages[page].values()))
        del self.objects[handle], self.pages[page]
        self.objects[handle] = (self.next_page, 0, 1000, other)
        return 0


@fails(f"{TWO}; reclaim", "reclaim", "reclaim() of 1 retry gave 0, but objects of the page it took were not evicted")
class EvictsNobody(Shelf):
    def reclaim(self, retries: int) -> int:
        self.pages.clear()
        return 0


@fails(
    f"{THREE}; reclaim",
    "reclaim",
    "reclaim() of 1 retry gave −EAGAIN and the pages went from 2 to 1, expected the same",
)
class FailsHavingFreed(Shelf):
    def reclaim(self, retries: int) -> int:
        return super().reclaim(retries) or -errno.EAGAIN


@fails(f"{THREE}; reclaim size=3", "reclaim", "reclaim() of 3 retries gave −EINVAL with 2 pages, expected 0 or −EAGAIN")
class HasNothing(Shelf):
    def reclaim(self, retries: int) -> int:
        return -errno.EINVAL


@fails(f"{THREE}; reclaim", "reclaim", "reclaim() of 1 retry gave −EAGAIN, though nobody refused to be evicted")
class GivesUp(Shelf):
    def reclaim(self, retries: int) -> int:
        return -errno.EAGAIN


@fails(f"{THREE}; reclaim type=100", "reclaim", "reclaim() of 1 retry gave −EAGAIN after it had tried 2 pages")
class TriesOnceMore(Shelf):
    def reclaim(self, retries: int) -> int:
        return super().reclaim(retries + 1)


@fails(
    f"{THREE}; reclaim_beside_one",
    "reclaim",
    "reclaim() of 2 retries, 16 times, freed none of 2 pages, though nobody but object 1 refused to be evicted",
)
class TriesTheSameAgain(Shelf):
    capabilities = frozenset()

    def reclaim(self, retries: int) -> int:
        evicted = self.evict(self.cookies(min(self.pages))[0])
        return 0 if evicted else -errno.EAGAIN


@fails(f"{THREE}; reclaim", "reclaim", "reclaim() gave −5, expected 0, −11 or −22")
class ReclaimsWithAnError(Shelf):
    def reclaim(self, retries: int) -> int:
        return -errno.EIO


@fails(f"{THREE}; reclaim", "reclaim", "evict() of cookie 5, expected an object's that is live")
class EvictsAStranger(Shelf):
    def reclaim(self, retries: int) -> int:
        return 0 if self.evict(5) and self.evict(6) else -errno.EAGAIN


@fails(f"{THREE}; compact", "compact", "moved() of cookie 5, expected an object's that is live")
class MovesAStranger(Shelf):
    def compact(self) -> int:
        self.moved(5, 6)
        self.moved(7, 8)
        return 0


@fails(f"{THREE}; migrate key=1", "migrate", "migrate() gave −5, expected 0, −11 or −16")
class MigratesWithAnError(Shelf):
    def migrate(self, handle: int) -> int:
        return -errno.EIO


@fails(
    f"{TWO}; migrate key=1",
    "migrate",
    "after migrate() of object 1 from page 1 to 2 object 1 is in page 2, position 1, expected page 2, position 0",
)
class MigratesTurned(Shelf):
    def migrate(self, handle: int) -> int:
        moved = super().migrate(handle)
        for one, (page, position, *rest) in self.objects.items():
            self.objects[one] = (page, 1 - position, *rest)  # type: ignore[assignment]
        return moved


@fails(
    f"{THREE}; migrate key=1",
    "migrate",
    "after migrate() of object 1 from page 1 to 3 object 3 is in page 4, position 0, expected page 2, position 0",
)
class MigratesOthersToo(Shelf):
    def migrate(self, handle: int) -> int:
        moved = super().migrate(handle)
        self.renumber(2)
        return moved


@fails(f"{TWO}; alloc key=3 size=3000; places", "places", "page 1 holds 5000 bytes or more, expected at most 4096")
class OnOnePage(Shelf):
    def where(self, handle: int) -> tuple[int, int]:
        return 1, handle


@fails(f"{TWO}; places", "places", "two objects at position 0 of page 1")
class AtOnePosition(Shelf):
    def where(self, handle: int) -> tuple[int, int]:
        return self.objects[handle][0], 0


@fails("pool; alloc key=1 size=4097", "answers", "alloc() of 4097 bytes gave 0, expected −EINVAL or −ENOSPC")
@fails("pool; alloc key=1 size=0", "answers", "alloc() of 0 bytes gave 0, expected −EINVAL")
class TakesAnything(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return self.put(self.new_page(), size_bytes, cookie)


@fails(f"{TWO}; alloc key=3 size=999", "answers", "alloc() of 999 bytes gave −ENOMEM, expected 0 as of 1000 bytes")
@fails("pool; alloc key=1 size=64; alloc key=2 size=65", "", "")  # more than it has ever taken
class TakesTwo(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return -errno.ENOMEM if size_bytes in (65, 999) else super().alloc(size_bytes, cookie)


@fails(
    f"{TWO}; alloc key=3 size=999",
    "answers",
    "alloc() of 999 bytes gave −ENOSPC, though 1000 bytes have been taken and 999 refused",
)
@fails("pool; alloc key=1 size=4097; alloc key=2 size=999", "", "")
class TakesRoundNumbers(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return -errno.ENOSPC if size_bytes % 1000 else super().alloc(size_bytes, cookie)


@fails("pool; alloc key=1 size=9", "answers", "alloc() of 9 bytes gave −5, expected 0, −12, −22 or −28")
class AllocatesWithAnError(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return -errno.EIO


@fails(f"{TWO}; free key=1; alloc key=3 size=9; free key=2; map key=3", "", "")
class Restless(Shelf):
    """Whoever comes or goes, the others get another handle: which is allowed."""

    def alloc(self, size_bytes: int, cookie: int) -> int:
        self.compact()
        made = super().alloc(size_bytes, cookie)
        self.stir(but=made)
        return made

    def free(self, handle: int) -> None:
        super().free(handle)
        self.stir()

    def stir(self, but: int = 0) -> None:
        for handle in [one for one in self.objects if one != but]:
            page, position, size_bytes, cookie = self.objects.pop(handle)
            new = self.next_handle = self.next_handle + 1
            self.pages[page][position] = new
            self.objects[new] = (page, position, size_bytes, cookie)
            self.moved(cookie, new)


@fails(TWO, "memory", "memory(): 2 movable pages of 1")
class MovesTooMuch(Shelf):
    def memory(self) -> tuple[int, int, int]:
        pages, used_bytes, _ = super().memory()
        return pages, used_bytes, len(self.objects)


@fails("pool; alloc key=1 size=900", "memory", "memory(): used_bytes of 4097 in 1 pages")
class UsesMoreThanItHas(Shelf):
    def memory(self) -> tuple[int, int, int]:
        return len(self.pages), 4097 * len(self.objects), 0


@fails("pool; alloc key=1 size=900; map key=1", "costs", "counter 6 of struct zr_cost fell from 5 to 2")
class CountsBackwards(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        self.cost.headers_read += 5
        return super().alloc(size_bytes, cookie)

    def map(self, handle: int, length_known: bool) -> None:
        self.cost.headers_read = 2**64 - 3


# ---- and like a built-in ----


ZBUD = "pool like=zbud"
PAIRS = f"{ZBUD}; alloc key=1 size=1000; alloc key=2 size=1000; alloc key=3 size=3000; alloc key=4 size=900"


def like_zbud() -> type[Pool]:
    """The example of a pool, which is like the built-in to the last count."""
    found: type[Pool] = run_path(str(EXAMPLES / "zbud.py"))["Zbud"]
    return found


class Zbud(like_zbud()):  # type: ignore[misc]
    pass


def test_zbud_is_like_zbud() -> None:
    steps = PAIRS + "; classes; reclaim; reclaim; reclaim; free key=4; reclaim type=100; reclaim type=40; check"
    assert replayed(f"{__name__}:Zbud", steps.replace(" classes;", "")) is None


@fails(f"{PAIRS}; reclaim", "like", "evict() number 1 is of object 2, the built-in's of object 1")
class EvictsTheLastFirst(Zbud):
    def evict(self, cookie: int) -> bool:
        page = next(page for page in self.pages.values() if cookie in page.cookies)
        return super().evict(page.cookies[0] + page.cookies[1] - cookie)


@fails(f"{PAIRS}; free key=1; reclaim", "like", "evict() number 1 is of nobody, the built-in's of object 2")
@fails(
    f"{ZBUD}; alloc key=1 size=9; free key=1; reclaim",
    "like",
    "reclaim() gave −EAGAIN after 0 objects, the built-in −EINVAL after 0",
)
class GivesUpOnceSomethingIsFreed(Zbud):
    capabilities = frozenset()

    def reclaim(self, retries: int) -> int:
        return -errno.EAGAIN


@fails(f"{PAIRS}; reclaim type=100", "like", "reclaim() gave −EAGAIN after 2 objects, the built-in −EAGAIN after 1")
class GoesOnWhenRefused(Zbud):
    def evict(self, cookie: int) -> bool:
        page = next(page for page in self.pages.values() if cookie in page.cookies)
        evicted = [super(GoesOnWhenRefused, self).evict(one) for one in page.cookies]
        return all(evicted)


@fails(f"{PAIRS}; migrate key=1", "like", "migrate() gave 0 with 2 objects, the built-in −EBUSY with 0")
class Migrates(Zbud):
    def migrate(self, handle: int) -> int:
        return 2


@fails(PAIRS, "like", "object 2 is in page 1, the built-in's in the page of others")
class OneAPage(Zbud):
    def enlist(self, page: Any) -> None:
        pass


@fails(PAIRS, "like", "object 3 is in page 0, the built-in's in the page of others")
class SaysTheFirstPage(Zbud):
    def where(self, handle: int) -> tuple[int, int]:
        return 0, handle & 1


@fails(
    "pool like=z3fold; alloc key=1 size=1000; migrate key=1",
    "like",
    "migrate() gave 0 with 2 objects, the built-in 0 with 1",
)
class CountsTwo(Shelf):
    """One object a page is as in z3fold, whose chunks are of 64 bytes."""

    capabilities = frozenset()
    classes = Pool.classes

    def memory(self) -> tuple[int, int, int]:
        return len(self.pages), 1024 * len(self.objects), len(self.pages)

    def migrate(self, handle: int) -> int:
        return super().migrate(handle) + 1


ROW = "row 0 of classes() is not the built-in's"


@fails(f"{PAIRS}; check", "like", ROW)
class SaysASize(Zbud):
    def classes(self) -> list[tuple[int, int, int, int]]:
        return [(64, 0, pages, objects) for _, _, pages, objects in super().classes()]


@fails(f"{PAIRS}; check", "like", ROW)
class SaysMoreRoom(Zbud):
    def classes(self) -> list[tuple[int, int, int, int]]:
        return [(0, free + 1, pages, objects) for _, free, pages, objects in super().classes()]


@fails(f"{PAIRS}; check", "like", ROW)
class SaysTheOthersPages(Zbud):
    def classes(self) -> list[tuple[int, int, int, int]]:
        (_, free, pages, objects), (_, other, other_pages, other_objects) = super().classes()
        return [(0, free, pages + 1, objects), (0, other, other_pages - 1, other_objects)]


@fails(f"{PAIRS}; check", "like", ROW)
class SaysTheOthersObjects(Zbud):
    def classes(self) -> list[tuple[int, int, int, int]]:
        (_, free, pages, objects), (_, other, other_pages, other_objects) = super().classes()
        return [(0, free, pages, objects + 1), (0, other, other_pages, other_objects - 1)]


@fails(f"{PAIRS}; check", "like", "classes(): found 3, expected 2")
class SaysARowTooMany(Zbud):
    def classes(self) -> list[tuple[int, int, int, int]]:
        return [*super().classes(), (0, 63, 0, 0)]


@fails(f"{ZBUD}; alloc key=1 size=3970", "like", "alloc() of 3970 bytes gave −EINVAL, the built-in −ENOSPC")
class SaysInvalid(Zbud):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return max(super().alloc(size_bytes, cookie), -errno.EINVAL)


# ---- what a pool in Python gives ----


@fails("pool; alloc key=1 size=9", "answers", "alloc(9, COOKIE) gave 'one', expected a handle, −12, −22 or −28")
class AllocatesWords(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return "one"  # type: ignore[return-value]


@fails("pool; alloc key=1 size=9", "answers", f"alloc(9, COOKIE) gave {2**64}, expected a handle, −12, −22 or −28")
class AllocatesTooLargeAHandle(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return 2**64


@fails(
    "pool; alloc key=1 size=9",
    "answers",
    "alloc(9, COOKIE) raised ValueError: evict() of a pool that is in no replay (HERE)",
)
class EvictsWhenItAllocates(Shelf):
    """Of a pool that is made here, and asks another, which nobody has."""

    def alloc(self, size_bytes: int, cookie: int) -> int:
        return Shelf().evict(cookie)


@fails(
    "pool; alloc key=1 size=9",
    "answers",
    "alloc(9, COOKIE) raised ValueError: moved() of a pool that is in no replay (HERE)",
)
class MovesWhenItAllocates(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        Shelf().moved(cookie, 1)
        return 1


@fails("pool; alloc key=1 size=9", "", "")
class IsRefused(Shelf):
    """Outside of reclaim() nobody is evicted."""

    def alloc(self, size_bytes: int, cookie: int) -> int:
        assert not self.evict(cookie)
        return super().alloc(size_bytes, cookie)


@fails(TWO, "places", "where(1) gave 7, expected page and position")
class SaysOneNumber(Shelf):
    def where(self, handle: int) -> tuple[int, int]:
        return 7  # type: ignore[return-value]


@fails(f"{TWO}; reclaim", "reclaim", "reclaim(1) gave None, expected 0, −11 or −22")
@fails(f"{TWO}; compact", "compact", "compact() gave None, expected the pages freed")
@fails(f"{TWO}; migrate key=1", "migrate", "migrate(1) gave None, expected the number of objects, −11 or −16")
class SaysNothing(Shelf):
    def reclaim(self, retries: int) -> int:
        return None  # type: ignore[return-value]

    compact = migrate = lambda *_: None  # type: ignore[assignment]


ROWS = "expected a list of (class_size, free_chunks, pages, objects)"


@fails(TWO, "classes", f"classes() gave (), {ROWS}")
class GivesATuple(Shelf):
    def classes(self) -> list[tuple[int, int, int, int]]:
        return ()  # type: ignore[return-value]


@fails(TWO, "classes", f"classes() gave (0, 1, 2), {ROWS}")
class GivesThree(Shelf):
    def classes(self) -> list[tuple[int, int, int, int]]:
        return [(0, 1, 2)]  # type: ignore[list-item]


@fails(TWO, "classes", f"classes() gave (0, 1, 2, 'three'), {ROWS}")
class GivesAWord(Shelf):
    def classes(self) -> list[tuple[int, int, int, int]]:
        return [(0, 1, 2, "three")]  # type: ignore[list-item]


@fails(f"{TWO}; check", "", "")
class HasManyClasses(Shelf):
    """More than are asked for at first."""

    def classes(self) -> list[tuple[int, int, int, int]]:
        return [*super().classes(), *((16 * n, 0, 0, 0) for n in range(1, 100))]


@fails("pool; alloc key=1 size=9", "answers", "alloc(9, COOKIE) gave True, expected a handle, −12, −22 or −28")
class AllocatesTruth(Shelf):
    def alloc(self, size_bytes: int, cookie: int) -> int:
        return True


@fails(f"{TWO}; free key=1; map key=2; free key=2", "", "")
class CountsFromTheEnd(Shelf):
    """The largest word is a handle as any other."""

    def put(self, page: int, size_bytes: int, cookie: int) -> int:
        self.next_handle = (self.next_handle - 2) % 2**64
        return super().put(page, size_bytes, cookie)


@fails(f"{TWO}; migrate key=1; migrate key=2", "", "")
class IsBusy(Shelf):
    def migrate(self, handle: int) -> int:
        return -errno.EBUSY if handle == 1 else -errno.EAGAIN


@fails(f"{PAIRS}; migrate key=1", "", "")
class IsBusyAsZbud(Zbud):
    def migrate(self, handle: int) -> int:
        return -errno.EBUSY


@fails(f"{TWO}; migrate key=1; compact; reclaim; map key=1; check", "", "")
class UnknownWhereabouts(Shelf):
    capabilities = frozenset()
    where = Pool.where


@fails(f"{THREE}; migrate key=1; reclaim", "", "")
class TakesWhatHasNotMoved(Shelf):
    """A page that has been moved may go when it likes."""


@fails("pool; alloc key=1 size=3000; alloc key=2 size=3000; reclaim_beside_one; reclaim size=2", "", "")
class SpanningTwo(Shelf):
    capabilities = frozenset({"spans"})


@pytest.mark.parametrize(("spec", "steps", "of", "message"), WRONG)
def test_a_wrong_answer_fails_what_it_is(spec: str, steps: str, of: str, message: str) -> None:
    expect(spec, steps, of, message)
