"""A trace written in parts while it is recorded, each a whole trace file: a recording that is killed is not lost.

The parts of ``trace.parquet`` are ``trace.parquet.parts/00000.parquet`` and so on. At the end they become one file. A
recording holds a lock on their folder; without one they are a killed recording's.
"""

import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pyarrow as pa

from zreplay.errors import UsageError, ZreplayError, why
from zreplay.trace.files import TraceMetadata, TraceWriter, open_trace
from zreplay.whole import cannot_write, discard, locked, refuse_taken, remove_left

_PART_ROWS = 1 << 17
_PART_SECONDS = 10.0
#: Two recordings with these columns alike are one.
_TELLING = ("ts_ns", "type", "offset", "size")


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
        self._held = ExitStack()
        refuse_taken(output, force=force)
        remove_left(self._folder)
        try:
            self._folder.mkdir(exist_ok=True)
            self._held.enter_context(_of_nobody_else(self._folder))
            there = _parts(self._folder)
        except OSError as error:
            self._held.close()
            raise cannot_write(output, error) from error
        if there:
            self._held.close()
            raise UsageError(
                f"{self._folder}: left by a recording that was killed; `zreplay record --cleanup -o {output}` makes a "
                "trace of it"
            )

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows of the trace's schema. Raises UsageError where they cannot be written."""
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
        try:
            with TraceWriter(self._folder / f"{self._parts:05}.parquet", self.metadata) as part:
                for batch in self._pending:
                    part.write(batch)
        except UsageError as error:
            raise self._with_what_is_kept(error) from error
        self._parts += 1
        self._pending, self._pending_rows = [], 0

    def close(self) -> None:
        """One trace of all parts, with the metadata as they are now. Raises UsageError where it cannot be written."""
        try:
            self._write_part()
        except UsageError:
            self.abandon()
            raise
        try:
            if self._parts:
                _join(self.output, _parts(self._folder), metadata=self.metadata, force=self._force)
                discard(self._folder)
        except (OSError, UsageError) as error:
            raise self._with_what_is_kept(error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """The recording failed: what is written stays in parts, for `join`; nothing stays where there are no rows."""
        with suppress(UsageError):  # whoever abandons has been told
            self._write_part()
        if not self._parts:
            discard(self._folder)
        self._held.close()

    def _with_what_is_kept(self, error: Exception) -> UsageError:
        cause = error if isinstance(error, OSError) else error.__cause__
        what = f"cannot be written: {why(cause)}" if isinstance(cause, OSError) else str(error)
        if not self._parts:
            return UsageError(f"{self.output}: {what}; -o names another place")
        return UsageError(
            f"{self.output}: {what}; what was recorded is kept: `zreplay record --cleanup -o {self.output}` makes a "
            "trace of it"
        )


def join(output: Path, *, force: bool = False) -> int:
    """Make a trace of the parts that a killed recording left, with its last part's metadata, and remove them; its rows.

    Raises UsageError where there are no parts, a recording is at work, or the output exists and is another one.
    """
    folder = parts_of(output)
    remove_left(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no parts of a recording there")
    try:
        with _of_nobody_else(folder):
            parts = _parts(folder)
            if not parts:
                discard(folder)
                raise UsageError(f"{folder}: no parts of a recording there")
            if _is_made_of(output, parts):  # it was killed right after its end
                rows = open_trace(output).rows
            else:
                rows = _join(output, parts, metadata=open_trace(parts[-1]).metadata, force=force)
            discard(folder)
            return rows
    except OSError as error:
        raise cannot_write(output, error) from error


def _join(output: Path, parts: list[Path], *, metadata: TraceMetadata, force: bool) -> int:
    with TraceWriter(output, metadata, force=force) as writer:
        for part in parts:
            for batch in open_trace(part).batches():
                writer.write(batch)
    return writer.rows


def _of_nobody_else(folder: Path) -> ExitStack:
    """Hold a folder of parts, where its file system has locks. Raises UsageError where a recording is at work there."""
    held = ExitStack()
    try:
        held.enter_context(locked(folder))
    except BlockingIOError:
        raise UsageError(
            f"{folder}: a recording is at work there; wait for its end, or -o names another place"
        ) from None
    except OSError:
        pass
    return held


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def _is_made_of(output: Path, parts: list[Path]) -> bool:
    if not output.is_file() or output.stat().st_mtime_ns < max(part.stat().st_mtime_ns for part in parts):
        return False
    try:
        traces = [open_trace(part) for part in parts]
        whole = open_trace(output)
        if whole.rows != sum(trace.rows for trace in traces):
            return False
        told = [pa.Table.from_batches(trace.batches(_TELLING)) for trace in (whole, *traces)]
    except ZreplayError:
        return False
    return bool(told[0].equals(pa.concat_tables(told[1:])))
