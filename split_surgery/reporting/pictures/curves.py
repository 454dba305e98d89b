"""Curves of trainings: loss, accuracy and learning rate over iterations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from split_surgery.reporting.logs.caffe_log import Log
from split_surgery.reporting.logs.curve import Curve
from split_surgery.reporting.logs.test_output import is_loss, told
from split_surgery.reporting.pictures.style import Hint, Picture, line_style, short, style

Points = npt.NDArray[np.float64]

_POINTS = 2000
"""Points drawn of one line: more than a screen has columns."""

_HINTS = 80
"""Points of a line that say their value under the pointer."""

BEYOND = 1e6
"""Values of so many times the median are left out of the picture."""

RATE = "learning rate"
ORDER = ("training loss", "test loss", "", RATE)
"""Panels from the top; "" stands for what was tested."""


def axis_name(continued: bool) -> str:
    """What the iterations of the curves are."""
    return "iteration, counted on from the end of the net it was split from" if continued else "iteration"


@dataclass(frozen=True)
class Line:
    """One line of a panel: where the iteration runs back (a restart) it is broken."""

    panel: str
    net: int
    iterations: tuple[int, ...]
    values: tuple[float, ...]


def lines_of(log: Log, net: int, avg: int, output: str | None, start: int = 0) -> list[Line]:
    """What is drawn of one training. Values without an iteration (as grep leaves them) have no place and are left out.

    Args:
        avg: values of the training loss that each point is the mean of, its own and those before it.
        output: the test output to draw beside the losses; by default the accuracy. start: added to each iteration.
    """
    key = told(log, output)
    mean = f", mean of {avg}" if avg > 1 else ""
    found = [(f"training loss{mean}", moving_average(log.train.get("loss", Curve()), avg))]
    losses = [curve for (number, name), curve in log.tests.items() if is_loss(name) and number == 0]
    found += [("test loss", _points(curve)) for curve in losses[-1:]]  # of several heads the net's own is the last
    if key is not None and not is_loss(key[1]):
        found.append((key[1].lower() if output is None else key[1], _points(log.tests[key])))
    found.append((RATE, _points(log.train.get("lr", Curve()))))
    return [
        Line(panel, net, tuple(start + at for at, _ in points), tuple(value for _, value in points))
        for panel, points in found if points
    ]  # fmt: skip


def moving_average(curve: Curve, count: int) -> list[tuple[int, float]]:
    """The mean of each value and up to `count` - 1 before it; a restart begins anew."""
    found: list[tuple[int, float]] = []
    window: list[float] = []
    last = -1
    length = max(1, round(count / curve.every))  # of a long log each point is the mean of several already
    for at, value in _points(curve):
        window = [value] if at < last else [*window, value][-length:]
        found.append((at, math.fsum(window) / len(window)))
        last = at
    return found


def _points(curve: Curve) -> list[tuple[int, float]]:
    return [(at, value) for at, value in zip(curve.iterations, curve.values) if at >= 0 and math.isfinite(value)]


def curves(
    nets: Sequence[str], lines: Sequence[Line], legend: bool = True, name: str = "curves", axis: str = "iteration"
) -> Picture:
    """Panels one below the other, a line for each net that has one; nets keep their colours whichever others are drawn.

    Args:
        legend: whether the drawing has one; a page has its own. name: the picture's. axis: what the iterations are.
    """
    drawn = sorted({line.net for line in lines})
    panels = sorted({line.panel for line in lines}, key=_place)
    hints: list[Hint] = []
    with style():
        texts = [short(nets[net]) for net in drawn]
        columns = max(1, min(5, len(drawn), int(100 / (max(map(len, texts)) + 8))))
        rows = -(-len(drawn) // columns) if legend else 0
        figure = Figure(figsize=(8.0, 0.4 + 0.2 * rows + 1.75 * len(panels)), layout="constrained")
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(grid, panels):
            axes.set_title(short(panel))
            shown = [line for line in lines if line.panel == panel]
            for line in shown:
                colour, dash = line_style(line.net)
                for part, (x, y) in enumerate(_parts(line)):
                    gid = f"line-{drawn.index(line.net)}-{panels.index(panel)}-{part}"
                    steps = "steps-post" if panel == RATE else "default"
                    axes.plot(x, y, color=colour, linestyle=dash, linewidth=_width(line.net), drawstyle=steps, gid=gid,
                              marker="o" if len(x) == 1 else None, markersize=4)  # fmt: skip
                    hints += _hints(axes, gid, nets[line.net], x, y)
            values = [value for line in shown for value in line.values]
            low, high = min(values), max(values)
            sizes = [abs(value) for value in values if value]
            most = BEYOND * float(np.median(sizes)) if sizes else math.inf
            shown_high = max(value for value in values if value <= most or value == low)
            if shown_high < high:  # it diverged, and would flatten all the others
                axes.set_title(f"{short(panel)} (the highest, {high:.3g}, is beyond the top)")
                axes.set_ylim(top=1.05 * shown_high, bottom=low - 0.05 * (shown_high - low or 1.0))
                high = shown_high
            wide = 10 if panel == RATE else 1000
            if low > 0 and high > wide * low:
                axes.set_yscale("log")
                axes.set_ylim(low / 1.5, high * 1.5)
                axes.yaxis.set_major_locator(
                    LogLocator(subs=(1.0, 2.0, 5.0) if high < 1e4 * low else (1.0,), numticks=8)
                )
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axes.yaxis.set_minor_locator(NullLocator())
        grid[-1].set_xlabel(axis)
        grid[-1].xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
        grid[-1].xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}"))
        if legend:
            handles = [_handle(net) for net in drawn]
            figure.legend(handles, texts, loc="outside upper left", ncols=columns, frameon=False)
    entries = tuple((nets[net], *line_style(net)) for net in drawn)
    about = f"{', '.join(panels)} over iterations, of {', '.join(nets[net] for net in drawn)}"
    return Picture(name, about, figure, entries, tuple(hints))


def _hints(axes: Axes, gid: str, net: str, x: Points, y: Points) -> list[Hint]:
    """The values of a line where the pointer may find them: not nearer to each other than it can be put."""
    last = len(x) - 1
    places = sorted({round(at * last / (_HINTS - 1)) for at in range(_HINTS)}) if last >= _HINTS else range(last + 1)
    return [Hint(gid, f"{net}, iteration {x[at]:,.0f}: {y[at]:.6g}", (axes, x[at], y[at])) for at in places]


def _handle(net: int) -> Line2D:
    colour, dash = line_style(net)
    return Line2D([], [], color=colour, linestyle=dash, linewidth=_width(net))


def _width(net: int) -> float:
    """Later lines are thinner and on top: one that lies under another still shows on both sides of it."""
    return max(1.1, 3.2 - 0.7 * net)


def _place(panel: str) -> tuple[int, str]:
    known = [at for at, name in enumerate(ORDER) if name and panel.startswith(name)]
    return (known[0] if known else ORDER.index(""), panel)


def _parts(line: Line) -> list[tuple[Points, Points]]:
    """The line between restarts, each part thinned to what can be seen."""
    breaks = [at + 1 for at, (a, b) in enumerate(pairwise(line.iterations)) if b < a]
    found = []
    for start, stop in pairwise([0, *breaks, len(line.iterations)]):
        step = max(1, (stop - start) // _POINTS)
        chosen = sorted({*range(start, stop, step), stop - 1})
        found.append((np.array(line.iterations, float)[chosen], np.array(line.values)[chosen]))
    return found
