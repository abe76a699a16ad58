"""What zswap of Linux 6.12 decides, on traces small enough to work out by hand (kernel-model 2.7 and 2.10)."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from byhand import event, invalidate, load, store, trace, writeback

from zreplay.analysis.validate import validate

REMOVED_RETRY, ROTATE, SKIP, RETRY, STOP = 1, 2, 3, 4, 5
#: What the model says to a visit that it does not make.
NOT_MADE = -1


@pytest.fixture
def replay(replay):
    """4096 bytes are a page each in zsmalloc. With totalram_pages 50 the limit is 10 pages, the threshold 9."""
    return lambda events, **options: replay(events, **{"kernel": "6.12", "pool": "zsmalloc", **options})


@pytest.fixture
def observe(run):
    """The model's state after every event."""

    def observe(events: Sequence[dict[str, Any]], **options: Any) -> pl.DataFrame:
        settings = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": 50, "observe": True, **options}
        return run(events, **settings).observations().collect()

    return observe


def fill(pages: int, *, cgroup: int | None = None, first: int = 1) -> list[dict[str, Any]]:
    return [store(slot, 4096) | {"cgroup": cgroup} for slot in range(first, first + pages)]


def visit(slot: int, verdict: int, *, by: str = "limit", **columns: Any) -> dict[str, Any]:
    return event("visit", type=0, offset=slot, result=verdict, asked_by=by, **columns)


def missed(summary: dict[str, Any]) -> tuple[int, int]:
    """Loads that found nothing, and those that did."""
    return summary["loads_missed"], summary["loads_hit"]


# ---- the limit and its work ----


def test_pool_is_full_at_its_limit_and_takes_pages_again_at_its_threshold(replay):
    # The 11th store finds 10 pages and is refused. The work takes all ten referenced bits, then evicts the oldest: that
    # is enough. The 12th finds 9 pages and is let in.
    summary = replay([*fill(12), load(1), load(2)], totalram_pages=50)
    assert (summary["pool_pages_peak"], summary["pool_limit_hit"], summary["stores_rejected"]) == (10, 1, 1)
    assert (summary["writebacks"], summary["reject_hysteresis"], missed(summary)) == (1, 0, (1, 1))


def test_between_limit_and_threshold_stores_are_refused_and_the_work_runs_again(replay):
    # Limit 20, threshold 10. The 21st store: 16 visits take referenced bits, and the work gives up with 20 pages. Two
    # slots go: 18 pages are below the limit, above the threshold, so the 22nd is refused too.
    events = [*fill(21), load(1), load(2), *fill(1, first=22)]
    summary = replay(events, totalram_pages=100, accept_threshold_percent=50)
    assert (summary["pool_limit_hit"], summary["reject_hysteresis"], summary["stores_rejected"]) == (1, 1, 2)


def test_first_work_visits_sixteen_entries_and_later_ones_fifteen(replay):
    # One cgroup. The walk over cgroups goes on behind it when the work runs again, and comes to its end before anything
    # has been visited: a failure, one of 16. Limit 31, threshold 27: the first work takes 16 bits, the second 15; the
    # third evicts 1 to 4. Had the second visited 16, entry 1 would have gone then.
    assert replay(fill(33), totalram_pages=155)["writebacks"] == 0
    summary = replay([*fill(34), *[load(slot) for slot in (1, 2, 3, 4, 5)]], totalram_pages=155)
    assert (summary["pool_limit_hit"], summary["writebacks"], missed(summary)) == (3, 4, (4, 1))


def test_end_of_the_walk_in_the_midst_of_visits_is_no_failure(replay):
    # One cgroup, so the walk is at its end behind every visit. Ten bits are ten failures, and then all ten entries go;
    # were the ends failures as well, the work would give up in its eighth round.
    assert replay(fill(11), totalram_pages=50, accept_threshold_percent=0)["pool_pages_final"] == 0


def test_work_that_begins_at_the_end_of_the_walk_looks_at_the_pool_before_it_visits(replay):
    # The first work evicts 1 and stands behind the one cgroup; slot 12 fills the pool again. A store over slot 5 is
    # refused and drops its older entry: 9 pages, the threshold. The second work's walk is at its end, and it looks.
    summary = replay([*fill(12), store(5, 4096), load(1), load(2), load(5)], totalram_pages=50)
    assert (summary["pool_limit_hit"], summary["writebacks"], missed(summary)) == (2, 1, (2, 1))


