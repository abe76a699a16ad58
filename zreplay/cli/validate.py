"""`zreplay validate`: the models against the kernels that made the recordings."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON, print_json
from zreplay.cli.table import aligned, fitted, number, width

if TYPE_CHECKING:
    from zreplay.analysis.validate import Agreement, Pair, Validation


@click.command(name="validate")
@click.argument("traces", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="TRACE…")
@JSON
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw kernel and model over time (one trace)."
)
@click.option(
    "--require",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 3 unless this share of the compared events is exactly equal, both ways, in every trace.",
)
@click.option("--force", is_flag=True, help="Replace an existing plot.")
def command(traces: tuple[Path, ...], as_json: bool, plot: Path | None, require: float | None, force: bool) -> None:
    """Replay recordings of a real kernel and compare every event with the kernel's own counters.

    Each TRACE is replayed twice: driven (allocations, frees, evictions and compactions in recorded order: tests the
    pool) and predicted (the model decides: tests the policy too). JSON is an object, or a
    list of them for several traces.

    \b
    zreplay validate TRACE
    zreplay validate TRACE TRACE --require 90
    """
    from zreplay.analysis.validate import validate
    from zreplay.errors import RequirementError, UsageError
    from zreplay.whole import refuse_place

    if plot:
        from zreplay.analysis import charts as _  # noqa: F401  (says which extra brings Altair)
    if plot and len(traces) > 1:
        raise UsageError(f"--plot: found {len(traces)} traces, expected one")
    if plot:
        refuse_place(plot, force=force, mend="--plot names another place")
    results = []
    for path in traces:
        results.append(validate(path))
        if not as_json:
            print(fitted(_text(results[-1])) + "\n", flush=True)
    if as_json:
        found = [result.as_dict() for result in results]
        print_json(found[0] if len(found) == 1 else found)
    if plot:
        from zreplay.analysis.validate_chart import draw

        draw(results[0], plot)
    if require is not None:
        below = [
            f"{result.trace}: {result.percent_equal:.3f} %" for result in results if result.percent_equal < require
        ]
        if below:
            raise RequirementError(f"--require {require:g}: events exactly equal: {'; '.join(below)}")


def _text(result: "Validation") -> str:
    names = _rows(result.driven)
    margin = max(len(name) for name, _ in names) + 2
    if margin + 80 > width():
        return _stacked(result)
    both = [
        (name, f"{left:<40}{right}") for (name, left), (_, right) in zip(names, _rows(result.predicted), strict=True)
    ]
    return "\n".join([_heading(result), "", aligned([("", f"{'driven':<40}predicted"), *both]), *_differences(result)])


def _stacked(result: "Validation") -> str:
    """The two ways below each other, for a terminal that is too narrow."""
    lines = [_heading(result)]
    for way, agreement in (("driven", result.driven), ("predicted", result.predicted)):
        lines += ["", way, aligned([(f"  {name}", value) for name, value in _rows(agreement)])]
    return "\n".join([*lines, "", *_differences(result)]).rstrip()


def _heading(result: "Validation") -> str:
    config = result.config
    recorded = f" (recorded on {result.release})" if result.release else ""
    return f"{result.trace.name}: profile {config.kernel}{recorded}, {config.model} over {config.pool}"


def _differences(result: "Validation") -> list[str]:
    lines = []
    for way, agreement in (("driven", result.driven), ("predicted", result.predicted)):
        lines += [f"{way}: known cause: {name}: {_plain(value)}" for name, value in agreement.known_causes.items()]
        if first := agreement.first_divergence:
            lines.append(
                f"{way}: first difference at row {number(first['row'])} ({first['op']}): "
                f"kernel {number(first['kernel_pages'])} pages, model {number(first['model_pages'])}"
            )
            lines += ["", _context(first), ""]
    return lines


def _rows(agreement: "Agreement") -> list[tuple[str, str]]:
    def pair(counted: "Pair | None") -> str:
        if counted is None or not counted.compared:
            return "–"
        return f"{number(counted.equal)} of {number(counted.compared)} ({counted.percent:.2f} %)"

    kernel, model = agreement.writebacks
    return [
        ("pool pages equal", pair(agreement.events)),
        ("  largest difference", f"{number(agreement.max_abs_pages)} pages"),
        ("  mean difference", f"{agreement.mean_abs_percent:.4f} %"),
        ("  within 0.1 / 0.5 / 1 %", _shares(agreement)),
        ("stored pages equal", pair(agreement.stored)),
        ("stores decided alike", pair(agreement.decisions)),
        ("placed alike", pair(agreement.placements)),
        ("victims alike", pair(agreement.victims)),
        ("verdicts alike", pair(agreement.verdicts)),
        ("writebacks, kernel / model", f"{number(kernel)} / {number(model)}"),
        ("compactions alike", pair(agreement.compactions)),
    ]


def _shares(agreement: "Agreement") -> str:
    shares = (agreement.within_0_1_percent, agreement.within_0_5_percent, agreement.within_1_percent)
    return " / ".join(f"{share:.2f}" for share in shares) + " % of events"


def _plain(values: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in values.items())


def _context(first: dict[str, object]) -> str:
    rows = first["context"]
    assert isinstance(rows, list)
    lines = [f"    {'row':>9}  {'op':<10} {'offset':>9} {'size':>5} {'result':>6}  {'kernel':>8} {'model':>8}"]
    for row in rows:
        cells = {name: "" if value is None else str(value) for name, value in row.items()}
        mark = ">" if row["row"] == first["row"] else " "
        lines.append(
            f"  {mark} {cells['row']:>9}  {cells['op']:<10} {cells['offset']:>9} {cells['size']:>5} "
            f"{cells['result']:>6}  {cells['seen_pool_pages']:>8} {cells['model_pages']:>8}"
        )
    return "\n".join(lines)
