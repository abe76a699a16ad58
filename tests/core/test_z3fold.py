"""z3fold against the kernel model: golden numbers, the tiny trace, and every rule of work, reclaim and migration."""

import re

import pytest
from _zreplay import CheckFailed, Pool, Reclaim
from core.reference_pool_workload import Evictor, run_golden
from core.structures import peek, poke

FIRST, MIDDLE, LAST, HEADLESS = 0, 1, 2, 3
EINVAL, ENOSPC, EAGAIN = 22, 28, 11
CHUNK = 64


def alloc(pool: Pool, size_bytes: int, offset: int = 1) -> int:
    location, error = pool.alloc(size_bytes, 0, offset)
    assert error == 0
    return location


def three_in_a_page(pool: Pool, first: int, last: int, middle: int) -> tuple[int, int, int]:
    """Allocate three objects, in chunks, in the order in which a page takes them."""
    objects = alloc(pool, first * CHUNK), alloc(pool, last * CHUNK), alloc(pool, middle * CHUNK)
    assert [pool.position(o) for o in objects] == [FIRST, LAST, MIDDLE]
    assert len({pool.page_id(o) for o in objects}) == 1
    return objects


@pytest.mark.parametrize(
    ("function", "pages", "after_reclaims", "evicted"),
    [
        ("A", [544, 176, 306, 1036, 695], 645, 60),
        ("B", [347, 120, 211, 622, 438], 388, 121),
        ("C", [344, 124, 214, 618, 441], 391, 123),
        ("D", [1030, 324, 556, 1854, 1212], 1162, 50),
    ],
)
def test_golden_workload(function, pages, after_reclaims, evicted):
    golden = run_golden(Pool("z3fold", work="immediate"), function)
    assert (len(golden.live), golden.pages) == (1212, pages)
    evict = Evictor(golden.pool)
    assert [golden.pool.reclaim(8, evict) for _ in range(50)] == [0] * 50
    assert (golden.pool.pages, len(evict.victims)) == (after_reclaims, evicted)
    golden.pool.check()


def test_tiny_trace():
    pool = Pool("z3fold")
    objects = [alloc(pool, 1000) for _ in range(3)]
    pages = [pool.pages]
    objects.append(alloc(pool, 3904))
    pages.append(pool.pages)
    objects.append(alloc(pool, 3905))
    pages.append(pool.pages)
    pool.free(objects[1])
    pages.append(pool.pages)
    alloc(pool, 500)
    pages.append(pool.pages)
    pool.free(objects[0])
    pages.append(pool.pages)
    assert pages == [1, 2, 3, 3, 3, 3]
    evict = Evictor(pool)
    assert pool.reclaim(8, evict) == 0
    assert (evict.victims, pool.pages) == ([objects[3]], 2)
    pool.check()


@pytest.mark.parametrize(("size_bytes", "error"), [(0, -EINVAL), (1, 0), (3904, 0), (4096, 0), (4097, -ENOSPC)])
def test_accepts_1_to_4096_bytes(size_bytes, error):
    assert Pool("z3fold").alloc(size_bytes)[1] == error


@pytest.mark.parametrize(("size_bytes", "position"), [(3904, FIRST), (3905, HEADLESS)])
def test_object_that_leaves_no_room_for_a_header_goes_headless(size_bytes, position):
    pool = Pool("z3fold")
    assert pool.position(alloc(pool, size_bytes)) == position


def test_objects_start_where_the_kernel_puts_them():
    pool = Pool("z3fold")
    first, last, middle = three_in_a_page(pool, 16, 10, 20)
    assert [pool.start_bytes(o) for o in (first, middle, last)] == [128, (2 + 16) * CHUNK, 4096 - 10 * CHUNK]


def test_first_and_last_leave_the_middle_what_is_left_of_62_chunks():
    pool = Pool("z3fold")
    alloc(pool, 20 * CHUNK), alloc(pool, 20 * CHUNK)
    alloc(pool, 23 * CHUNK)
    assert pool.pages == 2
    alloc(pool, 22 * CHUNK)
    assert pool.pages == 2


def test_middle_alone_becomes_first():
    pool = Pool("z3fold")
    first, last, middle = three_in_a_page(pool, 16, 10, 20)
    pool.free(first)
    pool.free(last)
    assert (pool.position(middle), pool.start_bytes(middle), pool.size(middle)) == (FIRST, 128, 20 * CHUNK)


