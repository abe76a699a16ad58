"""A trace instance of our own in tracefs: probes set, read, and everything removed again.

Probes belong to the whole machine, their events to any instance; so both have a name with our process in it, and
nothing of other users is touched. What a process that was killed left behind is known by a name whose process is gone.
"""

import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import _zreplay

from zreplay.errors import UsageError
from zreplay.record.probes import Plan, Probe

_PREFIX = "zreplay_"
_NAME = re.compile(rf"{_PREFIX}(\d+)(?:_\d+)?")
# What one read gives is a page of the buffer; sub-buffers can be set larger (6.8).
_MOST_PAGE_BYTES = 1 << 16
_MOST_PAGES = 1024
# An event has its time when its record is begun; until it is in, a reader of another CPU may be past it.
_IN_FLIGHT_NS = 20_000_000
_FOREVER_NS = 2**64 - 1
_FIELD = re.compile(r"field:(.*?) ?(\w+)(?:\[\])?;\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d);")


class Tracing:
    """An instance, from `arm` to `disarm`; as a context manager it is disarmed whatever happens.

    Args:
        tracefs: where tracefs is mounted.
        buffer_kb: of each CPU's buffer, in KiB.
    """

    def __init__(self, tracefs: Path, *, buffer_kb: int) -> None:
        self._tracefs = tracefs
        self._name = f"{_PREFIX}{os.getpid()}"
        self._instance = tracefs / "instances" / self._name
        self._buffer_kb = buffer_kb
        self._pipes: dict[int, int] = {}  # by CPU
        self._ring = _zreplay.RingBuffer()
        self._stopped = False
        self.refused: list[tuple[Probe, str]] = []  #: probes that the kernel would not set, and why

    def __enter__(self) -> "Tracing":
        return self

    def __exit__(self, *_: object) -> None:
        self.disarm()

    def arm(self, plan: Plan) -> None:
        """Set the probes and begin. Raises UsageError where the kernel refuses what a trace cannot do without."""
        try:
            self._instance.mkdir()
            _write(self._instance / "trace_clock", "mono")
            _write(self._instance / "buffer_size_kb", str(self._buffer_kb))
        except OSError as error:
            raise UsageError(
                f"{self._instance}: {error.strerror}; {self._buffer_kb} KiB for each CPU may be too much: --buffer"
            ) from error
        taken = [probe for probe in plan.probes if self._set(probe)]
        lost = [(probe, why) for probe, why in self.refused if probe.event in ("store", "alloc", "free", "bio")]
        if lost:
            probe, why = lost[0]
            raise UsageError(f"the kernel refused the probe {probe.definition(self._name)!r}: {why}")
        for folder in self._instance.glob("per_cpu/cpu*"):
            self._pipes[int(folder.name[3:])] = os.open(folder / "trace_pipe_raw", os.O_RDONLY | os.O_NONBLOCK)
        for probe in taken:
            event = self._instance / "events" / self._group(probe) / probe.event
            self._learn(probe, (event / "format").read_text())
            if probe.filter:
                _write(event / "filter", probe.filter)
        # Returns first: a call whose return is not probed yet would stay open.
        for probe in sorted(taken, key=lambda probe: not probe.at_return):
            _write(self._instance / "events" / self._group(probe) / probe.event / "enable", "1")

    def _group(self, probe: Probe) -> str:
        return f"{self._name}_{probe.group}" if probe.group else self._name

    def _set(self, probe: Probe) -> bool:
        try:
            _write(self._tracefs / "kprobe_events", probe.definition(self._group(probe)), append=True)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES):
                raise UsageError(
                    f"{self._tracefs}/kprobe_events: {error.strerror}: is the kernel locked down?"
                ) from error
            self.refused.append((probe, _said(self._tracefs) or error.strerror or str(error)))
            return False
        return True

    def _learn(self, probe: Probe, description: str) -> None:
        """What an event's record has where."""
        number = re.search(r"^ID: (\d+)$", description, re.MULTILINE)
        assert number is not None
        fields = []
        for kind, name, offset, size, signed in _FIELD.findall(description):
            if name.startswith(("common_", "__probe_")):
                continue
            shown = "string" if kind.startswith("__data_loc") else "signed" if signed == "1" else "unsigned"
            if f"{name}=0x%" in description:
                shown = "hex"
            fields.append((name, int(offset), int(size), shown))
        self._ring.add_event(int(number[1]), probe.event, probe.symbol, probe.at_return, fields)

    def stop(self) -> None:
        """No more events; those in the buffers can still be read."""
        self._stopped = True
        for enable in self._instance.glob(f"events/{self._name}*/enable"):
            _write(enable, "0")

    def read(self, wait_seconds: float) -> bytes:
        """Text of the events since, in order of time; waits so long where there are none. Empty: none yet."""
        begun_ns = time.monotonic_ns()
        until_ns = _FOREVER_NS if self._stopped else begun_ns - _IN_FLIGHT_NS
        pages = 0
        for cpu, pipe in self._pipes.items():
            for _ in range(_MOST_PAGES):
                try:
                    page = os.read(pipe, _MOST_PAGE_BYTES)
                except (BlockingIOError, InterruptedError):
                    page = b""
                if not page:
                    break
                last_ns = self._ring.feed(cpu, page)
                pages += 1
            else:  # there is more: of this CPU's events only those read are all there
                until_ns = min(until_ns, last_ns)
        if not pages and wait_seconds:
            time.sleep(wait_seconds)
        return self._ring.take(until_ns)

    def lost_by_cpu(self) -> list[int]:
        """Events that a full buffer lost, by CPU."""
        out = []
        for folder in sorted(self._instance.glob("per_cpu/cpu*"), key=lambda path: int(path.name[3:])):
            stats = (folder / "stats").read_text()
            out.append(sum(int(n) for n in re.findall(r"^(?:overrun|dropped events): (\d+)", stats, re.MULTILINE)))
        return out

    def missed(self) -> int:
        """Hits of our probes that the kernel did not run: more calls under way than a return probe has room for."""
        try:
            profile = (self._tracefs / "kprobe_profile").read_text()
        except OSError:
            return 0
        # The profile names events without their group: another recording's hits of the same name count as well.
        events = {path.name for path in self._instance.glob(f"events/{self._name}*/*") if path.is_dir()}
        rows = [line.split() for line in profile.splitlines()]
        return sum(int(row[2]) for row in rows if len(row) == 3 and row[2].isdecimal() and row[0] in events)

    def disarm(self) -> None:
        """Remove the instance and the probes; done twice it does nothing."""
        while self._pipes:
            os.close(self._pipes.popitem()[1])
        _remove(self._tracefs, self._name)


