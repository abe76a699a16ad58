"""A model held against the kernel that made the recording, event by event.

Two ways. ``driven``: allocations, frees, evictions and compactions happen in recorded order, which tests the pool.
``predicted``: the model is told what the kernel was asked to do (store, load, invalidate, memory pressure, when its
worker ran, which page was resident when it tried) and decides the rest, which tests the policy too.

Compared are the rows where the kernel counted its pool anew: a store that succeeded, an entry that was freed (zram:
every row with a reading). Between them its variable is stale by design, and the model's with it.

What is known to make even an exact model differ is looked for in the trace and reported by name; nothing is left out of
the comparison because of it, except rows inside an interrupted compaction, where the kernel's own counter has told the
model how far the compaction had come.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from zreplay.errors import TraceError
from zreplay.replay.calls import with_calls
from zreplay.replay.config import Config
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import make_replay
from zreplay.trace.files import Trace, open_trace

WAYS = ("driven", "predicted")
#: −EINPROGRESS: the begin of a compaction that other tasks interrupted (docs/trace-format.md).
INTERRUPTED = -115
#: A zspage with a locked page is freed by a work item a moment later; so far behind a migration it is looked for.
PAGE_LOCK_NS = 50_000_000
_CONTEXT_ROWS = 10
_ZBUD_FIRST = 64
_PAGE_MASK = ~4095


@dataclass(frozen=True)
class Pair:
    """Things compared, and how many of them were equal.

    Attributes:
        compared: how many could be.
        equal: how many of these were.
    """

    compared: int = 0
    equal: int = 0

    @property
    def percent(self) -> float:
        """Equal, percent of compared; 100 when there was nothing to compare."""
        return 100.0 * self.equal / self.compared if self.compared else 100.0


@dataclass(frozen=True)
class Agreement:
    """One way of replaying one trace, against its kernel, in pool pages and percent of the kernel's count.

    Attributes:
        events: those at which the kernel counted its pool anew; equal: the model has as many pages.
        max_abs_pages: the largest difference.
        mean_abs_percent: the mean difference.
        within_0_1_percent: share of the compared events, in percent, at which the difference is no more than that.
        within_0_5_percent: likewise.
        within_1_percent: likewise.
        stored: events at which the kernel told its stored pages.
        decisions: stores accepted or refused as the kernel did.
        writebacks: the kernel's, the model's.
        placements: zbud: objects in the same page and the same half of it; None: not recorded.
        victims: evictions tried, and visits of the LRU: the same page or entry, in the same order.
        verdicts: visits of zswap's LRU: the same entry rotated, written back or left.
        compactions: freed the same number of pages.
        first_divergence: the first event at which the pools differ, None if at none.
        known_causes: of what was left out or differs, name → what is known of it.
    """

    events: Pair
    max_abs_pages: int
    mean_abs_percent: float
    within_0_1_percent: float
    within_0_5_percent: float
    within_1_percent: float
    stored: Pair
    decisions: Pair
    writebacks: tuple[int, int]
    placements: Pair | None
    victims: Pair | None
    verdicts: Pair | None
    compactions: Pair | None
    first_divergence: dict[str, Any] | None
    known_causes: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The names of ``zreplay validate --json``; what does not apply is left out."""
        out: dict[str, Any] = {
            "events_compared": self.events.compared,
            "events_equal": self.events.equal,
            "max_abs_pages": self.max_abs_pages,
            "mean_abs_percent": self.mean_abs_percent,
            "within_0_1_percent": self.within_0_1_percent,
            "within_0_5_percent": self.within_0_5_percent,
            "within_1_percent": self.within_1_percent,
            "first_divergence": self.first_divergence,
        }
        for name in ("stored", "decisions", "placements", "victims", "verdicts", "compactions"):
            pair: Pair | None = getattr(self, name)
            if pair is not None:
                out |= {f"{name}_compared": pair.compared, f"{name}_equal": pair.equal}
        kernel, model = self.writebacks
        return {**out, "writebacks_kernel": kernel, "writebacks_model": model, "known_causes": self.known_causes}


