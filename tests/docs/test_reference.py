"""Tables of the documentation that the program decides: names, types and order are its own, and all have a meaning."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def _loaded():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "site" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _loaded()


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_page_has_its_tables_as_the_program_has_them(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert "<!-- table: " in text
    assert text == reference.written(page), "run python docs/site/reference.py: the schema, or a meaning, has changed"


def test_nothing_has_a_meaning_that_is_not_there():
    from zreplay.trace.schema import METADATA, SCHEMA

    assert list(reference.MEANINGS["trace"]["columns"]) == SCHEMA.names
    assert set(reference.MEANINGS["trace"]["keys"]) == set(METADATA)
    schemas = reference.run_schemas()
    for name in ("timeline", "operations", "classes", "observations"):
        assert list(reference.MEANINGS["run"][name]) == schemas[name].names, name
    assert set(reference.MEANINGS["run"]["summary"]) <= set(schemas["summary"].names)


def test_every_column_of_a_summary_is_somewhere():
    """The summary's own, a counter or gauge of the timeline, or a setting."""
    known = {*reference.MEANINGS["run"]["summary"], *reference.MEANINGS["run"]["timeline"]}
    rest = [name for name in reference.run_schemas()["summary"].names if name not in known]
    assert [name for name in rest if not name.startswith("config_")] == []


def test_every_estimate_of_a_sample_has_its_error_beside_it():
    names = reference.run_schemas()["whole"].names
    estimates = [name for name in reference.MEANINGS["run"]["whole"] if name.startswith("whole_")]
    assert sorted(names) == sorted(["sample_slots", *estimates, *(f"{name}_error" for name in estimates)])
