"""The importer over texts that no kernel wrote: rows that every reader takes, or one error; all else is counted."""

import re
from pathlib import Path
from typing import Any

from _zreplay import find_bad_row
from ftrace_text import HANDLE, Imported, text
from hypothesis import given, settings
from hypothesis import strategies as st

from zreplay.errors import TraceError, UsageError
from zreplay.trace.context import Context
from zreplay.trace.convert import convert
from zreplay.trace.families import FAMILIES, FUNCTIONS, family_of, told_by_probes
from zreplay.trace.files import open_trace

Event = tuple[str, dict[str, Any]]

NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 7, 8, 100, 4095, 4096, 4097, 8193, 16384, 65537, -1, -5, -12, -4095, -4096]),
    st.sampled_from([2**31, 2**32 - 12, 2**32, 2**58 - 1, 2**58, 2**63 - 1, 2**63, 2**64 - 12, HANDLE]),
    st.integers(-(2**63), 2**64 - 1),
)
HANDLES = st.integers(0, 40).map(lambda number: HANDLE + 64 * number)
SIZES = st.integers(1, 4096) | NUMBERS
GARBAGE = st.sampled_from(["(fault)", "", "0x", "0xfffffffffffffffff", "99999999999999999999", "1e3", "-", "x"])
KEYS = ["type", "offset", "size", "handle", "ret", "stored", "pool", "pages", "freed", "page", "op", "sector", "index"]
KEYS += ["swap", "referenced", "nr", "cgroup", "node", "nid", "dev", "zspage", "free", "full", "unknown"]
EVENTS = ["store", "load", "map", "alloc", "locked", "invalidate", "free", "visit", "rw", "slotfree", "writeback"]
EVENTS += ["shrink", "scan", "migrate", "compact", "slot", "zwriteback", "bio", "invalidate_area", "other"]
RELEASES = [(3, 12), (6, 1), (6, 3), (6, 8), (6, 12), (6, 13), (6, 18)]


@st.composite
def folios(draw: st.DrawFn, packed: bool) -> list[Event]:
    """A store of a folio of up to eight pages, taken or refused at any of them, as a kernel's lines are."""
    offset = draw(st.integers(0, 20))
    slot = {"swap": offset} if packed else {"type": 0, "offset": offset}
    events: list[Event] = [("store", slot)]
    given_out = []
    for _ in range(draw(st.sampled_from([0, 1, 2, 4, 8]))):
        events.append(("alloc", {"size": draw(st.integers(1, 4096))}))
        if draw(st.integers(0, 9)) == 0:
            events.append(("alloc_ret", {"ret": -12}))
            break
        given_out.append(draw(HANDLES))
        events.append(("alloc_ret", {"handle": given_out[-1]}))
    taken = draw(st.booleans())
    if not taken:
        events += [("free", {"handle": handle}) for handle in given_out]
    return [*events, ("store_ret", {"ret": draw(st.sampled_from([0, 1, -12])) if not taken else int(packed)})]


