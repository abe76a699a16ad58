"""A curve as one Parquet file."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.replay.curve import Curve
from zreplay.replay.directory import SCHEMA_VERSION
from zreplay.version import __version__
from zreplay.whole import new_file

_SCHEMA = pa.schema(
    [
        ("limit_pages", pa.int64()),
        ("limit_share", pa.float64()),
        ("hit_share", pa.float64()),
        ("lru_hit_share", pa.float64()),
        ("loads_hit", pa.int64()),
        ("loads_missed", pa.int64()),
        ("stores_rejected", pa.int64()),
        ("writebacks", pa.int64()),
        ("device_reads", pa.int64()),
        ("device_writes", pa.int64()),
        ("pool_pages_mean", pa.float64()),
        ("pool_pages_peak", pa.int64()),
        ("hit_share_error", pa.float64()),
    ]
)


def write_curve(curve: Curve, place: Path) -> None:
    """Write the rows; what they are of is in the file's metadata as JSON, ``zreplay.curve``.

    Raises:
        UsageError: the file cannot be written.
    """
    table = pa.Table.from_pylist(curve.rows, _SCHEMA).replace_schema_metadata(
        {"zreplay.schema_version": SCHEMA_VERSION, "zreplay.curve": json.dumps(about(curve))}
    )
    with new_file(place, parents=True) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)


def about(curve: Curve) -> dict[str, object]:
    """What a curve is of: for its file, and for JSON."""
    return {
        "zreplay": __version__,
        "trace": str(curve.config.trace),
        "trace_rows": curve.trace.rows,
        "sample": str(curve.sample),
        "method": curve.method,
        "peak_pages": curve.peak_pages,
        **curve.counts,
        "config": curve.config.model_settings(),
    }
