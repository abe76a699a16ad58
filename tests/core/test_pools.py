"""Every pool against a slow, obvious one: the same calls, and after each the same pages, places and contents."""

import random
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from _zreplay import Compaction, Pool, Reclaim, pool_kinds
from core.reference_pool_ideal import ReferenceIdeal, ReferenceIdealPacking
from core.reference_pool_z3fold import ReferenceZ3fold
from core.reference_pool_zbud import ReferenceMovableZbud, ReferenceZbud
from core.reference_pool_zsmalloc import ReferenceZsmalloc
from hypothesis import given, settings
from hypothesis import strategies as st

MOVES = ("pages_compacted", "objects_copied", "handles_rewritten", "pages_migrated")
KINDS = [name for name, _ in pool_kinds()]


@dataclass(frozen=True)
class Case:
    name: str
    options: dict[str, Any]
    reference: Callable[..., Any]

    def __str__(self) -> str:
        return "-".join([self.name, *(str(value) for value in self.options.values())])


CASES = [
    Case("zbud", {}, ReferenceZbud),
    Case("zbud", {"movable": True}, ReferenceMovableZbud),
    Case("z3fold", {}, ReferenceZ3fold),
    Case("z3fold", {"cpus": 3}, ReferenceZ3fold),
    Case("z3fold", {"work": "deferred", "cpus": 2}, ReferenceZ3fold),
    Case("z3fold", {"work": "deferred", "claimed_after_migration": False}, ReferenceZ3fold),
    Case("zsmalloc", {}, ReferenceZsmalloc),
    Case("zsmalloc", {"class_rule": "b", "chain_limit": 8, "fullness_groups": "twelve"}, ReferenceZsmalloc),
    Case("zsmalloc", {"class_rule": "b", "chain_limit": 16}, ReferenceZsmalloc),
    Case("z3fold", {"frames": True}, ReferenceZ3fold),
    Case("zsmalloc", {"frames": True}, ReferenceZsmalloc),
    Case("ideal", {}, ReferenceIdeal),
    Case("ideal-packing", {}, ReferenceIdealPacking),
]


def cases_that(can: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [case for case in CASES if hasattr(case.reference, can)], ids=str)


each_case = pytest.mark.parametrize("case", CASES, ids=str)


@dataclass
class Live:
    location: int
    reference: Any
    content: tuple[int, int]  # offset, size_bytes


