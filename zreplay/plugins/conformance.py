"""Does a plugin do what the interface asks of it? The engine's suite (core/plugin/conformance.hpp), run in a process
of its own, so that a crash or a hang of the plugin is a verdict and not an end.

The child tells of each case by a line of JSON. What it is doing when it dies stands in a log that is shared with it: a
round's operations, each written down before it is made.
"""

import faulthandler
import json
import mmap
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import _zreplay

from zreplay.errors import PluginError, UsageError
from zreplay.plugins.registry import KINDS, MODEL_ORDERS, built_in, load, loaded, plug

#: A hang: no operation has begun for so long.
STALL_SECONDS = 10.0
#: The longest that a failing sequence is shortened for.
SHRINK_SECONDS = 8.0
_LOG_BYTES = 2 << 20

Progress = Callable[[int, int], None]
Send = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Subject:
    """What is tested: a variant by its name in the engine's registries, and the built-in it has to equal, if any."""

    kind: str
    name: str
    like: str

    @property
    def own_name(self) -> str:
        """Without the hash of its file."""
        return self.name.split("@")[0]


@dataclass(frozen=True)
class Failure:
    """The first wrong answer about a property.

    Attributes:
        property: one of :func:`properties`.
        message: one line.
        steps: operations that lead there, the fewest that were found, as text for ``--replay``.
        repeats: whether these alone do; else the plugin keeps something from one instance to the next.
    """

    property: str
    message: str
    steps: str
    repeats: bool = True

    def count(self) -> int:
        """How many steps there are."""
        return max(sum(not line.startswith("#") for line in self.steps.splitlines()) - 1, 0)


@dataclass
class Report:
    """What has been found out about one subject."""

    subject: Subject
    seed: int
    operations: int = 0
    seconds: float = 0.0
    tested: dict[str, int] = field(default_factory=dict)  # property → how often it was asked about
    not_tested: dict[str, str] = field(default_factory=dict)  # property → why
    failures: dict[str, Failure] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)  # property → where its steps are

    def verdicts(self) -> Iterator[tuple[str, str]]:
        """Each property and ``ok``, ``failed`` or ``not tested``."""
        for name in properties(self.subject.kind):
            if name in self.failures:
                yield name, "failed"
            else:
                untested = name in self.not_tested or not (name == "crash" or self.tested.get(name))
                yield name, "not tested" if untested else "ok"

    def why_not(self, name: str) -> str:
        """Why a property was not tested."""
        early = "it crashed before an operation came to it" if "crash" in self.failures else "no operation came to it"
        return self.not_tested.get(name, early)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        rows = []
        for name, verdict in self.verdicts():
            row: dict[str, Any] = {"property": name, "verdict": verdict, "operations": self.tested.get(name, 0)}
            if verdict == "not tested":
                row["why"] = self.why_not(name)
            if (failure := self.failures.get(name)) is not None:
                row |= {"message": failure.message, "steps": failure.steps.splitlines(), "repeats": failure.repeats}
                row["file"] = str(self.files[name]) if name in self.files else None
            rows.append(row)
        return {
            "kind": self.subject.kind,
            "name": self.subject.name,
            "like": self.subject.like or None,
            "seed": self.seed,
            "operations": self.operations,
            "passed": not self.failures,
            "properties": rows,
        }


def properties(kind: str) -> list[str]:
    """What verdicts are about, in the order of a report."""
    return [*_zreplay.conformance_properties(kind), "crash"]


