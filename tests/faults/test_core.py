"""The campaigns of this folder, small: what each counts in full is in docs/testing.md."""

import shutil
import subprocess

import allocations
import determinism
import lockstep
import pytest
import sanitized
from programs import program

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


@pytest.mark.slow
def test_ten_million_operations_of_every_index_and_pool_answer_as_the_references():
    names = lockstep.subjects()
    assert (
        sum(name.startswith("pool/zsmalloc/chain-") for name in names) == 13 * 2 * 2 * 2
    )  # 4 to 16, rules, groups, frames
    counts = lockstep.campaign(names, 10_000_000, budget=600, seed=7, jobs=2, kind="fast")
    assert counts.total() >= 10_000_000


@pytest.mark.slow
def test_every_design_counts_the_same_whatever_threads_and_batches():
    combinations, runs, wrong = determinism.campaign(small=True)
    assert (combinations, wrong) == (12, [])
    assert runs % 12 == 0


@pytest.mark.slow
def test_an_allocation_of_the_engine_that_fails_is_a_memory_error_and_leaves_nothing():
    counts, wrong = allocations.campaign("replay/design-", every=211, lasting=False, budget=120)
    assert (wrong, len(counts)) == ([], 12)
    assert min(counts.values()) >= 3


def test_an_allocation_of_an_index_or_pool_that_fails_is_a_memory_error_and_leaves_nothing():
    counts, wrong = allocations.campaign("pool/z", every=29, lasting=True, budget=60)
    assert (wrong, len(counts)) == ([], 8)


def test_an_allocation_of_the_importer_that_fails_is_a_memory_error_and_leaves_nothing():
    """The binding library made a map of the importer's dictionary where it must not throw: the process ended."""
    counts, wrong = allocations.campaign("verb/convert-bool68", every=41, lasting=False, budget=60)
    assert (wrong, list(counts)) == ([], ["verb/convert-bool68"])
    assert min(counts.values()) >= 5


@pytest.mark.slow
def test_parallel_replay_is_without_a_race():
    done = subprocess.run([program("races", "thread"), "2"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "240000 events\n", "")


def test_of_reports_those_count_that_have_a_frame_of_ours():
    python = "Direct leak of 8 byte(s)\n    #0 malloc\n    #1 PyObject_Malloc (/usr/lib/libpython3.11.so+0x1)\n"
    engine = "Direct leak of 16 byte(s)\n    #0 operator new\n    #1 f zreplay/core/pool/zbud.hpp:12\n"
    assert sanitized.ours(python + engine + python, "address") == [engine]
    race = "WARNING: ThreadSanitizer: data race\n  #0 f (_zreplay.cpython-311-x86_64-linux-gnu.so+0x1)\n"
    assert sanitized.ours(race, "thread") == [race]
