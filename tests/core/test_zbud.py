"""zbud against the kernel model: its golden numbers, its tiny trace, and each rule of its lists by hand."""

import re

import pytest
from _zreplay import CheckFailed, Pool, Reclaim
from core.reference_pool_workload import Evictor, run_golden
from core.structures import poke

FIRST, LAST = 0, 1
EINVAL, ENOSPC, EAGAIN = 22, 28, 11


def alloc(pool: Pool, size_bytes: int, offset: int = 1) -> int:
    location, error = pool.alloc(size_bytes, 0, offset)
    assert error == 0
    return location


@pytest.mark.parametrize(
    ("function", "live", "pages", "after_reclaims", "evicted"),
    [
        ("A", 896, [528, 165, 260, 837, 559], 509, 72),
        ("B", 1212, [516, 205, 360, 927, 734], 684, 72),
        ("C", 1212, [516, 206, 361, 927, 731], 681, 72),
        ("D", 1212, [1030, 324, 556, 1854, 1212], 1162, 50),
    ],
)
def test_golden_workload(function, live, pages, after_reclaims, evicted):
    golden = run_golden(Pool("zbud"), function)
    assert (len(golden.live), golden.pages) == (live, pages)
    evict = Evictor(golden.pool)
    assert [golden.pool.reclaim(8, evict) for _ in range(50)] == [0] * 50
    assert (golden.pool.pages, len(evict.victims)) == (after_reclaims, evicted)
    golden.pool.check()


def test_tiny_trace():
    pool = Pool("zbud")
    objects = [alloc(pool, size) for size in (1000, 2000, 3000)]
    x, y = pool.page_id(objects[0]), pool.page_id(objects[2])
    assert [pool.page_id(o) for o in objects] == [x, x, y]
    assert [pool.position(o) for o in objects] == [FIRST, LAST, FIRST]
    pool.free(objects[0])
    assert pool.pages == 2
    joined = alloc(pool, 900)
    assert (pool.page_id(joined), pool.position(joined), pool.pages) == (y, LAST, 2)
    evict = Evictor(pool)
    assert pool.reclaim(8, evict) == 0
    assert (evict.victims, pool.pages) == ([objects[1]], 1)
    pool.check()


@pytest.mark.parametrize(
    ("size_bytes", "error"), [(0, -EINVAL), (1, 0), (3968, 0), (3969, -ENOSPC), (4096, -ENOSPC), (2**32 - 1, -ENOSPC)]
)
def test_accepts_1_to_3968_bytes(size_bytes, error):
    pool = Pool("zbud")
    assert pool.alloc(size_bytes)[1] == error
    assert pool.usage()["objects"] == (error == 0)


@pytest.mark.parametrize(("second_bytes", "pages"), [(31 * 64, 1), (31 * 64 + 1, 2)])
def test_two_objects_share_a_page_up_to_63_chunks(second_bytes, pages):
    pool = Pool("zbud")
    alloc(pool, 32 * 64)
    alloc(pool, second_bytes)
    assert pool.pages == pages


def test_best_fit_takes_the_page_with_the_fewest_free_chunks_that_suffice():
    pool = Pool("zbud")
    roomy, tight, full = (alloc(pool, c * 64) for c in (33, 43, 53))  # 30, 20 and 10 chunks free
    assert pool.page_id(alloc(pool, 20 * 64)) == pool.page_id(tight)
    assert pool.page_id(alloc(pool, 20 * 64)) == pool.page_id(roomy)
    assert pool.page_id(alloc(pool, 1)) == pool.page_id(full)


def test_second_buddy_takes_the_head_of_the_best_fitting_list():
    pool = Pool("zbud")
    older, newer = alloc(pool, 40 * 64), alloc(pool, 40 * 64)
    assert pool.page_id(alloc(pool, 64)) == pool.page_id(newer)
    assert pool.page_id(alloc(pool, 64)) == pool.page_id(older)


def test_freed_first_half_is_used_again_before_a_new_page():
    pool = Pool("zbud")
    first, last = alloc(pool, 1000), alloc(pool, 1000)
    pool.free(first)
    again = alloc(pool, 3000)
    assert (pool.page_id(again), pool.position(again)) == (pool.page_id(last), FIRST)


def test_a_page_taken_again_gets_a_new_number():
    pool = Pool("zbud")
    location = alloc(pool, 100)
    before = pool.page_id(location)
    pool.free(location)
    assert pool.pages == 0
    assert pool.page_id(alloc(pool, 100)) == before + 1


def test_object_keeps_length_entry_and_position():
    pool = Pool("zbud")
    location, _ = pool.alloc(777, 3, 2**58 - 1)
    assert (pool.size(location), pool.entry(location), pool.position(location)) == (777, (3, 2**58 - 1), FIRST)


