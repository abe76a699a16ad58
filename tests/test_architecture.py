"""Imports and includes run down the floors that docs/architecture.md names, and no backend includes another."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "zreplay"
CORE = PACKAGE / "core"
INCLUDE = re.compile(r'^\s*#\s*include "([^"]+)"', re.MULTILINE)


@cache
def floors(part: str) -> dict[str, set[str]]:
    """Of each floor those below it, by the page's line that begins with ``part``."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    line = re.search(rf"^\* {part}: (.+?)(?=^\*|\n\n)", page, re.MULTILINE | re.DOTALL)
    assert line, part
    below: dict[str, set[str]] = defaultdict(set)
    for chain in re.findall(r"`([^`]+ → [^`]+)`", line[1]):
        steps = [step.split(", ") for step in chain.split(" → ")]
        for upper, lower in pairwise(steps):
            for name in upper:
                below[name].update(lower)
    for name in list(below):  # what is below a floor that is below
        reached = set(below[name])
        while more := {under for each in reached for under in below.get(each, ())} - reached:
            reached |= more
        below[name] = reached
    return below


def modules_of(source: str) -> Iterator[str]:
    """What a Python source imports of ours, here and in its functions; ``from zreplay import x`` is ``zreplay.x``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            module = node.module or ""
            yield from (f"zreplay.{name.name}" for name in node.names) if module == "zreplay" else [module]


def python_floor(module: str) -> str | None:
    """The floor of an imported module; none of one that is not ours."""
    parts = module.split(".")
    if parts[0] == "_zreplay":
        return "_zreplay"
    if parts[0] != "zreplay":
        return None
    named = parts[1] if len(parts) > 1 else "__init__"
    return named if (PACKAGE / named).is_dir() or (PACKAGE / f"{named}.py").exists() else "__init__"


def python_edges() -> Iterator[tuple[Path, str, str]]:
    """Each import between floors: file, its floor, the floor it imports."""
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        floor = inside.parts[0].removesuffix(".py")
        if floor == "core":
            continue
        for module in modules_of(path.read_text(encoding="utf-8")):
            imported = python_floor(module)
            if imported not in (None, floor):
                yield inside, floor, str(imported)


def core_edges() -> Iterator[tuple[Path, str, str]]:
    """Each include between floors of the core: file, its floor, the floor it includes."""
    for path in [*CORE.rglob("*.hpp"), *CORE.rglob("*.cpp"), *CORE.rglob("*.h")]:
        inside = path.relative_to(CORE)
        floor = inside.parts[0] if len(inside.parts) > 1 else "common"
        for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if (path.parent / name).exists() and "/" not in name:  # beside it
                continue
            assert (CORE / name).exists(), f"{inside} includes {name}, expected a path within zreplay/core"
            included = name.split("/")[0] if "/" in name else "common"
            if included != floor:
                yield inside, floor, included


@pytest.mark.parametrize(("part", "edges"), [("Python", python_edges), ("the core", core_edges)])
def test_imports_only_go_down(part, edges):
    below = floors(part)
    up = {f"{path}: {floor} → {other}" for path, floor, other in edges() if other not in below[floor]}
    assert sorted(up) == []


@pytest.mark.parametrize(("part", "folder"), [("Python", PACKAGE), ("the core", CORE)])
def test_every_folder_is_on_a_floor(part, folder):
    folders = {path.name for path in folder.iterdir() if path.is_dir() and path.name not in ("__pycache__", "core")}
    known = floors(part)
    assert folders <= set(known) | {name for below in known.values() for name in below}
    assert all(name not in below for name, below in known.items()), "a floor below itself"


@pytest.mark.parametrize("kind", ["index", "pool", "mm"])
def test_a_backend_includes_no_other(kind):
    registry = [CORE / kind / "registry.cpp", CORE / kind / "registry.hpp"]
    shared = {f"{kind}/registry.hpp", f"{kind}/{kind}.hpp", f"{kind}/virtual_pool.hpp", f"{kind}/virtual_order.hpp"}
    backends = {name for path in registry for name in INCLUDE.findall(path.read_text(encoding="utf-8"))} - shared
    assert backends
    for name in backends:
        for path in (CORE / name, (CORE / name).with_suffix(".cpp")):
            if path.exists():
                others = set(INCLUDE.findall(path.read_text(encoding="utf-8"))) & (backends - {name})
                assert others == set(), f"{path.relative_to(CORE)} includes another backend"


def test_an_import_up_a_floor_is_seen():
    assert list(modules_of("def f():\n    from zreplay import __version__")) == ["zreplay.__version__"]
    assert python_floor("zreplay.__version__") == "__init__"
    assert "__init__" not in floors("Python")["trace"]
    assert "errors" in floors("Python")["cli"]
    assert "swap" not in floors("the core")["pool"]


def test_no_two_classes_of_the_core_have_one_name():
    """Two SlotBits were one class to the linker: without inlining, the one's destructor freed the other's memory."""
    defined: dict[str, list[Path]] = defaultdict(list)
    scope = re.compile(
        r"^namespace ?([\w:]*) \{|^(?:class|struct|enum|enum class) (?:alignas\(\w+\) )?(\w+)(?: final)?(?: : .*)? \{",
        re.MULTILINE,
    )
    for path in [*CORE.rglob("*.hpp"), *CORE.rglob("*.cpp")]:
        inside = ""
        for namespace, name in scope.findall(path.read_text(encoding="utf-8")):
            if name and inside:
                defined[f"{inside}::{name}"].append(path.relative_to(CORE))
            elif not name:
                inside = namespace  # none: the file's own
    assert len(defined) > 100
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}
