"""The bounds by hand, and that they are bounds: below the least number of pages that search can find."""

import itertools
import random

import pytest
from _zreplay import Pool
from core.reference_pool_ideal import PAGE


def pages(pool: str, sizes: list[int]) -> int:
    made = Pool(pool)
    for size in sizes:
        made.alloc(size)
    made.check()
    return made.pages


@pytest.mark.parametrize(
    ("sizes", "cut", "whole"),
    [
        ([], 0, 0),
        ([1], 1, 1),
        ([4096, 1], 2, 2),
        ([2048, 2048, 2049], 2, 2),  # 6145 bytes; whole: 2049 + 2047 free, and one page
        ([2049, 2049, 2049], 2, 3),  # no two of more than half share a page
        ([3000, 3000, 1200, 1200], 3, 3),  # 1200 does not fit beside 3000: 2 alone, and 2400 of the rest
        ([1366] * 3, 2, 2),  # three of more than a third: 4098 bytes
        ([2300, 2050, 1900, 1900], 2, 3),  # 8,150 bytes; 1,796 and 2,046 free: one 1900 of two fits beside the others
    ],
)
def test_bounds_by_hand(sizes, cut, whole):
    assert (pages("ideal", sizes), pages("ideal-packing", sizes)) == (cut, whole)


def least_pages(sizes: list[int]) -> int:
    """The least number of pages that hold the objects, by trying every way."""
    for bins in itertools.count(0):
        if place(sorted(sizes, reverse=True), [PAGE] * bins):
            return bins
    raise AssertionError


def place(sizes: list[int], room: list[int]) -> bool:
    if not sizes:
        return True
    tried = set()
    for number, free in enumerate(room):
        if sizes[0] <= free and free not in tried:
            tried.add(free)
            if place(sizes[1:], [*room[:number], free - sizes[0], *room[number + 1 :]]):
                return True
    return False


def test_no_packing_found_by_search_is_below_the_bound_and_most_reach_it():
    draw = random.Random(4)
    reached = 0
    for _ in range(200):
        sizes = [draw.randrange(1, draw.choice([1000, 2500, 4097])) for _ in range(draw.randrange(1, 9))]
        least, bound = least_pages(sizes), pages("ideal-packing", sizes)
        assert pages("ideal", sizes) <= bound <= least
        reached += bound == least
    assert reached > 180


def test_a_bound_cannot_be_moved_and_is_never_above_a_pool_that_keeps_objects_whole():
    draw = random.Random(5)
    pools = {name: Pool(name) for name in ("ideal", "ideal-packing", "zbud", "z3fold")}
    live: list[dict[str, int]] = []
    for _ in range(3000):
        if draw.random() < 0.6 or not live:
            size = draw.randrange(1, 3900)
            live.append({name: pool.alloc(size)[0] for name, pool in pools.items()})
        else:
            for name, location in live.pop(draw.randrange(len(live))).items():
                pools[name].free(location)
        assert pools["ideal"].pages <= pools["ideal-packing"].pages <= min(pools["zbud"].pages, pools["z3fold"].pages)
    assert pools["ideal"].migrate(live[0]["ideal"]) is None
    assert pools["ideal"].usage()["movable_pages"] == 0
