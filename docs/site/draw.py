"""The drawings of docs/model.md: `python docs/site/draw.py` writes docs/pictures/*.svg.

A drawing is rows of boxes. tests/docs/test_drawings.py holds the committed files to this, and what is drawn to the
engine's own sizes.
"""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
INK, PALE, LINE = "#1c2a35", "#5b6b78", "#7d8b97"
#: What a box holds → its colour.
FILLS = {
    "object": "#bcd9f2",
    "free": "#f3f4f5",
    "meta": "#f4dfb6",
    "word": "#d6ead0",
    "gone": "#ffffff",
    "other": "#e4d6ee",
}


class ZSPAGE:
    """A class of zsmalloc whose chain has three pages (6.1)."""

    object_bytes, objects, pages = 2448, 5, 3


_FONT = "font-family='system-ui, sans-serif'"


@dataclass
class Drawing:
    """Shapes of one picture, in pixels from its upper left corner."""

    width: int
    height: int
    title: str
    shapes: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, w: float, h: float, text: str, fill: str = "free", size: int = 13) -> None:
        """A box with its text in the middle; lines are separated by a newline."""
        self.shapes.append(
            f"<rect x='{x:g}' y='{y:g}' width='{w:g}' height='{h:g}' fill='{FILLS[fill]}' stroke='{LINE}'/>"
        )
        lines = text.split("\n")
        for number, line in enumerate(lines):
            self.text(x + w / 2, y + h / 2 + 4.5 + (number - (len(lines) - 1) / 2) * (size + 3), line, size=size)

    def text(self, x: float, y: float, text: str, *, size: int = 13, anchor: str = "middle", colour: str = INK) -> None:
        """One line of text; ``anchor``: what of it is at x."""
        self.shapes.append(
            f"<text x='{x:g}' y='{y:g}' font-size='{size}' text-anchor='{anchor}' fill='{colour}'>{escape(text)}</text>"
        )

    def note(self, x: float, y: float, text: str, anchor: str = "start") -> None:
        """Small pale text."""
        self.text(x, y, text, size=12, anchor=anchor, colour=PALE)

    def arrow(self, *points: tuple[float, float]) -> None:
        """A line through the points, with a head at its end."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.shapes.append(f"<polyline points='{path}' fill='none' stroke='{INK}' marker-end='url(#head)'/>")

    def row(self, x: float, y: float, h: float, boxes: list[tuple[float, str, str]]) -> None:
        """Boxes side by side: width, text, fill."""
        for width, text, fill in boxes:
            self.box(x, y, width, h, text, fill)
            x += width

    def svg(self) -> str:
        """The file."""
        head = (
            "<marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
            f"<path d='M0,0 L8,4 L0,8 z' fill='{INK}'/></marker>"
        )
        size = f"viewBox='0 0 {self.width} {self.height}' width='{self.width}' height='{self.height}'"
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' {_FONT}>\n<title>{escape(self.title)}</title>\n"
            f"<defs>{head}</defs>\n<rect width='100%' height='100%' fill='#ffffff'/>\n"
            + "\n".join(self.shapes)
            + "\n</svg>\n"
        )


def slot() -> Drawing:
    """The location word of core/types.hpp, narrow and wide, a value and an xarray's tagged pointer."""
    d = Drawing(820, 255, "A slot of the swap index: one machine word, narrow, wide, or a value")
    x, w = 120, 670
    bit = 48

    def word(y: int, name: str, boxes: list[tuple[int, str, str]], bits: list[str]) -> None:
        d.text(x - 12, y + 25, name, anchor="end")
        low = sum(n for n, _, _ in boxes)
        d.row(x, y, 40, [(w - low * bit, boxes_high, "object"), *((n * bit, t, f) for n, t, f in boxes)])
        d.note(x + 2, y - 5, "63")
        at = x + w - low * bit
        d.note(at - 4, y - 5, bits[0], "end")
        for (n, _, _), label in zip(boxes, bits[1:], strict=True):
            d.note(at + n * bit / 2, y - 5, label, "middle")
            at += n * bit

    boxes_high = "descriptor: zbud page, or handle cell (16-byte aligned)"
    word(40, "narrow", [(2, "same-filled", "meta"), (2, "position", "word"), (1, "0", "gone")], ["4", "3", "2, 1", "0"])
    boxes_high = "descriptor: struct page (64-byte aligned)"
    word(120, "wide", [(5, "position mod 32", "word"), (1, "÷ 32", "word")], ["6", "5 … 1", "0"])
    boxes_high = "page frame number, 40 bits, and object, 23 bits"
    word(200, "value", [(1, "1", "meta")], ["1", "0"])
    return d