@pytest.mark.parametrize(("gap", "start_chunks"), [(2, 2 + 16), (3, 2 + 16 + 3)])
def test_middle_slides_up_against_last_when_the_gap_is_three_chunks(gap, start_chunks):
    pool = Pool("z3fold")
    first, last, middle = three_in_a_page(pool, 16, 62 - 16 - 20 - gap, 20)
    pool.free(first)
    assert pool.start_bytes(middle) == start_chunks * CHUNK
    assert pool.start_bytes(last) == (16 + 20 + gap + 2) * CHUNK


def test_middle_slides_down_to_first_when_the_gap_is_three_chunks():
    pool = Pool("z3fold")
    first, _last, middle = three_in_a_page(pool, 16, 10, 20)
    pool.free(first)  # middle slides up: start 64 − 10 − 20 = 34
    assert pool.start_bytes(middle) == 34 * CHUNK
    again = alloc(pool, 10 * CHUNK)
    assert (pool.position(again), pool.start_bytes(middle)) == (FIRST, 34 * CHUNK)
    pool.free(_last)  # first ends at 12
    assert pool.start_bytes(middle) == 12 * CHUNK


def test_lone_object_stays_when_no_page_has_room():
    pool = Pool("z3fold")
    alloc(pool, 40 * CHUNK)  # 22 left
    lone, beside = alloc(pool, 30 * CHUNK), alloc(pool, 32 * CHUNK)
    pool.free(beside)
    assert (pool.pages, pool.page_id(lone), pool.moves()["objects_copied"]) == (2, 1, 0)


def test_lone_object_moves_to_a_page_with_room_and_keeps_its_location():
    pool = Pool("z3fold")
    target = alloc(pool, 40 * CHUNK)  # 22 chunks left
    moved, beside = alloc(pool, 23 * CHUNK), alloc(pool, 39 * CHUNK)
    pool.free(beside)
    tail = alloc(pool, 20 * CHUNK, 77)  # best fit: the target
    assert pool.page_id(tail) == pool.page_id(target)
    pool.free(target)  # 20 chunks alone, and the page of `moved` has 39 free
    assert (pool.pages, pool.page_id(tail), pool.position(tail)) == (1, pool.page_id(moved), LAST)
    assert (pool.size(tail), pool.entry(tail)) == (20 * CHUNK, (0, 77))
    assert pool.moves() == {"pages_compacted": 1, "objects_copied": 1, "handles_rewritten": 1, "pages_migrated": 0}
    pool.check()


def page_with_a_foreign_object(pool: Pool) -> tuple[int, int]:
    """Give the object at home, first in its page, and the foreign one beside it."""
    left, right = alloc(pool, 40 * CHUNK), alloc(pool, 22 * CHUNK, 2)
    home = alloc(pool, 30 * CHUNK)
    pool.free(left)
    assert (pool.page_id(right), pool.pages) == (pool.page_id(home), 1)
    return home, right


def test_page_with_a_foreign_object_is_not_reclaimed():
    pool = Pool("z3fold")
    _home, foreign = page_with_a_foreign_object(pool)
    evict = Evictor(pool)
    assert (pool.reclaim(8, evict), evict.victims) == (-EAGAIN, [])
    pool.free(foreign)
    assert (pool.reclaim(8, evict), pool.pages) == (0, 0)


def test_page_with_a_foreign_object_is_not_migrated_nor_emptied():
    pool = Pool("z3fold")
    home, foreign = page_with_a_foreign_object(pool)
    assert pool.migrate(home) is None
    other = alloc(pool, 11 * CHUNK)  # 10 free: a new page
    assert pool.page_id(other) != pool.page_id(home)
    pool.free(home)  # alone now, but foreign: it does not move beside `other`
    assert (pool.pages, pool.page_id(foreign) != pool.page_id(other)) == (2, True)


def test_pending_page_is_met_dropped_and_not_used_until_the_work_runs():
    pool = Pool("z3fold", work="deferred")
    first, last, middle = three_in_a_page(pool, 16, 10, 20)
    pool.free(last)  # on no list, so it is compacted at once: 26 free, listed
    pool.free(first)  # pending, still listed by 26
    other = alloc(pool, 26 * CHUNK)  # meets the page at the head of that list
    assert pool.pages == 2
    pool.check()
    pool.run_work()
    assert (pool.pages, pool.page_id(middle)) == (1, pool.page_id(other))
    pool.check()


