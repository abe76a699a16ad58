"""Pages that move: which can, what each costs by design, what CMA gets. Costs are those of kernel-model 7.8."""

import pytest
from byhand import event, invalidate, load, store, writeback

#: One page with both buddies; its slots are in one leaf of any radix tree.
TWO_IN_A_PAGE = [store(1, 1000), store(2, 1000)]


def moved(run, design, events=TWO_IN_A_PAGE, **options):
    """The row of costs of one migration, and the summary."""
    done = run([*events, event("migrate")], design=design, **options)
    rows = {row["op"]: row for row in done.operations().collect().to_dicts()}
    return rows["migrate"], done.summary()


@pytest.mark.parametrize(
    ("design", "options", "nodes", "slots"),
    [
        # (a): each buddy a descent (of 1 and 2 entries, one of them is the root) and a write into its entry.
        ("zswap-3.12", {"movable": True}, 1 + 2, 2),
        ("radix-tag", {}, 2, 2),
        ("radix-lowbit", {}, 2, 2),
        ("zbud-v3", {}, 2, 2),
        ("two-index", {}, 2, 2),
    ],
)
def test_each_object_of_a_moved_page_costs_a_header_a_walk_and_a_slot(run, design, options, nodes, slots):
    cost, summary = moved(run, design, **options)
    assert (cost["page_headers_read"], cost["nodes_visited"], cost["slots_written"]) == (2, nodes, slots)
    assert cost["tag_words_written"] == 0, "positions do not change, so tags do not"
    # (a)'s slots name entries, which are told in their place.
    rewritten = "handles_rewritten" if design == "zswap-3.12" else "index_slots_rewritten"
    assert (summary["pages_migrated"], summary["objects_migrated"], summary[rewritten]) == (1, 2, 2)
    assert (summary["movable_percent"], summary["migrations_refused"], summary["pool_pages_final"]) == (100, 0, 1)
    assert (summary["moved_page_slots_written"], summary["moved_page_page_headers_read"]) == (2, 2)


def test_the_memory_managers_index_pays_one_slot_for_a_page(run):
    assert moved(run, "two-index", [store(1, 3000), store(2, 3000)])[0]["mm_slots_written"] == 1
    assert moved(run, "radix-lowbit")[0]["mm_slots_written"] == 0


def test_objects_are_found_where_they_went(replay):
    events = [*TWO_IN_A_PAGE, event("migrate"), load(1), load(2), store(3, 3000), event("migrate"), event("migrate")]
    for design in ("radix-tag", "radix-lowbit", "zbud-v3", "two-index"):
        summary = replay([*events, load(1), load(2), load(3)], design=design)
        assert (summary["loads_hit"], summary["pages_migrated"]) == (5, 3), design


def test_zbud_as_merged_cannot_move(run):
    cost, summary = moved(run, "zswap-3.12")
    assert (cost["nodes_visited"], summary["movable_percent"], summary["migrations_not_movable"]) == (0, 0, 1)


@pytest.mark.parametrize(("pool", "movable"), [("zbud", 0), ("z3fold", 100), ("zsmalloc", 100)])
def test_what_6_1_can_move(replay, pool, movable):
    assert replay(TWO_IN_A_PAGE, pool=pool)["movable_percent"] == movable


def test_z3fold_pins_headless_pages_and_the_pages_it_has_moved(replay):
    assert replay([store(1, 4000)], pool="z3fold")["movable_percent"] == 0
    summary = replay([store(1, 1000), event("migrate"), event("migrate")], pool="z3fold")
    assert (summary["pages_migrated"], summary["migrations_refused"], summary["migrations_again"]) == (1, 1, 0)


def test_a_page_under_reclaim_is_asked_again(replay):
    begun = [*TWO_IN_A_PAGE, event("shrink", result=0), event("migrate"), writeback(1), writeback(2)]
    summary = replay(begun, driven=True, movable=True)
    assert (summary["migrations_refused"], summary["migrations_again"], summary["pages_migrated"]) == (1, 1, 0)


def test_the_latest_zswap_names_entries_so_no_slot_changes(replay):
    events = [*TWO_IN_A_PAGE, event("migrate"), load(1), load(2)]
    summary = replay(events, kernel="latest", index="radix-lowbit", movable=True)
    assert (summary["pages_migrated"], summary["index_slots_rewritten"], summary["handles_rewritten"]) == (1, 0, 2)
    assert summary["loads_hit"] == 2


PAGES = [store(slot, 3000) for slot in range(1, 41)]


def test_cma_takes_as_many_pages_as_its_row_says(replay):
    summary = replay([*PAGES, event("cma", size=7)], design="radix-lowbit")
    assert (summary["evacuations"], summary["evacuations_failed"], summary["pages_migrated"]) == (1, 0, 7)
    more = replay([*PAGES, event("cma", size=5000)], design="radix-lowbit")
    assert more["pages_migrated"] == 40


@pytest.mark.parametrize("options", [{"kernel": "6.12"}, {"kernel": "latest"}, {"model": "zram", "kernel": "6.12"}])
def test_cma_takes_pages_of_every_model(replay, options):
    summary = replay([*PAGES, event("cma", size=7)], pool="zsmalloc", movable=True, **options)
    assert (summary["evacuations"], summary["evacuations_failed"], summary["pages_migrated"]) == (1, 0, 7)


