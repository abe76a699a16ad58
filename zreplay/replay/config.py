"""What to replay, through what, and where to put it: one frozen record from the command line to the engine."""

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _zreplay

from zreplay.errors import UsageError, nearest
from zreplay.plugins.registry import KINDS, OURS, Variant, built_in, load, plug, variant
from zreplay.replay.designs import DESIGNS, has_bound
from zreplay.replay.profiles import KERNELS, MODELS, kernel_of, profile_of
from zreplay.trace.sample import Sample

if TYPE_CHECKING:
    from zreplay.trace.files import TraceMetadata

#: What becomes of a store without size: refused, or given the mean of the recorded sizes, or one drawn from them; of
#: the same process where 32 or more of its sizes are known, else of all.
MISSING_SIZES = ("reject", "mean", "empirical")
#: The largest number the engine and Parquet both hold; and of pages: more than 2^58 slots' worth nobody has.
MOST, MOST_PAGES = 2**63 - 1, 2**48
#: What an access to an object does to its page on the memory manager's lists.
TOUCHES = ("none", "reference", "activate")


#: Models and kernels → the reclaim indexes they go with.
_MODELS_WITH = {
    ("zswap", "3.12"): ("pool-lru", "inactive-lru"),
    ("zswap", "6.1"): ("pool-lru",),
    ("zswap", "6.12"): ("entry-lru", "lru", "belady"),
    ("zswap", "latest"): ("entry-lru", "lru", "belady"),
    ("zram", "6.1"): ("none",),
    ("zram", "6.12"): ("none",),
    ("zram", "latest"): ("none",),
}
#: Fields that the engine is not told; all others are settings of its Replay.make by the same name.
_NOT_THE_ENGINES = (
    "trace",
    "out",
    "force",
    "sample_ms",
    "design",
    "locate",
    "pointer_bits",
    "trace_sample",
    "sample",
    "plugins",
)


