"""Whether a trace can be believed: everything that is wrong or odd in it, in one pass and bounded memory.

An error is what no kernel does and what makes a replay's numbers wrong; a remark is what real recordings also have, and
what somebody who reads the numbers should know. What is seen in a row is counted by the engine (core/trace/check.hpp).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import _zreplay

from zreplay.errors import TraceError
from zreplay.trace.files import MetadataError, Misfit, Trace, TraceMetadata
from zreplay.trace.schema import OPS

#: From where on a time without events is remarked on.
PAUSE_SECONDS = 10
#: So many distinct slots, all a multiple of 8, and their numbers are likely sectors.
_SECTORS_FROM = 64
#: So many rows of one kind are named.
_ROWS_NAMED = 5
#: Without one of these a row tells nothing.
_NEEDED = ("ts_ns", "op", "type", "offset")
_VALIDATE_KEYS = ("model", "pool", "source_kernel", "totalram_pages", "max_pool_percent", "accept_threshold_percent")

#: Kind of row → what it is. The first are errors.
_ERRORS = {
    "time_back": "time goes back",
    "null_value": "a value that the row needs is null",
    "slot_range": "a slot that cannot be",
    "size_over_page": "larger than a page",
    "not_a_result": "a result that the kernel does not return",
    "not_an_op": "no event of the format",
    "out_of_range": "a value that its column cannot hold",
    "negative_count": "a count of the kernel below 0",
    "not_a_flag": "neither 0 nor 1",
    "call_after_row": "a call that began after the moment it took effect (call_ts_ns > ts_ns)",
    "alloc_before_call": "a store that asked the allocator before it was called (alloc_rows > call_rows)",
}
_REMARKS = {
    "load_never_stored": "loads of slots that no row has stored: stored before the trace begins, or the slots are "
    "wrong; a replay misses them",
    "load_of_emptied": "loads that found a page in a slot emptied before, with no store in between; a replay "
    "misses them",
    "invalidate_never_stored": "invalidates of slots that no row has stored; a replay passes over them",
    "store_over_live": "stores over an entry that is still there, which they replace",
    "taken_without_size": "stores without a size that were taken; `run --missing-size` gives them one",
    "pause": f"no event for more than {PAUSE_SECONDS} s before it",
    "call_before_begin": "calls that began before the trace does; they are taken to begin with it",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (``error``) or odd (``remark``), on `count` rows or, without rows, of the whole trace."""

    severity: str
    name: str
    message: str
    count: int | None = None
    first_rows: tuple[int, ...] = ()  #: counted from 0, five at most


@dataclass(frozen=True)
class Report:
    """What `check` found; the trace is valid when no finding is an error."""

    trace: str
    rows: int  #: that could be read
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def valid(self) -> bool:
        """Whether there are none."""
        return not self.errors

    def as_dict(self) -> dict[str, object]:
        """For ``zreplay check --json``."""
        return {"valid": self.valid, **asdict(self)}


def check(path: str | Path) -> Report:
    """Read a trace once and tell all that is wrong or odd.

    Raises:
        UsageError: no such file.
        TraceError: not a trace at all: no Parquet, truncated, without the columns every trace has, of another major
            version.
    """
    findings: list[Finding] = []
    trace = _opened(Path(path), findings)
    engine = _zreplay.Check(pause_ns=PAUSE_SECONDS * 10**9)
    misfits = _Misfits()
    try:
        # All columns: what any verb refuses is found here, whichever of them it reads.
        for batch in trace.unchecked_batches(on_misfit=misfits.take):
            engine.add(batch, misfits.end_of_batch(batch.num_rows))
    except TraceError as error:
        reason = str(error).removeprefix(f"{path}: ")
        findings.append(Finding("error", "unreadable", f"{reason}; nothing behind it was looked at"))
    findings += misfits.findings()
    for found in engine.findings():
        severity = "error" if found.name in _ERRORS else "remark"
        message = (_ERRORS | _REMARKS)[found.name] + (f": {found.example}" if found.example else "")
        findings.append(Finding(severity, found.name, message, found.count, tuple(found.first_rows)))
    findings += _of_the_whole(engine, trace)
    findings += _of_the_recording(trace.metadata)
    findings += _for_validate(engine, trace)
    findings.sort(key=lambda finding: finding.severity)  # errors first, else as found
    return Report(str(path), engine.rows, tuple(findings))


