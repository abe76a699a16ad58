"""``zreplay check``: say whether a trace can be believed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON
from zreplay.cli.table import fitted

if TYPE_CHECKING:
    from zreplay.trace.check import Finding, Report


@click.command("check", short_help="Say whether a trace can be believed.")
@click.argument("trace", type=click.Path(path_type=Path), metavar="TRACE")
@JSON
def command(trace: Path, as_json: bool) -> None:
    """Look for everything that is wrong or odd in TRACE, with counts and the first rows (counted from 0).

    An error is what no kernel does and what would make a replay's numbers wrong: time that goes back, sizes above a
    page, results that are no errno, a trace without one store. With one error or more the trace is invalid and the exit
    code is 4.

    A remark is what real recordings also have, and good to know before believing a number: pages that were stored
    before the recording began, lost events, long pauses, columns that `zreplay validate` would need. With remarks alone
    the exit code is 0.

    \b
    zreplay check traces/linux-6.1-zbud-lzo-mixed.parquet
    zreplay check --json TRACE | jq '.findings[] | select(.severity == "error")'
    """
    from zreplay.errors import TraceError
    from zreplay.trace.check import check

    report = check(trace)
    click.echo(json.dumps(report.as_dict(), indent=2) if as_json else fitted(_text(report)))
    if not report.valid:
        first = next(finding for finding in report.findings if finding.severity == "error")
        more = f" and {report.errors - 1} more" if report.errors > 1 else ""
        raise TraceError(f"{trace}: invalid: {first.name}{more}")


def _text(report: "Report") -> str:
    verdict = "valid" if report.valid else "invalid"
    remarks = len(report.findings) - report.errors
    lines = [f"{report.trace}: {verdict}; {report.rows:,} rows, errors: {report.errors}, remarks: {remarks}"]
    lines += [f"  {_line(finding)}" for finding in report.findings]
    return "\n".join(lines)


def _line(finding: "Finding") -> str:
    text = f"{finding.severity:<6}  {finding.name}: "
    if finding.count is not None:
        text += f"{finding.count:,} × "
    text += finding.message
    if finding.first_rows:
        more = ", …" if finding.count and finding.count > len(finding.first_rows) else ""
        rows = ", ".join(f"{row:,}" for row in finding.first_rows)
        text += f" (row {rows}{more})" if len(finding.first_rows) == 1 else f" (rows {rows}{more})"
    return text
