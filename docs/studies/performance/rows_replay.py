"""Whole replays as a user starts them, and the engine's loop by itself."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from studies.performance.bars import Bar, Figure, at_least, at_most
from studies.performance.bench import (
    HERE,
    MILLION,
    TRACES,
    Bench,
    Left,
    Measured,
    Server,
    Unavailable,
    available_bytes,
    random_entries,
)

from zreplay.analysis.statistics import paired_ratio
from zreplay.trace.recipes.pattern import PatternRecipe as Recipe

#: Recordings that fitted recipes are measured of.
SCALED = (
    "linux-6.1-zsmalloc-lzo-mixed-2cpu",
    "linux-6.12-zbud-lz4-node",
    "linux-6.12-zsmalloc-lzorle-writeback",
)


def million_random(bench: Bench) -> Recipe:
    return random_entries(2 * MILLION, 100_000) if bench.quick else random_entries(20 * MILLION, MILLION)


def whole_runs(bench: Bench) -> Measured:
    """radix-lowbit and rbtree over zbud, radix-lowbit over zsmalloc, and libCacheSim's LRU, in turns."""
    recipe = million_random(bench)
    trace = bench.trace(recipe)
    ours = {
        "radix-lowbit × zbud": at_least(15, 30),
        "radix-lowbit × zsmalloc": at_least(10, 20),
        "rbtree × zbud": at_least(3, 6),
    }

    def run(name: str) -> float:
        index, pool = name.split(" × ")
        return bench.replay(trace, "--index", index, "--pool", pool)

    subjects = {name: lambda name=name: run(name) for name in ours}
    lru = [sys.executable, HERE / "libcachesim_lru.py"]
    if bench.works([*lru, "check"]):
        keys = bench.work / "keys"
        bench.output_of([*lru, "write", trace, keys])
        subjects["libCacheSim, LRU"] = lambda: float(bench.output_of([*lru, "run", keys, 2 * recipe.resident]))
    seconds = bench.interleaved(subjects)
    figures = []
    if "libCacheSim, LRU" in seconds:
        for name, bar in (("radix-lowbit × zbud", at_least(4, 8)), ("radix-lowbit × zsmalloc", Bar())):
            ratio = paired_ratio(seconds["libCacheSim, LRU"], seconds[name])
            figures.append(Figure.of_ratio(f"{name}: times as fast as libCacheSim's LRU", ratio, bar))
        keys.unlink()
    for name, bar in {**ours, "libCacheSim, LRU": Bar()}.items():
        if name in seconds:
            rates = [recipe.events / MILLION / taken for taken in seconds[name]]
            what = f"{name}: requests" if name.startswith("lib") else f"{name}: events"
            figures.append(Figure.of_values(what, rates, "million/s", bar))
    if "libCacheSim, LRU" not in seconds:
        raise Left((figures, []), "libCacheSim: cannot be imported: pip install 'zreplay[bench]'")
    return figures, []


def huge_pages(bench: Bench) -> Measured:
    """radix-lowbit over zbud and zsmalloc with their memory on huge pages and on none, in turns."""
    trace = bench.trace(million_random(bench))
    without = [sys.executable, HERE / "without_huge_pages.py", sys.executable, "-m", "zreplay"]
    if not bench.works([*without, "--help"]):
        raise Unavailable("prctl(PR_SET_THP_DISABLE): refused")
    subjects: dict[str, Callable[[], float]] = {}
    for pool in ("zbud", "zsmalloc"):
        words = ["run", trace, "-o", bench.work / "run", "--force", "-q", "--index", "radix-lowbit", "--pool", pool]
        subjects[f"{pool} on"] = lambda words=words: bench.zreplay(*words)
        subjects[f"{pool} off"] = lambda words=words: bench.seconds_of([*without, *words])
    seconds = bench.interleaved(subjects)
    return [
        Figure.of_ratio(
            f"radix-lowbit × {pool}: time without huge pages over with them",
            paired_ratio(seconds[f"{pool} off"], seconds[f"{pool} on"]),
            Bar(),
        )
        for pool in ("zbud", "zsmalloc")
    ], []


