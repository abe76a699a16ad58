"""What a swap index must answer, in the slow and obvious way: a dict for each of the 32 types."""

import random
from collections.abc import Iterable, Sequence

import polars as pl
import pyarrow as pa

SAME_FILLED = 8
OFFSET_LIMIT = 1 << 58
INSERT, FIND, ERASE, UPDATE = range(4)


def word(descriptor: int, position: int = 0) -> int:
    """The location word of the position (0 to 3) in the descriptor of that number (from 1: 0 is no address)."""
    return descriptor << 4 | position << 1


def wide_word(descriptor: int, position: int = 0) -> int:
    """The wide location word of the position (0 to 63) in the descriptor of that number, a multiple of 64."""
    return descriptor << 6 | (position & 31) << 1 | position >> 5


def value_word(payload: int) -> int:
    """The word of the value entry with that payload (from 1: payload 0 is the same-filled page's)."""
    return payload << 1 | 1


def node_formula(offsets: Iterable[int], bits: int) -> int:
    """Nodes of a radix tree holding these offsets: Σ over k = 1..h of |{o >> bits·k}|, h the least that reaches."""
    keys = set(offsets)
    height = -(-max(keys, default=0).bit_length() // bits)
    return sum(len({offset >> bits * k for offset in keys}) for k in range(1, height + 1))


class ReferenceIndex:
    def __init__(self) -> None:
        self.trees: list[dict[int, int]] = [{} for _ in range(32)]

    def insert(self, type: int, offset: int, word: int) -> int:
        old = self.trees[type].get(offset, 0)
        self.trees[type][offset] = word
        return old

    def find(self, type: int, offset: int) -> int:
        return self.trees[type].get(offset, 0)

    def erase(self, type: int, offset: int) -> int:
        return self.trees[type].pop(offset, 0)

    def update(self, type: int, offset: int, word: int) -> int:
        return self.insert(type, offset, word) if offset in self.trees[type] else 0

    def entries(self) -> int:
        return sum(map(len, self.trees))

    def ranges(self, range_bits: int) -> list[set[int]]:
        """The offsets of each range of 2^range_bits slots that has an entry, over all types."""
        ranges: dict[tuple[int, int], set[int]] = {}
        for type, tree in enumerate(self.trees):
            for offset in tree:
                ranges.setdefault((type, offset >> range_bits), set()).add(offset)
        return list(ranges.values())

    def radix_nodes(self, bits: int, range_bits: int = 58) -> int:
        return sum(node_formula(offsets, bits) for offsets in self.ranges(range_bits))


def calls(rows: Iterable[tuple[int, int, int, int]]) -> pa.RecordBatch:
    """A batch for Index.apply from rows of (op, type, offset, word)."""
    op, type, offset, location = zip(*rows, strict=True)
    return pa.record_batch(
        {
            "op": pa.array(op, pa.uint8()),
            "type": pa.array(type, pa.uint8()),
            "offset": pa.array(offset, pa.uint64()),
            "word": pa.array(location, pa.uint64()),
        }
    )


def stores(offsets: Sequence[int]) -> pa.RecordBatch:
    """A batch for Index.apply that stores a same-filled page at each offset of type 0."""
    rows = len(offsets)
    return pa.record_batch(
        {
            "op": pa.repeat(pa.scalar(INSERT, pa.uint8()), rows),
            "type": pa.repeat(pa.scalar(0, pa.uint8()), rows),
            "offset": pa.array(offsets, pa.uint64()),
            "word": pa.repeat(pa.scalar(SAME_FILLED, pa.uint64()), rows),
        }
    )


def random_calls(
    count: int, seed: int, offsets: int, types: int = 2, words: str = "narrow", positions: int = 4
) -> pl.DataFrame:
    """Random calls over offsets 0..offsets-1: half of them stores, a quarter of those of same-filled pages."""
    noise = pl.from_arrow(
        pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(random.Random(seed).randbytes(8 * count))])
    )
    bits = pl.Series("bits", noise)
    number, other = bits // 2**42 % 2**20 + 1, bits // 2**36 % positions
    word = {
        "narrow": number * 16 + bits // 2**62 * 2,
        "wide": number * 64 + other % 32 * 2 + other // 32,
        "value": pl.select(pl.when(bits // 2**62 % 2 == 0).then(number * 64).otherwise(number * 2 + 1)).to_series(),
    }[words]
    return pl.select(
        op=(bits % 8).replace_strict(
            [0, 1, 2, 3, 4, 5, 6, 7], [INSERT] * 4 + [FIND, ERASE, ERASE, UPDATE], return_dtype=pl.UInt8
        ),
        type=(bits // 2**3 % types).cast(pl.UInt8),
        offset=bits // 2**8 % offsets,
        word=pl.when(bits // 2**40 % 4 == 0).then(SAME_FILLED).otherwise(word).cast(pl.UInt64),
    )


def batch_of(frame: pl.DataFrame) -> pa.RecordBatch:
    return frame.to_arrow().combine_chunks().to_batches()[0]


def answers(frame: pl.DataFrame, reference: ReferenceIndex | None = None) -> list[int]:
    """What each call of the frame must give."""
    reference = reference or ReferenceIndex()
    does = [
        reference.insert,
        lambda t, o, _: reference.find(t, o),
        lambda t, o, _: reference.erase(t, o),
        reference.update,
    ]
    return [does[op](type, offset, location) for op, type, offset, location in frame.iter_rows()]
