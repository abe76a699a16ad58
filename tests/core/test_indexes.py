"""Every registered swap index against a dict, with the kernel's nodes and with 4-way ones."""

import random

import _zreplay
import polars as pl
import pyarrow as pa
import pytest
from core.reference_index import (
    ERASE,
    FIND,
    INSERT,
    OFFSET_LIMIT,
    SAME_FILLED,
    UPDATE,
    ReferenceIndex,
    answers,
    batch_of,
    calls,
    node_formula,
    random_calls,
    value_word,
    wide_word,
    word,
)
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = [name for name, _ in _zreplay.index_kinds()]
SLAB_BYTES = {"radix-tag": 568, "radix-lowbit": 568, "xarray": 584, "xarray-64m": 584}


def takes(kind: str, words: str) -> bool:
    return words != "value" or _zreplay.index_positions(kind)["takes_values"]


every_index = pytest.mark.parametrize(
    ("kind", "small"),
    [(kind, small) for kind in KINDS for small in (False, True)],
    ids=lambda value: value if isinstance(value, str) else ("4-way" if value else "kernel's"),
)
every_index_and_words = pytest.mark.parametrize(
    ("kind", "small", "words"),
    [
        (kind, small, words)
        for kind in KINDS
        for words in ("narrow", "wide", "value")
        for small in (False, True)
        if takes(kind, words)
    ],
    ids=lambda value: value if isinstance(value, str) else ("4-way" if value else "kernel's"),
)
every_kind = pytest.mark.parametrize("kind", KINDS)

# Few enough that calls meet; and each power of two with its neighbours, where heights change.
offsets = st.one_of(
    st.integers(0, 20),
    st.integers(60, 70),
    st.builds(lambda bit, near: min((1 << bit) + near, OFFSET_LIMIT - 1), st.integers(0, 58), st.integers(-1, 1)),
    st.integers(0, OFFSET_LIMIT - 1),
)
# Same-filled, or a descriptor's number and what spelled() makes of it.
locations = st.one_of(st.none(), st.tuples(st.integers(1, 2**57), st.integers(0, 63)))
types = st.one_of(st.integers(0, 1), st.integers(0, 31))
call_lists = st.lists(
    st.tuples(st.sampled_from([INSERT, INSERT, FIND, ERASE, UPDATE]), types, offsets, locations),
    min_size=1,
    max_size=120,
)


def positions_of(kind: str) -> int:
    return _zreplay.index_positions(kind)["positions_64"] or 32  # entries with handles: any with bit 0 clear


def spelled(kind: str, words: str, location: tuple[int, int] | None) -> int:
    """The location as a word of that mode, its position brought into what the kind can say."""
    if location is None:
        return SAME_FILLED
    number, position = location
    if words == "narrow":
        return word(number, position % 4)
    if words == "wide":
        return wide_word(number, position % positions_of(kind))
    return value_word(number) if position % 2 else number << 6


def spelled_rows(kind: str, words: str, rows: list) -> list[tuple[int, int, int, int]]:
    return [(op, type, offset, spelled(kind, words, location)) for op, type, offset, location in rows]


def old_words(index: _zreplay.Index, batch: pa.RecordBatch, **options: object) -> list[int]:
    return pa.record_batch(index.apply(batch, **options))["old"].to_pylist()


def assert_holds(index: _zreplay.Index, reference: ReferenceIndex, kind: str, small: bool) -> None:
    index.check()
    assert index.entries == reference.entries()
    for type, tree in enumerate(reference.trees):
        offsets, words = (list(column) for column in zip(*index.items(type), strict=True)) if tree else ([], [])
        assert offsets == sorted(tree)
        assert words == [tree[offset] for offset in offsets]
    if kind in SLAB_BYTES:
        range_bits = (4 if small else 14) if kind == "xarray-64m" else 58
        assert index.nodes == reference.radix_nodes(2 if small else 6, range_bits)
        assert small or index.bytes == SLAB_BYTES[kind] * index.nodes
    if kind == "swap-table":
        cluster_bits = 2 if small else 9
        assert index.nodes == len(reference.ranges(cluster_bits))
        assert index.bytes == 8 * 2**cluster_bits * index.nodes
    if kind == "array":
        assert (index.nodes, index.bytes) == (0, 8 * index.entries)
    if kind == "rbtree":
        assert (index.nodes, index.bytes) == (index.entries, 64 * index.entries)


@every_index_and_words
@given(rows=call_lists)
@settings(max_examples=100, deadline=None)
def test_any_calls_answer_as_a_dict_and_leave_every_invariant_standing(kind, small, words, rows):
    index, reference = _zreplay.Index(kind, small, words), ReferenceIndex()
    rows = spelled_rows(kind, words, rows)
    expected = answers(
        pl.DataFrame(
            rows,
            schema=["op", "type", "offset", "word"],
            orient="row",
            schema_overrides={"offset": pl.UInt64, "word": pl.UInt64},
        ),
        reference,
    )
    assert old_words(index, calls(rows), check_every=1) == expected
    assert_holds(index, reference, kind, small)
    keys = [(type, offset) for _, type, offset, _ in rows]
    before = index.cost()
    assert index.warm(keys) == [reference.find(*key) for key in keys]
    assert index.cost() == before


