"""What is searched: which combinations there are, and which of them are one replay."""

import pytest
from byhand import store, trace
from comparing import small_trace

from zreplay.errors import UsageError
from zreplay.trace.files import open_trace
from zreplay.tune.space import candidates


def space(path, totalram_pages=None, **axes):
    return candidates(path, open_trace(path).metadata, axes, totalram_pages)


def test_by_default_each_kernel_with_its_pools_ten_limits_and_four_thresholds(tmp_path):
    found = space(small_trace(tmp_path / "t.parquet", source_kernel="6.12.1"))
    assert len(found) == 6 * 10 * 4
    assert found[0].name == "6.12 zsmalloc, limit 5 %, accept 90 %"  # the trace's own kernel, the usual threshold
    pairs = dict.fromkeys((one.config.kernel, one.config.pool) for one in found)
    assert list(pairs) == [
        ("6.12", "zsmalloc"),
        ("6.12", "zbud"),
        ("6.1", "zbud"),
        ("6.1", "z3fold"),
        ("6.1", "zsmalloc"),
        ("latest", "zsmalloc"),
    ]


def test_a_threshold_that_makes_no_difference_is_one_candidate(tmp_path):
    path = small_trace(tmp_path / "t.parquet")
    found = space(
        path, design=["zswap-3.12", "two-index"], max_pool_percent=[10, 20], accept_threshold_percent=[80, 90]
    )
    assert [one.name for one in found] == ["zswap-3.12, limit 10 %", "zswap-3.12, limit 20 %", "two-index"]


def test_designs_that_are_the_same_replay_are_one_candidate(tmp_path):
    path = small_trace(tmp_path / "t.parquet")
    found = space(path, design=["latest", "xarray-64m"], max_pool_percent=[10], accept_threshold_percent=[90])
    assert [one.name for one in found] == ["latest, limit 10 %, accept 90 %"]


def test_pools_of_the_trace_s_own_kernel_if_no_kernel_is_named(tmp_path):
    path = small_trace(tmp_path / "t.parquet", source_kernel="6.1.0")
    found = space(path, pool=["zbud", "zsmalloc"], max_pool_percent=[20], accept_threshold_percent=[90])
    assert [(one.config.kernel, one.config.pool) for one in found] == [("6.1", "zbud"), ("6.1", "zsmalloc")]


def test_a_recording_of_zram_has_zram_among_them_without_a_limit(tmp_path):
    path = small_trace(tmp_path / "t.parquet", model="zram", source_kernel="6.1.0")
    found = space(path)
    assert [one.name for one in found[:3]] == ["6.1 zram", "6.12 zram", "6.1 zbud, limit 5 %, accept 90 %"]
    assert len(found) == 2 + 240


def test_limits_of_a_machine_of_unknown_size_are_refused_and_the_size_can_be_told(tmp_path):
    path = trace(tmp_path / "t.parquet", [store(1, 100)])
    with pytest.raises(UsageError, match="--totalram-pages"):
        space(path)
    assert space(path, totalram_pages=1000)[0].limit_pages == 50
