"""A part of a trace as a trace of its own: by time, rows, types, cgroups, offsets, or a sample of its slots.

Which rows stay is the engine's affair (core/trace/cut.hpp). What the kernel counted of all slots (`seen_stored`,
`seen_pool_pages`, `made_pages`) is left out where only a part of the slots stays: it would be true of no replay.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import _zreplay
import pyarrow as pa

from zreplay.errors import UsageError
from zreplay.trace.files import Trace, TraceMetadata, TraceWriter, open_trace
from zreplay.trace.sample import WHOLE, Sample
from zreplay.trace.sampled import OF_ALL_SLOTS
from zreplay.trace.schema import MAX_TYPES, OFFSET_BITS, SCHEMA

_MOST_NS = 2**63 - 1


@dataclass(frozen=True)
class Selection:
    """What stays; rows must pass all of it. Ranges are half open, None is no bound.

    Attributes:
        from_ns: time from the first row of the trace on, nanoseconds.
        to_ns: the time before which rows stay, likewise.
        rows: first row and the one behind the last, counted from 0.
        types: swap types; empty: all.
        cgroups: ids; empty: all. A slot belongs to the cgroup of the store that filled it.
        offsets: first slot and the one behind the last.
        sample: slots whose hash says so; all that happens to a slot stays or goes together.

    Raises:
        UsageError: a value that cannot be; the message names the option.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    rows: tuple[int, int | None] | None = None
    types: tuple[int, ...] = ()
    cgroups: tuple[int, ...] = ()
    offsets: tuple[int, int | None] | None = None
    sample: Sample = WHOLE

    def __post_init__(self) -> None:
        if all(getattr(self, field.name) == field.default for field in fields(self)):
            raise UsageError("nothing to cut by: give --from, --to, --rows, --type, --cgroup, --offsets or --sample")
        if self.to_ns is not None and (self.from_ns or 0) >= self.to_ns:
            span = f"{(self.from_ns or 0) / 1e9:,.9g} s to {self.to_ns / 1e9:,.9g} s"
            raise UsageError(f"--from and --to: found {span}, expected an end behind the begin")
        for option, low, high in (
            ("--rows", *(self.rows or (0, None))),
            ("--offsets", *(self.offsets or (0, None))),
        ):
            if high is not None and low >= high:
                raise UsageError(f"{option}: found {low:,} to {high:,}, expected an end behind the begin")
        for kind in self.types:
            if not 0 <= kind < MAX_TYPES:
                raise UsageError(f"--type: found {kind}, expected 0 to {MAX_TYPES - 1}")
        for group in self.cgroups:
            if not 0 <= group < 2**64:
                raise UsageError(f"--cgroup: found {group}, expected a number of 64 bits")

    @property
    def is_of_slots(self) -> bool:
        """Whether some slots of the machine are left out."""
        return bool(self.types or self.cgroups or self.offsets or not self.sample.is_whole)

    def as_dict(self) -> dict[str, Any]:
        """What was asked for, for the metadata; the rest left out."""
        asked = {field.name: getattr(self, field.name) for field in fields(self)}
        asked["sample"] = None if self.sample.is_whole else str(self.sample)
        return {name: value for name, value in asked.items() if value not in (None, ())}


def cut(path: str | Path, output: str | Path, selection: Selection, *, force: bool = False) -> TraceMetadata:
    """Write the selected rows of a trace as a trace; the metadata stay, and say what was cut.

    Raises:
        UsageError: no such file; an output that exists; nothing selected; a sample of a sample; cgroups of a trace
            that does not know them.
        TraceError: the trace cannot be read.
    """
    trace = open_trace(path)
    if trace.metadata.sample and not selection.sample.is_whole:
        raise UsageError(
            f"--sample: {path} is a sample of {trace.metadata.sample} already; sample the trace it was made from"
        )
    if selection.cgroups and "cgroup" not in trace.columns:
        raise UsageError(f"--cgroup: {path} has no column cgroup, so nobody knows whose pages they are; leave it out")
    left_out = OF_ALL_SLOTS if selection.is_of_slots else ()
    schema = pa.schema([SCHEMA.field(name) for name in trace.columns if name not in left_out])
    with TraceWriter(output, trace.metadata, schema=schema, force=force) as writer:
        for batch in _kept(trace, selection, schema):
            writer.write(batch)
        if not writer.rows:
            raise UsageError(f"{path}: no row is selected; `zreplay info {path}` tells what is in it")
        writer.metadata = _metadata(trace, selection, writer.rows)
    return writer.metadata


def _kept(trace: Trace, selection: Selection, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    engine = None
    for batch in trace.batches(columns=trace.columns):
        engine = engine or _engine(trace, selection, batch["ts_ns"][0].as_py())
        if engine.past_end:
            return
        kept = pa.record_batch(engine.next(batch))
        columns = [kept[name] if name in ("call_rows", "alloc_rows") else batch[name] for name in schema.names]
        yield pa.RecordBatch.from_arrays(columns, schema=schema).filter(kept["keep"].cast(pa.bool_()))


def _engine(trace: Trace, selection: Selection, first_ts_ns: int) -> _zreplay.Cut:
    def bounds(span: tuple[int, int | None] | None, most: int) -> tuple[int, int]:
        low, high = span or (0, None)
        return min(low, most), most if high is None else min(high, most)

    def moment(since: int | None, otherwise: int) -> int:
        return otherwise if since is None else min(first_ts_ns + since, _MOST_NS)

    return _zreplay.Cut(
        trace.most_call_rows(),
        rows=bounds(selection.rows, _MOST_NS),
        ts_ns=(moment(selection.from_ns, -(2**63)), moment(selection.to_ns, _MOST_NS)),
        types=sum(1 << kind for kind in set(selection.types)) or 2**32 - 1,
        cgroups=list(selection.cgroups),
        offsets=bounds(selection.offsets, 2**OFFSET_BITS),
        sample=(selection.sample.keep, selection.sample.of),
    )


def _metadata(trace: Trace, selection: Selection, rows: int) -> TraceMetadata:
    old = trace.metadata
    this = {"trace": trace.path.name, "rows_of_it": trace.rows, "rows_kept": rows, **selection.as_dict()}
    cgroups = old.cgroups
    if cgroups and selection.cgroups:
        cgroups = " ".join(word for word in cgroups.split() if int(word) in selection.cgroups) or None
    return replace(
        old,
        cgroups=cgroups,
        cut=json.dumps([*(json.loads(old.cut) if old.cut else []), this]),
        sample=old.sample if selection.sample.is_whole else str(selection.sample),
    )
