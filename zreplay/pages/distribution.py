"""What a generated trace draws its sizes from when they are those of real pages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zreplay.errors import UsageError
from zreplay.pages.compressors import chosen
from zreplay.pages.measure import Progress, measure

PAGE_BYTES = 4096


@dataclass(frozen=True)
class PageSizes:
    """Pages of 4 KiB by one compressor, without a word of where they were.

    Attributes:
        compressor: its name.
        pages: how many were measured.
        same_filled: of one word each, those of zeroes among them.
        incompressible: that take a page or more; of size 4096 in ``weights``.
        weights: how many of the others take 1, 2, … 4096 bytes.
    """

    compressor: str
    pages: int
    same_filled: int
    incompressible: int
    weights: tuple[int, ...]

    @property
    def kernels_name(self) -> str:
        """The compressor as the kernel names it."""
        return self.compressor.removesuffix("-unsized")

    def about(self) -> dict[str, Any]:
        """For a trace's metadata: all but the weights."""
        names = ("compressor", "pages", "same_filled", "incompressible")
        return {name: getattr(self, name) for name in names}


def page_sizes(paths: Sequence[Path], compressor: str, progress: Progress | None = None) -> PageSizes:
    """The sizes of the pages of ``paths``.

    Raises UsageError as :func:`zreplay.pages.measure.measure` does, for a compressor that there is not, and where all
    pages are same-filled.
    """
    measured = measure(paths, chosen([compressor]), progress=progress)
    counts = Counter(min(size, PAGE_BYTES) for size in measured.varied_sizes(compressor))
    if not counts:
        raise UsageError(f"--pages-from: found {measured.pages:,} pages, all same-filled, expected one that is not")
    return PageSizes(
        compressor=compressor,
        pages=measured.pages,
        same_filled=measured.same_filled,
        incompressible=counts[PAGE_BYTES],
        weights=tuple(counts[size] for size in range(1, PAGE_BYTES + 1)),
    )
