"""docs/reenactments.md is what its script writes, and each of its lines has its test."""

from pathlib import Path

from studies.reenactments.claims import CLAIMS
from studies.reenactments.page import page

HERE = Path(__file__).parent


def test_the_committed_page_is_what_the_script_writes():
    committed = (HERE.parents[1] / "docs" / "reenactments.md").read_text(encoding="utf-8")
    assert committed == page(), "run python docs/studies/reenactments: a number or a claim has changed since"


def test_every_claim_names_the_test_that_checks_it():
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    assert [claim.test for claim in CLAIMS if f"def {claim.test}(" not in tests] == []
    assert len({claim.test for claim in CLAIMS}) == len(CLAIMS)
