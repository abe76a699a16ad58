"""A file written behind its writer's back: who encodes does not wait for the kernel to copy what is encoded."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_HANDED_OVER_BYTES = 1 << 20
# Sent to the disk on the way, so that the fsync at the end has little left to wait for.
_SYNCED_BYTES = 32 << 20


class FileBehind:
    """A new file for bytes in order, written by a thread of its own in pieces of a megabyte, one ahead at most, and
    sent to the disk on the way.

    An OSError of a piece is raised by a later write(), by flush() or by close(); after close() the file is closed
    whatever was raised. Raises OSError when the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW  # never through a stranger's link
        self._file = os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)
        self._threads = ThreadPoolExecutor(2, "write")
        self._written: Future[None] | None = None  # of the piece handed over last
        self._synced: Future[None] | None = None
        self._synced_bytes = 0
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._handed_over = 0

    @property
    def closed(self) -> bool:
        """Whether close() has been called."""
        return self._file.closed

    def fileno(self) -> int:
        """The descriptor, for fsync after flush()."""
        return self._file.fileno()

    def tell(self) -> int:
        """How many bytes there are, written or not yet."""
        return self._handed_over + self._parts_bytes

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append."""
        self._parts.append(bytes(data))  # bytes are not copied; a buffer is, its owner may use it again
        self._parts_bytes += len(data)
        if self._parts_bytes >= _HANDED_OVER_BYTES:
            self._hand_over()
        return len(data)

    def flush(self) -> None:
        """Wait until everything is with the kernel."""
        self._hand_over()
        self._wait()
        if self._synced is not None:
            self._synced.result()  # the kernel tells an error of the disk once

    def close(self) -> None:
        """Write what is left, and close; at once where a piece could not be written."""
        try:
            if not self.closed:
                self.flush()
        finally:
            self._threads.shutdown()
            self._file.close()

    def _hand_over(self) -> None:
        self._wait()
        parts, self._parts = self._parts, []
        self._handed_over += self._parts_bytes
        self._parts_bytes = 0
        self._written = self._threads.submit(self._write_all, parts)
        if self._handed_over - self._synced_bytes >= _SYNCED_BYTES and (self._synced is None or self._synced.done()):
            if self._synced is not None:
                self._synced.result()
            self._synced_bytes = self._handed_over
            self._synced = self._threads.submit(os.fdatasync, self._file.fileno())

    def _wait(self) -> None:
        if self._written is not None:
            self._written.result()

    def _write_all(self, parts: list[bytes]) -> None:
        left = memoryview(b"".join(parts))
        while left:
            left = left[self._file.write(left) :]
