"""A recipe fitted to a trace: what core/trace/fit.hpp counts of it, in tables that do not grow with the trace."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import _zreplay

from zreplay.errors import TraceError
from zreplay.trace.files import Trace, TraceMetadata, open_trace
from zreplay.trace.likeness import COLUMNS, distances, portrait_of
from zreplay.trace.recipes.fitted import (
    ALLOCATORS,
    MILLION,
    MOST_FOLLOWS,
    MOST_KINDS,
    SHARES,
    WHOLE,
    FittedRecipe,
    Rows,
)
from zreplay.trace.schema import ASKERS

#: Parts of the trace with equal numbers of rows that are counted apart.
PHASES = 32
#: Steps of a phase, in which rows and runs are counted apart: as many as have so many rows each.
MOST_STEPS, ROWS_A_STEP = 8, 500
#: Rows of a kind, all over, that are too few to tell where in a phase they were.
RARE_ROWS = 200
#: Quantiles kept of ranks, and of sizes.
RANKS, DISTANCES, SIZES, REFUSED_SIZES = 13, 17, 65, 32
#: Jumps of a kind in a phase from which on their ranks are kept apart, and jumps for each quantile.
ENOUGH_JUMPS, JUMPS_A_QUANTILE = 8, 4
#: So many pairs of runs as chance would have are added to those seen: of few nothing follows. And how often weights are
#: corrected by what comes of them.
ENOUGH_RUNS = 8
ROUNDS_OF_FOLLOWS = 8
#: The most sizes that are told apart by bytes; of more those in the same 8 bytes are one, as they are to every pool.
MOST_SIZES, SIZE_BYTES = 512, 8
#: Of the quantiles of sizes, what is near; and less likeness of neighbours than this is chance.
SIZE_GROUPS, LEAST_ALIKE = 16, 0.02
#: Rows of the trace's begin that tell its allocator.
ALLOCATOR_ROWS = 1 << 20
#: How far apart pairs of sizes are that are compared, and before every how many a place among them moves.
MOVES = (8, 64, 512)
#: Rows of a trace that say too little: a phase should have some.
FEWEST_ROWS = 100 * PHASES
_COLUMNS = ("ts_ns", "op", "type", "offset", "size", "result", "call_ts_ns", "call_rows", "asked_by", "cpu")


def fit(path: Path) -> FittedRecipe:
    """The recipe of a trace. Raises UsageError and TraceError: no trace, or too little in it."""
    trace = open_trace(path)
    if trace.rows < FEWEST_ROWS:
        raise TraceError(f"{path}: found {trace.rows:,} events, expected at least {FEWEST_ROWS:,} to fit a recipe to")
    steps = max(1, min(MOST_STEPS, trace.rows // (PHASES * ROWS_A_STEP)))
    # What a row could be of is known when all have been counted.
    counted = _counted(trace, steps, _counted(trace, steps, None))
    if counted.kinds_left_out:
        raise TraceError(
            f"{path}: found rows of more than {MOST_KINDS} kinds (op, result, who asked), expected no more"
        )
    bytes_of = [counted.sizes(phase) for phase in range(PHASES)]
    if not any(map(any, bytes_of)):
        raise TraceError(f"{path}: found no store with a size, expected some to fit a recipe to")
    sizes, shares, ranks = _sizes(bytes_of)
    rows = tuple(
        replace(_rows_of(counted, steps, number, kind), follows=follows)
        for number, (kind, follows) in enumerate(zip(counted.kinds(), _follows(counted, steps), strict=True))
    )
    types = counted.types.bit_count()
    recipe = FittedRecipe(
        rows=rows,
        sizes=sizes,
        size_shares=shares,
        size_ranks=ranks,
        events=sum(sum(kind.rows) for kind in rows),
        steps=steps,
        area_slots=_area_slots(types * (counted.last_slot - counted.first_slot + 1)),
        types=types,
        swapped_sizes=_swapped_sizes([counted.swapped_sizes(step) for step in range(PHASES * steps)]),
        pool_groups=tuple(counted.pool_groups(step) for step in range(PHASES * steps)),
        alike=_alike(counted, bytes_of),
        cpu_changes=_share(counted.cpu_changes, counted.cpu_rows),
        **_machine(trace.metadata),
    )
    return _with_allocator(recipe, trace)


def _with_allocator(recipe: FittedRecipe, trace: Trace) -> FittedRecipe:
    """The recipe with the allocator whose slots are nearer to the trace's, which does not say what its device was."""
    begin = next(trace.batches(COLUMNS, ALLOCATOR_ROWS))
    of_trace = portrait_of([begin], begin.num_rows)

    def distance(allocator: str) -> float:
        made = next(replace(recipe, allocator=allocator).batches(begin.num_rows))
        found = distances(of_trace, portrait_of([made], made.num_rows))
        return sum(found[name] or 0.0 for name in ("store_runs", "store_steps", "free_steps"))

    return replace(recipe, allocator=min(ALLOCATORS, key=distance))


