"""The record of a layer in a weights file from V1 to new and back, and with blobs in another form: all other bytes are the file's.

The rules are those of v1_text, on field numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from split_surgery.documents.caffe_fields import enums
from split_surgery.documents.edit.layer_record import PARAM_SPEC
from split_surgery.documents.edit.record_fields import fields_inside, record_fields
from split_surgery.documents.spans import Fragment, Reader, Span
from split_surgery.documents.v1 import (
    IMAGE_MESSAGES,
    MESSAGES_OF_LAYERS,
    OLD_NUMBERS,
    OLD_TYPES,
    SPEC_OF,
    TRANSFORMS,
)
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blob_forms import Numbered, in_order
from split_surgery.documents.weights.caffemodel import LAYER, LAYER_V1, NET_LAYER, NET_LAYERS_V1, LayerRecord
from split_surgery.documents.weights.wire import FIXED32, LENGTH, VARINT, WireField, tagged, wrapped
from split_surgery.errors import BytePlace, Unsupported

_ALIKE = ("name", "bottom", "top", "blobs", "include", "exclude", "loss_weight")
_SAME = {LAYER_V1[key]: LAYER[key] for key in _ALIKE} | dict(MESSAGES_OF_LAYERS.values())
"""Fields that say the same in both forms: V1's numbers and the new ones."""

SPEC_NUMBERS = PARAM_SPEC | {"share_mode": 2}
_TRANSFORM = MESSAGES_OF_LAYERS["transform_param"][1]

DROPPED = {LAYER["phase"]: "phase", LAYER["propagate_down"]: "propagate_down"}
"""Fields of a new record that say nothing of its blobs, and that V1 has not."""


@dataclass(frozen=True)
class Encoded:
    """A record as it will be, tag and length included, and the fields that it had to leave out."""

    fragments: tuple[Fragment, ...]
    lost: tuple[str, ...] = ()


def with_blobs(record: LayerRecord, blobs: Sequence[tuple[Fragment, ...] | None]) -> Encoded:
    """The record with some of its blobs in another form (None for one that stays), everything else as it stands."""
    number = (LAYER_V1 if record.v1 else LAYER)["blobs"]
    out: list[Fragment] = []
    rest = iter(blobs)
    for item in wire.walk(record.reader, *record.body, "layer"):
        new = next(rest) if item.number == number else None
        out += [Span(item.start, item.stop)] if new is None else wrapped(number, new)
    return Encoded(wrapped(NET_LAYERS_V1 if record.v1 else NET_LAYER, out))


def as_new(record: LayerRecord, blobs: Sequence[tuple[Fragment, ...] | None]) -> Encoded:
    """A V1 record as a new one, fields in the order of their numbers.

    Raises:
        Unsupported: its type, or a field, is known to a fork only.
        FileError: a field is not stored as its type demands.
    """
    fields: list[Numbered] = []
    said: dict[int, dict[str, bytes]] = {}
    counts = dict.fromkeys(SPEC_OF, 0)
    lists = {LAYER_V1[key]: key for key in SPEC_OF}
    moved: list[Numbered] = []
    holder = MESSAGES_OF_LAYERS.get(IMAGE_MESSAGES.get(record.type, ""), (0, 0))[0]
    rest = iter(blobs)
    for item in record_fields(record):
        if item.number == LAYER_V1["blobs"]:
            fields.append((LAYER["blobs"], _blob(record, item, LAYER["blobs"], next(rest))))
        elif item.number == LAYER_V1["type"]:
            if record.type not in OLD_TYPES and item.integer != 0:
                _refuse(record, item, f"its type {item.integer} is none of Caffe's V1 types")
            fields.append((LAYER["type"], (tagged(LAYER["type"], record.type.encode()),)))
        elif item.number in lists:
            key = lists[item.number]
            for value in _values(record.reader, item):
                if key == "blob_share_mode":
                    _check_share_mode(record, item, value)
                said.setdefault(counts[key], {})[SPEC_OF[key]] = value
                counts[key] += 1
        elif item.number == holder:
            kept, some = _parted(record, item)
            fields.append((_SAME[holder], wrapped(_SAME[holder], kept)))
            moved += some
        elif item.number in _SAME:
            fields.append((_SAME[item.number], _retagged(record.reader, item, _SAME[item.number])))
        else:
            _refuse(record, item, f"field {item.number} is none of Caffe's V1 layers (a fork's?)")
    fields += [(LAYER["param"], (tagged(LAYER["param"], _spec(said[at])),)) for at in sorted(said)]
    return Encoded(wrapped(NET_LAYER, in_order(_with_transforms(fields, moved))))


