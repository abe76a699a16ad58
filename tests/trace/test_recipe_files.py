"""Recipe files: what is read is what was written, and what cannot be is refused by name."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from zreplay.errors import UsageError
from zreplay.trace.recipes.kinds import read_recipe, scale_factor
from zreplay.trace.recipes.pattern import PatternRecipe
from zreplay.trace.recipes.tables import RecipeError, from_table, number, to_table, toml_text, word


@dataclass(frozen=True)
class Part:
    name: str
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Whole:
    pages: int = number(7, 1, 9)
    how: str = word("slow", "slow", "fast")
    place: Path | None = None
    parts: tuple[Part, ...] = ()


def test_a_table_comes_back_as_it_was_written():
    import tomllib

    whole = Whole(3, "fast", Path("a/b"), (Part('x"\\é\n', (0.5, 1.0)), Part("y", tuple(0.1 * i for i in range(40)))))
    text = toml_text(to_table(whole))
    assert max(map(len, text.splitlines())) <= 120
    assert from_table(Whole, tomllib.loads(text), Path("a")) == whole


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"page": 3}, "page: unknown key, expected one of pages, how, place, parts; did you mean pages?"),
        ({"pages": "3"}, 'pages: found "3", expected a whole number'),
        ({"pages": True}, "pages: found true, expected a whole number"),
        ({"parts": [{"name": "a"}, {}]}, "parts 2: name: missing, expected text in quotes"),
        ({"parts": [{"name": "a", "shares": ["b"]}]}, 'parts 1: shares 1: found "b", expected a number'),
        ({"parts": {"name": "a"}}, "parts: found a table, expected an array"),
    ],
)
def test_a_table_that_cannot_be(table, message):
    with pytest.raises(RecipeError) as error:
        from_table(Whole, table)
    assert str(error.value) == message


PATTERN = """kind = "pattern"
title = "mine"
events = 1000
resident = 50
sizes_from = "sizes.parquet"
"""


def test_a_recipe_of_todays_options(tmp_path):
    (tmp_path / "mine.toml").write_text(PATTERN)
    found = read_recipe(tmp_path / "mine.toml")
    assert found.title == "mine"
    assert found.recipe == PatternRecipe(events=1000, resident=50, sizes_from=tmp_path / "sizes.parquet")
    assert found.recipe.scaled(Fraction(3, 2)) == PatternRecipe(
        events=1500, resident=75, sizes_from=tmp_path / "sizes.parquet"
    )


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ('"pattern"', '"patern"', "kind: found 'patern', expected one of .*; did you mean pattern?"),
        ('kind = "pattern"\n', "", "kind: missing, expected one of pattern"),
        ('"mine"', "3", "title: found 3, expected text in quotes"),
        ("resident", "resdent", "resdent: unknown key, expected one of .*; did you mean resident?"),
        ("50", "0", "resident: found 0, expected 1 to 1,073,741,824"),
        ("50", "50 50", r"not TOML: .*\(at line 4, column 15\)"),
        ('"sizes.parquet"', '"x"\nsizes = "mixed"', "sizes and sizes_from: found both, expected one"),
    ],
)
def test_a_recipe_that_cannot_be(tmp_path, found, instead, message):
    path = tmp_path / "mine.toml"
    path.write_text(PATTERN.replace(found, instead, 1))
    with pytest.raises(UsageError, match=rf"^{path}: {message}") as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


def test_a_recipe_that_is_no_text(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"kind = '\xff'")
    with pytest.raises(UsageError, match=r"mine.toml: not TOML: byte 8 is not UTF-8"):
        read_recipe(tmp_path / "mine.toml")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_recipe(tmp_path)


def test_scales():
    assert scale_factor("4x") == scale_factor("4") == 4
    assert scale_factor("0.5x") == Fraction(1, 2)
    for wrong in ("", "x", "0x", "-1", "1e9x", "nan"):
        with pytest.raises(UsageError, match=r"--scale: found .*, expected a factor like 4x"):
            scale_factor(wrong)
