"""``zreplay convert``, as it is typed."""

import gzip
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from ftrace_text import HANDLE, invalidated, line, stored, text

from zreplay import open_trace
from zreplay.trace.context import Context, read_context
from zreplay.trace.families import FAMILIES

LOG = text(*stored(7, size=1008), *invalidated(7), *stored(8, HANDLE + 64, size=508))
KNOWN = ("--pool", "zbud", "--kernel-release", "6.1.0-54-amd64")
CONTEXT = """KIND=zswap
ZPOOL=zbud
COMP=lzo
PCT=35
cpus=1
6.1.0-54-amd64
duplicate_entry:0
enabled:Y
max_pool_percent:20
compressor:deflate
zpool:z3fold
accept_threshold_percent:90
pswpin 78945
MemTotal:         210740 kB
SwapCached:           36 kB
"""


def zreplay(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zreplay", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log.txt").write_text(LOG)
    return tmp_path / "log.txt"


def test_text_becomes_a_trace_and_a_summary(tmp_path: Path, log: Path) -> None:
    done = zreplay("convert", log, "-o", tmp_path / "t.parquet", *KNOWN, "--totalram-pages", "1000")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"{tmp_path / 't.parquet'}: 3 rows (2 store, 1 invalidate) from 13 lines; 0 events lost"
    )
    trace = open_trace(tmp_path / "t.parquet")
    assert [batch["size"].to_pylist() for batch in trace.batches()] == [[1000, None, 500]]
    metadata = trace.metadata
    assert (metadata.pool, metadata.source_kernel, metadata.totalram_pages) == ("zbud", "6.1.0-54-amd64", 1000)
    assert (metadata.model, metadata.lost_events, metadata.clock) == ("zswap", 0, "monotonic")


def test_compressed_text_and_standard_input_give_the_same_bytes(tmp_path: Path, log: Path) -> None:
    def converted(name: str, data: bytes, *, from_stdin: bool = False) -> bytes:
        (tmp_path / name).write_bytes(data)
        output = tmp_path / f"{name}.parquet"
        source = "-" if from_stdin else tmp_path / name
        done = zreplay("convert", source, "-o", output, *KNOWN, "-q", stdin=data)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return output.read_bytes()

    data = LOG.encode()
    plain = converted("plain", data)
    for codec in ("zstd", "lz4", "gzip"):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(data)
        assert converted(codec, sink.getvalue().to_pybytes()) == plain
        assert converted(f"{codec}-stdin", sink.getvalue().to_pybytes(), from_stdin=True) == plain
    assert converted("stdin", data, from_stdin=True) == plain


def test_context_file_tells_what_the_text_does_not_and_options_beat_it(tmp_path: Path, log: Path) -> None:
    (tmp_path / "context.txt").write_text(CONTEXT)
    context = read_context(tmp_path / "context.txt")
    assert context == Context("zswap", "zbud", "lzo", "6.1.0-54-amd64", 52685, 35, 90, 1)
    arguments = ("--context", tmp_path / "context.txt", "--max-pool-percent", "12")
    done = zreplay("convert", log, "-o", tmp_path / "t.parquet", *arguments)
    assert done.returncode == 0
    metadata = open_trace(tmp_path / "t.parquet").metadata
    assert (metadata.max_pool_percent, metadata.accept_threshold_percent, metadata.compressor) == (12, 90, "lzo")


@pytest.mark.parametrize(
    ("pool", "release", "header_bytes"),
    [
        ("zbud", "3.12.9", 8),
        ("zbud", "6.1.0", 8),
        ("z3fold", "6.4.12", 8),
        ("zbud", "6.5.0", 0),
        ("zsmalloc", "6.1.0", 0),
        ("zsmalloc", "6.2.0", 8),
        ("zsmalloc", "6.5.1", 0),
        ("zsmalloc", "6.18.0", 0),
    ],
)
def test_sizes_carry_a_header_where_the_allocator_evicts(pool: str, release: str, header_bytes: int) -> None:
    numbers = Context(kernel_release=release).release
    assert numbers is not None
    family = next(family for family in FAMILIES if family.covers(numbers))
    assert family.header_of(pool, numbers) == header_bytes


