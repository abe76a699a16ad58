"""Designs are names for choices: what each resolves to, what beats what, what bounds bound."""

import _zreplay
import pytest
from byhand import event, load, store, trace
from comparing import small_trace

import zreplay
from zreplay.cli.run import command
from zreplay.errors import UsageError
from zreplay.replay.designs import DESIGNS
from zreplay.trace.files import open_trace


@pytest.fixture
def resolved(tmp_path):
    def resolved(**options):
        path = trace(tmp_path / "t.parquet", [store(1, 100)], pool="z3fold", totalram_pages=100)
        return zreplay.Config(trace=path, out=tmp_path / "r", **options).resolved(open_trace(path).metadata)

    return resolved


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ("zswap-3.12", ("3.12", "rbtree", "zbud", "pool-lru", False, "entry")),
        ("radix-tag", ("3.12", "radix-tag", "zbud", "pool-lru", True, "page")),
        ("radix-lowbit", ("3.12", "radix-lowbit", "zbud", "pool-lru", True, "page")),
        ("two-index", ("3.12", "radix-lowbit", "zbud", "inactive-lru", True, "page")),
        ("zbud-v3", ("3.12", "radix-lowbit", "zbud", "pool-lru", True, "header")),
        ("xarray", ("latest", "xarray", "zsmalloc", "entry-lru", False, "entry")),
        ("xarray-64m", ("latest", "xarray-64m", "zsmalloc", "entry-lru", False, "entry")),
        ("swap-table", ("latest", "swap-table", "zsmalloc", "entry-lru", False, "entry")),
        ("latest", ("latest", "xarray-64m", "zsmalloc", "entry-lru", False, "entry")),
        ("ideal", ("latest", "array", "ideal", "entry-lru", False, "entry")),
        ("ideal-packing", ("latest", "array", "ideal-packing", "entry-lru", False, "entry")),
        ("belady", ("latest", "xarray-64m", "zsmalloc", "belady", False, "entry")),
    ],
)
def test_what_a_design_is(resolved, design, expected):
    config = resolved(design=design)
    found = (config.kernel, config.index, config.pool, config.mm, config.movable, config.slots_hold)
    assert found == expected
    assert config.is_bound == DESIGNS[design].is_bound
    assert config.resolved(open_trace(config.trace).metadata) == config


def test_every_design_is_here_and_in_the_help():
    assert len(DESIGNS) == 12
    (option,) = (option for option in command.params if option.name == "design")
    assert all(f" {name}" in option.help for name in DESIGNS)


def test_what_is_given_stands_in_the_designs_place(resolved):
    config = resolved(design="radix-tag", index="rbtree", pool="zsmalloc", movable=False)
    assert (config.kernel, config.index, config.pool, config.movable) == ("3.12", "rbtree", "zsmalloc", False)
    assert resolved(design="zswap-3.12", kernel="6.1").same_filled is True


def test_without_a_design_the_trace_has_its_say(resolved):
    config = resolved()
    assert (config.kernel, config.pool, config.mm, config.design) == ("6.1", "z3fold", "pool-lru", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"design": "two-indx"}, "--design: found 'two-indx'.* did you mean two-index"),
        ({"design": "two-index", "pool": "zsmalloc"}, "--pool: found 'zsmalloc', expected zbud with --mm inactive-lru"),
        (
            {"design": "two-index", "kernel": "6.1"},
            "--mm: found 'inactive-lru', expected pool-lru with zswap of kernel 6.1",
        ),
        ({"design": "two-index", "driven": True}, "--driven: not with --mm inactive-lru"),
        ({"mm": "belady"}, "--mm: found 'belady', expected pool-lru"),
        ({"model": "zram", "mm": "pool-lru"}, "--mm: found 'pool-lru', expected none with zram"),
        ({"mm_load": "touch"}, "--mm-load: found 'touch'"),
        ({"mm_new_page": "middle"}, "--mm-new-page: found 'middle'"),
        ({"cma_percent": 0}, "--cma-percent: found 0, expected 1 to 100"),
        ({"cma_every": -1}, "--cma-every: found -1, expected at least 0"),
    ],
)
def test_what_does_not_go_together_names_the_option_that_mends_it(resolved, options, message):
    with pytest.raises(UsageError, match=message):
        resolved(**options)


