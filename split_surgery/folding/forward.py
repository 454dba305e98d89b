"""What each linear layer makes of an image, worked out directly, as Caffe (or the fork whose layer it is) defines it: float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import CONVOLUTIONS, bn_fork, has_scale_bias
from split_surgery.documents.net.shape_rules import tops_of
from split_surgery.kernels.dense import Array

Image = npt.NDArray[np.float64]
"""(channels, height, width)."""

Blobs = Callable[[Layer, int], "Array | None"]
"""The numbers of a layer's blob of that index, None where it has none."""

_ROWS = 256
"""Rows of a large matrix that are held as float64 at a time."""

Bounded = tuple[Image, Image]
"""What a blob holds, and the sum of the absolute values of all that was added to make it."""


class SizesDiffer(Exception):
    """Images of several sizes were to be joined."""


def run(layer: Layer, read: list[Bounded], blobs: Blobs) -> list[Bounded]:
    """What a layer makes of its bottoms, by top.

    Raises:
        SizesDiffer: they do not go together.
    """
    if layer.type == "Slice":
        return _sliced(layer, *read[0])
    return [_run(layer, read, blobs)]


def _sliced(layer: Layer, image: Image, size: Image) -> list[Bounded]:
    shapes = tops_of(layer, ((1, *image.shape),))
    ends = np.cumsum([shape[1] for shape in shapes if shape is not None])
    return list(zip(np.split(image, ends[:-1]), np.split(size, ends[:-1])))


def _run(layer: Layer, read: list[Bounded], blobs: Blobs) -> Bounded:
    if layer.type in ("Concat", "Eltwise"):
        if len({image.shape[1:] for image, _ in read}) > 1:
            raise SizesDiffer
        if layer.type == "Concat":
            return np.concatenate([a for a, _ in read]), np.concatenate([b for _, b in read])
        factors = [float(np.float32(number)) for number in _said(layer, "eltwise_param", "coeff")] or [1.0] * len(read)
        parts = [(factor * image, abs(factor) * size) for factor, (image, size) in zip(factors, read)]
        return sum(a for a, _ in parts), sum(b for _, b in parts)  # type: ignore[return-value]  # not empty
    image, size = read[0]
    if layer.type == "Dropout":
        return image, size
    if layer.type == "Power":
        times, plus = (
            float(np.float32((_said(layer, "power_param", key) or [start])[-1]))
            for key, start in (("scale", 1.0), ("shift", 0.0))
        )
        return plus + times * image, abs(plus) + abs(times) * size
    first, second = blobs(layer, 0), blobs(layer, 1)
    assert first is not None  # it was folded
    if layer.type in (*CONVOLUTIONS, "Deconvolution"):
        geometry = layer.geometry()
        rest = (geometry.stride, geometry.pad, geometry.dilation, geometry.group)
        sent = spread if layer.type == "Deconvolution" else convolve
        return _plus(sent(image, first, *rest), sent(size, np.abs(first), *rest), second)
    if layer.type == "InnerProduct":
        matrix = first.reshape(first.shape[-2:])
        transposed = any(
            value.boolean() for p in layer.message.messages("inner_product_param") for value in p.scalars("transpose")
        )
        matrix = (matrix.T if transposed else matrix)[:, :, None, None]
        image, size = image.reshape(-1, 1, 1), size.reshape(-1, 1, 1)
        return _plus(convolve(image, matrix), convolve(size, np.abs(matrix)), second)
    if layer.type == "BatchNorm" or (layer.type == "BN" and bn_fork(layer) == "PSPNet"):
        return _normalised(layer, image, size, blobs)
    if layer.type == "Bias":
        return _plus(image, size, first)
    return _times(image, size, first, second)  # Scale, and SegNet's BN


