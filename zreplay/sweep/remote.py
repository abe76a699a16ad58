"""Traces that are elsewhere: a URL of anything fsspec knows, copied once to this machine."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from zreplay.errors import UsageError


def is_url(place: str) -> bool:
    """Whether a place is a URL, like ``s3://bucket/trace.parquet``."""
    return "://" in place


def matching_urls(pattern: str) -> list[str]:
    """The URLs that a pattern matches, sorted.

    Raises:
        UsageError: it cannot be reached, or its library is not installed.
    """
    fs, path = _file_system(pattern)
    try:
        return sorted(fs.unstrip_protocol(name) for name in fs.glob(path))
    except Exception as error:
        raise _unreachable(pattern, error) from error


def local_path(place: str) -> Path:
    """Where a trace is on this machine; of a URL, a copy in the temporary folder, made at the first time.

    A copy is known by the URL and by what its server says of its contents (for S3 the ETag).

    Raises:
        UsageError: it cannot be reached, or its library is not installed.
    """
    if not is_url(place):
        return Path(place)
    fs, path = _file_system(place)
    try:
        version = fs.ukey(path)
        folder = _cache()
        copy = folder / hashlib.sha256(f"{place} {version}".encode()).hexdigest()[:16] / Path(path).name
        if not copy.is_file():
            copy.parent.mkdir(exist_ok=True)
            beside = copy.with_name(f".{copy.name}.{os.getpid()}")
            try:
                fs.get_file(path, str(beside))
                beside.replace(copy)
            finally:
                beside.unlink(missing_ok=True)
    except Exception as error:
        raise _unreachable(place, error) from error
    return copy


def _cache() -> Path:
    folder = Path(tempfile.gettempdir()) / f"zreplay-traces-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is somebody else's; TMPDIR names another folder")
    return folder


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec

        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise UsageError(f"{url}: needs {error.name or error}; pip install 'zreplay[remote]'") from error
    except Exception as error:
        raise _unreachable(url, error) from error
    fs.invalidate_cache()
    return fs, path


def _unreachable(url: str, error: Exception) -> UsageError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UsageError(f"{url}: cannot be read: {reason}")
