"""Records and histories as protobuf reads them, the numbers of their blobs a piece at a time.

A message that holds numbers takes as much room as they do. So those are left out of what protobuf reads at first, and it reads them by
pieces, whenever they are asked for. The tags and lengths around what is cut are read by protobuf, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from split_surgery.documents.edit.protobuf_schema import message_class
from split_surgery.documents.spans import Reader, Span
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import Array, Blob, in_parts
from split_surgery.documents.weights.caffemodel import (
    BLOB_DATA,
    BLOB_DOUBLE,
    BLOB_RAW,
    LAYER,
    LAYER_V1,
    NET_LAYER,
    NET_LAYERS_V1,
    RAW_TYPES,
    LayerRecord,
)
from split_surgery.documents.weights.wire import LENGTH, WireField, tagged
from split_surgery.errors import Defect, FileError

_PIECE = 256 * 1024
"""Bytes of numbers that protobuf reads at a time."""

_HISTORY = 3
"""SolverState.history."""


@dataclass(frozen=True)
class ReadBlob:
    """A blob. said: protobuf's message of it, without numbers, but for those that stand one by one, as they may in a file that another
    program wrote. numbers: the fields that hold them."""

    said: Any
    numbers: tuple[WireField, ...]
    reader: Reader

    def prove(self, meant: Blob, what: str) -> None:
        """Raises: Defect, where it is not what was meant."""
        shape = self.shape
        # A legacy blob pads its shape with ones in front.
        if shape[-len(meant.shape) :] != meant.shape or math.prod(shape) != meant.count:
            raise Defect(f"{what} has shape {shape} instead of {meant.shape}")
        meant, at = in_parts(meant), 0
        for piece in self._pieces(meant.dtype, what):
            if at + len(piece) > meant.count:
                break
            wanted = meant.part(at, at + len(piece))
            if wanted.tobytes() != piece.tobytes() and _one_nan(wanted) != _one_nan(piece):
                raise Defect(f"{what} holds other numbers than were meant")
            at += len(piece)
        else:
            if at == meant.count:
                return
        raise Defect(f"{what} holds another number of numbers than was meant")

    @property
    def shape(self) -> tuple[int, ...]:
        said = self.said
        if any(map(said.HasField, ("num", "channels", "height", "width"))):  # whatever else it says (Blob::ShapeEquals)
            return (said.num, said.channels, said.height, said.width)
        return tuple(said.shape.dim)

    def _pieces(self, dtype: str, what: str) -> Iterator[Array]:
        """The numbers, as protobuf reads them and writes them again: Python numbers in between would take most of the time of a split.

        Raises:
            Defect: they are not stored as numbers of that dtype.
        """
        kinds = {BLOB_DATA: "<f4", BLOB_DOUBLE: "<f8"}
        if self.said.raw_data_type < len(RAW_TYPES):
            kinds[BLOB_RAW] = RAW_TYPES[self.said.raw_data_type]
        for number, alone in ((BLOB_DATA, self.said.data), (BLOB_DOUBLE, self.said.double_data)):
            if len(alone) and kinds[number] != dtype:
                raise Defect(f"{what} holds its numbers in another form than was meant")
            if len(alone):
                yield np.fromiter(alone, dtype, len(alone))
        raw = [item for item in self.numbers if item.number == BLOB_RAW]
        if len(raw) > 1 or any((item.stop - item.value) % np.dtype(dtype).itemsize for item in raw):
            raise Defect(f"{what} holds raw numbers twice, or a part of one")
        for item in self.numbers:
            if kinds.get(item.number) != dtype:
                raise Defect(f"{what} holds its numbers in another form than was meant")
            for start in range(item.value, item.stop, _PIECE):
                data = tagged(item.number, self.reader.read(start, min(item.stop, start + _PIECE)))
                piece = _parsed("BlobProto", data, what)
                if item.number == BLOB_RAW:
                    yield np.frombuffer(piece.raw_data, dtype)
                else:
                    count = len(piece.data if item.number == BLOB_DATA else piece.double_data)
                    written: bytes = piece.SerializeToString()
                    yield np.frombuffer(written, dtype, count, len(written) - count * np.dtype(dtype).itemsize)


def _one_nan(numbers: Array) -> bytes:
    """Numbers as bytes, with one NaN for all: protobuf in pure Python knows no other."""
    return np.where(np.isnan(numbers), np.asarray(np.nan, numbers.dtype), numbers).tobytes()


@dataclass(frozen=True)
class ReadRecord:
    """A layer of a weights file. said: protobuf's message of it, without blobs. blobs: where they stand."""

    said: Any
    blobs: tuple[Span, ...]


