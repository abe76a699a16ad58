"""Hit share and device traffic against the limit of the pool: many limits, one pass over the trace.

The trace is read once into what no limit changes and the ops that are left (core/curve/events.hpp). In LRU order over
the ideal pool all limits come at once out of stack distances; else each limit is simulated over them, on all cores.
docs/curve.md says what is exact and what is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import _zreplay

from zreplay.errors import ModelError, PluginError, UsageError
from zreplay.plugins.registry import spec_of
from zreplay.replay.axes import cores
from zreplay.replay.batches import batches_of
from zreplay.replay.config import MOST_PAGES, Config
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.profiles import kernel_of
from zreplay.replay.replaying import BATCH_ROWS
from zreplay.replay.run import run_together
from zreplay.replay.threads import together
from zreplay.trace.files import Trace, open_trace
from zreplay.trace.sample import WHOLE, Sample

#: Kernels that evict entry by entry, for which there are curves; others evict pages of the pool.
KERNELS = ("6.12", "latest")
#: A trace of more rows is sampled, unless told otherwise, so that no more than this are looked at.
WHOLE_ROWS = 1 << 24
#: Limits where none are given.
LIMITS, MOST_LIMITS = 64, 100_000
#: Counts of a row that a replay at its limit has too, by the names of its summary.
CHECKED = ("loads_hit", "loads_missed", "stores_rejected", "writebacks", "device_reads", "device_writes")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Limits:
    """Which limits: so many, evenly spaced up to what an endless pool takes, or these.

    Attributes:
        count: how many, where ``given`` is empty.
        given: pages of the machine, or a share (a float) of what an endless pool takes.
    """

    count: int = LIMITS
    given: tuple[int | float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Limits":
        """Of ``64``, or of pages and percent separated by commas, ``1000,2000`` or ``10%,50%``; ``1000,`` is one.

        Raises:
            UsageError: anything else.
        """
        words = [word.strip() for word in text.split(",")]
        try:
            if len(words) > 1 or words[0].endswith("%"):
                return cls(given=tuple(_limit(word) for word in words if word))
            return cls(count=_whole(words[0], MOST_LIMITS))
        except ValueError:
            raise UsageError(
                f"--limits: found {text!r}, expected how many (1 to {MOST_LIMITS:,}), or pages and shares like "
                "1000,2000,50%"
            ) from None

    def of(self, peak_pages: int) -> list[int]:
        """The limits in pages, ascending; at the last of evenly spaced ones nothing is refused or evicted."""
        if not self.given:
            return sorted({max(1, (peak_pages + 1) * step // self.count) for step in range(1, self.count + 1)})
        return sorted({max(1, round(peak_pages * one)) if isinstance(one, float) else one for one in self.given})


def _limit(word: str) -> int | float:
    if word.endswith("%"):
        share = float(word[:-1]) / 100
        if not 0 < share <= 100:
            raise ValueError
        return share
    return _whole(word, MOST_PAGES)


def _whole(word: str, most: int) -> int:
    number = int(word)
    if not 1 <= number <= most:
        raise ValueError
    return number


@dataclass(frozen=True)
class Curve:
    """A curve: rows by ascending ``limit_pages``; docs/curve.md has the columns.

    Attributes:
        config: the replay at each limit, resolved; its own limits apart.
        trace: where it came from.
        sample: the share of the trace's slots that was looked at; WHOLE: all.
        method: ``stack distances`` or ``side by side``; ``lru_hit_share`` is always by stack distances.
        peak_pages: what an endless pool takes at its highest, of the machine.
        counts: of the whole trace: events, stores, loads, loads_cold.
    """

    config: Config
    trace: Trace
    sample: Sample
    method: str
    peak_pages: int
    counts: dict[str, int]
    rows: list[dict[str, Any]]

    def command(self, limit_pages: int | str) -> str:
        """The replay at a limit, to be typed."""
        config = self.config
        pool = spec_of("pool", str(config.pool))
        return (
            f"zreplay run {config.trace} --model zswap --kernel {config.kernel} --pool {pool} --mm {config.mm} "
            f"--totalram-pages {limit_pages} --max-pool-percent 100 "
            f"--accept-threshold-percent {config.accept_threshold_percent} -o DIR"
        )


def config_of(
    trace: Trace,
    *,
    kernel: str | None = None,
    pool: str | None = None,
    mm: str | None = None,
    accept_threshold_percent: int | None = None,
) -> Config:
    """The replay whose limit is varied, resolved: zswap of the trace's kernel, or of 6.12 where that is older.

    In LRU order the pool is the ideal one, unless another is named.

    Raises:
        UsageError: a kernel, pool or order of eviction that has no curve.
    """
    if kernel is not None and kernel not in KERNELS:
        raise UsageError(
            f"--kernel: found {kernel!r}, expected 6.12 or latest: older ones evict pages of the pool and not entries; "
            "`zreplay compare TRACE --totalram-pages A,B,…` replays them limit by limit"
        )
    recorded = kernel_of(trace.metadata.source_kernel)
    chosen = kernel or (recorded if recorded in KERNELS else KERNELS[0])
    if mm not in (None, "entry-lru", "lru"):
        raise UsageError(f"--mm: found {mm!r}, expected entry-lru or lru")
    if pool == "z3fold":
        raise UsageError("--pool: found 'z3fold', which no kernel that evicts entries had; zbud and zsmalloc are there")
    config = Config(
        trace.path,
        Path(),
        model="zswap",
        kernel=chosen,
        pool=pool or ("ideal" if mm == "lru" else None),
        mm=mm,
        accept_threshold_percent=accept_threshold_percent,
    )
    return config.resolved(trace.metadata)


def sample_of(trace: Trace, sample: Sample | None) -> Sample:
    """The sample asked for, or where none is, one of at most :data:`WHOLE_ROWS` rows, about.

    Raises:
        UsageError: a sample of a trace that is itself one.
    """
    if trace.metadata.sample is not None:
        if sample and not sample.is_whole:
            raise UsageError(f"--sample: {trace.path} is a sample itself ({trace.metadata.sample}); leave it out")
        return WHOLE
    if sample:
        return sample
    of = 1
    while trace.rows > WHOLE_ROWS * of:
        of *= 2
    return Sample(1, of)


def curve(
    config: Config,
    limits: Limits | None = None,
    sample: Sample | None = None,
    *,
    reading: Progress | None = None,
    replaying: Progress | None = None,
) -> Curve:
    """The curve of a configuration that :func:`config_of` has resolved.

    ``reading`` is told of rows read, ``replaying`` of limits done.

    Raises:
        UsageError, TraceError: a sample that cannot be, a trace that is damaged.
        ModelError: a pool that has other objects than entries (a bug of zreplay).
    """
    trace = open_trace(config.trace)
    sample = sample_of(trace, sample)
    samples = [sample] if sample.is_whole else [sample, Sample(sample.keep, 2 * sample.of)]
    events, *half = _read(trace, config, samples, reading)
    counts = events.counts()
    scale = sample if trace.metadata.sample is None else Sample.parse(trace.metadata.sample)
    by_distances = config.mm == "lru" and config.pool == "ideal"
    points = _distances if by_distances else _beside
    peak_pages, found = points(events, scale, limits or Limits(), replaying)
    rows = [_row(limit, peak_pages, point, counts) for limit, point in found]
    same_limits = Limits(given=tuple(row["limit_pages"] for row in rows))
    _, in_lru_order = _distances(events, scale, same_limits, None)
    for row, (limit, point) in zip(rows, in_lru_order, strict=True):
        row["lru_hit_share"] = _row(limit, peak_pages, point, counts)["hit_share"]
    for other in half:
        _, beside = points(other, samples[1], same_limits, replaying)
        for row, (limit, point) in zip(rows, beside, strict=True):
            share = _row(limit, peak_pages, point, other.counts())["hit_share"]
            row["hit_share_error"] = abs(row["hit_share"] - share)
    return Curve(
        config,
        trace,
        sample,
        "stack distances" if by_distances else "side by side",
        peak_pages,
        {
            "events": counts["events"],
            "stores": counts["all_stores"],
            "loads": counts["all_loads"],
            "loads_cold": _up(counts["loads_cold"], counts["all_loads"], counts["loads"]),
        },
        rows,
    )


def _read(
    trace: Trace, config: Config, samples: Sequence[Sample], progress: Progress | None = None
) -> list[_zreplay.Curve]:
    """The trace as each sample has it, in one pass."""
    sizes = RecordedSizes(trace, [config])
    sizes.begin()
    settings = config.engine_settings()
    events = [_zreplay.Curve.make(sizes.engine, (sample.keep, sample.of), **settings) for sample in samples]
    rows = 0
    for batch, calls in batches_of(trace, [config], sizes, BATCH_ROWS):
        for one in events:
            one.add(batch, calls)
        rows += batch.num_rows
        if progress:
            progress(rows, trace.rows)
    return events


_Points = tuple[int, list[tuple[int, dict[str, Any]]]]  # what an endless pool takes, and counts by limit


def _distances(events: _zreplay.Curve, scale: Sample, limits: Limits, _: Progress | None) -> _Points:
    """All limits of LRU order over the ideal pool."""
    pages, hits, peak_bytes = events.stack_distances((scale.keep, scale.of))
    peak_pages = scale.up(-(-peak_bytes // 4096))
    counts = events.counts()
    warm = counts["loads"] - counts["loads_zero"] - counts["loads_cold"]
    found, hit, stayed, next_limit = [], 0, 0, 0
    for limit in limits.of(peak_pages):
        hit += sum(hits[next_limit : limit + 1])
        stayed += sum(pages[next_limit : limit + 1])
        next_limit = limit + 1
        point: dict[str, Any] = {"loads_hit": hit, "loads_missed": warm - hit, "stores_rejected": counts["refused"]}
        found.append((limit, point | {"writebacks": sum(pages) - stayed}))
    return peak_pages, found


def _beside(events: _zreplay.Curve, scale: Sample, limits: Limits, progress: Progress | None) -> _Points:
    """Each limit for itself, on all cores. Those that an endless pool never reaches are all the same."""
    endless = events.at(None)
    found: dict[int, dict[str, Any]] = {}
    peak = endless["pool_pages_peak"]
    wanted = limits.of(scale.up(peak))
    is_over = False  # an interrupt, or an error: the other threads go no further

    def replay(limit: int) -> None:
        nonlocal is_over
        if is_over:
            return
        try:
            pages = max(1, scale.down(limit))
            point = endless if pages > peak else events.at(pages)
        except BaseException as error:
            is_over = True
            if isinstance(error, _zreplay.CheckFailed):
                raise ModelError(f"limit of {limit} pages: {error}") from error
            if isinstance(error, _zreplay.PluginFailed):
                raise PluginError(f"{error}; at a limit of {limit} pages") from error
            raise
        found[limit] = point | {
            "pool_pages_mean": point["pool_pages_mean"] * scale.of / scale.keep,
            "pool_pages_peak": scale.up(point["pool_pages_peak"]),
        }
        if progress:
            progress(len(found), len(wanted))

    together([partial(replay, limit) for limit in wanted], cores())
    return scale.up(peak), [(limit, found[limit]) for limit in wanted]


def _row(limit: int, peak_pages: int, point: dict[str, Any], counts: dict[str, int]) -> dict[str, Any]:
    """A row of the curve: shares are the sample's, counts are the share of the whole trace's."""
    stores, loads = counts["stores"], counts["loads"]
    hit = point["loads_hit"] + counts["loads_zero"]
    loads_hit = _up(hit, counts["all_loads"], loads)
    rejected = _up(point["stores_rejected"], counts["all_stores"], stores)
    writebacks = _up(point["writebacks"], counts["all_stores"], stores)
    return {
        "limit_pages": limit,
        "limit_share": limit / peak_pages if peak_pages else 1.0,
        "hit_share": hit / loads if loads else 0.0,
        "loads_hit": loads_hit,
        "loads_missed": counts["all_loads"] - loads_hit,
        "stores_rejected": rejected,
        "writebacks": writebacks,
        "device_reads": counts["all_loads"] - loads_hit,
        "device_writes": rejected + writebacks,
        "pool_pages_mean": point.get("pool_pages_mean"),
        "pool_pages_peak": point.get("pool_pages_peak"),
        "hit_share_error": 0.0,
    }


def _up(count: int, of_all: int, of_sample: int) -> int:
    return count if of_all == of_sample or not of_sample else (count * of_all + of_sample // 2) // of_sample


@dataclass(frozen=True)
class Checked:
    """A row of a curve beside its own replay; ``replayed`` by the names of :data:`CHECKED`."""

    row: dict[str, Any]
    replayed: dict[str, Any]

    @property
    def hit_share(self) -> float:
        """Of the replay."""
        loads = self.replayed["loads_hit"] + self.replayed["loads_missed"]
        return float(self.replayed["loads_hit"] / loads) if loads else 0.0

    def difference_percent(self, name: str) -> float:
        """How far the curve is from the replay in a count, percent of the larger."""
        found, replayed = self.row[name], self.replayed[name]
        return float(100 * (found - replayed) / max(found, replayed, 1))


def check(found: Curve, count: int, scratch: Path, progress: Progress | None = None) -> list[Checked]:
    """``count`` rows of a curve, evenly spread, beside replays of the whole trace at their limits, in ``scratch``."""
    rows = spread(found.rows, count)
    configs = [
        replace(
            found.config,
            out=scratch / str(row["limit_pages"]),
            totalram_pages=row["limit_pages"],
            max_pool_percent=100,
            sample_events=1 << 62,
        )
        for row in rows
    ]
    runs = run_together(configs, progress, workers=cores())
    summaries = [run.summary() for run in runs]
    return [Checked(row, {n: s[n] for n in CHECKED}) for row, s in zip(rows, summaries, strict=True)]


def spread(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """``count`` of the rows at most, evenly spread; the last always."""
    count = min(count, len(rows))
    return [rows[(step + 1) * len(rows) // count - 1] for step in range(count)]
