"""Replays of many configurations of one trace or of a sample of it, each decoded once, for their summaries alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from zreplay.replay.batches import batches_of
from zreplay.replay.config import Config
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import SHORT_TRACE_ROWS, RecordedSizes
from zreplay.replay.replaying import BATCH_ROWS, Batch, Replaying
from zreplay.replay.threads import Pass
from zreplay.trace.cut import Selection, cut
from zreplay.trace.files import Trace, open_trace
from zreplay.trace.sample import WHOLE, Sample

#: Replays of one pass: all of them are in memory at once.
AT_ONCE = 16


class Replays(Protocol):
    """Somebody who replays."""

    @property
    def trace_rows(self) -> int:
        """Rows of the whole trace."""

    @property
    def may_sample(self) -> bool:
        """Whether a share of the trace can be replayed."""

    def rows(self, configs: Sequence[Config], share: Sample = WHOLE) -> list[dict[str, Any]]:
        """The row of summary.parquet of each resolved configuration, on that share of the trace's slots."""


class TraceReplays:
    """A trace, and the samples of it that were asked for.

    What is decoded is kept, of a trace that is not long: a search passes over it many times.

    Args:
        path: the trace.
        configs: all that may be asked for; they decide which columns are decoded.
        folder: for the samples.
        workers: threads.
        progress: told of rows replayed since the last call, summed over configurations.
    """

    def __init__(
        self,
        path: Path,
        configs: Sequence[Config],
        folder: Path,
        *,
        workers: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._configs = configs
        self._folder = folder
        self._workers = workers
        self._progress = progress
        self._read = {WHOLE: _Read(open_trace(path), configs)}
        self.trace_rows = self._read[WHOLE].trace.rows
        self.may_sample = not self._read[WHOLE].trace.metadata.sample
        #: Of all replays there were: how many on which share, and events that went through them.
        self.replayed: dict[Sample, int] = {}
        self.events = 0

    def rows(self, configs: Sequence[Config], share: Sample = WHOLE) -> list[dict[str, Any]]:
        """The row of summary.parquet of each resolved configuration, on that share of the trace's slots.

        Raises:
            TraceError, ModelError: as :func:`zreplay.replay.run.run`.
        """
        read = self._read.get(share) or self._sampled(share)
        found: list[dict[str, Any]] = []
        for start in range(0, len(configs), AT_ONCE):
            some = [
                config if share.is_whole else replace(config, trace=read.trace.path, trace_sample=str(share))
                for config in configs[start : start + AT_ONCE]
            ]
            counted = [_Counted(config, read) for config in some]
            told = read.batches(lambda rows, several=len(some): self._tell(rows * several))
            Pass(counted, self._workers).run(told)
            found += [one.row for one in counted]
        self.replayed[share] = self.replayed.get(share, 0) + len(configs)
        self.events += read.trace.rows * len(configs)
        return found

    def _sampled(self, share: Sample) -> "_Read":
        place = self._folder / f"{share.keep}-of-{share.of}.parquet"
        cut(self._read[WHOLE].trace.path, place, Selection(sample=share))
        self._read[share] = _Read(open_trace(place), self._configs)
        return self._read[share]

    def _tell(self, rows: int) -> None:
        if self._progress:
            self._progress(rows)


class _Read:
    """A trace with what its replays share."""

    def __init__(self, trace: Trace, configs: Sequence[Config]) -> None:
        self.trace = trace
        self._configs = configs
        self.sizes = RecordedSizes(trace, configs)
        self.sizes.begin()
        self.loads = future_loads(trace, configs)
        self._kept: list[Batch] | None = None

    def batches(self, told: Callable[[int], None]) -> Iterable[Batch]:
        """All of them, ``told`` the rows of each when it has been taken."""
        short = self.trace.rows <= SHORT_TRACE_ROWS
        rows = BATCH_ROWS if not short else max(1, BATCH_ROWS // 2)
        kept: list[Batch] = []
        for batch in self._kept or batches_of(self.trace, self._configs, self.sizes, rows):
            if short:
                kept.append(batch)
            yield batch
            told(batch[0].num_rows)
        self._kept = kept or None


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
