"""Where pages are: files, directories and core dumps become runs of bytes, in one fixed order, before any is read.

A file is cut as the page cache holds it: the last page is filled up with zeroes. A core dump is cut into the mappings
that it has. A directory is walked by name, on its own file system, and no link in it is followed.

What is named must be readable and end: a device, a FIFO, a socket is refused. Inside a directory such a thing is left
out and counted, as are a mount point and a file that cannot be read as far as its size
says (many of sysfs cannot).
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zreplay.errors import UsageError
from zreplay.pages.elf_core import HEADER_BYTES, is_core, segments

_KINDS = {
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


@dataclass(frozen=True, slots=True)
class Run:
    """Pages that follow each other: ``size_bytes`` of ``path`` from ``offset`` on.

    ``is_named``: by the user, so it must be readable; of a directory's file, what cannot be read is left out.
    """

    path: Path
    offset: int
    size_bytes: int
    is_named: bool = True

    def pages(self, page_bytes: int) -> int:
        """How many pages it is cut into, the last one perhaps a part."""
        return -(-self.size_bytes // page_bytes)


@dataclass
class Found:
    """What there is under some paths; counts of what was left out."""

    runs: list[Run] = field(default_factory=list)
    files: int = 0
    cores: int = 0
    symlinks: int = 0
    special_files: int = 0
    mount_points: int = 0
    unreadable: int = 0

    def pages(self, page_bytes: int) -> int:
        """Pages of all runs."""
        return sum(run.pages(page_bytes) for run in self.runs)


def find(paths: Sequence[Path]) -> Found:
    """The runs of ``paths``, in their order.

    Raises UsageError for a path that is not there, cannot be read, is a special file or a damaged core dump, and where
    there is not one page.
    """
    found = Found()
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise UsageError(f"{path}: {_reason(error)}; expected a file, a directory or a core dump") from error
        if stat.S_ISDIR(status.st_mode):
            for file in _walk(path, status.st_dev, found, is_named=True):
                _add(file, found, is_named=False)
        elif stat.S_ISREG(status.st_mode):
            _add(path, found, is_named=True)
        else:
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
            raise UsageError(f"{path}: found {kind}, which has no pages; expected a file, a directory or a core dump")
    if not found.runs:
        left_out = f"; {found.unreadable:,} of the files could not be read" if found.unreadable else ""
        raise UsageError(f"{', '.join(map(str, paths))}: found no page, expected at least one{left_out}")
    return found


def _walk(directory: Path, device: int, found: Found, *, is_named: bool) -> Iterator[Path]:
    """Its files, by name, those of a directory in it where that one's name comes."""
    try:
        with os.scandir(directory) as scanned:
            entries = sorted(scanned, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        if is_named:
            raise UsageError(f"{directory}: {_reason(error)}") from error
        found.unreadable += 1
        return
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:  # it has gone meanwhile
            found.unreadable += 1
            continue
        if stat.S_ISLNK(status.st_mode):
            found.symlinks += 1
        elif status.st_dev != device:
            found.mount_points += 1
        elif stat.S_ISDIR(status.st_mode):
            yield from _walk(Path(entry.path), device, found, is_named=False)
        elif stat.S_ISREG(status.st_mode):
            yield Path(entry.path)
        else:
            found.special_files += 1


def _add(path: Path, found: Found, *, is_named: bool) -> None:
    try:
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            # Of a file of the kernel's own, which has no size, nothing is read: that might never end.
            if size_bytes < HEADER_BYTES or not is_core(file.read(HEADER_BYTES)):
                found.files += 1
                if size_bytes:
                    found.runs.append(Run(path, 0, size_bytes, is_named))
                return
            dumped = segments(file)
    except OSError as error:
        if is_named:
            raise UsageError(f"{path}: {_reason(error)}") from error
        found.unreadable += 1
        return
    except ValueError as error:
        raise UsageError(f"{path}: a damaged core dump: {error}") from error
    ends = max((offset + size for offset, size in dumped), default=0)
    if ends > size_bytes:
        raise UsageError(
            f"{path}: a core dump that was cut off: found {size_bytes:,} bytes, expected {ends:,}; `ulimit -c "
            "unlimited` before the process runs lets it be whole"
        )
    found.cores += 1
    found.runs += [Run(path, offset, size, is_named) for offset, size in dumped]


def _reason(error: OSError) -> str:
    return (error.strerror or "cannot be read").lower()
