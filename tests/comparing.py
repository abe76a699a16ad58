"""Small runs for tests of comparing: a tight limit, every kind of event, under a second for all of them."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byhand import event, invalidate, load, store, trace

from zreplay.analysis.results import Result
from zreplay.replay.axes import cross, run_missing
from zreplay.replay.run import Run


def small_trace(path: Path, *, events: int = 6000, seed: int = 5, sizes: Sequence[int] = (), **metadata: Any) -> Path:
    """Events over 300 slots, tight enough for a limit of 40 pages to bite, with a kernel's pool size beside them."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(events):
        slot, choice = draw.randrange(1, 300), draw.random()
        if choice < 0.45:
            row = store(slot, draw.choice(sizes or [0, draw.randrange(1, 4097)]))
        elif choice < 0.7:
            row = load(slot)
        elif choice < 0.995:
            row = invalidate(slot)
        else:
            row = event("compact")
        rows.append(row | {"seen_pool_pages": number % 100, "ts_ns": number * 1_000_000})
    return trace(path, rows, **{"totalram_pages": 200, **metadata})


def runs(traces: Sequence[Path], out: Path, **axes: Sequence[Any]) -> list[Run]:
    """The cross product, replayed."""
    return [run for cells in cross(traces, axes, out) for run in run_missing(cells)]


def result(
    tmp: Path, *, trace: str = "t", sha: str = "1" * 64, summary: dict[str, Any] | None = None, **settings: Any
) -> Result:
    """A result that no run gave, for tests of arithmetic."""
    settings = {"index": "rbtree", "pool": "zbud", "zreplay": "0.1.0", **settings}
    manifest = {
        "trace": {"sha256": sha, "path": f"{trace}.parquet"},
        "schema_version": "1.0",
        "config": {},
        "zreplay": "0",
    }
    place = tmp / f"{trace}-{'-'.join(map(str, settings.values()))}"
    return Result(Run(place, manifest), settings, {"events": 10, **(summary or {})}, {}, {})
