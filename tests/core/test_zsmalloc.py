"""zsmalloc against the kernel model: its class tables, its golden numbers, its tiny trace, and each rule by hand."""

import csv
from pathlib import Path

import pytest
from _zreplay import CheckFailed, Compaction, Pool
from core.reference_pool_workload import run_golden
from core.structures import poke, stretches

EINVAL = 22
DATA = Path(__file__).parent / "data"


def alloc(pool: Pool, size_bytes: int, offset: int = 1) -> int:
    location, error = pool.alloc(size_bytes, 0, offset)
    assert error == 0
    return location


def class_table(**options: object) -> list[dict[str, int]]:
    """Find the classes from outside: the one a lone object of each size lands in."""
    pool, rows = Pool("zsmalloc", **options), []
    for size in range(1, 4097):
        location = alloc(pool, size)
        [row] = pool.classes()
        pool.free(location)
        bytes_, pages, objects = row["class_size"], row["pages"], row["objects_allocated"]
        if not rows or rows[-1]["class_size"] != bytes_:
            waste = pages * 4096 - objects * bytes_
            rows.append({"index": (bytes_ - 32) // 16, "class_size": bytes_, "pages": pages, "objects": objects})
            rows[-1] |= {"waste": waste, "from": size}
        rows[-1]["to"] = size
    return rows


def published_table(name: str) -> list[dict[str, int]]:
    with (DATA / name).open() as file:
        return [{key: int(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_classes_to_6_2_are_those_of_table_5a():
    assert class_table() == class_table(class_rule="a", chain_limit=4) == published_table("zsmalloc-classes-6.1.csv")


def test_classes_from_6_3_are_those_of_table_5b():
    assert class_table(class_rule="b", chain_limit=8) == published_table("zsmalloc-classes-chain8.csv")


def test_rule_b_with_chain_4_changes_only_class_208():
    a, b = class_table(class_rule="a"), class_table(class_rule="b")
    changed = [row for row in b if row not in a]
    assert changed == [{"index": 11, "class_size": 208, "pages": 3, "objects": 59, "waste": 16, "from": 185, "to": 200}]
    assert len(a) == len(b) == 69


@pytest.mark.parametrize(
    ("chain_limit", "classes", "last_ordinary"), [(8, 119, 3632), (10, 141, 3712), (16, 192, 3840)]
)
def test_longer_chains_make_more_classes(chain_limit, classes, last_ordinary):
    table = class_table(class_rule="b", chain_limit=chain_limit)
    assert (len(table), table[-2]["class_size"], table[-1]["class_size"]) == (classes, last_ordinary, 4096)
    assert max(row["pages"] for row in table) <= chain_limit


@pytest.mark.parametrize(
    ("function", "pages", "freed", "after"),
    [
        ("A", [652, 355, 538, 1117, 939], 151, 788),
        ("B", [352, 258, 355, 578, 538], 137, 401),
        ("C", [140, 126, 145, 227, 218], 67, 151),
        ("D", [796, 382, 642, 1435, 1214], 271, 943),
    ],
)
def test_golden_workload(function, pages, freed, after):
    golden = run_golden(Pool("zsmalloc"), function)
    pool = golden.pool
    assert golden.pages == pages
    assert (pool.can_compact(), pool.compact(), pool.pages, pool.can_compact()) == (freed, freed, after, 0)
    assert pool.moves()["pages_compacted"] == freed
    pool.check()


def test_tiny_trace():
    pool = Pool("zsmalloc")
    first = alloc(pool, 1000)
    pages = [pool.pages]
    for step in (2000, 3000, None, 4096, 4097, 3257, 3256):
        if step is None:
            pool.free(first)
        else:
            assert pool.alloc(step)[1] == (-EINVAL if step > 4096 else 0)
        pages.append(pool.pages)
    assert pages == [1, 2, 5, 4, 5, 5, 6, 10]
    pool.check()


@pytest.mark.parametrize("size_bytes", [0, 4097, 2**32 - 1])
def test_refuses_nothing_and_more_than_a_page(size_bytes):
    assert Pool("zsmalloc").alloc(size_bytes) == (0, -EINVAL)


@pytest.mark.parametrize(
    "options", [{"chain_limit": 3}, {"chain_limit": 17}, {"class_rule": "c"}, {"fullness_groups": "5"}]
)
def test_refuses_options_the_kernel_has_not(options):
    with pytest.raises(ValueError, match="expected"):
        Pool("zsmalloc", **options)


def test_new_zspage_hands_out_its_objects_in_order_and_then_the_one_freed_last():
    pool = Pool("zsmalloc")
    objects = [alloc(pool, 800) for _ in range(5)]  # class 816: five in a page
    assert ([pool.object_index(o) for o in objects], pool.pages) == ([0, 1, 2, 3, 4], 1)
    pool.free(objects[3])
    pool.free(objects[1])
    assert [pool.object_index(alloc(pool, 800)) for _ in range(2)] == [1, 3]


def test_page_of_an_object_is_the_one_it_starts_in():
    pool = Pool("zsmalloc")
    objects = [alloc(pool, 40) for _ in range(256)]  # class 48: object 85 spans bytes 4080 to 4128
    first = pool.page_id(objects[0])
    assert [pool.page_id(objects[i]) - first for i in (85, 86, 170, 171, 255)] == [0, 1, 1, 2, 2]
    assert pool.pages == 3


def test_empty_zspage_is_freed_at_once_with_all_its_pages():
    pool = Pool("zsmalloc")
    objects = [alloc(pool, 3000) for _ in range(4)]  # class 3072: four in three pages
    for location in objects[:3]:
        pool.free(location)
    assert pool.pages == 3
    pool.free(objects[3])
    assert pool.pages == 0


def test_object_keeps_length_entry_and_position():
    pool = Pool("zsmalloc")
    location, _ = pool.alloc(4096, 31, 2**58 - 1)
    assert (pool.size(location), pool.entry(location), pool.position(location)) == (4096, (31, 2**58 - 1), 0)


def groups(pool: Pool) -> tuple[int, int, int]:
    [row] = pool.classes()
    return row["almost_empty"], row["almost_full"], row["full"]


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (4096, ["full"]),
        (2000, ["almost_empty", "full"]),
        (1300, ["almost_empty", "almost_empty", "full"]),  # 3·3/4 = 2
        (1000, ["almost_empty", "almost_empty", "almost_empty", "full"]),
        (800, ["almost_empty", "almost_empty", "almost_empty", "almost_full", "full"]),  # 3·5/4 = 3
    ],
)
def test_almost_empty_is_up_to_three_quarters(size_bytes, expected):
    pool = Pool("zsmalloc")
    for group in expected:
        alloc(pool, size_bytes)
        [row] = pool.classes()
        assert [name for name in ("almost_empty", "almost_full", "full") if row[name]] == [group]


def test_allocation_prefers_the_almost_full():
    pool = Pool("zsmalloc")
    a, b = ([alloc(pool, 800) for _ in range(5)] for _ in range(2))
    pool.free(b[0])  # four in use: almost full
    for location in a[:3]:
        pool.free(location)  # two in use: almost empty
    assert groups(pool) == (1, 1, 0)
    assert pool.page_id(alloc(pool, 800)) == pool.page_id(b[1])
    assert pool.page_id(alloc(pool, 800)) == pool.page_id(a[4])


def two_almost_empty_zspages(pool: Pool) -> tuple[list[int], list[int]]:
    """Class 256, sixteen in a page: `a` with twelve in use, and in front of it `b` with eleven."""
    a, b = ([alloc(pool, 240) for _ in range(16)] for _ in range(2))
    for location in [*a[:4], *b[:5]]:
        pool.free(location)
    return a[4:], b[5:]


def test_zspage_that_stays_in_its_group_keeps_its_place():
    pool = Pool("zsmalloc")
    _a, b = two_almost_empty_zspages(pool)
    assert pool.page_id(alloc(pool, 240)) == pool.page_id(b[0])


def test_zspage_with_fewer_objects_than_the_head_is_listed_second():
    pool = Pool("zsmalloc")
    a, _b = two_almost_empty_zspages(pool)
    assert pool.can_compact() == 0  # nine free objects are less than a zspage: the source, b, is only put back
    assert pool.compact() == 0
    pool.check()
    assert pool.page_id(alloc(pool, 240)) == pool.page_id(a[0])


def test_compaction_moves_an_object_and_not_its_location():
    pool = Pool("zsmalloc")
    halves = [[alloc(pool, 2000, offset) for offset in (k, 10 + k)] for k in range(3)]  # class 2048: two in a page
    for left, _ in halves:
        pool.free(left)
    _a, b, c = (right for _, right in halves)  # almost empty: c b a
    assert (pool.can_compact(), pool.compact(), pool.pages) == (1, 1, 2)
    assert (pool.page_id(c), pool.object_index(c)) == (pool.page_id(b), 0)
    assert (pool.size(c), pool.entry(c)) == (2000, (0, 12))
    assert pool.moves() == {
        "pages_compacted": 1,
        "objects_copied": 1,
        "handles_rewritten": 1,
        "pages_migrated": 0,
    }
    pool.check()


def test_source_that_fills_one_destination_goes_on_with_the_next():
    pool = Pool("zsmalloc")
    a, b, c = ([alloc(pool, 1300) for _ in range(3)] for _ in range(3))  # class 1360: three in a page
    for location in (a[0], b[0], c[0]):
        pool.free(location)  # two in use each; almost empty: c b a
    assert pool.compact() == 1
    assert [pool.page_id(o) for o in c[1:]] == [pool.page_id(b[1]), pool.page_id(a[1])]
    assert groups(pool) == (0, 0, 2)
    pool.check()


@pytest.mark.parametrize(("in_use", "expected"), [(15, "b"), (16, "a")])
def test_twelve_groups_allocate_from_the_fullest_tenth(in_use, expected):
    pool = Pool("zsmalloc", fullness_groups="twelve")
    a, b = ([alloc(pool, 120) for _ in range(32)] for _ in range(2))  # class 128: 32 in a page
    for location in [*b[16:], *a[in_use:]]:  # b 50 %, then a 46 or 50 %
        pool.free(location)
    assert pool.page_id(alloc(pool, 120)) == pool.page_id({"a": a, "b": b}[expected][0])


def test_twelve_groups_list_at_the_head_whatever_is_in_use():
    pool = Pool("zsmalloc", fullness_groups="twelve")
    a, b = ([alloc(pool, 240) for _ in range(16)] for _ in range(2))  # class 256: 13 is 81 %, 14 is 87 %
    for location in [*a[:2], *b[:2], b[2]]:
        pool.free(location)
    assert pool.page_id(alloc(pool, 240)) == pool.page_id(b[3])
    [row] = pool.classes()
    assert (row["almost_empty"], row["almost_full"], row["full"]) == (None, None, 0)


def test_compaction_since_6_4_keeps_a_destination_until_it_is_full():
    pool = Pool("zsmalloc", fullness_groups="twelve")
    a, b, c = ([alloc(pool, 1000) for _ in range(4)] for _ in range(3))  # class 1024: four in a page
    for location in [a[0], b[0], b[1], b[2], c[0], c[1], c[2]]:
        pool.free(location)  # a 75 %; c, then b 25 %
    assert (pool.can_compact(), pool.compact()) == (1, 1)
    assert pool.page_id(c[3]) == pool.page_id(a[1])  # the emptiest group's head filled a; can is 0 now
    assert pool.page_id(b[3]) != pool.page_id(c[3])
    assert pool.moves()["objects_copied"] == 1
    pool.check()


def test_migrated_page_has_the_handles_rewritten_of_objects_that_start_in_it():
    pool = Pool("zsmalloc")
    objects = [alloc(pool, 1700) for _ in range(7)]  # class 1744: seven in three pages
    pages = pool.pages
    assert [pool.page_id(o) for o in objects] == [0, 0, 0, 1, 1, 2, 2]
    pool.free(objects.pop(1))
    assert pool.migrate(objects[0]) == 2
    assert [pool.page_id(o) for o in objects] == [3, 3, 1, 1, 2, 2]
    assert (pool.pages, pool.moves()["handles_rewritten"], pool.moves()["pages_migrated"]) == (pages, 2, 1)
    assert pool.page_id(alloc(pool, 1700)) == 3
    pool.check()


def test_usage_counts_asked_and_class_bytes():
    pool = Pool("zsmalloc")
    alloc(pool, 1000)
    alloc(pool, 3000)
    usage = {"pages": 4, "objects": 2, "asked_bytes": 4000, "used_bytes": 1024 + 3072, "movable_pages": 4}
    assert pool.usage() == usage


def test_object_that_is_read_is_looked_for_in_its_zspage_s_header():
    pool = Pool("zsmalloc")
    location = alloc(pool, 1000)
    pool.map(location, length_known=True)
    assert pool.headers_read == 1


@pytest.mark.parametrize(
    ("options", "huge_bytes"),
    [({}, 3257), ({"class_rule": "b", "chain_limit": 8}, 3625), ({"class_rule": "b", "chain_limit": 16}, 3833)],
)
def test_smallest_request_that_is_given_a_page(options, huge_bytes):
    pool = Pool("zsmalloc", **options)
    assert (pool.huge_bytes, pool.movable) == (huge_bytes, True)
    objects = [alloc(pool, size) for size in (huge_bytes, huge_bytes - 1)]
    assert [row["class_size"] == 4096 for row in pool.classes()] == [False, True]
    assert pool.locations() == objects


def test_evicts_nothing_itself():
    with pytest.raises(TypeError, match="zsmalloc cannot reclaim"):
        Pool("zsmalloc").reclaim(8, lambda _: True)


def test_room_is_an_open_zspage_of_the_class():
    pool = Pool("zsmalloc")
    assert [pool.has_room(size) for size in (0, 1, 800, 4096, 4097)] == [False] * 5
    objects = [alloc(pool, 800) for _ in range(4)]  # class 816: five in a page
    assert [pool.has_room(size) for size in (0, 760, 761, 808, 809, 4097)] == [False, False, True, True, False, False]
    objects.append(alloc(pool, 800))
    assert not pool.has_room(800)
    pool.free(objects[2])
    assert pool.has_room(800)
    assert pool.pages == 1


def test_allocation_that_is_to_have_its_own_zspage_leaves_room_elsewhere_alone():
    pool = Pool("zsmalloc")
    first = alloc(pool, 800)
    own, error = pool.alloc(800, own=True)
    assert (error, pool.pages, pool.page_id(own) != pool.page_id(first)) == (0, 2, True)
    assert groups(pool) == (2, 0, 0)
    pool.check()


def test_handles_are_eight_bytes_an_object():
    pool = Pool("zsmalloc")
    objects = [alloc(pool, size) for size in (100, 2000, 4096)]
    assert pool.handle_bytes == 24
    pool.free(objects[1])
    assert pool.handle_bytes == 16


def test_page_frame_and_number_among_those_starting_there_name_an_object():
    pool = Pool("zsmalloc", frames=True)
    objects = [alloc(pool, 40) for _ in range(256)]  # class 48: 86 start in page 0, then 85 and 85
    named = {0: (1, 0), 85: (1, 85), 86: (2, 0), 170: (2, 84), 171: (3, 0), 255: (3, 84)}
    assert {k: pool.place(objects[k]) for k in named} == named
    assert [pool.object_at(*pool.place(location)) for location in objects] == objects


def test_migrated_page_has_a_new_frame_and_its_old_number_is_given_again():
    pool = Pool("zsmalloc", frames=True)
    objects = [alloc(pool, 40) for _ in range(256)]
    assert pool.migrate(objects[90]) == 85  # page 1: its copy is taken before it is given back
    assert [pool.place(objects[k]) for k in (85, 86, 171)] == [(1, 85), (4, 0), (3, 0)]
    assert pool.object_at(4, 4) == objects[90]
    assert pool.place(alloc(pool, 4000)) == (2, 0)
    assert pool.place(alloc(pool, 4000)) == (5, 0)
    for location in objects:
        pool.free(location)
    assert [pool.place(alloc(pool, 4000))[0] for _ in range(4)] == [3, 4, 1, 6]  # the one given back last comes first
    pool.check()


def test_any_page_of_a_zspage_is_moved_by_its_number():
    pool = Pool("zsmalloc")
    objects = [alloc(pool, 1700, offset) for offset in range(7)]  # class 1744: in pages 0 0 0 1 1 2 2
    told = []
    pool.on_move(lambda *moved: told.append(moved))
    headers = pool.headers_read
    assert [pool.migrate_page(objects[0], page) for page in (1, 2)] == [2, 2]
    assert told == [(0, k, objects[k]) for k in (3, 4, 5, 6)]
    assert [pool.page_id(o) for o in objects] == [0, 0, 0, 3, 3, 4, 4]
    assert pool.headers_read - headers == 2 + 4  # the zspage's, twice, and each object's
    for location in objects[3:5]:
        pool.free(location)
    told.clear()
    assert (pool.migrate_page(objects[0], 1), told) == (0, [])  # nobody starts in it any more
    assert pool.moves()["pages_migrated"] == 3


def test_compaction_tells_who_has_moved():
    pool = Pool("zsmalloc")
    a, b = ([alloc(pool, 2000, 10 * k + i) for i in range(2)] for k in range(2))
    told = []
    pool.on_move(lambda *moved: told.append(moved))
    pool.free(a[0]), pool.free(b[1])
    assert pool.compact() == 1  # the list is b a, so b is the source
    assert told == [(0, 10, b[0])]


def test_step_of_a_compaction_since_6_4_shows_if_it_frees_a_page():
    pool = Pool("zsmalloc", fullness_groups="twelve")
    a, b, c = ([alloc(pool, 1000) for _ in range(4)] for _ in range(3))  # class 1024: four in a page
    for location in [a[0], b[0], b[1], c[0]]:
        pool.free(location)  # a 75 %, b 50 %, then c 75 %
    compaction = Compaction(pool)
    assert not compaction.next_step_shows  # one of b's two fills c
    assert (compaction.step(), compaction.pages_freed, pool.pages) == (True, 0, 3)
    assert compaction.next_step_shows  # the other fills a
    assert (compaction.step(), compaction.pages_freed, pool.pages) == (True, 1, 2)
    assert compaction.next_step_shows  # there is none
    assert (compaction.step(), compaction.pages_freed) == (False, 1)


def test_classes_without_a_zspage_to_give_do_not_hide_the_step_that_does_not_show():
    pool = Pool("zsmalloc", fullness_groups="twelve")
    alloc(pool, 3000)  # compacted before class 1024, but one of four in three pages is all there is
    b, c = ([alloc(pool, 1000) for _ in range(4)] for _ in range(2))
    pool.free(b[0]), pool.free(b[1]), pool.free(c[0]), pool.free(alloc(pool, 1000, 7))
    compaction = Compaction(pool)
    assert compaction.next_step_shows  # three free, no page's worth: no step at all
    d = [alloc(pool, 1000) for _ in range(4)]  # fills c, then b; then the first of another
    pool.free(c[1]), pool.free(b[2]), pool.free(b[3])
    assert [pool.can_compact(), compaction.next_step_shows] == [1, True]  # d's one fits into c
    assert (compaction.step(), pool.page_id(d[3])) == (True, pool.page_id(c[2]))


def test_compaction_of_four_groups_shows_at_each_step():
    pool = Pool("zsmalloc")
    alloc(pool, 2000), pool.alloc(2000, own=True)
    compaction = Compaction(pool)
    assert (compaction.next_step_shows, compaction.step(), compaction.pages_freed) == (True, True, 1)
    assert (compaction.next_step_shows, compaction.step()) == (True, False)


def test_pages_of_a_sample_are_as_if_each_class_filled_half_a_zspage():
    """Of one slot in two. A class of n objects in p pages of which f < n are free has 2·2·f − (n − 1) over 2·2·n
    zspages too many: as a machine's, twice as large, has half a zspage free. Whole pages are taken off the sum.
    """
    pool = Pool("zsmalloc", sample=(1, 2))
    objects = [alloc(pool, 3000)]  # class 3072: four in three pages; (12 − 3) / 16 · 3 = 1.69
    pages = [pool.pages]
    for _ in range(4):  # 5/16 · 3 = 0.94, 0.19, less than none, and five: 1.69 again
        objects.append(alloc(pool, 3000))
        pages.append(pool.pages)
    assert pages == [3 - 1, 3, 3, 3, 6 - 1]
    alloc(pool, 1700)  # class 1744: seven in three pages; (24 − 6) / 28 · 3 = 1.93, 3.62 in all
    assert (pool.pages, pool.usage()["pages"], pool.usage()["movable_pages"]) == (9 - 3, 6, 6)
    pool.free(objects[4])  # 1.93 and none: −0.56
    assert pool.pages == 6 - 1
    for location in objects[:3]:
        pool.free(location)
    assert pool.pages == 6 - 3


def test_sample_that_is_more_than_half_empty_has_half_a_zspage_of_it_too_many():
    pool = Pool("zsmalloc", sample=(1, 4))
    zspages = [[alloc(pool, 3000) for _ in range(4)] for _ in range(3)]
    for location in [*zspages[0][:2], *zspages[1][:2], *zspages[2][:1]]:
        pool.free(location)
    # Five of twelve free: (4 − 1) · (4 − 1) / (2 · 4 · 4) · 3 = 0.84 pages.
    assert pool.pages == 9
    pool.alloc(1700, own=True), pool.alloc(1700, own=True)
    # And 12 of class 1744's 14, in six pages: 3 · 6 / (2 · 4 · 7) · 3 = 0.96; 1.81 in all.
    assert pool.pages == 15 - 1
    assert Pool("zsmalloc", sample=(3, 3)).pages == 0
    most = Pool("zsmalloc", sample=(3, 4))
    alloc(most, 40)  # class 48: 256 in three pages; (2 · 4 − 3) · 255 / (2 · 4 · 256) · 3 = 1.87
    assert most.pages == 3 - 1


@pytest.mark.parametrize(
    ("at", "format", "words", "says"),
    [
        (12, "H", (3,), "assertion 2: a handle names the object that names it"),
        (8, "I", (1,), "assertion 2: a handle names the object that names it"),
        (14, "H", (2001,), "assertion 12: asked bytes: found 5000, expected 5001"),
        (14, "H", (0,), "assertion 12: an object is in the class of its size"),
        (14, "H", (2041,), "assertion 12: an object is in the class of its size"),
    ],
    ids=["index", "zspage", "length", "no length", "class"],
)
def test_check_names_the_handle_that_is_broken(at, format, words, says):
    pool = Pool("zsmalloc")
    second, _ = alloc(pool, 2000), alloc(pool, 3000)
    pool.check()
    poke(second + at, format, *words)
    with pytest.raises(CheckFailed, match=says):
        pool.check()


# A zspage in memory: place, first page id, in use, first free, class, group; cells from byte 16 on.
@pytest.mark.parametrize(
    ("at", "format", "words", "says"),
    [
        (0, "I", (1,), "a zspage knows its place on the list"),
        (8, "H", (4,), "a zspage is in the group of its objects in use"),
        (8, "H", (2,), "objects in use of a zspage|objects of a class"),
        (8, "H", (0,), "a zspage is on the list of its group"),
        (10, "H", (0,), "the free stack holds free objects"),
        (10, "H", (5,), "the free stack holds free objects"),
        (10, "H", (4,), "every object is in use or in the free stack"),
        (12, "B", (0,), "a zspage knows its class"),
        (13, "B", (2,), "a zspage is in the group of its objects in use"),
        (16 + 4 * 4, "I", (3 << 1,), "the free stack has no loop"),
        (16 + 4 * 3, "I", (0xFFFF << 1,), "every object is in use or in the free stack"),
    ],
    ids=[
        "place",
        "group",
        "in use",
        "empty",
        "first free is used",
        "first free is none",
        "lost free",
        "class",
        "other group",
        "loop",
        "end of the stack",
    ],
)
def test_check_names_what_is_wrong_with_a_zspage(at, format, words, says):
    before, pool = stretches(), Pool("zsmalloc")
    handle = alloc(pool, 800)  # class 816: five in a page, 3 and 4 free
    alloc(pool, 800), alloc(pool, 800)
    pool.check()
    [zspage] = stretches() - before - {handle}
    poke(zspage + at, format, *words)
    with pytest.raises(CheckFailed, match=says):
        pool.check()
