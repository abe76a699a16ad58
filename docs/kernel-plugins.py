"""Replay the recordings with the kernel's own trees and allocators beside ours: python docs/kernel-plugins.py

Writes docs/kernel-plugins.md. What is compared is in tests/plugin/kernel_plugins.py.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
# In place of this folder, in which this file would be taken for the package.
sys.path[0] = str(HERE.parent / "tests")

from plugin.kernel_page import page  # noqa: E402

(HERE / "kernel-plugins.md").write_text(page(), encoding="utf-8")
