"""A comparison: one row per run, one column per metric, each value beside the baseline's.

Runs are compared within a trace. Two runs of different traces have nothing to do with each other's numbers, but a
configuration's ratio to the baseline on each trace does, so over several traces each has a geometric mean of its
ratios. Counts are exact: any difference is one. Times are compared as :mod:`zreplay.analysis.statistics` says, and
only when they were measured in rounds; a single time is shown and never judged.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose

from zreplay.analysis.metrics import Assumptions, Metric
from zreplay.analysis.results import Result
from zreplay.analysis.statistics import (
    LEVEL,
    Estimate,
    Ratio,
    estimate,
    geometric_mean,
    holm,
    paired_ratio,
    rounds_needed,
)
from zreplay.errors import UsageError
from zreplay.replay.config import known

#: Settings that always tell configurations apart; others do when they differ between runs of one trace.
_ALWAYS = ("index", "pool")
#: Settings that say how a run was written down, not what it is.
_NEVER = ("sample_events", "sample_ms", "slots_hold")

#: Means this near are one: their last digits depend on the order in which they were added up.
_ROUNDING = 1e-12

#: Metric → nanoseconds, one for each round.
Times = Mapping[str, Sequence[float]]


@dataclass
class Cell:
    """A value beside the baseline's.

    Attributes:
        value: in the metric's unit; of a time measured in rounds the median; None: this run has no such metric.
        ratio: to the baseline of the same trace; None without one, for the baseline itself, or when either is 0.
        estimate: of a time measured in rounds.
        times_ratio: its ratio's interval and p.
        p: the same p after Holm's correction.
        different: whether this differs from the baseline; None: not resolved.
        best: whether it is the best of its trace, where not all are equal.
    """

    value: float | None
    ratio: float | None = None
    estimate: Estimate | None = None
    times_ratio: Ratio | None = None
    p: float | None = None
    different: bool | None = False
    best: bool = False


@dataclass
class Row:
    """One run.

    Attributes:
        name: its configuration's, the same for each trace.
        trace: its trace's name.
        result: the run's answer; None: the mean over traces.
        cells: metric's name → the value beside the baseline's.
        is_baseline: whether the others of its trace are compared with it.
        times: of each round, if there were any.
    """

    name: str
    trace: str
    result: Result | None
    cells: dict[str, Cell]
    is_baseline: bool = False
    times: Times = field(default_factory=dict)


@dataclass
class Comparison:
    """What :func:`compare` gives.

    Attributes:
        metrics: the columns, in order.
        rows: a row for each run, trace by trace.
        means: geometric means over traces, whose cells have ratios and no values; empty of one trace.
        assumptions: what a swap-in was taken to cost.
        rounds: of the times; 0: they were not measured in rounds.
        seed: that ordered the rounds.
        fields: settings that tell the configurations apart.
        notes: what a reader must know of the numbers, a sentence each.
    """

    metrics: list[Metric]
    rows: list[Row]
    means: list[Row]
    assumptions: Assumptions
    rounds: int
    seed: int | None
    fields: tuple[str, ...]
    notes: list[str] = field(default_factory=list)

    @property
    def mode(self) -> str:
        """Of which mode the times are: ``default``, ``timing``, or ``mixed`` if not of one."""
        modes = {row.result.mode for row in self.rows if row.result}
        return modes.pop() if len(modes) == 1 else "mixed"

    @property
    def traces(self) -> list[str]:
        """Names of the traces, in order."""
        return list(dict.fromkeys(row.trace for row in self.rows))


def compare(
    results: Sequence[Result],
    metrics: Sequence[Metric],
    assumptions: Assumptions,
    *,
    baseline: str | None = None,
    times: Sequence[Times] | None = None,
    seed: int | None = None,
    sort: str | None = None,
) -> Comparison:
    """Compare runs, at least one.

    Args:
        results: the runs.
        metrics: the columns.
        assumptions: what a swap-in costs.
        baseline: a configuration's name or a run's directory; the first run's configuration if None.
        times: for each run, its times in rounds.
        seed: that ordered the rounds.
        sort: a metric's name, best first, or with a leading ``-`` worst first.

    Raises:
        UsageError: no runs; a baseline that none of them is.
    """
    if not results:
        raise UsageError("nothing to compare: no runs; name run directories, or traces and axes such as --index a,b")
    fields = distinguishing(results)
    names = configuration_names(results, fields)
    traces = trace_names(results)
    chosen = _baseline_name(baseline, results, names)
    rounds = len(next(iter(times[0].values()), ())) if times else 0
    rows = []
    for number, (result, name, trace) in enumerate(zip(results, names, traces, strict=True)):
        measured = times[number] if times else {}
        cells = {metric.name: _cell(metric, result, assumptions, measured.get(metric.name)) for metric in metrics}
        rows.append(Row(name, trace, result, cells, is_baseline=name == chosen, times=measured))
    comparison = Comparison(list(metrics), rows, [], assumptions, rounds, seed, fields)
    _against_baseline(comparison, dict(zip(map(id, rows), times, strict=True)) if times else {})
    _mark_best(comparison)
    if sort:
        _sort(comparison, sort)
    _note(comparison, results)
    return comparison


def distinguishing(results: Sequence[Result]) -> tuple[str, ...]:
    """The settings that tell the runs apart: index and pool, and what differs between runs of one trace.

    Where all runs have a design: the design, and what differs between runs of one trace and design.
    """
    # What some version does not write tells nothing of its runs.
    every = dict.fromkeys(name for result in results for name in result.settings)
    designs = all(result.settings.get("design") for result in results)
    differing = []
    for name in every:
        alike: dict[tuple[str, object], set[str]] = {}
        for result in results:
            group = (result.trace_sha256, result.settings["design"] if designs else None)
            if name in result.settings:
                alike.setdefault(group, set()).add(repr(result.settings[name]))
        if any(len(found) > 1 for found in alike.values()):
            differing.append(name)
    always = ("design",) if designs else _ALWAYS
    return always + tuple(name for name in differing if name not in always + _NEVER)


def configuration_names(results: Sequence[Result], fields: Sequence[str]) -> list[str]:
    """A name for each run from its distinguishing settings; its directory's name too where two would be the same."""
    names = []
    always = ("design",) if fields[0] == "design" else _ALWAYS
    for result in results:
        words = [str(result.settings.get(name)) for name in always]
        for name in fields[len(always) :]:
            if name in result.settings:
                words.append(_word(name, result.settings[name]))
        names.append("/".join(word for word in words if word) + (" (bound)" if result.is_bound else ""))
    of_trace = [(name, result.trace_sha256) for name, result in zip(names, results, strict=True)]
    repeated = {name for (name, _), times in Counter(of_trace).items() if times > 1}
    return [
        f"{name} ({result.run.directory})" if name in repeated else name
        for name, result in zip(names, results, strict=True)
    ]


