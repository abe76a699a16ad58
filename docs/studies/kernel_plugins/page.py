"""docs/kernel-plugins.md: how to repeat it, what was compared on each recording, and what differed."""

import tempfile
from collections import Counter
from pathlib import Path

from studies.kernel_plugins.compare import (
    PLUGINS,
    POOLS,
    RECORDINGS,
    RELEASES,
    SAMPLE_EVENTS,
    TREES,
    Compared,
    Shapes,
    build,
    compare,
    compare_random,
    compare_shapes,
    why_not,
)

SEEDS = range(10)

BEGIN = """\
<!-- Written by python docs/studies/kernel_plugins: change docs/studies/kernel_plugins/page.py instead. -->
# The kernel's own code as plugins

Our trees and allocators are written afresh, from a description. Here the kernel's take their places:
`lib/rbtree.c`, `lib/xarray.c`, `mm/zbud.c`, `mm/zsmalloc.c` and `mm/z3fold.c` of Linux 6.1, `lib/xarray.c` and
`mm/zsmalloc.c` of 6.12, as they are in Debian's source packages, each compiled into a plugin
([zreplay_plugin.h](../zreplay/core/plugin/zreplay_plugin.h)) and replayed beside the built-in one. Whatever differs
is a mistake of ours, or said below.

    apt-get install linux-source-6.1 linux-source-6.12 gcc
    docs/examples/kernel/make-plugins /usr/src/linux-source-6.1.tar.xz /tmp/kernel
    zreplay compare traces/linux-6.1-zbud-lz4-node.parquet --pool zbud,/tmp/kernel/kernel_zbud.so -o /tmp/pools
    zreplay compare traces/linux-6.1-zbud-lz4-node.parquet --index rbtree,/tmp/kernel/kernel_rbtree.so -o /tmp/trees
    python docs/studies/kernel_plugins

`make-plugins` takes an unpacked source too. No line of the kernel's is in this repository: `docs/examples/kernel/`
has the glue, which is what the kernel has around these files (zswap's walk down its tree, locks, pages, memory,
work) and what the interface asks for. What it builds contains the kernel's code, under the GPL, and is for one's
own use.

The last command writes this page, in some minutes. `tests/plugin/test_kernel_plugins.py` holds two recordings to
it, where the package is installed.

## What is compared

Every recording in `traces/` is replayed with a built-in and with the kernel's, the profile and all else the same
(zsmalloc by the classes and groups of the release, z3fold on one CPU and its work done at once, whatever the
recording's kernel had; stores decided at their rows), twice: at the recorded limit, and with room for half the
pages that it takes without one, so that there are refusals and evictions. And each number of the one is held
against that of the other:

* after every event: what came of it, stored pages, the pool's pages as zswap counts them, the page and the position
  in it of the object that was stored, loaded, evicted or freed, and whose turn it was to be evicted;
* every {sample_events} events: each column of the timeline, and each row of the classes;
* at the end: each counter, peak and mean, and what each kind of operation has cost: nodes visited, lines touched,
  words and tag words written, nodes made and freed, page headers read.

An eviction has no row of its own where the model decides on it; that it was another object would show when a slot
is loaded or invalidated, and in the place of every object after it. Victims in order, one by one, are compared in
random workloads, with compactions and migrations in between (z3fold's only there: a row says by a number which
object's page is moved, and after an eviction that is another object's in the two replays).

`zreplay plugin test /tmp/kernel/kernel_zbud.so` and `kernel_rbtree.so` hold them to ours call by call, costs, victims
and all: 36 and 12 million comparisons in 5 and 4 million operations, none differs. (That of z3fold ends at what it
finds: each page that has been migrated leaves an allocation behind, as 6.1 does.)

What the trees touch and write is not told by the glue but counted: `lib/rbtree.c` and `lib/xarray.c` are compiled
with `-fsanitize=thread`, of which only this is used, that each access to memory becomes a call (`accesses.h`).
"""

DIFFERED = """\
## What differed, and why

Answers, shapes, nodes visited, places, pages, evictions and refusals: nothing, from the first time on; not in
6.12's zsmalloc either, whose classes, twelve groups and compaction had never been run beside ours. What did differ
were costs, each by a mistake of ours, and each is mended:

* **rbtree, words written**: 16 to 20 % too many on these recordings, up to twelve in one call. A parent and a
  colour are one word, written once; and of two rotations in a row the first leaves to the second what that will
  write. Ours were a textbook's rotations with the colours painted apart.
* **rbtree, lines touched**: 0.2 to 1.7 % too many over all calls, one or two at every tenth insert and erase. An
  entry that rebalancing comes back to was counted again: the left child of the erased one, which gets a new parent
  and then is a sibling; a sibling's child, which changes parents.
* **xarray, lines touched**: 0.2 to 0.9 % too few over all calls, one at every eighth erase: `xas_store()` looks at
  the slot behind the one it empties, to see whether it is a sibling, and that slot may be in the next line. And one
  too many for each level by which a tree grew.
* **xarray, words written**: an erase writes the words of all three marks, set or not, so `tag_words_written` was 0
  and is 3. A store of the very word that is there writes nothing. When the last entry goes back to the head, the
  slot it had is told to send readers there.
* **Page headers read** by the shrink work in its second and later tries went on the account of the writeback
  before.

What differs still, and is the interface's: zram asks zsmalloc from which size on a page would have a whole page,
and keeps such pages uncompressed. A plugin cannot be asked, so zram over one compresses them, which shows where
recorded sizes lie between 6.1's limit and 6.12's: `huge_pages`, and with it `compressed_bytes`,
`internal_fragmentation_bytes` and `loaded_bytes`. They have a page each all the same.

What is not compared, because the kernel's code does not tell: which objects zsmalloc's compaction and z3fold's work
have copied, how often each has looked into a page for it, and which pages of z3fold could be moved at a moment.
Where the objects are after it is compared.

What it says nothing of: two allocations at the same time, and z3fold's work on several CPUs and at other moments
than at once, which [fidelity.md](fidelity.md) measures against recordings; 3.12's radix tree and zbud, of which
there is no package.
"""