def find(spec: str, kind: str | None = None, like: str | None = None) -> list[Subject]:
    """The variants that ``spec`` names, loaded: all that a plugin has, of one kind or of any.

    Raises:
        UsageError: there is none of that name, or no such file.
        PluginError: the file is no plugin, or not one for this zreplay.
    """
    if kind in (None, "mm") and spec in (*MODEL_ORDERS, "none"):
        raise UsageError(f"found {spec}, which is part of a model and no reclaim order by itself")
    kinds = [kind] if kind else list(KINDS)
    if ours := [Subject(one, spec, like or "") for one in kinds if spec in built_in(one)]:
        return ours
    if path := re.fullmatch(r"(.+\.so|.*/[^:]*(?<!\.py))(?::([a-z0-9-]+))?", spec):
        there = load(Path(path[1]).absolute(), option="plugin test")
        some = [one for one in there if one.kind in kinds and path[2] in (None, one.name.split("@")[0])]
        if not some:
            has = ", ".join(f"{one.kind} {one.name.split('@')[0]}" for one in there)
            raise UsageError(f"found {spec}, which has {has}; expected one with {kind or ''} {path[2] or ''}".rstrip())
        return [Subject(one.kind, one.name, like if like is not None else one.like) for one in some]
    refused = None
    names: list[str] = []
    for one in kinds:
        try:
            names.append(plug(one, spec)[0])
        except UsageError as error:
            refused = error
    if not names:
        if kind is None and ":" not in spec:
            every = ", ".join(name for one in KINDS for name in built_in(one) if name not in (*MODEL_ORDERS, "none"))
            raise UsageError(f"found {spec!r}, expected a plugin, such as ./my.so, or one of {every}")
        raise refused or UsageError(f"found {spec!r}")
    return [
        Subject(one.kind, one.name, like if like is not None else one.like)
        for one in loaded()
        if one.kind in kinds and one.name in names
    ]


def test(
    spec: str,
    *,
    kind: str | None = None,
    like: str | None = None,
    operations: int = 5_000_000,
    seed: int = 1,
    budget_seconds: float = 60.0,
    progress: Progress | None = None,
) -> list[Report]:
    """A report of each variant that ``spec`` names. The budget is for all of them.

    Raises:
        UsageError, PluginError: as :func:`find`.
    """
    log = mmap.mmap(-1, _LOG_BYTES)
    begin = time.monotonic()
    told, ending = _in_child(lambda send: send({"subjects": _found(spec, kind, like)}), log, begin + budget_seconds)
    if ending:
        raise PluginError(f"plugin {spec}: {_death(ending)} while it was loaded")
    subjects = [Subject(**one) for one in told[0]["subjects"]]
    reports = []
    for i, subject in enumerate(subjects):
        left = begin + budget_seconds - time.monotonic()
        run = _Run(spec, subject, operations, seed, time.monotonic() + left / (len(subjects) - i), log, progress)
        reports.append(run.report())
    return reports


def replay(spec: str, text: str, *, kind: str | None = None) -> Failure | None:
    """What the steps of a file come to: the failure, or None.

    Raises:
        UsageError: the text is not what :attr:`Failure.steps` is; or as :func:`find`.
        PluginError: as :func:`find`.
    """
    lines = (line.split() for line in text.splitlines())
    heading = next((words[0] for words in lines if words and words[0][0] != "#"), "")
    if heading not in KINDS:
        raise UsageError(f"found {heading!r} as the first word of the steps, expected index, pool or mm")
    log = mmap.mmap(-1, _LOG_BYTES)

    def work(send: Send) -> None:
        subjects = find(spec, kind or heading)
        if len(subjects) > 1:
            names = ", ".join(one.own_name for one in subjects)
            raise UsageError(f"found {spec}, which has {names}; expected which, as in {spec}:{subjects[0].own_name}")
        try:
            send({"failure": _zreplay.conformance_replay(text, subjects[0].name, log)})
        except ValueError as error:
            raise UsageError(f"--replay: {error}") from None

    told, ending = _in_child(work, log, time.monotonic() + 3600)
    if ending:
        return Failure("crash", f"{_death(ending)} in {_last_operation(log)}", text)
    failure = told[0]["failure"]
    return Failure(failure["property"], failure["message"], text) if failure else None


