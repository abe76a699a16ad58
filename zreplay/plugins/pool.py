"""Pools in Python."""

from abc import abstractmethod
from typing import Self

from _zreplay import PoolHost

from zreplay.plugins.plugin import Plugin


class Pool(Plugin):
    """A pool: objects of some bytes, in pages of 4096.

    A handle is an int of yours, 0 to 2^64 − 1, by which zreplay names an object; a cookie is one of zreplay's, by which
    the pool does, in :meth:`evict` and :meth:`moved`. Errors are negative errnos, as in ``return -errno.ENOSPC``.

    What a pool can do beside :meth:`alloc` and :meth:`free` it can if its class has the method: :meth:`reclaim`,
    :meth:`compact`, :meth:`migrate`, :meth:`map`, :meth:`where`, :meth:`classes`. Ours are never called.

    Attributes:
        capabilities: ``spans``: an object may lie across two pages; ``lru``: :meth:`reclaim` takes the page whose
            latest allocation is the oldest. ``evicts``, ``compacts`` and ``migrates`` follow from the methods.
    """

    _host: PoolHost

    def __new__(cls) -> Self:
        """With nobody to ask for evictions, until a replay has it."""
        self = super().__new__(cls)
        self._host = PoolHost()
        return self

    def evict(self, cookie: int) -> bool:
        """Have an object written to the device, from within :meth:`reclaim`. True: it has been, and :meth:`free` has
        been called for it; False: it stays, for now."""
        return self._host.evict(cookie) == 0

    def moved(self, cookie: int, handle: int) -> None:
        """Tell that an object has another handle from now on; from within :meth:`compact`, :meth:`migrate`,
        :meth:`alloc` or :meth:`free`."""
        self._host.moved(cookie, handle)

    @abstractmethod
    def alloc(self, size_bytes: int, cookie: int) -> int:
        """A handle, or −EINVAL (nothing asked for, or more than a page), −ENOSPC (too large for this pool) or −ENOMEM.

        Where the pool evicts, zswap's 8 bytes before each object are part of ``size_bytes``.
        """

    @abstractmethod
    def free(self, handle: int) -> None:
        """The object is not needed any more."""

    @abstractmethod
    def memory(self) -> tuple[int, int, int]:
        """Pages; used bytes; movable pages. Asked after every allocation and every free, so keep sums.

        Used bytes are those of live objects, after rounding up to chunks or to the class; movable are the pages that
        :meth:`migrate` could move now.
        """

    def map(self, handle: int, length_known: bool) -> None:
        """The object is read; ``length_known``: its length is known without the pool. Only costs."""
        raise NotImplementedError

    def where(self, handle: int) -> tuple[int, int]:
        """The page the object begins in, by a number never given to another page, and which of its objects it is."""
        raise NotImplementedError

    def reclaim(self, retries: int) -> int:
        """Free one page by having what is in it evicted; ``retries`` pages are tried. 0, or −EINVAL (there is nothing
        to reclaim), −EAGAIN (none of them could be)."""
        raise NotImplementedError

    def compact(self) -> int:
        """Move objects together. Gives the pages freed; of objects with another handle, :meth:`moved` tells."""
        raise NotImplementedError

    def migrate(self, handle: int) -> int:
        """Move the page that the object is in to another. How many objects were in it, or −EAGAIN, −EBUSY."""
        raise NotImplementedError

    def classes(self) -> list[tuple[int, int, int, int]]:
        """Rows of classes.parquet: size of the class in bytes, or 0 and the free chunks of 64 bytes; pages; objects."""
        raise NotImplementedError