def radix_node() -> Drawing:
    """A node of 3.12's radix tree by cache lines, and a walk."""
    d = Drawing(820, 305, "A radix-tree node of 560 bytes, and the walk to offset 4,711")
    d.note(20, 24, "one node: 560 bytes on nine cache lines of 64; the slab's object is 568")
    x = 20
    for byte, w, text, fill in (
        (0, 110, "height, count", "meta"),
        (8, 150, "parent, or RCU", "meta"),
        (24, 270, "slot 0 … slot 63: a word each", "object"),
        (536, 140, "tags 0, 1, 2", "word"),
    ):
        d.box(x, 50, w, 48, text, fill)
        d.note(x + 2, 45, str(byte))
        x += w
    d.note(x + 4, 45, "560")
    d.note(20, 116, "line 0: head and slots 0 to 4")
    d.note(340, 116, "lines 1 to 7")
    d.note(550, 116, "line 8: slots 61 to 63, and the tags")
    y = 170
    d.note(20, y - 14, "offset 4,711 = 1 · 64² + 9 · 64 + 39: three levels, six bits each")
    for n, (name, digit) in enumerate((("top node", 1), ("node", 9), ("leaf", 39))):
        nx = 20 + n * 210
        d.box(nx, y + 10, 150, 110, "", "free")
        d.text(nx + 75, y + 34, name)
        d.box(nx + 14, y + 54, 122, 34, f"slot {digit}", "object")
        if n < 2:
            d.arrow((nx + 136, y + 71), (nx + 210, y + 71))
    d.arrow((20 + 420 + 136, y + 71), (690, y + 71))
    d.box(690, y + 48, 110, 46, "location\nword", "word")
    return d


def zbud() -> Drawing:
    """zbud's page and its list of free chunks."""
    d = Drawing(820, 285, "A zbud page: a header chunk, the first buddy from the left, the last from the right")
    d.note(20, 28, "4,096 bytes = 64 chunks of 64 bytes")
    d.row(
        20,
        40,
        56,
        [
            (60, "header\n1 chunk", "meta"),
            (250, "first buddy: 1,200 bytes\n19 chunks", "object"),
            (200, "free: 19 chunks", "free"),
            (270, "last buddy: 1,590 bytes\n25 chunks", "object"),
        ],
    )
    d.note(22, 112, "0")
    d.note(80, 112, "64")
    d.note(800, 112, "4096", "end")
    d.note(20, 176, "pages with one buddy, listed by free chunks")
    for n, chunks in enumerate((18, 19, 20, 21, 44)):
        d.box(20 + n * 120, 188, 104, 34, f"{chunks} free" if n < 4 else "… 44 free", "meta")
    d.arrow((192, 250), (192, 226))
    d.text(192, 266, "19 chunks wanted: the head of the first list from 19 up that has a page", anchor="start")
    return d


def z3fold() -> Drawing:
    """z3fold's page and its headless one."""
    d = Drawing(820, 200, "A z3fold page: first, middle and last buddy; or one headless object")
    d.note(20, 28, "4,096 bytes: a header of 2 chunks, then up to three objects")
    d.row(
        20,
        40,
        56,
        [
            (60, "header\n2 chunks", "meta"),
            (190, "first", "object"),
            (70, "free", "free"),
            (190, "middle\nfrom start_middle", "object"),
            (90, "free", "free"),
            (180, "last", "object"),
        ],
    )
    d.note(22, 112, "0")
    d.note(80, 112, "128")
    d.note(800, 112, "4096", "end")
    d.row(20, 140, 44, [(780, "headless: one object of 3,905 to 4,096 bytes, no header", "object")])
    return d


