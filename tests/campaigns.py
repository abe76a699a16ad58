"""Run the long campaigns: each command of docs/testing.md that has a --budget, one after another.

    python tests/campaigns.py --budget 600 [WORD…]     # those whose command has one of the words
    python tests/campaigns.py --list

What each prints is also in build/campaigns/. Ends with 1 when one has failed, after all have had their turn.
"""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "testing.md"
OUT = ROOT / "build" / "campaigns"
#: In a block, indented or fenced: a Python of ours with a budget, without what follows as a comment.
COMMAND = re.compile(r"^(?: {4})?((?:python |[A-Z_]+=\S+ )[^#\n]*--budget[ =]\d+[^#\n]*)", re.MULTILINE)


def commands(page: str, budget: int, words: Sequence[str] = ()) -> list[str]:
    """Those of the page, in its order, each once, with this budget in place of their own."""
    found = [re.sub(r"--budget[ =]\d+", f"--budget {budget}", one).strip() for one in COMMAND.findall(page)]
    return [one for one in dict.fromkeys(found) if not words or any(word in one for word in words)]


@click.command()
@click.option("--budget", type=click.IntRange(min=1), default=600, show_default=True, help="Seconds for each.")
@click.option("--list", "only_list", is_flag=True, help="Only say which there are.")
@click.argument("words", nargs=-1)
def main(budget: int, only_list: bool, words: tuple[str, ...]) -> None:
    """Run every campaign, or those whose command has one of the words."""
    some = commands(PAGE.read_text(encoding="utf-8") if PAGE.exists() else "", budget, words)
    if not some:
        raise click.UsageError(
            f"{PAGE.name}: found no command with --budget{' and ' + ', '.join(words) if words else ''}"
        )
    OUT.mkdir(parents=True, exist_ok=True)
    failed = []
    for number, command in enumerate(some, 1):
        print(f"+ {command}", flush=True)
        if only_list:
            continue
        start = time.monotonic()
        with (OUT / f"{number:02}.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, shell=True, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            assert process.stdout
            for line in process.stdout:
                print(line, end="", flush=True)
                log.write(line)
        code = process.wait()
        print(f"  {code=}, {time.monotonic() - start:.0f} s", flush=True)
        if code:
            failed.append(command)
    if failed:
        print("failed:", *failed, sep="\n  ")
        sys.exit(1)


if __name__ == "__main__":
    main()
