"""Recipes of the kind ``fitted``: what `zreplay synth --fit` has counted of a trace (zreplay/trace/fit.py).

The events are drawn by the engine (core/trace/fitted.hpp), which says what the tables do; docs/fit.md says how they
come about and what they still tell of the trace.
"""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import _zreplay
import pyarrow as pa

from zreplay.errors import UsageError
from zreplay.trace.files import TraceMetadata
from zreplay.trace.recipes.kinds import BATCH_ROWS
from zreplay.trace.recipes.tables import RecipeError, check_fields, from_table, number, to_table, word
from zreplay.trace.schema import ASKERS, MAX_TYPES, METADATA_WORDS, OPS, PAGE_SIZE, SCHEMA, WORDS
from zreplay.version import __version__

#: Shares and ranks are in parts of it.
WHOLE = 10_000
#: Shares of sizes are.
MILLION = 1_000_000
#: Where a slot is (core/trace/slot_lives.hpp).
PLACES = ("none", "fresh", "read", "refused", "written", "back", "cleared")
#: How a kernel looks for a free slot: of SSDs, or of rotating disks.
ALLOCATORS = ("clusters", "scan")
#: Kinds of rows.
MOST_KINDS = 64
MOST_FOLLOWS = 10_000
#: Parts of a scaled recipe: of so many slots at least, for what each has beside them.
LEAST_PART_SLOTS, MOST_PARTS = 1024, 2**20
#: Of Rows with a place: parts in WHOLE, by phase.
SHARES = ("ahead", "back", "next", "close", "close_back", "returns", "return_back", "near", "near_back", "edges")
_MISSING = dataclasses.MISSING


