"""The bounds, slow and obvious: the list of sizes, and the formula over all of them at each question."""

from dataclasses import dataclass

EINVAL = 22
PAGE = 4096


@dataclass(eq=False)
class Object:
    size_bytes: int

    @property
    def place(self) -> tuple[int, int]:
        return 0, 0  # an object of a bound is in no page


class ReferenceIdeal:
    def __init__(self) -> None:
        self.objects: list[Object] = []

    @property
    def pages(self) -> int:
        return -(-sum(live.size_bytes for live in self.objects) // PAGE)

    def alloc(self, size_bytes: int) -> Object | int:
        if not 0 < size_bytes <= PAGE:
            return -EINVAL
        self.objects.append(Object(size_bytes))
        return self.objects[-1]

    def free(self, live: Object) -> None:
        self.objects.remove(live)


class ReferenceIdealPacking(ReferenceIdeal):
    @property
    def pages(self) -> int:
        return max(packing_bound([live.size_bytes for live in self.objects], k) for k in range(0, PAGE // 2 + 1, 64))


def packing_bound(sizes: list[int], k: int) -> int:
    """Martello and Toth's L2 for one k: those of more than ``PAGE - k`` are alone, no two of over half share a page."""
    alone = [size for size in sizes if size > PAGE - k]
    half = [size for size in sizes if PAGE // 2 < size <= PAGE - k]
    rest = sum(size for size in sizes if k < size <= PAGE // 2)
    room = len(half) * PAGE - sum(half)
    return len(alone) + len(half) + max(0, -(-(rest - room) // PAGE))