def test_page_emptied_while_work_is_pending_is_counted_until_the_work_runs():
    pool = Pool("z3fold", work="deferred")
    left, right = alloc(pool, 1000), alloc(pool, 1000)
    pool.free(left)
    pool.free(right)
    assert (pool.pages, pool.usage()["objects"]) == (1, 0)
    pool.check()
    pool.run_work()
    assert pool.pages == 0


def test_reclaim_runs_pending_work_first():
    pool = Pool("z3fold", work="deferred")
    left, right = alloc(pool, 1000), alloc(pool, 1000)
    pool.free(left)
    pool.free(right)
    assert pool.reclaim(8, Evictor(pool)) == -EINVAL  # there was only that page, and it went
    assert pool.pages == 0


def test_reclaim_without_a_page_or_without_retries_is_invalid():
    pool = Pool("z3fold")
    assert pool.reclaim(8, Evictor(pool)) == -EINVAL
    alloc(pool, 1000)
    assert (pool.reclaim(0, Evictor(pool)), pool.pages) == (-EINVAL, 1)


def test_reclaim_evicts_middle_then_first_then_last():
    pool = Pool("z3fold")
    first, last, middle = three_in_a_page(pool, 16, 10, 20)
    evict = Evictor(pool)
    assert pool.reclaim(8, evict) == 0
    assert (evict.victims, pool.pages) == ([middle, first, last], 0)


def test_refusal_leaves_the_rest_of_the_page_and_queues_no_work():
    pool = Pool("z3fold")
    first, last, middle = three_in_a_page(pool, 16, 10, 20)
    evict = Evictor(pool, refused=[first])
    assert pool.reclaim(1, evict) == -EAGAIN
    assert evict.victims == [middle, first]
    assert [pool.position(o) for o in (first, last)] == [FIRST, LAST]
    assert pool.moves()["objects_copied"] == 0
    pool.check()


def test_refused_headless_page_goes_back_to_the_head():
    pool = Pool("z3fold")
    older, newer = alloc(pool, 4000), alloc(pool, 4000)
    evict = Evictor(pool, refused=[older])
    assert pool.reclaim(8, evict) == 0
    assert (evict.victims, pool.pages) == ([older, newer], 1)
    pool.check()


def test_headless_object_freed_during_a_refused_eviction_leaves_its_page_to_the_next_reclaim():
    pool = Pool("z3fold")
    only = alloc(pool, 4000)
    attempt = Reclaim(pool, 1)
    pool.free(only)
    attempt.result(False)
    assert (attempt.victim, attempt.error, pool.pages, pool.size(only)) == (0, -EAGAIN, 1, 0)
    pool.check()
    victims = []
    assert pool.reclaim(8, lambda victim: victims.append(victim) is None) == 0
    assert (victims, pool.pages) == ([only], 0)
    pool.check()


def test_migrated_page_gets_a_new_number_and_keeps_its_objects():
    pool = Pool("z3fold", claimed_after_migration=False)
    first, last, middle = three_in_a_page(pool, 16, 10, 20)
    assert pool.migrate(middle) == 3
    assert [pool.page_id(o) for o in (first, last, middle)] == [1, 1, 1]
    assert [pool.size(o) for o in (first, last, middle)] == [16 * CHUNK, 10 * CHUNK, 20 * CHUNK]
    assert (pool.pages, pool.moves()["handles_rewritten"]) == (1, 3)
    pool.check()


@pytest.mark.parametrize(("claimed", "pages"), [(True, 2), (False, 1)])
def test_migrated_page_is_never_used_again_while_the_claimed_flag_sticks(claimed, pages):
    pool = Pool("z3fold", claimed_after_migration=claimed)
    lone = alloc(pool, 1000)
    assert pool.migrate(lone) == 1
    alloc(pool, 1000)
    assert pool.pages == pages
    assert pool.migrate(lone) == (None if claimed else 2)
    pool.check()
    pool.free(lone)
    assert pool.pages == 1
    pool.check()


def test_headless_page_is_not_migrated():
    pool = Pool("z3fold")
    assert pool.migrate(alloc(pool, 4000)) is None


@pytest.mark.parametrize(("chunks", "pages"), [(21, 3), (22, 2)])
def test_other_cpus_lists_are_searched_for_an_exact_match_only(chunks, pages):
    pool = Pool("z3fold", cpus=2)
    alloc(pool, 40 * CHUNK)  # 22 free
    pool.set_cpu(1)
    alloc(pool, 50 * CHUNK)
    alloc(pool, chunks * CHUNK)
    assert pool.pages == pages


