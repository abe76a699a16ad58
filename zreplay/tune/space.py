"""What a search chooses from: configurations of one trace, in the order in which equal ones are preferred."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zreplay.errors import UsageError
from zreplay.replay.config import Config
from zreplay.replay.profiles import PROFILES, kernel_of, profile_of
from zreplay.trace.files import TraceMetadata

#: Axes of a search: fields of :class:`zreplay.replay.config.Config` that the command line has options for.
AXES = ("design", "kernel", "pool", "mm", "max_pool_percent", "accept_threshold_percent")
LIMITS = tuple(range(5, 51, 5))
#: The kernel's own first: where the threshold makes no difference, that is what to leave it at.
THRESHOLDS = (90, 80, 70, 100)
#: Profiles that somebody may ship today.
KERNELS = ("6.1", "6.12", "latest")
#: Reclaim without a pool limit, and without an accept threshold.
_NO_LIMIT = ("none", "inactive-lru")
_NO_THRESHOLD = (*_NO_LIMIT, "belady")


@dataclass(frozen=True)
class Candidate:
    """One configuration that may be the best.

    Attributes:
        config: resolved.
        name: what tells it apart, for people.
        family: all settings but limit and threshold; candidates of one family differ in nothing else.
        limit_percent: of totalram; None where nothing is limited.
        threshold_percent: of the limit; None where it makes no difference.
    """

    config: Config
    name: str
    family: tuple[Any, ...]
    limit_percent: int | None
    threshold_percent: int | None

    @property
    def limit_pages(self) -> int | None:
        """The most pages the pool may have, of the whole machine."""
        if self.limit_percent is None or self.config.totalram_pages is None:
            return None
        return self.config.totalram_pages * self.limit_percent // 100


def candidates(
    trace: Path, metadata: TraceMetadata, axes: Mapping[str, Sequence[Any]], totalram_pages: int | None = None
) -> list[Candidate]:
    """Every combination of the axes' values, those that are the same replay once, in the order given.

    An axis of :data:`AXES` left out is searched over its usual values: limits, thresholds; and where no design is given
    the kernels, with the pools that each could be built with. Of a recording of zram also zram itself.

    Raises:
        UsageError: choices that do not go together; a limit is searched and nobody knows the machine's memory.
    """
    limits = axes.get("max_pool_percent", LIMITS)
    thresholds = axes.get("accept_threshold_percent", THRESHOLDS)
    found: dict[tuple[Any, ...], Candidate] = {}
    for choice in _choices(metadata, axes):
        for limit, threshold in itertools.product(limits, thresholds):
            config = Config(
                trace=trace,
                out=trace,
                totalram_pages=totalram_pages,
                max_pool_percent=limit,
                accept_threshold_percent=threshold,
                **choice,
            ).resolved(metadata)
            candidate = _candidate(config)
            if candidate.limit_percent is not None and config.totalram_pages is None:
                raise UsageError(
                    f"{trace}: the trace does not say how much memory the machine had, and a limit is a share of it; "
                    "--totalram-pages says it"
                )
            found.setdefault((candidate.family, candidate.limit_percent, candidate.threshold_percent), candidate)
    return list(found.values())


def _choices(metadata: TraceMetadata, axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Values of all axes but limit and threshold; the recording's own kernel first, as the nearest at hand."""
    asked = {name: axes[name] for name in ("design", "kernel", "pool", "mm") if name in axes}
    if "design" in asked or "pool" in asked:
        return [dict(zip(asked, values, strict=True)) for values in itertools.product(*asked.values())]
    own = kernel_of(metadata.source_kernel)
    kernels = asked.get("kernel") or sorted(KERNELS, key=lambda kernel: kernel != own)
    rest = [{"mm": mm} for mm in axes["mm"]] if "mm" in axes else [{}]
    zswap = [
        {"model": "zswap", "kernel": kernel, "pool": pool, **more}
        for kernel in kernels
        for pool in profile_of("zswap", kernel).pools
        for more in rest
    ]
    if metadata.model != "zram" or "mm" in axes:
        return zswap
    # Of kernels whose zram does the same the first.
    zram = {PROFILES["zram", kernel]: kernel for kernel in reversed(kernels) if ("zram", kernel) in PROFILES}
    return [{"model": "zram", "kernel": kernel} for kernel in reversed(zram.values())] + zswap


def _candidate(config: Config) -> Candidate:
    limit = None if config.mm in _NO_LIMIT else config.max_pool_percent
    # zswap of 3.12 takes pages again as soon as there is room.
    threshold = None if config.mm in _NO_THRESHOLD or config.kernel == "3.12" else config.accept_threshold_percent
    words = [config.design or f"{config.kernel} {config.pool}"]
    if config.design is None and config.model == "zram":
        words = [f"{config.kernel} zram"]
    usual = profile_of(str(config.model), str(config.kernel)).mm
    words += [str(config.mm)] if config.design is None and config.mm != usual else []
    words += [f"limit {limit} %"] if limit is not None else []
    words += [f"accept {threshold} %"] if threshold is not None else []
    plain = replace(config, max_pool_percent=None, accept_threshold_percent=None, design=None)
    family = tuple(plain.model_settings().items())
    return Candidate(config, ", ".join(words), family, limit, threshold)
