"""--fail-if: what is written, what it means, and what it cannot decide."""

import pytest
from comparing import result

from zreplay.analysis.comparison import compare
from zreplay.analysis.metrics import METRICS, Assumptions
from zreplay.analysis.requirement import Requirement
from zreplay.errors import UsageError

PEAK = next(metric for metric in METRICS if metric.name == "pool_pages_peak")
NS = next(metric for metric in METRICS if metric.name == "ns_per_event")


def failing(tmp_path, text, *peaks):
    results = [result(tmp_path, pool=f"p{n}", summary={"pool_pages_peak": peak}) for n, peak in enumerate(peaks)]
    return Requirement.parse(text).failing(compare(results, [PEAK], Assumptions()))


@pytest.mark.parametrize(
    ("text", "peaks", "lines"),
    [
        ("pool_pages_peak > +2%", (100, 102, 103), ["rbtree/p2: 103 (+3.0%)"]),
        ("pool_pages_peak >= +2%", (100, 102, 90), ["rbtree/p1: 102 (+2.0%)"]),
        ("pool_pages_peak < -10%", (100, 91, 89), ["rbtree/p2: 89 (-11.0%)"]),
        ("pool_pages_peak != +0%", (100, 100, 101), ["rbtree/p2: 101 (+1.0%)"]),
        ("pool_pages_peak>100", (100, 101), ["rbtree/p1: 101"]),
        ("pool_pages_peak > 1,000", (1000, 1001), ["rbtree/p1: 1,001"]),
        ("pool_pages_peak == 100", (100, 5), ["rbtree/p0: 100"]),
        ("pool_pages_peak > +50%", (0, 0, 1), ["rbtree/p2: 1, the baseline has 0"]),
        ("pool_pages_peak > +2%", (100, 50), []),
    ],
)
def test_absolute_and_relative_conditions_list_the_rows_that_meet_them(tmp_path, text, peaks, lines):
    assert failing(tmp_path, text, *peaks) == [f"  {text}: {line}" for line in lines]


@pytest.mark.parametrize(
    "text",
    ["", "pool_pages_peak", "pool_pages_peak > 2%", "pool_pages_peak > +2", "> 3", "a => 3", "a > b", "a > 1; b"],
)
def test_anything_else_is_refused_with_the_two_forms(text):
    with pytest.raises(UsageError, match=r"--fail-if: found .*expected METRIC > NUMBER or, .* METRIC > \+NUMBER%"):
        Requirement.parse(text)


def test_a_row_without_the_metric_has_not_passed(tmp_path):
    results = [
        result(tmp_path, pool="a", summary={"pool_pages_peak": 1}),
        result(tmp_path, pool="b", summary={}),
    ]
    comparison = compare(results, [PEAK], Assumptions())
    assert "has no such metric" in Requirement.parse("pool_pages_peak > 5").failing(comparison)[0]


def test_times_meet_a_relative_limit_only_where_the_difference_is_resolved(tmp_path):
    results = [result(tmp_path, pool=pool) for pool in "abc"]
    base = [10.0 + i / 50 for i in range(10)]
    unclear = [t * (1.3 if i % 2 else 0.9) for i, t in enumerate(base)]
    times = [{"ns_per_event": t} for t in (base, [t * 1.1 for t in base], unclear)]
    comparison = compare(results, [NS], Assumptions(), times=times, seed=0)
    lines = Requirement.parse("ns_per_event > +5%").failing(comparison)
    assert len(lines) == 1 and "rbtree/b" in lines[0]


def test_what_cannot_be_decided_is_refused(tmp_path):
    two = compare([result(tmp_path, pool=pool) for pool in "ab"], [NS], Assumptions())
    with pytest.raises(UsageError, match="--replicates N measures them"):
        Requirement.parse("ns_per_event > +5%").check(NS, two)
    one = compare([result(tmp_path)], [PEAK], Assumptions())
    with pytest.raises(UsageError, match="there is only the baseline"):
        Requirement.parse("pool_pages_peak > +5%").check(PEAK, one)
