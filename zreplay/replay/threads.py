"""Work beside other work: the engine and Arrow let go of the interpreter's lock, so a few plain threads are enough."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
Batch = TypeVar("Batch")
Read = TypeVar("Read", contravariant=True)

#: Batches held at once: one that is being replayed, and those that are read ahead of it.
HELD = 3
#: The same where a thread has several readers in turn. What one of them has in the caches is gone when it is its turn
#: again, so each reads several in a row: eight replays of a million entries, 8 % sooner.
HELD_FOR_TURNS = 8


class Later(Generic[T]):
    """A call under way in a thread of its own; if nobody asks for its result, nobody waits for it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._done = threading.Event()  # a join that is interrupted would take the thread for ended
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            self._result.append(self._call())
        except BaseException as error:  # raised where the result is asked for
            self._error = error
        self._done.set()

    def result(self) -> T:
        """What the call returned, or raises what it raised, as soon as it is done."""
        self._done.wait()
        if self._error:
            raise self._error
        return self._result[0]


def together(calls: Sequence[Callable[[], object]], workers: int) -> None:
    """Make all calls, in ``workers`` threads at most; raises the error of one that failed when all threads are done."""
    shares = [calls[first::workers] for first in range(min(workers, len(calls)))]
    others = [Later(partial(_make, share)) for share in shares[1:]]
    try:
        _make(shares[0] if shares else ())
    finally:
        for other in others:
            other.result()


def _make(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


class Reader(Protocol[Read]):
    """Something that is given every batch in order, then told that there are no more."""

    def feed(self, batch: Read) -> None:
        """The next batch."""

    def end(self) -> None:
        """That was the last."""


class Pass(Generic[Batch]):
    """One pass over batches for several readers: the calling thread makes the batches, ``workers`` threads read them.

    Each reader goes at its own pace. A thread stays with one while there are batches for it; then the one that is
    furthest behind is next. No batch is made while :data:`HELD` (or :data:`HELD_FOR_TURNS`) of them wait for somebody,
    so memory does not grow with their number.
    """

    def __init__(self, readers: Sequence[Reader[Batch]], workers: int) -> None:
        self._readers = readers
        self._workers = min(workers, len(readers))
        self._most_held = HELD if self._workers == len(readers) else HELD_FOR_TURNS
        self._changed = threading.Condition()
        self._held: deque[Batch] = deque()
        self._dropped = 0  # batches that all have read: the number of the first one held
        self._steps = 0  # that each reader can take by now: one a batch, and the end
        self._taken = [0] * len(readers)  # of these, by each reader
        self._idle = set(range(len(readers)))
        self._working = 0  # threads
        self._is_closed = self._is_over = False
        self._error: BaseException | None = None

    def run(self, batches: Iterable[Batch]) -> None:
        """Give all ``batches`` to all readers, and the end.

        Raises what a reader raised, else what making the batches did, when the readers have had those before.
        """
        self._working = self._workers
        for _ in range(self._workers):
            threading.Thread(target=self._work, daemon=True).start()
        try:
            try:
                self._make(batches)
            except Exception:
                self._close(steps=0)
                self._join()
                raise
            self._close(steps=1)
            self._join()
        finally:  # an interrupt comes here at once
            with self._changed:
                self._is_over = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._working)

    def _make(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            with self._changed:
                self._held.append(batch)
                self._steps += 1
                self._changed.notify_all()
                del batch
                self._changed.wait_for(lambda: len(self._held) < self._most_held or self._is_over)
                if self._is_over:
                    return

    def _close(self, steps: int) -> None:
        with self._changed:
            self._steps += steps
            self._is_closed = True
            self._changed.notify_all()

    def _join(self) -> None:
        # Not by joining the threads: one whose join is interrupted counts as ended, though it may still replay.
        with self._changed:
            self._changed.wait_for(lambda: not self._working)
        if self._error:
            raise self._error

    def _work(self) -> None:
        try:
            while (reader := self._next_reader()) is not None:
                while self._step(reader):
                    pass
        except BaseException as error:  # raised in the thread that waits
            with self._changed:
                self._error = self._error or error
                self._is_over = True
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _next_reader(self) -> int | None:
        """The idle reader that is furthest behind, which is not idle any more; None when there is nothing to do."""
        with self._changed:
            while not self._is_over:
                if ready := [reader for reader in self._idle if self._taken[reader] < self._steps]:
                    behind = min(ready, key=lambda reader: (self._taken[reader], reader))
                    self._idle.remove(behind)
                    return behind
                if self._is_closed:
                    return None
                self._changed.wait()
            return None

    def _step(self, reader: int) -> bool:
        """The reader's next batch, or the end. Gives whether there is more for it; else it is idle."""
        with self._changed:
            place = self._taken[reader] - self._dropped
            batch = self._held[place] if place < len(self._held) else None
        if batch is None:
            self._readers[reader].end()
        else:
            self._readers[reader].feed(batch)
            del batch
        with self._changed:
            self._taken[reader] += 1
            has_more = self._taken[reader] < self._steps and not self._is_over
            if not has_more:
                self._idle.add(reader)
            while self._held and min(self._taken) > self._dropped:
                self._held.popleft()
                self._dropped += 1
            self._changed.notify_all()
            return has_more