def _word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return name if value else ""
    if isinstance(value, str) and name not in ("zreplay", "sample"):
        return value
    return f"{name}={'none' if value is None else value}"


def trace_names(results: Sequence[Result]) -> list[str]:
    """A name for each run's trace: its file's, with the start of its hash where two traces share one."""
    stems: dict[str, set[str]] = {}
    for result in results:
        stems.setdefault(result.trace_path.stem, set()).add(result.trace_sha256)
    return [
        result.trace_path.stem
        if len(stems[result.trace_path.stem]) == 1
        else f"{result.trace_path.stem} ({result.trace_sha256[:8]})"
        for result in results
    ]


def _baseline_name(baseline: str | None, results: Sequence[Result], names: Sequence[str]) -> str:
    if baseline is None:
        return names[0]
    wanted = baseline.rstrip("/")
    for result, name in zip(results, names, strict=True):
        if wanted in (name, str(result.run.directory)):
            return name
    return known("--baseline", wanted, tuple(dict.fromkeys(names)))


def is_same(one: float, other: float) -> bool:
    """Whether two values are equal: whole numbers to the last bit, means of them but for rounding."""
    whole = isinstance(one, int) and isinstance(other, int)
    return one == other or (not whole and isclose(one, other, rel_tol=_ROUNDING))


