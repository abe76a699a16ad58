"""From a recording to a trace: whatever text or table it is (formats/), merged, written, and what it lacks told."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from zreplay.errors import TraceError, UsageError
from zreplay.trace.context import Context
from zreplay.trace.files import TraceWriter
from zreplay.trace.formats import Counts, Format, Reading, format_named, format_of, guarded
from zreplay.trace.lacks import Lacks
from zreplay.trace.merge import MergedReading, MergedText
from zreplay.trace.schema import OPS
from zreplay.trace.source import Source

if TYPE_CHECKING:
    import _zreplay

__all__ = ["MOST_LOST_PERCENT", "Conversion", "convert"]

#: More unreadable or unpaired lines than this percentage of a text's own events, and a conversion fails.
MOST_LOST_PERCENT = 10
_HEAD_BYTES = 1 << 16
_MOST_UNWRITTEN = 2  # batches that wait for the writer


@dataclass(frozen=True)
class Conversion:
    """What became of a recording."""

    rows: dict[str, int]  #: by op
    counts: "Counts | _zreplay.ImportCounts"
    messages: list[str]  #: the first unreadable lines, "line 1,204: expected …, found …"
    text_bytes: int
    seconds: float
    format: str = "ftrace text"
    notes: tuple[str, ...] = ()  #: what the text is taken for against what its release says
    lacks: tuple[str, ...] = ()  #: what the trace cannot say, words of `lacks.WORDS`


def convert(
    log: str | Sequence[str],
    output: Path,
    context: Context,
    *,
    form: str | None = None,
    mapping: str | None = None,
    force: bool = False,
    strict: bool = False,
    allow_partial: bool = False,
    progress: Callable[[int], object] = lambda read_bytes: None,
) -> Conversion:
    """Write the trace of a recording.

    Args:
        log: its file, compressed or not; ``-`` reads standard input. Several are merged by time.
        output: the trace; written whole or not at all.
        context: what the recording does not say.
        form: the name of its format, built in or an installed package's; None: told by its beginning.
        mapping: which of a table's columns are ours, ``offset=sector/8,op=rw:R=load:W=store``.
        strict: stop at the first line that cannot be read.
        allow_partial: write the trace even if most of the text could not be used (else: at most
            :data:`MOST_LOST_PERCENT` of its events).
        progress: is told how many bytes of the recording have been read, again and again.

    Raises:
        UsageError: no such log; an output that exists (without `force`) or cannot be written; a context that leaves the
            sizes' meaning open; a map of columns that are not there; a format that there is none of.
        TraceError: nothing to convert in it, damaged compression, two kernels in one text, too much of it unusable, or
            (`strict`) an unreadable line.
        PluginError: a package's format failed.
    """
    named = format_named(form) if form else None
    logs = [log] if isinstance(log, str) else list(log)
    if logs.count("-") > 1:
        raise UsageError("- twice: standard input can be read once")
    with guarded(form), ExitStack() as stack:
        sources = []
        for name in logs:
            sources.append(Source(name))
            stack.callback(sources[-1].close)
        started = time.perf_counter()
        formats = [named or format_of(source.peek(_HEAD_BYTES), mapping is not None) for source in sources]
        reading = _open(formats, sources, context, mapping)
        done = _write(
            reading,
            output,
            tuple(set.intersection(*(set(format.records) for format in formats))),
            ", ".join(source.name for source in sources),
            force,
            strict,
            allow_partial,
            lambda: progress(sum(source.read_bytes for source in sources)),
        )
        return replace(done, format=_names(formats), seconds=time.perf_counter() - started)


def _names(formats: list[Format]) -> str:
    return " and ".join(dict.fromkeys(format.name for format in formats))


def _open(formats: list[Format], sources: list[Source], context: Context, mapping: str | None) -> Reading:
    """One reading of all sources."""
    if len(sources) == 1:
        return formats[0].read(sources[0], context, mapping)
    if all(format.merges_text for format in formats):
        return formats[0].read(MergedText(sources), context, mapping)
    if any(format.merges_text for format in formats):
        raise UsageError(
            f"found {_names(formats)}: rows of another recording would stand between a call and its row; "
            "convert them one by one"
        )
    readings = [format.read(source, context, mapping) for format, source in zip(formats, sources, strict=True)]
    return MergedReading(readings)


def _write(
    reading: Reading,
    output: Path,
    recorded: tuple[str, ...],
    name: str,
    force: bool,
    strict: bool,
    allow_partial: bool,
    progress: Callable[[], object],
) -> Conversion:
    rows = dict.fromkeys(OPS, 0)
    cgroups: set[int] = set()
    lacks = Lacks(recorded)

    def write(batch: pa.RecordBatch) -> None:
        writer.write(batch)
        lacks.see(batch)
        cgroups.update(pc.unique(batch["cgroup"].drop_null()).to_pylist())
        for count in pc.value_counts(batch["op"].indices).to_pylist():
            rows[OPS[count["values"]]] += count["counts"]

    # Text is parsed while the rows before it are encoded and written: both let go of the interpreter's lock.
    unwritten: list[Future[None]] = []
    with TraceWriter(output, reading.context.metadata(), force=force) as writer:
        with ThreadPoolExecutor(1) as pool:
            for batch in reading.batches():
                if strict and reading.messages:
                    raise TraceError(f"{name}: {reading.messages[0]} (--strict)")
                unwritten.append(pool.submit(write, batch))
                while len(unwritten) > _MOST_UNWRITTEN:
                    unwritten.pop(0).result()
                progress()
            for future in unwritten:
                future.result()
        if strict and reading.messages:
            raise TraceError(f"{name}: {reading.messages[0]} (--strict)")
        counts = reading.counts
        if not writer.rows:
            first = f" ({reading.messages[0]})" if reading.messages else ""
            raise TraceError(f"{name}: no event of zswap or zram in its {counts.lines:,} lines{first}")
        _refuse_partial(name, counts, reading.messages, allow_partial)
        words = lacks.words(is_count=counts.count_times > 0)
        writer.metadata = replace(
            reading.context.metadata(),
            lost_events=counts.lost_events,
            unreadable_lines=counts.unreadable_lines,
            backward_times=counts.backward_times,
            cgroups=" ".join(map(str, sorted(cgroups))) or None,
            lacks=" ".join(words) or None,
        )
    return Conversion(rows, counts, reading.messages, reading.text_bytes, 0.0, notes=tuple(reading.notes), lacks=words)


def _refuse_partial(name: str, counts: "Counts | _zreplay.ImportCounts", messages: list[str], allowed: bool) -> None:
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
