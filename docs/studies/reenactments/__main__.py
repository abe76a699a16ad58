"""Replay what others published and write docs/reenactments.md: python docs/studies/reenactments

Claims and tolerances are in claims.py, what measures them in measure.py.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2]
sys.path[:1] = [str(DOCS), str(DOCS.parent / "tests")]  # in place of this folder

from studies.reenactments.page import page  # noqa: E402

(DOCS / "reenactments.md").write_text(page(), encoding="utf-8")
