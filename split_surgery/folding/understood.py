"""Which layers are linear while a net is tested, what they may say, and their fields and blobs as numbers."""

from __future__ import annotations

from dataclasses import dataclass

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import SLIDING
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of, last_record
from split_surgery.documents.net.splittable import check_linear
from split_surgery.documents.prototxt import Scalar
from split_surgery.documents.weights.blobs import Array, Weights
from split_surgery.errors import FileError, FilePlace

UNDERSTOOD = {
    "Concat": ("concat_param", ("axis", "concat_dim")),
    "Eltwise": ("eltwise_param", ("operation", "coeff", "stable_prod_grad")),
    "BatchNorm": ("batch_norm_param", (
        "use_global_stats", "moving_average_fraction", "eps", "scale_bias", "scale_filler", "bias_filler", "engine")),
    "BN": ("bn_param", (
        "bn_mode", "scale_filler", "shift_filler", "slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine")),
    "Scale": ("scale_param", ("axis", "num_axes", "filler", "bias_term", "bias_filler")),
    "Bias": ("bias_param", ("axis", "num_axes", "filler")),
    "Power": ("power_param", ("power", "scale", "shift")),
    "Slice": ("slice_param", ("axis", "slice_dim", "slice_point")),
    "Dropout": ("dropout_param", ("dropout_ratio",)),
    "InnerProduct": ("inner_product_param", ("num_output", "bias_term", "weight_filler", "bias_filler", "axis", "transpose")),
}  # fmt: skip
"""Linear layer types that slide no kernel: their parameters, and the fields of those that are understood (Caffe 1.0; for BN those of
caffe-segnet and PSPNet, for BatchNorm also NVIDIA's)."""

JOINED = ("Concat", "Eltwise")
"""Types of layers that join several maps into one."""

OF_EVERY_LAYER = frozenset(
    "name type bottom top param include exclude phase propagate_down loss_weight blobs blobs_lr weight_decay "
    "blob_share_mode".split()
)


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
    """Whether it is of a type that may be linear; a Power only where its power is 1."""
    if layer.type == "Power":
        powers = values(layer, "power")
        return not powers or powers[-1].real() == 1
    return layer.type in SLIDING or layer.type in UNDERSTOOD


def check_understood(layer: Layer, trust: Trust) -> None:
    """Raises: NotFoldable, Unsupported, where a layer says something that may make it compute something else than its type does."""
    if layer.type in SLIDING:
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
    for name, only in (("axis", 1), ("concat_dim", 1), ("slice_dim", 1), ("num_axes", 1)):
        if integer(layer, name, only) != only:
            layer.leave(f"{name} is not {only}: it does not work channel by channel")
    if layer.type not in JOINED and len(layer.bottoms) != 1:
        layer.leave(f"has {len(layer.bottoms)} bottoms")
    if layer.type == "Eltwise" and (text(layer, "operation") or "SUM") not in ("SUM", "1"):
        layer.leave("is not a sum")


def check_dropout(layer: Layer, trust: Trust) -> None:
    """Raises: NotFoldable, where a Dropout may be there to train with."""
    if not trust.statistics:
        layer.leave("leaves numbers out while it trains, as this net may be (--phase test folds it as tested)")


def flag(layer: Layer, name: str, *, default: bool) -> bool:
    """A bool of the layer's own parameters."""
    found = values(layer, name)
    told = found[-1].boolean() if found else default
    if told is None:
        layer.fail(f"{name} is neither true nor false", found[-1])
    return told


def values(layer: Layer, name: str) -> list[Scalar]:
    """What is said of a field of the layer's own parameters."""
    param = "convolution_param" if layer.type in SLIDING else UNDERSTOOD[layer.type][0]
    return [value for message in layer.message.messages(param) for value in message.scalars(name)]


def text(layer: Layer, name: str) -> str | None:
    found = values(layer, name)
    return found[-1].text if found else None


def integer(layer: Layer, name: str, default: int) -> int | None:
    found = values(layer, name)
    return found[-1].integer() if found else default


def real(layer: Layer, name: str, default: float) -> float:
    found = values(layer, name)
    return layer.real(found[-1]) if found else default


def blobs_of(net: Net, weights: Weights, layer: Layer, count: int) -> list[Array]:
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


def vector(layer: Layer, blob: Array, size: int) -> Array:
    """A blob of one axis (a legacy one has more, of size 1)."""
    if blob.size != size or (blob.ndim and max(blob.shape) != size) or not size:
        layer.fail(f"has a blob of shape {blob.shape} where {size} numbers are needed")
    return blob.reshape(-1)
