"""Text of ftrace, in the styles of the kernel, trace-cmd and perf. The reading is C++ (core/trace/ftrace.hpp)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import _zreplay
import pyarrow as pa

from zreplay.errors import TraceError, UsageError
from zreplay.trace.context import Context
from zreplay.trace.families import FAMILIES, FUNCTIONS, Family, family_of, told_by_sight
from zreplay.trace.formats.format import Format, Text
from zreplay.trace.importer import make_importer, to_schema
from zreplay.trace.schema import SCHEMA

_TAKE_ROWS = 1 << 16
#: The most text that is kept while none of it is an event of ours.
MOST_UNTOLD_BYTES = 1 << 29
#: What the clock is called of a text whose times are counts, where nobody says it.
COUNT_CLOCK = "counter"
_ERRNO_NOTE = "its stores answer with 0 or an errno, those of Linux %s with a boolean: read as they are, 0 is taken"


class FtraceReading:
    """An ftrace text being read; `chunks` of it have been looked at already."""

    def __init__(self, source: Text, context: Context, mapping: str | None) -> None:
        if mapping is not None:
            raise UsageError(f"--map: {source.name} is ftrace text, which has no columns to map")
        self.source = source
        # What the text is has to be known before its first line is read: the first chunk with an event of ours tells.
        self._chunks = [source.text()]
        seen = _zreplay.sight(self._chunks[-1], FUNCTIONS)
        while self._chunks[-1] and not told_by_sight(seen):
            if sum(map(len, self._chunks)) > MOST_UNTOLD_BYTES:
                raise TraceError(
                    f"{source.name}: no event of zswap or zram in its first {MOST_UNTOLD_BYTES:,} bytes of text; "
                    "without what is before them (grep) the rest can be read"
                )
            self._chunks.append(source.text())
            seen = _zreplay.sight(self._chunks[-1], FUNCTIONS)
        self.context, family = _told_by_text(seen, context, source.name)
        #: What the text is taken for against what its release says.
        self.notes = (_ERRNO_NOTE % self.context.kernel_release,) if family.answers_errno else ()
        self.importer = make_importer(family, self.context, allocs_answer=seen.allocs_answer)
        self.text_bytes = 0
        self.counts: _zreplay.ImportCounts = self.importer.counts
        self.messages: list[str] = []

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the order in which the events took effect.

        While rows become columns the engine, on a thread of its own, reads the next chunk; what is said of the lines is
        that of the rows given.
        """
        with ThreadPoolExecutor(1) as pool:
            rows: _zreplay.TakenRows | None = None
            while text := self._chunks.pop(0) if self._chunks else self.source.text():
                self.text_bytes += len(text)
                feeding = pool.submit(self.importer.feed, text)
                if rows is not None:
                    yield self._batch(rows)
                    rows = None
                feeding.result()
                self._check()
                if self.importer.ready_rows >= _TAKE_ROWS:
                    rows = self.importer.take_rows()
            if rows is not None:
                yield self._batch(rows)
        self.importer.finish()
        self._check()
        if self.counts.count_times:
            self.context = replace(self.context, clock=self.context.clock or COUNT_CLOCK)
        yield self._batch(self.importer.take_rows())

    def _check(self) -> None:
        self.counts, self.messages = self.importer.counts, self.importer.messages
        if self.importer.contradiction:
            raise TraceError(f"{self.source.name}: {self.importer.contradiction}; nothing was written")

    def _batch(self, rows: "_zreplay.TakenRows") -> pa.RecordBatch:
        batch = to_schema(pa.record_batch(rows.columns()))
        if self.counts.without_cpu:
            unknown = pa.nulls(len(batch), pa.uint16())
            batch = batch.set_column(SCHEMA.get_field_index("cpu"), SCHEMA.field("cpu"), unknown)
        return batch


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


FORMAT = Format(
    name="ftrace text",
    knows=lambda head, has_map: not has_map,
    read=FtraceReading,
    merges_text=True,
    records=("invalidate",),
)
