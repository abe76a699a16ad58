"""Many configurations of one trace, asked for their answers alone: replayed together, and nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import _zreplay
import pyarrow as pa

from zreplay.errors import ModelError, TraceError, ZreplayError
from zreplay.replay.batches import Batch
from zreplay.replay.config import Config
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import Progress, Replaying, Told, feed_all, quarters_beside
from zreplay.replay.threads import Later, Reader
from zreplay.trace.files import open_trace
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import Rows, sampled

if TYPE_CHECKING:
    from zreplay.replay.sampling import Quarter

#: Replays of one pass. Decoding is a small part of what sixteen take, and all of them are in memory at once.
AT_ONCE = 16
#: Gauges whose mean over the timeline's samples is part of an answer.
GAUGES = (
    "stored_pages",
    "pool_pages",
    "pool_objects",
    "pool_bytes",
    "internal_fragmentation_bytes",
    "external_fragmentation_bytes",
    "index_entries",
    "index_bytes",
    "entry_bytes",
    "handle_bytes",
    "mm_bytes",
)


@dataclass(frozen=True)
class Answer:
    """What a replay has come to.

    Attributes:
        row: as in summary.parquet (docs/run-directory.md): metrics, and the configuration as ``config_…``.
        operations: kind of operation → its row of operations.parquet.
        means: gauge of :data:`GAUGES` → its mean over the timeline's samples.
    """

    row: dict[str, Any]
    operations: dict[str, dict[str, Any]]
    means: dict[str, float]


def summaries(
    configs: Sequence[Config],
    *,
    progress: Progress | None = None,
    workers: int = 1,
    trace_sha256: str | None = None,
    at_once: int = AT_ONCE,
) -> list[dict[str, Any]]:
    """The rows of summary.parquet of resolved configurations of one trace, in their order; as :func:`answers`.

    Raises:
        ZreplayError: also what the first configuration raised that failed.
    """
    found = answers(configs, progress=progress, workers=workers, trace_sha256=trace_sha256, at_once=at_once)
    rows = []
    for answer in found:
        if isinstance(answer, ZreplayError):
            raise answer
        rows.append(answer.row)
    return rows


def answers(
    configs: Sequence[Config],
    *,
    progress: Progress | None = None,
    workers: int = 1,
    trace_sha256: str | None = None,
    at_once: int = AT_ONCE,
) -> list[Answer | ZreplayError]:
    """The answers of resolved configurations of one trace, in their order; of one that fails, the error.

    They are replayed by ``workers`` threads in passes of ``at_once`` configurations, so memory is that of as many
    replays, however many configurations there are. ``progress`` is told of the rows of all passes.

    Raises:
        UsageError, TraceError: the trace cannot be read, or is not that of ``trace_sha256``.
    """
    trace = open_trace(configs[0].trace)
    hashed = Later(trace.content_hash) if trace_sha256 else None
    passes = [
        (sample, numbers[start : start + at_once])
        for sample, numbers in _by_sample(configs).items()
        for start in range(0, len(numbers), at_once)
    ]
    found: dict[int, Answer | ZreplayError] = {}
    for number, (sample, numbers) in enumerate(passes):
        told = Told(progress, trace.rows, Sample.parse(sample), number, len(passes))
        some = [configs[i] for i in numbers]
        found |= zip(numbers, _pass(sampled(trace, told.sample), some, workers, told), strict=True)
    if hashed and hashed.result() != trace_sha256:
        raise TraceError(f"{trace.path}: it has changed: found SHA-256 {hashed.result()}, expected {trace_sha256}")
    return [found[i] for i in range(len(configs))]


def _by_sample(configs: Sequence[Config]) -> dict[str | None, list[int]]:
    """The configurations' places, by the sample that they are replayed on."""
    places: dict[str | None, list[int]] = {}
    for i, config in enumerate(configs):
        places.setdefault(config.sample, []).append(i)
    return places


def _pass(rows: Rows, configs: Sequence[Config], workers: int, told: Told) -> "list[Answer | ZreplayError]":
    sizes = RecordedSizes(rows, configs)
    sizes.begin()
    loads = future_loads(rows, configs, told.progress)
    cells = [_Cell(config, sizes, loads) for config in configs]
    beside = quarters_beside(rows, configs, sizes)
    readers: list[Reader[Batch]] = [*cells, *(quarter for some in beside for quarter in some)]
    feed_all(rows, configs, sizes, readers, workers, told)
    return [cell.answer(rows, quarters) for cell, quarters in zip(cells, beside, strict=True)]


class _Cell:
    """One replay of several: when it fails, the others go on."""

    def __init__(self, config: Config, sizes: RecordedSizes, loads: _zreplay.FutureLoads | None) -> None:
        self._started = perf_counter()
        self._config = config
        self._replaying: _Averaging | None = None
        self._error: ZreplayError | None = None
        try:
            self._replaying = _Averaging(config, sizes, loads)
        except Exception as error:
            self._fail(error)

    def feed(self, batch: Batch) -> None:
        try:
            if self._replaying:
                self._replaying.feed(batch)
        except Exception as error:
            self._fail(error)

    def end(self) -> None:
        try:
            if self._replaying:
                self._replaying.end()
        except Exception as error:
            self._fail(error)

    def answer(self, rows: Rows, quarters: "Sequence[Quarter]") -> Answer | ZreplayError:
        """What has come of it, when all have ended, the quarters of a sample among them."""
        try:
            if self._replaying:
                self._replaying.tell_whole(rows, quarters)
                return self._replaying.answer(self._started)
        except Exception as error:
            self._fail(error)
        assert self._error is not None
        return self._error

    def _fail(self, error: Exception) -> None:
        self._replaying = None  # its memory is the others'
        if not isinstance(error, ZreplayError):
            config = self._config
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            error = ModelError(f"{config.trace}: {config.index} over {config.pool}: {reason}")
        self._error = error


class _Averaging(Replaying):
    """A replay of whose samples the means are kept."""

    def __init__(self, config: Config, sizes: RecordedSizes, loads: _zreplay.FutureLoads | None) -> None:
        super().__init__(config, sizes, loads)
        self._samples = 0
        self._sums: dict[str, float] = dict.fromkeys(GAUGES, 0)

    def take_samples(self) -> None:
        """Add them up."""
        self.replay.take_classes()
        rows = self.scaling.batch(pa.record_batch(self.replay.take_timeline()))
        self._samples += rows.num_rows
        for name in GAUGES:
            self._sums[name] += sum(rows[name].to_pylist())

    def answer(self, started: float) -> Answer:
        self.take_samples()
        operations = {row["op"]: row for row in self.replay.operations()}
        means = {name: total / self._samples for name, total in self._sums.items()} if self._samples else {}
        return Answer(self.summary(started), operations, means)
