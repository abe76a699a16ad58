"""The n-th allocation in the engine fails, n = 1, 2, … until none does: each ends in MemoryError and leaves nothing.

    python tests/faults/allocations.py                 # every index, pool, order, model, design, what reads traces
    python tests/faults/allocations.py --lasting       # the n-th and all after it
    python tests/faults/allocations.py --every 7 replay/latest

A library (allocations/failing.cpp) that is loaded before all others refuses what the engine asks for, in whatever
thread, and knows what the engine holds. After each failure as much must be there as before, and every so often the same
is done without one, and must come to what it came to at first. A crash, another error or something left behind is told,
exit code 1.
"""

import argparse
import ctypes
import gc
import io
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from programs import HERE, ROOT, run

Scenario = Callable[[], object]
TRACES = ROOT / "traces"
EVENTS, MANY = 600, 3500  # as many as a recipe can be fitted to


# ---- what is done: each comes to something that can be compared ----


def indexes() -> Iterator[tuple[str, Scenario]]:
    import _zreplay
    from core.reference_index import batch_of, random_calls

    batches = [batch_of(random_calls(300, seed=1, offsets=1 << bits)) for bits in (20, 8)]
    for name, _ in _zreplay.index_kinds():
        for small in (False, True):

            def use(name: str = name, small: bool = small) -> object:
                index = _zreplay.Index(name, small)
                old = bytes_of(index.apply(batches[small], check_every=100, warm=True))
                found = index.items(0), index.warm([(0, offset) for offset in range(50)]), index.cost()
                index.check()
                return old, found

            yield f"index/{name}{'/small' if small else ''}", use


def pools() -> Iterator[tuple[str, Scenario]]:
    from _zreplay import Pool, pool_kinds

    options: dict[str, list[dict[str, Any]]] = {
        "zbud": [{}, {"movable": True}],
        "z3fold": [{}, {"work": "deferred", "cpus": 2}, {"frames": True}],
        "zsmalloc": [{}, {"class_rule": "b", "chain_limit": 16, "fullness_groups": "twelve"}, {"frames": True}],
    }
    for name, _ in pool_kinds():
        for number, given in enumerate(options.get(name, [{}])):

            def use(name: str = name, given: dict[str, Any] = given) -> object:
                pool = Pool(name, **given)
                live = [pool.alloc(64 + k * 977 % 3800, 0, k)[0] for k in range(200)]
                for location in live[::3]:
                    pool.free(location)
                said: list[object] = [pool.migrate(live[1]), pool.usage(), pool.classes(), len(pool.locations())]
                if name in ("zbud", "z3fold"):
                    said.append(pool.reclaim(8, lambda victim: pool.free(victim) or True))
                if name == "zsmalloc":
                    said += [pool.compact(), pool.moves()]
                pool.check()
                return said

            yield f"pool/{name}/{number}", use


def replays() -> Iterator[tuple[str, Scenario]]:
    """Every design, every index, pool, model and reclaim order; looked ahead at, and observed."""
    import _zreplay

    from zreplay.replay.designs import DESIGNS

    cells: dict[str, dict[str, Any]] = {f"design-{name}": {"design": name} for name in DESIGNS}
    cells |= {f"index-{name}": {"kernel": "6.1", "index": name} for name, _ in _zreplay.index_kinds()}
    cells |= {f"pool-{name}": {"kernel": "6.1", "pool": name} for name, _ in _zreplay.pool_kinds()}
    cells |= {f"zram-{name}": {"model": "zram", "pool": name} for name in ("zsmalloc", "zbud")}
    cells |= {
        f"mm-{name}": {"kernel": "latest", "mm": name} for name, _ in _zreplay.order_kinds() if name != "pool-lru"
    }
    cells |= {
        "moving": {"design": "radix-tag", "cma_every": 200},
        "verified": {"kernel": "latest", "verify": True},
        "sizes": {"kernel": "6.1", "missing_size": "empirical"},
        "timing": {"kernel": "6.1", "timing": True},
    }
    for name, cell in cells.items():
        if (config := resolved(cell)) is not None:
            yield f"replay/{name}", lambda config=config: replayed(config)


