"""``zreplay pages``: what compressors and pools would make of real pages."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON, complete_names, load_pyarrow_alone, spare_memory
from zreplay.cli.progress import steps_bar
from zreplay.cli.table import aligned, fitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from zreplay.analysis.pages import Sizes, Summary

_WIDTH = 17


@click.command("pages", short_help="Say what compressors and pools would make of real pages.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--page-size", default="4k", show_default=True, metavar="SIZE", help="4k, 16k or 64k.")
@click.option(
    "--compressor",
    "compressors",
    shell_complete=complete_names("compressor"),
    multiple=True,
    metavar="NAME",
    help="lz4, zstd (of zram since 6.12, of zswap since 6.17), zstd-unsized (of both before) or lzo; more than once "
    "for several.  [default: all that are installed]",
)
@click.option(
    "--limit-pages",
    type=int,
    metavar="N",
    help="Measure no more than N pages, evenly spread over all.  [default: 262144]",
)
@JSON
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def command(
    paths: tuple[Path, ...],
    page_size: str,
    compressors: tuple[str, ...],
    limit_pages: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Cut files, directories and core dumps into pages, compress each, and say what zswap and zram would make of them.

    A core dump (of gcore, or of the kernel) is cut into the memory that is in it; any other file as the page cache has
    it, the last page filled up with zeroes. Directories are walked; links in them are not followed.

    \b
    zreplay pages /usr/lib
    gcore -o core 1234 && zreplay pages core.1234
    """
    spare_memory()
    load_pyarrow_alone()
    from zreplay.analysis.pages import summarise
    from zreplay.pages.compressors import COMPRESSORS, chosen
    from zreplay.pages.measure import LIMIT_PAGES, PAGE_SIZES, measure
    from zreplay.replay.config import known, within

    known("--page-size", page_size, tuple(PAGE_SIZES))
    within("--limit-pages", limit_pages, 1, 2**40)
    used = chosen(compressors)
    with steps_bar("pages", quiet=quiet) as progress:
        measured = measure(
            paths,
            used,
            page_bytes=PAGE_SIZES[page_size],
            limit_pages=limit_pages or LIMIT_PAGES,
            progress=progress,
        )
    summary = summarise(measured)
    if as_json:
        click.echo(json.dumps(summary.as_dict(), indent=2))
        return
    click.echo(fitted(_text(summary)))
    if not compressors:
        for one in COMPRESSORS:
            if one not in used:
                click.echo(fitted(f"\n{one.name}: {one.lacks}"))


def _text(summary: "Summary") -> str:
    def share(pages: int) -> str:
        return f"{pages:,} ({pages / summary.pages:.1%})"

    kib = summary.page_bytes // 1024
    pages = f"{summary.pages:,} of {kib} KiB"
    if summary.pages < summary.pages_found:
        pages += f", evenly spread over {summary.pages_found:,}; --limit-pages sets how many"
    rows = [
        ("pages", pages),
        ("in", _counts({"files": summary.files, "core_dumps": summary.cores})),
        ("zero-filled", share(summary.zero_filled)),
        ("same-filled", f"{share(summary.same_filled)}, those of zeroes among them"),
    ]
    if any(summary.left_out.values()):
        rows.insert(2, ("left out", _counts(summary.left_out)))
    return "\n".join([aligned(rows), "", *_table(summary)])


def _counts(counts: dict[str, int]) -> str:
    """Those that are not 0, in words."""
    words = ((count, name.replace("_", " ")) for name, count in counts.items() if count)
    return ", ".join(f"{count:,} {name if count > 1 else name.removesuffix('s')}" for count, name in words)


def _table(summary: "Summary") -> list[str]:
    """One column per compressor."""
    compressors = summary.compressors

    def line(name: str, cells: list[str]) -> str:
        return f"{name:<27}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)

    def of_all(pages: int) -> str:
        return f"{pages / summary.pages:.1%}"

    def each(name: str, cell: "Callable[[Sizes], str]") -> str:
        return line(name, [cell(sizes) for sizes in compressors.values()])

    lines = [
        line("not same-filled", list(compressors)),
        each("  ratio", lambda sizes: "–" if sizes.ratio is None else f"{sizes.ratio:.2f}"),
        each("  a page or more, of all", lambda sizes: of_all(sizes.incompressible)),
        each("  mean bytes", lambda sizes: "–" if sizes.size_bytes_mean is None else f"{sizes.size_bytes_mean:,.1f}"),
    ]
    for name in next(iter(compressors.values())).size_bytes:
        lines.append(line(f"  {name} bytes", [f"{sizes.size_bytes[name]:,}" for sizes in compressors.values()]))
    packed = {(name, one.packer): one for name, sizes in compressors.items() for one in sizes.packed}
    packers = list(dict.fromkeys(packer for _, packer in packed))
    for what, whole in (("refused", False), ("kept whole", True)):
        some = [packer for packer in packers if packer.keeps_whole == whole]
        if some:
            lines += ["", f"pool pages; {what}, of all"]
        for packer in some:
            cells = []
            for name in compressors:
                one = packed.get((name, packer))
                share = of_all(one.kept_whole if whole else one.refused) if one else ""
                cells.append(f"{one.pool_pages:,} {share:>6}" if one else "–")
            lines.append(line(f"  {packer.name}", cells))
    if not packers:
        lines += ["", "pools: modelled for pages of 4 KiB only"]
    return lines