def page() -> str:
    """The whole page.

    Raises:
        RuntimeError: the kernel's source or a compiler is missing.
    """
    for release in RELEASES:
        if missing := why_not(release):
            raise RuntimeError(missing)
    with tempfile.TemporaryDirectory() as out:
        plugins = {name: path for release in RELEASES for name, path in build(Path(out, release), release).items()}
        compared = {
            (recording.stem, name): list(compare(name, plugins[name], recording))
            for recording in RECORDINGS
            for name in PLUGINS
        }
        shapes = {
            (recording.stem, name): compare_shapes(name, plugins[name], recording)
            for recording in RECORDINGS
            for name in TREES
        }
        random = {name: [compare_random(name, plugins[name], seed) for seed in SEEDS] for name in POOLS}
    begin = BEGIN.replace("{sample_events}", str(SAMPLE_EVENTS))
    return "\n".join([begin, _totals(compared), _recordings(compared), _shapes(shapes), _random(random), DIFFERED])


All = dict[tuple[str, str], list[tuple[str, Compared]]]


def _totals(compared: All) -> str:
    lines = [
        "## All recordings",
        "",
        "| the kernel's | events | objects' places | samples | rows of classes | refused | written back "
        "| pages compacted | numbers compared | differ |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in PLUGINS:
        some = [found for (_, of), both in compared.items() if of == name for _, found in both]
        counts = ("events", "objects", "samples", "class_rows", "refused", "written_back", "compacted", "values")
        cells = [f"{sum(getattr(found, count) for found in some):,}" for count in counts]
        lines.append(f"| {name} | {' | '.join(cells)} | {_differing(sum((f.differs for f in some), Counter()))} |")
    return "\n".join([*lines, ""])


def _recordings(compared: All) -> str:
    lines = [
        "## Each recording",
        "",
        "Numbers compared, at both limits together (zram has none, and was replayed once), and what differs.",
        "",
        f"| recording | events | {' | '.join(PLUGINS)} | written back: as recorded, at half |",
        f"|---|---|{'---|' * len(PLUGINS)}---|",
    ]
    for recording in RECORDINGS:
        cells = []
        for name in PLUGINS:
            both = [found for _, found in compared[recording.stem, name]]
            cells.append(f"{sum(f.values for f in both):,}; {_differing(sum((f.differs for f in both), Counter()))}")
        pools = [compared[recording.stem, "zbud"]]
        written = ", ".join(f"{found.written_back:,}" for _, found in pools[0])
        events = pools[0][0][1].events
        lines.append(f"| {recording.stem.removeprefix('linux-')} | {events:,} | {' | '.join(cells)} | {written} |")
    return "\n".join([*lines, "", "Written back is with zbud; the other pools' differ.", ""])


def _shapes(shapes: dict[tuple[str, str], Shapes]) -> str:
    lines = [
        "## Shapes of the trees",
        "",
        "The calls of each recording, one by one, on a built-in tree and on the kernel's: answers and costs of every",
        "200 calls, and at four moments the depth of every entry there is.",
        "",
        f"| recording | calls | depths | {' | '.join(TREES)} |",
        f"|---|---|---|{'---|' * len(TREES)}",
    ]
    for recording in RECORDINGS:
        each = [shapes[recording.stem, name] for name in TREES]
        cells = [f"{each[0].calls:,}", f"{each[0].depths:,}", *(_differing(found.differs) for found in each)]
        lines.append(f"| {recording.stem.removeprefix('linux-')} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _random(random: dict[str, list[Shapes]]) -> str:
    lines = [
        "## Random workloads",
        "",
        f"{len(SEEDS)} for each pool, of allocations and frees; a fifth of the victims is refused.",
        "",
        "| the kernel's | operations | victims, in order | pages compacted | migrated | refused | places | differ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, some in random.items():
        done = sum((found.done for found in some), Counter())
        counts = [sum(found.calls for found in some)]
        counts += [done[what] for what in ("victims", "pages compacted", "migrated", "not migrated")]
        counts.append(sum(found.depths for found in some))
        cells = " | ".join(f"{count:,}" for count in counts)
        lines.append(f"| {name} | {cells} | {_differing(sum((found.differs for found in some), Counter()))} |")
    return "\n".join([*lines, ""])


def _differing(differs: Counter[str]) -> str:
    return ", ".join(f"**{name} {count:,}**" for name, count in sorted(differs.items())) or "none"
