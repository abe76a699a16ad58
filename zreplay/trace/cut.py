"""A part of a trace: by time, rows, type, cgroup, range of offsets, or a sample of the slots by their hash.

A sample keeps every event of one slot in N (Waldspurger et al., SHARDS, FAST 2015): what is chosen depends on the slot
alone, so each page that is kept keeps its whole life. A replay of it has a machine of an N-th of the memory, and its
pages stand for N times as many.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from zreplay.errors import UsageError
from zreplay.trace.files import Trace, TraceWriter, open_trace
from zreplay.trace.schema import OFFSET_BITS, OPS, SCHEMA

_NS = 1_000_000_000
#: Events of the pool as a whole: a sample keeps one in N of them too. (A compaction or shrink is of all of it.)
_PER_PAGE = ("migrate", "cma")
#: What the kernel counted is true of all slots, not of those that were chosen.
_READINGS = ("seen_stored", "seen_pool_pages", "made_pages")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows stay; None: all of them. Ranges are [first, end).

    Attributes:
        seconds: from the trace's first row on.
        rows: counted from 0; an end of None is the trace's.
        types: swap types.
        cgroups: ids; a slot belongs to the cgroup whose page was stored there last.
        offsets: slots within their type.
        one_in: a sample of one slot in so many, by hash.
    """

    seconds: tuple[float, float | None] | None = None
    rows: tuple[int, int | None] | None = None
    types: tuple[int, ...] | None = None
    cgroups: tuple[int, ...] | None = None
    offsets: tuple[int, int | None] | None = None
    one_in: int | None = None

    @property
    def chooses_slots(self) -> bool:
        """Whether slots are left out, and not only times."""
        return any(choice is not None for choice in (self.types, self.cgroups, self.offsets, self.one_in))

    def words(self) -> str:
        """For the metadata of what was cut out."""

        def span(ends: tuple[float, float | None]) -> str:
            return f"{ends[0]:g} to {'the end' if ends[1] is None else f'{ends[1]:g}'}"

        parts = [
            f"seconds {span(self.seconds)}" if self.seconds else "",
            f"rows {span(self.rows)}" if self.rows else "",
            f"types {' '.join(map(str, self.types))}" if self.types is not None else "",
            f"cgroups {' '.join(map(str, self.cgroups))}" if self.cgroups is not None else "",
            f"offsets {span(self.offsets)}" if self.offsets else "",
            f"one slot in {self.one_in}" if self.one_in else "",
        ]
        return ", ".join(part for part in parts if part)


def cut(
    path: Path,
    output: Path,
    selection: Selection,
    *,
    force: bool = False,
    progress: Callable[[int, int], object] = lambda rows, all_rows: None,
) -> int:
    """Write the rows of a trace that a selection keeps; how many there are.

    Distances in rows (``call_rows``, ``alloc_rows``) are counted anew, up to the begin of the part. Where slots are
    left out, the kernel's counts of all of them are left out too. Other metadata stay.

    Raises:
        UsageError: a selection that keeps nothing, or output that exists.
        TraceError: as :func:`zreplay.trace.files.open_trace` and `Trace.batches`.
    """
    trace = open_trace(path)
    metadata = replace(trace.metadata, cut="; ".join(filter(None, (trace.metadata.cut, selection.words()))))
    if selection.one_in:
        metadata = replace(metadata, sample_one_in=(trace.metadata.sample_one_in or 1) * selection.one_in)
    read = 0
    with TraceWriter(output, metadata, force=force) as writer:
        for batch, chosen in _chosen(trace, selection):
            read += batch.num_rows
            if chosen.num_rows:
                writer.write(chosen)
            progress(read, trace.rows)
            if _is_past(batch, read, selection, trace):
                break
        if not writer.rows:
            raise UsageError(f"{path}: no row is of {selection.words() or 'it'}; `zreplay info` shows what there is")
    return writer.rows


