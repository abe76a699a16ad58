"""docs/the-2013-thread.md, written from what is found now. No figure in it is typed in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import fill

from studies.the_2013_thread.measure import (
    ALL,
    AS_IN_6_1,
    BREAK_EVEN,
    CMA,
    LOCATES,
    MM_OPTIONS,
    MOVABLE,
    MOVING,
    RECORDINGS,
    THREAD,
    UNLIMITED,
    Replayed,
    density_of,
    design,
    done,
    located,
    moved,
    refused_of,
    replay,
)

from zreplay.replay.designs import DESIGNS

HEAD = """<!-- Written by python docs/studies/the_2013_thread: change that folder instead. -->

# The thread of 2013, measured

    python docs/studies/the_2013_thread

In August 2013 Kozlowski posted "mm: migrate zbud pages" to linux-mm, and until October he, Jennings and Stanislawski
discussed how compressed pages could be made movable, what should lead to them, and who should reclaim them. None of it
was merged, and nobody could measure it. Here each question has the answer that recordings of a real kernel give when
they are replayed through the designs ([designs.md](designs.md)). The command replays them and writes this page, every
number of it; `pytest -m slow tests/docs` fails if the page is not what the command writes. Everything is counted and
nothing is timed, so the numbers are the same on every machine.
"""

CANNOT = """## What these numbers cannot say

