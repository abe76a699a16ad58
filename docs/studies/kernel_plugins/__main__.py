"""Replay the recordings with the kernel's own trees and allocators beside ours: python docs/studies/kernel_plugins

Writes docs/kernel-plugins.md. What is compared is in compare.py.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2]
sys.path[:1] = [str(DOCS), str(DOCS.parent / "tests")]  # in place of this folder

from studies.kernel_plugins.page import page  # noqa: E402

(DOCS / "kernel-plugins.md").write_text(page(), encoding="utf-8")
