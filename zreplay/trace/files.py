"""Trace files: written whole or not at all, read as a stream of checked batches.

The specification is docs/trace-format.md. A reader may rely on every batch that comes out of `Trace.batches`: it has
SCHEMA's columns and types, its ``op`` codes are the numbers of `OPS`, and each row has passed the rules of the format.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.errors import TraceError, UsageError, missing, why
from zreplay.trace import parquet_safety
from zreplay.trace.parquet_safety import Unsafe
from zreplay.trace.sample import Sample
from zreplay.trace.schema import (
    FORMAT_MAJOR,
    FORMAT_MINOR,
    METADATA,
    METADATA_RANGES,
    METADATA_WORDS,
    MINOR_OF,
    PAGE_SIZE,
    REQUIRED_COLUMNS,
    SCHEMA,
    WORDS,
    WORDS_MINOR_OF,
)
from zreplay.version import __version__
from zreplay.whole import Beside, cannot_write, refuse_taken

if TYPE_CHECKING:
    import polars as pl

ROW_GROUP_ROWS = 1 << 18
BATCH_ROWS = 1 << 16
# A column chunk is read through a buffer of this size, so that a file of one giant row group needs no more memory.
_READ_BUFFER_BYTES = 1 << 20
_HASHED_BYTES = 1 << 20
_PREFIX = "zreplay."
_KINDS = {field.name: field.type for field in SCHEMA}
_WORDS = {name: pa.array(words, pa.string()) for name, words in WORDS.items()}
# Few values, in runs: a dictionary. Numbers that grow or stay near each other: differences.
_DICTIONARY_COLUMNS = [
    *("op", "type", "cpu", "pid", "result", "size"),
    *("call_rows", "alloc_rows", "made_pages", "referenced", "asked_by", "nr_to_scan", "cgroup", "node"),
]
_DELTA_COLUMNS = [
    *("ts_ns", "offset", "seen_stored", "seen_pool_pages", "seen_handle", "seen_page", "call_ts_ns", "return_ts_ns"),
]


class _Compute:
    """pyarrow.compute, loaded at first use: 20 ms that a replay of a trace as we write them does not need."""

    def __getattr__(self, name: str) -> Any:
        from pyarrow import compute

        return getattr(compute, name)


pc = _Compute()


@dataclass(frozen=True)
class TraceMetadata:
    """What a trace says about its source; None where it is unknown. The fields are the keys of `schema.METADATA`."""

    format_version: str = f"{FORMAT_MAJOR}.{FORMAT_MINOR}"
    page_size: int = PAGE_SIZE
    clock: str | None = None
    model: str | None = None
    source_kernel: str | None = None
    compressor: str | None = None
    pool: str | None = None
    max_pool_percent: int | None = None
    accept_threshold_percent: int | None = None
    totalram_pages: int | None = None
    cpus: int | None = None
    lost_events: int | None = None
    unreadable_lines: int | None = None
    backward_times: int | None = None
    cgroups: str | None = None
    cut: str | None = None
    sample: str | None = None
    lacks: str | None = None
    converter: str | None = f"zreplay {__version__}"
    synth: str | None = None

    def as_dict(self) -> dict[str, str | int | None]:
        """Every field by name, for JSON."""
        return asdict(self)

    def to_file(self) -> dict[str, str]:
        """The file's key-value pairs, unknown values left out."""
        return {_PREFIX + key: str(value) for key, value in self.as_dict().items() if value is not None}

    @classmethod
    def from_file(cls, path: Path, pairs: dict[bytes, bytes]) -> "TraceMetadata":
        """Read and check the pairs of a file. Raises TraceError for what is not a trace, or not one for this reader."""
        found = {
            key.decode(errors="replace").removeprefix(_PREFIX): value.decode(errors="replace")
            for key, value in pairs.items()
            if key.startswith(_PREFIX.encode())
        }
        version = found.get("format_version")
        if version is None:
            raise TraceError(f"{path}: not a trace: no {_PREFIX}format_version in the file's metadata")
        major, _, minor = version.partition(".")
        if not (major.isdecimal() and minor.isdecimal()):
            raise TraceError(f"{path}: format version {version!r}, expected two numbers like 1.0")
        if int(major) != FORMAT_MAJOR:
            mend = "a newer zreplay reads it" if int(major) > FORMAT_MAJOR else "convert it again"
            raise TraceError(f"{path}: format {version}, this zreplay reads {FORMAT_MAJOR}.x; {mend}")
        values: dict[str, str | int] = {}
        for key, kind in METADATA.items():
            if key not in found:
                continue
            if expected := _metadata_fault(key, found[key]):
                raise MetadataError(f"{path}: metadata {key}: found {found[key]!r}, expected {expected}", key)
            if key == "page_size" and int(found[key]) != PAGE_SIZE:
                raise MetadataError(f"{path}: pages of {found[key]} bytes, this zreplay reads {PAGE_SIZE}", key)
            values[key] = int(found[key]) if kind is int else found[key]
        return cls(**{"converter": None, **values})  # type: ignore[arg-type]