@dataclass(frozen=True)
class Validation:
    """One trace, both ways."""

    trace: Path
    config: Config
    driven: Agreement
    predicted: Agreement
    #: of the recorded kernel, as `uname -r` says it
    release: str | None
    #: per compared row: ``ts_ns``, ``kernel`` (pool pages), ``driven``, ``predicted``
    curves: pl.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """One object of ``zreplay validate --json``."""
        return {
            "trace": str(self.trace),
            "recorded_release": self.release,
            "config": {
                name: value for name, value in asdict(self.config).items() if name not in ("trace", "out", "force")
            }
            | {"driven": None, "paced": None},
            "driven": self.driven.as_dict(),
            "predicted": self.predicted.as_dict(),
        }

    @property
    def percent_equal(self) -> float:
        """The worse of the two ways' shares of exactly equal events, in percent."""
        return min(self.driven.events.percent, self.predicted.events.percent)


def validate(path: Path) -> Validation:
    """Replay a recording both ways with the kernel, pool and limits that its metadata name, and compare.

    Raises:
        UsageError: no such file.
        TraceError: not a trace, or one without a kernel's readings.
    """
    trace = open_trace(path)
    config = _config(trace)
    agreements: dict[str, Agreement] = {}
    curves = {}
    for way in WAYS:
        rows, written_back = _observed(trace, config, way)
        agreements[way] = _agreement(rows, written_back, trace, config)
        if not agreements[way].events.compared and not agreements[way].decisions.compared:
            raise TraceError(
                f"{path}: no row has seen_pool_pages or the result of a store, so no kernel to compare with; the "
                "recording lacks its return probes"
            )
        curves[way] = rows.filter("compared").select("ts_ns", kernel="seen_pool_pages", model="model_pages")
    together = curves["driven"].rename({"model": "driven"}).with_columns(predicted=curves["predicted"]["model"])
    release = trace.metadata.source_kernel
    return Validation(path, config, agreements["driven"], agreements["predicted"], release, together)


def _config(trace: Trace) -> Config:
    """The profile that the recording's metadata name; the run directory is never written."""
    metadata = trace.metadata
    if "seen_pool_pages" not in trace.columns:
        mend = "`zreplay convert` makes it"
        if metadata.cut:
            mend = "the kernel counted slots that were cut away; validate the trace it was cut from"
        raise TraceError(f"{trace.path}: no column seen_pool_pages, so no kernel to compare with; {mend}")
    # z3fold's workers ran when they got the processor, which shows in the recording's counter (loop.hpp).
    config = Config(trace=trace.path, out=Path(), observe=True, z3fold_work="deferred")
    return config.resolved(metadata)


def _observed(trace: Trace, config: Config, way: str) -> tuple[pl.DataFrame, int]:
    """Every row of the trace beside the model's state behind it; and how many pages the model wrote back."""
    config = replace(config, driven=way == "driven", paced=way == "predicted")
    sizes = RecordedSizes(trace, [config])
    replay = make_replay(config, sizes)
    frames = []
    for batch, calls in with_calls(trace, trace.batches()):
        sizes.prepare(batch)
        replay.feed(batch, calls)
        seen = pl.DataFrame(pa.record_batch(replay.take_observations()))
        model = seen.select(
            model_result="result",
            model_stored=pl.col("stored_pages").cast(pl.Int64),
            model_pages=pl.col("pool_total_pages").cast(pl.Int64),
            page="page",
            position="position",
            visited="visited",
        )
        frames.append(pl.concat([pl.DataFrame(batch), model], how="horizontal"))
    replay.finish()
    rows = pl.concat(frames).with_row_index("row").with_columns(op=pl.col("op").cast(pl.String))
    stored, ok = pl.col("op") == "store", pl.col("result") == 0
    freed = (pl.col("op") == "invalidate") & pl.col("seen_handle").is_not_null()
    evicted = (pl.col("op") == "writeback") & ok
    # zram's readings and 6.12's are of the pool itself, whatever was counted.
    counted_anew = trace.metadata.model != "zram" and config.kernel in ("3.12", "6.1")
    refreshed = stored & ok | freed | evicted if counted_anew else pl.lit(True)
    begins = (pl.col("op") == "compact") & (pl.col("result") == INTERRUPTED)
    ends = (pl.col("op") == "compact") & (pl.col("result") != INTERRUPTED)
    rows = rows.with_columns(open_compactions=begins.cum_sum().cast(pl.Int64) - _ended(begins, ends))
    has_reading = pl.col("seen_pool_pages").is_not_null()
    rows = rows.with_columns(
        refreshed=refreshed & has_reading,
        compared=refreshed & has_reading & (pl.col("open_compactions") == 0),
    )
    return rows, replay.counters()["written_back_pages"]


