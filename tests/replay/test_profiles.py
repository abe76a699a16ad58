"""Profiles are defaults: each can be overridden on its own, and every one of them reaches the engine."""

from pathlib import Path

import pytest
from byhand import event, invalidate, load, store

import zreplay
from zreplay.errors import UsageError
from zreplay.replay.profiles import PROFILES
from zreplay.trace.files import TraceMetadata


def resolved(metadata=None, **options):
    return zreplay.Config(trace=Path("t"), out=Path("r"), **options).resolved(metadata or TraceMetadata())


@pytest.mark.parametrize(("model", "kernel"), PROFILES)
def test_what_is_not_given_is_the_profiles(model, kernel):
    config = resolved(model=model, kernel=kernel)
    profile = PROFILES[model, kernel]
    assert config.pool == profile.pools[0]
    for name, value in profile.defaults().items():
        assert getattr(config, name) == value, name


def test_a_given_value_stands_alone():
    config = resolved(kernel="latest", zsmalloc_chain=4, exclusive_loads=False)
    assert (config.zsmalloc_chain, config.exclusive_loads) == (4, False)
    assert (config.zsmalloc_rule, config.zsmalloc_groups) == ("b", 12)


def test_the_trace_has_a_say_before_the_profile():
    metadata = TraceMetadata(pool="z3fold", max_pool_percent=35, accept_threshold_percent=100, cpus=4)
    config = resolved(metadata)
    assert (config.pool, config.max_pool_percent, config.accept_threshold_percent) == ("z3fold", 35, 100)
    assert config.z3fold_cpus == 4
    assert resolved(metadata, max_pool_percent=10).max_pool_percent == 10


def test_the_traces_pool_counts_only_where_the_kernel_had_it():
    metadata = TraceMetadata(pool="z3fold")
    assert resolved(metadata, kernel="3.12").pool == "zbud"
    assert resolved(metadata, kernel="latest").pool == "zsmalloc"
    assert resolved(metadata, kernel="latest", pool="zbud").pool == "zbud"


def test_a_profile_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(
        UsageError, match=r"--kernel: found '3.12', expected one of 6.1, 6.12, latest with --model zram"
    ):
        resolved(model="zram", kernel="3.12")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "zcache"}, "--model: found 'zcache', expected one of zswap, zram"),
        ({"zsmalloc_chain": 17}, "--zsmalloc-chain: found 17, expected 4 to 16"),
        ({"zsmalloc_groups": 8}, "--zsmalloc-groups: found 8, expected 4 or 12"),
        ({"zsmalloc_rule": "c"}, "--zsmalloc-rule: found 'c'"),
        ({"z3fold_work": "never"}, "--z3fold-work: found 'never'"),
        ({"z3fold_cpus": 0}, "--z3fold-cpus: found 0, expected 1 to 127"),
        ({"missing_size": "median"}, "--missing-size: found 'median'"),
    ],
)
def test_values_that_cannot_be_name_their_option(options, message):
    with pytest.raises(UsageError, match=message):
        resolved(**options)


def pages(replay, events, **options):
    return replay(events, **options)["pool_pages_final"]


def test_exclusive_loads_under_frontswap_clear_its_bit(replay):
    summary = replay([store(1, 100), load(1), load(1)], exclusive_loads=True)
    assert (summary["loads_hit"], summary["loads_unknown"], summary["stored_pages"]) == (1, 1, 0)


def test_without_same_filled_handling_such_a_page_needs_room(replay):
    assert pages(replay, [store(1, 0)]) == 0
    assert pages(replay, [store(1, 0)], same_filled=False) == 1


def test_zsmalloc_chain(replay):
    # 3400 bytes: a page each with chains of 4; with 8 there is a class of 3408, six of them on five pages.
    events = [store(i, 3400) for i in range(1, 7)]
    assert pages(replay, events, pool="zsmalloc") == 6
    assert pages(replay, events, pool="zsmalloc", zsmalloc_rule="b", zsmalloc_chain=8) == 5


def test_zsmalloc_rule(replay):
    # Class 208 has zspages of 2 pages by rule a, of 3 by rule b.
    assert pages(replay, [store(1, 200)], pool="zsmalloc") == 2
    assert pages(replay, [store(1, 200)], pool="zsmalloc", zsmalloc_rule="b") == 3


def test_zsmalloc_groups(run):
    # Only four groups have these names.
    def almost_empty(groups):
        rows = run([store(1, 1000)], pool="zsmalloc", zsmalloc_groups=groups).classes().collect()
        return rows["almost_empty"].to_list()[-1]

    assert (almost_empty(4), almost_empty(12)) == (1, None)


# z3fold. 47 chunks of 62 a page; 8 chunks go to the second of them, and are alone there when its first object goes.
LONE = [store(1, 3000), store(2, 3000), store(3, 500), invalidate(2)]


def test_z3fold_work(replay):
    assert pages(replay, LONE, pool="z3fold") == 1  # moved to the first page at once
    assert pages(replay, LONE, pool="z3fold", z3fold_work="deferred") == 2
    paused = [*LONE, load(1) | {"ts_ns": 5_000_000}]
    assert pages(replay, paused, pool="z3fold", z3fold_work="deferred") == 1
    summary = replay([*LONE, event("compact")], pool="z3fold", z3fold_work="deferred")
    assert (summary["pool_pages_final"], summary["pages_compacted"], summary["objects_copied"]) == (1, 1, 1)


def test_z3fold_cpus(replay):
    # Another CPU's pages are looked at only for an exact fit: 16 chunks, and the page has 46.
    events = [store(1, 1000) | {"cpu": 0}, store(2, 1000) | {"cpu": 1}]
    assert pages(replay, events, pool="z3fold") == 1
    assert pages(replay, events, pool="z3fold", z3fold_cpus=2) == 2


def test_z3fold_stays_claimed(replay):
    # The migrated page has room for the second object, but nobody takes it.
    events = [store(1, 1000), event("migrate"), store(2, 1000)]
    assert pages(replay, events, pool="z3fold") == 2
    assert pages(replay, events, pool="z3fold", z3fold_stays_claimed=False) == 1


@pytest.mark.parametrize("kernel", ["3.12", "6.1", "latest"])
def test_migration_is_served_by_pools_with_handles_and_counted_for_zbud(replay, kernel):
    # Two objects start in the one page.
    events = [store(1, 1500), store(2, 1500), event("migrate")]
    for pool, rewritten in (("zsmalloc", 2), ("z3fold", 2), ("zbud", 0)):
        summary = replay(events, pool=pool, kernel=kernel)
        assert summary["migrations"] == 1
        assert summary["migrations_not_movable"] == (pool == "zbud")
        assert (summary["handles_rewritten"], summary["index_slots_rewritten"]) == (rewritten, 0), pool
        assert summary["migrations_refused"] == 0


def test_migration_is_refused_where_there_is_no_page_or_the_page_is_claimed(replay):
    assert replay([event("migrate")], pool="zsmalloc")["migrations_refused"] == 1
    twice = [store(1, 1000), event("migrate"), event("migrate")]
    assert replay(twice, pool="z3fold")["migrations_refused"] == 1
