"""`zreplay plot`: one chart of some runs, as SVG or PNG."""

from pathlib import Path

import click

from zreplay.cli.options import JSON, complete_names, print_json


@click.command(name="plot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN…")
@click.argument("kind", metavar="KIND", shell_complete=complete_names("chart"))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="x.svg or x.png, to write."
)
@JSON
def command(runs: tuple[Path, ...], kind: str, out: Path, as_json: bool) -> None:
    """Draw one chart of RUNs (of one trace).

    KIND: pool-pages, frontier, refusals, classes, chunks, sizes or work. It needs Altair, which
    `pip install 'zreplay[report]'` brings.

    \b
    zreplay plot RUN RUN pool-pages -o pages.svg
    """
    from zreplay.analysis.charts import KINDS, draw
    from zreplay.analysis.comparison import compare
    from zreplay.analysis.metrics import Assumptions
    from zreplay.analysis.results import load
    from zreplay.analysis.series import views
    from zreplay.errors import UsageError
    from zreplay.replay.config import known
    from zreplay.sweep.directory import refuse_sweeps

    known("KIND", kind, tuple(KINDS))
    refuse_sweeps(runs)
    shown = views(compare(load(list(dict.fromkeys(runs))), [], Assumptions()))
    if len(shown) > 1:
        raise UsageError(f"plot: runs of {len(shown)} traces, expected of one; `zreplay report` draws several")
    draw(kind, shown[0], out)
    if as_json:
        print_json({"chart": out, "kind": kind})
    else:
        print(out)
