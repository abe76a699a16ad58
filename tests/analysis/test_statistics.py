"""Intervals, ranks and corrections against numbers from the tables of their inventors; calibration on drawn times."""

import math
import random

import pytest

from zreplay.analysis.statistics import (
    bootstrap_interval,
    estimate,
    geometric_mean,
    holm,
    paired_ratio,
    rounds_needed,
    signed_rank_p,
)


def test_signed_ranks_all_on_one_side_have_the_chance_of_so_many_heads():
    assert signed_rank_p([1, 2, 3, 4, 5]) == 2 / 2**5
    assert signed_rank_p([-1, -2, -3, -4, -5, -6]) == 2 / 2**6


def test_a_signed_rank_sum_counts_the_choices_of_signs_as_far_out():
    # Ranks of the negative ones: 1 and 2, sum 3. Subsets of 1..5 with a sum of at most 3: {}, 1, 2, 3, 1+2: five.
    assert signed_rank_p([-1, -2, 3, 4, 5]) == 2 * 5 / 32


def test_zeros_are_left_out_and_equal_differences_share_a_rank():
    assert signed_rank_p([0, 0, 0]) == 1.0
    # Ranks 1.5, 1.5, 3; the negative has 1.5. Sums of at most 1.5: {}, and either of the two: three of eight.
    assert signed_rank_p([-1, 1, 2]) == 2 * 3 / 8


def test_the_ratios_interval_is_that_of_wilcoxons_table():
    # For n = 6 the table's critical value is 0: the interval reaches from the smallest to the largest mean.
    times = [1.01, 1.02, 1.03, 1.04, 1.05, 1.06]
    ratio = paired_ratio(times, [1.0] * 6)
    assert (ratio.low, ratio.high) == (pytest.approx(1.01), pytest.approx(1.06))
    assert ratio.value == pytest.approx(1.035, abs=2e-4)
    assert ratio.p == 2 / 64
    assert paired_ratio(times[:5], [1.0] * 5).low is None


@pytest.mark.parametrize("rounds", [6, 9, 12, 15, 20])
def test_the_interval_leaves_out_1_exactly_when_the_test_says_so(rounds):
    draw = random.Random(rounds)
    for _ in range(200):
        times = [math.exp(draw.gauss(0.01, 0.02)) for _ in range(rounds)]
        ratio = paired_ratio(times, [1.0] * rounds)
        assert ratio.low is not None and ratio.high is not None
        assert (ratio.p <= 0.05) == (ratio.low > 1 or ratio.high < 1)


def test_the_medians_bootstrap_interval_is_that_of_its_exact_distribution():
    # Of 15 values: P(a resample's median is among the 3 smallest) = P(Binomial(15, 3/15) >= 8) = 0.0042 and, among the
    # 4 smallest, P(Binomial(15, 4/15) >= 8) = 0.033; so the 4th and, by symmetry, the 12th value.
    assert bootstrap_interval(range(1, 16)) == (4, 12)
    assert estimate([7.0]).low is None
    assert estimate([3.0, 1.0, 2.0]).median == 2.0


def test_holm_multiplies_by_what_is_left_and_never_goes_down():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_more_comparisons_need_more_rounds():
    assert [rounds_needed(n) for n in (1, 2, 10)] == [6, 7, 9]


def test_a_geometric_mean_of_a_doubling_and_a_halving_is_no_change():
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)


ROUNDS = 20  # what docs/compare.md advises


def drawn_times(draw: random.Random, slowdown: float) -> tuple[list[float], list[float]]:
    """Times of a busy machine: rounds drift by 5 %, a time varies by 2 % within its round, one in 25 is disturbed."""
    rounds = [math.exp(draw.gauss(0, 0.05)) for _ in range(ROUNDS)]

    def times(factor: float) -> list[float]:
        disturbed = [1.2 if draw.random() < 0.04 else 1.0 for _ in rounds]
        return [
            factor * drift * hit * math.exp(draw.gauss(0, 0.02)) for drift, hit in zip(rounds, disturbed, strict=True)
        ]

    return times(slowdown), times(1.0)


def share_called_different(slowdown: float, comparisons: int, seed: int) -> float:
    draw = random.Random(seed)
    return sum(paired_ratio(*drawn_times(draw, slowdown)).p <= 0.05 for _ in range(comparisons)) / comparisons


def test_the_same_compared_with_itself_is_called_different_in_about_5_percent():
    assert 0.02 <= share_called_different(1.0, 200, seed=1) <= 0.08
    assert 0.04 <= share_called_different(1.0, 4000, seed=2) <= 0.055


def test_a_slowdown_of_3_percent_is_found():
    assert share_called_different(1.03, 200, seed=1) >= 0.9


def test_many_comparisons_at_once_are_wrong_together_in_at_most_5_percent_of_tables():
    draw = random.Random(3)
    wrong = 0
    for _ in range(300):
        p_values = [paired_ratio(*drawn_times(draw, 1.0)).p for _ in range(8)]
        wrong += min(holm(p_values)) <= 0.05
    assert wrong / 300 <= 0.075  # 5 % and twice the error of 300 draws
