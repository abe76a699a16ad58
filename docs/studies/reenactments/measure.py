"""What the re-enactments find: one function per public claim, its numbers by label, the same on every machine.

Replays leave nothing behind: each is read into memory and its directory is gone. What several claims look at is
replayed once.
"""

import array
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import _zreplay
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from core.reference_index import SAME_FILLED
from core.reference_pool_zsmalloc import Object, ReferenceZsmalloc, Zspage, class_sizes, shape_of_raw

from zreplay.replay.config import Config
from zreplay.replay.run import run_together
from zreplay.trace.recipes.pattern import PatternRecipe as Recipe
from zreplay.trace.synth import synth

PAGE = 4096
TRACES = Path(__file__).parents[3] / "traces"
#: Recordings by name, without "linux-6.1-".
RECORDINGS = tuple(sorted(path.stem.removeprefix("linux-6.1-") for path in TRACES.glob("linux-6.1-*.parquet")))
#: The recordings in which a program ran, not only fillers of memory, and whose swap was zswap.
PROGRAMS = ("zsmalloc-g++", "zbud-lz4-node", "z3fold-zstd-python-mixed")
#: The recordings with compactions.
COMPACTED = ("zsmalloc-g++", "zram-lz4-node-mixed", "zram-lzorle-mixed", "zsmalloc-lzorle-mixed-2cpu")
POOLS = ("zbud", "z3fold", "zsmalloc")
#: No pool reaches this limit.
UNLIMITED = {"totalram_pages": 2**40, "max_pool_percent": 100}
#: zswap around February 2024: zsmalloc with chains of 8 and twelve groups, no header; loads leave the entry.
EARLY_2024 = {"model": "zswap", "kernel": "latest", "exclusive_loads": False, **UNLIMITED}
ZSWAP_6_1 = {"model": "zswap", "kernel": "6.1", **UNLIMITED}

Found = Mapping[str, float]


@dataclass(frozen=True)
class Replayed:
    """A replay that is over: its summary, its timeline, its pool's classes."""

    summary: dict[str, Any]
    timeline: pl.DataFrame
    classes: pl.DataFrame

    @property
    def peak(self) -> dict[str, Any]:
        """The sample with the most pool pages."""
        return self.timeline.row(self.timeline["pool_pages"].arg_max(), named=True)


def path_of(recording: str) -> Path:
    return TRACES / f"linux-6.1-{recording}.parquet"


def replay(trace: Path, *settings: Mapping[str, Any]) -> list[Replayed]:
    """The trace through each of the settings, in one pass."""
    with tempfile.TemporaryDirectory() as place:
        configs = [Config(trace=trace, out=Path(place) / str(at), **each) for at, each in enumerate(settings)]
        runs = run_together(configs, workers=2)
        return [Replayed(run.summary(), run.timeline().collect(), run.classes().collect()) for run in runs]


def through_pools(trace: Path, policy: Mapping[str, Any]) -> dict[str, Replayed]:
    return dict(zip(POOLS, replay(trace, *({**policy, "pool": pool} for pool in POOLS)), strict=True))


@cache
def recording_in_6_1(recording: str) -> dict[str, Replayed]:
    return through_pools(path_of(recording), ZSWAP_6_1)


@cache
def recording_in_early_2024(recording: str) -> dict[str, Replayed]:
    return through_pools(path_of(recording), EARLY_2024)


@cache
def default_synth(kernel: str) -> dict[str, Replayed]:
    """200,000 events of the generator's default recipe, 50,000 pages resident."""
    with tempfile.TemporaryDirectory() as place:
        trace = Path(place) / "synth.parquet"
        synth(Recipe(events=200_000, resident=50_000), trace)
        return through_pools(trace, ZSWAP_6_1 if kernel == "6.1" else EARLY_2024)


def imputed_shares() -> Found:
    """Stores of each recording that have no size and are given one when there is no limit, in percent."""
    runs = {name: recording_in_6_1(name)["zsmalloc"] for name in RECORDINGS}
    return {name: 100 * run.summary["stores_imputed_share"] for name, run in runs.items()}


def geometric_mean(numbers: Sequence[float]) -> float:
    return prod(numbers) ** (1 / len(numbers))


# --- density ---


def zbud_bounds() -> Found:
    samples = pl.concat([recording_in_6_1(name)["zbud"].timeline for name in RECORDINGS])
    density = samples.filter(pl.col("pool_pages") > 0)["density"]
    return {"lowest of all samples": density.min(), "highest": density.max()}


