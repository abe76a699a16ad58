"""Replays of one configuration each, under way: fed from one pass over a trace, checked, timed, and their answers."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import _zreplay

from zreplay.errors import ModelError, PluginError
from zreplay.replay.batches import Batch, batches_of
from zreplay.replay.config import Config
from zreplay.replay.missing_size import SHORT_TRACE_ROWS, RecordedSizes
from zreplay.replay.scaling import Scaling
from zreplay.replay.threads import Pass, Reader
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import Rows, SampledTrace

if TYPE_CHECKING:
    from zreplay.replay.sampling import Quarter

#: Rows of a batch handed to the engine: large enough to make the crossing free, small enough to stay in cache and to be
#: there soon, as nobody has anything to do before the first one is.
BATCH_ROWS = 32_768
#: Timeline rows kept in memory before they are taken.
TIMELINE_ROWS = 8_192

Progress = Callable[[int, int], None]  # rows replayed, rows in all


@dataclass(frozen=True)
class Told:
    """Who is told how far one of several passes over a trace has come.

    Attributes:
        progress: who, if anybody.
        trace_rows: of the whole trace.
        sample: the slots whose rows the pass is of.
        number, passes: which one it is, from 0, and how many there are.
    """

    progress: Progress | None
    trace_rows: int
    sample: Sample
    number: int = 0
    passes: int = 1

    def of(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches of the pass, telling of each that has been taken."""
        rows = 0
        for batch, calls in batches:
            yield batch, calls
            rows += batch.num_rows
            if self.progress:
                read = min(self.sample.up(rows), self.trace_rows)  # of a sample: about so many
                self.progress(self.number * self.trace_rows + read, self.passes * self.trace_rows)


