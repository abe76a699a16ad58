"""Aligned plain text that survives a pipe and a mail."""

from collections.abc import Sequence


def number(value: float) -> str:
    """A count with thousands separators."""
    return f"{value:,}"


def aligned(rows: Sequence[tuple[str, str]]) -> str:
    """Names to the left, values in one column beside them."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
