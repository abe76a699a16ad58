"""The answer before the table: which configuration wins on memory, on device traffic, in time, by how much, how sure.

Counts are exact, so any difference is one, unless the runs are of a sample: then configurations whose errors overlap
are not told apart. Times are compared only if they were measured in rounds, each configuration with each other, and
judged after Holm's correction over all these pairs, as which is the fastest is not known before. Over several traces
memory and time are geometric means, device traffic is a sum; a configuration that lacks a trace takes no part. A bound
is no configuration that could win.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import median

from zreplay.analysis.comparison import Comparison, Row, is_same
from zreplay.analysis.metrics import METRICS, Metric
from zreplay.analysis.statistics import LEVEL, Ratio, geometric_mean, holm, paired_ratio, rounds_needed
from zreplay.analysis.table import percent_text, value_text

#: Names of configurations that a line lists.
_LISTED = 3
_MEMORY, _READS, _WRITES, _TIME = ("mib_per_gib_swapped", "device_reads", "device_writes", "ns_per_event")


@dataclass(frozen=True)
class Verdict:
    """What is said of memory, of device traffic or of time.

    Attributes:
        about: ``memory``, ``device`` or ``time``.
        best: the configurations that nothing beats; several: they are not told apart. Empty: nothing can be said.
        values: configuration → its value, in the unit; those that take part.
        unit: of the values; less is better.
        words: the same for people.
    """

    about: str
    best: tuple[str, ...]
    values: Mapping[str, float]
    unit: str
    words: str


def answer(comparison: Comparison) -> list[Verdict]:
    """Three verdicts: memory, device, time."""
    rows = _candidates(comparison)
    return [_memory(comparison, rows), _device(comparison, rows), _time(comparison, rows)]


def lines(comparison: Comparison, width: int) -> str:
    """The answer as text, each verdict a paragraph of its own below one another."""
    import textwrap

    found = answer(comparison)
    margin = max(len(verdict.about) for verdict in found) + 2
    return "\n".join(
        textwrap.fill(
            verdict.words,
            width,
            initial_indent=f"{verdict.about:<{margin}}",
            subsequent_indent=" " * margin,
            break_on_hyphens=False,
        )
        for verdict in found
    )


def _candidates(comparison: Comparison) -> dict[str, list[Row]]:
    """Configuration → its rows, one for each trace, of those that have all traces; bounds if there is nothing else."""
    found: dict[str, list[Row]] = {}
    for row in comparison.rows:
        found.setdefault(row.name, []).append(row)
    whole = {name: rows for name, rows in found.items() if len(rows) == len(comparison.traces)}
    built = {name: rows for name, rows in whole.items() if not any(row.result and row.result.is_bound for row in rows)}
    return built or whole


def _metric(name: str) -> Metric:
    return next(metric for metric in METRICS if metric.name == name)


def _values(comparison: Comparison, rows: Sequence[Row], name: str) -> list[float] | None:
    """The metric on each trace; None when one of them lacks it."""
    metric = _metric(name)
    found = [metric.value(row.result, comparison.assumptions) for row in rows if row.result]
    return [value for value in found if value is not None] if None not in found else None


def _memory(comparison: Comparison, rows: Mapping[str, list[Row]]) -> Verdict:
    values, errors = {}, {}
    for name, some in rows.items():
        each = _values(comparison, some, _MEMORY)
        if each and all(each):
            values[name] = geometric_mean(each) if len(each) > 1 else each[0]
            shares = [_error_share(row) for row in some]
            known = [share for share in shares if share is not None]
            errors[name] = values[name] * sum(known) / len(known) if len(known) == len(shares) else None
    return _counted(comparison, "memory", "MiB per GiB swapped", values, errors, "geometric mean")


def _device(comparison: Comparison, rows: Mapping[str, list[Row]]) -> Verdict:
    values, errors = {}, {}
    for name, some in rows.items():
        reads, writes = (_values(comparison, some, metric) for metric in (_READS, _WRITES))
        if reads is not None and writes is not None:
            values[name] = sum(reads) + sum(writes)
            each = [_error_pages(row) for row in some]
            known = [error for error in each if error is not None]
            errors[name] = sum(known) if len(known) == len(each) else None
    return _counted(comparison, "device", "pages read and written", values, errors, "sum")


def _is_sample(row: Row) -> bool:
    return bool(row.result and row.result.settings.get("sample"))


def _error_share(row: Row) -> float | None:
    """How far off a sample's memory may be, of its value; 0: it is no sample. None: it does not say."""
    if not row.result or not _is_sample(row):
        return 0.0
    mean, error = (row.result.summary.get(f"whole_pool_pages_mean{end}") for end in ("", "_error"))
    return error / mean if mean and error is not None else None


def _error_pages(row: Row) -> float | None:
    """How far off a sample's device traffic may be, in pages; likewise."""
    if not row.result or not _is_sample(row):
        return 0.0
    errors = [row.result.summary.get(f"whole_{name}_error") for name in (_READS, _WRITES)]
    return sum(errors) if None not in errors else None  # type: ignore[arg-type]


