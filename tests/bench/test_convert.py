"""MB of text per second: `pytest tests/bench/test_convert.py --benchmark-only`. Nothing here is asserted.

Each format's lines are those of its sample, over and over with times and slots that go on; `parser` is the engine's
part of ftrace text on one core, without tables and files.
"""

from pathlib import Path

import _zreplay
import pytest
from bench.text import STYLES, ftrace_text

from zreplay.trace.context import Context
from zreplay.trace.convert import convert

TEXT_BYTES = 16 << 20
CONTEXT = Context(pool="zsmalloc", kernel_release="6.1.0")


def other_text(kind: str) -> bytes:
    """One event a line."""
    count = TEXT_BYTES // 64
    if kind == "bpftrace":
        rows = (
            f"{4_000_000_000 + 3000 * n} kswapd0 38 store type=0 offset={n} size={n % 4096} cpu=2" for n in range(count)
        )
    elif kind == "blkparse":
        rows = (
            f"252,0    2 {n:8} {n // 10**6:5}.{n % 10**6:06}000    38  Q  WS {8 * n} + 8 [kswapd0]"
            for n in range(count)
        )
    elif kind == "csv":
        rows = (f"{4_000_000_000 + 3000 * n},store,0,{n},{n % 4096},0" for n in range(count))
    else:
        rows = (f'{{"ts_ns":{3000 * n},"op":"store","offset":{n},"size":{n % 4096}}}' for n in range(count))
    head = "ts_ns,op,type,offset,size,result\n" if kind == "csv" else ""
    return (head + "\n".join(rows) + "\n").encode()


@pytest.mark.parametrize("style", STYLES)
def test_parser(benchmark, style):
    text = ftrace_text(style, TEXT_BYTES)

    def feed():
        importer = _zreplay.FtraceImporter(0)
        for begin in range(0, len(text), 4 << 20):
            importer.feed(text[begin : begin + (4 << 20)])
            importer.take()
        importer.finish()
        assert importer.counts.unreadable_lines == 0

    benchmark.pedantic(feed, rounds=3, warmup_rounds=1)
    benchmark.extra_info["MB_per_second"] = round(len(text) / 1e6 / benchmark.stats["min"])


@pytest.mark.parametrize("kind", [*STYLES, "bpftrace", "blkparse", "csv", "ndjson"])
def test_file_to_parquet(benchmark, tmp_path: Path, kind):
    text = ftrace_text(kind, TEXT_BYTES) if kind in STYLES else other_text(kind)
    (tmp_path / "log").write_bytes(text)
    benchmark.pedantic(
        convert,
        args=(str(tmp_path / "log"), tmp_path / "t.parquet", CONTEXT),
        kwargs={"force": True},
        rounds=3,
        warmup_rounds=1,
    )
    benchmark.extra_info["MB_per_second"] = round(len(text) / 1e6 / benchmark.stats["min"])
