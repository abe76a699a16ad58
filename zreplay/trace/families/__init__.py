"""The kernels whose recordings can be read, one file a family of releases. To add one: its file, and its line here."""

import re
from dataclasses import replace
from itertools import islice

from zreplay.trace.families import folio, folio_errno, folio_zeromap, frontswap, zram
from zreplay.trace.families.family import Family, Release

__all__ = ["FAMILIES", "Family", "Release", "family_of", "told_by_probes"]

FAMILIES: tuple[Family, ...] = (
    frontswap.FAMILY,
    folio.FAMILY,
    folio_zeromap.FAMILY,
    folio_errno.FAMILY,
    zram.FAMILY,
)


_LOOKED_AT = 1000  # lines of an event


def told_by_probes(text: bytes) -> tuple[Family, ...]:
    """The families a piece of text can be of, by the names and keys of its events; empty if it has none of them.

    zram's come first: a text with both is a recording of zram on a machine that swaps to it.
    """
    there = set(re.findall(rb"[ :](\w+): +\(", text))
    found = [
        family
        for family in FAMILIES
        if any(name.encode() in there and _has_key(text, name, key) for name, key in family.probes.items())
    ]
    if found == [frontswap.FAMILY] and b"frontswap" not in text:
        # type= and offset= can be had from a folio's swap entry too, by somebody's own probes: only the release tells.
        found = [replace(family, packed_slots=False) for family in FAMILIES if family.model == "zswap"]
    return tuple(sorted(found, key=lambda family: family.model != "zram"))


def _has_key(text: bytes, name: str, key: str) -> bool:
    """Whether lines of an event have a key: one kernel's lines are alike, so some are enough."""
    lines = re.finditer(rb"[ :]%s: +\([^)\n]*\)([^\n]*)" % name.encode(), text)
    return any(not key or b" %s=" % key.encode() in line[1] for line in islice(lines, _LOOKED_AT))


def family_of(candidates: tuple[Family, ...], release: Release | None) -> Family | None:
    """The one that a kernel of this release is of; of an unknown release (None), the only one there is."""
    if release is None:
        return candidates[0] if len({family.name for family in candidates}) == 1 else None
    return next((family for family in candidates if family.covers(release)), None)
