"""The plugins of docs/examples/plugins: built and run as a user does, held against what is built in."""

import random
import subprocess
from pathlib import Path

import _zreplay
import polars as pl
import pytest
from byhand import event, invalidate, load, store, trace
from plugin.building import EXAMPLES, build, link
from polars.testing import assert_frame_equal

import zreplay
from zreplay.plugins.registry import plug

HERE = Path(__file__).parent
TRACES = sorted((Path(__file__).parents[2] / "traces").glob("*.parquet"))
#: Of operations.parquet, what is counted; the rest is measured, and null in these runs.
COSTS = ("nodes_visited", "cache_lines", "nodes_allocated", "nodes_freed", "slots_written", "tag_words_written")
COUNTED = ("count", *COSTS)
#: What an index's own structure decides, and nothing else does.
OF_THE_INDEX = ("index_nodes", "index_bytes")

SOURCES = [*sorted(EXAMPLES.glob("*.c")), HERE / "abi_1" / "first.c"]

every_recording = pytest.mark.parametrize(
    "recording",
    [
        pytest.param(path, marks=() if "6.12-zbud-lz4-node" in path.name else pytest.mark.slow, id=path.stem)
        for path in TRACES
    ],
)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Name of an example → the shared object made of it."""
    into = tmp_path_factory.mktemp("plugins")
    return {source.stem: build(source, into) for source in EXAMPLES.glob("*.c")}


def replayed(recording: Path, out: Path, **settings: object) -> dict[str, pl.DataFrame]:
    """The tables of a replay without what is measured in it."""
    zreplay.run(zreplay.Config(trace=recording, out=out, **settings))
    tables = {name: pl.read_parquet(out / f"{name}.parquet") for name in ("timeline", "operations", "classes")}
    return tables | {"operations": tables["operations"].select("op", *COUNTED, "page_headers_read")}


def assert_same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame], *, but_for: tuple[str, ...] = ()) -> None:
    for name, table in one.items():
        left_out = [column for column in but_for if column in table.columns]
        assert_frame_equal(table.drop(left_out), other[name].drop(left_out))


def index_of(so: Path, **options: object) -> "_zreplay.Index":
    return _zreplay.Index(plug("index", str(so))[0], **options)


# ---- radix_lowbit.c ----


@every_recording
def test_radix_lowbit_in_c_has_every_number_of_the_built_in(plugins, recording, tmp_path):
    built_in = replayed(recording, tmp_path / "built-in", index="radix-lowbit")
    assert_same(built_in, replayed(recording, tmp_path / "c", index=str(plugins["radix_lowbit"])))


@pytest.mark.parametrize(
    "settings",
    [{"timing": True}, {"kernel": "3.12", "pool": "zbud", "cma_every": 5000}, {"locate": "bits:5", "pool": "zsmalloc"}],
)
def test_radix_lowbit_in_c_has_them_whatever_is_in_a_slot(plugins, settings, tmp_path):
    recording = next(path for path in TRACES if "6.1-zsmalloc-lzo-mixed-2cpu" in path.name)
    tables = [
        replayed(recording, tmp_path / name, index=index, **settings)
        for name, index in (("built-in", "radix-lowbit"), ("c", str(plugins["radix_lowbit"])))
    ]
    for table in tables:  # durations are of `timed` operations
        table["operations"] = table["operations"].select("op", *COUNTED)
    assert_same(*tables)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("offsets", [[0, 1, 2, 3, 4, 63, 64, 4095, 4096, 2**31 - 1, 2**31, 2**58 - 1], range(200)])
def test_radix_lowbit_in_c_costs_the_same_call_by_call(plugins, small, offsets):
    pair = [index_of(plugins["radix_lowbit"], small=small), _zreplay.Index("radix-lowbit", small=small)]
    draw = random.Random(1)
    for number in range(4000):
        slot = draw.randrange(2), draw.choice(offsets)
        if draw.random() < 0.5:
            answers = [index.insert(*slot, (number + 1) << 4) for index in pair]
        else:
            answers = [index.erase(*slot) for index in pair]
        assert answers[0] == answers[1]
        assert pair[0].cost() == pair[1].cost()
        assert (pair[0].nodes, pair[0].bytes) == (pair[1].nodes, pair[1].bytes)
    pair[0].check()
    assert pair[0].items(0) == pair[1].items(0)


# ---- skiplist.c ----


@every_recording
def test_a_skip_list_changes_nothing_but_what_it_costs(plugins, recording, tmp_path):
    built_in = replayed(recording, tmp_path / "built-in", index="radix-lowbit")
    skiplist = replayed(recording, tmp_path / "c", index=str(plugins["skiplist"]))
    assert_same(built_in, skiplist, but_for=(*OF_THE_INDEX, *COSTS))


def levels_of(type: int, offset: int) -> int:
    """Splitmix64's finisher; then one in four a level higher, and one in four of these, …"""
    word = (offset + type * 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    word ^= word >> 31
    levels = 1
    while levels < 14 and word % 4 == 0:
        word //= 4
        levels += 1
    return levels


def searched(slots: list[int], type: int, offset: int) -> tuple[int, int]:
    """Nodes and lines of a search, by lists: who is met on each level, from the highest down."""
    met, gone_on_from_above_five, position = set(), set(), -1
    for level in reversed(range(14)):
        on_level = [slot for slot in sorted(slots) if levels_of(type, slot) > level and slot > position]
        passed = [slot for slot in on_level if slot < offset]
        met |= {*passed, *on_level[len(passed) : len(passed) + 1]}
        gone_on_from_above_five |= set(passed) if level > 5 else set()
        position = max([position, *passed])
    return len(met), len(met) + len(gone_on_from_above_five)


def test_a_search_of_the_skip_list_costs_the_nodes_it_meets(plugins):
    tall = [offset for offset in range(200_000) if levels_of(0, offset) > 6][:20]
    assert len(tall) == 20  # one in 4^6
    slots = [(0, offset) for offset in [*tall, *range(300, 600), 2**40]] + [(1, offset) for offset in range(50)]
    index = index_of(plugins["skiplist"])
    for slot in slots:
        assert index.insert(*slot, 16) == 0
    index.check()
    for type, offset in [(0, 0), (0, 450), (0, tall[10]), (0, tall[10] + 1), (0, 2**41), (1, 49), (2, 5)]:
        before = index.cost()
        index.find(type, offset)
        found = index.cost()
        cost = found["nodes_visited"] - before["nodes_visited"], found["cache_lines"] - before["cache_lines"]
        assert cost == searched([slot for of, slot in slots if of == type], type, offset)


def test_the_skip_list_s_bytes_are_its_nodes_blocks(plugins):
    index = index_of(plugins["skiplist"])
    for offset in range(1000):
        index.insert(3, offset, 32)
    blocks = {1: 32, 2: 32, 3: 64, 4: 64, 5: 64, 6: 64}
    assert index.bytes == sum(blocks.get(levels_of(3, offset), 128) for offset in range(1000))
    assert (index.entries, index.nodes) == (1000, 1000)


def test_the_skip_list_is_the_same_whatever_came_before(plugins):
    one, other = index_of(plugins["skiplist"]), index_of(plugins["skiplist"])
    for offset in range(0, 2000, 2):
        one.insert(0, offset, 16)
    for offset in reversed(range(2000)):
        other.insert(0, offset, 16)
    for offset in range(1, 2000, 2):
        other.erase(0, offset)
    before = one.cost(), other.cost()
    for offset in range(2000):
        assert one.find(0, offset) == other.find(0, offset)
    after = one.cost(), other.cost()
    assert [after[0][name] - before[0][name] for name in COSTS] == [after[1][name] - before[1][name] for name in COSTS]


# ---- slab.c ----


def in_slabs(plugins, tmp_path, events, **settings):
    """The last row of the timeline, and the classes' last rows."""
    tmp_path.mkdir(exist_ok=True)
    out, where = tmp_path / "run", trace(tmp_path / "t.parquet", events)
    settings = {"kernel": "6.12", "model": "zswap"} | settings
    zreplay.run(zreplay.Config(trace=where, out=out, pool=str(plugins["slab"]), check_every=1, **settings))
    last = pl.read_parquet(out / "timeline.parquet").row(-1, named=True)
    classes = pl.read_parquet(out / "classes.parquet").filter(pl.col("events") == len(events))
    return last, classes.select("class_size", "pages", "objects_used").rows()


def test_a_slab_has_as_many_slots_as_fit_and_shares_its_page_evenly(plugins, tmp_path):
    # 700 bytes are 11 chunks, of which 64 hold 5, of 12 chunks; 2049 are 33, of which they hold 1; 64 are one chunk.
    events = [store(slot, 700) for slot in range(1, 7)] + [store(10, 2049), store(11, 64), store(12, 65)]
    last, classes = in_slabs(plugins, tmp_path, events)
    assert classes == [(64, 1, 1), (128, 1, 1), (768, 2, 6), (4096, 1, 1)]
    assert (last["pool_pages"], last["pool_objects"]) == (5, 9)
    asked, used = 6 * 700 + 2049 + 64 + 65, 6 * 768 + 4096 + 64 + 128
    assert last["internal_fragmentation_bytes"] == used - asked
    assert last["external_fragmentation_bytes"] == 5 * 4096 - used


def test_a_slab_that_is_empty_is_given_back_and_a_free_slot_is_used_again(plugins, tmp_path):
    events = [store(slot, 1000) for slot in range(1, 6)]  # four of 1024 bytes a page: 1 to 4, 5
    assert in_slabs(plugins, tmp_path / "a", [*events, invalidate(5)])[1] == [(1024, 1, 4)]
    assert in_slabs(plugins, tmp_path / "b", [*events, invalidate(2), store(6, 1000)])[1] == [(1024, 2, 5)]
    assert in_slabs(plugins, tmp_path / "c", [*events, invalidate(2), *(store(n, 900) for n in (6, 7, 8, 9))])[1] == [
        (1024, 2, 8)
    ]


def test_compaction_of_slabs_moves_objects_together(plugins, tmp_path):
    events = [store(slot, 1000) for slot in range(1, 9)]  # two pages of four
    events += [invalidate(slot) for slot in (1, 2, 7, 8)]
    before, _ = in_slabs(plugins, tmp_path / "a", events)
    after, classes = in_slabs(plugins, tmp_path / "b", [*events, event("compact"), load(3), load(6)])
    assert (before["pool_pages"], before["objects_copied"]) == (2, 0)
    assert (after["pool_pages"], after["pages_compacted"], after["objects_copied"]) == (1, 1, 2)
    assert after["loads_hit"] == 2
    assert classes == [(1024, 1, 2)]  # a load takes its entry away


def test_each_page_of_slabs_can_be_moved(plugins, tmp_path):
    events = [store(slot, 2000) for slot in range(1, 9)]  # four pages of two
    last, _ = in_slabs(plugins, tmp_path, events, cma_every=8, cma_percent=100)
    assert (last["pages_migrated"], last["objects_migrated"], last["migrations_refused"]) == (4, 8, 0)
    assert last["movable_pages"] == 4


@every_recording
def test_slabs_hold_every_recording(plugins, recording, tmp_path):
    zreplay.run(zreplay.Config(trace=recording, out=tmp_path / "run", pool=str(plugins["slab"]), check_every=20_000))
    last = pl.read_parquet(tmp_path / "run" / "timeline.parquet").row(-1, named=True)
    assert last["pool_objects"] == last["stored_pages"] - last["same_filled_pages"]


# ---- clock.c ----


def test_a_clock_by_hand(tmp_path):
    """The hand at a: a goes; b has been loaded, so c; e comes in behind the hand; d has been loaded, so b stays;
    then e; round to d; b. Nodes looked at: a, b c, d b, e, d, b."""
    program = tmp_path / "by_hand"
    link(program, HERE / "clock_by_hand.c", EXAMPLES / "clock.c")
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "acbedb 8\n"


@pytest.mark.parametrize("recording", [path for path in TRACES if "6.12-zbud-lz4-node" in path.name])
def test_a_clock_is_lru_where_loads_take_entries_away(plugins, recording, tmp_path):
    settings = {"kernel": "6.12", "totalram_pages": 20_000}
    lru = replayed(recording, tmp_path / "lru", mm="lru", **settings)
    assert lru["timeline"]["written_back_pages"][-1] > 1000
    clock = replayed(recording, tmp_path / "clock", mm=str(plugins["clock"]), **settings)
    assert_same(lru, clock, but_for=("entry_bytes",))


# ---- all of them ----


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_sanitizers_find_nothing_in_random_operations(source, tmp_path):
    program = tmp_path / "driven"
    link(program, HERE / "drive.c", source, flags=("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"))
    subprocess.run([program, "3000" if source.stem == "first" else "10000"], check=True)
