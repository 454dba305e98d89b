"""The record of a new layer in a weights file: the old layer's, field by field, with new blobs."""

from __future__ import annotations

import struct

from split_surgery.documents.edit.layer_edit import (
    PARAM_NAME,
    PARAM_NAME_V1,
    EnumValue,
    LayerEdit,
    NewField,
    Rewrite,
)
from split_surgery.documents.edit.record_fields import fields_inside
from split_surgery.documents.spans import Chunk, Fragment, merged
from split_surgery.documents.v1 import OLD_NUMBERS
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import Blob
from split_surgery.documents.weights.caffemodel import (
    LAYER,
    LAYER_V1,
    NET_LAYER,
    NET_LAYERS_V1,
    BlobRef,
    LayerRecord,
    encode_blob,
    text_of,
)
from split_surgery.documents.weights.wire import LENGTH, tagged

INNER: dict[tuple[str, ...], dict[str, int]] = {
    ("convolution_param",): {
        "num_output": 1, "bias_term": 2, "pad": 3, "kernel_size": 4, "group": 5, "stride": 6, "pad_h": 9, "pad_w": 10,
        "kernel_h": 11, "kernel_w": 12, "stride_h": 13, "stride_w": 14, "dilation": 18,
    },
    ("inner_product_param",): {"num_output": 1, "bias_term": 2},
    ("concat_param",): {"axis": 2},
    ("eltwise_param",): {"operation": 1},
}  # fmt: skip
PARAM_SPEC = {"name": 1, "lr_mult": 3, "decay_mult": 4}

NUMBERS = {False: {(): LAYER, ("param",): PARAM_SPEC, **INNER}, True: {(): LAYER_V1, **INNER}}
"""Field numbers by enclosing messages and name, of the fields that edits speak of; of new-style layers, and of V1."""

NAMES = {
    v1: {path: {number: name for name, number in numbers.items()} for path, numbers in paths.items()}
    for v1, paths in NUMBERS.items()
}


HEAD = ("name", "type", "bottom", "top")
"""Fields written first, from the edit."""


def encode_record(old: LayerRecord, edit: LayerEdit, blobs: tuple[Blob, ...]) -> bytes | tuple[Chunk, ...]:
    """The NetParameter.layer field, tag and length included, of a new layer.

    Connections are the prototxt's: a saved training net may have its own (Caffe's Split layers rename bottoms).

    Args:
        old: the record it is copied from; its fields that no edit speaks of are copied byte for byte.
        blobs: the new layer's numbers, stored in the form of the old layer's blobs.

    Returns:
        Its bytes; of one with many kernels of the old layer chunks, with the ranges that those stand on.

    Raises:
        FileError: a field of the old record is not stored as its type demands.
    """
    numbers = NUMBERS[edit.v1][()]
    kind = edit.join.type if edit.join else EnumValue("", OLD_NUMBERS[old.type]) if edit.v1 else old.type
    head: list[NewField] = [NewField("name", edit.name)]
    typed = edit.join is not None or old.type != ""  # a record may leave it out
    head += [NewField("type", kind)] if typed else []
    head += [NewField("bottom", bottom) for bottom in edit.bottoms]
    head += [NewField("top", top) for top in edit.tops]
    out: list[Fragment] = [
        encode_field(field, (), edit.v1) for field in sorted(head, key=lambda field: numbers[field.name])
    ]
    encoded = [
        chunk
        for blob, like in zip(blobs, _forms(old, len(blobs)))
        for chunk in wire.wrapped(numbers["blobs"], encode_blob(blob, like))
    ]
    skip = {numbers[key] for key in HEAD if typed or key != "type"}
    placed = False
    for number, data in _rewritten(old, old.body.start, old.body.stop, edit, (), skip):
        # Blobs go where the old ones were, or before the fields that follow them in Caffe's order.
        if not placed and number >= numbers["blobs"]:
            out += encoded
            placed = True
        out.append(data)
    if not placed:
        out += encoded
    chunks = merged(wire.wrapped(NET_LAYERS_V1 if edit.v1 else NET_LAYER, out))
    return chunks[0] if len(chunks) == 1 and isinstance(chunks[0], bytes) else chunks


def _forms(old: LayerRecord, count: int) -> list[BlobRef]:
    return [old.blobs[min(index, len(old.blobs) - 1)] for index in range(count)]


def _rewritten(
    old: LayerRecord, start: int, stop: int, edit: LayerEdit, outer: tuple[str, ...], skip: set[int]
) -> list[tuple[int, bytes]]:
    names = NAMES[edit.v1].get(outer, {})
    seen: dict[str, int] = {}
    out: list[tuple[int, bytes]] = []
    for item in fields_inside(old, start, stop, outer):
        if not outer and item.number in skip:
            continue
        name = names.get(item.number)
        if name is None:
            # Joins are new layers of another type: what a fork adds to a convolution is not theirs.
            if edit.join is None:
                out.append((item.number, old.reader.read(item.start, item.stop)))
            continue
        path, nth = (*outer, name), seen.get(name, 0)
        seen[name] = nth + 1
        if path == (edit.holder, "num_output"):
            continue  # written first below: a record may have it twice, or not at all
        is_name = path == (PARAM_NAME_V1 if edit.v1 else PARAM_NAME)
        rewrite = edit.rewrite(path, nth, [text_of(old.reader, item)] if is_name else [])
        if rewrite is not None:
            out += [(item.number, encode_field(new, outer, edit.v1)) for new in rewrite]
        elif path in NAMES[edit.v1] and item.wire_type == LENGTH:
            inner = b"".join(data for _, data in _rewritten(old, item.value, item.stop, edit, path, skip))
            if path == (edit.holder,) and nth == 0 and edit.num_output is not None:
                inner = b"".join(encode_field(new, path, edit.v1) for new in edit.held_fields()) + inner
            out.append((item.number, tagged(item.number, inner)))
        else:
            out.append((item.number, old.reader.read(item.start, item.stop)))
    return out


def encode_field(new: NewField, outer: tuple[str, ...], v1: bool) -> bytes:
    """A new field of the message that `outer` leads to."""
    number, value = NUMBERS[v1][outer][new.name], new.value
    if isinstance(value, EnumValue):
        return tagged(number, value.number)
    if isinstance(value, float):
        return wire.varint(number << 3 | wire.FIXED32) + struct.pack("<f", value)
    if isinstance(value, str):
        return tagged(number, value.encode("utf-8", "surrogateescape"))
    if isinstance(value, tuple):
        inner: Rewrite = value
        return tagged(number, b"".join(encode_field(item, (*outer, new.name), v1) for item in inner))
    return tagged(number, value)