class _Misfits:
    """Values that could not be read, one finding a column, while the check goes on behind them."""

    def __init__(self) -> None:
        self._before = 0  # rows of the batches that have been checked
        self._unread: set[int] = set()  # rows of the batch being read
        self._first: dict[str, Misfit] = {}
        self._count: dict[str, int] = {}
        self._rows: dict[str, list[int]] = {}

    def take(self, misfit: Misfit) -> None:
        name = misfit.column
        self._first.setdefault(name, misfit)
        self._count[name] = self._count.get(name, 0) + len(misfit.rows)
        rows = self._rows.setdefault(name, [])
        rows += [self._before + row for row in misfit.rows[: _ROWS_NAMED - len(rows)]]
        if name in _NEEDED:
            self._unread.update(misfit.rows)

    def end_of_batch(self, rows: int) -> list[int]:
        """The rows of the batch that tell nothing, ascending."""
        unread = sorted(self._unread)
        self._unread.clear()
        self._before += rows
        return unread

    def findings(self) -> Iterator[Finding]:
        for column, first in self._first.items():
            name = "not_an_op" if column == "op" else "out_of_range"
            message = f"{_ERRORS[name]}: column {column}: found {first.found}, expected {first.expected}"
            yield Finding("error", name, message, self._count[column], tuple(self._rows[column]))


def _opened(path: Path, findings: list[Finding]) -> Trace:
    """The trace without the keys of its metadata that cannot be, each of which is a finding."""
    faulty: list[str] = []
    while True:
        try:
            return Trace(path, without_metadata=faulty)
        except MetadataError as error:
            findings.append(Finding("error", "metadata", str(error).removeprefix(f"{path}: ")))
            faulty.append(error.key)


def _of_the_whole(engine: _zreplay.Check, trace: Trace) -> Iterator[Finding]:
    """Mixes of operations that no kernel makes, and slots that are numbered as no kernel numbers them."""
    events = dict(zip(OPS, engine.events, strict=True))
    of_slots = sum(events[op] for op in ("store", "load", "invalidate", "writeback", "visit"))
    is_part = bool(trace.metadata.cut)
    if not trace.rows:
        yield Finding("remark", "empty", "no rows")
    elif of_slots and not events["store"]:
        # A part cut out may well have none.
        severity = "remark" if is_part else "error"
        yield Finding(severity, "no_store", "not one store: nothing that is loaded or freed was ever there")
    if engine.taken and not engine.taken_out:
        message = (
            f"nothing that was stored is ever freed: {engine.taken:,} stores, and no invalidate or writeback of a slot "
            "while it was filled; the pool only grows"
        )
        yield Finding("remark", "only_grows", message)
    if events["store"] and not engine.taken:
        yield Finding("remark", "none_taken", f"all {events['store']:,} stores were refused")
    used = [kind for kind in range(32) if engine.types_used >> kind & 1]
    if events["store"] and (without := [kind for kind in used if not engine.types_stored >> kind & 1]):
        yield Finding("remark", "type_without_store", f"swap types {_listed(without)}: no store was taken on them")
    if used and len(used) <= used[-1] and not is_part:
        below = [kind for kind in range(used[-1]) if kind not in used]
        message = f"type {used[-1]} is used, {_listed(below)} not: a swapon gets the lowest number that is free"
        yield Finding("remark", "type_without_swapon", message)
    if engine.distinct_stored >= _SECTORS_FROM and engine.offset_bits and engine.offset_bits % 8 == 0:
        message = "every offset is a multiple of 8: sectors, perhaps, where slots are asked (sector / 8)"
        yield Finding("remark", "offsets_of_sectors", message)


def _of_the_recording(metadata: TraceMetadata) -> Iterator[Finding]:
    for key, meaning in (
        ("lost_events", "events that the recorder's buffer dropped: rows are missing, and nobody knows where"),
        ("unreadable_lines", "lines of the recording's text that could not be read"),
        ("backward_times", "events whose time stepped backwards and was raised to the one before"),
    ):
        if count := getattr(metadata, key):
            yield Finding("remark", key, meaning, count)


def _for_validate(engine: _zreplay.Check, trace: Trace) -> Iterator[Finding]:
    """What a comparison with the kernel needs, and the trace does not have."""
    if trace.metadata.clock == "synthetic":
        return
    lacking = [] if engine.store_results else ["result (of stores)"]
    lacking += [name for name in ("seen_pool_pages", "seen_stored") if name not in trace.columns]
    if not engine.seen_counts and not any(name.startswith("seen_") for name in lacking):
        lacking.append("seen_pool_pages, seen_stored (all null)")
    if lacking:
        yield Finding("remark", "columns_for_validate", f"`validate` has nothing to compare: no {', '.join(lacking)}")
    is_zram = trace.metadata.model == "zram"
    keys = [key for key in _VALIDATE_KEYS if not (is_zram and key.endswith(("percent", "totalram_pages")))]
    if unknown := [key for key in keys if getattr(trace.metadata, key) is None]:
        message = f"not said in the metadata: {', '.join(unknown)}; replays take the profile's, or no limit"
        yield Finding("remark", "metadata_for_validate", message)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