def feed_all(
    rows: Rows,
    configs: Sequence[Config],
    sizes: RecordedSizes,
    readers: Sequence[Reader[Batch]],
    workers: int,
    told: Told,
) -> None:
    """One pass over a trace, or a sample of it, for the readers of resolved ``configs``: each batch is decoded once."""
    # Of a short trace the first batch is waited for, and the last one, for a good part of the time.
    batch_rows = BATCH_ROWS if rows.rows > SHORT_TRACE_ROWS else max(1, BATCH_ROWS // 2)
    Pass(readers, workers).run(told.of(batches_of(rows, configs, sizes, batch_rows)))


def quarters_beside(rows: Rows, configs: Sequence[Config], sizes: RecordedSizes) -> "list[Sequence[Quarter]]":
    """What is replayed beside each replay of a sample to tell its error; nothing where that would disturb times."""
    if not isinstance(rows, SampledTrace):
        return [() for _ in configs]
    from zreplay.replay.sampling import QUARTERS, Quarter

    numbers = range(QUARTERS)
    return [[Quarter(rows, config, i, sizes) for i in numbers] if not config.timing else () for config in configs]


def make_replay(
    config: Config, sizes: RecordedSizes | None = None, loads: _zreplay.FutureLoads | None = None
) -> _zreplay.Replay:
    """The engine's replay of a resolved configuration. Without ``sizes``, stores that have no size are refused.

    Raises:
        PluginError: a plugin cannot make an instance.
    """
    with checked(config):
        return _zreplay.Replay.make(sizes.engine if sizes else None, loads, **config.engine_settings())


@contextmanager
def checked(config: Config, replay: _zreplay.Replay | None = None) -> Iterator[None]:
    """What the engine finds wrong in the block, as an error that names the replay, and the event of ``replay``.

    Raises:
        ModelError: a structure failed its check, or was told wrong by the reference beside it, and all are built in.
        PluginError: a plugin did something that cannot be, or a check failed where one has a part.
    """
    try:
        yield
    except _zreplay.CheckFailed as error:
        where = f"; after event {replay.counters()['events']}" if replay and " event " not in str(error) else ""
        if plugged_in := config.plugged_in:
            names = " and ".join(one.name for one in plugged_in)
            hint = "; --verify tells which answer was the first that is wrong" if not config.verify else ""
            raise PluginError(f"plugin {names}: {config.trace}: {error}{where}{hint}") from error
        raise ModelError(f"{config.trace}: {config.index} over {config.pool}: {error}{where}") from error
    except _zreplay.PluginFailed as error:
        where = f"; after event {replay.counters()['events']} of {config.trace}" if replay else ""
        raise PluginError(f"{error}{where}") from error


class Replaying:
    """One replay of a resolved configuration under way; who derives from it keeps the samples."""

    def __init__(self, config: Config, sizes: RecordedSizes, loads: _zreplay.FutureLoads | None) -> None:
        self.config = config
        self.scaling = Scaling.of(config)
        self.replay = make_replay(config, sizes, loads)
        self._asked = time.perf_counter()  # for the first batch
        self._replayed = 0.0  # when the last event was, and checked
        self._engine_seconds = 0.0
        self.whole: dict[str, float | int | None] = {}  # columns of the summary of a sample

    def feed(self, batch: Batch) -> None:
        """Replay a batch. The time taken is this thread's own, so that neighbours on the machine do not count."""
        begun = time.thread_time()
        with self._checked():
            self.replay.feed(*batch)
        self._engine_seconds += time.thread_time() - begun
        if self.replay.samples_waiting >= TIMELINE_ROWS:
            self.take_samples()

    def end(self) -> None:
        """The last check."""
        with self._checked():
            self.replay.finish()
        self._replayed = time.perf_counter()

    def tell_whole(self, rows: Rows, quarters: "Sequence[Quarter]") -> None:
        """Say in the summary what a sample says of the whole, from its quarters replayed beside it."""
        if not quarters or not isinstance(rows, SampledTrace):
            return
        from zreplay.replay.sampling import estimates

        with self._checked():
            self.whole = estimates(self.replay.counters(), self.config, rows, quarters)

    def take_samples(self) -> None:
        """Take the rows of the timeline and of the classes that there are."""
        raise NotImplementedError

    def summary(self, started: float) -> dict[str, Any]:
        """The row of summary.parquet, of a replay that has ended. ``seconds`` are counted from ``started``."""
        events = self.replay.counters()["events"]
        seconds = {
            "events_per_second": events / max(self._replayed - self._asked, 1e-9),
            "seconds": time.perf_counter() - started,
            "ns_per_event": self._engine_seconds / events * 1e9 if events else 0.0,
        }
        summary = self.scaling.row(_summary(self.replay, self.config, seconds))
        settings = summary.pop("config")
        return summary | self.whole | {f"config_{name}": value for name, value in settings.items()}

    def _checked(self) -> AbstractContextManager[None]:
        return checked(self.config, self.replay)


def _summary(replay: _zreplay.Replay, config: Config, seconds: dict[str, float]) -> dict[str, Any]:
    counters = replay.counters()
    events = counters["events"]
    operations = {row["op"]: row for row in replay.operations()}
    loads = operations["load"]
    taken = counters["stores"] - counters["stores_rejected"]
    lookups = counters["loads_hit"] + counters["loads_missed"] - counters["loads_unknown"]
    return {
        "events": events,
        **seconds,
        "writebacks": counters["written_back_pages"],
        "pool_pages_final": counters["pool_pages_final"],
        "nodes_visited_per_lookup": loads["nodes_visited"] / lookups if lookups else 0.0,
        **{name: value for name, value in counters.items() if name not in ("events", "pool_pages_final")},
        "stores_imputed_share": counters["stores_imputed"] / counters["stores"] if counters["stores"] else 0.0,
        "objects_spilled_share": counters["objects_spilled"] / taken if taken else 0.0,
        "device_writes": counters["stores_rejected"] + counters["written_back_pages"],
        "device_reads": counters["loads_missed"],
        **_cost_of_moving(operations, counters["pages_migrated"]),
        "is_bound": config.is_bound,
        "config": config.model_settings(),
    }


def _cost_of_moving(operations: dict[str, dict[str, Any]], pages: int) -> dict[str, float]:
    """What the index and the pool did for each page that moved, refused moves included; 0 if none did."""
    costs = (
        "nodes_visited",
        "cache_lines",
        "slots_written",
        "tag_words_written",
        "page_headers_read",
        "mm_slots_written",
    )
    rows = operations["migrate"], operations["cma"]
    return {f"moved_page_{cost}": sum(row[cost] for row in rows) / pages if pages else 0.0 for cost in costs}
