"""Every swap index and pool in lock-step with a slow and obvious reference, by random calls.

    python tests/faults/lockstep.py --operations 1e10 --budget 3600

Indexes with the kernel's nodes and with 4-way ones, each kind of location word, both memory layouts; zbud, z3fold with
one to three CPUs and deferred work, zsmalloc with chains of 4 to 16 pages by both rules and both kinds of fullness
groups, the bounds. Prints the operations done by each kind; a wrong answer ends it with exit code 1 and how to have it
again.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from programs import program

CHUNK = 2_000_000  # operations of a subject at a time


def subjects(kind: str = "fast") -> list[str]:
    return subprocess.check_output([program("lockstep", kind), "list"], text=True).split()


def tasks(names: list[str], operations: int, seed: int) -> Iterator[tuple[str, int, int]]:
    """(subject, operations, seed): all subjects get as many, a chunk at a time."""
    each = -(-operations // len(names))
    for number in range(-(-each // CHUNK)):
        for name in names:
            yield name, min(CHUNK, each - number * CHUNK), seed + number


def one(kind: str, name: str, operations: int, seconds: float, seed: int) -> tuple[str, int]:
    """A chunk; RuntimeError with what the program says if an answer is wrong."""
    command = [str(program("lockstep", kind)), "run", str(operations), f"{seconds:.0f}", str(seed), name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()}")
    return name.split("/")[1], int(done.stdout.split()[1])


def campaign(names: list[str], operations: int, budget: float, seed: int, jobs: int, kind: str) -> Counter[str]:
    """Operations done, by kind of structure; what is done is said every minute."""
    end, said = time.monotonic() + budget, time.monotonic()
    counts: Counter[str] = Counter()
    waiting = tasks(names, operations, seed)
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future[tuple[str, int]]] = set()
        while True:
            while len(running) < jobs and time.monotonic() < end and (task := next(waiting, None)):
                name, share, its_seed = task
                running.add(pool.submit(one, kind, name, share, end - time.monotonic() + 1, its_seed))
            if not running:
                return counts
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                structure, made = future.result()
                counts[structure] += made
            if time.monotonic() - said > 60:
                said = time.monotonic()
                print(f"{counts.total():,} operations", file=sys.stderr, flush=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--operations", type=float, default=1e7)
    options.add_argument("--budget", type=float, default=3600, help="seconds")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options.add_argument("--kind", default="fast", choices=["fast", "address"])
    options.add_argument("--only", default="", help="subjects whose name begins so, such as pool/zsmalloc")
    given = options.parse_args()
    names = [name for name in subjects(given.kind) if name.startswith(given.only)]
    try:
        counts = campaign(names, int(given.operations), given.budget, given.seed, given.jobs, given.kind)
    except RuntimeError as wrong:
        print(wrong, file=sys.stderr)
        return 1
    for structure, count in counts.items():
        print(f"{structure:14} {count:>16,}")
    print(f"{'all':14} {counts.total():>16,} operations over {len(names)} subjects, none wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
