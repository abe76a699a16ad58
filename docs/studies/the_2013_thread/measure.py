"""What docs/the-2013-thread.md is made of: replays of the recordings, and arithmetic on them. Counts only, no times.

A replay that cannot be made is not left out: what it gives is the reason, and the page says it.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import _zreplay
import polars as pl
import pyarrow.parquet as pq

from zreplay.errors import ZreplayError
from zreplay.plugins.registry import built_in
from zreplay.replay.config import Config
from zreplay.replay.designs import DESIGNS
from zreplay.replay.run import run

TRACES = Path(__file__).parents[3] / "traces"
#: All recordings, without "linux-6.1-".
ALL = tuple(sorted(path.stem.removeprefix("linux-6.1-") for path in TRACES.glob("linux-6.1-*.parquet")))
#: Those that everything is replayed from. The last one's sizes are all known; it was recorded over zsmalloc.
RECORDINGS = ("zbud-lz4-node", "zbud-lzo-mixed", "zbud-lzo-writeback", "zsmalloc-g++")
#: The designs of the thread, as far as DESIGNS has them: 3.12's decisions, zbud's pages.
THREAD = tuple(name for name, design in DESIGNS.items() if design.settings.get("kernel") == "3.12")
MOVABLE = tuple(name for name in THREAD if DESIGNS[name].settings["movable"])
#: No pool reaches this limit.
UNLIMITED = {"totalram_pages": 2**40, "max_pool_percent": 100}
#: CMA wants a tenth of the pool every 5,000 events.
CMA = {"cma_every": 5000, "cma_percent": 10}
#: The two allocators that move their pages in 6.1.
AS_IN_6_1 = {
    "z3fold of 6.1": {"kernel": "6.1", "pool": "z3fold", "index": "rbtree"},
    "zsmalloc of 6.1": {"kernel": "6.1", "pool": "zsmalloc", "index": "rbtree"},
}
#: How the memory manager may treat zpool pages, the design's own first.
MM_OPTIONS: dict[str, dict[str, str]] = {
    "as the design says": {},
    "a new page at the tail": {"mm_new_page": "tail"},
    "a load: none": {"mm_load": "none"},
    "a load: activate": {"mm_load": "activate"},
    "a join: reference": {"mm_join": "reference"},
    "a join: activate": {"mm_join": "activate"},
    "first time: new": {"mm_first_time": "new"},
}
#: What a slot says of an object that moves: index, --locate, --pointer-bits.
LOCATES = (
    ("xarray", "indirect", 64),
    ("radix-tag", "bits:3", 64),
    ("radix-lowbit", "bits:5", 64),
    ("xarray", "bits:6", 64),
    ("xarray", "value", 64),
    ("radix-lowbit", "bits:1", 32),
    ("xarray", "bits:2", 32),
)
#: Pools whose objects move, and recordings replayed over them. z3fold without the flag that migration forgets to clear.
MOVING: tuple[tuple[str, str, dict[str, bool]], ...] = (
    ("zsmalloc", "zsmalloc-g++", {}),
    ("z3fold", "zsmalloc-g++", {"z3fold_stays_claimed": False}),
    ("z3fold", "z3fold-zstd-python-mixed", {"z3fold_stays_claimed": False}),
)


@dataclass(frozen=True)
class Replayed:
    """A replay that is over: its summary, what each kind of operation cost, its timeline."""

    summary: dict[str, Any]
    operations: dict[str, dict[str, int]]
    timeline: pl.DataFrame
    joins_in_a_leaf: float | None = None

    def __getitem__(self, counter: str) -> Any:
        return self.summary[counter]

    def per_event(self, op: str, cost: str) -> float:
        """Of that cost, per row of the trace of that kind."""
        row = self.operations[op]
        return row[cost] / row["count"] if row["count"] else 0.0

    def of_all(self, cost: str) -> int:
        return sum(row[cost] for row in self.operations.values())

    def per_entry(self, *gauges: str) -> float:
        """Bytes for each stored page, over all samples of the timeline."""
        stored = self.timeline["stored_pages"].sum()
        return sum(self.timeline[gauge].sum() for gauge in gauges) / stored if stored else 0.0

    def at(self, share: float) -> dict[str, Any]:
        """The sample after that share of the events."""
        rows = self.timeline.filter(pl.col("events") <= share * self.summary["events"])
        return rows.row(-1, named=True) if rows.height else self.timeline.row(0, named=True)

    @property
    def hit_percent(self) -> float:
        loads = self["loads_hit"] + self["loads_missed"]
        return 100 * self["loads_hit"] / loads if loads else 0.0

    @property
    def pages_freed_by_reclaim(self) -> int:
        """3.12's store frees one page each time reclaim succeeds; the memory manager's reclaim counts them itself."""
        if self["config"]["mm"] == "inactive-lru":
            return self["pages_reclaimed"]
        return self["shrinks"] - self["reject_reclaim_fail"]


def path_of(recording: str) -> Path:
    return TRACES / f"linux-6.1-{recording}.parquet"


def replay(recording: str | Path, **settings: Any) -> Replayed | str:
    """The recording through those settings, or in a sentence why this build cannot."""
    return _replay(recording, tuple(sorted(settings.items())))


@cache
def _replay(recording: str | Path, settings: tuple[tuple[str, Any], ...]) -> Replayed | str:
    trace = recording if isinstance(recording, Path) else path_of(recording)
    chosen = dict(settings)
    design = DESIGNS[chosen["design"]].settings if "design" in chosen else {}
    index = chosen.get("index", design.get("index"))
    if index and index not in built_in("index"):
        return f"no index {index} in this build"
    if chosen.get("locate", "").startswith(("bits", "value")) and not hasattr(_zreplay, "index_positions"):
        return f"this build's {index} does not say what its slots have room for"
    with tempfile.TemporaryDirectory() as place:
        try:
            done = run(Config(trace=trace, out=Path(place) / "run", **chosen))
        except ZreplayError as error:
            return str(error).replace(f"{trace}: ", "")
        operations = {row["op"]: row for row in done.operations().collect().iter_rows(named=True)}
        joins = joins_in_a_leaf(trace, done.observations().collect()) if chosen.get("observe") else None
        return Replayed(done.summary(), operations, done.timeline().collect(), joins)


def done(recording: str | Path, **settings: Any) -> Replayed:
    """A replay that every build can make.

    Raises:
        RuntimeError: it could not.
    """
    found = replay(recording, **settings)
    if isinstance(found, str):
        raise RuntimeError(found)  # noqa: TRY004
    return found


def design(name: str, recording: str | Path, **settings: Any) -> Replayed:
    return done(recording, design=name, **settings)


# --- the trace alone ---


@dataclass(frozen=True)
class Density:
    """Slots that are stored and not freed, by leaf of 64, when they are most.

    ``mean_per_leaf``: slots / leaves, added up over all events.
    """

    slots: int
    leaves: int
    nodes: int
    leaves_of_at_least: Mapping[int, int]
    mean_per_leaf: float

    @property
    def per_leaf(self) -> float:
        return self.slots / self.leaves if self.leaves else 0.0


#: Entries of a leaf from which 568-byte nodes cost less than 24 bytes of links, 32 with the key, and the whole entry
#: of 48 (kernel-model 6.5).
BREAK_EVEN = {24: "links", 18: "links and key", 12: "the whole entry"}


def density(rows: Sequence[tuple[str, int | None, int | None]]) -> Density:
    """Of rows (op, type, offset) in a trace's order; a store whose result is not 0 counts: the slot is in use."""
    used: set[tuple[int, int]] = set()
    leaves: Counter[tuple[int, int]] = Counter()
    most = most_at = slot_sum = leaf_sum = 0
    for at, _ in enumerate(_slots_in_use(rows, used, leaves)):
        slot_sum += len(used)
        leaf_sum += len(leaves)
        if len(used) > most:
            most, most_at = len(used), at
    used.clear()
    leaves.clear()
    for _ in _slots_in_use(rows[: most_at + 1], used, leaves):
        pass
    return Density(
        slots=len(used),
        leaves=len(leaves),
        nodes=radix_nodes(used),
        leaves_of_at_least={limit: sum(count >= limit for count in leaves.values()) for limit in BREAK_EVEN},
        mean_per_leaf=slot_sum / leaf_sum if leaf_sum else 0.0,
    )


