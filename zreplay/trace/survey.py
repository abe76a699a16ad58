"""What is in a trace: one pass over its rows, in bounded memory."""

from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import _zreplay

from zreplay.trace.files import open_trace
from zreplay.trace.schema import OPS

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Summary:
    """A trace in numbers. Shares are of the stores that were accepted; None where there is nothing to share."""

    trace: str
    bytes: int
    rows: int
    events: dict[str, int]  #: by op
    seconds: float  #: from the first row to the last
    distinct_slots: int  #: pairs of type and offset
    resident_peak: int  #: the most slots stored and not yet invalidated or written back
    stores_rejected: int
    loads_missed: int
    writebacks_failed: int
    compactions_interrupted: int  #: each is two rows, its begin and its end
    shrinks_begun: int  #: likewise, of zswap's work since 6.6
    same_filled_share: float | None
    missing_size_share: float | None
    size_bytes: dict[str, int]  #: quantiles of the compressed size, same-filled pages left out; empty without sizes
    size_bytes_mean: float | None
    source: dict[str, str | int | None]  #: the file's metadata

    def as_dict(self) -> dict[str, object]:
        """For ``zreplay info --json``."""
        return asdict(self)


def survey(path: str | Path) -> Summary:
    """Read a trace once. Raises what `open_trace` and `Trace.batches` raise."""
    trace = open_trace(path)
    found = _zreplay.Survey()
    for batch in trace.batches(columns=("ts_ns", "op", "type", "offset", "size", "result")):
        found.add(batch)
    events = dict(zip(OPS, found.events, strict=True))
    accepted = events["store"] - found.stores_rejected
    sizes = found.sizes
    sized = sum(sizes)
    return Summary(
        trace=str(path),
        bytes=trace.path.stat().st_size,
        rows=found.rows,
        events=events,
        seconds=(found.last_ts_ns - found.first_ts_ns) / 1e9,
        distinct_slots=found.distinct_slots,
        resident_peak=found.resident_peak,
        stores_rejected=found.stores_rejected,
        loads_missed=found.loads_missed,
        writebacks_failed=found.writebacks_failed,
        compactions_interrupted=found.compactions_interrupted,
        shrinks_begun=found.shrinks_begun,
        same_filled_share=found.stores_same_filled / accepted if accepted else None,
        missing_size_share=found.stores_without_size / accepted if accepted else None,
        size_bytes=_quantiles(sizes) if sized else {},
        size_bytes_mean=sum(size * count for size, count in enumerate(sizes)) / sized if sized else None,
        source=trace.metadata.as_dict(),
    )


def _quantiles(counts: list[int]) -> dict[str, int]:
    """Of a histogram by bytes: the smallest size that at least the given share of the stores does not exceed."""
    total = sum(counts)
    wanted = {"min": 1, **{f"p{round(100 * q)}": max(1, -int(-q * total // 1)) for q in QUANTILES}, "max": total}
    reached = list(accumulate(counts))
    return {name: next(size for size, below in enumerate(reached) if below >= rank) for name, rank in wanted.items()}
