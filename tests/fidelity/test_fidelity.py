"""Every recording in traces/ is followed as exactly as is asked, and docs/fidelity.md says so."""

from pathlib import Path

import pytest
from studies.fidelity.bounds import NAMES, SHORT, asked, found
from studies.fidelity.page import page


@pytest.mark.parametrize("way", ["driven", "predicted"])
@pytest.mark.parametrize("name", NAMES)
def test_recording_is_followed_as_exactly_as_is_asked(name: str, way: str) -> None:
    bounds, _ = SHORT.get((name, way), (asked(name)[way], ""))
    assert bounds.missed(getattr(found(name), way)) == []


@pytest.mark.parametrize(("name", "way"), SHORT)
def test_what_is_said_to_fall_short_does(name: str, way: str) -> None:
    assert asked(name)[way].missed(getattr(found(name), way)) != []


def test_profile_is_that_of_the_recorded_release() -> None:
    assert {name: found(name).config.kernel for name in NAMES} == {name: name.split("-")[1] for name in NAMES}


def test_the_committed_page_is_what_the_script_writes() -> None:
    committed = (Path(__file__).parents[2] / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert committed == page(), "run python docs/studies/fidelity: a number has changed since"
