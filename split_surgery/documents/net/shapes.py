"""The shapes of a net's blobs as Caffe infers them, and what its layers cost: parameters and multiply-adds.

What the files do not say is None, and so is all that follows from it: nothing is guessed, and an odd net raises nothing. The
rules are those of BVLC Caffe 1.0 (the `Reshape` of each layer); a layer of a type that is not listed here makes unknown blobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import BY_CHANNEL, CONVOLUTIONS, WITHOUT_BLOBS
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shape_rules import (
    MAX_AXES,
    SOURCES,
    Shape,
    Unknown,
    count,
    dims,
    integers_of,
    parameter_shapes,
    size_of,
    tops_of,
)
from split_surgery.documents.weights.blobs import Weights
from split_surgery.errors import SurgeryError

Given = Mapping[str, Sequence[int]]
"""Shapes that the caller knows, by blob."""

PER_ELEMENT = frozenset(("PReLU", *BY_CHANNEL))
"""Layer types that count for one multiply-add per element."""


@dataclass(frozen=True)
class Shaped:
    """A layer with the shapes of what it reads and makes, in the order of its bottoms and tops."""

    layer: Layer
    bottoms: tuple[Shape | None, ...]
    tops: tuple[Shape | None, ...]


@dataclass(frozen=True)
class Cost:
    """What a layer costs, None where it is not known.

    Attributes:
        shape: of the first top.
        parameters: numbers in its blobs, those left out that a layer before it shares with it by name.
        multiply_adds: per image: those of the batch in the file, divided by its size. A bias counts none. One per element of the
            top in BatchNorm, Scale, Bias and PReLU; none in the other layers without weights (pooling, activations, sums).
    """

    layer: Layer
    shape: Shape | None
    parameters: int | None
    multiply_adds: int | None


def infer(
    net: Net,
    state: State,
    weights: Weights | None = None,
    given: Given | None = None,
    convolved: Collection[str] = (),
) -> list[Shaped]:
    """The layers that a net has in a state, in order, with the shapes of their blobs.

    Args:
        weights: say how many channels a data layer gives, where a convolution reads it.
        given: shapes by blob; they hold against what the file says, for inputs and for blobs that layers make.
        convolved: names of InnerProducts that are taken for the convolutions which cover the images that they read.
    """
    layers = net.layers_in(state)
    said = {name: tuple(shape) for name, shape in (given or {}).items()}
    blobs: dict[str, Shape | None] = dict(net_inputs(net)) | said
    found = []
    for layer in layers:
        bottoms = tuple(blobs.get(bottom) for bottom in layer.bottoms)
        try:
            made = list(SOURCES[layer.type](layer) if layer.type in SOURCES else tops_of(layer, bottoms))
        except (Unknown, SurgeryError):
            made = []
        if layer.name in convolved and layer.type == "InnerProduct" and bottoms[0] is not None and len(bottoms[0]) == 4:
            made = [shape if shape is None else (*shape, 1, 1) for shape in made]
        made = [shape if shape is not None and len(shape) <= MAX_AXES else None for shape in made[: len(layer.tops)]]
        tops = (*made, *(None,) * (len(layer.tops) - len(made)))
        if weights is not None and tops:
            tops = (_with_channels(tops[0], layer.tops[0], layers, weights), *tops[1:])
        # What was given is the blob that others make out of nothing, not what a layer has made of it in place.
        tops = tuple(
            said[top] if top in said and top not in layer.bottoms else shape for top, shape in zip(layer.tops, tops)
        )
        blobs.update(zip(layer.tops, tops))
        found.append(Shaped(layer, bottoms, tops))
    return found


def net_inputs(net: Net) -> dict[str, Shape | None]:
    """The blobs that the net itself declares (`input: "data"`), with what `input_shape` or `input_dim` says of them."""
    names = net.inputs()
    try:
        shapes = [dims(shape) for shape in net.message.messages("input_shape")]
        flat = list(map(size_of, integers_of(net.message.values("input_dim"))))
    except Unknown:
        return dict.fromkeys(names)
    shapes += [tuple(flat[at : at + 4]) for at in range(0, len(flat), 4)]
    return {name: shapes[index] if index < len(shapes) else None for index, name in enumerate(names)}


def _with_channels(shape: Shape | None, top: str, layers: Sequence[Layer], weights: Weights) -> Shape | None:
    """The shape of a data layer's images, with the channels that the weights of a convolution reading them have."""
    if shape is None or len(shape) != 4 or shape[1] is not None:
        return shape
    for reader in layers:
        record = next(iter(weights.named(reader.name)), None)
        weight = (
            record.blob(0) if record is not None and reader.type == "Convolution" and top in reader.bottoms else None
        )
        if weight is not None and len(weight.shape) == 4:
            try:
                return (shape[0], size_of(weight.shape[1] * reader.geometry().group), *shape[2:])
            except SurgeryError:
                continue
    return shape


