"""Texts in the shapes that people have them in: each becomes the rows written here by hand, or one line that says why.

A row is ``op slot size result``: the slot as its offset, with ``type:`` in front if that is not 0; ``-`` for null. To
add a text: its file in ``inputs/``, and its line here.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest

from zreplay.__main__ import main
from zreplay.trace.files import open_trace

INPUTS = Path(__file__).parent / "inputs"

SIX = [
    *(f"store {100 + i} {1000 + 7 * i} 0" for i in range(6)),
    "load 100 - 0",
    "load 9999 - -1",
    "invalidate 100 - -",
    "invalidate 101 - -",
]
#: Six stores taken, a load that finds its page and one that does not, two invalidates.
WITHOUT_RETURNS = [" ".join([*row.split()[:3], "-"]) for row in SIX]
FOUR_OF_ZRAM = [*(f"store {50 + i} {1000 + i} 0" for i in range(4)), "invalidate 50 - -", "invalidate 51 - -"]


def folio(offset: int, size: int, pages: int = 4, result: int = 0) -> list[str]:
    """A store of several pages, whose sizes are in a row as well."""
    return [f"store {offset + i} {size + i} {result}" for i in range(pages)]


#: text → release, rows, what the warnings say (in this order)
CONVERTED: dict[str, tuple[str, list[str], list[str]]] = {
    "bool68": ("6.8.0", SIX, []),
    "bool_refused": ("6.8.0", [f"store {offset} - -12" for offset in (100, 101, 102)], []),
    # somebody's own probes, which make an errno of 6.8's boolean
    "largefolio": (
        "6.8.0",
        [
            *(row for i in range(4) for row in folio(100 + 4 * i, 1000 + 7 * i)),
            *("load 100 - 0", "load 9999 - -1"),
            *(f"invalidate {offset} - -" for offset in range(100, 108)),
        ],
        ["read as they are"],
    ),
    "folio_refused": ("6.13.0", [*folio(100, 1000, 3, -12), "store 200 500 0"], []),
    # The second page does not compress: what the four held before is taken out.
    "folio_poor": (
        "6.13.0",
        [*folio(100, 1000), "store 100 900 -12", *(f"store {offset} - -12" for offset in (101, 102, 103))],
        [],
    ),
    "folio_load": ("6.13.0", [*folio(100, 1000, 2), "load 100 - 0", "load 101 - 0"], []),
    "folio_half": ("6.13.0", folio(100, 1000, 3), ["1 pages of calls for several have no line of their own"]),
    # No probe at a return: the second folio's objects are not even seen to be used.
    "folio_hand": (
        "6.13.0",
        [f"{row[:-1]}-" for row in (*folio(100, 1000, 2), *folio(200, 300, 2))],
        ["2 calls never"],
    ),
    "size_once": (
        "6.13.0",
        [f"store {i} {'-' if i == 3 else 100 + i} 0" for i in range(8)],
        ["1 lines could not be read", "line 14: expected size= of at most a page of 4,096 bytes, found 5000"],
    ),
    "handle_as_errno": (
        "6.13.0",
        ["store 1 100 0", "load 1 - -", *(f"store {i} {100 + i} 0" for i in range(2, 8))],
        ["2 lines could not be read", "line 6: expected ret= 0 or an errno", "line 8: expected ret= 0 or 1, found -"],
    ),
    "refobj": ("6.8.0", ["store 1 100 -12"], ["read as they are"]),
    "noretmin": ("6.8.0", ["store 1 100 -"], ["1 calls never returned"]),
    "u32errno": (
        "6.1.0",
        ["store 1 100 -12", "store 2 5000 -22", "store 3 - -22"],
        ["1 lines could not be read", "line 10: expected size= of at most a page of 4,096 bytes, found 20000"],
    ),
    "negsize": (
        "6.8.0",
        ["store 100 - 0", *(f"store {101 + i} {2 + 7 * i} 0" for i in range(5)), *SIX[6:]],
        ["1 lines could not be read", "line 2: expected size= 1 to 4,096 bytes, found -5"],
    ),
    "lost": (
        "6.8.0",
        [*SIX[:2], "store 102 1014 -", *SIX[3:]],
        ["12 events lost", "1 calls never returned", "2 lines belong to no call"],
    ),
    "fault": (
        "6.8.0",
        [SIX[0], *SIX[2:9]],
        ["2 lines could not be read", "2 lines belong to no call", "3 allocations and frees", "offset=(fault)"],
    ),
    "upperhex": ("6.8.0", SIX, []),
    "kernname": ("6.8.0", SIX, []),
    "defname": ("6.8.0", SIX, []),
    "kernel_names": ("6.13.0", ["store 100 1000 0", "load 100 - 0"], []),
    "front61": ("6.1.0", [*(f"store {i} {1008 + i} 0" for i in range(3)), "invalidate 1 - -"], []),
    "hand": ("6.8.0", WITHOUT_RETURNS, ["10 calls never returned"]),
    "zh_low": ("6.8.0", FOUR_OF_ZRAM, []),
    "ztc63": ("6.3.0", FOUR_OF_ZRAM, []),
    "zbio4": ("6.8.0", [row for i in range(3) for row in folio(4 * i, 1000)], []),
    # Written, read and discarded: four pages of which the second is of one repeated word.
    "zbio_mixed": (
        "6.12.0",
        [
            *("store 0 1000 0", "store 1 0 0", "store 2 1002 0", "store 3 1003 0"),
            *(f"load {page} - 0" for page in range(4)),
            *(f"invalidate {page} - -" for page in (1, 0, 2, 3)),
        ],
        [],
    ),
    # The free of what it held tells that the second page was passed without an allocation.
    "zbio_again": (
        "6.1.0",
        [*folio(0, 1000), "store 0 900 0", "store 1 0 0", "store 2 902 0", "store 3 903 0"],
        [],
    ),
    # Nothing tells which of the first four was of one repeated word; of the two behind them, both are.
    "zbio_unsure": (
        "6.1.0",
        [
            *("store 0 1000 0", "store 1 1002 0", "store 2 1003 0", *(f"store {page} 0 0" for page in (3, 4, 5))),
            *(f"invalidate {page} - -" for page in (3, 1, 2)),
        ],
        ["1 pages of calls for several have no line of their own"],
    ),
    # From the middle of page 0 to the middle of page 3: two pages are covered whole.
    "zdiscard1": (
        "6.1.0",
        ["store 0 0 0", "store 1 501 0", "store 2 0 0", "store 3 503 0", "invalidate 2 - -", "invalidate 1 - -"],
        [],
    ),
    "twodev_minor": (
        "6.1.0",
        ["store 50 1000 0", "store 1:50 1001 0", "invalidate 50 - -", "load 1:50 - 0"],
        [],
    ),
    "twodev_devt": ("6.1.0", ["store 50 1000 0", "store 1:50 1001 0", "invalidate 50 - -"], []),
}

#: text → the error's words
REFUSED: dict[str, str] = {
    "twodev": "line 29: found a page written again whose object is not freed (2 such), expected the pages of one zram",
    "p16k": "line 2: found allocations of up to 9028 bytes, as with a page size of 16384, expected a page size of 4096",
    "p16k_pool": (
        "line 2: found allocations of up to 5028 bytes, as with a page size of 16384, expected a page size of 4096"
    ),
}


class Done(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def zreplay(*arguments: object) -> Done:
    """As typed, in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["zreplay", *map(str, arguments)]),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        pytest.raises(SystemExit) as exited,
    ):
        main()
    return Done(int(exited.value.code or 0), stdout.getvalue(), stderr.getvalue())


