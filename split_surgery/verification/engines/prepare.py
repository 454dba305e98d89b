"""A net made ready to run outside training: the TEST phase, with Inputs where the data layers were and no labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.prototxt import Message, quote
from split_surgery.documents.weights.blobs import Weights
from split_surgery.errors import UsageError

Arrays = dict[str, np.typing.NDArray[np.float32]]
"""Numbers of blobs by name."""

EPS = float(np.finfo(np.float32).eps)

_SAFETY = 8.0
"""Rounding errors of a sum of n terms grow like sqrt(n) times a small constant with high probability (Higham and Mary, A
New Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41, 2019); this is the constant we allow."""

SOURCES_KEPT = ("Input", "Parameter")


@dataclass(frozen=True)
class Runnable:
    """A net to be run.

    Attributes:
        text: its prototxt. inputs: shape of each input blob. outputs: blobs that nothing reads.
        tolerance: largest difference, relative to the largest output, that float32 rounding explains.
    """

    text: bytes
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    makers: dict[str, str]
    tolerance: float


def prepare(net: Net, weights: Weights, shapes: Mapping[str, tuple[int, ...]]) -> Runnable:
    """The net in phase TEST, data layers turned into Inputs, whatever needs a label left out.

    Args:
        shapes: input shapes given by the user, by blob.

    Raises:
        UsageError: the file does not say an input's shape, or `shapes` names none of the inputs.
    """
    inputs, kept = _parted(net, weights, shapes)
    for name in shapes:
        if name not in inputs:
            raise UsageError(f"--input-shape {name}: the net has no such input", hint="inputs: " + ", ".join(inputs))
    known: dict[str, tuple[int, ...]] = {}
    for name, shape in inputs.items():
        given = shapes.get(name, shape)
        if given is None:
            raise UsageError(
                f'{net.document.name} does not say the shape of input "{name}"',
                hint=f"give it: --input-shape {name}:N,C,H,W",
            )
        known[name] = given
    read = {bottom for layer in kept for bottom in layer.bottoms if bottom not in layer.tops}
    outputs = list(dict.fromkeys(top for layer in kept for top in layer.tops if top not in read))
    old = any(layer.v1 for layer in kept)
    text = b"".join((_old_input_text if old else _input_text)(name, shape) for name, shape in known.items())
    head = b"layers " if old else b"layer "
    text += b"".join(
        net.document.data[layer.message.span.start : layer.message.span.stop].join((head, b"\n")) for layer in kept
    )
    makers = {top: layer.name for layer in kept for top in layer.tops}
    return Runnable(b'name: "net"\n' + text, known, tuple(outputs), makers, _tolerance(kept, weights))


def input_shapes(
    net: Net, weights: Weights, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...] | None]:
    """The inputs of a net made ready to run, with their shapes: those given, else what the file says, else None."""
    inputs, _ = _parted(net, weights, shapes)
    return {name: shapes.get(name, shape) for name, shape in inputs.items()}


def _parted(
    net: Net, weights: Weights, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, tuple[int, ...] | None], list[Layer]]:
    """The inputs of a net, and the layers that are left once data layers and whatever needs a label are gone."""
    layers = [layer for layer in net.layers if layer.in_state(State("TEST"))]
    inputs = _net_inputs(net)
    labels: set[str] = set()
    kept: list[Layer] = []
    for layer in layers:
        if not layer.bottoms and layer.type not in SOURCES_KEPT and layer.tops:
            for at, top in enumerate(layer.tops):
                if at == 0 or top in shapes or _is_image(top, layers):
                    inputs.setdefault(top, _data_shape(layer, top, layers, weights))
                else:
                    labels.add(top)
        elif layer.type == "Input":
            found = [
                _dims(shape) for param in layer.message.messages("input_param") for shape in param.messages("shape")
            ]
            for index, top in enumerate(layer.tops):
                inputs.setdefault(top, found[min(index, len(found) - 1)] if found else None)
        elif labels & set(layer.bottoms):
            labels |= set(layer.tops) - set(layer.bottoms)
        else:
            kept.append(layer)
    return inputs, kept


def _net_inputs(net: Net) -> dict[str, tuple[int, ...] | None]:
    names = [value.text for value in net.message.scalars("input")]
    shapes = [_dims(shape) for shape in net.message.messages("input_shape")]
    flat = [value.integer() or 0 for value in net.message.scalars("input_dim")]
    shapes += [tuple(flat[at : at + 4]) for at in range(0, len(flat), 4)]
    return {name: shapes[index] if index < len(shapes) else None for index, name in enumerate(names)}


def _dims(shape: Message) -> tuple[int, ...]:
    return tuple(value.integer() or 0 for value in shape.scalars("dim"))


def _is_image(blob: str, layers: list[Layer]) -> bool:
    """Whether a convolution reads a data layer's further top, as in siamese nets; else it is taken for a label."""
    return any(layer.type == "Convolution" and blob in layer.bottoms for layer in layers)


def _data_shape(layer: Layer, top: str, layers: list[Layer], weights: Weights) -> tuple[int, ...] | None:
    """(1, channels, crop, crop) of a data layer that crops, channels from the convolution that reads it; else unknown."""
    for param in layer.message.messages("dummy_data_param"):
        shapes = [_dims(shape) for shape in param.messages("shape")]
        if shapes:
            return shapes[min(layer.tops.index(top), len(shapes) - 1)]
    crops = [size for param in layer.message.messages("transform_param") for size in param.scalars("crop_size")]
    size = crops[-1].integer() if crops else None
    for reader in layers:
        if size and reader.type == "Convolution" and top in reader.bottoms:
            for record in weights.named(reader.name):
                if record.blobs and len(record.blobs[0].shape) == 4:
                    return (1, record.blobs[0].shape[1], size, size)
    return None


def _input_text(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b" ".join(b"dim: %d" % size for size in shape)
    quoted = quote(name)
    return b'layer { name: %s type: "Input" top: %s input_param { shape { %s } } }\n' % (quoted, quoted, dims)


def _old_input_text(name: str, shape: tuple[int, ...]) -> bytes:
    """An input of the net itself: V1 has no Input layers."""
    return b"input: %s\ninput_shape { %s }\n" % (quote(name), b" ".join(b"dim: %d" % size for size in shape))


def _tolerance(layers: list[Layer], weights: Weights) -> float:
    """SAFETY * eps * the sum over layers with weights of sqrt(terms of one output's sum)."""
    roots = 0.0
    for layer in layers:
        for record in weights.named(layer.name):
            if record.blobs and len(record.blobs[0].shape) > 1:
                terms = float(np.prod(record.blobs[0].shape[1:]))
                roots += terms**0.5
    return _SAFETY * EPS * max(1.0, roots)


def random_inputs(inputs: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.typing.NDArray[np.float32]]:
    """Standard normal inputs, the same for the same seed."""
    draw = np.random.RandomState(seed)
    return {name: draw.standard_normal(shape).astype(np.float32) for name, shape in inputs.items()}