def densities(pool: str) -> dict[str, float]:
    """Objects per page when the pool is largest, programs first."""
    found = {name: recording_in_6_1(name)[pool].peak["density"] for name in PROGRAMS}
    fillers = [recording_in_6_1(name)[pool].peak["density"] for name in RECORDINGS if name not in PROGRAMS]
    mean = sum(found.values()) / len(found)
    return {**found, "mean of the three": mean, "the other six: from": min(fillers), "to": max(fillers)}


def zbud_density() -> Found:
    return densities("zbud")


def z3fold_density() -> Found:
    return {**densities("z3fold"), "synth": default_synth("6.1")["z3fold"].peak["density"]}


def greatest_size(pool: str, objects_per_page: int) -> int:
    """The greatest object of which so many share a page when all are of one size."""
    count = objects_per_page * 10

    def pages(size: int) -> int:
        filled = _zreplay.Pool(pool)
        filled.apply(array.array("i", [size] * count))
        return filled.pages

    return max(size for size in range(64, PAGE // objects_per_page) if pages(size) == 10)


def greatest_sizes() -> Found:
    return {"zbud, two": greatest_size("zbud", 2), "z3fold, three": greatest_size("z3fold", 3)}


# --- pool memory ---


def largest_pool_against_zsmalloc(pool: str) -> Found:
    def ratio(pools: Mapping[str, Replayed]) -> float:
        return pools[pool].summary["pool_pages_peak"] / pools["zsmalloc"].summary["pool_pages_peak"]

    found = {name: ratio(recording_in_early_2024(name)) for name in PROGRAMS}
    return {**found, "geometric mean": geometric_mean([*found.values()]), "synth": ratio(default_synth("latest"))}


def zbud_pool() -> Found:
    return largest_pool_against_zsmalloc("zbud")


def z3fold_pool() -> Found:
    return largest_pool_against_zsmalloc("z3fold")


def with_larger_objects(recording: str, factor: float, path: Path) -> Path:
    """Stores and invalidates of a recording, each size multiplied, none above a page."""
    table = pq.read_table(path_of(recording))
    table = table.filter(pc.is_in(pc.cast(table["op"], pa.string()), pa.array(["store", "invalidate"])))
    at, field = table.schema.get_field_index("size"), table.schema.field("size")
    larger = pc.round(pc.multiply(pc.cast(table["size"], pa.float64()), factor))
    larger = pc.cast(pc.min_element_wise(larger, pa.scalar(float(PAGE)), skip_nulls=False), field.type)
    ours = {k: v for k, v in pq.read_metadata(path_of(recording)).metadata.items() if k.startswith(b"zreplay.")}
    pq.write_table(table.set_column(at, field, larger).replace_schema_metadata(ours), path)
    return path


def z3fold_pool_where_zbud_is_as_published() -> Found:
    """The g++ recording with all objects larger by one factor: that at which zbud's largest pool is 1.350 × zsmalloc's.

    Both ratios are straight lines between the factors tried.
    """
    curve = []
    with tempfile.TemporaryDirectory() as place:
        for factor in (1.5, 1.75, 2.0, 2.25):
            pools = through_pools(with_larger_objects("zsmalloc-g++", factor, Path(place) / "t.parquet"), EARLY_2024)
            zbud, z3fold, zsmalloc = (pools[name].summary["pool_pages_peak"] for name in POOLS)
            curve.append((factor, zbud / zsmalloc, z3fold / zsmalloc))
    for (factor, zbud, z3fold), (next_factor, next_zbud, next_z3fold) in pairwise(curve):
        if zbud >= 1.350 > next_zbud:
            share = (zbud - 1.350) / (zbud - next_zbud)
            return {
                "factor": factor + share * (next_factor - factor),
                "z3fold / zsmalloc": z3fold + share * (next_z3fold - z3fold),
            }
    raise AssertionError(f"zbud against zsmalloc never crosses 1.350: {curve}")


# --- zsmalloc's classes ---


@cache
def shapes(rule: str, chain: int) -> dict[int, tuple[int, int]]:
    """Class size → (pages, objects) of its zspages, seen from outside: a lone object of each size."""
    pool, found = _zreplay.Pool("zsmalloc", class_rule=rule, chain_limit=chain), {}
    for size in range(1, PAGE + 1):
        location, _ = pool.alloc(size)
        [row] = pool.classes()
        found[row["class_size"]] = (row["pages"], row["objects_allocated"])
        pool.free(location)
    return found


def distinct_classes() -> Found:
    return {f"chains of {chain}": len(shapes("b", chain)) for chain in (8, 10, 16)}


def class_1568() -> Found:
    pages, objects = shapes("b", 8)[1568]
    before = min(size for size in shapes("a", 4) if size >= 1568)
    old_pages, old_objects = shapes("a", 4)[before]
    return {
        "pages": pages,
        "objects": objects,
        "chains of 4: class": before,
        "pages for 13 objects": -(-13 // old_objects) * old_pages,
    }


def class_208() -> Found:
    return {"pages, rule a": shapes("a", 4)[208][0], "pages, rule b": shapes("b", 4)[208][0]}


# --- compaction ---

SHARES_FREED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Chains of 10 leave 140 classes in which compaction can do anything, and the message tells of 140 samples.
FRAGMENTED_CLASSES = class_sizes("b", 10)[:-1]


def fragmenting_steps(class_size: int, zspages: int, share_freed: float | None) -> list[int]:
    """Fill so many zspages of a class, then free that share of the objects, drawn at random; as Pool.apply reads it.

    Without a share, each zspage loses one of its own, drawn from 0 to 1, so that zspages are unequal.
    """
    per_zspage = shape_of_raw(class_size, "b", 10)[1]
    objects = zspages * per_zspage
    draw = random.Random(class_size)
    if share_freed is not None:
        freed = draw.sample(range(objects), round(share_freed * objects))
    else:
        shares = [draw.random() for _ in range(zspages)]
        freed = [number for number in range(objects) if draw.random() < shares[number // per_zspage]]
        draw.shuffle(freed)
    live = list(range(objects))  # as Pool.apply keeps it: the last one takes the place of the one freed
    place_of = list(range(objects))
    frees = []
    for number in freed:
        place, last = place_of[number], live.pop()
        frees.append(-place)
        if last != number:
            live[place], place_of[last] = last, place
    return [class_size - 8] * objects + frees


def copies_of_engine(classes: Sequence[int], zspages: int, share_freed: float | None) -> tuple[int, int]:
    """Objects copied with four groups and the old compaction, and with twelve and the new."""
    copied = []
    for class_size in classes:
        steps = array.array("i", fragmenting_steps(class_size, zspages, share_freed))
        for groups in ("four", "twelve"):
            pool = _zreplay.Pool("zsmalloc", class_rule="b", chain_limit=10, fullness_groups=groups)
            pool.apply(steps)
            pool.compact()
            copied.append(pool.moves()["objects_copied"])
    return sum(copied[::2]), sum(copied[1::2])


class NewCompactionOldGroups(ReferenceZsmalloc):
    """The step between: destinations are kept until full, zspages are still listed in four groups."""

    copied = 0

    def compact(self) -> int:
        before = self.pages
        for class_size in sorted(self.groups, reverse=True):
            self.compact_in_pairs(class_size)
        return before - self.pages

    def move(self, moved: Object, destination: Zspage) -> None:
        self.copied += 1
        super().move(moved, destination)

    def apply(self, steps: Sequence[int]) -> None:
        """As Pool.apply."""
        live: list[Object] = []
        for step in steps:
            if step > 0:
                made = self.alloc(step)
                assert isinstance(made, Object)
                live.append(made)
            else:
                self.free(live[-step])
                live[-step] = live[-1]
                live.pop()


def copies_of_step_between(classes: Sequence[int], zspages: int, share_freed: float | None) -> int:
    copied = 0
    for class_size in classes:
        pool = NewCompactionOldGroups("b", 10)
        pool.apply(fragmenting_steps(class_size, zspages, share_freed))
        pool.compact()
        copied += pool.copied
    return copied


def percent(new: float, old: float) -> float:
    return 100 * (new / old - 1)


def compaction_copies() -> Found:
    copied = [copies_of_engine(FRAGMENTED_CLASSES, 32, share) for share in (*SHARES_FREED, None)]
    *changes, unequal = (percent(new, old) for old, new in copied)
    old, new = (sum(counts) for counts in zip(*copied[:-1], strict=True))
    return {
        "all nine shares, copies added up": percent(new, old),
        "mean of the nine": sum(changes) / len(changes),
        **{f"{100 * share:.0f} % freed": change for share, change in zip(SHARES_FREED, changes, strict=True)},
        "unequal zspages": unequal,
    }


def compaction_copies_by_step() -> Found:
    """With every seventh class and 12 zspages of it, as the step between runs in the slow reference."""
    some, found = FRAGMENTED_CLASSES[::7], {}
    for label, shares in {"nine shares": SHARES_FREED, "unequal zspages": (None,)}.items():
        old, new = (sum(counts) for counts in zip(*(copies_of_engine(some, 12, s) for s in shares), strict=True))
        between = sum(copies_of_step_between(some, 12, share) for share in shares)
        found |= {f"{label}: algorithm": percent(between, old), f"{label}: with groups": percent(new, old)}
    return found


def compaction_copies_in_recordings() -> Found:
    found = {}
    for name in COMPACTED:
        policy = {"kernel": "6.1", "pool": "zsmalloc", "zsmalloc_rule": "b", "zsmalloc_chain": 8}
        old, new = replay(path_of(name), *({**policy, "zsmalloc_groups": groups} for groups in (4, 12)))
        found[name] = percent(new.summary["objects_copied"], old.summary["objects_copied"])
    return found


# --- zsmalloc's overhead ---


@cache
def recording_in_zram(recording: str) -> Replayed:
    return replay(path_of(recording), {"model": "zram", "kernel": "6.1", "pool": "zsmalloc"})[0]


def allocator_overhead() -> Found:
    """Pool bytes over compressed bytes when the pool is largest, without pages kept as they are."""
    found = {}
    for name in ("zsmalloc-g++", "zbud-lz4-node", "zram-lz4-node-mixed", "zram-lzorle-mixed"):
        peak = recording_in_zram(name).peak
        compressed = peak["compressed_bytes"] - PAGE * peak["huge_pages"]
        found[name] = percent((peak["pool_pages"] - peak["huge_pages"]) * PAGE, compressed)
    return found


def descriptor_overhead() -> Found:
    """Bytes of zspage descriptors per byte of pool, over all samples: the least and the most of the nine recordings."""
    zspages_per_page = []
    for name in RECORDINGS:
        rows = recording_in_6_1(name)["zsmalloc"].classes
        zspages = sum(rows[group].sum() for group in ("almost_empty", "almost_full", "full"))
        zspages_per_page.append(zspages / rows["pages"].sum())
    least, most = (100 * bound / PAGE for bound in (min(zspages_per_page), max(zspages_per_page)))
    return {"40 bytes: from": 40 * least, "to": 40 * most, "6.1's 56 bytes: from": 56 * least, "up to": 56 * most}


# --- indexes ---


def levels_and_nodes(keys: range) -> tuple[int, int]:
    """Nodes a lookup visits in the radix tree of these keys, and nodes in all."""
    index = _zreplay.Index("radix-lowbit")
    for key in keys:
        index.insert(0, key, SAME_FILLED)
    before = index.cost()["nodes_visited"]
    index.find(0, keys[-1])
    return index.cost()["nodes_visited"] - before, index.nodes


def levels_of_a_gibibyte() -> Found:
    offsets = range(1, 2**30 // PAGE)
    type_1 = 1 << 57
    whole, _ = levels_and_nodes(range(type_1 + 1, type_1 + len(offsets) + 1))
    bare, _ = levels_and_nodes(offsets)
    return {"whole entry as key": whole, "offset as key": bare, "levels saved": whole - bare}


def node_of_radix_tree() -> Found:
    index = _zreplay.Index("radix-lowbit")
    index.insert(0, 1, SAME_FILLED)
    node = index.bytes // index.nodes
    return {"bytes a node": node, "nodes in a slab of 4 pages": 4 * PAGE // node, "in one of 2": 2 * PAGE // node}


def address_spaces_of_a_gibibyte() -> Found:
    ranges = {offset >> 14 for offset in range(2**30 // PAGE)}
    return {"ranges": len(ranges), "bytes": 408 * len(ranges)}


# --- workloads ---


def same_filled() -> Found:
    found = {}
    for name in RECORDINGS:
        stores = pl.scan_parquet(path_of(name)).filter(pl.col("op").cast(pl.String) == "store")
        found[name] = 100 * (stores.select(pl.col("size").drop_nulls() == 0).collect()["size"].mean() or 0)
    return found


def zstd_ratio() -> Found:
    """Pages held, without same-filled ones, per pool page, when the pool is largest."""
    names = ("zsmalloc-g++", "z3fold-zstd-python-mixed")
    return {name: recording_in_early_2024(name)["zsmalloc"].peak["density"] for name in names}


def zram_ratio() -> Found:
    """Pages held per pool page, when the pool is largest."""
    names = ("zbud-lz4-node", "zram-lz4-node-mixed", "zram-lzorle-mixed")
    peaks = {name: recording_in_zram(name).peak for name in names}
    return {name: peak["stored_pages"] / peak["pool_pages"] for name, peak in peaks.items()}


def device_traffic() -> Found:
    """Pages to and from the device in the g++ recording with a pool of 20 % of memory, against all of them."""
    zsmalloc, zbud = replay(
        path_of("zsmalloc-g++"),
        {"kernel": "6.1", "pool": "zsmalloc", "max_pool_percent": 20},
        {"kernel": "3.12", "pool": "zbud", "max_pool_percent": 20},
    )

    def saved(run: Replayed) -> float:
        counted = run.summary
        without = counted["stores"] + counted["loads_hit"] + counted["loads_missed"]
        return percent(counted["device_writes"] + counted["device_reads"], without)

    return {"zsmalloc, 6.1": saved(zsmalloc), "zbud, 3.12": saved(zbud)}
