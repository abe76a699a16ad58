"""Expressions over metrics: values worked out by hand, and everything that is no arithmetic."""

from math import inf

import pytest

from zreplay.analysis.expression import Condition, Expression
from zreplay.errors import UsageError

ROW = {"device_reads": 120, "pool_pages_mean": 2500.0, "writebacks": 0, "hit_percent": 97.5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("device_reads + 0.1*pool_pages_mean", 370.0),
        ("device_reads", 120.0),
        ("-device_reads + 2**3", -112.0),
        ("(device_reads - 20) / 8", 12.5),
        ("max(device_reads, pool_pages_mean, 7)", 2500.0),
        ("min(device_reads, 7) + abs(3 - 10)", 14.0),
        ("2 * device_reads ** 2", 28800.0),
        ("100 - hit_percent", 2.5),
        ("1e3", 1000.0),
        ("device_reads / writebacks", inf),
        ("10.0 ** 10 ** 10", inf),
        ("(0 - device_reads) ** 0.5", inf),
    ],
)
def test_values(text, value):
    assert Expression.parse(text, "--minimise").value(ROW) == value


def test_names_are_in_order_and_once():
    assert Expression.parse("b + a*b + min(c, a)", "--minimise").names == ("b", "a", "c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "device_reads +",
        "device_reads; 1",
        "__import__('os')",
        "device_reads.real",
        "device_reads[0]",
        "abs(1, 2)",
        "max(1)",
        "round(device_reads)",
        "device_reads if writebacks else 1",
        "'text'",
        "True",
        "1j",
        "device_reads // 2",
        "device_reads % 2",
        "a < b",
        "min(a, b, key=c)",
        "(" * 300 + "a" + ")" * 300,
        "a + " * 400 + "a",
    ],
)
def test_what_is_no_arithmetic_over_metrics_is_refused_in_one_line(text):
    with pytest.raises(UsageError) as error:
        Expression.parse(text, "--minimise")
    assert "--minimise" in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 1400


@pytest.mark.parametrize(
    ("text", "is_met", "excess"),
    [
        ("device_reads <= 120", True, 0.0),
        ("device_reads < 120", False, 0.0),
        ("device_reads <= 100", False, 20.0),
        ("hit_percent >= 99", False, 1.5),
        ("hit_percent > 97", True, -0.5),
        ("pool_pages_mean + device_reads <= 2*1300", False, 20.0),
        ("8000 >= pool_pages_mean", True, -5500.0),
    ],
)
def test_conditions(text, is_met, excess):
    condition = Condition.parse(text, "--subject-to")
    assert (condition.is_met(ROW), condition.excess(ROW)) == (is_met, excess)


def test_an_excess_is_added_up_as_a_share_of_the_right_side():
    assert Condition.parse("device_reads <= 100", "--subject-to").share(ROW) == 0.2
    assert Condition.parse("device_reads <= 0", "--subject-to").share(ROW) == 120.0
    assert Condition.parse("device_reads <= 500", "--subject-to").share(ROW) == 0.0


@pytest.mark.parametrize("text", ["device_reads", "1 < a < 3", "a == 3", "a != 3", "a in b", "not a < 3", "a <"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UsageError, match="--subject-to"):
        Condition.parse(text, "--subject-to")
