"""driver.c and the kernel's own code, from Debian's linux-source-6.1, compiled for this machine."""

import shutil
import subprocess
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
TARBALL = Path("/usr/src/linux-source-6.1.tar.xz")
TOP = "linux-source-6.1"
#: What is unpacked of 100,000 files.
NEEDED = (
    "tools/testing/radix-tree",
    "tools/include",
    "tools/lib",
    "tools/arch/x86/include",
    "tools/arch/arm64/include",
)
NEEDED += ("include/linux", "lib/rbtree.c", "lib/radix-tree.c", "lib/xarray.c")
#: The kernel's, to be compiled with the driver. The last two have what the trees need of bitmaps.
SOURCES = (
    "lib/rbtree.c",
    "lib/radix-tree.c",
    "lib/xarray.c",
    "tools/lib/find_bit.c",
    "tools/testing/radix-tree/bitmap.c",
)
#: What the Makefile of the kernel's user-space tests generates; nodes have 64 slots as on most machines.
GENERATED = {"map-shift.h": "#define XA_CHUNK_SHIFT 6\n", "bit-length.h": "#define CONFIG_64BIT 1\n"}


def why_not() -> str | None:
    """What is missing."""
    if not TARBALL.exists():
        return f"no {TARBALL}: apt-get install linux-source-6.1"
    if not shutil.which("cc"):
        return "no cc: apt-get install gcc"
    return None


def build(work: Path) -> Path:
    """The driver, in the folder `work`."""
    tree = work / TOP
    _unpack(work)
    for name, text in GENERATED.items():
        (tree / "tools/testing/radix-tree/generated" / name).write_text(text, encoding="ascii")
    includes = [HERE / "shim", tree / "tools/testing/radix-tree", tree / "tools/include", op_stream_folder()]
    command = ["cc", "-O2", "-w", "-ffunction-sections", "-Wl,--gc-sections", "-D_LGPL_SOURCE"]
    command += [f"-I{folder}" for folder in includes]
    command += ["-o", str(work / "driver"), str(HERE / "driver.c"), *(str(tree / source) for source in SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the kernel's code does not compile:\n{done.stderr[:4000]}")
    return work / "driver"


def _unpack(work: Path) -> None:
    wanted = [f"{TOP}/{path}" for path in NEEDED]
    if tar := shutil.which("tar"):  # several times as fast as Python's
        subprocess.run([tar, "xf", TARBALL, "-C", work, *wanted], check=True)
        return
    with tarfile.open(TARBALL) as archive:
        for member in archive:
            if any(member.name == path or member.name.startswith(f"{path}/") for path in wanted):
                archive.extract(member, work, filter="data")


def op_stream_folder() -> Path:
    return HERE.parents[3] / "zreplay/core/index"
