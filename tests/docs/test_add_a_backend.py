"""CONTRIBUTING.md's recipe for a backend, followed to the letter in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import _zreplay
import pytest

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Add a backend\n")[1]
SOURCE = "zreplay/core/index/registry.cpp"
MODULE = f"_zreplay{sysconfig.get_config_var('EXT_SUFFIX')}"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", RECIPE, re.DOTALL | re.MULTILINE)


def built_folder() -> Path | None:
    """Where the engine was built from this checkout: beside the module in use, by make, or by pip."""
    places = [Path(_zreplay.__file__).parent, ROOT / "build" / "engine", *sorted((ROOT / "build").glob("cp3*"))]
    for place in places:
        if (place / "build.ninja").exists() and list(place.glob("_zreplay*.so")) and _is_of(place):
            return place
    return None


def _is_of(folder: Path) -> bool:
    return f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT / 'zreplay' / 'core'}\n" in (folder / "CMakeCache.txt").read_text()


def command_for(folder: Path, target: str) -> str:
    """What Ninja would do last for that target; nothing is done."""
    done = subprocess.run(["ninja", "-C", folder, "-t", "commands", target], capture_output=True, text=True, check=True)
    return done.stdout.rstrip().splitlines()[-1]


def build_what_changed(checkout: Path, out: Path) -> None:
    """``make build``, of which only the registry is compiled: all else is as it is in the folder that there is."""
    folder = built_folder()
    assert folder
    made = f"CMakeFiles/zreplay_core.dir/{SOURCE.removeprefix('zreplay/core/')}.o"
    compile_ = command_for(folder, made).replace(str(ROOT / "zreplay"), str(checkout / "zreplay"))
    compile_ = compile_.replace(made, str(out / "registry.o")).replace(" -O3 ", " -O1 ")
    link = command_for(folder, next(folder.glob("_zreplay*.so")).name)
    link = re.sub(r" -o \S+", f" -o {out / MODULE} {out / 'registry.o'}", link, count=1)
    for command in (compile_, link):
        subprocess.run(["sh", "-c", command], cwd=folder, check=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with steps 1 to 3."""
    copy = tmp_path_factory.mktemp("recipe") / "zreplay"
    for name in ("zreplay", "tests", "docs", "pyproject.toml"):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(source, copy / name, ignore=ignore) if source.is_dir() else shutil.copy(source, copy / name)
    (copy / "traces").symlink_to(ROOT / "traces")
    (file,) = re.findall(r"\*\*1\. One file\*\*, `(\S+)`", RECIPE)
    (code,) = blocks("cpp")
    (copy / file).write_text(code, encoding="utf-8")
    for diff in blocks("diff"):
        subprocess.run(["patch", "-p1", "--fuzz=0"], input=diff, text=True, cwd=copy, check=True, capture_output=True)
    return copy


def test_diffs_name_the_lines_where_they_apply(checkout: Path) -> None:
    """Else ``patch`` would say so, and a reader would wonder."""
    for diff in blocks("diff"):
        path = re.findall(r"^\+\+\+ b/(\S+)", diff, re.MULTILINE)[0]
        lines = (checkout / path).read_text(encoding="utf-8").splitlines()
        for number, body in re.findall(r"^@@ \S+ \+(\d+),\d+ @@\n((?:[ +].*\n)+)", diff, re.MULTILINE):
            expected = [line[1:] for line in body.splitlines()]
            assert lines[int(number) - 1 :][: len(expected)] == expected, f"{path}:{number}"


@pytest.mark.slow
def test_the_recipe_gives_a_backend_that_passes_the_property_tests(checkout: Path, tmp_path: Path) -> None:
    if not built_folder() or not shutil.which("ninja"):
        pytest.skip("no engine built from this checkout by Ninja: make build")
    build_what_changed(checkout, tmp_path)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, module in (("zreplay", "zreplay"), ("pytest", "pytest")):
        (bin_ / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (bin_ / name).chmod(0o755)
    (bin_ / "make").symlink_to("/bin/true")  # done already
    environment = {
        **os.environ,
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "PYTHONPATH": f"{checkout}:{tmp_path}",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }
    (commands,) = blocks("sh")
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands], cwd=checkout, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) >= 20
    assert (checkout / "runs" / "ordered-map" / "summary.parquet").exists()
