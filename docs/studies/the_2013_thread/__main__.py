"""Ask the recordings what the thread of 2013 asked; writes docs/the-2013-thread.md: python docs/studies/the_2013_thread

What is replayed is in measure.py, what is made of it in page.py.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2]
sys.path[:1] = [str(DOCS), str(DOCS.parent / "tests")]  # in place of this folder

from studies.the_2013_thread.page import page  # noqa: E402

(DOCS / "the-2013-thread.md").write_text(page(), encoding="utf-8")
