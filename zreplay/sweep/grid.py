"""GRID.toml: traces, and a list of values for each axis; the cells of their cross product."""

import itertools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zreplay.errors import UsageError, ZreplayError, missing
from zreplay.replay.axes import AXES as COMPARED
from zreplay.replay.config import known
from zreplay.replay.threads import together
from zreplay.sweep.cell import Cell, SweptTrace

#: What a grid may vary, fields of :class:`zreplay.replay.config.Config`: what a comparison may, and more.
AXES: dict[str, Callable[[str], Any]] = {**COMPARED, "model": str, "missing_size": str, "seed": int}


@dataclass(frozen=True)
class Grid:
    """What a file asks for.

    Attributes:
        path: the file.
        traces: patterns of paths, relative to the file's folder, or URLs.
        axes: field of Config → its values, in the file's order.
    """

    path: Path
    traces: tuple[str, ...]
    axes: Mapping[str, tuple[Any, ...]]

    @classmethod
    def read(cls, path: Path) -> "Grid":
        """Read a grid.

        Raises:
            UsageError: no such file, no TOML, an unknown axis, a value of another type than the axis has.
        """
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise missing(path) from error
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise UsageError(f"{path}: not TOML: {error}") from error
        traces = _values(path, "traces", found.pop("traces", []), str)
        if not traces:
            raise UsageError(f'{path}: no traces, expected a line like traces = ["traces/*.parquet"]')
        for axis in found:
            known(f"{path}: axis", axis, tuple(AXES))
        return cls(path, traces, {axis: _values(path, axis, values, AXES[axis]) for axis, values in found.items()})

    def products(self) -> list[dict[str, Any]]:
        """Every combination of the axes' values."""
        return [dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())]

    def cells(self, traces: Sequence[SweptTrace]) -> list[Cell]:
        """The cells of each trace, in order. Two combinations that come to the same configuration are one cell.

        Raises:
            UsageError: combinations that cannot be; all of them are named.
        """
        cells: dict[str, Cell] = {}
        bad: dict[str, list[str]] = {}
        products = self.products()
        for trace in traces:
            for values in products:
                try:
                    cell = Cell.of(trace, values)
                    cells.setdefault(cell.key, cell)
                except ZreplayError as error:
                    bad.setdefault(f"{_named(values)}: {error}", []).append(trace.name)
        if bad:
            found = sum(map(len, bad.values()))
            lines = [
                f"  {line}" + ("" if len(of) == len(traces) else f" ({', '.join(of)})") for line, of in bad.items()
            ]
            raise UsageError(
                f"{self.path}: {found:,} of {len(traces) * len(products):,} cells cannot be, so none was replayed; "
                "what goes together can be a grid of its own, into the same directory:",
                *lines,
            )
        return list(cells.values())


def _values(path: Path, name: str, values: object, kind: Callable[[str], Any]) -> tuple[Any, ...]:
    """The values of a list, each once; one alone need not be in a list."""
    found = values if isinstance(values, list) else [values]
    wrong = [value for value in found if type(value) is not kind]
    if wrong or (values == [] and name != "traces"):
        expected = 'words in quotes, like ["a", "b"]' if kind is str else "whole numbers, like [10, 20]"
        raise UsageError(f"{path}: {name}: found {wrong[0] if wrong else '[]'!r}, expected {expected}")
    return tuple(dict.fromkeys(found))


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{axis}={value}" for axis, value in values.items()) or "the trace's own configuration"


def open_traces(grid: Grid, workers: int) -> list[SweptTrace]:
    """The traces of a grid, opened and hashed, each content once, in the order of the patterns.

    Raises:
        UsageError, TraceError: a pattern that nothing matches, and traces that cannot be read; all of them are named.
    """
    from zreplay.sweep.remote import is_url, matching_urls

    places: dict[str, None] = {}
    for pattern in grid.traces:
        found = matching_urls(pattern) if is_url(pattern) else _matching(grid.path.parent, pattern)
        if not found:
            raise UsageError(f"{grid.path}: traces: found no file of {pattern!r} (relative to the grid's folder)")
        places |= dict.fromkeys(found)
    opened: dict[str, SweptTrace] = {}
    errors: dict[str, ZreplayError] = {}

    def open_one(place: str) -> None:
        try:
            opened[place] = SweptTrace.open(place)
        except ZreplayError as error:
            errors[place] = error

    together([lambda place=place: open_one(place) for place in places], workers)  # type: ignore[misc]
    if errors:
        first = next(errors[place] for place in places if place in errors)
        raise type(first)(*(str(errors[place]) for place in places if place in errors))
    return list({opened[place].sha256: opened[place] for place in reversed(places)}.values())[::-1]


def _matching(folder: Path, pattern: str) -> list[str]:
    import glob

    # Path.glob takes no absolute patterns.
    names = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    return sorted(str(folder / name) for name in names if (folder / name).is_file())
