"""When two times differ: paired rounds, an exact interval for the ratio, Holm's correction.

Each round of a measurement times every configuration once, so a configuration gives one ratio to the baseline per
round and whatever slowed the whole round cancels. When nothing differs, a ratio and its inverse are equally likely;
that is all that Wilcoxon's signed-rank test asks, so its levels are exact from six rounds on, however heavy the tails
of a busy machine. The ratio is the Hodges-Lehmann estimate (the median of all means of two rounds, on a logarithmic
scale) with the interval of those ratios that the test does not reject ("Estimates of location based on rank tests",
Ann. Math. Statist. 34, 1963).

A table makes many comparisons. Each is judged at the level that Holm's correction leaves it ("A simple sequentially
rejective multiple test procedure", Scand. J. Statist. 6, 1979): the chance of any false difference among all is 5 %. A
difference is one when the interval at that level leaves out 1, which is when the corrected p is at most 0.05.

The time of one configuration is its median with a bootstrap interval. The bootstrap distribution of a median needs no
drawing: the chance that a resample's median is at most the k-th smallest value is a binomial tail (Maritz & Jarrett,
"A note on estimating the variance of the sample median", JASA 73, 1978), so the same rounds always give the same
interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from math import comb, exp, log
from statistics import median

LEVEL = 0.05


@dataclass(frozen=True)
class Estimate:
    """A median and its 95 % bootstrap interval, in the unit of the values; of one value, the value and no interval."""

    median: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Ratio:
    """A configuration's time over the baseline's.

    Attributes:
        value: the estimate.
        low, high: its 95 % interval, for this comparison alone; None with fewer than six rounds.
        p: smallest level at which this comparison alone would be called a difference.
    """

    value: float
    low: float | None
    high: float | None
    p: float


def estimate(values: Sequence[float]) -> Estimate:
    """Median of ``values`` (at least one) with its 95 % bootstrap interval."""
    low, high = bootstrap_interval(values) if len(values) > 1 else (None, None)
    return Estimate(median(values), low, high)


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the median, from its exact distribution.

    Of an even number, the interval is that of both middle values, so never too short.
    """
    ordered = sorted(values)
    count = len(ordered)
    ranks = range(1, count + 1)
    low = next(k for k in ranks if _rank_at_most(k, count, (count + 1) // 2) > LEVEL / 2)
    high = next(k for k in ranks if _rank_at_most(k, count, count // 2 + 1) >= 1 - LEVEL / 2)
    return ordered[low - 1], ordered[high - 1]


def _rank_at_most(k: int, count: int, rank: int) -> float:
    """Chance that the value of this rank in a resample of ``count`` is one of the ``k`` smallest of the sample."""
    share = k / count
    return sum(comb(count, i) * share**i * (1 - share) ** (count - i) for i in range(rank, count + 1))


def paired_ratio(times: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Compare times, all above 0, with the baseline's of the same rounds."""
    logs = [log(time / base) for time, base in zip(times, baseline, strict=True)]
    means = sorted((one + other) / 2 for one, other in combinations_with_replacement(logs, 2))
    low, high = None, None
    if (outside := _means_outside(len(logs))) is not None:
        low, high = exp(means[outside]), exp(means[-1 - outside])
    return Ratio(exp(median(means)), low, high, signed_rank_p(logs))


@lru_cache
def _means_outside(rounds: int) -> int | None:
    """How many of the sorted means lie below the 95 % interval, and as many above; None: there is no such interval."""
    ways = _ways(tuple(2 * rank for rank in range(1, rounds + 1)))[::2]
    outside, tail = None, 0
    for rank_sum, count in enumerate(ways):
        tail += count
        if 2 * tail > LEVEL * 2**rounds:
            return outside
        outside = rank_sum
    return outside


def signed_rank_p(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test: the chance of a rank sum as far out, signs being equally likely.

    Differences of 0 are left out, equal ones share their mean rank.
    """
    ordered = sorted((abs(value), value > 0) for value in differences if value)
    doubled: list[int] = []  # twice the rank: a whole number also where ranks are shared
    start = 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end][0] == ordered[start][0]:
            end += 1
        doubled += [start + 1 + end] * (end - start)
        start = end
    above = sum(rank for rank, (_, is_above) in zip(doubled, ordered, strict=True) if is_above)
    ways = _ways(tuple(doubled))
    tail = sum(ways[: min(above, sum(doubled) - above) + 1])
    return min(1.0, 2 * tail / sum(ways))


@lru_cache
def _ways(doubled_ranks: tuple[int, ...]) -> tuple[int, ...]:
    """In how many of the equally likely choices of signs the ranks above 0 have each (doubled) sum."""
    ways = [1] + [0] * sum(doubled_ranks)
    for rank in doubled_ranks:
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    return tuple(ways)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p corrected for the number of comparisons: at most 0.05 is a difference, whatever the number."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, which in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[which] * (len(p_values) - place)))
        corrected[which] = highest
    return corrected


def rounds_needed(comparisons: int) -> int:
    """The fewest rounds that can show a difference among so many comparisons: all rounds on one side."""
    rounds = 1
    while 2.0 ** (1 - rounds) * comparisons > LEVEL:
        rounds += 1
    return rounds


def geometric_mean(ratios: Sequence[float]) -> float:
    """Of ratios above 0, at least one."""
    return exp(sum(log(ratio) for ratio in ratios) / len(ratios))
