"""Results of a sampled trace, scaled back to the machine: what is there at a moment, not what happened.

Pages, objects, nodes and bytes that exist are multiplied by the sample's inverse; counts of events stay those that were
replayed, so that they add up with the trace's rows. docs/sampling.md has how far off the results are.
"""

from typing import Any

import pyarrow as pa

from zreplay.trace.sample import Sample

#: Columns of timeline.parquet, classes.parquet and the summary that tell of a state (docs/run-directory.md: gauges).
STATES = frozenset(
    [
        *("stored_pages", "same_filled_pages", "stored_incompressible_pages", "huge_pages", "movable_pages"),
        *("pool_total_size", "pool_pages", "pool_bytes", "pool_objects", "compressed_bytes", "entry_bytes"),
        *("handle_bytes", "mm_nodes", "mm_bytes", "internal_fragmentation_bytes", "external_fragmentation_bytes"),
        *("index_entries", "index_nodes", "index_bytes", "temporary_pages", "temporary_pages_peak"),
        *("pool_pages_mean", "pool_pages_final", "pool_pages_peak", "stored_pages_peak"),
        *("index_nodes_peak", "index_bytes_peak"),
        *("pages", "objects_used", "objects_allocated", "almost_empty", "almost_full", "full"),
    ]
)


def scaled_row(row: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """A summary, scaled back."""
    if sample.is_whole:
        return row
    return {
        name: value
        if name not in STATES
        else sample.up(value)
        if isinstance(value, int)
        else value * sample.of / sample.keep
        for name, value in row.items()
    }


def scaled_batch(batch: pa.RecordBatch, sample: Sample) -> pa.RecordBatch:
    """Rows of a timeline or of classes, scaled back."""
    if sample.is_whole:
        return batch
    columns = [
        pa.array([None if value is None else sample.up(value) for value in column.to_pylist()], column.type)
        if name in STATES
        else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
