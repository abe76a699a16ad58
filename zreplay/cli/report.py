"""`zreplay report`: run directories in, one HTML page out."""

from pathlib import Path

import click


@click.command(name="report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN…")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="HTML page to write.",
)
@click.option("--baseline", metavar="RUN", help="Run directory or configuration to compare with.  [default: the first]")
@click.option("--sort", metavar="METRIC", help="Order of the table: best first; -METRIC: worst first.")
@click.option("--force", is_flag=True, help="Replace an existing page.")
def command(runs: tuple[Path, ...], out: Path, baseline: str | None, sort: str | None, force: bool) -> None:
    """Write one HTML page about RUNs: table, charts, manifests. It needs no network and no other file."""
    from zreplay.analysis.comparison import compare
    from zreplay.analysis.metrics import Assumptions, choose
    from zreplay.analysis.report import refuse_existing_report, write_report
    from zreplay.analysis.results import load
    from zreplay.sweep.directory import refuse_sweeps

    refuse_existing_report(out, force=force)
    refuse_sweeps(runs)
    results = load(list(dict.fromkeys(runs)))
    assumptions = Assumptions()
    metrics = choose(results, None, assumptions)
    write_report(compare(results, metrics, assumptions, baseline=baseline, sort=sort), out, force=force)
    print(out)
