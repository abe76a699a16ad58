"""Run directories read for comparing: checked, and the few figures taken that every table and chart starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.errors import TraceError, UsageError, why
from zreplay.replay.cells import GAUGES
from zreplay.replay.directory import read_rows
from zreplay.replay.run import Run, open_run

#: From here on it is sooner done by pyarrow.compute, which takes 30 ms to load.
_MANY_SAMPLES = 20_000


@dataclass(frozen=True)
class Result:
    """One run and its answer.

    Attributes:
        run: the run directory.
        settings: configuration with every default filled in, and ``zreplay``, the version that wrote the run.
        summary: the columns of summary.parquet that are not configuration.
        operations: kind of operation → its row of operations.parquet.
        means: gauge → mean over the timeline's samples; gauges that an older run does not have are absent.
    """

    run: Run
    settings: dict[str, Any]
    summary: dict[str, Any]
    operations: dict[str, dict[str, Any]]
    means: dict[str, float]

    @property
    def trace_sha256(self) -> str:
        """The identity of the trace that was replayed."""
        return str(self.run.manifest["trace"]["sha256"])

    @property
    def is_bound(self) -> bool:
        """Whether this is no design but a bound."""
        return bool(self.summary.get("is_bound"))

    @property
    def mode(self) -> str:
        """Of which mode its times are: ``timing`` (operations measured) or ``default`` (as fast as can be)."""
        return "timing" if self.settings.get("timing") else "default"

    @property
    def trace_path(self) -> Path:
        """Where the trace was when it was replayed."""
        return Path(self.run.manifest["trace"]["path"])

    @cached_property
    def has_trace(self) -> bool:
        """Whether the trace is still there, the same bytes."""
        from zreplay.trace.files import open_trace

        # The path is what the manifest says, which may be a stranger's: any file of this machine.
        try:
            return self.trace_path.is_file() and open_trace(self.trace_path).content_hash() == self.trace_sha256
        except (TraceError, UsageError, OSError, ValueError):
            return False


def load(directories: Sequence[Path | Run]) -> list[Result]:
    """Read run directories; any of the same major schema version will do.

    Raises:
        UsageError: a directory that is not a complete run, is damaged, or was written by a newer major version.
    """
    return [_load(place if isinstance(place, Run) else open_run(place)) for place in directories]


def _load(run: Run) -> Result:
    try:
        summary = run.summary()
        del summary["config"]
        operations = {row["op"]: row for row in read_rows(run.file("operations"))}
        means = _means(run.file("timeline"))
        run.file("classes")
        settings = {**run.manifest["config"], "zreplay": run.manifest["zreplay"]}
        if run.manifest["schema_version"] == "1.0" and "locate" in settings:  # 1.0 said by it what slots hold
            settings["slots_hold"] = settings.pop("locate")
        _ = run.manifest["trace"]["sha256"], run.manifest["trace"]["path"]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = why(error)
        raise UsageError(f"{run.directory}: damaged: {reason}; `zreplay run … --force` writes it anew") from error
    except (KeyError, TypeError, IndexError) as error:
        raise UsageError(f"{run.directory}: not a run directory of zreplay: no {error} in its manifest") from error
    return Result(run, settings, _of_all_slots(summary, settings), operations, means)


#: Counts of what happens to slots: of a sample its share, by how their names begin.
_OF_SLOTS = (
    *("stores", "loads_", "invalidates", "reject_", "pool_limit_hit", "writeback", "written_back"),
    *("device_", "swpout_", "objects_spilled"),
)


def _of_all_slots(summary: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The summary of a run with ``--sample`` as it would be of all slots, so that it can stand beside one of these."""
    if not settings.get("sample"):
        return summary
    from zreplay.trace.sample import Sample

    sample = Sample.parse(settings["sample"])
    scaled = {
        name: sample.up(value)
        for name, value in summary.items()
        if name.startswith(_OF_SLOTS) and isinstance(value, int)
    }
    told = {name: summary.get(f"whole_{name}") for name in ("device_reads", "device_writes")}
    return summary | scaled | {name: round(value) for name, value in told.items() if value is not None}


def _means(timeline: Path) -> dict[str, float]:
    """The means of those gauges that the file has, over its samples."""
    with pq.ParquetFile(timeline) as file:
        table = file.read([name for name in GAUGES if name in file.schema_arrow.names])
    means = {name: _mean(table[name]) for name in table.column_names}
    return {name: mean for name, mean in means.items() if mean is not None}


def _mean(column: pa.ChunkedArray) -> float | None:
    if len(column) > _MANY_SAMPLES:
        import pyarrow.compute as pc

        mean: float | None = pc.mean(column).as_py()
        return mean
    values = [value for value in column.to_pylist() if value is not None]
    return sum(values) / len(values) if values else None
