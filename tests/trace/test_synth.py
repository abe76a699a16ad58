"""The generator against a dict of what is resident, and its shares and sizes against what was asked for."""

import dataclasses
import hashlib
import itertools
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import _zreplay
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from byhand import store, trace
from hypothesis import given, settings
from hypothesis import strategies as st

from zreplay import open_trace
from zreplay.errors import TraceError, UsageError
from zreplay.trace.recipes.pattern import PATTERNS, RANGES
from zreplay.trace.recipes.pattern import PatternRecipe as Recipe
from zreplay.trace.recipes.sizes import parse_sizes, sizes_of
from zreplay.trace.synth import synth

MASK = 2**64 - 1


def rows(recipe: Recipe, batch_rows: int = 4096) -> list[dict]:
    return pa.Table.from_batches(recipe.batches(batch_rows)).to_pylist()


def replay(recipe: Recipe) -> list[int]:
    """The resident count after each event; fails at an event that does not fit what is resident."""
    live: dict[tuple[int, int], int] = {}
    resident, time_ns = [], 0
    for row in rows(recipe):
        assert time_ns < row["ts_ns"] <= time_ns + 2048
        time_ns = row["ts_ns"]
        assert 0 <= row["cpu"] < recipe.cpus
        slot = (row["type"], row["offset"])
        if row["op"] in ("compact", "migrate"):
            assert slot == (None, None)
        else:
            assert 0 <= row["type"] < recipe.types
            assert row["offset"] > 0, "slot 0 is the header's"
        if row["op"] == "store":
            assert 0 <= row["size"] <= 4096
            live[slot] = row["size"]
        else:
            assert row["size"] is None
        if row["op"] in ("load", "invalidate"):
            assert slot in live
        if row["op"] == "invalidate":
            del live[slot]
        resident.append(len(live))
    return resident


def near(count: int, of: int, share: float) -> bool:
    """Within five standard deviations of a binomial, and the seed is fixed: a failure is no bad luck."""
    return abs(count - of * share) <= 5 * (of * share * (1 - share)) ** 0.5 + 1e-9


def xoshiro256pp(seed: int) -> "itertools.chain[int]":
    """Blackman and Vigna's algorithms, written again from their description."""

    def words():
        state = []
        for step in range(1, 5):
            z = (seed + step * 0x9E3779B97F4A7C15) & MASK
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            state.append(z ^ (z >> 31))

        def rotl(x, k):
            return ((x << k) | (x >> (64 - k))) & MASK

        a, b, c, d = state
        while True:
            yield (rotl((a + d) & MASK, 23) + a) & MASK
            t = (b << 17) & MASK
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= t
            d = rotl(d, 45)

    return itertools.chain(words())


@given(st.integers(0, MASK))
@settings(max_examples=20, deadline=None)
def test_the_random_stream_is_xoshiro256pp_seeded_by_splitmix64(seed):
    assert _zreplay.synth_draws(seed, 50) == list(itertools.islice(xoshiro256pp(seed), 50))


