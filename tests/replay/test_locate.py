"""What a slot says of its object: by hand, and that no way of saying it changes an answer."""

from pathlib import Path

import pytest
from byhand import event, invalidate, load, store, trace
from comparing import small_trace

import zreplay
from zreplay.errors import UsageError
from zreplay.trace.files import open_trace

# 6.1's classes, with 8 bytes more than is asked for: 120 → class 128, 32 in a page; 104 → class 112, 73 in two pages,
# of which 37 start in the first; 88 → class 96; 72 → class 80, 51 in a page; 24 → class 32, 128.
ZSMALLOC = {"pool": "zsmalloc", "check_every": 1}


def many(count: int, size: int) -> list[dict]:
    return [store(slot, size) for slot in range(1, count + 1)]


@pytest.mark.parametrize(
    ("index", "locate", "size", "count", "spilled"),
    [
        ("radix-lowbit", "bits:5", 120, 64, 0),  # two pages of 32
        ("radix-lowbit", "bits:5", 104, 73, 5 + 4),  # 37 and 36
        ("radix-lowbit", "bits:4", 104, 73, 21 + 20),
        ("radix-lowbit", "bits:1", 104, 36, 34),
        ("radix-tag", "bits:3", 120, 64, 48),  # eight of each 32
        ("xarray", "bits:6", 88, 128, 0),  # 48 states are enough for 43
        ("xarray", "bits:6", 72, 255, 15),  # five pages of 51
        ("xarray", "value", 24, 256, 0),  # 128 of class 32 in each page
        ("xarray-64m", "value", 24, 256, 0),
        ("swap-table", "value", 24, 256, 0),
    ],
)
def test_objects_spill_from_the_number_a_slot_can_say(replay, index, locate, size, count, spilled):
    summary = replay(many(count, size), index=index, locate=locate, **ZSMALLOC)
    assert summary["objects_spilled"] == spilled
    assert (summary["stored_pages"], summary["handle_bytes"]) == (count, 8 * spilled)


@pytest.mark.parametrize(
    ("index", "locate", "expressible"),
    [("radix-lowbit", "bits:5", 2), ("xarray", "bits:6", 3), ("radix-tag", "bits:3", 8), ("xarray", "value", 0)],
)
def test_thirty_two_bit_pointers_leave_one_bit_three_tags_or_nothing(replay, index, locate, expressible):
    summary = replay(many(32, 120), index=index, locate=locate, pointer_bits=32, **ZSMALLOC)
    assert summary["objects_spilled"] == 32 - expressible


def test_a_cell_an_object_is_what_indirection_costs(replay):
    assert replay(many(10, 120), **ZSMALLOC)["handle_bytes"] == 80
    assert replay(many(10, 120), index="radix-lowbit", locate="indirect", **ZSMALLOC)["handle_bytes"] == 80
    assert replay(many(10, 120), index="xarray", locate="value", **ZSMALLOC)["handle_bytes"] == 0
    # z3fold: one slots object of 64 bytes for two pages with a header; the third page is headless.
    events = [store(1, 3000), store(2, 3000), store(3, 4000)]
    assert replay(events, index="radix-lowbit", pool="z3fold")["handle_bytes"] == 128
    assert replay(events, index="radix-lowbit", pool="z3fold", locate="bits:2")["handle_bytes"] == 0


#: Two zspages of two 2048-byte objects in one page each; one object of each goes, and compaction makes one of them.
SPARSE = [*many(4, 2040), invalidate(1), invalidate(3), event("compact")]


def test_compaction_rewrites_a_cell_or_a_slot(run):
    for options, cells, slots in [
        ({"index": "radix-lowbit"}, 1, 0),
        ({"index": "radix-lowbit", "locate": "bits:5"}, 0, 1),
        ({"index": "xarray", "locate": "value"}, 0, 1),
        ({"index": "xarray", "locate": "value", "pointer_bits": 32}, 1, 0),  # spilled: the cell, without a walk
    ]:
        done = run([*SPARSE, load(2), load(4)], **options, **ZSMALLOC)
        summary = done.summary()
        assert (summary["objects_copied"], summary["pool_pages_final"], summary["loads_hit"]) == (1, 1, 2)
        assert (summary["handles_rewritten"], summary["index_slots_rewritten"]) == (cells, slots), options
        compact = next(row for row in done.operations().collect().to_dicts() if row["op"] == "compact")
        # Slots 2 and 4 are in one leaf: a walk of one node for each slot rewritten.
        assert (compact["nodes_visited"], compact["slots_written"]) == (slots, slots), options


def test_a_spilled_object_stays_spilled_where_it_goes(replay):
    # 32 objects fill a page, of which 16 spill. All but the last go, and it moves to the page of 33.
    events = [*many(33, 120), *(invalidate(slot) for slot in range(1, 32)), event("compact"), load(32), load(33)]
    summary = replay(events, index="radix-lowbit", locate="bits:4", **ZSMALLOC)
    assert (summary["objects_copied"], summary["slots_spilled"], summary["loads_hit"]) == (1, 1, 2)
    assert (summary["handles_rewritten"], summary["index_slots_rewritten"]) == (1, 0)


