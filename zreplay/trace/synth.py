"""The generator: a recipe of numbers becomes a trace, the same one every time. docs/synth.md says what is in it.

The events are drawn by the engine (core/trace/synth.hpp). Here a recipe is checked, its sizes become a table of
weights, and batches go to the file: one is encoded while the next is drawn, and no more than three are in memory. The
file itself is written by a third thread (FileBehind).
"""

import contextlib
import functools
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import _zreplay
import pyarrow as pa

from zreplay import __version__
from zreplay.errors import TraceError, UsageError
from zreplay.trace.files import ROW_GROUP_ROWS, TraceMetadata, TraceWriter, open_trace
from zreplay.trace.schema import MAX_TYPES, OPS, PAGE_SIZE, SCHEMA

PATTERNS = ("random", "clustered", "zipf", "scan")
BATCH_ROWS = ROW_GROUP_ROWS

#: What a number may be: field of Recipe → first and last value.
RANGES: dict[str, tuple[float, float]] = {
    "events": (1, 10**15),  # an event takes 2,048 ns at most, so the time still fits 63 bits
    "resident": (1, 2**30),
    "types": (1, MAX_TYPES),
    "seed": (0, 2**64 - 1),
    "cpus": (1, 1024),
    "load_share": (0, 0.99),
    "rewrite_share": (0, 0.99),
    "same_filled": (0, 1),
    "compact_every": (2, 10**15),
    "migrate_every": (2, 10**15),
    "totalram_pages": (1, 2**48),
}


@dataclass(frozen=True)
class Recipe:
    """What to generate. Raises UsageError, in one line with the option's name, for a value out of range."""

    events: int = 10_000_000  #: rows of the trace
    resident: int = 100_000  #: swapped-out pages in the steady state, over all areas
    types: int = 1  #: swap areas, taking turns
    cpus: int = 1
    pattern: str = "clustered"  #: one of PATTERNS: which slots are stored to, freed and loaded
    load_share: float = 0.4  #: loads, of the events of slots
    rewrite_share: float = 0.05  #: stores to a slot that is live already, likewise
    same_filled: float = 0.1  #: stores of size 0, of the stores
    sizes: str = "mixed"  #: see parse_sizes; ignored with sizes_from
    sizes_from: Path | None = None  #: a trace, to draw from the sizes of its stores
    compact_every: int = 0  #: events from one compaction to the next; 0 is never
    migrate_every: int = 0  #: likewise for page migrations
    totalram_pages: int | None = None  #: written into the metadata, for limits in per cent; nothing else depends on it
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (first, last) in RANGES.items():
            value = getattr(self, name)
            or_never = name in ("compact_every", "migrate_every")
            if value is None or (or_never and value == 0) or first <= value <= last:
                continue
            expected = f"{first:,} to {last:,}{', or 0 for never' if or_never else ''}"
            raise UsageError(f"--{name.replace('_', '-')}: found {value}, expected {expected}")
        if self.load_share + self.rewrite_share > 0.99:
            raise UsageError(
                f"--load-share and --rewrite-share: found {self.load_share} + {self.rewrite_share}, expected at most "
                "0.99 together, the rest being first stores and invalidates"
            )
        if self.pattern not in PATTERNS:
            raise UsageError(f"--pattern: found {self.pattern}, expected one of {', '.join(PATTERNS)}")
        parse_sizes(self.sizes)


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

    A normal distribution is cut off below 1 and above 4096. Raises UsageError for anything else.
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
        raise UsageError(
            f"--sizes: found {text}, expected mixed, uniform:LO-HI, normal:MEAN,SD or fixed:N, "
            f"each number 1 to {PAGE_SIZE:,}"
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


def columns(recipe: Recipe) -> pa.Schema:
    """The trace's columns: all but ``pid``, ``result`` and the ``seen_`` ones, which are a kernel's to fill in.

    A column that will have no null is declared so: that makes it about a fifth cheaper to encode.
    """
    slotless_events = bool(recipe.compact_every or recipe.migrate_every)
    nullable = {
        "ts_ns": False,
        "op": False,
        "type": slotless_events,
        "offset": slotless_events,
        "size": True,
        "cpu": False,
    }
    return pa.schema([SCHEMA.field(name).with_nullable(null) for name, null in nullable.items()])


def encodings(recipe: Recipe) -> dict[str, str]:
    """Parquet's encodings for what chance has made.

    Numbers that have nothing to do with their neighbours gain nothing from differences, and sizes little from a
    dictionary; their bytes apart take half the time to write and none more to read. One value all over needs neither.
    """
    split = {"offset": "BYTE_STREAM_SPLIT", "size": "BYTE_STREAM_SPLIT"}
    plain = {name: "PLAIN" for name, values in (("type", recipe.types), ("cpu", recipe.cpus)) if values == 1}
    return split | plain


def batches(recipe: Recipe, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The events of a recipe, in order, as batches of columns(recipe); `batch_rows` does not change the events."""
    weights = sizes_of(recipe.sizes_from) if recipe.sizes_from else parse_sizes(recipe.sizes)
    try:
        synth = _zreplay.Synth(recipe, weights)
    except MemoryError as error:
        raise UsageError(f"--resident {recipe.resident:,}: found too little memory for 8 bytes a page") from error
    words = pa.array(OPS if recipe.compact_every or recipe.migrate_every else OPS[:3])  # fewer words, fewer bits a row
    schema = columns(recipe)
    for first in range(0, recipe.events, batch_rows):
        drawn = pa.record_batch(synth.next(min(batch_rows, recipe.events - first)))
        op = pa.DictionaryArray.from_arrays(drawn["op"], words, safe=False)
        yield pa.RecordBatch.from_arrays([drawn["ts_ns"], op, *drawn.columns[2:]], schema=schema)


def metadata(recipe: Recipe) -> TraceMetadata:
    """What the trace says about itself: the recipe, and nothing of this machine."""
    arguments = asdict(recipe)
    arguments["sizes_from"] = recipe.sizes_from and recipe.sizes_from.name
    return TraceMetadata(
        clock="synthetic",
        model="zswap",
        totalram_pages=recipe.totalram_pages,
        cpus=recipe.cpus,
        lost_events=0,
        converter=f"zreplay synth {__version__}",
        synth=json.dumps(arguments, sort_keys=True),
    )


def synth(
    recipe: Recipe, output: Path, *, force: bool = False, progress: Callable[[int], object] = lambda rows: None
) -> None:
    """Write the trace of a recipe; `progress` is told of every batch written, in rows.

    Raises UsageError if `output` exists (unless `force`) or cannot be written. Then, and when interrupted, nothing is
    left behind.
    """
    drawn = batches(recipe)
    with (
        TraceWriter(
            output, metadata(recipe), schema=columns(recipe), encodings=encodings(recipe), force=force
        ) as writer,
        ThreadPoolExecutor(1) as drawer,
    ):
        coming = drawer.submit(next, drawn, None)
        while (batch := coming.result()) is not None:
            coming = drawer.submit(next, drawn, None)  # drawn while this one is encoded
            writer.write(batch)
            progress(batch.num_rows)
