"""`zreplay pages` and `synth --pages-from`: what they print and write, and one line for what cannot be."""

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from zreplay import open_trace

PAGE = 4096


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    (path / "zeroes").write_bytes(bytes(2 * PAGE))
    (path / "words").write_bytes("".join(f"{i:8}" for i in range(2 * PAGE // 4)).encode())  # four pages
    (path / "noise").write_bytes(random.Random(1).randbytes(2 * PAGE))
    (path / "link").symlink_to("noise")
    return path


def test_what_it_says(zreplay, data: Path) -> None:
    code, out, err = zreplay("pages", data)
    assert (code, err) == (0, "")
    assert "pages        8 of 4 KiB\n" in out
    assert "in           3 files\n" in out
    assert "left out     1 symlink\n" in out
    assert "zero-filled  2 (25.0%)\n" in out
    for name in ("lz4", "zstd", "ratio", "p50 bytes", "zbud, zswap 6.1", "zsmalloc, zram 6.12"):
        assert name in out


def test_a_limit_is_said_and_gives_the_same_again(zreplay, data: Path) -> None:
    code, out, _ = zreplay("pages", data, "--limit-pages", 4)
    assert code == 0
    assert "4 of 4 KiB, evenly spread over 8; --limit-pages sets how many" in out
    assert zreplay("pages", data, "--limit-pages", 4)[1] == out


def test_json_has_it_all(zreplay, data: Path) -> None:
    code, out, _ = zreplay("pages", data, "--json", "--compressor", "lz4")
    assert code == 0
    found = json.loads(out)
    assert (found["pages"], found["pages_found"], found["same_filled"]) == (8, 8, 2)
    assert found["left_out"]["symlinks"] == 1
    assert list(found["compressors"]) == ["lz4"]
    assert found["compressors"]["lz4"]["incompressible"] == 2
    packed = found["compressors"]["lz4"]["packed"][0]
    assert packed["packer"] == {"model": "zswap", "kernel": "6.1", "pool": "zbud"}
    assert packed["refused"] == 2


def test_larger_pages(zreplay, data: Path) -> None:
    code, out, _ = zreplay("pages", data, "--page-size", "16k")
    assert code == 0
    assert "3 of 16 KiB" in out
    assert "pools: modelled for pages of 4 KiB only" in out


def test_what_cannot_be_is_one_line(zreplay, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zreplay.pages.compressors.find_spec", lambda name: None)
    (empty := data / "empty").mkdir()
    for arguments, expected in (
        ([empty], f"zreplay: {empty}: found no page, expected at least one\n"),
        (["/dev/zero"], "zreplay: /dev/zero: found a character device, which has no pages; expected a file, a"),
        ([data / "nowhere"], f"zreplay: {data}/nowhere: no such file or directory; expected a file, a directory or a"),
        ([data, "--page-size", "8k"], "zreplay: --page-size: found '8k', expected one of 4k, 16k, 64k"),
        (
            [data, "--compressor", "lz5"],
            "zreplay: --compressor: found 'lz5', expected one of lz4, zstd, zstd-unsized, lzo",
        ),
        (
            [data, "--compressor", "lzo"],
            "zreplay: --compressor lzo: lzo of zswap and zram; needs the package python-lzo, which is not",
        ),
        (
            [data, "--compressor", "zstd-unsized"],
            "zreplay: --compressor zstd-unsized: zstd of zram before 6.12 and of zswap before 6.17; needs the",
        ),
        ([data, "--limit-pages", 0], "zreplay: --limit-pages: found 0, expected 1 to"),
        ([], "zreplay: Missing argument 'PATH…'; `zreplay pages --help` tells more\n"),
    ):
        code, out, err = zreplay("pages", *arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith(expected), err
        assert err.count("\n") == 1


def test_what_is_not_installed_is_said(zreplay, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zreplay.pages.compressors.find_spec", lambda name: None)
    code, out, _ = zreplay("pages", data)
    assert code == 0
    expected = "needs the package zstandard, which is not installed: pip install 'zreplay[pages]'"
    assert f"\nzstd-unsized: zstd of zram before 6.12 and of zswap before 6.17; {expected}\n" in out


def _pages(path: Path) -> Path:
    """Of 8 pages two of zeroes, one of a word, one of noise; four compress."""
    noise = random.Random(1).randbytes(4096)
    text = "".join(f"{i:8}" for i in range(2048)).encode()
    path.write_bytes(bytes(8192) + b"compress" * 512 + noise + text)
    return path


def test_sizes_of_real_pages(zreplay, tmp_path: Path) -> None:
    data, out = _pages(tmp_path / "secret"), tmp_path / "x.parquet"
    assert zreplay("synth", "--events", 20000, "--pages-from", data, "-o", out)[0] == 0
    measured = json.loads(zreplay("pages", data, "--json", "--compressor", "lz4")[1])["compressors"]["lz4"]
    sizes = pq.read_table(out, columns=["size"])["size"].drop_null().to_pylist()
    compressible = [size for size in sizes if 0 < size < 4096]
    assert min(compressible) == measured["size_bytes"]["min"]
    assert len(set(compressible)) <= 4
    assert sizes.count(0) / len(sizes) == pytest.approx(3 / 8, abs=0.03)
    assert sizes.count(4096) / len(sizes) == pytest.approx(1 / 8, abs=0.03)  # 4,114 bytes, which no trace has
    metadata = open_trace(out).metadata
    assert metadata.compressor == "lz4"
    recipe = json.loads(metadata.synth)
    assert recipe["page_sizes"] == {"compressor": "lz4", "incompressible": 1, "pages": 8, "same_filled": 3}
    assert recipe["same_filled"] == 3 / 8
    assert "secret" not in str(pq.read_schema(out).metadata)


def test_sizes_of_real_pages_with_another_share_of_same_filled(zreplay, tmp_path: Path) -> None:
    data, out = _pages(tmp_path / "data"), tmp_path / "x.parquet"
    arguments = ("--events", 1000, "--pages-from", data, "--compressor", "zstd", "--same-filled", 0, "-o", out)
    assert zreplay("synth", *arguments)[0] == 0
    assert 0 not in pq.read_table(out, columns=["size"])["size"].to_pylist()
    assert open_trace(out).metadata.compressor == "zstd"


def test_a_recipe_with_the_sizes_of_real_pages(zreplay, tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.toml", tmp_path / "x.parquet"
    recipe.write_text(
        'kind = "workload"\nmemory_pages = 1000\narea_pages = 4000\nevents = 20_000\nsizes = "fixed:5"\n'
        '[[process]]\nname = "one"\npages = 2000\n'
        '[[process]]\nname = "own"\npages = 1000\nsizes = "fixed:7"\nsame_filled = 0\n'
        "[[phase]]\nslice_events = 2000\n"
    )
    assert zreplay("synth", recipe, "--pages-from", _pages(tmp_path / "secret"), "-o", out)[0] == 0
    sizes = set(pq.read_table(out, columns=["size"])["size"].drop_null().to_pylist())
    assert {0, 7, 4096} < sizes
    assert 5 not in sizes
    metadata = open_trace(out).metadata
    assert metadata.compressor == "lz4"
    found = json.loads(metadata.synth)["page_sizes"]
    assert found == {"compressor": "lz4", "incompressible": 1, "pages": 8, "same_filled": 3}
    assert "secret" not in str(pq.read_schema(out).metadata)


def test_pages_that_cannot_be_leave_no_trace(zreplay, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    (empty := tmp_path / "empty").mkdir()
    (zeroes := tmp_path / "zeroes").write_bytes(bytes(8192))
    for arguments, expected in (
        (["--pages-from", empty], f"{empty}: found no page, expected at least one"),
        (["--pages-from", tmp_path / "nowhere"], "nowhere: no such file or directory; expected"),
        (["--pages-from", "/dev/zero"], "/dev/zero: found a character device, which has no pages; expected"),
        (["--pages-from", zeroes], "--pages-from: found 2 pages, all same-filled, expected one that is not"),
        (["--pages-from", zeroes, "--compressor", "lz5"], "--compressor: found 'lz5', expected one of lz4, zstd"),
        (["--pages-from", zeroes, "--sizes", "mixed"], "--sizes and --pages-from: found both, expected one"),
        (["--compressor", "lz4"], "--compressor: found without --pages-from, expected with it"),
    ):
        code, stdout, stderr = zreplay("synth", *arguments, "-o", out)
        assert (code, stdout) == (2, ""), arguments
        assert expected in stderr
        assert stderr.count("\n") == 1
        assert sorted(tmp_path.iterdir()) == [empty, zeroes]