def test_resident_mark_is_the_object_s_own_and_ends_with_it():
    pool = Pool("zbud")
    first, last = alloc(pool, 500), alloc(pool, 500)
    pool.set_resident(last)
    assert (pool.is_resident(first), pool.is_resident(last)) == (False, True)
    pool.free(last)
    again = alloc(pool, 500)
    assert again == last
    assert not pool.is_resident(again)
    pool.set_resident(first)
    assert (pool.is_resident(first), pool.is_resident(again)) == (True, False)
    pool.set_resident(first, False)
    assert not pool.is_resident(first)
    assert (pool.size(first), pool.usage()["objects"]) == (500, 2)


def test_allocation_moves_a_page_to_the_lru_head_and_freeing_does_not():
    pool = Pool("zbud")
    a, b, c = (alloc(pool, 40 * 64) for _ in range(3))  # LRU: c b a
    to_b = [alloc(pool, 64), alloc(pool, 64)]  # joins c, then b: b c a
    assert pool.page_id(to_b[1]) == pool.page_id(b)
    pool.free(a)  # b c
    pool.free(to_b[0])  # still b c
    evict = Evictor(pool)
    assert pool.reclaim(8, evict) == 0
    assert evict.victims == [c]


def test_reclaim_without_a_page_or_without_retries_is_invalid():
    pool = Pool("zbud")
    assert pool.reclaim(8, lambda _: True) == -EINVAL
    alloc(pool, 100)
    assert pool.reclaim(0, lambda _: True) == -EINVAL


def test_refused_evictions_rotate_the_lru_and_give_up_after_the_retries():
    pool = Pool("zbud")
    objects = [alloc(pool, 3900) for _ in range(3)]
    evict = Evictor(pool, refused=None)
    assert pool.reclaim(8, evict) == -EAGAIN
    assert evict.victims == [objects[k % 3] for k in range(8)]
    assert pool.pages == 3
    pool.check()


def test_last_is_not_tried_once_first_is_refused():
    pool = Pool("zbud")
    first, _last = alloc(pool, 1000), alloc(pool, 1000)
    evict = Evictor(pool, refused=None)
    assert pool.reclaim(1, evict) == -EAGAIN
    assert evict.victims == [first]


def test_page_that_lost_its_first_and_kept_its_last_returns_with_one_buddy():
    pool = Pool("zbud")
    _first, last = alloc(pool, 16 * 64), alloc(pool, 16 * 64)
    alloc(pool, 3968)  # the LRU's head
    assert pool.reclaim(1, Evictor(pool, refused=[last])) == -EAGAIN
    pool.check()
    again = alloc(pool, 47 * 64)
    assert (pool.page_id(again), pool.position(again)) == (pool.page_id(last), FIRST)


def test_page_under_reclaim_is_not_allocated_from():
    pool = Pool("zbud")
    held = alloc(pool, 100)
    attempt = Reclaim(pool, 8)
    assert attempt.victim == held
    other = alloc(pool, 100)
    assert pool.page_id(other) != pool.page_id(held)
    pool.check()
    attempt.result(False)  # back at the head; the tail is the other page now
    assert attempt.victim == other


def test_page_under_reclaim_is_not_taken_by_another_reclaimer_who_looks_anew():
    pool = Pool("zbud")
    a, b = alloc(pool, 3000), alloc(pool, 3000)
    first, second = Reclaim(pool, 1), Reclaim(pool, 1)
    c = alloc(pool, 3000)  # younger than when the two oldest were looked for
    third = Reclaim(pool, 1)
    assert (first.victim, second.victim, third.victim) == (a, b, c)
    pool.check()


def test_object_freed_by_another_task_during_its_eviction_lets_the_page_go():
    pool = Pool("zbud")
    first, last = alloc(pool, 100), alloc(pool, 200)
    attempt = Reclaim(pool, 8)
    pool.free(last)
    assert (attempt.victim, pool.pages) == (first, 1)
    pool.free(first)
    pool.check()
    attempt.result(True)
    assert (attempt.victim, pool.size(last)) == (last, 0)  # still called for, as the kernel does, though it is gone
    attempt.result(True)
    assert (attempt.victim, attempt.error, pool.pages) == (0, 0, 0)
    pool.check()


def test_eviction_refused_because_the_object_was_freed_meanwhile_still_frees_the_page():
    pool = Pool("zbud")
    only = alloc(pool, 100)
    attempt = Reclaim(pool, 8)
    pool.free(only)
    attempt.result(False)
    assert (attempt.victim, attempt.error, pool.pages) == (0, 0, 0)


