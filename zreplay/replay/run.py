"""Replays from a trace to run directories, one or several at a time, and a directory read back."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _zreplay
import pyarrow as pa

from zreplay.replay.batches import Batch
from zreplay.replay.config import Config
from zreplay.replay.directory import (
    SCHEMA_VERSION,
    TableFile,
    file_of,
    new_directories,
    read_manifest,
    read_rows,
    refuse_existing,
    write_manifest,
    write_table,
)
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import Progress, Replaying, Told, feed_all, quarters_beside
from zreplay.replay.threads import Later, Reader, together
from zreplay.trace.files import Trace, open_trace
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import Rows, sampled
from zreplay.version import __version__

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Run:
    """A complete run directory. Columns and units: docs/run-directory.md.

    Attributes:
        directory: where it is.
        manifest: version, configuration, trace and host (manifest.json).
    """

    directory: Path
    manifest: dict[str, Any]
    #: The one row of summary.parquet, where this process has written it.
    _row: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def timeline(self) -> "pl.LazyFrame":
        """State and cumulative counters over trace time.

        One row per sample, ascending ``ts_ns`` (nanoseconds, int64); counters and gauges are uint64, density a double.
        """
        return self._scan("timeline")

    def operations(self) -> "pl.LazyFrame":
        """One row per kind of operation: ``op`` (string), count and counted costs (int64), nanoseconds.

        ``total_ns`` is a double, quantiles are int64; null without ``timing``.
        """
        return self._scan("operations")

    def classes(self) -> "pl.LazyFrame":
        """Occupancy over time: a row per sample and class (zsmalloc: its bytes; zbud: free chunks), all unsigned."""
        return self._scan("classes")

    def observations(self) -> "pl.LazyFrame":
        """The model's state after every event, a row each; only of a run with ``observe``."""
        return self._scan("observations")

    def file(self, table: str) -> Path:
        """A table's file, once it is known to be the one that was written; raises UsageError for any other."""
        return file_of(self.directory, self.manifest, table)

    def _scan(self, table: str) -> "pl.LazyFrame":
        import polars as pl  # 0.1 s, which a replay need not wait for

        return pl.scan_parquet(self.file(table))

    def summary(self) -> dict[str, Any]:
        """The run's answer, by the names that ``zreplay run --json`` prints."""
        row = dict(self._row or read_rows(self.file("summary"))[0])
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

    Args:
        config: what to replay, and where to put it.
        progress: told of rows replayed, and of how many there are.

    Returns:
        The run directory, complete; after an error there is none.

    Raises:
        UsageError: an option or path that cannot be used; an output that exists.
        TraceError: the trace is damaged, of a newer format, or has a row that cannot be.
        ModelError: a structure of the model failed its own check (a bug of zreplay).
        PluginError: a plugin failed.
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
        samples = dict.fromkeys(config.sample for config in resolved)
        for number, sample in enumerate(samples):
            some = {
                staging: config for staging, config in zip(staged, resolved, strict=True) if config.sample == sample
            }
            told = Told(progress, trace.rows, Sample.parse(sample), number, len(samples))
            recorders |= _replayed(sampled(trace, told.sample), some, told, workers)
        sha256 = hashed.result()
        together([partial(recorders[staging].write, trace, sha256, started) for staging in staged], workers)
    return [
        Run(config.out, recorders[staging].manifest, recorders[staging].row)
        for config, staging in zip(configs, staged, strict=True)
    ]


def _replayed(rows: Rows, configs: dict[Path, Config], told: Told, workers: int) -> "dict[Path, Recorder]":
    """One pass over a trace, or over a sample of it, for the resolved configurations by their staging directories."""
    several = list(configs.values())
    sizes = RecordedSizes(rows, several)
    loads = future_loads(rows, several, told.progress)
    recorders = {staging: Recorder(config, sizes, loads, staging=staging) for staging, config in configs.items()}
    sizes.begin()  # once all that a plugin may refuse is made: no thread is to be left behind
    beside = quarters_beside(rows, several, sizes)
    readers: list[Reader[Batch]] = [*recorders.values(), *(quarter for some in beside for quarter in some)]
    try:
        feed_all(rows, several, sizes, readers, workers, told)
    finally:
        for recorder in recorders.values():
            recorder.rest()
    for recorder, quarters in zip(recorders.values(), beside, strict=True):
        recorder.tell_whole(rows, quarters)
    return recorders


class Recorder(Replaying):
    """One replay under way and the files of its run directory that grow with it."""

    def __init__(
        self, config: Config, sizes: RecordedSizes, loads: _zreplay.FutureLoads | None, *, staging: Path
    ) -> None:
        super().__init__(config, sizes, loads)
        self._staging = staging
        self._timeline = TableFile(staging / "timeline.parquet")
        self._classes = TableFile(staging / "classes.parquet")
        self._observations = TableFile(staging / "observations.parquet") if config.observe else None
        self._writing: Later[None] | None = None  # what the replay need not wait for
        self.row: dict[str, Any] = {}  # of summary.parquet
        self.manifest: dict[str, Any] = {}

    def feed(self, batch: Batch) -> None:
        """Replay a batch, and keep what was observed."""
        super().feed(batch)
        if self._observations:
            self._observations.append(pa.record_batch(self.replay.take_observations()))

    def end(self) -> None:
        """The last check, and the end of the files that have grown."""
        super().end()
        self._written()
        self._flush()()
        for file in (self._timeline, self._classes, self._observations):
            if file:
                file.close()

    def take_samples(self) -> None:
        """Write them, while the replay goes on."""
        self._written()
        self._writing = Later(self._flush())

    def rest(self) -> None:
        """Write no more, whether or not it has come to its end."""
        with suppress(Exception):
            self._written()

    def write(self, trace: Trace, trace_sha256: str, started: float) -> None:
        """Everything that is written at the end; the manifest last."""
        self.row = self.summary(started)
        operations = _with_durations(self.replay.operations(), self.config)
        write_table(self._staging / "operations.parquet", operations, _NANOSECONDS)
        write_table(
            self._staging / "summary.parquet",
            [self.row],
            dict.fromkeys(set(self.whole) - {"sample_slots"}, pa.float64()),
        )
        self.manifest = write_manifest(self._staging, _manifest(self.config, trace, trace_sha256, self.row))
        del self.replay  # a plugin's destroy() comes before anything is in its place

    def _flush(self) -> Callable[[], None]:
        """Take the samples there are; the call writes them."""
        timeline, classes = self.replay.take_timeline(), self.replay.take_classes()

        def write() -> None:
            self._timeline.append(self.scaling.batch(pa.record_batch(timeline)))
            self._classes.append(self.scaling.batch(pa.record_batch(classes)))

        return write

    def _written(self) -> None:
        """Wait for samples that are being written."""
        if self._writing:
            self._writing.result()
            self._writing = None


#: Columns of operations.parquet that are measured, and null where nothing was.
_NANOSECONDS = {"total_ns": pa.float64(), **dict.fromkeys(("p50_ns", "p90_ns", "p99_ns", "max_ns"), pa.int64())}


def _with_durations(operations: list[dict[str, Any]], config: Config) -> list[dict[str, Any]]:
    """The rows, without durations where none was taken: only ``timing`` measures operations as the kernel does them."""
    untimed = {"timed": 0, **dict.fromkeys(_NANOSECONDS)}
    return [row if config.timing and row["timed"] else row | untimed for row in operations]


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
        # For people; nobody loads what is named here.
        "plugins": [
            {"kind": one.kind, "name": one.name, "version": one.version, "origin": one.origin, "sha256": one.sha256}
            for one in config.plugged_in
        ],
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
