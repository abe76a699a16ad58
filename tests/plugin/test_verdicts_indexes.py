"""What the conformance suite says of one wrong answer of an index: steps by hand, each class right but for a method."""

from collections.abc import Iterable

import pytest
from plugin.right import Words
from plugin.verdicts import Wrong, expect, replayed

WRONG = Wrong()
fails = WRONG.fails


EVERY_CALL = """index words=wide nodes=small; insert key=1 value=64; insert key=1 value=128;
    insert_without_memory key=2; find key=1; find key=9; erase key=9; move key=1 value=192; move key=9; for_each;
    for_each type=3; look key=1 value=0; look key=1; check; create_without_memory; erase key=1; renew;
    insert type=31 key=5"""
BOTH = "index; insert key=1 value=64; insert key=2 value=128"


def test_an_index_that_is_right_passes_every_step() -> None:
    assert replayed("plugin.right:Words", EVERY_CALL) is None
    assert replayed("rbtree", EVERY_CALL) is None


@fails(f"{BOTH}; find key=1", "costs", "find() of type 0, offset 1 allocated or freed nodes, expected none")
class AllocatesToFind(Words):
    def find(self, type: int, offset: int) -> int | None:
        self.cost.nodes_allocated += 1
        return super().find(type, offset)


@fails(f"{BOTH}; find key=1", "costs", "find() of type 0, offset 1 allocated or freed nodes, expected none")
class FreesToFind(Words):
    def find(self, type: int, offset: int) -> int | None:
        self.cost.nodes_freed += 1
        return super().find(type, offset)


@fails(
    "; ".join(["index", *(f"insert key={n}" for n in range(64))]),
    "memory",
    "memory(): 0 bytes for 64 entries, as for none",
)
class TakesNoRoom(Words):
    def memory(self) -> tuple[int, int, int]:
        return len(self.words), len(self.words), 0


@fails(
    f"{BOTH}; for_each",
    "walk",
    "for_each() of type 0 met offset 1 with location 128, expected offset 1 with location 64",
)
class MixesLocations(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return [(offset, max(self.words.values())) for offset, _ in super().entries(type)]


@fails(f"{BOTH}; for_each type=1", "walk", "for_each() of type 1 met offset 1 with location 64, expected its end")
class MixesTypes(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return super().entries(0)


@fails(f"{BOTH}; move key=3", "move", "move() of type 0, offset 3, which is not there, gave 0, expected −ENOENT")
class MovesWhatIsNotThere(Words):
    def move(self, type: int, offset: int, location: int) -> int | None:
        return self.insert(type, offset, location) or 64


@fails(
    f"{BOTH}; move key=1",
    "move",
    "move() of type 0, offset 1 gave −2 and location 0, expected 0 and the location that was there",
)
class MovesNothing(Words):
    def move(self, type: int, offset: int, location: int) -> int | None:
        return None


@fails(f"{BOTH}; move key=1", "move", "move(0, 1, 64) gave 4096, expected a location that it was given, or None")
@fails(f"{BOTH}; insert key=1", "answers", "insert(0, 1, 64) gave 4096, expected a location that it was given, or None")
class MakesALocationUp(Words):
    def insert(self, type: int, offset: int, location: int) -> int | None:
        return super().insert(type, offset, location) and 4096


@fails(f"{BOTH}; for_each", "walk", "entries(0) gave None, expected what can be iterated over")
class HasNoEntries(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return None  # type: ignore[return-value]


@fails(f"{BOTH}; for_each", "walk", "entries(0) gave 1, expected pairs of offset and a location it was given")
class HasOffsetsOnly(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return [1, 2]  # type: ignore[list-item]


@fails(f"{BOTH}; for_each", "walk", "entries(0) gave (1, 65), expected pairs of offset and a location it was given")
class HasOtherLocations(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        return [(offset, word + 1) for offset, word in super().entries(type)]


@fails(f"{BOTH}; for_each", "walk", "entries(0) raised LookupError: no third (HERE)")
class EndsInTheMiddle(Words):
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        yield from super().entries(type)
        raise LookupError("no third")


@fails(BOTH, "answers", "find(0, 1) gave " + "'" + 79 * "x" + "…, expected a location that it was given, or None")
class SaysALot(Words):
    def find(self, type: int, offset: int) -> int | None:
        return "x" * 1000  # type: ignore[return-value]


@fails("index like=radix-lowbit; insert key=1 value=64; find key=1", "like", "nodes_visited: found 0, expected 1")
@fails("index; " + "; ".join(f"insert key={n} value={64 * n + 64}" for n in range(300)), "", "")
class Plain(Words):
    pass


MANY = "; ".join(["index words=narrow nodes=normal", *(f"insert type=0 key={n} value=64" for n in range(202))])


@fails(MANY, "answers", "insert(0, 201, 64) raised OverflowError: full (HERE)")
class HasRoomFor201(Words):
    def insert(self, type: int, offset: int, location: int) -> int | None:
        if len(self.words) == 201:
            raise OverflowError("full")
        return super().insert(type, offset, location)


@fails(f"{BOTH}; check", "memory", "memory() gave None, expected entries, nodes and bytes")
class ForgetsItsSums(Words):
    def memory(self) -> tuple[int, int, int]:
        return None if len(self.words) == 2 else super().memory()  # type: ignore[return-value]


@fails(f"{BOTH}; find key=1", "answers", "find() raised KeyboardInterrupt: by itself")
class InterruptsItself(Words):
    def find(self, type: int, offset: int) -> int | None:
        raise KeyboardInterrupt("by itself")


@pytest.mark.parametrize(("spec", "steps", "of", "message"), WRONG)
def test_a_wrong_answer_fails_what_it_is(spec: str, steps: str, of: str, message: str) -> None:
    expect(spec, steps, of, message)
