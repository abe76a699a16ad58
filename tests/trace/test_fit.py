"""Recipes fitted to traces: counts worked out by hand, and what is generated counted again."""

import dataclasses
import importlib.util
import random
import sys
import tomllib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import _zreplay
import pyarrow as pa
import pytest
from byhand import invalidate, load, store, trace, writeback

from zreplay import open_trace
from zreplay.errors import TraceError, UsageError
from zreplay.replay.cells import summaries
from zreplay.replay.config import Config
from zreplay.trace.check import check
from zreplay.trace.files import TraceWriter
from zreplay.trace.fit import FEWEST_ROWS, _sizes, fit, quantiles_of_bins, quantiles_of_sizes
from zreplay.trace.fit_file import recipe_text
from zreplay.trace.likeness import kolmogorov_smirnov, kolmogorov_smirnov_2d, portrait
from zreplay.trace.recipes.fitted import WHOLE, FittedRecipe, Rows
from zreplay.trace.recipes.kinds import read_recipe
from zreplay.trace.recipes.pattern import PatternRecipe
from zreplay.trace.recipes.tables import RecipeError
from zreplay.trace.schema import SCHEMA
from zreplay.trace.synth import synth

TRACES = Path(__file__).parents[2] / "traces"


def counted_twice(path: Path) -> _zreplay.Fit:
    """A trace in one phase of one step."""
    found = None
    for _ in range(2):
        found = _zreplay.Fit(open_trace(path).rows, 1, 1, found)
        for batch in open_trace(path).batches():
            found.add(batch)
    return found


def counted(path: Path) -> dict[tuple, dict]:
    """Of a trace: kind (op, from, to, result) → its counts, of one phase of one step."""
    found = counted_twice(path)
    kinds = [(kind["op"], kind["of"], kind["to"], kind.get("result")) for kind in found.kinds()]
    return {kind: found.counts(i, 0) | {"runs": found.step(i, 0)[1]} for i, kind in enumerate(kinds)}


def test_a_trace_counted_by_hand(tmp_path):
    found = counted(
        trace(
            tmp_path / "trace.parquet",
            [
                store(1, 100, result=0),
                store(2, 100, result=0),
                store(3, 2000, result=0),
                store(4, None, result=-12),
                load(2, result=0),  # of 1, 2, 3: neither the youngest nor the oldest
                load(3, result=0),  # right ahead of it
                invalidate(1),  # alone in its place
                invalidate(2),  # right ahead, though in another place
                invalidate(3),
                store(4, 300, result=0),  # the one that was refused
            ],
        )
    )
    assert {kind: (counts["rows"], counts["runs"]) for kind, counts in found.items()} == {
        ("store", "none", "fresh", 0): (3, 1),
        ("store", "none", "refused", -12): (1, 1),
        ("load", "fresh", "read", 0): (2, 1),
        ("invalidate", "fresh", "none", None): (1, 1),
        ("invalidate", "read", "none", None): (2, 1),
        ("store", "refused", "fresh", 0): (1, 1),
    }
    loads = found["load", "fresh", "read", 0]
    assert (loads["ahead"], loads["jumps"]) == ([1, 1, 0, 0], 1)  # found and taken, right ahead and over a gap
    # Rank 1 of 3 is in the 85th of 256 parts; the first of these is cut into 16.
    assert [i for i, count in enumerate(loads["ranks"]) if count] == [85 + 15]
    assert found["invalidate", "read", "none", None]["ahead"] == [2, 2, 0, 0]
    assert [i for i, count in enumerate(found["store", "refused", "fresh", 0]["ranks"]) if count] == [0]


def test_what_is_written_back_is_on_the_device_until_it_is_loaded(tmp_path):
    events = [store(1, 9, result=0), writeback(1), writeback(1), load(1, result=-1), load(1, result=-1)]
    found = counted(trace(tmp_path / "trace.parquet", events))
    assert list(found) == [
        ("store", "none", "fresh", 0),
        ("writeback", "fresh", "written", 0),
        ("writeback", "written", "written", 0),  # one that the trace has twice leads nowhere
        ("load", "written", "back", -1),
        ("load", "back", "back", -1),
    ]


def test_a_slot_over_a_gap_and_a_slot_back(tmp_path):
    stores = [store(slot, 9, result=0) for slot in range(1, 10)]
    events = [*stores, invalidate(5), invalidate(7), invalidate(6), invalidate(4)]
    found = counted(trace(tmp_path / "trace.parquet", events))
    invalidates = found["invalidate", "fresh", "none", None]
    # 7 has 6 between it and 5: a jump, as is the first. The nearest ahead of 7 is 8, back from it is 6, which it is.
    # Ahead of 6, over the gap of 7, is 8; back from it, over that of 5, is 4, which it is.
    assert invalidates["ahead"] == [2, 0, 1, 0]
    assert invalidates["back"] == [2, 1, 1, 1]
    assert invalidates["jumps"] == 2


