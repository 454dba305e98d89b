"""A block of linear layers as the one convolution it equals.

Between a split layer's bottom and its old top there is no non-linearity, so after any training the block is still one
convolution. It is recognised by structure: neither a plan nor a recipe is seen here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from split_surgery.documents.convolution import check_linear
from split_surgery.documents.layer import POINTWISE, Geometry, Layer
from split_surgery.documents.net import Net
from split_surgery.documents.parameters import convolution_blobs
from split_surgery.documents.weights import Weights
from split_surgery.errors import FileError, FilePlace
from split_surgery.kernels.algebra import Affine, Array, add, mix, stack, ungrouped


@dataclass(frozen=True)
class Folded:
    """A block as one convolution.

    Attributes:
        weight: (n, c, kernel_h, kernel_w), zeros between groups written out. bias: (n,), zeros where no layer has one.
            float64, or the layers' own dtype where values were only moved.
        geometry: how it slides; num_output is that of one of its leaves.
        layers: names of the layers it consists of, in no particular order.
    """

    weight: Array
    bias: Array
    geometry: Geometry
    layers: frozenset[str]


def fold_block(
    net: Net, layers: list[Layer], weights: Weights, bottom: str, top: str, trusted: frozenset[str] = frozenset()
) -> Folded:
    """Compose the layers that lead from `bottom` to `top`.

    Args:
        net: the net they are part of. layers: those that may belong to the block, of one phase.
        trusted: names of fork fields that leave a convolution linear.

    Raises:
        FileError: something in between is not linear, or has no weights, or does not slide like the rest.
    """
    for layer in layers:
        if layer.type == "Convolution":
            check_linear(layer, trusted)
    in_place = {blob: layer for layer in layers for blob in layer.tops if blob in layer.bottoms}
    makers = {blob: layer for layer in layers for blob in layer.tops if blob not in layer.bottoms}
    walk = _Walk(net, makers, weights, bottom, top)
    weight, bias = walk.blob(top)
    for blob, layer in in_place.items():
        if (blob in walk.done and blob != top) or blob == bottom:  # on the top itself it comes after the block
            layer.fail("works in place inside the block, and is not linear")
    if walk.geometry is None:
        raise FileError(f'"{top}" does not come from a convolution on "{bottom}"', FilePlace(weights.name))
    return Folded(weight, bias, walk.geometry, frozenset(walk.used))


class _Walk:
    """From a top back to the bottom; each blob is composed once."""

    def __init__(self, net: Net, makers: dict[str, Layer], weights: Weights, bottom: str, top: str) -> None:
        self.net = net
        self.makers = makers
        self.weights = weights
        self.bottom = bottom
        self.top = top
        self.geometry: Geometry | None = None
        self.common: Geometry | None = None
        self.used: set[str] = set()
        self.done: dict[str, Affine] = {}
        self.open: set[str] = set()

    def blob(self, name: str) -> Affine:
        if name not in self.done:
            layer = self.makers.get(name)
            if layer is None:
                raise FileError(f'nothing in the block makes "{name}"', FilePlace(self.weights.name))
            if name in self.open:
                layer.fail("its top leads back to its bottom")
            self.open.add(name)
            self.used.add(layer.name)
            self.done[name] = self._compose(layer)
        return self.done[name]

    def _compose(self, layer: Layer) -> Affine:
        if layer.type == "Convolution" and len(layer.bottoms) == 1:
            return self._convolution(layer)
        if layer.type == "Concat" and _only(layer, "concat_param", {"axis": "1", "concat_dim": "1"}):
            return stack([self.blob(bottom) for bottom in layer.bottoms])
        if layer.type == "Eltwise" and _only(layer, "eltwise_param", {"operation": "SUM"}):
            return add([self.blob(bottom) for bottom in layer.bottoms])
        layer.fail("is not one of the linear layers that a split makes")

    def _convolution(self, layer: Layer) -> Affine:
        geometry = layer.geometry()
        weight, bias = load_affine(self.net, self.weights, layer, geometry)
        if layer.bottoms[0] == self.bottom:
            return self._leaf(layer, geometry, ungrouped(weight, geometry.group), bias)
        if (geometry.kernel, geometry.stride, geometry.pad, geometry.group) != POINTWISE:
            layer.fail("is not a 1x1 convolution")
        inner = self.blob(layer.bottoms[0])
        if weight.shape[1] != inner[0].shape[0]:
            layer.fail(f"its weights take {weight.shape[1]} channels, but its bottom has {inner[0].shape[0]}")
        return mix(weight[:, :, 0, 0], bias, inner)

    def _leaf(self, layer: Layer, geometry: Geometry, weight: Array, bias: Array) -> Affine:
        """A convolution on the block's bottom, as one that slides as all of them do."""
        common = self._common()
        known = self.geometry or replace(geometry, bias_term=False)
        bias_term = known.bias_term or geometry.bias_term
        self.geometry = replace(common, group=max(known.group, geometry.group), bias_term=bias_term)
        placed = embedded(weight, geometry, common)
        if placed is None:
            layer.fail("slides otherwise than the other convolutions of the block")
        return placed, bias

    def _common(self) -> Geometry:
        """How the block's convolutions on its bottom all slide: like the largest of them, or where they do not, taps side by side."""
        if self.common is None:
            seen: set[str] = set()
            waiting, leaves = [self.top], []
            while waiting:
                maker = self.makers.get(waiting.pop())
                if maker is None or maker.name in seen:
                    continue
                seen.add(maker.name)
                waiting += [bottom for bottom in maker.bottoms if bottom != self.bottom]
                if maker.type == "Convolution" and maker.bottoms == (self.bottom,):
                    leaves.append(maker.geometry())
            largest = max(leaves, key=lambda found: found.kernel[0] * found.kernel[1])
            self.common = largest if all(places(leaf, largest) for leaf in leaves) else side_by_side(leaves)
        return self.common