def resolved(cell: dict[str, Any]) -> Any:
    import zreplay
    from zreplay.errors import ZreplayError

    try:
        config = zreplay.Config(trace=small_trace(), out=Path("unused"), totalram_pages=500, sample_events=100, **cell)
        return config.resolved(zreplay.open_trace(config.trace).metadata)
    except ZreplayError:  # no such kernel had this
        return None


def replayed(config: Any) -> object:
    import _zreplay

    import zreplay
    from zreplay.replay.batches import columns_of
    from zreplay.replay.calls import with_calls
    from zreplay.replay.future_loads import future_loads
    from zreplay.replay.missing_size import RecordedSizes

    trace = zreplay.open_trace(config.trace)
    sizes = RecordedSizes(trace, [config])
    settings = config.engine_settings() | {"look_above_bytes": 0, "check_every": 200, "observe": not config.timing}
    replay = _zreplay.Replay.make(sizes.engine, future_loads(trace, [config]), **settings)
    for batch, calls in with_calls(trace, trace.batches(columns=columns_of([config]), batch_rows=200)):
        replay.feed(batch, calls)
    replay.finish()
    columns = [
        bytes_of(columns) for columns in (replay.take_timeline(), replay.take_classes(), replay.take_observations())
    ]
    return replay.counters(), columns


def verbs() -> Iterator[tuple[str, Scenario]]:
    """Whole verbs, with their threads: one decodes, others replay."""
    import zreplay
    from zreplay.replay.axes import cross, run_missing
    from zreplay.replay.curve import config_of, curve
    from zreplay.trace.check import check
    from zreplay.trace.context import Context
    from zreplay.trace.convert import convert
    from zreplay.trace.cut import Selection, cut
    from zreplay.trace.fit import fit
    from zreplay.trace.likeness import portrait
    from zreplay.trace.recipes.kinds import find_recipe
    from zreplay.trace.recipes.pattern import PatternRecipe
    from zreplay.trace.synth import synth

    def in_folder(made: Callable[[Path], object]) -> Scenario:
        def use() -> object:
            with tempfile.TemporaryDirectory() as folder:
                return made(Path(folder))

        return use

    def ran(out: Path) -> object:
        run = zreplay.run(zreplay.Config(trace=small_trace(), out=out / "r", kernel="6.1", totalram_pages=500))
        return counted(run.summary())

    def compared(out: Path) -> object:
        [cells] = cross([small_trace()], {"index": ["rbtree", "xarray"], "pool": ["zbud", "zsmalloc"]}, out)
        return [counted(run.summary()) for run in run_missing(cells)]

    def synthesised(recipe: Any) -> Callable[[Path], object]:
        def made(out: Path) -> object:
            synth(recipe, out / "t.parquet")
            return zreplay.open_trace(out / "t.parquet").rows

        return made

    workload = find_recipe("mixed" if "mixed" in ready() else ready()[0]).recipe
    yield "verb/run", in_folder(ran)
    yield "verb/compare", in_folder(compared)
    yield "verb/curve", lambda: [counted(row) for row in curve(config_of(zreplay.open_trace(small_trace()))).rows]
    yield "verb/check", lambda: str(check(small_trace()))
    yield "verb/fit", lambda: str(fit(small_trace(MANY)))
    yield "verb/portrait", lambda: str(portrait(small_trace()))
    yield "verb/cut", in_folder(lambda out: cut(small_trace(), out / "c.parquet", Selection(rows=(100, 900))).pool)
    yield "verb/synth-pattern", in_folder(synthesised(PatternRecipe(events=500, resident=300, seed=1)))
    yield "verb/synth-workload", in_folder(synthesised(with_events(workload, 500)))
    yield "verb/synth-fitted", in_folder(synthesised(fit(small_trace(MANY))))
    yield "verb/record-page", recorded
    inputs = ROOT / "tests" / "trace" / "inputs"
    for name, release in (("bool68", "6.8.0"), ("folio_hand", "6.13.0"), ("largefolio", "6.8.0")):
        context = Context(pool="zsmalloc", kernel_release=release)

        def converted(out: Path, name: str = name, context: Context = context) -> object:
            return convert(str(inputs / f"{name}.txt"), out / "t.parquet", context, allow_partial=True).rows

        yield f"verb/convert-{name}", in_folder(converted)


