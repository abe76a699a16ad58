"""What a replay reads of a trace: the columns that its configuration asks for, and no others."""

from collections.abc import Iterator, Sequence

import _zreplay

from zreplay.plugins.registry import variant
from zreplay.replay.calls import COLUMNS as CALL_COLUMNS
from zreplay.replay.calls import with_calls
from zreplay.replay.config import Config
from zreplay.replay.missing_size import RecordedSizes
from zreplay.trace.sampled import Rows

#: What a replay is fed with.
Batch = tuple[_zreplay.DecodedBatch, _zreplay.Calls | None]
#: Columns every replay reads; the engine takes one that is not there for one of nulls.
COLUMNS = ("ts_ns", "op", "type", "offset", "size", "result", *CALL_COLUMNS)


def columns_of(configs: Sequence[Config]) -> tuple[str, ...]:
    """What has to be decoded.

    z3fold has lists for each CPU, zswap since 6.8 one for each cgroup and node, and so may an order that is plugged in;
    a driven replay follows interrupted compactions; a size that is missing is drawn from those of the same process;
    zswap 6.1 counts its pool when a call returns.
    """
    more = ["return_ts_ns"] if any((config.model, config.kernel) == ("zswap", "6.1") for config in configs) else []
    more += ["cpu"] if any(config.pool in (None, "z3fold") for config in configs) else []
    more += ["asked_by", "cgroup", "node"] if any("groups" in _order(config.mm) for config in configs) else []
    more += ["seen_pool_pages"] if any(config.driven or config.paced for config in configs) else []
    more += ["pid"] if any(config.missing_size != "reject" for config in configs) else []
    return (*COLUMNS, *more)


def _order(mm: str | None) -> tuple[str, ...]:
    """What a reclaim order can; of one not chosen yet, what the kernel's can."""
    return variant("mm", mm or "entry-lru").capabilities


def batches_of(trace: Rows, configs: Sequence[Config], sizes: RecordedSizes, batch_rows: int) -> Iterator[Batch]:
    """The batches of a trace with their calls, ready to be fed to replays of resolved ``configs``.

    The columns are decoded in the calling thread alone, once for all replays: the other processors are replaying.
    """
    columns = [name for name in columns_of(configs) if name in trace.columns]
    for batch, calls in with_calls(trace, trace.batches(columns, batch_rows, use_threads=False)):
        sizes.prepare(batch)
        yield _zreplay.DecodedBatch(batch), calls