def converted(name: str, output: Path, *options: str, release: str = "6.8.0") -> Done:
    text = INPUTS / f"{name}.txt"
    return zreplay("convert", text, "--pool", "zsmalloc", "--kernel-release", release, "-o", output, *options)


def rows_of(trace: Path) -> list[str]:
    def word(value: object) -> str:
        return "-" if value is None else str(value)

    return [
        f"{row['op']} {str(row['type']) + ':' if row['type'] else ''}{row['offset']} {word(row['size'])} "
        f"{word(row['result'])}"
        for batch in open_trace(trace).batches()
        for row in batch.to_pylist()
    ]


@pytest.mark.parametrize("name", CONVERTED)
def test_text_becomes_the_rows_that_are_right(name: str, tmp_path: Path) -> None:
    release, rows, warnings = CONVERTED[name]
    done = converted(name, tmp_path / "t.parquet", release=release)
    assert done.exit_code == 0, done.stderr
    assert rows_of(tmp_path / "t.parquet") == rows
    said = done.stderr
    for warning in warnings:
        assert warning in said
        said = said[said.index(warning) :]
    assert warnings or not said.strip() or "read as they are" in said


@pytest.mark.parametrize("name", REFUSED)
def test_text_that_no_trace_can_be_of_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    done = converted(name, tmp_path / "t.parquet")
    assert done.exit_code == 4
    assert REFUSED[name] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", CONVERTED)
def test_what_convert_writes_every_verb_accepts(name: str, tmp_path: Path) -> None:
    """`validate` needs what the kernel answered or counted; where a text has neither, one line says so."""
    trace = tmp_path / "t.parquet"
    converted(name, trace, release=CONVERTED[name][0])
    info = zreplay("info", "--json", trace)
    assert info.exit_code == 0
    assert json.loads(info.stdout)["rows"] == len(CONVERTED[name][1])
    assert zreplay("run", trace, "-q", "-o", tmp_path / "run").exit_code == 0
    assert zreplay("run", trace, "-q", "--driven", "-o", tmp_path / "driven").exit_code == 0
    validated = zreplay("validate", trace)
    if name in ("hand", "noretmin", "folio_hand"):
        assert validated.exit_code == 4
        assert validated.stderr.count("\n") == 1
        assert "the recording lacks its return probes" in validated.stderr
    else:
        assert validated.exit_code == 0, validated.stderr


def test_refused_store_leaves_its_slot_empty_and_its_object_freed(tmp_path: Path) -> None:
    converted("refobj", tmp_path / "t.parquet")
    info = json.loads(zreplay("info", "--json", tmp_path / "t.parquet").stdout)
    assert (info["resident_peak"], info["stores_rejected"]) == (0, 1)


def test_page_size_that_is_not_modelled_is_refused_before_the_text_is_read(tmp_path: Path) -> None:
    done = converted("negsize", tmp_path / "t.parquet", "--page-size", "16384")
    assert done.exit_code == 2
    assert done.stderr == "zreplay: --page-size 16384: expected 4096: pools of other pages are not modelled\n"
    context = tmp_path / "context.txt"
    context.write_text("PAGE_SIZE=16384\n")
    done = converted("negsize", tmp_path / "t.parquet", "--context", str(context))
    assert done.exit_code == 2
    assert "page-size 16384: expected 4096" in done.stderr
    assert converted("bool68", tmp_path / "t.parquet", "--page-size", "4096").exit_code == 0


def test_pool_and_release_are_asked_for_at_once(tmp_path: Path) -> None:
    done = zreplay("convert", INPUTS / "bool68.txt", "-o", tmp_path / "t.parquet")
    assert done.exit_code == 2
    assert "give --context or --pool and --kernel-release" in done.stderr