def test_jumps_close_by_and_back_to_where_one_left(tmp_path):
    stores = [store(slot, 9, result=0) for slot in range(1, 3000)]
    events = [*stores, *map(invalidate, (1000, 1100, 2000, 1105, 995, 2500))]
    found = counted(trace(tmp_path / "trace.parquet", events))["invalidate", "fresh", "none", None]
    # 1100 is 100 above 1000, and 995 is 110 below 1105; the jump to 2000 left from 1100, and 1105 is 5 above that.
    assert (found["jumps"], found["close"], found["close_back"]) == (6, 2, 1)
    assert [i for i, count in enumerate(found["close_distances"]) if count] == [13]  # 96 to 127
    assert (found["returns"], found["return_back"]) == (1, 0)
    assert [i for i, count in enumerate(found["return_distances"]) if count] == [4]  # 4 and 5


def test_sizes_of_pages_stored_again(tmp_path):
    sizes = [100, 100, 150, 3000]  # the same, one near it, and one of the upper half of the groups
    events = [store(1, size, result=0) for size in sizes]
    found = counted(trace(tmp_path / "trace.parquet", events))["store", "fresh", "fresh", 0]["resized"]
    # Of the two sizes that count for all, 100 is in the first group and 3000 in the fifth; so is 150, between them.
    assert [(group, i) for group, counts in enumerate(found) for i, count in enumerate(counts) if count] == [
        (0, 0),
        (0, 1),
        (4, 2 + 4),
    ]


def test_sizes_of_what_is_swapped_out_at_the_end(tmp_path):
    events = [store(1, 100, result=0), store(2, 3000, result=0), store(3, 3000, result=0), store(4, 3000, result=0)]
    events += [writeback(1), invalidate(2), load(1, result=-1), load(3, result=0), store(5, None, result=-12)]
    found = counted_twice(trace(tmp_path / "trace.parquet", events))
    # 100 begins below all sizes, 3000 behind a quarter. In memory is 1, which was on the device; 3 was only read.
    assert found.swapped_sizes(0) == [0, 0, 2, 0, 0, 0, 0, 0]


def test_groups_of_slots_with_any_in_the_pool_at_the_end(tmp_path):
    """Of 64 and 65, one group, one is left; of 128 none, as it is written back, and of 192, as it is freed."""
    events = [store(slot, 9, result=0) for slot in (1, 64, 65, 128, 192)] + [store(256, 9, result=-12)]
    found = counted_twice(trace(tmp_path / "trace.parquet", [*events, invalidate(64), writeback(128), invalidate(192)]))
    assert found.pool_groups(0) == 2


def test_a_copy_that_is_dropped_before_its_page_is_stored_again(tmp_path):
    """6.1's frontswap; the slot is not free then. Not if anything else comes first, or nothing for eight rows."""
    events = [store(slot, 9, result=0) for slot in (1, 2, 3)]
    events += [invalidate(1), store(4, 9, result=0), store(1, 10, result=0)]
    events += [invalidate(2), load(2, result=-1), store(2, 9, result=0), invalidate(3)]
    events += [*(store(slot, 9, result=0) for slot in range(100, 108)), store(3, 9, result=0)]
    found = counted(trace(tmp_path / "trace.parquet", events))
    assert {kind: counts["rows"] for kind, counts in found.items()} == {
        ("store", "none", "fresh", 0): 3 + 1 + 1 + 8 + 1,
        ("invalidate", "fresh", "cleared", None): 1,
        ("store", "cleared", "fresh", 0): 1,
        ("invalidate", "fresh", "none", None): 2,
        ("load", "none", "none", -1): 1,
    }
    again = found["store", "cleared", "fresh", 0]
    assert again["resized"][0] == [0, 1, *[0] * 8]  # 10 bytes are near 9


def test_runs_that_follow_each_other(tmp_path):
    events = [store(1, 9, result=0), store(2, 9, result=0), invalidate(1), store(3, 9, result=0), invalidate(2)]
    found = counted_twice(trace(tmp_path / "trace.parquet", events))
    assert [[found.follows(first, second) for second in (0, 1)] for first in (0, 1)] == [[0, 2], [1, 0]]


def test_ends_of_slots_in_a_row_that_are_come_to_by_chance(tmp_path):
    for step, edges in (1, 0), (2, 4):  # in one row of 3,000, or each alone
        stores = [store(slot, 9, result=0) for slot in range(1, 3001 * step, step)]
        events = [*stores, *(invalidate(1 + slot * step) for slot in (100, 900, 2000, 1500))]
        found = counted(trace(tmp_path / f"{step}.parquet", events))["invalidate", "fresh", "none", None]
        assert (found["jumps"], found["edges"], found["edges_by_chance"]) == (4, edges, edges)