def _ended(begins: pl.Expr, ends: pl.Expr) -> pl.Expr:
    """How many interrupted compactions have ended: an end counts when a begin is open before it."""
    # Compactions of one pool follow each other, so after the n-th begin the next end closes it.
    opened = begins.cum_sum().cast(pl.Int64)
    return pl.when(ends).then(opened).otherwise(None).forward_fill().fill_null(0)


def _agreement(rows: pl.DataFrame, written_back: int, trace: Trace, config: Config) -> Agreement:
    compared = rows.filter("compared").with_columns(difference=pl.col("seen_pool_pages") - pl.col("model_pages"))
    causes: dict[str, Any] = {}
    before = _pages_before_recording(compared) if trace.metadata.model == "zram" else None
    if before is not None:
        compared = compared.with_columns(difference=pl.col("difference") - before)
        causes["pages_before_recording"] = {"pages": int(before[0]), "events": int((before > 0).sum())}
    if inside := rows.filter(pl.col("refreshed") & (pl.col("open_compactions") > 0)).height:
        causes["interrupted_compaction"] = {"events_not_compared": inside}
    causes |= _page_locks(rows, compared) | _overlaps(rows)

    absolute = compared["difference"].abs()
    relative = absolute / compared["seen_pool_pages"].clip(1)

    def within(percent: float) -> float:
        return 100.0 * int((relative <= percent / 100).sum()) / compared.height if compared.height else 100.0

    stores = rows.filter((pl.col("op") == "store") & pl.col("result").is_not_null())
    same_decision = int(((stores["result"] == 0) == (stores["model_result"] == 0)).sum())
    with_stored = rows.filter(pl.col("compared") & pl.col("seen_stored").is_not_null())
    writebacks = rows.filter(pl.col("op") == "writeback")
    compactions = rows.filter((pl.col("op") == "compact") & pl.col("result").is_not_null() & (pl.col("result") >= 0))
    zbud = config.pool == "zbud" and trace.metadata.pool == "zbud"
    placements, victims = _places(rows, loads_take=bool(config.exclusive_loads)) if zbud else (None, None)
    visits = rows.filter(pl.col("op") == "visit")
    verdicts = None
    if visits.height:
        turn = pl.col("type").cast(pl.UInt64) * 2**58 + pl.col("offset")
        victims = Pair(visits.height, visits.filter(pl.col("visited") == turn).height)
        verdicts = Pair(visits.height, visits.filter(pl.col("result") == pl.col("model_result")).height)
    return Agreement(
        events=Pair(compared.height, int((absolute == 0).sum())),
        max_abs_pages=int(absolute.max() or 0),  # type: ignore[arg-type]
        mean_abs_percent=100.0 * float(relative.sum()) / max(compared.height, 1),
        within_0_1_percent=within(0.1),
        within_0_5_percent=within(0.5),
        within_1_percent=within(1.0),
        stored=Pair(with_stored.height, int((with_stored["seen_stored"] == with_stored["model_stored"]).sum())),
        decisions=Pair(stores.height, same_decision),
        writebacks=(int((writebacks["result"] == 0).sum()), written_back),
        placements=placements,
        victims=victims if victims and victims.compared else None,
        verdicts=verdicts,
        compactions=Pair(compactions.height, int((compactions["result"] == compactions["model_result"]).sum()))
        if compactions.height
        else None,
        first_divergence=_first_divergence(rows, compared),
        known_causes=causes,
    )


