"""Which functions of a kernel to probe, and what to print of their arguments (Documentation/trace/kprobetrace.rst).

A probe is an event of the importer (docs/trace-format.md, "From ftrace text"). Arguments are named by their place
($arg1), so that this is not about one architecture; offsets come from `Layout`. What a kernel lacks is left out, and
said.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from zreplay.record.layout import Layout, UnknownOffsetError
from zreplay.record.machine import Machine

#: Calls of one kretprobe under way at the same time; more are missed, and counted.
_AT_ONCE = 128
#: What a trace cannot do without.
_ESSENTIAL = ("store", "alloc", "free")


@dataclass(frozen=True)
class Probe:
    """One kernel probe.

    Attributes:
        event: its name in the text.
        symbol: the function.
        arguments: in the syntax of kprobe_events.
        at_return: of the function, not its begin.
        filter: which hits count, in the syntax of an event's filter.
        group: 1 for the second probe of the same event, which needs a group of its own.
    """

    event: str
    symbol: str
    arguments: str
    at_return: bool = False
    filter: str | None = None
    group: int = 0

    def definition(self, group: str) -> str:
        """The line of kprobe_events."""
        kind = f"r{_AT_ONCE}" if self.at_return else "p"
        return f"{kind}:{group}/{self.event} {self.symbol} {self.arguments}".rstrip()


@dataclass
class Plan:
    """What will be recorded.

    Attributes:
        probes: in the order in which they are set.
        lacks: what cannot be had on this kernel: (event, why, what the trace will lack).
    """

    model: str
    pool: str
    probes: list[Probe] = field(default_factory=list)
    lacks: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def essential_lacks(self) -> list[tuple[str, str, str]]:
        """Those without which there is no trace."""
        return [lack for lack in self.lacks if lack[0] in _ESSENTIAL]


class _Planner:
    def __init__(self, machine: Machine, plan: Plan) -> None:
        self.machine = machine
        self.plan = plan
        self.at = Layout(machine)

    def knows(self, symbol: str) -> bool:
        return symbol in self.machine.symbols

    def add(self, event: str, symbol: str, arguments: str | Callable[[], str], lacks: str, **more: object) -> bool:
        """A probe at a function's begin; False and a note where the kernel does not offer it."""
        why = None
        text = ""
        if not self.knows(symbol):
            clones = [name for name in self.machine.symbols if name.startswith(f"{symbol}.")]
            why = f"no function {symbol}" + (f" (the compiler made {clones[0]} of it)" if clones else "")
        else:
            try:
                text = arguments if isinstance(arguments, str) else arguments()
            except UnknownOffsetError as error:
                why = str(error)
        if why:
            self.plan.lacks.append((event, why, lacks))
            return False
        self.plan.probes.append(Probe(event, symbol, text, **more))  # type: ignore[arg-type]
        return True

    def returns(self, event: str, symbol: str, arguments: str) -> None:
        if self.knows(symbol):
            self.plan.probes.append(Probe(f"{event}_ret", symbol, arguments, at_return=True))

    def data(self, *arguments: str) -> str:
        """Those arguments (``name=@symbol:type``) whose variables the kernel has."""
        return " ".join(a for a in arguments if self.knows(a.partition("@")[2].partition(":")[0]))

    def device(self, bdev: str) -> str:
        return f"dev=+{self.at('gendisk.first_minor')}(+{self.at('block_device.bd_disk')}({bdev})):u32"

    def pages(self) -> str:
        return f"pages=+{self.at('zs_pool.pages_allocated')}($arg1):u64"


def plan(machine: Machine, model: str) -> Plan:
    """What to probe on this machine to record its zswap or zram. Reads only."""
    pool = machine.context(model).pool or "zsmalloc"
    planner = _Planner(machine, Plan(model, pool))
    if model == "zram":
        _zram(planner)
    elif planner.knows("zswap_frontswap_store"):
        _frontswap(planner)
    else:
        _folio(planner)
    return planner.plan


def _counters(p: _Planner) -> str:
    # An atomic_long since 6.12; its low half will do, and is the whole of what it was before.
    return p.data("stored=@zswap_stored_pages:s32", "pool=@zswap_pool_total_size:u64")


