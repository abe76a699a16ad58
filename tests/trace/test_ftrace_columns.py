"""The columns before an event, in all the ways that ftrace, trace-cmd and perf write them, and cut or damaged."""

import pytest
from ftrace_text import Imported, line, text

ARGUMENTS = "(zswap_load+0x0/0x1) type=0 offset=3"

#: Columns of a load, and what they say: time in ns, CPU (0 where they do not say it), PID.
READ = {
    "a-38 [000] d..1. 4.1: load:": (4_100_000_000, 0, 38),
    "a-38 [65535] 4.1: load:": (4_100_000_000, 65535, 38),
    "a-2147483647 [001] 4.1: load:": (4_100_000_000, 1, 2147483647),
    "a-38 [001] 9223372035.999999999: load:": (9_223_372_035_999_999_999, 1, 38),
    "a-38 [001] 4.1: _Grp_9:load:": (4_100_000_000, 1, 38),
    # A word that ends with no colon is no event behind its group, but the event's first argument.
    "a-38 [001] 4.1: load:probe": (4_100_000_000, 1, 38),
    # The first bracket is of the name.
    "x [0] [abcdef] (1)-38 [001] 4.1: load:": (4_100_000_000, 1, 38),
    "a 38/39 [001] 4.1: 250000 zreplay:load:": (4_100_000_000, 1, 39),
    # The latency format, with one mark for a long wait behind the unit, or none; perf's `-F comm,pid,time`.
    "a-38 2d..1. 100us : load:": (100_000, 2, 38),
    **{f"a-38 2d..1. 100us{mark}: load:": (100_000, 2, 38) for mark in "$@*#!+"},
    "a 38 4.1: load:": (4_100_000_000, 0, 38),
    "a 38/39 4.1: load:": (4_100_000_000, 0, 39),
    # Verbose: the microseconds in the brackets are the time; of a clock that is none, the count behind them.
    "a 38 2 1 00000001 00000000 [003d0900] 4000.000ms (+0.001ms): load:": (4_000_000_000, 2, 38),
    "a 38 2 1 00000000 [003d0900] 4000.000ms (+0.001ms): load:": (4_000_000_000, 2, 38),
    "a 38 2 1 00000001 00000000 [ 4.000001] 4000.001ms (+0.001ms): load:": (4_000_001_000, 2, 38),
    "a 38 2 1 00000001 00000000 [00000000000f4243] 1000003 (+1): load:": (1_000_003, 2, 38),
}

#: … and columns that no tracer writes, or that are cut.
UNREADABLE = [
    # the CPU
    "a-38 [000001] 4.1: load:",
    "a-38 [65536] 4.1: load:",
    "a-38 [0x1] 4.1: load:",
    "a-38 [001",
    "a-38 [",
    "a-38 [00f",
    "a-38 [001]",
    "a-38 [001] ",
    "a-38 [001] d..1.",
    "a-38 [001]4.1: load:",
    # the task
    "[001] 4.1: load:",
    "   [001] 4.1: load:",
    "38 [001] 4.1: load:",
    " 38 [001] 4.1: load:",
    "/38 [001] 4.1: load:",
    "a-38/39 [001] 4.1: load:",
    "38/39 [001] 4.1: load:",
    "a38 [001] 4.1: load:",
    "a-38[001] 4.1: load:",
    "a- [001] 4.1: load:",
    "a-2147483648 [001] 4.1: load:",
    "a-99999999999999999999 [001] 4.1: load:",
    "38) [001] 4.1: load:",
    "(38) [001] 4.1: load:",
    # the time
    "a-38 [001] 4.: load:",
    "a-38 [001] .1: load:",
    "a-38 [001] 4.0000000001: load:",
    "a-38 [001] 4.1.2: load:",
    "a-38 [001] 9223372036.1: load:",
    "a-38 [001] 9223372036854775808: load:",
    "a-38 [001] 99999999999999999999: load:",
    "a-38 [001] 4.1",
    # the event
    "a-38 [001] 4.1:",
    "a-38 [001] 4.1: load",
    "a-38 [001] 4.1: 12345678901234567890 load:",
    "a-38 [001] 4.1: 123",
    "a-38 [001] 4.1: 123x load:",
    *(f"a-38 [001] 4.1: lo{letter}d:" for letter in "^`{/@ "),
    # latency, and perf without a CPU
    ": load:",
    "a-38 2d..1. 100us :",
    "a-38 2d..1. 100us :load:",
    "a-38 2d..1. 100uS : load:",
    "a-38 2d..1. 100s : load:",
    "us : load:",
    "a-38 2d..1. us : load:",
    "a-38 2d..1. 1.5us : load:",
    "a-38 2d..1. 1.2.3us : load:",
    "a-38 2d..1.100us : load:",
    "a-38 2d..1. 9223372036854776us : load:",
    "a-38 65536d..1. 100us : load:",
    "d..1. 100us : load:",
    "2d..1. 100us : load:",
    "4.1: load:",
    "38 4.1: load:",
    "a 38 100: load:",
    # verbose
    "a 38 2 1 00000001 00000000 [003d0900",
    "a 38 2 1 00000001 00000000 [4.000001",
    "a 38 2 1 00000001 00000000 [003d0900)",
    "a 38 2 1 00000001 00000000 [00000000003d09000] 4000.000ms (+0.001ms): load:",
    "a 38 2 1 00000001 00000000 [0020c49ba5e353f8] 4000.000ms (+0.001ms): load:",
    "a 38 2 1 00000001 00000000 [003d0900] load:",
    "a 38 2 1 00000001 00000000 [003d0900] 4000.000ms (+0.001ms) load:",
    "a 38 2 1 00000001 00000000 [003d0900] (+1): load:",
    "a 38 2 1 00000001 00000000 [003d0900] 1234567890123456789 (+1): load:",
    "00000001 00000000 [003d0900] 4000.000ms (+0.001ms): load:",
    "a 38 2 x 00000001 00000000 [003d0900] 4000.000ms (+0.001ms): load:",
    "a 38 2 1 0001 [003d0900] 4000.000ms (+0.001ms): load:",
    "1 00000001 00000000 [003d0900] 4000.000ms (+0.001ms): load:",
    "a 38 x 1 00000001 00000000 [003d0900] 4000.000ms (+0.001ms): load:",
    "a 38 65536 1 00000001 00000000 [003d0900] 4000.000ms (+0.001ms): load:",
    "a x 2 1 00000001 00000000 [003d0900] 4000.000ms (+0.001ms): load:",
]


