"""`zreplay report`: run directories in, one HTML page out."""

from pathlib import Path

import click

from zreplay.cli.options import JSON, complete_names, print_json, tell_how_to_get_charts


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
@click.option(
    "--sort",
    shell_complete=complete_names("metric"),
    metavar="METRIC",
    help="Order of the table: best first; -METRIC: worst first.",
)
@click.option(
    "--report", "name", metavar="NAME", help="A page that an installed package makes of the runs, instead of ours."
)
@click.option("--force", is_flag=True, help="Replace an existing page.")
@JSON
def command(
    runs: tuple[Path, ...],
    out: Path,
    baseline: str | None,
    sort: str | None,
    name: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write one HTML page about RUNs: answer, table, charts, manifests. It needs no network and no other file.

    Charts need Altair, which `pip install 'zreplay[report]'` brings; without it the page has one plain chart.

    \b
    zreplay report RUN RUN -o report.html
    """
    if name is not None:
        _write_other(name, runs, out, only_ours={"--baseline": baseline, "--sort": sort}, force=force)
        _say(out, as_json)
        return
    from zreplay.analysis.comparison import compare
    from zreplay.analysis.metrics import Assumptions, choose
    from zreplay.analysis.report import refuse_page, write_report
    from zreplay.analysis.results import load
    from zreplay.sweep.directory import refuse_sweeps

    refuse_page(out, force=force)
    refuse_sweeps(runs)
    results = load(list(dict.fromkeys(runs)))
    assumptions = Assumptions()
    metrics = choose(results, None, assumptions)
    write_report(compare(results, metrics, assumptions, baseline=baseline, sort=sort), out, force=force)
    _say(out, as_json)
    tell_how_to_get_charts()


def _say(out: Path, as_json: bool) -> None:
    if as_json:
        print_json({"report": out})
    else:
        print(out)


def _write_other(
    name: str, runs: tuple[Path, ...], out: Path, only_ours: dict[str, str | None], *, force: bool
) -> None:
    """A page that a package makes."""
    from zreplay.analysis.installed import page_of
    from zreplay.analysis.report import refuse_page, write_page
    from zreplay.errors import UsageError
    from zreplay.replay.run import open_run

    for option, value in only_ours.items():
        if value is not None:
            raise UsageError(f"{option}: not with --report, whose page is the package's affair; leave one out")
    refuse_page(out, force=force)
    write_page(page_of(name, [open_run(place) for place in dict.fromkeys(runs)]), out)
