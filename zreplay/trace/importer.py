"""The engine's importer of ftrace text, set up for a machine's kernel, and its rows as a trace has them."""

import _zreplay
import pyarrow as pa

from zreplay.trace.context import Context
from zreplay.trace.families import FUNCTIONS, Family
from zreplay.trace.schema import SCHEMA, WORDS


def to_schema(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with the engine's numbers for words as one of the trace's schema."""
    columns = [
        pa.DictionaryArray.from_arrays(batch[name], pa.array(WORDS[name], pa.string()), safe=False)
        if name in WORDS
        else batch[name]
        for name in SCHEMA.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def make_importer(family: Family, context: Context, *, allocs_answer: bool = True) -> "_zreplay.FtraceImporter":
    """What turns the text of a machine's kernel into rows; `allocs_answer`: allocations have a return probe."""
    max_pages, accept_pages = context.limits()
    return _zreplay.FtraceImporter(
        family.header_of(context.pool or "", context.release or (0, 0)),
        **family.for_engine(),
        max_pages=max_pages,
        accept_pages=accept_pages,
        chain=_chain(context),
        allocs_unanswered=not allocs_answer,
        functions=FUNCTIONS,
    )


def _chain(context: Context) -> int:
    """The most pages that an allocation brings: 1 of zbud, a zspage's of zsmalloc; 0 where it is not known."""
    if context.pool != "zsmalloc":
        return 1 if context.pool == "zbud" else 0
    return 8 if context.release and context.release >= (6, 3) else 4