def as_v1(record: LayerRecord, blobs: Sequence[tuple[Fragment, ...] | None]) -> Encoded:
    """A new record as a V1 one.

    Raises:
        Unsupported: V1 has not its type, or a field of it.
        FileError: a field is not stored as its type demands.
    """
    numbers = {new: old for old, new in _SAME.items()}
    fields: list[Numbered] = []
    lost: list[str] = []
    specs: list[dict[int, WireField]] = []
    if record.type and record.type not in OLD_NUMBERS:
        raise Unsupported(f'V1 has no layers of the type "{record.type}"', record.place, layer=record.name)
    rest = iter(blobs)
    for item in record_fields(record):
        if item.number == LAYER["blobs"]:
            fields.append((LAYER_V1["blobs"], _blob(record, item, LAYER_V1["blobs"], next(rest))))
        elif item.number == LAYER["type"]:
            fields.append((LAYER_V1["type"], (tagged(LAYER_V1["type"], OLD_NUMBERS[record.type]),)))
        elif item.number == LAYER["param"]:
            inner = list(fields_inside(record, item.value, item.stop, ("param",)))
            strange = next((one for one in inner if one.number not in SPEC_NUMBERS.values()), None)
            if strange is not None:
                _refuse(record, strange, f"V1 has no field {strange.number} of a parameter")
            for one in inner:
                if one.number == SPEC_NUMBERS["share_mode"]:
                    _check_share_mode(record, one, record.reader.read(one.value, one.stop))
            specs.append({one.number: one for one in inner})
        elif item.number in DROPPED:
            lost.append(DROPPED[item.number])
        elif item.number in numbers:
            fields.append((numbers[item.number], _retagged(record.reader, item, numbers[item.number])))
        else:
            _refuse(record, item, f"V1 layers have no field {item.number}")
    fields += _lists(record.reader, specs)
    return Encoded(wrapped(NET_LAYERS_V1, in_order(fields)), tuple(dict.fromkeys(lost)))


def _refuse(record: LayerRecord, item: WireField, message: str) -> None:
    raise Unsupported(message, BytePlace(record.reader.name, item.start), layer=record.name)


def _check_share_mode(record: LayerRecord, item: WireField, value: bytes) -> None:
    """Raises: Unsupported, where a list would say something else: Caffe leaves a share mode out that it does not know, and the list is
    one value shorter."""
    mode, _ = wire.read_varint(value, 0)
    if mode not in enums()["DimCheckMode"].values():
        _refuse(record, item, f"share_mode {mode} is none that Caffe knows")


def _blob(record: LayerRecord, item: WireField, number: int, new: tuple[Fragment, ...] | None) -> tuple[Fragment, ...]:
    return wrapped(number, new) if new is not None else _retagged(record.reader, item, number)


def _retagged(reader: Reader, item: WireField, number: int) -> tuple[Fragment, ...]:
    """A field under another number, its length and payload as they stand (of a group nothing is known in either form)."""
    _, used = wire.read_varint(reader.read(item.start, min(item.stop, item.start + 10)), 0)
    return (wire.varint(number << 3 | item.wire_type), Span(item.start + used, item.stop))


def _values(reader: Reader, item: WireField) -> Iterator[bytes]:
    """The values of one of V1's lists as they are stored: texts, floats or enum values, the latter two packed or not."""
    data = reader.read(item.value, item.stop)
    if item.wire_type != LENGTH or item.number == LAYER_V1["param"]:
        yield data
    elif item.number == LAYER_V1["blob_share_mode"]:
        at = 0
        while at < len(data):
            value, at = wire.read_varint(data, at)
            if not at:
                break
            yield wire.varint(value)
    else:
        yield from (data[at : at + 4] for at in range(0, len(data), 4))


_KINDS = {"name": LENGTH, "share_mode": VARINT, "lr_mult": FIXED32, "decay_mult": FIXED32}


def _encode(number: int, key: str, value: bytes) -> bytes:
    if _KINDS[key] == LENGTH:
        return tagged(number, value)
    return wire.varint(number << 3 | _KINDS[key]) + value


def _spec(said: dict[str, bytes]) -> bytes:
    """The inside of a new layer's `param { }`."""
    in_turn = sorted(said, key=lambda key: SPEC_NUMBERS[key])
    return b"".join(_encode(SPEC_NUMBERS[key], key, said[key]) for key in in_turn)


_DEFAULTS = {"name": b"", "share_mode": b"\0", "lr_mult": struct.pack("<f", 1), "decay_mult": struct.pack("<f", 1)}


def _lists(reader: Reader, specs: Sequence[dict[int, WireField]]) -> Iterator[Numbered]:
    """What `param { }` messages say, as V1's lists: each as long as its last parameter that says something."""
    for old, key in SPEC_OF.items():
        number = SPEC_NUMBERS[key]
        last = max((at for at, spec in enumerate(specs) if number in spec), default=-1)
        for spec in specs[: last + 1]:
            item = spec.get(number)
            value = _DEFAULTS[key] if item is None else reader.read(item.value, item.stop)
            yield LAYER_V1[old], (_encode(LAYER_V1[old], key, value),)


def _parted(record: LayerRecord, item: WireField) -> tuple[tuple[Fragment, ...], list[Numbered]]:
    """The message of a V1 data layer without what belongs into `transform_param` now, and that."""
    numbers = dict(TRANSFORMS.values())
    kept: list[Fragment] = []
    moved: list[Numbered] = []
    for inner in fields_inside(record, item.value, item.stop, (IMAGE_MESSAGES[record.type],)):
        if inner.number in numbers:
            moved.append((numbers[inner.number], _retagged(record.reader, inner, numbers[inner.number])))
        else:
            kept.append(Span(inner.start, inner.stop))
    return tuple(kept), moved


def _with_transforms(fields: list[Numbered], moved: list[Numbered]) -> list[Numbered]:
    """The fields with what was moved as a further `transform_param`: protobuf joins them, and the last word holds."""
    if not moved:
        return fields
    return [*fields, (_TRANSFORM, wrapped(_TRANSFORM, in_order(moved)))]
