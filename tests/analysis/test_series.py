"""Curves cut down to a screen keep their peaks; runs with the same curve share one name."""

import random

import polars as pl
import pytest

from zreplay.analysis.series import curve, frontier, merged, shared_names


def frame(values):
    return pl.LazyFrame({"ts_ns": [i * 1_000_000_000 for i in range(len(values))], "v": values})


def test_a_short_curve_is_kept_whole():
    assert curve(frame([5, 7, 6]), "v", 0, 400) == [(0, 5), (1, 7), (2, 6)]


def test_of_each_pixel_column_the_lowest_and_the_highest_stay_in_their_order():
    # Two columns of four seconds each.
    assert curve(frame([3, 9, 1, 2, 5, 5, 8, 4]), "v", 0, 2) == [(1, 9), (2, 1), (6, 8), (7, 4)]


@pytest.mark.parametrize("samples", [1_000, 100_000])
def test_no_curve_has_more_than_two_points_a_pixel_and_its_peaks_survive(samples):
    draw = random.Random(1)
    values = [draw.randrange(1000) for _ in range(samples)]
    values[samples // 3] = 5000
    points = curve(frame(values), "v", 0, 300)
    assert len(points) <= 600
    assert max(points, key=lambda point: point[1]) == (samples // 3, 5000)


def test_readings_that_are_missing_are_left_out():
    assert curve(frame([None, 4, None]), "v", 0, 10) == [(1, 4)]
    assert curve(frame([None, None]).cast({"v": pl.Int64}), "v", 0, 10) == []


ALL = ["rbtree/zbud", "radix-tag/zbud", "rbtree/zsmalloc", "radix-tag/zsmalloc"]


def test_configurations_with_one_curve_are_named_by_what_they_share():
    curves = {name: [(0.0, 1.0 if "zbud" in name else 2.0)] for name in ALL}
    assert list(merged(curves, ALL)) == ["zbud", "zsmalloc"]


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ([ALL], ["all configurations"]),
        ([ALL[:1], ALL[1:2], ALL[2:]], ["rbtree/zbud", "radix-tag/zbud", "zsmalloc"]),
        ([[ALL[0], ALL[3]], ALL[1:2], ALL[2:3]], ["rbtree/zbud, radix-tag/zsmalloc", *ALL[1:3]]),
        ([[ALL[0], ALL[3]], [ALL[1], ALL[2]]], ["rbtree/zbud, radix-tag/zsmalloc", "radix-tag/zbud, rbtree/zsmalloc"]),
    ],
)
def test_shared_names_tell_the_groups_apart(groups, names):
    assert shared_names(groups, ALL) == names


def test_one_value_of_an_axis_is_no_axis():
    assert shared_names([["rbtree/zbud"], ["rbtree/zsmalloc"]], ["rbtree/zbud", "rbtree/zsmalloc"]) == [
        "rbtree/zbud",
        "rbtree/zsmalloc",
    ]


def test_the_frontier_has_what_no_other_beats_in_both():
    assert frontier([(0, 9), (1, 9), (2, 5), (2, 4), (3, 6), (4, 1)]) == [(0, 9), (2, 4), (4, 1)]