def _places(rows: pl.DataFrame, *, loads_take: bool) -> tuple[Pair, Pair]:
    """Placement of every object and page of every eviction, by zbud's handles, which are addresses.

    A page of the model is the kernel's page that its first object went to, for as long as it lives; the kernel uses an
    address again only when the page there has gone.
    """
    address_of: dict[int, int] = {}
    owner_of: dict[int, int] = {}
    objects_in: dict[int, int] = {}
    placed = [0, 0]
    evicted = [0, 0]
    columns = ("op", "result", "seen_handle", "page", "position")
    for op, result, handle, page, position in rows.select(columns).iter_rows():
        if handle is None:
            continue
        address = handle & _PAGE_MASK
        half = 0 if handle & ~_PAGE_MASK == _ZBUD_FIRST else 1
        if op == "store" and result == 0:
            placed[0] += 1
            if page < 0:
                continue
            if page not in address_of:
                address_of[page] = address
                if objects_in.get(owner_of.get(address, -1), 0):
                    address_of[page] = -1  # the kernel put it into a page that, to the model, is another one
                owner_of[address] = page
            objects_in[page] = objects_in.get(page, 0) + 1
            placed[1] += address_of[page] == address and half == position
        elif op == "writeback":
            evicted[0] += 1
            evicted[1] += page >= 0 and address_of.get(page) == address and half == position
            if result == 0 and page >= 0:
                objects_in[page] = objects_in.get(page, 1) - 1
        elif (op == "invalidate" or (loads_take and op == "load")) and page >= 0:
            objects_in[page] = objects_in.get(page, 1) - 1
    return Pair(*placed), Pair(*evicted)


def _pages_before_recording(compared: pl.DataFrame) -> pl.Series | None:
    """zram: pages the device held before the recording, per compared row; they may become the model's, never more."""
    if not compared.height:
        return None
    pages: list[int] = []
    left = int(compared["difference"][0])
    for difference in compared["difference"]:
        if 0 <= difference < left:
            left = difference
        pages.append(left)
    return pl.Series("before", pages) if pages[0] > 0 else None


def _page_locks(rows: pl.DataFrame, compared: pl.DataFrame) -> dict[str, Any]:
    """Rows shortly behind a migration where the kernel holds more pages: a locked page delays a zspage's end."""
    times = rows.filter(pl.col("op") == "migrate").select(migrated_ns="ts_ns")
    more = compared.filter(pl.col("difference") > 0)
    if not times.height or not more.height:
        return {}
    near = more.join_asof(times.sort("migrated_ns"), left_on="ts_ns", right_on="migrated_ns", tolerance=PAGE_LOCK_NS)
    events = near["migrated_ns"].is_not_null().sum()
    return {"page_lock_during_migration": {"events": int(events)}} if events else {}


def _overlaps(rows: pl.DataFrame) -> dict[str, Any]:
    """Several CPUs: state-changing rows whose reading could not be told apart from another call's under way."""
    if rows["cpu"].n_unique() < 2:
        return {}
    changes = rows.filter((pl.col("op") == "store") & (pl.col("result") == 0))
    unclear = changes["seen_stored"].is_null().sum()
    return {"overlapping_stores": {"events": int(unclear)}} if unclear else {}


def _first_divergence(rows: pl.DataFrame, compared: pl.DataFrame) -> dict[str, Any] | None:
    """The first compared row that differs, and ten rows before and behind it."""
    differing = compared.filter(pl.col("difference") != 0)
    if not differing.height:
        return None
    row = differing.row(0, named=True)
    first = max(0, row["row"] - _CONTEXT_ROWS)
    names = ("row", "ts_ns", "op", "type", "offset", "size", "result", "seen_pool_pages", "model_pages", "model_result")
    around = rows.slice(first, row["row"] - first + _CONTEXT_ROWS + 1).select(names)
    return {
        "row": row["row"],
        "ts_ns": row["ts_ns"],
        "op": row["op"],
        "kernel_pages": row["seen_pool_pages"],
        "model_pages": row["model_pages"],
        "context": around.to_dicts(),
    }
