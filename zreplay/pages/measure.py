"""Pages read, told apart and compressed: their sizes in the order in which they lie.

One thread reads; the others compress, a batch each, while the library has let go of the interpreter's lock. No more
than a few batches are in memory, and of each page only its numbers stay.
"""

import os
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, islice
from pathlib import Path

from zreplay.errors import UsageError, why
from zreplay.pages.compressors import Compressor
from zreplay.pages.places import Found, Run, find

PAGE_SIZES = {"4k": 4096, "16k": 16384, "64k": 65536}
#: 1 GiB of pages of 4 KiB.
LIMIT_PAGES = 1 << 18
#: What a page is filled with: anything; one word again and again, as page_same_filled() has it; zeroes.
VARIED, SAME_FILLED, ZERO_FILLED = 0, 1, 2
_WORD_BYTES = 8
_BATCH_PAGES = 256

Progress = Callable[[int, int], None]  # pages measured, pages in all


@dataclass
class Measured:
    """Pages and what compressors make of them.

    Attributes:
        page_bytes: of a page.
        found: where they are; the counts of what was left out.
        pages_found: pages there are; more than were measured where there are more than the limit.
        fills: of each page, in order: :data:`VARIED`, :data:`SAME_FILLED` or :data:`ZERO_FILLED`.
        sizes: compressor → of each page, in order, same-filled or not, the bytes it takes; above ``page_bytes`` where
            it does not compress.
    """

    page_bytes: int
    found: Found
    pages_found: int
    fills: bytearray = field(default_factory=bytearray)
    sizes: "dict[str, array[int]]" = field(default_factory=dict)

    @property
    def pages(self) -> int:
        """Pages measured."""
        return len(self.fills)

    @property
    def zero_filled(self) -> int:
        """Pages of zeroes."""
        return self.fills.count(ZERO_FILLED)

    @property
    def same_filled(self) -> int:
        """Pages of one word, zeroes among them."""
        return self.pages - self.fills.count(VARIED)

    def varied_sizes(self, compressor: str) -> list[int]:
        """Sizes of the pages that are not same-filled, in bytes, in the order of the pages."""
        return [size for size, fill in zip(self.sizes[compressor], self.fills, strict=True) if fill == VARIED]


def measure(
    paths: Sequence[Path],
    compressors: Sequence[Compressor],
    *,
    page_bytes: int = 4096,
    limit_pages: int = LIMIT_PAGES,
    progress: Progress | None = None,
) -> Measured:
    """Compress the pages of ``paths``; where there are more than ``limit_pages``, as many, evenly spread over all.

    The same files give the same numbers, whatever their names and times.

    Raises:
        UsageError: paths that cannot be (:func:`zreplay.pages.places.find`); a file that is named and cannot be read to
            its end.
    """
    found = find(paths)
    measured = Measured(page_bytes, found, found.pages(page_bytes))
    measured.sizes = {compressor.name: array("I") for compressor in compressors}
    taken = min(measured.pages_found, limit_pages)
    workers = os.cpu_count() or 1
    pages = read(found, page_bytes, taken)
    pending: deque[Future[_Batch]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            while batch := list(islice(pages, _BATCH_PAGES)):
                pending.append(pool.submit(_compress, batch, compressors))
                if len(pending) > 2 * workers:
                    _keep(pending.popleft().result(), measured)
                    if progress:
                        progress(measured.pages, taken)
            while pending:
                _keep(pending.popleft().result(), measured)
        finally:
            pool.shutdown(cancel_futures=True)
    if not measured.pages:
        places = ", ".join(map(str, paths))
        raise UsageError(f"{places}: found no page that can be read, expected at least one")
    return measured


def fill_of(page: bytes) -> int:
    """What a page is filled with."""
    word = page[:_WORD_BYTES]
    if page[-_WORD_BYTES:] != word or page != word * (len(page) // _WORD_BYTES):
        return VARIED
    return SAME_FILLED if any(word) else ZERO_FILLED


def read(found: Found, page_bytes: int, taken: int) -> Iterator[bytes]:
    """``taken`` of the pages there are, in order: the k-th is number k·all/taken, rounded down."""
    ends = list(accumulate(run.pages(page_bytes) for run in found.runs))
    pages_found = ends[-1]
    wanted = (k * pages_found // taken for k in range(taken))
    number = next(wanted, None)
    while number is not None:
        at = bisect_left(ends, number + 1)
        run, end = found.runs[at], ends[at]
        first = end - run.pages(page_bytes)
        try:
            with run.path.open("rb", buffering=0) as file:
                while number is not None and number < end:
                    yield _page(file.fileno(), run, (number - first) * page_bytes, page_bytes)
                    number = next(wanted, None)
        except (OSError, _Shorter) as error:
            if run.is_named:
                raise UsageError(f"{run.path}: {why(error).lower()}") from error
            found.unreadable += 1
            while number is not None and number < end:
                number = next(wanted, None)


class _Shorter(Exception):
    """A file that ends before its size."""


def _page(descriptor: int, run: Run, at: int, page_bytes: int) -> bytes:
    """A page of a run, filled up with zeroes where the run ends in it."""
    expected = min(page_bytes, run.size_bytes - at)
    data = os.pread(descriptor, expected, run.offset + at)
    if len(data) < expected:
        there, before = run.offset + at + len(data), run.offset + run.size_bytes
        raise _Shorter(f"is shorter than its size says: found {there:,} bytes, expected {before:,}")
    return data.ljust(page_bytes, b"\0")


@dataclass
class _Batch:
    fills: bytes
    sizes: dict[str, list[int]]


def _compress(pages: Sequence[bytes], compressors: Sequence[Compressor]) -> _Batch:
    sizes = {}
    for compressor in compressors:
        size = compressor.make()
        sizes[compressor.name] = [size(page) for page in pages]
    return _Batch(bytes(fill_of(page) for page in pages), sizes)


def _keep(batch: _Batch, measured: Measured) -> None:
    measured.fills += batch.fills
    for name, sizes in batch.sizes.items():
        measured.sizes[name].extend(sizes)
