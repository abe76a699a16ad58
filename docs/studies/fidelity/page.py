"""docs/fidelity.md: what is asked, what is found now, and what was found the first time."""

import json
from pathlib import Path
from typing import Any

from studies.fidelity.bounds import NAMES, ONE_CPU, SHORT, TWO_CPUS, asked, found, release_of

from zreplay.analysis.validate import Agreement, Pair

FIRST: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "first.json").read_text(encoding="utf-8")
)
RELEASES = ("6.1", "6.12")
WAYS = ("driven", "predicted")

BEGIN = """\
<!-- Written by python docs/studies/fidelity: change docs/studies/fidelity/page.py instead. -->
# How exactly the models follow the kernel

    zreplay validate traces/*.parquet

replays every recording in `traces/` twice and compares each event with the kernel's own counters in it. *Driven*:
allocations, frees, evictions and compactions happen in recorded order, which tests the pool. *Predicted*: the model
is told what the kernel was asked to do and decides the rest, which tests the policy too. The profile is that of the
recording's release, and the output names it. Compared are the rows where the kernel counted its pool anew (up to 6.5
`pool_total_size` is refreshed when a store succeeds or an entry is freed; in between it is stale by design, and the
model's with it; later kernels' pools are read at every call), except those inside an interrupted compaction.

What a predicted replay takes from the recording besides store, load and invalidate, because the trace alone cannot
know it and the kernel's policy does not decide it: when the shrink work got the processor, when the memory manager
asked for memory and for how much (the dynamic shrinker), whether a page was in the swap cache when an eviction
reached it (−EEXIST), whether there was memory for it (−ENOMEM), whether the compressor failed, and when compactions
ran. On two CPUs also: when a call began and returned, and which of two allocations at the same time made a page of
its own (the kernel's count behind them tells). Which page is evicted, which objects, what is refused and when the
pool is full, the model decides. `zreplay run` takes none of these: there the work runs at once, and a page is
resident from its load on.
"""

