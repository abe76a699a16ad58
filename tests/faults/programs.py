"""Small C++ programs over parts of the engine, without Python: compiled when first asked for, into build/programs.

A program is a folder here, `NAME/NAME.cpp`, and the files of zreplay/core that it needs. What is compiled how often is
what a campaign costs, so each says which; kinds of flags are those of tests/engines.py.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORE = ROOT / "zreplay" / "core"

KINDS = {
    "fast": ["-O2"],
    "address": [
        *("-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        "-D_GLIBCXX_ASSERTIONS",
    ],
    # -O0: what is compiled for CI has to be so quickly.
    "thread": ["-O0", "-g1", "-fsanitize=thread", "-ffunction-sections"],
}
# Sources of the core by program.
PARTS = {
    "lockstep": ["index/registry.cpp", "index/rbtree.cpp", "pool/zbud.cpp", "pool/z3fold*.cpp", "pool/zsmalloc.cpp"],
    # One model alone: what the registry of models names beside it is left out with the functions nobody calls.
    "races": [
        *(
            "replay/loops_zswap_6_1.cpp",
            "replay/replay.cpp",
            "replay/crash.cpp",
            "index/r*.cpp",
            "pool/*.cpp",
            "mm/*.cpp",
        ),
        *("swap/*.cpp", "plugin/verified*.cpp", "plugin/failed.cpp", "trace/synth.cpp"),
    ],
}


def program(name: str, kind: str = "fast") -> Path:
    """The program built with that kind's flags; CalledProcessError if it does not compile."""
    folder = ROOT / "build" / "programs" / f"{name}-{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / name
    sources = [
        *sorted((HERE / name).glob("*.cpp")),
        *(path for part in PARTS[name] for path in sorted(CORE.glob(part))),
    ]
    read = [*CORE.rglob("*.?pp"), *(HERE / name).iterdir(), Path(__file__)]
    with (folder / "lock").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if built.exists() and built.stat().st_mtime > max(path.stat().st_mtime for path in read):
            return built
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda source: compiled(source, folder, KINDS[kind]), sources))
        run([*compiler(), *KINDS[kind], *map(str, objects), "-pthread", "-ldl", "-Wl,--gc-sections", "-o", str(built)])
    return built


def compiler() -> list[str]:
    return [os.environ.get("CXX", "g++")]


def compiled(source: Path, folder: Path, flags: Sequence[str]) -> Path:
    made = folder / f"{source.parent.name}-{source.stem}.o"
    launcher = ["ccache"] if shutil.which("ccache") else []
    warnings = ["-Wall", "-Wextra", "-Wno-missing-field-initializers"]
    run([*launcher, *compiler(), "-std=c++20", *warnings, *flags, f"-I{CORE}", "-c", str(source), "-o", str(made)])
    return made


def run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)
