"""The assertions of kernel-model 7.9: they hold for every design on every recording, and a broken one names itself."""

import functools
import io
from pathlib import Path
from typing import Any

import _zreplay
import pyarrow.parquet as pq
import pytest
from byhand import invalidate, load, store, trace
from core.structures import peek, poke

import zreplay
from zreplay.plugins.registry import built_in
from zreplay.replay.batches import COLUMNS
from zreplay.replay.config import Config
from zreplay.replay.designs import DESIGNS
from zreplay.replay.replaying import make_replay
from zreplay.trace.files import open_trace

TRACES = sorted((Path(__file__).parents[2] / "traces").glob("*.parquet"))
EXCERPT_ROWS = 10_000
ROWS_UNTIL_WRITTEN_BACK = 20_000  # of one recording, where something is at its latest by then, whatever the design
ROWS_WITHOUT_LIMIT = 8_000  # where each check walks some thousand pages, not 300

each_design = pytest.mark.parametrize("design", DESIGNS)
each_recording = pytest.mark.parametrize("recording", TRACES, ids=lambda path: path.stem)


@pytest.mark.slow
@each_recording
@each_design
def test_all_assertions_hold_at_every_thousandth_event(tmp_path, recording, design):
    config = Config(trace=recording, out=tmp_path / "run", design=design, check_every=1000, cma_every=10_007)
    assert zreplay.run(config).summary()["events"] > 0


@functools.cache
def cut(recording: Path, first_row: int, rows: int) -> bytes:
    of_file = pq.read_metadata(recording).metadata
    metadata = {key: value for key, value in of_file.items() if key.startswith(b"zreplay.")}
    written = io.BytesIO()
    pq.write_table(pq.read_table(recording).slice(first_row, rows).replace_schema_metadata(metadata), written)
    return written.getvalue()


@pytest.fixture(scope="module")
def excerpt(tmp_path_factory) -> Path:
    """Stores, loads, invalidates and eight compactions, all sizes known."""
    recording = next(path for path in TRACES if path.stem == "linux-6.1-zsmalloc-g++")
    path = tmp_path_factory.mktemp("trace") / "excerpt.parquet"
    path.write_bytes(cut(recording, 120_000, 1500))
    return path


