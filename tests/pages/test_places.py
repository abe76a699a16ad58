"""Where pages are: files as the page cache has them, directories by name, core dumps by their headers."""

import os
import socket
import struct
from pathlib import Path

import pytest

from zreplay.errors import UsageError
from zreplay.pages.measure import read
from zreplay.pages.places import find

PAGE = 4096


def page(letter: str) -> bytes:
    return letter.encode() * PAGE


def letters(*paths: Path, taken: int | None = None) -> str:
    """The first letter of each page."""
    found = find(paths)
    return "".join(data[:1].decode() for data in read(found, PAGE, taken or found.pages(PAGE)))


def core(path: Path, segments: list[bytes], *, bits: int = 64, order: str = "<", extended: bool = False) -> Path:
    """A core dump of these mappings. Each lies behind a note and before one that was not dumped; ``extended``: their
    number stands in the first section header."""
    wide = bits == 64
    ehdr, phdr, shdr = (64, 56, 64) if wide else (52, 32, 40)
    count = 2 * len(segments) + 1
    phoff = ehdr + (shdr if extended else 0)
    data_at = phoff + count * phdr
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    address = "Q" if wide else "I"
    header = ident + struct.pack(
        f"{order}HHI3{address}IHHHHHH",
        *(4, 62, 1, 0, phoff, ehdr if extended else 0, 0),
        *(ehdr, phdr, 0xFFFF if extended else count, shdr, int(extended), 0),
    )
    section = b""
    if extended:
        section = struct.pack(f"{order}II4{address}II2{address}", 0, 0, 0, 0, 0, 0, 0, count, 0, 0)
    programs = [_program(order, wide, 4, data_at, 0, 0)]
    at = data_at
    for i, data in enumerate(segments):
        programs.append(_program(order, wide, 1, at, 0x1000 * (i + 1), len(data)))
        programs.append(_program(order, wide, 1, at, 0, 0))
        at += len(data)
    path.write_bytes(header + section + b"".join(programs) + b"".join(segments))
    return path


def _program(order: str, wide: bool, kind: int, offset: int, address: int, size: int) -> bytes:
    if wide:
        return struct.pack(f"{order}IIQQQQQQ", kind, 6, offset, address, 0, size, size + PAGE, PAGE)
    return struct.pack(f"{order}IIIIIIII", kind, offset, address, 0, size, size + PAGE, 6, PAGE)


def test_last_page_of_a_file_is_filled_up_with_zeroes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(page("a") + b"b")
    found = find([path])
    assert found.pages(PAGE) == 2
    assert list(read(found, PAGE, 2)) == [page("a"), b"b" + bytes(PAGE - 1)]
    assert list(read(found, 65536, 1)) == [page("a") + b"b" + bytes(65536 - PAGE - 1)]


def test_directories_are_walked_by_name_and_links_are_not_followed(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "b").mkdir(parents=True)
    for name, letter in (("c", "3"), ("b/z", "2"), ("a", "1"), ("B", "0")):
        (tree / name).write_bytes(page(letter))
    (tree / "empty").touch()
    outside.write_bytes(page("x"))
    (tree / "link").symlink_to(outside)
    (tree / "round").symlink_to(tree)
    os.mkfifo(tree / "fifo")
    assert letters(tree) == "0123"
    found = find([tree])
    assert (found.files, found.symlinks, found.special_files) == (5, 2, 1)


def test_a_link_that_is_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(page("a"))
    (tmp_path / "link").symlink_to("file")
    assert letters(tmp_path / "link", tmp_path / "file") == "aa"


def test_fewer_pages_are_evenly_spread_over_all(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / str(i)).write_bytes(page(str(2 * i)) + page(str(2 * i + 1)))
    assert letters(tmp_path) == "0123456789"
    assert letters(tmp_path, taken=4) == "0257"  # k * 10 / 4, rounded down
    assert letters(tmp_path, taken=1) == "0"


@pytest.mark.parametrize(("bits", "order"), [(64, "<"), (64, ">"), (32, "<"), (32, ">")])
@pytest.mark.parametrize("extended", [False, True])
def test_of_a_core_dump_the_mappings_are_pages(tmp_path: Path, bits: int, order: str, extended: bool) -> None:
    made = core(tmp_path / "core", [page("a") + page("b"), page("c")], bits=bits, order=order, extended=extended)
    assert letters(made) == "abc"
    assert (find([made]).cores, find([made]).files) == (1, 0)


def test_an_executable_is_no_core_dump(tmp_path: Path) -> None:
    made = core(tmp_path / "program", [page("a")])
    data = bytearray(made.read_bytes())
    data[16] = 2  # ET_EXEC
    made.write_bytes(data)
    assert find([made]).cores == 0
    assert find([made]).pages(PAGE) == 2  # headers and all


def test_a_core_dump_cut_off_is_refused(tmp_path: Path) -> None:
    made = core(tmp_path / "core", [page("a") + page("b")])
    whole = made.stat().st_size
    os.truncate(made, whole - 1)
    with pytest.raises(UsageError, match=rf"core: a core dump that was cut off: found {whole - 1:,} bytes, expected"):
        find([made])
    os.truncate(made, 100)
    with pytest.raises(UsageError, match=r"core: a damaged core dump: found 100 bytes, expected headers up to 232"):
        find([made])


def test_no_page_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (tmp_path, tmp_path / "empty"):
        with pytest.raises(UsageError, match=f"{path}: found no page, expected at least one"):
            find([path])


def test_what_does_not_end_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        for path, kind in (("/dev/zero", "a character device"), ("fifo", "a FIFO"), ("socket", "a socket")):
            with pytest.raises(UsageError, match=f"{path}: found {kind}, which has no pages; expected a file"):
                find([Path(path)])


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such file or directory"):
        find([tmp_path / "nowhere"])


def test_what_may_not_be_read_is_an_error_if_named_and_left_out_in_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(page("s"))

    def refuse(path: Path, *_: object, **__: object) -> object:  # root may read whatever its bits say
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="secret: permission denied"):
        find([tmp_path / "secret"])
    with pytest.raises(UsageError, match="found no page, expected at least one; 1 of the files could not be read"):
        find([tmp_path])


def test_a_file_that_has_become_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(page("a") + page("b"))
    found = find([path])
    os.truncate(path, 5000)
    with pytest.raises(UsageError, match="log: is shorter than its size says: found 5,000 bytes, expected 8,192"):
        list(read(found, PAGE, 2))


def test_a_file_of_a_directory_that_ends_before_its_size_is_left_out_and_counted(tmp_path: Path) -> None:
    """Each file of sysfs says that it has a page, and few do: `zreplay pages /sys` ended with the first."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(page(name) + page(name))
    found = find([tmp_path])
    os.truncate(tmp_path / "b", 0)
    assert list(read(found, PAGE, 6)) == [page("a"), page("a"), page("c"), page("c")]
    assert found.unreadable == 1
    assert list(read(found, PAGE, 3)) == [page("a"), page("c")]  # the third and the fourth page are b's
