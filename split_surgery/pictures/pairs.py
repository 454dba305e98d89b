"""Kernels of two layers in pairs, each with its sum and its response to an edge."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from split_surgery.pictures.grids import SIGNED, Kernels, Numbers, Weights, coloured, mosaic
from split_surgery.pictures.style import FAINT, LINES, SLOW, Picture, plain_axes, rows_and_columns, short, style

COLOURS = (SLOW, LINES[2])
"""Of both layers; the first holds the slow kernels."""


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


MOST_COMPARED = 64
"""Pairs of kernels that are drawn beside each other."""

MOST_CHANNELS = 9
"""Input channels of each kernel that are drawn."""

ROW, HEAD = 0.62, 0.95
"""Inches of a pair, and of what is above them."""


def compared(first: Kernels, second: Kernels, bgr: bool = False, when: str = "") -> Picture:
    """Kernels of two layers in pairs, each with its sum, its response to an edge and its outputs across one.

    Args:
        bgr: as of kernel_grid. when: what the title begins with.
    """
    both = (first, second)
    pairs = min(*(len(one.weight) for one in both), MOST_COMPARED)
    columns = 1 if pairs <= 4 else 2
    rows = -(-pairs // columns)
    height = ROW * rows + HEAD
    title = f"{when}{short(first.layer, 40)} and {short(second.layer, 40)}: {len(first.weight)} pairs of kernels"
    title += f" (the first {pairs})" if pairs < len(first.weight) else ""
    profiles = [edge_profile(one.weight[:pairs]) for one in both]
    low, high = min(float(one.min()) for one in profiles), max(float(one.max()) for one in profiles)
    room = 0.1 * (high - low or 1.0)
    with style():
        figure = Figure(figsize=(8.0, height))
        grid = figure.add_gridspec(
            rows, 6 * columns, left=0.01, right=0.99, top=1 - HEAD / height, bottom=0.08 / height, hspace=0.3, wspace=0.1,
            width_ratios=[0.45, 0.9, 0.9, 2.5, 1.0, 0.2] * columns,
        )  # fmt: skip
        figure.text(0.01, 1 - 0.12 / height, title, va="top", fontsize=9.5)
        for at, (one, colour) in enumerate(zip(both, COLOURS)):
            x = 0.02 + 0.4 * at
            figure.text(x, 1 - 0.47 / height, "■", va="center", fontsize=9, color=colour)
            where = ("left, above", "right, below")[at]
            text = f"{short(one.layer, 32)} ({where}; colours to ±{one.largest:.3g})"
            figure.text(x + 0.02, 1 - 0.47 / height, text, va="center", fontsize=8)
        channels = first.weight.shape[1]
        drawn = (
            ""
            if first.in_colour or channels <= MOST_CHANNELS
            else f"; drawn are {MOST_CHANNELS} of {channels} input channels"
        )
        note = (
            "sum of each kernel; its response to an edge (the largest step); its outputs across an edge from 0 to 1"
            + drawn
        )
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
    name.text(0.9, 0.5, str(both[0].channel(at)), ha="right", va="center", transform=name.transAxes)
    across.axhline(0, color=FAINT, linewidth=0.5)
    for which, (one, axes, colour) in enumerate(zip(both, images, COLOURS)):
        _image(axes, one, at, bgr)
        weight = one.weight[at : at + 1]
        text = f"sum {np.asarray(weight, np.float64).sum():+.3f}, edge {edge_response(weight)[0]:.3f}"
        y = 0.74 - 0.48 * which
        said.text(0.1, y, text, fontsize=7.5, va="center", transform=said.transAxes)
        said.text(0.0, y, "■", fontsize=7.5, va="center", color=colour, transform=said.transAxes)
        profile = profiles[which][at]
        across.step(range(len(profile)), profile, where="mid", color=colour, linewidth=1.3)


def _image(axes: Axes, kernels: Kernels, at: int, bgr: bool) -> None:
    largest = kernels.largest
    kernel = np.asarray(kernels.weight[at : at + 1], np.float64)
    if kernels.in_colour:
        axes.imshow(coloured(kernel, largest, bgr)[0], interpolation="nearest")
        return
    shown = kernel[0, :MOST_CHANNELS].repeat(9, axis=1).repeat(9, axis=2)
    axes.imshow(
        mosaic(shown, *rows_and_columns(len(shown), 1.0)),
        cmap=SIGNED,
        vmin=-largest,
        vmax=largest,
        interpolation="nearest",
    )
