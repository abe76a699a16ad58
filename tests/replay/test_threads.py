"""One pass for several readers: every batch to each, in order, few held; the first error is the one that is told."""

import time

import pytest

from zreplay.replay.threads import HELD, HELD_FOR_TURNS, Later, Pass, together


class Reader:
    """Writes down what it is given; may be slow, or fail at a batch."""

    def __init__(self, seconds: float = 0, fails_at: int | None = None) -> None:
        self.seen: list[object] = []
        self.seconds, self.fails_at = seconds, fails_at

    def feed(self, batch: int) -> None:
        if batch == self.fails_at:
            raise ValueError(f"batch {batch}")
        time.sleep(self.seconds)
        self.seen.append(batch)

    def end(self) -> None:
        self.seen.append("end")


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_reader_gets_every_batch_in_order_and_then_the_end(workers):
    readers = [Reader(), Reader(seconds=0.001), Reader()]
    Pass(readers, workers).run(range(20))
    assert [reader.seen for reader in readers] == [[*range(20), "end"]] * 3


def test_no_more_batches_are_made_than_are_held_for_the_slowest():
    made = []
    slow = Reader()

    class Watching(Reader):
        def feed(self, batch: int) -> None:
            time.sleep(0.005)
            # Those that slow has not read yet, and one that is made before there is room for it.
            assert len(made) - len(slow.seen) <= HELD + 1
            super().feed(batch)

    def batches():
        for number in range(12):
            made.append(number)
            yield number

    slow = Watching()
    Pass([Reader(), slow], 2).run(batches())
    assert slow.seen == [*range(12), "end"]


def test_a_thread_with_several_readers_stays_with_one_while_there_are_batches_for_it():
    made, turns = [], []

    class Watched(Reader):
        def feed(self, batch: int) -> None:
            deadline = time.monotonic() + 10
            while len(made) < HELD_FOR_TURNS and time.monotonic() < deadline:  # until all are made that may be
                time.sleep(0.001)
            turns.append((readers.index(self), batch))
            super().feed(batch)

    readers = [Watched(), Watched()]
    Pass(readers, 1).run(made.append(n) or n for n in range(24))
    assert [reader.seen for reader in readers] == [[*range(24), "end"]] * 2
    assert turns[: 2 * HELD_FOR_TURNS] == [(reader, n) for reader in range(2) for n in range(HELD_FOR_TURNS)]


def test_what_a_reader_raises_ends_the_pass():
    made = []
    with pytest.raises(ValueError, match="batch 2"):
        Pass([Reader(), Reader(fails_at=2)], 2).run(made.append(n) or n for n in range(1000))
    assert len(made) < 10


def broken():
    yield from range(3)
    raise OSError("damaged")


def test_batches_that_fail_are_told_when_those_before_were_read():
    readers = [Reader(seconds=0.002), Reader()]
    with pytest.raises(OSError, match="damaged"):
        Pass(readers, 2).run(broken())
    assert [reader.seen for reader in readers] == [[0, 1, 2]] * 2
    # An error in one of those stands before it.
    with pytest.raises(ValueError, match="batch 2"):
        Pass([Reader(seconds=0.002, fails_at=2)], 1).run(broken())


def test_after_an_interrupt_nobody_is_told_the_end():
    reader = Reader(seconds=0.01)

    def batches():
        yield 0
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pass([reader], 1).run(batches())
    assert reader.seen in ([], [0], [0, 1])


def test_calls_made_together_all_are_made_though_one_fails():
    done = []

    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        together([fail, lambda: done.append(1), lambda: done.append(2)], 3)
    assert sorted(done) == [1, 2]
    together([], 3)
    assert Later(lambda: 7).result() == 7
    with pytest.raises(ValueError, match="first"):
        Later(fail).result()
