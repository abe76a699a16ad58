"""A replay in a child process: native code that crashes there, exits or hangs ends the child, and is told in one line.

The child writes lines into a pipe: "plugins NAMES", "fed EVENTS" after each batch (core/replay/crash.hpp), and last one
of "done", "error NAME MESSAGE", or from a signal handler or exit() "crash SIGNAL EVENTS", "exit EVENTS".
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import _zreplay

from zreplay import errors
from zreplay.errors import ModelError, PluginError, ZreplayError
from zreplay.whole import remove_left

_LAST = ("done", "error", "crash", "exit")


class Parent:
    """What the child says to its parent."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def plugins(self, names: Sequence[str]) -> None:
        """Which plugins there are, as results call them."""
        self.say("plugins", *names)

    def say(self, *words: object) -> None:
        """One line."""
        os.write(self._fd, (" ".join(map(str, words)) + "\n").encode())


def isolated(
    work: Callable[[Parent], None],
    *,
    trace: object,
    out: Path,
    named: Sequence[str],
    left: str = "{out} is as it was",
) -> None:
    """Do ``work`` in a child process, and return when it has.

    Args:
        work: replays ``trace`` and writes ``out``.
        trace, out: these.
        named: plugins as they were named, for a child that dies before it can say.
        left: what an error says of ``out``.

    Raises:
        PluginError: the child died (ModelError where there is no plugin); ``out`` is as it was.
        ZreplayError: what ``work`` raised.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _be_child(work, writing)
    os.close(writing)
    words: list[str] = []
    status = None
    try:
        words, fed, plugins = _heard(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        if status is None:  # an interrupt: it may hang
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(reading)
        if words[:1] not in (["done"], ["error"]):
            remove_left(out)
    if words[:1] == ["done"]:
        return
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)  # its progress bar
    names = plugins or list(named)
    what = f"plugin{'s' * (len(names) > 1)} {', '.join(names)}" if names else f"{trace}: no plugin"
    if words[:2] == ["error", "KeyboardInterrupt"]:  # nobody else's: the child is sent none
        where = f"after event {fed} of {trace} or later"
        raise PluginError(f"{what}: raised KeyboardInterrupt {where}; {left.format(out=out)}")
    if words[:1] == ["error"]:
        _raise(words[1], json.loads(words[2]))
    message = f"{what}: {_death(words, status, fed, trace)}; {left.format(out=out)}"
    raise PluginError(message) if names else ModelError(message)


def _heard(fd: int) -> tuple[list[str], int, list[str]]:
    """The child's last line in words, the events that it had replayed after its last whole batch, and its plugins."""
    fed = 0
    plugins: list[str] = []
    with open(fd, encoding="utf-8", closefd=False) as lines:
        for line in lines:
            words = line.rstrip("\n").split(" ")
            if words[0] in _LAST:
                return line.rstrip("\n").split(" ", 2), fed, plugins
            if words[0] == "fed":
                fed = max(fed, int(words[1]))  # a sample's quarters are behind it
            elif words[0] == "plugins":
                plugins = words[1:]
    return [], fed, plugins


def _death(words: list[str], status: int, fed: int, trace: object) -> str:
    where = f"after event {fed} of {trace} or later"
    if words and words[0] in ("crash", "exit"):
        events = int(words[-1])
        where = f"after event {events} of {trace}" if events >= 0 else "outside of the replay's events"
    if words[:1] == ["crash"]:
        return f"crashed: {signal.Signals(int(words[1])).name} {where}"
    if words[:1] == ["exit"]:
        return f"called exit() {where}"
    if status < 0:
        name = signal.Signals(-status).name
        return f"the replay was killed by {name} (somebody's, or the kernel's for want of memory) {where}"
    return f"the replay ended with exit code {status} and said nothing {where}"


def _raise(name: str, lines: list[str]) -> NoReturn:
    if name == "BrokenPipeError":
        raise BrokenPipeError
    kind = getattr(errors, name, None)
    if kind is None:
        raise SystemExit(1)  # the child has printed a traceback
    raise kind(*lines)


def _be_child(work: Callable[[Parent], None], fd: int) -> NoReturn:
    parent = Parent(fd)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends both
        _zreplay.report_crashes(fd)
        work(parent)
        sys.stdout.flush()
        parent.say("done")
    except BaseException as error:
        if not isinstance(error, ZreplayError | BrokenPipeError | KeyboardInterrupt):
            traceback.print_exc()
            sys.stderr.flush()
        lines = error.args if isinstance(error, ZreplayError) else (error,)
        parent.say("error", type(error).__name__, json.dumps([str(line) for line in lines]))
    finally:
        os._exit(0)  # at once: nothing of a plugin's runs after it has been told
