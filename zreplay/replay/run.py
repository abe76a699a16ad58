"""Replays from a trace to run directories, one or several at a time, and a directory read back."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _zreplay
import pyarrow as pa

from zreplay import __version__
from zreplay.errors import ModelError
from zreplay.replay.batches import batches_of
from zreplay.replay.config import Config
from zreplay.replay.directory import (
    SCHEMA_VERSION,
    TableFile,
    new_directories,
    read_manifest,
    read_rows,
    refuse_existing,
    write_manifest,
    write_table,
)
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import SHORT_TRACE_ROWS, RecordedSizes
from zreplay.replay.scaling import Scaling
from zreplay.replay.threads import Later, Pass, Reader, together
from zreplay.trace.files import Trace, open_trace
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import Rows, SampledTrace

if TYPE_CHECKING:
    import polars as pl

    from zreplay.replay.sampling import Quarter

#: Rows of a batch handed to the engine: large enough to make the crossing free, small enough to stay in cache and to be
#: there soon, as nobody has anything to do before the first one is.
BATCH_ROWS = 32_768
#: Timeline rows kept in memory before they go to the file.
TIMELINE_ROWS = 8_192

Progress = Callable[[int, int], None]  # rows replayed, rows in all


@dataclass(frozen=True)
class Run:
    """A complete run directory. Columns and units: docs/run-directory.md."""

    directory: Path
    manifest: dict[str, Any]
    #: The one row of summary.parquet, where this process has written it.
    _row: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def timeline(self) -> "pl.LazyFrame":
        """State and cumulative counters over trace time: one row per sample, ascending ``ts_ns`` (ns)."""
        return self._scan("timeline")

    def operations(self) -> "pl.LazyFrame":
        """One row per kind of operation: count, counted costs, nanoseconds (total and quantiles; with ``timing``)."""
        return self._scan("operations")

    def classes(self) -> "pl.LazyFrame":
        """Occupancy over time: zsmalloc per size class, zbud by free chunks."""
        return self._scan("classes")

    def observations(self) -> "pl.LazyFrame":
        """The model's state after every event; only of a run with ``observe``."""
        return self._scan("observations")

    def _scan(self, table: str) -> "pl.LazyFrame":
        import polars as pl  # 0.1 s, which a replay need not wait for

        return pl.scan_parquet(self.directory / f"{table}.parquet")

    def summary(self) -> dict[str, Any]:
        """The run's answer, by the names that ``zreplay run --json`` prints."""
        row = dict(self._row or read_rows(self.directory / "summary.parquet")[0])
        config = {name.removeprefix("config_"): row.pop(name) for name in list(row) if name.startswith("config_")}
        return {**row, "config": config}


def open_run(directory: str | os.PathLike[str]) -> Run:
    """Open a run directory.

    Raises:
        UsageError: it is not complete, not zreplay's, or of a newer major schema version.
    """
    path = Path(directory)
    return Run(path, read_manifest(path))


def run(config: Config, progress: Progress | None = None) -> Run:
    """Replay ``config.trace`` and write ``config.out``.

    Raises:
        UsageError: an option or path that cannot be used; an output that exists.
        TraceError: the trace is damaged, of a newer format, or has a row that cannot be.
        ModelError: a structure of the model failed its own check (a bug of zreplay).
    """
    return run_together([config], progress)[0]


def run_together(
    configs: Sequence[Config], progress: Progress | None = None, *, workers: int = 1, trace_sha256: str | None = None
) -> list[Run]:
    """Replay one trace through several configurations in one pass: each batch is decoded once and fed to all.

    Configurations of another sample of it (:attr:`zreplay.replay.config.Config.sample`) have a pass of their own.

    Every run directory is whole or absent; a failure of one replay leaves none of this pass. The engine releases the
    interpreter's lock, so ``workers`` threads replay at the same time, while this one decodes the batches to come.
    ``trace_sha256`` is the trace's, if it is known; else it is computed meanwhile.

    Raises:
        UsageError, TraceError, ModelError: as :func:`run`.
    """
    started = time.perf_counter()
    trace = open_trace(configs[0].trace)
    for config in configs:
        refuse_existing(config.out, force=config.force)
    content_hash = trace.content_hash if trace_sha256 is None else lambda: trace_sha256
    hashed = Later(content_hash)
    with new_directories([config.out for config in configs]) as staged:
        resolved = [config.resolved(trace.metadata) for config in configs]
        recorders: dict[Path, Recorder] = {}
        samples = list(dict.fromkeys(Sample.parse(config.sample) for config in resolved))
        for number, sample in enumerate(samples):
            some = {
                staging: config
                for staging, config in zip(staged, resolved, strict=True)
                if Sample.parse(config.sample) == sample
            }
            told = _Told(progress, trace.rows, number, len(samples), sample)
            recorders |= _replayed(trace if sample.is_whole else SampledTrace(trace, sample), some, told, workers)
        sha256 = hashed.result()
        together([partial(recorders[staging].write, trace, sha256, started) for staging in staged], workers)
    return [
        Run(config.out, recorders[staging].manifest, recorders[staging].row)
        for config, staging in zip(configs, staged, strict=True)
    ]


