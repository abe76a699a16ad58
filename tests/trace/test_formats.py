"""Every text people have: which format it is, and the rows it becomes (samples/ holds one small text a format)."""

import bz2
import gzip
import io
import lzma
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ftrace_text import stored, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zreplay.errors import TraceError, UsageError
from zreplay.trace.context import Context
from zreplay.trace.convert import Conversion, convert
from zreplay.trace.files import TraceMetadata, open_trace
from zreplay.trace.formats import FORMATS

SAMPLES = Path(__file__).parent / "samples"
LINUX_6_1 = Context(pool="zsmalloc", kernel_release="6.1.0")
LINUX_6_8 = Context(pool="zsmalloc", kernel_release="6.8.0")
MAP = "ts_ns=time_us*1000,op=rw:R=load:W=store,offset=sector/8,size=bytes"
#: The recording that all ftrace samples are of: time since its first event in µs, and what the rows say.
#: A store taken at its allocation's return, a load, a store refused at its call, an invalidate at its free.
ROWS = [
    (2, "store", 100, 1000, 0),
    (5, "load", 100, None, 0),
    (8, "store", 101, None, -12),
    (11, "invalidate", 100, None, None),
]
STYLES = sorted(path.name for path in SAMPLES.iterdir() if path.name.startswith(("trace", "perf", "lost")))


class Converted:
    """A recording converted: what became of it, its rows and metadata."""

    def __init__(self, directory: Path, *logs: Path | str, context: Context = LINUX_6_1, **options: Any) -> None:
        output = directory / "converted.parquet"
        self.done: Conversion = convert([str(log) for log in logs], output, context, force=True, **options)
        trace = open_trace(output)
        self.metadata: TraceMetadata = trace.metadata
        self.rows = pa.Table.from_batches(trace.batches()).to_pylist()

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        """The named columns, a tuple a row."""
        return [tuple(row[name] for name in names) for row in self.rows]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_ftrace_text_becomes_the_same_rows(tmp_path: Path, style: str) -> None:
    found = Converted(tmp_path, SAMPLES / style)
    begin, unit = {
        "trace_latency.txt": (100_000, 1000),
        "trace_counter.txt": (1_000_003, 1),
    }.get(style, (4_000_000_000, 1000))
    assert found.columns("ts_ns", "op", "offset", "size", "result") == [
        (begin + ticks * unit, *row) for ticks, *row in ROWS
    ]
    cpu = None if style == "perf_no_cpu.txt" else 2
    assert found.columns("cpu", "pid") == [(cpu, 38)] * 4
    assert found.done.messages == []


def test_a_clock_without_a_point_is_named_and_lacks_the_time(tmp_path: Path) -> None:
    found = Converted(tmp_path, SAMPLES / "trace_counter.txt")
    assert (found.metadata.clock, found.metadata.lacks) == ("counter", "time")
    named = Converted(tmp_path, SAMPLES / "trace_counter.txt", context=Context(clock="x86-tsc", **_known(LINUX_6_1)))
    assert named.metadata.clock == "x86-tsc"


def test_a_text_of_two_clocks_is_refused(tmp_path: Path) -> None:
    both = tmp_path / "both.txt"
    both.write_bytes((SAMPLES / "trace_counter.txt").read_bytes() + (SAMPLES / "trace_pipe.txt").read_bytes())
    with pytest.raises(TraceError, match="line 14: found a time in seconds, expected one without a point"):
        Converted(tmp_path, both)


def test_a_text_without_cpus_says_that_it_lacks_them(tmp_path: Path) -> None:
    assert Converted(tmp_path, SAMPLES / "perf_no_cpu.txt").metadata.lacks == "cpu"


@pytest.mark.parametrize(("sample", "lost"), [("lost.txt", 12), ("tracecmd_dropped.txt", 58), ("trace_pipe.txt", 0)])
def test_lost_and_dropped_events_are_counted(tmp_path: Path, sample: str, lost: int) -> None:
    assert Converted(tmp_path, SAMPLES / sample).metadata.lost_events == lost


def test_padded_names_keep_a_zram_recordings_model_and_its_sizes(tmp_path: Path) -> None:
    (tmp_path / "zram.txt").write_text(
        "cpus=8\n"
        "  kswapd0-38  [000]  4.000003: rw:                    (zram_rw_page+0x0/0x200) sector=400 op=1\n"
        "  kswapd0-38  [000]  4.000006: alloc:                 (zs_malloc+0x0/0x200) size=1000 pages=0\n"
        "  kswapd0-38  [000]  4.000009: alloc_ret:             (a+0x1/0x2 <- zs_malloc) handle=0xffff888000000040\n"
    )
    found = Converted(tmp_path, tmp_path / "zram.txt", context=Context())
    assert found.metadata.model == "zram"
    assert found.columns("op", "offset", "size") == [("store", 50, 1000)]


