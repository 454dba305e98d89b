"""A net made ready to run outside training: the TEST phase, with Inputs where the data layers were and no labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shape_rules import Shape, known
from split_surgery.documents.net.shapes import infer, net_inputs
from split_surgery.documents.prototxt import quote
from split_surgery.documents.spans import Splice, apply_splices
from split_surgery.documents.weights.blobs import Weights
from split_surgery.errors import OptionError, UsageError, for_shell

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
        squashed: by output, the blob that a last Softmax or Sigmoid makes it of, which says more than the output.
        tolerance: largest difference, relative to the largest output, that float32 rounding explains.
    """

    text: bytes
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    makers: dict[str, str]
    squashed: dict[str, str]
    tolerance: float


TESTED = State("TEST")
"""The state that is run unless another is asked for."""


def prepare(net: Net, weights: Weights, shapes: Mapping[str, tuple[int, ...]], state: State = TESTED) -> Runnable:
    """The net of one state, data layers turned into Inputs, whatever needs a label left out.

    Args:
        shapes: input shapes given by the user, by blob.
        state: which layers are in it; they are run as tested.

    Raises:
        UsageError: the file does not say an input's shape, or `shapes` names none of the inputs.
    """
    inputs, kept = _parted(net, weights, shapes, state)
    for name in shapes:
        if name not in inputs:
            raise OptionError("input-shape", "the net has no such input", name, hint="inputs: " + ", ".join(inputs))
    sizes: dict[str, tuple[int, ...]] = {}
    for name, shape in inputs.items():
        given = shapes.get(name, shape)
        if given is None:
            raise UsageError(
                f'{net.document.name} does not say the shape of input "{name}"',
                hint=f"give it: --input-shape {for_shell(name)}:N,C,H,W",
            )
        sizes[name] = given
    read = {bottom for layer in kept for bottom in layer.bottoms if bottom not in layer.tops}
    outputs = list(dict.fromkeys(top for layer in kept for top in layer.tops if top not in read))
    old = any(layer.v1 for layer in kept)
    text = b"".join((_old_input_text if old else _input_text)(name, shape) for name, shape in sizes.items())
    head = b"layers " if old else b"layer "
    text += b"".join(head + _without_rules(layer) + b"\n" for layer in kept)
    makers = {top: layer.name for layer in kept for top in layer.tops}
    return Runnable(
        b'name: "net"\n' + text, sizes, tuple(outputs), makers, _squashed(kept, outputs), _tolerance(kept, weights)
    )


def _without_rules(layer: Layer) -> bytes:
    """A layer's message without what keeps it out of other states: it is in the one that is run."""
    start, stop = layer.message.span
    rules = [field.span for field in layer.message.fields if field.name in ("include", "exclude", "phase")]
    cuts = [Splice(span.start - start, span.stop - start, b"") for span in rules]
    return apply_splices(layer.document.data[start:stop], cuts)


def _squashed(layers: Sequence[Layer], outputs: list[str]) -> dict[str, str]:
    """The blobs that a last Softmax or Sigmoid squashes, by the output that it makes of them."""
    return {
        layer.tops[0]: layer.bottoms[0]
        for layer in layers
        if layer.type in ("Softmax", "Sigmoid") and layer.tops[0] in outputs and layer.tops[0] != layer.bottoms[0]
    }


def input_shapes(
    net: Net, weights: Weights, shapes: Mapping[str, tuple[int, ...]], state: State = TESTED
) -> dict[str, tuple[int, ...] | None]:
    """The inputs of a net made ready to run, with their shapes: those given, else what the file says, else None."""
    inputs, _ = _parted(net, weights, shapes, state)
    return {name: shapes.get(name, shape) for name, shape in inputs.items()}


def _parted(
    net: Net, weights: Weights, shapes: Mapping[str, tuple[int, ...]], state: State
) -> tuple[dict[str, tuple[int, ...] | None], list[Layer]]:
    """The inputs of a net, and the layers that are left once data layers and whatever needs a label are gone."""
    layers = net.layers_in(state)
    made = {top: size for row in infer(net, state, weights) for top, size in zip(row.layer.tops, row.tops)}
    inputs = {name: known(shape) for name, shape in net_inputs(net).items()}
    labels: set[str] = set()
    kept: list[Layer] = []
    for layer in layers:
        if not layer.bottoms and layer.type not in SOURCES_KEPT and layer.tops:
            for at, top in enumerate(layer.tops):
                if at == 0 or top in shapes or _is_image(top, layers):
                    inputs.setdefault(top, _one_image(layer, made[top]))
                else:
                    labels.add(top)
        elif layer.type == "Input":
            for top in layer.tops:
                inputs.setdefault(top, known(made[top]))
        elif labels & set(layer.bottoms):
            labels |= set(layer.tops) - set(layer.bottoms)
        else:
            kept.append(layer)
    return inputs, kept


def _one_image(layer: Layer, shape: Shape | None) -> tuple[int, ...] | None:
    """The shape of a data layer's top, of one image; as it is where the layer says a whole blob."""
    return known(shape if shape is None or layer.type == "DummyData" else (1, *shape[1:]))


def _is_image(blob: str, layers: Sequence[Layer]) -> bool:
    """Whether a convolution reads a data layer's further top, as in siamese nets; else it is taken for a label."""
    return any(layer.type == "Convolution" and blob in layer.bottoms for layer in layers)


def _input_text(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b" ".join(b"dim: %d" % size for size in shape)
    quoted = quote(name)
    return b'layer { name: %s type: "Input" top: %s input_param { shape { %s } } }\n' % (quoted, quoted, dims)


def _old_input_text(name: str, shape: tuple[int, ...]) -> bytes:
    """An input of the net itself: V1 has no Input layers."""
    return b"input: %s\ninput_shape { %s }\n" % (quote(name), b" ".join(b"dim: %d" % size for size in shape))


def _tolerance(layers: Sequence[Layer], weights: Weights) -> float:
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
