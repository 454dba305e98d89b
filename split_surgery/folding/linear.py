"""Which layers are linear while a net is tested, and the map that each of them is, from its text and its blobs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of, convolution_blobs, last_record
from split_surgery.documents.net.splittable import check_linear
from split_surgery.documents.prototxt import Scalar
from split_surgery.documents.weights.blobs import Array, Weights
from split_surgery.errors import FileError, FilePlace
from split_surgery.kernels.dense import Wide, ungrouped
from split_surgery.kernels.linear_maps import LinearMap, Slide, of_layer

UNDERSTOOD = {
    "Concat": ("concat_param", ("axis", "concat_dim")),
    "Eltwise": ("eltwise_param", ("operation", "coeff", "stable_prod_grad")),
    "BatchNorm": ("batch_norm_param", ("use_global_stats", "moving_average_fraction", "eps")),
    "Scale": ("scale_param", ("axis", "num_axes", "filler", "bias_term", "bias_filler")),
    "Bias": ("bias_param", ("axis", "num_axes", "filler")),
    "Dropout": ("dropout_param", ("dropout_ratio",)),
    "InnerProduct": ("inner_product_param", ("num_output", "bias_term", "weight_filler", "bias_filler", "axis", "transpose")),
}  # fmt: skip
"""Linear layer types beside Convolution: their parameters, and the fields of those that are understood (Caffe 1.0)."""

OF_EVERY_LAYER = frozenset(
    "name type bottom top param include exclude phase propagate_down loss_weight blobs blobs_lr weight_decay "
    "blob_share_mode".split()
)

BATCH_NORM_EPS = 1e-5
"""BatchNormParameter's default."""


@dataclass(frozen=True)
class Trust:
    """What may be assumed.

    Attributes:
        fields: names of fork fields that leave a layer linear (`--trust-field`).
        most: how many numbers a joined kernel may have; None for any. (Kernels laid side by side may be thousands of times larger.)
        statistics: whether a BatchNorm that does not say so takes its stored statistics, and a Dropout hands on what it reads, as Caffe
            does in the TEST phase.
    """

    fields: frozenset[str] = frozenset()
    statistics: bool = False
    most: int | None = None


def is_linear(layer: Layer) -> bool:
    """Whether it is of a type that may be linear."""
    return layer.type == "Convolution" or layer.type in UNDERSTOOD


def check_understood(layer: Layer, trust: Trust) -> None:
    """Raises: NotFoldable, Unsupported, where a layer says something that may make it compute something else than its type does."""
    if layer.type == "Convolution":
        check_linear(layer, trust.fields)
        return
    if layer.type not in UNDERSTOOD:
        layer.leave("is not one of the linear layers that can be folded")
    param, known = UNDERSTOOD[layer.type]
    for field in layer.message.fields:
        if field.name != param and field.name not in OF_EVERY_LAYER | trust.fields:
            layer.refuse(f"{field.name} is not understood in a layer of type {layer.type}", field)
    for message in layer.message.messages(param):
        for field in message.fields:
            if field.name not in known and field.name not in trust.fields:
                layer.refuse(f"{field.name} is not understood in a layer of type {layer.type}", field)
    for name, only in (("axis", 1), ("concat_dim", 1), ("num_axes", 1)):
        if _integer(layer, name, only) != only:
            layer.leave(f"{name} is not {only}: it does not work channel by channel")
    if layer.type in ("Scale", "Bias", "BatchNorm", "Dropout", "InnerProduct") and len(layer.bottoms) != 1:
        layer.leave(f"has {len(layer.bottoms)} bottoms")
    if layer.type == "Eltwise" and (_text(layer, "operation") or "SUM") not in ("SUM", "1"):
        layer.leave("is not a sum")


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
    weight, *biases = _blobs(net, weights, layer, 1 + has_bias)
    count, transposed = _integer(layer, "num_output", 0), flag(layer, "transpose", default=False)
    if (
        weight.ndim < 2
        or weight.size != weight.shape[-2] * weight.shape[-1]
        or weight.shape[-1 if transposed else -2] != count
    ):
        layer.fail(f"has weights of shape {weight.shape}, but the prototxt asks for {count} outputs")
    matrix = weight.reshape(weight.shape[-2:])
    matrix = matrix.T if transposed else matrix
    bias = _vector(layer, biases[0], len(matrix)) if biases else None
    return of_layer(matrix[:, :, None, None], bias, Slide((1, 1)))


