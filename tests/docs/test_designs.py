"""docs/designs.md has every design, in the right table, with what it is made of."""

from pathlib import Path

from zreplay.replay.config import TOUCHES
from zreplay.replay.designs import DESIGNS

TEXT = (Path(__file__).parents[2] / "docs" / "designs.md").read_text(encoding="utf-8")


def rows_of(table: str) -> dict[str, list[str]]:
    """Name in backticks → the row's other cells."""
    rows = (line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `"))
    return {name.strip("`"): cells for name, *cells in rows if not name.startswith("`--")}


def test_every_design_has_its_row_and_bounds_have_theirs_in_a_table_of_their_own():
    designs, bounds = TEXT.split("## What a slot holds")[0].split("Bounds:")
    assert list(rows_of(designs)) == [name for name, design in DESIGNS.items() if not design.is_bound]
    assert list(rows_of(bounds)) == [name for name, design in DESIGNS.items() if design.is_bound]


def test_a_designs_row_names_its_index_and_its_pool():
    rows = rows_of(TEXT.split("## What a slot holds")[0])
    for name, design in DESIGNS.items():
        index, pool = rows[name][:2]
        assert design.settings.get("index", "its profile's") in index, name
        assert design.settings.get("pool", "zsmalloc") == pool, name


def test_every_design_has_a_picture():
    pictures = TEXT.split("## What a slot holds")[1].split("\n## ")[0]
    assert [name for name, design in DESIGNS.items() if not design.is_bound and f"`{name}`" not in pictures] == []


def test_every_option_of_the_lists_is_explained():
    for value in (*TOUCHES, "head", "tail", "old", "new"):
        assert value in TEXT.split("| option of two-index")[1].split("\n\n")[0]
