"""A Scale between the images and what reads them, which does to pixels what a data layer did: exact behind a pad, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from split_surgery.documents.edit.protobuf_schema import message_class
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.net.parameters import needed_record
from split_surgery.documents.prototxt import Document
from split_surgery.documents.spans import Splice
from split_surgery.documents.weights.blobs import Weights
from split_surgery.documents.weights.caffemodel import LAYER, NET_LAYER, Caffemodel, LayerRecord
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.wire import tagged
from split_surgery.errors import Defect, UsageError
from split_surgery.kernels.image_changes import Array, Unshifted
from split_surgery.operations.editable_net import EditableNet
from split_surgery.operations.image_layers import Images
from split_surgery.workspace.inputs import Inputs

SUFFIX = "_scaled"


def with_scale_layer(inputs: Inputs, found: Sequence[Sequence[Images | None]], change: Unshifted) -> tuple[Inputs, str]:
    """The files with such a layer, and its name; it does not learn.

    Args:
        found: the images of each net of each text.

    Raises:
        UsageError: its name is taken. Unsupported: V1 layers, which know no Scale.
        Defect: what would be written is not what was meant.
    """
    reading = [images for own in found for images in own if images is not None]
    name = reading[0].blob + SUFFIX
    scale = np.full(change.after, change.scale)
    numbers = (scale.astype("<f4"), (-scale * np.array(change.mean)).astype("<f4"))
    texts = [_edited_text(text, own, name) for text, own in zip(inputs.texts, found)]
    readers = tuple(dict.fromkeys(layer.name for images in reading for layer in images.readers))
    return inputs.edited(texts, _edited_weights(inputs, readers, name, numbers)), name


def _edited_text(text: Prototxt, found: Sequence[Images | None], name: str) -> Prototxt:
    """A prototxt whose convolutions read the layer, which stands before the first of them; proven."""
    net = EditableNet(text.document.data, text.document.name)
    handles = {one.read.span.start: one for one in net.layers}
    for own, images in zip(text.nets, found):
        if images is None:
            continue
        first = min(images.readers, key=lambda layer: layer.span.start)
        if first.v1:
            first.refuse("is a V1 layer, and they know no Scale", hint="convert the net first: --to new")
        if name in {*own.inputs(), *(blob for layer in own.layers for blob in (layer.name, *layer.tops))}:
            raise UsageError(f'the new layer "{name}" would have the name of what is there already', first.place())
        still = {"lr_mult": 0, "decay_mult": 0}
        added = {"name": name, "type": "Scale", "bottom": images.blob, "top": name, "param": [still, still],
                 "scale_param": {"bias_term": True}}  # fmt: skip
        net.add_before(handles[first.span.start], added)
        for layer in images.readers:
            handles[layer.span.start].set("bottom[0]", name)
    edited = Prototxt(Document(bytes(net), text.document.name))
    for was, now, images in zip(text.nets, edited.nets, found):
        _prove_net(was.layers, now.layers, images, name)
    return edited


def _prove_net(was: Sequence[Layer], now: Sequence[Layer], images: Images | None, name: str) -> None:
    """Raises: Defect, where more has changed than that the convolutions read the new layer."""
    readers = images.readers if images is not None else ()
    new, kept = [layer for layer in now if layer.name == name], [layer for layer in now if layer.name != name]
    if len(new) != int(images is not None) or len(kept) != len(was):
        raise Defect(f"the new prototxt has {len(now)} layers where {len(was)} were")
    for layer in new:
        assert images is not None
        if (layer.type, layer.bottoms, layer.tops) != ("Scale", (images.blob,), (name,)):
            raise Defect(f'the new layer "{name}" reads as another')
        if now.index(layer) != min(was.index(reader) for reader in readers):
            raise Defect(f'the new layer "{name}" does not stand before those that read it')
    for old, again in zip(was, kept):
        if old in readers:
            if _fields(old) != _fields(again) or again.bottoms != (name,):
                raise Defect(f'"{old.name}" has changed in more than what it reads')
        elif old.text != again.text:
            raise Defect(f'"{old.name}" does not read the images, and has changed')


def _fields(layer: Layer) -> list[bytes]:
    """All that a layer says but for what it reads."""
    return [layer.document.data[slice(*field.span)] for field in layer.message.fields if field.name != "bottom"]


def _edited_weights(inputs: Inputs, readers: Sequence[str], name: str, numbers: tuple[Array, Array]) -> Weights:
    """The weights with the layer's record, before those of the convolutions."""
    weights = inputs.weights
    records = [
        needed_record(weights, layer) for net in inputs.nets[:1] for one in readers for layer in net.named(one)[:1]
    ]
    if isinstance(weights, Hdf5Weights):
        return weights.replaced([], {name: dict(enumerate(numbers))})
    assert isinstance(weights, Caffemodel)
    head = [("name", name), ("type", "Scale"), ("bottom", name.removesuffix(SUFFIX)), ("top", name)]
    said = b"".join(tagged(LAYER[field], text.encode("utf-8", "surrogateescape")) for field, text in head)
    rest = message_class("LayerParameter")()
    rest.scale_param.bias_term = True
    for array in numbers:
        rest.blobs.add().data.extend(array.tolist())
        rest.blobs[-1].shape.dim.append(array.size)
    made = tagged(NET_LAYER, said + rest.SerializeToString())
    first = min(record.span.start for record in records if isinstance(record, LayerRecord))
    edited = Caffemodel(weights.rope.spliced([Splice(first, first, made)]))
    (record,) = edited.named(name)
    if [blob.load().tolist() for blob in record.blobs] != [array.tolist() for array in numbers]:
        raise Defect(f'the record of "{name}" holds other numbers than were meant')
    if [one.name for one in edited.layers if one is not record] != [one.name for one in weights.layers]:
        raise Defect(f'other records than "{name}" have changed')
    return edited
