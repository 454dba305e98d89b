"""Kernels of two layers in pairs, each with its sum and its response to an edge."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from split_surgery.reporting.pictures.grids import SIGNED, Kernels, Numbers, _Weights, coloured, mosaic
from split_surgery.reporting.pictures.style import (
    FAINT,
    LINES,
    SLOW,
    Picture,
    plain_axes,
    rows_and_columns,
    short,
    style,
)

COLOURS = (SLOW, LINES[2])
"""Of both layers; the first holds the slow kernels."""


def edge_response(weight: _Weights) -> Numbers:
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


def edge_profile(weight: _Weights) -> Numbers:
    """The outputs (num_output, width + 1) as a kernel moves across a vertical edge, from all 0 to all 1: the last is its sum."""
    columns = np.asarray(weight, np.float64).sum(axis=(1, 2))[:, ::-1]
    return np.concatenate([np.zeros((len(columns), 1)), np.cumsum(columns, axis=1)], axis=1)


MOST_COMPARED = 64
"""Pairs of kernels that are drawn beside each other."""

MOST_CHANNELS = 9
"""Input channels of each kernel that are drawn."""

WIDTH, ROW, HEAD = 8.0, 0.62, 0.95
"""Inches of the picture, of a pair, and of what is above them."""

SIDE = 0.5
"""Inches of a kernel."""


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
    channels = first.weight.shape[1]
    drawn = (
        ""
        if first.in_colour or channels <= MOST_CHANNELS
        else f"; drawn are {MOST_CHANNELS} of {channels} input channels"
    )
    note = (
        f"sum of each kernel; its response to an edge (the largest step); its outputs across an edge from 0 to 1{drawn}"
    )
    profiles = [edge_profile(one.weight[:pairs]) for one in both]
    span = (min(float(one.min()) for one in profiles), max(float(one.max()) for one in profiles))
    with style():
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((0, 0, 1, 1))  # its coordinates are inches, from the left and from the top
        plain_axes(axes)
        axes.text(0.08, 0.18, title, va="center", fontsize=9.5)
        for at, (one, colour) in enumerate(zip(both, COLOURS)):
            x = 0.16 + 3.2 * at
            text = f"{short(one.layer, 32)} ({('left, above', 'right, below')[at]}; colours to ±{one.largest:.3g})"
            axes.text(x, 0.47, "■", va="center", fontsize=9, color=colour)
            axes.text(x + 0.16, 0.47, text, va="center", fontsize=8)
        axes.text(0.08, 0.72, note, va="center", fontsize=7.5, color=FAINT)
        for at in range(pairs):
            place = (WIDTH / columns * (at // rows), HEAD + ROW * (at % rows))
            axes.text(place[0] + 0.32, place[1] + SIDE / 2, str(first.channel(at)), ha="right", va="center")
            for which, one in enumerate(both):
                _kernel(axes, (place[0] + 0.42 + 0.6 * which, place[1]), one, at, bgr)
                _told(axes, place, which, one.weight[at : at + 1])
                _across(axes, (place[0] + 3.2, place[1]), profiles[which][at], span, COLOURS[which])
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(height, 0)
    return Picture("compared", f"{title}, each with its sum and its response to an edge", figure)


def _kernel(axes: Axes, place: tuple[float, float], kernels: Kernels, at: int, bgr: bool) -> None:
    """The image of a kernel; of many input channels the first, side by side."""
    kernel = np.asarray(kernels.weight[at : at + 1], np.float64)
    if kernels.in_colour:
        image = coloured(kernel, kernels.largest, bgr)[0]
    else:
        shown = kernel[0, :MOST_CHANNELS].repeat(9, axis=1).repeat(9, axis=2)
        image = mosaic(shown, *rows_and_columns(len(shown), 1.0))
    scale, most = SIDE / max(image.shape[:2]), kernels.largest
    right, bottom = place[0] + image.shape[1] * scale, place[1] + image.shape[0] * scale
    axes.imshow(image, cmap=SIGNED, vmin=-most, vmax=most, interpolation="nearest", aspect="auto",
                extent=(place[0], right, bottom, place[1]))  # fmt: skip


def _told(axes: Axes, place: tuple[float, float], which: int, weight: _Weights) -> None:
    """The numbers of a kernel (1, channels, height, width)."""
    x, y = place[0] + 1.65, place[1] + SIDE * (0.25 + 0.5 * which)
    text = f"sum {np.asarray(weight, np.float64).sum():+.3f}, edge {edge_response(weight)[0]:.3f}"
    axes.text(x, y, "■", fontsize=7.5, va="center", color=COLOURS[which])
    axes.text(x + 0.14, y, text, fontsize=7.5, va="center")


def _across(axes: Axes, place: tuple[float, float], profile: Numbers, span: tuple[float, float], colour: str) -> None:
    """The outputs across an edge, above and below a line for 0, on the scale of all of them."""
    unit = SIDE / (span[1] - span[0] or 1.0)
    x = np.linspace(place[0], place[0] + 0.65, len(profile))
    axes.plot(x[[0, -1]], [place[1] + span[1] * unit] * 2, color=FAINT, linewidth=0.5)
    axes.step(x, place[1] + (span[1] - profile) * unit, where="mid", color=colour, linewidth=1.3)
