"""What the conformance suite says of one wrong answer of an order: steps by hand, each class right but for a method."""

import errno

import pytest
from plugin.right import Queue, Queues
from plugin.verdicts import Wrong, expect, replayed

WRONG = Wrong()
fails = WRONG.fails


EVERY_TURN = """mm; stored key=1 size=9; stored key=1 size=9; stored_without_memory key=1 size=9;
    stored key=2 size=9 type=1; stored_without_memory key=3 size=9; loaded key=1; loaded key=9; gone key=9;
    next type=1; visited; visited type=1; visited type=7; evict; evict type=7; check; gone key=3; renew;
    create_without_memory; stored key=1 size=9"""
FIRST_TWO = "mm; stored key=1 size=9; stored key=2 size=9"


@pytest.mark.parametrize("order", ["Queues", "Queue"])
def test_an_order_that_is_right_passes_every_step(order: str) -> None:
    assert replayed(f"plugin.right:{order}", EVERY_TURN) is None


def test_an_order_that_is_built_in_passes_every_step() -> None:
    assert replayed("lru", EVERY_TURN.replace("mm;", "mm like=lru;")) is None


@fails(f"{FIRST_TWO}; next type=1", "next", "next() of group 1 gave an entry, expected 0 to choose from")
@fails(f"{FIRST_TWO}; stored key=3 size=9 type=1; next type=1", "next", "next() of group 1 gave entry 1, of group 0")
class MixesGroups(Queue):
    capabilities = frozenset({"groups"})


@fails(f"{FIRST_TWO}; next", "next", "next() of group 0 gave nobody, expected 2 to choose from")
@fails(
    f"{FIRST_TWO}; stored_without_memory key=3 size=9; next",
    "next",
    "next() of group 0 gave nobody, expected 3 to choose from",
)
class NamesNobody(Queue):
    def next(self, group: int) -> int | None:
        return None


@fails(f"{FIRST_TWO}; next", "next", "next() gave entry 1, and asked again nobody that is known")
@fails(f"{FIRST_TWO}; next type=1", "next", "next() gave entry 1, and asked again nobody that is known")
class NamesOneOnce(Queue):
    asked = 0

    def next(self, group: int) -> int | None:
        self.asked += 1
        return super().next(group) if self.asked % 2 else None


@fails(
    f"{FIRST_TWO}; visited",
    "visited",
    "after visited(), twice, next() is entry 1 again, though there are others whose turn has not been",
)
class StaysInFront(Queue):
    def visited(self, handle: int) -> None:
        pass


@fails(
    "mm like=lru; stored key=1 size=9; stored key=2 size=9; next",
    "like",
    "next() of group 0 is entry 2, another entry than the built-in's",
)
class NamesTheLatest(Queue):
    def next(self, group: int) -> int | None:
        return next(reversed(self.group_of), None)


@fails(
    "mm like=lru; stored key=1 size=9; next type=1",
    "like",
    "next() of group 1 is nobody that is known, another entry than the built-in's",
)
class QueuesLikeOne(Queues):
    pass


@fails(f"{FIRST_TWO}; check", "check", "memory(): entries gave 3, expected 2")
class CountsOneMore(Queue):
    def memory(self) -> tuple[int, int]:
        return len(self.group_of) + 1, 0


@fails(FIRST_TWO, "next", "stored() of type 1, offset 1 gave −5, expected 0")
class StoresWithAnError(Queue):
    def stored(self, cookie: int, type: int, offset: int, length_bytes: int, group: int) -> int:
        return -errno.EIO


@fails(f"{FIRST_TWO}; next", "next", "next(0) gave 0, expected a cookie, or None")
class NamesZero(Queue):
    def next(self, group: int) -> int | None:
        return 0


@pytest.mark.parametrize(("spec", "steps", "of", "message"), WRONG)
def test_a_wrong_answer_fails_what_it_is(spec: str, steps: str, of: str, message: str) -> None:
    expect(spec, steps, of, message)
