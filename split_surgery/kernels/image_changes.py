"""Kernels for images of another kind: gray for colour, colour for gray, RGB for BGR, pixels as they are for shifted and scaled ones.

Each change is linear, and says two things that must agree: what becomes of the kernels, and which image of the old kind an image of the
new kind stands for. Arrays are float64; kernels have the shape (outputs, channels, height, width), images (channels, height, width).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_COLORS = 3
"""Channels of a colour image."""


class ImageChange(Protocol):
    """A change of the images that kernels read, of `before` channels, to images of `after` channels."""

    @property
    def before(self) -> int: ...

    @property
    def after(self) -> int: ...

    def kernels(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        """The kernels and biases that make of a new image what the old ones make of the old image."""

    def old_image(self, image: Array) -> Array:
        """The image of the old kind that an image of the new kind stands for."""


@dataclass(frozen=True)
class Gray:
    """A gray image stands for the colour image that has it in each channel: W'[o, 0] = sum over c of W[o, c]."""

    before: int = _COLORS
    after: int = 1

    def kernels(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        return weight.sum(axis=1, keepdims=True), bias

    def old_image(self, image: Array) -> Array:
        return np.repeat(image, self.before, axis=0)


@dataclass(frozen=True)
class Color:
    """A colour image stands for the gray image that is the mean of its channels: W'[o, c] = W[o, 0] / 3."""

    before: int = 1
    after: int = _COLORS

    def kernels(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        return np.repeat(weight / self.after, self.after, axis=1), bias

    def old_image(self, image: Array) -> Array:
        mean: Array = image.mean(axis=0, keepdims=True)
        return mean


@dataclass(frozen=True)
class Swapped:
    """An RGB image stands for the BGR image with the same colours, or the other way round: W'[o, c] = W[o, 2 - c]."""

    before: int = _COLORS
    after: int = _COLORS

    def kernels(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        return weight[:, ::-1], bias

    def old_image(self, image: Array) -> Array:
        return image[::-1]


@dataclass(frozen=True)
class Unshifted:
    """Pixels as they are stand for scale * (pixel - mean), where no pixel is added around them (a pad is 0 behind the mean).

    W' = scale W, and b'[o] = b[o] - scale * sum over c of mean[c] * (sum of W[o, c]).

    Attributes:
        mean: one for each channel.
    """

    mean: tuple[float, ...]
    scale: float

    @property
    def before(self) -> int:
        return len(self.mean)

    @property
    def after(self) -> int:
        return len(self.mean)

    def kernels(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        taken = weight.sum(axis=(2, 3)) @ np.array(self.mean)
        return self.scale * weight, bias - self.scale * taken

    def old_image(self, image: Array) -> Array:
        old: Array = self.scale * (image - np.array(self.mean).reshape(-1, 1, 1))
        return old


def largest_difference(
    old: tuple[Array, Array], new: tuple[Array, Array], change: ImageChange, seed: int
) -> tuple[float, float]:
    """How far the answers to a random image differ, in parts of what rounding explains; and the largest answer.

    Args:
        old: kernels and biases. new: those that are stored, in their own dtype, to which they were rounded.

    Returns:
        The ratio, which is at most 1 where the new kernels are right, and the largest of the old answers.
    """
    (weight, bias), (made, made_bias) = old, new
    image = np.random.RandomState(seed).uniform(-1, 1, made.shape[1:])
    before = change.old_image(image)
    form, wide = np.finfo(made.dtype), np.finfo(np.float64)
    answers = np.einsum("ochw,chw->o", weight, before) + bias
    again = np.einsum("ochw,chw->o", made.astype(np.float64), image) + made_bias.astype(np.float64)
    stored = np.einsum("ochw,chw->o", np.abs(made).astype(np.float64), np.abs(image)) + np.abs(made_bias).astype(
        np.float64
    )
    summed = stored + np.einsum("ochw,chw->o", np.abs(weight), np.abs(before)) + np.abs(bias)
    if isinstance(change, Unshifted):
        summed += np.abs(change.scale) * np.abs(weight).sum(axis=(2, 3)) @ np.abs(change.mean)
    terms = 2 * max(weight[0].size, made[0].size) + 4
    allowed = float(form.eps) * stored + float(wide.eps) * terms * summed + float(form.smallest_subnormal) * terms
    return float((np.abs(again - answers) / allowed).max()), float(np.abs(answers).max())
