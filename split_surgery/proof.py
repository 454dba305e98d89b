"""Proof of a split by another route, before anything is written: protobuf's own parsers read the new layers back.

What was written by splices and by hand-made wire bytes is read by protobuf with our small schema, and must say what the
plan says. A disagreement is a defect of this program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from split_surgery.documents.caffemodel import Array
from split_surgery.documents.layer_edit import LayerEdit
from split_surgery.documents.net import Layer
from split_surgery.errors import Defect
from split_surgery.schema import message_class


def prove_records(data: bytes, edits: Sequence[LayerEdit], blobs: Sequence[tuple[Array, ...]], layer_name: str) -> None:
    """The new records against the plan.

    Args:
        data: the bytes put in place of the old record of `layer_name`.
        edits: the new layers. blobs: their numbers, in the dtype they are stored in.

    Raises:
        Defect: protobuf reads something else than was meant.
    """
    net = message_class("NetParameter")()
    try:
        net.ParseFromString(data)
    except DecodeError as error:
        raise Defect(f'the new records of "{layer_name}" do not parse: {error}') from error
    if len(net.layer) != len(edits):
        raise Defect(f'"{layer_name}" became {len(net.layer)} records instead of {len(edits)}')
    for record, edit, wanted in zip(net.layer, edits, blobs):
        _check_layer(record, edit, "record")
        if len(record.blobs) != len(wanted):
            raise Defect(f'the record of "{edit.name}" has {len(record.blobs)} blobs instead of {len(wanted)}')
        for index, (blob, array) in enumerate(zip(record.blobs, wanted)):
            # A legacy blob pads its shape with ones in front.
            if _shape(blob)[-array.ndim :] != array.shape or np.prod(_shape(blob)) != array.size:
                raise Defect(f'the record of "{edit.name}" has a blob of shape {_shape(blob)} instead of {array.shape}')
            if _numbers(blob, array.dtype) != array.tobytes():
                raise Defect(f'blob {index} in the record of "{edit.name}" holds other numbers than were meant')


def _numbers(blob: Any, dtype: Any) -> bytes:
    if blob.HasField("raw_data"):
        return bytes(blob.raw_data)
    stored = blob.data if dtype.itemsize == 4 else blob.double_data
    return np.fromiter(stored, dtype, len(stored)).tobytes()


def prove_text(data: bytes, edits: Sequence[LayerEdit], layer: Layer) -> None:
    """The new layers' text against the plan, where protobuf's text parser can read the old layer's text at all.

    Args:
        data: the text of the new layers and nothing else.

    Raises:
        Defect: protobuf reads something else than was meant.
    """
    try:
        _parse_text(layer.document.data[layer.field.span.start : layer.field.span.stop])
        "".join(name for edit in edits for name in (edit.name, *edit.bottoms, edit.top)).encode()
    except (text_format.ParseError, UnicodeEncodeError):
        return  # it cannot read the original either: a fork's enum value, or a name that is not UTF-8
    try:
        net = _parse_text(data)
    except text_format.ParseError as error:
        raise Defect(f'the new text of "{layer.name}" does not parse: {error}') from error
    if len(net.layer) != len(edits):
        raise Defect(f'"{layer.name}" became {len(net.layer)} layers instead of {len(edits)}')
    for message, edit in zip(net.layer, edits):
        _check_layer(message, edit, "text")


def _parse_text(data: bytes) -> Any:
    # Bytes that are not UTF-8 are replaced alike in what is read and in what is expected.
    return text_format.Parse(data.decode("utf-8", "replace"), message_class("NetParameter")(), allow_unknown_field=True)


def _check_layer(message: Any, edit: LayerEdit, what: str) -> None:
    found = (_text(message.name), tuple(map(_text, message.bottom)), tuple(map(_text, message.top)))
    wanted = (_text(edit.name), tuple(map(_text, edit.bottoms)), (_text(edit.top),))
    if found != wanted:
        raise Defect(f'the {what} of "{edit.name}" reads {found} instead of {wanted}')
    if edit.join is not None:
        if message.type != edit.join[0] or message.HasField("convolution_param") or len(message.param):
            raise Defect(f'the {what} of "{edit.name}" is not a plain {edit.join[0]}')
        return
    convolution = message.convolution_param
    if message.HasField("convolution_param"):
        if convolution.num_output != edit.num_output:
            raise Defect(
                f'the {what} of "{edit.name}" has num_output {convolution.num_output} instead of {edit.num_output}'
            )
        if edit.pointwise and (
            list(convolution.kernel_size) != [1] or convolution.pad or convolution.stride or convolution.group != 0
        ):
            raise Defect(f'the {what} of "{edit.name}" is not 1x1')
    for param in message.param:
        if param.name and not _text(param.name).endswith(_text(edit.suffix)):
            raise Defect(f'the {what} of "{edit.name}" shares the parameter "{_text(param.name)}" with another layer')


def _text(value: str | bytes) -> str:
    """Protobuf gives bytes where a string is not UTF-8."""
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "replace")


def _shape(blob: Any) -> tuple[int, ...]:
    return tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
