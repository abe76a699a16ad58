"""The report: what is on the page, how large it gets, and the page itself in a real browser."""

import base64
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from comparing import runs, small_trace

from zreplay.analysis import report as report_module
from zreplay.analysis.charts import KINDS
from zreplay.analysis.comparison import Comparison, compare
from zreplay.analysis.metrics import Assumptions, choose
from zreplay.analysis.report import MAX_BYTES, page, write_report
from zreplay.analysis.results import load
from zreplay.errors import UsageError


def compared(directories) -> Comparison:
    results = load(directories)
    return compare(results, choose(results, None, Assumptions()), Assumptions())


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> Comparison:
    """Two indexes over three pools."""
    tmp = tmp_path_factory.mktemp("report")
    path = small_trace(tmp / "small.parquet", pool="zbud", source_kernel="6.1.0")
    return compared(runs([path], tmp / "runs", index=["rbtree", "radix-tag"], pool=["zbud", "z3fold", "zsmalloc"]))


@pytest.fixture(scope="module")
def written(comparison, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("page") / "report.html"
    write_report(comparison, place)
    return place


def test_every_section_is_there_and_the_page_has_everything_in_it(written):
    text = written.read_text()
    for name in (*KINDS, "manifest"):
        assert f'<section id="{name}"' in text, name
    assert len(text.encode()) < MAX_BYTES
    body = text[: text.index("<script>")]
    assert "://" not in body and "{{" not in body


def test_a_long_timeline_and_many_configurations_stay_below_the_limit(tmp_path):
    path = small_trace(tmp_path / "long.parquet", events=20_000)
    percents = list(range(1, 17))
    found = runs([path], tmp_path / "runs", max_pool_percent=percents, pool=["zbud", "zsmalloc"], index=["radix-tag"])
    assert 1_000_000 < len(page(compared([run.directory for run in found])).encode()) < MAX_BYTES


def test_a_page_that_would_be_too_large_gets_coarser_curves(comparison, monkeypatch):
    tried = []

    def fake(shown, pixels):
        tried.append(pixels)
        return "x" * pixels * 100

    monkeypatch.setattr(report_module, "_page", fake)
    assert page(comparison, 12_000) == "x" * 10_000
    assert tried == [400, 200, 100]


def test_an_existing_page_is_refused_without_force(comparison, written, monkeypatch):
    with pytest.raises(UsageError, match="already exists; --force"):
        write_report(comparison, written)


def test_runs_whose_trace_is_gone_say_what_is_missing(tmp_path):
    path = small_trace(tmp_path / "t.parquet", events=500)
    found = runs([path], tmp_path / "runs", pool=["zbud"])
    path.unlink()
    text = page(compared([run.directory for run in found]))
    assert "t.parquet is no longer there" in text


def test_a_trace_of_other_bytes_in_its_place_is_not_taken_for_it(tmp_path):
    path = small_trace(tmp_path / "t.parquet", events=500)
    found = runs([path], tmp_path / "runs", pool=["zbud"])
    small_trace(path, events=400)
    assert "t.parquet is no longer there" in page(compared([run.directory for run in found]))


def test_a_run_of_no_events_has_a_page(tmp_path):
    path = small_trace(tmp_path / "t.parquet", events=0)
    assert "None: " in page(compared([run.directory for run in runs([path], tmp_path / "runs")]))


def test_names_are_text_and_never_markup(tmp_path):
    path = small_trace(tmp_path / "<b>&t.parquet", events=300)
    text = page(compared([run.directory for run in runs([path], tmp_path / "runs")]))
    assert "<b>" not in text[: text.index("<script>")]
    assert "&lt;b&gt;&amp;t" in text


class Browser:
    """Headless Chromium with one page open, its console and its network watched."""

    def __init__(self, width: int, theme: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        self._profile = tempfile.mkdtemp()
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--disable-dev-shm-usage", f"--user-data-dir={self._profile}",
        ):  # fmt: skip
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.size(width)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def size(self, width: int) -> None:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, place: Path) -> None:
        # Chromium's own first page makes requests; those of ours count from here.
        self.driver.get("about:blank")
        self.requests()
        self.driver.get(place.as_uri())
        self.wait_for("return document.documentElement.dataset.charts")

    def wait_for(self, script: str) -> None:
        deadline = time.monotonic() + 60
        while not self.run(script):
            assert time.monotonic() < deadline, self.console()
            time.sleep(0.05)

    def run(self, script: str):
        return self.driver.execute_script(script)

    def console(self) -> list[dict]:
        return self.driver.get_log("browser")

    def requests(self) -> list[str]:
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent if not one["documentURL"].startswith("chrome:")]

    def screenshot(self, place: Path) -> None:
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        place.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)