@pytest.mark.slow
@each_recording
@each_design
def test_all_assertions_hold_at_every_event_of_an_excerpt(tmp_path, recording, design):
    middle = pq.read_metadata(recording).num_rows // 2
    writes_back = recording.stem == "linux-6.1-zsmalloc-g++"
    rows = ROWS_WITHOUT_LIMIT if design == "two-index" else EXCERPT_ROWS
    rows = ROWS_UNTIL_WRITTEN_BACK if writes_back else rows
    excerpt = tmp_path / "excerpt.parquet"
    excerpt.write_bytes(cut(recording, middle - rows // 2, rows))
    # A limit of 300 pages, where the design has one: full from early on.
    options = {"check_every": 1, "cma_every": 97, "totalram_pages": 1500, "max_pool_percent": 20, "mm_load": "none"}
    summary = zreplay.run(Config(trace=excerpt, out=tmp_path / "run", design=design, **options)).summary()
    assert summary["events"] == rows
    if writes_back:
        assert summary["written_back_pages"] + summary["writebacks_failed"] > 0 or DESIGNS[design].is_bound


@pytest.mark.parametrize("driven", [False, True], ids=["predicted", "driven"])
@pytest.mark.parametrize("pool", ["zbud", "z3fold", "zsmalloc"])
@pytest.mark.parametrize("index", built_in("index"))
def test_all_assertions_hold_for_every_index_over_every_pool(tmp_path, excerpt, index, pool, driven):
    options = {"totalram_pages": 300, "movable": True, "cma_every": 31, "check_every": 1}
    zreplay.run(Config(trace=excerpt, out=tmp_path / "run", index=index, pool=pool, driven=driven, **options))


# --- mutations: one word changed behind the engine's back ---

#: Slots 1 to 4: two pages of two buddies, all in one leaf. 5: a page of its own. 6: was there, and is not.
EVENTS = [*(store(slot, 1000) for slot in (1, 2, 3, 4)), store(5, 3000), store(6, 2000), load(1), invalidate(6)]
SLOTS, TAGS = 24, 24 + 8 * 64  # of a radix node
STAMP, PLACE, ID, SIZES, REFERENCES = 16, 20, 24, 28, 31  # of a zbud page, which begins with its entries
MM_LRU_NEXT = 8  # of a page of the memory manager's


class Fed:
    """A replay of EVENTS that can be looked into."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        path = trace(tmp_path / "t.parquet", EVENTS)
        opened = open_trace(path)
        self.replay = make_replay(Config(trace=path, out=tmp_path / "r", **options).resolved(opened.metadata))
        for batch in opened.batches(columns=COLUMNS):
            self.replay.feed(batch)
        self.replay.check()

    def leaf(self, root: int) -> int:
        """The only node of a tree of height 1."""
        height, _, first = peek(root, "IIQ")
        assert height == 1
        return first - 1

    @property
    def node(self) -> int:
        return self.leaf(self.replay.index_root(0))

    def slot(self, offset: int) -> int:
        return self.node + SLOTS + 8 * offset

    def word(self, offset: int) -> int:
        return int(peek(self.slot(offset), "Q")[0])

    def page(self, offset: int) -> int:
        return self.word(offset) & ~0xF

    def mm_page(self, number: int) -> int:
        return int(peek(self.leaf(self.replay.mm_root(0)) + SLOTS + 8 * number, "Q")[0])

    def change(self, address: int, format: str, *words: int) -> None:
        poke(address, format, *words)


def swap_slots(fed: Fed) -> None:
    one, three = fed.word(1), fed.word(3)
    fed.change(fed.slot(1), "Q", three)
    fed.change(fed.slot(3), "Q", one)


def flip(fed: Fed, address: int, bit: int) -> None:
    fed.change(address, "Q", peek(address, "Q")[0] ^ 1 << bit)


LOWBIT, TAG, V3, TWO = ({"design": name} for name in ("radix-lowbit", "radix-tag", "zbud-v3", "two-index"))


@pytest.mark.parametrize(
    ("options", "break_it", "message"),
    [
        # slots
        (LOWBIT, swap_slots, "assertion 1: .*page 0, type 0, offset 1"),
        (LOWBIT, lambda fed: fed.change(fed.slot(1), "Q", 8), "assertion 1: .*offset 1: found 8"),
        (TAG, swap_slots, "assertion 1: .*page 0, type 0, offset 1"),
        (V3, swap_slots, "assertion 1: .*page 0, type 0, offset 1"),
        (LOWBIT, lambda fed: flip(fed, fed.slot(2), 1), "assertion 5: .*page 0, type 0, offset 2"),
        (LOWBIT, lambda fed: flip(fed, fed.slot(2), 0), "assertion 5: .*bit 0.* offset 2"),
        (LOWBIT, lambda fed: flip(fed, fed.slot(7), 40), "assertion 8: .*count"),
        # tags: with and without the OR above it still holding
        (TAG, lambda fed: flip(fed, fed.node + TAGS, 2), "assertion 4: .*page 0, type 0, offset 2"),
        (TAG, lambda fed: flip(fed, fed.node + TAGS, 1), "assertion 4: .*page 0, type 0, offset 1"),
        (TAG, lambda fed: flip(fed, fed.node + TAGS + 8, 1), "assertion 4: .*root's tags"),
        (LOWBIT, lambda fed: flip(fed, fed.node + TAGS, 1), "assertion 4: .*root's tags"),
        # a tree's own books
        (
            LOWBIT | {"timing": True},
            lambda fed: fed.change(fed.node + 4, "I", 3),
            "assertion 8: .*count.*found 3, expected 5",
        ),
        # pages: what the header says, who refers to it, where it is listed
        (LOWBIT, lambda fed: fed.change(fed.page(1), "Q", 77), "assertion 2: .*page 0, type 0, offset 77"),
        (LOWBIT, lambda fed: fed.change(fed.page(1), "Q", 3), "assertion 1: .*page 0, type 0, offset 3"),
        (LOWBIT, lambda fed: fed.change(fed.page(1) + REFERENCES, "B", 1), "assertion 10: .*page 0.*found 1"),
        (LOWBIT, lambda fed: flip(fed, fed.page(1) + SIZES, 9), "assertion 12: buddied pages by free chunks"),
        (LOWBIT, lambda fed: flip(fed, fed.page(1) + SIZES, 0), "assertion 12: asked bytes"),
        (LOWBIT, lambda fed: fed.change(fed.page(5) + STAMP, "I", 0), "assertion 12: .* in use has a stamp: page 2"),
        (LOWBIT, lambda fed: fed.change(fed.page(3) + STAMP, "I", 99), "assertion 7: .*stamp.*page 1.*found 99"),
        (LOWBIT, lambda fed: fed.change(fed.page(5) + PLACE, "I", 7), "assertion 12: .*place: page 2.*found 7"),
        # the memory manager's index
        (
            TWO,
            lambda fed: fed.change(fed.mm_page(1) + MM_LRU_NEXT, "Q", 0),
            "assertion 9: the LRU's links meet: page 1, type 0, offset [34]",
        ),
        (TWO, lambda fed: fed.change(fed.mm_page(0) + 8, "Q", fed.mm_page(1)), "assertion 9: the LRU's links meet"),
        (
            TWO,
            lambda fed: fed.change(fed.leaf(fed.replay.mm_root(0)) + SLOTS, "Q", fed.mm_page(1)),
            "assertion 9: M.page's number. is the page: page 0, type 0, offset [12]",
        ),
        (
            TWO,
            lambda fed: flip(fed, fed.leaf(fed.replay.mm_root(0)) + TAGS, 1),
            "assertion 9: a page is dirty, or under writeback: page 1, type 0, offset [34]",
        ),
    ],
)
def test_one_changed_word_is_caught_by_its_assertion_and_named(tmp_path, options, break_it, message):
    fed = Fed(tmp_path, **options)
    break_it(fed)
    with pytest.raises(_zreplay.CheckFailed, match="after event 8: .*" + message):
        fed.replay.check()


#: The latest: slots of an xarray's leaf name entries (object at byte 24, LRU at 40), which name handle cells.
XA_SLOTS, OBJECT, ENTRY_LRU_NEXT, HANDLE_INDEX = 40, 24, 48, 12


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda fed, leaf: poke(leaf + 8, "QQ", *peek(leaf + 8, "QQ")[::-1]), "assertion 1: .*offset [12]"),
        (lambda fed, leaf: poke(peek(leaf + 40, "Q")[0] + ENTRY_LRU_NEXT, "Q", 0), "assertion 9: the LRU's links meet"),
        (
            lambda fed, leaf: poke(peek(leaf + 8, "Q")[0], "Q", 99),
            "assertion 2: an entry is named by its slot.*offset 99",
        ),
        (
            lambda fed, leaf: poke(peek(peek(leaf + 8, "Q")[0] + OBJECT, "Q")[0] + HANDLE_INDEX, "H", 7),
            "assertion 2: a handle names the object that names it: page .* offset 1: found 7",
        ),
    ],
)
def test_one_changed_word_of_the_latest_is_caught_and_named(tmp_path, break_it, message):
    # Exclusive loads: 1 would have gone with its load.
    fed = Fed(tmp_path, design="xarray", exclusive_loads=False)
    (_, head) = peek(fed.replay.index_root(0), "QQ")
    break_it(fed, head - 2 + XA_SLOTS)
    with pytest.raises(_zreplay.CheckFailed, match="after event 8: " + message):
        fed.replay.check()


def test_a_broken_replay_ends_with_the_event_and_the_assertion(tmp_path):
    fed = Fed(tmp_path, design="radix-lowbit", check_every=3)
    swap_slots(fed)
    batch = next(open_trace(trace(tmp_path / "more.parquet", [load(9), load(9), load(9)])).batches(columns=COLUMNS))
    with pytest.raises(_zreplay.CheckFailed, match="after event 9: assertion 1"):
        fed.replay.feed(batch)
