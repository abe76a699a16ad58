"""``zreplay plugin``: flags to compile a plugin, and whether one does what it should."""

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON, complete_names, complete_spec
from zreplay.cli.table import fitted
from zreplay.errors import PluginError, UsageError
from zreplay.whole import new_file

if TYPE_CHECKING:
    from zreplay.plugins.conformance import Failure, Report


@click.group("plugin", invoke_without_command=True, short_help="Test a plugin of yours; flags to compile one.")
@click.option("--cflags", is_flag=True, help="Print what the C compiler needs to find zreplay_plugin.h.")
@JSON
@click.pass_context
def command(context: click.Context, cflags: bool, as_json: bool) -> None:
    """Swap indexes, pools and reclaim orders of your own (docs/plugins.md).

    \b
    cc -O2 -shared -fPIC $(zreplay plugin --cflags) mytree.c -o mytree.so
    zreplay plugin test ./mytree.so
    zreplay run TRACE --index ./mytree.so -o runs/mytree
    """
    if cflags:
        flags = f"-I{_header_folder()}"
        click.echo(json.dumps({"cflags": flags}) if as_json else flags)
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


def _header_folder() -> Path:
    """In an installed package a folder of its own; in a checkout, the engine's."""
    package = Path(__file__).parents[1]
    for folder in (package / "include", package / "core" / "plugin"):
        if (folder / "zreplay_plugin.h").exists():
            return folder
    raise UsageError(f"no zreplay_plugin.h in {package / 'include'}, expected it to be installed with zreplay")


@command.command("test", short_help="Random operations against a reference, until something is wrong.")
@click.argument("spec", shell_complete=complete_spec)
@click.option(
    "--operations", type=click.IntRange(min=1), default=5_000_000, show_default=True, help="How many are made, in all."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of what is random.")
@click.option(
    "--budget", metavar="TIME", default="60s", show_default=True, help="The longest it may take, as 90s or 5m."
)
@click.option("--kind", type=click.Choice(["index", "pool", "mm"]), help="Only variants of this kind.  [default: all]")
@click.option(
    "--like",
    shell_complete=complete_names("variant"),
    metavar="NAME",
    help="The built-in it has to equal after each operation: answers, costs, memory.  [default: the plugin's .like]",
)
@click.option(
    "--replay",
    "steps",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Make the operations of this file, which an earlier test has written, and nothing else.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def test(
    spec: str,
    operations: int,
    seed: int,
    budget: str,
    kind: str | None,
    like: str | None,
    steps: Path | None,
    as_json: bool,
) -> None:
    """Does SPEC do what the interface asks of it? A plugin (./my.so, ./my.so:NAME, my.py:Class), or a
    built-in by its name.

    Makes random operations and compares each answer with a slow and obvious reference: small and large keys, small and
    normal nodes, memory running out at every allocation, two instances at once. Each property of
    docs/plugins-testing.md gets a verdict. What fails is repeated with fewer and fewer operations, and the shortest
    sequence found is written to the working directory; --replay makes it again, under a debugger for example.

    The plugin runs in processes of its own, with this shell's limits (ulimit): should it crash or hang, that is a
    verdict too. The exit code is 7 if a property failed, else 0.

    \b
    zreplay plugin test ./mytree.so
    zreplay plugin test ./mytree.so --like radix-lowbit --operations 20000000 --budget 5m
    zreplay plugin test ./mytree.so --replay mytree-answers.steps
    """
    from zreplay.cli.progress import steps_bar
    from zreplay.plugins import conformance

    if steps is not None:
        _replay(spec, steps, kind, as_json)
        return
    with steps_bar(spec, quiet=as_json) as progress:
        reports = conformance.test(
            spec,
            kind=kind,
            like=like,
            operations=operations,
            seed=seed,
            budget_seconds=_seconds(budget),
            progress=progress,
        )
    for report in reports:
        _write_steps(spec, report)
    if as_json:
        click.echo(json.dumps({"spec": spec, "variants": [report.as_dict() for report in reports]}, indent=2))
    else:
        click.echo(fitted("\n\n".join(_text(spec, report) for report in reports)))
    if failed := [report for report in reports if report.failures]:
        what = "; ".join(f"{report.subject.name} fails {', '.join(report.failures)}" for report in failed)
        raise PluginError(f"plugin {spec}: {what}")


def _replay(spec: str, path: Path, kind: str | None, as_json: bool) -> None:
    from zreplay.plugins import conformance

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise UsageError(f"--replay: {path}: {reason}, expected a file that plugin test has written") from None
    failure = conformance.replay(spec, text, kind=kind)
    if as_json:
        plain = {"property": failure.property, "message": failure.message} if failure else None
        click.echo(json.dumps({"spec": spec, "steps": str(path), "failure": plain}, indent=2))
    elif failure is None:
        click.echo(f"{path}: all is well")
    if failure is not None:
        raise PluginError(f"plugin {spec}: {path}: {failure.property}: {failure.message}")


def _seconds(text: str) -> float:
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    if not matched:
        raise UsageError(f"--budget: found {text!r}, expected a time such as 90s, 5m or 1h")
    seconds = float(matched[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[matched[2]]
    if not seconds:
        raise UsageError(f"--budget: found {text!r}, expected more than none, such as 90s, 5m or 1h")
    return seconds


def _write_steps(spec: str, report: "Report") -> None:
    for name, failure in report.failures.items():
        path = Path(f"{report.subject.own_name}-{name}.steps")
        heading = f"# {report.subject.kind} {report.subject.name}, {name}: {failure.message}\n"
        heading += f"# seed {report.seed}; again: {_again(spec, path)}\n"
        with new_file(path, mend="go to a directory that can be written to") as file:
            file.write((heading + failure.steps).encode())
        report.files[name] = path


def _again(spec: str, path: Path) -> str:
    return f"zreplay plugin test {shlex.quote(spec)} --replay {shlex.quote(str(path))}"


def _text(spec: str, report: "Report") -> str:
    subject = report.subject
    like = f", as {subject.like}" if subject.like else ""
    lines = [
        f"{subject.kind} {subject.name}{like}: {report.operations:,} operations in {report.seconds:.1f} s, "
        f"seed {report.seed}"
    ]
    for name, verdict in report.verdicts():
        if verdict == "failed":
            lines += _failure(spec, name, report.failures[name], report.files.get(name))
        elif verdict == "not tested":
            lines.append(f"  {name:<14}not tested: {report.why_not(name)}")
        else:
            lines.append(f"  {name:<14}ok      {report.tested.get(name, report.operations):>14,}")
    return "\n".join(lines)


def _failure(spec: str, name: str, failure: "Failure", path: Path | None) -> list[str]:
    lines = [f"  {name:<14}FAILED  {failure.message}"]
    if not failure.repeats:
        lines.append(f"  {'':<22}which these operations alone do not repeat: it depends on instances before")
    count = f"{failure.count():,} operation{'s' if failure.count() != 1 else ''}"
    if path:
        lines.append(f"  {'':<22}{count}: {_again(spec, path)}")
    return lines
