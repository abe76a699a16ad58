"""MB of text per second: `pytest tests/bench/test_convert.py --benchmark-only`. Nothing here is asserted.

Each format's lines are those of its sample, over and over with times and slots that go on; `parser` is the engine's
part of ftrace text on one core, without tables and files.
"""

from pathlib import Path

import _zreplay
import pytest

from zreplay.trace.context import Context
from zreplay.trace.convert import convert

TEXT_BYTES = 16 << 20
HANDLE = 0xFFFF_8880_0000_0000
CONTEXT = Context(pool="zsmalloc", kernel_release="6.1.0")
STYLES = {
    "trace_pipe": "         kswapd0-38      [002] d..1. {s:5}.{us:06}: {event}: {point} {keys}",
    "record_tgid": "         kswapd0-38      (     38) [002] d..1. {s:5}.{us:06}: {event}: {point} {keys}",
    "latency": " kswapd0-38        2d..1. {all_us}us : {event}: {point} {keys}",
    "verbose": "         kswapd0      38   2 1 00000000 [{all_us:08x}] 4.000ms (+0.001ms): {event}: {point} {keys}",
    "trace-cmd": "         kswapd0-38      [002] {s:5}.{us:06}: {event}:                 {point} {keys}",
    "perf": "kswapd0    38 [002] {s:5}.{us:06}: zreplay:{event}: {point} {keys}",
}


def ftrace_text(style: str) -> bytes:
    """Stores, each invalidated a thousand stores later."""
    lines: list[str] = []
    clock = 4_000_000

    def add(event: str, point: str, keys: str) -> None:
        nonlocal clock
        clock += 3
        lines.append(
            STYLES[style].format(
                s=clock // 1_000_000, us=clock % 1_000_000, all_us=clock, event=event, point=point, keys=keys
            )
        )

    size = number = 0
    while size < TEXT_BYTES:
        first = len(lines)
        add("store", "(zswap_frontswap_store+0x0/0x910)", f"type=0 offset={number}")
        add("alloc", "(zpool_malloc+0x4/0x20)", f"size={1000 + number % 3000} pages=0")
        add("alloc_ret", "(zswap_frontswap_store+0x12/0x30 <- zpool_malloc)", "ret=0")
        add("map", "(zpool_map_handle+0x4/0x20)", f"handle={HANDLE + 64 * number:#x}")
        add("store_ret", "(__frontswap_store+0x109/0x300 <- zswap_frontswap_store)", "ret=0")
        if number >= 1000:
            add("invalidate", "(zswap_frontswap_invalidate_page+0x0/0x90)", f"type=0 offset={number - 1000}")
            add("free", "(zpool_free+0x4/0x20)", f"handle={HANDLE + 64 * (number - 1000):#x}")
            add("invalidate_ret", "(__frontswap_invalidate_page+0x56/0xd0 <- probe)", "")
        size += sum(len(line) + 1 for line in lines[first:])
        number += 1
    return "\n".join(lines).encode()


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
    text = ftrace_text(style)

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
    text = ftrace_text(kind) if kind in STYLES else other_text(kind)
    (tmp_path / "log").write_bytes(text)
    benchmark.pedantic(
        convert,
        args=(str(tmp_path / "log"), tmp_path / "t.parquet", CONTEXT),
        kwargs={"force": True},
        rounds=3,
        warmup_rounds=1,
    )
    benchmark.extra_info["MB_per_second"] = round(len(text) / 1e6 / benchmark.stats["min"])