@dataclass(frozen=True)
class Config:
    """One replay.

    What is None comes from the trace's metadata (model, pool, limits, CPUs) and, where the trace is silent, from the
    kernel's profile (:mod:`zreplay.replay.profiles`); without ``totalram_pages`` there is no limit. ``pool`` None is
    the pool the trace was recorded with, if the kernel could have it.

    Attributes:
        trace: the trace to replay.
        out: the run directory to write.
        index: swap index: a built-in's name or a plugin's path (:func:`zreplay.plugins.registry.plug`), which
            becomes its name.
        pool: allocator, likewise.
        mm: reclaim index, likewise.
        model: ``zswap`` or ``zram``.
        kernel: whose profile, one of :data:`KERNELS`; None: the design's, else the one nearest to
            the trace's release, else 6.1.
        design: a name of :data:`zreplay.replay.designs.DESIGNS`, whose values stand where none is given here.
        locate: what a slot says of its object: ``indirect`` (a handle cell), ``bits:N`` (page and N bits), ``value``
            (page frame number and object in a value entry), ``header`` (zbud's page, whose header is asked). None:
            zbud's page and buddy, else a handle cell.
        pointer_bits: 64 or 32; how many bits a slot has free for ``bits:N`` and ``value``.
        movable: zbud's pages can move, as in the designs of 2013 and in no released kernel.
        mm_new_page: where a new zpool page enters the memory manager's lists: ``head`` or ``tail`` (docs/designs.md).
        mm_load: what a load does to its page there: ``none``, ``reference`` or ``activate``.
        mm_join: what a second object stored into the page does, likewise.
        mm_first_time: a page stored for the first time counts as ``old`` or ``new``.
        cma_every: CMA evacuates a share of the pool every so many events; 0: never.
        cma_percent: of the pool's pages, the share, 1 to 100.
        driven: replay the recording's own decisions in recorded order; otherwise the model decides.
        paced: a predicted replay whose evictions happen at the recorded moments (for comparing with the kernel).
        totalram_pages: pages the kernel manages; the limit is a share of them.
        trace_sample: the share of the machine's slots that the trace has, like ``1/8``; the trace's own. The limit is
            that share of the machine's, and pages in the results are scaled back.
        sample: the share of the trace's slots that is replayed, chosen by their hash; None: all. What is said of
            ``trace_sample`` holds for both together (:attr:`share`).
        max_pool_percent: limit of the pool, percent of totalram, 1 to 100.
        accept_threshold_percent: a full pool accepts again below this percentage of its limit, 0 to 100.
        exclusive_loads: a load takes the entry out of zswap; this and the next ones: None is the profile's
            (:class:`zreplay.replay.profiles.Profile`).
        keeps_incompressible: what does not compress is kept as it is, 4096 bytes; else it is refused.
        same_filled: pages of one repeated word use no pool memory.
        zsmalloc_rule: how the pages of a zspage are chosen: ``a`` (to 6.2) or ``b``.
        zsmalloc_chain: the most pages a zspage may have, 4 to 16.
        zsmalloc_groups: fullness groups of a class: 4 (to 6.3) or 12.
        z3fold_work: when its compaction runs: ``immediate``, or ``deferred`` to the next pause of a millisecond.
        z3fold_cpus: CPUs with lists of their own, 1 to 127.
        z3fold_stays_claimed: a migrated page stays claimed for good, as in 6.1.190.
        cgroups: those that swapped, in the order in which a walk over all meets them; the trace's own.
        missing_size: what becomes of a store whose size the recorded kernel never knew, one of :data:`MISSING_SIZES`.
        seed: of the sizes drawn.
        sample_events: a row of the timeline every so many events.
        sample_ms: or every so many milliseconds of trace time (overrides ``sample_events``).
        check_every: verify every structure each so many events; 0: at the end only.
        verify: the slow obvious reference runs beside the index, and beside a pool and a reclaim order that are
            plugged in or bounds; an answer of theirs that differs ends the replay. What comes of it is the same.
        observe: keep the model's state after every event (for comparing with a kernel's).
        timing: measure what operations take: no look-ahead, the kernel's own access pattern, one operation in some
            timed. By default a replay is as fast as can be, and no operation has a duration. Counts are the same.
        force: replace an existing run directory.
        plugins: what is to be loaded for names of index, pool and mm that are no built-in's; filled in.

    Raises:
        UsageError: a name or value that cannot be; the message names the option.
    """

    trace: Path
    out: Path
    index: str | None = None
    pool: str | None = None
    model: str | None = None
    kernel: str | None = None
    design: str | None = None
    mm: str | None = None
    locate: str | None = None
    pointer_bits: int = 64
    movable: bool | None = None
    mm_new_page: str = "head"
    mm_load: str = "reference"
    mm_join: str = "none"
    mm_first_time: str = "old"
    cma_every: int = 0
    cma_percent: int = 10
    driven: bool = False
    paced: bool = False
    totalram_pages: int | None = None
    max_pool_percent: int | None = None
    accept_threshold_percent: int | None = None
    exclusive_loads: bool | None = None
    keeps_incompressible: bool | None = None
    cgroups: tuple[int, ...] = ()
    same_filled: bool | None = None
    zsmalloc_rule: str | None = None
    zsmalloc_chain: int | None = None
    zsmalloc_groups: int | None = None
    z3fold_work: str | None = None
    z3fold_cpus: int | None = None
    z3fold_stays_claimed: bool | None = None
    trace_sample: str | None = None
    sample: str | None = None
    missing_size: str = "empirical"
    seed: int = 0
    sample_events: int = 1000
    sample_ms: float | None = None
    check_every: int = 0
    verify: bool = False
    observe: bool = False
    timing: bool = False
    force: bool = False
    plugins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "trace", Path(self.trace))
        object.__setattr__(self, "out", Path(self.out))
        for option, value, names in (
            ("--model", self.model, MODELS),
            ("--kernel", self.kernel, KERNELS),
            ("--zsmalloc-rule", self.zsmalloc_rule, ("a", "b")),
            ("--z3fold-work", self.z3fold_work, ("immediate", "deferred")),
            ("--missing-size", self.missing_size, MISSING_SIZES),
            ("--design", self.design, tuple(DESIGNS)),
            ("--mm-new-page", self.mm_new_page, ("head", "tail")),
            ("--mm-load", self.mm_load, TOUCHES),
            ("--mm-join", self.mm_join, TOUCHES),
            ("--mm-first-time", self.mm_first_time, ("old", "new")),
        ):
            if value is not None:
                known(option, value, names)
        self._plug_in()
        object.__setattr__(self, "sample", sampled_share("--sample", self.sample))
        if self.zsmalloc_groups not in (None, 4, 12):
            raise UsageError(f"--zsmalloc-groups: found {self.zsmalloc_groups}, expected 4 or 12")
        within("--zsmalloc-chain", self.zsmalloc_chain, 4, 16)
        within("--z3fold-cpus", self.z3fold_cpus, 1, 127)
        if self.pointer_bits not in (32, 64):
            raise UsageError(f"--pointer-bits: found {self.pointer_bits}, expected 32 or 64")
        within("--cma-every", self.cma_every, 0, MOST)
        within("--cma-percent", self.cma_percent, 1, 100)
        within("--seed", self.seed, 0, MOST)
        within("--max-pool-percent", self.max_pool_percent, 1, 100)
        within("--accept-threshold-percent", self.accept_threshold_percent, 0, 100)
        within("--totalram-pages", self.totalram_pages, 1, MOST_PAGES)
        within("--sample-events", self.sample_events, 1, MOST)
        within("--check-every", self.check_every, 0, MOST)
        within("--sample-ms", self.sample_ms, 0.001, 1e12)
        if self.verify and self.timing:
            raise UsageError("--verify: not with --timing, which would measure the reference too; leave one out")

    def _plug_in(self) -> None:
        """Load the plugins that are named, and know each by its name from here on."""
        loaded = dict.fromkeys(self.plugins)
        for spec in self.plugins:
            load(spec)
        for kind in KINDS:
            spec = getattr(self, kind)
            if spec is None or spec in built_in(kind):
                continue
            name, path = plug(kind, spec)
            object.__setattr__(self, kind, name)
            loaded |= dict.fromkeys([path] if path else [])
        object.__setattr__(self, "plugins", tuple(loaded))

    def resolved(self, metadata: "TraceMetadata") -> "Config":
        """The same replay with every default filled in from the design, then the trace, then the kernel's profile.

        Raises:
            UsageError: the kernel has no such model, or the choices do not go together.
        """
        design = dict(DESIGNS[self.design].settings) if self.design else {}
        model = self.model or ("zswap" if design or metadata.model not in MODELS else metadata.model)
        kernel = _first(self.kernel, design.get("kernel"), kernel_of(metadata.source_kernel), "6.1")
        profile = profile_of(model, kernel)
        recorded = {
            "max_pool_percent": metadata.max_pool_percent,
            "accept_threshold_percent": metadata.accept_threshold_percent,
            "z3fold_cpus": metadata.cpus and min(metadata.cpus, 127),
        }
        values = {
            name: _first(getattr(self, name), design.get(name), recorded.get(name), default)
            for name, default in profile.defaults().items()
        }
        return replace(
            self,
            model=model,
            kernel=kernel,
            pool=self.pool or design.get("pool") or profile.pool_for(metadata.pool),
            totalram_pages=_first(self.totalram_pages, metadata.totalram_pages),
            trace_sample=metadata.sample,
            locate=_first(self.locate, design.get("locate")),
            cgroups=self.cgroups or tuple(int(word) for word in (metadata.cgroups or "").split()),
            movable=_first(self.movable, design.get("movable"), False),
            **values,
        )._consistent()

    def _consistent(self) -> "Config":
        """Itself, if its choices go together; otherwise a UsageError that names the option to change."""
        mms = _MODELS_WITH[str(self.model), str(self.kernel)]
        if self.mm not in mms and ("entry-lru" not in mms or self.mm in built_in("mm")):
            with_it = f"{self.model} of kernel {self.kernel}"
            raise UsageError(
                f"--mm: found '{self.mm}', expected {', '.join(mms)} with {with_it}; --kernel or --model has others"
            )
        if self.mm == "inactive-lru" and self.pool != "zbud":
            raise UsageError(
                f"--pool: found '{self.pool}', expected zbud with --mm inactive-lru: the memory manager reclaims a "
                "page only where the page's objects lie within it"
            )
        if (self.driven or self.paced) and self.mm not in ("pool-lru", "entry-lru", "none"):
            raise UsageError(f"--driven: not with --mm {self.mm}, whose evictions nobody has recorded; leave one out")
        try:
            if self.sample:
                _ = self.share.of_it(Sample(1, 4))  # a quarter, which is replayed beside it
        except ValueError as error:
            what = f"{self.sample} of {self.trace}, itself {self.trace_sample}" if self.trace_sample else self.sample
            raise UsageError(f"--sample: found {what}, whose quarter is too small; expected {error}") from None
        self._slot_positions()
        for option, value, low, high in (
            ("--totalram-pages", self.totalram_pages, 1, MOST_PAGES),
            ("--max-pool-percent", self.max_pool_percent, 1, 100),
            ("--accept-threshold-percent", self.accept_threshold_percent, 0, 100),
        ):
            within(option, value, low, high)  # the trace's own say, perhaps
        return self

    @property
    def share(self) -> Sample:
        """The share of the machine's slots that is replayed, of a resolved configuration."""
        return Sample.parse(self.trace_sample).of_it(Sample.parse(self.sample))

    @property
    def plugged_in(self) -> list[Variant]:
        """Those of index, pool and mm that are plugins."""
        used = [variant(kind, name) for kind in KINDS if (name := getattr(self, kind)) is not None]
        return [one for one in used if one.origin != OURS]

    @property
    def is_bound(self) -> bool:
        """Whether something in it is no design that could be built, but what one can at best reach."""
        return has_bound(self.index, self.pool, self.mm)

    @property
    def slots_hold(self) -> str:
        """What a slot of the index names: zswap's ``entry``, a ``page``, a ``handle`` cell, or what ``locate`` says."""
        if self.model == "zswap" and self.kernel in ("6.12", "latest"):
            return "entry"
        if self.index and "entries" in variant("index", self.index).capabilities:
            return "entry"
        # Where objects move, one page is not one location: the slot holds the handle, as the kernel does.
        default = "page" if self.pool == "zbud" else "handle"
        return default if self.locate in (None, "indirect") else self.locate

    def engine_settings(self) -> dict[str, Any]:
        """Settings of the engine's ``Replay.make``, of a resolved configuration."""
        settings = {name: value for name, value in asdict(self).items() if name not in _NOT_THE_ENGINES}
        if self.totalram_pages:
            settings["totalram_pages"] = max(1, self.share.down(self.totalram_pages))
        settings |= {"sample_keep": self.share.keep, "sample_of": self.share.of}
        settings["sample_ns"] = round(self.sample_ms * 1e6) if self.sample_ms else 0
        way = (self.locate or "object").split(":")[0]
        settings["slot_holds"] = "object" if way == "indirect" else way
        settings["slot_positions"] = self._slot_positions()
        return settings

    def _slot_positions(self) -> int:
        """Objects of a page that a slot can tell apart where it names pages; 0 where it does not.

        A radix tree of 3.12 has three tags, or bits 1 to 5 of a page's address (bit 1 on 32 bits), an xarray tags 0, 1
        and 3 and bits 2 to 5 (the tags on 32 bits); a value entry has 63 bits, 40 of them the frame's number, and on 32
        bits too few. docs/designs.md has the table.
        """
        if self.locate is None or self.locate == "indirect":
            if self.locate and self.slots_hold != "handle":
                raise UsageError(f"--locate indirect: slots hold a {self.slots_hold} with {self._names}; leave it out")
            return 0
        has = _zreplay.index_positions(str(self.index))
        if self.slots_hold == "entry" or not has["positions_64"]:
            hold = "name zswap's entries, which hold" if self.slots_hold == "entry" else "hold"
            raise UsageError(
                f"--locate {self.locate}: with {self._names} slots {hold} handles; --index radix-lowbit and "
                "--kernel 6.1 have slots that name objects"
            )
        if self.locate == "header":
            if self.pool != "zbud" or self.kernel != "3.12":
                raise UsageError(
                    f"--locate header: v3 of the 2013 series is zbud's on 3.12, found {self._names}; --design zbud-v3"
                )
            return 0
        if self.pool not in ("z3fold", "zsmalloc"):
            raise UsageError(f"--locate {self.locate}: for z3fold and zsmalloc, found {self.pool}; leave it out")
        if self.locate == "value":
            if not has["takes_values"]:
                raise UsageError(f"--locate value: a slot of {self.index} holds no values; --index xarray does")
            return 1 << 23 if self.pointer_bits == 64 else 0
        matched = re.fullmatch("bits:([1-9][0-9]?)", self.locate)
        if not matched:
            raise UsageError(f"--locate: found {self.locate!r}, expected indirect, bits:N, value or header")
        bits = int(matched[1])
        most = (has["positions_64"] - 1).bit_length()
        if bits > most:
            raise UsageError(f"--locate {self.locate}: a slot of {self.index} has room for bits:{most} at most")
        return min(1 << bits, has["positions_64"] if self.pointer_bits == 64 else has["positions_32"])

    @property
    def _names(self) -> str:
        return f"{self.index} over {self.pool}, kernel {self.kernel}"

    def model_settings(self) -> dict[str, Any]:
        """What decides the outcome, for the manifest and the summary; paths and output options left out."""
        settings = asdict(self)
        for name in ("trace", "out", "force", "observe", "check_every", "verify", "cgroups", "plugins"):
            del settings[name]
        return {**settings, "slots_hold": self.slots_hold}


def asdict(config: Config) -> dict[str, Any]:
    """Its fields. Values are never changed, so none is copied, as dataclasses' own does: a third of a small replay."""
    return {field.name: getattr(config, field.name) for field in fields(config)}


def known(option: str, value: str, names: tuple[str, ...]) -> str:
    """``value`` if it is one of ``names``; otherwise a UsageError that suggests the nearest."""
    if value in names:
        return value
    raise UsageError(f"{option}: found {value!r}, expected one of {nearest(value, names)}")


def sampled_share(option: str, text: str | None) -> str | None:
    """A share of slots, as short as can be said; None is all of them. Raises UsageError for what is none."""
    try:
        sample = Sample.parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: found {text!r}, expected {error}") from None
    return None if sample.is_whole else str(sample)


def within(option: str, value: float | None, low: float, high: float | None) -> None:
    """Raise UsageError unless ``value`` is None or in ``low`` to ``high`` (None: no upper end)."""
    if value is None or (value >= low and (high is None or value <= high)):
        return
    expected = f"{low} to {high}" if high is not None and (high < MOST or value > high) else f"at least {low}"
    raise UsageError(f"{option}: found {value}, expected {expected}")


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