def differ(values: Sequence[float]) -> bool:
    """Whether not all values are the same."""
    return len(values) > 1 and not is_same(min(values), max(values))


def _cell(metric: Metric, result: Result, assumptions: Assumptions, rounds: Sequence[float] | None) -> Cell:
    if not metric.measured:
        return Cell(metric.value(result, assumptions))
    if not rounds:
        return Cell(metric.value(result, assumptions), different=None)
    found = estimate(rounds)
    return Cell(found.median, estimate=found, different=None)


def _against_baseline(comparison: Comparison, times: Mapping[int, Times]) -> None:
    """Fill in ratios, judge times, and take the means over traces."""
    baselines = {row.trace: row for row in comparison.rows if row.is_baseline}
    judged: list[Cell] = []
    for row in comparison.rows:
        base = baselines.get(row.trace)
        if base is None or row is base:
            continue
        measured = {metric.name for metric in comparison.metrics if metric.measured}
        for name, cell in row.cells.items():
            if name in measured and row.result and base.result and row.result.mode != base.result.mode:
                continue  # the one looks ahead and the other does not
            base_value = base.cells[name].value
            if cell.value is None or base_value is None:
                cell.different = None
                continue
            if cell.estimate:
                cell.times_ratio = paired_ratio(times[id(row)][name], times[id(base)][name])
                cell.ratio = cell.times_ratio.value
                judged.append(cell)
                continue
            cell.ratio = cell.value / base_value if base_value else None
            if cell.different is not None:
                cell.different = not is_same(cell.value, base_value)
    if len(comparison.traces) > 1:
        _means_over_traces(comparison, baselines, times, judged)
    for cell, p in zip(judged, holm([c.times_ratio.p for c in judged if c.times_ratio]), strict=True):
        cell.p = p
        cell.different = True if p <= LEVEL else None


def _means_over_traces(
    comparison: Comparison, baselines: Mapping[str, Row], times: Mapping[int, Times], judged: list[Cell]
) -> None:
    names = dict.fromkeys(row.name for row in comparison.rows if not row.is_baseline)
    for name in names:
        rows = [row for row in comparison.rows if row.name == name and row.trace in baselines]
        if len(rows) < len(comparison.traces):
            continue
        cells = {}
        for metric in comparison.metrics:
            ratios = [row.cells[metric.name].ratio for row in rows]
            if any(not ratio for ratio in ratios):
                cells[metric.name] = Cell(None)
                continue
            mean = Cell(None, geometric_mean([ratio for ratio in ratios if ratio]))
            mean.different = None if metric.measured or mean.ratio is None else not is_same(mean.ratio, 1)
            if all(row.cells[metric.name].times_ratio for row in rows):
                # A round of all traces is one value: the mean of its ratios.
                by_trace = [
                    [a / b for a, b in zip(times[id(row)][metric.name], base[metric.name], strict=True)]
                    for row, base in ((row, times[id(baselines[row.trace])]) for row in rows)
                ]
                means = [geometric_mean(ratios) for ratios in zip(*by_trace, strict=True)]
                mean.times_ratio = paired_ratio(means, [1.0] * len(means))
                mean.ratio = mean.times_ratio.value
                judged.append(mean)
            cells[metric.name] = mean
        comparison.means.append(Row(name, "", None, cells))


def _mark_best(comparison: Comparison) -> None:
    for trace in comparison.traces:
        rows = [row for row in comparison.rows if row.trace == trace]
        for metric in comparison.metrics:
            values = [row.cells[metric.name].value for row in rows]
            found = [value for value in values if value is not None]
            if metric.better is None or not differ(found) or (metric.measured and not comparison.rounds):
                continue
            # What a bound reaches nobody can; the best is the best that could be built.
            built = [row.cells[metric.name].value for row in rows if row.result is not None and not row.result.is_bound]
            found = [value for value in built if value is not None] or found
            best = min(found) if metric.better == "less" else max(found)
            for row in rows:
                bound = row.result is not None and row.result.is_bound
                value = row.cells[metric.name].value
                row.cells[metric.name].best = value is not None and is_same(value, best) and not bound


