"""Results of a sampled trace, scaled back to the machine: what is there at a moment, not what happened.

Pages, objects and bytes that exist are multiplied by the sample's inverse; counts of events stay those that were
replayed, so that they add up with the trace's rows. docs/sampling.md has how far off the results are.

An index is scaled where it has a node for each entry. Elsewhere a node is there as soon as one of its 64 slots is, and
a table always, so that a sample has more than its share of them: what the sample itself took is the nearer number.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from zreplay.replay.config import Config
from zreplay.trace.sample import Sample

#: Columns of timeline.parquet, classes.parquet and the summary that tell of a state (docs/run-directory.md: gauges).
STATES = frozenset(
    [
        *("stored_pages", "same_filled_pages", "stored_incompressible_pages", "huge_pages", "movable_pages"),
        *("pool_total_size", "pool_pages", "pool_bytes", "pool_objects", "compressed_bytes", "entry_bytes"),
        *("handle_bytes", "mm_nodes", "mm_bytes", "internal_fragmentation_bytes", "external_fragmentation_bytes"),
        *("index_entries", "temporary_pages", "temporary_pages_peak"),
        *("pool_pages_mean", "pool_pages_final", "pool_pages_peak", "stored_pages_peak"),
        *("pages", "objects_used", "objects_allocated", "almost_empty", "almost_full", "full"),
    ]
)


INDEX_STATES = frozenset(("index_nodes", "index_bytes", "index_nodes_peak", "index_bytes_peak"))
_A_NODE_AN_ENTRY = ("rbtree",)


@dataclass(frozen=True)
class Scaling:
    """What is scaled back by how much in the results of one replay."""

    sample: Sample
    states: frozenset[str]

    @classmethod
    def of(cls, config: Config) -> "Scaling":
        """Of a resolved configuration."""
        indexes = INDEX_STATES if config.index in _A_NODE_AN_ENTRY else frozenset()
        return cls(config.share, STATES | indexes)

    def row(self, summary: dict[str, Any]) -> dict[str, Any]:
        """A summary, scaled back."""
        if self.sample.is_whole:
            return summary
        return summary | {name: self._up(value) for name, value in summary.items() if name in self.states}

    def batch(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of a timeline or of classes, scaled back."""
        if self.sample.is_whole:
            return rows
        columns = [
            pa.array([None if value is None else self._up(value) for value in column.to_pylist()], column.type)
            if name in self.states
            else column
            for name, column in zip(rows.schema.names, rows.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=rows.schema)

    def _up(self, value: float) -> float:
        return self.sample.up(value) if isinstance(value, int) else value * self.sample.of / self.sample.keep
