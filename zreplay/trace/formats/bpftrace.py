"""bpftrace printf lines, a row each (docs/examples/zswap.bt prints them):

    1000000 kswapd0 38 store type=0 offset=100 size=1234 ret=1
    NANOSECONDS COMM PID OP KEY=VALUE …

OP is a word of the trace's column ``op``. Keys, all decimal: ``type`` (0 if absent) and ``offset`` (or ``off``), or
both as ``swap``; ``size``, ``cpu``, ``cgroup``, ``stored`` and ``pages`` (the kernel's counters after the call);
``result``, 0 or minus an errno, or ``ret``, what the function of that release returned. Others are passed over, and so
is what bpftrace itself prints: ``Attaching 4 probes...``, maps (``@stored: 10``) and empty lines. ``Lost N events``
is counted.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from zreplay.errors import UsageError
from zreplay.trace.context import Context
from zreplay.trace.families import FAMILIES, Family
from zreplay.trace.formats.format import Format, Reading, RowsReading
from zreplay.trace.formats.lines import frames, raise_times, to_rows
from zreplay.trace.schema import MAX_TYPES, OFFSET_BITS, PAGE_SIZE

if TYPE_CHECKING:
    from zreplay.trace.source import Source

OPS = ("store", "load", "invalidate", "invalidate_area", "writeback")
_EVENT = re.compile(rb"^\d+ \S.{0,15} \d+ (?:%s)(?: |$|\r)" % "|".join(OPS).encode(), re.M)
_LINE = (
    rf"^(?<ts_ns>\d{{1,18}}) (?:\S.{{0,15}}) (?<pid>\d{{1,9}}) (?<op>{'|'.join(OPS)})"
    r"(?<keys>(?: \w+=-?\d{1,20})*)\s*$"
)
_PASSED_OVER = r"^\s*$|^Attach(?:ing|ed) \d+ probes?|^@|^Lost \d+ events|^stdin:"
_KEYS = ("type", "offset", "off", "swap", "size", "cpu", "cgroup", "stored", "pages", "result", "ret")
_ENOMEM, _ENOENT = -12, -2


class BpftraceReading(RowsReading):
    """bpftrace's output being read."""

    def __init__(self, source: "Source", context: Context, mapping: str | None) -> None:
        if mapping is not None:
            raise UsageError(f"--map: {source.name} is bpftrace's output, which has no columns to map")
        super().__init__(source, context)
        self._family = next(
            (f for f in FAMILIES if context.release and f.model == "zswap" and f.covers(context.release)), None
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        last_ns = -1
        for frame in frames(self):
            parsed = frame.with_columns(pl.col("text").str.extract_groups(_LINE).alias("at")).unnest("at")
            value = {
                key: pl.col("keys").str.extract(rf" {key}=(-?\d+)").cast(pl.Int128, strict=False)
                if parsed["keys"].str.contains(f" {key}=", literal=True).any()
                else pl.lit(None, pl.Int128)
                for key in _KEYS
            }
            parsed = parsed.with_columns(**{f"k_{key}": column for key, column in value.items()})
            swap = pl.col("k_swap")
            parsed = parsed.with_columns(
                type=pl.coalesce(swap // 2**OFFSET_BITS, "k_type", pl.lit(0, pl.Int128)),
                offset=pl.coalesce(swap % 2**OFFSET_BITS, "k_offset", "k_off"),
                result=self._result(parsed),
            )
            is_line = pl.col("op").is_not_null()
            needs_slot = pl.col("op").is_in(["store", "load", "invalidate"])
            fits = [
                pl.col("type").is_between(0, MAX_TYPES - 1),
                pl.col("offset").is_between(0, 2**OFFSET_BITS - 1) | (pl.col("offset").is_null() & ~needs_slot),
                pl.col("k_size").is_between(0, PAGE_SIZE) | pl.col("k_size").is_null(),
                pl.col("k_cpu").is_between(0, 2**16 - 1) | pl.col("k_cpu").is_null(),
                pl.col("k_cgroup").is_between(0, 2**64 - 1) | pl.col("k_cgroup").is_null(),
                *(
                    pl.col(f"k_{key}").is_between(0, 2**52) | pl.col(f"k_{key}").is_null()
                    for key in ("stored", "pages")
                ),
                pl.col("result").is_between(-4095, 0)
                | (pl.col("result").is_null() & pl.col("k_ret").is_null() & pl.col("k_result").is_null())
                | (pl.col("result").is_null() & pl.col("op").str.starts_with("invalidate")),
            ]
            ok = pl.all_horizontal(fits).fill_null(False)
            bad = pl.when(is_line).then(~ok).otherwise(~pl.col("text").str.contains(_PASSED_OVER))
            for line, text, op in parsed.filter(bad).select("line", "text", "op").iter_rows():
                self.counts.unreadable_lines += 1
                self.unreadable(line, "NANOSECONDS COMM PID OP KEY=VALUE …" if op is None else _VALUES, text)
            lost = parsed["text"].str.extract(r"^Lost (\d{1,15}) events").cast(pl.Int64).sum()
            self.counts.lost_events += int(lost or 0)
            rows = parsed.filter(is_line & ok).select(
                pl.col("ts_ns").cast(pl.Int64),
                "op",
                "type",
                "pid",
                "result",
                pl.when(pl.col("op") == "invalidate_area").then(None).otherwise(pl.col("offset")).alias("offset"),
                pl.when(pl.col("op") == "store").then(pl.col("k_size")).alias("size"),
                pl.col("k_cpu").alias("cpu"),
                pl.col("k_cgroup").alias("cgroup"),
                pl.col("k_stored").alias("seen_stored"),
                pl.col("k_pages").alias("seen_pool_pages"),
            )
            # A writeback that names no slot has no type either.
            unnamed = (pl.col("op") == "writeback") & pl.col("offset").is_null()
            rows = rows.with_columns(pl.when(~unnamed).then(pl.col("type")).alias("type"))
            rows, last_ns = raise_times(rows, last_ns, self.counts)
            yield to_rows(rows, self.source.name)

    def _result(self, parsed: pl.DataFrame) -> pl.Expr:
        """``result``, or ``ret`` as the release means it; null for an answer that its functions do not give."""
        result, ret, op = pl.col("k_result"), pl.col("k_ret"), pl.col("op")
        if parsed["k_ret"].is_null().all():
            return result
        family = self._family
        if family is None:
            raise UsageError(
                f"{self.source.name}: the kernel is unknown, so ret= cannot be told (a boolean since 6.6, an errno "
                "before); give --context or --kernel-release, or print result="
            )
        return pl.coalesce(
            result,
            pl.when(op == "store")
            .then(_boolean(ret, _ENOMEM) if family.taken_is_one else ret)
            .when(op == "load")
            .then(_load(ret, family))
            .when(op == "writeback")
            .then(ret)
            .otherwise(None),
        )


_VALUES = (
    f"type= 0 to {MAX_TYPES - 1}, offset= below 2^{OFFSET_BITS}, size= 0 to {PAGE_SIZE}, result= 0 or minus an errno, "
    "ret= as that release returns"
)


def _boolean(ret: pl.Expr, refused: int) -> pl.Expr:
    return ret.replace_strict({1: 0, 0: refused}, default=None, return_dtype=pl.Int128)


def _load(ret: pl.Expr, family: Family) -> pl.Expr:
    if family.load_is_errno:
        return pl.when(ret == _ENOENT).then(pl.lit(-1, pl.Int128)).otherwise(ret)
    return _boolean(ret, -1) if family.taken_is_one else ret


def _read(source: "Source", context: Context, mapping: str | None) -> Reading:
    return BpftraceReading(source, context, mapping)


FORMAT = Format(
    name="bpftrace's output", knows=lambda head, has_map: not has_map and _EVENT.search(head) is not None, read=_read
)
