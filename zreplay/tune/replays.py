"""Replays of many configurations of one trace or of a sample of it, each decoded once, for their summaries alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from zreplay.replay.batches import Batch, batches_of
from zreplay.replay.config import Config
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import BATCH_ROWS, Replaying
from zreplay.replay.threads import Pass, together
from zreplay.trace.files import open_trace
from zreplay.trace.sample import WHOLE, Sample
from zreplay.trace.sampled import Rows, sampled

#: Replays of one pass: all of them are in memory at once.
AT_ONCE = 16
#: Decoded rows that are kept, some 70 bytes each.
_KEPT_ROWS = 1 << 21


class Replays(Protocol):
    """Somebody who replays."""

    @property
    def trace_rows(self) -> int:
        """Rows of the whole trace."""

    def rows(self, configs: Sequence[Config], share: Sample = WHOLE) -> list[dict[str, Any]]:
        """The row of summary.parquet of each resolved configuration, on that share of the trace's slots."""


class TraceReplays:
    """A trace, and the samples of it that were asked for.

    What is decoded is kept, of a trace that is not long: a search passes over it many times.

    Args:
        path: the trace.
        configs: all that may be asked for; they decide which columns are decoded.
        workers: threads.
        progress: told of rows replayed since the last call, summed over configurations.
    """

    def __init__(
        self,
        path: Path,
        configs: Sequence[Config],
        *,
        workers: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._configs = configs
        self._workers = workers
        self._progress = progress
        self._trace = open_trace(path)
        self._reads = {WHOLE: _Read(self._trace, self._trace.rows, configs)}
        self.trace_rows = self._trace.rows

    def rows(self, configs: Sequence[Config], share: Sample = WHOLE) -> list[dict[str, Any]]:
        """The row of summary.parquet of each resolved configuration, on that share of the trace's slots.

        Raises:
            TraceError, ModelError: as :func:`zreplay.replay.run.run`.
        """
        if share not in self._reads:
            self._reads[share] = _Read(sampled(self._trace, share), share.down(self._trace.rows), self._configs)
        read = self._reads[share]
        if not share.is_whole:
            configs = [replace(config, sample=str(share)) for config in configs]
        if (kept := read.kept()) is not None:
            # From memory: one replay after the other in each thread, so that its state stays in the processor's cache.
            found: list[dict[str, Any]] = [{} for _ in configs]
            calls = [partial(self._replay, config, read, kept, row) for config, row in zip(configs, found, strict=True)]
            together(calls, self._workers)
            return found
        found = []
        for start in range(0, len(configs), AT_ONCE):
            some = [_Counted(config, read) for config in configs[start : start + AT_ONCE]]
            Pass(some, self._workers).run(self._told(read.batches(), len(some)))
            found += [one.row for one in some]
        return found

    def _replay(self, config: Config, read: "_Read", batches: Sequence[Batch], row: dict[str, Any]) -> None:
        counted = _Counted(config, read)
        for batch in self._told(batches, 1):
            counted.feed(batch)
        counted.end()
        row.update(counted.row)

    def _told(self, batches: Iterable[Batch], replays: int) -> Iterator[Batch]:
        for batch in batches:
            yield batch
            if self._progress:
                self._progress(batch[0].num_rows * replays)


class _Read:
    """A trace with what its replays share."""

    def __init__(self, trace: Rows, about_rows: int, configs: Sequence[Config]) -> None:
        self.trace = trace
        self.about_rows = about_rows
        self._configs = configs
        self.sizes = RecordedSizes(trace, configs)
        self.sizes.begin()
        self.loads = future_loads(trace, configs)
        self._kept: list[Batch] | None = None

    def batches(self) -> Iterator[Batch]:
        """All of them, decoded anew."""
        # So many rows of the whole that a sample has as many: each batch costs every replay a turn at the interpreter.
        of_the_whole = -(-self.trace.rows // max(self.about_rows, 1))
        return batches_of(self.trace, self._configs, self.sizes, BATCH_ROWS // 2 * max(of_the_whole, 1))

    def kept(self) -> list[Batch] | None:
        """All of them, decoded once, of a trace that is not long; else None."""
        if self._kept is None and self.about_rows <= _KEPT_ROWS:
            self._kept = list(self.batches())
        return self._kept


class _Counted(Replaying):
    """A replay whose samples nobody wants."""

    def __init__(self, config: Config, read: _Read) -> None:
        super().__init__(config, read.sizes, read.loads)
        self._started = perf_counter()
        self.row: dict[str, Any] = {}

    def take_samples(self) -> None:
        self.replay.take_timeline()
        self.replay.take_classes()

    def end(self) -> None:
        super().end()
        self.row = self.summary(self._started)
        del self.replay  # its memory is the next one's
