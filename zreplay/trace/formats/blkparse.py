"""blkparse's text of a swap device: each page read or written is a load or a store whose size nobody knows.

    252,0    1        2     0.000001000    38  Q  WS 8 + 8 [kswapd0]
    DEVICE   CPU      SEQ   SECONDS       PID  ACTION RWBS SECTOR + SECTORS [COMM]

A request has one line an action; of these one is taken, the first of Q (queued), D (issued) and C (completed) that the
text's beginning has. W is a store, R a load, D in RWBS a discard, which is an invalidate; flushes have no pages. Eight
sectors are a page, so a request of n pages is n rows. Devices are types, in the order in which they come up.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from zreplay.errors import TraceError, UsageError
from zreplay.trace.context import Context
from zreplay.trace.formats.format import Format, Reading, RowsReading
from zreplay.trace.formats.lines import frames, raise_times, to_rows
from zreplay.trace.schema import MAX_TYPES

if TYPE_CHECKING:
    from zreplay.trace.source import Source

SECTORS_A_PAGE = 8
ACTIONS = "QDC"
_LINE = (
    r"^\s*(?<device>\d+,\d+)\s+(?<cpu>\d{1,5})\s+\d+\s+(?<seconds>\d{1,9})\.(?<nanoseconds>\d{9})\s+(?<pid>\d{1,10})"
    r"\s+(?<action>[A-Z]{1,3})\s+(?<rwbs>[A-Z]{1,8})(?:\s+(?<sector>\d{1,18})\s+\+\s+(?<sectors>\d{1,9})(?:\s|$))?"
)
_EVENT = re.compile(rb"^[ \t]*\d+,\d+[ \t]+\d+[ \t]+\d+[ \t]+\d+\.\d{9}[ \t]+\d+[ \t]+([A-Z]{1,3})[ \t]", re.M)
# The totals at the end: `CPU0 (252,0):`, `Total (252,0):`, and lines of two or three columns of words and numbers.
_TOTALS = (
    r"^\s*(?:(?:CPU\s*\d+|Total) \(|(?:Reads|Writes|Read|Write|IO|Throughput|Events|Skips|PC|Timer|Unplug)\b|$)"
    r"|^Input file \S+ added$"
)


class BlkparseReading(RowsReading):
    """A blkparse text being read."""

    def __init__(self, source: "Source", context: Context, mapping: str | None) -> None:
        if mapping is not None:
            raise UsageError(f"--map: {source.name} is blkparse's text, which has no columns to map")
        super().__init__(source, context)
        there = {found.decode() for found in _EVENT.findall(source.peek(1 << 16))}
        self._action = next((action for action in ACTIONS if action in there), ACTIONS[0])
        self._types: dict[str, int] = {}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        last_ns = -1
        for frame in frames(self):
            parsed = frame.with_columns(pl.col("text").str.extract_groups(_LINE).alias("at")).unnest("at")
            is_line = pl.col("device").is_not_null()
            is_ours = is_line & (pl.col("action") == self._action) & pl.col("rwbs").str.contains("[RWD]")
            is_ours &= pl.col("sector").is_not_null() | ~pl.col("rwbs").str.starts_with("F")  # a flush alone
            pages = pl.col("sector").cast(pl.UInt64), pl.col("sectors").cast(pl.UInt64)
            is_whole = ((pages[0] % SECTORS_A_PAGE == 0) & (pages[1] % SECTORS_A_PAGE == 0)).fill_null(False)
            parsed = parsed.with_columns(
                bad=(~is_line & ~pl.col("text").str.contains(_TOTALS)) | (is_ours & ~is_whole),
                ours=is_ours & is_whole,
                ts_ns=pl.col("seconds").cast(pl.Int64) * 1_000_000_000 + pl.col("nanoseconds").cast(pl.Int64),
            )
            for line, text, device in parsed.filter("bad").select("line", "text", "device").iter_rows():
                self.counts.unreadable_lines += 1
                expected = (
                    "DEVICE CPU SEQUENCE SECONDS PID ACTION RWBS SECTOR + SECTORS"
                    if device is None
                    else f"a sector and a count of whole pages of {SECTORS_A_PAGE}"
                )
                self.unreadable(line, expected, text)
            self.counts.other_events += int(parsed.select((is_line & ~pl.col("ours") & ~pl.col("bad")).sum()).item())
            ours = parsed.filter(pl.col("ours") & (pl.col("sectors").cast(pl.UInt64) > 0))
            for device in ours["device"].unique(maintain_order=True):
                self._types.setdefault(device, len(self._types))
            if len(self._types) > MAX_TYPES:
                raise TraceError(f"{self.source.name}: found {len(self._types)} devices, expected at most {MAX_TYPES}")
            first = pl.col("sector").cast(pl.UInt64) // SECTORS_A_PAGE
            last = first + pl.col("sectors").cast(pl.UInt64) // SECTORS_A_PAGE
            ours = ours.select(
                "ts_ns",
                "cpu",
                "pid",
                op=pl.when(pl.col("rwbs").str.contains("^F?D"))
                .then(pl.lit("invalidate"))
                .when(pl.col("rwbs").str.contains("W"))
                .then(pl.lit("store"))
                .otherwise(pl.lit("load")),
                type=pl.col("device").replace_strict(self._types, return_dtype=pl.UInt8),
                offset=pl.int_ranges(first, last, dtype=pl.UInt64),
            ).explode("offset")
            ours, last_ns = raise_times(ours, last_ns, self.counts)
            yield to_rows(ours, self.source.name)


def _read(source: "Source", context: Context, mapping: str | None) -> Reading:
    return BlkparseReading(source, context, mapping)


FORMAT = Format(
    name="blkparse's text", knows=lambda head, has_map: not has_map and _EVENT.search(head) is not None, read=_read
)