def _counted(
    comparison: Comparison,
    about: str,
    unit: str,
    values: dict[str, float],
    errors: Mapping[str, float | None],
    over_traces: str,
) -> Verdict:
    """The verdict on what was counted, from a value for each configuration and how far off it may be."""
    if not values:
        return Verdict(about, (), {}, unit, "not known: no run says it")
    traces = len(comparison.traces)
    sampled = any(error != 0 for error in errors.values())
    sure = "exact" if not sampled else "of a sample, error unknown" if None in errors.values() else "of a sample"
    where = f", {over_traces} over {traces} traces" if traces > 1 else ""
    first = min(values, key=lambda name: values[name])
    best = [name for name in values if not _is_above(name, first, values, errors)]
    of_best = f"{_value(values[first])} {unit}{where}"
    if sampled and (error := errors[first]):
        of_best += f" ± {_value(error)}"
    if len(values) == 1:
        words = f"{of_best} ({sure})"
    elif len(best) == len(values):
        told = "no difference" if not sampled else "no difference that a sample can tell"
        words = f"{told}: {_all(values)} {of_best} ({sure})"
    else:
        against = _against(comparison, values, best, lambda name: percent_text(values[first] / values[name]))
        words = f"{_listed(best)}: {of_best}; {against} ({sure})"
    return Verdict(about, tuple(best), values, unit, words)


def _is_above(name: str, first: str, values: Mapping[str, float], errors: Mapping[str, float | None]) -> bool:
    """Whether it is more than the least for sure."""
    error, of_first = errors[name], errors[first]
    if error is None or of_first is None:
        return False
    rest = values[name] - values[first]
    return rest > error + of_first and not is_same(values[name], values[first])


def _value(value: float) -> str:
    return value_text(round(value) if value >= 1000 else value)


def _all(values: Mapping[str, float]) -> str:
    return "both" if len(values) == 2 else f"all {len(values)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _against(
    comparison: Comparison, values: Mapping[str, float], best: Sequence[str], told: Callable[[str], str]
) -> str:
    """By how much the best is below the next and below the baseline."""
    others = sorted((name for name in values if name not in best), key=lambda name: values[name])
    baseline = next((row.name for row in comparison.rows if row.is_baseline), None)
    parts = [(others[0], "the next" if others[0] != baseline else "the next and the baseline")]
    if baseline in others and baseline != others[0]:
        parts.append((str(baseline), "the baseline"))
    return ", ".join(f"{told(name)} against {name}, {what}" for name, what in parts)


def _time(comparison: Comparison, rows: Mapping[str, list[Row]]) -> Verdict:
    unit = "ns per event"
    rounds = comparison.rounds
    if not rounds or comparison.mode == "mixed":
        why = "measured once each, beside other work; --replicates 20 measures in turns"
        if comparison.mode == "mixed":
            why = "some runs look ahead and others, with --timing, do not"
        return Verdict("time", (), {}, unit, f"not compared: {why}")
    times = {name: _times(some) for name, some in rows.items() if all(_TIME in row.times for row in some)}
    if not times:
        return Verdict("time", (), {}, unit, "not known: no run says it")
    values = {name: median(each) for name, each in times.items()}
    first = min(values, key=lambda name: values[name])
    mode = f"{comparison.mode} mode, {rounds} rounds"
    of_best = f"{_value(values[first])} {unit}"
    if len(values) == 1:
        return Verdict("time", (first,), values, unit, f"{of_best} ({mode})")
    ratios, corrected = _pairs(times)
    best = [name for name in values if name == first or corrected[frozenset((name, first))] > LEVEL]
    if len(best) == len(values):
        words = f"no difference shown: {_all(values)} about {of_best} ({mode}"
        if (needed := rounds_needed(len(corrected))) > rounds:
            words += f"; {len(corrected)} comparisons need {needed} and more"
        return Verdict("time", tuple(best), values, unit, words + ")")

    def told(name: str) -> str:
        ratio = ratios[first, name]
        interval = ""
        if ratio.low is not None and ratio.high is not None:
            interval = f" [{percent_text(ratio.low)}, {percent_text(ratio.high)}]"
        return percent_text(ratio.value) + interval

    against = _against(comparison, values, best, told)
    worst = max(corrected[frozenset((name, first))] for name in values if name not in best)
    apart = " (not told apart)" if len(best) > 1 else ""
    words = f"{_listed(best)}{apart}: {of_best}; {against} ({mode}, p ≤ {worst:.2g})"
    return Verdict("time", tuple(best), values, unit, words)


def _times(rows: Sequence[Row]) -> list[float]:
    """Of each round the geometric mean over traces."""
    if len(rows) == 1:
        return list(rows[0].times[_TIME])
    return [geometric_mean(each) for each in zip(*(row.times[_TIME] for row in rows), strict=True)]


def _pairs(times: Mapping[str, Sequence[float]]) -> tuple[dict[tuple[str, str], Ratio], dict[frozenset[str], float]]:
    """Each configuration's time over each other's, and of each pair the p after Holm's correction over all pairs."""
    ratios = {(one, other): paired_ratio(times[one], times[other]) for one, other in permutations(times, 2)}
    pairs = {frozenset(pair): ratio.p for pair, ratio in ratios.items()}
    return ratios, dict(zip(pairs, holm(list(pairs.values())), strict=True))
