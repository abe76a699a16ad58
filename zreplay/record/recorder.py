"""From a trace instance to a trace, as it happens: text read, parsed in the core, written in parts."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import _zreplay
import pyarrow as pa
import pyarrow.compute as pc

from zreplay.errors import UsageError
from zreplay.record.machine import Machine
from zreplay.record.parts import PartsWriter
from zreplay.record.probes import Plan
from zreplay.record.tracing import Tracing
from zreplay.trace.families import FAMILIES
from zreplay.trace.importer import make_importer, to_schema
from zreplay.trace.schema import OPS

_WAIT_SECONDS = 0.1
_STATUS_SECONDS = 0.5
_TAKE_ROWS = 1 << 16
#: Slots of one block of swap that stay together when offsets are hidden: a swap cluster's.
_BLOCK_SLOTS = 256
_HANDLES = ("seen_handle", "seen_page")


@dataclass
class Status:
    """How a recording stands."""

    events: int = 0
    events_per_second: float = 0.0
    lost_by_cpu: list[int] = field(default_factory=list)
    pool_pages: int | None = None


@dataclass(frozen=True)
class Recording:
    """What became of it."""

    rows: dict[str, int]  #: by op
    seconds: float
    text_bytes: int
    lost_by_cpu: list[int]
    missed_hits: int
    counts: "_zreplay.ImportCounts"
    command_status: int | None  #: exit status of the command; None: there was none, or it was stopped


class _Anonymiser:
    """PIDs in the order in which they come, offsets by blocks of a swap cluster in an order of chance."""

    def __init__(self) -> None:
        self._pids: dict[int, int] = {}
        self._blocks: dict[int, int] = {}
        self._free: list[int] = []
        self._random = random.SystemRandom()

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        pids = self._renamed(batch["pid"], lambda pid: self._pids.setdefault(pid, len(self._pids) + 1))
        offset = batch["offset"]
        block = pc.divide(offset, _BLOCK_SLOTS)
        within = pc.subtract(offset, pc.multiply(block, _BLOCK_SLOTS))
        hidden = self._renamed(block, self._block)
        columns = {
            "pid": pids.cast(batch.schema.field("pid").type),
            "offset": pc.add(pc.multiply(hidden.cast(pa.uint64()), _BLOCK_SLOTS), within),
        }
        return pa.RecordBatch.from_arrays(
            [columns.get(name, batch[name]) for name in batch.schema.names], schema=batch.schema
        )

    def _block(self, block: int) -> int:
        if block not in self._blocks:
            if not self._free:  # the next 64 numbers, shuffled
                first = len(self._blocks)
                self._free = list(range(first, first + 64))
                self._random.shuffle(self._free)
            self._blocks[block] = self._free.pop()
        return self._blocks[block]

    @staticmethod
    def _renamed(values: pa.Array, name: Callable[[int], int]) -> pa.Array:
        encoded = pc.dictionary_encode(values)
        names = pa.array([name(value) for value in encoded.dictionary.to_pylist()], pa.int64())
        return names.take(encoded.indices)


def record(
    machine: Machine,
    plan: Plan,
    output: Path,
    *,
    command: Sequence[str] = (),
    seconds: float | None = None,
    buffer_kb: int = 16384,
    handles: bool = False,
    anonymise: bool = False,
    force: bool = False,
    told: Callable[[Status], object] = lambda status: None,
    warned: Callable[[str], object] = lambda message: None,
) -> Recording:
    """Record until the command has ended, the time is up, or a signal (SIGINT, SIGTERM, SIGHUP) says so.

    Args:
        machine: what is recorded; `plan` says how.
        output: the trace; while it is recorded, its parts are beside it (record/parts.py).
        command: a program and its arguments.
        buffer_kb: of each CPU's buffer, in KiB.
        handles: keep addresses of the kernel (``seen_handle``, ``seen_page``).
        anonymise: hide PIDs and where in the swap area pages are.
        told: is told the status twice a second.
        warned: is told of probes that the kernel would not set, before the recording begins.

    Raises:
        UsageError: the output exists, the kernel refuses the probes, the command cannot be run.
    """
    assert machine.tracefs is not None
    context = machine.context(plan.model)
    family = next((f for f in FAMILIES if f.model == plan.model and f.covers(context.release or (0, 0))), None)
    if family is None:
        raise UsageError(
            f"Linux {machine.release}: a kernel whose {plan.model} cannot be read (zreplay/trace/families)"
        )
    importer = make_importer(family, context)
    rows = dict.fromkeys(OPS, 0)
    cgroups: set[int] = set()
    text_bytes = 0
    hide = _Anonymiser() if anonymise else None
    status = Status()
    writer = PartsWriter(output, context.metadata(), force=force)

    def take() -> None:
        batch = to_schema(pa.record_batch(importer.take()))
        for count in pc.value_counts(batch["op"].indices).to_pylist():
            rows[OPS[count["values"]]] += count["counts"]
        cgroups.update(pc.unique(batch["cgroup"].drop_null()).to_pylist())
        if len(seen := batch["seen_pool_pages"].drop_null()):
            status.pool_pages = seen[-1].as_py()
        if not handles:
            batch = pa.RecordBatch.from_arrays(
                [
                    pa.nulls(len(c), c.type) if n in _HANDLES else c
                    for n, c in zip(batch.schema.names, batch, strict=True)
                ],
                schema=batch.schema,
            )
        writer.write(hide(batch) if hide else batch)

    try:
        with Tracing(machine.tracefs, buffer_kb=buffer_kb) as tracing, _stop_signals() as stopped:
            tracing.arm(plan)
            for probe, why in tracing.refused:
                warned(f"{probe.event} of {probe.symbol}: the kernel refused the probe ({why}); the trace will lack it")
            started = told_at = time.monotonic()
            child = _start(command)
            lines_before = 0
            try:
                while True:
                    text = tracing.read(_WAIT_SECONDS)
                    if text:
                        text_bytes += len(text)
                        importer.feed(text)
                    now = time.monotonic()
                    if importer.ready_rows >= _TAKE_ROWS or now - told_at >= _STATUS_SECONDS:
                        take()
                    if now - told_at >= _STATUS_SECONDS:
                        lines = importer.counts.lines
                        status.events, status.lost_by_cpu = lines, tracing.lost_by_cpu()
                        status.events_per_second = (lines - lines_before) / (now - told_at)
                        told_at, lines_before = now, lines
                        told(status)
                    over = stopped() or (child and child.poll() is not None)
                    if over or (seconds is not None and now - started >= seconds):
                        break
            finally:
                if child and child.poll() is None:
                    child.terminate()
                    child.wait()
            tracing.stop()
            while text := tracing.read(0):
                text_bytes += len(text)
                importer.feed(text)
                if importer.ready_rows >= _TAKE_ROWS:
                    take()
            lost, missed = tracing.lost_by_cpu(), tracing.missed()
            ended = time.monotonic()
    except BaseException:
        writer.abandon()
        raise
    importer.finish()
    take()
    counts = importer.counts
    writer.metadata = replace(
        writer.metadata,
        lost_events=max(sum(lost), counts.lost_events),
        unreadable_lines=counts.unreadable_lines,
        backward_times=counts.backward_times,
        cgroups=" ".join(map(str, sorted(cgroups))) or None,
    )
    writer.close()
    code = child.returncode if child and not stopped() else None
    return Recording(rows, ended - started, text_bytes, lost, missed, counts, code)


def _start(command: Sequence[str]) -> "subprocess.Popen[bytes] | None":
    if not command:
        return None
    try:
        return subprocess.Popen(list(command))
    except OSError as error:
        raise UsageError(f"{command[0]}: cannot be run: {error.strerror}") from error


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Signals that ask for an end are noted instead of ending us; yields whether one came."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
