"""Recipes of workloads: what a kernel does with the pages of processes, against a slow reading of the rows."""

import itertools
import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zreplay.errors import UsageError
from zreplay.trace.check import check
from zreplay.trace.recipes.kinds import find_recipe, read_recipe, ready_names
from zreplay.trace.recipes.tables import from_table
from zreplay.trace.recipes.workload import Phase, Process, Reuse, Turns, WorkloadRecipe
from zreplay.trace.synth import synth

WRITES = Turns(write=1.0)


def one(reuse: Reuse = Reuse(zipf=1.0), turns: Turns = WRITES, **changes) -> WorkloadRecipe:  # noqa: B008
    """One process of 4,000 pages in a memory of 1,000: 3,000 to 3,032 are swapped out, of 20,000 slots."""
    process = Process("one", 4000, turns=turns, reuse=reuse)
    return WorkloadRecipe(
        **{"memory_pages": 1000, "area_pages": 20_000, "process": (process,), "events": 50_000} | changes
    )


def rows(recipe: WorkloadRecipe, batch_rows: int = 1 << 18) -> list[dict]:
    return pa.Table.from_batches(recipe.batches(batch_rows)).to_pylist()


def slots(table: list[dict], op: str) -> list[tuple[int, int]]:
    return [(row["type"], row["offset"]) for row in table if row["op"] == op]


def near(found: int, count: int, share: float) -> bool:
    return abs(found - count * share) < 5 * (count * share * (1 - share)) ** 0.5 + 1


def read(recipe: WorkloadRecipe, table: list[dict]) -> int:
    """Go over the rows as a kernel's zswap would, and find nothing odd. Returns the most entries there were."""
    live: set[tuple[int, int]] = set()
    last, most = -1, 0
    for row in table:
        slot = (row["type"], row["offset"])
        assert row["ts_ns"] > last
        assert 0 <= row["cpu"] < recipe.cpus
        last = row["ts_ns"]
        match row["op"]:
            case "store":
                assert slot not in live
                assert 1 <= row["offset"] <= recipe.area_pages
                assert 0 <= row["size"] <= 4096
                live.add(slot)
            case "load":
                assert slot in live
                assert row["size"] is None
                if recipe.kernel == "6.12":
                    assert row["call_rows"] == 0
                    live.discard(slot)
            case "invalidate":
                if recipe.kernel == "6.1":
                    assert slot in live
                live.discard(slot)
            case "invalidate_area":
                assert row["offset"] is None
                live = {slot for slot in live if slot[0] != row["type"]}
            case _:
                assert row["type"] is None
        most = max(most, len(live))
    return most


def small(name: str) -> WorkloadRecipe:
    """A ready recipe, a twentieth as large."""
    recipe = find_recipe(name).recipe
    assert isinstance(recipe, WorkloadRecipe)
    return replace(recipe.scaled(Fraction(1, 20)), events=60_000)


READY = ("batch", "browser", "build", "database", "phone")


def test_these_recipes_are_ready():
    assert ready_names() == READY
    for name in READY:
        found = find_recipe(name)
        assert found.title
        assert "From it" in found.source or "From its" in found.source
        assert "Ours" in found.source


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
@pytest.mark.parametrize("name", READY)
def test_a_ready_recipe_is_what_a_kernel_could_have_done(name, kernel):
    recipe = replace(small(name), kernel=kernel)
    table = rows(recipe)
    assert len(table) == 60_000
    assert read(recipe, table) <= recipe.area_pages * recipe.types
    ops = Counter(row["op"] for row in table)
    assert min(ops["store"], ops["load"], ops["invalidate"]) > 1000


@pytest.mark.parametrize("name", READY)
def test_a_ready_recipe_passes_the_check_and_is_replayed_by_both_kernels(name, tmp_path, zreplay):
    trace = tmp_path / "trace.parquet"
    synth(replace(small(name), events=20_000), trace)
    report = check(trace)
    assert report.valid
    # 6.12 tells zswap of slots that it never had: zero-filled pages.
    assert {finding.name for finding in report.findings} <= {"invalidate_never_stored"}
    for kernel in ("6.1", "6.12"):
        run = ("run", trace, "-o", tmp_path / kernel, "--kernel", kernel, "--pool", "zsmalloc", "--json")
        code, out, error = zreplay(*run)
        assert (code, error) == (0, "")
        found = json.loads(out)
        assert found["events"] == 20_000
        assert found["loads_hit"] > 0
        if kernel == find_recipe(name).recipe.kernel:
            assert found["loads_missed"] == 0


