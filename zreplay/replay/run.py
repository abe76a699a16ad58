"""Replays from a trace to run directories, one or several at a time, and a directory read back."""

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import _zreplay
import polars as pl
import pyarrow as pa

from zreplay import __version__
from zreplay.errors import ModelError
from zreplay.replay.calls import COLUMNS as CALL_COLUMNS
from zreplay.replay.calls import with_calls
from zreplay.replay.config import Config
from zreplay.replay.directory import (
    SCHEMA_VERSION,
    TableFile,
    new_directory,
    read_manifest,
    refuse_existing,
    write_manifest,
    write_table,
)
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.scaling import Scaling
from zreplay.trace.files import Trace, open_trace

#: Rows of a batch handed to the engine: large enough to make the crossing free, small enough to stay in cache.
BATCH_ROWS = 65_536
#: Columns every replay reads.
COLUMNS = ("ts_ns", "op", "type", "offset", "size", "pid", "result", *CALL_COLUMNS)
#: Timeline rows kept in memory before they go to the file.
TIMELINE_ROWS = 8_192

Progress = Callable[[int, int], None]  # rows replayed, rows in all


@dataclass(frozen=True)
class Run:
    """A complete run directory. Columns and units: docs/run-directory.md."""

    directory: Path
    manifest: dict[str, Any]

    def timeline(self) -> pl.LazyFrame:
        """State and cumulative counters over trace time: one row per sample, ascending ``ts_ns`` (ns)."""
        return pl.scan_parquet(self.directory / "timeline.parquet")

    def operations(self) -> pl.LazyFrame:
        """One row per kind of operation: count, counted costs, nanoseconds (total and quantiles)."""
        return pl.scan_parquet(self.directory / "operations.parquet")

    def classes(self) -> pl.LazyFrame:
        """Occupancy over time: zsmalloc per size class, zbud by free chunks."""
        return pl.scan_parquet(self.directory / "classes.parquet")

    def observations(self) -> pl.LazyFrame:
        """The model's state after every event; only of a run with ``observe``."""
        return pl.scan_parquet(self.directory / "observations.parquet")

    def summary(self) -> dict[str, Any]:
        """The run's answer, by the names that ``zreplay run --json`` prints."""
        row = pl.read_parquet(self.directory / "summary.parquet").row(0, named=True)
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


def run_together(configs: Sequence[Config], progress: Progress | None = None, *, workers: int = 1) -> list[Run]:
    """Replay one trace through several configurations in one pass: each batch is decoded once and fed to all.

    Every run directory is whole or absent; a failure of one replay leaves none of this pass. The engine releases the
    interpreter's lock, so ``workers`` threads replay at the same time, while the next batch is being decoded.

    Raises:
        UsageError, TraceError, ModelError: as :func:`run`.
    """
    trace = open_trace(configs[0].trace)
    for config in configs:
        refuse_existing(config.out, force=config.force)
    with ExitStack() as directories:
        sizes = RecordedSizes(trace, configs)
        resolved = [config.resolved(trace.metadata) for config in configs]
        loads = future_loads(trace, resolved)
        recorders = [
            Recorder(config, directories.enter_context(new_directory(config.out, force=config.force)), sizes, loads)
            for config in resolved
        ]
        started = time.perf_counter()
        with ThreadPoolExecutor(workers) as threads:
            rows = 0
            feeding: list[Future[None]] = []
            batches = trace.batches(columns=columns_of(resolved), batch_rows=BATCH_ROWS)
            for batch, calls in with_calls(trace, batches):
                for fed in feeding:
                    fed.result()
                sizes.prepare(batch)
                feeding = [threads.submit(recorder.feed, batch, calls) for recorder in recorders]
                rows += batch.num_rows
                if progress:
                    progress(rows, trace.rows)
            for fed in feeding:
                fed.result()
        content_hash = trace.content_hash()
        for recorder in recorders:
            recorder.finish(trace, content_hash, started)
    return [open_run(config.out) for config in configs]


def columns_of(configs: Sequence[Config]) -> tuple[str, ...]:
    """What has to be decoded: z3fold has lists for each CPU, zswap since 6.8 one for each cgroup and node, and a driven
    replay follows interrupted compactions."""
    more = ["cpu"] if any(config.pool in (None, "z3fold") for config in configs) else []
    more += ["asked_by", "cgroup", "node"] if any(config.mm in (None, "entry-lru") for config in configs) else []
    more += ["seen_pool_pages"] if any(config.driven or config.paced for config in configs) else []
    return (*COLUMNS, *more)


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
        self._engine_seconds = 0.0

    def feed(self, batch: pa.RecordBatch, calls: _zreplay.Calls | None) -> None:
        """Replay a batch. The time taken is this thread's own, so that neighbours on the machine do not count."""
        begun = time.thread_time()
        with self._checked():
            self._replay.feed(batch, calls)
        self._engine_seconds += time.thread_time() - begun
        if self._replay.samples_waiting >= TIMELINE_ROWS:
            self._flush()
        if self._observations:
            self._observations.append(pa.record_batch(self._replay.take_observations()))

    def finish(self, trace: Trace, content_hash: str, started: float) -> None:
        """The last check and everything that is written at the end; the manifest last."""
        with self._checked():
            self._replay.finish()
        self._flush()
        for file in (self._timeline, self._classes, self._observations):
            if file:
                file.close()
        seconds = time.perf_counter() - started
        summary = self._scaling.row(_summary(self._replay, self._config, seconds, self._engine_seconds))
        write_table(self._staging / "operations.parquet", self._replay.operations())
        settings = summary.pop("config")
        row = summary | {f"config_{name}": value for name, value in settings.items()}
        write_table(self._staging / "summary.parquet", [row])
        write_manifest(self._staging, _manifest(self._config, trace, content_hash, row))

    def _flush(self) -> None:
        self._timeline.append(self._scaling.batch(pa.record_batch(self._replay.take_timeline())))
        self._classes.append(self._scaling.batch(pa.record_batch(self._replay.take_classes())))

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except _zreplay.CheckFailed as error:
            config = self._config
            raise ModelError(f"{config.trace}: {config.index} over {config.pool}: {error}") from error


def _summary(replay: _zreplay.Replay, config: Config, seconds: float, engine_seconds: float) -> dict[str, Any]:
    counters = replay.counters()
    events = counters["events"]
    operations = {row["op"]: row for row in replay.operations()}
    loads = operations["load"]
    taken = counters["stores"] - counters["stores_rejected"]
    lookups = counters["loads_hit"] + counters["loads_missed"] - counters["loads_unknown"]
    return {
        "events": events,
        "events_per_second": events / seconds if seconds else 0.0,
        "seconds": seconds,
        "ns_per_event": engine_seconds / events * 1e9 if events else 0.0,
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
    processor = platform.processor() or platform.machine()
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
        "host": {"system": platform.platform(), "processor": processor, "cpus": os.cpu_count()},
        "versions": {"python": platform.python_version(), "pyarrow": pa.__version__, "polars": pl.__version__},
        "files": ["timeline.parquet", "operations.parquet", "classes.parquet", "summary.parquet"],
    }