def _frontswap(p: _Planner) -> None:
    """Up to 6.5."""
    counters = _counters(p)
    p.add("store", "zswap_frontswap_store", "type=$arg1:u32 offset=$arg2:u64", "everything")
    p.returns("store", "zswap_frontswap_store", f"ret=$retval:s32 {counters}")
    p.add("load", "zswap_frontswap_load", "type=$arg1:u32 offset=$arg2:u64", "loads")
    p.returns("load", "zswap_frontswap_load", "ret=$retval:s32")
    p.add("invalidate", "zswap_frontswap_invalidate_page", "type=$arg1:u32 offset=$arg2:u64", "invalidates")
    p.returns("invalidate", "zswap_frontswap_invalidate_page", counters)
    p.add("invalidate_area", "zswap_frontswap_invalidate_area", "type=$arg1:u32", "swapoff")
    p.add("alloc", "zpool_malloc", "size=$arg2:u64", "sizes")
    p.returns("alloc", "zpool_malloc", "ret=$retval:s32")
    place = " place=+0($arg2):x64" if p.plan.pool == "z3fold" else ""  # the handle's cell: an address in the page
    p.add("map", "zpool_map_handle", f"handle=$arg2:x64{place}", "which object an entry has")
    p.add("free", "zpool_free", "handle=$arg2:x64", "when objects are freed")
    p.add("writeback", "zswap_writeback_entry", "handle=$arg2:x64", "writeback")
    p.returns("writeback", "zswap_writeback_entry", f"ret=$retval:s32 {counters}")
    p.add("shrink", "zpool_shrink", "pages=$arg2:u32", "when the shrink work ran")
    p.returns("shrink", "zpool_shrink", f"ret=$retval:s32 {counters}")
    if p.plan.pool == "zsmalloc":
        _zsmalloc_moves(p, counters)
    elif p.plan.pool == "z3fold":
        base = p.data("vmemmap=@vmemmap_base:x64", "direct=@page_offset_base:x64")
        moved = f"newpage=$arg1:x64 page=$arg2:x64 {base}"
        if p.add("migrate", "z3fold_page_migrate", moved, "migrations of z3fold's pages"):
            p.returns("migrate", "z3fold_page_migrate", f"ret=$retval:s32 {counters}")


def _folio(p: _Planner) -> None:
    """Since 6.6, as far as slots come in one word."""
    counters = _counters(p)
    # Why a store was refused shows in these at its return.
    why = p.data(
        "limit=@zswap_pool_limit_hit:u64",
        "poor=@zswap_reject_compress_poor:u64",
        "fail=@zswap_reject_compress_fail:u64",
        "full=@zswap_pool_reached_full:u8",
    )

    def swap() -> str:
        return f"swap=+{p.at('folio.swap', 'page.private')}($arg1):u64"

    def cgroup() -> str:
        try:
            return f" cgroup=+{p.at('mem_cgroup.id.id')}(+{p.at('folio.memcg_data')}($arg1)):u32"
        except UnknownOffsetError:
            return ""  # a kernel without memory cgroups

    p.add("store", "zswap_store", lambda: swap() + cgroup(), "everything")
    p.returns("store", "zswap_store", f"ret=$retval:u8 {counters} {why}")
    p.add("load", "zswap_load", swap, "loads")
    p.returns("load", "zswap_load", f"ret=$retval:{_load_type(p)} {counters}")
    if p.at.parameters("zswap_invalidate") == 2:
        p.plan.lacks.append(
            ("invalidate", "this kernel's zswap_invalidate is told type and offset apart", "invalidates")
        )
    else:
        p.add("invalidate", "zswap_invalidate", "swap=$arg1:u64", "invalidates")
        p.returns("invalidate", "zswap_invalidate", counters)
    p.add("writeback", "zswap_writeback_entry", "swap=$arg2:u64", "writeback")
    p.returns("writeback", "zswap_writeback_entry", f"ret=$retval:s32 {counters}")
    _entry_lru(p)
    if p.plan.pool == "zsmalloc":
        _zsmalloc(p, counters)
    else:

        def pages() -> str:
            if p.plan.pool != "zbud":
                return ""
            return f"pages=+{p.at('zbud_pool.pages_nr')}(+{p.at('zpool.pool')}($arg1)):u64"

        p.add("alloc", "zpool_malloc", lambda: f"size=$arg2:u64 {pages()}", "sizes")
        p.returns("alloc", "zpool_malloc", "ret=$retval:s32")
        p.add("map", "zpool_map_handle", "handle=$arg2:x64", "which object an entry has")
        p.add("free", "zpool_free", lambda: f"handle=$arg2:x64 {pages()}", "when objects are freed")


def _load_type(p: _Planner) -> str:
    # An errno since 6.15, a boolean before (trace/families).
    return "s32" if (p.machine.context("zswap").release or (0, 0)) >= (6, 15) else "u8"


