"""Compressors as the kernel calls them, by way of libraries that make the same sizes; docs/pages.md has how nearly.

Of each there is a maker: it gives a function from a page to the bytes it takes, for one thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from zreplay.errors import UsageError

Size = Callable[[bytes], int]


def _lz4() -> Size:
    import pyarrow as pa

    # LZ4_compress_default. The lz4 package compresses a block as a stream, with other hashes.
    codec = pa.Codec("lz4_raw")
    return lambda page: codec.compress(page).size


def _zstd() -> Size:
    import pyarrow as pa

    # Level 3 of a page, matches of 4: zram since its own backends (6.12), and zswap since "crypto: zstd - convert to
    # acomp" (6.17), whose parameters for 256 KiB come to the same sizes.
    codec = pa.Codec("zstd", compression_level=3)
    return lambda page: codec.compress(page).size


def _zstd_unsized() -> Size:
    import zstandard

    # Level 3 of an input of unknown length, matches of 5: what the crypto API asked for until then.
    unsized = zstandard.ZstdCompressionParameters.from_level(3, source_size=0)
    compress = zstandard.ZstdCompressor(compression_params=unsized).compress
    return lambda page: len(compress(page))


def _lzo() -> Size:
    import lzo

    return lambda page: len(lzo.compress(page, 1, False))  # lzo1x_1, no header


@dataclass(frozen=True)
class Compressor:
    """One compressor.

    Attributes:
        name: as our options have it.
        summary: whose sizes they are.
        make: gives the function, for one thread at a time.
        module: what it imports that does not come with zreplay, and the package that has it.
        install: how to come by that.
    """

    name: str
    summary: str
    make: Callable[[], Size]
    module: str | None = None
    package: str | None = None
    install: str | None = None

    @property
    def is_installed(self) -> bool:
        """Whether its library is there."""
        return self.module is None or find_spec(self.module) is not None

    @property
    def lacks(self) -> str:
        """What to do where it is not installed."""
        return f"{self.summary}; needs the package {self.package}, which is not installed: {self.install}"


COMPRESSORS = (
    Compressor("lz4", "lz4 of zswap and zram", _lz4),
    Compressor("zstd", "zstd of zram since 6.12 and of zswap since 6.17", _zstd),
    Compressor(
        "zstd-unsized",
        "zstd of zram before 6.12 and of zswap before 6.17",
        _zstd_unsized,
        module="zstandard",
        package="zstandard",
        install="pip install 'zreplay[pages]'",
    ),
    Compressor(
        "lzo",
        "lzo of zswap and zram",
        _lzo,
        module="lzo",
        package="python-lzo",
        install="pip install python-lzo, which is built against liblzo2-dev",
    ),
)
NAMES = tuple(compressor.name for compressor in COMPRESSORS)


def chosen(names: Sequence[str]) -> list[Compressor]:
    """The compressors of these names, or without any those that are installed.

    Raises UsageError for a name there is not, and for one that is not installed.
    """
    if not names:
        return [compressor for compressor in COMPRESSORS if compressor.is_installed]
    found = []
    for name in dict.fromkeys(names):
        compressor = next((one for one in COMPRESSORS if one.name == name), None)
        if compressor is None:
            raise UsageError(f"--compressor: found {name!r}, expected one of {', '.join(NAMES)}")
        if not compressor.is_installed:
            raise UsageError(f"--compressor {name}: {compressor.lacks}")
        found.append(compressor)
    return found
