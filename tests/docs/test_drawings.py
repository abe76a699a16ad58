"""The drawings are those that docs/site/draw.py makes, and what is drawn is as the engine has it."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from _zreplay import Index, Pool

DOCS = Path(__file__).parents[2] / "docs"


def _loaded():
    spec = importlib.util.spec_from_file_location("draw", DOCS / "site" / "draw.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["draw"] = module
    spec.loader.exec_module(module)
    return module


draw = _loaded()


@pytest.mark.parametrize("name", draw.DRAWINGS)
def test_a_committed_drawing_is_what_its_program_draws(name):
    committed = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert committed == draw.DRAWINGS[name]().svg(), "run python docs/site/draw.py"


def test_nothing_else_is_among_the_pictures_and_all_are_shown():
    assert {path.stem for path in (DOCS / "pictures").glob("*")} == set(draw.DRAWINGS)
    shown = re.findall(r"\(pictures/([\w-]+)\.svg\)", (DOCS / "model.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(draw.DRAWINGS)


def test_the_zspage_drawn_is_a_class_of_the_engine():
    pool = Pool("zsmalloc")
    pool.alloc(2440, 0, 1)
    (row,) = pool.classes()
    drawn = (draw.ZSPAGE.object_bytes, draw.ZSPAGE.pages, draw.ZSPAGE.objects)
    assert (row["class_size"], row["pages"], row["objects_allocated"]) == drawn
    assert draw.ZSPAGE.pages * 4096 - draw.ZSPAGE.objects * draw.ZSPAGE.object_bytes == 48


def test_the_walk_drawn_visits_three_nodes_and_three_lines():
    index = Index("radix-lowbit")
    index.insert(0, 4711, 64)
    before = index.cost()
    assert index.find(0, 4711) == 64
    after = index.cost()
    spent = {name: after[name] - before[name] for name in ("nodes_visited", "cache_lines")}
    assert (index.nodes, spent) == (3, {"nodes_visited": 3, "cache_lines": 3})


def test_the_zbud_page_drawn_is_full_with_two_objects():
    pool = Pool("zbud")
    for offset, size in ((1, 1200), (2, 1590)):
        assert pool.alloc(size, 0, offset)[1] == 0
    assert [(row["free_chunks"], row["pages"], row["objects_used"]) for row in pool.classes()] == [(19, 1, 2)]
