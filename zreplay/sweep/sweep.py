"""A sweep: the cells that are not there are replayed, and each is written as soon as it is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from zreplay.errors import ZreplayError
from zreplay.replay.cells import Answer
from zreplay.replay.threads import Later
from zreplay.sweep.cell import Cell, Chunk, chunks_of
from zreplay.sweep.directory import SweepDirectory
from zreplay.sweep.executor import Executor
from zreplay.sweep.row import row_of


@dataclass
class Outcome:
    """What became of a sweep's cells: how many there are, were there already and were replayed, and which failed."""

    cells: int
    kept: int
    replayed: int = 0
    failed: dict[Cell, ZreplayError] = field(default_factory=dict)
    is_interrupted: bool = False

    @property
    def finished(self) -> int:
        """Cells that are in the directory."""
        return self.kept + self.replayed


def sweep(
    directory: SweepDirectory,
    cells: Sequence[Cell],
    executor: Executor,
    outcome: Outcome,
    *,
    at_once: int,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Replay ``cells``, which are missing; ``outcome`` is kept up to date, also for whoever interrupts it.

    ``progress`` is told how many of them are done, those under way by their share; it may come from any thread.

    Raises:
        UsageError: the directory cannot be written any more, a limit of memory; finished cells are kept.
    """
    shares: dict[Chunk, float] = {}
    done = 0
    writing: Later[int] | None = None  # while the next chunk is replayed

    def told(chunk: Chunk, share: float) -> None:
        shares[chunk] = share * len(chunk.cells)
        if progress:
            progress(done + sum(list(shares.values())))

    def written() -> None:
        nonlocal writing
        if writing:
            outcome.replayed += writing.result()
            writing = None

    try:
        for chunk, answers in executor.run(chunks_of(cells, workers=executor.workers, at_once=at_once), told):
            written()
            found = dict(zip(chunk.cells, answers, strict=True))
            outcome.failed |= {cell: answer for cell, answer in found.items() if isinstance(answer, ZreplayError)}
            writing = Later(partial(_write, directory, found))
            shares.pop(chunk, None)
            done += len(chunk.cells)
            if progress:
                progress(done + sum(list(shares.values())))
    finally:
        written()


def _write(directory: SweepDirectory, found: Mapping[Cell, Answer | ZreplayError]) -> int:
    rows = {cell: row_of(cell, answer) for cell, answer in found.items() if isinstance(answer, Answer)}
    directory.write(rows)
    return len(rows)