def test_migrated_page_keeps_its_place_in_an_lru_that_is_half_gone_through():
    pool = Pool("zbud", movable=True)
    _a, b, _c = (alloc(pool, 3900) for _ in range(3))  # pages 0, 1, 2
    assert pool.reclaim(1, Evictor(pool, refused=None)) == -EAGAIN  # a goes to the head: a c b
    assert pool.migrate(b) == 1  # page 3 now
    evicted = []

    def evict(victim: int) -> bool:
        evicted.append(pool.page_id(victim))
        pool.free(victim)
        return True

    assert [pool.reclaim(8, evict) for _ in range(3)] == [0, 0, 0]
    assert evicted == [3, 2, 0]


def test_list_keeps_its_order_when_its_gaps_are_closed():
    """A list is tidied when it would grow and more than half of it are gaps: eight pages, of which six have gone."""
    pool = Pool("zbud")
    objects = [alloc(pool, 40 * 64) for _ in range(8)]
    for location in objects[:6]:
        pool.free(location)
    for _ in range(3):
        objects.append(alloc(pool, 40 * 64))
        pool.check()
    assert [pool.page_id(alloc(pool, 64)) for _ in range(6)] == [10, 9, 8, 7, 6, 11]


def test_usage_and_classes():
    pool = Pool("zbud")
    alloc(pool, 1000)  # 16 chunks, joined by
    alloc(pool, 2000)  # 32 chunks: 15 free
    alloc(pool, 48 * 64)  # alone: 15 free
    alloc(pool, 3968)  # alone: 1 free
    assert pool.usage() == {
        "pages": 3,
        "objects": 4,
        "asked_bytes": 1000 + 2000 + 48 * 64 + 3968,
        "used_bytes": (16 + 32 + 48 + 62) * 64,
        "movable_pages": 0,
    }
    rows = [(row["free_chunks"], row["pages"], row["objects_used"]) for row in pool.classes()]
    assert rows == [(1, 1, 1), (15, 2, 3)]


def test_headers_read_one_for_each_page_looked_into():
    pool = Pool("zbud")
    first = alloc(pool, 100)
    assert pool.headers_read == 0  # a new page is written, not read
    alloc(pool, 100)
    assert pool.headers_read == 1
    pool.free(first)
    assert pool.headers_read == 2
    [last] = pool.locations()
    pool.map(last)
    assert pool.headers_read == 3  # where the length is
    pool.map(last, length_known=True)
    assert pool.headers_read == 3


def test_room_is_a_page_with_enough_free_chunks_beside_its_object():
    pool = Pool("zbud")
    assert not pool.has_room(1)
    first = alloc(pool, 40 * 64)  # 23 chunks free
    assert [pool.has_room(size) for size in (1, 23 * 64, 23 * 64 + 1, 64 * 63 + 1)] == [True, True, False, False]
    other = alloc(pool, 64)
    assert not pool.has_room(1)
    pool.free(first)
    assert [pool.has_room(size) for size in (62 * 64, 62 * 64 + 1)] == [True, False]
    assert pool.page_id(other) == 0


def test_allocation_that_is_to_have_its_own_page_leaves_room_elsewhere_alone():
    pool = Pool("zbud")
    first = alloc(pool, 1000)
    own, error = pool.alloc(1000, own=True)
    assert (error, pool.page_id(own), pool.position(own)) == (0, 1, FIRST)
    assert pool.page_id(alloc(pool, 1000)) == 1  # the head of the list of 47 free chunks
    assert pool.page_id(alloc(pool, 1000)) == pool.page_id(first)
    pool.check()


def test_buddy_is_the_other_object_of_the_page_while_there_is_one():
    pool = Pool("zbud")
    first, last = alloc(pool, 1000), alloc(pool, 2000)
    assert (pool.buddy(first), pool.buddy(last)) == (last, first)
    pool.free(first)
    assert pool.buddy(last) == 0


def test_page_knows_its_objects_by_their_entries():
    pool = Pool("zbud")
    first, last = (pool.alloc(1000, 3, offset)[0] for offset in (7, 8))
    for location in (first, last):  # a slot names the page
        found = [pool.find_in_page(location, *entry) for entry in [(3, 7), (3, 8), (3, 9), (4, 7)]]
        assert found == [first, last, 0, 0]
    pool.free(first)
    assert [pool.find_in_page(last, 3, offset) for offset in (7, 8)] == [0, last]