TEXT = """\
## Two CPUs: which allocation came first

A row of an allocation stands at its return: what it does under the allocator's lock it does last. Where the lab's
`locked` probe was on, it stands at that probe, which is behind the lock. Of the allocations and frees that met
another in the pool:

| recording | met another | ordered by the probe behind the lock | by the pool's count in the recording | left |
|---|---|---|---|---|
| linux-6.1-zbud-lzo-mixed-2cpu | 1,450 | 1,234 (85 %) | 0 | 216 |
| linux-6.1-zsmalloc-lzo-mixed-2cpu | 2,233 | 2,077 (93 %) | 0 | 156 |
| linux-6.1-zsmalloc-lzorle-mixed-2cpu | 2,467 | 0: not recorded | 0 | 2,467, as they returned |
| linux-6.12-zbud-lzo-mixed-2cpu | 2,279 | 1,953 (86 %) | 0 | 326 |
| linux-6.12-zsmalloc-lzorle-mixed-2cpu | 9,568 | 7,765 (81 %) | 0 | 1,803 |
| linux-6.12-zram-zstd-2cpu | 14,107 | 11,908 (84 %) | 0 | 2,199 |

(`zreplay convert` prints these.) What is left is ordered by its return. Without the probe the same recording of 6.12
(`grep -v locked`) has 3,601 of 3,830 allocations settled by the pool's count between two moments when nobody was in
it. A store that met another, and of which nothing says whether it made a page, is settled in the replay: by the
kernel's count behind it against the count before. (linux-6.1-zsmalloc-lzorle-mixed-2cpu: 1,185 of 27,248
allocations.)

## The misses, explained

**Interrupted compactions.** zsmalloc lets go of its lock after each zspage (6.1) or each full destination (since
6.4). Where other tasks ran in between, the kernel's counter at their rows tells the model how far the compaction had
come; these rows are not compared, every row after them is. Steps that free nothing do not show in the counter, nor
does which object a task had locked. linux-6.12-zsmalloc-lz4-python has 41 compactions in a busy pool, ten of them
interrupted by 850 rows: four pages of difference at most, for as long as the zspages concerned live.
linux-6.12-zram-zstd-2cpu: one compaction that frees 3,594 pages while 560 invalidates run on the other CPU; five
pages behind it. A model that assumes nothing about the steps in between does not exist; a probe on each step would
tell.

**A locked page.** A zspage that becomes empty while the memory manager has one of its pages locked (to migrate it) is
put on a list, and a worker frees it a moment later. The recording has no sign of the lock;
`page_lock_during_migration` counts rows shortly behind a migration at which the kernel has more pages than the model.

**z3fold and migration.** A migrated page keeps its claimed flag for good (6.1): it is never allocated from, compacted
or reclaimed again. Which page it is, says the address of the object that a store was given, where the recording has
it (`seen_page`: linux-6.1-z3fold-lzo-writeback15, recorded with the lab's probe; pages equal 28.8 → 67.4 % driven).
The older recordings name a migrated page by its `struct page` alone, which says nothing about the objects in it, so
the model lets the row's number choose one. When z3fold's worker got the processor shows in the kernel's counter: an
emptied page stays until its work has run, and a task that exits frees hundreds before it does. With both known,
linux-6.1-z3fold-zstd-python is equal at every event, where a model whose work takes no time was at 55 %.
What still differs: a page that the memory manager isolates to migrate it and then puts back goes to the head of
z3fold's LRU (`z3fold_page_putback`), and there is no row of it. In linux-6.1-z3fold-lzo-writeback15 the first 96,126
rows are equal; then the kernel's reclaim passes over a run of pages which it evicts 3.2 s later in reverse order, the
order in which a compaction would have put them back. From there the model evicts other pages.

**Stores decided at their call.** A store is admitted when it begins; its row stands at its allocation, ten
milliseconds of compression and other tasks later. The model decides where the call stood (`call_rows`). An earlier
recording of zbud-lz4-node had one store of 54,911 that the row alone gets wrong; it is replaced by one with these
columns.

**Before the recording.** A zram device holds a few pages from mkswap in older recordings (3 and 1 here); the
comparison starts from them and they may only become fewer, as the kernel fills or frees them. Newer ones begin before
mkswap.

**Which pages zram writes back** is taken from the recording (idle marks and the modes huge and idle are the user's
doing): what is compared is what the pool does with it.

Not compared with a kernel, because there is no recording of one: the profiles `3.12` and `latest`, several devices in
one pool's place, more than two CPUs, more than one node. They follow the same description and are tested against slow
references and by hand.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([BEGIN, _asked(), *(_table(release) for release in RELEASES), _first(), _short(), TEXT])


def _asked() -> str:
    lines = ["## What is asked", "", "| recording | driven | predicted |", "|---|---|---|"]
    for (release, kind), bounds in ONE_CPU.items():
        lines.append(f"| {release} {kind}, one CPU | {bounds['driven'].words()} | {bounds['predicted'].words()} |")
    lines.append(f"| two CPUs | {TWO_CPUS['driven'].words()} | {TWO_CPUS['predicted'].words()} |")
    return "\n".join([*lines, "", "`tests/fidelity` holds every recording to it, in CI.", ""])


def _table(release: str) -> str:
    lines = [
        f"## Linux {release}",
        "",
        "| recording | | pool pages equal | within 0.5 % | within 1 % | decisions | victims | verdicts "
        "| writebacks | compactions | as asked |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in NAMES:
        if release_of(name) == release:
            lines += [_line(name, way, getattr(found(name), way)) for way in WAYS]
    return "\n".join([*lines, ""])


def _line(name: str, way: str, agreement: Agreement) -> str:
    kernel, model = agreement.writebacks
    label = name.removeprefix(f"linux-{release_of(name)}-") if way == "driven" else ""
    cells = [
        label,
        way,
        _pair(agreement.events),
        f"{agreement.within_0_5_percent:.2f} %",
        f"{agreement.within_1_percent:.2f} %",
        _pair(agreement.decisions),
        _pair(agreement.victims),
        _pair(agreement.verdicts),
        f"{model:,} for {kernel:,}" if kernel else "–",
        _pair(agreement.compactions),
        "yes" if not asked(name)[way].missed(agreement) else "**no**",
    ]
    return f"| {' | '.join(cells)} |"


def _pair(pair: Pair | None) -> str:
    if pair is None or not pair.compared:
        return "–"
    if pair.equal == pair.compared:
        return f"all {pair.compared:,}"
    return f"{pair.equal:,} of {pair.compared:,} ({pair.percent:.2f} %)"


def _first() -> str:
    lines = [
        "## The first time",
        "",
        "What `validate` said of each new recording before anything was changed for it, beside what it says now; pages",
        "equal, decisions and verdicts alike in percent, writebacks of the model. The two of 6.12 with writeback were",
        "met by the profile `latest`, written from a description; the rest by the model of the hour of recording.",
        "",
        "| recording | | pages | now | within 0.5 % | now | decisions | now | verdicts | now | writebacks | now |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, ways in FIRST.items():
        for way in WAYS:
            first, now = ways[way], getattr(found(name), way)
            verdicts = now.verdicts.percent if now.verdicts else None
            cells = [
                name.removeprefix("linux-") if way == "driven" else "",
                way,
                *_then_now(first.get("pages_percent"), now.events.percent),
                *_then_now(first.get("within_0_5_percent"), now.within_0_5_percent),
                *_then_now(first.get("decisions_percent"), now.decisions.percent),
                *_then_now(first.get("verdicts_percent"), verdicts),
                *((f"{first['writebacks'][1]:,}", f"{now.writebacks[1]:,}") if "writebacks" in first else ("–", "–")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _then_now(first: float | None, now: float | None) -> tuple[str, str]:
    return "–" if first is None else f"{first:.2f}", "–" if now is None else f"{now:.2f}"


def _short() -> str:
    lines = ["## What falls short of what is asked", ""]
    for (name, way), (_, why) in SHORT.items():
        missed = "; ".join(asked(name)[way].missed(getattr(found(name), way)))
        lines.append(f"- {name}, {way}: {missed}. {why[0].upper()}{why[1:]}.")
    return "\n".join([*lines, ""])
