"""Who replays the chunks of a sweep: what all of them have in common."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from zreplay.errors import ZreplayError
from zreplay.replay.cells import Answer
from zreplay.sweep.cell import Chunk

#: The answers of a chunk's cells, in their order.
Answers = list[Answer | ZreplayError]
#: Told of the share of a chunk that is replayed, 0 to 1; from any thread.
Told = Callable[[Chunk, float], None]


class Executor(Protocol):
    """Replays chunks; a context manager."""

    @property
    def workers(self) -> int:
        """How many chunks are worth having at the same time."""

    def run(self, chunks: Sequence[Chunk], told: Told) -> Iterator[tuple[Chunk, Answers]]:
        """The chunks' answers as they come. A cell that fails is an error among them."""