class _Run:
    """One subject through all cases, by as many processes as that takes."""

    def __init__(
        self,
        spec: str,
        subject: Subject,
        operations: int,
        seed: int,
        deadline: float,
        log: mmap.mmap,
        progress: Progress | None,
    ) -> None:
        self.spec, self.subject, self.operations, self.seed = spec, subject, operations, seed
        self.deadline, self.log, self.progress = deadline, log, progress
        self.found = Report(subject, seed)
        self.case, self.cases = 0, 1

    def report(self) -> Report:
        begin = time.monotonic()
        while self.case < self.cases and time.monotonic() < self.deadline:
            told, ending = _in_child(self._work, self.log, self.deadline + 5, self._watch)
            self._count(told)
            failure = told[-1].get("failure") if told else None
            if ending == "budget":
                break
            if ending and failure is None:
                steps = _zreplay.conformance_steps(self.log)[0]
                failure = {"property": "crash", "message": f"{_death(ending)} in {_last_operation(self.log)}"}
                failure |= {"steps": steps}
                self.case += 1
            if failure and failure["property"] not in self.found.failures:
                found = self._shrunk(failure)
                self.found.failures.setdefault(found.property, found)
        self.found.seconds = time.monotonic() - begin
        return self.found

    def _work(self, send: Send) -> None:
        """In the child: the cases that are left, up to the first failure."""
        find(self.spec, self.subject.kind)
        suite = _zreplay.Conformance(self.subject.kind, self.subject.name, self.subject.like, self.seed)
        cases = len(suite.cases)
        account = suite.account(self.subject.kind)  # should it crash at once: why it cannot be asked some things
        send({"case": self.case, "cases": cases, "operations": 0} | account)
        for case in range(self.case, cases):
            seconds = max(self.deadline - time.monotonic(), 0) / (cases - case)
            failure = suite.run(case, self.operations, seconds, self.log)
            send({"case": case + 1, "cases": cases, "operations": suite.operations} | suite.account(self.subject.kind))
            if failure:
                send({"failure": failure})
                return

    def _shrunk(self, failure: dict[str, Any]) -> Failure:
        """The failure with as few steps as can be found: in a fresh process, or if that dies of it one for each try."""
        seconds = min(SHRINK_SECONDS, max(self.deadline - time.monotonic(), 1.0))

        def work(isolated: bool, send: Send) -> None:
            find(self.spec, self.subject.kind)
            name, steps = _zreplay.conformance_shrink(failure["steps"], self.subject.name, isolated, seconds)
            send({"property": name, "steps": steps})
            if name not in ("", "crash"):
                again = _zreplay.conformance_replay(steps, self.subject.name, self.log)
                send({"property": name, "steps": steps, "message": again["message"] if again else failure["message"]})

        for isolated in (failure["property"] == "crash", True):
            given = time.monotonic() + 2 * seconds
            told, _ = _in_child(partial(work, isolated), self.log, given, stall_seconds=2 * seconds)
            if told:
                break
        else:
            return Failure(failure["property"], failure["message"], failure["steps"])
        name, steps = told[-1]["property"], told[-1]["steps"]
        if not name:
            # Alone it goes well: something is left of what was there before.
            name = "crash" if failure["property"] == "crash" else "instances"
            return Failure(name, failure["message"], failure["steps"], repeats=False)
        message = told[-1].get("message", failure["message"])
        if name == failure["property"] == "crash":
            message = f"{message.split(' in ')[0]} in {self._crashes_in(steps)}"
        return Failure(name, message, steps)

    def _crashes_in(self, steps: str) -> str:
        def work(send: Send) -> None:
            find(self.spec, self.subject.kind)
            _zreplay.conformance_replay(steps, self.subject.name, self.log)

        _in_child(work, self.log, time.monotonic() + SHRINK_SECONDS, stall_seconds=1.0)
        return _call(self.log)

    def _watch(self, line: dict[str, Any]) -> None:
        if "case" in line:
            self.case, self.cases = line["case"], line["cases"]
            if self.progress:
                self.progress(self.case, self.cases)

    def _count(self, told: Collection[dict[str, Any]]) -> None:
        counts = [line for line in told if "tested" in line]
        if not counts:
            return
        self.found.operations += counts[-1]["operations"]
        for name, times in counts[-1]["tested"].items():
            self.found.tested[name] = self.found.tested.get(name, 0) + times
        self.found.not_tested |= counts[-1]["not_tested"]


def _found(spec: str, kind: str | None, like: str | None) -> list[dict[str, str]]:
    subjects = find(spec, kind, like)
    for one in subjects:
        ours = [name for name in built_in(one.kind) if name not in (*MODEL_ORDERS, "none")]
        if one.like and one.like not in ours:
            raise UsageError(f"--like: no {one.kind} {one.like!r}; there are {', '.join(ours)}")
        try:
            _zreplay.Conformance(one.kind, one.name, one.like, 0)
        except ValueError as error:
            raise UsageError(f"--like: {error}") from None
    return [vars(one) for one in subjects]


