"""Swap indexes in Python."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from zreplay.plugins.plugin import Plugin


class IndexOptions(NamedTuple):
    """What an index is told when it is made.

    Attributes:
        words: what locations it will be given, all from 1 to 2^64 − 1. ``narrow``: an address on a multiple of
            16, and a position of 0 to 3 in bits 1 and 2; bit 0 is clear. ``wide``: an address on a multiple of 64, a
            position of 0 to 63, its low five bits in bits 1 to 5, bit 5 in bit 0. ``value``: an address on a multiple
            of 64, or payload << 1 | 1. In all three 8 is the page of one repeated word, which has no object.
        entry_bytes: of the kernel's entry, where the tree's links are in it.
        small: for tests: small nodes, so that every edge comes up; may be ignored.
        timing: what a call takes is measured: walk as a kernel would.
    """

    words: str = "narrow"
    entry_bytes: int = 64
    small: bool = False
    timing: bool = False


class Index(Plugin):
    """A swap index: where the compressed object of a swap entry is.

    An entry is a swap type, 0 to 31, and an offset, below 2^58. A location is an int, never 0, to be kept as it is.
    One instance has the trees of all types.

    Attributes:
        capabilities: ``values``: takes locations of ``words`` ``value``; ``tags``: keeps positions in tags of its own
            rather than in the slot; ``entries``: its nodes are zswap's entries, which have the object's length.
        positions_64, positions_32: objects of a page that a slot can tell apart beside the page's address, on 64 and on
            32 bits; 0: it holds handles.
        options: what this instance is for, there before ``__init__``.
    """

    positions_64: ClassVar[int] = 0
    positions_32: ClassVar[int] = 0

    options: IndexOptions = IndexOptions()

    @abstractmethod
    def find(self, type: int, offset: int) -> int | None:
        """The entry's location; None: it is not there."""

    @abstractmethod
    def insert(self, type: int, offset: int, location: int) -> int | None:
        """Put the entry there, or another location in its place. Gives the one that was there, None if none was."""

    @abstractmethod
    def erase(self, type: int, offset: int) -> int | None:
        """Take the entry out. Gives the location that was there, None if none was."""

    @abstractmethod
    def move(self, type: int, offset: int, location: int) -> int | None:
        """The object is somewhere else now. Gives the location that was there; None: none was, and nothing changes."""

    @abstractmethod
    def entries(self, type: int) -> Iterable[tuple[int, int]]:
        """Offset and location of each entry of the type, offsets ascending. Nothing is changed meanwhile."""

    @abstractmethod
    def memory(self) -> tuple[int, int, int]:
        """Entries, nodes and bytes that there are. Asked after every store, so keep sums.

        Nodes are those allocated apart (of a tree threaded through its entries, these); bytes are those that the
        kernel's nodes would have.
        """
