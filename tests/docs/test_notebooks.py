"""The notebooks run from top to bottom, are kept without outputs, and their rendered pages are theirs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))


def test_there_are_three():
    assert len(NAMES) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_top_to_bottom(name):
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_without_outputs_and_its_page_has_all_its_cells(name):
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    page = (NOTEBOOKS / name).with_suffix(".md").read_text(encoding="utf-8")
    for cell in book.cells:
        assert cell.source in page, f"run docs/notebooks/render.py: {name} has changed since"
        assert not cell.get("outputs") and not cell.get("execution_count")