@dataclass(frozen=True)
class Rows:
    """Rows of one kind. Arrays have an element for each phase, or none: 0; those of rows and runs one for each step, or
    one for each phase, of which all are then in a step in its middle.

    Attributes:
        op, result, asked_by: as in the trace.
        of, to: where its slot is before and after; one of PLACES. `of` none: a free slot, of a store; no slot, else.
        sized: a store that says its size.
        takes: a load that takes the entry out of zswap.
        rows, runs: how many, in how many runs.
        follows: by kind, in the order of a recipe's `rows`: how much likelier a run of it comes right behind one of
            this kind than by its share of the step's runs, in parts of a hundred; none: by its share.
        ahead, back: of the rows that find a slot right ahead of the last one's of their op, or back from it, parts in
            WHOLE that are of it.
        ahead_over_gap, back_over_gap: the same where the nearest slot is a few further on, in all phases.
        next: of the others, parts whose slot came into its place right after the last one's.
        close: of those that are left, parts whose slot is within 512 of the last one's of their op, `close_distances`
            from it.
        close_back: of these, parts in WHOLE that are below it.
        returns, return_back: the same of those that are left, within 64 slots, `return_distances`, of where one of the
            last eight jumps of their op left from.
        near: of those that are left, parts whose slot came into its place near the last one's, `distances` from it.
        near_back: of these, parts in WHOLE that came before it.
        edges: of those of `close`, `returns`, `near` and `rank`, parts in WHOLE that go on to the first or the last of
            the slots in a row with theirs.
        whole_rows: parts in WHOLE of the jumps drawn by them that are made if they lead to 32 slots in a row or more;
            to fewer all are.
        size_weights: the same by the slot's size, for eight groups of equally many stores, the smallest sizes first.
        close_distances, return_distances, distances: quantiles of how many slots lie between, evenly spaced.
        rank: of the others: quantiles of the slot's rank in its place, the one that came last first, in parts of its
            slots; evenly spaced, the least first. An empty one: `ranks`.
        ranks: the same over all phases.
        resized: of stores to a slot whose size is known from before, by the group of it, of eight: parts in WHOLE that
            have the same, one within 64 bytes of it, and else one of each of the groups.
        sizes: of a store that was refused with a size: quantiles, each as likely.
    """

    op: str = word(_MISSING, *OPS)
    of: str = word("none", *PLACES)
    to: str = word("none", *PLACES)
    result: int | None = number(None, -4095, 5)
    asked_by: str | None = word(None, *ASKERS)
    sized: bool = False
    takes: bool = False
    rows: tuple[int, ...] = ()
    runs: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()
    ahead: tuple[int, ...] = ()
    back: tuple[int, ...] = ()
    ahead_over_gap: int = number(0, 0, WHOLE)
    back_over_gap: int = number(0, 0, WHOLE)
    next: tuple[int, ...] = ()
    close: tuple[int, ...] = ()
    close_back: tuple[int, ...] = ()
    close_distances: tuple[int, ...] = (1, 1)
    returns: tuple[int, ...] = ()
    return_back: tuple[int, ...] = ()
    return_distances: tuple[int, ...] = (1, 1)
    near: tuple[int, ...] = ()
    near_back: tuple[int, ...] = ()
    edges: tuple[int, ...] = ()
    whole_rows: int = number(WHOLE, 1, WHOLE)
    size_weights: tuple[int, ...] = (WHOLE,) * 8
    distances: tuple[int, ...] = (1, 1)
    rank: tuple[tuple[int, ...], ...] = ()
    ranks: tuple[int, ...] = ()
    resized: tuple[tuple[int, ...], ...] = ()
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        leads_to = self._leads_to()
        if self.to not in leads_to:
            what = f"{self.op} of {self.of}"
            raise RecipeError("to", f"found {self.to}, expected {' or '.join(leads_to)}, as this is a {what}")
        _check_numbers("rows", self.rows, 0, 10**15)
        if len(self.runs) != len(self.rows):
            raise RecipeError("runs", f"found {len(self.runs)} elements, expected {len(self.rows)}, as of rows")
        _check_numbers("runs", self.runs, 0, 10**15)
        _check_numbers("follows", self.follows, 0, MOST_FOLLOWS)
        _check_numbers("sizes", self.sizes, 0, 2 * PAGE_SIZE)
        for phase, (rows, runs) in enumerate(zip(self.rows, self.runs, strict=True), 1):
            if not min(1, rows) <= runs <= rows:
                raise RecipeError(f"runs {phase}", f"found {runs}, expected {min(1, rows)} to {rows}, the rows")
        if len(self.resized) not in (0, 8):
            raise RecipeError("resized", f"found {len(self.resized)} groups, expected 8 or none")
        for group, shares in enumerate(self.resized, 1):
            _check_numbers(f"resized {group}", shares, 0, WHOLE)
            if len(shares) != 10 or sum(shares) > WHOLE:
                found = f"found {len(shares)} elements, {sum(shares):,} in all"
                raise RecipeError(f"resized {group}", f"{found}, expected 10, at most {WHOLE:,} in all")
        if self.of == "none":
            return
        _check_quantiles("ranks", self.ranks)
        for phase, quantiles in enumerate(self.rank, 1):
            _check_quantiles(f"rank {phase}", quantiles or self.ranks)
        for name in SHARES:
            _check_numbers(name, getattr(self, name), 0, WHOLE)
        _check_numbers("size_weights", self.size_weights, 0, WHOLE)
        if len(self.size_weights) != 8:
            raise RecipeError("size_weights", f"found {len(self.size_weights)} elements, expected 8")
        for name in ("close_distances", "return_distances", "distances"):
            _check_quantiles(name, getattr(self, name), 2**32 - 1)

    def _leads_to(self) -> tuple[str, ...]:
        """Where a row's slot can be afterwards (core/trace/slot_lives.hpp)."""
        if self.op == "store":
            return "fresh", "refused"
        if self.op == "invalidate":
            return ("none",) if self.of == "none" else ("none", "cleared")
        if self.op in ("load", "writeback", "visit") and self.of != "none":
            return {"load": ("read", "back"), "writeback": (self.of, "written"), "visit": (self.of,)}[self.op]
        if self.of != "none":
            raise RecipeError("of", f"found {self.of}, expected none, as a {self.op} has no slot")
        return ("none",)


def _check_numbers(name: str, values: Sequence[int], first: int, last: int) -> None:
    for place, value in enumerate(values, 1):
        if not first <= value <= last:
            raise RecipeError(f"{name} {place}", f"found {value}, expected {first:,} to {last:,}")


