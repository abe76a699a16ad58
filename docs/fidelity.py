"""Hold every recording in traces/ against the models and write docs/fidelity.md: python docs/fidelity.py

What is asked of each, and the results of the first time, are in tests/fidelity.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
# In place of this folder, in which this file would be taken for the package.
sys.path[0] = str(HERE.parent / "tests")

from fidelity.page import page  # noqa: E402

(HERE / "fidelity.md").write_text(page(), encoding="utf-8")
