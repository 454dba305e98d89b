"""Proof of a record under other names by another route: protobuf reads what it says, and its numbers are the range of the file that
they were, or compared byte for byte."""

from __future__ import annotations

from split_surgery.documents.edit.read_back import record_without_blobs
from split_surgery.documents.edit.record_names import NewNames
from split_surgery.documents.rope import same_range
from split_surgery.documents.spans import pieces_of
from split_surgery.documents.weights.caffemodel import BlobRef, LayerRecord
from split_surgery.errors import Defect


def prove_renamed(old: LayerRecord, new: LayerRecord, names: NewNames) -> None:
    """A record against the one that it was.

    Raises:
        FileError: the old one is damaged.
        Defect: it has other names than were meant, or anything else in it has changed.
    """
    wanted = (names.layer(old.name), *map(names.blob, old.stored_bottoms), *map(names.blob, old.tops))
    if (new.name, *new.stored_bottoms, *new.tops) != wanted:
        raise Defect(f'the record of "{old.name}" has the names {(new.name, *new.stored_bottoms, *new.tops)}')
    if wanted == (old.name, *old.stored_bottoms, *old.tops):
        if not _same_bytes(old, new):
            raise Defect(f'the record of "{old.name}" is not renamed, and has changed')
        return
    was, now = record_without_blobs(old, made=False), record_without_blobs(new, made=True)
    for message in (was, now):
        for key in ("name", "bottom", "top"):
            message.ClearField(key)
    if was.SerializeToString(deterministic=True) != now.SerializeToString(deterministic=True):
        raise Defect(f'the record of "{old.name}" says something else than its names that has changed')
    if len(old.blobs) != len(new.blobs) or not all(map(_same_bytes, old.blobs, new.blobs)):
        raise Defect(f'the record of "{old.name}" holds other numbers under its new name')


def _same_bytes(old: LayerRecord | BlobRef, new: LayerRecord | BlobRef) -> bool:
    if same_range(old.reader, old.span, new.reader, new.span):
        return True
    if old.span.stop - old.span.start != new.span.stop - new.span.start:
        return False
    return all(map(bytes.__eq__, pieces_of(old.reader, old.span), pieces_of(new.reader, new.span)))