def _check_quantiles(name: str, values: Sequence[int], last: int = WHOLE) -> None:
    if len(values) < 2:
        raise RecipeError(name, f"found {len(values)} quantiles, expected at least 2")
    _check_numbers(name, values, 0, last)
    if any(below > above for below, above in pairwise(values)):
        raise RecipeError(name, "found a quantile below the one before, expected them ascending")


@dataclass(frozen=True)
class FittedRecipe:
    """A trace like another one. Raises RecipeError, with the field's name, for a value that cannot be.

    Attributes:
        events: rows; when all phases have been, all slots are freed and the first phase begins again.
        steps: of each phase.
        parts: that rows and slots are divided among: each is a trace of its own, and they take turns.
        area_slots, types: of all swap areas, and how many there are; clusters are taken from them in turn.
        allocator: how source_kernel looks for a free slot, one of ALLOCATORS.
        sizes, size_shares: of stores that are taken: bytes, and how many of MILLION in all phases are of them.
        size_ranks: of each phase: quantiles of the sizes, evenly spaced, each as the parts in MILLION of all phases'
            stores that are smaller.
        swapped_sizes: of each step: of the slots swapped out at its end, parts in WHOLE whose size is of each of eight
            groups of as many stores; none: whatever comes of the rest.
        pool_groups: of each step: groups of 64 slots of which any is in the pool at its end; none: whatever comes of
            the rest.
        alike: of sizes, parts in WHOLE that lie near one place among them, a sixteenth, which moves before every 8th;
            near another, which moves before every 64th; and near one that moves before every 512th.
        rows: the kinds of rows.
        model, source_kernel, compressor, pool, max_pool_percent, accept_threshold_percent, totalram_pages, cpus: the
            machine, as in a trace's metadata.
        cpu_changes: rows of another CPU than the one before, parts in WHOLE.
    """

    rows: tuple[Rows, ...]
    sizes: tuple[int, ...]
    size_shares: tuple[int, ...]
    size_ranks: tuple[tuple[int, ...], ...]
    events: int = number(_MISSING, 1, 10**15)
    area_slots: int = number(_MISSING, 1, 2**31)
    parts: int = number(1, 1, MOST_PARTS)
    steps: int = number(1, 1, 64)
    types: int = number(1, 1, MAX_TYPES)
    allocator: str = word("clusters", *ALLOCATORS)
    swapped_sizes: tuple[tuple[int, ...], ...] = ()
    pool_groups: tuple[int, ...] = ()
    alike: tuple[int, ...] = (0, 0, 0)
    seed: int = number(0, 0, 2**64 - 1)
    model: str = word("zswap", *METADATA_WORDS["model"])
    source_kernel: str | None = None
    compressor: str | None = None
    pool: str | None = word(None, *METADATA_WORDS["pool"])
    max_pool_percent: int | None = number(None, 1, 100)
    accept_threshold_percent: int | None = number(None, 0, 100)
    totalram_pages: int | None = number(None, 1, 2**48)
    cpus: int = number(1, 1, 1024)
    cpu_changes: int = number(0, 0, WHOLE)

    def __post_init__(self) -> None:
        check_fields(self)
        _check_numbers("sizes", self.sizes, 0, PAGE_SIZE)
        if any(below >= above for below, above in pairwise(self.sizes)):
            raise RecipeError("sizes", "found a size not above the one before, expected them ascending")
        _check_numbers("size_shares", self.size_shares, 0, MILLION)
        if len(self.size_shares) != len(self.sizes):
            found = f"found {len(self.size_shares)} elements, expected {len(self.sizes)}, as of sizes"
            raise RecipeError("size_shares", found)
        if sum(self.size_shares) != MILLION:
            raise RecipeError("size_shares", f"found {sum(self.size_shares):,} in all, expected {MILLION:,}")
        if len(self.alike) != 3 or min(self.alike) < 0 or sum(self.alike) > WHOLE:
            raise RecipeError("alike", f"found {list(self.alike)}, expected 3 numbers, at most {WHOLE:,} together")
        for phase, quantiles in enumerate(self.size_ranks, 1):
            _check_quantiles(f"size_ranks {phase}", quantiles, MILLION)
        if len(self.swapped_sizes) not in (0, self.phases * self.steps):
            found = f"found {len(self.swapped_sizes)} elements, expected {self.phases * self.steps} steps or none"
            raise RecipeError("swapped_sizes", found)
        for step, shares in enumerate(self.swapped_sizes, 1):
            _check_numbers(f"swapped_sizes {step}", shares, 0, WHOLE)
            if len(shares) != 8:
                raise RecipeError(f"swapped_sizes {step}", f"found {len(shares)} elements, expected 8")
        if len(self.pool_groups) not in (0, self.phases * self.steps):
            found = f"found {len(self.pool_groups)} elements, expected {self.phases * self.steps} steps or none"
            raise RecipeError("pool_groups", found)
        _check_numbers("pool_groups", self.pool_groups, 0, 2**31)
        if self.parts > self.area_slots:
            raise RecipeError("parts", f"found {self.parts:,}, expected no more than area_slots, {self.area_slots:,}")
        phases, steps = self.phases, self.steps
        for place, kind in enumerate(self.rows, 1):
            if len(kind.rows) not in (phases, phases * steps):
                found = f"found {len(kind.rows)} elements, expected {phases * steps} steps"
                raise RecipeError(f"rows {place}: rows", f"{found}: {steps} in each of the {phases} phases")
            for name in (*SHARES, "rank"):
                if (count := len(getattr(kind, name))) not in (0, phases):
                    found = f"found {count} elements, expected {phases} phases, as of size_ranks"
                    raise RecipeError(f"rows {place}: {name}", found)
            if len(kind.follows) not in (0, len(self.rows)):
                found = f"found {len(kind.follows)} elements, expected {len(self.rows)} kinds of rows, or none"
                raise RecipeError(f"rows {place}: follows", found)
        if len(self.rows) > MOST_KINDS:
            raise RecipeError("rows", f"found {len(self.rows)} kinds, expected at most {MOST_KINDS}")
        if not self.one_round:
            raise RecipeError("rows", "found none, expected at least one")

    @property
    def phases(self) -> int:
        """How many there are."""
        return len(self.size_ranks)

    @property
    def one_round(self) -> int:
        """Rows of all phases."""
        return sum(sum(kind.rows) for kind in self.rows)

    @classmethod
    def from_toml(cls, table: Mapping[str, Any], folder: Path) -> Self:
        """The keys are the fields."""
        return from_table(cls, table, folder)

    def scaled(self, factor: Fraction) -> Self:
        """Rows, runs, slots and memory times `factor`, in parts about as large as they are; of ranks, shares and sizes
        nothing changes."""
        area_slots = max(1, round(self.area_slots * factor))
        rows = tuple(
            replace(kind, rows=(counts := _times(kind.rows, factor)), runs=_runs(_times(kind.runs, factor), counts))
            for kind in self.rows
        )
        return replace(
            self,
            rows=rows,
            pool_groups=tuple(round(groups * factor) for groups in self.pool_groups),
            events=max(1, round(self.events * factor)),
            parts=max(1, min(math.floor(self.parts * factor), area_slots // LEAST_PART_SLOTS, MOST_PARTS)),
            area_slots=area_slots,
            totalram_pages=None if self.totalram_pages is None else max(1, round(self.totalram_pages * factor)),
        )

    def columns(self) -> pa.Schema:
        """The columns that a fitted trace has; a kernel's own counters are not among them."""
        names = ["ts_ns", "op", "type", "offset", "size", "cpu", "result"]
        names += ["call_rows"] if any(kind.takes for kind in self.rows) else []
        names += ["asked_by"] if any(kind.asked_by for kind in self.rows) else []
        return pa.schema([SCHEMA.field(name) for name in names])

    def encodings(self) -> dict[str, str]:
        """Bytes apart or plain: dictionaries and differences make the file a tenth to a fifth smaller, and take a third
        longer to write; who reads it does not notice."""
        apart = dict.fromkeys(("type", "offset", "size", "call_rows"), "BYTE_STREAM_SPLIT")
        plain = dict.fromkeys(("cpu", "result"), "PLAIN")
        return {name: encoding for name, encoding in {**apart, **plain}.items() if name in self.columns().names}

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The events in order; `batch_rows` does not change them."""
        synth = _zreplay.FittedSynth(self._tables())
        schema = self.columns()
        words = {name: pa.array(words) for name, words in WORDS.items()}
        for first in range(0, self.events, batch_rows):
            try:
                drawn = pa.record_batch(synth.next(min(batch_rows, self.events - first)))
            except _zreplay.NoFreeSlot as error:  # of an area nearly full, a kernel does not find the last slots
                found = f"found {self.area_slots:,}, of which the kernel finds none that is free"
                raise UsageError(f"recipe: area_slots: {found}, in the events from {first:,} on") from error
            columns = [
                pa.DictionaryArray.from_arrays(drawn[name], words[name], safe=False) if name in words else drawn[name]
                for name in schema.names
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def metadata(self) -> TraceMetadata:
        """What the trace says about itself: the machine's part of the recipe."""
        return TraceMetadata(
            clock="synthetic",
            model=self.model,
            source_kernel=self.source_kernel,
            compressor=self.compressor,
            pool=self.pool,
            max_pool_percent=self.max_pool_percent,
            accept_threshold_percent=self.accept_threshold_percent,
            totalram_pages=self.totalram_pages,
            cpus=self.cpus,
            lost_events=0,
            converter=f"zreplay synth {__version__}",
            synth=json.dumps({"kind": "fitted", "events": self.events, "seed": self.seed, "sha256": self._sha256()}),
        )

    def _sha256(self) -> str:
        """Of the tables, which are too long for a file's metadata."""
        return hashlib.sha256(json.dumps(to_table(self), sort_keys=True).encode()).hexdigest()

    def _search(self) -> str:
        if self.allocator == "scan":
            return "scan"
        numbers = tuple(map(int, re.findall(r"\d+", self.source_kernel or "")[:2]))
        return "clusters_6_12" if numbers >= (6, 12) else "clusters_6_1"

    def _by_step(self, counts: Sequence[int]) -> list[int]:
        if len(counts) == self.phases * self.steps:
            return list(counts)
        by_step = [0] * (self.phases * self.steps)
        by_step[self.steps // 2 :: self.steps] = counts
        return by_step

    def _tables(self) -> dict[str, Any]:
        kinds = []
        for kind in self.rows:
            row: dict[str, Any] = {name: getattr(kind, name) for name in ("op", "of", "to", "sized", "takes")}
            row |= {name: self._by_step(getattr(kind, name)) for name in ("rows", "runs")}
            row["follows"] = list(kind.follows)
            row |= {name: list(getattr(kind, name)) or [0] * self.phases for name in SHARES}
            lists = ("close_distances", "return_distances", "distances", "sizes", "size_weights")
            row |= {name: list(getattr(kind, name)) for name in lists}
            row |= {name: getattr(kind, name) for name in ("ahead_over_gap", "back_over_gap", "whole_rows")}
            if kind.result is not None:
                row["result"] = kind.result
            if kind.asked_by is not None:
                row["asked_by"] = ASKERS.index(kind.asked_by)
            row["resized"] = [list(shares) for shares in kind.resized or [(0,) * 10] * 8]
            row["rank"] = [list(quantiles or kind.ranks) for quantiles in kind.rank or [()] * self.phases]
            kinds.append(row)
        return {
            "kinds": kinds,
            "sizes": list(self.sizes),
            "size_shares": list(self.size_shares),
            "size_ranks": [list(quantiles) for quantiles in self.size_ranks],
            "pool_groups": list(self.pool_groups),
            "swapped_sizes": [list(shares) for shares in self.swapped_sizes],
            "alike": list(self.alike),
            "parts": self.parts,
            "steps": self.steps,
            "area_slots": self.area_slots,
            "types": self.types,
            "cpus": self.cpus,
            "cpu_changes": self.cpu_changes,
            "search": self._search(),
            "seed": self.seed,
        }


def _times(counts: Sequence[int], factor: Fraction) -> tuple[int, ...]:
    """Each times `factor`, rounded so that the sum of any first ones is as right as a whole number can be."""
    sums = [0]
    for count in counts:
        sums.append(sums[-1] + count)
    return tuple(round(above * factor) - round(below * factor) for below, above in pairwise(sums))


def _runs(runs: Sequence[int], rows: Sequence[int]) -> tuple[int, ...]:
    return tuple(min(max(min(1, many), some), many) for some, many in zip(runs, rows, strict=True))
