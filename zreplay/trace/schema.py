"""Trace format v1 as code; docs/trace-format.md is the specification."""

import pyarrow as pa

FORMAT_MAJOR = 1
FORMAT_MINOR = 2
PAGE_SIZE = 4096
MAX_TYPES = 32
OFFSET_BITS = 58

#: The words of the ``op`` column, in the order of the engine's ``Op``.
OPS = ("store", "load", "invalidate", "invalidate_area", "writeback", "shrink", "compact", "migrate", "cma", "visit")

#: Who wanted entries evicted: the words of ``asked_by``, in the order of the engine's ``Asker``.
ASKERS = ("limit", "pressure", "cgroup", "user")

#: One row per event, in the order in which the events took effect. Only the first two columns are never null.
SCHEMA = pa.schema(
    [
        pa.field("ts_ns", pa.int64(), nullable=False),
        pa.field("op", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("type", pa.uint8()),
        pa.field("offset", pa.uint64()),
        pa.field("size", pa.uint32()),
        pa.field("cpu", pa.uint16()),
        pa.field("pid", pa.int32()),
        pa.field("result", pa.int32()),
        pa.field("seen_stored", pa.int64()),
        pa.field("seen_pool_pages", pa.int64()),
        pa.field("seen_handle", pa.uint64()),
        pa.field("seen_page", pa.uint64()),
        pa.field("call_ts_ns", pa.int64()),
        pa.field("call_rows", pa.uint32()),
        pa.field("alloc_rows", pa.uint32()),
        pa.field("made_pages", pa.uint8()),
        pa.field("return_ts_ns", pa.int64()),
        pa.field("referenced", pa.uint8()),
        pa.field("asked_by", pa.dictionary(pa.int8(), pa.string())),
        pa.field("nr_to_scan", pa.uint64()),
        pa.field("cgroup", pa.uint64()),
        pa.field("node", pa.uint16()),
    ]
)

#: Words of ``op``, and columns, that came with a minor version; a file without them says an older one.
WORDS_MINOR_OF = {"cma": 1, "visit": 2}
MINOR_OF = {
    "seen_page": 2,
    "call_ts_ns": 2,
    "call_rows": 2,
    "alloc_rows": 2,
    "made_pages": 2,
    "return_ts_ns": 2,
    "referenced": 2,
    "asked_by": 2,
    "nr_to_scan": 2,
    "cgroup": 2,
    "node": 2,
}

#: Columns of words, and the words each may hold, in the order of the engine's numbers.
WORDS = {"op": OPS, "asked_by": ASKERS}

#: Columns a reader may not miss; the others read as null when absent.
REQUIRED_COLUMNS = ("ts_ns", "op", "type", "offset", "size")

#: File metadata: key → type. Keys are written with the prefix ``zreplay.``; unknown values are left out.
METADATA: dict[str, type] = {
    "format_version": str,
    "page_size": int,
    "clock": str,
    "model": str,  # zswap or zram
    "source_kernel": str,
    "compressor": str,
    "pool": str,
    "max_pool_percent": int,
    "accept_threshold_percent": int,
    "totalram_pages": int,
    "cpus": int,
    "lost_events": int,
    "unreadable_lines": int,
    "backward_times": int,
    "cgroups": str,  # ids of those that swapped, ascending, with spaces between
    "cut": str,  # what this is a part of, as JSON: each `zreplay cut` that made it
    "sample": str,  # the share of the slots that are in it, as N/M
    "lacks": str,  # what a recording could not say: words of lacks.WORDS, with spaces between
    "converter": str,
    "synth": str,  # a generated trace's recipe, as JSON
}

#: What values of the metadata can be: words, or the least and the most of a number.
METADATA_WORDS = {"model": ("zswap", "zram"), "pool": ("zbud", "z3fold", "zsmalloc")}
METADATA_RANGES = {
    "max_pool_percent": (1, 100),
    "accept_threshold_percent": (0, 100),
    "totalram_pages": (1, 2**48),
    "cpus": (1, 2**16),
}
