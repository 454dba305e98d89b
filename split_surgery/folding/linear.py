"""The maps of single layers that slide over an image or read all of it, from their text and their blobs."""

from __future__ import annotations

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import convolution_blobs
from split_surgery.documents.weights.blobs import Weights
from split_surgery.folding.understood import as_float, blobs_of, flag, integer, values, vector
from split_surgery.kernels.dense import ungrouped
from split_surgery.kernels.linear_maps import LinearMap, Slide, of_layer


def convolution(net: Net, weights: Weights, layer: Layer) -> LinearMap:
    """A convolution's own map.

    Raises:
        FileError: the weights file has not exactly its blobs.
    """
    geometry = layer.geometry()
    if geometry.num_output % geometry.group:
        layer.fail(f"num_output {geometry.num_output} is not a multiple of group {geometry.group}")
    weight, *biases = (blob.load() for blob in convolution_blobs(net, weights, layer, geometry))
    slide = Slide(geometry.kernel, geometry.stride, geometry.pad, geometry.dilation)
    bias = biases[0].reshape(-1) if biases else None
    return of_layer(ungrouped(weight, geometry.group), bias, slide, geometry.group)


def inner_product(net: Net, weights: Weights, layer: Layer) -> LinearMap:
    """An InnerProduct's map on the flattened image, as a 1x1 kernel (num_output, inputs, 1, 1).

    Raises:
        FileError: the weights file has not its blobs, or of other shapes.
    """
    has_bias = flag(layer, "bias_term", default=True)
    weight, *biases = blobs_of(net, weights, layer, 1 + has_bias)
    count, transposed = integer(layer, "num_output", 0), flag(layer, "transpose", default=False)
    if (
        weight.ndim < 2
        or weight.size != weight.shape[-2] * weight.shape[-1]
        or weight.shape[-1 if transposed else -2] != count
    ):
        layer.fail(f"has weights of shape {weight.shape}, but the prototxt asks for {count} outputs")
    matrix = weight.reshape(weight.shape[-2:])
    matrix = matrix.T if transposed else matrix
    bias = vector(layer, biases[0], len(matrix)) if biases else None
    return of_layer(matrix[:, :, None, None], bias, Slide((1, 1)))


def coefficients(layer: Layer) -> list[float]:
    """What an Eltwise SUM multiplies its bottoms with.

    Raises:
        FileError: they are not as many as the bottoms.
    """
    found = [as_float(layer, value) for value in values(layer, "coeff")]
    if found and len(found) != len(layer.bottoms):
        layer.fail(f"has {len(found)} coefficients for {len(layer.bottoms)} bottoms")
    return found or [1.0] * len(layer.bottoms)
