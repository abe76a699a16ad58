"""Machines made of files: /proc and /sys in a folder."""

import signal
from collections.abc import Sequence
from pathlib import Path

from zreplay.record.machine import Machine
from zreplay.record.probes import Probe

FRONTSWAP = [
    *("zswap_frontswap_store", "zswap_frontswap_load", "zswap_frontswap_invalidate_page"),
    *("zswap_frontswap_invalidate_area", "zpool_malloc", "zpool_map_handle", "zpool_free", "zpool_shrink"),
    *("zswap_writeback_entry", "zswap_stored_pages", "zswap_pool_total_size"),
]
FOLIO = [
    *("zswap_store", "zswap_load", "zswap_invalidate", "zswap_writeback_entry", "shrink_memcg_cb", "shrink_worker"),
    *("zswap_shrinker_scan", "list_lru_walk_one", "zswap_list_lru", "zswap_stored_pages", "zs_malloc", "zs_free"),
    *("zs_shrinker_scan", "zs_page_migrate"),
]
ZRAM = ["zram_submit_bio", "zram_slot_free_notify", "zram_free_page", "zs_malloc", "zs_free", "zs_compact"]


def machine(
    root: Path,
    *,
    release: str = "6.1.0-56-amd64",
    symbols: Sequence[str] = FRONTSWAP,
    zswap: dict[str, str] | None = None,
    swaps: Sequence[str] = ("/dev/sda2",),
    tracefs: bool = True,
    kprobes: bool = True,
    lockdown: str | None = None,
) -> Machine:
    """A machine with 1,000 pages of memory and two CPUs; `zswap` None: on, over zbud, 20 %, 90 %."""
    if zswap is None:
        zswap = {"enabled": "Y", "zpool": "zbud", "compressor": "lzo", "max_pool_percent": "20"}
        zswap["accept_threshold_percent"] = "90"
    files = {
        "proc/sys/kernel/osrelease": release,
        "proc/kallsyms": "\n".join(f"ffffffff81{i:06x} T {name}" for i, name in enumerate(symbols)),
        "proc/swaps": "\n".join(["Filename Type Size Used Priority", *(f"{name} partition 1 0 -2" for name in swaps)]),
        "proc/meminfo": "MemTotal:           4000 kB",
        "sys/devices/system/cpu/possible": "0-1",
        **{f"sys/module/zswap/parameters/{name}": value for name, value in zswap.items()},
    }
    if tracefs:
        files["sys/kernel/tracing/trace_clock"] = "[local] mono"
    if tracefs and kprobes:
        files["sys/kernel/tracing/kprobe_events"] = ""
    if lockdown:
        files["sys/kernel/security/lockdown"] = f"none integrity [{lockdown}]"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return Machine(root)


class Instance:
    """Tracing without a kernel: hands out text, then nothing; or, if it ``ends``, asks for the recording's end."""

    def __init__(
        self,
        log: str,
        *,
        lost: tuple[int, ...] = (0, 0),
        fails: bool = False,
        ends: bool = False,
        chunk_bytes: int = 100,
    ) -> None:
        self.chunks = [log[i : i + chunk_bytes].encode() for i in range(0, len(log), chunk_bytes)]
        self.lost = list(lost)
        self.fails = fails
        self.ends = ends
        self.is_armed = False
        self.refused: list[tuple[Probe, str]] = []

    def __call__(self, tracefs: Path, *, buffer_kb: int) -> "Instance":
        return self

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_: object) -> None:
        self.is_armed = False

    def arm(self, planned: object) -> None:
        self.is_armed = True

    def read(self, wait_seconds: float) -> bytes:
        if not self.chunks and self.fails:
            raise OSError("the pipe broke")
        if not self.chunks and self.ends:
            signal.raise_signal(signal.SIGINT)
        return self.chunks.pop(0) if self.chunks else b""

    def stop(self) -> None: ...

    def lost_by_cpu(self) -> list[int]:
        return self.lost

    def missed(self) -> int:
        return 0
