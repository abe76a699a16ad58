"""Plugins compiled for a test: C in, the path of a shared object out."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HEADER = Path(__file__).parents[2] / "zreplay" / "core" / "plugin"

Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def build_plugin(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """``build_plugin(source, *flags, name="plugin")``: a C file, or C as a string, compiled to ``name.so``.

    What was compiled before with the same flags is not compiled again.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("plugins")

    def build(source: str | Path, *flags: str, name: str = "plugin") -> Path:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        key = hashlib.sha256("\0".join([text, *flags]).encode()).hexdigest()[:16]
        built = folder / key / f"{name}.so"
        if not built.exists():
            built.parent.mkdir(exist_ok=True)
            written = source if isinstance(source, Path) else built.with_suffix(".c")
            if not isinstance(source, Path):
                written.write_text(text, encoding="utf-8")
            subprocess.run(
                [compiler, "-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-shared", "-fPIC",
                 f"-I{HEADER}", *flags, str(written), "-o", str(built)],
                check=True,
            )  # fmt: skip
        return built

    return build
