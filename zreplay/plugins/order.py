"""Reclaim orders in Python."""

from abc import abstractmethod

from zreplay.plugins.plugin import Plugin


class Order(Plugin):
    """A reclaim order: which of zswap's entries goes next, in models of 6.12 and later.

    A handle is an int of yours, 0 to 2^64 − 1, by which zreplay names an entry; a cookie is one of zreplay's, never 0,
    by which :meth:`next` does. The cookie itself is a good handle.

    Attributes:
        capabilities: ``makes-room``: a store evicts what it needs the room of; else zswap's worker does, by its
            threshold. ``groups``: keeps an order for each cgroup and node; else ``group`` is to be ignored.
    """

    @abstractmethod
    def stored(self, cookie: int, type: int, offset: int, length_bytes: int, group: int) -> int:
        """An entry comes. Gives its handle.

        ``length_bytes`` is the compressed page's; ``group`` is cgroup << 16 | node.
        """

    @abstractmethod
    def gone(self, handle: int) -> None:
        """It is loaded, invalidated, replaced or evicted."""

    def loaded(self, handle: int) -> None:
        """It is loaded and stays, where loads are not exclusive."""

    @abstractmethod
    def next(self, group: int) -> int | None:
        """The cookie of the one whose turn it is; None: there is none. Asked again without a change, it is the same."""

    @abstractmethod
    def visited(self, handle: int) -> None:
        """It was its turn: it is about to be evicted (:meth:`gone` follows), or stays, and others come first."""

    @abstractmethod
    def memory(self) -> tuple[int, int]:
        """Entries that there are, and bytes that a kernel would need for the order beside zswap's entries."""