def recordings(bench: Bench) -> Measured:
    """Every recording, by its summary's own events_per_second."""
    paths = sorted(TRACES.glob("*.parquet"))[: 3 if bench.quick else None]
    pools = ("zbud", "zsmalloc")

    def rate(path: Path, pool: str) -> float:
        words = ["--model", "zswap", "--index", "radix-lowbit", "--pool", pool]
        found[path, pool] = bench.summary(path, *words)
        return found[path, pool]["events_per_second"] / MILLION

    found: dict[tuple[Path, str], dict[str, Any]] = {}

    subjects = {
        f"{path.stem} {pool}": lambda path=path, pool=pool: rate(path, pool) for path in paths for pool in pools
    }
    rates = bench.interleaved(subjects, fewest=3, most=6)
    bar = at_least(15, 30)
    figures = []
    for pool in pools:
        each = {path: rates[f"{path.stem} {pool}"] for path in paths}
        slowest = min(paths, key=lambda path: median(each[path]))
        medians = [median(values) for values in each.values()]
        figures.append(Figure.of_values(f"radix-lowbit × {pool}: median of the recordings", medians, "million/s", bar))
        what = f"radix-lowbit × {pool}: slowest, {slowest.stem}"
        figures.append(Figure.of_values(what, each[slowest], "million/s", bar))
    rows = []
    for path in paths:
        cells = [path.stem, f"{found[path, pools[0]]['events']:,}"]
        for pool in pools:
            cells += [f"{median(rates[f'{path.stem} {pool}']):.3g}", f"{found[path, pool]['ns_per_event']:.0f}"]
        rows.append(cells + _decoding(bench, path))
    for what, column in (("the first batch is there after", -2), ("decoding alone, first time", -1)):
        unit = ("ms", "ns an event")[column + 2]
        figures.append(
            Figure.of_values(f"median of the recordings: {what}", [float(row[column]) for row in rows], unit)
        )
    return figures, rows


def _decoding(bench: Bench, path: Path) -> list[str]:
    """What reading costs without replaying, of three fresh processes."""
    command = [sys.executable, HERE / "decode_trace.py", path, "zbud"]
    times = [[float(word) for word in bench.output_of(command).split()] for _ in range(3)]
    first_ms, ns, warm_ns = (median(values) for values in zip(*times, strict=True))
    return [f"{warm_ns:.0f}", f"{first_ms:.1f}", f"{ns:.0f}"]


def growth(bench: Bench) -> Measured:
    """The loop fed from memory, at both sizes in turns, once as many entries are there."""
    small, large = (10_000, 500_000) if bench.quick else (MILLION, 50 * MILLION)
    needed = large * 150
    if needed > available_bytes():
        raise Unavailable(f"50 million entries: found {available_bytes() >> 20:,} MiB free, expected {needed >> 20:,}")
    replay = {"index": "radix-lowbit", "pool": "zbud"}
    events = MILLION // (10 if bench.quick else 1)
    with ExitStack() as servers:
        both: dict[str, Server] = {}
        for size in (small, large):
            # 55 % of the events store a new page until all are there.
            command = bench.engine(f"growth-{size}", random_entries(1, size), replay, int(size / 0.55 * 1.05) + MILLION)
            both[f"{size:,}"] = Server(command)
            servers.callback(both[f"{size:,}"].close)
        for server in both.values():
            server.wait()
        spent = bench.interleaved({name: lambda name=name: both[name].run(events)[0] / events for name in both})
    first, last = spent
    figures = [
        Figure.of_ratio("50 M over 1 M entries: ns per event", paired_ratio(spent[last], spent[first]), at_most(3, 2))
    ]
    figures += [Figure.of_values(f"{name} entries", values, "ns") for name, values in spent.items()]
    return figures, []


def end_to_end(bench: Bench) -> Measured:
    """`zreplay run` against a process that does nothing but read the same file."""
    clustered = Recipe(events=2 * MILLION if bench.quick else 20 * MILLION, resident=100_000, pattern="clustered")
    figures = []
    read = [sys.executable, HERE / "read_parquet.py"]
    bench.seconds /= 2
    for name, recipe in (("1 M random entries", million_random(bench)), ("100,000 clustered entries", clustered)):
        trace = bench.trace(recipe)
        seconds = bench.interleaved(
            {
                "run": lambda trace=trace: bench.replay(trace, "--index", "radix-lowbit", "--pool", "zbud"),
                "read": lambda trace=trace: bench.seconds_of([*read, trace]),
            }
        )
        ratio = paired_ratio(seconds["run"], seconds["read"])
        figures.append(Figure.of_ratio(f"{name}: `zreplay run` over reading alone", ratio, at_most(2, 1.3)))
        engine = [bench.summary(trace, "--index", "radix-lowbit", "--pool", "zbud")["ns_per_event"] for _ in range(3)]
        for what, values in (
            ("whole run", [1e9 * s / recipe.events for s in seconds["run"]]),
            ("reading alone", [1e9 * s / recipe.events for s in seconds["read"]]),
            ("the engine alone, one thread", engine),
        ):
            figures.append(Figure.of_values(f"{name}: {what}", values, "ns an event"))
    return figures, []


