"""The conformance suite against plugins with a planted bug each, and against the same without: every bug is found, and
as what it is. The sources are in mutations/; ``-DMUTATION=n`` plants the n-th of a source's list here."""

from pathlib import Path

import pytest

from zreplay.plugins import conformance

SOURCES = Path(__file__).parent / "mutations"

#: source → name of each bug → the property that has to fail.
MUTATIONS = {
    "radix": {
        "lost tag propagation: only the leaf has it": "answers",
        "a tag stays above when nothing below has it": "check",
        "a new root has no tags": "answers",
        "the key's high bits are dropped": "answers",
        "types 16 to 31 are mixed with 0 to 15": "walk",
        "nodes_freed forgotten": "memory",
        "leak of a node, now and then": "leaks",
        "destroy() forgets the last type": "leaks",
        "nodes taken are lost when the next one fails": "leaks",
        "a node counted twice": "memory",
        "move() leaves the old position": "move",
        "a count shared by all instances": "instances",
        "look() changes a word": "look",
        "look() finds without the position": "look",
    },
    "leaves": {
        "a split forgets one of the upper half": "answers",
        "insert() loses the upper half if there is no memory for it": "out-of-memory",
        "erase() leaves the first of a leaf: find() of a deleted key": "answers",
        "insert() gives the new location as the old": "answers",
        "the first of a leaf is looked for in the leaf before": "answers",
        "a new entry one place too early": "walk",
        "for_each() backwards in some leaves": "walk",
        "find() counts nothing": "costs",
        "bytes are not what they were when emptied": "memory",
        "the host shared by all instances": "instances",
        "create() leaks when its second allocation fails": "out-of-memory",
        "move() of what is not there succeeds": "move",
    },
    "buddies": {
        "off by one chunk: rounded down": "memory",
        "off by one chunk: room in a page": "like",
        "leak of a page, now and then": "leaks",
        "an object larger than any is taken": "like",
        "wrong end of a list of free room": "like",
        "a header counted twice": "like",
        "the handle of a live object given again": "handles",
        "a page counted though there was no memory": "out-of-memory",
        "wrong end of the LRU": "lru",
        "a dead object evicted": "reclaim",
        "reclaim() keeps the page": "reclaim",
        "pages shared by all instances": "instances",
        "destroy() forgets the pages": "leaks",
        "classes() count pages, not objects": "classes",
        "a page that could not be freed is the next again": "reclaim",
    },
    "cells": {
        "size class rounded down": "memory",
        "the handle of a live object given again": "handles",
        "an error that alloc() must not give": "answers",
        "used bytes stay after free()": "memory",
        "stale location after migration": "migrate",
        "migrate() gives the page its old number": "migrate",
        "migrate() gives one object too many": "migrate",
        "compact() does not tell of an object": "compact",
        "compact() tells a wrong handle": "handles",
        "compact() gives twice the pages": "compact",
        "check() fails for no reason": "check",
    },
    "queue": {
        "an entry that is gone stays": "next",
        "leak of an entry, now and then": "leaks",
        "counted though there was no memory": "out-of-memory",
        "groups mixed": "next",
        "next() changes its mind": "next",
        "visited() does nothing": "visited",
        "bytes only grow": "memory",
    },
}
PLANTED = [
    pytest.param(source, number, expected, id=f"{source}-{name}")
    for source, bugs in MUTATIONS.items()
    for number, (name, expected) in enumerate(bugs.items(), 1)
]


@pytest.mark.parametrize(("source", "number", "expected"), PLANTED)
def test_planted_bug_is_found_as_what_it_is(build_plugin, source, number, expected):
    plugin = build_plugin(SOURCES / f"{source}.c", "-O0", f"-DMUTATION={number}", name=source)
    (report,) = conformance.test(str(plugin), operations=20_000)
    assert expected in report.failures
    failure = report.failures[expected]
    assert 0 < failure.count() < 40
    again = conformance.replay(str(plugin), failure.steps)
    assert again is not None
    assert failure.repeats


@pytest.mark.parametrize("source", MUTATIONS)
@pytest.mark.parametrize(
    "operations", [pytest.param(20_000, id="few"), pytest.param(500_000, id="many", marks=pytest.mark.slow)]
)
def test_without_a_bug_nothing_is_found(build_plugin, source, operations):
    (report,) = conformance.test(str(build_plugin(SOURCES / f"{source}.c", "-O0", name=source)), operations=operations)
    assert report.failures == {}
    assert report.operations >= operations
