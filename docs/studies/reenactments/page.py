"""docs/reenactments.md, written from what is found now."""

from math import inf

from studies.reenactments.claims import CLAIMS, Band, Claim
from studies.reenactments.measure import imputed_shares

HEAD = """<!-- Written by python docs/studies/reenactments: change claims.py there instead. -->

# Public numbers, re-enacted

    python docs/studies/reenactments

replays what was published about zswap, zram and their allocators, as far as a replay can show it, and writes this
page. Each line is also a test: `pytest tests/reenactments` fails if a number leaves its tolerance, or if this page is
not what the command writes. No workload was made to fit the number it is held against: the recordings are those of
[traces/](../traces/README.md), the generator's sizes are its default, and where a public test leaves something open,
a whole range is replayed. The tolerances were set with first results in view: they say how far off is still the same
claim, and are no blind predictions. Where a public number is not met, a sentence says so.

Without a limit a replay stores pages that the recorded kernel refused before it knew their size; they get sizes drawn
from the known ones ([profiles.md](profiles.md)). In percent of all stores:
{imputed}.

## What was claimed, and what is found

| source | claim | found | tolerated | test |
|---|---|---|---|---|
{rows}

## How, why these tolerances, and what is not met

{notes}

## What a replay cannot show

| source | claim | why not |
|---|---|---|
{cannot}
"""

#: Source, claim, why a replay cannot show it.
CANNOT = (
    (
        'commit "zswap: replace RB tree with xarray" (2024)',
        "kernel build: user −0.4 %, sys −0.2 %, real −1.0 %",
        "seconds of a whole machine: a trace has no computing between its events. Index nodes visited, cache lines "
        "and bytes are shown instead",
    ),
    (
        'commit "mm/zswap: split zswap rb-tree" (Jan 2024)',
        "kernel build: real 69.2 → 63.8 s, sys 457 → 295 s",
        "lock contention: a replay is one thread, in the order of the trace, and nobody waits",
    ),
    (
        'commit "mm, swap: use offset of swap entry as key of swap cache"',
        "lock contention 20.15 → 12.19 %",
        "likewise; the heights are above",
    ),
    (
        'mail "[RFC] Analyzing zpool allocators / Removing zbud and z3fold" (8 Feb 2024)',
        "kernel build with zsmalloc, zbud, z3fold: real 111.3, 108.7, 114.6 s; sys 6,936, 6,688, 7,244 s",
        "processor time of compressors and of the kernel's own code, neither of which runs here",
    ),
    (
        'commit "mm: z3fold: deprecate CONFIG_Z3FOLD"',
        "z3fold against zsmalloc: loads +7 %, stores +10 %",
        "latencies of the kernel's code with its locks and mappings; `load_ns` and `store_ns` are those of our "
        "structures",
    ),
    (
        'commit "mm: zswap: support exclusive loads"',
        "real −1.2 %, sys −8.3 %; anonymous refaults 2,383,084 → 1,976,397",
        "refaults: which pages the kernel swaps out next follows from the memory set free; a trace is what it did "
        "swap out",
    ),
    (
        "series on the pressure shrinker (2023)",
        "14 to 35 % less kernel CPU time",
        "processor time; and the shrinker runs when memory is short, of which a trace says nothing",
    ),
    (
        "cover letter of zswap v4 (Jan–Feb 2013)",
        "570 → 267 s with 24 threads, 371 → 240 with 20, 191 → 179 with 16, 128 → 110 with 12",
        "seconds: a program slows down with its swap, a trace does not; the traffic is above",
    ),
    (
        "commit adding same-filled pages to zswap",
        "of same-filled pages less than 1 % are not zero",
        "a trace has size 0 for all of them, whatever their word",
    ),
    (
        'page "Zram Performance Analysis"',
        "lzo, lzo-rle, lz4, zstd and 842 on one set of data",
        "a trace has sizes and no data, so nothing can be compressed again: one compressor for each recording",
    ),
    (
        "Jennings, mail of 21 Feb 2013",
        "radix nodes may not be had under pressure",
        "a replay's own memory is not short; `nodes_allocated` says how often one is asked for",
    ),
)


def page() -> str:
    """The page, from what is found now."""
    return HEAD.format(
        imputed=", ".join(f"{name} {share:.0f}" for name, share in imputed_shares().items()),
        rows="\n".join(table_row(*cells(claim)) for claim in CLAIMS),
        notes="\n\n".join(note(claim) for claim in CLAIMS),
        cannot="\n".join(table_row(*each) for each in CANNOT),
    )


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def cells(claim: Claim) -> tuple[str, ...]:
    found = "<br>".join(f"{label}: {number(claim, value)}" for label, value in claim.found.items())
    if claim.unmet:
        found += "<br>**not met throughout**"
    return claim.source, claim.says, found, tolerated(claim), f"[{claim.test}](#{claim.test})"


def note(claim: Claim) -> str:
    lines = [f"### {claim.test}", f"Replayed: {claim.replayed}.", f"Tolerance: {claim.why}"]
    if claim.unmet:
        lines.append(f"Not met: {claim.unmet}")
    return "\n\n".join(lines)


def tolerated(claim: Claim) -> str:
    """Labels of one tolerance together, the tolerance behind them."""
    labels: dict[Band, list[str]] = {}
    for label in claim.found:
        labels.setdefault(claim.within[label], []).append(label)
    if len(labels) == 1:
        return interval(claim, *labels)
    return "<br>".join(f"{', '.join(those)}: {interval(claim, band)}" for band, those in labels.items())


def interval(claim: Claim, band: Band) -> str:
    low, high = band
    if low == high:
        return f"exactly {number(claim, low)}"
    if high == inf:
        return f"at least {number(claim, low)}"
    return f"{number(claim, low)} to {number(claim, high)}"


def number(claim: Claim, value: float) -> str:
    return claim.form.format(value).replace("-", "−")
