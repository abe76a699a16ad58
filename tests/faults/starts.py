"""Starts of zreplay under the interposer, and what a folder holds afterwards."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zreplay.sweep.directory import MEASURED

HERE = Path(__file__).parent
#: All kinds of calls that change something.
CHANGING = ("open", "write", "sync", "rename", "mkdir", "remove", "change")
KILL, TEAR, SHORT = -1, -2, -3
HOW = {"kill": KILL, "torn": TEAR, "short": SHORT, **{name: number for number, name in errno.errorcode.items()}}


@dataclass(frozen=True)
class Start:
    """What became of one."""

    code: int | str
    seconds: float
    fired: int
    calls: int
    by_kind: dict[str, int]
    log: list[tuple[str, str]]  #: kind and path of each call, from the folder that is watched
    out: str
    err: str


def interposer(folder: Path) -> Path:
    """The interposer, compiled by the system's compiler; CalledProcessError if it cannot be."""
    library = folder / "interposer.so"
    command = ["cc", "-O1", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, HERE / "interposer.c", "-ldl"]
    subprocess.run(command, check=True)
    return library


class Starts:
    """Starts of zreplay in ``root/base/work``, whose inputs are in ``root/base/in``; calls below base are counted."""

    def __init__(self, root: Path, wrapper: Sequence[str] = ()) -> None:
        self.root = root.resolve()
        self.base = self.root / "base"
        self.inputs = self.base / "in"
        self.work = self.base / "work"
        self.inputs.mkdir(parents=True)
        self.work.mkdir()
        paths = [str(HERE.parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = {
            **os.environ,
            "LD_PRELOAD": str(interposer(self.root)),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "",
        }
        self._server = subprocess.Popen(
            [*wrapper, sys.executable, HERE / "server.py", self.inputs],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._server.stdout is not None
        if not (line := self._server.stdout.readline()):
            raise RuntimeError("the server is gone; its error is above")
        return line.rstrip("\n")

    def start(
        self,
        *arguments: str,
        at: int = 0,
        how: int = 0,
        kinds: Collection[str] = CHANGING,
        forever: bool = False,
        kill_after: float | None = None,
        whole: bool = False,
        stdout: str | None = None,
        stderr: str | None = None,
        folder: Path | None = None,
    ) -> Start:
        """Start it; the ``at``-th call of ``kinds``, or all from then on, is what ``how`` says.

        ``whole``: to the very end of the interpreter, which takes as long as the rest.
        """
        out, err = self.root / "stdout", self.root / "stderr"
        request = {
            "arguments": arguments,
            "folder": str(folder or self.work),
            "below": str(self.base),
            "loaded": str(self.root / "loaded"),
            "whole": whole,
            "at": at,
            "how": how,
            "kinds": list(kinds),
            "forever": forever,
            "kill_after": kill_after,
            "stdout": stdout or str(out),
            "stderr": stderr or str(err),
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer: dict[str, Any] = json.loads(self._answer())
        said = "" if stdout else out.read_text(errors="replace"), "" if stderr else err.read_text(errors="replace")
        return Start(**answer, out=said[0], err=said[1])

    def put(self, before: Path | None) -> None:
        """Make the folder of work what ``before`` is, or empty."""
        shutil.rmtree(self.work)
        if before:
            shutil.copytree(before, self.work, symlinks=True)
        else:
            self.work.mkdir()

    def close(self) -> None:
        """End the server."""
        self._server.communicate()


def contents(folder: Path) -> dict[str, object]:
    """What is in a folder, by path: bytes as their hash, without what was measured; directories end with a slash."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            found[name + "/"] = None
        elif path.name == ".sweep.lock":
            found[name] = None
        elif path.name == "times.jsonl":
            lines = path.read_text().split("\n")
            torn = [lines.pop()]
            cells = {json.loads(line)["cell"] for line in lines}
            found[name] = (*sorted(cells), *filter(None, torn))
        elif path.name == "summary.parquet" and (path.parent / "manifest.json").exists():
            found[name] = _row(path)
        elif path.suffix == ".html":  # with times that were measured
            found[name] = path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        elif path.name == "manifest.json":
            found[name] = _manifest(path)
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _manifest(path: Path) -> object:
    """Without the summary's hash, which has what was measured in it, and its own."""
    try:
        manifest = json.loads(path.read_text())
        manifest.pop("manifest_sha256", None)
        manifest.get("sha256", {}).pop("summary.parquet", None)
    except (OSError, ValueError) as error:
        return f"damaged: {error}"
    return json.dumps(manifest, sort_keys=True)


def _row(path: Path) -> object:
    try:
        (row,) = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        return f"damaged: {error}"
    return {name: value for name, value in row.items() if name not in MEASURED}


def is_hidden(name: str) -> bool:
    """Whether a path is of a file that nobody was promised, or in such a directory."""
    return any(part.startswith(".") for part in name.split("/"))


def units(found: dict[str, object]) -> dict[str, dict[str, object]]:
    """What is whole or absent: files by themselves, a run directory's together; what is hidden left out."""
    runs = {name.removesuffix("/manifest.json") for name in found if name.endswith("/manifest.json")}
    runs |= {name.rpartition("/")[0] for name in found if name.endswith("/timeline.parquet")}
    out: dict[str, dict[str, object]] = {}
    for name, what in found.items():
        folder = name.rpartition("/")[0]
        if not is_hidden(name) and not name.endswith("/"):
            out.setdefault(folder if folder in runs else name, {})[name] = what
    return out
