"""Proof of a layer that became another type, by another route: protobuf reads both, and what must be follows from names of fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from split_surgery.documents.edit.read_back import record_without_blobs
from split_surgery.documents.edit.recast import HOLDERS, KEPT, Recast
from split_surgery.documents.edit.v1_proof import parse_both, prove_blobs
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.v1 import OLD_NUMBERS
from split_surgery.documents.weights.blobs import Blob
from split_surgery.documents.weights.caffemodel import LayerRecord
from split_surgery.errors import Defect


def prove_recast_text(was: Layer, now: Layer, recast: Recast) -> None:
    """That a layer's text is the old one but for its type, as far as protobuf can read the old one at all.

    Raises:
        Defect: it is not.
    """
    if (now.name, now.type, now.bottoms, now.tops) != (was.name, recast.type, was.bottoms, was.tops):
        raise Defect(f'layer "{was.name}" reads as "{now.name}" of type {now.type} in the new prototxt')
    both = parse_both(was, now)
    if both is not None:
        _compare(*both, was.type, recast, f'text of "{was.name}"')


def prove_recast_record(
    was: LayerRecord, now: LayerRecord, was_type: str, recast: Recast, blobs: Sequence[Blob]
) -> None:
    """That a record is the old one but for its type, with the blobs that were meant.

    Raises:
        FileError: the old one is damaged.
        Defect: it is not, or they are not.
    """
    before, after = record_without_blobs(was, made=False), record_without_blobs(now, made=True)
    _compare(before, after, was_type, recast, f'record of "{was.name}"')
    prove_blobs(now, blobs)


def _compare(before: Any, after: Any, was_type: str, recast: Recast, what: str) -> None:
    wanted = _expected(before, was_type, recast)
    del wanted.blobs[:]
    del after.blobs[:]
    if wanted != after:
        raise Defect(f"the {what} reads\n{after}\ninstead of\n{wanted}")


def _expected(before: Any, was_type: str, recast: Recast) -> Any:
    """Protobuf's message of the old layer as one of the other type."""
    new = type(before)()
    new.CopyFrom(before)
    if before.HasField("type"):
        new.type = OLD_NUMBERS[recast.type] if before.DESCRIPTOR.name == "V1LayerParameter" else recast.type
    new.ClearField(HOLDERS[was_type])
    if not before.HasField(HOLDERS[was_type]):
        return new
    old, held = getattr(before, HOLDERS[was_type]), getattr(new, HOLDERS[recast.type])
    held.SetInParent()
    for key in KEPT:
        if old.HasField(key):
            value = getattr(old, key)
            if hasattr(value, "CopyFrom"):
                getattr(held, key).CopyFrom(value)
            else:
                setattr(held, key, value)
    if recast.kernel is not None and recast.kernel[0] == recast.kernel[1]:
        held.kernel_size.append(recast.kernel[0])
    elif recast.kernel is not None:
        held.kernel_h, held.kernel_w = recast.kernel
    return new
