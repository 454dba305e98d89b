"""Where a net's images come in: the blob, the layers that give it, and the convolutions that read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from split_surgery.documents.net.flow import Flow, Value, flows
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.shapes import infer, net_inputs
from split_surgery.errors import Unsupported

ONLY_SIZES = {("Crop", 1), ("PriorBox", 1)}
"""Layer types and the place of a bottom of which they take the height and width alone (PriorBox is SSD's)."""


@dataclass(frozen=True)
class Images:
    """The images of one net.

    Attributes:
        blob: its name. declared: whether the net itself declares it (`input: "data"`), in a phase at least.
        sources: the data layers that make it, one for a phase. readers: the convolutions that read it.
    """

    blob: str
    declared: bool
    sources: tuple[Layer, ...]
    readers: tuple[Layer, ...]


def images_of(net: Net) -> Images | None:
    """The blob of images that convolutions read; None where no convolution reads what a source makes.

    Raises:
        Unsupported: there are several such blobs, or another layer reads it.
    """
    found: dict[str, Layer] = {}
    declared, sources, readers = False, dict[Layer, None](), dict[Layer, None]()
    for flow in flows(net):
        for value in _sources(net, flow):
            reading = [flow.layers[at] for at in flow.readers.get(value, ())]
            convolutions = [layer for layer in reading if layer.type == "Convolution"]
            if not convolutions:
                continue
            found.setdefault(value.blob, convolutions[0])
            for at in flow.readers[value]:
                _check_reader(flow, at, value)
            maker = flow.maker(value)
            declared |= maker is None
            sources |= {maker: None} if maker is not None else {}
            readers |= dict.fromkeys(convolutions)
    if len(found) > 1:
        (one, first), (two, second), *_ = found.items()
        message = f'reads "{two}", and "{first.name}" reads "{one}": which of them are the images is not known'
        second.refuse(message)
    for blob in found:
        return Images(blob, declared, tuple(sources), tuple(readers))
    return None


def stated_channels(net: Net, images: Images) -> set[int]:
    """How many channels the prototxt says that the images have: none where it does not say, several where it disagrees."""
    shapes = [net_inputs(net).get(images.blob)]
    for flow in flows(net):
        shapes += [
            shape
            for one in infer(net, flow.state)
            if not one.layer.bottoms
            for top, shape in zip(one.layer.tops, one.tops)
            if top == images.blob
        ]
    return {shape[1] for shape in shapes if shape is not None and len(shape) > 1 and shape[1] is not None}


def _sources(net: Net, flow: Flow) -> Iterator[Value]:
    """What a flow begins with: inputs of the net, and tops of layers that read nothing."""
    yield from (value for value in flow.readers if value.maker < 0 and value.blob in net.inputs())
    for layer, made in zip(flow.layers, flow.makes):
        if not layer.bottoms:
            yield from made


def _check_reader(flow: Flow, at: int, value: Value) -> None:
    """Raises: Unsupported, where a layer would compute something else of other images."""
    layer = flow.layers[at]
    places = [place for place, read in enumerate(flow.reads[at]) if read == value]
    if layer.type in ("Convolution", "Silence") or all((layer.type, place) in ONLY_SIZES for place in places):
        return
    hint = f"make a convolution of it first: --to-convolution {layer.name}" if layer.type == "InnerProduct" else ""
    raise Unsupported(
        f'reads the images "{value.blob}" and is a {layer.type}: only convolutions are made to read others',
        layer.place(), hint, layer=layer.name,
    )  # fmt: skip