def test_work_over_an_empty_lru_ends(replay):
    # Zero pages of limit: everything is refused, and there is nothing to visit.
    summary = replay(fill(3), totalram_pages=4)
    assert (summary["stores_rejected"], summary["pool_limit_hit"], summary["writebacks"]) == (3, 3, 0)


# ---- the LRU of each cgroup ----


def test_work_asks_the_cgroups_in_turn_and_goes_on_where_it_ended(replay):
    # Limit 4, threshold 3. The fifth store's work: 1 (of cgroup 1), 3 (of 2), 2, 4 lose their bits, then 1 is evicted.
    # The next work's turn is cgroup 2's: its oldest, 3, goes. In one LRU for all it would have been 2.
    events = [*fill(2, cgroup=1), *fill(2, cgroup=2, first=3), *fill(1, cgroup=1, first=5)]
    events += [*fill(1, cgroup=1, first=6), *fill(1, cgroup=1, first=7)]
    summary = replay([*events, *[load(slot) for slot in (1, 3)]], totalram_pages=20)
    assert (summary["pool_limit_hit"], summary["writebacks"], missed(summary)) == (2, 2, (2, 0))
    assert missed(replay([*events, *[load(slot) for slot in (2, 4, 6)]], totalram_pages=20)) == (0, 3)


def test_nodes_have_lists_of_their_own_as_cgroups_have(replay):
    events = [row | {"node": node} for node in (0, 1) for row in fill(2, first=1 + 2 * node)]
    events += [row | {"node": 0} for row in fill(3, first=5)]
    assert missed(replay([*events, load(1), load(3)], totalram_pages=20)) == (2, 0)


def test_cgroup_without_entries_is_passed_over(replay):
    # Cgroup 1's only entry has been loaded, and so has left. The work finds it empty, and asks cgroup 2.
    events = [*fill(1, cgroup=1), *fill(10, cgroup=2, first=2)]
    events = [*events[:5], load(1), *events[5:], *fill(1, cgroup=2, first=12)]
    summary = replay([*events, load(2), load(3)], totalram_pages=50)
    assert (summary["pool_limit_hit"], summary["writebacks"], missed(summary)) == (1, 1, (1, 2))


# ---- what is taken, what is refused ----


def test_loads_are_exclusive(replay):
    summary = replay([store(1, 100), load(1), load(1), invalidate(1)])
    assert (missed(summary), summary["stored_pages"], summary["invalidates_unknown"]) == ((1, 1), 0, 1)


def test_what_does_not_compress_is_refused_and_by_the_latest_kept(replay):
    # The compressor gave an error; it gave more than a page, which zsmalloc does not take.
    events = [store(1, None, result=-22), store(2, 5000, result=-22), store(3, 100)]
    summary = replay(events)
    assert (summary["stored_pages"], summary["stores_rejected"]) == (1, 2)
    assert (summary["reject_compress_fail"], summary["reject_alloc_fail"]) == (1, 1)
    summary = replay(events, kernel="latest")
    assert (summary["stored_pages"], summary["stores_rejected"]) == (3, 0)
    assert (summary["stored_incompressible_pages"], summary["compressed_bytes"]) == (2, 2 * 4096 + 100)


def test_zbud_refuses_what_compresses_poorly(replay):
    # 62 chunks of 64 bytes, and no header in front: 3968 bytes are the most.
    summary = replay([store(1, 3968), store(2, 3969), store(3, 4096)], pool="zbud")
    assert (summary["stored_pages"], summary["reject_compress_poor"], summary["stores_rejected"]) == (1, 2, 2)


@pytest.mark.parametrize(
    ("refused", "pool"),
    [(store(1, None, result=-22), "zsmalloc"), (store(1, 5000, result=-22), "zsmalloc"), (store(1, 4000), "zbud")],
    ids=["compressor", "allocator", "poor"],
)
def test_refused_store_drops_the_older_entry_of_its_slot(replay, refused, pool):
    summary = replay([store(1, 100), store(2, 100), refused, load(1), load(2)], pool=pool)
    assert (summary["stores_rejected"], missed(summary)) == (1, (1, 1))


def test_store_refused_by_the_limit_drops_the_older_entry_before_the_work_runs(replay):
    # 9 pages are left, which is the threshold; but the work visits one entry before it looks.
    summary = replay([*fill(10), *fill(1, first=5), load(5)], totalram_pages=50)
    assert (summary["pool_pages_final"], summary["writebacks"], missed(summary)) == (9, 0, (1, 0))