def _normalised(layer: Layer, image: Image, size: Image, blobs: Blobs) -> Bounded:
    """By stored statistics: (x - mean) / sqrt(variance + eps), and what a BN or NVIDIA's BatchNorm does then."""
    own = [blob for blob in (blobs(layer, index) for index in range(5)) if blob is not None]
    eps = float(
        np.float32((_said(layer, "bn_param" if layer.type == "BN" else "batch_norm_param", "eps") or [1e-5])[-1])
    )
    share, rest = 1.0, None
    if layer.type == "BN":
        rest, (mean, variance) = own[:2], own[2:4]
    elif has_scale_bias(layer):
        (mean, variance), rest, eps = own[:2], own[3:5], max(eps, float(np.float32(1e-5)))
    else:
        mean, variance, factor = own
        share = 1.0 / float(factor.reshape(-1)[0]) if factor.any() else 0.0  # Caffe multiplies with the inverse
    mean, variance = (blob.reshape(-1, 1, 1).astype(np.float64) * share for blob in (mean, variance))
    root = np.sqrt(variance + eps)
    image, size = (image - mean) / root, (size + np.abs(mean)) / root
    return _times(image, size, *rest) if rest is not None else (image, size)


def _said(layer: Layer, param: str, key: str) -> list[float]:
    return [value.real() or 0.0 for message in layer.message.messages(param) for value in message.scalars(key)]


def _times(image: Image, size: Image, scale: Array, bias: Array | None) -> Bounded:
    wide = scale.reshape(-1, 1, 1).astype(np.float64)
    return _plus(image * wide, size * np.abs(wide), bias)


def _plus(image: Image, size: Image, bias: Array | None) -> Bounded:
    wide = np.zeros((1, 1, 1)) if bias is None else bias.reshape(-1, 1, 1).astype(np.float64)
    return image + wide, size + np.abs(wide)


def convolve(
    image: Image, weight: Array, stride: tuple[int, int] = (1, 1), pad: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1), group: int = 1,
) -> Image:  # fmt: skip
    """A convolution as Caffe defines it, (n, height, width), without bias.

    Args:
        weight: (n, channels // group, kernel_h, kernel_w).
    """
    count, width, *kernel = weight.shape
    padded = np.pad(image, ((0, 0), (pad[0], pad[0]), (pad[1], pad[1])))
    sizes = [(padded.shape[i + 1] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    out = np.zeros((count, *sizes))
    for tap in np.ndindex(*kernel):
        rows, columns = (
            slice(dilation[i] * tap[i], dilation[i] * tap[i] + stride[i] * sizes[i], stride[i]) for i in (0, 1)
        )
        seen = padded[:, rows, columns]
        for start in range(0, count, _ROWS if group == 1 else count // group):
            stop = min(count, start + (_ROWS if group == 1 else count // group))
            first = start * group // count * width
            out[start:stop] += np.tensordot(
                weight[start:stop, :, tap[0], tap[1]].astype(np.float64), seen[first : first + width], 1
            )
    return out


def spread(
    image: Image, weight: Array, stride: tuple[int, int] = (1, 1), pad: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1), group: int = 1,
) -> Image:  # fmt: skip
    """A Deconvolution as Caffe defines it, (n, height, width), without bias: each pixel adds its kernel, `pad` is cut off.

    Args:
        weight: (channels, n // group, kernel_h, kernel_w).
    """
    channels, width, *kernel = weight.shape
    sizes = [stride[i] * (image.shape[i + 1] - 1) + dilation[i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    out = np.zeros((width * group, *sizes))
    for tap in np.ndindex(*kernel):
        rows, columns = (slice(dilation[i] * tap[i], None, stride[i]) for i in (0, 1))
        for at in range(group):
            part = slice(at * channels // group, (at + 1) * channels // group)
            matrix = weight[part, :, tap[0], tap[1]].astype(np.float64).T
            place = out[at * width : (at + 1) * width, rows, columns][:, : image.shape[1], : image.shape[2]]
            place += np.tensordot(matrix, image[part], 1)
    return out[:, pad[0] : sizes[0] - pad[0], pad[1] : sizes[1] - pad[1]]