@pytest.mark.parametrize("name", READY)
def test_batches_of_any_size_are_the_same_events(name):
    recipe = replace(small(name), events=12_000)
    assert rows(recipe, 77) == rows(recipe, 129) == rows(recipe, 12_000)


def test_no_more_is_swapped_out_than_does_not_fit_in_memory():
    # With writes alone nothing in memory has a copy: the entries are the pages that are out. 6.1 has besides what waits
    # in a CPU's cache to be freed.
    recipe = one(kernel="6.12", same_filled=0.0, events=100_000)
    assert recipe.resident_pages == 4000 - 1000 + 32
    assert 3000 <= read(recipe, rows(recipe)) <= 3032
    recipe = replace(recipe, kernel="6.1")
    assert 3000 <= read(recipe, rows(recipe)) <= 3032 + 64


def test_shares_are_those_asked_for():
    turns = Turns(read=0.3, write=0.7)
    process = Process("one", 4000, turns=turns, dirtied=0.0)
    table = rows(one(process=(process,), same_filled=0.25))
    ops = Counter(row["op"] for row in table)
    assert near(sum(row["size"] == 0 for row in table), ops["store"], 0.25)
    # A page that is written to loses its slot, after at most 64 others; one that is read keeps it.
    assert abs(ops["invalidate"] - ops["load"] * 0.7) < 5 * (ops["load"] * 0.21) ** 0.5 + 64
    table = rows(one(turns=turns, same_filled=0.0, kernel="6.12"))
    ops = Counter(row["op"] for row in table)
    assert near(ops["invalidate"], ops["load"], 0.7)


def test_half_the_slots_in_use_take_them_from_pages_that_are_read():
    # vm_swap_full(): more than half of 5,000 slots are in use, so reading is as writing.
    table = rows(one(turns=Turns(read=1.0), area_pages=5000, kernel="6.12", same_filled=0.0))
    ops = Counter(row["op"] for row in table[25_000:])
    assert abs(ops["load"] - ops["invalidate"]) <= 1
    assert "invalidate" not in Counter(row["op"] for row in rows(one(turns=Turns(read=1.0), kernel="6.12")))


def test_where_slots_run_short_pages_in_memory_give_theirs_up():
    """It grows as it reads: what it has read while less than half of the area was in use is in memory with a slot. The
    others have none to give, or an area of their own."""
    grows = Process("one", 13_000, turns=Turns(read=0.9, new=0.1), reuse=Reuse(zipf=1.0))
    apart = Process("apart", 200, turns=WRITES, own_area_pages=2000)
    small = Process("small", 100, turns=WRITES)
    recipe = one(process=(small, apart, grows), memory_pages=10_000, area_pages=3700, events=30_000)
    table = [row for row in rows(recipe) if row["type"] == 0]
    assert 3700 - 192 < read(recipe, table) <= 3700  # 192 are to be left for the CPU's caches


def test_zipf_comes_back_to_the_kth_last_page_one_kth_as_often():
    # Ranks are counted here page by page, as the generator does not: its pages are in the right power of two.
    order: list[tuple[int, int]] = []  # the last swapped out first
    powers: Counter[int] = Counter()
    for row in rows(one(kernel="6.12", same_filled=0.0, events=30_000)):
        slot = (row["type"], row["offset"])
        if row["op"] == "store":
            order.insert(0, slot)
        elif row["op"] == "load":
            rank = order.index(slot) + 1
            order.remove(slot)
            if len(order) > 2048:
                powers[rank.bit_length()] += 1
    harmonic = list(itertools.accumulate((1 / k for k in range(1, 3033)), initial=0.0))
    for power in range(1, 11):
        share = (harmonic[2**power - 1] - harmonic[2 ** (power - 1) - 1]) / harmonic[3015]
        assert near(powers[power], powers.total(), share)


