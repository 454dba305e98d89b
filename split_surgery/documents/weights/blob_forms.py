"""A blob in the forms that files keep it in: `data`, `double_data` or NVIDIA's `raw_data`, with a legacy shape or a `shape`."""

from __future__ import annotations

import functools

import numpy as np

from split_surgery.documents.spans import Fragment, Made, Span
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import Blob, padded
from split_surgery.documents.weights.caffemodel import (
    BLOB_DATA,
    BLOB_DOUBLE,
    BLOB_LEGACY,
    BLOB_RAW,
    BLOB_RAW_TYPE,
    BLOB_SHAPE,
    RAW_TYPES,
    SHAPE_DIM,
    BlobRef,
)
from split_surgery.documents.weights.casts import Cast
from split_surgery.documents.weights.wire import tagged, wrapped

FIELD_OF = {"<f2": BLOB_RAW, "<f4": BLOB_DATA, "<f8": BLOB_DOUBLE}
"""The field for numbers of a precision: BVLC's where it has one."""

Numbered = tuple[int, "tuple[Fragment, ...]"]
"""A field of a message that is put together: its number, and its bytes with the tag."""


def encode_form(blob: Cast, number: int) -> tuple[Fragment, ...]:
    """A BlobProto with its fields in the order of their numbers, as protobuf writes them; what is no number and no shape stays.

    Args:
        number: the field that the numbers go into. Numbers that keep their precision are ranges of the file that they stand in.
    """
    old = blob.blob
    same_shape = isinstance(old, BlobRef) and (old.shape, old.legacy) == (blob.shape, blob.legacy)
    fields: list[Numbered] = []
    if isinstance(old, BlobRef):
        gone = {BLOB_DATA, BLOB_DOUBLE, BLOB_RAW_TYPE, BLOB_RAW} | (set() if same_shape else {BLOB_SHAPE, *BLOB_LEGACY})
        fields = [
            (item.number, (Span(item.start, item.stop),))
            for item in wire.walk(old.reader, old.span.start, old.span.stop, old.inside)
            if item.number not in gone
        ]
    if not same_shape and blob.legacy:
        fields += [(field, (tagged(field, blob.shape[axis]),)) for field, axis in BLOB_LEGACY.items()]
    elif not same_shape:
        dims = b"".join(map(wire.varint, blob.shape))
        fields.append((BLOB_SHAPE, (tagged(BLOB_SHAPE, tagged(SHAPE_DIM, dims) if dims else b""),)))
    if number == BLOB_RAW:
        fields.append((BLOB_RAW_TYPE, (tagged(BLOB_RAW_TYPE, RAW_TYPES.index(blob.dtype)),)))
    fields.append((number, wrapped(number, (_numbers(blob),))))
    return in_order(fields)


def with_shape(old: BlobRef, shape: tuple[int, ...]) -> tuple[Fragment, ...]:
    """A BlobProto of another shape, said as the old one was, with every other byte where it stood."""
    if old.legacy:
        said = [tagged(field, size) for field, size in zip(BLOB_LEGACY, padded(shape))]
    else:
        said = [tagged(BLOB_SHAPE, tagged(SHAPE_DIM, b"".join(map(wire.varint, shape))))]
    out: list[Fragment] = []
    for item in wire.walk(old.reader, old.span.start, old.span.stop, old.inside):
        if item.number in (BLOB_SHAPE, *BLOB_LEGACY):
            out += said
            said = []
        else:
            out.append(Span(item.start, item.stop))
    return tuple(out)


def in_order(fields: list[Numbered]) -> tuple[Fragment, ...]:
    """The fields of a message by their numbers; those of one number stay as they follow each other."""
    return tuple(fragment for _, fragments in sorted(fields, key=lambda field: field[0]) for fragment in fragments)


_SMALL = 4096
"""Bytes of the largest blob that is held: about as much as is held of each blob anyway, and not worth working out again."""


def _numbers(blob: Cast) -> Fragment:
    old = blob.blob
    if isinstance(old, BlobRef) and old.numbers is not None and old.dtype == blob.dtype:
        return old.numbers
    size = blob.count * np.dtype(blob.dtype).itemsize
    if size <= _SMALL:
        return _bytes(blob, 0, size)
    return Made(functools.partial(_bytes, blob), 0, size, at_once=not blob.apart)


def _bytes(blob: Blob, start: int, stop: int) -> bytes:
    """Some bytes of a blob's numbers, which may begin and end within one."""
    width = np.dtype(blob.dtype).itemsize
    first = start // width
    return blob.part(first, -(-stop // width)).tobytes()[start - first * width : stop - first * width]