class MetadataError(TraceError):
    """A value of the metadata that cannot be; `key` says which."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


def _metadata_fault(key: str, value: str) -> str | None:
    """What was expected, of a value of the metadata that cannot be; None of one that can."""
    if not value.isprintable():
        return "text without control characters"
    if METADATA[key] is int and not (value.isascii() and value.isdecimal() and int(value) < 2**63):
        return "a whole number"
    if key in METADATA_WORDS and value not in METADATA_WORDS[key]:
        return f"one of {', '.join(METADATA_WORDS[key])}"
    if key in METADATA_RANGES:
        low, high = METADATA_RANGES[key]
        return None if low <= int(value) <= high else f"{low:,} to {high:,}"
    if key == "cgroups" and not all(word.isdecimal() and int(word) < 2**64 for word in value.split()):
        return "whole numbers of 64 bits"
    if key == "cut":
        try:
            return None if isinstance(json.loads(value), list) else "a JSON list, as `zreplay cut` writes it"
        except ValueError:
            return "a JSON list, as `zreplay cut` writes it"
    if key == "sample":
        try:
            Sample.parse(value)
        except ValueError as error:
            return str(error)
    return None


class TraceWriter:
    """Writes a trace beside its place and moves it there when closed; an exception inside `with` leaves nothing.

    `metadata` may be replaced until the end: lost events are known last. `schema` is SCHEMA or a part of it, for a
    source that has nothing to say in the other columns. `encodings` names Parquet's encoding of columns of which the
    source knows a better one than the usual. Raises UsageError for an output that exists (without `force`), cannot be
    created, or does not fit on the disk.
    """

    def __init__(
        self,
        path: str | Path,
        metadata: TraceMetadata,
        *,
        schema: pa.Schema = SCHEMA,
        encodings: Mapping[str, str] = MappingProxyType({}),
        force: bool = False,
    ) -> None:
        self.path = Path(path)
        self.metadata = metadata
        self._schema = schema
        self._words: set[str] = set()
        self.rows = 0
        refuse_taken(self.path, force=force)
        from zreplay.trace.behind import FileBehind  # a thread's machinery, which a reader does not need

        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        try:
            self._beside = Beside(self.path)
            try:
                self._file = FileBehind(self._beside.path)
            except BaseException:
                self._beside.remove()
                raise
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._parquet = pq.ParquetWriter(
            self._file,
            schema,
            version="2.6",
            data_page_version="2.0",
            use_dictionary=[name for name in _DICTIONARY_COLUMNS if name in schema.names and name not in encodings],
            column_encoding={name: "DELTA_BINARY_PACKED" for name in _DELTA_COLUMNS if name in schema.names}
            | {**encodings},
            compression="lz4",  # a twentieth larger than zstd here, and a fifth faster to read
            write_page_checksum=True,
            write_batch_size=1 << 14,  # values encoded at a time; a twentieth faster than the usual 1,024
            write_statistics=["ts_ns", "offset", "call_rows"],
        )

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; `batch` has the schema's columns and types."""
        self._words.update(_newer_words(batch["op"], self._words))
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        self.rows += batch.num_rows
        while self._pending_rows >= ROW_GROUP_ROWS:
            self._write_group(ROW_GROUP_ROWS)

    def _write_group(self, rows: int) -> None:
        table = pa.Table.from_batches(self._pending, self._schema)
        try:
            self._parquet.write_table(table.slice(0, rows), row_group_size=max(rows, 1))
        except OSError as error:
            raise cannot_write(self.path, error) from error
        rest = table.slice(rows)
        self._pending = rest.to_batches()
        self._pending_rows = rest.num_rows

    def close(self) -> None:
        """Finish the file and give it its name."""
        try:
            if self._pending_rows or self.rows == 0:
                self._write_group(self._pending_rows)
            minor = max(
                *(MINOR_OF.get(name, 0) for name in self._schema.names),
                *(WORDS_MINOR_OF[word] for word in self._words),
            )
            version = f"{FORMAT_MAJOR}.{minor}"
            self._file.flush()
            chunk_bytes = self._file.tell()
            pairs = replace(self.metadata, format_version=version).to_file()
            pairs[parquet_safety.KEY] = parquet_safety.pair_of(self._beside.path, chunk_bytes)
            self._parquet.add_key_value_metadata(pairs)
            self._parquet.close()
            self._file.flush()
            parquet_safety.seal(self._beside.path, chunk_bytes)
            os.fsync(self._file.fileno())
            self._file.close()
            self._beside.move()
            self._beside.remove()
        except OSError as error:
            self.abort()
            raise cannot_write(self.path, error) from error
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Leave nothing behind."""
        # Closed while its file still is writable: the writer's destructor would complain otherwise.
        try:
            self._parquet.close()
            self._file.close()
        except (OSError, ValueError):
            pass
        finally:
            self._beside.remove()


def _newer_words(op: pa.DictionaryArray, known: set[str]) -> list[str]:
    """Those of the words used that came with a minor version; looked for only where dictionary and codes allow any that
    are not known."""
    words = op.dictionary.to_pylist()
    if (WORDS_MINOR_OF.keys() - known).isdisjoint(words):
        return []
    codes = pc.min_max(op.indices).as_py()
    if codes["min"] is None or WORDS_MINOR_OF.keys().isdisjoint(words[codes["min"] : codes["max"] + 1]):
        return []
    return [word for word in pc.unique(op).to_pylist() if word in WORDS_MINOR_OF]


@dataclass(frozen=True)
class Misfit:
    """Values of a column in one batch that SCHEMA's type cannot hold: numbers out of its range, or no word of it."""

    column: str
    rows: tuple[int, ...]  #: of the batch
    found: object  #: in the first of them
    expected: str


