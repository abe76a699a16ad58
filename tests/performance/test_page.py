"""The page says what was measured and how it stands to what is asked; what is not measured again stays."""

from pathlib import Path

import pytest
from studies.performance.bars import Figure, Range, at_least, at_most, between
from studies.performance.bench import Bench, Left, Unavailable
from studies.performance.page import Kept, measure, page
from studies.performance.rows import ROWS, Row

from zreplay.analysis.statistics import paired_ratio

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("bar", "value", "verdict"),
    [
        (at_least(4, 8), 3.9, "**no**"),
        (at_least(4, 8), 4.0, "yes"),
        (at_least(4, 8), 8.0, "aim"),
        (at_most(2, 1.3), 1.2, "aim"),
        (at_most(2), 1.2, "yes"),
        (between(0.8, 1.25), 0.79, "**no**"),
        (between(0.8, 1.25), 1.25, "yes"),
    ],
)
def test_a_figure_is_held_against_must_and_aim(bar, value: float, verdict: str) -> None:
    assert Figure("ratio", value, None, None, "×", bar).verdict() == verdict


def test_words_of_a_range() -> None:
    assert [Range(low=4).words("×"), Range(high=250).words("ms"), Range(0.8, 1.25).words("×")] == [
        "≥ 4 ×",
        "≤ 250 ms",
        "0.8 to 1.25 ×",
    ]


def test_ratio_is_of_the_rounds_own_ratios() -> None:
    """The other side takes twice as long in each round, whatever the round."""
    figure = Figure.of_ratio("faster", paired_ratio([2, 20, 4, 8, 6, 10], [1, 10, 2, 4, 3, 5]), at_least(2))
    assert figure.cells() == ("faster", "2 ×", "2 to 2", "≥ 2 ×", "", "yes")


def row(name: str, measured) -> Row:
    return Row(name, name, "What it is.", f"zreplay {name}", 1, measured)


def test_rows_measured_before_stay_and_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure("speed", 5.0, 4.5, 5.5, "×", at_least(4))

    def left(bench: Bench):
        raise Left(([figure], []), "the other half: not installed")

    def missing(bench: Bench):
        raise Unavailable("no such thing")

    def broken(bench: Bench):
        raise RuntimeError("out of order")

    rows = (row("a", lambda bench: ([figure], [])), row("b", left), row("c", missing), row("d", broken))
    monkeypatch.setattr("studies.performance.page.ROWS", rows)
    kept = Kept(tmp_path / "kept.json")

    assert measure(["a"], kept, budget=1, quick=False, work=tmp_path) == []
    assert measure(["b", "c", "d"], Kept(tmp_path / "kept.json"), budget=1, quick=False, work=tmp_path) == ["d"]

    found = Kept(tmp_path / "kept.json")
    assert list(found.rows) == ["a", "b", "c"]
    text = page(found)
    assert text.count("| speed | 5 × | 4.5 to 5.5 | ≥ 4 × |  | yes |") == 4  # twice in the summary, twice below
    assert "Left out: the other half: not installed." in text
    assert "Left out: no such thing." in text
    assert "Not measured yet: `python docs/studies/performance --rows d`." in text


def test_rounds_go_on_until_the_time_is_up_and_take_turns(tmp_path: Path) -> None:
    turns: list[str] = []
    bench = Bench(tmp_path, seconds=0)
    values = bench.interleaved({"a": lambda: turns.append("a") or 1.0, "b": lambda: turns.append("b") or 2.0})
    assert turns == ["a", "b"] * 6
    assert (values, bench.rounds) == ({"a": [1.0] * 6, "b": [2.0] * 6}, 6)


def test_names_of_rows_are_told_apart() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_committed_page_is_what_the_script_writes() -> None:
    """Times cannot be measured again, but the page is made from what was."""
    committed = (DOCS / "performance.md").read_text(encoding="utf-8")
    kept = Kept(DOCS / "studies" / "performance" / "performance.json")
    assert committed == page(kept), "run python docs/studies/performance --rows none"