def _slots_in_use(
    rows: Iterable[tuple[str, int | None, int | None]],
    used: set[tuple[int, int]],
    leaves: Counter[tuple[int, int]],
) -> Iterator[None]:
    """Keeps ``used`` (type, offset) and ``leaves`` (type, offset >> 6) → slots; stops after each row."""
    for op, kind, offset in rows:
        if op == "invalidate_area":
            gone = [slot for slot in used if slot[0] == kind]
        elif op == "invalidate" and (kind, offset) in used:
            gone = [(kind, offset)]
        else:
            gone = []
        for slot in gone:
            used.remove(slot)
            leaf = slot[0], slot[1] >> 6
            leaves[leaf] -= 1
            if not leaves[leaf]:
                del leaves[leaf]
        if op == "store" and (kind, offset) not in used:
            used.add((kind, offset))
            leaves[kind, offset >> 6] += 1
        yield


def radix_nodes(slots: Iterable[tuple[int, int]]) -> int:
    """Nodes of 3.12's radix trees, one a type, that hold those (type, offset): kernel-model 6.2."""
    by_type: dict[int, set[int]] = {}
    for kind, offset in slots:
        by_type.setdefault(kind, set()).add(offset)
    nodes = 0
    for keys in by_type.values():
        while keys != {0}:
            keys = {key >> 6 for key in keys}
            nodes += len(keys)
    return nodes


