"""Reads what a replay reads of a recording, and replays nothing: python decode_trace.py TRACE POOL, once a process.

Prints milliseconds until the first batch is there, and nanoseconds a row of the whole, first and at best of five times.
"""

import sys
import time

from zreplay.cli.options import spare_memory

spare_memory()

from zreplay.replay.batches import batches_of  # noqa: E402
from zreplay.replay.config import Config  # noqa: E402
from zreplay.replay.missing_size import RecordedSizes  # noqa: E402
from zreplay.trace.files import open_trace  # noqa: E402

trace = open_trace(sys.argv[1])
config = Config(trace=trace.path, out="none", model="zswap", index="radix-lowbit", pool=sys.argv[2])
configs = [config.resolved(trace.metadata)]
first_ms, ns = [], []
for _ in range(6):
    sizes = RecordedSizes(trace, configs)
    sizes.begin()
    begun = time.perf_counter()
    for number, _ in enumerate(batches_of(trace, configs, sizes, 16_384)):
        if number == 0:
            first_ms.append(1e3 * (time.perf_counter() - begun))
    ns.append(1e9 * (time.perf_counter() - begun) / trace.rows)
print(first_ms[0], ns[0], min(ns[1:]))
