"""Times worth comparing: every configuration replayed in every round, batch by batch in turns.

A machine's speed drifts, so each batch of a trace goes through all configurations one after the other, in an order
drawn anew for each batch, before the next batch is read. What disturbs a round disturbs all configurations of that
round, and :mod:`zreplay.analysis.statistics` compares within rounds. Nothing else runs in this process meanwhile, and
a time is the thread's own processor time, so being set aside for another process does not count.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from zreplay.replay.batches import batches_of
from zreplay.replay.config import Config
from zreplay.replay.future_loads import future_loads
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import BATCH_ROWS, TIMELINE_ROWS, checked, make_replay
from zreplay.trace.files import open_trace

#: One round: for each configuration, metric → nanoseconds.
Round = list[dict[str, float]]


def measure(
    configs: Sequence[Config], rounds: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> list[Round]:
    """Replay one trace through resolved configurations ``rounds`` times.

    Gives per round and configuration ``ns_per_event`` (all the time inside the engine, per event) in the mode that the
    configuration has; with ``timing`` also ``store_ns``, ``load_ns``, ``invalidate_ns`` (medians of the operations that
    were timed; absent if none was).

    Raises:
        TraceError, ModelError, PluginError: as :func:`zreplay.replay.run.run`.
    """
    trace = open_trace(configs[0].trace)
    order = random.Random(seed)
    turns = list(range(len(configs)))
    measured: list[Round] = []
    sizes = RecordedSizes(trace, configs)
    loads = future_loads(trace, configs)
    for number in range(rounds):
        replays = [make_replay(config, sizes, loads) for config in configs]
        nanoseconds = [0] * len(configs)
        rows = 0
        for batch, calls in batches_of(trace, configs, sizes, BATCH_ROWS):
            order.shuffle(turns)
            for turn in turns:
                with checked(configs[turn], replays[turn]):
                    begun = time.thread_time_ns()
                    replays[turn].feed(batch, calls)
                    nanoseconds[turn] += time.thread_time_ns() - begun
                if replays[turn].samples_waiting >= TIMELINE_ROWS:
                    pa.record_batch(replays[turn].take_timeline())
                    pa.record_batch(replays[turn].take_classes())
            rows += batch.num_rows
            if progress:
                progress(number * trace.rows + rows, rounds * trace.rows)
        measured.append(
            [
                {"ns_per_event": spent / rows, **(_by_operation(replay.operations()) if config.timing else {})}
                if rows
                else {}
                for config, spent, replay in zip(configs, nanoseconds, replays, strict=True)
            ]
        )
    return measured


def _by_operation(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {
        f"{row['op']}_ns": row["p50_ns"]
        for row in rows
        if row["op"] in ("store", "load", "invalidate") and row["timed"]
    }
