"""From a trace and a goal to an outcome: the whole of `zreplay tune` but options and printing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zreplay.replay.axes import cores
from zreplay.trace.files import open_trace
from zreplay.tune.goal import Goal, Row
from zreplay.tune.outcome import BOUNDS, Outcome, bound_configs
from zreplay.tune.replays import TraceReplays
from zreplay.tune.search import exhaustive, search
from zreplay.tune.space import candidates


def tune(
    path: Path,
    minimise: str,
    subject_to: Sequence[str] = (),
    axes: Mapping[str, Sequence[Any]] | None = None,
    *,
    totalram_pages: int | None = None,
    every_one: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """The best configuration of a trace.

    Args:
        path: the trace.
        minimise: an expression over metrics of a summary.
        subject_to: comparisons of such expressions.
        axes: values of :data:`zreplay.tune.space.AXES`; one left out has its usual values.
        totalram_pages: of the machine, where the trace does not say it.
        every_one: replay every configuration in full.
        progress: told of events replayed since the last call.

    Raises:
        UsageError, TraceError, ModelError: as :func:`zreplay.replay.run.run`; an expression or axis that cannot be.
    """
    trace = open_trace(path)
    chosen = candidates(path, trace.metadata, axes or {}, totalram_pages)
    goal = Goal.parse(minimise, subject_to, trace, chosen[0].config)
    configs = [candidate.config for candidate in chosen]
    replays = TraceReplays(path, configs, workers=cores(), progress=progress)
    found = (exhaustive if every_one else search)(chosen, goal, replays)
    named = bound_configs(found.winner, path, trace.metadata)
    bounds = [config for _, config in named]
    rows = TraceReplays(path, bounds, workers=cores(), progress=progress).rows(bounds)
    reached = [(name, row) for (name, _), row in zip(named, rows, strict=True)]
    least: dict[str, Row] = {
        name: min((row for one, row in reached if one == name), key=goal.judged) for name in BOUNDS
    }
    return Outcome(path, trace.metadata, trace.rows, found, least)
