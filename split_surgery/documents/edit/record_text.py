"""The net that a caffemodel holds beside its numbers, as a prototxt."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np

from split_surgery.documents.caffe_fields import CaffeField, caffe_fields, enums, fields_by_number
from split_surgery.documents.edit.field_values import Spelled
from split_surgery.documents.prototxt import quote
from split_surgery.documents.spans import Reader
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.caffemodel import (
    LAYER,
    LAYER_V1,
    NET_LAYER,
    NET_LAYERS_V1,
    Caffemodel,
    LayerRecord,
)
from split_surgery.documents.weights.wire import FIXED32, FIXED64, LENGTH, VARINT, WireField
from split_surgery.errors import FileError

FIRST = ("name", "type", "bottom", "top")
"""Fields of a layer that people write first."""

_DEEPEST = 20
"""Messages in each other: Caffe's own are five deep."""

_WIDTHS = {"float": ("<f", FIXED32), "double": ("<d", FIXED64)}


class NetText:
    """The text of a caffemodel's net.

    Attributes:
        data: the prototxt. layers: how many it has.
        unknown: what has no name in BVLC Caffe 1.0, each as a path with numbers; in the text it stands as a comment.
    """

    def __init__(self, weights: Caffemodel) -> None:
        self._reader: Reader = weights.rope
        self.unknown: list[str] = []
        lines: list[bytes] = []
        self.layers = 0
        layers = {NET_LAYER, NET_LAYERS_V1}
        net = [item for item in wire.walk(self._reader, 0, self._reader.size) if item.number not in layers]
        for field, value in self._fields(net, "NetParameter", "", 0):
            lines += _lines(field, value, b"")
        for number, record in enumerate(weights.layers):
            if _is_inserted(record):
                continue
            self.layers += 1
            form = "layers" if record.v1 else "layer"
            lines += [form.encode() + b" {", *self._layer(record, f"{form}[{number}]"), b"}"]
        self.data = b"".join(line + b"\n" for line in lines)

    def _layer(self, record: LayerRecord, path: str) -> Iterator[bytes]:
        blobs = (LAYER_V1 if record.v1 else LAYER)["blobs"]
        items = [item for item in wire.walk(record.reader, *record.body) if item.number != blobs]
        found = list(self._fields(items, "V1LayerParameter" if record.v1 else "LayerParameter", path, 0))
        bottoms = iter(record.bottoms)  # under their own names, whatever Split layers call them
        for name in FIRST:
            for field, value in found:
                if field == name:
                    own = quote(next(bottoms)) if name == "bottom" else value
                    yield from _lines(field, own, b"  ")
        for field, value in found:
            if field not in FIRST:
                yield from _lines(field, value, b"  ")

    def _fields(self, items: list[WireField], message: str, path: str, depth: int) -> Iterator[tuple[str, Spelled]]:
        """The fields of a message, with "" for the name of one that is not known, and a remark for its value."""
        known = fields_by_number(message)
        for item in items:
            field = known.get(item.number)
            values = None if field is None else self._values(item, field, path, depth)
            if values is None or field is None:
                where = f"{path}.{item.number}".lstrip(".")
                self.unknown.append(where)
                yield "", f"# field {item.number}: {self._unknown(item)}".encode()
            else:
                yield from ((field.name, value) for value in values)

    def _values(self, item: WireField, field: CaffeField, path: str, depth: int) -> list[Spelled] | None:
        """The values of a field, of which a packed one has several; None where it is not stored as its type demands."""
        if field.type == "string":
            data = self._reader.read(item.value, item.stop).decode("utf-8", "surrogateescape")
            return [quote(data)] if item.wire_type == LENGTH else None
        if caffe_fields(field.type):
            return self._message(item, field, path, depth)
        if item.wire_type == LENGTH and not field.repeated:  # only what may stand several times is packed
            return None
        if field.type in _WIDTHS:
            form, alone = _WIDTHS[field.type]
            if item.wire_type not in (alone, LENGTH) or (item.stop - item.value) % struct.calcsize(form):
                return None
            numbers = struct.iter_unpack(form, self._reader.read(item.value, item.stop))
            return [_real(number, field.type) for (number,) in numbers]
        if item.wire_type == VARINT:
            return [_whole(item.integer, field.type)]
        return self._packed(item, field.type) if item.wire_type == LENGTH else None

    def _message(self, item: WireField, field: CaffeField, path: str, depth: int) -> list[Spelled] | None:
        if item.wire_type != LENGTH or depth > _DEEPEST:
            return None
        seen = len(self.unknown)
        try:
            inner = list(wire.walk(self._reader, item.value, item.stop))
            return [tuple(self._fields(inner, field.type, f"{path}.{field.name}".lstrip("."), depth + 1))]
        except FileError:  # a fork's field of that number, which is no such message
            del self.unknown[seen:]
            return None

    def _packed(self, item: WireField, kind: str) -> list[Spelled] | None:
        data, at, found = self._reader.read(item.value, item.stop), 0, list[Spelled]()
        while at < len(data):
            value, at = wire.read_varint(data, at)
            if not at:
                return None
            found.append(_whole(value, kind))
        return found

    def _unknown(self, item: WireField) -> str:
        if item.wire_type == VARINT:
            return str(item.integer)
        if item.wire_type in (FIXED32, FIXED64):
            form = "<f" if item.wire_type == FIXED32 else "<d"
            return str(struct.unpack(form, self._reader.read(item.value, item.stop))[0])
        return f"{item.stop - item.value} bytes"


def _is_inserted(record: LayerRecord) -> bool:
    """Whether Caffe put the layer in by itself, where several layers read a blob; it does so again."""
    made = re.compile(re.escape(record.name) + r"_\d+")
    return record.type == "Split" and record.name.endswith("_split") and all(map(made.fullmatch, record.tops))


def _real(number: float, kind: str) -> bytes:
    if number.is_integer() and abs(number) < 1e15:
        return b"%d" % number
    return (str(np.float32(number)) if kind == "float" else repr(number)).encode()


def _whole(value: int, kind: str) -> bytes:
    bits = 64 if kind == "int64" else 32
    signed = value & (1 << bits) - 1  # as protobuf does: what is longer loses its upper bits
    signed -= (1 << bits) if kind != "uint32" and signed >> (bits - 1) else 0
    if kind == "bool":
        return b"true" if value else b"false"
    if kind in enums():
        return next((name.encode() for name, number in enums()[kind].items() if number == signed), b"%d" % signed)
    return b"%d" % signed


def _lines(name: str, value: Spelled, indent: bytes) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield indent + (name.encode() + b": " if name else b"") + value
        return
    yield indent + name.encode() + b" {"
    for field, inner in value:
        yield from _lines(field, inner, indent + b"  ")
    yield indent + b"}"
