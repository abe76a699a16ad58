"""Which kernel a text is of, and what its lines then mean: one file a family of releases."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _zreplay import FtraceImporter, sight
from ftrace_text import HANDLE, folio_stored, line, stored, text

from zreplay.errors import UsageError
from zreplay.trace import families
from zreplay.trace.context import Context
from zreplay.trace.convert import convert
from zreplay.trace.families import FAMILIES, Family, Release, family_of, told_by_probes
from zreplay.trace.files import open_trace

LAST_MINOR = {3: 19, 4: 20, 5: 19, 6: 19, 7: 9}
RELEASES = [(major, minor) for major, last in LAST_MINOR.items() for minor in range(last + 1)]
FRONTSWAP = text(*stored(7)).encode().replace(b"(store+", b"(zswap_frontswap_store+")
FOLIO = text(*folio_stored(7)).encode()
ZRAM = text(("rw", {"sector": 8, "op": 1}), ("slotfree", {"index": 1})).encode()


def family(release: Release) -> Family:
    found = family_of(FAMILIES, release)
    assert found is not None
    return found


def error_of(tmp_path: Path, log: bytes, context: Context) -> str:
    (tmp_path / "log").write_bytes(log)
    with pytest.raises(UsageError) as caught:
        convert(str(tmp_path / "log"), tmp_path / "t.parquet", context)
    assert list(tmp_path.iterdir()) == [tmp_path / "log"]
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path / 'log'}: ")


def test_every_release_since_zswap_is_of_one_family() -> None:
    for release in RELEASES:
        covering = [found for found in FAMILIES if found.model == "zswap" and found.covers(release)]
        assert len(covering) == (1 if release >= (3, 11) else 0), release


@pytest.mark.parametrize(
    ("release", "words", "packed", "boolean", "loads_errno", "loads_take", "same_filled"),
    [
        ((3, 12), "3.11 to before 6.6", False, False, False, False, True),
        ((6, 5), "3.11 to before 6.6", False, False, False, False, True),
        ((6, 6), "6.6 to before 6.12", True, True, False, True, True),
        ((6, 11), "6.6 to before 6.12", True, True, False, True, True),
        ((6, 12), "6.12 to before 6.15", True, True, False, True, False),
        ((6, 14), "6.12 to before 6.15", True, True, False, True, False),
        ((6, 15), "6.15 and later", True, True, True, True, False),
    ],
)
def test_what_a_release_answers(
    release: Release, words: str, packed: bool, boolean: bool, loads_errno: bool, loads_take: bool, same_filled: bool
) -> None:
    found = family(release)
    assert found.releases() == words
    assert found.for_engine() == {
        "packed_slots": packed,
        "taken_is_one": boolean,
        "load_is_errno": loads_errno,
        "loads_take": loads_take,
        "same_filled_in_pool": same_filled,
        "answers_errno": False,
    }


def test_engine_takes_what_every_family_says() -> None:
    for found in FAMILIES:
        FtraceImporter(0, **found.for_engine())


def test_header_is_put_in_front_where_the_allocator_evicts() -> None:
    """zbud and z3fold to 6.4, zsmalloc from 6.2 to 6.4; a pool that nobody knows: none."""
    with_header = [release for release in RELEASES if family_or_none(release, "zsmalloc")]
    assert (with_header[0], with_header[-1]) == ((6, 2), (6, 4))
    assert [release for release in RELEASES if family_or_none(release, "zbud")][-1] == (6, 4)
    assert family((6, 1)).header_of("ideal", (6, 1)) == 0


def family_or_none(release: Release, pool: str) -> int:
    found = family_of(FAMILIES, release)
    return found.header_of(pool, release) if found and found.model == "zswap" else 0


# ---- what a text gives away ----


def test_probes_tell_the_family_by_names_and_keys() -> None:
    assert [found.name for found in told_by_probes(FRONTSWAP)] == ["zswap under frontswap"]
    assert [found.since for found in told_by_probes(FOLIO)] == [(6, 6), (6, 12), (6, 15)]
    assert [found.name for found in told_by_probes(ZRAM)] == ["zram"]


def test_text_without_our_events_tells_nothing() -> None:
    assert told_by_probes(b"") == ()
    other = line("sched_switch", swap=1) + line("store_user", type=1) + line("restore", swap=1)
    assert told_by_probes(other.encode()) == ()


ZBUD = [("store", {"swap": 7}), ("alloc", {"size": 9}), ("alloc_ret", {"ret": 0}), ("map", {"handle": HANDLE})]
FREE = ("free", {"handle": HANDLE})


@pytest.mark.parametrize(
    ("events", "errno", "boolean"),
    [
        ([*ZBUD, ("store_ret", {"ret": 1})], False, True),
        ([*ZBUD, ("store_ret", {"ret": -12})], True, False),
        # 0: refused, or taken? Taken, if what was allocated stays and one page more is stored …
        ([*ZBUD, ("store_ret", {"ret": 0, "stored": 1})], True, False),
        ([*ZBUD, ("store_ret", {"ret": 0, "stored": 0})], False, False),
        ([("load_ret", {"ret": 0, "stored": 5}), *ZBUD, ("store_ret", {"ret": 0, "stored": 5})], False, False),
        ([("load_ret", {"ret": 0, "stored": 5}), *ZBUD, ("store_ret", {"ret": 0, "stored": 6})], True, False),
        ([*ZBUD, FREE, ("store_ret", {"ret": 0, "stored": 1})], False, False),
        ([ZBUD[0], ("store_ret", {"ret": 0, "stored": 1})], False, False),
        ([ZBUD[0], ("store_ret", {"ret": 0})], False, False),
        # … or, where nobody counts, if frees are seen at all, and this one is not.
        ([*ZBUD, ("store_ret", {"ret": 0})], False, False),
        ([*ZBUD, ("store_ret", {"ret": 0}), FREE], True, False),
        ([*ZBUD[:2], ("alloc_ret", {"handle": 2**64 - 12}), ("store_ret", {"ret": 0}), FREE], False, False),
        ([*ZBUD[:2], ("alloc_ret", {"ret": HANDLE}), ("store_ret", {"ret": 0}), FREE], True, False),
    ],
)
def test_how_stores_answer_shows_in_the_text(events: list[Any], errno: bool, boolean: bool) -> None:
    seen = sight(text(*events).encode(), {})
    assert (seen.stores_answer_errno, seen.stores_answer_boolean) == (errno, boolean)


def test_a_return_or_a_word_in_a_comm_is_no_call() -> None:
    """Only the argument of a call tells: a return has none, and a task may be called anything."""
    assert told_by_probes(line("store_ret", ret=1, stored=1).encode()) == ()
    assert told_by_probes(line("vmscan", comm="a: store: swap=1").encode()) == ()


def test_zram_comes_first_where_both_are() -> None:
    """A recording of zram on a machine that swaps to it has zswap's probes as well."""
    assert [found.model for found in told_by_probes(FOLIO + ZRAM)] == ["zram", "zswap", "zswap", "zswap"]