def test_loop_and_scan_come_back_to_the_page_that_is_out_longest():
    for reuse, kernel in itertools.product((Reuse(loop=1.0), Reuse(scan=1.0)), ("6.1", "6.12")):
        table = rows(one(reuse, Turns(write=0.5, new=0.5), kernel=kernel, same_filled=0.0))
        loads = slots(table, "load")
        assert loads == slots(table, "store")[: len(loads)]
    ops = Counter(row["op"] for row in table)
    assert ops["invalidate"] == ops["load"]  # of 6.12, at once


def test_uniform_comes_back_to_any_page():
    order: list[tuple[int, int]] = []
    quarters: Counter[int] = Counter()
    for row in rows(one(Reuse(uniform=1.0), kernel="6.12", same_filled=0.0, events=30_000)):
        slot = (row["type"], row["offset"])
        if row["op"] == "store":
            order.append(slot)
        elif row["op"] == "load":
            quarters[4 * order.index(slot) // len(order)] += 1
            order.remove(slot)
    assert all(near(quarters[quarter], quarters.total(), 0.25) for quarter in range(4))


def test_6_1_stores_a_page_that_was_read_and_then_written_to_its_slot_again():
    process = Process("one", 4000, turns=Turns(read=1.0), reuse=Reuse(zipf=1.0), dirtied=0.4)
    table = rows(one(process=(process,), same_filled=0.0))
    loads = slots(table, "load")
    again = [(a, b) for a, b in itertools.pairwise(table) if a["op"] == "invalidate"]
    assert all(b["op"] == "store" and a["offset"] == b["offset"] for a, b in again[:-1])
    # Of the pages that were read and reclaimed; up to 1,000 of the last are still in memory.
    assert abs(len(again) - 0.4 * (len(loads) - 500)) < 5 * (len(loads) * 0.24) ** 0.5 + 0.4 * 500


@pytest.mark.parametrize("slot_cache", [True, False])
def test_6_1_invalidates_64_at_a_time_and_6_12_one_by_one(slot_cache):
    def runs(kernel: str) -> Counter[int]:
        table = rows(one(kernel=kernel, slot_cache=slot_cache))
        grouped = [(op, len(list(run))) for op, run in itertools.groupby(table, lambda row: row["op"])]
        return Counter(count for op, count in grouped[:-1] if op == "invalidate")  # the last is cut off

    assert max(runs("6.12")) < 10
    assert set(runs("6.1")) == {64} if slot_cache else max(runs("6.1")) < 10


def test_an_exit_frees_all_slots():
    exiting = Process("exiting", 2000, turns=Turns(write=0.5, new=0.5), exits=1.0)
    other = Process("other", 2000, turns=WRITES)
    phase = Phase(events=5000, slice_events=5000)
    recipe = one(process=(exiting, other), phase=(phase,), kernel="6.12", same_filled=0.0, events=100_000)
    table = rows(recipe)
    read(recipe, table)
    runs = [len(list(run)) for op, run in itertools.groupby(table, lambda row: row["op"]) if op == "invalidate"]
    assert max(runs) > 500


def test_an_exit_of_a_process_with_its_own_area_invalidates_that():
    owner = Process("owner", 2000, turns=Turns(write=0.5, new=0.5), exits=1.0, own_area_pages=3000)
    other = Process("other", 2000, turns=WRITES)
    recipe = one(process=(other, owner), phase=(Phase(5000, 5000),), events=100_000)
    table = rows(recipe)
    read(recipe, table)
    areas = [at for at, row in enumerate(table) if row["op"] == "invalidate_area"]
    assert len(areas) >= 3
    assert {table[at]["type"] for at in areas} == {1}
    # The area is as new: its first cluster comes first, and what waited to be freed is gone with the rest.
    for at in areas[:-1]:
        assert next(row["offset"] for row in table[at:] if row["op"] == "store" and row["type"] == 1) == 512


def test_a_fork_shares_slots_which_its_last_user_frees():
    parent = Process("parent", 2000, turns=Turns(read=1.0))
    child = Process("child", 2000, turns=WRITES, fork_of="parent", exits=1.0)
    recipe = one(process=(parent, child), phase=(Phase(4000, 4000),), same_filled=0.0, events=60_000)
    table = rows(recipe)
    read(recipe, table)
    loads: Counter[tuple[int, int]] = Counter()
    shared = 0
    for row in table:
        slot = (row["type"], row["offset"])
        if row["op"] == "store":
            loads[slot] = 0
        elif row["op"] == "load" and row["cpu"] == 0:
            loads[slot] += 1
            shared += loads[slot] == 2
    assert shared > 100
    alone = replace(recipe, process=(replace(parent, turns=WRITES), replace(child, fork_of="")))
    counts = Counter(slots(rows(alone), "load")) - Counter(slots(rows(alone), "store"))
    assert not counts  # nobody else has a page: once written to, it is stored before it is loaded again


def test_a_burst_frees_so_many_pages_at_once():
    recipe = one(phase=(Phase(events=5000), Phase(events=5000, burst_pages=600)), same_filled=0.0)
    runs = [len(list(run)) for op, run in itertools.groupby(rows(recipe), lambda row: row["op"]) if op == "store"]
    assert sum(run > 600 - 32 for run in runs) == 5  # when each second phase begins


def test_types_cpus_cgroups_and_housekeeping():
    a = Process("a", 3000, turns=WRITES, cgroup=7, sizes="fixed:700")
    b = Process("b", 3000, turns=WRITES, sizes="fixed:800", same_filled=0.0)
    recipe = one(process=(a, b), phase=(Phase(1000, 1000),), types=3, cpus=4, compact_every=1000, migrate_every=500)
    recipe = replace(recipe, cma_every=2000, cma_pages=33)
    table = rows(recipe)
    read(recipe, table)
    assert {row["type"] for row in table} == {0, 1, 2, None}
    assert {row["cpu"] for row in table} == {0, 1, 2, 3}
    stored = {(row["cgroup"], row["size"]) for row in table if row["op"] == "store"}
    assert stored == {(7, 700), (7, 0), (None, 800)}
    assert {row["cgroup"] for row in table if row["op"] != "store"} == {None}
    ops = Counter(row["op"] for row in table)
    assert (ops["compact"], ops["migrate"], ops["cma"]) == (49, 99, 24)
    assert {row["size"] for row in table if row["op"] == "cma"} == {33}
    assert recipe.metadata().cgroups == "7"


@pytest.mark.parametrize("name", ["compact", "migrate", "cma"])
def test_housekeeping_of_one_kind_alone_comes_every_so_many_events(name):
    table = rows(one(**{f"{name}_every": 1000}))
    at = [number for number, row in enumerate(table) if row["op"] == name]
    assert [number // 1000 for number in at] == [*range(1, 50)]  # as soon as a step has passed so many
    assert {table[number]["type"] for number in at} == {None}


def test_6_12_keeps_zero_filled_pages_from_zswap():
    ops = Counter(row["op"] for row in rows(one(kernel="6.12", same_filled=0.5)))
    assert near(ops["load"], ops["invalidate"], 0.5)  # each slot is freed, half of them were ever loaded
    assert all(row["size"] for row in rows(one(kernel="6.12", same_filled=0.5)) if row["op"] == "store")


def test_the_same_recipe_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synth(replace(small("phone"), seed=seed), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()
    found = json.loads(pq.read_metadata(tmp_path / "a").metadata[b"zreplay.synth"])
    assert found.pop("kind") == "workload"
    assert from_table(WorkloadRecipe, found) == replace(small("phone"), seed=1)


def test_a_scaled_recipe_has_the_shape_of_the_recipe():
    recipe = one(Reuse(zipf=0.5, uniform=0.5), kernel="6.12", same_filled=0.0, events=100_000)
    half = recipe.scaled(Fraction(1, 2))
    assert (half.events, half.memory_pages, half.area_pages, half.process[0].pages) == (50_000, 500, 10_000, 2000)
    assert half.phase[0] == Phase(events=500_000, slice_events=25_000)
    assert half.process[0].turns == recipe.process[0].turns
    most, most_of_half = (read(made, rows(made)) for made in (recipe, half))
    assert abs(most - 2 * most_of_half) <= 2 * 32


def test_a_recipe_that_comes_to_rest_says_so():
    # Whoever comes into the phase fits in memory as a whole, and nobody else wakes.
    recipe = one(process=(Process("a", 600), Process("b", 600)), phase=(Phase(processes=("a",)),))
    with pytest.raises(UsageError, match="the recipe comes to a point where nothing is swapped any more, after 0"):
        rows(recipe)


TOML = """kind = "workload"
memory_pages = 1000
area_pages = 20_000

[[process]]
name = "one"
pages = 4000
turns = { read = 0.5, write = 0.5 }
reuse = { zipf = 1.0 }

[[phase]]
processes = ["one"]
"""


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ("memory_pages", "memroy_pages", "memroy_pages: unknown key, expected one of .*; did you mean memory_pages?"),
        ("memory_pages = 1000", "", "memory_pages: missing, expected a whole number"),
        (
            "memory_pages = 1000",
            "memory_pages = 4000",
            "memory_pages: found 4,000, expected fewer than the 4,000",
        ),
        ("20_000", "3000", "area_pages: found 3,000, expected at least 3,352: the resident set is 3,032 pages"),
        ("20_000", "2e4", r"area_pages: found 20000.0, expected a whole number"),
        ("20_000", "-1", "area_pages: found -1, expected 1 to 134,217,727"),
        (
            "write = 0.5",
            "write = 0.4",
            "process 1: turns: shares: found read 0.5 . write 0.4 = 0.9, expected a sum",
        ),
        ("zipf = 1.0", "zip = 1.0", "process 1: reuse: zip: unknown key, expected one of .*; did you mean zipf?"),
        ("zipf = 1.0", "zipf = 1.5", "process 1: reuse: zipf: found 1.5, expected 0 to 1"),
        ("zipf = 1.0", "", "process 1: reuse: shares: found nothing = 0, expected a sum of 1"),
        ('name = "one"', "", "process 1: name: missing, expected text in quotes"),
        ('["one"]', '["noe"]', "phase 1: processes: found 'noe', expected some of one; did you mean one?"),
        ("[[phase]]", "[[phase]]\nat_once = 2", "phase 1: at_once: found 2, expected at most 1, the processes"),
        (
            "[[phase]]",
            '[[phase]]\norder = "zip"',
            "phase 1: order: found 'zip', expected .*; did you mean zipf?",
        ),
        ("pages = 4000", 'pages = 4000\nfork_of = "two"', "process 1: fork_of: found 'two', expected one of one"),
        ("pages = 4000", 'pages = 4000\nfork_of = "one"', "process 1: fork_of: found 'one' itself, expected another"),
        (
            "pages = 4000",
            "pages = 4000\nown_area_pages = 4319",
            "process 1: own_area_pages: found 4,319, .* 4,320",
        ),
        ("pages = 4000", 'pages = 4000\nsizes = "big"', "process 1: sizes: found big, expected mixed, uniform:LO-HI"),
        ("pages = 4000", "pages = 4000\ncount = 1025", "process 1: count: found 1025, expected 1 to 1,024"),
        ("area_pages", "types = 33\narea_pages", "types: found 33, expected 1 to 32"),
        ("area_pages", 'kernel = "6.2"\narea_pages', "kernel: found '6.2', expected one of 6.1, 6.12"),
        ("area_pages", "cluster_slots = 300\narea_pages", "cluster_slots: found 300, expected 256 or 512"),
        ('["one"]', '["one", "one"]', "phase 1: processes: found 'one' twice, expected each once"),
        (
            "pages = 4000",
            "pages = 100_000_000\ncount = 11",
            "process: found 1,100,000,000 pages of all, expected",
        ),
        ("[[process]]", "[process]", "process: found a table, expected an array"),
    ],
)
def test_a_recipe_that_cannot_be(tmp_path: Path, found, instead, message):
    path = tmp_path / "mine.toml"
    path.write_text(TOML.replace(found, instead, 1))
    with pytest.raises(UsageError, match=rf"^{path}: {message}") as error:
        read_recipe(path)
    assert "\n" not in str(error.value)
