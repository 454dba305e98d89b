"""Kernels as images: in colour where they have three channels, else channel by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from split_surgery.reporting.pictures.style import DPI, FAINT, Picture, plain_axes, rows_and_columns, short, style

_Weights = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[np.float64]

WIDE, TALL = 1120, 2400
"""Pixels of the kernels in a png at most: what does not fit is left out, and the title says so."""

LEAST, MOST = 3, 120
"""Pixels of a number of a kernel at least, so that it can be seen, and of a kernel at most."""

GAP, LINE, LEFT = 2, 16, 44
"""Pixels between kernels, of a line of small letters, and for numbers on the left."""

LARGEST = (WIDE - GAP) // LEAST
"""Numbers along a side of a kernel that can be drawn."""

SIGNED = "PuOr"
"""A map of colours for numbers of both signs, symmetric about 0, that colour-blind readers can read; orange is negative."""


@dataclass(frozen=True)
class Kernels:
    """The kernels of a layer: (num_output, channels, height, width), and their channels in the layer that was split, if known."""

    layer: str
    weight: _Weights
    channels: tuple[int, ...] = ()

    @property
    def in_colour(self) -> bool:
        return int(self.weight.shape[1]) == 3

    @property
    def largest(self) -> float:
        """What is drawn in full colour."""
        return float(np.abs(self.weight).max()) or 1.0

    def channel(self, at: int) -> int:
        """The number of a kernel: its channel in the layer that was split, if known."""
        return self.channels[at] if self.channels else at


@dataclass(frozen=True)
class Layout:
    """How many kernels and channels are shown, in how many rows and columns, how many pixels a number has, and a gap between rows."""

    count: int
    channels: int
    rows: int
    columns: int
    fine: int
    gap: int = GAP


def layout(shape: tuple[int, ...]) -> Layout:
    """A row for each kernel and a column for each channel; kernels of one channel, or in colour, side by side with their numbers.

    As large as fits; what does not fit in the smallest size is left out.
    """
    count, channels, high, wide = shape
    tiled = channels in (1, 3)
    found = None
    for fine in range(max(LEAST, MOST // max(high, wide)), LEAST - 1, -1):
        across, gap = WIDE // (wide * fine + GAP), LINE if tiled and wide * fine >= LINE * 1.5 else GAP
        down = TALL // (high * fine + gap)
        if tiled:
            columns = min(max(across, 1), rows_and_columns(count, 2.4)[1])
            found = Layout(min(count, columns * down), channels, min(-(-count // columns), down), columns, fine, gap)
        else:
            found = Layout(min(count, down), min(channels, across), min(count, down), min(channels, across), fine, gap)
        if (found.count, found.channels) == (count, channels):
            break
    assert found is not None
    return found


def kernel_grid(kernels: Kernels, bgr: bool = False, when: str = "") -> Picture:
    """All kernels of a layer on one scale, whose middle is 0, with their numbers.

    Args:
        bgr: whether three channels are blue, green, red, as Caffe's own tools read images; else red, green, blue.
        when: what the title begins with.
    """
    count, channels, high, wide = kernels.weight.shape
    plan = layout(kernels.weight.shape)
    title = f"{when}{short(kernels.layer)}: {count} kernel{'s' * (count != 1)} of {channels} x {high} x {wide}"
    if (plan.count, plan.channels) != (count, channels):
        title += f" (the first {plan.count} kernels and {plan.channels} channels)"
    how = "a row for each kernel, a column for each input channel" if channels > 1 else "one input channel"
    if kernels.in_colour:
        how = f"channels {'2, 1, 0' if bgr else '0, 1, 2'} as red, green, blue; grey is 0"
    weight = np.asarray(kernels.weight[: plan.count, : plan.channels], np.float64)
    images = coloured(weight, kernels.largest, bgr) if kernels.in_colour else weight.reshape(-1, high, wide)
    picture = mosaic(images.repeat(plan.fine, axis=1).repeat(plan.fine, axis=2), plan.rows, plan.columns, plan.gap)
    above, below = (LINE * 5, 12) if kernels.in_colour else (LINE * 5, 92)
    size = (max(LEFT + picture.shape[1] + 10, WIDE), above + picture.shape[0] + below)
    low, top = float(kernels.weight.min()) + 0.0, float(kernels.weight.max()) + 0.0
    with style():
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI))
        text = f"{title}\n{how}; from {low:.3g} to {top:.3g}"
        figure.text(12 / size[0], 1 - 10 / size[1], text, va="top", fontsize=9.5)
        axes = figure.add_axes(
            (LEFT / size[0], below / size[1], picture.shape[1] / size[0], picture.shape[0] / size[1])
        )
        plain_axes(axes)
        most = kernels.largest
        image = axes.imshow(picture, cmap=SIGNED, vmin=-most, vmax=most, interpolation="nearest", aspect="auto")
        for x, y, number in _numbers(kernels, plan):
            axes.text(x / picture.shape[1], 1 - y / picture.shape[0], str(number), transform=axes.transAxes, fontsize=6.5, color=FAINT,
                      ha="right" if x < 0 else "left", va="center")  # fmt: skip
        if not kernels.in_colour:
            bar = figure.add_axes((LEFT / size[0], 44 / size[1], 450 / size[0], 18 / size[1]))
            figure.colorbar(image, cax=bar, orientation="horizontal", ticks=MaxNLocator(4))
    return Picture("kernels", f"{title}, {how}", figure)


def _numbers(kernels: Kernels, plan: Layout) -> list[tuple[float, float, int]]:
    """Where the numbers of kernels stand, from the left and the top of the mosaic: above each, or on the left of a row."""
    high, wide = (side * plan.fine for side in kernels.weight.shape[2:])
    if plan.gap == LINE:
        return [
            (at % plan.columns * (wide + GAP), at // plan.columns * (high + LINE) + LINE / 2, kernels.channel(at))
            for at in range(plan.count)
        ]
    step = plan.columns if plan.count > plan.rows else 1
    every = -(-LINE // (high + plan.gap))
    return [(-6, row * (high + GAP) + high / 2, kernels.channel(row * step)) for row in range(0, plan.rows, every)]


def coloured(weight: Numbers, largest: float, bgr: bool) -> Numbers:
    """Kernels (n, 3, height, width) as colours (n, height, width, 3) in [0, 1]; 0 becomes grey."""
    found: Numbers = 0.5 + weight[:, :: -1 if bgr else 1].transpose(0, 2, 3, 1) / (2 * largest)
    return found


def mosaic(tiles: Numbers, rows: int, columns: int, gap: int = GAP) -> Numbers:
    """Images in rows, what is between them transparent: GAP pixels, and `gap` above each row (none above the first if it is GAP)."""
    high, wide, *colours = tiles.shape[1:]
    head = gap if gap != GAP else 0
    shape = (head + rows * (high + gap) - gap, columns * (wide + GAP) - GAP)
    found = np.zeros((*shape, 4)) if colours else np.full(shape, np.nan)
    for at, tile in enumerate(tiles):
        y, x = head + at // columns * (high + gap), at % columns * (wide + GAP)
        part = found[y : y + high, x : x + wide]
        part[...] = np.dstack([tile, np.ones((high, wide))]) if colours else tile
    return found