def test_release_chooses_among_those_that_the_text_can_be_of() -> None:
    candidates = told_by_probes(FOLIO)
    assert [family_of(candidates, (6, minor)) for minor in (8, 12, 18)] == list(candidates)
    assert family_of(candidates, (6, 5)) is None
    assert family_of(candidates, None) is None
    assert family_of(told_by_probes(FRONTSWAP), None) is FAMILIES[0]


def test_the_next_kernel_is_one_family_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the list has to know it."""
    last = FAMILIES[-2]
    coming = replace(last, name="the next", since=(7, 4), before=None)
    known = (*FAMILIES[:-2], replace(last, before=(7, 4)), coming, FAMILIES[-1])
    monkeypatch.setattr(families, "FAMILIES", known)
    assert family_of(told_by_probes(FOLIO), (7, 5)) is coming
    assert family_of(told_by_probes(FOLIO), (7, 3)) is known[-3]


# ---- a context that is another recording's ----


def test_context_of_a_kernel_before_folios_does_not_go_with_swap_words(tmp_path: Path) -> None:
    message = error_of(tmp_path, FOLIO, Context(pool="zsmalloc", kernel_release="6.1.0-54-amd64"))
    assert message.startswith("its probes are those of Linux ")
    assert all(words in message for words in ("6.6 to before 6.12", "6.12 to before 6.15", "6.15 and later"))
    assert message.endswith(
        "found release 6.1.0-54-amd64: is the context another recording's? "
        "--context or --kernel-release names this one's"
    )


def test_context_of_a_kernel_with_folios_does_not_go_with_types_and_offsets(tmp_path: Path) -> None:
    assert error_of(tmp_path, FRONTSWAP, Context(pool="zbud", kernel_release="6.12.115+deb12-amd64")) == (
        "its probes are those of Linux 3.11 to before 6.6, found release 6.12.115+deb12-amd64: is the context another "
        "recording's? --context or --kernel-release names this one's"
    )


def test_folio_text_without_a_release_is_not_guessed_at(tmp_path: Path) -> None:
    """zs_malloc called by name says which pool it is; nothing says which of three kernels."""
    named = FOLIO.replace(b"alloc+0x0/0x20 [module]", b"zs_malloc+0x4/0x570")
    assert error_of(tmp_path, named, Context()) == (
        "the kernel is unknown, so sizes cannot be told from what zswap adds to them; give --context or "
        "--kernel-release"
    )


def test_model_that_the_text_has_no_event_of_is_refused(tmp_path: Path) -> None:
    assert error_of(tmp_path, FOLIO, Context(model="zram")) == f"--model zram: {tmp_path / 'log'} has no event of zram"


def test_release_decides_what_a_store_without_an_allocation_was(tmp_path: Path) -> None:
    log = text(("store", {"swap": 9}), ("store_ret", {"ret": 1, "stored": 1}), *folio_stored(7, HANDLE))
    (tmp_path / "log").write_text(log)
    sizes = []
    for release in ("6.8.0", "6.12.1"):
        output = tmp_path / f"{release}.parquet"
        convert(str(tmp_path / "log"), output, Context(pool="zsmalloc", kernel_release=release))
        sizes += [batch["size"].to_pylist() for batch in open_trace(output).batches()]
    assert sizes == [[0, 1000], [None, 1000]]