def by_channel(net: Net, weights: Weights, layer: Layer, trust: Trust) -> tuple[Wide | None, Wide | None]:
    """What a BatchNorm, Scale or Bias multiplies each channel with, and what it then adds; float64 (channels,), or None.

    BatchNorm as BVLC Caffe 1.0 does it with stored statistics: mean and variance are divided by the factor in the third blob (0
    gives 0), and y = (x - mean) / sqrt(variance + eps).

    Raises:
        FileError: blobs are missing or disagree.
        NotFoldable: its statistics are those of the batch.
    """
    if layer.type == "Bias":
        (shift,) = _blobs(net, weights, layer, 1)
        return None, _vector(layer, shift, shift.size).astype(np.float64)
    if layer.type == "Scale":
        first, *rest = _blobs(net, weights, layer, 1 + flag(layer, "bias_term", default=False))
        times = _vector(layer, first, first.size).astype(np.float64)
        return times, _vector(layer, rest[0], first.size).astype(np.float64) if rest else None
    if not flag(layer, "use_global_stats", default=trust.statistics):
        told = any(_values(layer, "use_global_stats"))
        layer.leave(
            "takes the statistics of its batch (use_global_stats: false)"
            if told
            else "takes the statistics of its batch while it trains, as this net may be (--phase test folds it as tested)"
        )
    blobs = _blobs(net, weights, layer, 3)
    mean, variance = (_vector(layer, blob, blobs[0].size).astype(np.float64) for blob in blobs[:2])
    factor = float(_vector(layer, blobs[2], 1)[0])
    share = 1.0 / factor if factor else 0.0
    eps = float(np.float32(_number(layer, "eps", BATCH_NORM_EPS)))
    with np.errstate(invalid="ignore", divide="ignore"):  # asked about just below
        scale = 1.0 / np.sqrt(variance * share + eps)
    if not np.isfinite(scale).all():
        layer.leave("its statistics give no finite scale (a negative variance, or one of 0 without eps)")
    return scale, -mean * share * scale


def check_dropout(layer: Layer, trust: Trust) -> None:
    """Raises: NotFoldable, where a Dropout may be there to train with."""
    if not trust.statistics:
        layer.leave("leaves numbers out while it trains, as this net may be (--phase test folds it as tested)")


def without_factor(net: Net, weights: Weights, layer: Layer) -> bool:
    """Whether a BatchNorm holds statistics that Caffe takes for none, since the factor that they are divided by is 0.

    NVIDIA's fork writes such files (`store_blobs_in_old_format`): there the statistics count as they are.
    """
    if layer.type != "BatchNorm":
        return False
    mean, variance, factor = _blobs(net, weights, layer, 3)
    return not factor.any() and bool(mean.any() or variance.any())


def coefficients(layer: Layer) -> list[float]:
    """What an Eltwise SUM multiplies its bottoms with.

    Raises:
        FileError: they are not as many as the bottoms.
    """
    found = [_float(layer, value) for value in _values(layer, "coeff")]
    if found and len(found) != len(layer.bottoms):
        layer.fail(f"has {len(found)} coefficients for {len(layer.bottoms)} bottoms")
    return found or [1.0] * len(layer.bottoms)


def flag(layer: Layer, name: str, *, default: bool) -> bool:
    """A bool of the layer's own parameters."""
    found = _values(layer, name)
    told = found[-1].boolean() if found else default
    if told is None:
        layer.fail(f"{name} is neither true nor false", found[-1])
    return told


def _values(layer: Layer, name: str) -> list[Scalar]:
    param = "convolution_param" if layer.type == "Convolution" else UNDERSTOOD[layer.type][0]
    return [value for message in layer.message.messages(param) for value in message.scalars(name)]


def _text(layer: Layer, name: str) -> str | None:
    found = _values(layer, name)
    return found[-1].text if found else None


def _integer(layer: Layer, name: str, default: int) -> int | None:
    found = _values(layer, name)
    return found[-1].integer() if found else default


def _number(layer: Layer, name: str, default: float) -> float:
    found = _values(layer, name)
    return _float(layer, found[-1]) if found else default


def _float(layer: Layer, value: Scalar) -> float:
    found = value.real()
    if found is None:
        layer.fail("this is not a number", value)
    return float(np.float32(found))  # as Caffe reads it, whatever the blobs are


def _blobs(net: Net, weights: Weights, layer: Layer, count: int) -> list[Array]:
    """The numbers of a layer that must have so many blobs.

    Raises:
        FileError: it has not, or its record is another's.
    """
    record = last_record(weights, layer)
    if record is not None and len(record.blobs) > count:
        raise FileError(f'layer "{layer.name}" has {len(record.blobs)} blobs, and should have {count}', record.place)
    found = [blob_of(net, weights, layer, index) for index in range(count)]
    for index, blob in enumerate(found):
        if blob is None:
            message = f'has no blob {index} of layer "{layer.name}" (which {layer.place()} defines)'
            raise FileError(message, FilePlace(weights.name))
    return [blob.load() for blob in found if blob is not None]


def _vector(layer: Layer, blob: Array, size: int) -> Array:
    """A blob of one axis (a legacy one has more, of size 1)."""
    if blob.size != size or (blob.ndim and max(blob.shape) != size) or not size:
        layer.fail(f"has a blob of shape {blob.shape} where {size} numbers are needed")
    return blob.reshape(-1)
