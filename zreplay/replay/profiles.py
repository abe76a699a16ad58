"""What each kernel does by default: the one place where a profile is a set of values. docs/profiles.md explains them.

Whose decisions are replayed is the model's code (``zreplay/core/swap/``); a profile adds the values that the code takes
as they come. Every field of :class:`Profile` is also one of :class:`zreplay.replay.config.Config`, where a value given
by the user stands in its place.
"""

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from zreplay.errors import UsageError

MODELS = ("zswap", "zram")
KERNELS = ("3.12", "6.1", "6.12", "latest")
#: Which profile is nearest to a release: the last one whose first release it has reached.
FIRST_RELEASES: dict[str, tuple[int, int]] = {"3.12": (0, 0), "6.1": (4, 0), "6.12": (6, 6), "latest": (6, 18)}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Defaults of one model of swap in one kernel.

    Attributes:
        pools: allocators this kernel could be built with, its default first.
        index: the swap index nearest to the kernel's own.
        mm: the reclaim index: the pool's own list of pages, zswap's list of entries, or none (zram).
        max_pool_percent: limit of the pool, percent of totalram.
        accept_threshold_percent: a full pool accepts again below this percentage of its limit.
        exclusive_loads: a load takes the entry out of zswap.
        keeps_incompressible: what does not compress is kept as it is, 4096 bytes; else it is refused.
        same_filled: pages of one repeated word use no pool memory.
        zsmalloc_rule: how the pages of a zspage are chosen: ``a`` (to 6.2) or ``b``.
        zsmalloc_chain: the most pages a zspage may have, 4 to 16.
        zsmalloc_groups: fullness groups of a class, and the compaction that goes with them: 4 (to 6.3) or 12.
        z3fold_work: when compaction work runs: ``immediate``, or ``deferred`` to the next pause of a millisecond.
        z3fold_cpus: CPUs with lists of their own.
        z3fold_stays_claimed: a migrated page stays claimed for good, as in 6.1.190.
    """

    pools: tuple[str, ...]
    index: str = "rbtree"
    mm: str = "pool-lru"
    max_pool_percent: int = 20
    accept_threshold_percent: int = 90
    exclusive_loads: bool = False
    keeps_incompressible: bool = False
    same_filled: bool = True
    zsmalloc_rule: str = "a"
    zsmalloc_chain: int = 4
    zsmalloc_groups: int = 4
    z3fold_work: str = "immediate"
    z3fold_cpus: int = 1
    z3fold_stays_claimed: bool = True

    def defaults(self) -> dict[str, Any]:
        """Field of Config → this profile's value; the pool not among them, as the trace has a say in it."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "pools"}

    def pool_for(self, recorded: str | None) -> str:
        """The trace's own allocator, where this kernel could have it; else the kernel's default."""
        return recorded if recorded in self.pools else self.pools[0]


# "zswap: replace RB tree with xarray" (6.10), one for each 64 MiB of a swap area.
_ZSWAP_6_12 = Profile(
    pools=("zsmalloc", "zbud"),
    index="xarray-64m",
    mm="entry-lru",
    exclusive_loads=True,
    zsmalloc_rule="b",
    zsmalloc_chain=8,
    zsmalloc_groups=12,
)
_ZRAM_6_12 = Profile(
    pools=("zsmalloc",), index="table", mm="none", zsmalloc_rule="b", zsmalloc_chain=8, zsmalloc_groups=12
)

PROFILES: dict[tuple[str, str], Profile] = {
    ("zswap", "3.12"): Profile(pools=("zbud",), same_filled=False),
    ("zswap", "6.1"): Profile(pools=("zbud", "z3fold", "zsmalloc")),
    ("zswap", "6.12"): _ZSWAP_6_12,
    # zbud went in 6.15; incompressible pages stay since 6.18.
    ("zswap", "latest"): replace(_ZSWAP_6_12, pools=("zsmalloc",), keeps_incompressible=True),
    ("zram", "6.1"): Profile(pools=("zsmalloc",), index="table", mm="none"),
    ("zram", "6.12"): _ZRAM_6_12,
    ("zram", "latest"): _ZRAM_6_12,
}


def profile_of(model: str, kernel: str) -> Profile:
    """The profile of a model in a kernel.

    Raises:
        UsageError: there is none; the message says which kernels there are.
    """
    if (model, kernel) in PROFILES:
        return PROFILES[model, kernel]
    kernels = ", ".join(version for name, version in PROFILES if name == model)
    raise UsageError(f"--kernel: found '{kernel}', expected one of {kernels} with --model {model}")


def kernel_of(release: str | None) -> str | None:
    """The profile nearest to a release (``uname -r``); None where the release is unknown or says nothing."""
    matched = re.match(r"(\d+)\.(\d+)", release or "")
    if not matched:
        return None
    numbers = int(matched[1]), int(matched[2])
    return [kernel for kernel, first in FIRST_RELEASES.items() if first <= numbers][-1]
