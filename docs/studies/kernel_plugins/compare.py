"""The kernel's own trees and allocators as plugins (docs/examples/kernel), replayed beside the built-in ones."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import _zreplay
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from zreplay.plugins.registry import plug
from zreplay.replay.config import Config
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import make_replay
from zreplay.trace.files import Trace, open_trace

ROOT = Path(__file__).parents[3]
GLUE = ROOT / "docs/examples/kernel"
RECORDINGS = sorted((ROOT / "traces").glob("*.parquet"))
RELEASES = ("6.1", "6.12")


@dataclass(frozen=True)
class KernelPlugin:
    """One of the kernel's files, and what it is held against.

    Attributes:
        option: what it is: index or pool.
        built_in: ours.
        release: whose source it is.
        settings: what makes ours that release's, on one CPU, whatever the recording's kernel.
        untold: columns that cannot be compared, as the plugin does not tell them.
    """

    option: str
    built_in: str
    release: str = "6.1"
    settings: dict[str, Any] = field(default_factory=dict)
    untold: frozenset[str] = frozenset()


#: The kernel's code keeps to itself which objects a compaction has copied, and how often it has looked into a page for
#: it; the interface has no word for handle cells.
_MOVES = frozenset({"objects_copied", "handles_rewritten", "handle_bytes", "page_headers_read"})
#: An object's number in its zspage is told by the plugin alone, and of a class pages and objects.
_ZSMALLOC = _MOVES | {"position", "objects_allocated", "almost_empty", "almost_full", "full"}
PLUGINS = {
    "rbtree": KernelPlugin("index", "rbtree"),
    "xarray": KernelPlugin("index", "xarray"),
    "xarray 6.12": KernelPlugin("index", "xarray", "6.12"),
    "zbud": KernelPlugin("pool", "zbud"),
    "zsmalloc": KernelPlugin(
        "pool",
        "zsmalloc",
        settings={"zsmalloc_rule": "a", "zsmalloc_chain": 4, "zsmalloc_groups": 4},
        untold=_ZSMALLOC,
    ),
    "zsmalloc 6.12": KernelPlugin(
        "pool",
        "zsmalloc",
        "6.12",
        settings={"zsmalloc_rule": "b", "zsmalloc_chain": 8, "zsmalloc_groups": 12},
        untold=_ZSMALLOC,
    ),
    # Which pages could move, say flags of each; the plugin does not go through all of them after every event.
    "z3fold": KernelPlugin(
        "pool",
        "z3fold",
        settings={"z3fold_work": "immediate", "z3fold_cpus": 1},
        untold=_MOVES | {"movable_pages", "movable_percent"},
    ),
}
TREES = tuple(name for name, plugin in PLUGINS.items() if plugin.option == "index")
POOLS = tuple(name for name, plugin in PLUGINS.items() if plugin.option == "pool")
SAMPLE_EVENTS = 500
#: What makes a pool by itself (_zreplay.Pool) the later one.
POOL_OPTIONS = {"zsmalloc 6.12": {"class_rule": "b", "chain_limit": 8, "fullness_groups": "twelve"}}
#: What an index is asked by an event (_zreplay.Index.apply).
CALLS = {"store": 0, "load": 1, "invalidate": 2}


def why_not(release: str) -> str | None:
    """What is missing to build a release's."""
    if not _source(release).exists():
        return f"no {_source(release)}: apt-get install linux-source-{release}"
    return None if shutil.which("cc") else "no cc: apt-get install gcc"


