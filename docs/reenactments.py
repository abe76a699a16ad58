"""Replay what others published and write docs/reenactments.md: python docs/reenactments.py

Claims, tolerances and what measures them are those of tests/reenactments.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
# In place of this folder, in which this file would be taken for the package.
sys.path[0] = str(HERE.parent / "tests")

from reenactments.page import page  # noqa: E402

(HERE / "reenactments.md").write_text(page(), encoding="utf-8")