def recorded() -> object:
    """A page of a kernel's ring buffer as text: 100 records of 24 bytes, 1,000 ns apart."""
    import _zreplay

    ring = _zreplay.RingBuffer()
    fields = [("type", 8, 4, "unsigned"), ("offset", 16, 8, "hex")]
    ring.add_event(7, "store", "zswap_store_of_a_long_name", False, fields)
    head = 1000 << 5 | 24 // 4
    records = b"".join(struct.pack("<IHBBiIIQ", head, 7, 0, 0, 41, 1, 0, offset) for offset in range(100))
    ring.feed(0, struct.pack("<QQ", 10**9, len(records)) + records)
    text = ring.take(2 * 10**9)
    assert text.count(b"zswap_store_of_a_long_name+0x0/0x0) type=1 offset=0x") == 100
    return text


def ready() -> tuple[str, ...]:
    from zreplay.trace.recipes.kinds import ready_names

    return ready_names()


def with_events(recipe: Any, events: int) -> Any:
    from dataclasses import replace

    return replace(recipe, events=events) if "events" in recipe.__dataclass_fields__ else recipe


def counted(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if not name.endswith(("seconds", "_second", "ns_per_event"))}


def bytes_of(columns: Any) -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    batch = pa.record_batch(columns)
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def small_trace(events: int = EVENTS) -> Path:
    """Written once, before anything fails."""
    place = Path(os.environ["ZREPLAY_FAULTS"]) / f"{events}.parquet"
    if not place.exists():
        from comparing import small_trace as made

        made(place, events=events, totalram_pages=500)
    return place


GROUPS = {"index": indexes, "pool": pools, "replay": replays, "verb": verbs}


# ---- how it fails ----


def library() -> Path:
    folder = ROOT / "build" / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    built, source = folder / "libfailing.so", HERE / "allocations" / "failing.cpp"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        made = folder / f"libfailing.{os.getpid()}"
        run(["g++", "-std=c++20", "-O1", "-g", "-shared", "-fPIC", str(source), "-o", str(made), "-ldl"])
        made.rename(built)
    return built


class Failing:
    """What failing.cpp offers, of the engine that is loaded."""

    def __init__(self) -> None:
        import _zreplay

        self.library = ctypes.CDLL(None)
        for name in ("live", "mapped", "counted"):
            getattr(self.library, name).restype = ctypes.c_int64
        self.library.watch.restype = ctypes.c_uint64
        assert self.library.watch(b"_zreplay"), f"{_zreplay.__file__} is not among the process's modules"

    def at(self, n: int, lasting: bool = False) -> None:
        self.library.fail_at(ctypes.c_uint64(n), int(lasting))

    def counted(self) -> int:
        return int(self.library.counted())

    def held(self) -> tuple[int, int]:
        """Allocations, and bytes of mappings."""
        gc.collect()
        return int(self.library.live()), int(self.library.mapped())


def child(names: list[str], first: int, every: int, lasting: bool, board: mmap.mmap) -> None:
    """The scenarios that are named, from the `first` failure on; the board says which, should it crash."""
    failing = Failing()
    for group, scenarios in GROUPS.items():
        if not any(name.startswith(group) for name in names):
            continue
        for name, scenario in scenarios():
            if name in names:
                one(failing, name, scenario, first, every, lasting, board)


