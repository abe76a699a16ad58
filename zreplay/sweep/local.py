"""Chunks replayed in this process: the engine lets go of the interpreter's lock, so threads are enough."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

from zreplay.errors import MemoryLimitError, ZreplayError
from zreplay.replay.cells import answers
from zreplay.replay.memory import limited
from zreplay.sweep.cell import Chunk
from zreplay.sweep.executor import Answers, Told


class Local:
    """Replays on ``cores`` cores of this machine."""

    def __init__(self, cores: int, at_once: int, memory_limit_bytes: int | None = None) -> None:
        self._cores = cores
        self._at_once = at_once
        self._memory_limit_bytes = memory_limit_bytes
        self._is_over = False

    @property
    def workers(self) -> int:
        """One: all cores share a pass."""
        return 1

    def run(self, chunks: Sequence[Chunk], told: Told) -> Iterator[tuple[Chunk, Answers]]:
        """One chunk after the other on all cores; several at the same time where they have fewer cells than cores."""
        cells = max((len(chunk.cells) for chunk in chunks), default=1)
        side_by_side = max(1, self._cores // cells)
        threads = -(-self._cores // side_by_side)
        if side_by_side == 1:
            for chunk in chunks:
                yield chunk, self._replay(chunk, threads, told)
            return
        with ThreadPoolExecutor(side_by_side) as pool:
            try:
                futures = {pool.submit(self._replay, chunk, threads, told): chunk for chunk in chunks}
                for future in as_completed(futures):
                    yield futures.pop(future), future.result()
            finally:  # an interrupt, or a full disk
                self._is_over = True
                pool.shutdown(wait=False, cancel_futures=True)

    def _replay(self, chunk: Chunk, threads: int, told: Told) -> Answers:
        configs = [cell.config for cell in chunk.cells]
        progress = limited(self._memory_limit_bytes, partial(self._told, chunk, told))
        try:
            return answers(
                configs,
                progress=progress,
                workers=threads,
                trace_sha256=chunk.trace.sha256,
                at_once=self._at_once,
            )
        except MemoryLimitError:
            raise
        except ZreplayError as error:
            return [error] * len(configs)

    def _told(self, chunk: Chunk, told: Told, rows: int, all_rows: int) -> None:
        if self._is_over:
            raise ZreplayError("stopped")
        told(chunk, rows / max(all_rows, 1))
