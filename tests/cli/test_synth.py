"""The verb: its errors are one line and exit code 2, and it is silent where nobody watches."""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from zreplay.__main__ import main


@pytest.fixture
def zreplay_synth(monkeypatch, capfd):
    """Calls the verb; returns exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["zreplay", "synth", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return (exit_.value.code, *capfd.readouterr())

    return call


def test_a_trace_comes_out_and_one_line_says_so(zreplay_synth, tmp_path: Path):
    arguments = ("--events", 1000, "--resident", 50, "--pattern", "zipf", "--seed", 7)
    place = tmp_path / "trace"
    assert zreplay_synth("-o", place, *arguments) == (0, f"{place}: 1,000 events, 0.0 MB\n", "")
    assert zreplay_synth("-o", place, *arguments, "--force", "-q") == (0, "", "")
    assert pq.read_metadata(tmp_path / "trace").num_rows == 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--types", 33), "--types: found 33, expected 1 to 32"),
        (("--resident", 0), "--resident: found 0, expected 1 to 1,073,741,824"),
        (("--events", -1), "--events: found -1, expected 1 to 1,000,000,000,000,000"),
        (("--same-filled", 1.5), "--same-filled: found 1.5, expected 0 to 1"),
        (("--pattern", "zip"), "--pattern: found zip, expected one of random, clustered, zipf, scan"),
        (("--sizes", "mixed", "--sizes-from", "x"), "--sizes and --sizes-from: found both, expected one"),
    ],
)
def test_errors_are_one_line_with_the_option_and_its_range(zreplay_synth, tmp_path: Path, arguments, message):
    assert zreplay_synth("-o", tmp_path / "trace", *arguments) == (2, "", f"zreplay: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_trace_is_kept_without_force(zreplay_synth, tmp_path: Path):
    path = tmp_path / "trace"
    path.write_text("mine")
    message = f"zreplay: {path}: already exists; --force replaces it\n"
    assert zreplay_synth("-o", path, "--events", 10) == (2, "", message)
    assert zreplay_synth("-o", path, "--events", 10, "--force", "-q") == (0, "", "")