def costs(net: Net, weights: Weights | None, state: State, given: Given | None = None) -> list[Cost]:
    """What the layers that a net has in a state cost, in order.

    Args:
        weights: where they have a layer's blobs, those are counted; else those that Caffe would make.
        given: shapes by blob that the file does not say (see `infer`).
    """
    layers = infer(net, state, weights, given)
    batch = _batch(net, layers, given or {})
    owned: set[str] = set()
    found = []
    for shaped in layers:
        layer = shaped.layer
        sizes = _sizes(net, weights, shaped, state)
        names = {index: text for index, text, _ in layer.param_names()}
        own = None if sizes is None else [n for index, n in sizes.items() if names.get(index) not in owned]
        owned |= set(names.values())
        whole = _multiply_adds(shaped, sizes)
        each = whole if not whole else None if batch is None else whole // batch
        found.append(Cost(layer, shaped.tops[0] if shaped.tops else None, None if own is None else total(own), each))
    return found


def total(numbers: Iterable[int | None]) -> int | None:
    """The sum, or None where one of the numbers is not known."""
    found = 0
    for number in numbers:
        if number is None:
            return None
        found += number
    return found


def _batch(net: Net, layers: list[Shaped], given: Given) -> int | None:
    """How many images the net takes at a time: the first axis of its first input of a known shape."""
    declared = [given.get(name, shape) for name, shape in net_inputs(net).items()]
    made = [
        top for shaped in layers if not shaped.bottoms and shaped.layer.type != "Parameter" for top in shaped.tops[:1]
    ]
    return next((shape[0] for shape in (*declared, *made) if shape), None)


def _sizes(net: Net, weights: Weights | None, shaped: Shaped, state: State) -> dict[int, int | None] | None:
    """How many numbers each blob of a layer has, by index; None where it is not known how many blobs it has."""
    layer = shaped.layer
    try:
        shapes = parameter_shapes(layer, shaped.bottoms)
    except (Unknown, SurgeryError):
        shapes = None
    records = weights.named(layer.name) if weights is not None else ()
    indices = [blob.index for record in records for blob in record.blobs]
    indices += [index for index, _, _ in layer.param_names()] if records else []
    if not indices and shapes is None:
        return {} if records else None
    expected = dict(enumerate(map(count, shapes or ())))
    sizes = {}
    for index in range(max(indices) + 1 if indices else len(expected)):
        blob = blob_of(net, weights, layer, index, state) if weights is not None else None
        sizes[index] = blob.count if blob is not None else expected.get(index)
    return sizes


def _multiply_adds(shaped: Shaped, sizes: Mapping[int, int | None] | None) -> int | None:
    """Multiply-adds of the whole batch."""
    kind = shaped.layer.type
    if kind in WITHOUT_BLOBS or kind in ("Embed", "Parameter"):
        return 0
    if kind in PER_ELEMENT:
        return count(shaped.tops[0]) if shaped.tops else None
    # Each kernel, or each pixel spread by a deconvolution, or each row of an inner product takes all weights once.
    uses = {
        "Convolution": [None if top is None else (*top[:1], *top[2:]) for top in shaped.tops],
        "Deconvolution": [None if bottom is None else (*bottom[:1], *bottom[2:]) for bottom in shaped.bottoms],
        "InnerProduct": [None if top is None else top[:-1] for top in shaped.tops],
    }.get("Convolution" if kind in CONVOLUTIONS else kind)
    times = total(map(count, uses)) if uses else None
    weight = sizes.get(0) if sizes else None
    return None if times is None or weight is None else times * weight
