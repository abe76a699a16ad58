"""Which of a table's columns are a trace's: ``offset=sector/8,op=rw:R=load:W=store``.

Items between commas. Each is OURS=THEIRS, where THEIRS is a column or a whole number (the same in every row), then at
most one of ``*N`` and ``/N`` (rounded down), then ``:VALUE=OURS`` for each value of a column of words. A column of
theirs that has the name of one of ours is taken as it is, unless the map says otherwise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from zreplay.errors import TraceError, UsageError
from zreplay.trace.schema import SCHEMA, WORDS

#: Their rows are counted, which a table from elsewhere cannot.
NOT_MAPPED = ("call_rows", "alloc_rows", "call_ts_ns")
NAMES = tuple(name for name in SCHEMA.names if name not in NOT_MAPPED)
_ITEM = re.compile(r"(\w+)=([^:*/]+?)(?:([*/])(\d+(?:\.\d+)?(?:e\d+)?))?((?::[^:]*)*)")
_INT64 = 2**63
_MOST_FACTOR = 1e12


@dataclass(frozen=True)
class Column:
    """One of our columns made of one of theirs."""

    ours: str
    theirs: str
    operator: str | None = None  #: ``*`` or ``/``
    number: str = "1"
    words: tuple[tuple[str, str], ...] = ()  #: value → ours
    item: str = ""  #: as it was given, for messages

    @property
    def constant(self) -> int | None:
        """The value of every row, where THEIRS is a number."""
        return int(self.theirs) if re.fullmatch(r"-?\d{1,18}", self.theirs) else None

    def of(self, frame: pl.DataFrame, where: str, first_row: int) -> pl.Series:
        """The column. Raises TraceError naming the row, counted from 0, their column and a value that does not fit."""
        if (constant := self.constant) is not None:
            return pl.Series([constant], dtype=pl.Int64).new_from_index(0, len(frame))
        found = frame[self.theirs]
        text = found.cast(pl.String).str.strip_chars()
        text = pl.select(pl.when(text != "").then(text)).to_series()  # an empty cell is an unknown value
        if self.words or self.ours in WORDS:
            words = dict(self.words) or {word: word for word in WORDS[self.ours]}
            made = text.replace_strict(words, default=None, return_dtype=pl.String)
            self._refuse(text, made, f"one of {', '.join(words)}", where, first_row)
            if self.ours in WORDS:
                return made
            text = made
        made = self._numbers(text)
        self._refuse(text, made, self._expected(), where, first_row)
        return made

    def _numbers(self, text: pl.Series) -> pl.Series:
        kind = pl.UInt64 if str(SCHEMA.field(self.ours).type) == "uint64" and self.operator is None else pl.Int64
        whole = text.cast(kind, strict=False)
        factor = float(self.number)
        if whole.null_count() == text.null_count() and factor.is_integer():
            if self.operator is None:
                return whole
            wide, step = pl.lit(whole).cast(pl.Int128), pl.lit(int(factor), pl.Int128)
            scaled = wide * step if self.operator == "*" else wide // step
            return pl.select(scaled.cast(pl.Int64, strict=False)).to_series()
        real = text.cast(pl.Float64, strict=False)
        made = real * factor if self.operator == "*" else real / factor
        is_number = made.is_finite() & (made.abs() < _INT64)
        return (
            pl.select(pl.when(is_number).then(made.round() if self.operator == "*" else made.floor()))
            .to_series()
            .cast(pl.Int64, strict=False)
        )

    def _expected(self) -> str:
        return f"a number, for {self.item or self.ours}"

    def _refuse(self, text: pl.Series, made: pl.Series, expected: str, where: str, first_row: int) -> None:
        bad = text.is_not_null() & made.is_null()
        if not bad.any():
            return
        row = int(bad.arg_true()[0])
        raise TraceError(
            f"{where}: row {first_row + row:,}: column {self.theirs}: found {text[row]!r}, expected {expected}"
        )


def read_map(text: str | None) -> tuple[Column, ...]:
    """The columns a map names. Raises UsageError for an item that is none."""
    columns: list[Column] = []
    for item in (text or "").split(",") if text else ():
        match = _ITEM.fullmatch(item.strip())
        if match is None:
            raise UsageError(f"--map {item}: expected OURS=THEIRS, OURS=THEIRS/8 or OURS=THEIRS:VALUE=WORD:VALUE=WORD")
        ours, theirs, operator, number, rest = match.groups()
        if ours not in NAMES:
            near = get_close_matches(ours, NAMES, 1)
            hint = f"; did you mean {near[0]}?" if near else f", expected one of {', '.join(NAMES)}"
            raise UsageError(f"--map {item}: a trace has no column {ours} to map{hint}")
        if any(column.ours == ours for column in columns):
            raise UsageError(f"--map {item}: column {ours} a second time")
        if operator and not 0 < float(number) <= _MOST_FACTOR:
            raise UsageError(f"--map {item}: found {operator}{number}, expected a number above 0, at most 1e12")
        words = []
        for pair in rest.split(":")[1:]:
            value, equals, word = pair.rpartition("=")
            known = WORDS.get(ours)
            if (
                not equals
                or (known is not None and word not in known)
                or (known is None and not word.lstrip("-").isdigit())
            ):
                expected = f"one of {', '.join(known)}" if known else "a whole number"
                raise UsageError(f"--map {item}: found {pair!r}, expected VALUE=WORD with {expected}")
            words.append((value, word))
        column = Column(ours, theirs.strip(), operator, number or "1", tuple(words), item.strip())
        if ours in WORDS and column.constant is not None:
            raise UsageError(f"--map {item}: found the number {theirs}, expected a column of words")
        columns.append(column)
    return tuple(columns)


def resolve(mapped: Sequence[Column], names: Sequence[str], where: str) -> tuple[Column, ...]:
    """The map with the columns that are already ours. Raises UsageError for a column that is not there."""
    for column in mapped:
        if column.constant is None and column.theirs not in names:
            near = get_close_matches(column.theirs, names, 1)
            hint = f"; did you mean {near[0]}?" if near else f", expected one of {', '.join(names)}"
            raise UsageError(f"--map {column.item}: {where} has no column {column.theirs}{hint}")
    taken = {column.ours for column in mapped}
    columns = [*mapped, *(Column(name, name) for name in NAMES if name in names and name not in taken)]
    missing = [name for name in ("ts_ns", "op", "offset") if all(column.ours != name for column in columns)]
    if missing:
        raise UsageError(
            f"{where}: no column {' and no '.join(missing)}, found {', '.join(names)}; "
            f"--map {missing[0]}=COLUMN names it"
        )
    if all(column.ours != "type" for column in columns):
        columns.append(Column("type", "0"))
    return tuple(columns)
