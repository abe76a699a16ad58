"""A sweep's directory: one Parquet file a cell, hive-partitioned, each whole or absent.

DIR/sweep.json                              what the cells are of: traces by their hashes, for people and `compare`
DIR/trace=NAME-HASH/cell=KEY/summary.parquet    one row; nothing in it depends on when, where or beside what it was
DIR/times.jsonl                             what was measured, a line each time that a cell was replayed
DIR/.sweep.lock, DIR/.new/                  the sweep that writes here, and files that are not whole yet
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, get_args, get_type_hints

import pyarrow as pa

from zreplay.analysis.results import Result
from zreplay.errors import TraceError, UsageError, why
from zreplay.replay.config import Config
from zreplay.replay.directory import SCHEMA_VERSION, read_rows, versioned, write_parquet
from zreplay.replay.run import Run
from zreplay.replay.threads import together
from zreplay.sweep.cell import Cell
from zreplay.version import __version__
from zreplay.whole import cannot_write, sync

MANIFEST = "sweep.json"
SUMMARY = "summary.parquet"
#: Columns of a run's summary that are measured, and so no part of a cell.
MEASURED = ("seconds", "events_per_second", "ns_per_event")
_SYNCED_TOGETHER = 8


class SweepDirectory:
    """The directory while a sweep writes into it: nobody else does."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self._lock = lock
        self._new = path / ".new"

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator["SweepDirectory"]:
        """Make it if need be, and lock it; what an earlier sweep did not finish is removed.

        Raises:
            UsageError: another sweep is at work there, it holds something else, or it cannot be written.
        """
        _refuse_others(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = (path / ".sweep.lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise cannot_write(path, error) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                raise UsageError(
                    f"{path}: another sweep is at work there (process {lock.read().strip() or 'unknown'}); wait for "
                    "it, or -o names another directory"
                ) from None
            directory = cls(path, lock)
            try:
                lock.truncate(0)
                print(os.getpid(), file=lock, flush=True)
                directory._begin()
            except OSError as error:
                directory._end()
                raise cannot_write(path, error) from error
            try:
                yield directory
            finally:
                directory._end()

    def _begin(self) -> None:
        self._new.mkdir(exist_ok=True)
        for left in self._new.iterdir():
            left.unlink()
        times = self.path / "times.jsonl"
        if times.exists():
            text = times.read_bytes()
            os.truncate(times, text.rfind(b"\n") + 1)  # a line that a full disk or a kill has torn

    def _end(self) -> None:
        with suppress(OSError):
            for left in self._new.iterdir():
                left.unlink()
        with suppress(OSError):
            self._new.rmdir()

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells that are not there."""
        return missing_of(self.path, cells)

    def note(self, cells: Sequence[Cell]) -> None:
        """Write down which cells are to come, and of what, beside what is written there.

        Raises:
            TraceError: one of the traces has changed since it was swept.
            UsageError: the directory cannot be written.
        """
        before: dict[str, Any] = read_manifest(self.path) if is_sweep(self.path) else {"traces": {}, "cells": []}
        known = before["traces"]
        for trace in {cell.trace.partition: cell.trace for cell in cells}.values():
            place = _absolute(trace.place)
            for partition, entry in known.items():
                there = sum(1 for _ in _files(self.path, partition))
                if entry["path"] == place and entry["sha256"] != trace.sha256 and there:
                    raise TraceError(
                        f"{trace.place}: it has changed since {there:,} cells in {self.path} were replayed from it: "
                        f"found SHA-256 {trace.sha256[:16]}…, expected {entry['sha256'][:16]}…; -o names another "
                        "directory for the new one"
                    )
            known[trace.partition] = {
                "path": place,
                "sha256": trace.sha256,
                "rows": trace.rows,
                "metadata": asdict(trace.metadata),
            }
        keys = list(dict.fromkeys([*before["cells"], *(cell.key for cell in cells)]))
        manifest = {"schema_version": SCHEMA_VERSION, "zreplay": __version__, "traces": known, "cells": keys}
        beside = self._new / MANIFEST
        try:
            beside.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
            sync(beside)
            beside.replace(self.path / MANIFEST)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def write(self, rows: Mapping[Cell, dict[str, Any]]) -> None:
        """Write the rows of finished cells: each file beside its place, synced, renamed.

        Raises:
            UsageError: the system refused it. Cells that have their place keep it.
        """
        beside = {cell: self._new / cell.key for cell in rows}
        try:
            times = "".join(
                json.dumps({"cell": cell.key, **{name: row[name] for name in MEASURED if name in row}}) + "\n"
                for cell, row in rows.items()
            )
            for cell, row in rows.items():
                kept = {name: value for name, value in row.items() if name not in MEASURED}
                _write_row(beside[cell], kept)
            together([partial(sync, path) for path in beside.values()], _SYNCED_TOGETHER)
            for cell, path in beside.items():
                place = place_of(self.path, cell)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)
            with (self.path / "times.jsonl").open("a", encoding="utf-8") as file:
                file.write(times)
        except OSError as error:
            raise UsageError(
                f"{self.path}: cannot be written: {why(error)}; finished cells are kept, the same command goes on"
            ) from error
        finally:
            for path in beside.values():
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def place_of(path: Path, cell: Cell) -> Path:
    """The file of a cell in a sweep's directory."""
    return path / f"trace={cell.trace.partition}" / f"cell={cell.key}" / SUMMARY


def missing_of(path: Path, cells: Sequence[Cell]) -> list[Cell]:
    """The cells that are not in a sweep's directory."""
    return [cell for cell in cells if not place_of(path, cell).is_file()]


def _refuse_others(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(f"{path}: is a file, expected a directory; -o names another place")
    if not (path / MANIFEST).is_file() and any(not entry.name.startswith(".") for entry in path.iterdir()):
        raise UsageError(f"{path}: not a sweep's directory (no {MANIFEST}) and not empty; -o names another place")


def _absolute(place: str) -> str:
    from zreplay.sweep.remote import is_url

    return place if is_url(place) else str(Path(place).absolute())


_KINDS = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), float: pa.float64()}