def _area_slots(used: int) -> int:
    """With a 64th, and a cluster, to spare, for the kernel does not find the last ones."""
    return used + used // 64 + 512


def _counted(trace: Trace, steps: int, before: _zreplay.Fit | None) -> _zreplay.Fit:
    counted = _zreplay.Fit(trace.rows, PHASES, steps, before)
    for batch in trace.batches(_COLUMNS):
        counted.add(batch)
    return counted


def _machine(metadata: TraceMetadata) -> dict[str, Any]:
    """Of a machine what a replay's defaults need; of the kernel's release the two numbers that choose its profile."""
    release = re.match(r"\d+\.\d+", metadata.source_kernel or "")
    return {
        "model": metadata.model or "zswap",
        "source_kernel": release[0] if release else None,
        "compressor": metadata.compressor,
        "pool": metadata.pool,
        "max_pool_percent": metadata.max_pool_percent,
        "accept_threshold_percent": metadata.accept_threshold_percent,
        "totalram_pages": metadata.totalram_pages,
        "cpus": min(metadata.cpus or 1, 1024),
    }


def _rows_of(counted: _zreplay.Fit, steps: int, number: int, kind: dict[str, Any]) -> Rows:
    phases = [counted.counts(number, phase) for phase in range(PHASES)]
    if "asked_by" in kind:
        kind["asked_by"] = ASKERS[kind["asked_by"]]
    rows, runs = zip(*(counted.step(number, step) for step in range(PHASES * steps)), strict=True)
    if sum(rows) < RARE_ROWS:
        rows, runs = (
            tuple(sum(counts[at : at + steps]) for at in range(0, len(counts), steps)) for counts in (rows, runs)
        )
    tables: dict[str, Any] = {"rows": rows, "runs": runs}
    if kind["of"] != "none":
        together = [sum(counts) for counts in zip(*(phase["ranks"] for phase in phases), strict=True)]
        for side in ("ahead", "back"):
            found, taken, over_gap, taken_over_gap = zip(*(phase[side] for phase in phases), strict=True)
            tables[side] = tuple(map(_share, taken, found))
            tables[f"{side}_over_gap"] = _share(sum(taken_over_gap), sum(over_gap))
        tables["next"] = tuple(_share(phase["next"], phase["jumps"]) for phase in phases)
        tables["close"] = tuple(_share(phase["close"], phase["jumps"] - phase["next"]) for phase in phases)
        tables["close_back"] = tuple(_share(phase["close_back"], phase["close"]) for phase in phases)
        tables["returns"] = tuple(
            _share(phase["returns"], phase["jumps"] - phase["next"] - phase["close"]) for phase in phases
        )
        tables["return_back"] = tuple(_share(phase["return_back"], phase["returns"]) for phase in phases)
        tables["near"] = tuple(
            _share(phase["near"], phase["jumps"] - phase["next"] - phase["close"] - phase["returns"])
            for phase in phases
        )
        tables["near_back"] = tuple(_share(phase["near_back"], phase["near"]) for phase in phases)
        tables["edges"] = tuple(map(_edges_sought, phases))
        tables["whole_rows"] = _whole_rows(phases)
        tables["size_weights"] = _size_weights(phases)
        tables["resized"] = _resized([phase["resized"] for phase in phases])
        for name in ("close_distances", "return_distances", "distances"):
            distances = [sum(counts) for counts in zip(*(phase[name] for phase in phases), strict=True)]
            tables[name] = quantiles_of_bins(distances, _DISTANCES, DISTANCES) or (1, 1)
        tables["rank"] = tuple(_ranks(phase["ranks"]) for phase in phases)
        tables["ranks"] = quantiles_of_ranks(together, RANKS) or (0, WHOLE)
        tables |= {name: () for name in (*SHARES, "rank") if not any(tables[name])}
    return Rows(**kind, **tables, sizes=quantiles_of_sizes(counted.refused_sizes(number), REFUSED_SIZES))


