"""The columns of a comparison: what each means, its unit, which way is better, and how it comes from a run.

docs/compare.md explains them. A metric that a run cannot give (an older run, an operation that never happened) is None.
Any other number of a run's summary is a metric too, by its own name.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from zreplay.analysis.results import Result
from zreplay.errors import UsageError
from zreplay.replay.config import known

Group = Literal["memory", "effectiveness", "work", "time", "other"]

MIB = 1 << 20
PAGES_PER_GIB = 1 << 18


@dataclass(frozen=True)
class Assumptions:
    """What a swap-in costs, for the estimate ``swap_in_us``.

    Attributes:
        decompress_us: decompressing one page, µs; 4 is about lzo's on a core of today.
        device_read_us: reading one page from the swap device, µs; 90 is about an NVMe flash drive's, idle.
    """

    decompress_us: float = 4.0
    device_read_us: float = 90.0

    def __post_init__(self) -> None:
        for option, value in (("--decompress-us", self.decompress_us), ("--device-read-us", self.device_read_us)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"{option}: found {value}, expected a number of microseconds, at least 0")


@dataclass(frozen=True)
class Metric:
    """One column.

    Attributes:
        name: as ``--columns`` takes it.
        group: the part of the table that it is in.
        unit: of its values; empty: a number of things.
        better: which way; None: neither.
        meaning: in a few words.
        formula: from a run's answer to the value; what cannot be computed is a KeyError or ZeroDivisionError of it.
        measured: nanoseconds of this machine, not a count.
        only_if_any: left out of the usual columns when it is 0 for every run.
    """

    name: str
    group: Group
    unit: str
    better: Literal["less", "more"] | None
    meaning: str
    formula: Callable[[Result, Assumptions], float | None]
    measured: bool = False
    only_if_any: bool = False

    def value(self, result: Result, assumptions: Assumptions) -> float | None:
        """The run's value, or that which a sweep's cell has of it; None when it cannot give one."""
        try:
            return self.formula(result, assumptions)
        except (KeyError, ZeroDivisionError):
            return result.summary.get(self.name)


def _summary(name: str) -> Callable[[Result, Assumptions], float | None]:
    return lambda result, _: result.summary[name]


def _count(name: str, group: Group, meaning: str) -> Metric:
    return Metric(name, group, "", "less", meaning, _summary(name), only_if_any=True)


def _fragmentation_percent(result: Result, _: Assumptions) -> float:
    means = result.means
    lost = means["internal_fragmentation_bytes"] + means["external_fragmentation_bytes"]
    return 100 * lost / means["pool_bytes"]


def _mib_per_gib(result: Result, _: Assumptions) -> float:
    means = result.means
    mib = (means["pool_bytes"] + beside_pool_bytes(result)) / MIB
    return mib / (means["stored_pages"] / PAGES_PER_GIB)


def beside_pool_bytes(result: Result) -> float:
    """Mean bytes of what a design keeps beside its pool: index, entries, handle cells, the memory manager's index.

    An older run has its entries in its index_bytes and lacks the others.
    """
    return sum(result.means.get(name, 0.0) for name in ("index_bytes", "entry_bytes", "handle_bytes", "mm_bytes"))


def _index_bytes_per_entry(result: Result, _: Assumptions) -> float:
    means = result.means
    return (beside_pool_bytes(result) - means.get("handle_bytes", 0.0)) / means["index_entries"]


def _spilled_percent(result: Result, _: Assumptions) -> float:
    summary = result.summary
    return float(100 * summary["objects_spilled"] / (summary["stores"] - summary["stores_rejected"]))


def _both_buddies_percent(result: Result, _: Assumptions) -> float:
    return float(100 * result.summary["both_buddies_written"] / result.summary["pages_reclaimed"])


def _hit_percent(result: Result, _: Assumptions) -> float:
    hits, misses = result.summary["loads_hit"], result.summary["loads_missed"]
    return float(100 * hits / (hits + misses))


def _swap_in_us(result: Result, assumptions: Assumptions) -> float:
    hits, misses = result.summary["loads_hit"], result.summary["loads_missed"]
    microseconds = hits * assumptions.decompress_us + misses * assumptions.device_read_us
    return float(microseconds / (hits + misses))


def _per_operation(cost: str) -> Callable[[Result, Assumptions], float | None]:
    def formula(result: Result, _: Assumptions) -> float:
        rows = result.operations.values()
        return float(sum(row[cost] for row in rows) / sum(row["count"] for row in rows))

    return formula


def _migration_lines(result: Result, _: Assumptions) -> float:
    row = result.operations["migrate"]
    return float(row["cache_lines"] / row["count"])


def _median_ns(operation: str) -> Metric:
    def formula(result: Result, _: Assumptions) -> float | None:
        row = result.operations[operation]
        return float(row["p50_ns"]) if row["timed"] and result.mode == "timing" else None

    meaning = f"median of the {operation}s timed, to an eighth of a power of two; of runs with --timing"
    return Metric(f"{operation}_ns", "time", "ns", "less", meaning, formula, measured=True)


METRICS: tuple[Metric, ...] = (
    Metric("pool_pages_mean", "memory", "pages", "less", "pool pages, mean over events", _summary("pool_pages_mean")),
    Metric("pool_pages_peak", "memory", "pages", "less", "pool pages, highest", _summary("pool_pages_peak")),
    Metric(
        "density",
        "memory",
        "objects/page",
        "more",
        "objects per pool page, over the samples",
        lambda r, _: r.means["pool_objects"] / r.means["pool_pages"],
    ),
    Metric(
        "fragmentation_percent",
        "memory",
        "%",
        "less",
        "pool bytes lost to rounding up and to holes, of all pool bytes",
        _fragmentation_percent,
    ),
    Metric(
        "index_bytes_per_entry",
        "memory",
        "bytes",
        "less",
        "index, entries and the memory manager's index, per stored page, over the samples",
        _index_bytes_per_entry,
    ),
    Metric(
        "mib_per_gib_swapped",
        "memory",
        "MiB/GiB",
        "less",
        "pool, index, entries and handle cells, per GiB of pages they hold, over the samples",
        _mib_per_gib,
    ),
    Metric("hit_percent", "effectiveness", "%", "more", "loads served from the pool, of all loads", _hit_percent),
    Metric("loads_hit", "effectiveness", "", "more", "loads served from the pool", _summary("loads_hit")),
    Metric("stores_rejected", "effectiveness", "", "less", "stores refused", _summary("stores_rejected")),
    _count("pool_limit_hit", "effectiveness", "stores that found the pool at its limit"),
    _count("reject_hysteresis", "effectiveness", "refused between the limit and the accept threshold"),
    _count("reject_reclaim_fail", "effectiveness", "refused because eviction freed nothing"),
    _count("reject_alloc_fail", "effectiveness", "refused by the allocator"),
    _count("reject_compress_poor", "effectiveness", "refused because the page did not compress"),
    _count("reject_compress_fail", "effectiveness", "refused because the compressor failed"),
    _count("reject_missing_size", "effectiveness", "refused as recorded, size unknown"),
    Metric("writebacks", "effectiveness", "pages", "less", "pages evicted to the device", _summary("writebacks")),
    Metric(
        "device_writes", "effectiveness", "pages", "less", "stores refused and writebacks", _summary("device_writes")
    ),
    Metric("device_reads", "effectiveness", "pages", "less", "loads that missed", _summary("device_reads")),
    Metric("swap_in_us", "effectiveness", "µs", "less", "estimate of a load's mean latency", _swap_in_us),
    Metric(
        "nodes_per_operation",
        "work",
        "",
        "less",
        "index nodes visited, per event",
        _per_operation("nodes_visited"),
    ),
    Metric(
        "lines_per_operation",
        "work",
        "",
        "less",
        "cache lines of the index touched, per event",
        _per_operation("cache_lines"),
    ),
    _count("objects_copied", "work", "objects copied by compaction"),
    _count("handles_rewritten", "work", "handle cells that compaction and migration made name another place"),
    Metric(
        "pages_compacted",
        "work",
        "pages",
        "more",
        "pages that compaction freed",
        _summary("pages_compacted"),
        only_if_any=True,
    ),
    Metric(
        "migration_lines",
        "work",
        "",
        "less",
        "cache lines of the index touched, per page migration",
        _migration_lines,
        only_if_any=True,
    ),
    _count("migrations_not_movable", "work", "page migrations the pool cannot serve"),
    Metric(
        "movable_percent",
        "work",
        "%",
        "more",
        "pool pages the memory manager could move, over the samples",
        _summary("movable_percent"),
    ),
    Metric(
        "moved_page_slots",
        "work",
        "",
        "less",
        "words of the index written, per page moved",
        _summary("moved_page_slots_written"),
        only_if_any=True,
    ),
    Metric(
        "moved_page_headers",
        "work",
        "",
        "less",
        "page and object headers read, per page moved",
        _summary("moved_page_page_headers_read"),
        only_if_any=True,
    ),
    Metric(
        "spilled_percent",
        "work",
        "%",
        "less",
        "objects named by a cell, as their slot could not express their place",
        _spilled_percent,
        only_if_any=True,
    ),
    _count("writebacks_failed", "effectiveness", "evictions of an object whose page was in memory"),
    _count("temporary_pages", "effectiveness", "pages taken to decompress into while reclaiming"),
    Metric(
        "both_buddies_percent",
        "effectiveness",
        "%",
        "less",
        "pages reclaimed for which two objects had to go",
        _both_buddies_percent,
        only_if_any=True,
    ),
    Metric(
        "ns_per_event",
        "time",
        "ns",
        "less",
        "time in the engine, per event",
        _summary("ns_per_event"),
        measured=True,
    ),
    _median_ns("store"),
    _median_ns("load"),
    _median_ns("invalidate"),
)


def choose(results: Sequence[Result], columns: Iterable[str] | None, assumptions: Assumptions) -> list[Metric]:
    """The metrics named, in that order; without names the usual ones that at least one run can give.

    Raises:
        UsageError: a name that no run has; the message suggests the nearest.
    """
    if columns is None:
        chosen = []
        for metric in METRICS:
            values = [metric.value(result, assumptions) for result in results]
            if any(v is not None for v in values) and not (metric.only_if_any and not any(values)):
                chosen.append(metric)
        return chosen
    return [metric_named(name, results, "--columns") for name in columns]


def metric_named(name: str, results: Sequence[Result], option: str) -> Metric:
    """The metric of that name: a usual one or any number in a run's summary."""
    usual = {metric.name: metric for metric in METRICS}
    numbers = {
        key: None
        for result in results
        for key, value in result.summary.items()
        if isinstance(value, int | float) and key not in usual
    }
    known(option, name, (*usual, *numbers))
    if name in usual:
        return usual[name]
    return Metric(name, "other", "", None, "as in summary.parquet", _summary(name), measured=_is_time(name))


def _is_time(name: str) -> bool:
    return name in ("seconds", "events_per_second") or name.endswith("_ns")
