"""Proof of layers between V1 and new by another route: protobuf reads both, and Caffe's upgrade is worked out by names of fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import text_format

from split_surgery.documents.edit.proof import parse_text
from split_surgery.documents.edit.protobuf_schema import message_class
from split_surgery.documents.edit.read_back import read_blob, record_without_blobs
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.v1 import IMAGE_MESSAGES, SPEC_OF, TRANSFORMS, TYPES
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import Blob
from split_surgery.documents.weights.caffemodel import BlobRef, LayerRecord
from split_surgery.errors import Defect

_READ = 4096
"""Numbers of the largest blob that protobuf reads again: the fields of all blobs are made alike."""


def prove_layer(was: Layer, now: Layer) -> None:
    """That a layer's text means what it meant, as far as protobuf can read the old one at all.

    Raises:
        Defect: it does not.
    """
    both = parse_both(was, now)
    if both is not None:
        _compare(*both, f'text of "{was.name}"')


def parse_both(was: Layer, now: Layer) -> tuple[Any, Any] | None:
    """Protobuf's messages of a layer's text before and after; None where protobuf cannot read the old one.

    Raises:
        Defect: it cannot read the new one.
    """
    try:
        before = parse_text(was)
    except (text_format.ParseError, UnicodeEncodeError):
        return None  # a fork's enum value, or bytes that are no text
    try:
        return before, parse_text(now)
    except text_format.ParseError as error:
        raise Defect(f'the new text of "{was.name}" does not parse: {error}') from error


def prove_record(was: LayerRecord, now: LayerRecord, blobs: list[Blob]) -> None:
    """That a record means what it meant, and that its blobs are in the form that was meant.

    Raises:
        FileError: the old one is damaged.
        Defect: it does not, or they are not.
    """
    _compare(record_without_blobs(was, made=False), record_without_blobs(now, made=True), f'record of "{was.name}"')
    prove_blobs(now, blobs)


def prove_blobs(record: LayerRecord, blobs: Sequence[Blob]) -> None:
    """That a record has the blobs that were meant.

    Raises:
        Defect: it has not.
    """
    if len(record.blobs) != len(blobs):
        raise Defect(f'the record of "{record.name}" has {len(record.blobs)} blobs instead of {len(blobs)}')
    for blob, meant in zip(record.blobs, blobs):
        prove_blob(blob, meant, f'blob {blob.index} in the record of "{record.name}"')


def prove_blob(blob: BlobRef, meant: Blob, what: str) -> None:
    """That a blob is in the form that was meant, its numbers by protobuf too where they are few.

    Raises:
        Defect: it is not.
    """
    dtype = blob.dtype if blob.count or meant.count else meant.dtype  # one without numbers says none
    form = (blob.shape, blob.legacy, dtype, blob.count, blob.fault)
    if form != (meant.shape, meant.legacy, meant.dtype, meant.count, ""):
        raise Defect(f"{what} has the form {form}")
    if meant.count <= _READ:
        read_blob(blob.reader, blob.span, what).prove(meant, what)


def _compare(before: Any, after: Any, what: str) -> None:
    for message in (before, after):
        del message.blobs[:]
    was, now = (_plain(_upgraded(message)) for message in (before, after))
    if was != now:
        raise Defect(f"the {what} reads\n{now}\ninstead of\n{was}")


def _upgraded(layer: Any) -> Any:
    """What Caffe makes of a V1 layer; a new one as it is."""
    if layer.DESCRIPTOR.name != "V1LayerParameter":
        return layer
    new = message_class("LayerParameter")()
    for field, value in layer.ListFields():
        if field.name == "type":
            new.type = TYPES[value][1]
        elif field.name not in SPEC_OF:
            there = getattr(new, field.name)
            if hasattr(there, "extend"):
                for one in value:
                    _put(new, field.name, one)
            else:
                _put(new, field.name, value)
    for old, key in SPEC_OF.items():
        for at, value in enumerate(getattr(layer, old)):
            while len(new.param) <= at:
                new.param.add()
            _put(new.param[at], key, value)
    holder = IMAGE_MESSAGES.get(new.type, "")
    if holder and new.HasField(holder):
        images = getattr(new, holder)
        for key in TRANSFORMS:
            if images.HasField(key):
                _put(new.transform_param, key, getattr(images, key))
                images.ClearField(key)
    return new


def _put(message: Any, name: str, value: Any) -> None:
    """Set a field, or add to a repeated one. Where a string is not UTF-8 protobuf gives bytes, and takes them from a message only."""
    there = getattr(message, name)
    if isinstance(value, bytes):
        message.MergeFromString(wire.tagged(message.DESCRIPTOR.fields_by_name[name].number, value))
    elif hasattr(there, "add"):
        there.add().CopyFrom(value)
    elif hasattr(there, "append"):
        there.append(value)
    elif hasattr(there, "CopyFrom"):
        there.CopyFrom(value)
    else:
        setattr(message, name, value)


def _plain(layer: Any) -> Any:
    """A layer with the defaults of its parameters said, and without what no V1 layer and no trained blob knows."""
    new = type(layer)()
    # Protobuf keeps an unknown phase among the unknown fields, so both are taken out of the bytes.
    numbers = [layer.DESCRIPTOR.fields_by_name[key].number for key in ("phase", "propagate_down")]
    data = wire.Buffer(layer.SerializeToString(), "")
    kept = [item for item in wire.walk(data, 0, data.size) if item.number not in numbers]
    new.MergeFromString(b"".join(data.read(item.start, item.stop) for item in kept))
    for spec in new.param:
        spec.share_mode = spec.share_mode
        if not spec.HasField("name"):  # one that is not UTF-8 could not be set
            spec.name = ""
        spec.lr_mult = spec.lr_mult if spec.HasField("lr_mult") else 1
        spec.decay_mult = spec.decay_mult if spec.HasField("decay_mult") else 1
    default = message_class("ParamSpec")(name="", share_mode=0, lr_mult=1, decay_mult=1)
    while len(new.param) and new.param[-1] == default:
        del new.param[-1]
    return new