def _edges_sought(phase: dict[str, Any]) -> int:
    """The share of jumps that go on to the end of slots in a row, beside those that come to one by chance."""
    jumps, by_chance = phase["jumps"] - phase["next"], phase["edges_by_chance"]
    return _share(max(0, phase["edges"] - by_chance), jumps - by_chance)


def _whole_rows(phases: Sequence[dict[str, Any]]) -> int:
    """How much less likely a jump is made to slots in a row than to a crumb, were either as likely to be drawn."""
    jumps = sum(phase["jumps"] - phase["next"] for phase in phases)
    crumbs = sum(phase["crumbs"] for phase in phases)
    by_chance = sum(phase["crumbs_by_chance"] for phase in phases)
    if not 0 < crumbs < jumps or by_chance == jumps:
        return WHOLE
    odds: float = (jumps - crumbs) / crumbs * by_chance / (jumps - by_chance)
    return min(WHOLE, max(1, round(WHOLE * odds)))


def _size_weights(phases: Sequence[dict[str, Any]]) -> tuple[int, ...]:
    """Of jumps to slots of each group of sizes: how likely they are beside the likeliest, were all drawn alike."""
    sized, by_chance = (
        [sum(counts) for counts in zip(*(phase[name] for phase in phases), strict=True)]
        for name in ("sized", "sized_by_chance")
    )
    odds = [count / chance if chance >= ENOUGH_JUMPS else None for count, chance in zip(sized, by_chance, strict=True)]
    most = max((odd for odd in odds if odd is not None), default=0.0)
    return tuple(WHOLE if odd is None or not most else round(WHOLE * odd / most) for odd in odds)


def _resized(phases: Sequence[Sequence[Sequence[int]]]) -> tuple[tuple[int, ...], ...]:
    """By the group of the size before: shares of stores with it, with one near it, and with one of each group."""
    groups = [
        [sum(counts) for counts in zip(*(phase[group] for phase in phases), strict=True)]
        for group in range(len(phases[0]))
    ]
    if not any(map(any, groups)):
        return ()
    return tuple(tuple(_share(count, sum(counts)) for count in counts) for counts in groups)


