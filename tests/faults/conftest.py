"""The campaigns are scripts and import each other as such."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
