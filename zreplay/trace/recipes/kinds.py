"""Kinds of recipes, and where recipes come from: a file of the user's, or one that is ready.

A recipe file is TOML. At its head stand ``kind``, and if one likes ``title`` (a line for `zreplay synth --list`) and
``source`` (where its numbers come from); all other keys are the kind's own. To add a kind: a class that is a Recipe and
a frozen dataclass with fields ``events`` and ``seed``, and a line in KINDS.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Protocol, Self

import pyarrow as pa

from zreplay.errors import UsageError, missing, nearest
from zreplay.trace.files import ROW_GROUP_ROWS, TraceMetadata
from zreplay.trace.recipes.tables import RecipeError

BATCH_ROWS = ROW_GROUP_ROWS

#: kind → the module and the class; loaded when a recipe is of it.
KINDS = {
    "pattern": ("zreplay.trace.recipes.pattern", "PatternRecipe"),
    "workload": ("zreplay.trace.recipes.workload", "WorkloadRecipe"),
    "fitted": ("zreplay.trace.recipes.fitted", "FittedRecipe"),
}
_HEAD = ("kind", "title", "source")


class Recipe(Protocol):
    """What a kind of recipe can do. Its values are in range once it is there: else making it raises RecipeError."""

    @property
    def events(self) -> int:
        """Rows of the trace."""

    @property
    def seed(self) -> int:
        """Another seed, another trace; 0 to 2^64 - 1."""

    @classmethod
    def from_toml(cls, table: Mapping[str, Any], folder: Path) -> Self:
        """Of a recipe file's keys without its head; paths in it are relative to `folder`. Raises RecipeError."""

    def scaled(self, factor: Fraction) -> Self:
        """The same shape with `factor` times the memory, and as many times the events. Raises RecipeError."""

    def columns(self) -> pa.Schema:
        """Which of the trace format's columns it fills in; one that is never null is declared so."""

    def encodings(self) -> dict[str, str]:
        """Parquet's encodings of columns of which it knows a better one than the usual."""

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The events in order, in batches of columns(); `batch_rows` does not change the events."""

    def metadata(self) -> TraceMetadata:
        """What the trace says about itself: the recipe, and nothing of this machine."""


@dataclass(frozen=True)
class RecipeFile:
    """A recipe and what its file says about it."""

    kind: str
    recipe: Recipe
    title: str = ""
    source: str = ""


def read_recipe(path: Path) -> RecipeFile:
    """Read a recipe file. Raises UsageError, in one line with the file's name, for one that cannot be used."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not TOML: byte {error.start} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    if "kind" not in table:
        raise UsageError(f"{path}: kind: missing, expected one of {', '.join(KINDS)} at the head of the file")
    for key in _HEAD:
        if not isinstance(table.get(key, ""), str):
            raise UsageError(f"{path}: {key}: found {table[key]}, expected text in quotes")
    kind = table["kind"]
    if kind not in KINDS:
        raise UsageError(f"{path}: kind: found {kind!r}, expected one of {nearest(kind, tuple(KINDS))}")
    module, name = KINDS[kind]
    keys = {key: value for key, value in table.items() if key not in _HEAD}
    try:
        recipe = getattr(import_module(module), name).from_toml(keys, path.parent)
    except RecipeError as error:
        raise UsageError(f"{path}: {error}") from error
    return RecipeFile(kind, recipe, table.get("title", ""), table.get("source", ""))


def ready_names() -> tuple[str, ...]:
    """The recipes that come with zreplay, by name."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _ready().iterdir() if file.name.endswith(".toml")))


def find_recipe(name: str) -> RecipeFile:
    """A ready recipe by name, or a file by its path. Raises UsageError as read_recipe does, and for neither."""
    if name in ready_names():
        with as_file(_ready() / f"{name}.toml") as path:
            return read_recipe(path)
    path = Path(name)
    if not path.exists() and path.suffix != ".toml":
        raise UsageError(f"{name}: no such file, and no recipe: expected one of {nearest(name, ready_names())}")
    return read_recipe(path)


def _ready() -> Any:
    return files("zreplay.trace.recipes") / "ready"


def scale_factor(text: str) -> Fraction:
    """Of ``4x``, ``4`` or ``0.5x``. Raises UsageError for what is no factor from 1/1,000,000 to 1,000,000."""
    try:
        factor = Fraction(text.removesuffix("x"))
    except (ValueError, ZeroDivisionError):
        factor = Fraction(0)
    if not Fraction(1, 10**6) <= factor <= 10**6:
        raise UsageError(f"--scale: found {text}, expected a factor like 4x or 0.5x, 0.000001 to 1,000,000")
    return factor
