"""What a recording's text does not say: the parameters of the kernel it was made on.

They come from the recorder's context file or from options; an option beats the file. The file is what
``grep . /sys/…`` and a shell script leave: ``KEY=VALUE`` lines of the script, ``name:value`` lines of module
parameters and debugfs, the kernel release on a line of its own, and lines of ``/proc/meminfo``.
"""

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zreplay.errors import UsageError
from zreplay.trace.files import TraceMetadata
from zreplay.trace.schema import PAGE_SIZE

if TYPE_CHECKING:
    from zreplay.trace.families import Release

POOLS = ("zbud", "z3fold", "zsmalloc")
MODELS = ("zswap", "zram")
_PAGE_KB = 4


@dataclass(frozen=True)
class Context:
    """The source of a recording; None where it is unknown. Raises UsageError for a value that cannot be."""

    model: str | None = None
    pool: str | None = None
    compressor: str | None = None
    kernel_release: str | None = None
    totalram_pages: int | None = None
    max_pool_percent: int | None = None
    accept_threshold_percent: int | None = None
    cpus: int | None = None
    clock: str | None = None
    page_size: int | None = None

    def __post_init__(self) -> None:
        for name, known in (("model", MODELS), ("pool", POOLS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise UsageError(f"--{name} {value}: unknown{_near(value, known)}")
        if self.kernel_release is not None and _release_numbers(self.kernel_release) is None:
            raise UsageError(f"--kernel-release {self.kernel_release}: expected a release like 6.1.0-54-amd64")
        if self.page_size not in (None, PAGE_SIZE):
            raise UsageError(
                f"--page-size {self.page_size}: expected {PAGE_SIZE}: pools of other pages are not modelled"
            )
        for name, low, high in (
            ("totalram_pages", 1, None),
            ("max_pool_percent", 1, 100),
            ("accept_threshold_percent", 0, 100),
            ("cpus", 1, None),
        ):
            value = getattr(self, name)
            if value is not None and (value < low or (high is not None and value > high)):
                expected = f"{low} to {high}" if high is not None else f"at least {low}"
                raise UsageError(f"--{name.replace('_', '-')} {value}: expected {expected}")

    def overridden_by(self, other: "Context") -> "Context":
        """Every value of `other` that is known, otherwise this one's."""
        known = {field.name: getattr(other, field.name) for field in fields(other)}
        return replace(self, **{name: value for name, value in known.items() if value is not None})

    @property
    def release(self) -> "Release | None":
        """The kernel's (major, minor), where it is known."""
        return _release_numbers(self.kernel_release) if self.kernel_release else None

    def limits(self) -> tuple[int, int]:
        """zswap's limit and accept threshold in pages as 6.12 counts them; 0 and 0 if the machine's are not known."""
        if not (self.totalram_pages and self.max_pool_percent and self.accept_threshold_percent is not None):
            return 0, 0
        most = self.totalram_pages * self.max_pool_percent // 100
        return most, most * self.accept_threshold_percent // 100

    def metadata(self) -> TraceMetadata:
        """The trace's metadata, as far as the context tells it."""
        is_zram = self.model == "zram"
        return TraceMetadata(
            clock=self.clock or "monotonic",
            model=self.model,
            source_kernel=self.kernel_release,
            compressor=self.compressor,
            pool=self.pool,
            # zswap's limits say nothing about a zram recording made beside it.
            max_pool_percent=None if is_zram else self.max_pool_percent,
            accept_threshold_percent=None if is_zram else self.accept_threshold_percent,
            totalram_pages=self.totalram_pages,
            cpus=self.cpus,
        )


def read_context(path: Path) -> Context:
    """Read a context file. Raises UsageError for one that is missing or has a value that cannot be."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    script: dict[str, str] = {}
    system: dict[str, str] = {}
    release = None
    for line in text.splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line.strip()):
            script[match[1].upper()] = match[2].strip().strip("'\"")
        elif match := re.fullmatch(r"(\w+):\s*(\S+)( kB)?", line.strip()):
            system[match[1]] = match[2]
        elif re.fullmatch(r"\d+\.\d+[\w.+~-]*", line.strip()):
            release = release or line.strip()
    model = script.get("KIND")
    is_zram = model == "zram"

    def word(keys: tuple[str, ...], parameter: str) -> str | None:
        for key in keys:
            if script.get(key):
                return script[key]
        return None if is_zram else system.get(parameter)

    def number(keys: tuple[str, ...], parameter: str) -> int | None:
        value = word(keys, parameter)
        if value is not None and not value.isdecimal():
            raise UsageError(f"{path}: {keys[0]}: found {value!r}, expected a whole number")
        return None if value is None else int(value)

    total_kb = system.get("MemTotal", "")
    try:
        return Context(
            model=model,
            pool=word(("ZPOOL", "POOL"), "zpool"),
            compressor=word(("COMPRESSOR", "COMP"), "compressor"),
            kernel_release=release,
            totalram_pages=int(total_kb) // _PAGE_KB if total_kb.isdecimal() else None,
            max_pool_percent=None if is_zram else number(("PERCENT", "PCT"), "max_pool_percent"),
            accept_threshold_percent=None if is_zram else number(("ACCEPT",), "accept_threshold_percent"),
            cpus=number(("CPUS",), ""),
            clock=script.get("CLOCK"),
            page_size=number(("PAGE_SIZE", "PAGESIZE"), ""),
        )
    except UsageError as error:
        raise UsageError(f"{path}: {str(error).removeprefix('--')}") from error


def _release_numbers(release: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else None


def _near(value: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(value, known, 1)
    return f"; did you mean {close[0]}?" if close else f", expected one of {', '.join(known)}"
