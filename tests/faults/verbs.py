"""What the campaigns start: every verb that writes, into nothing and over what is there."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from comparing import small_trace
from faults.starts import Starts, contents
from ftrace_text import invalidated, stored, text
from machines import machine

GRID = """
traces = ["t.parquet"]
index = ["rbtree", "radix-tag"]
pool = ["zbud", "zsmalloc"]
max_pool_percent = [10, 20]
"""
_T = "../in/t.parquet"
_TUNE = (
    *("tune", _T, "--minimise", "device_reads", "--kernel", "6.1", "--pool", "zbud"),
    "--max-pool-percent",
    "10,20",
)
_COMPARE = (
    *("compare", _T, "--index", "rbtree,radix-tag", "--pool", "zbud", "-o", "runs"),
    *("--columns", "pool_pages_peak,stores", "--format", "json"),
)
_CONTEXT = ("--pool", "zbud", "--kernel-release", "6.1.0")


@dataclass(frozen=True)
class Scenario:
    """A command line, and what is there before it."""

    verb: str
    name: str
    arguments: tuple[str, ...]
    before: Path | None  #: of the folder of work
    expected: dict[str, object]  #: contents of the folder of work when it is done and nobody disturbed it
    calls: list[tuple[str, str]]
    seconds: float

    @property
    def forced(self) -> tuple[str, ...]:
        """The command line for one that finds the target there."""
        return self.arguments if "--force" in self.arguments else (*self.arguments, "--force")


#: verb → its command lines: name → what makes the folder of work before, and the command line itself.
VERBS: dict[str, dict[str, tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]]] = {
    "run": {
        "new": ((), ("run", _T, "-o", "r", "--pool", "zbud")),
        "replacing": (
            (("run", _T, "-o", "r", "--pool", "zsmalloc"),),
            ("run", _T, "-o", "r", "--pool", "zbud", "--force"),
        ),
        "observed": ((), ("run", "../in/kernel.parquet", "-o", "a/b/r", "--json", "--sample-events", "10")),
    },
    "compare": {
        "new": ((), _COMPARE),
        "some there": (((*_COMPARE[:3], "rbtree", *_COMPARE[4:]),), (*_COMPARE, "--report", "c.html")),
    },
    "sweep": {
        "new": ((), ("sweep", "../in/grid.toml", "-o", "s")),
        "some there": ((("sweep", "../in/half.toml", "-o", "s"),), ("sweep", "../in/grid.toml", "-o", "s")),
    },
    "convert": {
        "new": ((), ("convert", "../in/log.txt", *_CONTEXT, "-o", "c.parquet")),
        "replacing": (
            (("cut", _T, "-o", "c.parquet", "--rows", ":100"),),
            ("convert", "../in/log.txt", *_CONTEXT, "-o", "c.parquet", "--force"),
        ),
    },
    "record": {
        "new": ((), ("record", "-o", "c.parquet")),
        "replacing": (
            (("cut", _T, "-o", "c.parquet", "--rows", ":100"),),
            ("record", "-o", "c.parquet", "--force"),
        ),
    },
    "synth": {
        "new": ((), ("synth", "-o", "c.parquet", "--events", "4000", "--resident", "300")),
        "fit": (
            (("synth", "--fit", "../in/long.parquet", "-o", "c.toml"),),
            ("synth", "--fit", "../in/longer.parquet", "-o", "c.toml", "--force"),
        ),
    },
    "cut": {
        "new": ((), ("cut", _T, "-o", "c.parquet", "--sample", "1/2")),
        "replacing": (
            (("cut", _T, "-o", "c.parquet", "--rows", ":100"),),
            ("cut", _T, "-o", "c.parquet", "--sample", "1/2", "--force"),
        ),
    },
    "tune": {
        "new": ((), (*_TUNE, "--report", "t.html")),
        "replacing": (((*_TUNE[:-1], "20", "--report", "t.html"),), (*_TUNE, "--report", "t.html", "--force")),
    },
    "report": {
        "new": ((), ("report", "../in/zbud", "../in/zsmalloc", "-o", "r.html")),
        "replacing": (
            (("report", "../in/zbud", "-o", "r.html"),),
            ("report", "../in/zbud", "../in/zsmalloc", "-o", "r.html", "--force"),
        ),
    },
    "curve": {
        "new": ((), ("curve", _T, "-o", "k.parquet", "--limits", "8")),
    },
    "plot": {
        "new": ((), ("plot", "../in/zbud", "pool-pages", "-o", "p.svg")),
        "replacing": (
            (("plot", "../in/zbud", "chunks", "-o", "p.svg"),),
            ("plot", "../in/zbud", "pool-pages", "-o", "p.svg"),
        ),
    },
    "validate": {
        "new": ((), ("validate", "../in/kernel.parquet", "--plot", "v.svg")),
    },
}


def prepare(starts: Starts) -> None:
    """The inputs of all of them."""
    inputs = starts.inputs
    small_trace(inputs / "t.parquet", events=600)
    small_trace(inputs / "long.parquet", events=3300)
    small_trace(inputs / "longer.parquet", events=4000)
    events = [row for offset in range(100) for row in stored(offset, 0xFFFF_8880_0000_1040 + (offset << 12))]
    (inputs / "log.txt").write_text(text(*events, *invalidated(7, 0xFFFF_8880_0000_1040 + (7 << 12))))
    machine(starts.root / "machine")
    (inputs / "grid.toml").write_text(GRID)
    (inputs / "half.toml").write_text(GRID.replace(", 20]", "]"))
    for arguments in (
        ("convert", "log.txt", *_CONTEXT, "-o", "kernel.parquet"),
        ("run", "t.parquet", "-o", "zbud", "--pool", "zbud"),
        ("run", "t.parquet", "-o", "zsmalloc", "--pool", "zsmalloc"),
    ):
        done = starts.start(*arguments, folder=inputs)
        assert done.code == 0, done


def scenarios(starts: Starts, verb: str) -> list[Scenario]:
    """A verb's, each done once undisturbed, and once more to see that it is the same."""
    found = []
    for name, (first, arguments) in VERBS[verb].items():
        starts.put(None)
        for command in first:
            done = starts.start(*command)
            assert done.code == 0, (command, done)
        before = starts.root / f"before {verb} {name}"
        shutil.rmtree(before, ignore_errors=True)  # of an earlier call
        starts.work.rename(before)
        starts.work.mkdir()
        kept = []
        seconds = []
        for _ in range(2):
            starts.put(before)
            done = starts.start(*arguments)
            assert done.code == 0, (arguments, done)
            kept.append(contents(starts.work))
            seconds.append(done.seconds)
        assert kept[0] == kept[1], f"{verb}, {name}: not the same twice: {_differing(*kept)}"
        found.append(Scenario(verb, name, arguments, before, kept[0], done.log, min(seconds)))
    return found


def _differing(one: dict[str, object], other: dict[str, object]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
