"""The table in each of its forms."""

import csv
import io
import json

import polars as pl
import pytest
from comparing import result

from zreplay.analysis.comparison import compare
from zreplay.analysis.metrics import METRICS, Assumptions
from zreplay.analysis.table import FORMATS, WIDTH, render

SOME = [metric for metric in METRICS if metric.name in ("pool_pages_peak", "loads_hit", "device_reads", "ns_per_event")]


@pytest.fixture
def comparison(tmp_path):
    numbers = {"zbud": (21001, 0, 7), "zsmalloc": (20417, 9, 7)}
    results = [
        result(
            tmp_path,
            pool=pool,
            summary={"pool_pages_peak": peak, "loads_hit": hits, "device_reads": reads, "ns_per_event": 99.4},
        )
        for pool, (peak, hits, reads) in numbers.items()
    ]
    return compare(results, SOME, Assumptions())


def test_text_is_aligned_marks_the_best_and_tells_the_difference(comparison):
    lines = render(comparison, "table").decode().splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["memory", "device", "time"]
    assert lines[4:13] == [
        "t: 10 events",
        "",
        "memory                  pool_pages_peak",
        "rbtree/zbud (baseline)  21,001",
        "rbtree/zsmalloc         20,417* -2.8%",
        "",
        "effectiveness           loads_hit  device_reads",
        "rbtree/zbud (baseline)  0          7",
        "rbtree/zsmalloc         9* from 0  7 =",
    ]


def test_text_is_never_wider_than_a_mail_and_has_no_escapes(tmp_path):
    summary = dict.fromkeys(("pool_pages_mean", "pool_pages_peak", "loads_hit", "stores_rejected"), 123456789)
    results = [
        result(tmp_path, index="a-long-name-of-an-index", pool=pool, summary=summary | {"device_reads": reads})
        for pool, reads in (("zbud", 10**9), ("zsmalloc", 3))
    ]
    metrics = [metric for metric in METRICS if metric.name in summary or metric.name == "device_reads"]
    text = render(compare(results, metrics, Assumptions()), "table").decode()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\x1b" not in text


def test_markdown_has_a_table_for_each_group_with_the_best_bold(comparison):
    text = render(comparison, "md").decode()
    assert "| memory | pool_pages_peak |\n|---|---:|\n| rbtree/zbud (baseline) | 21,001 |" in text
    assert "| rbtree/zsmalloc | **20,417** -2.8% |" in text


def test_csv_and_parquet_have_the_same_rows_with_plain_numbers(comparison):
    rows = list(csv.DictReader(io.StringIO(render(comparison, "csv").decode())))
    frame = pl.read_parquet(io.BytesIO(render(comparison, "parquet")))
    assert list(rows[0]) == frame.columns
    assert rows[1]["pool_pages_peak"] == "20417"
    assert float(rows[1]["pool_pages_peak_vs_baseline"]) == frame["pool_pages_peak_vs_baseline"][1] == 20417 / 21001
    assert frame["pool"].to_list() == ["zbud", "zsmalloc"]
    assert frame["baseline"].to_list() == [True, False]


def test_json_carries_units_assumptions_and_notes(comparison):
    found = json.loads(render(comparison, "json"))
    assert found["baseline"] == "rbtree/zbud"
    assert found["rows"][1]["device_reads"] == 7
    assert {"name": "ns_per_event", "group": "time", "unit": "ns", "better": "less"}.items() <= found["metrics"][
        3
    ].items()
    assert found["device_read_us"] == 90


@pytest.mark.parametrize("form", FORMATS)
def test_200_runs_and_one_run_have_every_form(tmp_path, form):
    many = [result(tmp_path, pool=f"pool{n}", summary={"pool_pages_peak": n}) for n in range(200)]
    assert render(compare(many, SOME, Assumptions()), form)
    assert render(compare(many[:1], SOME, Assumptions()), form)


def test_what_is_almost_the_same_or_almost_nothing_does_not_read_as_such(tmp_path):
    results = [
        result(tmp_path, pool=pool, summary={"pool_pages_peak": pages})
        for pool, pages in (("a", 100_000), ("b", 100_003), ("c", 6), ("d", 1_250_000))
    ]
    text = render(compare(results, SOME[:1], Assumptions()), "table").decode()
    assert "+0.003%" in text and "-99.99%" in text and "x12.5" in text