def build(out: Path, release: str) -> dict[str, Path]:
    """A release's plugins, by name."""
    done = subprocess.run([GLUE / "make-plugins", _source(release), out], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the kernel's code does not compile:\n{done.stderr[:4000]}")
    some = {name: plugin for name, plugin in PLUGINS.items() if plugin.release == release}
    return {name: out / f"kernel_{plugin.built_in}.so" for name, plugin in some.items()}


def _source(release: str) -> Path:
    return Path(f"/usr/src/linux-source-{release}.tar.xz")


@dataclass
class Compared:
    """Two replays held against each other: how much there was to compare, and what differed."""

    events: int = 0
    objects: int = 0  # whose page and position were compared, each time
    samples: int = 0
    class_rows: int = 0
    written_back: int = 0
    compacted: int = 0
    refused: int = 0
    values: int = 0  # numbers that were compared, of all kinds
    differs: Counter[str] = field(default_factory=Counter)  # table.column → values that differ

    def add(self, table: str, ours: pl.DataFrame, theirs: pl.DataFrame, untold: frozenset[str]) -> None:
        """Every column of two tables of the same events."""
        if ours.height != theirs.height:
            self.differs[f"{table}: rows"] += abs(ours.height - theirs.height)
            return
        for name in ours.columns:
            if name not in untold:
                self.values += ours.height
                if unequal := int(ours[name].ne_missing(theirs[name]).sum()):
                    self.differs[f"{table}.{name}"] += unequal


def limits(trace: Trace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The recording's own limit, and one at which the pool is full half of the time."""
    yield "as recorded", {}
    if trace.metadata.model != "zram":
        config = Config(trace=trace.path, out=Path(), totalram_pages=1 << 40).resolved(trace.metadata)
        most = next(iter(_replays(trace, [config])))[1][0].counters()["pool_pages_peak"]
        yield "half the pages", {"totalram_pages": most // 2, "max_pool_percent": 100}


def compare(name: str, plugin: Path, recording: Path) -> Iterator[tuple[str, Compared]]:
    """A recording replayed with a built-in and with the kernel's own; the limit, and what differed."""
    trace = open_trace(recording)
    kind = PLUGINS[name]
    label, _ = plug(kind.option, str(plugin))
    for words, limit in limits(trace):
        config = Config(
            trace=recording, out=Path(), observe=True, sample_events=SAMPLE_EVENTS, **kind.settings, **limit
        )
        ours = replace(config, **{kind.option: kind.built_in}).resolved(trace.metadata)
        theirs = replace(ours, **{kind.option: label})
        yield words, _compare(trace, ours, theirs, kind.untold)


def _compare(trace: Trace, ours: Config, theirs: Config, untold: frozenset[str]) -> Compared:
    found = Compared()
    counters: dict[str, Any] = {}
    for _, replays in _replays(trace, [ours, theirs]):
        tables = [_tables(replay) for replay in replays]
        for table in tables[0]:
            found.add(table, tables[0][table], tables[1][table], untold)
        found.samples += tables[0]["timeline"].height
        found.class_rows += tables[0]["classes"].height
        found.objects += int((tables[0]["events"]["page"] >= 0).sum())
        found.events += tables[0]["events"].height
        counters = replays[0].counters()
    both = [pl.DataFrame([replay.counters()]) for replay in replays]
    found.add("counters", *both, untold)
    costs = [pl.DataFrame(replay.operations()) for replay in replays]
    found.add("operations", *costs, untold | {"timed", "total_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns"})
    found.written_back = counters["written_back_pages"]
    found.compacted = counters["pages_compacted"]
    found.refused = counters["stores_rejected"]
    return found


def _tables(replay: _zreplay.Replay) -> dict[str, pl.DataFrame]:
    return {
        "events": pl.DataFrame(pa.record_batch(replay.take_observations())),
        "timeline": pl.DataFrame(pa.record_batch(replay.take_timeline())),
        "classes": pl.DataFrame(pa.record_batch(replay.take_classes())),
    }


def _replays(trace: Trace, configs: list[Config]) -> Iterator[tuple[int, list[_zreplay.Replay]]]:
    """The replays after each batch, and once more when they have ended and checked themselves.

    Stores are decided at their rows: that an allocation on one CPU looked for room before one on another, a built-in
    pool is told (docs/models.md), a plugin's is not. z3fold's migrations are left out: a row says by a number which
    object's page is moved, and after an eviction the number is another object's in the two replays.
    """
    sizes = RecordedSizes(trace, configs)
    replays = [make_replay(config, sizes) for config in configs]
    number = 0
    for number, batch in enumerate(trace.batches()):
        if any(config.pool == "z3fold" for config in configs):
            batch = batch.filter(pc.not_equal(batch["op"].cast(pa.string()), "migrate"))
        sizes.prepare(batch)
        for replay in replays:
            replay.feed(batch)
        if number:
            yield number, replays
    for replay in replays:
        replay.finish()
    yield number + 1, replays


@dataclass
class Shapes:
    """The slots of a recording in a built-in tree and in the kernel's, call by call."""

    calls: int = 0
    depths: int = 0  # of entries, compared; of a pool: places of objects
    done: Counter[str] = field(default_factory=Counter)  # of a pool: what there was to do
    differs: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, answers: Sequence[object]) -> None:
        """Both must be the same."""
        if answers[0] != answers[1]:
            self.differs[what] += 1


def compare_shapes(name: str, plugin: Path, recording: Path, looks: int = 4) -> Shapes:
    """Each slot stored or invalidated in two trees: what each part of the calls costs, how deep entries then are."""
    label, _ = plug("index", str(plugin))
    trees = [_zreplay.Index(PLUGINS[name].built_in, kernels_layout=True), _zreplay.Index(label)]
    rows = (
        pl.scan_parquet(recording)
        .filter(pl.col("op").cast(pl.String).is_in(list(CALLS)))
        .select(
            op=pl.col("op").cast(pl.String).replace_strict(CALLS, return_dtype=pl.UInt8),
            type=pl.col("type").cast(pl.UInt8),
            offset=pl.col("offset").cast(pl.UInt64),
            word=(pl.int_range(1, pl.len() + 1) * 16).cast(pl.UInt64),
        )
        .collect()
    )
    shapes = Shapes(calls=rows.height)
    every = max(1, rows.height // looks)
    for begin in range(0, rows.height, every):
        for part in rows[begin : begin + every].iter_slices(200):
            calls = part.to_arrow().combine_chunks().to_batches()[0]
            answers = [pl.DataFrame(pa.record_batch(tree.apply(calls))) for tree in trees]
            shapes.add("answers", [frame.rows() for frame in answers])
            costs = [tree.cost() for tree in trees]
            for counter, count in costs[0].items():
                shapes.add(counter, [count, costs[1][counter]])
        for type in range(32):
            items = [tree.items(type) for tree in trees]
            shapes.add("entries", items)
            for offset, _ in items[0]:
                shapes.depths += 1
                shapes.add("depth", [_depth(tree, type, offset) for tree in trees])
    for tree in trees:
        tree.check()
    return shapes


def _depth(tree: _zreplay.Index, type: int, offset: int) -> int:
    before = tree.cost()["nodes_visited"]
    tree.find(type, offset)
    return tree.cost()["nodes_visited"] - before


def compare_random(name: str, plugin: Path, seed: int, steps: int = 20_000) -> Shapes:
    """A pool and the kernel's in one random workload: victims in order, of which a fifth is refused, and every place.

    Now and then a page is reclaimed, the pool compacted or an object's page moved, where it can be; after each step the
    pages and bytes are compared, and every 100 steps where each object is. Differences are by what they are of.
    """
    random, found, kind = Random(seed), Shapes(), PLUGINS[name].built_in
    pools = [_zreplay.Pool(kind, **POOL_OPTIONS.get(name, {})), _zreplay.Pool(plug("pool", str(plugin))[0])]
    largest = random.choice([700, 1800, 4096])
    live: list[tuple[int, int]] = []  # locations in the one and the other
    for step in range(steps):
        what = random.random()
        if what < 0.006 and kind != "zsmalloc":
            live = _reclaim(pools, live, random, found)
        elif what < 0.008 and kind == "zsmalloc":
            freed = [pool.compact() for pool in pools]
            found.add("compactions", freed)
            found.done["pages compacted"] += freed[0]
        elif what < 0.012 and kind != "zbud" and live:
            chosen = random.choice(live)
            moved = [pool.migrate(object) for pool, object in zip(pools, chosen, strict=True)]
            found.add("migrations", moved)
            found.done["migrated" if moved[0] else "not migrated"] += 1
        elif random.random() < (0.35 if step // 2500 % 2 else 0.7) or not live:
            size_bytes = random.randint(1, largest)
            made = [pool.alloc(size_bytes, 0, step) for pool in pools]
            found.add("errors", [error for _, error in made])
            if not made[0][1]:
                live.append((made[0][0], made[1][0]))
        else:
            chosen = live.pop(random.randrange(len(live)))
            for pool, object in zip(pools, chosen, strict=True):
                pool.free(object)
        found.add("usage", [{**pool.usage(), "movable_pages": 0} for pool in pools])
        if step % 100 == 0:
            for pool in pools:
                pool.check()
            for chosen in live:
                found.depths += 1
                at = zip(pools, chosen, strict=True)
                found.add("places", [(pool.page_id(object), _position(pool, object)) for pool, object in at])
    found.calls = steps
    return found


def _reclaim(
    pools: list[_zreplay.Pool], live: list[tuple[int, int]], random: Random, found: "Shapes"
) -> list[tuple[int, int]]:
    """Ask both for a page; what is left."""
    refused = {object for object in range(len(live)) if random.random() < 0.2}
    answers: list[tuple[int, list[int]]] = []
    for pool, locations in zip(pools, zip(*live, strict=True) if live else ((), ()), strict=True):
        numbers, victims = {location: number for number, location in enumerate(locations)}, []

        def evict(
            location: int, pool: _zreplay.Pool = pool, numbers: dict[int, int] = numbers, victims: list[int] = victims
        ) -> bool:
            victims.append(numbers[location])
            if victims[-1] in refused:
                return False
            pool.free(location)
            return True

        answers.append((pool.reclaim(8, evict), victims))
    found.add("victims", answers)
    found.done["victims"] += len(answers[0][1])
    return [pair for number, pair in enumerate(live) if number in refused or number not in answers[0][1]]


def _position(pool: _zreplay.Pool, location: int) -> int:
    """In its page; of zsmalloc in its zspage."""
    try:
        return pool.object_index(location) % 256
    except TypeError:
        return pool.position(location) % 256