def side_by_side(leaves: list[Geometry]) -> Geometry:
    """A geometry without dilation whose taps are on all the pixels that any of these reads."""
    kernel, pad = [], []
    for axis in (0, 1):
        low = min(-leaf.pad[axis] for leaf in leaves)
        high = max(leaf.dilation[axis] * (leaf.kernel[axis] - 1) - leaf.pad[axis] for leaf in leaves)
        kernel.append(high - low + 1)
        pad.append(-low)
    return replace(leaves[0], kernel=(kernel[0], kernel[1]), pad=(pad[0], pad[1]), dilation=(1, 1))


def places(geometry: Geometry, into: Geometry) -> list[list[int]] | None:
    """The taps (rows, then columns) of a geometry among those of another that reads at least the same pixels.

    None where there are none: another stride, other output sizes, or a tap that falls beside those of `into`.
    """
    if geometry.stride != into.stride:
        return None
    found: list[list[int]] = []
    for axis in (0, 1):
        size, pad, dilation = geometry.kernel[axis], geometry.pad[axis], geometry.dilation[axis]
        rest = [2 * g.pad[axis] - g.dilation[axis] * (g.kernel[axis] - 1) - 1 for g in (geometry, into)]
        if rest[0] // into.stride[axis] != rest[1] // into.stride[axis]:
            return None
        offsets = [tap * dilation - pad + into.pad[axis] for tap in range(size)]
        if any(at % into.dilation[axis] or not 0 <= at // into.dilation[axis] < into.kernel[axis] for at in offsets):
            return None
        found.append([at // into.dilation[axis] for at in offsets])
    return found


def embedded(weight: Array, geometry: Geometry, into: Geometry) -> Array | None:
    """A kernel (n, c, kernel_h, kernel_w) as one of another size and padding that computes the same, zeros around it; or None."""
    if (geometry.kernel, geometry.pad, geometry.dilation, geometry.stride) == (
        into.kernel, into.pad, into.dilation, into.stride,
    ):  # fmt: skip
        return weight
    there = places(geometry, into)
    if there is None:
        return None
    placed = np.zeros((*weight.shape[:2], *into.kernel), weight.dtype)
    placed[:, :, np.array(there[0])[:, None], there[1]] = weight
    return placed


def load_affine(net: Net, weights: Weights, layer: Layer, geometry: Geometry) -> Affine:
    """Weight (n, c // group, kernel_h, kernel_w) and bias (n,) of a convolution; a bias it has not is zeros of the weight's dtype.

    Raises:
        FileError: the weights file has not exactly these blobs.
    """
    weight, *biases = (blob.load() for blob in convolution_blobs(net, weights, layer, geometry))
    return weight, biases[0].reshape(-1) if biases else np.zeros(len(weight), weight.dtype)


def _only(layer: Layer, param: str, allowed: dict[str, str]) -> bool:
    """Whether a layer's parameters say no more than what is allowed (Caffe's defaults written out)."""
    return all(
        field.name in allowed and message.text(field.name) == allowed[field.name]
        for message in layer.message.messages(param)
        for field in message.fields
    )
