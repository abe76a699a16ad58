"""What a sampled replay says of the whole, and how far off that may be, measured beside it.

Four disjoint quarters of the sample are replayed as samples of their own. How differently they answer tells two things:
how much it matters which slots were taken (their spread), and how much it matters that so few were (the distance of
their mean from the sample's own answer, as the quarters have the same slots, together). docs/sampling.md derives the
bound and has what came of it.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt
from typing import Any

import _zreplay
import pyarrow as pa

from zreplay.replay.batches import Batch
from zreplay.replay.calls import WithCalls
from zreplay.replay.config import Config
from zreplay.replay.future_loads import COLUMNS as LEARNT
from zreplay.replay.missing_size import RecordedSizes
from zreplay.replay.replaying import checked, make_replay
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import SampledTrace

QUARTERS = 4
#: Figures that a sample has an estimate of, and the columns of a summary that are only a sample's.
FIGURES = ("pool_pages_peak", "pool_pages_mean", "hit_percent", "device_reads", "device_writes")
COLUMNS = ("sample_slots", *(column for name in FIGURES for column in (f"whole_{name}", f"whole_{name}_error")))
#: Student's t of three degrees of freedom: 99 % of the time a mean of four is within so many deviations of the truth.
_T_99 = 5.841
#: Of n slots none did it: up to 3 of n of the others may have, 95 % of the time (the rule of three).
_OF_NONE = 3.0


class Quarter:
    """A quarter of a sample under replay: a reader of the sample's batches that picks its rows out of them.

    Args:
        read: the sample.
        config: its replay, resolved.
        number: of the quarter, from 0.
        sizes: the sample's.
    """

    def __init__(self, read: SampledTrace, config: Config, number: int, sizes: RecordedSizes) -> None:
        sample = (1, QUARTERS, config.share.of, number)
        reach = read.most_call_rows()
        self._rows = _zreplay.SampledRows(sample, reach)
        self._called = WithCalls(reach)
        share = config.share.of_it(Sample(1, QUARTERS))
        quarter = replace(config, trace_sample=str(share), sample=None, observe=False, check_every=0)
        loads = _future_loads(read, sample) if config.mm == "belady" else None
        self._quarter = quarter
        self._replay = make_replay(quarter, sizes, loads)

    def feed(self, batch: Batch) -> None:
        """The sample's next batch; its calls are counted in other rows, and are found again."""
        rows = pa.record_batch(self._rows.next(batch[0].batch))
        if rows.num_rows:
            with checked(self._quarter, self._replay):
                for called in self._called.add(rows):
                    self._replay.feed(*called)

    def end(self) -> None:
        """That was the last."""
        with checked(self._quarter, self._replay):
            for called in self._called.rest():
                self._replay.feed(*called)
            self._replay.finish()

    def answers(self, share: Sample) -> dict[str, float | None]:
        """What the quarter says of the whole."""
        return answers(self._replay.counters(), share.of_it(Sample(1, QUARTERS)))


def _future_loads(read: SampledTrace, sample: tuple[int, int, int, int]) -> _zreplay.FutureLoads:
    loads, rows = _zreplay.FutureLoads(), _zreplay.SampledRows(sample, 0)
    for batch in read.batches(LEARNT):
        loads.learn(rows.next(batch))
    loads.close()
    return loads


def answers(counters: dict[str, Any], share: Sample) -> dict[str, float | None]:
    """What a replay of this share of the slots says of all: pages, and percent of stores and loads; None of none."""
    loads = counters["loads_hit"] + counters["loads_missed"]
    writes = counters["stores_rejected"] + counters["written_back_pages"]
    return {
        "pool_pages_peak": counters["pool_pages_peak"] * share.of / share.keep,
        "pool_pages_mean": counters["pool_pages_mean"] * share.of / share.keep,
        "hit_percent": 100 * counters["loads_hit"] / loads if loads else None,
        "writes_percent": 100 * writes / counters["stores"] if counters["stores"] else None,
    }


def estimates(
    counters: dict[str, Any], config: Config, read: SampledTrace, quarters: Sequence[Quarter]
) -> dict[str, float | int | None]:
    """Columns of the summary: each figure of the whole, and its error, of a sample's ``counters``.

    ``hit_percent`` in percent and points; the others in pages. Device traffic is the sample's share of its loads or
    stores, times those of the whole trace, which have been counted. None where the sample has no load or store.
    """
    share = config.share
    found = answers(counters, share)
    loads = counters["loads_hit"] + counters["loads_missed"]
    steps = max(1.0, log(share.of / share.keep, QUARTERS))
    page = share.of / share.keep  # of the sample; it is given whole zspages
    granule = page * (config.zsmalloc_chain or 1 if config.pool == "zsmalloc" else 1)
    tried = {"hit_percent": min(read.slots, loads), "writes_percent": min(read.slots, counters["stores"])}
    least = {name: 100 * min(1.0, _OF_NONE / max(slots, 1)) for name, slots in tried.items()}
    others = [quarter.answers(share) for quarter in quarters]
    errors = {
        name: _error(value, [other[name] for other in others], steps, least.get(name, granule))
        for name, value in found.items()
    }
    hit, hit_error = found["hit_percent"], errors["hit_percent"]
    writes, writes_error = found["writes_percent"], errors["writes_percent"]
    hundred_loads, hundred_stores = read.loads / 100, read.stores / 100
    whole = {
        "pool_pages_peak": (found["pool_pages_peak"], errors["pool_pages_peak"]),
        "pool_pages_mean": (found["pool_pages_mean"], errors["pool_pages_mean"]),
        "hit_percent": (hit, hit_error),
        "device_reads": (
            _times(hundred_loads, None if hit is None else 100 - hit),
            _times(hundred_loads, hit_error),
        ),
        "device_writes": (_times(hundred_stores, writes), _times(hundred_stores, writes_error)),
    }
    out: dict[str, float | int | None] = {"sample_slots": read.slots}
    for name, (value, error) in whole.items():
        out |= {f"whole_{name}": value, f"whole_{name}_error": error}
    return out


def told(summary: dict[str, Any]) -> dict[str, str]:
    """The figures of a summary that a sample has an estimate of, by name, each with its error as people read it."""
    out = {}
    for name in FIGURES:
        value, error = summary.get(f"whole_{name}"), summary.get(f"whole_{name}_error")
        if value is None:
            continue
        words = f"{value:.1f} %" if name == "hit_percent" else f"{value:,.0f}"
        if error is None:
            words += ", error unknown"
        elif name == "hit_percent":
            words += f" ± {error:.1f}"
        elif value and error < value:
            words += f" ± {error / value:.1%}".replace("%", " %")
        else:
            words += f" ± {error:,.0f}"
        out[name] = words
    return out


def _times(number: float, value: float | None) -> float | None:
    return None if value is None else number * value


def _error(value: float | None, quarters: Sequence[float | None], steps: float, least: float) -> float | None:
    """The bound of one figure, in its unit; None where too few quarters have it.

    ``steps``: how often a quarter has been taken from the whole to the sample. None of them moved the figure more, it
    is supposed, than taking a quarter of the sample does.
    """
    known = [quarter for quarter in quarters if quarter is not None]
    if value is None or len(known) < QUARTERS:
        return None
    mean = sum(known) / QUARTERS
    deviation = sqrt(sum((quarter - mean) ** 2 for quarter in known) / (QUARTERS - 1))
    return max(least, steps * abs(mean - value) + _T_99 * deviation / sqrt(QUARTERS))
