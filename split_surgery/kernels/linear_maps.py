"""Affine maps that slide over an image, and how they compose: what folding knows of arithmetic.

Values that are only moved are moved by indexing, so that their bits stay; the rest is float64, rounded once by the caller.
Where a composition would not be exact for every image, NotExact says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from split_surgery.kernels.dense import Array, Product, Wide, product

Pair = tuple[int, int]

DOUBLE_ROUNDING = 2.0**-53
"""Largest relative error of one float64 operation."""


PADDED_BIAS = "it pads with zeros after a bias has been added, which no one convolution does"


class NotExact(ValueError):
    """There is no one map that computes the same at the borders of every image."""


class Slide(NamedTuple):
    """How a kernel slides. Pairs are (height, width).

    `spreads`: whether it is a Deconvolution's, which adds each pixel, times the kernel, to a larger image.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    dilation: Pair = (1, 1)
    spreads: bool = False

    @property
    def pointwise(self) -> bool:
        """Whether one pixel is all that it reads, with no padding; it may stride."""
        return self.kernel == (1, 1) and self.pad == (0, 0) and not self.spreads

    @property
    def whole_image(self) -> bool:
        """Whether it reads each pixel once where the image is as large as the kernel."""
        return self.pad == (0, 0) and self.dilation == (1, 1) and not self.spreads