@pytest.fixture(scope="module")
def browser(written) -> Iterator[Browser]:
    if not os.environ.get("CI") and not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    opened = Browser(1200, "light")
    try:
        opened.open(written)
        yield opened
    finally:
        opened.close()


def test_the_page_opens_without_a_word_on_the_console_or_a_request(browser, written):
    assert browser.console() == []
    assert browser.requests() == [written.as_uri()]


def test_every_chart_has_marks_and_a_name(browser):
    counts = browser.run("""
        return [...document.querySelectorAll('.chart')].map(chart => [
          chart.getAttribute('aria-label'),
          chart.querySelectorAll('svg .mark-line path, svg .mark-rect path, svg .mark-symbol path').length])""")
    assert len(counts) >= len(KINDS)
    assert all(name and marks for name, marks in counts), counts


def test_a_heading_sorts_the_table_up_and_down(browser):
    column = """
        const table = document.querySelector('table.sortable');
        const heads = [...table.querySelectorAll('thead tr:last-child th')];
        const place = heads.findIndex(head => head.textContent === 'pool_pages_mean');
        const values = () => [...table.tBodies[0].rows].map(row => Number(row.cells[place].dataset.value));
        heads[place].querySelector('button').click();
        const up = values(), sort = heads[place].getAttribute('aria-sort');
        heads[place].querySelector('button').click();
        return [up, sort, values(), heads[place].getAttribute('aria-sort')]"""
    up, sort_up, down, sort_down = browser.run(column)
    assert up == sorted(up) and sort_up == "ascending"
    assert down == sorted(up, reverse=True) and sort_down == "descending"


COLORS = """
    const chart = document.querySelector('.chart svg');
    const probe = (element, what) => getComputedStyle(element)[what];
    return [probe(document.body, 'backgroundColor'), probe(document.body, 'color'),
            probe(chart.querySelector('.role-axis-label text'), 'fill')]"""


def brightness(color: str) -> float:
    return sum(int(part) for part in color[color.index("(") + 1 : -1].split(",")[:3]) / 3


def test_the_button_switches_page_and_charts_to_dark_and_back(browser):
    light = browser.run(COLORS)
    browser.run("document.getElementById('theme').click()")
    dark = browser.run(COLORS)
    browser.run("document.getElementById('theme').click()")
    assert browser.run(COLORS) == light
    assert [brightness(color) > 128 for color in light] == [True, False, False]
    assert [brightness(color) > 128 for color in dark] == [False, True, True]


def test_on_a_phone_only_the_table_scrolls_sideways(browser):
    browser.size(390)
    # Charts follow the window a moment later.
    browser.wait_for("return document.documentElement.scrollWidth <= 390")
    assert browser.run("return document.querySelector('.scroll').scrollWidth > 390")
    charts = (
        "return Math.max(...[...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().right))"
    )
    assert browser.run(charts) <= 390
    browser.size(1200)


def test_a_reader_whose_system_is_dark_sees_a_dark_page(written, browser):
    for theme in ("dark", "light"):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        # The page hears of it a moment later.
        browser.wait_for(f"return document.documentElement.dataset.theme === '{theme}'")
        assert (brightness(browser.run(COLORS)[0]) < 128) == (theme == "dark")


def test_on_paper_a_dark_page_is_light(browser):
    browser.run("document.getElementById('theme').click()")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert brightness(browser.run(COLORS)[0]) == 255
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.run("document.getElementById('theme').click()")


def test_200_runs_have_a_page_that_says_how_many_it_draws(comparison):
    real = [row.result for row in comparison.rows]
    many = [replace(real[n % 6], settings=real[n % 6].settings | {"pool": f"pool{n}"}) for n in range(200)]
    text = page(compare(many, choose(many, None, Assumptions()), Assumptions()))
    assert "12 of 200 configurations are drawn" in text
    assert len(text.encode()) < MAX_BYTES
