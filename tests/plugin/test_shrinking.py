"""What the conformance suite says of the fewest steps after which it fails."""

import os
import threading

import _zreplay
import pytest
from plugin.right import Words
from plugin.test_verdicts_indexes import MANY

from zreplay.plugins.registry import plug


def shrunk(plugin: str, kind: str, steps: str, isolated: bool, seconds: float = 20) -> tuple[str, list[str]]:
    of, fewest = _zreplay.conformance_shrink(steps.replace("; ", "\n"), plug(kind, plugin)[0], isolated, seconds)
    return of, fewest.splitlines()


LAZY, LAZY_FEWEST = "plugin.test_verdicts_pools:EvictsNobody", ["pool", "reclaim type=0 size=1"]
MORE = "pool; alloc key=700 size=30; free key=700; alloc key=801 size=70; map key=801; reclaim size=5; check"


def without_seeds(steps: list[str]) -> list[str]:
    """The value of a reclaim is a seed, and any does."""
    return [line.partition(" value=")[0] for line in steps]


@pytest.mark.parametrize("isolated", [False, True])
def test_the_fewest_steps_are_the_same_in_processes_of_their_own(isolated: bool) -> None:
    of, fewest = shrunk(LAZY, "pool", MORE, isolated)
    # Of nothing, which it says to have freed a page of.
    assert (of, without_seeds(fewest)) == ("reclaim", LAZY_FEWEST)


def test_a_thread_that_asks_for_the_interpreter_does_not_stop_the_processes() -> None:
    # As they begin, and none of them has that thread.
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.001):
            pass

    asks = threading.Thread(target=ask)
    asks.start()
    try:
        of, fewest = shrunk(LAZY, "pool", MORE, isolated=True)
    finally:
        over.set()
        asks.join()
    assert (of, without_seeds(fewest)) == ("reclaim", LAZY_FEWEST)


def test_what_takes_more_than_two_hundred_numbers_keeps_them() -> None:
    assert shrunk("plugin.test_verdicts_indexes:HasRoomFor201", "index", MANY, isolated=False) == (
        "answers",
        MANY.split("; "),
    )


class FailsHere(Words):
    """With one entry, and in this process always once it has: as what keeps something from one instance to the next."""

    process, failed = os.getpid(), False

    def insert(self, type: int, offset: int, location: int) -> int | None:
        if len(self.words) == 1 or (FailsHere.failed and os.getpid() == self.process):
            FailsHere.failed = True
            raise ValueError("full")
        return super().insert(type, offset, location)


def test_fewer_steps_that_fail_only_here_are_not_the_fewest() -> None:
    insert = "insert type=0 key={0} value=64"
    steps = ["index words=narrow nodes=normal", insert.format(0), insert.format(1), insert.format(2)]
    assert shrunk(f"{__name__}:FailsHere", "index", "; ".join(steps), isolated=False) == ("answers", steps[:3])
