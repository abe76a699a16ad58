"""What is written is whole or absent, what was killed is cleared away, and what is being written is left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zreplay import whole
from zreplay.errors import UsageError
from zreplay.whole import Beside, new_file, refuse_place, remove_left

GONE = 2**22 + 7  # beyond the kernel's largest PID


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def directory(place: Path, text: str) -> Path:
    place.mkdir()
    (place / "file").write_text(text)
    return place


def replaced(place: Path) -> None:
    """Replace a directory by a new one."""
    beside = Beside(place, directory=True)
    (beside.path / "file").write_text("new")
    beside.move()
    beside.remove()


def test_a_file_has_its_name_when_it_is_whole(tmp_path):
    place = tmp_path / "f"
    place.write_text("old")
    with new_file(place) as file:
        file.write(b"new")
        file.flush()
        assert place.read_text() == "old"
    assert place.read_text() == "new" and names(tmp_path) == ["f"]


def test_a_file_that_is_given_up_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "f"):
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_name_as_long_as_names_can_be(tmp_path):
    place = tmp_path / ("é" * 127)  # 254 bytes
    with new_file(place) as file:
        file.write(b"x")
    assert names(tmp_path) == [place.name]


def test_a_directory_takes_the_place_of_another_in_one_step(tmp_path, monkeypatch):
    place = directory(tmp_path / "d", "old")
    monkeypatch.setattr(Beside, "_move_aside", None)  # not called
    replaced(place)
    assert (place / "file").read_text() == "new" and names(tmp_path) == ["d"]


@pytest.mark.parametrize("has_locks", [True, False])
def test_without_an_exchange_the_old_one_is_moved_aside(tmp_path, monkeypatch, has_locks):
    def no_lock(descriptor, how):
        raise OSError(9, "Bad file descriptor")  # NFS, of a directory

    if not has_locks:
        monkeypatch.setattr(whole.fcntl, "flock", no_lock)
    monkeypatch.setattr(whole, "_exchange", lambda one, other: False)
    place = directory(tmp_path / "d", "old")
    replaced(place)
    assert (place / "file").read_text() == "new" and names(tmp_path) == ["d"]


def test_without_an_exchange_the_old_one_comes_back_if_the_new_one_cannot_come(tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "_exchange", lambda one, other: False)
    place = directory(tmp_path / "d", "old")
    beside = Beside(place, directory=True)
    beside.path.rmdir()  # so that its move fails
    with pytest.raises(FileNotFoundError):
        beside.move()
    beside.remove()
    assert (place / "file").read_text() == "old" and names(tmp_path) == ["d"]


def test_a_kill_between_the_two_moves_loses_nothing(tmp_path):
    directory(tmp_path / f".d.{GONE}-0.old", "old")
    directory(tmp_path / f".d.{GONE}-0.new", "new")
    remove_left(tmp_path / "d")
    assert (tmp_path / "d" / "file").read_text() == "old" and names(tmp_path) == ["d"]


def test_what_is_left_is_of_this_place_only(tmp_path):
    for name in (f".f.{GONE}-0.new", f".f.{GONE}-12.new"):
        (tmp_path / name).write_text("left")
    others = [".f", f".f.{GONE}.new", ".f.new", f".f.g.{GONE}-0.new", f".g.{GONE}-0.new", f"f.{GONE}-0.new"]
    for name in others:
        (tmp_path / name).write_text("another's")
    with new_file(tmp_path / "f") as file:
        file.write(b"x")
    assert names(tmp_path) == sorted([*others, "f"])


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    """The process has the number of nobody here, as in another container: only the lock tells that it is at work."""
    script = (
        "import os, sys; from pathlib import Path; from zreplay.whole import Beside\n"
        f"os.getpid = lambda: {GONE}\n"
        "beside = Beside(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.read(); beside.move()"
    )
    command = [sys.executable, "-c", script, tmp_path / "f"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == b"ready\n"
        with new_file(tmp_path / "f") as file:
            file.write(b"mine")
        assert names(tmp_path) == [f".f.{GONE}-0.new", "f"]
        other.stdin.close()
        assert other.wait() == 0
    assert names(tmp_path) == ["f"] and (tmp_path / "f").read_bytes() == b""


def test_what_is_taken_for_left_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    lock, taken = whole.fcntl.flock, []

    def late(descriptor, how):
        if not taken:
            taken.append(True)
            remove_left(tmp_path / "f")  # somebody else's, just then
        lock(descriptor, how)

    monkeypatch.setattr(whole.fcntl, "flock", late)
    beside = Beside(tmp_path / "f")
    assert names(tmp_path) == [beside.path.name]
    assert beside.path.name.endswith(f"{os.getpid()}-1.new")
    beside.remove()
    assert names(tmp_path) == []


def test_an_error_names_the_place_the_reason_and_what_mends_it(tmp_path):
    place = tmp_path / "nowhere" / "f"
    with pytest.raises(UsageError) as told, new_file(place):
        pass
    assert str(told.value) == f"{place}: cannot be written: No such file or directory; -o names another place"


@pytest.mark.parametrize(
    ("place", "parents", "message"),
    [
        ("folder", True, "is a directory, expected the name of a file to write"),
        ("file", True, "already exists; --force replaces it"),
        ("file/a/b", True, "cannot be written: Not a directory; -o names another place"),
        ("a/b", False, "cannot be written: No such file or directory; -o names another place"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path, place, parents, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as told:
        refuse_place(tmp_path / place, force=False, parents=parents)
    assert str(told.value) == f"{tmp_path / place}: {message}"
    assert names(tmp_path) == ["file", "folder"]


def test_a_link_to_nothing_is_something(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UsageError, match="already exists; --force replaces it"):
        refuse_place(tmp_path / "link", force=False)


def test_a_name_that_is_too_long_is_told_as_what_cannot_be_written(tmp_path):
    place = tmp_path / ("x" * 300)
    with pytest.raises(UsageError) as told:
        refuse_place(place, force=False, mend="--plot names another place")
    assert str(told.value) == f"{place}: cannot be written: File name too long; --plot names another place"


def test_nothing_is_left_of_having_tried(tmp_path):
    (tmp_path / "file").write_text("old")
    refuse_place(tmp_path / "file", force=True)
    refuse_place(tmp_path / "a" / "b", force=False, parents=True)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"