@pytest.mark.parametrize("columns", READ)
def test_columns_say_the_time_the_cpu_and_the_task(columns: str) -> None:
    found = Imported(f"{columns} {ARGUMENTS}")
    assert found.messages == []
    assert found.columns("ts_ns", "cpu", "pid", "op", "offset") == [(*READ[columns], "load", 3)]


@pytest.mark.parametrize("columns", UNREADABLE)
def test_columns_that_cannot_be_are_an_unreadable_line(columns: str) -> None:
    for log in (columns, f"{columns} {ARGUMENTS}") if columns.endswith(":") else (columns,):
        found = Imported(log)
        assert (found.rows, found.counts.unreadable_lines) == ([], 1)
        assert found.messages[0].startswith("line 1: expected COMM-PID [CPU] FLAGS SECONDS: EVENT: …, found ")


def test_group_whose_event_is_cut_is_another_event() -> None:
    assert Imported("a-38 [001] 4.1: zreplay:load").counts.other_events == 1


# ---- lines that are no events ----


@pytest.mark.parametrize(
    ("log", "lost"),
    [
        ("CPU:7 [LOST EVENTS]", 1),
        ("CPU:7 [EVENTS DROPPED]", 1),
        ("CPU:7 [LOST 12 EVENTS]", 12),
        ("CPU:7 [58 EVENTS DROPPED]", 58),
        ("CPU:65535 [LOST 999999999999999999 EVENTS]", 999_999_999_999_999_999),
    ],
)
def test_lost_and_dropped_events_are_counted(log: str, lost: int) -> None:
    found = Imported(log)
    assert (found.counts.lost_events, found.counts.unreadable_lines) == (lost, 0)


@pytest.mark.parametrize(
    "log",
    [
        "CPU 7",
        "CPU:",
        "CPU:x [LOST EVENTS]",
        "CPU:65536 [LOST EVENTS]",
        "CPU:123456 [LOST EVENTS]",
        "CPU:7 [LOST x EVENTS]",
        "CPU:7 [LOST 12x EVENTS]",
        "CPU:7 [LOST EVENTS",
        "CPU:7 [LOST  EVENTS]",
        "CPU:7 [LOST 1000000000000000000 EVENTS]",
        "CPU:7 [ EVENTS DROPPED]",
        "CPU:7 [58 EVENTS]",
        "CPU:7 is empty",
        # Headings end like them, and hold a number.
        "cpus=",
        "cpus=x",
        "cpus=8x",
        "cpus=1234567890",
        "version = ",
        "version 7",
        "CPU  is empty",
        "CPU 7 is emptied",
        "CPU seven is empty",
    ],
)
def test_what_only_looks_like_lost_events_or_a_heading_is_unreadable(log: str) -> None:
    found = Imported(log)
    assert (found.counts.lost_events, found.counts.unreadable_lines) == (0, 1)