def test_store_that_would_evict_is_refused_if_all_pages_are_resident(replay):
    """lru evicts for a store until there is room. Without exclusive loads a loaded page is in the swap cache, and its
    entry stays: a pool of such entries was asked for the oldest for ever. With one that was not loaded, that goes."""
    loads = [load(slot) for slot in range(1, 11)]
    options = {"mm": "lru", "exclusive_loads": False, "totalram_pages": 50}
    refused = replay([*fill(10), *loads, store(11, 4096)], **options)
    assert (refused["stores_rejected"], refused["writebacks"], refused["pool_pages_peak"]) == (1, 0, 10)
    taken = replay([*fill(10), *loads[1:], store(11, 4096), load(1)], **options)
    assert (taken["stores_rejected"], taken["writebacks"], missed(taken)) == (0, 1, (1, 9))


def test_no_limit_is_applied_where_the_machines_memory_is_unknown(replay):
    assert replay(fill(100))["stores_rejected"] == 0


# ---- visits by pressure: when, and how many, the trace says ----


def test_memory_managers_visits_happen_when_the_trace_says(replay):
    # Two visits take bits, the third evicts entry 1, the oldest. Nobody has hit the limit.
    visits = [visit(1, ROTATE, by="pressure"), visit(2, ROTATE, by="pressure"), visit(1, REMOVED_RETRY, by="pressure")]
    summary = replay([*fill(2), *visits, load(1), load(2)])
    assert (summary["writebacks"], missed(summary), summary["pool_limit_hit"]) == (1, (1, 1), 0)


def test_whose_turn_it_is_the_model_knows_itself(observe):
    # The trace visits slot 2 first. To the model slot 1 is the oldest, and its bit goes.
    seen = observe([*fill(2), visit(2, ROTATE, by="pressure"), visit(1, ROTATE, by="pressure")])
    assert seen["visited"].to_list()[2:] == [1, 2]
    assert seen["result"].to_list()[2:] == [ROTATE, ROTATE]


def test_visits_are_of_the_cgroup_that_is_under_pressure(observe):
    events = [*fill(2, cgroup=1), *fill(1, cgroup=2, first=3)]
    seen = observe([*events, visit(3, ROTATE, by="pressure", cgroup=2), visit(3, 1, by="cgroup", cgroup=2)])
    assert seen["visited"].to_list()[3:] == [3, 3]
    assert seen["result"].to_list()[3:] == [ROTATE, REMOVED_RETRY]
    assert seen["stored_pages"].to_list()[3:] == [3, 2]


def test_visits_of_the_limits_work_are_the_models_own_affair_unless_it_is_paced(observe):
    seen = observe([*fill(2), event("shrink", asked_by="limit"), visit(1, ROTATE), visit(1, ROTATE), visit(1, 1)])
    assert seen["result"].to_list()[3:] == [NOT_MADE] * 3
    assert seen["stored_pages"].to_list()[-1] == 2


def test_page_that_was_resident_or_for_which_there_was_no_memory_is_an_input(observe, replay):
    # The verdict RETRY (or STOP) on the model's own oldest entry: it stays, at the other end of the list.
    visits = [visit(1, ROTATE, by="pressure"), visit(2, ROTATE, by="pressure"), visit(1, RETRY, by="pressure")]
    events = [*fill(2), *visits, visit(2, STOP, by="pressure"), visit(1, REMOVED_RETRY, by="pressure")]
    assert observe(events)["result"].to_list()[2:] == [ROTATE, ROTATE, RETRY, STOP, REMOVED_RETRY]
    summary = replay(events)
    assert (summary["writebacks"], summary["writebacks_failed"], summary["reject_reclaim_fail"]) == (1, 2, 2)


def test_failure_recorded_of_another_entry_says_nothing_of_the_models(observe):
    visits = [visit(1, ROTATE, by="pressure"), visit(2, ROTATE, by="pressure"), visit(2, RETRY, by="pressure")]
    assert observe([*fill(2), *visits])["result"].to_list()[-1] == REMOVED_RETRY


# ---- at recorded moments ----


