"""Docstrings are written for a reader of the source: Sphinx's roles become plain code in the site."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:py:)?[a-z]+:`~?([^`]+)`")


class Roles(griffe.Extension):  # type: ignore[misc, unused-ignore]
    """``:func:`run` `` → `` `run` ``."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite a docstring as it is read."""
        if obj.docstring:
            obj.docstring.value = _ROLE.sub(r"`\1`", obj.docstring.value)