def _swapped_sizes(counts_of: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Of each step the shares of the groups of sizes; of one that leaves none swapped out, those of the one before."""
    counts = next(filter(any, counts_of), ())
    found = []
    for step in counts_of:
        counts = step if any(step) else counts
        found.append(tuple(_share(count, sum(counts)) for count in counts))
    return tuple(found) if counts else ()


def _follows(counted: _zreplay.Fit, steps: int) -> list[tuple[int, ...]]:
    """By kind and kind: how much likelier a run of the second is to come right behind one of the first than by its
    share of a step's runs, in parts of a hundred, so that as many do as were seen."""
    kinds = range(len(counted.kinds()))
    runs_of = [[counted.step(kind, step)[1] for kind in kinds] for step in range(PHASES * steps)]
    found = []
    for first in kinds:
        here = [
            (runs[first], [(second, many) for second, many in enumerate(runs) if many and second != first])
            for runs in runs_of
            if runs[first]
        ]
        weights = [1.0 for _ in kinds]
        for _ in range(ROUNDS_OF_FOLLOWS):
            expected = [0.0 for _ in kinds]
            for mine, others in here:
                total = sum(weights[second] * many for second, many in others)
                for second, many in others:
                    expected[second] += mine * weights[second] * many / total
            for second in kinds:
                weights[second] *= (counted.follows(first, second) + ENOUGH_RUNS) / (expected[second] + ENOUGH_RUNS)
        found.append(tuple(min(MOST_FOLLOWS, round(100 * weight)) for weight in weights))
    return found


def _share(part: int, whole: int) -> int:
    return WHOLE * part // whole if whole else 0


def _ranks(counts: Sequence[int]) -> tuple[int, ...]:
    jumps = sum(counts)
    if jumps < ENOUGH_JUMPS:
        return ()
    return quantiles_of_ranks(counts, min(RANKS, 1 + jumps // JUMPS_A_QUANTILE))


def _edges() -> list[float]:
    """Of the bins of ranks (Fit::rank_bins), in parts of the list."""
    coarse, fine = _zreplay.Fit.coarse_bins, _zreplay.Fit.fine_bins
    return [0.0, *(2.0 ** (i - fine) / coarse for i in range(1, fine)), *(i / coarse for i in range(1, coarse + 1))]


_EDGES = _edges()


def quantiles_of_ranks(counts: Sequence[int], many: int) -> tuple[int, ...]:
    """The ranks of evenly spaced quantiles, in parts of WHOLE."""
    return quantiles_of_bins(counts, [WHOLE * edge for edge in _EDGES], many)


#: Of the bins of distances: 1, 2, 3, 4, 6, 8, 12 …; the second of 1 is never used.
_DISTANCES = [1.0, 1.0, *(2.0**octave * half for octave in range(1, 32) for half in (1, 1.5)), 2.0**32]


def quantiles_of_bins(counts: Sequence[int], edges: Sequence[float], many: int) -> tuple[int, ...]:
    """What 0/(many - 1), 1/(many - 1) … 1 of the counted do not exceed, within a bin evenly spread; of none, none."""
    total = sum(counts)
    if not total:
        return ()
    found = []
    below, bins = 0, [i for i, count in enumerate(counts) if count]
    at = 0
    for step in range(many):
        wanted = step * total / (many - 1)
        while at < len(bins) - 1 and below + counts[bins[at]] < wanted:
            below += counts[bins[at]]
            at += 1
        low, high = edges[bins[at]], edges[bins[at] + 1]
        found.append(round(low + (wanted - below) / counts[bins[at]] * (high - low)))
    return tuple(found)


def quantiles_of_sizes(counts: Sequence[int], many: int) -> tuple[int, ...]:
    """The sizes at (i + 1/2)/many of those counted by bytes, i from 0 to many - 1; of none, none."""
    total = sum(counts)
    if not total:
        return ()
    found, below, size = [], 0, 0
    for i in range(many):
        while below + counts[size] < (i + 0.5) * total / many:
            below += counts[size]
            size += 1
        found.append(size)
    return tuple(found)


def _sizes(bytes_of: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The sizes of stores counted by bytes in each phase, their shares in all phases, and each phase's quantiles.

    A phase in which nothing was stored has the sizes of all.
    """
    together = [sum(counts) for counts in zip(*bytes_of, strict=True)]
    used = [size for size, count in enumerate(together) if count]
    groups: dict[int, list[int]] = {}
    for size in used:
        groups.setdefault(size if len(used) <= MOST_SIZES else -(-size // SIZE_BYTES), []).append(size)
    total, ends = sum(together), [0]
    for group in groups.values():
        ends.append(ends[-1] + sum(together[size] for size in group))
    ends = [round(MILLION * end / total) for end in ends]
    ranks = []
    for counts in (*bytes_of, together):
        by_group = [sum(counts[size] for size in group) for group in groups.values()]
        ranks.append(quantiles_of_bins(by_group, ends, SIZES))
    return (
        tuple(max(group, key=together.__getitem__) for group in groups.values()),
        tuple(end - begin for begin, end in pairwise(ends)),
        tuple(quantiles or ranks[-1] for quantiles in ranks[:-1]),
    )


def _alike(counted: _zreplay.Fit, bytes_of: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """How many sizes lie near places among them, sixteenths of the quantiles, that move before every 8th, 64th, 512th.

    Two stores n apart are near the same place with a chance of s² (1 - m)^n, where s is its share and 1/m how often it
    moves. That is what pairs in the same 64 bytes tell, beyond what chance and the sixteenths' own widths do: those
    furthest apart of the place that moves least, the others of what is then left.
    """
    chance, near, stores = 0.0, 0.0, 0
    for counts in bytes_of:
        quantiles = quantiles_of_sizes(counts, 8 * SIZE_GROUPS)
        if not quantiles:
            continue
        weight, step = sum(counts), len(quantiles) // SIZE_GROUPS
        stores += weight
        chance += weight * _same_64_bytes(quantiles)
        groups = [quantiles[at : at + step] for at in range(0, len(quantiles), step)]
        near += weight * sum(map(_same_64_bytes, groups)) / len(groups)
    chance, near = chance / stores, near / stores
    squares = [0.0, 0.0, 0.0]
    for i in (2, 1, 0):
        if not counted.pairs[i] or near <= chance:
            continue
        found = (counted.alike[i] / counted.pairs[i] - chance) / (near - chance)
        slower = sum(square * (1 - 1 / moves) ** MOVES[i] for square, moves in zip(squares, MOVES, strict=True))
        if found - slower > LEAST_ALIKE:
            squares[i] = (found - slower) / (1 - 1 / MOVES[i]) ** MOVES[i]
    shares = [math.sqrt(square) for square in squares]
    return tuple(int(WHOLE * share / max(1.0, sum(shares))) for share in shares)


def _same_64_bytes(sizes: Sequence[int]) -> float:
    """The chance that two drawn from the sizes are in the same 64 bytes."""
    return sum((many / len(sizes)) ** 2 for many in Counter(size // 64 for size in sizes).values())
