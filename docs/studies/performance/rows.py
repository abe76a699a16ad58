"""The rows of docs/performance.md: what each compares, how long it may take, what measures it."""

from collections.abc import Callable
from dataclasses import dataclass

from studies.performance import rows_index, rows_misses, rows_replay
from studies.performance.bars import Figure
from studies.performance.bench import Bench, Left, Measured, Unavailable


@dataclass(frozen=True)
class Row:
    """One thing to measure.

    Attributes:
        name: what --rows takes.
        title, text, commands: of its section in the page.
        seconds: of the default budget, for its rounds; what has to be made first comes on top.
        head: of its table of details.
        why: what keeps figures from what they must reach, and what was tried; said where one does not.
    """

    name: str
    title: str
    text: str
    commands: str
    seconds: float
    measure: Callable[[Bench], Measured]
    head: tuple[str, ...] = ()
    why: str = ""


def _index(*indexes: str, millions: int) -> Callable[[Bench], Measured]:
    def measure(bench: Bench) -> Measured:
        figures: list[Figure] = []
        rows: list[list[str]] = []
        missing = []
        bench.seconds /= len(indexes)
        for index in indexes:
            try:
                more_figures, more_rows = rows_index.measure(bench, index, millions)
            except Unavailable as error:
                missing.append(f"{index}: {error}")
                continue
            figures += more_figures
            rows += more_rows
        if missing:
            raise Left((figures, rows), "; ".join(missing))
        return figures, rows

    return measure


RANDOM_1M = "zreplay synth --events 20000000 --resident 1000000 --pattern random -o random.parquet"
INDEX_HEAD = ("entries", "ns per operation", "median", "95 % interval")

