"""Steps written by hand, and what the conformance suite says of one wrong answer after them."""

import re
from collections.abc import Callable
from typing import TypeVar

import pytest

from zreplay.plugins import Index, Order, Pool, conformance

Plugin = TypeVar("Plugin", bound="type[Index | Pool | Order]")


class Wrong(list[object]):
    """Classes that are right but for one method, with the verdict on each, as parameters of a test."""

    def fails(self, steps: str, of: str, message: str) -> Callable[[Plugin], Plugin]:
        """Of a class: its steps, after which the property fails with these words. ``;`` between the steps."""

        def note(wrong: Plugin) -> Plugin:
            spec = f"{wrong.__module__}:{wrong.__name__}"
            self.append(pytest.param(spec, steps, of, message, id=f"{wrong.__name__}-{message[:30]}"))
            return wrong

        return note


def replayed(spec: str, steps: str) -> tuple[str, str] | None:
    """The property that fails and the message, of the steps; None: all pass."""
    failure = conformance.replay(spec, "\n".join(step.strip() for step in steps.split(";")) + "\n")
    return (failure.property, failure.message) if failure else None


def expect(spec: str, steps: str, of: str, message: str) -> None:
    """Nothing fails where there is no message; what differs from run to run is a word in it."""
    found = replayed(spec, steps)
    if not message:
        assert found is None
        return
    assert found is not None
    assert (found[0], re.sub(r"\b\d{9,15}\b", "COOKIE", re.sub(r"\(\S+:\d+\)$", "(HERE)", found[1]))) == (of, message)
