"""Proof of a record under other names by another route: protobuf reads what it says, and its numbers are compared byte for byte."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from split_surgery.documents.edit.protobuf_schema import message_class
from split_surgery.documents.edit.record_names import NewNames
from split_surgery.documents.spans import pieces_of
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.caffemodel import LAYER, LAYER_V1, LayerRecord
from split_surgery.documents.weights.records import same_bytes
from split_surgery.errors import Defect


def prove_renamed(old: LayerRecord, new: LayerRecord, names: NewNames) -> None:
    """A record against the one that it was.

    Raises:
        Defect: it has other names than were meant, or anything else in it has changed.
    """
    was, now = _bare(old), _bare(new)
    wanted = (names.layer(old.name), *map(names.blob, old.stored_bottoms), *map(names.blob, old.tops))
    if (new.name, *new.stored_bottoms, *new.tops) != wanted:
        raise Defect(f'the record of "{old.name}" has the names {(new.name, *new.stored_bottoms, *new.tops)}')
    if wanted == (old.name, *old.stored_bottoms, *old.tops):
        if not same_bytes(old, new):
            raise Defect(f'the record of "{old.name}" is not renamed, and has changed')
        return
    for message in (was, now):
        for key in ("name", "bottom", "top"):
            message.ClearField(key)
    if was.SerializeToString(deterministic=True) != now.SerializeToString(deterministic=True):
        raise Defect(f'the record of "{old.name}" says something else than its names that has changed')
    if len(old.blobs) != len(new.blobs) or not all(map(_same_blob, old.blobs, new.blobs)):
        raise Defect(f'the record of "{old.name}" holds other numbers under its new name')


def _bare(record: LayerRecord) -> Any:
    """Protobuf's message of a record, its blobs left out unread."""
    blobs = (LAYER_V1 if record.v1 else LAYER)["blobs"]
    fields = (item for item in wire.walk(record.reader, *record.body) if item.number != blobs)
    message = message_class("V1LayerParameter" if record.v1 else "LayerParameter")()
    try:
        message.ParseFromString(b"".join(record.reader.read(item.start, item.stop) for item in fields))
    except DecodeError as error:
        raise Defect(f"a renamed record does not parse: {error}") from error
    return message


def _same_blob(old: Any, new: Any) -> bool:
    if old.span.stop - old.span.start != new.span.stop - new.span.start:
        return False
    return all(map(bytes.__eq__, pieces_of(old.reader, old.span), pieces_of(new.reader, new.span)))