def _sort(comparison: Comparison, sort: str) -> None:
    name = sort.removeprefix("-")
    metrics = {metric.name: metric for metric in comparison.metrics}
    known("--sort", name, tuple(metrics))
    descending = (metrics[name].better == "more") != sort.startswith("-")
    order = {trace: number for number, trace in enumerate(comparison.traces)}

    def key(row: Row) -> tuple[int, bool, float]:
        value = row.cells[name].value
        return order[row.trace], value is None, (-value if descending else value) if value is not None else 0.0

    comparison.rows.sort(key=key)


def _note(comparison: Comparison, results: Sequence[Result]) -> None:
    """What a reader of the table has to know."""
    notes = comparison.notes
    traces = comparison.traces
    if len(traces) > 1:
        notes.append(f"{len(traces)} different traces: differences are within a trace, never between two.")
        without = [t for t in traces if not any(row.is_baseline for row in comparison.rows if row.trace == t)]
        if without:
            baseline = next(row.name for row in comparison.rows if row.is_baseline)
            notes.append(f"No differences for {', '.join(without)}: no run of the baseline {baseline} there.")
    if any(result.is_bound for result in results):
        notes.append("A row marked (bound) is no design: it shows how far the others are from what is possible.")
    notes += _notes_of_samples(comparison)
    versions = sorted({str(result.settings["zreplay"]) for result in results})
    if len(versions) > 1:
        notes.append(f"Runs of different versions of zreplay: {', '.join(versions)}.")
    schemas = sorted({str(result.run.manifest["schema_version"]) for result in results})
    if len(schemas) > 1:
        notes.append(f"Runs of different schema versions: {', '.join(schemas)}; what an older run lacks is shown as –.")
    if any(metric.name == "swap_in_us" for metric in comparison.metrics):
        a = comparison.assumptions
        notes.append(
            f"swap_in_us: hits × {a.decompress_us:g} µs to decompress (--decompress-us) + misses × "
            f"{a.device_read_us:g} µs to read the device (--device-read-us), per load."
        )
    if any(metric.measured for metric in comparison.metrics):
        notes.append(_note_times(comparison))


def _notes_of_samples(comparison: Comparison) -> list[str]:
    """How far off each run with ``--sample`` may be."""
    from zreplay.replay.sampling import told

    notes = []
    for row in comparison.rows:
        if not (row.result and row.result.settings.get("sample")):
            continue
        summary, sample = row.result.summary, row.result.settings["sample"]
        where = f"{row.trace}, {row.name}" if len(comparison.traces) > 1 else row.name
        if figures := told(summary):
            found = ", ".join(f"{name} {words}" for name, words in figures.items())
            notes.append(f"{where}: {sample} of the slots, {summary['sample_slots']:,} sampled: {found}.")
        else:
            notes.append(f"{where}: {sample} of the slots; how far off that is was not measured.")
    if notes:
        notes.append("Of samples, pages and counts are scaled back to all slots; docs/sampling.md tells what ± means.")
    return notes


_MODES = {
    "default": "in default mode (as fast as can be; --timing measures operations)",
    "timing": "in timing mode (no look-ahead, the kernel's own access pattern)",
    "mixed": "of runs in default mode and of runs in timing mode, which are not compared with each other",
}


def _note_times(comparison: Comparison) -> str:
    mode = _MODES[comparison.mode]
    if not comparison.rounds:
        return (
            f"Times: {mode}; one measurement each, beside other work, so not resolved; --replicates N measures them "
            "in turns."
        )
    judged = sum(
        cell.times_ratio is not None for row in comparison.rows + comparison.means for cell in row.cells.values()
    )
    note = (
        f"Times: {mode}; median of {comparison.rounds} interleaved rounds (seed {comparison.seed}) and its 95 % "
        "interval; differences from paired rounds, judged at 5 % after Holm's correction"
    )
    if judged and (needed := rounds_needed(judged)) > comparison.rounds:
        note += f"; {judged} comparisons need at least {needed} rounds to show any (--replicates {needed})"
    return note + "."
