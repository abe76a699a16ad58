"""Ask the recordings what the thread of 2013 asked, and write docs/the-2013-thread.md: python docs/the-2013-thread.py

What is replayed, and what is made of it, is in tests/the_thread.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
# In place of this folder, so that the modules of the tests are found.
sys.path[0] = str(HERE.parent / "tests")

from the_thread.page import page  # noqa: E402

(HERE / "the-2013-thread.md").write_text(page(), encoding="utf-8")
