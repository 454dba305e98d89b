"""The maps of single layers that slide over an image or read all of it, from their text and their blobs."""

from __future__ import annotations

from collections.abc import Iterable

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import CONVOLUTIONS, DEPTHWISE
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of, convolution_blobs
from split_surgery.documents.net.shape_rules import Unknown, known, tops_of
from split_surgery.documents.weights.blobs import Array, Weights
from split_surgery.folding.understood import blobs_of, flag, integer, values, vector
from split_surgery.kernels.channel_maps import ChannelRange
from split_surgery.kernels.dense import grouped, ungrouped
from split_surgery.kernels.linear_maps import LinearMap, Slide, of_layer


def convolution(net: Net, weights: Weights, layer: Layer) -> LinearMap:
    """The map of a convolution of any kind, or of a Deconvolution.

    Raises:
        FileError: the weights file has not exactly its blobs.
        NotFoldable: it is called depthwise, and is not.
    """
    geometry = layer.geometry()
    if layer.type in DEPTHWISE and geometry.group != geometry.num_output:
        layer.leave(f"has {geometry.num_output} outputs in {geometry.group} groups, which is not depthwise")
    if geometry.num_output % geometry.group:
        layer.fail(f"num_output {geometry.num_output} is not a multiple of group {geometry.group}")
    weight, *biases = (blob.load() for blob in convolution_blobs(net, weights, layer, geometry))
    if layer.type in DEPTHWISE and weight.shape[1] != 1:
        layer.leave(f"has kernels of {weight.shape[1]} channels, which is not depthwise")
    bias = biases[0].reshape(-1) if biases else None
    written_out = ungrouped(weight, geometry.group)
    if layer.type == "Deconvolution":
        written_out = written_out.swapaxes(0, 1)
    return of_layer(written_out, bias, slide_of(layer), geometry.group)


def one_scale(net: Net, weights: Weights, layer: Layer) -> LinearMap:
    """The map of a Scale, as 1x1 kernels of one channel each.

    Raises:
        FileError: the weights file has not its blobs, or of other shapes.
    """
    scale, *biases = blobs_of(net, weights, layer, 1 + flag(layer, "bias_term", default=False))
    kernels = vector(layer, scale, scale.size)[:, None, None, None]
    bias = vector(layer, biases[0], scale.size) if biases else None
    return of_layer(kernels, bias, Slide((1, 1)), scale.size)


def slide_of(layer: Layer) -> Slide:
    """How the kernel of a convolution or Deconvolution slides."""
    geometry = layer.geometry()
    return Slide(geometry.kernel, geometry.stride, geometry.pad, geometry.dilation, layer.type == "Deconvolution")


def as_stored(layer: Layer, weight: Array, group: int) -> Array | None:
    """A map's weight (n, c, ...) as that layer would store it in groups; None where a number between the groups is not zero."""
    return grouped(weight.swapaxes(0, 1) if layer.type == "Deconvolution" else weight, group)


def sliced(net: Net, weights: Weights, layer: Layer, top: str, readers: Iterable[Layer]) -> ChannelRange:
    """Which channels of its bottom a Slice hands on in one of its tops.

    How many there are is told by a convolution that reads a top.

    Args:
        readers: layers that may read one.

    Raises:
        NotFoldable: none tells.
    """
    points = [value.integer() or 0 for value in values(layer, "slice_point")]
    for reader in readers:
        read = [at for at, name in enumerate(layer.tops) if reader.bottoms == (name,)]
        weight = blob_of(net, weights, reader, 0) if read and reader.type in CONVOLUTIONS else None
        if weight is not None and len(weight.shape) == 4 and (not points or read == [len(points)]):
            width = weight.shape[1] * reader.geometry().group
            return slice_of(layer, top, points[-1] + width if points else len(layer.tops) * width)
    layer.leave("hands its last channels to no convolution, so that it is not known how many there are")


def slice_of(layer: Layer, top: str, channels: int) -> ChannelRange:
    """The same where it is known how many channels its bottom has.

    Raises:
        NotFoldable: they cannot be cut so.
    """
    try:
        sizes = [known(shape) for shape in tops_of(layer, ((1, channels),))]
    except Unknown:
        sizes = []
    at = layer.tops.index(top)
    parts = [size[1] for size in sizes if size is not None]
    if len(parts) != len(layer.tops) or sum(parts) != channels:
        layer.leave(f"does not part {channels} channels into {len(layer.tops)}")
    start = sum(parts[:at])
    return ChannelRange(start, start + parts[at], channels)


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
    found = [layer.real(value) for value in values(layer, "coeff")]
    if found and len(found) != len(layer.bottoms):
        layer.fail(f"has {len(found)} coefficients for {len(layer.bottoms)} bottoms")
    return found or [1.0] * len(layer.bottoms)