def test_quantiles_by_hand():
    assert quantiles_of_sizes([0, 2, 0, 2], 4) == (1, 1, 3, 3)
    assert quantiles_of_bins([0, 4, 0, 4], [0.0, 10.0, 20.0, 30.0, 50.0], 5) == (10, 15, 20, 40, 50)
    assert quantiles_of_bins([0, 0], [0.0, 1.0, 2.0], 3) == ()


def test_distances_by_hand():
    assert kolmogorov_smirnov([1, 1, 2], [1, 1, 2]) == 0
    assert kolmogorov_smirnov([1, 1, 2], [0, 2, 2]) == 0.25
    assert kolmogorov_smirnov([5, 0], [0, 3]) == 1
    # Rows of two columns: below the first row nothing differs, in the second a half has changed columns.
    assert kolmogorov_smirnov_2d([1, 1, 2, 0], [1, 1, 0, 2], 2) == 0.5


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of the generator: 40,000 rows, 3,000 slots."""
    path = tmp_path_factory.mktemp("clustered") / "clustered.parquet"
    synth(PatternRecipe(events=40_000, resident=3_000, pattern="clustered", seed=3), path)
    return path


@pytest.fixture(scope="module")
def recipe(clustered: Path) -> FittedRecipe:
    return fit(clustered)


def by_kind(recipe: FittedRecipe) -> dict[tuple, Rows]:
    return {(kind.op, kind.of, kind.to, kind.result): kind for kind in recipe.rows}


def test_a_fitted_trace_is_counted_as_the_trace_was(recipe, tmp_path):
    synth(recipe, tmp_path / "made.parquet")
    again = by_kind(fit(tmp_path / "made.parquet"))
    for key, kind in by_kind(recipe).items():
        # The same rows of each kind in each step, whatever was drawn.
        assert again[key].rows == kind.rows, key
        assert abs(sum(again[key].runs) - sum(kind.runs)) < 20 + 0.25 * sum(kind.runs), key
        ahead = [
            sum(share * rows for share, rows in zip(one.ahead, kind.rows[::2], strict=False))
            for one in (kind, again[key])
        ]
        assert abs(ahead[0] - ahead[1]) <= 0.15 * max(ahead) + 20 * WHOLE, key
    assert check(tmp_path / "made.parquet").errors == 0


def test_the_same_recipe_gives_the_same_bytes(recipe, tmp_path):
    for name in ("one", "other"):
        synth(recipe, tmp_path / name)
    synth(dataclasses.replace(recipe, seed=1), tmp_path / "seed")
    one, other, seed = ((tmp_path / name).read_bytes() for name in ("one", "other", "seed"))
    assert one == other != seed
    together = [pa.Table.from_batches(recipe.batches(rows)).combine_chunks() for rows in (1000, 7777)]
    assert together[0] == together[1]


def test_when_all_phases_have_been_all_slots_are_freed_and_they_begin_again(recipe):
    longer = dataclasses.replace(recipe, events=2 * recipe.one_round + 2)
    ops = pa.Table.from_batches(longer.batches())["op"].to_pylist()
    assert [i for i, op in enumerate(ops) if op == "invalidate_area"] == [recipe.one_round, 2 * recipe.one_round + 1]


def test_neither_where_slots_were_nor_when_anything_was_makes_a_difference(clustered, recipe, tmp_path):
    whole = open_trace(clustered)
    moved = tmp_path / "moved.parquet"
    with TraceWriter(moved, whole.metadata) as writer:
        for batch in whole.batches():
            columns = batch.to_pydict()
            columns["offset"] = [offset and offset + 2**40 for offset in columns["offset"]]
            columns["ts_ns"] = [3 * time + 10**15 for time in columns["ts_ns"]]
            writer.write(pa.RecordBatch.from_pydict(columns, schema=SCHEMA))
    assert fit(moved) == recipe


def test_the_file_is_the_recipe_and_is_small(recipe, tmp_path):
    path = tmp_path / "like-it.toml"
    path.write_text(text := recipe_text(recipe))
    assert read_recipe(path).recipe == recipe
    assert max(map(len, text.splitlines())) <= 120
    assert len(text) < 100_000


def test_scaled_by_four_a_pool_has_four_times_the_pages(recipe, tmp_path):
    synth(recipe, tmp_path / "one.parquet")
    four = recipe.scaled(Fraction(4))
    assert four.events == 4 * recipe.events
    synth(four, tmp_path / "four.parquet")
    pages = {}
    for name in ("one", "four"):
        place = tmp_path / f"{name}.parquet"
        metadata = open_trace(place).metadata
        configs = [Config(trace=place, out=tmp_path, pool=pool).resolved(metadata) for pool in ("zbud", "zsmalloc")]
        pages[name] = [row["pool_pages_mean"] for row in summaries(configs)]
    (zbud, zsmalloc), (zbud_four, zsmalloc_four) = pages["one"], pages["four"]
    assert zbud_four == pytest.approx(4 * zbud, rel=0.01)
    # A class of zsmalloc has one zspage that is half free in a pool of any size, here of a thousand pages.
    assert 3.6 * zsmalloc < zsmalloc_four < 4 * zsmalloc


def test_a_scaled_trace_is_of_parts_with_slots_of_their_own_that_take_turns(recipe):
    three = recipe.scaled(Fraction(3))
    assert (three.parts, recipe.scaled(Fraction(1, 2)).parts, three.scaled(Fraction(1, 2)).parts) == (3, 1, 1)
    rows = pa.Table.from_batches(three.batches())
    assert rows.num_rows == three.one_round == 3 * recipe.one_round
    assert rows["op"].value_counts().to_pylist() == [
        {"values": op["values"], "counts": 3 * op["counts"]}
        for op in pa.Table.from_batches(recipe.batches())["op"].value_counts().to_pylist()
    ]
    # A part's slots stand above those of the one before, from a cluster's begin on.
    stride = -(-(recipe.area_slots + 1) // 512) * 512
    parts = [offset // stride for offset in rows["offset"].to_pylist() if offset is not None]
    assert set(parts) == {0, 1, 2}
    changes = sum(here != there for here, there in pairwise(parts))
    assert changes == -(-recipe.one_round // 512) * 3 - 1  # turns of 512 rows
    times = rows["ts_ns"].to_pylist()
    assert all(before < after for before, after in pairwise(times))


def test_rows_that_cannot_be_divided_by_the_parts(recipe):
    scaled = recipe.scaled(Fraction(5, 2))
    assert scaled.parts == 2
    rows = pa.Table.from_batches(scaled.batches())
    counts = {found["values"]: found["counts"] for found in rows["op"].value_counts().to_pylist()}
    for op in ("store", "load", "invalidate"):
        assert counts[op] == sum(sum(kind.rows) for kind in scaled.rows if kind.op == op)


def test_an_area_that_is_switched_off_is_so_for_all_parts_at_once():
    store = Rows(op="store", to="fresh", sized=True, rows=(2000, 2000), runs=(9, 9))
    off = Rows(op="invalidate_area", rows=(2, 2), runs=(2, 2))
    tables = ((9,), (10**6,), ((0, 10**6), (0, 10**6)))
    recipe = FittedRecipe((store, off), *tables, events=4004 + 2, area_slots=4200, parts=2, types=2)
    rows = pa.Table.from_batches(recipe.batches()).to_pylist()
    assert rows == pa.Table.from_batches(recipe.batches(100)).to_pylist()
    stored: set[tuple[int, int]] = set()
    for row in rows:
        slot = row["type"], row["offset"]
        if row["op"] == "store":
            assert slot not in stored
            stored.add(slot)
        else:
            stored.clear()
    # Two parts, each with one in each phase, that come together; and between two rounds one for each type.
    areas = [i for i, row in enumerate(rows) if row["op"] == "invalidate_area"]
    assert len(areas) == 6
    assert [after - before for before, after in zip(areas[::2], areas[1::2], strict=True)] == [1, 1, 1]
    assert areas[4:] == [4004, 4005]
    assert [rows[i]["type"] for i in areas[4:]] == [0, 1]


def test_more_parts_than_slots():
    kind = Rows(op="store", to="fresh", sized=True, rows=(1,), runs=(1,))
    with pytest.raises(RecipeError, match="parts: found 9, expected no more than area_slots, 8"):
        FittedRecipe((kind,), (9,), (10**6,), ((0, 10**6),), events=1, area_slots=8, parts=9)


def test_scaling_rounds_each_part_so_that_the_whole_is_right():
    kind = Rows(op="store", to="fresh", sized=True, rows=(1, 1, 1, 1), runs=(1, 1, 1, 1))
    half = FittedRecipe((kind,), (9,), (10**6,), ((0, 10**6),), events=4, area_slots=4, steps=4).scaled(Fraction(1, 2))
    assert sum(half.rows[0].rows) == half.events == 2


def test_a_trace_with_too_little_in_it(tmp_path):
    few = trace(tmp_path / "few.parquet", [store(1, 9)] * (FEWEST_ROWS - 1))
    with pytest.raises(
        TraceError, match=r"few.parquet: found 3,199 events, expected at least 3,200 to fit a recipe to"
    ):
        fit(few)
    sizeless = trace(tmp_path / "sizeless.parquet", [store(1, None)] * FEWEST_ROWS)
    with pytest.raises(
        TraceError, match=r"sizeless.parquet: found no store with a size, expected some to fit a recipe to"
    ):
        fit(sizeless)


STORES = """kind = "fitted"
events = 8
area_slots = 10
sizes = [100, 200, 300]
size_shares = [250000, 250000, 500000]
size_ranks = [[0, 250000, 500000], [500000, 1000000]]
[[rows]]
op = "store"
to = "fresh"
sized = true
rows = [2, 2]
runs = [1, 2]
[[rows]]
op = "load"
of = "fresh"
to = "read"
rows = [2, 2]
runs = [1, 1]
ahead = [5000, 10000]
rank = [[0, 10000], []]
ranks = [0, 500, 10000]
"""


def test_a_recipe_written_by_hand(tmp_path):
    (tmp_path / "mine.toml").write_text(STORES)
    made = pa.Table.from_batches(read_recipe(tmp_path / "mine.toml").recipe.batches()).to_pylist()
    assert [row["op"] for row in made].count("load") == 4
    assert [row["size"] in (100, 200) for row in made if row["op"] == "store"] == [True, True, False, False]
    stored = [row["offset"] for row in made if row["op"] == "store"]
    assert len(set(stored)) == 4
    assert set(stored) <= set(range(1, 11))


def made(events: int, *kinds: Rows, **more: object) -> list[tuple]:
    """Of a recipe of one phase, of ten slots, whose sizes are 100 and 2,000: op, offset, size."""
    recipe = FittedRecipe(kinds, (100, 2000), (500_000, 500_000), ((0, 10**6),), events=events, area_slots=10, **more)
    return [(row["op"], row["offset"], row["size"]) for batch in recipe.batches() for row in batch.to_pylist()]


NEAR = ((0, WHOLE, *[0] * 8),) * 8
TEN = Rows(op="store", to="fresh", sized=True, rows=(10,), runs=(1,))


def test_more_stores_than_slots_wait_until_all_slots_are_freed():
    rows = made(22, dataclasses.replace(TEN, rows=(12,)))
    assert [op for op, _, _ in rows] == [*["store"] * 10, "invalidate_area", *["store"] * 10, "invalidate_area"]
    for first in (0, 11):
        assert {offset for _, offset, _ in rows[first : first + 10]} == set(range(1, 11))


@pytest.mark.parametrize("parts", [1, 2])
def test_an_area_of_which_the_kernel_does_not_find_the_last_slot_is_too_small(parts):
    """6.1 begins to scan behind the slot where it was, and does not come round to that one. Each part has a thread."""
    kinds = (
        dataclasses.replace(TEN, rows=(20 * 310,), runs=(20 * 301,)),
        Rows(op="invalidate", of="fresh", rows=(20 * 300,), runs=(20 * 300,), ranks=(0, WHOLE)),
    )
    recipe = FittedRecipe(kinds, (9,), (10**6,), ((0, 10**6),), events=12_200, area_slots=10 * parts, parts=parts)
    with pytest.raises(
        UsageError, match=r"^recipe: area_slots: found \d+, of which the kernel finds none that is free"
    ):
        list(recipe.batches())


def test_batches_that_nobody_holds_any_more_are_used_again(recipe):
    """Also for fewer rows, at the end; what was read of them has been read."""
    few = dataclasses.replace(recipe, events=1003)
    whole = [row for batch in few.batches() for row in batch.to_pylist()]
    assert [row for batch in few.batches(100) for row in batch.to_pylist()] == whole


def test_rows_of_slots_that_nobody_has_stored_to_take_any_where_there_are_none():
    rows = made(14, TEN, Rows(op="load", result=-1, rows=(4,), runs=(1,)))
    assert [op for op, _, _ in rows] == ["store"] * 10 + ["load"] * 4
    assert all(1 <= offset <= 10 for _, offset, _ in rows)


@pytest.mark.parametrize("area", [False, True])
def test_of_a_long_trace_each_part_has_eight_rounds_that_come_again(area):
    """Of two parts, 40 slots each: 30 stores, 15 invalidates, and in between, for both, everything is freed."""
    kinds = [
        Rows(op="store", to="fresh", sized=True, rows=(30, 30), runs=(30, 30)),
        Rows(op="invalidate", of="fresh", rows=(10, 20), runs=(10, 20), ranks=(0, WHOLE)),
    ]
    if area:
        kinds.append(Rows(op="invalidate_area", rows=(1, 0), runs=(1, 0)))
    one, rounds = sum(sum(kind.rows) for kind in kinds) + 1, 30
    ranks = ((0, 10**6),) * 2
    recipe = FittedRecipe(tuple(kinds), (9, 99), (500_000, 500_000), ranks, events=rounds * one, area_slots=80, parts=2)
    rows = pa.Table.from_batches(recipe.batches()).to_pylist()
    of_part: dict[bool, list[tuple]] = {False: [], True: []}
    for begin in range(0, len(rows), one):
        assert rows[begin + one - 1]["op"] == "invalidate_area"
        for part in of_part:
            here = [row for row in rows[begin : begin + one] if row["offset"] and (row["offset"] >= 512) == part]
            assert {row["offset"] % 512 for row in here} <= set(range(1, 41))
            of_part[part].append(tuple((row["op"], row["offset"], row["size"]) for row in here))
    for drawn in of_part.values():
        assert len(set(drawn[:8])) == 8
        assert set(drawn[8:]) <= set(drawn[:8])
    mixed = list(zip(*of_part.values(), strict=True))
    assert len(set(mixed)) > 20


def test_an_area_may_be_switched_off_several_times_on_end():
    rows = made(14, TEN, Rows(op="invalidate_area", rows=(4,), runs=(1,)))
    assert rows[10:] == [("invalidate_area", None, None)] * 4


def test_sizes_near_those_of_before():
    """Of 100 and 2,000 only itself; of 3,000, which was refused, none, so it is that again; of an unknown one, any."""
    again = Rows(op="store", of="fresh", to="fresh", sized=True, rows=(20,), runs=(1,), ranks=(0, WHOLE), resized=NEAR)
    sizes: dict[int, int] = {}
    for _, offset, size in made(30, TEN, again):
        assert sizes.setdefault(offset, size) == size
    refused = Rows(op="store", to="refused", result=-12, sized=True, sizes=(3000,), rows=(10,), runs=(1,))
    taken = dataclasses.replace(again, of="refused", rows=(10,))
    assert [size for _, _, size in made(20, refused, taken)] == [3000] * 20
    unknown = dataclasses.replace(TEN, sized=False)
    assert {size for _, _, size in made(30, unknown, again)[10:]} == {100, 2000}


def of_group(group: int) -> tuple[int, ...]:
    """Shares of sizes, all of one group."""
    return tuple(WHOLE * (number == group) for number in range(8))


@pytest.mark.parametrize(("group", "leaves"), [(0, 2000), (4, 100)])
def test_loads_leave_of_each_size_what_the_step_ends_with(group, leaves):
    """All that is swapped out is to be of one group: the other size is loaded, as long as there is any."""
    half = tuple(WHOLE // 2 * (number in (0, 4)) for number in range(8))
    stores = dataclasses.replace(TEN, rows=(10, 0), runs=(1, 0))
    loads = Rows(op="load", of="fresh", to="back", rows=(0, 5), runs=(0, 5), ranks=(0, WHOLE))
    rows = made(15, stores, loads, steps=2, swapped_sizes=(half, of_group(group)))
    sizes = {offset: size for op, offset, size in rows if op == "store"}
    loaded = [sizes[offset] for op, offset, _ in rows if op == "load"]
    assert loaded.count(leaves) == min(5, list(sizes.values()).count(leaves)) > 3


@pytest.mark.parametrize(("group", "other"), [(0, 2000), (4, 100)])
def test_stores_have_the_sizes_that_the_step_ends_with(group, other):
    """As long as there is none of the other size it is not too many; then of eight drawn all must be of it."""
    rows = made(10, TEN, seed=1, swapped_sizes=(of_group(group),))
    assert [size for _, _, size in rows].count(other) <= 1


@pytest.mark.parametrize(("wanted", "fewest", "most"), [(8, 8, 16), (32, 31, 32)])
def test_jumps_begin_and_end_as_many_groups_as_the_step_ends_with(wanted, fewest, most):
    """Of 32 groups of 64 slots in the pool; 64 slots stay, by chance of 28 groups."""
    stores = Rows(op="store", to="fresh", sized=True, rows=(2047, 0), runs=(1, 0))
    frees = Rows(op="invalidate", of="fresh", rows=(0, 1983), runs=(0, 1), ranks=(0, WHOLE))
    recipe = FittedRecipe(
        (stores, frees),
        *((9,), (10**6,), ((0, 10**6),)),
        events=4030,
        area_slots=2047,
        steps=2,
        pool_groups=(32, wanted),
    )
    left = set()
    for row in pa.Table.from_batches(recipe.batches()).to_pylist():
        (left.add if row["op"] == "store" else left.remove)(row["offset"])
    assert len(left) == 64
    assert fewest <= len({offset // 64 for offset in left}) <= most


def test_what_is_cleared_is_stored_at_once():
    clears = Rows(op="invalidate", of="fresh", to="cleared", rows=(20,), runs=(20,), ranks=(0, WHOLE))
    again = Rows(op="store", of="cleared", to="fresh", sized=True, rows=(20,), runs=(20,), ranks=(0, WHOLE))
    frees = Rows(op="invalidate", of="fresh", rows=(5,), runs=(5,), ranks=(0, WHOLE))
    rows = made(55, TEN, clears, again, frees)
    behind = [two for two in pairwise(rows) if two[0][0] == "invalidate" and two[1][0] == "store"]
    assert sum(one[1] == other[1] for one, other in behind) == 20
    assert [op for op, _, _ in rows].count("invalidate") == 25


def test_runs_follow_each_other_as_was_seen():
    """Loads of what is not there only behind invalidates, and stores behind loads, as long as there is each."""
    ten = {"rows": (10,), "runs": (10,)}
    invalidates = Rows(op="invalidate", **ten, follows=(0, 0, 100))
    stores = Rows(op="store", to="refused", result=-12, **ten, follows=(100, 0, 0))
    loads = Rows(op="load", result=-1, **ten, follows=(0, 100, 0))
    ops = [op for op, _, _ in made(30, invalidates, stores, loads)]
    begin = ops.index("invalidate")
    assert ops[begin:] + ops[:begin] == ["invalidate", "load", "store"] * 10


def test_rows_go_on_on_another_cpu_as_often_as_was_asked(tmp_path):
    (tmp_path / "mine.toml").write_text("cpus = 2\ncpu_changes = 10000\n" + STORES)
    (batch,) = read_recipe(tmp_path / "mine.toml").recipe.batches()
    assert batch["cpu"].to_pylist() == [1, 0] * 4
    (tmp_path / "mine.toml").write_text("cpus = 8\ncpu_changes = 0\n" + STORES)
    (batch,) = read_recipe(tmp_path / "mine.toml").recipe.batches()
    assert batch["cpu"].to_pylist() == [0] * 8


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ("rows = [2, 2]", "rows = [2, 2, 2]", "rows 1: runs: found 2 elements, expected 3, as of rows"),
        ("runs = [1, 2]", "runs = [1, 3]", "rows 1: runs 2: found 3, expected 1 to 2, the rows"),
        (
            "rows = [2, 2]\nruns = [1, 2]",
            "rows = [2, 2, 2]\nruns = [1, 2, 1]",
            "rows 1: rows: found 3 elements, expected 2 steps: 1 in each of the 2 phases",
        ),
        ("[5000, 10000]", "[5000]", "rows 2: ahead: found 1 elements, expected 2 phases, as of size_ranks"),
        ("[5000, 10000]", "[5000, 10001]", "rows 2: ahead 2: found 10001, expected 0 to 10,000"),
        ("[0, 10000]", "[10000, 0]", "rows 2: rank 1: found a quantile below the one before, expected them ascending"),
        ("[0, 500, 10000]", "[]", "rows 2: ranks: found 0 quantiles, expected at least 2"),
        (", 300]", ", 5000]", "sizes 3: found 5000, expected 0 to 4,096"),
        (", 300]", ", 200]", "sizes: found a size not above the one before, expected them ascending"),
        ("[250000, 250", "[350000, 250", "size_shares: found 1,100,000 in all, expected 1,000,000"),
        ("[500000, 1000000]", "[]", "size_ranks 2: found 0 quantiles, expected at least 2"),
        ("steps = 1", "steps = 1\npool_groups = [1]", "pool_groups: found 1 elements, expected 2 steps or none"),
        ("steps = 1", "steps = 1\npool_groups = [1, -1]", "pool_groups 2: found -1, expected 0 to 2,147,483,648"),
        (
            "rows = [2, 2]",
            "rows = [2, 2]\nfollows = [1]",
            "rows 1: follows: found 1 elements, expected 2 kinds of rows, or none",
        ),
        (
            "rows = [2, 2]",
            "rows = [2, 2]\nfollows = [1, 10001]",
            "rows 1: follows 2: found 10001, expected 0 to 10,000",
        ),
        (
            "steps = 1",
            "steps = 1\nswapped_sizes = [[1, 2, 3, 4, 5, 6, 7, 8]]",
            "swapped_sizes: found 1 elements, expected 2 steps or none",
        ),
        (
            "steps = 1",
            "steps = 1\nswapped_sizes = [[1, 2, 3, 4, 5, 6, 7, 8], [1]]",
            "swapped_sizes 2: found 1 elements, expected 8",
        ),
        (
            "steps = 1",
            "steps = 1\nalike = [1, 2]",
            r"alike: found \[1, 2\], expected 3 numbers, at most",
        ),
        ('to = "read"', 'to = "red"', "rows 2: to: found 'red', expected one of .*; did you mean read?"),
        (
            'to = "read"',
            'to = "written"',
            "rows 2: to: found written, expected read or back, as this is a load of",
        ),
        ('"load"', '"compact"', "rows 2: of: found fresh, expected none, as a compact has no slot"),
        ("area_slots = 10\n", "", "area_slots: missing, expected a whole number"),
    ],
)
def test_a_recipe_that_cannot_be(tmp_path, found, instead, message):
    path = tmp_path / "mine.toml"
    text = STORES.replace("area_slots = 10\n", "area_slots = 10\nsteps = 1\n")
    assert found in text
    path.write_text(text.replace(found, instead, 1))
    with pytest.raises(Exception, match=rf"^{path}: {message}") as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


def test_more_kinds_than_there_can_be():
    kind = Rows(op="store", to="fresh", sized=True, rows=(1,), runs=(1,))
    with pytest.raises(RecipeError, match="rows: found 65 kinds, expected at most 64"):
        FittedRecipe((kind,) * 65, (9,), (10**6,), ((0, 10**6),), events=65, area_slots=100)


def test_sizes_counted_by_hand():
    bytes_of = [[0] * 4097 for _ in range(2)]
    bytes_of[0][100], bytes_of[0][200], bytes_of[1][200] = 2, 2, 4
    sizes, shares, ranks = _sizes(bytes_of)
    assert (sizes, shares) == ((100, 200), (250_000, 750_000))
    # Half of the first phase's are the smallest quarter, and the others, as all of the second's, among the rest.
    assert (ranks[0][0], ranks[0][32], ranks[0][64]) == (0, 250_000, 1_000_000)
    assert (ranks[1][0], ranks[1][32], ranks[1][64]) == (250_000, 625_000, 1_000_000)
    # More than can be told apart: each 8 bytes are one, said by the size that most have.
    bytes_of[0] = [0, *[1] * 4096]
    bytes_of[0][13] = 5
    sizes, shares, _ = _sizes(bytes_of)
    assert len(sizes) == 512
    assert sizes[1] == 13
    assert sum(shares) == 1_000_000


@pytest.mark.slow
def test_what_the_page_says_of_two_recordings(tmp_path):
    """docs/fit.md's figures within 5 %, of one recording that the fit was made on and one that was held out."""
    specification = importlib.util.spec_from_file_location("fit_page", TRACES.parent / "docs" / "studies" / "fit.py")
    page = importlib.util.module_from_spec(specification)
    sys.modules["fit_page"] = page  # where its dataclasses look for their types
    path = list(sys.path)
    specification.loader.exec_module(page)
    sys.path[:] = path
    for name in ("linux-6.1-zbud-lzo-writeback15", "linux-6.12-zsmalloc-zstd-g++"):
        result = page.result_of(TRACES / f"{name}.parquet", tmp_path)
        assert result.rows == result.made_rows
        assert max(abs(error) for *_, error in result.errors()) < 5
        assert result.distances["ops"] < 0.001
        assert result.distances["sizes"] < 0.1
        assert f"| {name} |" in (TRACES.parent / "docs" / "fit.md").read_text()