# ---- other formats ----


def test_bpftrace_lines_are_rows(tmp_path: Path) -> None:
    found = Converted(tmp_path, SAMPLES / "bpftrace.txt", context=LINUX_6_8)
    assert found.columns("ts_ns", "op", "type", "offset", "size", "result", "cpu", "pid") == [
        (4_000_002_000, "store", 0, 100, 1000, 0, 2, 38),
        (4_000_005_000, "load", 0, 100, None, 0, 2, 38),
        (4_000_008_000, "store", 0, 101, None, -12, 2, 38),
        (4_000_011_000, "invalidate", 0, 100, None, None, 2, 38),
    ]
    assert (found.metadata.lost_events, found.metadata.lacks, found.done.messages) == (7, "seen", [])


@pytest.mark.parametrize(
    ("line", "release", "result"),
    [
        ("store offset=1 ret=1", "6.8.0", 0),
        ("store offset=1 ret=0", "6.8.0", -12),
        ("store offset=1 ret=0", "6.1.0", 0),
        ("store offset=1 ret=-22", "6.1.0", -22),
        ("load offset=1 ret=0", "6.12.0", -1),
        ("load offset=1 ret=-2", "6.15.0", -1),
        ("store offset=1 result=-28", "6.8.0", -28),
    ],
)
def test_bpftraces_ret_means_what_the_function_of_that_release_returns(
    tmp_path: Path, line: str, release: str, result: int
) -> None:
    (tmp_path / "b.txt").write_text(f"10 kswapd0 38 {line}\n")
    found = Converted(tmp_path, tmp_path / "b.txt", context=Context(pool="zsmalloc", kernel_release=release))
    assert found.columns("result") == [(result,)]


@pytest.mark.parametrize(
    "line",
    [
        "store ret=1",
        "store offset=1 size=4097",
        "store offset=1 size=-5",
        "store offset=1 ret=2",
        "load type=32 offset=1",
        "store offset=288230376151711744",
        "store offset=x",
        "store offset=1 result=5",
    ],
)
def test_a_bpftrace_number_that_cannot_be_is_an_unreadable_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "b.txt").write_text("10 kswapd0 38 load offset=1\n" * 20 + f"11 kswapd0 38 {line}\n")
    found = Converted(tmp_path, tmp_path / "b.txt", context=LINUX_6_8)
    assert (len(found.rows), found.metadata.unreadable_lines) == (20, 1)
    assert found.done.messages[0].startswith("line 21: expected ")


def test_bpftraces_ret_of_an_unknown_kernel_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--kernel-release"):
        Converted(tmp_path, SAMPLES / "bpftrace.txt", context=Context())


def test_blkparses_requests_are_pages_stored_loaded_and_discarded(tmp_path: Path) -> None:
    found = Converted(tmp_path, SAMPLES / "blkparse.txt", context=Context())
    assert found.columns("ts_ns", "op", "type", "offset", "cpu", "pid") == [
        (4_000_002_000, "store", 0, 100, 2, 38),  # 16 sectors are two pages
        (4_000_002_000, "store", 0, 101, 2, 38),
        (4_000_005_000, "load", 1, 100, 1, 77),  # of the second device
        (4_000_011_000, "invalidate", 0, 100, 1, 77),
    ]
    assert (found.metadata.lacks, found.done.messages) == ("size result seen", [])