def _rows(recording: str) -> Iterator[tuple[str, int | None, int | None, int]]:
    """(op, type, offset, result) of each row; no result is 0."""
    table = pq.read_table(path_of(recording), columns=["op", "type", "offset", "result"])
    ops, types, offsets, results = (table[name].to_pylist() for name in ("op", "type", "offset", "result"))
    return (
        (op, kind, offset, result or 0) for op, kind, offset, result in zip(ops, types, offsets, results, strict=True)
    )


@cache
def density_of(recording: str) -> Density:
    """Of the slots that the kernel's zswap held: of a slot that it refused no recording says when it is freed."""
    return density(
        [(op, kind, offset) for op, kind, offset, result in _rows(recording) if op != "store" or result >= 0]
    )


@dataclass(frozen=True)
class Refused:
    """What a recording has of slots whose last store the kernel refused, and of those it took.

    Attributes:
        stores: stores that the kernel refused.
        asked: loads and invalidates of a slot whose last store it refused.
        over: stores over such a slot.
        over_taken: stores over a slot whose last store it took, and that was not invalidated since.
    """

    stores: int
    asked: int
    over: int
    over_taken: int


@cache
def refused_of(recording: str) -> Refused:
    return refused(_rows(recording))


def refused(rows: Iterable[tuple[str, int | None, int | None, int]]) -> Refused:
    """See :class:`Refused`; rows are (op, type, offset, result)."""
    was_refused: dict[tuple[int | None, int | None], bool] = {}
    stores = asked = over = over_taken = 0
    for op, kind, offset, result in rows:
        slot = kind, offset
        if op == "store":
            over += was_refused.get(slot) is True
            over_taken += was_refused.get(slot) is False
            was_refused[slot] = result < 0
            stores += result < 0
        elif op in ("load", "invalidate"):
            asked += was_refused.get(slot, False)
            if op == "invalidate":
                was_refused.pop(slot, None)
    return Refused(stores, asked, over, over_taken)


def joins_in_a_leaf(trace: Path, observations: pl.DataFrame) -> float:
    """Of objects stored beside another slot's: the share whose two slots are of one leaf of 64.

    A page that an object joins has one object, at the other place: whatever was stored there last.
    """
    rows = pq.read_table(trace, columns=["op", "type", "offset"])
    columns = (rows[name].to_pylist() for name in ("op", "type", "offset"))
    there: dict[tuple[int, int, int], int] = {}
    joined = same = 0
    for op, kind, offset, (page, position) in zip(
        *columns, observations.select("page", "position").iter_rows(), strict=True
    ):
        if op == "store" and page >= 0:
            there[kind, page, position] = offset
            other = there.get((kind, page, 1 - position))
            if other is not None and other != offset:
                joined += 1
                same += other >> 6 == offset >> 6
    return same / joined if joined else 0.0


# --- what is asked for together ---


def moved(recording: str) -> dict[str, Replayed]:
    """Everything that could move its pages, while CMA asks for them."""
    found = {name: design(name, recording, **CMA) for name in THREAD}
    return found | {name: done(recording, **settings, **CMA) for name, settings in AS_IN_6_1.items()}


def located() -> dict[tuple[str, str, str, str, int], Replayed | str]:
    """(pool, recording, index, --locate, --pointer-bits) → a replay, or why there is none."""
    return {
        (pool, recording, index, locate, bits): replay(
            recording, kernel="6.1", pool=pool, index=index, locate=locate, pointer_bits=bits, **settings, **CMA
        )
        for (pool, recording, settings), (index, locate, bits) in product(MOVING, LOCATES)
    }
