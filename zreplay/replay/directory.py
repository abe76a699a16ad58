"""Run directories: each is whole or absent (zreplay/whole.py); read back lazily."""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.errors import UsageError, why
from zreplay.replay.threads import together
from zreplay.trace.parquet_safety import Unsafe, check_pages, read_footer
from zreplay.whole import Beside, cannot_write, sync

SCHEMA_VERSION = "1.1"
MANIFEST = "manifest.json"
_OWN_HASH, _NO_HASH = "manifest_sha256", "0" * 64
#: Of a file, before the kernel is called: Parquet is written in pieces of some bytes.
_BUFFER_BYTES = 1 << 16
#: Files that are synced at the same time, so that they share the device's waits.
_SYNCED_TOGETHER = 8


@contextmanager
def new_directories(places: Sequence[Path]) -> Iterator[list[Path]]:
    """Staging directories that become ``places`` when the block ends well and vanish when it does not.

    Whether a place may be replaced is :func:`refuse_existing`'s to say, before.

    Raises:
        UsageError: a place cannot be written (no permission, no space), or something in the block could not be.
    """
    staged: list[Beside] = []
    place = places[0]
    try:
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
            staged.append(Beside(place, directory=True))
        yield [beside.path for beside in staged]
        directories = [beside.path for beside in staged]
        files = [file for directory in directories for file in directory.iterdir()]
        for written in files, directories:
            together([partial(sync, path) for path in written], _SYNCED_TOGETHER)
        for beside in staged:
            place = beside.place
            beside.move()
    except OSError as error:
        raise cannot_write(place, error) from error
    finally:
        for beside in staged:
            beside.remove()


def refuse_existing(place: Path, *, force: bool) -> None:
    """Raise UsageError when ``place`` may not be written: it exists without ``force``, or is no run directory."""
    if not place.exists() and not place.is_symlink():
        return
    if not force:
        raise UsageError(f"{place}: already exists; --force replaces it, -o names another place")
    if not place.is_dir() or (any(place.iterdir()) and not (place / MANIFEST).is_file()):
        raise UsageError(
            f"{place}: not a run directory (no {MANIFEST}), so --force does not replace it; -o names another place"
        )


def versioned(table: pa.Table) -> pa.Table:
    """The same table with zreplay's schema version in its metadata."""
    return table.replace_schema_metadata({"zreplay.schema_version": SCHEMA_VERSION})


class TableFile:
    """A Parquet file that grows batch by batch, so that memory does not grow with the trace."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._writer: pq.ParquetWriter | None = None

    def append(self, batch: pa.RecordBatch) -> None:
        """Write a batch; the first one decides the schema, so it is written even when it has no rows."""
        table = versioned(pa.Table.from_batches([batch]))
        if self._writer is None:
            # Counters and gauges move little from row to row: differences take half the time and half the room.
            numbers = [field.name for field in table.schema if pa.types.is_integer(field.type)]
            self._file = self._path.open("wb", buffering=_BUFFER_BYTES)
            self._writer = pq.ParquetWriter(
                self._file,
                table.schema,
                compression="zstd",
                use_dictionary=False,
                column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
                write_page_checksum=True,
            )
        if table.num_rows:
            self._writer.write_table(table)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()


def write_table(path: Path, rows: list[dict[str, Any]], types: Mapping[str, pa.DataType] | None = None) -> None:
    """Write a few rows of equal keys as one Parquet file, plainly: compressing them would gain nothing.

    ``types`` are those of columns that may have no value to tell them.
    """
    fields = [pa.field(name, (types or {}).get(name) or _type_of([row[name] for row in rows])) for name in rows[0]]
    table = versioned(pa.Table.from_pylist(rows, pa.schema(fields)))
    write_parquet(table, path, compression="none", use_dictionary=False, write_page_checksum=True)


#: What `pa.infer_type` says of these, for which it would import dateutil where that is installed.
_PLAIN = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), type(None): pa.null()}


def _type_of(values: list[Any]) -> pa.DataType:
    """A column's type; of one that has a value, those that are None do not count."""
    kinds = {type(value) for value in values if value is not None} or {type(None)}
    plain = _PLAIN.get(*kinds) if len(kinds) == 1 else None
    return pa.infer_type(values) if plain is None else plain


def write_parquet(table: pa.Table, path: Path, **options: Any) -> None:
    """Write a small table, in one piece. Raises OSError."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    path.write_bytes(buffer.getbuffer())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a small Parquet file."""
    rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    return rows


def write_manifest(staging: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write the manifest, with the hash of each file and its own; last: a directory is complete when it has one."""
    hashes = {file.name: _sha256_of(file) for file in sorted(staging.glob("*.parquet"))}
    text = json.dumps({**manifest, "sha256": hashes, _OWN_HASH: _NO_HASH}, indent=2, sort_keys=False) + "\n"
    own = _sha256(text.encode())
    (staging / MANIFEST).write_text(text.replace(_NO_HASH, own), encoding="utf-8")
    return {**manifest, "sha256": hashes, _OWN_HASH: own}


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _sha256_of(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_of(directory: Path, manifest: Mapping[str, Any], table: str) -> Path:
    """A table's file in a run directory, once it is known to be what the manifest says; older manifests say nothing.

    Raises:
        UsageError: it is not there, is a link or anything else than a file (nothing in a directory is followed, which
            may be a stranger's), or has been changed.
    """
    path = directory / f"{table}.parquet"
    try:
        if not S_ISREG(path.lstat().st_mode):
            raise UsageError(f"{path}: found a link or a device, expected a file; what it names was not opened")
        hashes = manifest.get("sha256")
        expected = hashes.get(path.name) if isinstance(hashes, dict) else None
        if expected is not None and (found := _sha256_of(path)) != expected:
            raise UsageError(
                f"{directory}: damaged: {path.name} has sha256 {found[:8]}…, its manifest says {str(expected)[:8]}…; "
                "`zreplay run … --force` writes it anew"
            )
        with path.open("rb") as file, pq.ParquetFile(file) as parquet:
            check_pages(path, parquet.schema, read_footer(path), ())
    except (Unsafe, pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last of names of columns
        raise UsageError(f"{directory}: damaged: {why(error)}; `zreplay run … --force` writes it anew") from error
    return path


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a complete run directory.

    Raises:
        UsageError: no such directory, or one without a manifest, or one of a newer major schema version.
    """
    path = directory / MANIFEST
    try:
        if path.is_symlink():
            raise UsageError(f"{path}: found a link, expected a file; what it names was not opened")
        text = path.read_bytes()
        own = re.search(rb'"%s": "([0-9a-f]{64})"' % _OWN_HASH.encode(), text)
        if own and _sha256(text.replace(own[1], _NO_HASH.encode())) != own[1].decode():
            raise UsageError(f"{path}: damaged: its text is not the one it has the hash of; run it again with --force")
        manifest: dict[str, Any] = json.loads(text.decode("utf-8"))
        version = str(manifest["schema_version"])
    except FileNotFoundError as error:
        what = f"no {MANIFEST}, so not a complete run directory" if directory.is_dir() else "no such run directory"
        raise UsageError(f"{directory}: {what}; `zreplay run TRACE -o {directory}` makes one") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: not a manifest of zreplay: {why(error)}") from error
    major = SCHEMA_VERSION.split(".")[0]
    if version.split(".")[0] != major:
        raise UsageError(f"{directory}: schema version {version}, this zreplay reads {major}.x; update zreplay")
    return manifest
