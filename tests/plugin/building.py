"""C sources into plugins, as docs/plugins.md says."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "plugins"
HEADERS = ROOT / "zreplay" / "core" / "plugin"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


def build(source: Path, into: Path, headers: Path = HEADERS) -> Path:
    """A shared object; a warning is an error."""
    made = into / f"{source.stem}.so"
    subprocess.run(["cc", *STRICT, "-O2", "-shared", "-fPIC", f"-I{headers}", source, "-o", made], check=True)
    return made


def link(program: Path, *sources: Path, flags: tuple[str, ...] = ()) -> None:
    """A program that has a plugin in it."""
    subprocess.run(["cc", *STRICT, "-O1", "-g", *flags, f"-I{HEADERS}", *sources, "-o", program], check=True)