def test_cma_without_a_number_takes_a_share_rounded_up(replay):
    events = [*PAGES, store(41, 3000), event("cma")]
    assert replay(events, design="radix-lowbit")["pages_migrated"] == 5  # 10 % of 41
    assert replay(events, design="radix-lowbit", cma_percent=100)["pages_migrated"] == 41


def test_cma_of_an_empty_pool_is_had_for_nothing(replay):
    for design in ("radix-lowbit", "zswap-3.12"):
        summary = replay([event("cma")], design=design)
        assert (summary["evacuations"], summary["evacuations_failed"], summary["migrations"]) == (1, 0, 0)


def test_cma_fails_where_pages_are_pinned(replay):
    summary = replay([*PAGES, event("cma", size=7)], design="zswap-3.12")
    assert (summary["evacuations_failed"], summary["migrations_not_movable"], summary["pages_migrated"]) == (1, 7, 0)
    headless = replay([store(1, 4000), store(2, 1000), event("cma", size=2)], pool="z3fold")
    assert (headless["evacuations_failed"], headless["pages_migrated"], headless["migrations_again"]) == (1, 1, 0)


def test_cma_comes_every_so_many_events_beside_the_traces_own(run):
    done = run([*PAGES, event("cma", size=1)], design="radix-lowbit", cma_every=10)
    summary = done.summary()
    # After 10, 20, 30 and 40 stores a tenth: 1 + 2 + 3 + 4 pages, and the row's.
    assert (summary["evacuations"], summary["pages_migrated"], summary["events"]) == (5, 11, 41)
    rows = {row["op"]: row["count"] for row in done.operations().collect().to_dicts()}
    assert rows["cma"] == 5


def test_cma_moves_whole_pages_of_zsmalloc_once_each(replay):
    # 1568-byte objects: 5 in 2 pages (6.1), so pages and objects are not one to one.
    events = [store(slot, 1550) for slot in range(1, 51)]
    summary = replay([*events, event("cma", size=20), *(load(slot) for slot in range(1, 51))], pool="zsmalloc")
    assert summary["pool_pages_final"] == summary["pages_migrated"] == 20
    assert (summary["objects_migrated"], summary["loads_hit"]) == (50, 50)


@pytest.mark.parametrize("design", ["zswap-3.12", "zbud-v3"])
def test_v3_takes_what_the_header_of_8_bytes_leaves_no_room_for(replay, design):
    summary = replay([store(1, 3968)], design=design)
    assert summary["stored_pages"] == (design == "zbud-v3")


def test_v3_refuses_a_store_over_an_older_object_which_then_is_out_of_reach(replay):
    summary = replay([store(1, 1000), store(1, 500), load(1), store(1, 200)], design="zbud-v3")
    assert (summary["reject_exists"], summary["stores_rejected"], summary["loads_unknown"]) == (2, 2, 1)
    assert (summary["stored_pages"], summary["compressed_bytes"], summary["pool_pages_final"]) == (1, 1000, 1)
    merged = replay([store(1, 1000), store(1, 500), load(1)], design="zswap-3.12")
    assert (merged["reject_exists"], merged["duplicate_entry"], merged["loads_hit"]) == (0, 1, 1)


def test_cma_takes_pages_of_a_zspage_in_which_no_object_starts(replay):
    # One object of class 2720: 2 pages for 3 objects (6.1), so one of the pages has nobody to be told.
    summary = replay([store(1, 2700), event("cma", size=100)], pool="zsmalloc")
    assert (summary["pool_pages_final"], summary["pages_migrated"], summary["objects_migrated"]) == (2, 2, 1)


def test_a_page_that_its_own_work_has_emptied_needs_no_second_try(replay):
    # 1 goes, so the page waits for its work, which takes 2 to the page of 3: the range is clear.
    events = [store(1, 1500), store(2, 1500), store(3, 1500), invalidate(1), event("cma", size=2)]
    summary = replay(events, pool="z3fold", z3fold_work="deferred")
    assert (summary["evacuations_failed"], summary["migrations_again"]) == (0, 1)


def test_a_number_of_pages_as_large_as_the_column_holds_is_a_number(replay):
    assert replay([*PAGES, event("cma", size=2**32 - 1)], design="radix-lowbit")["pages_migrated"] == 40


def test_what_workers_do_costs_the_same_whoever_is_watching(run):
    """The pool's deferred work was charged to whatever came before it, or to nobody after a check."""
    steps = [store(1, 1500), store(2, 1500), store(3, 1500), invalidate(1), load(3)]
    events = [step | {"ts_ns": 2_000_000 * number} for number, step in enumerate(steps)]
    rows = []
    for options in ({"check_every": 0}, {"check_every": 1}, {"check_every": 0, "observe": True}):
        done = run(events, pool="z3fold", z3fold_work="deferred", **options)
        rows.append(done.operations().select("op", "count", "page_headers_read").collect().rows())
    assert rows[0] == rows[1] == rows[2]
    headers = {op: read for op, _, read in rows[0]}
    assert headers["compact"] == 2  # 1's page, and the one found for 2
