"""Hold every recording in traces/ against the models and write docs/fidelity.md: python docs/studies/fidelity

What is asked of each is in bounds.py, the results of the first time are in first.json.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2]
sys.path[:1] = [str(DOCS), str(DOCS.parent / "tests")]  # in place of this folder

from studies.fidelity.page import page  # noqa: E402

(DOCS / "fidelity.md").write_text(page(), encoding="utf-8")
