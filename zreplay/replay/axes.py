"""Many runs: the cross product of traces and values of a configuration, each in its own directory, kept and reused."""

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zreplay.errors import UsageError
from zreplay.replay.config import Config
from zreplay.replay.directory import file_of, read_manifest
from zreplay.replay.run import Run, run_together
from zreplay.trace.files import open_trace
from zreplay.version import __version__

#: What a comparison may vary: fields of :class:`Config` → how a value is read from the command line. To add an axis,
#: add its field here; option, directories and labels follow.
AXES: dict[str, Callable[[str], Any]] = {
    "design": str,
    "index": str,
    "pool": str,
    "kernel": str,
    "mm": str,
    "locate": str,
    "totalram_pages": int,
    "max_pool_percent": int,
    "accept_threshold_percent": int,
    "cma_every": int,
    "sample": str,
}

#: Replays that share one pass over a trace; more of them would need too many open files.
TOGETHER = 64


@dataclass(frozen=True)
class Cell:
    """One run of a cross product: a resolved configuration, whose ``out`` is its place, and its trace's SHA-256."""

    config: Config
    trace_sha256: str

    def kept(self) -> Run | None:
        """The run that is already there: whole, of the same trace, configuration and zreplay; else None."""
        try:
            manifest = read_manifest(self.config.out)
            same = (
                manifest.get("zreplay") == __version__
                and manifest.get("config") == json.loads(json.dumps(self.config.model_settings()))
                and manifest.get("trace", {}).get("sha256") == self.trace_sha256
            )
            for name in manifest.get("files", ()) if same else ():
                file_of(self.config.out, manifest, name.removesuffix(".parquet"))
        except UsageError:
            return None
        return Run(self.config.out, manifest) if same else None


def values_of(axis: str, words: Sequence[str]) -> list[Any]:
    """The values that ``words`` name on an axis of :data:`AXES`.

    Raises:
        UsageError: a word that is none.
    """
    try:
        return [AXES[axis](word) for word in words]
    except ValueError:
        raise UsageError(f"--{axis.replace('_', '-')}: found {','.join(words)!r}, expected whole numbers") from None


def cross(
    traces: Sequence[Path], axes: Mapping[str, Sequence[Any]], out: Path, *, timing: bool = False
) -> list[list[Cell]]:
    """Every combination of the axes' values for each trace, in the order given: a list of cells per trace.

    ``timing`` is the mode of all of them (:class:`zreplay.replay.config.Config`).

    A run's place is ``out/TRACE-HASH/VALUES``: nothing but its trace and its axes decides it, so a later comparison
    finds it. Limits appear in it only when given; a value left out is the trace's own.

    Raises:
        UsageError, TraceError: a trace that cannot be read, a value that cannot be.
    """
    products = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    groups = []
    for path in dict.fromkeys(traces):
        trace = open_trace(path)
        content_hash = trace.content_hash()
        folder = out / f"{path.stem}-{content_hash[:8]}"
        cells = []
        for values in products:
            config = Config(trace=path, out=out, force=True, timing=timing, **values).resolved(trace.metadata)
            words = [str(config.index), str(config.pool), str(config.kernel)]
            words += [f"{name}={value}" for name, value in values.items() if name not in ("index", "pool", "kernel")]
            words += ["timing"] if timing else []
            cells.append(Cell(replace(config, out=folder / "-".join(words).replace("/", "of")), content_hash))
        groups.append(list({cell.config.out: cell for cell in cells}.values()))
    return groups


def run_missing(cells: Sequence[Cell], progress: Callable[[int, int], None] | None = None) -> list[Run]:
    """The runs of one trace's cells, in their order; those that are not kept are replayed, on all cores, in one pass.

    Raises:
        UsageError, TraceError, ModelError: as :func:`zreplay.replay.run.run`.
    """
    runs = {cell.config.out: cell.kept() for cell in cells}
    missing = [cell for cell in cells if runs[cell.config.out] is None]
    for start in range(0, len(missing), TOGETHER):
        some = [cell.config for cell in missing[start : start + TOGETHER]]
        made = run_together(some, progress, workers=cores(), trace_sha256=missing[0].trace_sha256)
        runs |= {run.directory: run for run in made}
    return [run for cell in cells if (run := runs[cell.config.out])]


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))
