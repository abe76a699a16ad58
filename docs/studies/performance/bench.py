"""How things are measured: processes in turns, rounds within a budget, traces made once."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _zreplay
from studies.performance.bars import Figure
from tqdm import tqdm

from zreplay.trace.recipes.pattern import PatternRecipe as Recipe
from zreplay.trace.recipes.sizes import parse_sizes

HERE = Path(__file__).parent
TRACES = HERE.parents[2] / "traces"
ENGINE = Path(_zreplay.__file__).parent
#: As of an installed package, whose bytecode is there: where Python is told to write none, each start would compile all
#: of zreplay, a quarter of a short run.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
#: The fewest rounds that have a 95 % interval, and the most worth making.
FEWEST, MOST = 6, 20
MILLION = 1_000_000


#: Figures, and the rows of a table of details.
Measured = tuple[list[Figure], list[list[str]]]


class Unavailable(Exception):
    """What cannot be measured here, and why."""


class Left(Unavailable):
    """Some of a row cannot be measured: what can, and why not the rest."""

    def __init__(self, measured: Measured, why: str) -> None:
        super().__init__(why)
        self.measured = measured


class Server:
    """A process that is filled, says "ready", and then does so many operations for each line it is given."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )

    def wait(self) -> None:
        if (line := self._line()) != "ready":
            raise RuntimeError(f"{self._process.args}: found '{line}', expected ready")

    def run(self, count: int) -> list[int]:
        assert self._process.stdin
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return [int(word) for word in self._line().split()]

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args}: ended with {self._process.wait()}")
        return line.strip()

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@dataclass
class Bench:
    """Where things are put, and how long they may take.

    Attributes:
        work: a folder for traces and runs, gone at the end.
        quick: small inputs, few rounds.
        seconds: for the rounds of the row at hand.
        rounds: how many the last row had.
    """

    work: Path
    quick: bool = False
    seconds: float = 60
    row: str = ""
    rounds: int = 0
    _traces: dict[Recipe, Path] = field(default_factory=dict)
    _made: dict[str, Path] = field(default_factory=dict)

    def interleaved(
        self, subjects: Mapping[str, Callable[[], float]], *, fewest: int = FEWEST, most: int = MOST
    ) -> dict[str, list[float]]:
        """Every subject once a round, in turns, until the row's time is up: name → a value a round."""
        values: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in self._rounds(fewest, most):
            for name, measure in subjects.items():
                values[name].append(measure())
        return values

    def _rounds(self, fewest: int, most: int) -> Iterator[int]:
        if self.quick:
            fewest, most = min(fewest, 3), min(most, 3)
        end = time.monotonic() + self.seconds
        self.rounds = 0
        with tqdm(desc=self.row, unit=" rounds", disable=None, leave=False) as bar:
            while self.rounds < fewest or (self.rounds < most and time.monotonic() < end):
                yield self.rounds
                self.rounds += 1
                bar.update()

    def trace(self, recipe: Recipe) -> Path:
        """The recipe's trace, made when it is first asked for."""
        if recipe not in self._traces:
            path = self.work / f"synth-{len(self._traces)}.parquet"
            self.zreplay(*synth_words(recipe), "-o", path)
            with path.open("rb") as file:  # the first reader is not to pay for the disk
                while file.read(1 << 20):
                    pass
            self._traces[recipe] = path
        return self._traces[recipe]

    def forget(self, recipe: Recipe) -> None:
        """Its trace is large and not asked for again."""
        self._traces.pop(recipe).unlink()

    def made(self, name: str, make: Callable[[Path], Path]) -> Path:
        """What make(folder) makes, once."""
        if name not in self._made:
            folder = self.work / name
            folder.mkdir()
            self._made[name] = make(folder)
        return self._made[name]

    def zreplay(self, *words: str | Path | int) -> float:
        """Seconds that a whole `zreplay …` took, interpreter and all."""
        return self.seconds_of([sys.executable, "-m", "zreplay", *words])

    def replay(self, trace: Path, *words: str) -> float:
        return self.zreplay("run", trace, "-o", self.work / "run", "--force", "-q", *words)

    def summary(self, trace: Path, *words: str) -> dict[str, Any]:
        """What `zreplay run --json` prints."""
        command = [sys.executable, "-m", "zreplay", "run", trace, "-o", self.work / "run", "--force", "--json", *words]
        return json.loads(self.output_of(command))

    def seconds_of(self, command: Sequence[Any]) -> float:
        begun = time.perf_counter()
        self.output_of(command)
        return time.perf_counter() - begun

    def output_of(self, command: Sequence[Any]) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=self.work, capture_output=True, text=True, env=ENVIRONMENT)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def touch_memory(self, size_bytes: int = 1 << 30) -> None:
        """Touch memory and free it, so that what is measured next gets such as the machine has already.

        A hypervisor may take back what has been free for a few seconds, and to get it again is the machine's affair:
        0.5 GB/s on an EPYC, where memory that is there is cleared at 11 GB/s.
        """
        self.output_of([sys.executable, "-c", f"b'1' * {size_bytes}"])

    def works(self, command: Sequence[Any]) -> bool:
        return not subprocess.run([str(word) for word in command], cwd=self.work, capture_output=True).returncode

    def peak_bytes_of(self, command: Sequence[Any]) -> int:
        """The most memory that a process had resident. (wait4's ru_maxrss would begin with this process's own.)"""
        peak = 0
        words = [str(word) for word in command]
        with subprocess.Popen(words, cwd=self.work, stdout=subprocess.DEVNULL, env=ENVIRONMENT) as process:
            while process.poll() is None:
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
                peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))])
                time.sleep(0.005)
        if process.returncode:
            raise RuntimeError(f"{command}: exit {process.returncode}")
        return peak * 1024

    def engine(self, name: str, recipe: Recipe, replay: dict[str, Any] | None, events: int, **more: Any) -> list[Path]:
        """The words of a command that runs engine.py."""
        spec = self.work / f"{name}.json"
        spec.write_text(json.dumps(engine_spec(recipe, replay, events) | more), encoding="utf-8")
        return [Path(sys.executable), HERE / "engine.py", spec]


def engine_spec(recipe: Recipe, replay: dict[str, Any] | None, events: int) -> dict[str, Any]:
    fields = [
        "pattern",
        "seed",
        "resident",
        "types",
        "cpus",
        "load_share",
        "rewrite_share",
        "same_filled",
        "compact_every",
        "migrate_every",
    ]
    return {
        "module": str(ENGINE),
        "recipe": {name: getattr(recipe, name) for name in fields},
        "weights": parse_sizes(recipe.sizes),
        "replay": replay,
        "events": events,
    }


def synth_words(recipe: Recipe) -> list[str]:
    return f"synth --events {recipe.events} --resident {recipe.resident} --pattern {recipe.pattern} -q --force".split()


def random_entries(events: int, resident: int) -> Recipe:
    return Recipe(events=events, resident=resident, pattern="random")


def available_bytes() -> int:
    """Memory that can be had without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