ROWS = (
    Row(
        "run",
        "Whole replays of a million random entries",
        "Seconds of the whole process, from its start to its exit: interpreter, reading Parquet, replay, the "
        "last check, the files of the run directory. Each event of the trace is one event. libCacheSim's LRU "
        "(PyPI `libcachesim`) gets the same slots in the same order as requests of size 1 from a file in its "
        "fastest format (oracleGeneral), with room for all slots there are (2 million, of which half are "
        "live), so that it never evicts, which is when it is fastest; of it only the seconds inside "
        "`process_trace()` count, not its start. Where a replay stores, loads or frees an object in an index "
        "and a pool, the LRU looks a key up and moves it to the front.",
        f"{RANDOM_1M}\nzreplay run random.parquet -o runs/r --force --index radix-lowbit --pool zbud",
        180,
        rows_replay.whole_runs,
        why=(
            "An event of a million random entries brings some 3 lines from beyond 1 MiB of cache ([cache "
            "lines](#cache-lines-per-event)), sixteen of them under way at once, and takes some 400 instructions "
            "([instructions](#instructions-per-event)); the loop by itself is at the sum of both "
            "([growth](#from-1-to-50-million-entries)). Start and end are 0.2 s more. In a quiet hour of the EPYC "
            "pairs of whole runs were 16 to 19 million events a second over zbud and 12 to 13 over zsmalloc; this row "
            "was 15.5 million (14.4 to 16, 12 rounds) earlier on the day it is from, with the same engine. Tried, "
            "in this order: groups looked at between events in place of in front of sixteen (8 to 20 % of the loop, "
            "kept), rows fetched from the reading thread's cache (4 to 9 % of a run, kept), half groups, another "
            "order of the steps and reads in place of writes (no gain), rows decoded by the thread that reads the "
            "trace (a tenth of the engine's time, kept), no garbage looked for at start and end (23 of 165 ms, kept), "
            "larger batches (none), an instruction diet of 15 % in the look-ahead (none), groups of 32 events (none), "
            "a build by profile (none), for x86-64-v3 (0 to 5 %), with -O2 (slower), one line less for each erase (12 "
            "%, kept), zbud without links and 16-byte handles (kept), huge pages (kept)."
        ),
    ),
    Row(
        "huge-pages",
        "Huge pages, on and off",
        "The same replays as whole processes, in turns with some that the kernel gives no huge page "
        "(`prctl(PR_SET_THP_DISABLE)`): the arenas ask for them from their second 2 MiB on (`zreplay/core/arena.hpp`).",
        "python docs/studies/performance --rows huge-pages",
        60,
        rows_replay.huge_pages,
    ),
    Row(
        "recordings",
        "Every recording in traces/",
        "`events_per_second` of the summary: inside the run, without the interpreter's start. As zswap, also "
        "those of zram. On the right what `pyarrow` takes to decode the same columns in one thread, without a replay: "
        "once warm, and in a fresh process, where nothing can be replayed before the first batch is there.",
        "zreplay run traces/NAME.parquet -o runs/r --force --model zswap --index radix-lowbit --pool zbud --json",
        60,
        rows_replay.recordings,
        (
            "recording",
            "events",
            "zbud: million/s",
            "engine, ns an event",
            "zsmalloc: million/s",
            "engine, ns an event",
            "decoding, ns an event",
            "fresh: first batch, ms",
            "fresh: ns an event",
        ),
        why=(
            "Of linux-6.1-zbud-lzo-mixed pyarrow alone takes 35 ns an event for the twelve columns that its "
            "configuration reads, when all is warm, what is ours beside it (numbers of words, rules of the format, "
            "calls before their rows, rows) 27, and the engine 40 (EPYC, 1 December 2026). Two processors would do "
            "with that. In a fresh process the thread that reads takes 95: of its 16 ms the kernel takes 4 to give it "
            "memory, the first batch is there after 5, and a pass over sizes that are missing and the file's hash "
            "want a processor meanwhile. Tried: memory populated beside the imports (10 to 20 %, kept), one heap for "
            "all threads (no faster, and 45 MB more for a billion events), threads in the decoder (46 ns), the "
            "system's allocator and others (kept), freed memory kept (kept), pages of other sizes, no checksums (3 "
            "ns), only the columns that a configuration reads (kept), calls sixteen rows at a time (3 ns, kept), "
            "halved batches for short traces (kept), 8 batches ahead in place of 3, a shorter switch interval of the "
            "interpreter (no difference). A decoder of our own for the columns was not: Parquet is pyarrow's."
        ),
    ),
    Row(
        "growth",
        "From 1 to 50 million entries",
        "The loop by itself: random events drawn into memory, then fed to radix-lowbit over zbud. Timed once "
        "all entries are there; the two sizes in turns.",
        "python docs/studies/performance --rows growth",
        40,
        rows_replay.growth,
    ),
    Row(
        "end-to-end",
        "End to end against reading alone",
        "`zreplay run` of radix-lowbit over zbud against a process that only goes through "
        "`pyarrow.parquet.ParquetFile(trace).iter_batches(65_536)`, all columns. Both with their "
        "interpreter's start.",
        "python docs/studies/performance --rows end-to-end",
        80,
        rows_replay.end_to_end,
        why=(
            "The engine alone, in its one thread, takes twice what pyarrow's threads need to read the file, so the "
            "ratio would be about 2 with nothing around it; start and end of a run are 10 ns an event more, of "
            "reading half of it. It was 2.34 and 2.16 in an hour in which reading was slower. What was tried for the "
            "engine is above, under whole replays; batches of 65,536 to 262,144 rows, between which the threads wait "
            "for each other less often, came to the same."
        ),
    ),
    Row(
        "index-1m",
        "The index alone against the kernel's own code: 1 million entries",
        "The kernel's lib/rbtree.c, lib/radix-tree.c and lib/xarray.c of Linux 6.1 (Debian's "
        "`linux-source-6.1`), compiled with `cc -O2` in user space over the shims of the kernel's own tests; "
        "nodes and entries from a free list on huge pages, no locks, frees at once. The rbtree is of 64-byte "
        "entries, used as zswap uses it. Both sides make the same operations "
        "(`zreplay/core/index/op_stream.h`): N random entries of 2 N slots, then 23 % new stores, 14 % stores "
        "over an entry, 40 % loads, 23 % invalidates; filling is not timed, drawing them neither, the "
        "answers' sums must be equal. Ours through `SwapIndex`, with all costs counted: by default looking "
        "ahead, as in a replay; `--timing`: the kernel's layout, in plain order. Times are of the processor, "
        "all sides in turns.",
        "python docs/studies/performance --rows index-1m",
        60,
        _index("radix-lowbit", "xarray", "rbtree", millions=1),
        INDEX_HEAD,
        why=(
            "On the Intel, whose third level holds all of it, a radix tree of ours was 2.9 times as fast by default: "
            "it runs instructions more than it waits for lines. With `--timing` our trees touch the words that the "
            "kernel's do, one behind the other where it has to (since 1 December 2026 the tags that an insert finds "
            "empty, the marks that an erase clears, and an xarray's slot behind its node's head; before, radix trees "
            "were at 0.7 and xarrays, whose two misses were under way at once, at 0.6)."
        ),
    ),
    Row(
        "index-10m",
        "The index alone: 10 million entries",
        "The same with 10 million entries.",
        "python docs/studies/performance --rows index-10m",
        60,
        _index("radix-lowbit", "xarray", "rbtree", millions=10),
        INDEX_HEAD,
        why=("With `--timing` as with 1 million."),
    ),
    Row(
        "index-50m",
        "The index alone: 50 million entries",
        "The same with 50 million entries, without `--timing`: filling the trees takes minutes.",
        "python docs/studies/performance --rows index-50m",
        40,
        _index("radix-lowbit", "rbtree", millions=50),
        INDEX_HEAD,
    ),
    Row(
        "misses",
        "Cache lines per event",
        "Simulated by cachegrind with 1 MiB of last-level cache, engine alone, a million random entries: lines that "
        "come from memory, whether asked for ahead or not. Below: what such a line costs on this machine, from 256 MiB "
        "on huge pages. A replay in plain order pays the first price for most of its lines, one that looks ahead the "
        "second.",
        "python docs/studies/performance --rows misses",
        10,
        rows_misses.misses,
    ),
    Row(
        "memory",
        "Memory over the model's state",
        "The most that `zreplay run` has resident on a trace of 100 million events with 100,000 entries, less their "
        "state as below. A billion events, by hand on 1 December 2026: 142 MB. What grows is what the trace's reader "
        "and the timeline's writer keep of each row group.",
        "zreplay synth --events 100000000 --resident 100000 -o long.parquet\n"
        "/usr/bin/time -v zreplay run long.parquet -o runs/r --force --index radix-lowbit --pool zbud",
        10,
        rows_replay.memory,
    ),
    Row(
        "state",
        "State of a live entry",
        "What the process has grown by, once 4 million random entries are there, over the entries.",
        "python docs/studies/performance --rows state",
        10,
        rows_replay.state,
    ),
    Row(
        "synth",
        "The generator, to Parquet",
        "The whole process, 20 million events.",
        "zreplay synth --events 20000000 --pattern clustered -o t.parquet",
        40,
        rows_replay.synth,
        why=(
            "230 instructions an event to draw it, and pyarrow's encoder in another thread. Columns are encoded "
            "16,384 values at a time (a twentieth faster, kept), those that do not change are PLAIN, and pyarrow is "
            "loaded without numpy (0.17 s of a start, kept)."
        ),
    ),
    Row(
        "scale",
        "Fitted recipes, to Parquet",
        "The whole process, 100 million events of recipes fitted to recordings, of four times their size "
        "([fit.md](fit.md)): there a billion, by hand.",
        "zreplay synth --fit traces/NAME.parquet -o R.toml\n"
        "zreplay synth R.toml --scale 4x --events 100000000 -o t.parquet",
        90,
        rows_replay.scaled,
        why=(
            "pyarrow takes 60 to 80 ns an event to encode these columns in its one thread, where a ready recipe's take "
            "50: a third of it is to say which values are none, and there are more columns. Tried: no dictionaries and "
            "no differences (a third faster, kept), times with their bytes apart (3 ns, a fifth larger, not kept). "
            "Eight rounds of each part are drawn, at 100 to 340 ns a row, and come again by chance; until then two "
            "processors make 4 to 10 million a second, and a billion events, most of them not drawn, came at 15.1 to "
            "17.0. pyarrow's writer has no threads for the columns of a group."
        ),
    ),
    Row(
        "start",
        "Start and end",
        "The whole process for a trace of 1,000 events.",
        "zreplay synth --events 1000 --resident 100 -o tiny.parquet\nzreplay run tiny.parquet -o runs/r --force",
        15,
        rows_replay.start,
        why=("Two thirds are imports, of which pyarrow's are most."),
    ),
    Row(
        "compare",
        "Eight replays at once",
        "`zreplay compare` of rbtree, radix-tag, radix-lowbit and xarray over zbud and zsmalloc, on 5 million "
        "events with a million random entries, over the eight runs one after the other. Both as whole "
        "processes, and before each a GiB is touched and freed: memory that a hypervisor has taken back "
        "meanwhile comes again at a twentieth of the speed, and eight replays at once have four times as much as "
        "one.",
        "zreplay compare random.parquet --index rbtree,radix-tag,radix-lowbit,xarray --pool zbud,zsmalloc -o runs/c",
        120,
        rows_replay.eight_at_once,
        why=(
            "`compare` keeps 1.9 processors busy, the eight runs 1.3, as each has its decoder beside it, and two "
            "engines at once take some 10 % more each than one beside a decoder. Tried: rows decoded once for all "
            "(kept; it takes as much from the single runs' engines), a reader that reads several batches in a row, "
            "while its state is in the caches (8 % of `compare`, kept), pyarrow without numpy (70 ms, kept)."
        ),
    ),
)
