"""What shape each layer type's tops have, as BVLC Caffe 1.0 infers it (the `Reshape` of each layer)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from split_surgery.documents.net.layer import MAX_INT, Layer
from split_surgery.documents.net.layer_types import SLIDING, bn_fork, own_blobs
from split_surgery.documents.prototxt import Message, Scalar

Shape = tuple[int | None, ...]
"""The sizes of a blob's axes, None for one that is not known. A blob with an unknown number of axes has None for a shape."""

MAX_AXES = 32
"""Axes that a blob may have (kMaxBlobAxes)."""

SAME_SHAPE = frozenset(
    "AbsVal BatchNorm Bias BN BNLL Clip Dropout ELU Eltwise Exp Log LRN MVN Power PReLU ReLU ReLU6 Scale Sigmoid Softmax Swish "
    "TanH Threshold".split()
)
LOSSES = frozenset(
    "ContrastiveLoss EuclideanLoss HingeLoss InfogainLoss MultinomialLogisticLoss SigmoidCrossEntropyLoss SoftmaxWithLoss".split()
)
POOLING_FIELDS = frozenset(
    "pool pad pad_h pad_w kernel_size kernel_h kernel_w stride stride_h stride_w engine global_pooling round_mode".split()
)
"""PoolingParameter of BVLC Caffe; a fork's own field (`ceil_mode`) may change the size of the top."""


class Unknown(Exception):
    """What a layer makes does not follow from the files."""


class Param:
    """A layer's parameter message, or several of one name, which protobuf merges."""

    def __init__(self, layer: Layer, name: str) -> None:
        self.messages = layer.message.messages(name)

    def integers(self, name: str) -> list[int]:
        return integers_of(value for message in self.messages for value in message.values(name))

    def integer(self, name: str, default: int) -> int:
        return (self.integers(name) or [default])[-1]

    def flag(self, name: str, default: bool) -> bool:
        found = [value.boolean() for message in self.messages for value in message.scalars(name)]
        if found and found[-1] is None:
            raise Unknown
        return bool(found[-1]) if found else default

    def pair(self, both: str, high: str, wide: str, default: int) -> tuple[int, int]:
        """(height, width) of what is given for both axes or for each."""
        one = self.integer(both, default)
        return self.integer(high, one), self.integer(wide, one)

    def shapes(self) -> list[Shape]:
        return [dims(shape) for message in self.messages for shape in message.messages("shape")]


def integers_of(values: Iterable[Scalar | Message]) -> list[int]:
    found: list[int] = []
    for value in values:
        number = value.integer() if isinstance(value, Scalar) else None
        if number is None or abs(number) > MAX_INT:
            raise Unknown
        found.append(number)
    return found


def dims(shape: Message) -> Shape:
    return tuple(map(size_of, integers_of(shape.values("dim"))))


def size_of(number: int) -> int | None:
    """The size of an axis, None for one that Caffe does not make."""
    return number if 0 < number <= MAX_INT else None


def known(shape: Shape | None) -> tuple[int, ...] | None:
    """A shape of which every axis is known, else None."""
    return None if shape is None or None in shape else tuple(size for size in shape if size is not None)


def count(shape: Shape | None) -> int | None:
    """How many numbers a blob has, where that is known."""
    sizes = known(shape)
    return None if sizes is None else math.prod(sizes)


def _each(shapes: list[Shape], layer: Layer) -> list[Shape]:
    """One shape for every top, or for all of them."""
    return shapes * len(layer.tops) if len(shapes) == 1 else shapes


def _input(layer: Layer) -> Sequence[Shape]:
    return _each(Param(layer, "input_param").shapes(), layer)


def _dummy_data(layer: Layer) -> Sequence[Shape]:
    param = Param(layer, "dummy_data_param")
    legacy = zip(*(param.integers(name) for name in ("num", "channels", "height", "width")))
    return _each(param.shapes() or list(legacy), layer)


def _memory_data(layer: Layer) -> Sequence[Shape]:
    param = Param(layer, "memory_data_param")
    batch, *image = (size_of(param.integer(name, 0)) for name in ("batch_size", "channels", "height", "width"))
    return [(batch, *image), (batch,)]


