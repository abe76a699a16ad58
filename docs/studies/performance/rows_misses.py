"""Cache lines per event, simulated, and what a line costs on this machine: no replay gets below their product."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from studies.performance.bars import Figure
from studies.performance.bench import HERE, MILLION, Bench, Measured, Unavailable, engine_spec, random_entries
from studies.performance.instructions import REPLAYS, instructions_of, why_not

#: A core's caches, whoever runs this; the last level is what one core may call its own.
CACHES = ("--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64")
KINDS: dict[str, dict[str, Any] | None] = {
    "radix-lowbit × zbud": REPLAYS["radix-lowbit × zbud"],
    "radix-lowbit × zbud, `--timing`": REPLAYS["radix-lowbit × zbud"] | {"timing": True},
    "radix-lowbit × zsmalloc": REPLAYS["radix-lowbit × zsmalloc"],
    "rbtree × zbud": REPLAYS["rbtree × zbud"],
    "": None,  # drawing the events, which is not counted
}


def misses(bench: Bench) -> Measured:
    """Of an event in the steady state, as the difference of two runs; the generator's own lines left out."""
    if missing := why_not():
        raise Unavailable(missing)
    entries, events = (20_000, 20_000) if bench.quick else (MILLION, 200_000)
    random = random_entries(1, entries)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        counting = {
            (name, more): threads.submit(
                _misses, bench.work / f"misses-{number}-{more}.json", engine_spec(random, replay, 2 * entries + more)
            )
            for number, (name, replay) in enumerate(KINDS.items())
            for more in (0, events)
        }
        lines = {name: (counting[name, events].result() - counting[name, 0].result()) / events for name in KINDS}
    bench.rounds = 1
    figures = [
        Figure(f"{name}: lines from memory", lines[name] - lines[""], None, None, "an event") for name in KINDS if name
    ]
    if cc := shutil.which("cc"):
        chase = bench.work / "chase"
        bench.output_of([cc, "-O2", "-o", chase, HERE / "chase.c"])
        costs = [tuple(map(float, bench.output_of([chase]).split())) for _ in range(7)]
        figures.append(Figure.of_values("a line that the next one depends on", [one for one, _ in costs], "ns"))
        figures.append(Figure.of_values("a line, sixteen under way at once", [many for _, many in costs], "ns"))
    return figures, []


def _misses(spec: Path, content: dict[str, Any]) -> int:
    spec.write_text(json.dumps(content), encoding="utf-8")
    return instructions_of(spec, *CACHES)["LLd misses"]
