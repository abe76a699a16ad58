"""`zreplay plugins`: what there is to choose from."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zreplay.cli.options import JSON, complete_spec, print_json
from zreplay.cli.table import fitted

if TYPE_CHECKING:
    from zreplay.plugins.registry import Variant


@click.command(name="plugins")
@click.argument("specs", nargs=-1, metavar="[SPEC]…", shell_complete=complete_spec)
@JSON
def command(specs: tuple[str, ...], as_json: bool) -> None:
    """List swap indexes, pools and reclaim orders: built in, of installed packages, and those of SPECs.

    A SPEC is a plugin as --index, --pool and --mm take it, such as ./mytree.so. It is loaded, which runs code of its
    author. ZREPLAY_PLUGINS is more of them, with commas between; what they have can be chosen by its name.

    \b
    zreplay plugins ./mytree.so
    ZREPLAY_PLUGINS=./mytree.so,./mypool.so zreplay run TRACE --index mytree --pool mypool -o DIR
    """
    from zreplay.plugins.listing import everything

    found, failed = everything(specs)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        print(fitted(_table(found)))
    for line in failed:
        print(f"zreplay: {line}", file=sys.stderr)


def _table(variants: "list[Variant]") -> str:
    head = ("kind", "name", "origin", "version", "capabilities")
    rows = [head] + [(v.kind, v.name, v.origin, v.version, ", ".join(v.capabilities) or "–") for v in variants]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
