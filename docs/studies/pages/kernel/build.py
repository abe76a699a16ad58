"""glue.c and the kernel's own lz4, lzo and zstd, from Debian's linux-source-…, compiled for user space."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
RELEASES = ("6.1", "6.12")
#: Headers of the kernel's that are ours in its place, and those that are its own.
OURS = """linux/bitops linux/compiler linux/init linux/kernel linux/limits linux/math64 linux/module linux/printk
linux/stddef linux/string linux/swab linux/types linux/unaligned asm/unaligned"""
ITS_OWN = ("lz4", "lzo", "zstd", "zstd_lib", "zstd_errors", "xxhash")
SOURCES = (
    "lib/lz4/lz4_compress.c",
    "lib/lzo/lzo1x_compress.c",
    "lib/xxhash.c",
    "lib/zstd/zstd_compress_module.c",
    "lib/zstd/compress/*.c",
    "lib/zstd/common/*.c",
)
FOLDERS = ("lib/lz4", "lib/lzo", "lib/zstd", "lib/zstd/common", "lib/zstd/compress")


def why_not(release: str) -> str | None:
    """What is missing."""
    if not _tarball(release).exists():
        return f"no {_tarball(release)}: apt-get install linux-source-{release}"
    if not shutil.which("cc"):
        return "no cc: apt-get install gcc"
    return None


def compressors(release: str, work: Path) -> dict[str, Callable[[bytes], int]]:
    """The kernel's compressors, built in the folder `work`: name → from a page to its bytes."""
    library = ctypes.CDLL(str(_build(release, work)))

    def call(name: str, page: bytes, *rest: int) -> int:
        return int(library[name](page, len(page), *rest))

    return {
        "lz4": partial(call, "kernel_lz4"),
        "lzo": partial(call, "kernel_lzo"),
        "lzo-rle": partial(call, "kernel_lzo_rle"),
        "zstd": lambda page: call("kernel_zstd", page, len(page)),
        "zstd of 256 KiB": lambda page: call("kernel_zstd", page, 1 << 18),
        "zstd-unsized": lambda page: call("kernel_zstd", page, 0),
    }


def _tarball(release: str) -> Path:
    return Path(f"/usr/src/linux-source-{release}.tar.xz")


def _build(release: str, work: Path) -> Path:
    top = f"linux-source-{release}"
    wanted = [f"{top}/{path}" for path in ("include/linux", "lib/lz4", "lib/lzo", "lib/zstd", "lib/xxhash.c")]
    subprocess.run(["tar", "xf", _tarball(release), "-C", work, *wanted], check=True)
    tree, shim, made = work / top, work / "shim", work / f"kernel-{release}.so"
    for name in OURS.split():
        header = shim / f"{name}.h"
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text('#include "base.h"\n', encoding="ascii")
    for name in ITS_OWN:
        shutil.copy(tree / f"include/linux/{name}.h", shim / f"linux/{name}.h")
    includes = [HERE, shim, *(tree / folder for folder in FOLDERS)]
    sources = [file for pattern in SOURCES for file in sorted(tree.glob(pattern))]
    command = ["cc", "-O1", "-w", "-fPIC", "-shared", "-fno-strict-aliasing", "-Wl,-Bsymbolic,--no-undefined"]
    command += ["-include", HERE / "base.h", *(f"-I{folder}" for folder in includes)]
    command += ["-o", made, HERE / "glue.c", *sources]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the kernel's code does not compile:\n{done.stderr[:4000]}")
    return made
