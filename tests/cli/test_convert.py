"""``zreplay convert``, as it is typed."""

import gzip
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from ftrace_text import HANDLE, folio_stored, invalidated, line, stored, text, visited

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
            "the pool and the kernel are unknown, so sizes cannot be told from what zswap adds to them; give --context "
            "or --pool and --kernel-release",
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


# ---- Linux 6.12, and texts that are not what they seem ----

FOLIO_LOG = text(*[event for slot in range(1, 6) for event in folio_stored(slot, HANDLE + 64 * slot, before=slot - 1)])
FOLIO_KNOWN = ("--pool", "zsmalloc", "--kernel-release", "6.12.115+deb12-amd64")


def refused(tmp_path: Path, log: str, *arguments: str | Path) -> str:
    """What is said of a text that is refused: one line, exit 4, and nothing is written."""
    (tmp_path / "log").write_text(log)
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
    assert not list(tmp_path.glob("*.parquet"))
    assert not list(tmp_path.glob(".*"))
    return done.stderr.removeprefix(f"zreplay: {tmp_path / 'log'}: ")


def rows_of(path: Path) -> list[tuple[object, ...]]:
    return [
        (row["op"], row["type"], row["offset"], row["result"])
        for batch in open_trace(path).batches()
        for row in batch.to_pylist()
    ]


def test_text_of_6_12_becomes_a_trace_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(FOLIO_LOG)
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *FOLIO_KNOWN)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows_of(tmp_path / "t.parquet") == [("store", 0, slot, 0) for slot in range(1, 6)]
    metadata = open_trace(tmp_path / "t.parquet").metadata
    assert (metadata.source_kernel, metadata.format_version) == ("6.12.115+deb12-amd64", "1.2")


@pytest.mark.parametrize("cut", [1, 5, 13])
def test_half_a_text_of_6_1_before_one_of_6_12_names_the_line_where_the_other_begins(tmp_path: Path, cut: int) -> None:
    half = "".join(LOG.splitlines(keepends=True)[:cut])
    message = refused(tmp_path, half + FOLIO_LOG, *KNOWN)
    assert message == (
        f"line {cut + 1}: found swap=, as Linux 6.6 and later, expected type= and offset= as in the lines before: "
        "a text is of one kernel; nothing was written\n"
    )


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_half_a_text_of_6_12_before_one_of_6_1_names_the_line_where_the_other_begins(tmp_path: Path, cut: int) -> None:
    half = "".join(FOLIO_LOG.splitlines(keepends=True)[:cut])
    message = refused(tmp_path, half + LOG, *FOLIO_KNOWN)
    assert message == (
        f"line {cut + 1}: found type= and offset=, as Linux before 6.6, expected swap= as in the lines before: "
        "a text is of one kernel; nothing was written\n"
    )


def test_other_kernel_far_behind_the_first_chunk_is_found_too(tmp_path: Path) -> None:
    """The family is known from the first 4 MiB; what has been converted by then is thrown away."""
    misses = (line("load", swap=1) + line("load_ret", ret=0, stored=0)) * 30_000
    message = refused(tmp_path, misses + LOG, *FOLIO_KNOWN)
    assert message.startswith("line 60,001: found type= and offset=, as Linux before 6.6, expected swap=")


@pytest.mark.parametrize(
    ("log", "context", "release"),
    [(FOLIO_LOG, "6.1.0-54-amd64", "6.1.0-54-amd64"), (LOG, "6.12.115+deb12-amd64", "6.12.115+deb12-amd64")],
    ids=["6.12 with a context of 6.1", "6.1 with a context of 6.12"],
)
def test_context_of_the_other_kernel_is_said_in_one_line(tmp_path: Path, log: str, context: str, release: str) -> None:
    log = log.replace("(store+", "(zswap_frontswap_store+") if log is LOG else log
    (tmp_path / "log").write_text(log)
    (tmp_path / "context.txt").write_text(CONTEXT.replace("6.1.0-54-amd64", context))
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", "--context", tmp_path / "context.txt")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"zreplay: {tmp_path / 'log'}: its probes are those of Linux ")
    assert f"found release {release}: is the context another recording's?" in done.stderr
    assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.parametrize("known", [KNOWN, FOLIO_KNOWN], ids=["6.1", "6.12"])
def test_text_whose_probes_have_no_returns_says_so_and_claims_no_result(tmp_path: Path, known: tuple[str, ...]) -> None:
    log = LOG if known is KNOWN else FOLIO_LOG
    (tmp_path / "log").write_text("".join(part for part in log.splitlines(keepends=True) if "_ret:" not in part))
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *known)
    assert done.returncode == 0
    assert "calls never returned: their result is unknown (the first: line 1)" in done.stderr
    assert all(result is None for *_, result in rows_of(tmp_path / "t.parquet"))


def test_text_of_returns_alone_is_refused(tmp_path: Path) -> None:
    """Nothing in it says which slot; there is not one row."""
    log = "".join(part for part in FOLIO_LOG.splitlines(keepends=True) if "_ret:" in part)
    message = refused(tmp_path, log, *FOLIO_KNOWN)
    assert message == (
        "no event of zswap or zram in its 10 lines (line 1: return of an alloc that was not seen to begin)\n"
    )


