"""Decided when the kernel decided: a store is let in at its call, whatever other tasks do until its row."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from byhand import event, invalidate, load, store, trace

import zreplay
from zreplay.replay import replaying
from zreplay.replay.calls import with_calls
from zreplay.replay.replaying import make_replay
from zreplay.trace.files import open_trace

BATCHES = (1, 7, 65_536)
#: 3000 bytes are a page of zbud's each, 4096 one of zsmalloc's. Limit: 50·20/100 = 10 pages.
KERNELS = {"6.1": ("zbud", 3000), "6.12": ("zsmalloc", 4096)}
TOTALRAM = 50


def called(row: dict[str, Any], rows: int, *, asked: int | None = None) -> dict[str, Any]:
    """A store that was called so many rows before its own, and asked the allocator `asked` rows before it."""
    return row | {"call_rows": rows, "call_ts_ns": 0, "alloc_rows": asked}


def observed(tmp_path: Path, events: Sequence[dict[str, Any]], batch_rows: int, **options: Any) -> pl.DataFrame:
    """The model's state after every row."""
    opened = open_trace(trace(tmp_path / "t.parquet", events))
    config = zreplay.Config(trace=opened.path, out=tmp_path, observe=True, check_every=1, **options)
    replay = make_replay(config.resolved(opened.metadata))
    frames = []
    for batch, calls in with_calls(opened, opened.batches(batch_rows=batch_rows)):
        replay.feed(batch, calls)
        frames.append(pl.DataFrame(pa.record_batch(replay.take_observations())))
    replay.finish()
    return pl.concat(frames)


@pytest.fixture
def results(tmp_path):
    """What the model says to every row, the same however the rows are batched."""

    def results(events: Sequence[dict[str, Any]], **options: Any) -> list[int]:
        whole, *others = [observed(tmp_path, events, rows, **options)["result"].to_list() for rows in BATCHES]
        assert all(other == whole for other in others)
        return whole

    return results


# ---- admission ----


def test_store_of_6_1_called_before_another_filled_the_pool_is_let_in(results):
    # Full above 10 pages, and pool_total_size is counted when a store succeeds: with 11 stored, a 12th is refused.
    options = {"kernel": "6.1", "pool": "zbud", "totalram_pages": TOTALRAM}
    filled = [store(slot, 3000) for slot in range(1, 12)]
    assert results([*filled, store(12, 3000)], **options) == [0] * 11 + [-12]
    # Called before the 11th's row, it saw 10 pages.
    assert results([*filled, called(store(12, 3000), 1)], **options) == [0] * 12


def test_store_of_6_12_called_before_another_filled_the_pool_is_let_in(results):
    # Full at 10 pages: the 11th is refused, unless it was called before the 10th's row.
    options = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": TOTALRAM}
    filled = [store(slot, 4096) for slot in range(1, 11)]
    assert results([*filled, store(11, 4096)], **options) == [0] * 10 + [-12]
    assert results([*filled, called(store(11, 4096), 1)], **options) == [0] * 11


@pytest.mark.parametrize("kernel", KERNELS)
def test_store_called_while_the_pool_was_full_is_refused_though_there_is_room_by_its_row(results, kernel):
    pool, size = KERNELS[kernel]
    options = {"kernel": kernel, "pool": pool, "totalram_pages": TOTALRAM, "accept_threshold_percent": 100}
    full = 11 if kernel == "6.1" else 10
    events = [*[store(slot, size) for slot in range(1, full + 1)], *[invalidate(slot) for slot in range(1, 6)]]
    assert results([*events, store(20, size)], **options)[-1] == 0
    assert results([*events, called(store(20, size), 5)], **options)[-1] == -12


def test_hysteresis_is_asked_about_at_the_call(results):
    # Limit 10, threshold 5. The 11th store finds the pool full. Five entries go, and with 5 pages left the pool takes
    # stores again. Called one row earlier, with 6, it does not yet.
    options = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": TOTALRAM, "accept_threshold_percent": 50}
    events = [*[store(slot, 4096) for slot in range(1, 12)], *[load(slot) for slot in range(6, 11)]]
    plain = results([*events, store(20, 4096)], paced=True, **options)
    assert (plain[10], plain[-1]) == (-12, 0)
    assert results([*events, called(store(20, 4096), 1)], paced=True, **options)[-1] == -12


def test_two_stores_called_before_the_pool_was_full_are_both_let_in(results):
    # A store looks at what is in the pool, not at what others are about to put there.
    options = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": TOTALRAM}
    events = [store(slot, 4096) for slot in range(1, 10)]
    events += [called(store(10, 4096), 0), called(store(11, 4096), 1), called(store(12, 4096), 2), store(13, 4096)]
    assert results(events, **options)[9:] == [0, 0, 0, -12]


def test_call_said_to_stand_before_the_trace_stands_at_its_begin(results):
    """A part of a trace has calls whose rows are in it and whose place is not."""
    options = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": TOTALRAM}
    events = [*[store(slot, 4096) for slot in range(1, 11)], called(store(11, 4096), 4_000_000_000)]
    assert results(events, **options) == [0] * 11


def test_calls_of_anything_but_a_store_decide_nothing(results):
    options = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": TOTALRAM}
    events = [store(1, 4096), load(1) | {"call_rows": 1}, invalidate(1) | {"call_rows": 2}]
    assert results(events, **options) == [0, 0, 0]


