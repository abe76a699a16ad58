"""Recipes fitted to traces: what is counted, worked out by hand."""

import importlib.util
import random
import sys
import tomllib
from pathlib import Path

import _zreplay
import pytest
from byhand import invalidate, load, store, trace, writeback

from zreplay import open_trace
from zreplay.errors import TraceError
from zreplay.trace.fit import FEWEST_ROWS, _sizes, fit, quantiles_of_bins, quantiles_of_sizes
from zreplay.trace.likeness import kolmogorov_smirnov, kolmogorov_smirnov_2d, portrait

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
