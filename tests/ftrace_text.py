"""Text of trace_pipe written by hand, and the rows it becomes."""

from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute
from _zreplay import FtraceImporter

from zreplay.trace.families import family_of, told_by_probes
from zreplay.trace.importer import to_schema

HANDLE = 0xFFFF_8880_0000_0040


def line(event: str, *, pid: int = 38, cpu: int = 0, us: int = 0, comm: str = "kswapd0", **arguments: Any) -> str:
    """One event; ``us`` microseconds after second 4. Handles and pages are written in hexadecimal."""
    values = [
        f"{key}={value:#x}" if key in ("handle", "page", "newpage", "place", "work") else f"{key}={value}"
        for key, value in arguments.items()
    ]
    probe = f"(caller+0x1/0x2 <- {event[:-4]})" if event.endswith("_ret") else f"({event}+0x0/0x20 [module])"
    return f"{comm:>16}-{pid:<7} [{cpu:03}] .N.1.     4.{us:06}: {event}: {probe} {' '.join(values)}\n"


def text(*events: tuple[Any, ...] | str) -> str:
    """Lines, 1 µs apart. An event is (name, {arguments and pid, cpu, comm, us}); a string stands for itself."""
    lines = []
    for number, event in enumerate(events):
        if isinstance(event, str):
            lines.append(event if event.endswith("\n") else event + "\n")
        else:
            name, arguments = event[0], dict(event[1]) if len(event) > 1 else {}
            lines.append(line(name, **{"us": number, **arguments}))
    return "".join(lines)


class Imported:
    """What the importer makes of a text: rows as dicts without their nulls, counts and messages."""

    def __init__(
        self, log: str | bytes, *, header_bytes: int = 8, chunk_bytes: int | None = None, **family: Any
    ) -> None:
        data = log.encode() if isinstance(log, str) else log
        importer = FtraceImporter(header_bytes, **family)
        for begin in range(0, len(data), chunk_bytes or max(len(data), 1)):
            importer.feed(data[begin : begin + (chunk_bytes or len(data))])
        importer.finish()
        self.batch = to_schema(pa.record_batch(importer.take()))
        self.counts = importer.counts
        self.messages = importer.messages
        self.contradiction = importer.contradiction

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        return [{key: value for key, value in row.items() if value is not None} for row in self.batch.to_pylist()]

    def columns_but_of(self, pid: int, *names: str) -> list[tuple[Any, ...]]:
        """As `columns`, without the rows of a task that has very many."""
        kept = self.batch.filter(pa.compute.not_equal(self.batch["pid"], pid))
        return list(zip(*(kept[name].to_pylist() for name in names), strict=True))

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        """The named columns, a tuple per row, None for null."""
        return [tuple(row.get(name) for name in names) for row in self.rows]


def stored(
    offset: int, handle: int = HANDLE, *, size: int = 1008, seen: int = 1, pages: int = 1, **at: Any
) -> list[Any]:
    """The five lines of a store that allocates."""
    return [
        ("store", {"type": 0, "offset": offset, **at}),
        ("alloc", {"size": size, **at}),
        ("alloc_ret", {"ret": 0, **at}),
        ("map", {"handle": handle, **at}),
        ("store_ret", {"ret": 0, "stored": seen, "pool": pages * 4096, **at}),
    ]


def invalidated(offset: int, handle: int | None = HANDLE, *, seen: int = 0, pages: int = 0, **at: Any) -> list[Any]:
    """The lines of an invalidate; without a handle nothing is freed."""
    free = [] if handle is None else [("free", {"handle": handle, **at})]
    return [
        ("invalidate", {"type": 0, "offset": offset, **at}),
        *free,
        ("invalidate_ret", {"stored": seen, "pool": pages * 4096, **at}),
    ]


# ---- the folio era: Linux 6.6 and later ----


def swap(offset: int, type: int = 0) -> int:
    """A swap entry as the kernel packs it into one word."""
    return type << 58 | offset


def kernel(major: int, minor: int) -> dict[str, Any]:
    """How `Imported` is to read the lines of a release since 6.6."""
    family = family_of(told_by_probes(text(("store", {"swap": 1})).encode()), (major, minor))
    assert family is not None
    return {"header_bytes": 0, **family.for_engine()}


def folio_stored(
    offset: int, handle: int = HANDLE, *, size: int = 1000, before: int = 0, seen: int = 1, **at: Any
) -> list[Any]:
    """The four lines of a store that zsmalloc has room for; ``before``: the pool's pages before it."""
    return [
        ("store", {"swap": swap(offset), **at}),
        ("alloc", {"size": size, "pages": before, **at}),
        ("alloc_ret", {"handle": handle, **at}),
        ("store_ret", {"ret": 1, "stored": seen, **at}),
    ]


def folio_refused(offset: int, *inside: Any, seen: int = 0, **at: Any) -> list[Any]:
    """A store that the kernel refused."""
    return [("store", {"swap": swap(offset), **at}), *inside, ("store_ret", {"ret": 0, "stored": seen, **at})]


def folio_invalidated(
    offset: int, handle: int | None = HANDLE, *, before: int = 1, seen: int = 0, **at: Any
) -> list[Any]:
    """The lines of an invalidate; without a handle nothing is freed."""
    free = [] if handle is None else [("free", {"handle": handle, "pages": before, **at})]
    return [("invalidate", {"swap": swap(offset), **at}), *free, ("invalidate_ret", {"stored": seen, **at})]


def visited(offset: int, *inside: Any, verdict: int, referenced: int = 0, **at: Any) -> list[Any]:
    """zswap's LRU looks at an entry; the verdict is the kernel's ``enum lru_status``."""
    return [
        ("visit", {"swap": swap(offset), "referenced": referenced, **at}),
        *inside,
        ("visit_ret", {"ret": verdict, **at}),
    ]


def folio_written(
    offset: int, handle: int | None, *, ret: int = 0, before: int = 1, seen: int = 0, **at: Any
) -> list[Any]:
    """An entry written back; without a handle nothing is freed."""
    free = [] if handle is None else [("free", {"handle": handle, "pages": before, **at})]
    return [
        ("writeback", {"swap": swap(offset), **at}),
        *free,
        ("writeback_ret", {"ret": ret, "stored": seen, **at}),
    ]
