"""Kernels as images: in colour where they have three channels, else channel by channel; and those of two layers in pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from split_surgery.pictures.style import FAINT, FAST, SLOW, Picture, plain_axes, rows_and_columns, style

Weights = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[np.float64]

MOST_CELLS = 4000
"""Pixels along a side of a mosaic of kernels; more could not be told apart on paper."""

FINE = 3
"""Pixels of the mosaic for each number of a kernel, where there is room: the gap between kernels is one pixel."""

WIDE, TALL, TILE = 7.8, 16.0, 0.8
"""Inches: the mosaic at most, and one kernel in it."""

SIGNED = "PuOr"
"""A map of colours for numbers of both signs, symmetric about 0, that colour-blind readers can read; orange is negative."""


def edge_response(weight: Weights) -> Numbers:
    """How much of an edge each kernel passes on: the largest change from one output to the next where the input of all channels
    steps from 0 to 1, vertically or horizontally.

    As a kernel moves across a vertical edge by one pixel, its output changes by the sum of one of its columns (over rows and
    channels). An identity passes on 1, a mean over k columns 1/k; a kernel that sharpens has more than its sum.

    Args:
        weight: (num_output, channels, height, width).

    Returns:
        (num_output,) float64.
    """
    summed = np.asarray(weight, np.float64).sum(axis=1)
    found: Numbers = np.maximum(np.abs(summed.sum(axis=1)).max(axis=1), np.abs(summed.sum(axis=2)).max(axis=1))
    return found


def edge_profile(weight: Weights) -> Numbers:
    """The outputs (num_output, width + 1) as a kernel moves across a vertical edge, from all 0 to all 1: the last is its sum."""
    columns = np.asarray(weight, np.float64).sum(axis=(1, 2))[:, ::-1]
    return np.concatenate([np.zeros((len(columns), 1)), np.cumsum(columns, axis=1)], axis=1)


@dataclass(frozen=True)
class Kernels:
    """The kernels of a layer: (num_output, channels, height, width), and their channels in the layer that was split, if known."""

    layer: str
    weight: Weights
    channels: tuple[int, ...] = ()

    @property
    def in_colour(self) -> bool:
        return int(self.weight.shape[1]) == 3


def kernel_grid(kernels: Kernels, bgr: bool = False) -> Picture:
    """All kernels of a layer on one scale, whose middle is 0.

    Args:
        bgr: whether three channels are blue, green, red, as Caffe's own tools read images; else red, green, blue.
    """
    count, channels, high, wide = kernels.weight.shape
    tiles, rows, columns, shown = _tiles(kernels, bgr)
    title = f"{kernels.layer}: {count} kernels of {channels} x {high} x {wide}"
    if shown != (count, channels):
        title += f" (the first {shown[0]} kernels and {shown[1]} channels)"
    low, top = float(kernels.weight.min()), float(kernels.weight.max())
    return _grid_picture(kernels, title, _mosaic(tiles, rows, columns), (low, top), bgr)


def _grid_picture(kernels: Kernels, title: str, mosaic: Numbers, span: tuple[float, float], bgr: bool) -> Picture:
    if kernels.in_colour:
        how = f"channels {'2, 1, 0' if bgr else '0, 1, 2'} as red, green, blue; grey is 0"
    else:
        how = (
            "a row for each kernel, a column for each input channel"
            if kernels.weight.shape[1] > 1
            else "one input channel"
        )
    high, wide = mosaic.shape[:2]
    longest = max(kernels.weight.shape[2:]) * _fineness(kernels)
    scale = min(WIDE / wide, TALL / high, TILE / longest)
    above, below = 0.55, 0.1 if kernels.in_colour else 0.62
    size = (WIDE + 0.2, above + high * scale + below)
    largest = max(abs(span[0]), abs(span[1])) or 1.0
    with style():
        figure = Figure(figsize=size)
        text = f"{title}\n{how}; from {span[0]:.3g} to {span[1]:.3g}"
        figure.text(0.1 / size[0], 1 - 0.1 / size[1], text, va="top", fontsize=9.5)
        axes = figure.add_axes((0.1 / size[0], below / size[1], wide * scale / size[0], high * scale / size[1]))
        plain_axes(axes)
        image = axes.imshow(mosaic, cmap=SIGNED, vmin=-largest, vmax=largest, interpolation="nearest", aspect="auto")
        if not kernels.in_colour:
            bar = figure.add_axes((0.1 / size[0], 0.34 / size[1], 3.0 / size[0], 0.12 / size[1]))
            figure.colorbar(image, cax=bar, orientation="horizontal")
    return Picture("kernels", f"{title}, {how}", figure)


def _fineness(kernels: Kernels) -> int:
    """Pixels of the mosaic for each number."""
    rows, columns = kernels.weight.shape[0], 1 if kernels.in_colour else kernels.weight.shape[1]
    return FINE if max(rows, columns) * (FINE * max(kernels.weight.shape[2:]) + 1) <= MOST_CELLS else 1


def _tiles(kernels: Kernels, bgr: bool) -> tuple[Numbers, int, int, tuple[int, int]]:
    """The kernels as images (n, height, width) or (n, height, width, 3), in how many rows and columns they go, and how many
    kernels and channels are shown."""
    weight, fine = np.asarray(kernels.weight, np.float64), _fineness(kernels)
    count, channels, high, wide = weight.shape
    across = MOST_CELLS // (fine * max(high, wide) + 1)
    if kernels.in_colour or channels == 1:
        count = min(count, across * across)
        rows, columns = rows_and_columns(count, 2.4)
        images = weight[:count, 0] if channels == 1 else _coloured(weight[:count], _largest(kernels), bgr)
    else:
        rows, columns = min(count, across), min(channels, across)
        count, channels = rows, columns
        images = weight[:rows, :columns].reshape(-1, high, wide)
    return images.repeat(fine, axis=1).repeat(fine, axis=2), rows, columns, (count, channels)


def _coloured(weight: Numbers, largest: float, bgr: bool) -> Numbers:
    """Kernels (n, 3, height, width) as colours (n, height, width, 3) in [0, 1]; 0 becomes grey."""
    found: Numbers = 0.5 + weight[:, :: -1 if bgr else 1].transpose(0, 2, 3, 1) / (2 * largest)
    return found


def _mosaic(tiles: Numbers, rows: int, columns: int) -> Numbers:
    """Images side by side, one pixel apart; what is between them is transparent."""
    high, wide, *colours = tiles.shape[1:]
    shape = (rows * (high + 1) - 1, columns * (wide + 1) - 1)
    mosaic = np.zeros((*shape, 4)) if colours else np.full(shape, np.nan)
    for at, tile in enumerate(tiles):
        y, x = at // columns * (high + 1), at % columns * (wide + 1)
        part = mosaic[y : y + high, x : x + wide]
        part[...] = np.dstack([tile, np.ones((high, wide))]) if colours else tile
    return mosaic


MOST_COMPARED = 64
"""Pairs of kernels that are drawn beside each other."""

ROW, HEAD = 0.62, 0.95
"""Inches of a pair, and of what is above them."""


def compared(first: Kernels, second: Kernels, bgr: bool = False) -> Picture:
    """Kernels of two layers in pairs, each with its sum, its response to an edge and its outputs across one."""
    both = (first, second)
    pairs = min(*(len(one.weight) for one in both), MOST_COMPARED)
    columns = 1 if pairs <= 4 else 2
    rows = -(-pairs // columns)
    height = ROW * rows + HEAD
    title = f"{first.layer} and {second.layer}: {len(first.weight)} pairs of kernels"
    title += f" (the first {pairs})" if pairs < len(first.weight) else ""
    profiles = [edge_profile(one.weight[:pairs]) for one in both]
    low, high = min(float(one.min()) for one in profiles), max(float(one.max()) for one in profiles)
    room = 0.1 * (high - low or 1.0)
    with style():
        figure = Figure(figsize=(8.0, height))
        grid = figure.add_gridspec(
            rows, 6 * columns, left=0.01, right=0.99, top=1 - HEAD / height, bottom=0.08 / height, hspace=0.3, wspace=0.1,
            width_ratios=[0.45, 0.9, 0.9, 2.3, 1.1, 0.2] * columns,
        )  # fmt: skip
        figure.text(0.01, 1 - 0.12 / height, title, va="top", fontsize=9.5)
        for at, (one, colour) in enumerate(zip(both, (FAST, SLOW))):
            x = 0.02 + 0.4 * at
            figure.text(x, 1 - 0.47 / height, "■", va="center", fontsize=9, color=colour)
            where = ("left, above", "right, below")[at]
            text = f"{one.layer} ({where}; colours to ±{_largest(one):.3g})"
            figure.text(x + 0.02, 1 - 0.47 / height, text, va="center", fontsize=8)
        note = "sum of each kernel; its response to an edge (the largest step); its outputs across an edge from 0 to 1"
        figure.text(0.01, 1 - 0.72 / height, note, va="center", fontsize=7.5, color=FAINT)
        for at in range(pairs):
            _pair(figure, grid, (at % rows, at // rows * 6), both, at, profiles, bgr)
        for axes in figure.axes:
            if axes.get_label() == "across":
                axes.set_ylim(low - room, high + room)
    return Picture("compared", f"{title}, each with its sum and its response to an edge", figure)


def _pair(
    figure: Figure,
    grid: GridSpec,
    place: tuple[int, int],
    both: tuple[Kernels, Kernels],
    at: int,
    profiles: list[Numbers],
    bgr: bool,
) -> None:
    """One row: the channel, both kernels, their numbers, and their outputs across an edge."""
    row, column = place
    name, *images, said, across = (figure.add_subplot(grid[row, column + part]) for part in range(5))
    for axes in (name, *images, said, across):
        plain_axes(axes)
    across.set_label("across")
    channel = both[0].channels[at] if both[0].channels else at
    name.text(0.9, 0.5, str(channel), ha="right", va="center", transform=name.transAxes)
    across.axhline(0, color=FAINT, linewidth=0.5)
    for which, (one, axes, colour) in enumerate(zip(both, images, (FAST, SLOW))):
        _image(axes, one, at, bgr)
        weight = one.weight[at : at + 1]
        text = f"sum {np.asarray(weight, np.float64).sum():+.3f}, edge {edge_response(weight)[0]:.3f}"
        y = 0.74 - 0.48 * which
        said.text(0.1, y, text, fontsize=7.5, va="center", transform=said.transAxes)
        said.text(0.0, y, "■", fontsize=7.5, va="center", color=colour, transform=said.transAxes)
        profile = profiles[which][at]
        across.step(range(len(profile)), profile, where="mid", color=colour, linewidth=1.3)


def _largest(kernels: Kernels) -> float:
    """What is drawn in full colour."""
    return float(np.abs(kernels.weight).max()) or 1.0


def _image(axes: Axes, kernels: Kernels, at: int, bgr: bool) -> None:
    largest = _largest(kernels)
    kernel = np.asarray(kernels.weight[at : at + 1], np.float64)
    if kernels.in_colour:
        axes.imshow(_coloured(kernel, largest, bgr)[0], interpolation="nearest")
        return
    shown = kernel[0, :9]  # more channels could not be seen
    mosaic = _mosaic(shown, *rows_and_columns(len(shown), 1.0))
    axes.imshow(mosaic, cmap=SIGNED, vmin=-largest, vmax=largest, interpolation="nearest")
