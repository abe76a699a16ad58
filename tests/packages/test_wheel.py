"""The wheel has what a user needs and no more, and works where there is no compiler; the sdist has what builds it.

The wheel is the one that ``ZREPLAY_WHEEL`` names, which CI sets: make dist.
"""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from email import message_from_string
from importlib.metadata import distribution, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from zreplay.version import __version__

ROOT = Path(__file__).parents[2]
TRACE = ROOT / "traces" / "linux-6.1-zbud-lzo-writeback15.parquet"


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    path = os.environ.get("ZREPLAY_WHEEL")
    if not path:
        pytest.skip("ZREPLAY_WHEEL names no wheel: make dist")
    return zipfile.ZipFile(path)


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(f"zreplay-{__version__}.dist-info/{name}").decode()


@pytest.mark.slow
def test_it_has_the_header_the_recipes_and_the_types(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    recipes = {str(path.relative_to(ROOT)) for path in (ROOT / "zreplay/trace/recipes/ready").glob("*.toml")}
    assert len(recipes) >= 5
    assert {"zreplay/py.typed", "zreplay/include/zreplay_plugin.h", "zreplay/version.py"} | recipes <= set(names)
    assert [name for name in names if re.fullmatch(r"_zreplay\..*so", name)] != []
    assert [name for name in names if name.endswith("/LICENSE")] != []


@pytest.mark.slow
def test_it_has_neither_tests_nor_the_sources_of_the_engine(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist() if not name.startswith("_zreplay.")}
    assert tops == {"zreplay", f"zreplay-{__version__}.dist-info"}
    left = [name for name in wheel.namelist() if re.search(r"\.(cpp|hpp|c|pyi)$|/core/|test_", name)]
    assert left == []


@pytest.mark.slow
def test_it_is_for_the_stable_abi_from_3_12_on(wheel: zipfile.ZipFile) -> None:
    tag = re.findall(r"^Tag: (\w+)-(\w+)-", metadata(wheel, "WHEEL"), re.MULTILINE)[0]
    assert tag == (("cp311", "cp311") if sys.version_info < (3, 12) else ("cp312", "abi3"))
    assert message_from_string(metadata(wheel, "METADATA"))["Requires-Python"] == ">=3.11"


def needed(requirements: Iterable[str], found: set[str] | None = None) -> set[str]:
    """Each distribution that these need, and what those need, without any extra."""
    found = set() if found is None else found
    for requirement in map(Requirement, requirements):
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name not in found:
            assert requirement.specifier.contains(version(requirement.name)), requirement
            found.add(requirement.name)
            needed(requires(requirement.name) or (), found)
    return found


@pytest.fixture
def fresh(wheel: zipfile.ZipFile, tmp_path: Path) -> Path:
    """The bin of a virtual environment with the wheel and what it says it needs, which is linked: no network."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    wheel.extractall(site)
    for name in needed(message_from_string(metadata(wheel, "METADATA")).get_all("Requires-Dist", [])):
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top not in ("..", "/", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    script = tmp_path / "venv" / "bin" / "zreplay"  # what an installer makes of the entry point
    assert "zreplay = zreplay.__main__:main" in metadata(wheel, "entry_points.txt").replace("=", " = ").replace(
        "  ", " "
    )
    script.write_text(f"#!{script.parent / 'python'}\nfrom zreplay.__main__ import main\nmain()\n")
    script.chmod(0o755)
    return script.parent


@pytest.mark.slow
def test_the_first_page_works_where_there_is_no_compiler(fresh: Path, tmp_path: Path) -> None:
    """README's first command and its Python, from a folder without a checkout."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "traces").symlink_to(ROOT / "traces")
    environment = {"PATH": str(fresh), "HOME": str(tmp_path), "LANG": "C.UTF-8"}

    def call(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    assert call("/bin/sh", "-c", "command -v c++ g++ gcc cc clang || echo none") == "none\n"
    assert call(fresh / "zreplay", "--version") == f"zreplay {__version__}\n"
    first = re.findall(r"zreplay run traces/.* -o \S+", readme)[0]
    assert "pool pages" in call("/bin/sh", "-c", first)
    for verb in ("info", "check", "compare"):
        options = ["--index", "rbtree,xarray"] if verb == "compare" else []
        call(fresh / "zreplay", verb, TRACE, *options)
    (code,) = re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    call(fresh / "python", "-c", code)
    where = call(fresh / "python", "-c", "import zreplay, _zreplay; print(zreplay.__file__, _zreplay.__file__)")
    assert [str(fresh.parent) in path for path in where.split()] == [True, True]


def test_the_source_distribution_has_what_builds_and_tests_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = pytest.importorskip("scikit_build_core.build", reason="scikit-build-core is not installed: zreplay[test]")
    monkeypatch.chdir(ROOT)
    with tarfile.open(tmp_path / build.build_sdist(str(tmp_path))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert names >= {
        "LICENSE",
        "README.md",
        "PKG-INFO",
        "pyproject.toml",
        "CONTRIBUTING.md",
        "docs/examples/plugins/clock.c",
        "tests/packages/test_wheel.py",
        "zreplay/version.py",
        "zreplay/core/CMakeLists.txt",
        "zreplay/core/index/rbtree.cpp",
        "zreplay/core/plugin/zreplay_plugin.h",
    }
    assert [
        name for name in names if re.search(r"^(build|dist|runs)/|\.(parquet|so|o)$", name) and "tests/" not in name
    ] == []
    assert sum(name.startswith("zreplay/core/") for name in names) == sum(
        path.is_file() for path in (ROOT / "zreplay/core").rglob("*")
    )
