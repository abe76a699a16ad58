"""Traces of fitted recipes: rows worked out by hand, and what is generated counted again."""

import dataclasses
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from zreplay import open_trace
from zreplay.errors import UsageError
from zreplay.replay.cells import summaries
from zreplay.replay.config import Config
from zreplay.trace.check import check
from zreplay.trace.files import TraceWriter
from zreplay.trace.fit import fit
from zreplay.trace.fit_file import recipe_text
from zreplay.trace.recipes.fitted import WHOLE, FittedRecipe, Rows
from zreplay.trace.recipes.kinds import read_recipe
from zreplay.trace.recipes.pattern import PatternRecipe
from zreplay.trace.recipes.tables import RecipeError
from zreplay.trace.schema import SCHEMA
from zreplay.trace.synth import synth


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
