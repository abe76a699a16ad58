"""How much memory this process has resident, and a limit to it."""

import os
import re

from zreplay.errors import MemoryLimitError, UsageError
from zreplay.replay.replaying import Progress

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def size_bytes(option: str, text: str | None) -> int | None:
    """The bytes of a size like ``800M``, ``2GiB`` or ``1.5G``, in powers of 1024; None of None.

    Raises:
        UsageError: a text that is none, or no size above 0.
    """
    if text is None:
        return None
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = round(float(matched[1]) * (1 << _UNITS[matched[2].upper()])) if matched else 0
    if not size:
        raise UsageError(f"{option}: found {text!r}, expected a size like 800M or 2G")
    return size


def in_words(size: float) -> str:
    """A size for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def resident_bytes() -> int:
    """What this process has resident."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def limited(limit_bytes: int | None, progress: Progress | None) -> Progress | None:
    """A progress that looks at the resident size after each batch, before it tells ``progress``; itself if no limit.

    It raises MemoryLimitError when the size is above the limit, and a batch adds a few megabytes at most.
    """
    if limit_bytes is None:
        return progress

    def told(rows: int, all_rows: int) -> None:
        found = resident_bytes()
        if found > limit_bytes:
            raise MemoryLimitError(
                f"--memory-limit: found {in_words(found)} resident after {rows:,} of {all_rows:,} rows, expected at "
                f"most {in_words(limit_bytes)}; a larger limit, fewer configurations at a time, or a sample of the "
                "trace (`zreplay cut --sample`) mends it"
            )
        if progress:
            progress(rows, all_rows)

    return told