def test_swap_word_beyond_the_last_type_is_shown_with_its_line(tmp_path: Path) -> None:
    beyond = line("load", swap=32 << 58 | 7)
    (tmp_path / "log").write_text(FOLIO_LOG + beyond)
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *FOLIO_KNOWN, "-q")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == "zreplay: warning: 1 lines could not be read"
    assert done.stderr.splitlines()[1].startswith("  line 21: expected swap= of a type below 32, found type 32 in ")
    assert len(rows_of(tmp_path / "t.parquet")) == 5


def test_visit_of_an_entry_never_stored_is_shown_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(FOLIO_LOG + text(*visited(77, verdict=2, us=99)))
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *FOLIO_KNOWN, "-q")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "zreplay: warning: 1 lines belong to no call or object that was seen",
        "  line 21: visit of an entry that was never stored: swap=77",
    ]
    assert {op for op, *_ in rows_of(tmp_path / "t.parquet")} == {"store"}


def test_text_that_is_mostly_unreadable_fails_and_allow_partial_goes_on(tmp_path: Path) -> None:
    # 3 of 23 lines: 13 %. What is not of our probes counts for nothing.
    log = FOLIO_LOG + "nonsense\n" * 3 + line("sched_switch", prev=1) * 100
    message = refused(tmp_path, log, *FOLIO_KNOWN)
    assert message == (
        "3 of 23 lines are of no use (3 unreadable, 0 of no call or object that was seen), expected at most 10 %; "
        'the first: line 21: expected COMM-PID [CPU] FLAGS SECONDS: EVENT: …, found "nonsense"; '
        "--allow-partial converts the rest\n"
    )
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *FOLIO_KNOWN, "--allow-partial")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == "zreplay: warning: 3 lines could not be read"
    assert len(rows_of(tmp_path / "t.parquet")) == 5


def test_a_tenth_of_the_lines_may_be_lost(tmp_path: Path) -> None:
    # The visits of two entries that were never stored are 2 lines of 20; those of three, 3 of 22.
    stores = "".join(FOLIO_LOG.splitlines(keepends=True)[:16])
    two, three = (
        stores + text(*[part for slot in slots for part in visited(slot, verdict=2)])
        for slots in ([71, 72], [71, 72, 73])
    )
    message = refused(tmp_path, three, *FOLIO_KNOWN)
    assert message.startswith("3 of 22 lines are of no use (0 unreadable, 3 of no call or object that was seen), ")
    (tmp_path / "log").write_text(two)
    done = zreplay("convert", tmp_path / "log", "-o", tmp_path / "t.parquet", *FOLIO_KNOWN, "-q")
    assert (done.returncode, len(rows_of(tmp_path / "t.parquet"))) == (0, 4)


def test_text_read_as_another_releases_family_is_not_written(tmp_path: Path) -> None:
    """6.15's loads answer with an errno, 6.12's with a boolean: read as 6.12's, the misses are no answers."""
    misses = (line("load", swap=1) + line("load_ret", ret=-2, stored=0)) * 10
    message = refused(tmp_path, FOLIO_LOG + misses, *FOLIO_KNOWN)
    assert message.startswith("10 of 40 lines are of no use (10 unreadable, ")
    assert "the first: line 22: expected ret= 0 or 1, found -2; " in message


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


def test_what_a_recording_cannot_say_is_told_by_convert_info_and_run(tmp_path: Path) -> None:
    sample = Path(__file__).parents[1] / "trace" / "samples" / "blkparse.txt"
    done = zreplay("convert", sample, "-o", tmp_path / "t.parquet")
    assert "not in it: size, result, seen" in done.stdout
    assert "size result seen" in zreplay("info", tmp_path / "t.parquet").stdout
    shown = zreplay("run", tmp_path / "t.parquet", "--pool", "zbud", "-o", tmp_path / "run").stdout
    assert "no size in the trace" in shown
    assert "stores are refused (missing size)" in shown


def test_foreign_files_end_in_4_and_a_missing_column_in_2(tmp_path: Path) -> None:
    (tmp_path / "trace.dat").write_bytes(b"\x17\x08\x44tracing6\0\0")
    refused = zreplay("convert", tmp_path / "trace.dat", "-o", tmp_path / "t.parquet")
    assert (refused.returncode, refused.stderr) == (
        4,
        f"zreplay: {tmp_path}/trace.dat: found a trace.dat of trace-cmd, expected text or Parquet; "
        f"`trace-cmd report {tmp_path}/trace.dat | zreplay convert - …` reads it\n",
    )
    (tmp_path / "t.csv").write_text("time,rw\n1,W\n")
    refused = zreplay("convert", tmp_path / "t.csv", "--map", "offset=sector/8", "-o", tmp_path / "t.parquet")
    assert refused.returncode == 2
    assert "has no column sector, expected one of time, rw" in refused.stderr
