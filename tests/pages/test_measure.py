"""Pages of known content: what they are filled with, the bytes they take by each format's own rules, their pools."""

import random
from pathlib import Path

import pytest

from zreplay.analysis.pages import PACKERS, Packer, pack, summarise
from zreplay.pages.compressors import COMPRESSORS, chosen
from zreplay.pages.measure import SAME_FILLED, VARIED, ZERO_FILLED, Measured, fill_of, measure

PAGE = 4096
ZEROES = bytes(PAGE)
WORD = b"compress" * (PAGE // 8)
NOISE = random.Random(1).randbytes(PAGE)
INSTALLED = [one.name for one in COMPRESSORS if one.is_installed]


def measured(tmp_path: Path, *pages: bytes, **options: int) -> Measured:
    path = tmp_path / "pages"
    path.write_bytes(b"".join(pages))
    return measure([path], chosen(()), **options)


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(name not in INSTALLED, reason=f"{name} is not installed")


@pytest.mark.parametrize(
    ("page", "fill"),
    [
        (ZEROES, ZERO_FILLED),
        (WORD, SAME_FILLED),
        (b"\xff" * PAGE, SAME_FILLED),
        (b"half" * (PAGE // 4), SAME_FILLED),  # two of them are a word
        (b"two words, again" * (PAGE // 16), VARIED),
        (ZEROES[:-1] + b"\1", VARIED),
        (b"\1" + ZEROES[1:], VARIED),
        (WORD[:2048] + b"COMPRESS" + WORD[2056:], VARIED),
        (NOISE, VARIED),
        (bytes(65536), ZERO_FILLED),
    ],
)
def test_same_filled_is_one_machine_word_again_and_again(page: bytes, fill: int) -> None:
    assert fill_of(page) == fill


@pytest.mark.parametrize(
    ("name", "zeroes", "noise"),
    [
        # A literal, a match of 4,090 at distance 1 (16 bytes of length), five literals; 17 bytes say 4,096 literals.
        ("lz4", 1 + 1 + 2 + 16 + 1 + 5, 1 + 17 + PAGE),
        # Noise: magic, descriptor, two bytes of content size, a raw block's header.
        ("zstd", None, 4 + 1 + 2 + 3 + PAGE),
        pytest.param("zstd-unsized", None, 4 + 1 + 2 + 3 + PAGE, marks=needs("zstd-unsized")),
        # Noise: 17 bytes say 4,096 literals, three are the end.
        pytest.param("lzo", None, 17 + PAGE + 3, marks=needs("lzo")),
    ],
)
def test_sizes_by_the_formats_rules(tmp_path: Path, name: str, zeroes: int | None, noise: int) -> None:
    sizes = measured(tmp_path, ZEROES, NOISE).sizes[name]
    assert sizes[1] == noise
    assert sizes[0] == zeroes if zeroes else sizes[0] < 64


@needs("zstd-unsized")
def test_zstd_of_a_page_finds_matches_of_four(tmp_path: Path) -> None:
    # Words of four bytes, each twice. Before 6.17 zswap's parameters, for an input of unknown length, ask for five.
    words = [random.Random(i).randbytes(4) for i in range(512)]
    random.Random(2).shuffle(twice := words * 2)
    sizes = measured(tmp_path, b"".join(twice)).sizes
    assert sizes["zstd"][0] < sizes["zstd-unsized"][0]


def test_pages_keep_their_order_whatever_the_threads(tmp_path: Path) -> None:
    pages = [NOISE[: 8 * i] + bytes(PAGE - 8 * i) for i in range(512)] * 2
    found = measured(tmp_path, *pages)
    assert found.pages == found.pages_found == 1024
    sizes = list(found.sizes["lz4"])
    assert sizes[:512] == sizes[512:] == sorted(sizes[:512])
    assert found.zero_filled == 2
    assert list(measured(tmp_path, *pages, limit_pages=512).sizes["lz4"]) == sizes[::2]


def test_summary_of_four_pages(tmp_path: Path) -> None:
    half = NOISE[:2000] + bytes(2096)
    summary = summarise(measured(tmp_path, ZEROES, WORD, NOISE, half))
    assert (summary.pages, summary.zero_filled, summary.same_filled) == (4, 1, 2)
    lz4 = summary.compressors["lz4"]
    # 1 + 8 bytes say the literals: 2,000 and one zero, or a few more; the match takes 2 + 8, the end 1 + 5.
    size = lz4.size_bytes["min"]
    assert 0 <= size - (9 + 2001 + 10 + 6) < 64
    assert lz4.size_bytes["max"] == 4114
    assert lz4.incompressible == 1
    assert lz4.size_bytes_mean == (size + 4114) / 2
    assert lz4.ratio == 2 * PAGE / (size + PAGE)
    by_name = {packed.packer.name: packed for packed in lz4.packed}
    assert list(by_name) == [packer.name for packer in PACKERS]
    # 6.1: two same-filled, one refused, one alone in its page. 6.12 compresses the page of a word.
    zbud = by_name["zbud, zswap 6.1"]
    assert (zbud.pool_pages, zbud.refused, zbud.kept_whole) == (1, 1, 0)
    assert by_name["zsmalloc, zswap 6.12"].refused == 1
    latest = by_name["zsmalloc, zswap latest"]
    assert (latest.refused, latest.kept_whole) == (0, 1)
    zram = by_name["zsmalloc, zram 6.12"]
    assert (zram.refused, zram.kept_whole) == (0, 1)


def test_pages_of_one_word_alone_have_no_ratio(tmp_path: Path) -> None:
    lz4 = summarise(measured(tmp_path, ZEROES, WORD)).compressors["lz4"]
    assert (lz4.ratio, lz4.size_bytes, lz4.size_bytes_mean, lz4.incompressible) == (None, {}, None, 0)
    pools = {packed.packer.name: packed.pool_pages for packed in lz4.packed}
    assert pools["zbud, zswap 6.1"] == pools["zsmalloc, zram 6.12"] == 0
    assert pools["zsmalloc, zswap 6.12"] > 0


def test_larger_pages_have_sizes_and_no_pools(tmp_path: Path) -> None:
    summary = summarise(measured(tmp_path, ZEROES * 15, NOISE, page_bytes=65536))
    assert (summary.pages, summary.same_filled) == (1, 0)
    assert summary.compressors["lz4"].packed == []


@pytest.mark.parametrize(
    ("packer", "sizes", "pool_pages", "refused", "kept_whole"),
    [
        # 1,000 + 8 bytes are 16 chunks of 63: two a page. Two of 32 chunks do not share one.
        (Packer("zswap", "6.1", "zbud"), [1000] * 3, 2, 0, 0),
        (Packer("zswap", "6.1", "zbud"), [2000] * 3, 3, 0, 0),
        (Packer("zswap", "6.1", "zbud"), [3960, 3961, 4096, 4114, 0], 1, 3, 0),
        (Packer("zswap", "6.1", "z3fold"), [1000] * 3, 1, 0, 0),
        (Packer("zswap", "6.1", "z3fold"), [4088, 4089, 4114, 0], 1, 2, 0),
        # Four of class 1,008 a page.
        (Packer("zswap", "6.1", "zsmalloc"), [1000] * 5, 2, 0, 0),
        (Packer("zswap", "6.1", "zsmalloc"), [4096, 4097], 1, 1, 0),
        (Packer("zswap", "6.12", "zsmalloc"), [4096, 4097], 1, 1, 0),
        (Packer("zswap", "latest", "zsmalloc"), [4096, 4114], 2, 0, 2),
        # The largest class below a page is of 3,264 bytes with chains of 4, of 3,632 with chains of 8; a handle is 8.
        (Packer("zram", "6.1", "zsmalloc"), [3257, 4114], 2, 0, 2),
        (Packer("zram", "6.1", "zsmalloc"), [3256] * 5, 4, 0, 0),
        (Packer("zram", "6.12", "zsmalloc"), [3625], 1, 0, 1),
        (Packer("zram", "6.12", "zsmalloc"), [3624] * 9, 8, 0, 0),
    ],
)
def test_pools_by_hand(packer: Packer, sizes: list[int], pool_pages: int, refused: int, kept_whole: int) -> None:
    packed = pack(packer, sizes)
    assert (packed.pool_pages, packed.refused, packed.kept_whole) == (pool_pages, refused, kept_whole)
