"""The file of a fitted recipe: numbers with a word on what they are."""

import dataclasses
from pathlib import Path
from typing import Any

from zreplay.trace.fit import fit
from zreplay.trace.recipes.fitted import FittedRecipe
from zreplay.trace.recipes.tables import to_table, toml_text
from zreplay.whole import new_file, refuse_place

_HEAD = """\
# A recipe fitted to a trace (zreplay synth --fit; docs/fit.md says what each number is, and what they tell of the
# trace). `zreplay synth` makes a trace of it, with --scale 4x one of four times the memory and the events.
# Shares and ranks are parts of 10,000. Arrays have an element for each phase, an equal part of the trace's rows.

"""
_COMMENTS = {
    "events": "rows of all phases; if more are asked for, all slots are freed then and the first phase begins again",
    "area_slots": "how large the swap area is",
    "alike": "sizes near places among them that move before every 8th, 64th and 512th",
    "sizes": "compressed bytes of the stores that are taken, 0: a same-filled page; how many of a million have them",
    "size_ranks": "quantiles of each phase's sizes: how many of the million are smaller",
    "swapped_sizes": "of each step: of the slots swapped out at its end, parts of each of eight groups of sizes",
    "pool_groups": "of each step: groups of 64 slots of which any is in the pool at its end",
    "model": "the machine, for a replay's defaults",
    "op": "from place to place: none, fresh (stored), read (loaded), refused, written (back), back (loaded), cleared",
    "follows": "of each kind: how likely its run comes behind one of this, a hundred: by its share of the runs",
    "ahead": "parts of the rows that find a slot right ahead of the last one's of the op, and are of it",
    "next": "parts of the others whose slot came into its place right after the last one's",
    "whole_rows": "parts of the jumps to 32 slots in a row, or more, that are made; to fewer all are",
    "size_weights": "the same by size, of eight groups of equally many stores",
    "close": "parts of those left whose slot is within 512 of the last one's of the op: `close_back` below it",
    "returns": "the same within 64 slots of where one of the op's last eight jumps left from",
    "near": "parts of those left whose slot came near it: `near_back` before it, `distances` away",
    "resized": "by the size that their slot had, of eight groups: stores with it, with one near it, with one of each",
    "rank": "of the others: quantiles of their rank among those in the place, the youngest first; []: those of `ranks`",
}


def recipe_text(recipe: FittedRecipe) -> str:
    """The recipe's file: what is so without being said is left out, and a comment stands where one is needed."""
    release = f" of Linux {recipe.source_kernel}" if recipe.source_kernel else ""
    table = _told(recipe)
    head = {
        "kind": "fitted",
        "title": f"like a trace of {recipe.events:,} events of {recipe.model}{release}",
        "events": table.pop("events"),
    }
    tables: dict[str, Any] = {name: table.pop(name) for name in ("sizes", "size_shares", "size_ranks")}
    tables["rows"] = [_told(kind) for kind in recipe.rows]
    table.pop("rows")
    told = set()
    lines = []
    for line in toml_text({**head, **table, **tables}).splitlines():
        key = line.partition(" = ")[0]
        if key in _COMMENTS and key not in told:
            told.add(key)
            lines.append(f"# {_COMMENTS[key]}")
        lines.append(line)
    return _HEAD + "\n".join(lines) + "\n"


def _told(recipe: Any) -> dict[str, Any]:
    defaults = {field.name: field.default for field in dataclasses.fields(recipe)}
    return {name: value for name, value in to_table(recipe).items() if getattr(recipe, name) != defaults[name]}


def write_recipe(trace: Path, output: Path, *, force: bool = False) -> FittedRecipe:
    """Fit a recipe to a trace and write its file, whole or not at all.

    Raises UsageError if `output` exists (unless `force`) or cannot be written, and as fit() does.
    """
    refuse_place(output, force=force)
    recipe = fit(trace)
    with new_file(output) as file:
        file.write(recipe_text(recipe).encode())
    return recipe
