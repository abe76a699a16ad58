"""Nothing that zreplay does below a folder passes by the interposer: it counts what strace counts."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from faults.starts import Starts
from faults.verbs import VERBS, prepare

_KINDS = {
    "open": ("open", "openat", "creat"),
    "read": ("read", "pread64", "readv", "preadv", "preadv2"),
    "write": ("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice"),
    "sync": ("fsync", "fdatasync", "sync_file_range", "msync"),
    "rename": ("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    "mkdir": ("mkdir", "mkdirat"),
    "remove": ("unlink", "unlinkat", "rmdir"),
    "change": ("truncate", "ftruncate", "fallocate", "chmod", "fchmod", "fchmodat"),
}
_KIND_OF = {call: kind for kind, calls in _KINDS.items() for call in calls}
_LINE = re.compile(r"\d+ +(\w+)\((.*)")


def counted(text: str, base: Path, calls: dict[str, str] = _KIND_OF) -> Counter[str]:
    """strace's calls of each kind below a folder: by a path, or by a descriptor, which it follows with <its path>."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if (match := _LINE.match(line)) and match[1] in calls:
            first = match[2].split(", ")[1 if match[1].endswith("at") or match[1] == "renameat2" else 0]
            relative = first.startswith('"') and not first.startswith('"/')  # to base/work, the start's folder
            within = first.startswith(f'"{base}/') or re.match(rf"\d+<{re.escape(str(base))}/", first)
            found[calls[match[1]]] += bool(relative or within)
    return +found


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.skipif(not shutil.which("cc"), reason="cc is not installed")
@pytest.mark.slow
def test_counts_are_straces(tmp_path: Path) -> None:
    log = tmp_path / "strace"
    wrapper = ("strace", "-f", "-y", "-qq", "-o", str(log), "-e", f"trace={','.join(_KIND_OF)},mmap")
    starts = Starts(tmp_path / "starts", wrapper)
    try:
        prepare(starts)
        for verb in ("run", "compare", "sweep", "convert", "record", "synth", "cut", "curve"):
            starts.put(None)
            before = log.stat().st_size
            started = starts.start(*VERBS[verb]["new"][1])
            assert started.code == 0, started
            text = log.read_bytes()[before:].decode(errors="replace")
            assert counted(text, starts.base) == +Counter(started.by_kind), verb
            mapped = re.findall(rf"mmap\(.*MAP_SHARED, \d+<{re.escape(str(starts.base))}/.*", text)
            assert not [line for line in mapped if "PROT_WRITE" in line]
    finally:
        starts.close()