def test_the_verbs(zreplay, tmp_path):
    recording = TRACES / "linux-6.1-z3fold-zstd-python.parquet"
    like_it, made = tmp_path / "like-it.toml", tmp_path / "made.parquet"
    assert zreplay("synth", "--fit", recording, "-o", like_it)[0] == 0
    told = tomllib.loads(like_it.read_text())
    assert told["kind"] == "fitted"
    assert "python" not in like_it.read_text()  # whose trace it was is nobody's business
    assert zreplay("synth", like_it, "-o", made)[0] == 0
    code, out, _ = zreplay("check", made)
    assert code == 0
    assert "errors: 0" in out
    code, out, _ = zreplay("info", recording, made)
    assert code == 0
    assert "kinds of rows" in out
    code, _, error = zreplay("synth", "--fit", recording, "-o", like_it)
    assert (code, error) == (2, f"zreplay: {like_it}: already exists; --force replaces it\n")
    code, _, error = zreplay("synth", "--fit", recording, "-o", tmp_path / "x.toml", "--seed", 3)
    assert code == 2
    assert error.startswith("zreplay: --seed: found beside --fit, expected without")
    code, _, error = zreplay("synth", "--fit", like_it, "-o", tmp_path / "x.toml")
    assert (code, error.count("\n")) == (4, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["like-it.toml", "made.parquet"]


def test_ranks_against_a_list(tmp_path):
    """The ranks that `info A B` counts, of a thousand slots that come, are loaded and go, against a plain list's."""
    chance = random.Random(1)
    touched: list[int] = []
    events, expected = [], []
    for _ in range(6000):
        if len(touched) < 1000 and chance.random() < 0.5:
            slot = chance.randrange(5000)
            if slot in touched:
                touched.remove(slot)
            touched.append(slot)
            events.append(store(slot, 9, result=0))
        elif touched and chance.random() < 0.5:
            slot = chance.choice(touched)
            expected.append(len(touched) - 1 - touched.index(slot))
            touched.remove(slot)
            touched.append(slot)
            events.append(load(slot, result=0))
        elif touched:
            slot = chance.choice(touched)
            touched.remove(slot)
            events.append(invalidate(slot))
    reuses = portrait(trace(tmp_path / "trace.parquet", events)).reuses
    least = [_zreplay.Portrait.least_of(i) for i, count in enumerate(reuses) for _ in range(count)]
    assert len(least) == len(expected)
    assert all(low <= rank <= low * 17 / 16 for low, rank in zip(least, sorted(expected), strict=True))