def test_recorded_decisions_stand_whatever_the_call_saw(results):
    options = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": TOTALRAM, "driven": True}
    events = [*[store(slot, 4096, result=0) for slot in range(1, 13)], called(store(13, None, result=-12), 5)]
    assert results(events, **options) == [0] * 12 + [-12]


# ---- the allocation ----


# Two objects of 2000 bytes share a page of zsmalloc's. (Nothing is kept for a store of zbud's, whose slots name pages.)


@pytest.fixture(params=[False, True], ids=["predicted", "driven"])
def pages(tmp_path, request):
    """The page that each store went to, the same however the rows are batched."""

    def pages(events: Sequence[dict[str, Any]], **options: Any) -> list[int]:
        options = {"driven": request.param, **options}
        whole, *others = [observed(tmp_path, events, rows, **options)["page"].to_list() for rows in BATCHES]
        assert all(other == whole for other in others)
        return whole

    return pages


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_store_that_found_no_room_makes_a_page_though_another_has_brought_one(pages, kernel):
    # The second asked before the first's row, when there was no page at all.
    first, second = store(1, 2000, result=0), store(2, 2000, result=0)
    assert pages([first, second], kernel=kernel, pool="zsmalloc") == [0, 0]
    assert pages([first, called(second, 1, asked=1)], kernel=kernel, pool="zsmalloc") == [0, 1]


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_store_that_found_room_keeps_it_though_another_comes_first(pages, kernel):
    # Slot 3 asked while slot 1's page had room; slot 2, which comes in between, then makes a page of its own.
    rows = [store(slot, 2000, result=0) for slot in (1, 2, 3)]
    assert pages(rows, kernel=kernel, pool="zsmalloc") == [0, 0, 1]
    assert pages([*rows[:2], called(rows[2], 1, asked=1)], kernel=kernel, pool="zsmalloc") == [0, 1, 0]


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_what_is_known_to_have_made_a_page_makes_one_where_the_recording_is_followed(pages, kernel):
    # A prediction of its own has its own pages.
    rows = [store(1, 2000, result=0), store(2, 2000, result=0) | {"made_pages": 1}]
    options = {"kernel": kernel, "pool": "zsmalloc"}
    assert pages(rows, driven=True, **options) == pages(rows, driven=False, paced=True, **options) == [0, 1]
    assert pages(rows, driven=False, **options) == [0, 0]


def test_what_is_known_to_have_found_room_is_not_looked_at_before(pages):
    # made_pages 0 says that the page which the first one brought was seen, however early the second asked.
    rows = [store(1, 2000, result=0), called(store(2, 2000, result=0), 1, asked=1) | {"made_pages": 0}]
    assert pages(rows, kernel="6.12", pool="zsmalloc") == [0, 0]


def test_store_that_was_refused_at_its_call_keeps_no_room(pages):
    # Limit: 2 pages of 10·20/100. Slot 9, called when the pool had them, asked for the room beside slot 3 and got none;
    # so slot 3's page goes when slot 3 does, and slot 4 makes a new one.
    rows = [store(slot, 2000, result=0) for slot in (1, 2, 3)]
    rows += [load(99), called(store(9, 2000, result=0), 1, asked=1), invalidate(3), store(4, 2000, result=0)]
    options = {"kernel": "6.12", "pool": "zsmalloc", "totalram_pages": 10, "accept_threshold_percent": 100}
    assert pages(rows, driven=False, **options) == [0, 0, 1, -1, -1, 1, 2]


# ---- any trace, any batches ----


def any_trace(seed: int, rows: int = 600) -> list[dict[str, Any]]:
    """Over 60 slots, with calls up to 20 rows before their own."""
    draw = random.Random(seed)
    events: list[dict[str, Any]] = []
    for number in range(rows):
        slot, choice = draw.randrange(60), draw.random()
        if choice < 0.5:
            back = draw.choice([0, 0, 1, 3, draw.randrange(20)])
            asked = draw.choice([None, draw.randrange(back + 1)])
            row = called(store(slot, draw.randrange(1, 3900), result=draw.choice([0, 0, -12])), back, asked=asked)
        else:
            row = load(slot) if choice < 0.7 else invalidate(slot) if choice < 0.98 else event("compact", result=0)
        events.append(row | {"ts_ns": number * 1000})
    return events


@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize(
    ("kernel", "pool"), [("6.1", "zbud"), ("6.12", "zsmalloc"), ("6.12", "zbud"), ("6.1", "z3fold")]
)
def test_replay_is_the_same_whatever_the_size_of_the_batches(tmp_path, kernel, pool, driven):
    for seed in range(5):
        options = {"kernel": kernel, "pool": pool, "driven": driven, "totalram_pages": 100}
        whole, *others = [observed(tmp_path, any_trace(seed), rows, **options) for rows in BATCHES]
        assert all(other.equals(whole) for other in others)


def test_run_directory_is_the_same_whatever_the_size_of_the_batches(tmp_path, monkeypatch):
    path = trace(tmp_path / "t.parquet", any_trace(7))
    summaries = []
    for rows in BATCHES:
        monkeypatch.setattr(replaying, "BATCH_ROWS", rows)
        config = zreplay.Config(trace=path, out=tmp_path / f"{rows}", kernel="6.12", totalram_pages=100)
        summary = zreplay.run(config).summary()
        summaries.append(
            {name: value for name, value in summary.items() if "second" not in name and "ns_per" not in name}
        )
    assert summaries[0] == summaries[1] == summaries[2]
    assert summaries[0]["stores_rejected"] > 0
