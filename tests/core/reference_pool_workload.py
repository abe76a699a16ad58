"""The golden workload of the kernel model's appendix A, 20,000 allocations and frees, and somebody to evict objects."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import _zreplay

SIZES: dict[str, Callable[[int], int]] = {
    "A": lambda v: 1 + v % 4096,
    "B": lambda v: 200 + v % 1800,
    "C": lambda v: 1 + v % 700,
    "D": lambda v: 2048 + v % 1700,
}
SAMPLED_STEPS = (2500, 5000, 10000, 17500, 20000)


def _random() -> Iterator[int]:
    x = 1
    while True:
        x = (x * 1103515245 + 12345) % 2**31
        yield x >> 16


@dataclass
class Golden:
    """A pool after the workload, with its pages at the sampled steps and the locations still live."""

    pool: _zreplay.Pool
    pages: list[int] = field(default_factory=list)
    live: list[int] = field(default_factory=list)


def run_golden(pool: _zreplay.Pool, function: str, after_step: Callable[[], None] = lambda: None) -> Golden:
    """Run the workload with one of the four size functions; `after_step` is called after each operation."""
    golden, values = Golden(pool), _random()
    for k in range(20000):
        p = 35 if k // 2500 % 2 else 70
        if next(values) % 100 < p or not golden.live:
            location, error = pool.alloc(SIZES[function](next(values)), 0, k)
            if not error:
                golden.live.append(location)
        else:
            j = next(values) % len(golden.live)
            pool.free(golden.live[j])
            golden.live[j] = golden.live[-1]
            golden.live.pop()
        after_step()
        if k + 1 in SAMPLED_STEPS:
            golden.pages.append(pool.pages)
    return golden


class Evictor:
    """Notes the objects it is asked to evict and frees those outside `refused`; with None it refuses all."""

    def __init__(self, pool: _zreplay.Pool, refused: Collection[int] | None = ()) -> None:
        self.pool, self.refused = pool, refused
        self.victims: list[int] = []

    def __call__(self, victim: int) -> bool:
        self.victims.append(victim)
        if self.refused is None or victim in self.refused:
            return False
        self.pool.free(victim)
        return True