def read_record(reader: Reader, span: Span, what: str) -> ReadRecord:
    """The one layer in a NetParameter.layer field, or a V1 one.

    Raises:
        Defect: it is none.
    """
    fields = _fields(reader, span, what)
    if [item.number for item in fields] not in ([NET_LAYER], [NET_LAYERS_V1]):
        raise Defect(f"{what} is {len(fields)} fields, and not one layer")
    (whole,) = fields
    _check_head(reader, whole, what)
    v1 = whole.number == NET_LAYERS_V1
    kind, numbers = ("V1LayerParameter", LAYER_V1) if v1 else ("LayerParameter", LAYER)
    return ReadRecord(*_parted(reader, Span(whole.value, whole.stop), kind, numbers["blobs"], what))


def record_without_blobs(record: LayerRecord, *, made: bool) -> Any:
    """Protobuf's message of a record, read without its blobs.

    Args:
        made: whether this program has made it, and not read it from a file.

    Raises:
        FileError, Defect: it is damaged.
    """
    try:
        return read_record(record.reader, record.span, f'the record of "{record.name}"').said
    except Defect as error:
        if made:
            raise
        message = "its record is damaged: protobuf cannot read it, so that Caffe could not either"
        raise FileError(message, record.place, layer=record.name) from error


def read_history(reader: Reader, what: str) -> tuple[ReadBlob, ...]:
    """The blobs in what are fields of a SolverState.

    Raises:
        Defect: they are none.
    """
    spans = _parted(reader, Span(0, reader.size), "SolverState", _HISTORY, what)[1]
    return tuple(read_blob(reader, span, f"blob {index} in {what}") for index, span in enumerate(spans))


def read_blob(reader: Reader, span: Span, what: str) -> ReadBlob:
    """A BlobProto.

    Raises:
        Defect: it is none.
    """
    cut, rest = [], []
    for item in _fields(reader, span, what):
        if item.number in (BLOB_DATA, BLOB_DOUBLE, BLOB_RAW) and item.wire_type == LENGTH:
            _check_head(reader, item, what)
            cut.append(item)
        else:
            rest.append(reader.read(item.start, item.stop))
    said = _parsed("BlobProto", b"".join(rest), what)
    if cut and (len(said.data) or len(said.double_data)):
        raise Defect(f"{what} holds numbers one by one beside others")
    return ReadBlob(said, tuple(cut), reader)


def _parted(reader: Reader, span: Span, kind: str, number: int, what: str) -> tuple[Any, tuple[Span, ...]]:
    """Protobuf's message of the fields in a span but those of one number, which are blobs; and where these stand."""
    blobs, rest = [], []
    for item in _fields(reader, span, what):
        if item.number == number and item.wire_type == LENGTH:
            _check_head(reader, item, what)
            blobs.append(Span(item.value, item.stop))
        else:
            rest.append(reader.read(item.start, item.stop))
    return _parsed(kind, b"".join(rest), what), tuple(blobs)


def _fields(reader: Reader, span: Span, what: str) -> list[WireField]:
    try:
        return list(wire.walk(reader, *span))
    except FileError as error:
        raise Defect(f"{what} does not parse: {error}") from error


def _check_head(reader: Reader, item: WireField, what: str) -> None:
    """Raises: Defect, where protobuf reads another tag or length before the contents of a field than we do."""
    head = _parsed("BlobShape", tagged(1, reader.read(item.start, item.value)), what).dim
    if [*head] != [item.number << 3 | LENGTH, item.stop - item.value]:
        raise Defect(f"{what} has a field with the head {[*head]}, of {item.stop - item.value} bytes")


def _parsed(kind: str, data: bytes, what: str) -> Any:
    message = message_class(kind)()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise Defect(f"{what} does not parse: {error}") from error
    return message
