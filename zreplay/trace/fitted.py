"""Rows of a fitted recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import _zreplay
import pyarrow as pa

from zreplay.trace.files import TraceMetadata, TraceWriter
from zreplay.trace.schema import ASKERS, OPS, SCHEMA

BATCH_ROWS = 1 << 18
COLUMNS = ("ts_ns", "op", "type", "offset", "size", "cpu", "result", "call_rows", "asked_by")


def synth(tables: dict[str, Any], output: Path, *, force: bool = False) -> int:
    made = _zreplay.FittedSynth(tables)
    m = tables["metadata"]
    metadata = TraceMetadata(
        clock="synthetic", model=m.model, source_kernel=m.source_kernel, pool=m.pool, compressor=m.compressor,
        max_pool_percent=m.max_pool_percent, accept_threshold_percent=m.accept_threshold_percent,
        totalram_pages=m.totalram_pages, cpus=m.cpus, lost_events=0, synth="{}",
    )
    schema = pa.schema([SCHEMA.field(name) for name in COLUMNS])
    words, askers = pa.array(OPS), pa.array(ASKERS)
    rows = 0
    with TraceWriter(output, metadata, schema=schema, force=force) as writer:
        while True:
            batch = pa.record_batch(made.next(BATCH_ROWS))
            if not batch.num_rows:
                break
            arrays = []
            for name in COLUMNS:
                column = batch[name]
                if name == "op":
                    column = pa.DictionaryArray.from_arrays(column, words, safe=False)
                if name == "asked_by":
                    column = pa.DictionaryArray.from_arrays(column, askers, safe=False)
                arrays.append(column)
            writer.write(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows += batch.num_rows
    return rows
