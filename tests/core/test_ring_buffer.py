"""Pages of the kernel's ring buffer, written by hand word by word, become the lines that trace_pipe would print."""

import struct

import pytest
from _zreplay import RingBuffer

STORE, MODE = 1500, 1501
PADDING, TIME_EXTEND, TIME_STAMP = 29, 30, 31


def record(number: int, *fields: bytes, pid: int = 38) -> bytes:
    """The common fields (type, flags, preempt count, PID), the probe's address, then the event's own."""
    data = struct.pack("<HBBi", number, 0, 0, pid) + struct.pack("<Q", 0xFFFFFFFF81000000) + b"".join(fields)
    return data + bytes(-len(data) % 4)


def event(data: bytes, delta: int = 0) -> bytes:
    words = len(data) // 4
    if words <= 28:
        return struct.pack("<I", words | delta << 5) + data
    return struct.pack("<II", 0 | delta << 5, len(data) + 4) + data


def page(ts_ns: int, *events: bytes, lost: int | None = None) -> bytes:
    """`lost` events before it; 0: some, the kernel had no room to say how many."""
    body = b"".join(events)
    flags = 0 if lost is None else 1 << 31 | (lost > 0) << 30
    head = struct.pack("<QQ", ts_ns, len(body) | flags)
    return (head + body + struct.pack("<Q", lost or 0)).ljust(4096, b"\0")


def swap(offset: int, ret: int = 0, size: int = 0) -> bytes:
    return record(STORE, struct.pack("<Qib", offset, ret, size))


@pytest.fixture
def ring():
    ring = RingBuffer()
    fields = [("swap", 16, 8, "hex"), ("ret", 24, 4, "signed"), ("nr", 28, 1, "unsigned")]
    ring.add_event(STORE, "store_ret", "zswap_store", True, fields)
    ring.add_event(MODE, "idle", "idle_store", False, [("mode", 16, 4, "string")])
    return ring


def test_line_is_that_of_trace_pipe(ring):
    ring.feed(2, page(5_000_000_000, event(swap(0x1234, -12, 7), delta=42)))
    line = "task-38 [002] ..... 5.000000042: store_ret: (caller <- zswap_store) swap=0x1234 ret=-12 nr=7\n"
    assert ring.take(2**64 - 1) == line.encode()
    assert ring.events == 1


def test_fields_are_of_one_two_four_or_eight_bytes_and_signed_or_not(ring):
    sizes = [(size, kind) for size in (1, 2, 4, 8) for kind in ("signed", "unsigned")]
    ring.add_event(
        7, "all", "f", False, [(f"{kind[0]}{size}", 16 + 8 * at, size, kind) for at, (size, kind) in enumerate(sizes)]
    )
    ring.feed(0, page(1, event(record(7, *[(2**64 - 2).to_bytes(8, "little")] * 8))))
    said = dict(word.split("=") for word in ring.take(2**64 - 1).decode().split() if "=" in word)
    assert {name: int(value) for name, value in said.items()} == {
        f"{kind[0]}{size}": -2 if kind == "signed" else 256**size - 2 for size, kind in sizes
    }


def test_string_lies_where_its_word_says(ring):
    data = record(MODE, struct.pack("<I", 20 | 5 << 16), b"huge\0")
    ring.feed(0, page(1, event(data)))
    assert ring.take(2**64 - 1) == b'task-38 [000] ..... 0.000000001: idle: (idle_store+0x0/0x0) mode="huge"\n'


def times(text: bytes) -> list[int]:
    return [round(float(line.split()[3][:-1]) * 1e9) for line in text.decode().splitlines()]


def test_times_add_up_over_extensions_and_stamps(ring):
    extension = struct.pack("<II", TIME_EXTEND | 3 << 5, 2)  # 3 + 2 · 2^27
    stamp = struct.pack("<II", TIME_STAMP | 9 << 5, 4)  # 9 + 4 · 2^27, of the clock itself
    discarded = struct.pack("<II", PADDING | 5 << 5, 12) + bytes(8)
    end = struct.pack("<I", PADDING)
    body = [event(swap(1), 10), extension, event(swap(2), 1), discarded, event(swap(3), 1), stamp, event(swap(4)), end]
    assert ring.feed(0, page(1000, *body)) == 9 + (4 << 27)
    first = 1010
    second = first + 3 + (2 << 27) + 1
    assert times(ring.take(2**64 - 1)) == [first, second, second + 5 + 1, 9 + (4 << 27)]


def test_cpus_are_merged_by_time_as_far_as_all_have_been_read(ring):
    ring.feed(0, page(100, event(swap(1)), event(swap(2), 200)))
    ring.feed(1, page(200, event(swap(3)), event(swap(4), 300)))
    assert times(ring.take(301)) == [100, 200, 300]
    assert times(ring.take(301)) == []
    ring.feed(0, page(400, event(swap(5))))
    assert times(ring.take(2**64 - 1)) == [400, 500]


def test_long_record_says_its_length_itself(ring):
    data = swap(7) + bytes(4 * 40)
    ring.feed(0, page(1, event(data), event(swap(8), 1)))
    assert [line.split()[-3] for line in ring.take(2**64 - 1).decode().splitlines()] == ["swap=0x7", "swap=0x8"]


def test_events_of_others_are_passed_over(ring):
    ring.feed(0, page(1, event(record(7, bytes(16))), event(swap(1))))
    assert ring.take(2**64 - 1).count(b"\n") == 1


@pytest.mark.parametrize(("lost", "line"), [(0, b"CPU:3 [LOST EVENTS]"), (120, b"CPU:3 [LOST 120 EVENTS]")])
def test_lost_events_are_told_where_they_are_missing(ring, lost, line):
    ring.feed(3, page(1, event(swap(1)), lost=lost))
    assert ring.take(2**64 - 1).splitlines()[0] == line


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"short", "too short for its header"),
        (struct.pack("<QQ", 0, 4000) + bytes(100), "it says to hold more than it has"),
        (page(1, struct.pack("<I", 20)[:4]), "a record ends behind it"),
        (page(1, struct.pack("<II", 0, 0), bytes(8)), "a record ends behind it"),  # it ends before it begins
    ],
)
def test_what_is_no_page_is_refused(ring, data, says):
    with pytest.raises(ValueError, match=says):
        ring.feed(0, data)