def test_zram_recording_needs_no_context(tmp_path: Path) -> None:
    zram = text(("rw", {"sector": 8, "op": 1}), ("alloc", {"size": 77, "pages": 0}), ("alloc_ret", {"handle": HANDLE}))
    (tmp_path / "log").write_text(zram)
    assert zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet").returncode == 0
    trace = open_trace(tmp_path / "t.parquet")
    assert (trace.metadata.model, trace.metadata.pool) == ("zram", "zsmalloc")
    assert [batch["size"].to_pylist() for batch in trace.batches()] == [[77]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (),
            "the pool and the kernel are unknown, so sizes cannot be told from what zswap adds to them; give --context or "
            "--pool and --kernel-release",
        ),
        (
            ("--pool", "zbud"),
            "the kernel is unknown, so sizes cannot be told from what zswap adds to them; give --context ",
        ),
        (("--pool", "zsmaloc"), "--pool zsmaloc: unknown; did you mean zsmalloc?"),
        ((*KNOWN, "--max-pool-percent", "0"), "--max-pool-percent 0: expected 1 to 100"),
        ((*KNOWN, "--max-pool-percent", "101"), "--max-pool-percent 101: expected 1 to 100"),
        ((*KNOWN, "--context", "nowhere.txt"), "nowhere.txt: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, log: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = zreplay("convert", log, "-o", tmp_path / "t.parquet", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"zreplay: {message}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [log]


def test_existing_output_is_refused_without_force(tmp_path: Path, log: Path) -> None:
    (tmp_path / "t.parquet").write_text("before")
    done = zreplay("convert", log, "-o", tmp_path / "t.parquet", *KNOWN)
    assert (done.returncode, done.stderr) == (
        2,
        f"zreplay: {tmp_path / 't.parquet'}: already exists; --force replaces it\n",
    )
    assert (tmp_path / "t.parquet").read_text() == "before"
    assert zreplay("convert", log, "-o", tmp_path / "t.parquet", *KNOWN, "--force").returncode == 0


def test_lost_and_unreadable_lines_are_warned_about_and_recorded(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("CPU:0 [LOST 12 EVENTS]\n" + line("load", type=0) + LOG)
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *KNOWN, "-q")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "zreplay: warning: 12 events lost by the kernel's buffer: calls of that time lack a result",
        "zreplay: warning: 1 lines could not be read",
        '  line 2: expected offset=…, found " type=0"',
    ]
    metadata = open_trace(tmp_path / "t.parquet").metadata
    assert (metadata.lost_events, metadata.unreadable_lines) == (12, 1)


def test_strict_stops_at_the_first_unreadable_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG + "nonsense\n")
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *KNOWN, "--strict")
    assert done.returncode == 4
    assert done.stderr.startswith(
        f"zreplay: {tmp_path / 'log'}: line 14: expected COMM-PID [CPU] FLAGS SECONDS: EVENT: …"
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "log"]


def test_log_without_events_and_damaged_compression_are_trace_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# tracer: nop\n")
    done = zreplay("convert", tmp_path / "empty", "-o", tmp_path / "t.parquet", *KNOWN)
    assert (done.returncode, done.stderr) == (
        4,
        f"zreplay: {tmp_path / 'empty'}: no event of zswap or zram in its 1 lines\n",
    )
    (tmp_path / "cut.gz").write_bytes(gzip.compress(LOG.encode())[:-40])
    done = zreplay("convert", tmp_path / "cut.gz", "-o", tmp_path / "t.parquet", *KNOWN)
    assert (done.returncode, done.stderr) == (
        4,
        f"zreplay: {tmp_path / 'cut.gz'}: damaged: Truncated compressed stream\n",
    )
    assert not (tmp_path / "t.parquet").exists()


def test_interrupt_exits_with_130_and_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "t.parquet"
    command = [sys.executable, "-m", "zreplay", "convert", "-", "-o", str(output), *KNOWN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        # More than one chunk, so that the output has been begun; then the text does not end.
        process.stdin.write(LOG.encode() * 6000)
        process.stdin.flush()
        while not any(tmp_path.iterdir()):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []
