"""A batch's rows, decoded sixteen at a time for all replays, are those that a row by itself is."""

import random

import _zreplay
import pyarrow as pa
import pytest

WORDS = ["invalidate", "load", "store", "compact"]  # not in the engine's order
SLOT_OPS = ("store", "load", "invalidate")


def some_rows(count: int) -> pa.RecordBatch:
    """Random rows over few slots, with sizes left out, same-filled ones, and one that no page can have."""
    chance = random.Random(7)
    ops = [chance.choices(SLOT_OPS, (5, 3, 2))[0] if chance.random() < 0.97 else "compact" for _ in range(count)]
    slots = [(chance.randrange(3), chance.randrange(40)) if op in SLOT_OPS else (None, None) for op in ops]
    sizes = [chance.choice((None, 0, 1, 64, 1500, 4096, 2**31 + 5)) if op == "store" else None for op in ops]
    codes = pa.array([WORDS.index(op) for op in ops], pa.int8())
    return pa.record_batch(
        {
            "ts_ns": pa.array(range(0, 1000 * count, 1000), pa.int64()),
            "op": pa.DictionaryArray.from_arrays(codes, pa.array(WORDS)),
            "type": pa.array([type_ for type_, _ in slots], pa.uint8()),
            "offset": pa.array([offset for _, offset in slots], pa.uint64()),
            "size": pa.array(sizes, pa.uint32()),
        }
    )


def answers(batches: list[object], **settings: object) -> tuple[object, list[dict[str, object]]]:
    replay = _zreplay.Replay.make(index="radix-lowbit", pool="zsmalloc", missing_size="reject", **settings)
    for batch in batches:
        replay.feed(batch)
    replay.finish()
    return replay.counters(), [{**row, "total_ns": None} for row in replay.operations()]


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 17, 1003])
@pytest.mark.parametrize("offset", [0, 3])
@pytest.mark.parametrize("look_above_bytes", [0, 2**63], ids=["looked ahead", "not"])
def test_rows_of_a_batch_are_what_each_is_by_itself(rows, offset, look_above_bytes):
    batch = some_rows(rows + offset).slice(offset)  # a bitmap that does not begin with a byte
    one_by_one = [batch.slice(row, 1) for row in range(rows)]

    decoded = answers([_zreplay.DecodedBatch(batch)], look_above_bytes=look_above_bytes)

    assert decoded == answers([batch], look_above_bytes=look_above_bytes)
    # With all that is observed, events are read from the columns one by one.
    assert decoded == answers(one_by_one, observe=True)
    assert decoded[0]["events"] == rows


def test_several_replays_of_a_decoded_batch_are_those_of_the_columns():
    batch = some_rows(500)
    held = _zreplay.DecodedBatch(batch)

    assert held.batch is batch
    assert held.num_rows == 500
    assert answers([held]) == answers([held]) == answers([batch])


def test_what_is_no_batch_of_events_is_refused_before_a_replay_sees_it():
    with pytest.raises(TypeError, match="needs the columns ts_ns"):
        _zreplay.DecodedBatch(pa.record_batch({"size": pa.array([1], pa.uint32())}))