_Batch = tuple[pa.RecordBatch, _zreplay.Calls | None]


def _replayed(rows: Rows, configs: dict[Path, Config], told: "_Told", workers: int) -> "dict[Path, Recorder]":
    """One pass over a trace, or over a sample of it, for the resolved configurations by their staging directories."""
    several = list(configs.values())
    sizes = RecordedSizes(rows, several)
    sizes.begin()
    loads = future_loads(rows, several)
    recorders = {staging: Recorder(config, staging, sizes, loads) for staging, config in configs.items()}
    beside = _quarters(rows, configs, sizes) if isinstance(rows, SampledTrace) else {}
    readers: list[Reader[_Batch]] = [*recorders.values(), *(quarter for some in beside.values() for quarter in some)]
    # Of a short trace the first batch is waited for, and the last one, for a good part of the time.
    batch_rows = BATCH_ROWS if rows.rows > SHORT_TRACE_ROWS else max(1, BATCH_ROWS // 2)
    try:
        Pass(readers, workers).run(told.of(batches_of(rows, several, sizes, batch_rows)))
    finally:
        for recorder in recorders.values():
            recorder.rest()
    if isinstance(rows, SampledTrace):
        for staging, quarters in beside.items():
            recorders[staging].tell_whole(rows, quarters)
    return recorders


def _quarters(read: SampledTrace, configs: dict[Path, Config], sizes: RecordedSizes) -> "dict[Path, list[Quarter]]":
    """What is replayed beside each replay of a sample to tell its error: nothing where that would disturb times."""
    from zreplay.replay.sampling import QUARTERS, Quarter

    return {
        staging: [Quarter(read, config, number, sizes) for number in range(QUARTERS)]
        for staging, config in configs.items()
        if not config.timing
    }


@dataclass(frozen=True)
class _Told:
    """Who is told how far one of several passes over a trace has come."""

    progress: Progress | None
    trace_rows: int
    number: int
    passes: int
    sample: Sample

    def of(self, batches: Iterator[_Batch]) -> Iterator[_Batch]:
        rows = 0
        for batch, calls in batches:
            yield batch, calls
            rows += batch.num_rows
            if self.progress:
                read = min(self.sample.up(rows), self.trace_rows)  # of a sample: about so many
                self.progress(self.number * self.trace_rows + read, self.passes * self.trace_rows)


def make_replay(
    config: Config, sizes: RecordedSizes | None = None, loads: _zreplay.FutureLoads | None = None
) -> _zreplay.Replay:
    """The engine's replay of a resolved configuration. Without ``sizes``, stores that have no size are refused."""
    return _zreplay.Replay.make(sizes.engine if sizes else None, loads, **config.engine_settings())


class Recorder:
    """One replay under way and the files of its run directory that grow with it."""

    def __init__(self, config: Config, staging: Path, sizes: RecordedSizes, loads: _zreplay.FutureLoads | None) -> None:
        self._config = config
        self._staging = staging
        self._replay = make_replay(config, sizes, loads)
        self._timeline = TableFile(staging / "timeline.parquet")
        self._classes = TableFile(staging / "classes.parquet")
        self._observations = TableFile(staging / "observations.parquet") if config.observe else None
        self._scaling = Scaling.of(config)
        self._writing: Later[None] | None = None  # what the replay need not wait for
        self._engine_seconds = 0.0
        self._asked = time.perf_counter()  # for the first batch
        self._replayed = 0.0  # when the last event was, and checked
        self._whole: dict[str, float | int | None] = {}  # columns of the summary of a sample
        self.row: dict[str, Any] = {}  # of summary.parquet
        self.manifest: dict[str, Any] = {}

    def feed(self, batch: _Batch) -> None:
        """Replay a batch. The time taken is this thread's own, so that neighbours on the machine do not count."""
        begun = time.thread_time()
        with self._checked():
            self._replay.feed(*batch)
        self._engine_seconds += time.thread_time() - begun
        if self._replay.samples_waiting >= TIMELINE_ROWS:
            self._written()
            self._writing = Later(self._flush())
        if self._observations:
            self._observations.append(pa.record_batch(self._replay.take_observations()))

    def end(self) -> None:
        """The last check, and the end of the files that have grown."""
        with self._checked():
            self._replay.finish()
        self._replayed = time.perf_counter()
        self._written()
        self._flush()()
        for file in (self._timeline, self._classes, self._observations):
            if file:
                file.close()

    def rest(self) -> None:
        """Write no more, whether or not it has come to its end."""
        with suppress(Exception):
            self._written()

    def tell_whole(self, read: SampledTrace, quarters: "Sequence[Quarter]") -> None:
        """Say in the summary what the sample says of the whole, from its quarters replayed beside it."""
        from zreplay.replay.sampling import estimates

        with self._checked():
            self._whole = estimates(self._replay.counters(), self._config, read, quarters)

    def write(self, trace: Trace, trace_sha256: str, started: float) -> None:
        """Everything that is written at the end; the manifest last."""
        events = self._replay.counters()["events"]
        seconds = {
            "events_per_second": events / max(self._replayed - self._asked, 1e-9),
            "seconds": time.perf_counter() - started,
            "ns_per_event": self._engine_seconds / events * 1e9 if events else 0.0,
        }
        summary = self._scaling.row(_summary(self._replay, self._config, seconds))
        settings = summary.pop("config")
        self.row = summary | self._whole | {f"config_{name}": value for name, value in settings.items()}
        self.manifest = _manifest(self._config, trace, trace_sha256, self.row)
        operations = _with_durations(self._replay.operations(), self._config)
        write_table(self._staging / "operations.parquet", operations, _NANOSECONDS)
        write_table(
            self._staging / "summary.parquet",
            [self.row],
            dict.fromkeys(set(self._whole) - {"sample_slots"}, pa.float64()),
        )
        write_manifest(self._staging, self.manifest)

    def _flush(self) -> Callable[[], None]:
        """Take the samples there are; the call writes them."""
        timeline, classes = self._replay.take_timeline(), self._replay.take_classes()

        def write() -> None:
            self._timeline.append(self._scaling.batch(pa.record_batch(timeline)))
            self._classes.append(self._scaling.batch(pa.record_batch(classes)))

        return write

    def _written(self) -> None:
        """Wait for samples that are being written."""
        if self._writing:
            self._writing.result()
            self._writing = None

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except _zreplay.CheckFailed as error:
            config = self._config
            raise ModelError(f"{config.trace}: {config.index} over {config.pool}: {error}") from error


#: Columns of operations.parquet that are measured, and null where nothing was.
_NANOSECONDS = {"total_ns": pa.float64(), **dict.fromkeys(("p50_ns", "p90_ns", "p99_ns", "max_ns"), pa.int64())}


def _with_durations(operations: list[dict[str, Any]], config: Config) -> list[dict[str, Any]]:
    """The rows, without durations where none was taken: only ``timing`` measures operations as the kernel does them."""
    untimed = {"timed": 0, **dict.fromkeys(_NANOSECONDS)}
    return [row if config.timing and row["timed"] else row | untimed for row in operations]


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


def _manifest(config: Config, trace: Trace, content_hash: str, summary: dict[str, Any]) -> dict[str, Any]:
    """Everything needed to say what this run was, and to repeat it."""
    system = os.uname()
    processor = system.machine
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return {
        "schema_version": SCHEMA_VERSION,
        "zreplay": __version__,
        "config": config.model_settings(),
        "trace": {
            "path": str(config.trace),
            "sha256": content_hash,
            "rows": trace.rows,
            "metadata": asdict(trace.metadata),
        },
        # Of the sizes that were drawn; nothing else in a replay is random.
        "seed": config.seed,
        "stores_imputed": summary["stores_imputed"],
        "stores_imputed_share": summary["stores_imputed_share"],
        "host": {
            "system": f"{system.sysname}-{system.release}-{system.machine}",
            "processor": processor,
            "cpus": os.cpu_count(),
        },
        "versions": {"python": sys.version.split()[0], "pyarrow": pa.__version__},
        "files": ["timeline.parquet", "operations.parquet", "classes.parquet", "summary.parquet"],
    }
