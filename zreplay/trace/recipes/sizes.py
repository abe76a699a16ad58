"""Compressed sizes as weights: of a word that names a distribution, or as another trace has them."""

import contextlib
import functools
import math
from itertools import pairwise
from pathlib import Path

from zreplay.errors import TraceError
from zreplay.trace.files import open_trace
from zreplay.trace.recipes.tables import RecipeError
from zreplay.trace.schema import OPS, PAGE_SIZE


def normal_weights(mean: float, deviation: float) -> list[float]:
    """The chance of each size from 1 to 4096 under a normal distribution rounded to whole bytes (not renormalised)."""
    below = [0.5 * (1 + math.erf((size + 0.5 - mean) / (deviation * math.sqrt(2)))) for size in range(PAGE_SIZE + 1)]
    return [after - before for before, after in pairwise(below)]


def uniform_weights(low: int, high: int) -> list[float]:
    """The chance of each size from 1 to 4096, the same from low to high and 0 elsewhere."""
    return [1 / (high - low + 1) if low <= size <= high else 0.0 for size in range(1, PAGE_SIZE + 1)]


def mixed_weights() -> list[float]:
    """The default: pages of next to nothing, program data, denser data, and pages that hardly compress."""
    parts = (
        (0.10, uniform_weights(16, 128)),
        (0.55, normal_weights(900, 350)),
        (0.25, normal_weights(2200, 600)),
        (0.10, uniform_weights(3584, 4096)),
    )
    return [sum(share * weights[at] for share, weights in parts) for at in range(PAGE_SIZE)]


@functools.cache
def parse_sizes(text: str) -> tuple[int, ...]:
    """The weight of each size from 1 to 4096 bytes for `mixed`, `uniform:LO-HI`, `normal:MEAN,SD` or `fixed:N`.

    A normal distribution is cut off below 1 and above 4096. Raises RecipeError for anything else.
    """
    kind, _, rest = text.partition(":")
    weights: list[float] | None = None
    with contextlib.suppress(ValueError):
        if text == "mixed":
            weights = mixed_weights()
        elif kind == "fixed":
            weights = _checked_uniform(int(rest), int(rest))
        elif kind == "uniform":
            low, high = rest.split("-")
            weights = _checked_uniform(int(low), int(high))
        elif kind == "normal":
            mean, deviation = (float(number) for number in rest.split(","))
            if 1 <= mean <= PAGE_SIZE and 1 <= deviation <= PAGE_SIZE:
                weights = normal_weights(mean, deviation)
    if weights is None:
        raise RecipeError(
            "sizes",
            f"found {text}, expected mixed, uniform:LO-HI, normal:MEAN,SD or fixed:N, each number 1 to {PAGE_SIZE:,}",
        )
    # Whole numbers, so that the last bit of this machine's erf() does not decide what is drawn.
    return tuple(round(weight * 2**40) for weight in weights)


def _checked_uniform(low: int, high: int) -> list[float] | None:
    return uniform_weights(low, high) if 1 <= low <= high <= PAGE_SIZE else None


def sizes_of(trace: Path) -> list[int]:
    """How many stores of each size from 1 to 4096 bytes the trace has; same-filled and unknown ones are not counted.

    Raises UsageError if the file cannot be opened, TraceError if it is not a trace or has no such store.
    """
    import pyarrow.compute as pc  # 20 ms that other recipes do not need

    counts = [0] * PAGE_SIZE
    for batch in open_trace(trace).batches(("op", "size")):
        is_store = pc.equal(batch["op"].indices, OPS.index("store"))
        for found in pc.value_counts(batch["size"].filter(is_store).drop_null()).to_pylist():
            # A size above a page is one that the recorded kernel refused.
            if 0 < found["values"] <= PAGE_SIZE:
                counts[found["values"] - 1] += found["counts"]
    if not any(counts):
        raise TraceError(f"{trace}: found no store with a size, expected at least one for --sizes-from")
    return counts
