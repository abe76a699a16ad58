"""Tables that the program itself decides: `python docs/site/reference.py` writes them into their pages.

A page holds a table between `<!-- table: NAME … -->` and `<!-- table ends -->`; all around is written by hand. Names,
types and order are those of the schema, of a replay's own files, of the registries; what they mean is in meanings.toml
and in the metrics. tests/docs/test_reference.py holds the committed pages to it.
"""

import re
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DOCS = Path(__file__).resolve().parents[1]
MEANINGS = tomllib.loads((Path(__file__).parent / "meanings.toml").read_text(encoding="utf-8"))
PAGES = ("trace-format.md", "run-directory.md", "compare.md", "limits.md")
_TABLE = re.compile(r"(<!-- table: ([\w-]+)[^>]*-->\n\n).*?(\n\n<!-- table ends -->)", re.DOTALL)


def written(page: str) -> str:
    """The text of a page with its tables as the program has them."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return _TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |".replace("  |", " |") for cells in lines)


def trace_columns() -> str:
    from zreplay.trace.schema import MINOR_OF, SCHEMA

    meanings = MEANINGS["trace"]["columns"]
    return table(
        ("column", "type", "since", "null", "meaning"),
        (
            (field.name, type_name(field.type), f"1.{MINOR_OF.get(field.name, 0)}", *meanings[field.name])
            for field in SCHEMA
        ),
    )


def trace_keys() -> str:
    from zreplay.trace.schema import METADATA, METADATA_RANGES, METADATA_WORDS

    def values(key: str) -> str:
        if key in METADATA_WORDS:
            return ", ".join(f"`{word}`" for word in METADATA_WORDS[key])
        low, high = METADATA_RANGES.get(key, (0, 0))
        return f"{low:,} to {high:,}" if high else {int: "a whole number", str: "text"}[METADATA[key]]

    return table(("key", "value", "meaning"), ((key, values(key), MEANINGS["trace"]["keys"][key]) for key in METADATA))


def type_name(kind: pa.DataType) -> str:
    """A type as docs/trace-format.md calls it."""
    return f"dictionary of {kind.value_type}" if pa.types.is_dictionary(kind) else str(kind)


@cache
def run_schemas() -> dict[str, pa.Schema]:
    """The schemas of a run directory's files, as a replay writes them; `whole`: what a sample's summary has beside."""
    import zreplay

    with tempfile.TemporaryDirectory() as scratch:
        trace = Path(scratch) / "t.parquet"
        _two_rows(trace)
        all_of_it = zreplay.run(zreplay.Config(trace=trace, out=Path(scratch) / "all", observe=True)).directory
        some = zreplay.run(zreplay.Config(trace=trace, out=Path(scratch) / "some", sample="1/2")).directory
        schemas = {file.stem: pq.read_schema(file) for file in all_of_it.glob("*.parquet")}
        whole = pq.read_schema(some / "summary.parquet")
    schemas["whole"] = pa.schema([field for field in whole if field.name not in schemas["summary"].names])
    return schemas


def _two_rows(path: Path) -> None:
    from zreplay.trace.files import TraceMetadata, TraceWriter
    from zreplay.trace.schema import SCHEMA

    rows: list[dict[str, Any]] = [
        {"ts_ns": 0, "op": "store", "type": 0, "offset": 7, "size": 1200, "result": 0},
        {"ts_ns": 1, "op": "load", "type": 0, "offset": 7, "result": 0},
    ]
    with TraceWriter(path, TraceMetadata(model="zswap")) as writer:
        writer.write(pa.RecordBatch.from_pylist(rows, SCHEMA))


def run_timeline() -> str:
    meanings = MEANINGS["run"]["timeline"]
    return table(
        ("column", "type", "kind", "unit", "meaning"),
        ((field.name, type_name(field.type), *meanings[field.name]) for field in run_schemas()["timeline"]),
    )


def run_summary() -> str:
    """What is in the summary alone: counters and gauges are the timeline's, config_… the configuration."""
    fields = [field for field in run_schemas()["summary"] if field.name in MEANINGS["run"]["summary"]]
    return _of(fields, "summary")


