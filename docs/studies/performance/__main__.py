"""Measure, and write docs/performance.md: python docs/studies/performance

What is measured is in rows*.py. Each row is kept in performance.json as soon as it is done; with --rows the others stay
what they were.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parents[1]
sys.path[:1] = [str(DOCS), str(DOCS.parent / "tests")]  # in place of this folder

import click  # noqa: E402
from studies.performance.instructions import why_not, write_baseline  # noqa: E402
from studies.performance.page import Kept, measure, page  # noqa: E402
from studies.performance.rows import ROWS  # noqa: E402

NAMES = [row.name for row in ROWS]


@click.command()
@click.option(
    "--rows", "names", metavar="A,B,…", help=f"Only these rows, of {', '.join(NAMES)}; none: only write the page."
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0),
    default=720,
    show_default=True,
    metavar="SECONDS",
    help="For rounds, all rows together; filling the large indexes takes some minutes more.",
)
@click.option("--quick", is_flag=True, help="Small inputs, three rounds; only prints the page.")
@click.option(
    "--instructions", is_flag=True, help="Only count instructions: write the baseline of the test, and the page."
)
def main(names: str | None, budget: float, quick: bool, instructions: bool) -> None:
    """Measure every row (or some) and write docs/performance.md."""
    if instructions:
        if missing := why_not():
            raise click.UsageError(f"--instructions: {missing}")
        write_baseline()
        names = "none"
    chosen = NAMES if names is None else [name for name in names.split(",") if name != "none"]
    for name in chosen:
        if name not in NAMES:
            raise click.UsageError(f"--rows: found {name}, expected some of {', '.join(NAMES)}")
    kept = Kept(None if quick else HERE / "performance.json")
    failed = measure(chosen, kept, budget=budget, quick=quick)
    if quick:
        print(page(kept))
    else:
        (DOCS / "performance.md").write_text(page(kept), encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}; what was measured before is kept", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