def _images(layer: Layer) -> Sequence[Shape]:
    """Batches of images, which are as large as they are cropped (V1 said so in `data_param`), and labels."""
    own = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}[layer.type]
    params, transform = Param(layer, own), Param(layer, "transform_param")
    batch = size_of(params.integer("batch_size", 0))
    high = wide = size_of(transform.integer("crop_size", params.integer("crop_size", 0)))
    if high is None and layer.type == "ImageData":
        high, wide = size_of(params.integer("new_height", 0)), size_of(params.integer("new_width", 0))
    # Caffe wants one mean value, or one for each channel.
    means = sum(len(message.values("mean_value")) for message in transform.messages)
    channels = means if means > 1 else None
    if layer.type == "ImageData":
        channels = 3 if params.flag("is_color", default=True) else 1
    return [(batch, channels, high, wide), (batch,)]


def _parameter(layer: Layer) -> Sequence[Shape]:
    return Param(layer, "parameter_param").shapes()[-1:]


SOURCES: dict[str, Callable[[Layer], Sequence[Shape]]] = {
    "Input": _input, "DummyData": _dummy_data, "MemoryData": _memory_data, "Data": _images, "ImageData": _images,
    "WindowData": _images, "Parameter": _parameter,
}  # fmt: skip


def tops_of(layer: Layer, bottoms: tuple[Shape | None, ...]) -> Sequence[Shape | None]:
    """What a layer makes of its bottoms."""
    first = bottoms[0] if bottoms else None
    if layer.type == "Eltwise":  # all its bottoms have one shape
        first = next((bottom for bottom in bottoms if bottom is not None), None)
    if layer.type in LOSSES:
        return [(), first] if layer.type in ("SoftmaxWithLoss", "InfogainLoss") else [()]
    if layer.type == "Concat":
        return [_concat(Param(layer, "concat_param"), bottoms)]
    if first is None:
        raise Unknown
    if layer.type in SAME_SHAPE:
        return [first]
    if layer.type in SLIDING:
        return [_convolution(layer, bottom) for bottom in bottoms]
    if layer.type == "Crop":
        if len(bottoms) < 2 or bottoms[1] is None or len(bottoms[1]) != len(first):
            raise Unknown
        axis = axis_of(Param(layer, "crop_param").integer("axis", 2), first)
        return [first[:axis] + bottoms[1][axis:]]
    if layer.type in _RULES:
        return _RULES[layer.type](layer, first)
    raise Unknown


def axis_of(axis: int, shape: Shape) -> int:
    """The number of an axis that may be counted from the end, as Blob::CanonicalAxisIndex."""
    if not -len(shape) <= axis < len(shape):
        raise Unknown
    return axis % len(shape)


