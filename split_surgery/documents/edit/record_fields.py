"""The fields of a record that is written anew, each held against how Caffe stores it: another way, and Caffe would not see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from split_surgery.documents.caffe_fields import CaffeField, caffe_fields, fields_by_number
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.caffemodel import LayerRecord, expect
from split_surgery.documents.weights.wire import FIXED32, FIXED64, LENGTH, VARINT, WireField


def record_fields(record: LayerRecord) -> Iterator[WireField]:
    """The fields of a record; see `fields_inside`."""
    return fields_inside(record, record.body.start, record.body.stop, ())


def fields_inside(record: LayerRecord, start: int, stop: int, path: Sequence[str]) -> Iterator[WireField]:
    """The fields of a message in a record.

    Args:
        path: the names of the fields that lead to it, none for the record itself.

    Raises:
        FileError: one of Caffe's is not stored as its type demands.
    """
    kind = "V1LayerParameter" if record.v1 else "LayerParameter"
    for name in path:
        kind = caffe_fields(kind)[name].type
    known, inside = fields_by_number(kind), ".".join((f'layer "{record.name}"', *path))
    for item in wire.walk(record.reader, start, stop, inside):
        field = known.get(item.number)
        if field is not None and not (field.repeated and item.wire_type == LENGTH):  # which may be packed
            expect(record.reader, item, _wire_type(field), f"{inside}.{field.name}")
        yield item


def _wire_type(field: CaffeField) -> int:
    """How one value of a field is stored."""
    if field.type == "string" or caffe_fields(field.type):
        return LENGTH
    return {"float": FIXED32, "double": FIXED64}.get(field.type, VARINT)