@pytest.mark.parametrize("log", ["cpus=8", "version = 6", "version =7", "CPU 7 is empty"])
def test_headings_of_trace_cmd_are_read_over(log: str) -> None:
    assert Imported(log).counts.unreadable_lines == 0


# ---- what follows the event ----


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"type": "0x1F", "offset": "0Xabcdef"}, (31, 0xABCDEF)),
        ({"type": "0", "offset": "0xAFaf09"}, (0, 0xAFAF09)),
        ({"type": "0", "offset": str(2**58 - 1)}, (0, 2**58 - 1)),
        ({"": "5", "unknown": "x", "type": "1", "offset": "7"}, (1, 7)),
    ],
)
def test_numbers_are_decimal_or_hexadecimal_and_other_words_are_read_over(
    arguments: dict[str, str], says: tuple[int, int]
) -> None:
    assert Imported(line("load", **arguments)).columns("type", "offset") == [says]


@pytest.mark.parametrize(
    "number",
    [
        "", "-", "x", "+1", "1.5", "0x", "0X", "0xg", "0xG", "0x@", "0x`", "0x/", "0x:", "0x11112222333344445",
        "12345678901234567890123", "18446744073709551616", "-9223372036854775809", "7\x01", "7\x7f", "7é",
    ],
)  # fmt: skip
def test_number_that_is_none_is_an_unreadable_line_that_is_shown(number: str) -> None:
    found = Imported(line("load", type=0, offset=number))
    assert (found.rows, found.counts.unreadable_lines) == ([], 1)
    shown = "".join(letter if " " <= letter < "\x7f" else "?" * len(letter.encode()) for letter in number)
    assert found.messages == [f'line 1: expected offset=…, found " type=0 offset={shown}"']


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (line("slotfree", index=2**58), "expected index= below 2^58, found "),
        (line("rw", sector=2**61, op=1), "expected sector= below 2^61, found "),
        (line("scan", nid=1024), "expected a node below 1,024, nid=, found "),
        (line("store", type=0, offset=1, node=-2), "expected a node below 1,024, node=, found "),
        (line("store_ret", ret=0, stored=-1, pool=0), "expected a count, stored=, found "),
        (line("alloc", size=9, pages=2**52 + 1), "expected a count, pages=, found "),
        (line("scan_ret", freed=-2), "expected a count, freed=, found "),
        (line("scan_ret", freed=2**31), "expected a count, freed=, found "),
    ],
)
def test_number_that_counts_more_than_there_can_be_is_an_unreadable_line(log: str, message: str) -> None:
    assert Imported(log).messages[0].startswith(f"line 1: {message}")


def test_call_is_of_no_node_or_of_one() -> None:
    """-1 is NUMA_NO_NODE, which a probe that prints an int without its sign gives as 2^32 - 1."""
    events = [("load", {"type": 0, "offset": 1, "node": node}) for node in (0, 1023, -1, 2**32 - 1)]
    assert Imported(text(*events)).columns("node") == [(0,), (1023,), (65535,), (65535,)]


# ---- whose event it is ----

FUNCTIONS = {"zswap_store": "store", "zswap_load": "load", "zs_malloc": "alloc"}


@pytest.mark.parametrize(
    ("event", "is_load"),
    [
        ("mine: (zswap_load+0x0/0x100)", True),
        ("mine: (zswap_load)", True),
        ("mine: (zswap_load+0x4/0x100)", False),  # a probe inside the function
        ("mine: (other+0x0/0x100)", False),
        ("p_zswap_load_0: (0xffffffff81234567)", True),
        ("r_zswap_load_0: (0xffffffff81234567)", False),  # its return
        ("x_zswap_load_0: (0xffffffff81234567)", False),
        ("zswap_load__return: (0xffffffff81234567)", False),
        ("zswap_load_exit: (0xffffffff81234567)", False),
        ("zswap_load: (0xffffffff81234567)", True),
        ("zswap_load: )(", True),
        ("zswap_load: (", False),
        ("_ret: (0xffffffff81234567)", False),
        ("mine: (there <- zswap_load)", False),
    ],
)
def test_event_is_known_by_the_function_it_is_a_probe_of(event: str, is_load: bool) -> None:
    found = Imported(f"a-38 [000] 4.1: {event} type=0 offset=3", functions=FUNCTIONS)
    assert found.columns("op") == ([("load",)] if is_load else [])