def test_a_request_of_half_a_page_is_an_unreadable_line(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("252,0 2 1 4.000002000 38 Q WS 804 + 8 [a]\n")
    with pytest.raises(TraceError, match="line 1: expected a sector and a count of whole pages of 8"):
        Converted(tmp_path, tmp_path / "b.txt")


TABLE_ROWS = [
    (4_000_002_000, "store", 0, 100, 1000),
    (4_000_005_000, "load", 0, 100, None),
    (4_000_008_000, "store", 0, 101, 0),
]


@pytest.mark.parametrize("sample", ["table.csv", "table.ndjson"])
def test_a_tables_columns_are_mapped(tmp_path: Path, sample: str) -> None:
    found = Converted(tmp_path, SAMPLES / sample, mapping=MAP)
    assert found.columns("ts_ns", "op", "type", "offset", "size") == TABLE_ROWS
    assert found.metadata.lacks == "invalidate result cpu seen"


def test_a_parquet_tables_columns_are_mapped_also_through_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table(
        {
            "time_us": [4000002, 4000005, 4000008],
            "rw": ["W", "R", "W"],
            "sector": [800, 800, 808],
            "bytes": [1000, None, 0],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert (
        Converted(tmp_path, tmp_path / "t.parquet", mapping=MAP).columns("ts_ns", "op", "type", "offset", "size")
        == TABLE_ROWS
    )

    class Pipe:
        buffer = io.BytesIO((tmp_path / "t.parquet").read_bytes())

    monkeypatch.setattr(sys, "stdin", Pipe)
    assert Converted(tmp_path, "-", mapping=MAP).columns("ts_ns", "op", "type", "offset", "size") == TABLE_ROWS


def test_a_table_with_our_own_names_needs_no_map(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ts_ns,op,type,offset,size,result\n1,store,3,7,50,0\n")
    assert Converted(tmp_path, tmp_path / "t.csv").columns("ts_ns", "op", "type", "offset", "size", "result") == [
        (1, "store", 3, 7, 50, 0)
    ]


def test_seconds_with_a_fraction_become_nanoseconds(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("s,op,offset\n1.5,store,1\n2.25,load,1\n")
    assert Converted(tmp_path, tmp_path / "t.csv", mapping="ts_ns=s*1e9").columns("ts_ns") == [
        (1_500_000_000,),
        (2_250_000_000,),
    ]


@pytest.mark.parametrize(
    ("rows", "mapping", "kind", "says"),
    [
        ("1,W,8,1", "offset=secktor/8", UsageError, "no column secktor; did you mean sector"),
        ("1,W,8,1", "ofset=sector/8", UsageError, "no column ofset to map; did you mean offset"),
        ("1,W,8,1", "offset=sector/0", UsageError, "found /0"),
        ("1,W,8,1", "offset", UsageError, "expected OURS=THEIRS"),
        ("1,W,8,1", "op=rw:W=stor", UsageError, "found 'W=stor'"),
        ("1,W,8,1", "offset=sector,offset=rw", UsageError, "column offset a second time"),
        ("1,W,8,1", "size=bytes", UsageError, "no column ts_ns and no op and no offset, found t, rw, sector, bytes"),
        ("1,X,8,1", MAP.replace("time_us", "t"), TraceError, "row 0: column rw: found 'X', expected one of R, W"),
        ("1,W,eight,1", MAP.replace("time_us", "t"), TraceError, "row 0: column sector: found 'eight', expected a num"),
        ("1,W,8,4097", MAP.replace("time_us", "t"), TraceError, r"row 0: column bytes \(size\): found 4097"),
        ("1,W,8,-5", MAP.replace("time_us", "t"), TraceError, "column size"),
        ("5,W,8,1\n1,W,8,1", MAP.replace("time_us", "t"), TraceError, r"row 1: column t \(ts_ns\): found 1000"),
        ("1,W,8", MAP.replace("time_us", "t"), TraceError, "CSV parse error: Expected 4 columns, got 3"),
    ],
)  # fmt: skip
def test_errors_of_a_table_name_the_column(
    tmp_path: Path, rows: str, mapping: str, kind: type[Exception], says: str
) -> None:
    (tmp_path / "t.csv").write_text(f"t,rw,sector,bytes\n{rows}\n")
    with pytest.raises(kind, match=says):
        Converted(tmp_path, tmp_path / "t.csv", mapping=mapping)
    assert not (tmp_path / "converted.parquet").exists()


def test_a_trace_is_not_converted_again(tmp_path: Path) -> None:
    Converted(tmp_path, SAMPLES / "trace_pipe.txt")
    (tmp_path / "converted.parquet").rename(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="is a trace already"):
        Converted(tmp_path, tmp_path / "t.parquet")


# ---- how it is packed, and what is no text ----


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, bz2.compress, lambda data: pa.compress(data, "zstd", asbytes=True)]
)  # fmt: skip
@pytest.mark.parametrize("sample", ["trace_pipe.txt", "table.csv"])
def test_compression_is_known_by_content(tmp_path: Path, pack: Any, sample: str) -> None:
    (tmp_path / "log.txt").write_bytes(pack((SAMPLES / sample).read_bytes()))
    assert len(Converted(tmp_path, tmp_path / "log.txt", mapping=MAP if "csv" in sample else None).rows) in (3, 4)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_truncated_compression_is_damage(tmp_path: Path, pack: Any) -> None:
    (tmp_path / "log.txt").write_bytes(pack((SAMPLES / "trace_pipe.txt").read_bytes() * 3)[:-20])
    with pytest.raises(TraceError, match=r"log.txt: (damaged|.*not)"):
        Converted(tmp_path, tmp_path / "log.txt")


@pytest.mark.parametrize(
    ("begin", "says"),
    [
        (b"\x17\x08\x44tracing6\0\0", r"trace.dat of trace-cmd.*`trace-cmd report \S+log \| zreplay convert - …`"),
        (b"PERFILE2\0\0", r"perf.data.*`perf script -i \S+log \| zreplay convert - …`"),
        (b"\x7fELF\x02\x01", "an ELF program, expected text or Parquet$"),
        (b"PK\x03\x04", "a zip archive.*`unzip -p"),
        (b"\x07tae\0\0", "blktrace.*`blkparse -i"),
        ("kswapd0-38 [000]".encode("utf-16"), "text in UTF-16.*`iconv -f UTF-16 -t UTF-8"),
        ("kswapd0-38 [000]".encode("utf-16-le"), "text in UTF-16"),
        (b"\0" * 257 + b"ustar", "a tar archive"),
        (b"abc\0def\x01\x02", "binary data"),
    ],
)
def test_what_is_no_text_is_named_with_the_command_that_helps(tmp_path: Path, begin: bytes, says: str) -> None:
    (tmp_path / "log").write_bytes(begin)
    with pytest.raises(TraceError, match=says):
        Converted(tmp_path, tmp_path / "log")
    (tmp_path / "log").write_bytes(gzip.compress(begin))
    with pytest.raises(TraceError, match=r"expected text or Parquet(?: inside gzip; decompress it|$)"):
        Converted(tmp_path, tmp_path / "log")


# ---- several ----


def test_texts_of_two_cpus_are_merged_line_by_line(tmp_path: Path) -> None:
    lines = text(*stored(7), *stored(8, handle=0xFFFF_8880_0000_1040)).splitlines(keepends=True)
    assert len(lines) == 10
    (tmp_path / "cpu0").write_text("# tracer: nop\n" + "".join(lines[::2]))
    (tmp_path / "cpu1").write_text("".join(lines[1::2]).removesuffix("\n"))
    (tmp_path / "whole").write_text("".join(lines))
    merged = Converted(tmp_path, tmp_path / "cpu0", tmp_path / "cpu1")
    assert merged.rows == Converted(tmp_path, tmp_path / "whole").rows
    assert merged.columns("op", "offset") == [("store", 7), ("store", 8)]


def test_tables_are_merged_row_by_row_of_one_time_the_first_first(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ts_ns,op,offset\n1,store,1\n5,load,1\n9,load,1\n")
    (tmp_path / "b.txt").write_text("2 a 7 store offset=2\n5 a 7 load offset=2\n11 a 7 load offset=3\n")
    found = Converted(tmp_path, tmp_path / "a.csv", tmp_path / "b.txt")
    assert found.columns("ts_ns", "op", "offset") == [
        (1, "store", 1), (2, "store", 2), (5, "load", 1), (5, "load", 2), (9, "load", 1), (11, "load", 3),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="CSV and ftrace text"):
        Converted(tmp_path, tmp_path / "a.csv", SAMPLES / "trace_pipe.txt")


# ---- anything at all ----

_PIECES = [
    *(line for path in sorted(SAMPLES.iterdir()) for line in path.read_bytes().splitlines(keepends=True)[:9]),
    b"\n", b"\r\n", b",", b"=", b"\xff", b"\0", b"[", b"]", b"-1", b"99999999999999999999", b"1e999", b"{", b'"', b"  ",
]  # fmt: skip


@pytest.mark.parametrize("format", [format.name for format in FORMATS])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_anything_is_events_or_one_error(tmp_path: Path, format: str, data: st.DataObject) -> None:
    begins = {
        "CSV": "table.csv",
        "NDJSON": "table.ndjson",
        "blkparse's text": "blkparse.txt",
        "bpftrace's output": "bpftrace.txt",
    }
    begin = (SAMPLES / begins.get(format, "trace_pipe.txt")).read_bytes() if format != "Parquet" else b"PAR1"
    cut = data.draw(st.integers(0, len(begin)))
    rest = data.draw(st.lists(st.sampled_from(_PIECES) | st.binary(max_size=20), max_size=12))
    (tmp_path / "log").write_bytes(begin[:cut] + b"".join(rest))
    mapping = MAP if format in ("CSV", "NDJSON", "Parquet") else None
    try:
        Converted(tmp_path, tmp_path / "log", context=LINUX_6_8 if "bpf" in format else LINUX_6_1, mapping=mapping)
    except (TraceError, UsageError) as error:
        assert "\n" not in str(error)


def _known(context: Context) -> dict[str, Any]:
    return {"pool": context.pool, "kernel_release": context.kernel_release}


def test_word_that_is_no_utf8_is_an_error_with_its_place(tmp_path: Path) -> None:
    """Found by tests/fuzz: pyarrow's reader of JSON lets it through, and polars ended the process over it."""
    log = tmp_path / "t.ndjson"
    log.write_bytes(b'{"ts_ns": 1, "op": "load", "offset": 7}\n{"ts_ns": 2, "op": "l\xf3ad", "offset": 8}\n')
    with pytest.raises(TraceError, match=r"at or after row 0: .*[Ii]nvalid UTF8"):
        convert(str(log), tmp_path / "t.parquet", Context())
    assert not (tmp_path / "t.parquet").exists()