def test_refuses_a_number_of_cpus_it_cannot_have():
    with pytest.raises(ValueError, match="z3fold on 0 CPUs, expected 1 to 127"):
        Pool("z3fold", cpus=0)


def test_slots_object_lives_until_none_of_its_cells_is_in_use():
    pool = Pool("z3fold")
    headless = alloc(pool, 4000)
    assert pool.handle_bytes == 0  # there it needs none
    pool.free(headless)
    home, foreign = page_with_a_foreign_object(pool)
    assert pool.handle_bytes == 2 * 64  # of a page that has gone, and of the one where its object is
    pool.free(home)
    assert pool.handle_bytes == 64
    beside = alloc(pool, 10 * CHUNK)
    assert (pool.page_id(beside), pool.handle_bytes) == (pool.page_id(foreign), 2 * 64)
    pool.free(foreign)
    assert pool.handle_bytes == 64
    pool.free(beside)
    assert pool.handle_bytes == 0
    pool.check()


def test_page_frame_and_position_name_an_object():
    pool = Pool("z3fold", frames=True, claimed_after_migration=False)
    headless = alloc(pool, 4000)
    objects = three_in_a_page(pool, 16, 10, 20)
    alone = alloc(pool, 60 * CHUNK)
    assert [pool.place(o) for o in (headless, *objects, alone)] == [(1, 0), (2, 0), (2, 2), (2, 1), (3, 0)]
    assert pool.migrate(objects[0]) == 3  # the old page's frame is given back, and its number is the next
    assert [pool.object_at(*pool.place(o)) for o in (headless, *objects, alone)] == [headless, *objects, alone]
    pool.free(headless)
    assert (pool.place(alloc(pool, 61 * CHUNK)), pool.place(alloc(pool, 61 * CHUNK))) == ((1, 0), (4, 0))
    pool.check()


def test_lone_object_s_frame_is_its_new_page_s_and_it_is_nowhere_foreign():
    pool = Pool("z3fold", frames=True)
    home, moved = page_with_a_foreign_object(pool)
    assert (pool.place(moved)[0], pool.place(home)[0]) == (2, 2)
    assert pool.migrate(home) == 2


def test_who_has_moved_is_told():
    pool = Pool("z3fold", claimed_after_migration=False)
    told = []
    pool.on_move(lambda *moved: told.append(moved))
    home, foreign = page_with_a_foreign_object(pool)  # entries 1 and 2
    assert told == [(0, 2, foreign)]
    pool.free(foreign)
    told.clear()
    assert pool.migrate(home) == 1
    assert told == [(0, 1, home)]
    pool.free(home)
    first, last, middle = three_in_a_page(pool, 16, 10, 20)
    told.clear()
    pool.free(first)  # up against last: nobody's place changes its name
    assert told == []
    pool.free(last)
    assert told == [(0, 1, middle)]  # first now


# Byte of a page at which it is told, in 96 of them; a handle begins with its page and its slots object.
OBJECTS, CHUNKS, START_MIDDLE, FOREIGN, REFS, CPU, LISTED = 32, 64, 67, 68, 69, 70, 71
IS_HEADLESS, NEEDS_COMPACTING, CLAIMED, UNDER_RECLAIM, FRAME = 75, 76, 77, 78, 80
ENTRY_HOME, SIZE, POSITION = 8, 24, 26


