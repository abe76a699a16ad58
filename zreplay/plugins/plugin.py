"""What the three kinds of plugins in Python have in common."""

from abc import ABC
from typing import ClassVar, Self

from _zreplay import Cost


class Plugin(ABC):
    """Something that is plugged in. The class says what it is, an instance is one replay's.

    An instance is made without arguments, once for each replay, and called by one thread at a time. What an operation
    raises ends the replay, as an error that names the class, the exception and its line.

    Attributes:
        name: what it is called, in lower-case letters, digits and ``-``; without one, the class's own name made so
            (``MyIndex`` is ``my-index``). In results ``@`` and eight digits of its file's SHA-256 follow.
        version: yours.
        summary: one line; without one, the first of the docstring.
        like: the built-in that it is a copy of, to the last count; empty: none. ``zreplay plugin test`` holds it to it.
        capabilities: words, listed with each kind.
        cost: what the call under way has cost: seven counters to add to, as in ``self.cost.nodes_visited += 1``.
            zreplay takes what they say after each call, and they begin at 0 again. ``nodes_visited``: nodes of an index
            looked into; ``cache_lines``: lines of 64 bytes of them touched, once an access; ``nodes_allocated``,
            ``nodes_freed``: their difference is what ``memory()`` says; ``slots_written``: words that name a location,
            a child or a link; ``tag_words_written``: 64-bit words of tags; ``headers_read``: of a pool, page headers or
            descriptors. docs/plugins.md says what counts as one.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    like: ClassVar[str] = ""
    capabilities: ClassVar[frozenset[str] | set[str]] = frozenset()

    cost: Cost

    def __new__(cls) -> Self:
        """Before ``__init__``, which so need not call ours."""
        self = super().__new__(cls)
        self.cost = Cost()
        return self

    def check(self) -> None:  # noqa: B027
        """Walk everything and raise, for instance by ``assert``, where something is wrong; nothing: all is well.

        Called at a replay's end, and every ``--check-every`` events. What it costs is not counted.
        """
