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


def test_a_recipe_of_options_gives_the_bytes_of_the_options(zreplay_synth, tmp_path: Path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('kind = "pattern"\nevents = 1000\nresident = 50\npattern = "zipf"\nseed = 7\n')
    assert zreplay_synth(recipe, "-q", "-o", tmp_path / "a") == (0, "", "")
    zreplay_synth("--events", 1000, "--resident", 50, "--pattern", "zipf", "--seed", 7, "-q", "-o", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    zreplay_synth(recipe, "--scale", "2x", "--seed", 8, "-q", "-o", tmp_path / "c")
    zreplay_synth("--events", 2000, "--resident", 100, "--pattern", "zipf", "--seed", 8, "-q", "-o", tmp_path / "d")
    assert (tmp_path / "c").read_bytes() == (tmp_path / "d").read_bytes()
    zreplay_synth(recipe, "--scale", "2x", "--events", 7, "-q", "-o", tmp_path / "e")
    assert pq.read_metadata(tmp_path / "e").num_rows == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--resident", 50),
            "--resident: found beside {}, expected without; a recipe has keys of its own (docs/synth.md)",
        ),
        (("--scale", "40000000000x"), "--scale: found 40000000000x, expected a factor like 4x or 0.5x"),
        (("--scale", "100000x"), "--scale 100000x: resident: found 10000000000, expected 1 to 1,073,741,824"),
        (("--seed", -1), "--seed: found -1, expected 0 to "),
    ],
)
def test_options_that_do_not_go_with_a_recipe(zreplay_synth, tmp_path: Path, arguments, message):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('kind = "pattern"\n')
    code, out, error = zreplay_synth(recipe, "-o", tmp_path / "trace", *arguments)
    assert (code, out) == (2, "")
    assert error.startswith(f"zreplay: {message.format(recipe)}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [recipe]


def test_no_such_recipe(zreplay_synth, tmp_path: Path):
    code, _, error = zreplay_synth("phne", "-o", tmp_path / "trace")
    assert code == 2
    assert error.startswith("zreplay: phne: no such file, and no recipe: expected one of ")
    assert zreplay_synth("phne.toml", "-o", tmp_path / "trace") == (2, "", "zreplay: phne.toml: no such file\n")


def test_ready_recipes_are_listed_and_made_by_name(zreplay_synth, tmp_path: Path):
    code, out, error = zreplay_synth("--list")
    assert (code, error) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["batch", "browser", "build", "database", "phone"]
    assert "phone          10,000,000 events  a phone switching applications" in out.splitlines()
    place = tmp_path / "trace"
    assert zreplay_synth("phone", "--events", 1000, "-o", place) == (0, f"{place}: 1,000 events, 0.0 MB\n", "")


def test_a_recipe_that_cannot_be_is_one_line_and_leaves_nothing(zreplay_synth, tmp_path: Path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'kind = "workload"\nmemory_pages = 10\narea_pages = 1000\n[[process]]\nname = "a"\npages = 20\n'
        "turns = { read = 0.5, write = 0.6 }\n"
    )
    message = "process 1: turns: shares: found read 0.5 + write 0.6 = 1.1, expected a sum of 1"
    assert zreplay_synth(recipe, "-o", tmp_path / "trace") == (2, "", f"zreplay: {recipe}: {message}\n")
    recipe.write_text(
        'kind = "workload"\nmemory_pages = 10\narea_pages = 1000\nsizes_from = "no.parquet"\n'
        '[[process]]\nname = "a"\npages = 20\n'
    )
    message = f"zreplay: {tmp_path / 'no.parquet'}: no such file\n"
    assert zreplay_synth(recipe, "-o", tmp_path / "trace") == (2, "", message)
    assert list(tmp_path.iterdir()) == [recipe]