@pytest.mark.parametrize(
    ("what", "at", "format", "words", "says"),
    [
        ("roomy", LISTED, "B", (21,), "a page knows its list: found 21, expected 22"),
        ("roomy", CPU, "B", (1,), "a page knows its list: found 22, expected 22"),
        ("roomy", CHUNKS, "B", (39,), "12: a page is listed by its largest hole: found 23, expected 22"),
        ("roomy", CLAIMED, "B", (1,), "12: claimed and headless pages are on no list: found 1, expected 0"),
        ("roomy", IS_HEADLESS, "BB", (1, 1), "12: claimed and headless pages are on no list: found 1, expected 0"),
        ("full", UNDER_RECLAIM, "B", (1,), "7: pages under reclaim are off the LRU: {0}: found 1, expected 0"),
        ("full", NEEDS_COMPACTING, "B", (1,), "7: work is pending as the page says: {0}: found 1, expected 0"),
        ("full", START_MIDDLE, "B", (17,), "12: middle starts after first: {0}: found 17, expected 18"),
        ("full", START_MIDDLE, "B", (35,), "12: last starts after the others: {0}: found 54, expected 55"),
        ("full", FOREIGN, "B", (1,), "12: foreign handles: {0}: found 1, expected 0"),
        ("full", REFS, "B", (4,), "10: references are {references}: {0}: found 4, expected 3"),
        ("full", REFS, "B", (2,), "10: references are {references}: {0}: found 2, expected 3"),
        ("full", CHUNKS + 1, "B", (19,), "12: chunks = ceil(size / 64): {0}: found 19, expected 20"),
        ("full", OBJECTS + 8, "Q", (0,), "12: chunks = ceil(size / 64): {0}: found 20, expected 0"),
        ("headless", IS_HEADLESS, "B", (0,), "2: a handle names the place that names it: {2}: found 3, expected 0"),
        ("headless", NEEDS_COMPACTING, "B", (1,), "7: work is pending as the page says: {2}: found 1, expected 0"),
        ("middle", POSITION, "B", (0,), "2: a handle names the place that names it: {0}: found 0, expected 1"),
        ("middle", 0, "Q", (0,), "2: a handle names the place that names it: {0}: found 1, expected 1"),
        ("middle", SIZE, "H", (0,), "7: an object has bytes: {0}: found 0, expected 1"),
        ("middle", SIZE, "H", (20 * CHUNK + 1,), "12: chunks = ceil(size / 64): {0}: found 20, expected 21"),
        ("middle", SIZE, "H", (19 * CHUNK,), "12: chunks = ceil(size / 64): {0}: found 20, expected 19"),
        ("middle", SIZE, "H", (20 * CHUNK - 1,), "12: asked bytes: found 9504, expected 9503"),
        ("of headless", SIZE, "H", (4001,), "12: asked bytes: found 9504, expected 9505"),
        ("of headless", SIZE, "H", (0,), "12: objects by free chunks of their page: found 0, expected 0"),
        ("of headless", POSITION, "B", (0,), "2: a handle names the place that names it: {2}: found 0, expected 3"),
    ],
)
def test_check_names_what_is_wrong_with_a_page(what, at, format, words, says):
    pool = Pool("z3fold")
    _first, _last, middle = three_in_a_page(pool, 16, 10, 20)
    roomy, headless = alloc(pool, 40 * CHUNK), alloc(pool, 4000)
    pool.check()
    page = {name: peek(handle, "Q")[0] for name, handle in [("full", middle), ("roomy", roomy), ("headless", headless)]}
    poke({**page, "middle": middle, "of headless": headless}[what] + at, format, *words)
    pages = [f"page {number}, type 0, offset 1" for number in range(3)]
    says = says.format(*pages, references="objects, one for pending work, one while under reclaim")
    with pytest.raises(CheckFailed, match=re.escape(says)):
        pool.check()


def test_check_finds_a_page_with_room_that_is_on_no_list():
    pool = Pool("z3fold")
    _first, _last, middle = three_in_a_page(pool, 16, 10, 20)
    page = peek(middle, "Q")[0]
    poke(page + OBJECTS + 8, "Q", 0)
    poke(page + CHUNKS + 1, "B", 0)
    poke(page + REFS, "B", 2)
    with pytest.raises(CheckFailed, match="a page with room is on a list"):
        pool.check()


def test_check_finds_a_slots_object_without_a_cell_and_one_that_names_another_page():
    pool = Pool("z3fold")
    first, last = alloc(pool, 61 * CHUNK), alloc(pool, 61 * CHUNK)
    home = peek(first + ENTRY_HOME, "Q")[0]
    poke(home, "Q", peek(last, "Q")[0])
    with pytest.raises(CheckFailed, match="a slots object names its page"):
        pool.check()
    poke(home, "Q", peek(first, "Q")[0])
    pool.check()
    poke(first + ENTRY_HOME, "Q", 0)
    with pytest.raises(CheckFailed, match="every slots object has a cell in use: found 2, expected 1"):
        pool.check()


def test_check_finds_a_frame_that_names_another_page():
    pool = Pool("z3fold", frames=True)
    page = peek(alloc(pool, 1000), "Q")[0]
    poke(peek(page + FRAME, "Q")[0] + 8, "Q", 0)
    with pytest.raises(CheckFailed, match="a frame names its page"):
        pool.check()
