"""A trace written in parts while it is recorded, each a whole trace file: a recording that is killed is not lost.

The parts of ``trace.parquet`` are ``trace.parquet.parts/00000.parquet`` and so on. At the end they become one file.
"""

import shutil
import time
from pathlib import Path

import pyarrow as pa

from zreplay.errors import UsageError
from zreplay.trace.files import TraceMetadata, TraceWriter, open_trace

_PART_ROWS = 1 << 17
_PART_SECONDS = 10.0


def parts_of(output: Path) -> Path:
    """The folder of an output's parts."""
    return output.with_name(f"{output.name}.parts")


class PartsWriter:
    """Rows into parts; a new one every 131,072 rows or ten seconds.

    Raises UsageError for an output that exists (without `force`) or whose parts are there already.
    """

    def __init__(self, output: Path, metadata: TraceMetadata, *, force: bool = False) -> None:
        self.output = output
        self.metadata = metadata
        self.rows = 0
        self._force = force
        self._folder = parts_of(output)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._parts = 0
        self._last = time.monotonic()
        if output.exists() and not force:
            raise UsageError(f"{output}: already exists; --force replaces it")
        try:
            self._folder.mkdir()
        except FileExistsError as error:
            raise UsageError(
                f"{self._folder}: left by a recording that was killed; `zreplay record --cleanup -o {output}` makes a "
                "trace of it"
            ) from error
        except OSError as error:
            raise UsageError(f"{output}: cannot write: {error.strerror}") from error

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows of the trace's schema."""
        if batch.num_rows:
            self._pending.append(batch)
            self._pending_rows += batch.num_rows
            self.rows += batch.num_rows
        if self._pending_rows >= _PART_ROWS or time.monotonic() - self._last >= _PART_SECONDS:
            self._write_part()

    def _write_part(self) -> None:
        self._last = time.monotonic()
        if not self._pending_rows:
            return
        with TraceWriter(self._folder / f"{self._parts:05}.parquet", self.metadata) as part:
            for batch in self._pending:
                part.write(batch)
        self._parts += 1
        self._pending, self._pending_rows = [], 0

    def close(self) -> None:
        """One trace of all parts, with the metadata as they are now."""
        self._write_part()
        if self._parts:
            join(self.output, metadata=self.metadata, force=self._force)
        else:
            self.abandon()

    def abandon(self) -> None:
        """The recording failed: what is written stays in parts, for `join`; nothing stays where there are no rows."""
        self._write_part()
        if not self._parts:
            shutil.rmtree(self._folder, ignore_errors=True)


def join(output: Path, *, metadata: TraceMetadata | None = None, force: bool = False) -> int:
    """Make a trace of the parts that there are and remove them; its rows.

    `metadata` None: as the last part has them. Raises UsageError where there are no parts, or the output exists.
    """
    folder = parts_of(output)
    parts = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not parts:
        raise UsageError(f"{folder}: no parts of a recording there")
    if metadata is None:
        metadata = open_trace(parts[-1]).metadata
    with TraceWriter(output, metadata, force=force) as writer:
        for part in parts:
            for batch in open_trace(part).batches():
                writer.write(batch)
    shutil.rmtree(folder)
    return writer.rows
