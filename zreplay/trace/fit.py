"""A recipe fitted to a trace: what core/trace/fit.hpp counts of it, as tables of a fixed size."""

from pathlib import Path
from typing import Any

import _zreplay

from zreplay.trace.files import open_trace

PHASES = 32
QUANTILES = 17
SIZES = 128
WHOLE = 10_000
COLUMNS = ("ts_ns", "op", "type", "offset", "size", "result", "call_ts_ns", "call_rows", "asked_by", "cpu", "pid", "cgroup")
COARSE, FINE = 256, 16


def _bin_edges() -> list[float]:
    fine = [0.0] + [2.0**i / 2**FINE / COARSE for i in range(1, FINE)]
    return fine + [i / COARSE for i in range(1, COARSE + 1)]


EDGES = _bin_edges()


def quantiles_of_ranks(counts: list[int], steps: int = QUANTILES) -> list[int]:
    total = sum(counts)
    if not total:
        return []
    points = []
    below = 0
    bins = iter(enumerate(counts))
    at, count = next(bins)
    for step in range(steps):
        wanted = step * total / (steps - 1)
        while count == 0 or (below + count < wanted and at < len(counts) - 1):
            below += count
            following = next(bins, None)
            if following is None:
                break
            at, count = following
        part = (wanted - below) / count if count else 1
        low, high = EDGES[at], EDGES[at + 1]
        points.append(min(WHOLE, round(WHOLE * (low + min(max(part, 0), 1) * (high - low)))))
    return points


def points_of_sizes(counts: list[int], points: int = SIZES) -> list[int]:
    total = sum(counts)
    if not total:
        return []
    found, below, size = [], 0, 0
    for point in range(points):
        wanted = (point + 0.5) * total / points
        while below + counts[size] < wanted:
            below += counts[size]
            size += 1
        found.append(size)
    return found


def tables(path: Path, phases: int = PHASES) -> dict[str, Any]:
    trace = open_trace(path)
    fit = _zreplay.Fit(trace.rows, phases)
    offsets = set()
    for batch in trace.batches(COLUMNS):
        fit.add(batch)
        offsets |= set(batch["offset"].drop_null().to_pylist())
    kinds = []
    for number, kind in enumerate(fit.kinds()):
        if kind["of"] == "none" and kind["op"] in ("load", "invalidate", "visit"):

            continue
        counts = [fit.counts(number, phase) for phase in range(phases)]
        together = [sum(column) for column in zip(*(one["ranks"] for one in counts), strict=True)]
        overall = quantiles_of_ranks(together) or [0, WHOLE]
        ranks = []
        for one in counts:
            jumps = sum(one["ranks"])
            ranks.append(quantiles_of_ranks(one["ranks"], min(QUANTILES, 1 + max(1, jumps // 4))) if jumps >= 8 else overall)
        kinds.append(
            kind
            | {
                "rows": [one["rows"] for one in counts],
                "runs": [one["runs"] for one in counts],
                "next": [WHOLE * one["next"] // max(1, one["rows"]) for one in counts],
                "previous": [WHOLE * one["previous"] // max(1, one["rows"]) for one in counts],
                "rank": ranks,
                "refused_sizes": points_of_sizes(fit.refused_sizes(number), 32) if fit.refused_sizes(number) else [],
            }
        )
    sizes = [points_of_sizes(fit.sizes(phase)) for phase in range(phases)]
    known = next(one for one in sizes if one)
    for phase in range(phases):
        sizes[phase] = known = sizes[phase] or known
    agree = fit.alike / max(1, fit.pairs)
    expected = 0.0
    total = 0
    for phase in range(phases):
        counts = fit.sizes(phase)
        n = sum(counts)
        if n:
            bins = [sum(counts[i : i + 64]) / n for i in range(0, 4097, 64)]
            expected += n * sum(b * b for b in bins)
            total += n
    expected /= max(total, 1)
    alike = max(0.0, (agree - expected) / (1 - expected)) if expected < 1 else 0.0
    return {
        "kinds": kinds,
        "sizes": sizes,
        "alike": round(WHOLE * alike),
        "area_slots": int(max(offsets) - min(offsets) + 1 + 256),
        "oldest_first": True,
        "seed": 0,
        "rows": sum(sum(kind["rows"]) for kind in kinds),
        "metadata": trace.metadata,
    }