@every_index
@given(rows=call_lists)
@settings(max_examples=50, deadline=None)
def test_warming_changes_no_answer_and_no_cost(kind, small, rows):
    plain, warmed = _zreplay.Index(kind, small), _zreplay.Index(kind, small)
    rows = spelled_rows(kind, "narrow", rows)
    assert old_words(plain, calls(rows)) == old_words(warmed, calls(rows), warm=True, check_every=1)
    assert plain.cost() == warmed.cost()


@every_index
def test_looking_ahead_finds_what_find_gives(kind, small):
    index = _zreplay.Index(kind, small)
    offsets = (0, 1, 2, 3, 4, 63, 64, 511, 512, 1 << 15, 1 << 23, 1 << 40)
    keys = [(type, offset) for offset in offsets for type in (0, 3)]
    assert index.warm(keys) == [0] * len(keys)
    for number, key in enumerate(keys[::3], 1):
        index.insert(*key, word(number, number % 4))
    before = index.cost()
    found = index.warm(keys)
    assert index.cost() == before
    assert found[::3] == [word(number, number % 4) for number in range(1, len(keys[::3]) + 1)]
    assert found[1::3] + found[2::3] == [0] * (len(keys) - len(keys[::3]))


@every_index_and_words
@given(keys=st.lists(offsets, unique=True, min_size=1, max_size=60), order=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_nothing_is_left_after_erasing_all_in_any_order(kind, small, words, keys, order):
    index = _zreplay.Index(kind, small, words)
    for i, offset in enumerate(keys):
        index.insert(3, offset, spelled(kind, words, (i + 1, i)))
    order.shuffle(keys)
    left = set(keys)
    for offset in keys:
        assert index.erase(3, offset)
        left.remove(offset)
        index.check()
        if kind in SLAB_BYTES and kind != "xarray-64m":
            assert index.nodes == node_formula(left, 2 if small else 6)
    assert (index.entries, index.nodes, index.bytes) == (0, 0, 0)
    cost = index.cost()
    assert cost["nodes_allocated"] == cost["nodes_freed"]


@every_index_and_words
@pytest.mark.parametrize("warm", [False, True], ids=["plain", "warmed"])
def test_a_hundred_thousand_random_calls_answer_as_a_dict(kind, small, words, warm):
    frame = random_calls(100_000, seed=1, offsets=20_000, words=words, positions=positions_of(kind))
    reference = ReferenceIndex()
    expected = answers(frame, reference)
    index = _zreplay.Index(kind, small, words)
    assert old_words(index, batch_of(frame), check_every=20_000, warm=warm) == expected
    assert_holds(index, reference, kind, small)


@every_index_and_words
@pytest.mark.parametrize("seed", range(3))
def test_short_random_calls_are_checked_one_by_one_and_cost_as_the_kernels_layout_does(kind, small, words, seed):
    """Quick, so mutants meet this one first."""
    chooser = random.Random(seed)
    bits = range(7, 17 if kind in ("table", "array") else 58, 3)  # those are as long as the greatest offset
    near = [chooser.randrange(300) for _ in range(60)] + [(1 << bit) - chooser.randrange(2) for bit in bits]
    rows = []
    for _ in range(400):
        location = None if chooser.random() < 0.2 else (chooser.randrange(1, 2**40), chooser.randrange(64))
        op = chooser.choice([INSERT, INSERT, FIND, ERASE, UPDATE])
        rows.append((op, chooser.randrange(2), chooser.choice(near), location))
    rows = spelled_rows(kind, words, rows)
    reference = ReferenceIndex()
    does = {INSERT: reference.insert, UPDATE: reference.update}
    does |= {FIND: lambda *key: reference.find(*key[:2]), ERASE: lambda *key: reference.erase(*key[:2])}
    index, laid_out = _zreplay.Index(kind, small, words), _zreplay.Index(kind, small, words, kernels_layout=True)
    expected = [does[op](*arguments) for op, *arguments in rows]
    assert old_words(index, calls(rows), check_every=1, warm=seed == 1) == expected
    assert old_words(laid_out, calls(rows), check_every=1) == expected
    assert index.cost() == laid_out.cost()
    assert_holds(index, reference, kind, small)


@every_index
def test_small_range_is_checked_after_each_of_many_calls(kind, small):
    frame = random_calls(10_000, seed=2, offsets=70)
    assert old_words(_zreplay.Index(kind, small), batch_of(frame), check_every=1) == answers(frame)


@pytest.mark.slow
def test_a_quarter_of_a_million_random_calls_answer_as_a_dict():
    frame = random_calls(250_000, seed=3, offsets=1 << 18)
    reference = ReferenceIndex()
    expected = pl.Series("old", answers(frame, reference), dtype=pl.UInt64)
    for kind in KINDS:
        for small in (False, True):
            index = _zreplay.Index(kind, small)
            old = pa.record_batch(index.apply(batch_of(frame), check_every=62_500, warm=small))["old"]
            assert pl.Series("old", old).equals(expected), f"{kind}, {small=}"
            assert_holds(index, reference, kind, small)


@every_kind
def test_types_do_not_see_each_other(kind):
    index = _zreplay.Index(kind)
    for type in range(32):
        assert index.insert(type, 7, word(type + 1)) == 0
    assert [index.find(type, 7) for type in range(32)] == [word(type + 1) for type in range(32)]
    assert index.erase(5, 7) == word(6)
    assert (index.find(5, 7), index.find(6, 7)) == (0, word(7))


@every_kind
@pytest.mark.parametrize("near_bits", [27, 28, 31, 32, 34])  # up to which the kinds find their pieces by number
def test_first_offset_beyond_the_array_of_pieces_is_found(kind, near_bits):
    """The array doubled beyond its limit; a piece above that was made in the map and looked for in the array."""
    index = _zreplay.Index(kind)
    offsets = [share * 2**near_bits // 10 for share in (6, 8, 11)]
    for number, offset in enumerate(offsets, 1):
        assert index.insert(0, offset, word(number)) == 0
    index.check()
    assert index.items(0) == [(offset, word(number)) for number, offset in enumerate(offsets, 1)]


@every_kind
@pytest.mark.parametrize("offset", [0, 1, OFFSET_LIMIT - 1])
def test_same_filled_page_is_a_location_like_any_other(kind, offset):
    index = _zreplay.Index(kind)
    assert index.insert(0, offset, SAME_FILLED) == 0
    assert index.insert(0, offset, word(9, 3)) == SAME_FILLED
    assert index.update(0, offset, SAME_FILLED) == word(9, 3)
    index.check()
    assert index.erase(0, offset) == SAME_FILLED


@every_kind
def test_values_out_of_range_are_refused_by_name(kind):
    index = _zreplay.Index(kind)
    with pytest.raises(ValueError, match="swap type 32, expected 0 to 31"):
        index.find(32, 0)
    with pytest.raises(ValueError, match=r"offset 288230376151711744, expected less than 2\^58"):
        index.find(0, OFFSET_LIMIT)
    with pytest.raises(ValueError, match="location word 17, expected bit 0 clear"):
        index.insert(0, 1, 17)
    with pytest.raises(ValueError, match="location word 4, expected bit 0 clear and a descriptor"):
        index.insert(0, 1, 4)
    with pytest.raises(KeyError):
        index.update(0, 1, 16)
    with pytest.raises(ValueError, match="op 4, expected 0 to 3, in row 1"):
        index.apply(calls([(FIND, 0, 0, 16), (4, 0, 0, 16)]))


@every_kind
def test_wide_word_of_a_position_too_many_is_refused_with_the_limit(kind):
    index = _zreplay.Index(kind, words="wide")
    limit = positions_of(kind)
    assert index.insert(0, 1, wide_word(5, limit - 1)) == 0
    assert index.find(0, 1) == wide_word(5, limit - 1)
    for wrong in (wide_word(5, limit), 0, 2):
        with pytest.raises(
            ValueError, match=f"location word {wrong}, expected 8, or a descriptor and a position below {limit}"
        ):
            index.insert(0, 1, wrong)


@every_kind
def test_only_an_index_that_takes_values_is_given_any(kind):
    if not takes(kind, "value"):
        with pytest.raises(ValueError, match=f"swap index {kind} takes no values, expected narrow or wide words"):
            _zreplay.Index(kind, words="value")
        return
    index = _zreplay.Index(kind, words="value")
    for i, fits in enumerate([value_word(1), value_word(2**63 - 1), 64, SAME_FILLED]):
        assert index.insert(0, i, fits) == 0
        assert index.find(0, i) == fits
    for wrong in (0, 1, 2, 16, 72):
        with pytest.raises(ValueError, match=f"location word {wrong}, expected 8, a value other than 0, or a pointer"):
            index.insert(0, 1, wrong)


def test_positions_a_slot_can_say_are_those_of_kernel_pointers():
    said = {kind: _zreplay.index_positions(kind) for kind in KINDS}
    assert {kind: (row["positions_64"], row["positions_32"]) for kind, row in said.items()} == {
        "rbtree": (0, 0),
        "radix-tag": (8, 8),  # three tags
        "radix-lowbit": (32, 2),  # bits 1 to 5; bit 1
        "xarray": (48, 3),  # tags 0, 1, 3, times bits 2 to 5
        "xarray-64m": (48, 3),
        "swap-table": (32, 2),
        "table": (0, 0),
        "array": (32, 2),
    }
    assert [kind for kind, row in said.items() if row["takes_values"]] == [
        "xarray",
        "xarray-64m",
        "swap-table",
        "array",
    ]
    assert [kind for kind, row in said.items() if row["is_bound"]] == ["array"]


def test_unknown_words_are_refused_with_those_there_are():
    with pytest.raises(ValueError, match="words 'long', expected narrow, wide or value"):
        _zreplay.Index("array", words="long")


def test_unknown_index_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="no swap index 'btree'; there are rbtree, radix-tag, radix-lowbit"):
        _zreplay.Index("btree")
