"""The generator: a recipe becomes a trace, the same one every time. docs/synth.md says what is in it.

What a recipe is, is its kind's affair (zreplay/trace/recipes). Here its batches go to a file: one is encoded while the
next is drawn, and no more than three are in memory. The file itself is written by a third thread (FileBehind).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zreplay.trace.files import TraceWriter
from zreplay.trace.recipes.kinds import Recipe


def synth(
    recipe: Recipe, output: Path, *, force: bool = False, progress: Callable[[int], object] = lambda rows: None
) -> None:
    """Write the trace of a recipe. After an error, and when interrupted, nothing is left behind.

    Args:
        recipe: what to generate.
        output: the trace.
        force: replace one that exists.
        progress: told of every batch written, in rows.

    Raises:
        UsageError: `output` exists (without `force`) or cannot be written.
    """
    drawn = recipe.batches()
    with (
        TraceWriter(
            output, recipe.metadata(), schema=recipe.columns(), encodings=recipe.encodings(), force=force
        ) as writer,
        ThreadPoolExecutor(1) as drawer,
    ):
        coming = drawer.submit(next, drawn, None)
        while (batch := coming.result()) is not None:
            coming = drawer.submit(next, drawn, None)  # drawn while this one is encoded
            writer.write(batch)
            progress(batch.num_rows)