class Pair:
    """A pool and its reference, driven together; every call ends by comparing them whole."""

    def __init__(self, case: Case, *, check_every: int = 1) -> None:
        self.pool, self.reference = Pool(case.name, **case.options), case.reference(**case.options)
        self.live: dict[int, Live] = {}
        self.reclaim: tuple[Reclaim, Generator[tuple[int, int], bool, int], tuple[int, int]] | None = None
        self.check_every, self.steps = check_every, 0

    @property
    def is_bound(self) -> bool:
        return isinstance(self.reference, ReferenceIdeal)

    def can(self, what: str) -> bool:
        return hasattr(self.reference, what)

    def place(self, location: int) -> tuple[int, ...]:
        """What the reference calls an object's place: its page's number, and where in the page or zspage it is."""
        pool, page = self.pool, self.pool.page_id(location)
        if self.can("compact"):
            return page, pool.object_index(location)
        if self.can("run_work"):
            return page, pool.position(location), pool.start_bytes(location)
        return page, pool.position(location)

    def compare(self) -> None:
        assert self.pool.pages == self.reference.pages
        if not self.is_bound:
            assert self.pool.headers_read == self.reference.headers
        if self.can("moves"):
            assert self.pool.moves() == {kind: self.reference.moves[kind] for kind in MOVES}
        self.steps += 1
        if self.steps % self.check_every:
            return
        self.pool.check()
        for live in self.live.values():
            assert self.place(live.location) == live.reference.place
            assert (self.pool.entry(live.location)[1], self.pool.size(live.location)) == live.content
        if not self.is_bound:  # whose places are searched for
            assert set(self.pool.locations()) == set(self.live)
        assert self.pool.usage()["asked_bytes"] == sum(live.content[1] for live in self.live.values())
        assert self.pool.usage()["objects"] == len(self.live)
        if not self.is_bound:
            assert self.pool.usage()["movable_pages"] == self.reference.movable_pages
            assert self.pool.usage()["used_bytes"] == sum(live.reference.used_bytes for live in self.live.values())
        if self.can("classes"):
            names = ["free_chunks", "pages", "objects_used"]
            if self.can("compact"):
                names = [
                    "class_size",
                    "pages",
                    "objects_used",
                    "objects_allocated",
                    "almost_empty",
                    "almost_full",
                    "full",
                ]
            assert [tuple(row[name] for name in names) for row in self.pool.classes()] == self.reference.classes()
        if not self.is_bound:
            assert sum(row["objects_used"] for row in self.pool.classes()) == len(self.live)

    def alloc(self, size_bytes: int) -> None:
        offset = self.steps
        location, error = self.pool.alloc(size_bytes, 0, offset)
        expected = self.reference.alloc(size_bytes)
        assert (error or None) == (expected if isinstance(expected, int) else None)
        if not error:
            assert location not in self.live
            self.live[location] = Live(location, expected, (offset, size_bytes))
        self.compare()

    def free(self, k: int) -> None:
        if self.live:
            self.drop(list(self.live)[k % len(self.live)])
        self.compare()

    def drop(self, location: int) -> None:
        self.pool.free(location)
        self.reference.free(self.live.pop(location).reference)

    def compact(self) -> None:
        assert self.pool.can_compact() == self.reference.can_compact()
        assert self.pool.compact() == self.reference.compact()
        self.compare()

    def migrate(self, k: int) -> None:
        if self.live:
            live = list(self.live.values())[k % len(self.live)]
            assert self.pool.migrate(live.location) == self.reference.migrate(live.reference)
            # Where a location names a page it has moved with it: found again by the offset, which is each object's own.
            now = {self.pool.entry(location)[1]: location for location in self.pool.locations()}
            for other in self.live.values():
                other.location = now[other.content[0]]
            self.live = {other.location: other for other in self.live.values()}
        self.compare()

    def run_work(self) -> None:
        self.pool.run_work()
        self.reference.run_work()
        self.compare()

    def set_cpu(self, cpu: int) -> None:
        self.pool.set_cpu(cpu)
        self.reference.set_cpu(cpu)

    def evict_all_at_once(self, refusals: int, retries: int = 8) -> None:
        """One reclaim by callback; bit n of `refusals` refuses the n-th object asked for."""
        if self.reclaim:
            return
        expected = self.reference.reclaim(retries)
        asked = 0

        def evict(victim: int) -> bool:
            nonlocal asked
            wanted = next(expected) if asked == 0 else expected.send(not refusals >> (asked - 1) & 1)
            assert self.place(victim)[:2] == wanted
            evicted = not refusals >> asked & 1
            if evicted and victim in self.live:
                self.drop(victim)
            asked += 1
            return evicted

        error = self.pool.reclaim(retries, evict)
        with pytest.raises(StopIteration) as end:
            next(expected) if asked == 0 else expected.send(not refusals >> (asked - 1) & 1)
        assert error == end.value.value
        self.compare()

    def evict_in_steps(self, evicted: bool) -> None:
        """Begin a reclaim, or answer for the victim of the one under way, which somebody else may have freed by now."""
        if self.reclaim is None:
            attempt, expected = Reclaim(self.pool, 8), self.reference.reclaim(8)
            step = lambda: next(expected)  # noqa: E731
        else:
            attempt, expected, _ = self.reclaim
            if evicted and attempt.victim in self.live:
                self.drop(attempt.victim)
            attempt.result(evicted)
            step = lambda: expected.send(evicted)  # noqa: E731
        try:
            wanted = step()
        except StopIteration as end:
            assert (attempt.victim, attempt.error) == (0, end.value)
            self.reclaim = None
        else:
            assert self.place(attempt.victim)[:2] == wanted
            self.reclaim = attempt, expected, wanted
        self.compare()


def run(pair: Pair, calls: Iterable[tuple[Any, ...]]) -> None:
    for name, *arguments in calls:
        getattr(pair, name)(*arguments)


# Few sizes, at the edges of chunks and classes: pages and zspages fill, and best fit has something to choose from.
# fmt: off
EDGES = [0, 1, 24, 64, 65, 200, 800, 1000, 1300, 1984, 1985, 2000, 3000, 3256, 3257, 3904, 3905, 3968, 3969, 4096, 4097]
# fmt: on
SIZES = st.one_of(
    st.sampled_from(
        [0, 1, 24, 64, 65, 200, 800, 1000, 1300, 1984, 1985, 2000, 3000, 3256, 3257, 3968, 3969, 4096, 4097]
    ),
    st.integers(0, 4200),
)
INDEX = st.integers(0, 1000)
CALLS = {
    "alloc": st.tuples(st.just("alloc"), SIZES),
    "free": st.tuples(st.just("free"), INDEX),
    "evict_all_at_once": st.tuples(st.just("evict_all_at_once"), st.integers(0, 2**16 - 1)),
    "evict_in_steps": st.tuples(st.just("evict_in_steps"), st.booleans()),
    "compact": st.just(("compact",)),
    "migrate": st.tuples(st.just("migrate"), INDEX),
    "run_work": st.just(("run_work",)),
    "set_cpu": st.tuples(st.just("set_cpu"), st.integers(0, 4)),
}


