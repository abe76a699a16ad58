"""Engines built otherwise than the installed one: with sanitizers, for coverage, without optimisation.

    python tests/engines.py address          # builds it if need be, prints the environment that loads it

A kind is built once, into build/engine-KIND of the checkout (by Ninja and ccache where they are there), and again when
a source is newer. What is loaded is chosen by the environment alone: `_zreplay` is a module of its own, and PYTHONPATH
comes before what is installed.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = ROOT / "zreplay" / "core"
# kind → flags of the compiler; Debug and Release both keep asserts.
KINDS = {
    "plain": "-O0",
    "address": "-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all",
    "thread": "-O1 -g1 -fno-omit-frame-pointer -fsanitize=thread",
    # A function that is always inlined is counted once for each call: here it is one.
    "coverage": "-O0 -DZREPLAY_COUNTED -Dalways_inline=unused --coverage -fprofile-update=atomic",
}
RUNTIMES = {"address": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}


def engine(kind: str, source: Path = CORE) -> Path:
    """The folder with `_zreplay` of a kind, built; CalledProcessError if it does not compile.

    `source` is a CMake project of the whole engine, or of a part of it.
    """
    folder = ROOT / "build" / (f"engine-{kind}" if source == CORE else f"{source.name}-{kind}")
    ninja = ["-G", "Ninja"] if shutil.which("ninja") else []
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    configure = ["cmake", "-S", str(source), "-B", str(folder), *ninja, *launcher]
    configure += [
        "-DCMAKE_BUILD_TYPE=None",
        f"-DCMAKE_CXX_FLAGS={KINDS[kind]}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(configure, **quiet)
    subprocess.run(["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1)], **quiet)
    return folder


def environment(kind: str, source: Path = CORE) -> dict[str, str]:
    """The variables that make a Python load that engine: where it is, and what must be loaded before anything else."""
    found = {"PYTHONPATH": os.pathsep.join([str(engine(kind, source)), str(ROOT)])}
    if kind in RUNTIMES:
        names = [
            subprocess.check_output(["g++", f"-print-file-name={name}"], text=True).strip() for name in RUNTIMES[kind]
        ]
        found["LD_PRELOAD"] = os.pathsep.join(names)
    return found


if __name__ == "__main__":
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment(sys.argv[1]).items()))
