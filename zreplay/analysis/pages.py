"""What measured pages come to: shares, sizes, and the pages that zswap's and zram's pools would need for them.

The pools are the engine's: the pages are stored one after the other, in the order in which they lie, into a pool
without limit, and nothing is taken out. So it is how a pool packs, not what it becomes after a day of frees.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from zreplay.pages.measure import VARIED, ZERO_FILLED, Measured
from zreplay.replay.config import Config
from zreplay.replay.profiles import profile_of
from zreplay.replay.replaying import BATCH_ROWS, make_replay
from zreplay.trace.files import TraceMetadata
from zreplay.trace.schema import OPS, PAGE_SIZE
from zreplay.trace.survey import QUANTILES


@dataclass(frozen=True)
class Packer:
    """A model of swap in a kernel, over one of its pools."""

    model: str
    kernel: str
    pool: str

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.pool}, {self.model} {self.kernel}"

    @property
    def keeps_whole(self) -> bool:
        """Whether it keeps as it is what does not compress: zram always has, zswap does since 6.18."""
        return self.model == "zram" or profile_of(self.model, self.kernel).keeps_incompressible

    def has(self, compressor: str) -> bool:
        """Whether its compressor is this one: of zstd, there are two (zreplay/pages/compressors.py)."""
        sized = self.kernel == "latest" or (self.model == "zram" and self.kernel == "6.12")
        return {"zstd": sized, "zstd-unsized": not sized}.get(compressor, True)

    def sizes(self, measured: Measured, compressor: str) -> list[int]:
        """What it would ask for each page, in bytes; 0 for a page it needs no memory for.

        Since 6.12 swap keeps pages of zeroes in a bitmap of its own, and zswap compresses those of another word ("mm:
        remove code to handle same filled pages").
        """
        only_zeroes = self.model == "zswap" and self.kernel != "6.1"
        return [
            0 if fill == ZERO_FILLED or (fill != VARIED and not only_zeroes) else size
            for size, fill in zip(measured.sizes[compressor], measured.fills, strict=True)
        ]


PACKERS = (
    Packer("zswap", "6.1", "zbud"),
    Packer("zswap", "6.1", "z3fold"),
    Packer("zswap", "6.1", "zsmalloc"),
    Packer("zswap", "6.12", "zsmalloc"),
    Packer("zswap", "latest", "zsmalloc"),
    Packer("zram", "6.1", "zsmalloc"),
    Packer("zram", "6.12", "zsmalloc"),
)


@dataclass(frozen=True)
class Packed:
    """What a packer made of the pages: pages in its pool, pages it refused, pages it kept as they are (4096 bytes)."""

    packer: Packer
    pool_pages: int
    refused: int
    kept_whole: int


@dataclass(frozen=True)
class Sizes:
    """What a compressor made of the pages that are not same-filled.

    Attributes:
        ratio: bytes of those pages to bytes compressed, where what does not compress counts as a whole page; None
            where all are same-filled.
        incompressible: pages that take a page or more.
        size_bytes: quantiles as ``zreplay info`` has them; empty where all are same-filled.
        size_bytes_mean: None likewise.
        packed: empty where pages are not of 4 KiB, which are the pools'.
    """

    ratio: float | None
    incompressible: int
    size_bytes: dict[str, int]
    size_bytes_mean: float | None
    packed: list[Packed]


@dataclass(frozen=True)
class Summary:
    """Pages in numbers; ``pages`` are those measured, and all counts and shares are of them."""

    page_bytes: int
    pages: int
    pages_found: int
    zero_filled: int
    same_filled: int  #: pages of one word, those of zeroes among them
    files: int
    cores: int
    left_out: dict[str, int]  #: of directories, what was not read: kind → how many
    compressors: dict[str, Sizes]

    def as_dict(self) -> dict[str, Any]:
        """For ``zreplay pages --json``."""
        return asdict(self)


def summarise(measured: Measured) -> Summary:
    """Everything that is said of measured pages. Replays them once per compressor and packer."""
    found = measured.found
    return Summary(
        page_bytes=measured.page_bytes,
        pages=measured.pages,
        pages_found=measured.pages_found,
        zero_filled=measured.zero_filled,
        same_filled=measured.same_filled,
        files=found.files,
        cores=found.cores,
        left_out={
            "symlinks": found.symlinks,
            "special_files": found.special_files,
            "mount_points": found.mount_points,
            "unreadable_files": found.unreadable,
        },
        compressors={name: _sizes(measured, name) for name in measured.sizes},
    )


def _sizes(measured: Measured, compressor: str) -> Sizes:
    page_bytes = measured.page_bytes
    sizes = sorted(measured.varied_sizes(compressor))
    pages = len(sizes)
    kept = sum(min(size, page_bytes) for size in sizes)
    ranks = {"min": 1, **{f"p{round(100 * q)}": max(1, -int(-q * pages // 1)) for q in QUANTILES}, "max": pages}
    packers = [packer for packer in PACKERS if packer.has(compressor)] if page_bytes == PAGE_SIZE else []
    return Sizes(
        ratio=pages * page_bytes / kept if pages else None,
        incompressible=sum(size >= page_bytes for size in sizes),
        size_bytes={name: sizes[rank - 1] for name, rank in ranks.items()} if pages else {},
        size_bytes_mean=sum(sizes) / pages if pages else None,
        packed=[pack(packer, packer.sizes(measured, compressor)) for packer in packers],
    )


def pack(packer: Packer, sizes: Sequence[int]) -> Packed:
    """Store pages of these sizes (bytes; 0 is same-filled, above 4096 does not compress) one after the other."""
    config = Config(Path(), Path(), model=packer.model, kernel=packer.kernel, pool=packer.pool)
    replay = make_replay(config.resolved(TraceMetadata()))
    words = pa.array(OPS[:1])
    for first in range(0, len(sizes), BATCH_ROWS):
        rows = range(first, min(first + BATCH_ROWS, len(sizes)))
        store = pa.DictionaryArray.from_arrays(pa.array([0] * len(rows), pa.int8()), words)
        columns = {
            "ts_ns": pa.array(rows, pa.int64()),
            "op": store,
            "type": pa.array([0] * len(rows), pa.uint8()),
            "offset": pa.array([row + 1 for row in rows], pa.uint64()),  # slot 0 is the header's
            "size": pa.array(sizes[first : rows.stop], pa.uint32()),
        }
        replay.feed(pa.RecordBatch.from_pydict(columns))
        replay.take_timeline()
    replay.finish()
    counters = replay.counters()
    return Packed(
        packer,
        pool_pages=counters["pool_pages_final"],
        refused=counters["stores_rejected"],
        kept_whole=counters["huge_pages"] + counters["stored_incompressible_pages"] if packer.keeps_whole else 0,
    )
