"""Tables of TOML as frozen dataclasses and back: every key is known, every value is of its type and in its range.

A dataclass is a table, its fields are the keys. A field's type is int, float, bool, str, Path, one of these or None,
another such dataclass (a table in the table) or a tuple of one type (an array, of tables too). What a number may be is
said by `number`, what a word may be by `word`, and `checked` holds a value against it.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, TypeVar

from zreplay.errors import UsageError, nearest

T = TypeVar("T")
_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text in quotes",
    Path: "a path in quotes",
}


class RecipeError(UsageError):
    """A value of a recipe that cannot be: `key` says which, `complaint` what was found and what is expected."""

    def __init__(self, key: str, complaint: str) -> None:
        super().__init__(f"{key}: {complaint}")
        self.key = key
        self.complaint = complaint


def number(default: Any, first: float, last: float) -> Any:
    """A field that is a number from `first` to `last`; without a default if `default` is dataclasses.MISSING."""
    return dataclasses.field(default=default, metadata={"first": first, "last": last})


def word(default: Any, *words: str) -> Any:
    """A field that is one of `words`."""
    return dataclasses.field(default=default, metadata={"words": words})


def check_fields(recipe: Any) -> None:
    """Raise RecipeError for a field of a dataclass that is not what `number` or `word` has said; None may be."""
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if value is None:
            continue
        if words := field.metadata.get("words"):
            if value not in words:
                raise RecipeError(field.name, f"found {value!r}, expected one of {nearest(value, words)}")
        elif "first" in field.metadata:
            first, last = field.metadata["first"], field.metadata["last"]
            if not first <= value <= last:
                raise RecipeError(field.name, f"found {value}, expected {first:,} to {last:,}")


def from_table(kind: type[T], table: Mapping[str, Any], folder: Path = Path()) -> T:
    """`kind`, a dataclass, made of a table of TOML; paths are relative to `folder`.

    Raises RecipeError for an unknown key (and names the nearest), a missing one, or a value that cannot be.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise RecipeError(key, f"unknown key, expected one of {nearest(key, tuple(fields))}")
    for key, field in fields.items():
        if key not in table and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise RecipeError(key, f"missing, expected {_expected(hints[key])}")
    return kind(**{key: _value(hints[key], value, key, folder) for key, value in table.items()})


def _value(hint: Any, value: Any, key: str, folder: Path) -> Any:
    if isinstance(hint, types.UnionType):  # X | None: TOML has no null
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise RecipeError(key, f"found {_shown(value)}, expected {_expected(hint)}")
        inner = typing.get_args(hint)[0]
        return tuple(_value(inner, item, f"{key} {i}", folder) for i, item in enumerate(value, 1))
    return _item(hint, value, key, folder)


def _item(hint: Any, value: Any, key: str, folder: Path) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        try:
            return from_table(hint, value, folder)  # type: ignore[arg-type]
        except RecipeError as error:
            raise RecipeError(f"{key}: {error.key}", error.complaint) from error
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and isinstance(value, str):
        return folder / value
    if type(value) is not hint:  # not isinstance: true is no number
        raise RecipeError(key, f"found {_shown(value)}, expected {_expected(hint)}")
    return value


def _expected(hint: Any) -> str:
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is tuple:
        return "an array"
    return "a table" if dataclasses.is_dataclass(hint) else _NAMES[hint]


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def to_table(recipe: Any) -> dict[str, Any]:
    """A dataclass as a table: what from_table makes the same dataclass of. Fields that are None are left out, and of
    paths only the name stays."""
    table = {}
    for field in dataclasses.fields(recipe):
        value = _plain(getattr(recipe, field.name))
        if value is not None:
            table[field.name] = value
    return table


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_table(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, Path) else value


def toml_text(table: Mapping[str, Any], path: str = "") -> str:
    """A table as TOML: plain values first, arrays in lines of at most 120 characters, then tables."""
    plain, tables = [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            tables.append(f"\n[{path}{key}]\n{toml_text(value, f'{path}{key}.')}")
        elif isinstance(value, Sequence) and not isinstance(value, str) and value and isinstance(value[0], Mapping):
            tables += [f"\n[[{path}{key}]]\n{toml_text(item, f'{path}{key}.')}" for item in value]
        else:
            plain.append(f"{key} = {_toml_value(value)}\n")
    return "".join(plain + tables)


def _toml_value(value: Any) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the slash and for characters beyond 16 bits, which stay as they are.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and value and isinstance(value[0], Sequence) and not isinstance(value[0], str):
        arrays = [f"[{', '.join(map(_toml_value, item))}]," for item in value]
        return "\n".join(
            ["[", *(fill(array, 118, initial_indent="  ", subsequent_indent="   ") for array in arrays), "]"]
        )
    if isinstance(value, Sequence):
        items = [_toml_value(item) for item in value]
        if len(line := f"[{', '.join(items)}]") <= 100:
            return line
        lines, row = [], " "
        for item in items:
            if len(row) + len(item) > 117:
                lines.append(row)
                row = " "
            row += f" {item},"
        return "[\n" + "\n".join(f" {line}" for line in [*lines, row]) + "\n]"
    return repr(value)  # of a float the shortest text that reads as the same one
