"""What the conformance suite says of what only a plugin in C can give: wrong.c has each, by name."""

from pathlib import Path

import pytest
from plugin.verdicts import replayed

ONE = "index; insert key=1 value=64"


@pytest.mark.parametrize(
    ("name", "steps", "of", "message"),
    [
        (
            "finds-zero",
            ONE,
            "answers",
            "find() of type 0, offset 1 gave 0 and location 0, expected 0 and a location, or −2",
        ),
        (
            "finds-error",
            ONE,
            "answers",
            "find() of type 0, offset 1 gave −5 and location 0, expected 0 and a location, or −2",
        ),
        (
            "erases-zero",
            f"{ONE}; erase key=1",
            "answers",
            "erase() of type 0, offset 1 gave 0 and location 0, expected 0 and the location, or −2",
        ),
        (
            "erases-error",
            f"{ONE}; erase key=1",
            "answers",
            "erase() of type 0, offset 1 gave −5 and location 0, expected 0 and the location, or −2",
        ),
        (
            "moves-zero",
            f"{ONE}; move key=1",
            "move",
            "move() of type 0, offset 1 gave 0 and location 0, expected 0 and the location that was there",
        ),
        (
            "moves-error",
            f"{ONE}; move key=2",
            "move",
            "move() of type 0, offset 2, which is not there, gave −71, expected −ENOENT",
        ),
        (
            "moves-number",
            f"{ONE}; move key=2",
            "move",
            "move() of type 0, offset 2, which is not there, gave 7, expected −ENOENT",
        ),
        (
            "creates-once",
            "index; create_without_memory",
            "out-of-memory",
            "create() gave −EIO, expected 0 or, allocation 1 failing, −ENOMEM",
        ),
        (
            "creates-once-for-want-of-memory",
            "index; create_without_memory",
            "out-of-memory",
            "create() gave −ENOMEM, expected 0 or, allocation 1 failing, −ENOMEM",
        ),
        (
            "inserts-or-erases",
            f"{ONE}; insert_without_memory key=1 value=128",
            "out-of-memory",
            "after insert() of type 0, offset 1 gave −ENOMEM find() gave location 0, expected 64 as before",
        ),
        (
            "inserts-never",
            "index; insert_without_memory key=1 value=128",
            "out-of-memory",
            "gave −ENOMEM with no allocation failing",
        ),
        ("looks-and-adds", f"{ONE}; look key=1", "look", "memory() is another after look()"),
        ("looks-and-makes", f"{ONE}; look key=1", "look", "memory() is another after look()"),
        ("looks-and-grows", f"{ONE}; look key=1", "look", "memory() is another after look()"),
        ("looks-and-counts", f"{ONE}; look key=1", "look", "look() counted costs, expected none"),
        ("next-error", "mm; stored key=1 size=9; next", "next", "next() gave −5, expected 0 or −2"),
    ],
)
def test_a_wrong_answer_in_c_fails_what_it_is(build_plugin, name: str, steps: str, of: str, message: str) -> None:
    plugin = build_plugin(Path(__file__).with_name("wrong.c"), name="wrong")
    assert replayed(f"{plugin}:{name}", steps) == (of, message)


def test_what_c_may_ask_of_its_host(build_plugin) -> None:
    """To evict and to tell of a move is a pool's, and nothing comes of it elsewhere; more allocations than are made to
    fail one by one, and one that no machine has the memory for."""
    plugin = build_plugin(Path(__file__).with_name("wrong.c"), name="wrong")
    assert replayed(f"{plugin}:inserts-and-asks", ONE) is None
    assert replayed(f"{plugin}:creates-by-many", "index; create_without_memory") is None