@st.composite
def bios(draw: st.DrawFn) -> list[Event]:
    """zram over a bio of up to eight pages: a read, a write, a discard."""
    sector = 8 * draw(st.integers(0, 20))
    op = draw(st.sampled_from([0, 1, 3, 9, 0x8801]))
    events: list[Event] = [("bio", {"sector": sector, "op": op, "size": 4096 * draw(st.integers(0, 8))})]
    for _ in range(draw(st.integers(0, 9))):
        events.append(
            draw(
                st.sampled_from(
                    [
                        ("alloc", {"size": draw(st.integers(1, 4096))}),
                        ("alloc_ret", {"handle": draw(HANDLES)}),
                        ("slot", {"index": sector // 8 + draw(st.integers(0, 8))}),
                        ("free", {"handle": draw(HANDLES)}),
                        ("map", {"handle": draw(HANDLES)}),
                    ]
                )
            )
        )
    return events


@st.composite
def garbage(draw: st.DrawFn) -> list[Event]:
    """An event with any keys of any values."""
    values = draw(st.dictionaries(st.sampled_from(KEYS), NUMBERS | GARBAGE | SIZES, max_size=6))
    name = draw(st.sampled_from(EVENTS)) + draw(st.sampled_from(["", "_ret"]))
    return [(name, {key: value if isinstance(value, str) else int(value) for key, value in values.items()})]


def written(events: list[list[Event]], where: list[tuple[int, int]]) -> str:
    """Their lines, each group of a task on a CPU. Handles that are not numbers are written as they are."""
    lines = []
    for group, (pid, cpu) in zip(events, where, strict=False):
        for name, values in group:
            words = " ".join(f"{key}={value}" for key, value in values.items())
            probe = f"(caller+0x1/0x2 <- {name[:-4]})" if name.endswith("_ret") else f"({name}+0x0/0x20)"
            us = len(lines)
            lines.append(f"          task-{pid}     [{cpu:03}] d..1.     4.{us:06}: {name}: {probe} {words}\n")
    return "".join(lines)


@st.composite
def texts(draw: st.DrawFn) -> str:
    packed = draw(st.booleans())
    groups = draw(st.lists(folios(packed) | bios() | garbage(), min_size=1, max_size=25))
    where = [(draw(st.integers(1, 3)), draw(st.integers(0, 1))) for _ in groups]
    return written(groups, where)


def families() -> st.SearchStrategy[dict[str, Any]]:
    """The families of all releases, and each as somebody's own probes may print it."""
    return st.builds(
        lambda family, packed, errno: {**family.for_engine(), "packed_slots": packed, "answers_errno": errno},
        st.sampled_from(FAMILIES),
        st.booleans(),
        st.booleans(),
    )


@given(texts(), families(), st.sampled_from([0, 8]), st.sampled_from([None, 1, 7]))
def test_any_text_becomes_rows_that_every_reader_takes(
    log: str, family: dict[str, Any], header_bytes: int, chunk_bytes: int | None
) -> None:
    found = Imported(log, header_bytes=header_bytes, chunk_bytes=chunk_bytes, functions=FUNCTIONS, **family)
    assert find_bad_row(found.batch, 0) is None
    for message in [*found.messages, *([found.contradiction] if found.contradiction else [])]:
        assert re.match(r"line [\d,]+: \S", message)
        assert "\n" not in message


@given(texts(), families())
def test_rows_do_not_depend_on_where_the_text_is_cut(log: str, family: dict[str, Any]) -> None:
    assert Imported(log, **family).rows == Imported(log, chunk_bytes=11, **family).rows


@given(texts(), families())
def test_every_store_and_allocation_is_in_a_row_or_a_count(log: str, family: dict[str, Any]) -> None:
    """A store line begins a row, an allocation is in one: or it is counted, or said."""
    found = Imported(log, **family)
    if found.contradiction:
        return
    counts = found.counts
    lines = log.splitlines()
    begun = sum(": store: " in line for line in lines)
    asked = sum(": alloc: " in line for line in lines)
    stores = [row for row in found.rows if row["op"] == "store"]
    said = counts.unreadable_lines + counts.unpaired_lines + counts.spoiled_lines
    assert begun <= len(stores) + said
    # An allocation that was asked for again, after it had failed, is of the same page.
    again = sum(": alloc_ret: " in line and "handle=" not in line for line in lines)
    unanswered = asked - sum(": alloc_ret: " in line for line in lines)
    assert asked <= len(stores) + said + again + max(unanswered, 0)


@st.composite
def whole_folios(draw: st.DrawFn) -> tuple[str, list[int], list[int]]:
    """Folios one behind the other, each taken or refused; how many pages were taken and how many refused, of each."""
    groups, taken_pages, refused_pages = [], [], []
    offset = handle = 0
    for pages in draw(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=12)):
        taken = draw(st.booleans())
        group: list[Event] = [("store", {"swap": offset})]
        for page in range(pages):
            group += [("alloc", {"size": 100 + page}), ("alloc_ret", {"handle": HANDLE + 64 * (handle + page)})]
        if not taken:
            group += [("free", {"handle": HANDLE + 64 * (handle + page)}) for page in range(pages)]
        groups.append([*group, ("store_ret", {"ret": int(taken)})])
        (taken_pages if taken else refused_pages).extend(range(offset, offset + pages))
        offset, handle = offset + pages, handle + pages
    return written(groups, [(1, 0)] * len(groups)), taken_pages, refused_pages


@given(whole_folios())
def test_folio_is_taken_or_refused_with_all_its_pages(given_text: tuple[str, list[int], list[int]]) -> None:
    log, taken, refused = given_text
    family = family_of(FAMILIES, (6, 13))
    assert family is not None
    found = Imported(log, header_bytes=0, **family.for_engine())
    stores = found.columns("offset", "result")
    assert [offset for offset, result in stores if result == 0] == taken
    assert [offset for offset, result in stores if result == -12] == refused
    counts = found.counts
    assert (counts.unreadable_lines, counts.unpaired_lines, counts.open_calls, counts.unsure_pages) == (0, 0, 0, 0)


def test_a_page_begun_by_an_unreadable_line_has_its_time_and_no_row_after_it_an_earlier_one() -> None:
    """Found by the test above: the bio's second page begins at an allocation that cannot be read. Its third, told only
    by the text's end, had the time of the last readable line, which is before."""
    lines = [
        "task-2 [000] d..1. 4.000006: bio: (bio+0x0/0x20) sector=0 op=1 size=12288",
        "task-2 [000] d..1. 4.000007: slot: (slot+0x0/0x20) index=0",
        "task-2 [000] d..1. 4.000013: alloc: (alloc+0x0/0x20) ",
    ]
    log = "".join(f"          {line}\n" for line in lines)
    for header_bytes in (0, 8):
        assert find_bad_row(Imported(log, header_bytes=header_bytes, functions=FUNCTIONS).batch, 0) is None


@settings(max_examples=40, deadline=None)
@given(texts(), st.sampled_from(RELEASES))
def test_conversion_is_a_trace_or_one_error(tmp_path_factory: Any, log: str, release: tuple[int, int]) -> None:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    (folder / "log").write_text(log)
    output = folder / "t.parquet"
    context = Context(pool="zsmalloc", kernel_release=f"{release[0]}.{release[1]}.0")
    try:
        convert(str(folder / "log"), output, context, allow_partial=True)
    except (TraceError, UsageError) as error:
        assert "\n" not in str(error)
        assert not output.exists()
    else:
        assert sum(batch.num_rows for batch in open_trace(output).batches()) > 0


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=300))
def test_any_words_are_looked_at_without_a_crash(words: str) -> None:
    log = (words + "\n" + text(("store", {"swap": 1}))).encode()
    assert Imported(log).counts.lines >= 1
    told_by_probes(log)