def test_migrated_page_is_told_object_by_object():
    pool = Pool("zbud", movable=True)
    _first, last = (pool.alloc(1000, 3, offset)[0] for offset in (7, 8))
    told = []
    pool.on_move(lambda *moved: told.append(moved))
    headers = pool.headers_read
    assert pool.migrate(last) == 2
    assert told == [(3, 7, pool.locations()[0]), (3, 8, pool.locations()[1])]
    assert pool.headers_read - headers == 2
    assert [pool.entry(location) for location in pool.locations()] == [(3, 7), (3, 8)]
    pool.free(pool.locations()[0])
    told.clear()
    assert pool.migrate(pool.locations()[0]) == 1
    assert told == [(3, 8, pool.locations()[0])]


def test_page_under_reclaim_is_not_moved_and_counts_as_none_that_could():
    pool = Pool("zbud", movable=True)
    only, _other = alloc(pool, 3000), alloc(pool, 3000)
    attempt = Reclaim(pool, 8)
    assert (attempt.victim, pool.usage()["movable_pages"], pool.migrate(only)) == (only, 1, None)


# A page: two entries, stamp, place, number; then bits: two lengths of twelve, references, resident, under reclaim.
STAMP, PLACE, BITS = 16, 20, 28
ONE, UNDER_RECLAIM = 1 << 24, 1 << 28


@pytest.mark.parametrize(
    ("page", "at", "word", "says"),
    [
        ("single", PLACE, 1, "12: an unbuddied page knows its place: {single}: found 1, expected 0"),
        ("single", STAMP, 0, "12: a page that is in use has a stamp: {single}: found 0, expected 1"),
        ("single", STAMP, 4, "7: a page has a stamp that was given out: {single}: found 4, expected 3"),
        (
            "single",
            BITS,
            960 | ONE,
            "12: an unbuddied page is on the list of its free chunks: {single}: found 48, expected 47",
        ),
        (
            "single",
            BITS,
            1000 | 2 * ONE | UNDER_RECLAIM,
            "12: on a list exactly with one buddy: {single}: found 1, expected 1",
        ),
        (
            "single",
            BITS,
            936 | 64 << 12 | 2 * ONE,
            "12: on a list exactly with one buddy: {single}: found 2, expected 1",
        ),
        (
            "single",
            BITS,
            1000 | 2 * ONE,
            "10: references are objects, and one while under reclaim: {single}: found 2, expected 1",
        ),
        ("single", BITS, 1001 | ONE, "assertion 12: asked bytes: found 4984, expected 4985"),
        ("full", BITS, 2000 | 2049 << 12 | 2 * ONE, "12: first + last <= 63 chunks: {full}: found 65, expected 63"),
        ("full", BITS, 0, "7: only a page under reclaim may be empty: page 0, type 3, offset 8: found 0, expected 1"),
        (
            "full",
            BITS,
            1984 << 12,
            "10: references are objects, and one while under reclaim: page 0, type 3, offset 8: found 0, expected 1",
        ),
        (
            "full",
            BITS,
            2000 | 1984 << 12 | ONE,
            "10: references are objects, and one while under reclaim: {full}: found 1, expected 2",
        ),
        (
            "full",
            BITS,
            2000 | 1984 << 12 | 2 * ONE | UNDER_RECLAIM,
            "10: references are objects, and one while under reclaim: {full}: found 2, expected 3",
        ),
        (
            "full",
            BITS,
            2000 | 1984 << 12 | 3 * ONE | UNDER_RECLAIM,
            "assertion 7: pages under reclaim are off the LRU: found 0, expected 1",
        ),
        ("full", BITS, 2000 | ONE, "assertion 12: every page with one buddy is on a list: found 1, expected 2"),
        ("full", BITS, 2000 | 1920 << 12 | 2 * ONE, "assertion 12: buddied pages by free chunks: found 1, expected 0"),
        ("full", BITS, 2000 | 1983 << 12 | 2 * ONE, "assertion 12: asked bytes: found 4984, expected 4983"),
    ],
)
def test_check_names_what_is_wrong_with_a_page(page, at, word, says):
    pool = Pool("zbud")
    full, _last, single = (pool.alloc(size, 3, offset)[0] for size, offset in [(2000, 7), (1984, 8), (1000, 9)])
    pool.check()
    poke({"full": full, "single": single}[page] + at, "I", word)
    says = says.format(full="page 0, type 3, offset 7", single="page 1, type 3, offset 9")
    with pytest.raises(CheckFailed, match=re.escape(says)):
        pool.check()


def test_check_lets_a_page_be_full_to_its_last_chunk_and_empty_under_reclaim():
    pool = Pool("zbud")
    first, last = alloc(pool, 32 * 64), alloc(pool, 31 * 64)
    assert pool.classes()[0]["free_chunks"] == 0
    pool.check()
    attempt = Reclaim(pool, 1)
    pool.free(first), pool.free(last)
    pool.check()
    assert pool.classes() == []
    assert attempt.victim == first
