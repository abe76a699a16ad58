"""Every pool against a slow, obvious one: the same calls, and after each the same pages, places and contents."""

import random
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from _zreplay import Pool, Reclaim, pool_kinds
from core.reference_pool_zbud import ReferenceZbud
from core.reference_pool_zsmalloc import ReferenceZsmalloc
from hypothesis import given, settings
from hypothesis import strategies as st

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
    Case("zsmalloc", {}, ReferenceZsmalloc),
    Case("zsmalloc", {"class_rule": "b", "chain_limit": 8}, ReferenceZsmalloc),
]
EVICTING = [case for case in CASES if case.reference in (ReferenceZbud,)]
COMPACTING = [case for case in CASES if case.reference is ReferenceZsmalloc]
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

    def place(self, location: int) -> tuple[int, int]:
        index = self.pool.position(location) if self.evicts else self.pool.object_index(location)
        return self.pool.page_id(location), index

    @property
    def evicts(self) -> bool:
        return hasattr(self.reference, "reclaim")

    def compare(self) -> None:
        assert self.pool.pages == self.reference.pages
        self.steps += 1
        if self.steps % self.check_every:
            return
        self.pool.check()
        for live in self.live.values():
            assert self.place(live.location) == live.reference.place
            assert (self.pool.entry(live.location)[1], self.pool.size(live.location)) == live.content
        assert self.pool.usage()["asked_bytes"] == sum(live.content[1] for live in self.live.values())
        assert self.pool.usage()["objects"] == len(self.live)
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

    def evict_all_at_once(self, refusals: int, retries: int = 8) -> None:
        """One reclaim by callback; bit n of `refusals` refuses the n-th object asked for."""
        if self.reclaim:
            return
        expected = self.reference.reclaim(retries)
        asked = 0

        def evict(victim: int) -> bool:
            nonlocal asked
            wanted = next(expected) if asked == 0 else expected.send(not refusals >> (asked - 1) & 1)
            assert self.place(victim) == wanted
            evicted = not refusals >> asked & 1
            if evicted:
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
            assert self.place(attempt.victim) == wanted
            self.reclaim = attempt, expected, wanted
        self.compare()


def run(pair: Pair, calls: Iterable[tuple[str, int]]) -> None:
    for name, argument in calls:
        if name == "compact":
            pair.compact()
        else:
            getattr(pair, name)(argument)


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
ALLOC_OR_FREE = [st.tuples(st.just("alloc"), SIZES), st.tuples(st.just("free"), st.integers(0, 1000))]


def sequences(*more: st.SearchStrategy[tuple[str, int]]) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.one_of(*ALLOC_OR_FREE, *more), min_size=30, max_size=200)


@each_case
@settings(max_examples=40, deadline=None)
@given(calls=sequences())
def test_places_every_object_as_the_reference_does(case, calls):
    run(Pair(case), calls)


@pytest.mark.parametrize("case", EVICTING, ids=str)
@settings(max_examples=40, deadline=None)
@given(calls=sequences(st.tuples(st.just("evict_all_at_once"), st.integers(0, 2**16 - 1))))
def test_evicts_what_the_reference_evicts(case, calls):
    run(Pair(case), calls)


@pytest.mark.parametrize("case", EVICTING, ids=str)
@settings(max_examples=40, deadline=None)
@given(
    calls=sequences(
        st.tuples(st.just("evict_in_steps"), st.booleans()),
        st.tuples(st.just("evict_in_steps"), st.booleans()),
    )
)
def test_evicts_in_steps_while_others_allocate_and_free(case, calls):
    run(Pair(case), calls)


@pytest.mark.parametrize("case", COMPACTING, ids=str)
@settings(max_examples=40, deadline=None)
@given(calls=sequences(st.tuples(st.just("compact"), st.just(0))))
def test_compacts_as_the_reference_does(case, calls):
    run(Pair(case), calls)


@each_case
@pytest.mark.parametrize("seed", range(3))
def test_long_random_sequence(case, seed):
    """Thousands of steps in phases of growing and shrinking, as long as a kernel module's test would run."""
    chooser, pair = random.Random(seed), Pair(case, check_every=31)
    for step in range(6000):
        growing = step // 1000 % 2 == 0
        special = chooser.random()
        if special < 0.01 and case in EVICTING:
            pair.evict_all_at_once(chooser.getrandbits(16) & chooser.getrandbits(16))
        elif special < 0.05 and case in EVICTING:
            pair.evict_in_steps(chooser.random() < 0.8)
        elif special < 0.005 and case in COMPACTING:
            pair.compact()
        elif chooser.random() < (0.65 if growing else 0.4):
            pair.alloc(int(chooser.triangular(1, 4100, 1200)))
        else:
            pair.free(chooser.randrange(10**6))
    pair.pool.check()


@pytest.mark.parametrize("case", EVICTING, ids=str)
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


def test_registry_names_every_pool_once_with_a_summary():
    assert len(set(KINDS)) == len(KINDS)
    assert all(summary and "\n" not in summary for _, summary in pool_kinds())
    assert set(KINDS) == {case.name for case in CASES}, "a pool without a reference is not tested"


def test_unknown_pool_names_those_there_are():
    with pytest.raises(ValueError, match="no pool 'zsmaloc'; there are " + ", ".join(KINDS)):
        Pool("zsmaloc")
