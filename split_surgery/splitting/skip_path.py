"""The skip path of a convolution: the kernel that hands its input on at the size that the convolution's output has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from split_surgery.documents.net.layer import Geometry, Layer
from split_surgery.kernels.initial import middle

_Pair = tuple[int, int]


@dataclass(frozen=True)
class SkipPath:
    """A convolution on the same bottom that mixes no channels. Pairs are (height, width).

    Attributes:
        taps: (row, column) of the kernel's ones. value: what stands there.
    """

    kernel: _Pair
    stride: _Pair
    pad: _Pair
    dilation: _Pair
    taps: tuple[_Pair, ...]
    value: float

    def weight(self, count: int, channels: int) -> npt.NDArray[np.floating[Any]]:
        """(count, channels, kernel_h, kernel_w) float64: kernel j hands on channel j; those beyond the channels give zero."""
        weight = np.zeros((count, channels, *self.kernel))
        for at in range(min(count, channels)):
            for row, column in self.taps:
                weight[at, at, row, column] = self.value
        return weight


def skip_path(layer: Layer, geometry: Geometry, kind: str, even_center: str | None) -> SkipPath:
    """How a layer's input is handed on.

    A 1x1 fits where pad = dilation * (kernel - 1) / 2; else it is a kernel of the layer's size with its one at the centre, which
    computes the same. `average` is the mean over stride x stride pixels.

    Raises:
        Unsupported: sizes cannot agree, or an even kernel has no centre.
    """
    axes = list(zip(geometry.kernel, geometry.stride, geometry.pad, geometry.dilation))
    if kind == "average":
        for size, stride, pad, dilation in axes:
            # Output sizes are floor((H + rest) / stride) + 1 and H / stride for every H that the stride divides.
            rest = 2 * pad - dilation * (size - 1) - 1
            if rest // stride != -1:
                layer.refuse(
                    f"its output (kernel {size}, stride {stride}, pad {pad}) has not the size of an average over {stride} pixels",
                    hint="--skip identity fits every layer",
                )
        rows, columns = geometry.stride
        taps = tuple((row, column) for row in range(rows) for column in range(columns))
        return SkipPath(geometry.stride, geometry.stride, (0, 0), (1, 1), taps, 1 / (rows * columns))
    if all(2 * pad == dilation * (size - 1) for size, _, pad, dilation in axes):
        return SkipPath((1, 1), geometry.stride, (0, 0), (1, 1), ((0, 0),), 1.0)
    middles: list[int] = []
    for size, *_ in axes:
        if size % 2 == 0 and even_center not in ("low", "high"):
            layer.refuse(
                f"its kernel of size {size} has no centre, at which the skip path could take its input",
                hint="say which middle tap is the centre: --even-center low|high",
            )
        middles += middle(size, even_center)
    taps = ((middles[0], middles[1]),)
    return SkipPath(geometry.kernel, geometry.stride, geometry.pad, geometry.dilation, taps, 1.0)
