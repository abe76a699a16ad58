"""Progress bars: on a terminal's standard error, and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def bytes_bar(path: Path, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar by bytes of ``path`` with events/s; yields ``progress(rows, rows_in_all)``, or None when nobody watches.

    It names the plugins in Python, which are called for every event, so that nobody wonders why it is slow.
    """
    if quiet or not sys.stderr.isatty() or not path.is_file():
        yield None
        return
    from tqdm import tqdm

    from zreplay.plugins.registry import in_python

    size_bytes, slow = path.stat().st_size, in_python()
    what = f"{path.name}, calling Python for each event ({', '.join(slow)})" if slow else path.name
    with tqdm(total=size_bytes, unit="B", unit_scale=True, leave=False, desc=what) as bar:

        def progress(rows: int, all_rows: int) -> None:
            bar.update(size_bytes * rows // max(all_rows, 1) - bar.n)
            seconds = bar.format_dict["elapsed"]
            if seconds:
                bar.set_postfix_str(f"{rows / seconds / 1e6:.1f} million events/s", refresh=False)

        yield progress


@contextmanager
def steps_bar(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar by steps; yields ``progress(done, all)``, or None when nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=0, leave=False, desc=what, delay=0.3) as bar:

        def progress(done: int, all_steps: int) -> None:
            bar.total = all_steps
            bar.update(done - bar.n)

        yield progress
