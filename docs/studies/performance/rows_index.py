"""The index alone against the kernel's own code, both on the stream of zreplay/core/index/op_stream.h."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack

from studies.performance.bars import Bar, Figure, at_least, between
from studies.performance.bench import ENGINE, HERE, MILLION, Bench, Server, Unavailable, available_bytes
from studies.performance.kernel.build import build, why_not

from zreplay.analysis.statistics import paired_ratio

SEED = 7
#: Our index → the kernel's code.
KERNELS = {"radix-lowbit": "radix", "xarray": "xarray", "rbtree": "rbtree"}
DEFAULT: Mapping[tuple[str, int], Bar] = {
    ("radix-lowbit", 1): at_least(5, 8),
    ("radix-lowbit", 10): at_least(7, 12),
    ("radix-lowbit", 50): at_least(4.5, 10),
    ("rbtree", 1): at_least(4.5, 7),
    ("rbtree", 10): at_least(6, 10),
    ("rbtree", 50): at_least(8, 12),
}
TIMING = {"rbtree": between(0.8, 1.25), "radix-lowbit": between(0.7, 1.25), "xarray": between(0.7, 1.25)}
#: Of a process for each entry: a tree's node, the slots it is drawn from, and some.
BYTES_PER_ENTRY = 90


def measure(bench: Bench, index: str, millions: int) -> tuple[list[Figure], list[list[str]]]:
    """Figures and rows of a table: our two modes against the kernel."""
    if missing := why_not():
        raise Unavailable(missing)
    entries = millions * MILLION // (20 if bench.quick else 1)
    modes = ["default"] if millions > 10 else ["default", "timing"]
    needed = entries * BYTES_PER_ENTRY * (1 + len(modes))
    if needed > available_bytes():
        raise Unavailable(
            f"{millions} million entries: found {available_bytes() >> 20:,} MiB free, expected {needed >> 20:,}"
        )
    operations = max(200_000, 2 * MILLION // millions) // (2 if index == "rbtree" else 1)
    driver = bench.made("kernel", build)
    with ExitStack() as servers:
        kernel = _started(servers, [driver, KERNELS[index], entries, SEED])
        ours = {
            mode: _started(servers, [sys.executable, HERE / "index_server.py", ENGINE, index, entries, SEED, mode])
            for mode in modes
        }
        everybody = {"kernel": kernel, **ours}
        for server in everybody.values():
            server.wait()
        sums: dict[str, int] = {}

        def timed(name: str) -> float:
            spent, sums[name] = everybody[name].run(operations)
            return spent / operations

        times = bench.interleaved({name: lambda name=name: timed(name) for name in everybody})
        if len(set(sums.values())) > 1:
            raise RuntimeError(f"{index}, {entries:,} entries: the answers differ: {sums}")
    return _figures(index, millions, times)


def _started(servers: ExitStack, command: list[object]) -> Server:
    server = Server([str(word) for word in command])
    servers.callback(server.close)
    return server


def _figures(index: str, millions: int, times: dict[str, list[float]]) -> tuple[list[Figure], list[list[str]]]:
    size = f"{millions} M entries"
    figures = [
        Figure.of_ratio(
            f"{index}, {size}: times as fast as the kernel's",
            paired_ratio(times["kernel"], times["default"]),
            DEFAULT.get((index, millions), Bar()),
        )
    ]
    if "timing" in times:
        ratio = paired_ratio(times["timing"], times["kernel"])
        figures.append(Figure.of_ratio(f"{index}, {size}, `--timing`: time over the kernel's", ratio, TIMING[index]))
    names = {"kernel": f"{KERNELS[index]}, the kernel's", "default": index, "timing": f"{index}, `--timing`"}
    rows = [list(Figure.of_values(names[name], values, "ns").cells()[:3]) for name, values in times.items()]
    return figures, [[size, *row] for row in rows]