def sequences(*names: str) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.one_of(*(CALLS[name] for name in names)), min_size=30, max_size=200)


@each_case
@settings(max_examples=30, deadline=None)
@given(calls=sequences("alloc", "free"))
def test_places_every_object_as_the_reference_does(case, calls):
    run(Pair(case), calls)


@cases_that("reclaim")
@settings(max_examples=30, deadline=None)
@given(calls=sequences("alloc", "alloc", "free", "evict_all_at_once"))
def test_evicts_what_the_reference_evicts(case, calls):
    run(Pair(case), calls)


@cases_that("reclaim")
@settings(max_examples=40, deadline=None)
@given(calls=sequences("alloc", "free", "evict_in_steps", "evict_in_steps"))
def test_evicts_in_steps_while_others_allocate_and_free(case, calls):
    run(Pair(case), calls)


@cases_that("compact")
@settings(max_examples=40, deadline=None)
@given(calls=sequences("alloc", "free", "compact"))
def test_compacts_as_the_reference_does(case, calls):
    run(Pair(case), calls)


@cases_that("migrate")
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_migrates_amid_everything_else_as_the_reference_does(case, data):
    pair = Pair(case)
    able = {"evict_all_at_once": "reclaim", "evict_in_steps": "reclaim"}
    run(pair, data.draw(sequences(*(name for name in CALLS if pair.can(able.get(name, name))))))


# How each kind of call is made at random, and what a reference must have for it.
AT_RANDOM: dict[str, tuple[str, Callable[[random.Random], tuple[Any, ...]]]] = {
    "alloc": ("alloc", lambda chooser: (chooser.choice(EDGES),)),
    "free": ("free", lambda chooser: (chooser.randrange(1000),)),
    "evict_all_at_once": ("reclaim", lambda chooser: (chooser.getrandbits(16) & chooser.getrandbits(16),)),
    "evict_in_steps": ("reclaim", lambda chooser: (chooser.random() < 0.7,)),
    "compact": ("compact", lambda _: ()),
    "migrate": ("migrate", lambda chooser: (chooser.randrange(1000),)),
    "run_work": ("run_work", lambda _: ()),
    "set_cpu": ("set_cpu", lambda chooser: (chooser.randrange(5),)),
}


@each_case
@pytest.mark.parametrize("seed", range(6))
def test_short_random_sequence_is_compared_after_each_call(case, seed):
    """All kinds of calls, allocations twice as often: quick, so mutants meet this one first."""
    chooser, pair = random.Random(seed), Pair(case)
    kinds = ["alloc", *(kind for kind, (needs, _) in AT_RANDOM.items() if pair.can(needs))]
    for _ in range(250):
        kind = chooser.choice(kinds)
        getattr(pair, kind)(*AT_RANDOM[kind][1](chooser))


@each_case
@pytest.mark.parametrize("seed", range(3))
def test_long_random_sequence(case, seed):
    """Thousands of steps in phases of growing and shrinking, as long as a kernel module's test would run."""
    chooser, pair = random.Random(seed), Pair(case, check_every=31)
    for step in range(5000):
        growing = step // 1000 % 2 == 0
        special = chooser.random()
        if special < 0.01 and pair.can("reclaim"):
            pair.evict_all_at_once(chooser.getrandbits(16) & chooser.getrandbits(16))
        elif special < 0.05 and pair.can("reclaim"):
            pair.evict_in_steps(chooser.random() < 0.8)
        elif special < 0.005 and pair.can("compact"):
            pair.compact()
        elif special < 0.06 and pair.can("migrate"):
            pair.migrate(chooser.randrange(10**6))
        elif special < 0.09 and pair.can("run_work"):
            pair.run_work()
        elif special < 0.15 and pair.can("set_cpu"):
            pair.set_cpu(chooser.randrange(4))
        elif chooser.random() < (0.65 if growing else 0.4):
            pair.alloc(int(chooser.triangular(1, 4100, 1200)))
        else:
            pair.free(chooser.randrange(10**6))
    pair.pool.check()


