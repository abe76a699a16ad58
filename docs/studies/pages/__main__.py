"""How near the sizes of our compressors are to the kernel's own: the table of docs/pages.md, to standard output.

    apt-get install linux-source-6.1 linux-source-6.12
    python docs/studies/pages PATH…

Each PATH is a set of pages. The kernel's code is compiled as in docs/studies/pages/kernel.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path[0] = str(Path(__file__).parents[2])  # docs, in place of this folder

from studies.pages.kernel.build import RELEASES, compressors, why_not  # noqa: E402

from zreplay.analysis.pages import Packer, pack  # noqa: E402
from zreplay.pages.compressors import COMPRESSORS  # noqa: E402
from zreplay.pages.measure import read  # noqa: E402
from zreplay.pages.places import find  # noqa: E402

PAGES = 20_000
PACKER = Packer("zswap", "6.12", "zsmalloc")
#: The kernel's → ours that stands for it; the last ones are what else one might think of.
PAIRS = (
    ("lz4", "lz4"),
    ("lzo", "lzo"),
    ("zstd", "zstd"),
    ("zstd of 256 KiB", "zstd"),
    ("zstd-unsized", "zstd-unsized"),
    ("zstd-unsized", "zstd"),
    ("lzo-rle", "lzo"),
    ("lz4", "the package lz4"),
)

Size = Callable[[bytes], int]


def ours() -> dict[str, Size]:
    """Ours, and where it is installed the package lz4, whose blocks are compressed as a stream."""
    found = {one.name: one.make() for one in COMPRESSORS if one.is_installed}
    with suppress(ImportError):
        import lz4.block

        found["the package lz4"] = lambda page: len(lz4.block.compress(page, store_size=False))
    return found


def rows(pages: Sequence[bytes], kernels: dict[str, Size], libraries: dict[str, Size]) -> list[str]:
    """One line of the table a pair."""
    sizes = {name: [size(page) for page in pages] for name, size in kernels.items()}
    found = {name: [size(page) for page in pages] for name, size in libraries.items()}
    lines = []
    for kernel, library in PAIRS:
        if library not in found:
            continue
        its, our = sizes[kernel], found[library]
        off = sorted(b - a for a, b in zip(its, our, strict=True))
        quantiles = ", ".join(f"{off[min(len(off) - 1, round(q * len(off)))]:+d}" for q in (0.01, 0.5, 0.99))
        whole = [sum(size >= 4096 for size in some) for some in (its, our)]
        pool = [pack(PACKER, some).pool_pages for some in (its, our)]
        lines.append(
            f"| {kernel} | {library} | {sum(its) / len(its):,.1f} | {sum(our) / sum(its) - 1:+.3%} | "
            f"{sum(d != 0 for d in off) / len(off):.1%} | {quantiles} | {off[0]:+d}, {off[-1]:+d} | "
            f"{whole[0]:,}, {whole[1]:,} | {pool[1] / pool[0] - 1:+.2%} |"
        )
    return lines


def main(paths: Sequence[str]) -> None:
    """Print the tables."""
    libraries = ours()
    names = "kernel's, ours, mean bytes, ours, differ, 1 50 99 %, least and most, a page or more, pool pages"
    head = names.split(", ")
    for release in RELEASES:
        if missing := why_not(release):
            print(f"{release}: {missing}", file=sys.stderr)
            continue
        with TemporaryDirectory() as work:
            kernels = compressors(release, Path(work))
            for path in paths:
                found = find([Path(path)])
                pages = list(read(found, 4096, min(PAGES, found.pages(4096))))
                print(f"\nLinux {release}, {len(pages):,} pages of {Path(path).name}:\n")
                print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
                print("\n".join(rows(pages, kernels, libraries)), flush=True)


main(sys.argv[1:])