class ChannelWindow(NamedTuple):
    """One of several parts of the channels that a map takes, all but equal: maps that take the same channels compose part by part."""

    at: int = 0
    of: int = 1

    def channels(self, total: int) -> slice:
        """Which of so many channels are in it."""
        return slice(total * self.at // self.of, total * (self.at + 1) // self.of)


WHOLE = ChannelWindow()


@dataclass(frozen=True)
class LinearMap:
    """A convolution, or what several layers come to.

    Attributes:
        weight: (n, c, kernel_h, kernel_w), zeros between groups written out. bias: (n,), zeros where there is none.
        group: of the layer behind it that has the most groups. bias_term: whether a layer behind it has a bias.
        reach: no number is a sum of products whose absolute values sum to more than this.
        roundings: float64 roundings behind a number; 0 where values were only moved.
    """

    weight: Array
    bias: Array
    slide: Slide
    group: int = 1
    bias_term: bool = False
    reach: float = 0.0
    roundings: int = 0

    @property
    def largest(self) -> float:
        """The largest absolute value of a number."""
        return max(largest_of(self.weight), largest_of(self.bias))

    def seen_through(self, window: ChannelWindow) -> LinearMap:
        """What it makes of some of its channels; what is known of all its numbers stays."""
        if window == WHOLE:
            return self
        return replace(self, weight=np.ascontiguousarray(self.weight[:, window.channels(self.weight.shape[1])]))

    def error(self, stored: np.finfo[Any], largest: float) -> float:
        """Bound on the difference of a number, rounded once to a type, from the exact one. largest: of all its numbers."""
        if not self.roundings:
            return 0.0
        once = max(float(stored.eps) / 2 * largest, float(stored.smallest_subnormal) / 2)
        return once + self.roundings * DOUBLE_ROUNDING * self.reach


def of_layer(weight: Array, bias: Array | None, slide: Slide, group: int = 1) -> LinearMap:
    """A layer's own map; weight (n, c, kernel_h, kernel_w) with zeros between groups, bias (n,)."""
    numbers = np.zeros(len(weight), weight.dtype) if bias is None else bias
    return LinearMap(weight, numbers, slide, group, bias is not None, max(largest_of(weight), largest_of(numbers)))


def unchanged(channels: int) -> LinearMap:
    """The map that hands all its channels on."""
    return LinearMap(
        np.eye(channels, dtype=np.float32)[:, :, None, None], np.zeros(channels, np.float32), Slide((1, 1)), reach=1.0
    )


def largest_of(array: Array) -> float:
    """The largest absolute value, 0 where there is none."""
    return abs(float(np.maximum(array.max(), -array.min()))) if array.size else 0.0  # np.maximum hands NaN on


def after(outer: LinearMap, inner: LinearMap, multiply: Product = product) -> LinearMap:
    """`outer` on the output of `inner`.

    Args:
        multiply: how the numbers of the two kernels are multiplied and added.

    Raises:
        NotExact: `outer` pads the output of `inner` with zeros, which padding its input does not give.
    """
    check_exact(outer, inner)
    matrix, slide = outer.weight[:, :, 0, 0], slide_after(outer.slide, inner.slide)
    selects = outer.slide.pointwise and _selects(matrix)
    weight: Array
    if selects:
        rows = np.argmax(matrix, axis=1)
        weight, bias = inner.weight[rows], inner.bias[rows]
        bias = bias.astype(np.float64) + outer.bias if outer.bias.any() else bias
    elif inner.slide.pointwise and not outer.slide.pointwise:
        weight, bias = _taken_in(outer, inner, multiply)
    elif outer.slide.pointwise:
        weight, bias = multiply(matrix, inner.weight), product(matrix, inner.bias) + outer.bias
    else:
        weight, bias = _spread(outer, inner, multiply)
    sums = float(np.abs(outer.weight.reshape(len(outer.weight), -1)).sum(axis=1, dtype=np.float64).max())
    return LinearMap(
        weight, bias, slide, max(outer.group, inner.group), outer.bias_term or inner.bias_term,
        sums * inner.reach + outer.reach,
        inner.roundings + (int(outer.bias.any()) if selects else outer.roundings + outer.weight[0].size + 1),
    )  # fmt: skip


def check_exact(outer: LinearMap, inner: LinearMap) -> None:
    """Raises: NotExact, where `outer` pads the output of `inner` with zeros, which padding its input does not give."""
    if outer.slide.spreads or inner.slide.spreads:
        raise NotExact("a Deconvolution and another kernel are not composed")
    if any(outer.slide.pad):
        if not inner.slide.pointwise:
            raise NotExact("it pads the output of a further spatial kernel")
        if inner.bias.any():
            raise NotExact(PADDED_BIAS)


def slide_after(outer: Slide, inner: Slide) -> Slide:
    """How `outer` on the output of `inner` slides, where that is exact."""
    strides = _times(outer.stride, inner.stride)
    if outer.pointwise:
        return inner._replace(stride=strides)
    if inner.pointwise:
        return Slide(outer.kernel, strides, _times(outer.pad, inner.stride), _times(outer.dilation, inner.stride))
    steps = _times(outer.dilation, inner.stride)
    height, width = (inner.dilation[i] * (inner.kernel[i] - 1) + steps[i] * (outer.kernel[i] - 1) + 1 for i in (0, 1))
    return Slide((height, width), strides, inner.pad)


def connected(outer: LinearMap, inner: LinearMap) -> npt.NDArray[np.bool_]:
    """Which input channels (c) each output (n) of `outer` on the output of `inner` may depend on: (n, c), known from their zeros."""
    ends, starts = ((one.weight != 0).any(axis=(2, 3)) for one in (outer, inner))
    if ends.all():
        return np.broadcast_to(starts.any(axis=0), (len(ends), starts.shape[1]))
    if starts.all():
        return np.broadcast_to(ends.any(axis=1)[:, None], (len(ends), starts.shape[1]))
    counts: npt.NDArray[np.float32] = ends.astype(np.float32) @ starts.astype(np.float32)
    return counts > 0


def _taken_in(outer: LinearMap, inner: LinearMap, multiply: Product) -> tuple[Wide, Wide]:
    """A kernel on what a map without neighbours makes."""
    weight = np.zeros((*outer.weight.shape[:1], inner.weight.shape[1], *outer.slide.kernel))
    for row, column in np.ndindex(*outer.slide.kernel):
        weight[:, :, row, column] = multiply(outer.weight[:, :, row, column], inner.weight[:, :, 0, 0])
    return weight, passed_on(outer, inner.bias)


def passed_on(outer: LinearMap, shift: Array) -> Wide:
    """The bias of `outer` with what it makes of a bias (m,) before it, seen by all its taps."""
    bias = outer.bias.astype(np.float64)
    for row, column in np.ndindex(*outer.slide.kernel):
        bias = bias + product(outer.weight[:, :, row, column], shift)
    return bias


def _selects(matrix: Array) -> bool:
    return bool(((matrix != 0).sum(axis=1) == 1).all() and (matrix.max(axis=1) == 1).all())


def _times(a: Pair, b: Pair) -> Pair:
    return (a[0] * b[0], a[1] * b[1])


def _spread(outer: LinearMap, inner: LinearMap, multiply: Product) -> tuple[Wide, Wide]:
    """A kernel over a kernel, taps side by side."""
    first, second = inner.slide, outer.slide
    steps = _times(second.dilation, first.stride)
    weight = np.zeros((outer.weight.shape[0], inner.weight.shape[1], *slide_after(second, first).kernel))
    for row, column in np.ndindex(*second.kernel):
        rows = [row * steps[0] + at * first.dilation[0] for at in range(first.kernel[0])]
        columns = [column * steps[1] + at * first.dilation[1] for at in range(first.kernel[1])]
        weight[:, :, np.array(rows)[:, None], columns] += multiply(outer.weight[:, :, row, column], inner.weight)
    return weight, passed_on(outer, inner.bias)


def summed(parts: Sequence[LinearMap], coefficients: Sequence[float]) -> LinearMap:
    """The sum of maps on the same input, each times its coefficient.

    Raises:
        NotExact: their outputs are not of one size.
    """
    parts = aligned(parts)
    weight, bias = np.zeros(parts[0].weight.shape), np.zeros(parts[0].bias.shape)
    for part, k in zip(parts, coefficients):
        weight, bias = weight + np.asarray(part.weight, np.float64) * k, bias + np.asarray(part.bias, np.float64) * k
    reach = sum(abs(k) * part.reach for part, k in zip(parts, coefficients))
    return replace(
        _joined(parts, weight, bias), reach=reach, roundings=max(p.roundings for p in parts) + 2 * len(parts)
    )


def stacked(parts: Sequence[LinearMap]) -> LinearMap:
    """Maps on the same input, their channels one after the other; the dtype is kept where they agree.

    Raises:
        NotExact: their outputs are not of one size.
    """
    parts = aligned(parts)
    return _joined(parts, np.concatenate([p.weight for p in parts]), np.concatenate([p.bias for p in parts]))


def _joined(parts: Sequence[LinearMap], weight: Array, bias: Array) -> LinearMap:
    return LinearMap(
        weight, bias, parts[0].slide, max(p.group for p in parts), any(p.bias_term for p in parts),
        max(p.reach for p in parts), max(p.roundings for p in parts),
    )  # fmt: skip


def joined_size(parts: Sequence[LinearMap], channels: int) -> int:
    """Numbers in the largest of some maps' kernels, times their number, once they slide alike; channels: that all of them take."""
    kernel = _common([part.slide for part in parts]).kernel
    return max(len(part.weight) for part in parts) * channels * kernel[0] * kernel[1]


def _common(slides: Sequence[Slide]) -> Slide:
    """The largest of the slides, where all fit into it; else one with their taps side by side."""
    largest = max(slides, key=lambda slide: slide.kernel[0] * slide.kernel[1])
    return largest if all(places(slide, largest) for slide in slides) else _side_by_side(slides)


def aligned(parts: Sequence[LinearMap]) -> list[LinearMap]:
    """The same maps, sliding as the largest of them does, or where not all fit into that with their taps side by side.

    Raises:
        NotExact: their outputs are not of one size.
    """
    slides = [part.slide for part in parts]
    if any(slide.spreads for slide in slides) and len(set(slides)) > 1:
        raise NotExact("its bottoms slide otherwise than each other")
    common = _common(slides)
    found = []
    for part in parts:
        weight = embedded(part.weight, part.slide, common)
        if weight is None:
            raise NotExact("its bottoms slide otherwise than each other")
        found.append(replace(part, weight=weight, slide=common))
    return found


def _side_by_side(slides: Sequence[Slide]) -> Slide:
    """A slide without dilation whose taps are on all the pixels that any of these reads."""
    kernel, pad = [], []
    for axis in (0, 1):
        low = min(-slide.pad[axis] for slide in slides)
        high = max(slide.dilation[axis] * (slide.kernel[axis] - 1) - slide.pad[axis] for slide in slides)
        kernel.append(high - low + 1)
        pad.append(-low)
    return Slide((kernel[0], kernel[1]), slides[0].stride, (pad[0], pad[1]))


def places(slide: Slide, into: Slide) -> list[list[int]] | None:
    """The taps (rows, then columns) of a slide among those of another that reads at least the same pixels.

    None where there are none: another stride, output sizes that differ for every image, or a tap beside those of `into`.
    """
    if slide.stride != into.stride:
        return None
    found: list[list[int]] = []
    for axis in (0, 1):
        size, pad, dilation = slide.kernel[axis], slide.pad[axis], slide.dilation[axis]
        rest = [2 * s.pad[axis] - s.dilation[axis] * (s.kernel[axis] - 1) - 1 for s in (slide, into)]
        if rest[0] // into.stride[axis] != rest[1] // into.stride[axis]:
            return None
        offsets = [tap * dilation - pad + into.pad[axis] for tap in range(size)]
        if any(at % into.dilation[axis] or not 0 <= at // into.dilation[axis] < into.kernel[axis] for at in offsets):
            return None
        found.append([at // into.dilation[axis] for at in offsets])
    return found


def embedded(weight: Array, slide: Slide, into: Slide) -> Array | None:
    """A kernel (n, c, kernel_h, kernel_w) as one of another slide that computes the same, zeros around it; or None."""
    if slide == into:
        return weight
    there = places(slide, into)
    if there is None:
        return None
    placed = np.zeros((*weight.shape[:2], *into.kernel), weight.dtype)
    placed[:, :, np.array(there[0])[:, None], there[1]] = weight
    return placed
