"""InnerProducts as the convolutions that compute the same, and back: which can be, by which kernel, and what becomes of the files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from split_surgery.documents.edit.proof import prove_extent
from split_surgery.documents.edit.recast import HOLDERS, KEPT, Recast, recast_record, recast_splices
from split_surgery.documents.edit.recast_proof import prove_recast_record, prove_recast_text
from split_surgery.documents.net.build_faults import check_given_once
from split_surgery.documents.net.flow import flows
from split_surgery.documents.net.layer import Geometry, Layer
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.net.parameters import needed_record, shared_with
from split_surgery.documents.net.shape_rules import Param, Shape, Unknown, known
from split_surgery.documents.net.shapes import Given, infer
from split_surgery.documents.net.splittable import check_linear
from split_surgery.documents.spans import Splice, merged
from split_surgery.documents.weights.blob_forms import with_shape
from split_surgery.documents.weights.blobs import Blob, Record, Weights, fits, padded
from split_surgery.documents.weights.caffemodel import BlobRef, Caffemodel, LayerRecord
from split_surgery.documents.weights.casts import Cast
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.errors import Defect, FileError
from split_surgery.operations.named_layers import check_passes_on, named_layers
from split_surgery.workspace.inputs import Inputs


@dataclass(frozen=True)
class Recasted:
    """A layer that is of another type now. was, now: its types. bottom: the shape of one image that it reads. weight: its blob's shapes
    before and after."""

    layer: str
    was: str
    now: str
    bottom: tuple[int, ...]
    weight: tuple[tuple[int, ...], tuple[int, ...]]


def recast_layers(inputs: Inputs, names: Sequence[str], to: str, given: Given) -> tuple[Inputs, list[Recasted]]:
    """The files with these layers as another type.

    Args:
        to: "Convolution" or "InnerProduct". given: shapes of blobs that no prototxt says.

    Raises:
        UsageError: there is no such layer.
        Unsupported, FileError: it cannot be recast, or its weights are not those of the prototxt.
        Defect: what would be written is not what was meant.
    """
    was = "InnerProduct" if to == "Convolution" else "Convolution"
    layers = named_layers(inputs, names, was)
    for layer in (twin for name in layers for net in inputs.nets for twin in net.named(name)):
        _check_kind(layer, was)
    reads = _reads(inputs, layers if to == "Convolution" else (), given)
    # In the order of the net: of several that cannot be recast the first is told of.
    planned = [_plan(inputs, name, to, reads, set(layers)) for name in layers]
    recasts = {one.record.name: one.recast for one in planned}
    texts = [_edited_text(text, recasts) for text in inputs.texts]
    edited = inputs.edited(texts, _edited_weights(inputs.weights, was, planned))
    return edited, [Recasted(one.record.name, was, to, one.bottom, one.weight) for one in planned]


@dataclass(frozen=True)
class _Plan:
    """What becomes of a layer. record: as it is. blobs: as they will be."""

    record: Record
    recast: Recast
    bottom: tuple[int, int, int]
    weight: tuple[tuple[int, ...], tuple[int, ...]]
    blobs: tuple[Cast, ...]


_Reads = dict[str, dict[Shape, Layer]]
"""The shapes that layers of a name read, batch left out, each with one that reads it. Unknown sizes are None."""


def _reads(inputs: Inputs, convolved: Collection[str], given: Given) -> _Reads:
    found: _Reads = {}
    for net in inputs.nets:
        for flow in flows(net):
            for shaped in infer(net, flow.state, inputs.weights, given, convolved):
                if shaped.bottoms and shaped.bottoms[0] is not None:
                    found.setdefault(shaped.layer.name, {}).setdefault(shaped.bottoms[0][1:], shaped.layer)
    return found


def _plan(inputs: Inputs, name: str, to: str, reads: _Reads, names: set[str]) -> _Plan:
    twins = [layer for net in inputs.nets for layer in net.named(name)]
    layer, bottom = twins[0], _bottom(twins[0], reads.get(name, {}))
    for twin in twins:
        (_check_inner_product if to == "Convolution" else _check_convolution)(twin, bottom)
        _check_shared(inputs.nets, twin, names)
    record = needed_record(inputs.weights, layer)
    outputs = Param(layer, HOLDERS[layer.type]).integer("num_output", 0)
    flat, deep = (outputs, bottom[0] * bottom[1] * bottom[2]), (outputs, *bottom)
    old, new = (flat, deep) if to == "Convolution" else (deep, flat)
    recast = Recast(to, (bottom[1], bottom[2]) if to == "Convolution" else None)
    blobs = tuple(_reshaped(record, blob, outputs, old, new) for blob in record.blobs)
    return _Plan(record, recast, bottom, (old, new), blobs)


def _bottom(layer: Layer, reads: Mapping[Shape, Layer]) -> tuple[int, int, int]:
    """The channels, height and width of what a layer reads, as one of the files tells them.

    Raises:
        Unsupported: it reads something else than images, or blobs of several sizes; or no file tells.
    """
    shapes = {sizes: one for shape, one in reads.items() if (sizes := known(shape)) is not None}
    if len(shapes) > 1:
        said = " and ".join(f"{'x'.join(map(str, shape))} at {one.place()}" for shape, one in shapes.items())
        layer.refuse(f"reads blobs of several sizes: {said}")
    other = next((shape for shape in reads if len(shape) != 3), None)
    if other is not None:
        layer.refuse(
            f"reads a blob of {len(other) + 1} axes, and a convolution reads four",
            hint=f'name the InnerProduct that makes "{layer.bottoms[0]}" too; a Flatten before it can be taken out',
        )
    if not shapes:
        layer.refuse(
            f'the size of "{layer.bottoms[0]}", which it reads, does not follow from the files',
            hint="give the deploy prototxt, as NET or with --also, or --input-shape data:1,3,224,224",
        )
    ((channels, height, width),) = shapes
    return channels, height, width


def _check_kind(layer: Layer, was: str) -> None:
    """Raises: Unsupported, where a layer is none that can be of another type."""
    if layer.type != was:
        layer.refuse(f"has type {layer.type}, and only a layer of type {was} is made the other")
    (other,) = {*HOLDERS.values()} - {HOLDERS[was]}
    for field in layer.message.named(other):
        layer.refuse(f"has a {other}, which a layer of type {was} does not read", field, "take it out")
    check_passes_on(layer)
    check_given_once(layer)


def _check_inner_product(layer: Layer, bottom: tuple[int, int, int]) -> None:
    param = Param(layer, HOLDERS["InnerProduct"])
    for message in param.messages:
        for field in message.fields:
            if field.name not in (*KEPT, "transpose"):
                layer.refuse(f"{field.name} is not a field of Caffe's InnerProduct", field)
    try:
        outputs, axis = param.integer("num_output", 0), param.integer("axis", 1)
        transposed = param.flag("transpose", default=False)
    except Unknown:
        layer.fail("says num_output, axis or transpose in a way that Caffe does not take")
    if not outputs:
        layer.fail("num_output is missing")
    if transposed:
        layer.refuse("stores its weights transposed, so that their order is not that of a convolution")
    if axis != 1:
        layer.refuse(f"multiplies from axis {axis} on, and a convolution from axis 1")


def _check_convolution(layer: Layer, bottom: tuple[int, int, int]) -> None:
    check_linear(layer, frozenset())
    geometry = layer.geometry()
    if geometry.group != 1:
        layer.refuse(f"has {geometry.group} groups, and an InnerProduct has none")
    if geometry.pad != (0, 0) or _extent(geometry) != bottom[1:]:
        kernel, image = ("x".join(map(str, pair)) for pair in (_extent(geometry), bottom[1:]))
        padded = f", padded by {geometry.pad[0]}x{geometry.pad[1]}" if any(geometry.pad) else ""
        layer.refuse(
            f"has a kernel of {kernel} on images of {image}{padded}: only one that covers them is an InnerProduct"
        )
    if any(size > 1 and step > 1 for size, step in zip(geometry.kernel, geometry.dilation)):
        layer.refuse("has a dilated kernel, which leaves pixels out")


def _extent(geometry: Geometry) -> tuple[int, int]:
    high, wide = (step * (size - 1) + 1 for size, step in zip(geometry.kernel, geometry.dilation))
    return high, wide


def _check_shared(nets: Sequence[Net], layer: Layer, names: set[str]) -> None:
    """Raises: Unsupported, where a layer that stays as it is has the same weights, whose shape changes."""
    for net in nets:
        for twin in net.named(layer.name):
            for other, _ in shared_with(net, twin, 0):
                if other.name not in names:
                    layer.refuse(
                        f'shares its weights with "{other.name}", which would have them in another shape',
                        hint=f"name both: {layer.name},{other.name}",
                    )


def _reshaped(record: Record, blob: Blob, outputs: int, old: tuple[int, ...], new: tuple[int, ...]) -> Cast:
    """A blob of the layer as it will be: the weight in another shape, the bias as it was.

    Raises:
        FileError: it is not what the prototxt asks for, or there is one too many.
    """
    if blob.fault:
        raise FileError(f"blob {blob.index} {blob.fault}", blob.place(), layer=record.name)
    wanted = {0: old, 1: (outputs,)}.get(blob.index)
    if wanted is None or not fits(blob, wanted):
        asked = "has no such blob" if wanted is None else f"asks for {wanted}"
        message = f"blob {blob.index} has the shape {blob.shape}, and the prototxt {asked}"
        raise FileError(message, blob.place(), layer=record.name)
    shape = blob.shape if blob.index else tuple(padded(new)) if blob.legacy else new
    return Cast(blob, blob.dtype, shape, blob.legacy)


def _edited_text(text: Prototxt, recasts: Mapping[str, Recast]) -> Prototxt:
    """A prototxt with the layers recast in all its nets, proven."""
    layers = [layer for net in text.nets for name in recasts for layer in net.named(name)]
    splices = [splice for layer in layers for splice in recast_splices(layer, recasts[layer.name])]
    prove_extent(splices, [layer.span for layer in layers], text.document.name)
    edited = text.edited(splices)
    for was, now in zip(text.nets, edited.nets):
        if len(was.layers) != len(now.layers):
            raise Defect(f"the new prototxt has {len(now.layers)} layers instead of {len(was.layers)}")
        for old, new in zip(was.layers, now.layers):
            if old.name in recasts:
                prove_recast_text(old, new, recasts[old.name])
    return edited


def _edited_weights(weights: Weights, was: str, planned: Sequence[_Plan]) -> Weights:
    """The weights with the layers' records recast, proven."""
    if isinstance(weights, Hdf5Weights):
        made = {one.record.name: {blob.index: blob.load() for blob in one.blobs} for one in planned}
        return weights.replaced(list(made), made)
    assert isinstance(weights, Caffemodel)
    splices = []
    for one in planned:
        assert isinstance(one.record, LayerRecord)
        shaped = [with_shape(blob.blob, blob.shape) for blob in one.blobs if isinstance(blob.blob, BlobRef)]
        splices.append(Splice(*one.record.span, merged(recast_record(one.record, was, one.recast, shaped))))
    edited = Caffemodel(weights.rope.spliced(splices))
    for one in planned:
        assert isinstance(one.record, LayerRecord)
        (new,) = edited.named(one.record.name)
        prove_recast_record(one.record, new, was, one.recast, one.blobs)
    return edited