def _chosen(trace: Trace, selection: Selection) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Every batch, and what stays of it."""
    window = _Distances(trace.most_call_rows())
    member = _Members(selection.cgroups) if selection.cgroups is not None else None
    first_ts_ns = None
    row = 0
    for batch in trace.batches():
        if first_ts_ns is None:
            first_ts_ns = batch["ts_ns"][0].as_py()
        mask = _mask(batch, row, first_ts_ns, selection)
        if member:
            mask = pc.and_(mask, member.of(batch))
        row += batch.num_rows
        columns = {name: batch[name] for name in SCHEMA.names}
        columns |= window.recounted(batch, mask)
        if selection.chooses_slots:
            columns |= {name: pa.nulls(batch.num_rows, SCHEMA.field(name).type) for name in _READINGS}
        yield batch, pa.RecordBatch.from_arrays(list(columns.values()), schema=SCHEMA).filter(mask)


def _is_past(batch: pa.RecordBatch, read: int, selection: Selection, trace: Trace) -> bool:
    return bool(selection.rows and selection.rows[1] is not None and read >= selection.rows[1])


def _mask(batch: pa.RecordBatch, first_row: int, first_ts_ns: int, selection: Selection) -> pa.Array:
    """Which rows of a batch stay, cgroups apart."""
    rows = batch.num_rows
    mask = pl.repeat(True, rows, eager=True).to_arrow()

    def keep(condition: pa.Array) -> None:
        nonlocal mask
        mask = pc.and_(mask, pc.fill_null(condition, False))

    def within(values: pa.Array, first: int, end: int | None) -> pa.Array:
        inside = pc.greater_equal(values, pa.scalar(first, values.type))
        return inside if end is None else pc.and_(inside, pc.less(values, pa.scalar(end, values.type)))

    if selection.seconds:
        begin, end = (None if t is None else first_ts_ns + round(t * _NS) for t in selection.seconds)
        keep(within(batch["ts_ns"], begin or 0, end))
    if selection.rows:
        number = pl.int_range(first_row, first_row + rows, eager=True).to_arrow()
        keep(within(number, *selection.rows))
    slotless = pc.is_null(batch["offset"])
    if selection.types is not None:
        # What is of no slot at all is of no type either, and stays; an invalidate_area has a type and no offset.
        of = pc.is_in(batch["type"], pa.array(selection.types, pa.uint8()))
        keep(pc.or_(of, pc.is_null(batch["type"])))
    if selection.offsets:
        keep(pc.or_(pc.fill_null(within(batch["offset"], *selection.offsets), False), slotless))
    if selection.one_in:
        slot = pc.or_kleene(slotless, _is_sampled(_slots(batch), selection.one_in))
        per_page = pc.is_in(batch["op"].indices, pa.array([OPS.index(op) for op in _PER_PAGE], pa.int8()))
        keep(pc.if_else(per_page, _is_sampled(batch["ts_ns"].cast(pa.uint64()), selection.one_in), slot))
    return mask


def _slots(batch: pa.RecordBatch) -> pa.Array:
    """Type and offset as one word."""
    types = pc.shift_left(pc.fill_null(batch["type"], 0).cast(pa.uint64()), pa.scalar(OFFSET_BITS, pa.uint64()))
    return pc.bit_wise_or(types, batch["offset"])


def _is_sampled(values: pa.Array, one_in: int) -> pa.Array:
    """Whether a value is among the one in so many whose hash (splitmix64's finish) is a multiple."""

    def constant(value: int) -> pa.Scalar:
        return pa.scalar(value, pa.uint64())

    def folded(x: pa.Array, shift: int) -> pa.Array:
        return pc.bit_wise_xor(x, pc.shift_right(x, constant(shift)))

    x = pc.add(values, constant(0x9E3779B97F4A7C15))
    x = pc.multiply(folded(x, 30), constant(0xBF58476D1CE4E5B9))
    x = folded(pc.multiply(folded(x, 27), constant(0x94D049BB133111EB)), 31)
    whole = pc.multiply(pc.divide(x, constant(one_in)), constant(one_in))
    return pc.equal(x, whole)


class _Distances:
    """Distances in rows, counted over the rows that stay. Behind it: how many of the rows before each one stayed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._before = pa.array([], pa.int64())  # of the last `most` rows
        self._kept = 0

    def recounted(self, batch: pa.RecordBatch, mask: pa.Array) -> dict[str, pa.Array]:
        """``call_rows`` and ``alloc_rows`` of a batch of which `mask` stays."""
        kept = mask.cast(pa.int64())
        before = pc.add(pc.subtract(pc.cumulative_sum(kept), kept), self._kept)
        joined = pa.concat_arrays([self._before, before])
        first = len(self._before)
        own = pl.int_range(first, first + batch.num_rows, eager=True).to_arrow()
        out = {}
        for name in ("call_rows", "alloc_rows"):
            at = pc.max_element_wise(pc.subtract(own, batch[name].cast(pa.int64())), 0, skip_nulls=False)
            out[name] = pc.subtract(before, joined.take(at)).cast(pa.uint32())
        self._kept += pc.sum(kept).as_py() or 0
        self._before = joined.slice(max(len(joined) - self._most, 0))
        return out


class _Members:
    """Which rows are of slots whose page belongs to some cgroups: the last store into a slot says so."""

    def __init__(self, cgroups: tuple[int, ...]) -> None:
        self._cgroups = cgroups
        self._known = pl.DataFrame(schema={"slot": pl.UInt64, "cgroup": pl.UInt64})

    def of(self, batch: pa.RecordBatch) -> pa.Array:
        """For each row of a batch; what is of no slot stays."""
        is_store = pc.equal(batch["op"].indices, OPS.index("store"))
        told = pc.if_else(is_store, batch["cgroup"], pa.scalar(None, pa.uint64()))
        rows = pl.DataFrame({"slot": pl.from_arrow(_slots(batch)), "cgroup": pl.from_arrow(told)})
        filled = pl.concat([self._known, rows]).with_columns(pl.col("cgroup").forward_fill().over("slot"))
        found = filled.tail(rows.height)
        self._known = filled.drop_nulls().unique("slot", keep="last", maintain_order=True)
        inside = found.select(pl.col("slot").is_null() | pl.col("cgroup").is_in(self._cgroups).fill_null(False))
        return inside.to_series().to_arrow()