A replay is open-loop: the trace is what a 6.1 kernel with a pool of its own did, and does not change with what a
design keeps or frees. Locks, waiting and time do not come up; every page is quiet when it is asked to move. Sizes of
refused pages are drawn. What that means for each design, and more of the kind, is in
[designs.md](designs.md#what-a-replay-cannot-show)."""


def page() -> str:
    """The page, from what is found now."""
    return (
        "\n\n".join(
            (
                HEAD.strip(),
                *recordings(),
                *can_they_move(),
                *what_does_a_move_cost(),
                *what_does_the_index_cost(),
                *how_dense_are_offsets(),
                *two_offsets_a_page(),
                *tags_or_low_bits(),
                *who_reclaims(),
                *how_should_the_lists_treat_them(),
                *what_v3_refuses(),
                *other_pools(),
                *in_one_line_each(),
                CANNOT,
            )
        )
        + "\n"
    )


# --- words and tables ---


def text(words: str) -> str:
    return fill(" ".join(words.split()), 125, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}".replace("-", "−")


def percent(part: float, whole: float, digits: int = 0) -> str:
    return f"{number(100 * part / whole, digits)} %" if whole else "–"


def span(values: Iterable[float], digits: int = 0) -> str:
    """The least and the greatest, once where they read the same."""
    found = list(values)
    low, high = number(min(found), digits), number(max(found), digits)
    return low if low == high else f"{low} to {high}"


def against(new: float, old: float) -> str:
    change = 100 * (new / old - 1)
    if abs(change) < 0.5:
        return "as many"
    return f"{number(abs(change))} % {'more' if change > 0 else 'fewer'}"


def by_recording(of: Callable[[str], str]) -> list[str]:
    return [of(recording) for recording in RECORDINGS]


# --- the questions ---


def recordings() -> list[str]:
    rows = []
    for recording in RECORDINGS:
        limited, unlimited = design("radix-lowbit", recording), design("radix-lowbit", recording, **UNLIMITED)
        config = limited["config"]
        limit = config["totalram_pages"] * config["max_pool_percent"] // 100
        rows.append(
            [
                recording,
                number(limited["events"]),
                number(limited["stores"]),
                percent(refused_of(recording).stores, limited["stores"]),
                percent(limited["stores_imputed"], limited["stores"]),
                percent(unlimited["stores_imputed"], unlimited["stores"]),
                number(limit),
                number(config["totalram_pages"]),
            ]
        )
    return [
        "## What is replayed",
        text(
            """Four recordings of Linux 6.1 ([traces/](../traces/README.md)), through zbud and the decisions of
            3.12. A page that the recorded kernel refused before it compressed it has no size; it gets one drawn
            from the known ones ([profiles.md](profiles.md)), and the share of such stores says how much of a result
            is drawn. "Limit" is the recorded kernel's, and holds where nothing else is said. In zsmalloc-g++ every
            size is known, for the pool it was recorded with, zsmalloc, refused next to nothing; here it is replayed
            over zbud."""
        ),
        text(
            f"""**What a recording does not have.** frontswap asks zswap only about slots that zswap has taken. So of
            the {number(sum(refused_of(name).stores for name in RECORDINGS))} pages that the recorded kernels
            refused, {number(sum(refused_of(name).asked for name in RECORDINGS))} are ever loaded or freed in a
            recording. A replay that takes one keeps it until reclaim takes it or its slot is stored again, and
            that store then looks like one over an older copy. Where it matters how long pages stay (no limit,
            two-index, −EEXIST) zsmalloc-g++ is the recording to go by: it refused
            {number(refused_of("zsmalloc-g++").stores)}."""
        ),
        table(
            [
                "recording",
                "events",
                "stores",
                "refused by the kernel",
                "sizes drawn",
                "without a limit",
                "limit, pages",
                "memory, pages",
            ],
            rows,
        ),
    ]


def can_they_move() -> list[str]:
    found = {recording: moved(recording) for recording in RECORDINGS}

    def row(name: str) -> list[str]:
        def cell(recording: str) -> str:
            run = found[recording][name]
            cleared = run["evacuations"] - run["evacuations_failed"]
            return f"{number(run['movable_percent'], 1)} %, {cleared} of {run['evacuations']}"

        return [name, *by_recording(cell)]

    movable = [found[recording][name] for recording in RECORDINGS for name in MOVABLE]
    as_merged = [found[recording]["zswap-3.12"] for recording in RECORDINGS]
    z3fold = [found[recording]["z3fold of 6.1"] for recording in RECORDINGS]
    ranges = sum(run["evacuations"] for run in movable)
    cleared = ranges - sum(run["evacuations_failed"] for run in movable)
    return [
        "## Can compressed pages be moved out of the way?",
        '*Kozlowski, 30 August and 11 September: "mm: migrate zbud pages", so that CMA can have its memory back.*',
        text(
            f"""With any index whose slots can be found from the page, yes:
            {span(run["movable_percent"] for run in movable)} % of zbud's pages can be moved, and {number(cleared)}
            of {number(ranges)} ranges that CMA asks for are cleared, against
            {number(sum(run["evacuations"] - run["evacuations_failed"] for run in as_merged))} of
            {number(sum(run["evacuations"] for run in as_merged))} with zswap as merged. z3fold, which got migration
            later, has {span((run["movable_percent"] for run in z3fold), 1)} % of its pages movable, since a page
            that has moved once stays claimed (6.1.190), headless pages are not moved, and handles that have moved
            pin the page they are in; zsmalloc refuses nothing."""
        ),
        text(
            f"""Movable share of pages, mean over the timeline, and ranges cleared; CMA asks for
            {CMA["cma_percent"]} % of the pool every {number(CMA["cma_every"])} events. That no move of zbud's is
            refused is the replay's doing: nobody else is at work in a page."""
        ),
        table(["", *RECORDINGS], [row(name) for name in (*THREAD, *AS_IN_6_1)]),
    ]


def what_does_a_move_cost() -> list[str]:
    found = {recording: moved(recording) for recording in RECORDINGS}
    least = min(RECORDINGS, key=lambda recording: objects_per_moved(found[recording]["radix-lowbit"]))
    most = max(RECORDINGS, key=lambda recording: objects_per_moved(found[recording]["radix-lowbit"]))

    def row(recording: str, name: str) -> list[str]:
        run = found[recording][name]
        pages = run["pages_migrated"]
        mm_nodes = sum(run.operations[op]["mm_nodes_visited"] for op in ("migrate", "cma"))
        return [
            recording,
            name,
            number(pages),
            number(objects_per_moved(run), 2),
            number(run["moved_page_slots_written"], 2),
            number(run["moved_page_nodes_visited"], 2),
            number(run["moved_page_tag_words_written"], 2),
            number(run["moved_page_page_headers_read"], 2),
            number(cells_per_moved(run), 2),
            number(run["moved_page_mm_slots_written"], 2),
            number(mm_nodes / pages if pages else 0, 2),
        ]

    radix = [found[recording][name] for recording in RECORDINGS for name in MOVABLE]
    tree = [design("zswap-3.12", recording, movable=True, **CMA) for recording in RECORDINGS]
    two = [found[recording]["two-index"] for recording in RECORDINGS]
    return [
        "## What does moving a page cost?",
        text(
            """*Jennings, 27 September: two offsets for one frame need a migration of their own. Jennings and
            Kozlowski, October: merge handles into one radix tree by offset, a page twice in it.*"""
        ),
        text(
            f"""One slot written for each object in the page,
            {span((run["moved_page_slots_written"] for run in radix), 2)} a page,
            {span((run["moved_page_nodes_visited"] for run in radix), 1)} nodes walked to get there, one header read
            and one page copied; no tag word is written, since positions do not change. The memory manager's own
            index adds {span((run["moved_page_mm_slots_written"] for run in two), 2)} slots a page. Were pages
            movable under zswap's rbtree (`--design zswap-3.12 --movable`), the walk would be
            {span((run["moved_page_nodes_visited"] for run in tree), 1)} nodes. The other way to empty a page,
            writing it back, costs a decompression and a device write for each of those objects."""
        ),
        text(
            """Per moved page, in the recordings with the fewest and the most objects a page. Headers of pages that
            refused are counted in, as is what z3fold's tidying reads. Cells are the handle cells of z3fold and
            zsmalloc; M is the memory manager's index."""
        ),
        table(
            [
                "recording",
                "design",
                "pages moved",
                "objects",
                "slots written",
                "nodes visited",
                "tag words",
                "headers read",
                "cells written",
                "M: slots",
                "M: nodes",
            ],
            [row(recording, name) for recording in (least, most) for name in (*THREAD, *AS_IN_6_1)],
        ),
    ]


def objects_per_moved(run: Replayed) -> float:
    return run["objects_migrated"] / run["pages_migrated"] if run["pages_migrated"] else 0.0


def cells_per_moved(run: Replayed) -> float:
    """Each object that moves has its slot rewritten or, where slots do not name pages, one word that they lead to."""
    return max(0.0, objects_per_moved(run) - run["moved_page_slots_written"])


def what_does_the_index_cost() -> list[str]:
    rows = []
    limited_per_entry, unlimited_per_entry = [], []
    for recording in RECORDINGS:
        for limit, settings in (("recorded", {}), ("none", UNLIMITED)):
            tree = design("zswap-3.12", recording, **settings)
            radix = design("radix-lowbit", recording, **settings)
            two = design("two-index", recording)
            (unlimited_per_entry if settings else limited_per_entry).append(radix.per_entry("index_bytes"))
            rows.append(
                [
                    recording,
                    limit,
                    number(tree["stored_pages_peak"]),
                    number(tree["index_bytes_peak"]),
                    number(radix["index_nodes_peak"]),
                    number(radix["index_bytes_peak"]),
                    number(tree.per_entry("index_bytes"), 1),
                    number(radix.per_entry("index_bytes"), 1),
                    "–" if settings else number(two.per_entry("index_bytes", "mm_bytes"), 1),
                    "–" if settings else number(two.per_entry("mm_bytes"), 1),
                ]
            )
    every = limited_per_entry + unlimited_per_entry
    above_links = sum(found > 24 for found in limited_per_entry)
    return [
        "## What does the index cost in memory?",
        text(
            """*Jennings, 23 September: one address_space for each swap type in place of the rbtree. Kozlowski, 30
            September: offset as the only key, no handle, no entry.*"""
        ),
        text(
            f"""Less than the 48-byte entry in {sum(found < 48 for found in every)} of {len(every)} cases:
            {span(every, 1)} bytes for each stored page. Without a limit it is {span(unlimited_per_entry, 1)}; with
            one, evictions leave holes in the leaves and it is {span(limited_per_entry, 1)}, in {above_links} of
            {len(limited_per_entry)} recordings more than the 24 bytes that an rbtree's links alone take. What saves
            memory is above all that there is no entry any more: its exact length and the way back to the slot go
            into the page's header."""
        ),
        text(
            """Peak of entries, bytes and nodes; bytes per stored page as a mean over the timeline. radix-tag,
            radix-lowbit and the swap index of two-index have the same nodes for the same entries; M is the memory
            manager's index of pages, whose nodes are kept by the few pages left when a pool has shrunk. two-index
            has no limit of its own."""
        ),
        table(
            [
                "recording",
                "limit",
                "entries",
                "rbtree, bytes",
                "radix nodes",
                "radix, bytes",
                "rbtree, B/entry",
                "radix, B/entry",
                "two-index S + M",
                "of it M",
            ],
            rows,
        ),
    ]


def how_dense_are_offsets() -> list[str]:
    found = {recording: density_of(recording) for recording in ALL}
    mean = {recording: each.mean_per_leaf for recording, each in found.items()}
    sparsest = min(mean, key=lambda recording: mean[recording])

    def row(recording: str) -> list[str]:
        here = found[recording]
        return [
            recording,
            number(here.slots),
            number(here.leaves),
            number(here.per_leaf, 1),
            number(here.mean_per_leaf, 1),
            *(percent(here.leaves_of_at_least[limit], here.leaves) for limit in BREAK_EVEN),
            number(568 * here.nodes / here.slots, 1),
        ]

    limited = {recording: design("radix-lowbit", recording).per_entry("index_bytes") for recording in RECORDINGS}
    worst = max(limited, key=lambda recording: limited[recording])
    above = [limit for limit in BREAK_EVEN if mean[sparsest] >= limit]
    return [
        "## Are swap offsets dense enough for a radix tree?",
        "*Jennings, 23 September, and every later design: the offset is the key of a tree of 64-slot nodes.*",
        text(
            f"""What zswap held of it is: on average {span(mean.values(), 1)} of a leaf's 64 slots are in use, so all
            nine recordings are above {len(above)} of the three densities at which a radix tree breaks even
            ({", ".join(map(str, BREAK_EVEN))} entries a leaf, against {", ".join(BREAK_EVEN.values())}); the
            sparsest is {sparsest} with {number(mean[sparsest], 1)}. Where a design evicts on its own it is
            not as dense: with the recorded limit {worst} is at {number(limited[worst], 1)} bytes an entry, as if
            every leaf had {number(568 / limited[worst], 1)} entries."""
        ),
        text(
            """Slots that the recorded kernel took, from their store until they are freed, those it wrote back
            included: when they are most, as a mean over all events, and the share of leaves that are above each
            break-even when they are most."""
        ),
        table(
            [
                "recording",
                "slots, peak",
                "leaves",
                "slots a leaf",
                "mean",
                *(f"leaves of ≥ {limit}" for limit in BREAK_EVEN),
                "bytes a slot",
            ],
            [row(recording) for recording in ALL],
        ),
    ]


def two_offsets_a_page() -> list[str]:
    rows, buddied, near, crowded = [], [], [], []
    for recording in RECORDINGS:
        zbud = design("radix-lowbit", recording, observe=True)
        pages, objects = zbud.timeline["pool_pages"].sum(), zbud.timeline["pool_objects"].sum()
        buddied.append(100 * (objects / pages - 1))
        near.append(100 * (zbud.joins_in_a_leaf or 0))
        others = [done(recording, **settings) for settings in AS_IN_6_1.values()]
        crowded.append(max(others[-1].timeline["density"]))
        rows.append(
            [
                recording,
                number(objects / pages, 2),
                f"{number(buddied[-1])} %",
                f"{number(near[-1])} %",
                *(
                    f"{number(run.timeline['pool_objects'].sum() / run.timeline['pool_pages'].sum(), 2)} "
                    f"({number(max(run.timeline['density']), 2)})"
                    for run in others
                ),
            ]
        )
    return [
        "## Does one offset a page do?",
        text(
            """*Stanislawski, 25 September: `page->index` assumes one offset for a page; zbud has two, zsmalloc
            more. Jennings, the same day: leave it unset.*"""
        ),
        text(
            f"""Not for {span(buddied)} % of zbud's pages, which hold two objects. Of these pairs {span(near)} %
            have both slots in one leaf of the tree; moving any of the others touches two. zsmalloc has up to
            {number(max(crowded), 1)} objects a page at one time, some of them across pages."""
        ),
        table(
            [
                "recording",
                "zbud: objects a page",
                "pages with two",
                "pairs in one leaf",
                *(f"{name}: objects a page (greatest sample)" for name in AS_IN_6_1),
            ],
            rows,
        ),
    ]


def tags_or_low_bits() -> list[str]:
    names = [name for name in THREAD if name != "two-index"]
    found = {(recording, name): design(name, recording, **UNLIMITED) for recording in RECORDINGS for name in names}

    def total(recording: str, name: str, cost: str) -> int:
        return found[recording, name].of_all(cost)

    nodes = [
        100 * (total(recording, "radix-tag", "nodes_visited") / total(recording, "radix-lowbit", "nodes_visited") - 1)
        for recording in RECORDINGS
    ]
    lines = [
        100 * (total(recording, "radix-tag", "cache_lines") / total(recording, "radix-lowbit", "cache_lines") - 1)
        for recording in RECORDINGS
    ]
    loads = [
        found[recording, "radix-tag"].per_event("load", "nodes_visited")
        / found[recording, "radix-lowbit"].per_event("load", "nodes_visited")
        for recording in RECORDINGS
    ]
    tag_words = [
        found[recording, "radix-tag"].of_all("tag_words_written") / found[recording, "radix-tag"]["stores"]
        for recording in RECORDINGS
    ]
    trees = [
        total(recording, "zswap-3.12", "nodes_visited") / total(recording, "radix-lowbit", "nodes_visited")
        for recording in RECORDINGS
    ]
    same = all(
        found[recording, "radix-tag"]["index_bytes_peak"] == found[recording, "radix-lowbit"]["index_bytes_peak"]
        for recording in RECORDINGS
    )

    def row(recording: str, name: str) -> list[str]:
        run = found[recording, name]
        cells = [recording, name]
        for op in ("store", "load", "invalidate"):
            cells += [number(run.per_event(op, "nodes_visited"), 1), number(run.per_event(op, "cache_lines"), 1)]
        writes = sum(run.operations[op]["tag_words_written"] for op in ("store", "invalidate"))
        return [*cells, number(writes / run["stores"], 2), number(run.per_event("load", "page_headers_read"), 2)]

    return [
        "## A tree tag or a bit of the pointer?",
        "*Stanislawski, 27 September: either says which buddy. Jennings, the same day: prefers pointer bits.*",
        text(
            f"""Bits. A tag needs {span(loads, 2)} times the nodes at a load, since it is asked for in a walk of its
            own, and over all calls {span(nodes)} % more nodes and {span(lines)} % more cache lines; it writes
            {span(tag_words, 2)} tag words for each store. The memory is
            {"the same, node for node" if same else "not the same"}: the tag words are in every node anyway. An
            rbtree visits {span(trees, 1)} times the nodes that low bits do, each a dependent load of another entry."""
        ),
        text(
            """Per event, without a limit, so that every load asks the index: nodes visited and 64-byte lines
            touched; tag words written by stores and invalidates, for each store; page headers read by a load.
            zbud-v3 asks the header which buddy is meant. (A 32-bit pointer has one free bit in 3.12's tree, enough
            for two buddies and for nothing more.)"""
        ),
        table(
            [
                "recording",
                "design",
                "store: nodes",
                "lines",
                "load: nodes",
                "lines",
                "invalidate: nodes",
                "lines",
                "tag words",
                "headers",
            ],
            [row(recording, name) for recording in RECORDINGS for name in names],
        ),
    ]


def who_reclaims() -> list[str]:
    rows, points = [], []
    beyond, written = [], []
    for recording in RECORDINGS:
        limited, two = design("zswap-3.12", recording), design("two-index", recording)
        memory = two["config"]["totalram_pages"]
        for name, run in (("limit", limited), ("memory manager", two), ("nobody", None)):
            run = run or design("zswap-3.12", recording, **UNLIMITED)
            freed = run.pages_freed_by_reclaim
            rows.append(
                [
                    recording,
                    name,
                    number(run["pool_pages_mean"]),
                    number(run["pool_pages_peak"]),
                    percent(run["pool_pages_peak"], memory),
                    f"{number(run.hit_percent, 1)} %",
                    number(run["stores_rejected"]),
                    number(freed),
                    number(run["writebacks"]),
                    number(run["writebacks"] / freed, 2) if freed else "–",
                    number(run["writebacks_failed"]),
                    percent(run["both_buddies_written"], run["pages_reclaimed"]),
                    number(run["temporary_pages_peak"]) if run is two else "–",
                ]
            )
            points.append([recording, name, *(number(run.at(part / 8)["pool_pages"]) for part in range(1, 9))])
        beyond.append((100 * two["pool_pages_peak"] / memory, recording))
        written.append(two["temporary_pages_peak"])
    over = [recording for share, recording in beyond if share > 100]
    both = [
        100 * design("two-index", recording)["both_buddies_written"] / design("two-index", recording)["pages_reclaimed"]
        for recording in RECORDINGS
    ]
    return [
        "## Should the memory manager reclaim zbud pages, with no limit on the pool?",
        text(
            """*Jennings, 23 September: zbud pages on the normal inactive LRU, no explicit pool size. Stanislawski,
            27 September: two index engines, one from swap entry to page, one for the memory manager.*"""
        ),
        text(
            f"""It gives a pool that grows and shrinks with what the workload does, at up to {number(max(written))}
            temporary pages while memory is short: {span(both)} % of the pages it reclaims have two objects to be
            decompressed and written for one page of memory. And the pool has no bound: its peak is
            {span(share for share, _ in beyond)} % of the machine's memory,
            {"more than all of it in " + ", ".join(over) + ", where" if over else "and"} pages are swapped out for
            the first time, of whose age a trace says nothing, and where pages that the recorded kernel refused are
            never freed. A closed machine would have had to reclaim there; a replay cannot show at whose cost. In
            zsmalloc-g++, which has not the second fault, the peak is
            {next(share for share, recording in beyond if recording == "zsmalloc-g++"):.0f} %."""
        ),
        text(
            """"limit" is zswap-3.12 with the recorded limit, "memory manager" is two-index with its own options,
            "nobody" is zswap-3.12 without a limit. Hits are of all loads; failed writebacks met a page that is in
            memory already (−EEXIST), by the rule that it is from its load until its slot's next store."""
        ),
        table(
            [
                "recording",
                "who",
                "pool pages, mean",
                "peak",
                "of memory",
                "hits",
                "refused",
                "pages freed by reclaim",
                "writebacks",
                "for each page freed",
                "failed",
                "both buddies",
                "temporary pages",
            ],
            rows,
        ),
        "Pool pages after each eighth of the events:",
        table(["recording", "who", *(f"{part}/8" for part in range(1, 9))], points),
    ]


def how_should_the_lists_treat_them() -> list[str]:
    found = {
        recording: {label: design("two-index", recording, **options) for label, options in MM_OPTIONS.items()}
        for recording in RECORDINGS
    }

    def row(recording: str, label: str) -> list[str]:
        run = found[recording][label]
        return [
            recording,
            label,
            number(run["pool_pages_mean"]),
            number(run["pool_pages_peak"]),
            f"{number(run.hit_percent, 1)} %",
            number(run["pages_reclaimed"]),
            number(run["pages_rotated"]),
            number(run["writebacks"]),
            percent(run["both_buddies_written"], run["pages_reclaimed"]),
            number(run["temporary_pages_peak"]),
        ]

    def hits(label: str) -> list[float]:
        return [found[recording][label].hit_percent for recording in RECORDINGS]

    def tried(label: str) -> int:
        return sum(found[recording][label]["pages_rotated"] for recording in RECORDINGS)

    def both(label: str) -> int:
        return sum(found[recording][label]["both_buddies_written"] for recording in RECORDINGS)

    usual, *others = MM_OPTIONS
    of_known_age = [label for label in (usual, *others) if label != "first time: new"]
    best = [max(of_known_age, key=lambda label: hits(label)[at]) for at in range(len(RECORDINGS))]
    lower = sum(new < old for new, old in zip(hits("a new page at the tail"), hits(usual), strict=True))
    return [
        "## Where does a zpool page stand on the list, and what moves it?",
        "*Jennings, 23 September: at the start of the inactive list, so that they are not the first reclaimed.*",
        text(
            f"""At the tail fewer loads hit in {lower} of {len(RECORDINGS)} recordings
            ({span(hits("a new page at the tail"), 1)} % in place of {span(hits(usual), 1)} %). A load that
            activates its page leaves {number(tried("a load: activate"))} pages to be tried in vain in place of
            {number(tried(usual))}, as the object just loaded is the one that cannot be written. A second object
            that activates its page takes pages with two objects out of reach: {number(both("a join: activate"))} of
            them are reclaimed in place of {number(both(usual))}, and of all options but the last it has the most
            hits in {best.count("a join: activate")} of {len(RECORDINGS)} recordings. How old a page is that is
            swapped out for the first time decides more than any of them: taken for older than all zpool pages (the
            default), it never makes room; taken for newer, every zpool page was reached before it and the pool is
            all but empty ({span(hits("first time: new"), 1)} % hits). The truth is between, and not in a trace."""
        ),
        table(
            [
                "recording",
                "option",
                "pool pages, mean",
                "peak",
                "hits",
                "pages reclaimed",
                "rotated",
                "writebacks",
                "both buddies",
                "temporary pages",
            ],
            [row(recording, label) for recording in RECORDINGS for label in MM_OPTIONS],
        ),
    ]


def what_v3_refuses() -> list[str]:
    rows, refused_share, left = [], [], []
    for recording in RECORDINGS:
        for limit, settings in (("recorded", {}), ("none", UNLIMITED)):
            v3, lowbit = (design(name, recording, **settings) for name in ("zbud-v3", "radix-lowbit"))
            refused_share.append(100 * v3["reject_exists"] / v3["stores"])
            if settings:
                left.append(v3["stored_pages"] - lowbit["stored_pages"])
            rows.append(
                [
                    recording,
                    limit,
                    number(v3["reject_exists"]),
                    percent(v3["reject_exists"], v3["stores"], 1),
                    number(lowbit["duplicate_entry"]),
                    number(v3["loads_missed"]),
                    number(lowbit["loads_missed"]),
                    number(v3["stored_pages"] - lowbit["stored_pages"]),
                    number(v3["reject_compress_poor"]),
                    number(lowbit["reject_compress_poor"]),
                ]
            )
    return [
        "## What does v3 refuse?",
        text(
            """*Kozlowski, 8 October: v3, one radix tree of page headers, a store of a slot that is there gives
            −EEXIST. 9 October: unmapping by offset is unsafe when a duplicate store overwrites.*"""
        ),
        text(
            f"""Nothing that these recordings can show: in the four of them
            {number(sum(refused_of(name).over_taken for name in RECORDINGS))} stores come over a copy that the kernel
            held, as 6.1 frees a slot before it is stored again. The {span(refused_share, 1)} % of stores refused
            below come over pages that the kernel had refused and the replay took, whose freeing is in no recording.
            What they do show is what −EEXIST does where there is an older copy: the page goes to the device, and
            frontswap forgets the slot, so the copy that is there can neither be loaded nor invalidated; without a
            limit nothing ever takes it away, and at the end of a recording {span(left)} more objects are stored
            than where a store overwrites. Nor can the slot be stored again, as the next store is refused too.
            Without the 8-byte header in front of the object it takes a few pages that are too large for the
            others."""
        ),
        table(
            [
                "recording",
                "limit",
                "−EEXIST",
                "of stores",
                "overwritten by radix-lowbit",
                "loads missed, v3",
                "radix-lowbit",
                "more objects at the end",
                "too large, v3",
                "radix-lowbit",
            ],
            rows,
        ),
    ]


def other_pools() -> list[str]:
    found = located()
    head = [
        "## Do the other pools fit?",
        text(
            """*Stanislawski, 25 September: zsmalloc has more than two offsets a page, and its data may cross pages.
            Kozlowski and Jennings, 30 September to 3 October: keep it general; a handle adds a layer.*"""
        ),
    ]
    here = {key: run for key, run in found.items() if isinstance(run, Replayed)}
    rows = []
    for (pool, recording, index, locate, bits), run in found.items():
        cells = [pool, recording, index, f"{locate}, {bits}-bit"]
        if isinstance(run, str):
            rows.append([*cells, *["–"] * 7, run])
            continue
        rows.append(
            [
                *cells,
                f"{number(spilled_percent(run), 1)} %",
                number(max(run.timeline["slots_spilled"])),
                number(run["index_slots_rewritten"]),
                number(run["handles_rewritten"]),
                number(sum(run.operations[op]["nodes_visited"] for op in ("compact", "migrate", "cma"))),
                f"{number(run['movable_percent'], 1)} %",
                f"{run['evacuations'] - run['evacuations_failed']} of {run['evacuations']}",
                number(run.per_entry("index_bytes", "handle_bytes"), 1),
            ]
        )
    return [
        *head,
        text(do_they_fit(here)),
        text(
            f"""Policy of 6.1, with the migrations and compactions of the recordings, and CMA as above; z3fold
            without the flag that its migration forgets to clear (`--no-z3fold-stays-claimed`), which would hide the
            rest. "Spilled" are objects ever named by a cell because their slot could not express their place, of
            all stored. {len(here)} of {len(found)} combinations of {len(LOCATES)} ways with {len(MOVING)} replays
            could be made."""
        ),
        table(
            [
                "pool",
                "recording",
                "index",
                "--locate",
                "spilled",
                "cells for it, peak",
                "slots rewritten",
                "cells rewritten",
                "nodes visited for it",
                "movable",
                "ranges cleared",
                "index and cells, B/entry",
            ],
            rows,
        ),
    ]


def spilled_percent(run: Replayed) -> float:
    stored = run["stores"] - run["stores_rejected"]
    return 100 * run["objects_spilled"] / stored if stored else 0.0


def do_they_fit(here: Mapping[tuple[str, str, str, str, int], Replayed]) -> str:
    """``here``: those of located() that could be replayed."""
    naming_pages = {key: run for key, run in here.items() if key[3] != "indirect"}
    cells = {key: run for key, run in here.items() if key[3] == "indirect"}
    if not naming_pages or not cells:
        return "Not shown by this build, which has no index whose slots can name the pages of zsmalloc or z3fold."

    def spilled(bits: int) -> str:
        return span(
            (spilled_percent(run) for key, run in naming_pages.items() if key[0] == "zsmalloc" and key[4] == bits), 1
        )

    def movable(runs: Mapping[tuple[str, str, str, str, int], Replayed]) -> str:
        # 64 bits, where no object of z3fold spills.
        return span((run["movable_percent"] for key, run in runs.items() if key[0] == "z3fold" and key[4] == 64), 1)

    rewritten = [
        run["index_slots_rewritten"] + run["handles_rewritten"] for key, run in here.items() if key[0] == "zsmalloc"
    ]
    return f"""With 64-bit pointers, nearly: slots that name pages express all but {spilled(64)} % of the objects
    stored in zsmalloc, depending on the index; with 32-bit ones {spilled(32)} % need a handle cell after all. What
    is saved is the cell; what it costs is that each object that moves, {span(rewritten)} times in the recording,
    has its slot rewritten in a walk of its own, where a cell is one word. z3fold gains most: its handles that have
    moved no longer pin pages, so {movable(naming_pages)} % of them can be moved in place of {movable(cells)} %."""


def in_one_line_each() -> list[str]:
    head = [
        "design",
        "movable",
        "slots a moved page",
        "cells or entries",
        "nodes",
        "index, entries, cells, M: B/entry",
        "pool pages, mean",
        "hits",
        "device writes",
    ]
    known, drawn = "zsmalloc-g++", "zbud-lz4-node"

    def row(name: str, recording: str) -> list[str]:
        run = replay(recording, design=name, **CMA)
        if isinstance(run, str):
            return [name, *["–"] * (len(head) - 2), run]
        return [
            name,
            f"{number(run['movable_percent'], 1)} %",
            number(run["moved_page_slots_written"], 2),
            number(cells_per_moved(run), 2),
            number(run["moved_page_nodes_visited"], 2),
            number(run.per_entry("index_bytes", "entry_bytes", "handle_bytes", "mm_bytes"), 1),
            number(run["pool_pages_mean"]),
            f"{number(run.hit_percent, 1)} %",
            number(run["device_writes"]),
        ]

    parts = [
        "## Each design in one line",
        text(
            """What the thread asked of a design: are its pages movable, and at what cost for each moved page; and
            what else it comes to. Limits are the recorded ones (two-index has none), CMA as above. The designs of
            3.12 and those of the latest kernel differ in more than their index. Hits cannot be compared between the
            two: the latest kernel's loads take the entry away, so a page that the recorded kernel dropped without
            storing it, as zswap still had it, is found missing when it is loaded again."""
        ),
    ]
    for recording in (known, drawn):
        share = design("radix-lowbit", recording)["stores_imputed_share"]
        parts.append(f"{recording} ({number(100 * share)} % of sizes drawn):")
        for is_bound in (False, True):
            names = [name for name, each in DESIGNS.items() if each.is_bound == is_bound]
            if is_bound:
                parts.append(f"{recording}, bounds, which nothing that can be built reaches:")
            parts.append(table(head, [row(name, recording) for name in names]))
    return parts