def _write_row(path: Path, row: Mapping[str, Any]) -> None:
    """One row, plainly: statistics of it would be half of the file."""
    settings = _types_of_settings()
    fields = [
        pa.field(name, settings.get(name) or (pa.float64() if value is None else _KINDS[type(value)]))
        for name, value in row.items()
    ]
    table = versioned(pa.Table.from_arrays([pa.array([row[f.name]], f.type) for f in fields], schema=pa.schema(fields)))
    write_parquet(
        table, path, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )


@cache
def _types_of_settings() -> dict[str, pa.DataType]:
    """Types of the configuration's columns, the same where there is no value: all files can be read as one table."""
    return {
        f"config_{name}": _KINDS[kind]
        for name, hint in get_type_hints(Config).items()
        for kind in (hint, *get_args(hint))
        if kind in _KINDS
    }


def is_sweep(path: Path) -> bool:
    """Whether a sweep's directory is there."""
    return (path / MANIFEST).is_file()


def refuse_sweeps(paths: Iterable[Path]) -> None:
    """Raise UsageError when there is a sweep among what curves are to be drawn of."""
    for path in paths:
        if is_sweep(path):
            raise UsageError(
                f"{path}: a sweep, which has no timelines to draw; `zreplay compare {path}` shows its cells"
            )


def read_manifest(path: Path) -> dict[str, Any]:
    """What a sweep's directory says of itself.

    Raises:
        UsageError: it is damaged, or of a newer major schema version.
    """
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        version, _ = str(manifest["schema_version"]), (manifest["traces"].items(), manifest["cells"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path / MANIFEST}: not a manifest of zreplay: {why(error)}") from error
    major = SCHEMA_VERSION.split(".")[0]
    if version.split(".")[0] != major:
        raise UsageError(f"{path}: schema version {version}, this zreplay reads {major}.x; update zreplay")
    return manifest


def results(path: Path) -> list[Result]:
    """The cells of a sweep for a comparison, in the grid's order: without timelines, but with each metric's value.

    Raises:
        UsageError: the sweep has no finished cells, or a file is damaged.
    """
    manifest = read_manifest(path)
    order = {key: number for number, key in enumerate(manifest["cells"])}
    found = []
    for partition, trace in manifest["traces"].items():
        files = {file.parent.name.removeprefix("cell="): file for file in _files(path, partition)}
        for key in sorted(files, key=lambda key: (order.get(key, len(order)), key)):
            found.append(_result(files[key], trace, manifest["schema_version"]))
    if not found:
        raise UsageError(f"{path}: a sweep without finished cells; `zreplay sweep GRID.toml -o {path}` goes on with it")
    return found


def unfinished(path: Path) -> str | None:
    """A note about a sweep that has not all of its cells; None about one that has."""
    manifest = read_manifest(path)
    there = {file.parent.name.removeprefix("cell=") for name in manifest["traces"] for file in _files(path, name)}
    missing = len(set(manifest["cells"]) - there)
    if not missing:
        return None
    return (
        f"{path}: {missing:,} of {len(manifest['cells']):,} cells are not there yet; the same sweep goes on with them."
    )


def _files(path: Path, partition: str) -> Iterator[Path]:
    return (path / f"trace={partition}").glob(f"cell=*/{SUMMARY}")


def _result(file: Path, trace: dict[str, Any], schema_version: str) -> Result:
    try:
        row = read_rows(file)[0]
    except (pa.ArrowException, OSError, IndexError) as error:
        raise UsageError(f"{file}: damaged: {why(error)}; remove it, and sweep again") from error
    settings = {name.removeprefix("config_"): v for name, v in row.items() if name.startswith("config_")}
    summary = {name: v for name, v in row.items() if not name.startswith("config_") and v is not None}
    of = {"schema_version": schema_version, "zreplay": row["zreplay"], "trace": trace, "config": settings}
    return Result(Run(file.parent, of), {**settings, "zreplay": summary.pop("zreplay")}, summary, {}, {})