def synth(bench: Bench) -> Measured:
    events = 2 * MILLION if bench.quick else 20 * MILLION
    out = bench.work / "synth.parquet"
    seconds: dict[str, list[float]] = bench.interleaved(
        {
            pattern: lambda pattern=pattern: bench.zreplay(
                "synth", "--events", events, "--pattern", pattern, "-q", "--force", "-o", out
            )
            for pattern in ("clustered", "random")
        }
    )
    return [
        Figure.of_values(f"{pattern}", [events / MILLION / s for s in values], "million/s", at_least(15, 25))
        for pattern, values in seconds.items()
    ], []


def scaled(bench: Bench) -> Measured:
    events = 2 * MILLION if bench.quick else 100 * MILLION
    out = bench.work / "scaled.parquet"
    recipes = {name: bench.work / f"{name}.toml" for name in SCALED}
    for name, recipe in recipes.items():
        bench.zreplay("synth", "--fit", TRACES / f"{name}.parquet", "-q", "--force", "-o", recipe)
    seconds: dict[str, list[float]] = bench.interleaved(
        {
            name: lambda recipe=recipe: bench.zreplay(
                "synth", recipe, "--scale", "4x", "--events", events, "-q", "--force", "-o", out
            )
            for name, recipe in recipes.items()
        },
        fewest=3,
    )
    out.unlink()
    return [
        Figure.of_values(name, [events / MILLION / s for s in values], "million/s", at_least(15))
        for name, values in seconds.items()
    ], []


def start(bench: Bench) -> Measured:
    trace = bench.trace(Recipe(events=1000, resident=100))
    seconds = bench.interleaved({"run": lambda: bench.replay(trace)}, fewest=10)["run"]
    return [Figure.of_values("`zreplay run` of 1,000 events", [1000 * s for s in seconds], "ms", at_most(250))], []


def eight_at_once(bench: Bench) -> Measured:
    """`compare` of eight configurations against the eight runs one after the other."""
    trace = bench.trace(random_entries(MILLION if bench.quick else 5 * MILLION, 100_000 if bench.quick else MILLION))
    indexes, pools = ("rbtree", "radix-tag", "radix-lowbit", "xarray"), ("zbud", "zsmalloc")
    turn = iter(range(MILLION))

    def together() -> float:
        # A folder of its own: compare takes up again the runs that it finds.
        out = bench.work / f"compare-{next(turn)}"
        return bench.zreplay("compare", trace, "--index", ",".join(indexes), "--pool", ",".join(pools), "-o", out, "-q")

    def one_by_one() -> float:
        bench.touch_memory()
        return sum(bench.replay(trace, "--index", index, "--pool", pool) for index in indexes for pool in pools)

    def together_touched() -> float:
        bench.touch_memory()
        return together()

    seconds = bench.interleaved({"compare": together_touched, "runs": one_by_one, "untouched": together})
    ratio = paired_ratio(seconds["compare"], seconds["runs"])
    return [
        Figure.of_ratio("`compare` of 8 over 8 runs", ratio, at_most(0.5)),
        Figure.of_values("`compare` of 8", seconds["compare"], "s"),
        Figure.of_values("the same, memory not touched before", seconds["untouched"], "s"),
        Figure.of_values("8 runs", seconds["runs"], "s"),
    ], []


def state(bench: Bench, index: str = "radix-lowbit", pool: str = "zbud") -> Measured:
    return [
        Figure(
            f"{index} × {pool}: state of a live entry", _state(bench, index, pool), None, None, "bytes", at_most(40, 29)
        )
    ], []


def _state(bench: Bench, index: str, pool: str) -> float:
    """Bytes of this process's memory for each live entry."""
    entries = 200_000 if bench.quick else 4 * MILLION
    replay = {"index": index, "pool": pool, "sample_events": 2**60}
    command = bench.engine("state", random_entries(1, entries), replay, 3 * entries, drop_generator=True)
    grown, stored = map(int, bench.output_of(command).split())
    bench.rounds = 1
    return grown / stored


def memory(bench: Bench) -> Measured:
    """The most that a replay of a long trace has resident, less what its model takes."""
    events, resident = (2 * MILLION if bench.quick else 100 * MILLION), 100_000
    recipe = Recipe(events=events, resident=resident)
    tiny = Recipe(events=1000, resident=100)

    def peak_of(recipe: Recipe) -> int:
        words = ["run", bench.trace(recipe), "-o", bench.work / "run", "--force", "-q"]
        words += ["--index", "radix-lowbit", "--pool", "zbud"]
        return bench.peak_bytes_of([sys.executable, "-m", "zreplay", *words])

    peak = peak_of(recipe)
    over = peak - resident * _state(bench, "radix-lowbit", "zbud")
    bench.forget(recipe)
    return [
        Figure("memory over the model's state", over / MILLION, None, None, "MB", at_most(150, 64)),
        Figure("resident at most, in all", peak / MILLION, None, None, "MB"),
        Figure("the same of 1,000 events", peak_of(tiny) / MILLION, None, None, "MB"),
    ], []
