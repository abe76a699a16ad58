"""What to replay, through what, and where to put it: one frozen record from the command line to the engine."""

from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _zreplay

from zreplay.errors import UsageError
from zreplay.replay.profiles import KERNELS, MODELS, profile_of

if TYPE_CHECKING:
    from zreplay.trace.files import TraceMetadata

#: What becomes of a store without size: refused, or given the mean of the recorded sizes, or one drawn from them; of
#: the same process where 32 or more of its sizes are known, else of all.
MISSING_SIZES = ("reject", "mean", "empirical")


def index_names() -> tuple[str, ...]:
    """Names of the swap indexes, in the order of the engine's registry."""
    return tuple(name for name, _ in _zreplay.index_kinds())


def pool_names() -> tuple[str, ...]:
    """Names of the pools, in the order of the engine's registry."""
    return tuple(name for name, _ in _zreplay.pool_kinds())


@dataclass(frozen=True)
class Config:
    """One replay.

    What is None comes from the trace's metadata (model, pool, limits, CPUs) and, where the trace is silent, from the
    kernel's profile (:mod:`zreplay.replay.profiles`); without ``totalram_pages`` there is no limit. ``pool`` None is
    the pool the trace was recorded with, if the kernel could have it.

    Attributes:
        trace: the trace to replay.
        out: the run directory to write.
        index: swap index, a name of :func:`index_names`.
        pool: allocator, a name of :func:`pool_names`.
        model: ``zswap`` or ``zram``.
        kernel: whose profile, one of :data:`KERNELS`.
        driven: replay the recording's own decisions in recorded order; otherwise the model decides.
        paced: a predicted replay whose evictions happen at the recorded moments (for comparing with the kernel).
        totalram_pages: pages the kernel manages; the limit is a share of them.
        max_pool_percent: limit of the pool, percent of totalram, 1 to 100.
        accept_threshold_percent: a full pool accepts again below this percentage of its limit, 0 to 100.
        exclusive_loads, same_filled, zsmalloc_…, z3fold_…: as in :class:`zreplay.replay.profiles.Profile`.
        missing_size: what becomes of a store whose size the recorded kernel never knew, one of :data:`MISSING_SIZES`.
        seed: of the sizes drawn.
        sample_events: a row of the timeline every so many events.
        sample_ms: or every so many milliseconds of trace time (overrides ``sample_events``).
        check_every: verify every structure each so many events; 0: at the end only.
        observe: keep the model's state after every event (for comparing with a kernel's).
        force: replace an existing run directory.

    Raises:
        UsageError: a name or value that cannot be; the message names the option.
    """

    trace: Path
    out: Path
    index: str | None = None
    pool: str | None = None
    model: str | None = None
    kernel: str = "6.1"
    driven: bool = False
    paced: bool = False
    totalram_pages: int | None = None
    max_pool_percent: int | None = None
    accept_threshold_percent: int | None = None
    exclusive_loads: bool | None = None
    same_filled: bool | None = None
    zsmalloc_rule: str | None = None
    zsmalloc_chain: int | None = None
    zsmalloc_groups: int | None = None
    z3fold_work: str | None = None
    z3fold_cpus: int | None = None
    z3fold_stays_claimed: bool | None = None
    missing_size: str = "empirical"
    seed: int = 0
    sample_events: int = 1000
    sample_ms: float | None = None
    check_every: int = 0
    observe: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "trace", Path(self.trace))
        object.__setattr__(self, "out", Path(self.out))
        for option, value, names in (
            ("--index", self.index, index_names()),
            ("--pool", self.pool, pool_names()),
            ("--model", self.model, MODELS),
            ("--kernel", self.kernel, KERNELS),
            ("--zsmalloc-rule", self.zsmalloc_rule, ("a", "b")),
            ("--z3fold-work", self.z3fold_work, ("immediate", "deferred")),
            ("--missing-size", self.missing_size, MISSING_SIZES),
        ):
            if value is not None:
                known(option, value, names)
        if self.zsmalloc_groups not in (None, 4, 12):
            raise UsageError(f"--zsmalloc-groups: found {self.zsmalloc_groups}, expected 4 or 12")
        within("--zsmalloc-chain", self.zsmalloc_chain, 4, 16)
        within("--z3fold-cpus", self.z3fold_cpus, 1, 127)
        within("--seed", self.seed, 0, 2**64 - 1)
        within("--max-pool-percent", self.max_pool_percent, 1, 100)
        within("--accept-threshold-percent", self.accept_threshold_percent, 0, 100)
        within("--totalram-pages", self.totalram_pages, 1, None)
        within("--sample-events", self.sample_events, 1, None)
        within("--check-every", self.check_every, 0, None)
        if self.sample_ms is not None and not self.sample_ms >= 0.001:
            raise UsageError(f"--sample-ms: found {self.sample_ms}, expected at least 0.001")

    def resolved(self, metadata: "TraceMetadata") -> "Config":
        """The same replay with every default filled in from the trace, then from the kernel's profile.

        Raises:
            UsageError: the kernel has no such model.
        """
        model = self.model or (metadata.model if metadata.model in MODELS else "zswap")
        profile = profile_of(model, self.kernel)
        recorded = {
            "max_pool_percent": metadata.max_pool_percent,
            "accept_threshold_percent": metadata.accept_threshold_percent,
            "z3fold_cpus": metadata.cpus and min(metadata.cpus, 127),
        }
        values = {
            name: _first(getattr(self, name), recorded.get(name), default)
            for name, default in profile.defaults().items()
        }
        pool = self.pool or profile.pool_for(metadata.pool)
        totalram_pages = _first(self.totalram_pages, metadata.totalram_pages)
        return replace(self, model=model, pool=pool, totalram_pages=totalram_pages, **values)

    @property
    def locate(self) -> str:
        """What a slot of the index names: zswap's ``entry``, a ``page``, or a ``handle`` cell (indirection)."""
        if self.index == "rbtree" or (self.model == "zswap" and self.kernel == "latest"):
            return "entry"
        # Where objects move, one page is not one location: the slot holds the handle, as the kernel does.
        return "page" if self.pool == "zbud" else "handle"

    def model_settings(self) -> dict[str, Any]:
        """What decides the outcome, for the manifest and the summary; paths and output options left out."""
        settings = asdict(self)
        for name in ("trace", "out", "force", "observe", "check_every"):
            del settings[name]
        return {**settings, "locate": self.locate}


def known(option: str, value: str, names: tuple[str, ...]) -> str:
    """``value`` if it is one of ``names``; otherwise a UsageError that suggests the nearest."""
    if value in names:
        return value
    near = get_close_matches(value, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise UsageError(f"{option}: found '{value}', expected one of {', '.join(names)}; {hint}")


def within(option: str, value: float | None, low: float, high: float | None) -> None:
    """Raise UsageError unless ``value`` is None or in ``low`` to ``high`` (None: no upper end)."""
    if value is None or (value >= low and (high is None or value <= high)):
        return
    expected = f"{low} to {high}" if high is not None else f"at least {low}"
    raise UsageError(f"{option}: found {value}, expected {expected}")


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
