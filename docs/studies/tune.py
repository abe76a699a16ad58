"""Hold `zreplay tune` against replaying everything, on every recording in traces/, and write what comes out into
docs/tune.md: python docs/studies/tune.py

Everything is replayed once for each recording, in one process and with as many threads as the search has; each
expression's search is timed against that. Processor time is that of all threads.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
sys.path.pop(0)  # this folder

import click  # noqa: E402
import pyarrow.compute  # noqa: E402, F401  (loaded before anything is timed)

from zreplay.cli.options import spare_memory  # noqa: E402

spare_memory()

from zreplay.analysis.table import value_text  # noqa: E402
from zreplay.replay.axes import cores  # noqa: E402
from zreplay.trace.files import open_trace  # noqa: E402
from zreplay.trace.sample import WHOLE  # noqa: E402
from zreplay.tune.found import Found  # noqa: E402
from zreplay.tune.goal import Goal  # noqa: E402
from zreplay.tune.replays import TraceReplays  # noqa: E402
from zreplay.tune.search import exhaustive, search  # noqa: E402
from zreplay.tune.space import candidates  # noqa: E402

#: The first is what a bar is set for. The search was made with the first four in view, the others are new to it.
GOALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("device_reads + 0.1*pool_pages_mean", ()),
    ("device_reads + device_writes", ()),
    ("device_reads", ("pool_pages_peak <= 8000",)),
    ("pool_pages_mean", ("hit_percent >= 90",)),
    ("2*device_reads + device_writes + 0.02*pool_pages_peak", ()),
    ("device_writes + 0.5*pool_pages_mean", ()),
    ("swap_in_us + 0.001*pool_pages_mean", ("stores_rejected <= 3000",)),
)
MARK = "<!-- written by docs/studies/tune.py from here on -->\n"


@dataclass(frozen=True)
class Timed:
    """A search or its opposite, the processor time and the time it took."""

    found: Found
    cpu_seconds: float
    seconds: float


def timed(what: Callable[..., Found], chosen: list[Any], goal: Goal, trace: Path) -> Timed:
    """One search, from an unopened trace on."""
    cpu, clock = time.process_time(), time.perf_counter()
    replays = TraceReplays(trace, [candidate.config for candidate in chosen], workers=cores())
    found = what(chosen, goal, replays)
    return Timed(found, time.process_time() - cpu, time.perf_counter() - clock)


def loss(goal: Goal, all_rows: Found, found: Found) -> float:
    """How much worse the winner found is than the best of all; infinite where that one meets the conditions alone."""
    best, reached = goal.judged(all_rows.winner.row or {}), goal.judged(found.winner.row or {})
    if best == reached:
        return 0.0
    if best[0] != reached[0]:
        return float("inf")
    return (reached[1] - best[1]) / abs(best[1] or 1.0)


@click.command()
@click.option("--only", metavar="WORD", default="", help="Recordings with this in their name; prints, writes nothing.")
@click.option("--goals", type=int, default=len(GOALS), help="So many of the expressions.")
def main(only: str, goals: int) -> None:
    """Measure, and write the end of docs/tune.md."""
    rows, results = [], {number: [] for number in range(goals)}
    for trace in sorted((DOCS.parent / "traces").glob("*.parquet")):
        if only not in trace.stem:
            continue
        opened = open_trace(trace)
        chosen = candidates(trace, opened.metadata, {})
        asked = [Goal.parse(*GOALS[number], opened, chosen[0].config) for number in range(goals)]
        everything = timed(exhaustive, chosen, asked[0], trace)
        for number, goal in enumerate(asked):
            # What a bar is set for three times, as other work on the machine comes in bursts; the middle one counts.
            times = [timed(search, chosen, goal, trace) for _ in range(1 if number else 3)]
            one = sorted(times, key=lambda timed: timed.cpu_seconds)[len(times) // 2]
            everything.found.goal = goal
            lost = loss(goal, everything.found, one.found)
            share = one.cpu_seconds / everything.cpu_seconds
            results[number].append((trace.stem, lost, share))
            if number == 0:
                winner, found = one.found.winner, one.found
                sampled = sum(many for part, many in found.replays.items() if not part.is_whole)
                cells = [
                    trace.stem,
                    f"{opened.rows:,}",
                    winner.candidate.name,
                    value_text(goal.value(winner.row or {})),
                    "same" if not lost and winner.place == everything.found.winner.place else f"{lost:+.1%}",
                    f"{found.replays[WHOLE]} + {sampled}",
                    f"{found.events / found.all_events:.1%}",
                    f"{everything.cpu_seconds:.1f}",
                    f"{one.cpu_seconds:.2f}",
                    f"{share:.1%}",
                    f"{one.seconds / everything.seconds:.1%}",
                ]
                rows.append("| " + " | ".join(cells) + " |")
            click.echo(f"{trace.stem}: {goal.minimise.text}: lost {lost:.2%}, share {share:.1%}", err=True)
    text = page(rows, results)
    if only:
        click.echo(text)
        return
    place = DOCS / "tune.md"
    place.write_text(place.read_text(encoding="utf-8").split(MARK)[0] + MARK + text, encoding="utf-8")


def page(rows: list[str], results: dict[int, list[tuple[str, float, float]]]) -> str:
    """What is written."""
    first = results[0]
    same = sum(lost == 0 for _, lost, _ in first)
    lines = [
        "",
        f"`{GOALS[0][0]}`: the same winner on {same} of {len(first)} recordings; processor time "
        f"{sum(share for *_, share in first) / len(first):.1%} of replaying everything in the mean, "
        f"{max(share for *_, share in first):.1%} at most.",
        "",
        "| recording | events | winner | value | everything's winner | in full + on 1/16 | events, of all "
        "| everything, CPU s | tune, CPU s | of it | elapsed |",
        "|---|--:|---|--:|---|--:|--:|--:|--:|--:|--:|",
        *rows,
        "",
        "The same recordings, other expressions:",
        "",
        "| minimise | subject to | same winner | else worse by | CPU, mean | CPU, most |",
        "|---|---|--:|---|--:|--:|",
    ]
    for number, found in results.items():
        minimise, subject_to = GOALS[number]
        missed = [
            f"{'out of bounds' if lost == float('inf') else f'{lost:.1%}'} ({stem})" for stem, lost, _ in found if lost
        ]
        shares = [share for *_, share in found]
        cells = [
            f"`{minimise}`",
            ", ".join(f"`{one}`" for one in subject_to),
            f"{len(found) - len(missed)} of {len(found)}",
            ", ".join(missed),
            f"{sum(shares) / len(shares):.1%}",
            f"{max(shares):.1%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