def zspage() -> Drawing:
    """A zspage of a chain of pages, and the way from a slot to an object."""
    d = Drawing(800, 270, "From a slot over the handle cell to an object in a zspage, a chain of pages")
    d.box(20, 40, 130, 44, "slot of the index", "word")
    d.arrow((150, 62), (208, 62))
    d.box(210, 40, 190, 44, "handle cell, 8 bytes:\npage frame, object", "meta")
    d.note(210, 30, "does not move")
    d.note(20, 142, f"one zspage of class {ZSPAGE.object_bytes:,}: three pages, five objects")
    width, objects = 246, ZSPAGE.objects
    size = ZSPAGE.object_bytes * width / 4096
    d.arrow((400, 62), (20 + 3 * size + 40, 62), (20 + 3 * size + 40, 162))
    d.box(20, 150, 3 * width, 84, "", "gone")
    for n in range(objects):
        used = n != 1
        d.box(20 + n * size, 164, size, 42, str(n) if used else "free", "object" if used else "free")
        d.box(20 + n * size, 206, 16, 16, "", "meta")
    for n in range(ZSPAGE.pages):
        at = 20 + n * width
        d.text(at + width / 2, 254, f"page {n}", colour=PALE)
        if n:
            d.shapes.append(f"<line x1='{at}' y1='150' x2='{at}' y2='234' stroke='{INK}' stroke-width='2'/>")
    return d


def engines() -> Drawing:
    """What an event passes through."""
    d = Drawing(860, 345, "An event passes the swap model, which uses two indexes and a pool; they meet in entries.hpp")
    d.box(20, 40, 150, 60, "trace\nstore, load, …", "other")
    d.arrow((170, 70), (228, 70))
    d.box(230, 40, 250, 60, "swap model\nfull? refuse? write back?", "meta")
    d.arrow((355, 100), (355, 148))
    d.box(230, 150, 250, 50, "entries: where both meet", "meta")
    d.arrow((230, 175), (155, 175), (155, 238))
    d.arrow((355, 200), (355, 238))
    d.arrow((480, 175), (625, 175), (625, 238))
    d.box(30, 240, 230, 64, "swap index\nswap entry → place", "word")
    d.box(280, 240, 170, 64, "pool\nbytes → place", "object")
    d.box(480, 240, 290, 64, "mm index: page or entry →\nwho goes next, who may move", "word")
    d.arrow((450, 290), (465, 290), (465, 215), (425, 215), (425, 202))
    d.note(470, 228, "an object has moved")
    d.text(145, 326, "engine one")
    d.text(625, 326, "engine two")
    d.box(560, 40, 280, 60, "counters, costs → samples\n→ run directory", "other")
    d.arrow((480, 70), (558, 70))
    return d


def decisions() -> Drawing:
    """When a store is decided."""
    d = Drawing(860, 160, "A store from its call to its return, and what is looked at when")
    y = 60
    d.shapes.append(f"<line x1='30' y1='{y}' x2='830' y2='{y}' stroke='{LINE}' stroke-width='2'/>")
    for x, name, below in (
        (90, "call", "the limit is looked at;\nthe shrink work is queued"),
        (260, "compression", "how many bytes"),
        (420, "asks the allocator", "is there room?\nif not, a new page"),
        (620, "has memory: the row", "the object is there,\nthe slot names it"),
        (800, "return", "6.1 counts\nits pool"),
    ):
        d.shapes.append(f"<circle cx='{x}' cy='{y}' r='5' fill='{INK}'/>")
        d.text(x, y - 18, name)
        for n, line in enumerate(below.split("\n")):
            d.note(x, y + 26 + 16 * n, line, "middle")
    d.arrow((90, 112), (90, 144), (620, 144), (620, 112))
    d.note(355, 140, "call_rows", "middle")
    return d


DRAWINGS = {
    "slot": slot,
    "radix-node": radix_node,
    "zbud-page": zbud,
    "z3fold-page": z3fold,
    "zspage": zspage,
    "engines": engines,
    "decisions": decisions,
}


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (PICTURES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
