"""What ``zreplay --help`` prints, with nothing loaded for it: the verbs, a line for each, and what is before a verb."""

import os

TYPE_CHECKING = False  # as in __init__
if TYPE_CHECKING:
    from collections.abc import Iterator

# verb → its one-line help; the code is zreplay/cli/<verb>.py, a click command named `command`.
VERBS = {
    "run": "Replay a trace through a swap index and a pool; write a run directory.",
    "curve": "Hit share and device traffic at many pool limits, in one pass.",
    "compare": "Compare runs, or traces through many configurations.",
    "sweep": "Replay a whole grid of traces and configurations, here or on a cluster; stopped, it goes on.",
    "tune": "Find the configuration that is best for a trace.",
    "report": "Write one HTML page about runs.",
    "plot": "Draw one chart of runs.",
    "plugin": "Test a plugin of yours; flags to compile one.",
    "plugins": "List the indexes, pools and reclaim orders there are, built in and plugged in.",
    "validate": "Compare the models with the kernel that made a recording, event by event.",
    "info": "Say what is in a trace.",
    "record": "Record this machine's swap, as root.",
    "check": "Say whether a trace can be believed.",
    "cut": "Take a part of a trace: a time, rows, types, cgroups, offsets, a sample.",
    "convert": "Turn a recording into a trace: text of ftrace, trace-cmd, perf, bpftrace, blkparse, a table.",
    "synth": "Generate a trace.",
    "pages": "Say what compressors and pools would make of real pages.",
    "completion": "Print what completes zreplay's verbs, options and names in bash, zsh or fish.",
    "man": "Write the manual pages.",
}
ABOUT = "Replay traces of compressed swap (zswap, zram) through the kernel's index structures and allocators."
EXAMPLES = (
    "zreplay info TRACE",
    "zreplay run TRACE --index radix-lowbit --pool zbud -o DIR",
    "zreplay compare TRACE --pool zbud,zsmalloc",
)
OPTIONS = {
    "--config FILE": "Options' defaults, a zreplay.toml (docs/settings.md).  [default: ./zreplay.toml, if there]",
    "-v, --verbose": "Say on standard error which settings are in force, time and memory; of errors the traceback.",
    "--version": "Show the version and exit.",
    "-h, --help": "Show this message and exit.",
}
#: Help is no wider than this on any terminal.
MOST_COLUMNS = 100


def columns() -> int:
    """The terminal's, or what COLUMNS says; as shutil has it, which loads three compression libraries."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return min(int(said), MOST_COLUMNS)
    try:
        return min(os.get_terminal_size(1).columns or 80, MOST_COLUMNS)
    except OSError:
        return 80


def help_text(width: int) -> str:
    """What ``zreplay --help`` prints."""
    lines = ["Usage: zreplay [OPTIONS] COMMAND [ARGS]...", "", *_wrapped(ABOUT, "  ", width), ""]
    lines += [f"  {example}" for example in EXAMPLES]
    for heading, entries in (("Options", OPTIONS), ("Commands", VERBS)):
        lines += ["", f"{heading}:"]
        margin = " " * (max(map(len, entries)) + 4)
        for name, words in entries.items():
            first, *more = _wrapped(words, margin, width)
            lines += [f"  {name}".ljust(len(margin)) + first[len(margin) :], *more]
    return "\n".join(lines)


def _wrapped(text: str, indent: str, width: int) -> "Iterator[str]":
    """Lines of at most that width, all of them indented; what textwrap does, which takes 20 ms to load."""
    line = indent
    for word in text.split():
        if line != indent and len(line) + 1 + len(word) > width:
            yield line
            line = indent
        line += word if line == indent else f" {word}"
    yield line
