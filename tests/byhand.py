"""Traces written by hand: three lines of a test say what happened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.trace.schema import SCHEMA

PAGE_SIZE = 4096


def store(offset: int, size: int | None, *, type: int = 0, result: int | None = None) -> dict[str, Any]:
    return {"op": "store", "type": type, "offset": offset, "size": size, "result": result}


def load(offset: int, *, type: int = 0, result: int | None = None) -> dict[str, Any]:
    return {"op": "load", "type": type, "offset": offset, "result": result}


def invalidate(offset: int, *, type: int = 0) -> dict[str, Any]:
    return {"op": "invalidate", "type": type, "offset": offset}


def writeback(offset: int, *, result: int = 0, type: int = 0) -> dict[str, Any]:
    return {"op": "writeback", "type": type, "offset": offset, "result": result}


def event(op: str, **columns: Any) -> dict[str, Any]:
    return {"op": op, **columns}


def table(events: Sequence[dict[str, Any]], **metadata: Any) -> pa.Table:
    """One row per event, 1 µs apart unless an event brings its own ``ts_ns``."""
    rows = [
        {name: row.get(name) for name in SCHEMA.names} | {"ts_ns": row.get("ts_ns", i * 1000)}
        for i, row in enumerate(events)
    ]
    meta = {"format_version": "1.0", "page_size": PAGE_SIZE, "clock": "synthetic", **metadata}
    schema = SCHEMA.with_metadata({f"zreplay.{key}": str(value) for key, value in meta.items()})
    return pa.Table.from_pylist(rows, schema=schema)


def trace(path: Path, events: Sequence[dict[str, Any]], **metadata: Any) -> Path:
    """A trace file with these events."""
    pq.write_table(table(events, **metadata), path, write_page_checksum=True)
    return path