@pytest.mark.parametrize("load_share", [0.0, 0.4])
def test_random_events_are_those_of_the_recipe_step_by_step(load_share):
    """The engine draws them without a branch; here they are drawn as docs/synth.md and synth.hpp say, one by one."""
    recipe = Recipe(
        events=3000, resident=40, pattern="random", types=2, cpus=3, load_share=load_share, sizes="fixed:7", seed=5
    )
    words = xoshiro256pp(5)
    places, live, time_ns = list(range(80)), 0, 0
    for row in rows(recipe):
        word = next(words)
        time_ns += 1 + word % 2048
        kind, cpu = (word >> 32) / 2**32, (word >> 11 & 0x1FFFFF) * 3 >> 21
        if live and kind < load_share + 0.05:
            op = "load" if kind < load_share else "store"
            place = border = (next(words) >> 32) * live >> 32
        elif live < 40:
            op, border = "store", live
            place = live + ((next(words) >> 32) * (80 - live) >> 32)
            live += 1
        else:
            op, border = "invalidate", live - 1
            place = (next(words) >> 32) * live >> 32
            live -= 1
        slot = places[place]
        places[place], places[border] = places[border], slot
        size = None if op != "store" else 0 if next(words) >> 44 < int(0.1 * 2**20) else 7
        expected = {"ts_ns": time_ns, "op": op, "type": slot % 2, "offset": 1 + slot // 2, "size": size, "cpu": cpu}
        assert row == expected


@given(
    st.builds(
        Recipe,
        events=st.integers(1, 400),
        resident=st.integers(1, 300),
        types=st.integers(1, 32),
        cpus=st.integers(1, 9),
        pattern=st.sampled_from(PATTERNS),
        load_share=st.floats(0, 0.6),
        rewrite_share=st.floats(0, 0.39),
        same_filled=st.floats(0, 1),
        compact_every=st.sampled_from((0, 2, 7, 100)),
        migrate_every=st.sampled_from((0, 3, 7, 50)),
        seed=st.integers(0, MASK),
    )
)
@settings(max_examples=30, deadline=None)
def test_every_event_fits_what_is_resident(recipe):
    resident = replay(recipe)
    assert len(resident) == recipe.events
    assert max(resident) <= recipe.resident


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_resident_count_climbs_to_what_was_asked_and_stays(pattern):
    resident = replay(Recipe(events=8000, resident=1000, pattern=pattern, cpus=3, types=5))
    full = resident.index(1000)
    # 55 % of the events are first stores until then.
    assert near(1000, full, 0.55)
    assert set(resident[full:]) == {999, 1000}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_events_do_not_depend_on_the_batch(pattern):
    recipe = Recipe(events=1200, resident=300, pattern=pattern, types=3, cpus=2, compact_every=97, migrate_every=31)
    assert rows(recipe, 3) == rows(recipe, 129) == rows(recipe, 1200)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_shares_are_those_asked_for(pattern):
    recipe = Recipe(
        events=20_000,
        resident=500,
        pattern=pattern,
        load_share=0.3,
        rewrite_share=0.2,
        same_filled=0.25,
        types=8,
        cpus=4,
    )
    table = rows(recipe)
    ops = Counter(row["op"] for row in table)
    assert near(ops["load"], 20_000, 0.3)
    # First stores and invalidates halve what is left, but for the 500 still resident.
    assert abs(ops["store"] - ops["invalidate"] - 500 - 20_000 * 0.2) < 5 * (20_000 * 0.2 * 0.8) ** 0.5
    assert near(sum(row["size"] == 0 for row in table), ops["store"], 0.25)
    assert {row["type"] for row in table} == set(range(8))
    for cpu in range(4):
        assert near(sum(row["cpu"] == cpu for row in table), 20_000, 0.25)


def test_compactions_and_migrations_come_every_so_many_events():
    table = rows(Recipe(events=1000, resident=10, compact_every=100, migrate_every=100))
    at = {op: [i for i, row in enumerate(table, 1) if row["op"] == op] for op in ("compact", "migrate")}
    assert at["compact"] == list(range(100, 1001, 100))
    assert at["migrate"] == list(range(101, 1000, 100))


def test_random_covers_twice_the_resident_slots():
    table = rows(Recipe(events=15_000, resident=200, pattern="random", types=2, rewrite_share=0))
    assert {(row["type"], row["offset"]) for row in table} == {(t, offset) for t in (0, 1) for offset in range(1, 201)}
    stored = Counter((row["type"], row["offset"]) for row in table if row["op"] == "store")
    mean = stored.total() / 400
    # Chi-square with 399 degrees of freedom; less would be expected were slots drawn independently.
    assert sum((count - mean) ** 2 / mean for count in stored.values()) < 399 + 5 * (2 * 399) ** 0.5


def test_clustered_stores_fill_clusters_of_256_in_order_on_each_cpu():
    table = rows(Recipe(events=30_000, resident=2000, pattern="clustered", types=3, cpus=4, rewrite_share=0))
    runs: dict[int, list[tuple[int, int]]] = {}
    for row in table:
        if row["op"] == "store":
            runs.setdefault(row["cpu"], []).append((row["type"], row["offset"]))
    assert len(runs) == 4
    for stored in runs.values():
        for first in range(0, len(stored), 256):
            kind, start = stored[first]
            assert start % 256 == 0
            assert start >= 256, "cluster 0 holds the header"
            run = stored[first : first + 256]
            assert run == [(kind, start + i) for i in range(len(run))]


def test_a_free_cluster_is_used_again_only_when_all_before_it_have_been():
    table = rows(Recipe(events=30_000, resident=1000, pattern="clustered", rewrite_share=0))
    starts = [row["offset"] // 256 for row in table if row["op"] == "store" and row["offset"] % 256 == 0]
    clusters = 2 * (1000 // 256 + 1 + 1)  # twice what can be in use
    assert starts[:clusters] == list(range(1, clusters + 1))
    assert set(starts) == set(range(1, clusters + 1))


def test_zipf_loads_the_kth_page_one_kth_as_often():
    # No turn-over to speak of once 100 are resident: 0.5 % of the events. Pages keep their rank for long.
    table = rows(Recipe(events=20_000, resident=100, pattern="zipf", load_share=0.99, rewrite_share=0))
    filled = next(i for i, row in enumerate(table) if row["op"] == "invalidate")
    born = [(row["type"], row["offset"]) for row in table[:filled] if row["op"] == "store"]
    assert len(born) == 100
    loads = Counter((row["type"], row["offset"]) for row in table[:filled] if row["op"] == "load")
    # Of the loads while n were resident, rank k had 1/k over the sum of 1/1 to 1/n.
    assert 1.7 < loads[born[0]] / loads[born[1]] < 2.3
    assert 2.5 < loads[born[0]] / loads[born[2]] < 3.5


def test_scan_sweeps():
    table = rows(Recipe(events=5000, resident=100, pattern="scan", rewrite_share=0))
    for op in ("store", "invalidate"):
        offsets = [row["offset"] for row in table if row["op"] == op]
        assert offsets == [1 + i % 200 for i in range(len(offsets))]
    loads = [row["offset"] for row in table if row["op"] == "load"]
    steps = Counter((after - before) % 200 for before, after in itertools.pairwise(loads))
    assert steps[1] > 0.95 * len(loads)


COUNT = 20_000


def store_sizes(recipe: Recipe) -> list[int]:
    sizes = pa.chunked_array([batch["size"] for batch in recipe.batches()])
    return sorted(size for size in sizes.to_pylist() if size)


def all_stores(**changes) -> Recipe:
    return Recipe(events=COUNT, resident=COUNT, pattern="scan", load_share=0, rewrite_share=0, same_filled=0, **changes)


def test_uniform_sizes():
    sizes = store_sizes(all_stores(sizes="uniform:1-4096"))
    assert (sizes[0], sizes[-1]) == (1, 4096)
    for quarter in (1, 2, 3):
        assert near(sum(size <= 1024 * quarter for size in sizes), COUNT, quarter / 4)
    assert {*store_sizes(all_stores(sizes="uniform:700-703"))} == {700, 701, 702, 703}


def test_fixed_and_normal_sizes():
    assert {*store_sizes(all_stores(sizes="fixed:4096"))} == {4096}
    sizes = store_sizes(all_stores(sizes="normal:1000,100"))
    for below, share in ((900, 0.1587), (1000, 0.5), (1100, 0.8413), (1200, 0.9772)):
        assert near(sum(size <= below - 0.5 for size in sizes), COUNT, share - 0.002) or near(
            sum(size <= below for size in sizes), COUNT, share
        )


def test_mixed_sizes_are_a_tenth_tiny_and_a_tenth_hardly_compressed():
    sizes = store_sizes(all_stores())
    assert (sizes[0] >= 1, sizes[-1]) == (True, 4096)
    # The two uniform parts, and the tails of the normal ones, of which 0.3 % is cut off below 1 byte.
    assert near(sum(size <= 128 for size in sizes), COUNT, 0.105)
    assert near(sum(size >= 3584 for size in sizes), COUNT, 0.103)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Sizes 10 (three times), 500 (twice), 4096 (once); the rest is to be ignored."""
    ops = ["store"] * 9 + ["load", "invalidate"]
    sizes = [10, 0, 500, 4096, 0, 10, 500, None, 10, 77, None]
    events = [{"op": op, "type": 0, "offset": 1, "size": size} for op, size in zip(ops, sizes, strict=True)]
    return trace(tmp_path / "recorded.parquet", events)


def test_sizes_from_another_trace_have_its_distribution(recorded):
    weights = sizes_of(recorded)
    assert {size: count for size, count in enumerate(weights, 1) if count} == {10: 3, 500: 2, 4096: 1}
    counts = Counter(store_sizes(all_stores(sizes_from=recorded)))
    assert counts.keys() == {10, 500, 4096}
    assert near(counts[10], COUNT, 1 / 2)
    assert near(counts[500], COUNT, 1 / 3)
    assert near(counts[4096], COUNT, 1 / 6)


def test_sizes_from_a_generated_trace_reproduce_its_quantiles(tmp_path):
    synth(all_stores(), tmp_path / "first.parquet")
    first = store_sizes(all_stores())
    again = store_sizes(all_stores(sizes_from=tmp_path / "first.parquet", seed=9))
    for quantile in range(5, 100, 5):
        size = first[COUNT * quantile // 100]
        expected = sum(s <= size for s in first) / COUNT
        assert near(sum(s <= size for s in again), COUNT, expected)


def test_sizes_from_what_is_not_a_trace(tmp_path):
    text = tmp_path / "text"
    text.write_text("store 1")
    with pytest.raises(TraceError, match="text: not a trace"):
        sizes_of(text)
    with pytest.raises(UsageError, match="missing: no such file"):
        sizes_of(tmp_path / "missing")
    with pytest.raises(TraceError, match="no store with a size"):
        sizes_of(trace(tmp_path / "empty", [store(1, 0)]))
    with pytest.raises(TraceError, match="found 4097"):
        sizes_of(trace(tmp_path / "large", [store(1, 4097)]))
    other = tmp_path / "other"
    pq.write_table(pa.table({"speed": pa.array([1])}), other)
    with pytest.raises(TraceError, match="other: not a trace"):
        sizes_of(other)


@pytest.mark.parametrize("name", RANGES)
def test_a_number_out_of_range_is_refused_by_name(name):
    first, last = RANGES[name]
    for wrong in (first - 1 if first != 2 else 1, -1, last + 1):
        with pytest.raises(UsageError, match=f"^{name}: found .*, expected "):
            Recipe(**{name: wrong})


@pytest.mark.parametrize(
    "text",
    ["", "mixd", "fixed", "fixed:0", "fixed:4097", "fixed:x", "uniform:9-8", "uniform:0-9", "uniform:5", "normal:0,1",
     "normal:9", "normal:nan,1", "normal:9,0", "mixed:1"],
)  # fmt: skip
def test_sizes_that_cannot_be(text):
    with pytest.raises(UsageError, match=r"sizes: found .*expected mixed, uniform:LO-HI"):
        parse_sizes(text)


def test_shares_that_leave_nothing_for_a_turn_over():
    with pytest.raises(UsageError, match=r"load_share and rewrite_share: found 0.9 \+ 0.1"):
        Recipe(load_share=0.9, rewrite_share=0.1)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_recipe_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synth(Recipe(events=300_000, resident=1000, seed=seed), tmp_path / name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


def test_the_file_is_a_trace_that_says_how_it_was_made(tmp_path):
    told = []
    recipe = Recipe(events=300_000, resident=1000, cpus=2, totalram_pages=65536)
    synth(recipe, tmp_path / "trace", progress=told.append)
    assert told == [262_144, 37_856]
    with pq.ParquetFile(tmp_path / "trace") as file:
        found = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
        assert file.metadata.num_row_groups == 2
        assert file.schema_arrow.names == ["ts_ns", "op", "type", "offset", "size", "cpu"]
        group = file.metadata.row_group(0)
        encodings = {name: group.column(i).encodings for i, name in enumerate(file.schema_arrow.names)}
    assert "DELTA_BINARY_PACKED" in encodings["ts_ns"]
    assert "RLE_DICTIONARY" in encodings["op"]
    assert "BYTE_STREAM_SPLIT" in encodings["offset"]
    assert "BYTE_STREAM_SPLIT" in encodings["size"]
    assert "RLE_DICTIONARY" in encodings["cpu"]
    assert "RLE_DICTIONARY" not in encodings["type"]  # always 0
    assert found["zreplay.format_version"] == "1.0"
    assert found["zreplay.clock"] == "synthetic"
    assert found["zreplay.cpus"] == "2"
    assert found["zreplay.totalram_pages"] == "65536"
    assert json.loads(found["zreplay.synth"])["events"] == 300_000
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


@pytest.mark.parametrize("changes", [{}, {"types": 3, "cpus": 2, "compact_every": 1000}])
def test_the_rows_of_the_file_are_those_drawn_whoever_reads_it(tmp_path, changes):
    recipe = Recipe(events=300_000, resident=1000, **changes)
    synth(recipe, tmp_path / "trace")
    drawn = pa.Table.from_batches(recipe.batches())
    words = drawn.set_column(1, "op", drawn["op"].cast(pa.string()))
    trace = open_trace(tmp_path / "trace")
    read = pa.Table.from_batches(trace.batches(drawn.column_names))
    assert read.set_column(1, "op", read["op"].cast(pa.string())).cast(words.schema).equals(words)
    events = trace.events().select(drawn.column_names).collect()
    for name in ("ts_ns", "type", "offset", "size", "cpu"):
        assert events[name].to_list() == drawn[name].to_pylist()
    assert events["op"].cast(str).to_list() == words["op"].to_pylist()


def test_no_limit_of_memory_unless_asked_for(tmp_path):
    synth(Recipe(events=10), tmp_path / "trace")
    assert b"zreplay.totalram_pages" not in pq.read_metadata(tmp_path / "trace").metadata


def test_what_exists_is_kept_without_force(tmp_path):
    path = tmp_path / "trace"
    path.write_text("mine")
    with pytest.raises(UsageError, match="already exists; --force"):
        synth(Recipe(events=10), path)
    assert path.read_text() == "mine"
    synth(Recipe(events=10), path, force=True)
    assert pq.read_metadata(path).num_rows == 10


def test_an_interruption_leaves_nothing_behind(tmp_path):
    def interrupt(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synth(Recipe(events=600_000), tmp_path / "trace", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="No such file or directory"):
        synth(Recipe(events=10), tmp_path / "no" / "trace")
    with pytest.raises(UsageError, match="directory"):
        synth(Recipe(events=10), tmp_path, force=True)


@pytest.mark.parametrize("weights", [[0] * 4096, [2**36] * 4096, [1] * 4095])
def test_weights_that_no_table_of_sizes_has_are_refused(weights):
    with pytest.raises(Exception, match=r"the sum of the weights is from 1 to 2\^48 - 1|one weight a size"):
        _zreplay.Synth(Recipe(pattern="random", events=10), weights)


def test_a_pattern_that_there_is_none_of_is_refused():
    recipe = SimpleNamespace(**{**dataclasses.asdict(Recipe(pattern="random", events=10)), "pattern": "spiral"})
    with pytest.raises(ValueError, match="pattern: found spiral, expected random, clustered, zipf or scan"):
        _zreplay.Synth(recipe, [1] * 4096)


def test_batches_that_nobody_holds_any_more_are_used_again_also_for_more_rows():
    recipe = Recipe(pattern="scan", events=600, resident=50)
    drawn, times = _zreplay.Synth(recipe, [1] * 4096), []
    for count in (100, 100, 100, 300):
        times += pa.record_batch(drawn.next(count))["ts_ns"].to_pylist()
    assert times == [row["ts_ns"] for row in rows(recipe)]
