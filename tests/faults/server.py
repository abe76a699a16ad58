"""zreplay loaded once under the interposer; each request is a command line, done by a forked child that may be killed.

What a child that nobody disturbs has loaded is loaded here, too, so that the next one need not.
Requests and answers are lines of JSON (starts.py).
"""

import atexit
import ctypes
import gc
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

KINDS = ("open", "read", "write", "sync", "rename", "mkdir", "remove", "change")
_HANGS_SECONDS = 300


class _Call(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int), ("path", ctypes.c_char * 120))


class _State(ctypes.Structure):
    _fields_ = (
        ("calls", ctypes.c_long),
        ("by_kind", ctypes.c_long * len(KINDS)),
        ("fired", ctypes.c_long),
        ("log", _Call * 2000),
    )


def _make_small(inputs: Path) -> None:
    """More and smaller pieces of everything, and a kernel's tracefs that is a text: the machine of machines.py."""
    from machines import Instance

    from zreplay.record import parts, recorder
    from zreplay.record.machine import Machine
    from zreplay.trace import behind, files

    behind._HANDED_OVER_BYTES = 2000  # type: ignore[misc]
    behind._SYNCED_BYTES = 8000  # type: ignore[misc]
    files.ROW_GROUP_ROWS = 200  # type: ignore[misc]
    parts._PART_ROWS = 40  # type: ignore[misc]
    recorder._STATUS_SECONDS = 0.0  # type: ignore[misc]
    recorder._WAIT_SECONDS = 0.0  # type: ignore[misc]
    recorder.Tracing = lambda *_, **__: Instance((inputs / "log.txt").read_text(), ends=True, chunk_bytes=4000)  # type: ignore[misc, assignment]
    Machine.__init__.__defaults__ = (inputs.parents[1] / "machine",)  # not watched: the kernel's files  # type: ignore[misc]
    os.geteuid = lambda: 0


def _be_child(request: dict[str, Any], library: ctypes.CDLL) -> None:
    for descriptor, name in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
        if name == "closed pipe":
            reading, opened = os.pipe()
            os.close(reading)
        else:
            opened = os.open(name, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if descriptor else 0), 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(request["folder"])
    sys.argv = ["zreplay", *request["arguments"]]
    library.faults_arm(
        os.fsencode(request["below"]),
        sum(1 << KINDS.index(kind) for kind in request["kinds"]),
        ctypes.c_long(request["at"]),
        ctypes.c_long(request["how"]),
        int(request["forever"]),
    )


def _end(zreplay: Callable[[], None], loaded: Path | None) -> NoReturn:
    """The interpreter's end but for taking all modules apart, which is most of the work and none of ours."""
    code: object = 0
    try:
        zreplay()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if loaded:
        loaded.write_text("\n".join(sys.modules))
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        print(f"Exception ignored: {error!r}", file=sys.stderr)
        code = 120
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _learn(loaded: Path) -> None:
    """Load what a child has loaded, and compile what takes seconds."""
    if not loaded.exists():
        return
    new = [name for name in loaded.read_text().splitlines() if name not in sys.modules]
    loaded.unlink()
    for name in new:
        with suppress(Exception):
            import_module(name)
    if "vl_convert" in new:
        from zreplay.analysis.report import _runtime

        _runtime()
    if new:
        gc.freeze()


def _wait(child: int, kill_after: float | None) -> str | int:
    """Its exit code, minus a signal's number, or "hangs"."""
    watched = os.pidfd_open(child)
    seconds = _HANGS_SECONDS if kill_after is None else kill_after
    ended = bool(select.select([watched], [], [], seconds)[0])
    os.close(watched)
    if not ended:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "hangs" if not ended and kill_after is None else code


def main() -> None:
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    library.faults_state.restype = ctypes.POINTER(_State)
    state = library.faults_state().contents
    from zreplay.__main__ import main as zreplay

    _make_small(Path(sys.argv[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        library.faults_reset()
        started = time.perf_counter()
        child = os.fork()
        if not child:
            _be_child(request, library)
            if request["whole"]:
                zreplay()  # exits
            _end(zreplay, None if request["at"] else Path(request["loaded"]))
        code = _wait(child, request["kill_after"])
        if not request["at"] and not code:
            _learn(Path(request["loaded"]))
        log = [(KINDS[call.kind], os.fsdecode(call.path)) for call in state.log[: min(state.calls, 2000)]]
        by_kind = dict(zip(KINDS, state.by_kind, strict=True))
        answer = {"code": code, "seconds": time.perf_counter() - started, "fired": state.fired, "calls": state.calls}
        sys.stdout.write(json.dumps({**answer, "by_kind": by_kind, "log": log}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