def _last_operation(log: mmap.mmap) -> str:
    _, last, count, _ = _zreplay.conformance_steps(log)
    return f"{_call(log)} (operation {count} of its round)" if last else _call(log)


def _call(log: mmap.mmap) -> str:
    """The call that was under way: that of the last operation, or one that was made to look what came of it."""
    _, last, _, call = _zreplay.conformance_steps(log)
    if last and (not call or last.startswith(call.removesuffix("()"))):
        return str(last)
    if last or call not in ("", "create()"):
        return f"{call} after {last or 'create()'}"
    return "create()"


def _death(ending: str) -> str:
    if ending.startswith("exit()"):
        return ending
    return f"hangs, no operation done for {STALL_SECONDS:.0f} s," if ending == "stall" else f"crashed: {ending}"


def _in_child(
    work: Callable[[Send], None],
    log: mmap.mmap,
    deadline: float,
    watch: Callable[[dict[str, Any]], None] = lambda line: None,
    stall_seconds: float | None = None,
) -> tuple[list[dict[str, Any]], str]:
    """What ``work`` sends from a process of its own, and what ended it before its time: a signal,
    ``exit() with status 0``, ``stall`` or ``budget``; or nothing.

    Raises:
        UsageError, PluginError: what ``work`` raised.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_the_child(work, reading, writing)
    os.close(writing)
    told: list[dict[str, Any]] = []
    try:
        ending = _listen(child, reading, log, deadline, stall_seconds or STALL_SECONDS, told, watch)
    finally:
        os.close(reading)
    for line in told:
        if "raised" in line:
            raise (UsageError if line["raised"] == "UsageError" else PluginError)(line["message"])
    if told and "done" in told[-1]:
        told.pop()
    elif not ending:
        ending = "exit() with status 0"  # somebody else's
    return told, ending


def _be_the_child(work: Callable[[Send], None], reading: int, writing: int) -> None:
    code = 1
    try:
        _zreplay.end_with_parent()
        faulthandler.disable()  # a crash is told by who listens
        os.close(reading)
        with open(writing, "w", encoding="utf-8") as pipe:

            def send(line: dict[str, Any]) -> None:
                pipe.write(json.dumps(line) + "\n")
                pipe.flush()

            try:
                work(send)
                send({"done": True})
            except UsageError as error:
                send({"raised": "UsageError", "message": str(error)})
            except MemoryError:
                message = "out of memory for what the plugin is compared with; raise this shell's limit (ulimit -v)"
                send({"raised": "UsageError", "message": message})
            except (PluginError, _zreplay.PluginFailed) as error:
                send({"raised": "PluginError", "message": str(error)})
        code = 0
    except KeyboardInterrupt:
        pass  # so did who listens
    except SystemExit as error:  # a plugin's in Python
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:  # nothing may leave this process but by the line below
        print(f"zreplay: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def _listen(
    child: int,
    reading: int,
    log: mmap.mmap,
    deadline: float,
    stall_seconds: float,
    told: list[dict[str, Any]],
    watch: Callable[[dict[str, Any]], None],
) -> str:
    left, last, since, killed = b"", b"", time.monotonic(), ""
    try:
        while True:
            if select.select([reading], [], [], 0.1)[0]:
                read = os.read(reading, 1 << 16)
                if not read:
                    break
                *lines, left = (left + read).split(b"\n")
                for line in lines:
                    told.append(json.loads(line))
                    watch(told[-1])
                since = time.monotonic()
            now = log[:8]  # how many operations of the round there are
            if now != last:
                last, since = now, time.monotonic()
            if not killed and (time.monotonic() - since > stall_seconds or time.monotonic() > deadline):
                killed = "stall" if time.monotonic() - since > stall_seconds else "budget"
                os.kill(child, signal.SIGKILL)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    _, status = os.waitpid(child, 0)
    if killed:
        return killed
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return "" if os.WEXITSTATUS(status) == 0 else f"exit() with status {os.WEXITSTATUS(status)}"
