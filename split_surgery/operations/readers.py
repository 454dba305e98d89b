"""What reads a blob that has other axes now: (images, channels) as (images, channels, 1, 1), or the other way round."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from split_surgery.documents.net.flow import Flow, flows
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.shape_rules import Param, Shape, Unknown
from split_surgery.documents.net.shapes import Given, infer

BY_ELEMENT = frozenset(
    "AbsVal BatchNorm BNLL Clip Dropout ELU Exp Log Power PReLU ReLU ReLU6 Sigmoid Silence Split Swish TanH Threshold".split()
)
"""Layer types that compute the same of each number, or of each channel, however many axes of size 1 follow."""

COUNTING_LOSSES = frozenset(
    "ContrastiveLoss EuclideanLoss HingeLoss MultinomialLogisticLoss SigmoidCrossEntropyLoss".split()
)
"""Losses that count numbers, and not axes."""

ON_AXIS = {
    "Accuracy": "accuracy_param", "ArgMax": "argmax_param", "Bias": "bias_param", "Concat": "concat_param",
    "InfogainLoss": "infogain_loss_param", "InnerProduct": "inner_product_param", "Scale": "scale_param", "Slice": "slice_param",
    "Softmax": "softmax_param", "SoftmaxWithLoss": "softmax_param",
}  # fmt: skip
"""Layer types that do so where their axis is the channels', counted from the front."""

SAME_TOP = frozenset(("Flatten", "Reshape"))
"""Layer types that must make of it what they made before."""


def check_readers(before: Net, after: Net, recast: Mapping[str, tuple[int, ...]], given: Given) -> Iterator[str]:
    """What is worth saying of the outputs whose axes have changed.

    Args:
        before, after: the same layers in the same order. recast: those that became another type, with the shape of an image that each
            reads. given: shapes of blobs that the prototxt does not say.

    Raises:
        Unsupported: a layer would read what it cannot read, or compute something else of it.
    """
    said: dict[str, None] = {}
    for flow, again in zip(flows(before), flows(after)):
        outputs: dict[str, tuple[Shape | None, Shape | None]] = {}
        said_here = _with_bottoms(before, flow, recast, given)
        for was, now in zip(infer(before, flow.state, given=said_here), infer(after, again.state, given=said_here)):
            layer = was.layer
            if was.bottoms != now.bottoms and layer.name not in recast:
                _check(layer, was.bottoms, now.bottoms, was.tops == now.tops)
            for bottom in layer.bottoms:
                outputs.pop(bottom, None)
            for top, shapes in zip(layer.tops, zip(was.tops, now.tops)):
                outputs[top] = shapes
        for blob, (old, new) in outputs.items():
            if old != new and old is not None and new is not None:
                said[f'the output "{blob}" has the shape {_by(new)} now, and had {_by(old)}'] = None
    yield from said


def _with_bottoms(net: Net, flow: Flow, recast: Mapping[str, tuple[int, ...]], given: Given) -> Given:
    """The shapes that are given, with those of what recast layers read where this net does not tell them: a training net often says
    nothing of its images."""
    shaped = infer(net, flow.state, given=given)
    for at, layer in enumerate(flow.layers):
        if layer.name not in recast:
            continue
        bottom = shaped[at].bottoms[0]
        if bottom is None or None in bottom[1:]:
            given = {**given, layer.bottoms[0]: (1, *recast[layer.name])}
            shaped = infer(net, flow.state, given=given)
    return given


def _check(layer: Layer, old: Sequence[Shape | None], new: Sequence[Shape | None], same_tops: bool) -> None:
    """Raises: Unsupported, where a layer must not read blobs of the new shapes in the place of the old ones."""
    pairs = [(a, b) for a, b in zip(old, new) if a != b]
    if not all(a is not None and b is not None and _bare(a) == _bare(b) for a, b in pairs):
        layer.refuse("would read a blob of a shape that does not follow from the files")
    axes = {len(shape) for shape in new if shape is not None}
    if layer.type in ("Eltwise", "Concat") and len(axes) > 1:
        layer.refuse(
            f"would read blobs of {' and '.join(map(str, sorted(axes)))} axes, which it cannot join",
            hint="reshape the layers that make the others, too",
        )
    if layer.type in BY_ELEMENT or layer.type in COUNTING_LOSSES or layer.type == "Eltwise":
        return
    if layer.type in SAME_TOP and same_tops:
        return
    with contextlib.suppress(Unknown):
        if layer.type in ON_AXIS and _on_channels(layer):
            return
    shape = next(b for _, b in pairs if b is not None)
    layer.refuse(f"would read a blob of the shape {_by(shape)}, of which it is not known that it makes the same")


def _on_channels(layer: Layer) -> bool:
    """Whether a layer that works along an axis does so along the channels, whatever follows them."""
    param = Param(layer, ON_AXIS[layer.type])
    if layer.type in ("Scale", "Bias") and (len(layer.bottoms) > 1 or param.integer("num_axes", 1) != 1):
        return False
    return (
        param.integer("axis", param.integer({"Concat": "concat_dim", "Slice": "slice_dim"}.get(layer.type, "axis"), 1))
        == 1
    )


def _bare(shape: Shape) -> Shape:
    """A shape without the ones behind the channels."""
    rest = list(shape)
    while len(rest) > 2 and rest[-1] == 1:
        del rest[-1]
    return tuple(rest)


def _by(shape: Shape) -> str:
    return "x".join("?" if size is None else str(size) for size in shape) or "of one number"
