"""The one chart of a page that has no Altair to draw with: pool pages over time, as SVG of our own."""

import html
from collections.abc import Iterator

from zreplay.analysis.series import Points, View, curve, merged

_WIDTH, _HEIGHT = 680, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 8, 10, 28
_COLOURS = (
    "#3f88c5", "#e0803a", "#3ba272", "#c264b8", "#c9a227", "#dc5470",
    "#45b3bd", "#94795d", "#7d83e8", "#8ba63f", "#b4553c", "#5fa8a0",
)  # fmt: skip
#: What brings the others.
HINT = "pip install 'zreplay[report]' brings the charts"


def plain_chart(view: View) -> Iterator[str]:
    """Pool pages over time of a trace's runs: a figure, with a legend below; of runs without a timeline a line."""
    curves = {
        name: curve(result.run.timeline(), "pool_pages", view.start_ns, view.pixels)
        for name, result in view.runs.items()
    }
    drawn = merged({name: points for name, points in curves.items() if points}, view.runs)
    if not drawn:
        yield '<p class="quiet">None: no run has a timeline.</p>'
        return
    seconds = max(x for points in drawn.values() for x, _ in points) or 1.0
    pages = max(y for points in drawn.values() for _, y in points) or 1.0
    yield '<figure><div class="chart">'
    yield f'<svg width="{_WIDTH}" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-size="11" role="img" '
    yield 'aria-label="Pool pages over time">'
    yield from _axes(seconds, pages)
    for colour, points in zip(_COLOURS, drawn.values(), strict=False):
        yield f'<polyline fill="none" stroke="{colour}" points="{_path(points, seconds, pages)}"/>'
    yield "</svg></div><figcaption>"
    for colour, name in zip(_COLOURS, drawn, strict=False):
        yield f'<span style="color: {colour}">■</span> {html.escape(name)}<br>'
    yield "</figcaption></figure>"


def _x(seconds: float, most: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / most


def _y(pages: float, most: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * pages / most


def _path(points: Points, seconds: float, pages: float) -> str:
    return " ".join(f"{_x(x, seconds):.1f},{_y(y, pages):.1f}" for x, y in points)


def _axes(seconds: float, pages: float) -> Iterator[str]:
    """Quarters of both, labelled."""
    for quarter in range(5):
        x, y = _x(quarter, 4), _y(quarter, 4)
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#808080" stroke-opacity=".25"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{pages * quarter / 4:,.0f}</text>'
        anchor = "start" if not quarter else "end" if quarter == 4 else "middle"
        yield f'<text x="{x:.1f}" y="{_HEIGHT - 10}" text-anchor="{anchor}">{seconds * quarter / 4:,.3g} s</text>'
