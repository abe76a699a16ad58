"""A file written by a thread of its own: the bytes in order, and an error that is not lost."""

from pathlib import Path

import pytest

from zreplay.trace import behind
from zreplay.trace.behind import FileBehind


def test_the_bytes_come_out_in_order_whatever_their_pieces(tmp_path: Path) -> None:
    pieces = [bytes([n % 251]) * (n * 7919 % 400_000) for n in range(40)]  # 0 to 400 kB, 8 MB in all
    file = FileBehind(tmp_path / "f")
    for done, piece in enumerate(pieces):
        assert file.tell() == sum(map(len, pieces[:done]))
        assert file.write(piece) == len(piece)
    file.flush()
    assert (tmp_path / "f").read_bytes() == b"".join(pieces)
    file.write(b"end")
    file.close()
    assert file.closed
    assert (tmp_path / "f").read_bytes() == b"".join(pieces) + b"end"


def test_a_buffer_may_be_used_again_after_write(tmp_path: Path) -> None:
    file = FileBehind(tmp_path / "f")
    buffer = bytearray(b"one")
    file.write(buffer)
    buffer[:] = b"two"
    file.write(buffer)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"onetwo"


def test_an_error_is_raised_later_and_the_file_is_closed_all_the_same() -> None:
    file = FileBehind(Path("/dev/full"))
    file.write(b"x" * (1 << 20))  # handed over; what became of it is not known yet
    with pytest.raises(OSError, match="No space left"):
        file.flush()
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.closed


def test_a_long_file_is_on_its_way_to_the_disk_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "_SYNCED_BYTES", 1 << 21)
    synced = []
    monkeypatch.setattr(behind.os, "fdatasync", synced.append)
    file = FileBehind(tmp_path / "f")
    for _ in range(3):
        file.write(b"x" * (1 << 20))
    file.flush()
    assert synced == [file.fileno()]
    file.close()


def test_an_error_of_the_disk_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(behind, "_SYNCED_BYTES", 1 << 20)
    monkeypatch.setattr(behind.os, "fdatasync", fail)
    file = FileBehind(tmp_path / "f")
    file.write(b"x" * (1 << 20))
    with pytest.raises(OSError, match="Input/output error"):
        file.flush()
    with pytest.raises(OSError, match="Input/output error"):
        file.close()
    assert file.closed
