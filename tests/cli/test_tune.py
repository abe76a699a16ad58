"""`zreplay tune`: what is printed where, exit codes, and every way to ask for the wrong thing."""

import json
from pathlib import Path

import pytest
from byhand import store, trace
from comparing import small_trace

BAR = ("--minimise", "device_reads + 0.1*pool_pages_mean")
SMALL = ("--kernel", "6.1", "--max-pool-percent", "10:30:10", "--accept-threshold-percent", "90,70")


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return small_trace(tmp_path_factory.mktemp("trace") / "small.parquet", source_kernel="6.1.0")


def test_the_winner_the_best_the_frontier_the_bounds_and_how_to_repeat_it(zreplay, small):
    code, out, err = zreplay("tune", small, *BAR, *SMALL)
    assert (code, err) == (0, "")
    assert out.startswith("small.parquet: 6,000 events, 18 configurations\n\n6.1 ")
    for part in ("the best ", "ideal (bound)", "belady (bound)", "the frontier: none is better in all"):
        assert part in out
    assert "of 18 configurations replayed in full" in out
    assert f"\nzreplay run {small} --model zswap --kernel 6.1 --pool " in out


def test_what_it_says_to_run_gives_the_value_it_says(zreplay, small, tmp_path):
    found = json.loads(zreplay("tune", small, *BAR, *SMALL, "--json")[1])
    options = zreplay("tune", small, *BAR, *SMALL, "-q")[1].split()
    summary = json.loads(zreplay("run", small, *options, "-o", tmp_path / "run", "--json")[1])
    assert found["winner"]["value"] == summary["device_reads"] + 0.1 * summary["pool_pages_mean"]


def test_json_has_every_configuration_and_exhaustive_agrees(zreplay, small):
    one, other = (
        json.loads(zreplay("tune", small, *BAR, *SMALL, "--json", *more)[1]) for more in ((), ("--exhaustive",))
    )
    assert one["winner"]["configuration"] == other["winner"]["configuration"]
    assert one["winner"]["value"] == other["winner"]["value"]
    assert len(one["configurations"]) == len(other["configurations"]) == 18
    assert {row["known"] for row in other["configurations"]} == {"full"}
    assert other["events"] == other["events_of_all"] == 18 * 6000
    assert set(one["bounds"]) == {"ideal", "belady"}


def test_conditions_that_are_met_and_that_nobody_meets(zreplay, small):
    code, out, _ = zreplay(
        "tune", small, "--minimise", "device_reads", *SMALL, "--subject-to", "pool_pages_peak <= 45", "--json"
    )
    assert code == 0 and json.loads(out)["winner"]["metrics"]["pool_pages_peak"] <= 45
    code, out, err = zreplay(
        "tune", small, "--minimise", "device_reads", *SMALL, "--subject-to", "pool_pages_peak <= 5"
    )
    assert code == 3
    assert "no configuration meets the conditions; the nearest is 6.1 " in out
    assert err.startswith("zreplay: --subject-to met by none of 18; the nearest, 6.1 ")
    assert "has pool_pages_peak 2" in err and ", expected <= 5" in err and err.count("\n") == 1


def test_the_report_is_one_page_and_is_not_replaced_unasked(zreplay, small, tmp_path):
    place = tmp_path / "report.html"
    code, out, _ = zreplay("tune", small, *BAR, *SMALL, "--report", place)
    text = place.read_text()
    assert code == 0 and out.endswith(f"{place}\n")
    assert '<section id="frontier"' in text and 'id="charts"' in text and "winner" in text
    assert "://" not in text[: text.index("<script>")] and len(text) < 5_000_000
    code, _, err = zreplay("tune", small, *BAR, *SMALL, "--report", place)
    assert code == 2 and err == f"zreplay: {place}: already exists; --force replaces it\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--minimise", "device_read"), "--minimise: found the metric 'device_read'"),
        (("--minimise", "device_read"), "did you mean device_reads?"),
        (("--minimise", "ns_per_event"), "--minimise: found the metric 'ns_per_event'"),
        (("--minimise", "device_reads", "--subject-to", "pool_page_peak < 3"), "did you mean pool_pages_peak?"),
        (("--minimise", "device_reads", "--subject-to", "pool_pages_peak"), "expected a comparison"),
        (("--minimise", "device_reads +"), "--minimise: found 'device_reads +'"),
        ((*BAR, "--max-pool-percent", "50:5:5"), "--max-pool-percent: found '50:5:5', expected LOW:HIGH:STEP"),
        ((*BAR, "--max-pool-percent", "5:x:5"), "expected LOW:HIGH:STEP"),
        ((*BAR, "--max-pool-percent", "5:50:0"), "expected LOW:HIGH:STEP"),
        ((*BAR, "--max-pool-percent", "ten"), "--max-pool-percent: found 'ten', expected whole numbers"),
        ((*BAR, "--max-pool-percent", "0"), "--max-pool-percent: found 0, expected 1 to 100"),
        ((*BAR, "--pool", "zbud,"), "--pool: found 'zbud,'"),
        ((*BAR, "--pool", "zbut"), "did you mean zbud?"),
        ((*BAR, "--kernel", "6.13"), "--kernel: found '6.13'"),
        ((*BAR, "--mm", "belady", "--kernel", "6.1"), "--mm: found 'belady'"),
        (BAR[:1], "--minimise"),
    ],
)
def test_mistakes_are_one_line_that_names_the_option(zreplay, small, arguments, said):
    code, out, err = zreplay("tune", small, *arguments)
    assert (code, out) == (2, "")
    assert said in err and err.count("\n") == 1


def test_a_trace_that_does_not_know_its_machine_needs_its_size(zreplay, tmp_path):
    path = trace(tmp_path / "t.parquet", [store(number, 2000) for number in range(50)])
    code, _, err = zreplay("tune", path, *BAR)
    assert code == 2 and "--totalram-pages says it" in err
    assert zreplay("tune", path, *BAR, "--totalram-pages", 1000)[0] == 0


def test_no_trace_and_none_at_all(zreplay, tmp_path):
    assert zreplay("tune", tmp_path / "none.parquet", *BAR)[0] == 2
    (tmp_path / "text").write_text("no trace")
    assert zreplay("tune", tmp_path / "text", *BAR)[0] == 4
