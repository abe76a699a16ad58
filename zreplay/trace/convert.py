"""From the text of an ftrace recording to a trace. The reading is C++ (core/trace/ftrace.hpp); this is the plumbing."""

import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import _zreplay
import pyarrow as pa
import pyarrow.compute as pc

from zreplay.errors import TraceError, UsageError
from zreplay.trace.context import Context
from zreplay.trace.files import TraceWriter
from zreplay.trace.schema import OPS, SCHEMA

CHUNK_BYTES = 4 << 20
_TAKE_ROWS = 1 << 16
# Compression is known by a file's first bytes, whatever it is called.
_MAGICS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"\x1f\x8b": "gzip"}


@dataclass(frozen=True)
class Conversion:
    """What became of a recording."""

    rows: dict[str, int]  #: by op
    counts: "_zreplay.ImportCounts"
    messages: list[str]  #: the first unreadable lines, "line 1,204: expected …, found …"
    text_bytes: int
    seconds: float


class _Source:
    """A log as a stream of text: a file or standard input (``-``), whatever it is compressed with."""

    def __init__(self, log: str) -> None:
        self.name = "standard input" if log == "-" else log
        self.is_stdin = log == "-"
        try:
            self._raw: BinaryIO | io.FileIO = sys.stdin.buffer if self.is_stdin else io.FileIO(log)
        except FileNotFoundError as error:
            raise UsageError(f"{log}: no such file") from error
        except OSError as error:
            raise UsageError(f"{log}: {error.strerror}") from error
        self.read_bytes = 0  #: of the log, still compressed
        self.closed = False
        self._head = b""
        while len(self._head) < 4 and (more := self._raw.read(4 - len(self._head))):
            self._head += more
        codec = next((codec for magic, codec in _MAGICS.items() if self._head.startswith(magic)), None)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self, mode="r"), codec) if codec else None

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Bytes of the log as it is, the ones looked at first included (for PythonFile)."""
        head, self._head = self._head, b""
        data = head + self._raw.read(max(size - len(head), 0))
        self.read_bytes += len(data)
        return data

    def text(self) -> bytes:
        """The next chunk of text, empty at its end. Raises TraceError for damaged or truncated compression."""
        if self._stream is None:
            return self.read()
        try:
            data: bytes = self._stream.read(CHUNK_BYTES)
        except (pa.ArrowException, OSError) as error:
            raise TraceError(f"{self.name}: damaged: {str(error).splitlines()[0]}") from error
        return data

    def close(self) -> None:
        self.closed = True
        if not self.is_stdin:
            self._raw.close()


def convert(
    log: str,
    output: Path,
    context: Context,
    *,
    force: bool = False,
    strict: bool = False,
    progress: Callable[[int], object] = lambda read_bytes: None,
) -> Conversion:
    """Write the trace of an ftrace text.

    Args:
        log: the text's file, compressed or not; ``-`` reads standard input.
        output: the trace; written whole or not at all.
        context: what the text does not say.
        strict: stop at the first line that cannot be read.
        progress: is told how many bytes of the log have been read, again and again.

    Raises:
        UsageError: no such log; an output that exists (without `force`) or cannot be written; a context that leaves the
            sizes' meaning open.
        TraceError: nothing to convert in it, damaged compression, or (`strict`) an unreadable line.
    """
    source = _Source(log)
    try:
        return _convert(source, output, context, force, strict, progress)
    finally:
        source.close()


def _convert(
    source: _Source,
    output: Path,
    context: Context,
    force: bool,
    strict: bool,
    progress: Callable[[int], object],
) -> Conversion:
    started = time.perf_counter()
    rows = dict.fromkeys(OPS, 0)
    text = source.text()
    context = _told_by_text(text).overridden_by(context)
    importer = _zreplay.FtraceImporter(context.header_bytes())
    text_bytes = 0
    with TraceWriter(output, context.metadata(), force=force) as writer:

        def write() -> None:
            batch = to_schema(pa.record_batch(importer.take()))
            writer.write(batch)
            for count in pc.value_counts(batch["op"].indices).to_pylist():
                rows[OPS[count["values"]]] += count["counts"]

        while text:
            text_bytes += len(text)
            importer.feed(text)
            if strict and importer.messages:
                raise TraceError(f"{source.name}: {importer.messages[0]} (--strict)")
            if importer.ready_rows >= _TAKE_ROWS:
                write()
            progress(source.read_bytes)
            text = source.text()
        importer.finish()
        if strict and importer.messages:
            raise TraceError(f"{source.name}: {importer.messages[0]} (--strict)")
        write()
        counts = importer.counts
        if not writer.rows:
            first = f" ({importer.messages[0]})" if importer.messages else ""
            raise TraceError(f"{source.name}: no event of zswap or zram in its {counts.lines:,} lines{first}")
        writer.metadata = replace(
            writer.metadata,
            lost_events=counts.lost_events,
            unreadable_lines=counts.unreadable_lines,
            backward_times=counts.backward_times,
        )
    return Conversion(rows, counts, importer.messages, text_bytes, time.perf_counter() - started)


def to_schema(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with the engine's numbers for `op` as one of the trace's schema."""
    words = pa.array(OPS, pa.string())
    columns = [
        pa.DictionaryArray.from_arrays(batch[name], words, safe=False) if name == "op" else batch[name]
        for name in SCHEMA.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _told_by_text(text: bytes) -> Context:
    """What the probes' names give away: zs_malloc is called by name only where there is no zpool in between."""
    if b" rw: (" in text or b" bio: (" in text or b" slotfree: (" in text:
        return Context(model="zram", pool="zsmalloc")
    if b" store: (" in text or b" load: (" in text or b" invalidate: (" in text:
        return Context(model="zswap", pool="zsmalloc" if b" (zs_malloc+" in text else None)
    return Context()