def run_whole() -> str:
    fields = run_schemas()["whole"]
    return _of([field for field in fields if not field.name.endswith("_error")], "whole")


def _of(fields: Iterable[pa.Field], name: str) -> str:
    meanings = MEANINGS["run"][name]
    rows = ((field.name, type_name(field.type), *meanings[field.name]) for field in fields)
    return table(("column", "type", "unit", "meaning"), rows)


def compare_columns() -> str:
    from zreplay.analysis.metrics import METRICS

    return table(
        ("group", "column", "unit", "better", "meaning"),
        ((one.group, one.name, one.unit or "–", one.better or "–", one.meaning) for one in METRICS),
    )


def kernels() -> str:
    from zreplay.replay.profiles import FIRST_RELEASES, PROFILES

    firsts = list(FIRST_RELEASES.values())

    def releases(kernel: str) -> str:
        """Those that a profile is the nearest to."""
        number = list(FIRST_RELEASES).index(kernel)
        begin = "from {}.{} on".format(*firsts[number]) if firsts[number][0] else ""
        before = "before {}.{}".format(*firsts[number + 1]) if number + 1 < len(firsts) else ""
        return ", ".join(filter(None, (begin, before)))

    def row(model: str, kernel: str) -> tuple[str, ...]:
        profile = PROFILES[model, kernel]
        limits = (profile.max_pool_percent, profile.accept_threshold_percent)
        limit, accept = ("–", "–") if model == "zram" else (f"{percent} %" for percent in limits)
        takes = "yes" if profile.exclusive_loads else "no"
        return model, kernel, releases(kernel), ", ".join(profile.pools), profile.index, limit, accept, takes

    head = (
        "model",
        "`--kernel`",
        "taken for releases",
        "pools",
        "index",
        "limit",
        "accepts at",
        "a load takes the entry",
    )
    return table(head, (row(model, kernel) for model, kernel in PROFILES))


def formats() -> str:
    from zreplay.trace.formats import NAMED
    from zreplay.trace.schema import FORMAT_MAJOR, FORMAT_MINOR, MAX_TYPES, OFFSET_BITS, PAGE_SIZE

    return table(
        ("what", "how much"),
        (
            ("trace format", f"{FORMAT_MAJOR}.{FORMAT_MINOR}; reads any {FORMAT_MAJOR}.x"),
            ("recordings read", ", ".join(sorted(NAMED))),
            ("page size", f"{PAGE_SIZE:,} bytes"),
            ("swap areas", f"{MAX_TYPES}"),
            ("slots of an area", f"2^{OFFSET_BITS}"),
        ),
    )


def shortfalls() -> str:
    """Rows of docs/fidelity.md that are not as asked."""
    rows, kernel, recording = [], "", ""
    for line in (DOCS / "fidelity.md").read_text(encoding="utf-8").splitlines():
        kernel = line.removeprefix("## Linux ") if line.startswith("## ") else kernel
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 11 or cells[-1] not in ("yes", "**no**"):
            continue
        recording = cells[0] or recording
        if cells[-1] == "**no**":
            rows.append((f"{kernel}-{recording}", cells[1], cells[2], cells[3], cells[4]))
    return table(("recording", "replayed", "pool pages equal", "within 0.5 %", "within 1 %"), rows)


TABLES = {
    "trace-columns": trace_columns,
    "trace-keys": trace_keys,
    "run-timeline": run_timeline,
    "run-summary": run_summary,
    "run-whole": run_whole,
    "run-operations": lambda: _of(run_schemas()["operations"], "operations"),
    "run-classes": lambda: _of(run_schemas()["classes"], "classes"),
    "run-observations": lambda: _of(run_schemas()["observations"], "observations"),
    "compare-columns": compare_columns,
    "kernels": kernels,
    "formats": formats,
    "shortfalls": shortfalls,
}


def main() -> None:
    for page in PAGES:
        (DOCS / page).write_text(written(page), encoding="utf-8")


if __name__ == "__main__":
    main()
