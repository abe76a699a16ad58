"""What the clock is held against is right: an index's answers to the stream of operations are those of a dict."""

import _zreplay
import pytest

MASK = 2**64 - 1
INDEXES = [name for name, _ in _zreplay.index_kinds()]


def sum_of_answers(entries: int, operations: int, seed: int) -> int:
    """zreplay/core/index/op_stream.h over a dict, filled first."""
    slots = 2 * entries
    bits = max(1, (slots - 1).bit_length())

    def scattered(at: int) -> int:
        while True:
            for _ in range(3):
                at ^= at >> (bits + 1) // 2
                at = (at * 0x9E3779B97F4A7C15 + 0x632BE5AB) & MASK & (1 << bits) - 1
            at ^= at >> (bits + 1) // 2
            if at < slots:
                return at

    state = seed * 2 + 1

    def drawn() -> int:
        nonlocal state
        state ^= state >> 12
        state ^= state << 25 & MASK
        state ^= state >> 27
        return state * 0x2545F4914F6CDD1D & MASK

    place = [scattered(number) for number in range(slots)]
    assert sorted(place) == list(range(slots))
    for _ in range(16):
        drawn()
    stored = {slot: number + 1 << 6 for number, slot in enumerate(place[:entries])}
    live, total = entries, 0
    for number in range(entries, entries + operations):
        random = drawn()
        percent, low = (random >> 32) * 100 >> 32, random & 0xFFFF_FFFF
        if live == 0 or (14 <= percent < 37 and live < slots):
            at = live + (low * (slots - live) >> 32)
            stored[place[at]] = number + 1 << 6
            place[at], place[live] = place[live], place[at]
            live += 1
            continue
        at = low * live >> 32
        total += stored[place[at]]
        if percent < 37:
            stored[place[at]] = number + 1 << 6
        elif percent >= 77:
            live -= 1
            del stored[place[at]]
            place[at], place[live] = place[live], place[at]
    assert len(stored) == live
    return total & MASK


@pytest.mark.parametrize("timing", [False, True])
@pytest.mark.parametrize("name", INDEXES)
def test_answers_are_those_of_a_dict(name: str, timing: bool) -> None:
    index = _zreplay.TimedIndex(name, 1000, 5, timing)
    assert (index.entries, index.sum) == (1000, 0)
    assert index.run(3_000) > 0
    index.run(1_007)
    assert index.sum == sum_of_answers(1000, 4_007, 5)


def test_number_of_entries_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match=r"entries 0, expected 1 to 2\^31 - 1"):
        _zreplay.TimedIndex("array", 0, 1)
    with pytest.raises(ValueError, match=r"entries 2147483648, expected 1 to 2\^31 - 1"):
        _zreplay.TimedIndex("array", 1 << 31, 1)