@cases_that("reclaim")
def test_reclaim_in_steps_is_reclaim_by_callback_when_nothing_intervenes(case):
    by_callback, in_steps = Pool(case.name, **case.options), Pool(case.name, **case.options)
    chooser = random.Random(7)
    for pool in (by_callback, in_steps):
        for k in range(300):
            pool.alloc(1 + k * 1237 % 3900)
    refused = {chooser.randrange(300) for _ in range(100)}
    for _ in range(40):
        victims: tuple[list[tuple[int, int]], list[tuple[int, int]]] = [], []

        def evict(pool: Pool, victim: int, noted: list[tuple[int, int]]) -> bool:
            place = pool.page_id(victim), pool.position(victim)
            noted.append(place)
            if place[0] in refused:
                return False
            pool.free(victim)
            return True

        error = by_callback.reclaim(8, lambda victim, noted=victims[0]: evict(by_callback, victim, noted))
        attempt = Reclaim(in_steps, 8)
        while attempt.victim:
            attempt.result(evict(in_steps, attempt.victim, victims[1]))
        assert victims[0] == victims[1]
        assert attempt.error == error
        assert by_callback.usage() == in_steps.usage()
    in_steps.check()


@each_case
def test_objects_are_visited_from_any_place_on_and_round_until_enough(case):
    pool = Pool(case.name, **case.options)
    objects = [pool.alloc(size)[0] for size in (3000, 3100, 3200, 3300)]  # none beside another
    pool.free(objects.pop(1))
    assert [pool.locations(first) for first in (0, 1, 3, 4, 7)] == [
        objects,
        [*objects[1:], objects[0]],
        [objects[2], *objects[:2]],
        objects,
        [objects[2], *objects[:2]],
    ]
    assert [pool.locations(2, most) for most in (1, 2)] == [objects[1:2], objects[1:]]
    for location in objects:
        pool.free(location)
    assert pool.locations() == []


@each_case
def test_only_kernels_pools_have_pages_to_be_moved(case):
    can = case.name in ("z3fold", "zsmalloc") or case.options.get("movable", False)
    pool = Pool(case.name, **case.options)
    assert pool.movable == can
    assert (pool.migrate(pool.alloc(1000)[0]) is not None) == can


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("z3fold", lambda pool: pool.alloc(100, own=True)),
        ("z3fold", lambda pool: pool.has_room(100)),
        ("zbud", lambda pool: pool.handle_bytes),
        ("zbud", lambda pool: pool.huge_bytes),
        ("zbud", lambda pool: Compaction(pool)),
        ("zsmalloc", lambda pool: Reclaim(pool, 8)),
        ("zbud", lambda pool: pool.place(pool.alloc(100)[0])),
        ("zbud", lambda pool: pool.object_at(1, 0)),
        ("z3fold", lambda pool: pool.buddy(pool.alloc(100)[0])),
        ("z3fold", lambda pool: pool.find_in_page(pool.alloc(100)[0], 0, 0)),
        ("z3fold", lambda pool: pool.migrate_page(pool.alloc(100)[0], 0)),
        ("ideal", lambda pool: pool.object_index(pool.alloc(100)[0])),
        ("ideal", lambda pool: pool.start_bytes(pool.alloc(100)[0])),
        ("zbud", lambda pool: pool.moves()),
        ("zbud", lambda pool: pool.compact()),
        ("ideal", lambda pool: pool.can_compact()),
        ("ideal", lambda pool: pool.run_work()),
        ("ideal", lambda pool: pool.set_cpu(1)),
        ("ideal", lambda pool: pool.is_resident(pool.alloc(100)[0])),
        ("ideal", lambda pool: pool.set_resident(pool.alloc(100)[0])),
        ("ideal", lambda pool: pool.reclaim(1, lambda _: True)),
    ],
)
def test_what_a_pool_cannot_is_refused_by_its_name(name, asks):
    with pytest.raises(TypeError, match=f"^{name} cannot"):
        asks(Pool(name))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("zbud", {"cpus": 1}, "zbud has no option 'cpus'"),
        ("z3fold", {"movable": True}, "z3fold has no option 'movable'"),
        ("zsmalloc", {"work": "deferred"}, "zsmalloc has no option 'work'"),
        ("ideal", {"work": "deferred"}, "ideal has no options"),
        ("z3fold", {"work": "late"}, "work 'late', expected immediate or deferred"),
        ("z3fold", {"cpus": 0}, "z3fold on 0 CPUs, expected 1 to 127"),
        ("z3fold", {"cpus": 128}, "z3fold on 128 CPUs, expected 1 to 127"),
    ],
)
def test_option_that_a_pool_has_not_is_refused_by_its_name(name, options, says):
    with pytest.raises((TypeError, ValueError), match=says):
        Pool(name, **options)


def test_registry_names_every_pool_once_with_a_summary():
    assert len(set(KINDS)) == len(KINDS)
    assert all(summary and "\n" not in summary for _, summary in pool_kinds())
    assert set(KINDS) == {case.name for case in CASES}, "a pool without a reference is not tested"


def test_unknown_pool_names_those_there_are():
    with pytest.raises(ValueError, match="no pool 'zsmaloc'; there are " + ", ".join(KINDS)):
        Pool("zsmaloc")