class Trace:
    """A trace file, opened and its metadata checked; the rows are read when asked for.

    Attributes:
        path: the file.
        rows: how many there are.
        columns: those of SCHEMA that the file has, in SCHEMA's order; the others read as null.
        metadata: what the file says about its source.
    """

    def __init__(self, path: str | Path, *, without_metadata: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self._footer: pq.FileMetaData | None = None
        self._are_pages_checked = False
        try:
            self._said = parquet_safety.read_footer(self.path)
        except Unsafe as error:
            raise TraceError(f"{self.path}: damaged: {error}") from error
        except OSError:
            self._said = parquet_safety.Footer()  # as is said when it is opened as Parquet
        file = self._open(REQUIRED_COLUMNS[1:2])  # op; a file need not have the others
        self._footer = file.metadata
        self.rows: int = file.metadata.num_rows
        if (grouped := sum(group.rows for group in self._said.groups)) != self.rows:
            raise TraceError(f"{self.path}: damaged: {self.rows:,} rows, and {grouped:,} in its row groups")
        left_out = {(_PREFIX + key).encode() for key in without_metadata}
        pairs = {key: value for key, value in (file.metadata.metadata or {}).items() if key not in left_out}
        self.metadata = TraceMetadata.from_file(self.path, pairs)
        self._check_columns(file.schema_arrow)
        self.columns: tuple[str, ...] = tuple(name for name in SCHEMA.names if name in file.schema_arrow.names)

    def _open(self, words: Sequence[str] | None = None) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(
                self.path,
                metadata=self._footer,
                read_dictionary=[name for name in WORDS if name in self.columns] if words is None else words,
                pre_buffer=False,
                buffer_size=_READ_BUFFER_BYTES,
                page_checksum_verification=True,
            )
        except FileNotFoundError as error:
            raise missing(self.path) from error
        except PermissionError as error:
            raise UsageError(f"{self.path}: no permission to read it") from error
        except KeyError as error:
            raise TraceError(f"{self.path}: not a trace: no column {REQUIRED_COLUMNS[1]}") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error

    def _check_pages(self) -> None:
        """Look at the headers of all pages, once, before the first page is decoded."""
        if self._are_pages_checked:
            return
        assert self._footer is not None
        try:
            parquet_safety.check_pages(self.path, self._footer.schema, self._said, WORDS)
        except Unsafe as error:
            raise TraceError(f"{self.path}: damaged: {error}") from error
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be read: {why(error)}") from error
        self._are_pages_checked = True

    def _unreadable(self, error: Exception) -> Exception:
        if self.path.is_dir():
            return UsageError(f"{self.path}: is a directory, expected a trace file")
        if isinstance(error, OSError) and error.errno:
            return TraceError(f"{self.path}: cannot be read: {why(error)}")
        try:
            with self.path.open("rb") as file:
                begins_well = file.read(4) == b"PAR1"
        except OSError as refused:
            return TraceError(f"{self.path}: cannot be read: {why(refused)}")
        words = why(error)
        if not begins_well:
            return TraceError(f"{self.path}: not a trace (expected Parquet; `zreplay convert` reads ftrace text)")
        if "footer" in words or "magic" in words:
            return TraceError(f"{self.path}: truncated: it begins as a trace, but its end is missing")
        return TraceError(f"{self.path}: damaged: {words}")

    def _check_columns(self, schema: pa.Schema) -> None:
        for name in REQUIRED_COLUMNS:
            if name not in schema.names:
                raise TraceError(f"{self.path}: not a trace: no column {name}, expected {', '.join(REQUIRED_COLUMNS)}")
        faults = []
        for field in SCHEMA:
            if field.name not in schema.names:
                continue
            found = schema.field(field.name).type
            words = found.value_type if pa.types.is_dictionary(found) else found
            fits = pa.types.is_string(words) or pa.types.is_large_string(words)
            if field.name not in WORDS:
                fits = pa.types.is_integer(found)
            if not fits:
                expected = "words" if field.name in WORDS else f"{field.type} or another integer"
                faults.append(f"column {field.name} has type {found}, expected {expected}")
        if faults:
            raise TraceError(f"{self.path}: {'; '.join(faults)}")

    def batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, *, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """Stream the rows in order, in SCHEMA's types, each checked; memory does not grow with the trace.

        Args:
            columns: what is read, and so what is checked; None: all of SCHEMA. A column the file does not have is null.
            batch_rows: the most rows of a batch.
            use_threads: decode the columns of a batch at the same time, which is done sooner and takes more of the
                processors in all.

        Raises:
            TraceError: damage, or a row that cannot be; the message names the row, counted from 0.
        """
        from _zreplay import find_bad_row

        first_row = 0
        previous_ts_ns = -(2**63)
        for batch in self.unchecked_batches(columns, batch_rows, use_threads=use_threads):
            if bad := find_bad_row(batch, previous_ts_ns):
                row, column, found, expected = bad
                raise self._bad_row(first_row + row, column, found, expected)
            if "ts_ns" in batch.schema.names:
                previous_ts_ns = batch["ts_ns"][-1].as_py()
            yield batch
            first_row += batch.num_rows

    def unchecked_batches(
        self,
        columns: Sequence[str] | None = None,
        batch_rows: int = BATCH_ROWS,
        *,
        use_threads: bool = True,
        on_misfit: Callable[[Misfit], None] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The same, with rows that cannot be among them.

        Values that their column cannot hold are told to `on_misfit` before their batch comes out, in which a number of
        them reads as 0 and a word as null; without `on_misfit` they raise TraceError, as damage does.
        """
        names = SCHEMA.names if columns is None else [name for name in SCHEMA.names if name in columns]
        schema = pa.schema([SCHEMA.field(name) for name in names])
        file = self._open()
        self._check_pages()
        first_row = 0
        source = file.iter_batches(
            batch_size=batch_rows,
            columns=[name for name in names if name in self.columns],
            use_threads=use_threads,
        )
        while True:
            try:
                raw = next(source, None)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and error.errno:
                    raise TraceError(f"{self.path}: cannot be read: {why(error)}") from error
                words = why(error)
                raise TraceError(f"{self.path}: damaged at or after row {first_row:,}: {words}") from error
            if raw is None:
                return
            if not raw.num_rows:
                continue
            found = dict(zip(raw.schema.names, raw.columns, strict=True))
            columns_read = [
                self._column(name, found[name], first_row, on_misfit)
                if name in found
                else pa.nulls(raw.num_rows, _KINDS[name])
                for name in names
            ]
            yield pa.RecordBatch.from_arrays(columns_read, schema=schema)
            first_row += raw.num_rows

    def _bad_row(self, row: int, column: str, found: object, expected: str) -> TraceError:
        return TraceError(f"{self.path}: row {row:,}: column {column}: found {found}, expected {expected}")

    def _column(
        self, name: str, column: pa.Array, first_row: int, on_misfit: Callable[[Misfit], None] | None
    ) -> pa.Array:
        """One column of a batch as the file has it, in SCHEMA's type."""
        kind = _KINDS[name]
        if name not in WORDS and column.type == kind:
            return column
        if name in WORDS:
            read, misfits = _numbered_words(name, column)
            expected = "one of " + ", ".join(WORDS[name])
        else:
            read, misfits = _fitting_numbers(column, kind)
            expected = f"a number that fits {kind}"
        if misfits:
            found = column[misfits[0]].as_py() if name not in WORDS else repr(_word(column[misfits[0]]))
            if on_misfit is None:
                raise self._bad_row(first_row + misfits[0], name, found, expected)
            on_misfit(Misfit(name, misfits, found, expected))
        return read

    def most_call_rows(self) -> int:
        """The most rows that stand between a call and its own row: how far ahead a replay has to look.

        Told by the file's statistics; a file without them is read for it, that column alone.
        """
        if "call_rows" not in self.columns:
            return 0
        file = self._open()
        self._check_pages()
        leaves = [file.schema.column(i).path for i in range(len(file.schema))]
        column = leaves.index("call_rows")
        most = 0
        for number, group in enumerate(self._said.groups):
            chunk = group.chunks[column]
            if chunk.most is not None:
                most = max(most, chunk.most)
            elif chunk.nulls != chunk.values:
                most = max(most, pc.max(file.read_row_group(number, columns=["call_rows"])["call_rows"]).as_py() or 0)
        return most

    def events(self) -> "pl.LazyFrame":
        """The rows as a polars LazyFrame, all of SCHEMA's columns, ``op`` as an Enum in the format's order."""
        import polars as pl

        frame = pl.scan_parquet(self.path)
        kinds = pl.from_arrow(SCHEMA.empty_table())
        assert isinstance(kinds, pl.DataFrame)
        columns = []
        for name, kind in kinds.schema.items():
            if name not in self.columns:
                columns.append(pl.lit(None, pl.Enum(WORDS[name]) if name in WORDS else kind).alias(name))
            elif name in WORDS:
                columns.append(pl.col(name).cast(pl.String).cast(pl.Enum(WORDS[name])))
            else:
                columns.append(pl.col(name).cast(kind))
        return frame.select(columns)

    def content_hash(self) -> str:
        """The SHA-256 of the file's bytes, in hexadecimal: the trace's identity in a run's manifest."""
        import hashlib

        digest = hashlib.sha256()
        piece = memoryview(bytearray(_HASHED_BYTES))
        try:
            with self.path.open("rb", buffering=0) as file:
                while read := file.readinto(piece):
                    digest.update(piece[:read])
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be read: {why(error)}") from error
        return digest.hexdigest()


def _fitting_numbers(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, tuple[int, ...]]:
    """A column of integers as `kind`, with 0 for those that do not fit, and the rows of these."""
    try:
        return column.cast(kind), ()
    except pa.ArrowInvalid:
        (low, high), (least, most) = _range_of(kind), _range_of(column.type)
        too_low = pc.less(column, pa.scalar(max(low, least), column.type))
        too_high = pc.greater(column, pa.scalar(min(high, most), column.type))
        misfits = pc.fill_null(pc.or_(too_low, too_high), False)
        fitting = pc.if_else(misfits, pa.scalar(0, column.type), column).cast(kind)
        return fitting, tuple(pc.indices_nonzero(misfits).to_pylist())


def _range_of(kind: pa.DataType) -> tuple[int, int]:
    bits = kind.bit_width
    return (0, 2**bits - 1) if pa.types.is_unsigned_integer(kind) else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _as_bytes(words: pa.Array) -> list[bytes | None]:
    # A view: a cast would load pyarrow.compute.
    kind = pa.large_binary() if pa.types.is_large_string(words.type) else pa.binary()
    found: list[bytes | None] = words.view(kind).to_pylist()
    return found


def _word(found: pa.Scalar) -> str | None:
    [word] = _as_bytes(pa.array([found.value if isinstance(found, pa.DictionaryScalar) else found]))
    return word if word is None else word.decode(errors="replace")


def _numbered_words(name: str, column: pa.Array) -> tuple[pa.DictionaryArray, tuple[int, ...]]:
    """A column of words with codes that are our numbers, whatever order the file's dictionary has; null where the word
    is none of ours, and the rows of these."""
    from _zreplay import renumbered

    known = WORDS[name]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    # As bytes, since a file may have words that are no UTF-8.
    numbers_of: dict[bytes | None, int] = {word.encode(): number for number, word in enumerate(known)}
    numbers = [numbers_of.get(word, -1) for word in _as_bytes(column.dictionary)]
    codes = pa.record_batch(renumbered(column.indices, numbers)).column(0)
    misfits: tuple[int, ...] = ()
    if -1 in numbers:
        none_of_ours = pc.fill_null(pc.equal(codes, -1), False)
        misfits = tuple(pc.indices_nonzero(none_of_ours).to_pylist())
        codes = pc.if_else(none_of_ours, pa.scalar(None, pa.int8()), codes)
    return pa.DictionaryArray.from_arrays(codes, _WORDS[name], safe=False), misfits


def open_trace(path: str | Path) -> Trace:
    """Open a trace and check its metadata and columns.

    Raises:
        UsageError: no such file.
        TraceError: not a trace, damaged, or of a format that this version does not read.
    """
    return Trace(path)