def test_a_store_over_a_spilled_object_gives_its_cell_back(replay):
    for kernel, size in (("6.1", 120), ("3.12", 112)):  # 3.12 puts a header of 8 bytes in front
        events = [*many(32, size), store(32, 2000), load(32)]
        summary = replay(events, index="radix-lowbit", locate="bits:4", kernel=kernel, **ZSMALLOC)
        assert (summary["objects_spilled"], summary["slots_spilled"], summary["loads_hit"]) == (16, 15, 1)


def test_no_foreign_handles_where_slots_name_pages(replay):
    # 1 goes, 2 is alone and moves to 3's page: there its cell would be the old page's.
    events = [store(1, 1500), store(2, 1500), store(3, 1500), invalidate(1), event("migrate"), load(2), load(3)]
    held = replay(events, index="radix-lowbit", pool="z3fold")
    assert (held["pool_pages_final"], held["pages_migrated"], held["movable_percent"]) == (1, 0, 0)
    named = replay(events, index="radix-lowbit", pool="z3fold", locate="bits:2")
    assert (named["pool_pages_final"], named["pages_migrated"], named["loads_hit"]) == (1, 1, 2)
    # The slot of 2 when it moved, then both when their page did.
    assert (named["index_slots_rewritten"], named["handles_rewritten"]) == (3, 0)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    return small_trace(tmp_path_factory.mktemp("trace") / "mixed.parquet")


@pytest.mark.parametrize("kernel", ["3.12", "6.1"])
@pytest.mark.parametrize(
    "options",
    [
        {"index": "radix-tag", "locate": "bits:3"},
        {"index": "radix-lowbit", "locate": "bits:1"},
        {"index": "radix-lowbit", "locate": "bits:5"},
        {"index": "xarray", "locate": "bits:6"},
        {"index": "xarray", "locate": "value"},
        {"index": "xarray-64m", "locate": "value", "pointer_bits": 32},
        {"index": "swap-table", "locate": "value"},
        {"index": "array", "locate": "bits:2"},
    ],
    ids=str,
)
def test_what_slots_say_changes_no_answer(mixed, tmp_path, kernel, options):
    shared = {"pool": "zsmalloc", "kernel": kernel, "cma_every": 53, "check_every": 17}
    one = zreplay.run(zreplay.Config(trace=mixed, out=tmp_path / "a", index="radix-lowbit", **shared)).summary()
    two = zreplay.run(zreplay.Config(trace=mixed, out=tmp_path / "b", **options, **shared)).summary()
    for name in ("stored_pages", "pool_pages_mean", "loads_hit", "loads_missed", "stores_rejected", "pages_migrated"):
        assert one[name] == two[name], name
    assert one["objects_copied"] == two["objects_copied"] > 0
    moved = two["index_slots_rewritten"] + two["handles_rewritten"]
    assert moved == one["handles_rewritten"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"index": "rbtree", "locate": "bits:5"},
            "slots name zswap's entries, which hold handles; --index radix-lowbit",
        ),
        ({"index": "table", "locate": "value", "model": "zram"}, "slots name zswap's entries"),
        ({"kernel": "latest", "locate": "value"}, "slots name zswap's entries"),
        ({"index": "radix-lowbit", "pool": "zbud", "locate": "bits:1"}, "for z3fold and zsmalloc, found zbud"),
        ({"index": "radix-lowbit", "pool": "zbud", "locate": "indirect"}, "slots hold a page .* leave it out"),
        ({"index": "radix-lowbit", "locate": "value"}, "a slot of radix-lowbit holds no values; --index xarray does"),
        ({"index": "radix-lowbit", "locate": "bits:6"}, "a slot of radix-lowbit has room for bits:5 at most"),
        ({"index": "radix-tag", "locate": "bits:4"}, "room for bits:3 at most"),
        ({"index": "xarray", "locate": "bits:7"}, "room for bits:6 at most"),
        ({"index": "xarray", "locate": "bits"}, "found 'bits', expected indirect, bits:N, value or header"),
        ({"index": "xarray", "locate": "bits:0"}, "found 'bits:0', expected"),
        ({"index": "xarray", "locate": "bits:²"}, "found 'bits:²', expected"),
        ({"index": "radix-lowbit", "locate": "header"}, "v3 of the 2013 series is zbud's on 3.12.*--design zbud-v3"),
        ({"pointer_bits": 16}, "--pointer-bits: found 16, expected 32 or 64"),
    ],
)
def test_ways_that_do_not_go_together_are_refused_with_what_would(tmp_path, options, message):
    path = trace(tmp_path / "t.parquet", [store(1, 100)], pool="zsmalloc")
    with pytest.raises(UsageError, match=message):
        zreplay.Config(trace=path, out=tmp_path / "r", **options).resolved(open_trace(path).metadata)
