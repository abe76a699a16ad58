"""Files and directories that are whole or absent, whatever happens while they are written.

What is written has a hidden name beside its place, ``.NAME.PID-N.new``, until its bytes are on the disk; then it takes
the place in one step of the file system, also a place that holds something: at every moment the old or the new is
there. While it is written its writer holds a lock on it (flock), which the kernel takes back when the writer dies,
however it dies. So what is not locked was left behind, and the next one who writes to the same place removes it.

Where a file system cannot exchange two directories (NFS), the old one is moved aside first, as ``.NAME.PID-N.old``; if
the writer dies just then, the next one moves it back before anything else.
"""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from zreplay.errors import UsageError, why

_RENAME_EXCHANGE = 2
_HERE = -100  # AT_FDCWD
#: A file's name has at most 255 bytes, the hidden one some more than its place's.
_MOST_NAME_BYTES = 200


class Beside:
    """A new file or directory under a hidden name beside ``place``, locked; what died beside it before is removed.

    Raises OSError when it cannot be made.
    """

    def __init__(self, place: Path, *, directory: bool = False) -> None:
        self.place = place
        self._is_directory = directory
        self._is_moved = False
        remove_left(place)
        for number in count():
            self.path = _hidden(place, f"{os.getpid()}-{number}.new")
            with suppress(FileExistsError):
                self._lock = _new_and_locked(self.path, directory=directory)
                if self._lock is not None:
                    return

    def move(self) -> None:
        """Give it its name: it is on the disk already, see :func:`sync`, and so is the name when this returns.

        Raises OSError, and what was in the place is there.
        """
        if not self._is_directory or not self.place.exists():
            self.path.replace(self.place)
            self._is_moved = True
        elif not _exchange(self.path, self.place):
            self._move_aside()
        sync(self.place.parent)

    def _move_aside(self) -> None:
        """For want of an exchange: old one aside, new one in, old one away."""
        aside = self.path.with_suffix(".old")
        with ExitStack() as held:
            with suppress(OSError):  # a file system without locks
                held.enter_context(locked(self.place))
            self.place.rename(aside)
            try:
                self.path.rename(self.place)
            except OSError:
                aside.rename(self.place)
                raise
            _remove(aside)

    def remove(self) -> None:
        """Remove what has no name of its own by now, as far as the system lets us: nothing at all, or what the place
        held before."""
        if self._lock is not None:
            if not self._is_moved:
                _remove(self.path)
            os.close(self._lock)
            self._lock = None


@contextmanager
def new_file(place: Path, *, parents: bool = False, mend: str = "-o names another place") -> Iterator[BinaryIO]:
    """A file that takes the name ``place`` when the block ends well, and vanishes when it does not.

    Whether a place may be replaced is for the caller to say, before. With ``parents`` directories above it are made;
    ``mend`` is said where it cannot be written.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        if parents:
            place.parent.mkdir(parents=True, exist_ok=True)
        beside = Beside(place)
        try:
            with beside.path.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.move()
        finally:
            beside.remove()
    except OSError as error:
        raise cannot_write(place, error, mend) from error


def refuse_taken(
    place: Path, *, force: bool, what: str = "a file to write", mend: str = "-o names another place"
) -> None:
    """Raise UsageError where no file may be put: a directory, or, without ``force``, anything at all."""
    try:
        if place.is_dir():
            raise UsageError(f"{place}: is a directory, expected the name of {what}")
        if os.path.lexists(place) and not force:
            raise UsageError(f"{place}: already exists; --force replaces it")
    except OSError as error:
        raise cannot_write(place, error, mend) from error


def refuse_place(
    place: Path,
    *,
    force: bool,
    parents: bool = False,
    what: str = "a file to write",
    mend: str = "-o names another place",
) -> None:
    """Find out before any work whether new_file() will be able to write ``place``.

    Raises:
        UsageError: it is a directory, or exists (without ``force``), or the system makes no file there; ``what``
            belongs there, ``mend`` is said where it cannot be written.
    """
    refuse_taken(place, force=force, what=what, mend=mend)
    try:
        first = place
        while parents and not os.path.lexists(first.parent):
            first = first.parent
        beside = Beside(first)
        try:
            beside.path.open("wb").close()
        finally:
            beside.remove()
    except OSError as error:
        raise cannot_write(place, error, mend) from error


def cannot_write(place: Path, error: OSError, mend: str = "-o names another place") -> UsageError:
    """The one-line error for an output that the system refused."""
    return UsageError(f"{place}: cannot be written: {why(error)}; {mend}")


def sync(path: Path) -> None:
    """Flush a file or directory to its device."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_left(place: Path) -> None:
    """Remove what writers of ``place`` have left beside it when they died; what they had moved aside comes back."""
    left = re.compile(re.escape(_hidden(place, "").name) + r"\d+-\d+\.(new|old)")
    try:
        names = [name for name in os.listdir(place.parent) if left.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return  # whoever writes there will be told
    for name in names:
        path = place.with_name(name)
        with suppress(OSError), locked(path):  # in use, or not ours
            if name.endswith(".old") and not place.exists():
                path.rename(place)
            _remove(path)


def _hidden(place: Path, ending: str) -> Path:
    name = os.fsdecode(os.fsencode(place.name)[:_MOST_NAME_BYTES])
    return place.with_name(f".{name}.{ending}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Raises OSError (BlockingIOError) where somebody else has locked it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _new_and_locked(path: Path, *, directory: bool) -> int | None:
    """The lock of a new file or directory; None where somebody took it for a leftover before it was locked.

    Raises OSError where there can be none, FileExistsError where there is one.
    """
    if directory:
        path.mkdir()
    try:
        descriptor = os.open(path, os.O_RDONLY if directory else os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        if not directory:
            raise
        if isinstance(error, FileNotFoundError):
            return None
        _remove(path)
        raise
    with suppress(OSError):  # a file system without locks, whose leftovers stay
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except FileNotFoundError:
        pass
    os.close(descriptor)
    return None


def discard(directory: Path) -> None:
    """Remove a directory, which is whole or absent under its name; it stays where the system does not let us."""
    with suppress(OSError):
        hidden = _hidden(directory, f"{os.getpid()}-0.new")
        directory.rename(hidden)
        _remove(hidden)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the file system cannot."""
    import ctypes  # 5 ms, and only who replaces a directory needs it

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if not libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _remove(path: Path) -> None:
    """Remove a file or directory of ours, whatever is in it, as far as the system lets us."""
    if path.is_dir() and not path.is_symlink():
        from shutil import rmtree

        rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
