"""Recipes of the kind ``workload``: processes that share a memory too small for them, on a kernel that gives out slots.

What a process does and what the kernel makes of it is the engine's affair (core/trace/workload.hpp); here a recipe is
checked and told to it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import _zreplay
import pyarrow as pa

from zreplay.errors import UsageError, nearest
from zreplay.pages.distribution import PageSizes
from zreplay.trace.files import TraceMetadata
from zreplay.trace.recipes.kinds import BATCH_ROWS
from zreplay.trace.recipes.sizes import parse_sizes, sizes_of
from zreplay.trace.recipes.tables import RecipeError, check_fields, from_table, number, to_table, word
from zreplay.trace.schema import MAX_TYPES, OPS, SCHEMA
from zreplay.version import __version__

KERNELS = ("6.1", "6.12")
ORDERS = ("cycle", "uniform", "zipf")
MOST_EVENTS = 10**15  # an event takes 2^21 ns at most, so the time still fits 63 bits
MOST_PAGES = 2**27 - 1  # 512 GB: a slot is one word of 32 bits, its type in five of them
MOST_MEMORY = 2**28
MOST_PROCESSES = 1024
MOST_PROCESS_PAGES = 2**30  # 8 bytes each
#: Slots a CPU that must be free beside the resident set: below that many the kernel gives its slot caches up.
SLOTS_A_CPU = 320


def check_shares(shares: Any) -> None:
    """Raise RecipeError unless the fields of a dataclass are shares that sum to 1."""
    check_fields(shares)
    values = {field.name: getattr(shares, field.name) for field in fields(shares)}
    if abs(sum(values.values()) - 1) > 1e-6:
        found = " + ".join(f"{name} {value:g}" for name, value in values.items() if value) or "nothing"
        raise RecipeError("shares", f"found {found} = {sum(values.values()):g}, expected a sum of 1")


@dataclass(frozen=True)
class Turns:
    """What a process does when it is its turn, as shares that sum to 1."""

    read: float = number(0.0, 0, 1)  #: it reads a page that is swapped out
    write: float = number(0.0, 0, 1)  #: it writes to one
    new: float = number(0.0, 0, 1)  #: to a new page, while it has not all it may have; a young process: half its turns

    def __post_init__(self) -> None:
        check_shares(self)


@dataclass(frozen=True)
class Reuse:
    """Which of its swapped-out pages a process comes back to, as shares that sum to 1."""

    zipf: float = number(0.0, 0, 1)  #: the k-th last swapped out with a chance of 1/k
    uniform: float = number(0.0, 0, 1)  #: any
    loop: float = number(0.0, 0, 1)  #: the one swapped out longest ago
    scan: float = number(0.0, 0, 1)  #: the same, and it is done with it: page and slot are freed

    def __post_init__(self) -> None:
        check_shares(self)


@dataclass(frozen=True)
class Process:
    """One process, or `count` alike."""

    name: str
    pages: int = number(MISSING, 1, MOST_PAGES)  #: that it has at most
    count: int = number(1, 1, MOST_PROCESSES)
    turns: Turns = Turns(0.4, 0.4, 0.2)
    reuse: Reuse = Reuse(zipf=1.0)
    dirtied: float = number(0.3, 0, 1)  #: of its pages that were read: written to before they are reclaimed
    exits: float = number(
        0.0, 0, 1
    )  #: chance that it exits when it leaves the foreground; it begins anew the next time
    fork_of: str = ""  #: it begins with the pages last swapped out of that process, shared
    cgroup: int = number(0, 0, 2**64 - 1)  #: 0 is none
    own_area_pages: int = number(
        0, 0, MOST_PAGES
    )  #: slots of an area of its own, which its exit invalidates; 0 is none
    sizes: str = ""  #: see sizes.parse_sizes; the recipe's if empty
    same_filled: float | None = number(None, 0, 1)  #: the recipe's if not said

    def __post_init__(self) -> None:
        check_fields(self)
        if self.sizes:
            parse_sizes(self.sizes)


@dataclass(frozen=True)
class Phase:
    """Some of the trace's events, in which these processes take turns in the foreground."""

    events: int = number(1_000_000, 1, MOST_EVENTS)
    slice_events: int = number(50_000, 1, MOST_EVENTS)  #: how long a process is in the foreground
    at_once: int = number(1, 1, MOST_PROCESSES)  #: so many are in the foreground
    order: str = word("cycle", *ORDERS)  #: who comes into it next; zipf: the k-th one with a chance of 1/k
    processes: tuple[str, ...] = ()  #: by name; none: all
    burst_pages: int = number(0, 0, MOST_MEMORY)  #: to be free at once when the phase begins

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class WorkloadRecipe:
    """What to generate. Raises RecipeError, in one line with the key, for what cannot be."""

    memory_pages: int = number(MISSING, 1, MOST_MEMORY)  #: what the processes may have in memory, together
    area_pages: int = number(MISSING, 1, MOST_PAGES)  #: slots of each swap area
    process: tuple[Process, ...] = ()
    phase: tuple[Phase, ...] = (Phase(),)  #: one after another, and again
    events: int = number(10_000_000, 1, MOST_EVENTS)  #: rows of the trace
    seed: int = number(0, 0, 2**64 - 1)
    kernel: str = word("6.1", *KERNELS)
    cpus: int = number(1, 1, 1024)
    types: int = number(1, 1, MAX_TYPES)  #: swap areas of one priority, taking turns
    allocator: str = word("clusters", "clusters", "scan")  #: of SSDs, or of rotating disks
    cluster_slots: int = number(512, 256, 512)  #: SWAPFILE_CLUSTER: 512 where huge pages can be swapped, else 256
    slot_cache: bool = True  #: 64 slots a CPU, for allocations and for frees
    mean_gap_ns: int = number(1000, 1, 2**20)  #: from one event to the next
    same_filled: float = number(0.1, 0, 1)  #: of the pages that are swapped out
    sizes: str = "mixed"  #: see sizes.parse_sizes; ignored with sizes_from
    sizes_from: Path | None = None  #: a trace, to draw from the sizes of its stores
    page_sizes: PageSizes | None = None  #: sizes of real pages, to draw from them in place of both
    compact_every: int = number(0, 0, MOST_EVENTS)  #: events from one compaction to the next; 0 is never
    migrate_every: int = number(0, 0, MOST_EVENTS)  #: likewise for page migrations
    cma_every: int = number(0, 0, MOST_EVENTS)  #: likewise for evacuations of a CMA area
    cma_pages: int = number(256, 1, 2**32 - 1)  #: each of so many pages
    totalram_pages: int | None = number(None, 1, 2**48)  #: written into the metadata; nothing else depends on it

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.process:
            raise RecipeError("process", "missing, expected at least one [[process]]")
        if not self.phase:
            raise RecipeError("phase", "found none, expected at least one [[phase]]")
        parse_sizes(self.sizes)
        if self.cluster_slots not in (256, 512):
            raise RecipeError("cluster_slots", f"found {self.cluster_slots}, expected 256 or 512")
        self._check_processes()
        self._check_phases()
        self._check_room()

    @classmethod
    def from_toml(cls, table: Mapping[str, Any], folder: Path) -> Self:
        """The keys are the fields; [[process]] and [[phase]] are tables of theirs."""
        if "sizes" in table and "sizes_from" in table:
            raise RecipeError("sizes and sizes_from", "found both, expected one")
        if "page_sizes" in table:
            raise RecipeError("page_sizes", "found in a file, expected as the option --pages-from")
        return from_table(cls, table, folder)

    @property
    def process_pages(self) -> int:
        """Pages of all processes together, at most."""
        return sum(process.pages * process.count for process in self.process)

    @property
    def resident_pages(self) -> int:
        """Pages that are swapped out at once, at most: what does not fit in memory, a burst and a batch of 32."""
        burst = max(phase.burst_pages for phase in self.phase)
        return self.process_pages - max(0, self.memory_pages - burst - 32)

    def _check_processes(self) -> None:
        names = tuple(process.name for process in self.process)
        by_name = {process.name: process for process in self.process}
        for place, process in enumerate(self.process, 1):
            key = f"process {place}"
            if names.index(process.name) != place - 1:
                raise RecipeError(f"{key}: name", f"found {process.name!r} again, expected another")
            if not process.fork_of:
                continue
            if process.fork_of not in names:
                found = f"found {process.fork_of!r}, expected one of {nearest(process.fork_of, names)}"
                raise RecipeError(f"{key}: fork_of", found)
            if process.fork_of == process.name:
                raise RecipeError(f"{key}: fork_of", f"found {process.name!r} itself, expected another process")
            if process.own_area_pages or by_name[process.fork_of].own_area_pages:
                raise RecipeError(f"{key}: fork_of", "found with own_area_pages, expected both in the common areas")
        if (count := sum(process.count for process in self.process)) > MOST_PROCESSES:
            raise RecipeError("process", f"found {count:,} with their counts, expected at most {MOST_PROCESSES:,}")
        if self.process_pages > MOST_PROCESS_PAGES:
            found = f"found {self.process_pages:,} pages of all, expected at most {MOST_PROCESS_PAGES:,}"
            raise RecipeError("process", found)
        if self.process_pages <= self.memory_pages:
            found = (
                f"found {self.memory_pages:,}, expected fewer than the {self.process_pages:,} pages of all processes"
            )
            raise RecipeError("memory_pages", f"{found}: nothing would be swapped")

    def _check_phases(self) -> None:
        counts = {process.name: process.count for process in self.process}
        for place, phase in enumerate(self.phase, 1):
            for name in phase.processes:
                if name not in counts:
                    found = f"found {name!r}, expected some of {nearest(name, tuple(counts))}"
                    raise RecipeError(f"phase {place}: processes", found)
                if phase.processes.count(name) > 1:
                    raise RecipeError(f"phase {place}: processes", f"found {name!r} twice, expected each once")
            there = sum(counts[name] for name in phase.processes or counts)
            if phase.at_once > there:
                found = f"found {phase.at_once}, expected at most {there}, the processes of the phase"
                raise RecipeError(f"phase {place}: at_once", found)

    def _check_room(self) -> None:
        caches = SLOTS_A_CPU * self.cpus
        shared = sum(process.pages * process.count for process in self.process if not process.own_area_pages)
        resident = min(shared, self.resident_pages)
        if self.area_pages * self.types < resident + caches:
            expected = -(-(resident + caches) // self.types)
            found = f"found {self.area_pages:,}, expected at least {expected:,}: the resident set is {resident:,} pages"
            raise RecipeError("area_pages", f"{found}, and the CPUs' slot caches take {caches:,}")
        own = 0
        for place, process in enumerate(self.process, 1):
            own += process.count * bool(process.own_area_pages)
            if process.own_area_pages and process.own_area_pages < process.pages + caches:
                found = f"found {process.own_area_pages:,}, expected at least {process.pages + caches:,}: its pages"
                raise RecipeError(f"process {place}: own_area_pages", f"{found}, and {caches:,} for slot caches")
        if self.types + own > MAX_TYPES:
            found = f"found {self.types}, and {own} areas of processes' own, expected at most {MAX_TYPES} together"
            raise RecipeError("types", found)

    def scaled(self, factor: Fraction) -> Self:
        """Pages of processes, memory and areas times `factor`, and all that is counted in events but for ``_every``."""
        scaled: Self = _scaled(self, factor)
        return scaled

    def columns(self) -> pa.Schema:
        """What a kernel has to say of its own (pid, result, the ``seen_`` columns) is not there."""
        own = any(process.own_area_pages for process in self.process)
        slotless = self._has_housekeeping or own
        nullable = {"ts_ns": False, "op": False, "type": self._has_housekeeping, "offset": slotless, "size": True}
        nullable["cpu"] = False
        if self.kernel == "6.12":
            nullable["call_rows"] = False
        if any(process.cgroup for process in self.process):
            nullable["cgroup"] = True
        return pa.schema([SCHEMA.field(name).with_nullable(null) for name, null in nullable.items()])

    def encodings(self) -> dict[str, str]:
        """Bytes apart, as of a pattern; of types and CPUs too, which change too often for runs, unless there is one."""
        one_type = self.types + sum(bool(process.own_area_pages) for process in self.process) == 1
        of_one_value = {"type": one_type, "cpu": self.cpus == 1, "call_rows": self.kernel == "6.12"}
        plain = {name: "PLAIN" for name, one in of_one_value.items() if one}
        return dict.fromkeys(("offset", "size", "type", "cpu"), "BYTE_STREAM_SPLIT") | plain

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The events in order; `batch_rows` does not change them."""
        try:
            events = _zreplay.workload(self._for_engine())
        except MemoryError as error:
            found = f"found {self.process_pages:,} pages and {self.area_pages:,} slots"
            raise UsageError(f"process: {found}: too little memory for 8 bytes a page and one a slot") from error
        schema = self.columns()
        words = pa.array(OPS)
        for first in range(0, self.events, batch_rows):
            try:
                drawn = pa.record_batch(events.next(min(batch_rows, self.events - first)))
            except ValueError as error:
                raise UsageError(
                    f"recipe: {error}, after {first:,} events; expected more pages or less memory"
                ) from error
            columns = dict(zip(drawn.schema.names, drawn.columns, strict=True))
            columns["op"] = pa.DictionaryArray.from_arrays(drawn["op"], words, safe=False)
            if self.kernel == "6.12":
                # No call overlaps another here. That it says so is what tells a load that took its entry out.
                columns["call_rows"] = pa.repeat(pa.scalar(0, pa.uint32()), drawn.num_rows)
            yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)

    def metadata(self) -> TraceMetadata:
        """What the trace says about itself: the recipe, and nothing of this machine."""
        told = {"kind": "workload", **to_table(replace(self, page_sizes=None))}
        if self.page_sizes:
            told["page_sizes"] = self.page_sizes.about()
        cgroups = sorted({process.cgroup for process in self.process if process.cgroup})
        return TraceMetadata(
            clock="synthetic",
            model="zswap",
            source_kernel=self.kernel,
            compressor=self.page_sizes.kernels_name if self.page_sizes else None,
            totalram_pages=self.totalram_pages,
            cpus=self.cpus,
            cgroups=" ".join(map(str, cgroups)) or None,
            lost_events=0,
            converter=f"zreplay synth {__version__}",
            synth=json.dumps(told, sort_keys=True),
        )

    @property
    def _has_housekeeping(self) -> bool:
        return bool(self.compact_every or self.migrate_every or self.cma_every)

    def _for_engine(self) -> dict[str, Any]:
        """The recipe with names as numbers, and processes as many as there are."""
        weights: list[tuple[int, ...]] = []

        def table_of(found: tuple[int, ...]) -> int:
            if found not in weights:
                weights.append(found)
            return weights.index(found)

        if self.page_sizes:
            common = table_of(self.page_sizes.weights)
        else:
            common = table_of(tuple(sizes_of(self.sizes_from)) if self.sizes_from else parse_sizes(self.sizes))
        firsts: dict[str, int] = {}
        processes: list[dict[str, Any]] = []
        for process in self.process:
            firsts[process.name] = len(processes)
            faults = process.turns.read + process.turns.write
            told = {
                "pages": process.pages,
                "new_share": process.turns.new,
                "write_share": process.turns.write / faults if faults else 1.0,
                "zipf": process.reuse.zipf,
                "uniform": process.reuse.uniform,
                "loop": process.reuse.loop if process.reuse.scan else 1.0,  # whatever the others sum to in the last bit
                "dirtied": process.dirtied,
                "exits": process.exits,
                "fork_of": process.fork_of or None,
                "cgroup": process.cgroup,
                "own_area_pages": process.own_area_pages,
                "sizes": table_of(parse_sizes(process.sizes)) if process.sizes else common,
                "same_filled": self.same_filled if process.same_filled is None else process.same_filled,
            }
            processes += [dict(told) for _ in range(process.count)]
        for made in processes:
            made["fork_of"] = firsts.get(made["fork_of"])
        counts = {process.name: process.count for process in self.process}
        phases = []
        for phase in self.phase:
            there = [firsts[name] + i for name in phase.processes or counts for i in range(counts[name])]
            phases.append({**asdict(phase), "processes": there})
        return {
            "seed": self.seed,
            "exclusive_loads": self.kernel == "6.12",
            "memory_pages": self.memory_pages,
            "areas": {
                "types": self.types,
                "area_pages": self.area_pages,
                "cluster_slots": self.cluster_slots,
                "search": "scan" if self.allocator == "scan" else f"clusters_{self.kernel.replace('.', '_')}",
                "cpus": self.cpus,
                "caches": self.slot_cache,
            },
            **{name: getattr(self, name) for name in ("mean_gap_ns", "compact_every", "migrate_every", "cma_every")},
            "cma_pages": self.cma_pages,
            "size_weights": weights,
            "processes": processes,
            "phases": phases,
        }


_SCALED = ("pages", "own_area_pages", "memory_pages", "area_pages", "cma_pages", "totalram_pages", "burst_pages")
_SCALED_EVENTS = ("events", "slice_events")


def _scaled(table: Any, factor: Fraction) -> Any:
    at_least_one: Callable[[int], int] = lambda value: max(1, round(value * factor)) if value else value  # noqa: E731
    changed: dict[str, Any] = {
        name: at_least_one(getattr(table, name))
        for name in (*_SCALED, *_SCALED_EVENTS)
        if getattr(table, name, None) is not None
    }
    for name in ("process", "phase"):
        if hasattr(table, name):
            changed[name] = tuple(_scaled(item, factor) for item in getattr(table, name))
    return replace(table, **changed)
