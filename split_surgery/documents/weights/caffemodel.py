"""Lossless reading of Caffe's binary nets: an index of layers and blobs by length prefixes; blobs are read when asked for.

Field numbers are those of BVLC Caffe 1.0's caffe.proto.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from split_surgery.documents.rope import Rope
from split_surgery.documents.spans import Fragment, Reader, Span, pieces_of
from split_surgery.documents.v1 import modern_type_of
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import Array, Blob, ChosenKernels, Record, padded
from split_surgery.documents.weights.wire import LENGTH, VARINT, WireField, tagged, wrapped
from split_surgery.errors import BytePlace, FileError, FilePlace, Unsupported

NET_NAME, NET_LAYERS_V1, NET_LAYER = 1, 2, 100
LAYER = {
    "name": 1, "type": 2, "bottom": 3, "top": 4, "loss_weight": 5, "param": 6, "blobs": 7, "include": 8, "exclude": 9,
    "phase": 10, "propagate_down": 11, "concat_param": 104, "convolution_param": 106, "eltwise_param": 110,
    "inner_product_param": 117,
}  # fmt: skip
LAYER_V1 = {
    "bottom": 2, "top": 3, "name": 4, "type": 5, "blobs": 6, "concat_param": 9, "convolution_param": 10,
    "inner_product_param": 17, "eltwise_param": 24, "include": 32, "exclude": 33, "loss_weight": 35,
    "param": 1001, "blobs_lr": 7, "weight_decay": 8, "blob_share_mode": 1002,
}  # fmt: skip
LAYER_V1_V0 = 1  # a V1 layer that holds this is a V0 layer
BLOB_LEGACY = {1: 0, 2: 1, 3: 2, 4: 3}  # num, channels, height, width: field number -> axis
BLOB_DATA, BLOB_SHAPE, BLOB_DOUBLE = 5, 7, 8
BLOB_RAW_TYPE, BLOB_RAW = 10, 12
RAW_TYPES = ("<f8", "<f4", "<f2")  # of NVIDIA's fork: DOUBLE 0, FLOAT 1, FLOAT16 2
SHAPE_DIM = 1

CAFFE_READ_LIMIT = 2**31 - 1
"""Bytes of the largest protobuf that Caffe can read (src/caffe/util/io.cpp sets protobuf's own limit, an int)."""

MAX_BLOB_AXES = 32
"""Axes of a blob (kMaxBlobAxes of Caffe's blob.hpp)."""

MAX_BLOB_SIZE = 2**31 - 1
"""The largest size of an axis: Caffe keeps it in an int."""


@dataclass(frozen=True)
class BlobRef:
    """A blob (see blobs.Blob) known by its span.

    Attributes:
        number: the field that holds the numbers.
        numbers: where they stand, if they do in one piece, as Caffe writes them.
        problem: why the numbers cannot be read, or "".
    """

    reader: Reader = field(repr=False, compare=False)
    span: Span
    shape: tuple[int, ...]
    legacy: bool
    dtype: str
    number: int
    count: int
    inside: str
    index: int
    numbers: Span | None = None
    problem: str = ""

    def place(self) -> BytePlace:
        return BytePlace(self.reader.name, self.span.start, self.inside)

    @property
    def fault(self) -> str:
        needed = math.prod(self.shape)
        return self.problem or (f"holds {self.count} of its {needed} numbers" if self.count != needed else "")

    @property
    def apart(self) -> bool:
        return self.numbers is not None

    def part(self, start: int, stop: int) -> Array:
        if self.numbers is None:
            return self.load().reshape(-1)[start:stop]
        self._check()
        return np.frombuffer(self.reader.read(*self.range_of(self.numbers, start, stop)), self.dtype)

    def range_of(self, numbers: Span, start: int, stop: int) -> Span:
        """The bytes of the numbers `start <= i < stop`, where they stand in one piece."""
        size = np.dtype(self.dtype).itemsize
        return Span(numbers.start + start * size, numbers.start + stop * size)

    def _check(self) -> None:
        """Raises: FileError, Unsupported, where the numbers cannot be read, or are not as many as the shape says."""
        if self.problem:
            raise Unsupported(self.problem, self.place())
        size, needed = np.dtype(self.dtype).itemsize, math.prod(self.shape)
        if needed != self.count:
            message = f"{self.count * size} bytes of data, but shape {self.shape} needs {needed * size}"
            raise FileError(message, self.place())

    def load(self) -> Array:
        self._check()
        if self.numbers is not None:
            return np.frombuffer(self.reader.read(*self.numbers), self.dtype).reshape(self.shape)
        parts = [
            self.reader.read(item.value, item.stop)
            for item in wire.walk(self.reader, self.span.start, self.span.stop, self.inside)
            if item.number == self.number
        ]
        return np.frombuffer(b"".join(parts), self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class LayerRecord(Record):
    """One layer of a protobuf file. `span` includes the record's tag and length, `body` does not.

    Attributes:
        bottoms: where several layers read a blob, Caffe saves each one's under a name of its own (Split layers); here they have the
            blob's name, as the prototxt has it. stored_bottoms: as they are saved.
    """

    span: Span
    body: Span
    v1: bool
    reader: Reader = field(repr=False, compare=False)
    blobs: tuple[BlobRef, ...]
    stored_bottoms: tuple[str, ...] = ()
    leaves_out_shared: ClassVar[bool] = False

    def digest(self) -> str:
        found = hashlib.sha256()
        for piece in pieces_of(self.reader, self.body):
            found.update(piece)
        return found.hexdigest()


class Caffemodel:
    """The index of a binary NetParameter.

    Raises:
        FileError: not one, with the byte offset.
        Unsupported: V0 layers.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.rope = reader if isinstance(reader, Rope) else Rope(reader)
        self.name = reader.name
        if reader.size == 0:
            raise FileError("is empty", FilePlace(reader.name))
        self.layers = _with_own_bottoms(tuple(self._index()))
        if not self.layers:
            raise FileError("holds no layers: is it a caffemodel?", FilePlace(reader.name))
        self._by_name: dict[str, list[LayerRecord]] = {}
        for record in self.layers:
            self._by_name.setdefault(record.name, []).append(record)

    def named(self, name: str) -> list[LayerRecord]:
        """The records of that name (more than one only in odd files), Caffe's own Split layers left out."""
        return [record for record in self._by_name.get(name, []) if record.type != "Split"]

    def _index(self) -> Iterator[LayerRecord]:
        index, form = 0, 0
        for item in wire.walk(self.reader, 0, self.reader.size):
            if item.number in (NET_LAYER, NET_LAYERS_V1):
                inside = f"{'layers' if item.number == NET_LAYERS_V1 else 'layer'}[{index}]"
                expect(self.reader, item, LENGTH, inside)
                if form not in (0, item.number):
                    message = "holds both `layer` and V1 `layers`, of which Caffe ignores one"
                    raise FileError(message, BytePlace(self.reader.name, item.start, inside))
                form = item.number
                yield self._record(item, inside)
                index += 1
            elif item.number == NET_NAME:
                expect(self.reader, item, LENGTH, "name (is this a caffemodel, or a solverstate?)")

    def _record(self, whole: WireField, inside: str) -> LayerRecord:
        v1 = whole.number == NET_LAYERS_V1
        names = {number: key for key, number in (LAYER_V1 if v1 else LAYER).items()}
        texts: dict[str, list[str]] = {key: [] for key in ("name", "type", "bottom", "top")}
        blobs: list[BlobRef] = []
        for item in wire.walk(self.reader, whole.value, whole.stop, inside):
            key = names.get(item.number, "")
            if v1 and item.number == LAYER_V1_V0:
                message = "holds V0 layers; only V1 `layers` and new-style `layer` files are read"
                hint = "Caffe's upgrade_net_proto_binary makes one of it"
                raise Unsupported(message, BytePlace(self.reader.name, item.start, inside), hint)
            if v1 and key == "type":
                expect(self.reader, item, VARINT, f"{inside}.{key}")
                texts[key].append(modern_type_of(item.integer))
            elif key in texts:
                expect(self.reader, item, LENGTH, f"{inside}.{key}")
                texts[key].append(text_of(self.reader, item))
            elif key == "blobs":
                where = f"{inside}.blobs[{len(blobs)}]"
                expect(self.reader, item, LENGTH, where)
                blobs.append(index_blob(self.reader, Span(item.value, item.stop), where, len(blobs)))
        name, kind, bottoms, tops = texts.values()
        return LayerRecord(
            name=name[-1] if name else "", type=kind[-1] if kind else "", bottoms=tuple(bottoms), tops=tuple(tops),
            blobs=tuple(blobs), place=BytePlace(self.reader.name, whole.start), span=Span(whole.start, whole.stop),
            body=Span(whole.value, whole.stop), v1=v1, reader=self.reader, stored_bottoms=tuple(bottoms),
        )  # fmt: skip


SPLIT_BLOB = re.compile(r"(.+_split)(_\d+)", re.DOTALL)
"""A blob that Caffe's Split layers may have made: the layer's name, and the number of the copy."""


def _with_own_bottoms(layers: tuple[LayerRecord, ...]) -> tuple[LayerRecord, ...]:
    """The records with the blobs' own names for what Caffe's Split layers call `<blob>_<layer>_<index of the top>_split_<number>`
    (SplitBlobName of Caffe's insert_splits.cpp)."""
    if not any(SPLIT_BLOB.fullmatch(bottom) for record in layers for bottom in record.bottoms):
        return layers
    made = {f"{top}_{record.name}_{at}_split": top for record in layers for at, top in enumerate(record.tops)}
    made |= {record.name: record.bottoms[0] for record in layers if record.type == "Split" and record.bottoms}
    # A layer other than a Split may make a blob with such a name: then it is no copy.
    given = {top for record in layers if record.type != "Split" for top in record.tops}

    def own(blob: str) -> str:
        match = SPLIT_BLOB.fullmatch(blob)
        return made.get(match[1], blob) if match is not None and blob not in given else blob

    return tuple(
        replace(record, bottoms=tuple(map(own, record.bottoms))) if record.type != "Split" else record
        for record in layers
    )


def index_blob(reader: Reader, span: Span, inside: str, index: int) -> BlobRef:
    """What a BlobProto says of itself, its numbers unread."""
    legacy, shape, is_legacy = [0, 0, 0, 0], [], False
    sizes = {BLOB_DATA: 0, BLOB_DOUBLE: 0, BLOB_RAW: 0}  # bytes of numbers by the field that holds them
    stored: dict[int, list[Span]] = {}  # and where they stand
    raw_type = 0
    for item in wire.walk(reader, span.start, span.stop, inside):
        if item.number in BLOB_LEGACY:
            expect(reader, item, VARINT, inside)
            legacy[BLOB_LEGACY[item.number]] = item.integer
            is_legacy = True  # whatever else it says (Blob::ShapeEquals)
        elif item.number == BLOB_SHAPE:
            expect(reader, item, LENGTH, f"{inside}.shape")
            shape += blob_dims(reader, item, inside)
            _check_sizes(reader, span, inside, shape)
        elif item.number == BLOB_RAW_TYPE:
            expect(reader, item, VARINT, f"{inside}.raw_data_type")
            raw_type = item.integer
        elif item.number in sizes:
            length = item.stop - item.value
            alone = {BLOB_DATA: (wire.FIXED32, 4), BLOB_DOUBLE: (wire.FIXED64, 8), BLOB_RAW: (LENGTH, 1)}[item.number]
            if item.wire_type not in (LENGTH, alone[0]) or length % alone[1]:
                raise FileError(
                    "its numbers are not stored as floating point", BytePlace(reader.name, item.start, inside)
                )
            sizes[item.number] += length
            stored.setdefault(item.number, []).append(Span(item.value, item.stop))
    _check_sizes(reader, span, inside, legacy if is_legacy else shape)
    used = [number for number, size in sizes.items() if size] or [BLOB_DATA]
    if used == [BLOB_DATA, BLOB_DOUBLE]:
        used = [BLOB_DOUBLE]  # Caffe takes these where there are any (Blob::FromProto)
    problem = "" if len(used) == 1 else "holds its numbers in more than one form (data, double_data, raw_data)"
    dtypes = {BLOB_DATA: "<f4", BLOB_DOUBLE: "<f8", BLOB_RAW: RAW_TYPES[raw_type] if raw_type < len(RAW_TYPES) else ""}
    dtype = dtypes[used[0]]
    if not dtype:
        dtype, problem = "<f4", f"holds raw_data of the unknown type {raw_type}"
    elif sizes[used[0]] % np.dtype(dtype).itemsize:
        problem = "its raw_data is no whole number of values"
    count = sizes[used[0]] // np.dtype(dtype).itemsize
    places = stored.get(used[0], [])
    return BlobRef(
        reader, span, tuple(legacy if is_legacy else shape), is_legacy, dtype, used[0], count, inside, index,
        places[0] if len(places) == 1 else None, problem,
    )  # fmt: skip


_MOST = 2**60
"""The product of the axes of an array, zeros left out, by what NumPy can count of doubles."""


def _check_sizes(reader: Reader, span: Span, inside: str, shape: list[int]) -> None:
    """Raises: FileError, where Caffe has no blob of this shape (Blob::Reshape of Caffe 1.0)."""
    if len(shape) > MAX_BLOB_AXES:
        message = f"has more than {MAX_BLOB_AXES} axes, the most that a blob of Caffe's has: is the file damaged?"
        raise FileError(message, BytePlace(reader.name, span.start, inside))
    for size in shape:
        if size > MAX_BLOB_SIZE:
            signed = size - (1 << 64) if size >> 63 else size
            message = f"has an axis of size {signed}, which no blob of Caffe's has: is the file damaged?"
            raise FileError(message, BytePlace(reader.name, span.start, inside))
    if math.prod(size or 1 for size in shape) > _MOST:  # an axis of 0 makes it none, but of a size that arrays have not
        message = f"has the shape {tuple(shape)}, which is beyond all bounds: is the file damaged?"
        raise FileError(message, BytePlace(reader.name, span.start, inside))


def blob_dims(reader: Reader, shape: WireField, inside: str) -> list[int]:
    """The sizes in a BlobShape, packed or not; no more than one beyond what a blob may have."""
    found: list[int] = []
    for item in wire.walk(reader, shape.value, shape.stop, f"{inside}.shape"):
        if len(found) > MAX_BLOB_AXES:
            break
        if item.number != SHAPE_DIM:
            continue
        if item.wire_type == VARINT:
            found.append(item.integer)
            continue
        expect(reader, item, LENGTH, f"{inside}.shape.dim")
        data, at = reader.read(item.value, min(item.stop, item.value + 10 * (MAX_BLOB_AXES + 1))), 0
        while at < len(data) and len(found) <= MAX_BLOB_AXES:
            value, at = wire.read_varint(data, at)
            if not at:
                raise FileError("a size is cut off", BytePlace(reader.name, item.start, inside))
            found.append(value)
    return found


def text_of(reader: Reader, item: WireField) -> str:
    return reader.read(item.value, item.stop).decode("utf-8", "surrogateescape")


def expect(reader: Reader, item: WireField, wire_type: int, inside: str) -> None:
    """Raises: FileError, where a field is not stored as its type demands."""
    if item.wire_type != wire_type:
        raise FileError(
            f"stored as {wire.WIRE_TYPES[item.wire_type]}, but must be {wire.WIRE_TYPES[wire_type]}",
            BytePlace(reader.name, item.start, inside),
        )


def encode_blob(blob: Blob, like: BlobRef) -> tuple[Fragment, ...]:
    """A BlobProto in the form of `like`: its dtype, the field of its numbers, and its way of storing the shape.

    Args:
        blob: the numbers, of any shape; legacy blobs need at most four axes.

    Returns:
        Literal bytes, and where many kernels of the file of `like` only move, the ranges that they stand on.
    """
    shape = padded(blob.shape) if like.legacy else blob.shape
    data = wrapped(like.number, _numbers(blob, like))
    if like.number == BLOB_RAW:
        data = (tagged(BLOB_RAW_TYPE, RAW_TYPES.index(like.dtype)), *data)
    if like.legacy:
        return (*(tagged(number, shape[axis]) for number, axis in BLOB_LEGACY.items()), *data)
    said = tagged(BLOB_SHAPE, tagged(SHAPE_DIM, b"".join(wire.varint(size) for size in shape)))
    return (*data, said) if like.number < BLOB_SHAPE else (said, *data)


_HELD = 256 * 1024
"""Bytes of the largest blob that is held, and written in one piece, though its numbers stand in the file."""


def _numbers(blob: Blob, like: BlobRef) -> tuple[Fragment, ...]:
    if type(blob) is ChosenKernels and isinstance(blob.blob, BlobRef) and blob.blob.numbers is not None:
        old, there, size = blob.blob, blob.blob.numbers, blob.count * np.dtype(blob.dtype).itemsize
        if size > _HELD and old.reader is like.reader and old.dtype == like.dtype:
            return tuple(old.range_of(there, *numbers) for numbers in blob.ranges(0, len(blob.chosen)))
    return (np.ascontiguousarray(blob.load(), like.dtype).reshape(-1).view(np.uint8).data,)
