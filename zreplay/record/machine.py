"""The machine to be recorded: its kernel, its swap, zswap or zram, and what stands in the way of tracing it."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from zreplay.errors import UsageError
from zreplay.record.btf import Btf
from zreplay.trace.context import POOLS, Context

_PAGE_KB = 4


@dataclass(frozen=True)
class Symbol:
    """A name of /proc/kallsyms; the address is 0 for whoever may not know it."""

    address: int
    module: str | None


class Machine:
    """What /proc and /sys say. Read when asked, never written.

    Args:
        root: where /proc and /sys are found.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def _text(self, path: str) -> str | None:
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return None

    @cached_property
    def release(self) -> str:
        """As ``uname -r`` says it."""
        return self._text("proc/sys/kernel/osrelease") or os.uname().release

    @cached_property
    def symbols(self) -> dict[str, list[Symbol]]:
        """The kernel's names, each with every place it stands for."""
        out: dict[str, list[Symbol]] = {}
        for line in (self._text("proc/kallsyms") or "").splitlines():
            address, _, name, *module = line.split()
            out.setdefault(name, []).append(Symbol(int(address, 16), module[0].strip("[]") if module else None))
        return out

    @cached_property
    def btf(self) -> Btf | None:
        """The kernel's type information with that of the modules of interest; None where the kernel has none."""
        found = [
            path.read_bytes()
            for name in ("vmlinux", "zsmalloc", "zbud", "z3fold", "zram")
            if (path := self.root / "sys/kernel/btf" / name).is_file()
        ]
        if not found or not (self.root / "sys/kernel/btf/vmlinux").is_file():
            return None
        try:
            return Btf(*found)
        except (ValueError, IndexError):
            return None

    @cached_property
    def zswap(self) -> dict[str, str] | None:
        """zswap's parameters by name; None where the kernel has no zswap."""
        folder = self.root / "sys/module/zswap/parameters"
        if not folder.is_dir():
            return None
        return {path.name: self._text(f"sys/module/zswap/parameters/{path.name}") or "" for path in folder.iterdir()}

    @cached_property
    def swaps(self) -> list[str]:
        """The names of the devices and files that are swapped to."""
        return [line.split()[0] for line in (self._text("proc/swaps") or "").splitlines()[1:]]

    @property
    def zram_swaps(self) -> list[str]:
        """Those of them that are zram devices, without /dev."""
        return [Path(name).name for name in self.swaps if re.fullmatch(r"/dev/zram\d+", name)]

    @property
    def zswap_is_on(self) -> bool:
        """Whether zswap takes pages."""
        return (self.zswap or {}).get("enabled") in ("Y", "1")

    @cached_property
    def tracefs(self) -> Path | None:
        """Where tracefs is mounted."""
        places = (self.root / "sys/kernel/tracing", self.root / "sys/kernel/debug/tracing")
        return next((place for place in places if (place / "trace_clock").exists()), None)

    @property
    def lockdown(self) -> str | None:
        """What the kernel is locked down to; None: nothing."""
        chosen = re.search(r"\[(\w+)\]", self._text("sys/kernel/security/lockdown") or "")
        return chosen[1] if chosen and chosen[1] != "none" else None

    @property
    def cpus(self) -> int:
        """CPUs that may be online."""
        ranges = (self._text("sys/devices/system/cpu/possible") or "0").split(",")
        return sum(int(last or first) - int(first) + 1 for first, _, last in (part.partition("-") for part in ranges))

    def model(self) -> str:
        """``zswap`` or ``zram``: what this machine swaps to. Raises UsageError where it is neither."""
        if self.zswap_is_on:
            return "zswap"
        return "zram" if self.zram_swaps else "zswap"

    def context(self, model: str) -> Context:
        """The parameters that belong into a trace."""
        total = re.search(r"MemTotal:\s+(\d+) kB", self._text("proc/meminfo") or "")
        zswap = self.zswap or {}
        pool = zswap.get("zpool", "zsmalloc") if model == "zswap" else "zsmalloc"  # 6.18 and later: no parameter zpool
        compressor = zswap.get("compressor")
        if model == "zram":
            chosen = re.search(r"\[([\w-]+)\]", self._text(f"sys/block/{self.zram_device}/comp_algorithm") or "")
            compressor = chosen[1] if chosen else None
        return Context(
            model=model,
            pool=pool if pool in POOLS else None,
            compressor=compressor,
            kernel_release=self.release,
            totalram_pages=int(total[1]) // _PAGE_KB if total else None,
            max_pool_percent=_number(zswap.get("max_pool_percent")) if model == "zswap" else None,
            accept_threshold_percent=_number(zswap.get("accept_threshold_percent")) if model == "zswap" else None,
            cpus=self.cpus,
            clock="mono",
        )

    @property
    def zram_device(self) -> str:
        """The zram device that is swapped to, or the first one there is."""
        return next(iter(self.zram_swaps), "zram0")

    def obstacle(self, model: str, *, as_root: bool) -> str | None:
        """The first thing that keeps this machine from being recorded, and what to do about it; None: nothing."""
        for obstacle in (self._tracing_obstacle(as_root=as_root), self._swap_obstacle(model)):
            if obstacle:
                return obstacle
        return None

    def _tracing_obstacle(self, *, as_root: bool) -> str | None:
        if not as_root:
            return f"record needs root: found uid {os.geteuid()}; sudo zreplay record …"
        if self.lockdown == "confidentiality":
            return (
                "the kernel is locked down (confidentiality), which forbids kernel probes; boot with "
                "lockdown=integrity or without Secure Boot"
            )
        if self.tracefs is None:
            return "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing"
        if not (self.tracefs / "kprobe_events").exists():
            return (
                f"Linux {self.release} has no kernel probes: {self.tracefs}/kprobe_events is missing; it takes a "
                "kernel with CONFIG_KPROBE_EVENTS=y"
            )
        return None

    def _swap_obstacle(self, model: str) -> str | None:
        if model == "zram":
            if self.zram_swaps or (self.root / "sys/block/zram0").is_dir():
                return None
            return "there is no zram device: modprobe zram, or --model zswap"
        if self.zswap is None:
            return f"Linux {self.release} has no zswap, and no zram is swapped to: modprobe zram, mkswap, swapon"
        if not self.zswap_is_on:
            return "zswap is disabled and no zram is swapped to: echo Y > /sys/module/zswap/parameters/enabled"
        return None

    def require(self, model: str, *, as_root: bool) -> None:
        """Raise UsageError with the first obstacle, if there is one."""
        if obstacle := self.obstacle(model, as_root=as_root):
            raise UsageError(obstacle)


def _number(word: str | None) -> int | None:
    return int(word) if word and word.isdecimal() else None