def work(visits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The limit's work as the recording has it: its begin, what it did, its end with how many entries it visited."""
    made = sum(row["op"] == "visit" for row in visits)
    begin, end = (event("shrink", asked_by="limit", result=result) for result in (-115, made))
    return [begin, *visits, end]


TEN_BITS = [visit(slot, ROTATE) for slot in range(1, 11)]


def test_paced_work_begins_and_turns_to_entries_when_the_recorded_did(observe):
    # Queued by the 11th store, run two loads later. Ten visits take bits; the eleventh evicts slot 1, which leaves when
    # its page has been written; with 9 pages it is enough.
    visits = [*TEN_BITS, visit(1, REMOVED_RETRY), load(99), writeback(1)]
    seen = observe([*fill(11), load(98), load(98), *work(visits), load(1)], paced=True)
    assert seen["result"].to_list()[10] == -12
    assert seen["result"].to_list()[14:25] == [ROTATE] * 10 + [REMOVED_RETRY]
    assert seen["visited"].to_list()[14:25] == [*range(1, 11), 1]
    # Until the writeback's row the entry is still there.
    assert seen["stored_pages"].to_list()[24:27] == [10, 10, 9]
    assert seen["result"].to_list()[-1] == -1


def test_paced_work_without_a_refused_store_does_not_run(observe):
    # What the recorded kernel did for a limit of its own that this one does not have.
    seen = observe([*fill(2), *work([visit(1, ROTATE), visit(2, ROTATE)])], paced=True)
    assert seen["result"].to_list()[3:5] == [NOT_MADE] * 2


def test_paced_work_ends_when_the_model_has_enough(observe):
    # Threshold 9: one eviction. The recorded kernel, with a page more, made two.
    visits = [*TEN_BITS, visit(1, 1), writeback(1), visit(2, 1), writeback(2)]
    seen = observe([*fill(11), *work(visits), load(2)], paced=True)
    assert seen["result"].to_list()[12:23] == [ROTATE] * 10 + [REMOVED_RETRY]
    assert seen["result"].to_list()[24] == NOT_MADE
    assert seen["result"].to_list()[-1] == 0


def test_paced_work_gives_up_after_sixteen_failures_and_the_next_after_fifteen(observe):
    # Limit 31: as in the replay that is not paced.
    first = work([visit(slot, ROTATE) for slot in range(1, 18)])
    second = work([visit(slot, ROTATE) for slot in [*range(17, 32), 1]])
    seen = observe([*fill(32), *first, *fill(1, first=33), *second], paced=True, totalram_pages=155)
    results = seen["result"].to_list()
    assert results[33:50] == [ROTATE] * 16 + [NOT_MADE]
    assert results[53:69] == [ROTATE] * 15 + [NOT_MADE]


def test_recorded_end_of_the_work_is_the_models_too_and_the_rest_happens_at_once(observe):
    # The recorded work made three visits. The model takes the other seven bits, evicts slot 1, and 9 pages are enough.
    seen = observe([*fill(11), *work(TEN_BITS[:3]), load(1), load(2)], paced=True)
    assert seen["stored_pages"].to_list()[14:] == [10, 9, 9, 8]
    assert seen["result"].to_list()[-2:] == [-1, 0]
    # Limit 31, so that sixteen failures come first: two that were recorded, and fourteen.
    seen = observe([*fill(32), *work(TEN_BITS[:2])], paced=True, totalram_pages=155)
    assert seen["stored_pages"].to_list()[-1] == 31


def test_end_of_the_work_passes_over_a_cgroup_that_has_nothing_left(observe):
    # Threshold 10·50/100 = 5. It is cgroup 2's turn, whose two pages are gone; 2 to 8 lose their bits, 1 to 3 go.
    stores = [*fill(8, cgroup=1), *fill(3, cgroup=2, first=9)]
    begin, bit, end = work([visit(1, ROTATE, cgroup=1)])
    events = [*stores, begin, bit, invalidate(9), invalidate(10), end, visit(4, REMOVED_RETRY, by="pressure", cgroup=1)]
    seen = observe(events, paced=True, accept_threshold_percent=50)
    assert seen["stored_pages"].to_list()[-3:] == [8, 5, 5]
    assert seen["visited"].to_list()[-1] == 4


def test_page_for_which_there_was_no_memory_stays_when_its_write_is_recorded_to_have_failed(observe):
    visits = [visit(1, ROTATE, by="pressure"), visit(1, REMOVED_RETRY, by="pressure"), writeback(1, result=-12)]
    seen = observe([*fill(1), *visits, load(1)], paced=True)
    assert seen["stored_pages"].to_list()[-2:] == [1, 0]
    assert seen["result"].to_list()[-1] == 0


def test_paced_visits_by_pressure_leave_when_their_page_has_been_written(observe):
    visits = [visit(1, ROTATE, by="pressure"), visit(1, REMOVED_RETRY, by="pressure"), load(99), writeback(1)]
    seen = observe([*fill(1), *visits], paced=True)
    assert seen["result"].to_list()[1:3] == [ROTATE, REMOVED_RETRY]
    assert seen["stored_pages"].to_list()[2:] == [1, 1, 0]


# ---- driven ----


def test_driven_visits_say_what_they_did_to_the_entry_they_name(observe):
    visits = [visit(3, ROTATE), visit(1, RETRY), visit(2, SKIP), visit(2, STOP), visit(1, REMOVED_RETRY)]
    seen = observe([*fill(2), *visits, writeback(1), writeback(2, result=-12)], driven=True)
    assert seen["result"].to_list()[2:7] == [NOT_MADE, RETRY, SKIP, STOP, REMOVED_RETRY]
    assert seen["stored_pages"].to_list()[6:] == [2, 1, 1]


def test_driven_visits_that_failed_are_counted(replay):
    summary = replay([*fill(2), visit(1, RETRY), visit(2, STOP), visit(2, ROTATE)], driven=True)
    assert (summary["writebacks_failed"], summary["writebacks"], summary["stored_pages"]) == (2, 0, 2)


# ---- held against the kernel ----


def read(row: dict[str, Any], pages: int) -> dict[str, Any]:
    return row | {"seen_pool_pages": pages, "seen_stored": pages}


def recording() -> list[dict[str, Any]]:
    """Eleven stores, the last refused by a limit of 10 pages; its work takes ten bits and evicts slot 1."""
    stores = [read(store(slot, 4096, result=0), slot) for slot in range(1, 11)]
    visits = [*TEN_BITS, visit(1, REMOVED_RETRY), read(writeback(1), 9)]
    return [*stores, store(11, None, result=-12), *work(visits)]


def validated(tmp_path, events):
    metadata = {"source_kernel": "6.12.115", "pool": "zsmalloc", "totalram_pages": 50, "max_pool_percent": 20}
    return validate(trace(tmp_path / "t.parquet", events, accept_threshold_percent=90, **metadata))


def test_validate_takes_the_profile_of_the_recorded_release(tmp_path):
    assert validated(tmp_path, recording()).config.kernel == "6.12"


def test_validate_compares_visits_verdicts_and_decisions(tmp_path):
    result = validated(tmp_path, recording())
    for way in (result.driven, result.predicted):
        assert (way.victims.equal, way.victims.compared) == (11, 11)
        assert (way.verdicts.equal, way.verdicts.compared) == (11, 11)
        assert (way.decisions.equal, way.decisions.compared) == (11, 11)
        assert (way.events.equal, way.events.compared) == (11, 11)
        assert (way.stored.equal, way.stored.compared) == (11, 11)
        assert way.writebacks == (1, 1)


def test_validate_finds_a_victim_out_of_turn(tmp_path):
    # The recorded kernel visits slot 5 before slot 4: two turns are another's. Driven, the list follows the recording.
    events = recording()
    third = 10 + 1 + 1 + 3
    events[third], events[third + 1] = events[third + 1], events[third]
    result = validated(tmp_path, events)
    assert (result.driven.victims.equal, result.predicted.victims.equal) == (10, 9)
    assert result.driven.verdicts.equal == result.predicted.verdicts.equal == 11


def test_validate_finds_a_verdict_that_is_not_the_models(tmp_path):
    # Slot 1 is evicted on its first turn: the recorded kernel knows of no second chance. The model takes its bit.
    events = recording()
    events[12] = visit(1, REMOVED_RETRY)
    result = validated(tmp_path, events)
    assert result.predicted.verdicts.equal == 10
    assert result.driven.verdicts.equal == 11


def test_validate_counts_a_store_that_only_the_model_refuses(tmp_path):
    events = recording()
    events[10] = read(store(11, 4096, result=0), 11)
    decisions = validated(tmp_path, events[:11]).predicted.decisions
    assert (decisions.equal, decisions.compared) == (10, 11)