def _entry_lru(p: _Planner) -> None:
    """zswap's own LRU of entries and its shrinkers."""

    def entry(member: str, kind: str) -> str:
        away = p.at(f"zswap_entry.{member}") - p.at("zswap_entry.lru")
        return f"{away:+d}($arg1):{kind}"

    def visited() -> str:
        return f"swap={entry('swpentry', 'u64')} referenced={entry('referenced', 'u8')} objcg={entry('objcg', 'x64')}"

    def of_cgroup() -> str:
        objcg = p.at("zswap_entry.objcg") - p.at("zswap_entry.lru")
        memcg = f"+{p.at('obj_cgroup.memcg')}({objcg:+d}($arg1))"
        return f"{visited()} cgroup=+{p.at('mem_cgroup.id.id')}({memcg}):u32"

    # An entry of the root has no objcg, and a probe that cannot fetch prints what was there before: so two of them.
    if p.add("visit", "shrink_memcg_cb", of_cgroup, "visits of the LRU, and its order", filter="objcg != 0"):
        p.add("visit", "shrink_memcg_cb", lambda: f"{visited()} cgroup=\\1:u32", "", filter="objcg == 0", group=1)
        p.returns("visit", "shrink_memcg_cb", "ret=$retval:s32")

    def scanned() -> str:
        return (
            f"nr=+{p.at('shrink_control.nr_to_scan')}($arg2):u64 nid=+{p.at('shrink_control.nid')}($arg2):s32 "
            f"cgroup=+{p.at('mem_cgroup.id.id')}(+{p.at('shrink_control.memcg')}($arg2)):u32"
        )

    if p.add("scan", "zswap_shrinker_scan", scanned, "the dynamic shrinker's requests"):
        p.returns("scan", "zswap_shrinker_scan", "freed=$retval:s64")
    lru = next((symbol.address for symbol in p.machine.symbols.get("zswap_list_lru", [])), 0)

    def walked() -> str:
        return f"lru=$arg1:x64 nid=$arg2:s32 cgroup=+{p.at('mem_cgroup.id.id')}($arg3):u32 nr=+0($arg6):u64"

    if lru:
        p.add("walk", "list_lru_walk_one", walked, "which LRU was walked", filter=f"lru == {lru:#x}")
    else:
        p.plan.lacks.append(("walk", "the address of zswap_list_lru is not known", "which LRU was walked"))
    if p.add("shrink", "shrink_worker", "work=$arg1:x64", "when the shrink work ran"):
        p.returns("shrink", "shrink_worker", "")


def _zram(p: _Planner) -> None:
    """zram's calls; its pool is zsmalloc."""
    p.add("slotfree", "zram_slot_free_notify", lambda: f"index=$arg2:u64 {p.device('$arg1')}", "invalidates")

    def bio() -> str:
        bdev = f"+{p.at('bio.bi_bdev')}($arg1)"
        return (
            f"op=+{p.at('bio.bi_opf')}($arg1):u32 sector=+{p.at('bio.bi_iter.bi_sector')}($arg1):u64 "
            f"size=+{p.at('bio.bi_iter.bi_size')}($arg1):u32 {p.device(bdev)}"
        )

    if not p.add("bio", "zram_submit_bio", bio, "reads and writes"):
        p.plan.lacks.append(("store", "no function to see zram's writes by", "everything"))
    if p.knows("zram_rw_page"):  # until 6.3
        p.add("rw", "zram_rw_page", lambda: f"sector=$arg2:u64 op=$arg4:u32 {p.device('$arg1')}", "reads and writes")

    def disk() -> str:
        return f"dev=+{p.at('gendisk.first_minor')}(+{p.at('zram.disk')}($arg1)):u32"

    p.add("slot", "zram_free_page", lambda: f"index=$arg2:u64 {disk()}", "which slot is freed under a write")

    def by_device() -> str:
        return f"mode=+0($arg3):string dev=+{p.at('device.devt')}($arg1):b20@0/32"

    for event, symbol in (("idle", "idle_store"), ("zwriteback", "writeback_store")):
        if p.knows(symbol) and p.add(event, symbol, by_device, "idle marks and writeback"):
            p.returns(event, symbol, "ret=$retval:s64")
    _zsmalloc(p, "", device=True)


def _zsmalloc(p: _Planner, counters: str, *, device: bool = False) -> None:
    """The pool's own calls, each with its count of pages before."""

    def pages() -> str:
        # zs_pool.name is "zram0": the digit.
        return p.pages() + (f" dev=+4(+{p.at('zs_pool.name')}($arg1)):b4@0/8" if device else "")

    p.add("alloc", "zs_malloc", lambda: f"size=$arg2:u64 {pages()}", "sizes")
    p.returns("alloc", "zs_malloc", "handle=$retval:x64")
    p.add("free", "zs_free", lambda: f"handle=$arg2:x64 {pages()}", "when objects are freed")
    if device:
        if p.knows("zs_map_object"):
            p.add("map", "zs_map_object", "handle=$arg2:x64 mode=$arg3:u32", "")
        if p.add("compact", "zs_compact", pages, "compactions"):
            p.returns("compact", "zs_compact", "freed=$retval:u64")
    _zsmalloc_moves(p, counters, compacts=not device)


def _zsmalloc_moves(p: _Planner, counters: str, *, compacts: bool = True) -> None:
    if compacts:

        def asked() -> str:
            return f"nr=+{p.at('shrink_control.nr_to_scan')}($arg2):u64"

        if p.add("compact", "zs_shrinker_scan", asked, "compactions"):
            p.returns("compact", "zs_shrinker_scan", f"freed=$retval:s64 {counters}")
    if p.add("migrate", "zs_page_migrate", "newpage=$arg1:x64 page=$arg2:x64", "migrations"):
        p.returns("migrate", "zs_page_migrate", "ret=$retval:s32")