def one(
    failing: Failing, name: str, scenario: Scenario, first: int, every: int, lasting: bool, board: mmap.mmap
) -> None:
    expected = scenario()
    scenario()
    gc.collect()
    gc.freeze()  # what is loaded stays: not looked through each time
    before = failing.held()
    n = first
    failures = 0
    while True:
        board[:8] = n.to_bytes(8, "little")
        failing.at(n, lasting)
        outcome = ""
        try:
            if scenario() != expected:
                outcome = "no error, and comes to something else"
        except MemoryError:
            outcome = "MemoryError"
        except BaseException as error:
            in_words = isinstance(error.__cause__, MemoryError)  # a recipe's, which names what is too large
            outcome = "MemoryError" if in_words else f"{type(error).__name__}: {error}"
        reached = failing.counted() >= n
        failing.at(0)
        if not reached:
            break
        failures += 1
        if outcome not in ("", "MemoryError"):  # "": it did with less, as where addresses are reserved
            print(f"{name}\t{n}\t{outcome}", flush=True)
        after = failing.held()
        if after != before:  # a thread that ended with the same error may still be letting go of what it held
            time.sleep(0.3)
            after = failing.held()
        if after != before:
            print(
                f"{name}\t{n}\tleft behind: {after[0] - before[0]} allocations, {after[1] - before[1]} mapped bytes",
                flush=True,
            )
            before = after
        if failures % 16 == 0 and scenario() != expected:
            print(f"{name}\t{n}\tafter it, the same comes to something else", flush=True)
        n += every
    if scenario() != expected:
        print(f"{name}\t{n}\tafter all, the same comes to something else", flush=True)
    print(f"{name}\tdone\t{failures}", flush=True)


# ---- the parent ----


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "LD_PRELOAD": str(library()),
        "ZREPLAY_FAULTS": str(folder),
        "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT / "tests"), str(HERE)]),
    }


def scenario_names(folder: Path, wanted: str) -> list[str]:
    groups = [group for group in GROUPS if group.startswith(wanted.split("/")[0])]
    code = f"import allocations as a; print(*(name for group in {groups} for name, _ in a.GROUPS[group]()))"
    names = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment(folder)).split()
    return [name for name in names if name.startswith(wanted)]


def campaign(wanted: str, every: int, lasting: bool, budget: float) -> tuple[dict[str, int], list[str]]:
    """Failures made by scenario, and what was wrong, a line each."""
    counts: dict[str, int] = {}
    wrong: list[str] = []
    end = time.monotonic() + budget
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        board = folder / "board"
        board.write_bytes(bytes(8))
        for name in scenario_names(folder, wanted):
            first, crashes = 1, 0
            while time.monotonic() < end:
                command = [
                    sys.executable,
                    __file__,
                    "--child",
                    name,
                    str(first),
                    str(every),
                    str(int(lasting)),
                    str(board),
                ]
                done = subprocess.run(command, capture_output=True, text=True, env=environment(folder))
                for line in done.stdout.splitlines():
                    _, n, what = line.split("\t", 2)
                    if n == "done":
                        counts[name] = counts.get(name, 0) + int(what)
                    else:
                        wrong.append(f"{name}: allocation {n}: {what}")
                        print(wrong[-1], file=sys.stderr, flush=True)
                if done.returncode == 0:
                    print(f"{name}: {counts[name]} failures", file=sys.stderr, flush=True)
                    break
                at = int.from_bytes(board.read_bytes(), "little")
                last = (done.stderr.strip().splitlines() or [""])[-1]
                wrong.append(f"{name}: allocation {at}: exit {done.returncode}: {last}")
                print(wrong[-1], file=sys.stderr, flush=True)
                counts[name] = counts.get(name, 0) + (at - first) // every + 1
                first, crashes = at + every, crashes + 1
                if crashes == 20:
                    break
    return counts, wrong


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("wanted", nargs="?", default="", help="scenarios whose name begins so, such as replay/")
    options.add_argument("--every", type=int, default=1, metavar="K", help="of every K failures one")
    options.add_argument("--lasting", action="store_true", help="the n-th allocation and all after it fail")
    options.add_argument("--budget", type=float, default=3600, help="seconds")
    given = options.parse_args()
    counts, wrong = campaign(given.wanted, given.every, given.lasting, given.budget)
    for group in GROUPS:
        of = [count for name, count in counts.items() if name.startswith(group)]
        print(f"{group:8} {len(of):4} scenarios {sum(of):>10,} failures")
    print(f"all      {len(counts):4} scenarios {sum(counts.values()):>10,} failures, {len(wrong)} wrong")
    return bool(wrong)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        with Path(sys.argv[6]).open("r+b") as file:
            child([sys.argv[2]], *map(int, sys.argv[3:5]), sys.argv[5] == "1", mmap.mmap(file.fileno(), 8))
    else:
        sys.exit(main())
