"""The kernels whose recordings can be read, one file a family of releases. To add one: its file, and its line here."""

from dataclasses import replace

import _zreplay

from zreplay.trace.families import folio, folio_errno, folio_zeromap, frontswap, zram
from zreplay.trace.families.family import Family, Release
from zreplay.trace.families.functions import FUNCTIONS

__all__ = ["FAMILIES", "FUNCTIONS", "Family", "Release", "family_of", "told_by_probes", "told_by_sight"]

FAMILIES: tuple[Family, ...] = (
    frontswap.FAMILY,
    folio.FAMILY,
    folio_zeromap.FAMILY,
    folio_errno.FAMILY,
    zram.FAMILY,
)


def told_by_probes(text: bytes) -> tuple[Family, ...]:
    """The families a piece of text can be of, by the names and keys of its events; empty if it has none of them.

    zram's come first: a text with both is a recording of zram on a machine that swaps to it.
    """
    return told_by_sight(_zreplay.sight(text, FUNCTIONS))


def told_by_sight(seen: "_zreplay.Sighting") -> tuple[Family, ...]:
    """`told_by_probes` of a text that the engine has looked at."""
    found = [
        family
        for family in FAMILIES
        if any(name in seen.events and (not key or key in seen.events[name]) for name, key in family.probes.items())
    ]
    if found == [frontswap.FAMILY] and not seen.names_frontswap:
        # type= and offset= can be had from a folio's swap entry too, by somebody's own probes: only the release tells.
        found = [replace(family, packed_slots=False) for family in FAMILIES if family.model == "zswap"]
    if seen.stores_answer_errno and not seen.stores_answer_boolean:
        # Likewise the answers: somebody's own probes may have made an errno of a boolean.
        found = [replace(family, answers_errno=True) if family.taken_is_one else family for family in found]
    return tuple(sorted(found, key=lambda family: family.model != "zram"))


def family_of(candidates: tuple[Family, ...], release: Release | None) -> Family | None:
    """The one that a kernel of this release is of; of an unknown release (None), the only one there is."""
    if release is None:
        return candidates[0] if len({family.name for family in candidates}) == 1 else None
    return next((family for family in candidates if family.covers(release)), None)
