"""Block diagrams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from split_surgery.reporting.diagram import Arrow, Box, Diagram
from split_surgery.reporting.pictures.layout import Places, place
from split_surgery.reporting.pictures.style import FAINT, FAST, INK, MARK, PAPER, Picture, short, style

TITLE, BODY, SMALL = 9.0, 8.0, 7.0
LEADING = 1.3
PADDING, MARGIN, GAP = 7.0, 10.0, 32.0
_POINTS = 72.0
Route = tuple[tuple[float, float], ...]

BESIDE = 4.0
"""Points between an arrow and its text, and between two texts."""

PARTS = (0.4, 0.5, 0.6, 0.3, 0.7, 0.8, 0.2)
"""Of an arrow, where its text may stand: the first that is free."""


def block_diagram(diagram: Diagram, title: str, name: str = "net") -> Picture:
    """The boxes in rows from top to bottom; new layers are marked, what is folded away is dashed, shapes are on the arrows."""
    with style():
        boxes = [(short(box.title), *map(short, box.lines)) for box in diagram.boxes]
        sizes = [_size(texts, box) for texts, box in zip(boxes, diagram.boxes)]
        lines = max((arrow.label.count("\n") + 1 for arrow in diagram.arrows), default=1)
        places = place(
            sizes, [(arrow.start, arrow.end) for arrow in diagram.arrows], GAP + SMALL * LEADING * (lines - 1)
        )
        routes = [_points(arrow, route, places, sizes) for arrow, route in zip(diagram.arrows, places.routes)]
        labels = _labels(diagram, routes, places.boxes, sizes)
        right = max((label.right for label in labels), default=0.0)
        title = short(title)
        heading = TITLE * 2.2
        width = max(places.width, right, _width(title, TITLE + 0.5)) + 2 * MARGIN
        height = places.height + 2 * MARGIN + heading
        figure = Figure(figsize=(width / _POINTS, height / _POINTS))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-MARGIN, width - MARGIN)
        axes.set_ylim(height - heading - MARGIN, -heading - MARGIN)
        axes.text(0, -heading, title, fontsize=TITLE + 0.5, va="center")
        for route in routes:
            _arrow(axes, route)
        for label in labels:
            axes.text(label.left, label.middle, label.text, fontsize=SMALL, color=INK, ha="left", va="center",
                      bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85})  # fmt: skip
        for texts, box, (x, y), (wide, high) in zip(boxes, diagram.boxes, places.boxes, sizes):
            _box(axes, texts, box, x, y, wide, high)
    new = [box.title for box in diagram.boxes if box.new]
    about = f"block diagram of {title}: {len(diagram.boxes)} boxes" + (f"; new: {', '.join(new)}" if new else "")
    return Picture(name, about, figure)


@lru_cache(maxsize=4096)
def _width(text: str, size: float) -> float:
    """The width of a text in points."""
    if not text.strip():
        return 0.0
    font = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _size(texts: tuple[str, ...], box: Box) -> tuple[float, float]:
    widths = [_width(texts[0], TITLE), *(_width(text, BODY) for text in texts[1:])]
    height = TITLE * LEADING + BODY * LEADING * (len(texts) - 1)
    return max(widths) + 2 * PADDING, height + PADDING


def _box(axes: Axes, texts: tuple[str, ...], box: Box, x: float, y: float, wide: float, high: float) -> None:
    axes.add_patch(FancyBboxPatch(
        (x - wide / 2, y - high / 2), wide, high, boxstyle="round,pad=0,rounding_size=4", facecolor=MARK if box.new else PAPER,
        edgecolor=FAST if box.new else FAINT, linewidth=1.8 if box.new else 0.9, linestyle="--" if box.folded else "-",
    ))  # fmt: skip
    top = y - high / 2 + PADDING / 2 + TITLE * LEADING / 2
    plain: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(x, top, texts[0], fontsize=TITLE, color=INK, **plain)
    for line, text in enumerate(texts[1:]):
        axes.text(
            x, top + TITLE * LEADING / 2 + BODY * LEADING * (line + 0.5), text, fontsize=BODY, color=FAINT, **plain
        )


def _points(arrow: Arrow, route: Route, places: Places, sizes: list[tuple[float, float]]) -> Route:
    """Where an arrow leaves its box, passes rows, straight down each, and ends."""
    heights = dict(places.rows)
    points = [(route[0][0], route[0][1] + sizes[arrow.start][1] / 2)]
    for x, y in route[1:-1]:
        points += [(x, y - heights[y] / 2), (x, y + heights[y] / 2)]
    return (*points, (route[-1][0], route[-1][1] - sizes[arrow.end][1] / 2))


@dataclass(frozen=True)
class Label:
    """A text beside an arrow, and the room that it takes."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def meets(self, left: float, top: float, right: float, bottom: float) -> bool:
        return left < self.right + BESIDE and self.left < right + BESIDE and top < self.bottom and self.top < bottom


def _labels(diagram: Diagram, routes: list[Route], boxes: Route, sizes: list[tuple[float, float]]) -> list[Label]:
    """What flows, once however many read it: beside the first arrow that has room, as near to the box that it leaves as there is
    room, on no other text and no box."""
    found: dict[tuple[int, int, str], list[Route]] = {}
    for arrow, route in zip(diagram.arrows, routes):
        if arrow.label:
            text = "\n".join(map(short, arrow.label.split("\n")))
            found.setdefault((arrow.start, arrow.end if arrow.bundle else -1, text), []).append(route)
    taken = [(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2) for (x, y), (wide, high) in zip(boxes, sizes)]
    labels: list[Label] = []
    for (_, _, text), own in found.items():
        places = [_beside(route, part, text) for route in own for part in PARTS]
        free = (one for one in places if not any(one.meets(*room) for room in taken))
        best = next(free, places[0])
        labels.append(best)
        taken.append((best.left, best.top, best.right, best.bottom))
    return labels


def _beside(route: Route, part: float, text: str) -> Label:
    """A text to the right of a route, so far down its first curve; curves leave and enter vertically."""
    (x0, y0), (x1, y1) = route[:2]
    lines = text.split("\n")
    sideways = part * part * (3 - 2 * part)  # of a curve whose ends are vertical
    x, y = x0 + sideways * (x1 - x0) + BESIDE, y0 + part * (y1 - y0)
    high = SMALL * LEADING * len(lines)
    return Label(text, x, y - high / 2, x + max(_width(line, SMALL) for line in lines), y + high / 2)


def _arrow(axes: Axes, route: Route) -> None:
    """A curve that leaves and enters vertically."""
    x, y = route[-1]
    vertices, codes = [route[0]], [Path.MOVETO]
    for (ax, ay), (bx, by) in pairwise((*route[:-1], (x, y - 4))):
        vertices += [(ax, (ay + by) / 2), (bx, (ay + by) / 2), (bx, by)]
        codes += [Path.CURVE4] * 3
    axes.add_patch(PathPatch(Path(vertices, codes), facecolor="none", edgecolor=FAINT, linewidth=1.0))
    axes.add_patch(Polygon([(x, y), (x - 2.6, y - 5), (x + 2.6, y - 5)], closed=True, facecolor=FAINT, linewidth=0))
