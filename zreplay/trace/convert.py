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
from zreplay.trace.families import FAMILIES, FUNCTIONS, Family, family_of, told_by_sight
from zreplay.trace.files import TraceWriter
from zreplay.trace.schema import OPS, SCHEMA, WORDS

CHUNK_BYTES = 4 << 20
_TAKE_ROWS = 1 << 16
#: More unreadable or unpaired lines than this percentage of a text's own events, and a conversion fails.
MOST_LOST_PERCENT = 10
_ERRNO_NOTE = "its stores answer with 0 or an errno, those of Linux %s with a boolean: read as they are, 0 is taken"
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
    notes: tuple[str, ...] = ()  #: what the text is taken for against what its release says


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
    allow_partial: bool = False,
    progress: Callable[[int], object] = lambda read_bytes: None,
) -> Conversion:
    """Write the trace of an ftrace text.

    Args:
        log: the text's file, compressed or not; ``-`` reads standard input.
        output: the trace; written whole or not at all.
        context: what the text does not say.
        strict: stop at the first line that cannot be read.
        allow_partial: write the trace even if most of the text could not be used (else: at most
            :data:`MOST_LOST_PERCENT` of its events).
        progress: is told how many bytes of the log have been read, again and again.

    Raises:
        UsageError: no such log; an output that exists (without `force`) or cannot be written; a context that leaves the
            sizes' meaning open.
        TraceError: nothing to convert in it, damaged compression, two kernels in one text, too much of it unusable, or
            (`strict`) an unreadable line.
    """
    source = _Source(log)
    try:
        return _convert(source, output, context, force, strict, allow_partial, progress)
    finally:
        source.close()


def _convert(
    source: _Source,
    output: Path,
    context: Context,
    force: bool,
    strict: bool,
    allow_partial: bool,
    progress: Callable[[int], object],
) -> Conversion:
    started = time.perf_counter()
    rows = dict.fromkeys(OPS, 0)
    # What the text is has to be known before its first line is read: it is in the first chunk with an event of ours.
    chunks = [source.text()]
    seen = _zreplay.sight(chunks[-1], FUNCTIONS)
    while chunks[-1] and not told_by_sight(seen):
        chunks.append(source.text())
        seen = _zreplay.sight(chunks[-1], FUNCTIONS)
    context, family = _told_by_text(seen, context, source.name)
    header_bytes = family.header_of(context.pool or "", context.release or (0, 0))
    max_pages, accept_pages = context.limits()
    importer = _zreplay.FtraceImporter(
        header_bytes,
        **family.for_engine(),
        max_pages=max_pages,
        accept_pages=accept_pages,
        chain=_chain(context),
        allocs_unanswered=not seen.allocs_answer,
        functions=FUNCTIONS,
    )
    text_bytes = 0
    cgroups: set[int] = set()
    with TraceWriter(output, context.metadata(), force=force) as writer:

        def write() -> None:
            batch = to_schema(pa.record_batch(importer.take()))
            writer.write(batch)
            cgroups.update(pc.unique(batch["cgroup"].drop_null()).to_pylist())
            for count in pc.value_counts(batch["op"].indices).to_pylist():
                rows[OPS[count["values"]]] += count["counts"]

        def check() -> None:
            if importer.contradiction:
                raise TraceError(f"{source.name}: {importer.contradiction}; nothing was written")
            if strict and importer.messages:
                raise TraceError(f"{source.name}: {importer.messages[0]} (--strict)")

        while text := chunks.pop(0) if chunks else source.text():
            text_bytes += len(text)
            importer.feed(text)
            check()
            if importer.ready_rows >= _TAKE_ROWS:
                write()
            progress(source.read_bytes)
        importer.finish()
        check()
        write()
        counts = importer.counts
        if not writer.rows:
            first = f" ({importer.messages[0]})" if importer.messages else ""
            raise TraceError(f"{source.name}: no event of zswap or zram in its {counts.lines:,} lines{first}")
        _refuse_partial(source.name, counts, importer.messages, allow_partial)
        writer.metadata = replace(
            writer.metadata,
            lost_events=counts.lost_events,
            unreadable_lines=counts.unreadable_lines,
            backward_times=counts.backward_times,
            cgroups=" ".join(map(str, sorted(cgroups))) or None,
        )
    notes = (_ERRNO_NOTE % context.kernel_release,) if family.answers_errno else ()
    return Conversion(rows, counts, importer.messages, text_bytes, time.perf_counter() - started, notes)


def _chain(context: Context) -> int:
    """The most pages that an allocation brings: 1 of zbud, a zspage's of zsmalloc; 0 where it is not known."""
    if context.pool != "zsmalloc":
        return 1 if context.pool == "zbud" else 0
    return 8 if context.release and context.release >= (6, 3) else 4


def _refuse_partial(name: str, counts: "_zreplay.ImportCounts", messages: list[str], allowed: bool) -> None:
    """Raise TraceError for a conversion that would lose more of its input than a trace may."""
    lost = counts.unreadable_lines + counts.unpaired_lines
    events = counts.lines - counts.other_events
    if allowed or lost * 100 <= events * MOST_LOST_PERCENT:
        return
    first = f"; the first: {messages[0]}" if messages else ""
    raise TraceError(
        f"{name}: {lost:,} of {events:,} lines are of no use ({counts.unreadable_lines:,} unreadable, "
        f"{counts.unpaired_lines:,} of no call or object that was seen), expected at most {MOST_LOST_PERCENT} %"
        f"{first}; --allow-partial converts the rest"
    )


def to_schema(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with the engine's numbers for words as one of the trace's schema."""
    columns = [
        pa.DictionaryArray.from_arrays(batch[name], pa.array(WORDS[name], pa.string()), safe=False)
        if name in WORDS
        else batch[name]
        for name in SCHEMA.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _told_by_text(seen: "_zreplay.Sighting", given: Context, name: str) -> tuple[Context, Family]:
    """What the probes' names and keys give away, and the family of kernels they are of.

    Raises UsageError where the given context is another kernel's, or leaves open what sizes and answers mean.
    """
    candidates = told_by_sight(seen)
    if not candidates:
        return given, FAMILIES[0]
    is_zram = candidates[0].model == "zram"
    # zs_malloc is called by name only where there is no zpool in between.
    pool = "zsmalloc" if is_zram or seen.names_zsmalloc else None
    context = Context(model=candidates[0].model, pool=pool).overridden_by(given)
    candidates = tuple(family for family in candidates if family.model == context.model)
    if not candidates:
        raise UsageError(f"--model {context.model}: {name} has no event of {context.model}")
    if is_zram and context.model == "zram":
        return replace(context, pool="zsmalloc"), candidates[0]  # a context may name zswap's pool beside
    unknown = [what for what, value in (("pool", context.pool), ("kernel", context.release)) if value is None]
    if unknown:
        options = {"pool": "--pool", "kernel": "--kernel-release"}
        raise UsageError(
            f"the {' and the '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} unknown, so sizes cannot be told "
            f"from what zswap adds to them; give --context or {' and '.join(options[what] for what in unknown)}"
        )
    family = family_of(candidates, context.release)
    if family is None:
        there = " or ".join(dict.fromkeys(found.releases() for found in candidates))
        raise UsageError(
            f"{name}: its probes are those of Linux {there}, found release {context.kernel_release}: is the context "
            "another recording's? --context or --kernel-release names this one's"
        )
    return context, family
