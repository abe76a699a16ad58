"""An outcome written down: text for people, one record for programs, options of `zreplay run` for both."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from zreplay.plugins.registry import spec_of
from zreplay.replay.config import Config
from zreplay.tune.found import Finding
from zreplay.tune.goal import Goal, Metrics, Row
from zreplay.tune.outcome import Outcome, frontier, number


def command_of(finding: Finding) -> str:
    """What repeats a candidate: options of `zreplay run`."""
    config = finding.candidate.config
    words = [f"--design {config.design}"] if config.design else [f"--model {config.model}", f"--kernel {config.kernel}"]
    words += [] if config.design else [f"--pool {spec_of('pool', str(config.pool))}"]
    words += [] if config.design or config.model == "zram" else [f"--mm {spec_of('mm', str(config.mm))}"]
    if finding.candidate.limit_percent is not None:
        words.append(f"--max-pool-percent {finding.candidate.limit_percent}")
    if finding.candidate.threshold_percent is not None:
        words.append(f"--accept-threshold-percent {finding.candidate.threshold_percent}")
    return " ".join(words)


def text(outcome: Outcome) -> str:
    """The outcome as aligned text."""
    found, goal = outcome.found, outcome.found.goal
    winner = found.winner
    parts = [f"{outcome.trace.name}: {outcome.rows:,} events, {len(found.findings)} configurations"]
    head = f"{winner.candidate.name}: {goal.minimise.text} = {number(goal.value(winner.row or {}))}"
    if not found.satisfies:
        head = f"no configuration meets the conditions; the nearest is {winner.candidate.name}"
    if outcome.equals:
        head += f"\n  {_others(outcome.equals)}"
    best = [(one.candidate.name, one.row or {}) for one in outcome.best()]
    best += [(f"{bound} (bound)", row) for bound, row in outcome.bounds.items()]
    points = frontier(found)
    line = [(one.finding.candidate.name + ("" if one.is_exact else " ~"), one.finding.numbers or {}) for one in points]
    note = "" if all(point.is_exact for point in points) else "\n~ estimated from a sample"
    parts += [
        head,
        _table("the best" if found.satisfies else "the nearest", goal, best),
        _table("the frontier: none is better in all", goal, line) + note,
        "\n".join(f"{bound}: {outcome.against(bound)}" for bound in outcome.bounds),
        f"{outcome.searched()}\nzreplay run {outcome.trace} {command_of(winner)} -o DIR",
    ]
    return "\n\n".join(parts)


def _others(equals: Sequence[Finding]) -> str:
    names = [finding.candidate.name for finding in equals]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"as good, and later in order: {'; '.join(names[:3])}{more}"


def _table(heading: str, goal: Goal, rows: Sequence[tuple[str, Row]]) -> str:
    """A line for each row of numbers: the value, unless it is one of the metrics, and the metrics of the frontier."""
    value = [] if goal.minimise.text in goal.axes else ["value"]
    lines = [(heading, [*value, *goal.axes])]
    for name, numbers in rows:
        cells = [goal.value(numbers)] if value else []
        lines.append((name, [number(cell) for cell in [*cells, *Metrics(numbers).of(goal.axes).values()]]))
    first = max(len(name) for name, _ in lines)
    widths = [max(len(cells[i]) for _, cells in lines) for i in range(len(lines[0][1]))]
    return "\n".join(
        f"{name:<{first}}  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for name, cells in lines
    )


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything a program wants."""
    found, goal = outcome.found, outcome.found.goal

    def one(finding: Finding) -> dict[str, Any]:
        numbers = finding.numbers or {}
        metrics = Metrics(numbers)
        known = finding.row is not None
        place = finding.equal_to
        return {
            "configuration": finding.candidate.name,
            "settings": _settings(finding.candidate.config),
            "value": _plain(goal.value(numbers)) if numbers else None,
            "metrics": {name: _plain(metrics[name]) for name in found.goal.axes} if numbers else {},
            "meets": goal.judged(numbers)[0] == 0 if numbers else None,
            "known": "equal" if place is not None else "full" if known else str(finding.share) if numbers else None,
            "equal_to": found.findings[place].candidate.name if place is not None else None,
        }

    return {
        "trace": str(outcome.trace),
        "minimise": goal.minimise.text,
        "subject_to": [condition.text for condition in goal.subject_to],
        "satisfied": found.satisfies,
        "winner": one(found.winner),
        "equal": [finding.candidate.name for finding in outcome.equals],
        "frontier": [one(point.finding) for point in frontier(found)],
        "bounds": {
            name: {"value": _plain(goal.value(row)), "metrics": {n: _plain(Metrics(row)[n]) for n in found.goal.axes}}
            for name, row in outcome.bounds.items()
        },
        "configurations": [one(finding) for finding in found.findings],
        "replays": {str(share): many for share, many in found.replays.items()},
        "events": found.events,
        "events_of_all": found.all_events,
    }


def _settings(config: Config) -> dict[str, Any]:
    names = (
        "design",
        "model",
        "kernel",
        "pool",
        "mm",
        "max_pool_percent",
        "accept_threshold_percent",
        "totalram_pages",
    )
    return {name: getattr(config, name) for name in names}


def _plain(value: float) -> float | None:
    return value if isfinite(value) else None
