"""A reclaim order in Python: first in, first out. A store that finds no room evicts until there is some.

zreplay run trace.parquet --kernel 6.12 --mm docs/examples/plugins/fifo.py:Fifo -o runs/in-python
"""

from collections import OrderedDict

from zreplay.plugins import Order


class Fifo(Order):
    """first in, first out; in Python"""

    version = "1"
    capabilities = frozenset({"makes-room"})

    def __init__(self) -> None:
        self.queue: OrderedDict[int, None] = OrderedDict()  # cookies, the oldest first

    def stored(self, cookie: int, type: int, offset: int, length_bytes: int, group: int) -> int:
        self.queue[cookie] = None
        return cookie

    def gone(self, handle: int) -> None:
        del self.queue[handle]

    def next(self, group: int) -> int | None:
        return next(iter(self.queue), None)

    def visited(self, handle: int) -> None:
        self.queue.move_to_end(handle)

    def memory(self) -> tuple[int, int]:
        return len(self.queue), 0  # zswap's entry has a list_head
