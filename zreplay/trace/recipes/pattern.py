"""Recipes of the kind ``pattern``: one population of slots and chance, as the options of `zreplay synth` say it.

The events are drawn by the engine (core/trace/synth.hpp).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import _zreplay
import pyarrow as pa

from zreplay.errors import UsageError
from zreplay.pages.distribution import PageSizes
from zreplay.trace.files import TraceMetadata
from zreplay.trace.recipes.kinds import BATCH_ROWS
from zreplay.trace.recipes.sizes import parse_sizes, sizes_of
from zreplay.trace.recipes.tables import RecipeError, from_table
from zreplay.trace.schema import MAX_TYPES, OPS, SCHEMA
from zreplay.version import __version__

PATTERNS = ("random", "clustered", "zipf", "scan")

#: What a number may be: field of PatternRecipe → first and last value.
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
class PatternRecipe:
    """What to generate. Raises RecipeError, in one line with the field's name, for a value out of range."""

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
    page_sizes: PageSizes | None = None  #: sizes of real pages, to draw from them
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
            raise RecipeError(name, f"found {value}, expected {expected}")
        if self.load_share + self.rewrite_share > 0.99:
            raise RecipeError(
                "load_share and rewrite_share",
                f"found {self.load_share} + {self.rewrite_share}, expected at most 0.99 together, the rest being first "
                "stores and invalidates",
            )
        if self.pattern not in PATTERNS:
            raise RecipeError("pattern", f"found {self.pattern}, expected one of {', '.join(PATTERNS)}")
        parse_sizes(self.sizes)

    @classmethod
    def from_toml(cls, table: Mapping[str, Any], folder: Path) -> Self:
        """The keys are the fields."""
        if "sizes" in table and "sizes_from" in table:
            raise RecipeError("sizes and sizes_from", "found both, expected one")
        if "page_sizes" in table:
            raise RecipeError("page_sizes", "found in a file, expected as the option --pages-from")
        return from_table(cls, table, folder)

    def scaled(self, factor: Fraction) -> Self:
        """Resident pages, memory and events times `factor`; what comes every so many events stays at that."""
        totalram_pages = None if self.totalram_pages is None else round(self.totalram_pages * factor)
        return replace(
            self,
            events=round(self.events * factor),
            resident=round(self.resident * factor),
            totalram_pages=totalram_pages,
        )

    def columns(self) -> pa.Schema:
        """The trace's columns: all but ``pid``, ``result`` and the ``seen_`` ones, which are a kernel's to fill in.

        A column that will have no null is declared so: that makes it about a fifth cheaper to encode.
        """
        nullable = {
            "ts_ns": False,
            "op": False,
            "type": self._slotless_events,
            "offset": self._slotless_events,
            "size": True,
            "cpu": False,
        }
        return pa.schema([SCHEMA.field(name).with_nullable(null) for name, null in nullable.items()])

    def encodings(self) -> dict[str, str]:
        """Parquet's encodings for what chance has made.

        Numbers that have nothing to do with their neighbours gain nothing from differences, and sizes little from a
        dictionary; their bytes apart take half the time to write and none more to read. One value all over needs
        neither.
        """
        split = {"offset": "BYTE_STREAM_SPLIT", "size": "BYTE_STREAM_SPLIT"}
        plain = {name: "PLAIN" for name, values in (("type", self.types), ("cpu", self.cpus)) if values == 1}
        return split | plain

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The events in order; `batch_rows` does not change them."""
        if self.page_sizes:
            weights: Sequence[int] = self.page_sizes.weights
        else:
            weights = sizes_of(self.sizes_from) if self.sizes_from else parse_sizes(self.sizes)
        try:
            synth = _zreplay.Synth(self, weights)
        except MemoryError as error:
            raise UsageError(f"--resident {self.resident:,}: found too little memory for 8 bytes a page") from error
        words = pa.array(OPS if self._slotless_events else OPS[:3])  # fewer words, fewer bits a row
        schema = self.columns()
        for first in range(0, self.events, batch_rows):
            drawn = pa.record_batch(synth.next(min(batch_rows, self.events - first)))
            op = pa.DictionaryArray.from_arrays(drawn["op"], words, safe=False)
            yield pa.RecordBatch.from_arrays([drawn["ts_ns"], op, *drawn.columns[2:]], schema=schema)

    def metadata(self) -> TraceMetadata:
        """What the trace says about itself: the recipe, and nothing of this machine."""
        arguments = asdict(self)
        arguments["sizes_from"] = self.sizes_from and self.sizes_from.name
        del arguments["page_sizes"]
        if self.page_sizes:
            arguments["page_sizes"] = self.page_sizes.about()
        return TraceMetadata(
            clock="synthetic",
            model="zswap",
            compressor=self.page_sizes.kernels_name if self.page_sizes else None,
            totalram_pages=self.totalram_pages,
            cpus=self.cpus,
            lost_events=0,
            converter=f"zreplay synth {__version__}",
            synth=json.dumps(arguments, sort_keys=True),
        )

    @property
    def _slotless_events(self) -> bool:
        return bool(self.compact_every or self.migrate_every)
