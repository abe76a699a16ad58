"""A recording as a stream of bytes: a file or standard input, whatever it is compressed with."""

import io
import lzma
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from zreplay.errors import TraceError, UsageError, missing, why

CHUNK_BYTES = 4 << 20
_HEAD_BYTES = 512
# Compression is known by a file's first bytes, whatever it is called.
_CODECS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"\x1f\x8b": "gzip", b"BZh": "bz2"}
_XZ = b"\xfd7zXZ\x00"
# What is not text, by its first bytes: its name, and the command that makes text of it.
_FOREIGN = {
    b"\x17\x08\x44tracing": ("a trace.dat of trace-cmd", "trace-cmd report {} | zreplay convert - …"),
    b"PERFILE2": ("a perf.data of perf record", "perf script -i {} | zreplay convert - …"),
    b"\x07tae": ("a binary block trace of blktrace", "blkparse -i {} | zreplay convert - …"),
    b"\x7fELF": ("an ELF program", ""),
    b"PK\x03\x04": ("a zip archive", "unzip -p {} | zreplay convert - …"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7z x -so {} | zreplay convert - …"),
    b"Rar!\x1a\x07": ("a rar archive", "unrar p -inul {} | zreplay convert - …"),
    b"\x1f\x9d": ("compressed by compress (.Z)", "gzip -dc {} | zreplay convert - …"),
    b"\x02\x21\x4c\x18": ("compressed by an lz4 before 1.0", "lz4 -dc {} | zreplay convert - …"),
    b"LZIP": ("compressed by lzip", "lzip -dc {} | zreplay convert - …"),
    b"\x89LZO\x00": ("compressed by lzop", "lzop -dc {} | zreplay convert - …"),
    b"\x5d\x00\x00": ("compressed by lzma of old (.lzma)", "xz -dc --format=lzma {} | zreplay convert - …"),
    b"\xff\xfe": ("text in UTF-16", "iconv -f UTF-16 -t UTF-8 {} | zreplay convert - …"),
    b"\xfe\xff": ("text in UTF-16", "iconv -f UTF-16 -t UTF-8 {} | zreplay convert - …"),
    b"%PDF": ("a PDF", ""),
    b"SQLite format 3\x00": ("an SQLite database", ""),
}
_TAR_AT, _TAR = 257, b"ustar"
_PARQUET = b"PAR1"


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Source:
    """The bytes of a recording, decompressed.

    Args:
        log: a file; ``-`` reads standard input.

    Raises:
        UsageError: no such file, or none that can be read.
        TraceError: its bytes are of something else than text or Parquet, which is named; damaged compression.
    """

    def __init__(self, log: str) -> None:
        self.name = "standard input" if log == "-" else log
        self.path = None if log == "-" else Path(log)
        try:
            self._raw: BinaryIO | io.FileIO = sys.stdin.buffer if log == "-" else io.FileIO(log)
        except FileNotFoundError as error:
            raise missing(log) from error
        except OSError as error:
            raise UsageError(f"{log}: {error.strerror}") from error
        self.read_bytes = 0  #: of the log, still compressed
        self.closed = False
        self._begin = b""
        self._text = b""
        self._ahead: ThreadPoolExecutor | None = None  # decompresses the next chunk while this one is being parsed
        self._next: Future[bytes] | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        try:
            while len(self._begin) < _HEAD_BYTES and (more := self._raw.read(_HEAD_BYTES - len(self._begin))):
                self._begin += more
        except OSError as error:
            raise UsageError(f"{self.name}: {error.strerror}") from error
        codec = next((codec for magic, codec in _CODECS.items() if self._begin.startswith(magic)), None)
        self.compression = "xz" if self._begin.startswith(_XZ) else codec
        self._stream: _Stream | None = None
        if self.compression == "xz":
            self._stream = lzma.LZMAFile(self)  # type: ignore[arg-type]  # noqa: SIM115
        elif codec:
            self._stream = pa.CompressedInputStream(pa.PythonFile(self, mode="r"), codec)
        self._refuse_foreign(self._begin if self._stream is None else self.peek(_HEAD_BYTES))

    def _refuse_foreign(self, head: bytes) -> None:
        found, command = next((told for magic, told in _FOREIGN.items() if head.startswith(magic)), ("", ""))
        if head[_TAR_AT:].startswith(_TAR):
            found, command = "a tar archive", "tar -xOf {} | zreplay convert - …"
        elif not found and not head.startswith(_PARQUET) and b"\0" in head:
            found, command = "binary data", ""
            if head[1::2].count(0) > len(head) // 4 or head[::2].count(0) > len(head) // 4:  # without its mark
                found, command = "text in UTF-16", "iconv -f UTF-16 -t UTF-8 {} | zreplay convert - …"
        if not found:
            return
        where = self.name if self.path is not None else "FILE"
        mend = f"; `{command.format(where)}` reads it" if command else ""
        if command and self.compression:
            mend = f" inside {self.compression}; decompress it, then `{command.format('FILE')}` reads it"
        raise TraceError(f"{self.name}: found {found}, expected text or Parquet{mend}")

    @property
    def is_parquet(self) -> bool:
        """Whether its bytes begin as a Parquet file's do."""
        return self.peek(len(_PARQUET)).startswith(_PARQUET)

    # ---- what the decompressors read ----

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Bytes of the log as it is, the ones looked at first included."""
        if size < 0:
            size = CHUNK_BYTES
        begin, self._begin = self._begin[:size], self._begin[size:]
        data = begin + (self._raw.read(size - len(begin)) or b"" if size > len(begin) else b"")
        self.read_bytes += len(data)
        return data

    def readable(self) -> bool:
        """As a file says it."""
        return True

    def seekable(self) -> bool:
        """As a file says it."""
        return False

    # ---- what comes out ----

    def text(self) -> bytes:
        """The next chunk, empty at the end. Raises TraceError for damaged or truncated compression."""
        kept, self._text = self._text, b""
        return kept or self._more()

    def peek(self, size: int) -> bytes:
        """The first `size` bytes of what comes next, as far as there are so many; `text` gives them again."""
        while len(self._text) < size and (more := self._more()):
            self._text += more
        return self._text[:size]

    def _more(self) -> bytes:
        if self._stream is None:
            return self._chunk()
        if self._ahead is None:
            self._ahead = ThreadPoolExecutor(1)
        data = self._chunk() if self._next is None else self._next.result()
        self._next = self._ahead.submit(self._chunk) if data else None
        return data

    def _chunk(self) -> bytes:
        try:
            return self.read() if self._stream is None else self._stream.read(CHUNK_BYTES)
        except (pa.ArrowException, lzma.LZMAError, EOFError, OSError) as error:
            raise TraceError(f"{self.name}: damaged: {why(error)}") from error

    def close(self) -> None:
        """Close the file; standard input stays."""
        if self._ahead is not None:
            self._ahead.shutdown(cancel_futures=True)
        self.closed = True
        if self.path is not None:
            self._raw.close()
