"""What the engine's own functions say of arguments that cannot be: one line that names what was found."""

import ctypes
import os
from array import array
from collections.abc import Callable
from typing import Any

import _zreplay
import pyarrow as pa
import pytest


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.record_batch(columns)


TIMES = pa.array([1, 2], pa.int64())
WORDS = pa.array(["store", "fetch"]).dictionary_encode()
WORDS = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), WORDS.dictionary)
OPS = pa.array([0, 1], pa.int8())
CALLS = {
    "op": pa.array([0, 9], pa.uint8()),
    "type": pa.array([0, 0], pa.uint8()),
    "offset": pa.array([1, 2], pa.uint64()),
    "word": pa.array([64, 64], pa.uint64()),
}
CUT = {"rows": (0, 9), "ts_ns": (0, 9), "types": 1, "cgroups": [], "offsets": (0, 9), "sample": (1, 1)}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: learn(batch(ts_ns=TIMES.cast(pa.int32()), op=OPS)),
            TypeError,
            "column ts_ns has Arrow type i, expected l",
        ),
        (lambda: learn(batch(ts_ns=TIMES, op=WORDS)), ValueError, "unknown op 'fetch'"),
        (
            lambda: learn(batch(ts_ns=TIMES)),
            TypeError,
            "a batch of events needs the columns ts_ns (int64) and op (dictionary of strings)",
        ),
        (
            lambda: learn(batch(op=OPS)),
            TypeError,
            "a batch of events needs the columns ts_ns (int64) and op (dictionary of strings)",
        ),
        (
            lambda: _zreplay.Cut(9, **CUT).next(batch(op=OPS)),
            TypeError,
            "a batch to cut needs the column ts_ns (int64)",
        ),
        (
            lambda: sampled(batch(ts_ns=TIMES, op=OPS, more=pa.array(["a", "b"]))),
            TypeError,
            "column more has Arrow type u",
        ),
        (
            lambda: sampled(batch(ts_ns=TIMES, op=OPS, more=pa.array([0.5, 1]))),
            TypeError,
            "column more has Arrow type g",
        ),
        (lambda: _zreplay.renumbered(pa.array([1, 2], pa.int64()), [3]), TypeError, "indices: expected int32"),
        (lambda: _zreplay.Index("rbtree").apply(batch(op=CALLS["op"])), ValueError, "no column 'type'"),
        (lambda: _zreplay.Index("rbtree").apply(batch(**CALLS)), ValueError, "op 9, expected 0 to 3, in row 1"),
        (lambda: _zreplay.Replay.make(colour=1), TypeError, "no setting 'colour'"),
        (lambda: _zreplay.Replay.make(seed="one"), TypeError, "seed: cannot be 'one'"),
        (lambda: _zreplay.Replay.make(seed=-1), TypeError, "seed: cannot be -1"),
        (lambda: _zreplay.Replay.make(timing="yes"), TypeError, "timing: cannot be 'yes'"),
        (lambda: _zreplay.Replay.make(index=3), TypeError, "index: cannot be 3"),
        (lambda: _zreplay.Replay.make(cgroups=3), TypeError, "cgroups: cannot be 3"),
        (
            lambda: _zreplay.Replay.make(slot_holds="page"),
            ValueError,
            "slot_holds 'page', expected one of object, header, bits, value",
        ),
        (lambda: _zreplay.Pool("zsmalloc", sample=(1, 2, 3)), TypeError, "expected 2 items"),
        (lambda: _zreplay.FtraceImporter(0).feed("text"), TypeError, "a bytes-like object is required, not 'str'"),
        (lambda: _zreplay.parquet_pages(closed(), [(0, 8)]), OSError, "[Errno 9] Bad file descriptor"),
        (
            lambda: _zreplay.SwapSlots(AREAS | {"search": "luck"}),
            ValueError,
            "search: found luck, expected clusters_6_1, clusters_6_12 or scan",
        ),
        (lambda: _zreplay.FittedSynth({"kinds": [{"op": "fetch"}]}), ValueError, "unknown word 'fetch'"),
        (lambda: _zreplay.Conformance("tree", "rbtree", "", 0), ValueError, "kind 'tree', expected index, pool or mm"),
        (lambda: _zreplay.Conformance("mm", "mine", "", 0), ValueError, "no reclaim order 'mine'"),
        (lambda: _zreplay.Conformance("mm", "lru", "mine", 0), ValueError, "no reclaim order 'mine' to compare with"),
        (lambda: _zreplay.conformance_replay("pool\n", "zbud", bytearray(400)), ValueError, "a log of 400 bytes"),
        (
            lambda: _zreplay.conformance_replay("# nothing\n", "zbud", bytearray(1000)),
            ValueError,
            "no line of a setup, expected one such as: index words=narrow nodes=small",
        ),
    ],
)
def test_an_argument_that_cannot_be_is_named(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


AREAS: dict[str, Any] = {
    "types": 1, "area_pages": 64, "cluster_slots": 16, "search": "scan", "caches": False, "cpus": 1, "cache_slots": 64,
}  # fmt: skip


def learn(rows: pa.RecordBatch) -> None:
    _zreplay.FutureLoads().learn(rows)


def sampled(rows: pa.RecordBatch) -> None:
    _zreplay.SampledRows((1, 2, 1, 0), 10).next(rows)


def closed() -> int:
    file = os.open("/", os.O_RDONLY)
    os.close(file)
    return file


def test_a_pool_counts_what_it_refuses() -> None:
    """zbud takes no more than 62 chunks of 64 bytes; of two objects one is left when one is freed."""
    pool = _zreplay.Pool("zbud")
    assert pool.apply(array("i", [3968, 3969, 1, 4097, 0])) == (2, 2)
    with pytest.raises(IndexError):
        pool.apply(array("i", [-1]))


def test_columns_that_nobody_takes_are_let_go() -> None:
    columns = _zreplay.renumbered(pa.array([0, None], pa.int32()), [3])
    schema, array = columns.__arrow_c_array__()
    del schema, array
    assert pa.record_batch(columns).num_columns == 0  # they can be had once


def test_who_takes_one_column_lets_go_of_that_alone() -> None:
    """As the C data interface allows: whoever releases the batch then leaves that child alone."""
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsules = _zreplay.renumbered(pa.array([0, 1], pa.int32()), [3, 4]).__arrow_c_array__()
    # The words before `children` and `release` in ArrowSchema and in ArrowArray.
    for capsule, name, children, release in zip(
        capsules, (b"arrow_schema", b"arrow_array"), (5, 6), (7, 8), strict=True
    ):
        batch = ctypes.cast(address(capsule, name), ctypes.POINTER(ctypes.c_void_p))
        child = ctypes.cast(batch[children], ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(child[release])(ctypes.cast(child, ctypes.c_void_p))
        assert child[release] is None
    del capsules, capsule


def test_a_root_is_there_beside_a_reference_too() -> None:
    replay = _zreplay.Replay.make(index="rbtree", pool="zbud", verify=True)
    assert replay.index_root(0) != replay.index_root(1)


def test_a_log_keeps_the_first_steps_it_has_room_for() -> None:
    steps = "pool\n" + "".join(f"alloc key={n} size=9\n" for n in range(5))
    lengths = {}
    for bytes_given in range(400, 520, 8):
        log = bytearray(bytes_given)
        try:
            assert _zreplay.conformance_replay(steps, "zbud", log) is None
        except ValueError:
            continue
        text, last, count, _ = _zreplay.conformance_steps(log)
        assert steps.startswith(text)
        assert last == f"alloc key={count - 1} size=9"
        lengths[bytes_given] = count
    assert sorted(set(lengths.values())) == [1, 2, 3, 4, 5]
