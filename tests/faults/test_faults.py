"""Small versions of the campaigns (docs/testing.md): kills and refusals by chance; a standard output that is full."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import crash, refusals
from faults.starts import Starts
from faults.verbs import VERBS, prepare, scenarios

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cc"), reason="the interposer is compiled by cc, which is not installed"),
]
KILLED = ("run", "compare", "sweep", "convert", "record")
_A_MINUTE = 60.0  # beyond it nothing is started any more: a busy machine makes fewer points


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starts]:
    made = Starts(tmp_path_factory.mktemp("faults") / "root")
    prepare(made)
    yield made
    made.close()


@pytest.mark.parametrize("verb", KILLED)
def test_after_a_kill_all_is_whole_or_absent_and_a_second_start_finishes(starts: Starts, verb: str) -> None:
    some = scenarios(starts, verb)[:1]
    found = crash.campaign(starts, some, 10, time.monotonic() + _A_MINUTE)
    assert found.faults == [] and found.kills


def test_a_run_whose_first_second_and_any_call_is_refused_says_so_in_a_line(starts: Starts) -> None:
    found = refusals.campaign(starts, scenarios(starts, "run")[:1], time.monotonic() + 2 * _A_MINUTE)
    assert found.faults == [] and found.told


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("report", "plot", "validate", "tune")])
def test_a_full_standard_output_is_a_line_and_a_code(starts: Starts, verb: str) -> None:
    starts.put(None)
    full = starts.start(*VERBS[verb]["new"][1], stdout="/dev/full", whole=True)
    assert (full.code, full.err) == (2, "zreplay: standard output: No space left on device\n")


@pytest.mark.parametrize("verb", ["run", "compare", "synth"])
def test_a_reader_that_has_gone_is_no_error(starts: Starts, verb: str) -> None:
    starts.put(None)
    gone = starts.start(*VERBS[verb]["new"][1], stdout="closed pipe", whole=True)
    assert (gone.code, gone.err) == (0, "")


def test_where_the_error_itself_cannot_be_told_the_code_tells_it(starts: Starts) -> None:
    starts.put(None)
    assert starts.start("run", "nothing.parquet", "-o", "r", stderr="/dev/full", whole=True).code == 2
    assert starts.start(*VERBS["run"]["new"][1], stdout="/dev/full", stderr="/dev/full", whole=True).code == 2


def test_closed_outputs_are_no_error_of_ours(tmp_path: Path) -> None:
    for closed, code in (("--list >&-", 0), ("--list >&- 2>&-", 0), ("--no-such 2>&-", 2)):
        done = subprocess.run(f"{sys.executable} -m zreplay synth {closed}", shell=True, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (code, "")