def leftovers(tracefs: Path) -> list[str]:
    """Names of recordings whose process is gone."""
    names = {path.name for path in (tracefs / "instances").glob(f"{_PREFIX}*")}
    names |= {f"{_PREFIX}{match[1]}" for match in map(_NAME.fullmatch, _groups(tracefs)) if match}
    return sorted(name for name in names if not _is_recording(int(name.removeprefix(_PREFIX))))


def cleanup(tracefs: Path) -> list[str]:
    """Remove what recordings that were killed have left; their names."""
    names = leftovers(tracefs)
    for name in names:
        _remove(tracefs, name)
    return names


def _groups(tracefs: Path) -> Iterator[str]:
    try:
        text = (tracefs / "kprobe_events").read_text()
    except OSError:
        return
    for line in text.splitlines():
        yield line.partition(":")[2].partition("/")[0]


def _is_recording(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"zreplay" in command


def _remove(tracefs: Path, name: str) -> None:
    instance = tracefs / "instances" / name
    if instance.is_dir():
        for enable in instance.glob(f"events/{name}*/enable"):
            _write(enable, "0")
        instance.rmdir()
    try:
        text = (tracefs / "kprobe_events").read_text()
    except OSError:
        return
    for line in text.splitlines():
        event = line.partition(":")[2].partition(" ")[0]
        match = _NAME.fullmatch(event.partition("/")[0])
        if match and f"{_PREFIX}{match[1]}" == name:
            _write(tracefs / "kprobe_events", f"-:{event}", append=True)


def _said(tracefs: Path) -> str | None:
    """The kernel's last word on what it refused."""
    try:
        lines = (tracefs / "error_log").read_text().splitlines()
    except OSError:
        return None
    said = [line.partition("error:")[2].strip() for line in lines if "error:" in line]
    return said[-1] if said else None


def _write(path: Path, text: str, *, append: bool = False) -> None:
    # One write() for each: the kernel reads a definition whole. tracefs knows no O_CREAT.
    descriptor = os.open(path, os.O_WRONLY | (os.O_APPEND if append else os.O_TRUNC))
    try:
        os.write(descriptor, text.encode() + b"\n")
    finally:
        os.close(descriptor)
