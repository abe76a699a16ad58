"""What a sweep will take, from replaying the begin of its traces: good to a factor of two, not to a tenth.

Time is that of the rows tried, times rows and cells, over the cores. Memory is :data:`STATE_BYTES` for each page that
is stored at the peak, seen so far and grown with the rows; a real peak is mostly lower.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from zreplay.replay.batches import batches_of
from zreplay.replay.cells import AT_ONCE
from zreplay.replay.future_loads import future_loads
from zreplay.replay.memory import resident_bytes
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import BATCH_ROWS, checked, make_replay
from zreplay.sweep.cell import Cell
from zreplay.trace.files import open_trace
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import sampled

#: Traces that are tried, the longest; cells of each that are; and for how long.
TRACES, CELLS, SECONDS = 20, 3, 0.3
#: Of a replay, for each page it has stored, by design: 35 to 175 bytes (and 365 for the bound belady).
LEAST_STATE_BYTES, STATE_BYTES = 35, 200
#: Of batches that are held, whatever the trace.
BATCHES_BYTES = 16 << 20
#: To write a cell.
CELL_SECONDS = 0.015


@dataclass(frozen=True)
class Estimate:
    """Seconds and bytes of a sweep, and what they rest on.

    Attributes:
        seconds: of all cells, on the cores given.
        cell_bytes: of one replay of the largest trace, at most.
        least_bytes: of the process with one replay, whatever is still to come.
        beside_bytes: of the process without replays.
        rows, traces: that were tried.
    """

    seconds: float
    cell_bytes: int
    least_bytes: int
    beside_bytes: int
    rows: int
    traces: int

    def memory_bytes(self, at_once: int) -> int:
        """With so many replays in memory."""
        return self.beside_bytes + at_once * self.cell_bytes

    def at_once_within(self, limit_bytes: int | None) -> int:
        """How many replays a limit surely leaves room for, :data:`zreplay.replay.cells.AT_ONCE` at most, or one."""
        if limit_bytes is None:
            return AT_ONCE
        return max(1, min(AT_ONCE, (limit_bytes - self.beside_bytes) // max(self.cell_bytes, 1)))


def estimate(cells: Sequence[Cell], cores: int) -> Estimate:
    """Try some cells of the longest traces.

    Raises:
        TraceError: a trace is damaged where it was tried.
        PluginError: a plugin failed there.
    """
    by_trace: dict[str, list[Cell]] = {}
    for cell in cells:
        by_trace.setdefault(cell.trace.sha256, []).append(cell)
    longest = sorted(by_trace.values(), key=lambda some: -some[0].trace.rows)
    beside_bytes = resident_bytes() + BATCHES_BYTES
    seconds = seconds_a_row = 0.0
    tried_rows = cell_bytes = least_pages = 0
    for number, some in enumerate(longest):
        rows = some[0].trace.rows
        if number < TRACES:
            rows_tried, spent, stored_pages = _try(some)
            tried_rows += rows_tried
            seconds_a_row = spent / max(rows_tried, 1)
            pages = stored_pages * rows / max(rows_tried, 1)
            future = 4 * rows if any(cell.config.mm == "belady" for cell in some) else 0
            least_pages = max(least_pages, stored_pages)
            cell_bytes = max(cell_bytes, round(pages * STATE_BYTES) + future)
        seconds += seconds_a_row * rows * len(some) / cores + CELL_SECONDS * len(some)
    least_bytes = beside_bytes + least_pages * LEAST_STATE_BYTES
    return Estimate(seconds, cell_bytes, least_bytes, beside_bytes, tried_rows, min(TRACES, len(longest)))


def _try(cells: Sequence[Cell]) -> tuple[int, float, int]:
    """Rows tried, seconds of one cell for them, and pages stored at the peak, of the cell that stores most.

    Of cells on different samples those on the largest are tried.
    """
    largest = max((cell.config.share for cell in cells), key=lambda share: share.keep / share.of)
    alike = [cell.config for cell in cells if cell.config.share == largest]
    tried = min(CELLS, len(alike))
    some = [alike[at * (len(alike) - 1) // max(tried - 1, 1)] for at in range(tried)]
    sample = Sample.parse(some[0].sample)
    trace = sampled(open_trace(some[0].trace), sample)
    sizes = RecordedSizes(trace, some)
    loads = future_loads(trace, some)
    replays = [make_replay(config, sizes, loads) for config in some]
    begun = time.perf_counter()
    rows = 0
    for batch, calls in batches_of(trace, some, sizes, BATCH_ROWS):
        for config, replay in zip(some, replays, strict=True):
            with checked(config, replay):
                replay.feed(batch, calls)
        rows += batch.num_rows
        if time.perf_counter() - begun > SECONDS:
            break
    spent = (time.perf_counter() - begun) / len(replays)
    return sample.up(rows), spent, max(replay.counters()["stored_pages_peak"] for replay in replays)