def test_bounds_are_below_what_they_bound(tmp_path):
    path = small_trace(tmp_path / "t.parquet", totalram_pages=2000)
    found = {
        design: zreplay.run(zreplay.Config(trace=path, out=tmp_path / design, design=design)).summary()
        for design in ("latest", "ideal", "ideal-packing", "belady")
    }
    assert found["ideal"]["pool_pages_peak"] <= found["ideal-packing"]["pool_pages_peak"]
    assert found["ideal"]["pool_pages_mean"] < found["latest"]["pool_pages_mean"]
    assert found["ideal"]["index_bytes_peak"] == 8 * found["ideal"]["stored_pages_peak"]
    assert [found[design]["is_bound"] for design in found] == [False, True, True, True]


#: Three pages fit (limit 3 of 30, 10 %). Each object has a page of its own.
LOADED_LATER = [store(1, 4000), store(2, 4000), store(3, 4000), store(4, 4000)]


def test_belady_evicts_what_is_loaded_last_and_refuses_a_page_that_would_be(replay):
    options = {"design": "belady", "pool": "zsmalloc", "totalram_pages": 30, "max_pool_percent": 10}
    # 2 is loaded last of all, so it goes for 4.
    summary = replay([*LOADED_LATER, load(4), load(1), load(3), load(2)], **options)
    assert (summary["written_back_pages"], summary["loads_hit"], summary["loads_missed"]) == (1, 3, 1)
    # 4 is the last: refused, and nothing is evicted for it.
    summary = replay([*LOADED_LATER, load(3), load(1), load(2), load(4)], **options)
    assert (summary["written_back_pages"], summary["stores_rejected"], summary["loads_hit"]) == (0, 1, 3)
    # 1 is stored again before it is loaded, so what is there now is never loaded: it goes.
    summary = replay([*LOADED_LATER, store(1, 4000), load(4), load(3), load(2)], **options)
    assert (summary["written_back_pages"], summary["loads_hit"]) == (1, 3)


def test_an_area_that_goes_takes_its_future_loads_along(replay):
    options = {"design": "belady", "pool": "zsmalloc", "totalram_pages": 30, "max_pool_percent": 10}
    # What is loaded after its area has gone is not what was stored: 1 and 3 have no future, and one of them goes for 4.
    # Of another type the load still counts.
    area, other = event("invalidate_area", type=0), store(2, 4000, type=1)
    summary = replay(
        [store(1, 4000), other, store(3, 4000), store(4, 4000), load(4), area, load(1), load(2, type=1)], **options
    )
    assert (summary["written_back_pages"], summary["loads_hit"], summary["loads_missed"]) == (1, 2, 1)


def test_no_order_of_eviction_misses_less_than_belady(tmp_path):
    """Objects of one size, one a page: then the bound is exact, and the kernel's own order must not beat it."""
    path = small_trace(tmp_path / "t.parquet", totalram_pages=600, sizes=[4096])
    limits = {"max_pool_percent": 20, "accept_threshold_percent": 100}
    misses = {
        design: zreplay.run(zreplay.Config(trace=path, out=tmp_path / design, design=design, **limits)).summary()
        for design in ("latest", "belady")
    }
    assert misses["belady"]["loads_missed"] < misses["latest"]["loads_missed"]
    assert misses["belady"]["pool_pages_peak"] <= 120


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model": "zcache"}, "no model 'zcache latest entry-lru'; there are zswap 3.12"),
        ({"mm": "belady"}, "mm 'belady' without future_loads, expected those of the trace"),
        ({"kernel": "3.12", "mm": "inactive-lru", "pool": "z3fold"}, "reclaim by page of pool 'z3fold', expected zbud"),
    ],
)
def test_what_the_engine_has_not_it_names_itself(resolved, changed, says):
    """Settings that the command line would have refused before."""
    engine_settings = resolved(kernel="latest").engine_settings() | changed
    with pytest.raises(ValueError, match=says):
        _zreplay.Replay.make(None, None, **engine_settings)