def _convolution(layer: Layer, bottom: Shape | None) -> Shape | None:
    if bottom is None or len(bottom) != 4:
        return None
    geometry = layer.geometry()
    sizes: list[int | None] = []
    for size, kernel, stride, pad, dilation in zip(
        bottom[2:], geometry.kernel, geometry.stride, geometry.pad, geometry.dilation
    ):
        extent = dilation * (kernel - 1) + 1
        if size is None:
            sizes.append(None)
        elif layer.type == "Deconvolution":
            sizes.append(size_of(stride * (size - 1) + extent - 2 * pad))
        else:
            sizes.append(size_of((size + 2 * pad - extent) // stride + 1))
    return (bottom[0], geometry.num_output, *sizes)


def _concat(param: Param, bottoms: tuple[Shape | None, ...]) -> Shape:
    shapes = [bottom for bottom in bottoms if bottom is not None]
    if not shapes or len(shapes) != len(bottoms) or len({len(shape) for shape in shapes}) != 1:
        raise Unknown
    axis = axis_of(param.integer("axis", param.integer("concat_dim", 1)), shapes[0])
    parts = known(tuple(shape[axis] for shape in shapes))
    # All bottoms agree on the other axes: any that knows one will do.
    merged: list[int | None] = [next((size for size in sizes if size is not None), None) for sizes in zip(*shapes)]
    merged[axis] = None if parts is None else size_of(sum(parts))
    return tuple(merged)


def _pooling(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    param = Param(layer, "pooling_param")
    fields = {field.name for message in param.messages for field in message.fields}
    if len(bottom) != 4 or not fields <= POOLING_FIELDS:
        raise Unknown
    if param.flag("global_pooling", default=False):
        return [(*bottom[:2], 1, 1)] * 2
    kernels, strides = (
        param.pair("kernel_size", "kernel_h", "kernel_w", 0),
        param.pair("stride", "stride_h", "stride_w", 1),
    )
    pads = param.pair("pad", "pad_h", "pad_w", 0)
    floor = any(message.text("round_mode") in ("FLOOR", "1") for message in param.messages[-1:])
    sizes: list[int | None] = []
    for size, kernel, stride, pad in zip(bottom[2:], kernels, strides, pads):
        if kernel < 1 or stride < 1 or pad < 0:
            raise Unknown
        if size is None:
            sizes.append(None)
            continue
        room = size + 2 * pad - kernel
        steps = (room // stride if floor else -(-room // stride)) + 1
        # The last window begins inside the image, not in the padding.
        sizes.append(size_of(steps - (any(pads) and (steps - 1) * stride >= size + pad)))
    return [(*bottom[:2], *sizes)] * 2


def _inner_product(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    param = Param(layer, "inner_product_param")
    return [(*bottom[: axis_of(param.integer("axis", 1), bottom)], size_of(param.integer("num_output", 0)))]


def _slice(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    param = Param(layer, "slice_param")
    if not layer.tops:
        raise Unknown
    axis = axis_of(param.integer("axis", param.integer("slice_dim", 1)), bottom)
    points, size, tops = param.integers("slice_point"), bottom[axis], len(layer.tops)
    if points:
        ends: list[int | None] = [*points, size]
        parts = [None if b is None or a is None else size_of(b - a) for a, b in zip([0, *points], ends)]
    else:
        parts = [None if size is None or size % tops else size // tops] * tops
    return [(*bottom[:axis], part, *bottom[axis + 1 :]) for part in parts]


def _flatten(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    param = Param(layer, "flatten_param")
    start, stop = axis_of(param.integer("axis", 1), bottom), axis_of(param.integer("end_axis", -1), bottom) + 1
    whole = count(bottom[start:stop])
    return [(*bottom[:start], None if whole is None else size_of(whole), *bottom[stop:])]


def _reshape(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    param = Param(layer, "reshape_param")
    asked = integers_of(
        value for message in param.messages for shape in message.messages("shape") for value in shape.values("dim")
    )
    axis, axes = param.integer("axis", 0), param.integer("num_axes", -1)
    start = axis if axis >= 0 else len(bottom) + axis + 1
    stop = len(bottom) if axes == -1 else start + axes
    if not 0 <= start <= stop <= len(bottom) or asked.count(-1) > 1:
        raise Unknown
    if any(size == 0 and start + at >= len(bottom) for at, size in enumerate(asked)):
        raise Unknown
    new = [bottom[start + at] if size == 0 else size_of(size) for at, size in enumerate(asked)]
    if -1 in asked:
        rest, whole = count(tuple(size for size, was in zip(new, asked) if was != -1)), count(bottom[start:stop])
        new[asked.index(-1)] = whole // rest if rest and whole is not None and whole % rest == 0 else None
    return [(*bottom[:start], *new, *bottom[stop:])]


def _arg_max(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    param = Param(layer, "argmax_param")
    best = size_of(param.integer("top_k", 1))
    if param.integers("axis"):
        axis = axis_of(param.integer("axis", 0), bottom)
        return [(*bottom[:axis], best, *bottom[axis + 1 :])]
    values = 2 if param.flag("out_max_val", default=False) else 1
    return [(*bottom[:1], values, best, *(1,) * (len(bottom) - 3))]


def _accuracy(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    axis = Param(layer, "accuracy_param").integer("axis", 1)
    return [(), (bottom[axis_of(axis, bottom)],)] if len(layer.tops) > 1 else [()]


def _permute(layer: Layer, bottom: Shape) -> Sequence[Shape]:
    """SSD's: the axes named come first."""
    order = Param(layer, "permute_param").integers("order")
    if len(set(order)) != len(order) or not all(0 <= axis < len(bottom) for axis in order):
        raise Unknown
    return [tuple(bottom[axis] for axis in [*order, *(at for at in range(len(bottom)) if at not in order)])]


_RULES: dict[str, Callable[[Layer, Shape], Sequence[Shape]]] = {
    "Pooling": _pooling, "InnerProduct": _inner_product, "Slice": _slice, "Flatten": _flatten, "Reshape": _reshape,
    "ArgMax": _arg_max, "Accuracy": _accuracy, "Permute": _permute,
    "Split": lambda layer, bottom: [bottom] * len(layer.tops),
    "Reduction": lambda layer, bottom: [bottom[: axis_of(Param(layer, "reduction_param").integer("axis", 0), bottom)]],
    "Embed": lambda layer, bottom: [(*bottom, size_of(Param(layer, "embed_param").integer("num_output", 0)))],
}  # fmt: skip


def parameter_shapes(layer: Layer, bottoms: Sequence[Shape | None]) -> list[Shape | None]:
    """The shapes of the parameter blobs that Caffe makes for a layer, None for one, or for a size of one, that is not known.

    Raises:
        Unknown: its type does not tell how many it has.
        SurgeryError: its geometry is broken.
    """
    blobs = own_blobs(layer)
    if not blobs:
        if blobs is None:
            raise Unknown
        return []
    bottom = bottoms[0] if bottoms else None
    channels = None if bottom is None or len(bottom) < 2 else bottom[1]
    shapes: list[Shape | None] = [None] * blobs
    if layer.type in SLIDING:
        geometry = layer.geometry()
        shapes[1:] = [(geometry.num_output,)] * (blobs - 1)
        ends = (geometry.num_output, channels)
        first, second = ends[::-1] if layer.type == "Deconvolution" else ends
        shapes[0] = (first, None if second is None else size_of(second // geometry.group), *geometry.kernel)
    elif layer.type in ("InnerProduct", "Embed"):
        param = Param(layer, "inner_product_param" if layer.type == "InnerProduct" else "embed_param")
        size = size_of(param.integer("num_output", 0))
        rows = size_of(param.integer("input_dim", 0)) if layer.type == "Embed" else None
        if layer.type == "InnerProduct" and bottom is not None:
            rows = count(bottom[axis_of(param.integer("axis", 1), bottom) :])
        turned = layer.type == "Embed" or param.flag("transpose", default=False)
        shapes[:] = [(rows, size) if turned else (size, rows), (size,)][:blobs]
    elif layer.type == "BatchNorm":
        channels = 1 if bottom is not None and len(bottom) == 1 else channels
        shapes[:] = [(channels,), (channels,), (1,), (channels,), (channels,)][:blobs]
    elif (
        layer.type == "BN" and bn_fork(layer) == "SegNet"
    ):  # PSPNet's are (1, channels) or (1, channels, 1, 1), by the fork
        shapes[:] = [(1, channels, 1, 1)] * blobs
    elif layer.type in ("Scale", "Bias"):
        shapes[:] = [_affine_shape(layer, bottoms)] * blobs
    elif layer.type == "PReLU":
        shared = Param(layer, "prelu_param").flag("channel_shared", default=False)
        shapes[:] = [() if shared else (channels,)]
    elif layer.type == "Parameter":
        shapes[:] = [*_parameter(layer), *shapes][:1]
    return shapes


def _affine_shape(layer: Layer, bottoms: Sequence[Shape | None]) -> Shape | None:
    """The shape of a Scale's or Bias's blobs: some axes of its bottom, or all those of its second bottom."""
    if len(bottoms) > 1:
        return bottoms[1]
    bottom = bottoms[0] if bottoms else None
    param = Param(layer, {"Scale": "scale_param", "Bias": "bias_param"}[layer.type])
    axes = param.integer("num_axes", 1)
    if bottom is None:
        return () if axes == 0 else None
    axis = axis_of(param.integer("axis", 1), bottom)
    return bottom[axis:] if axes == -1 else bottom[axis : axis + axes]
