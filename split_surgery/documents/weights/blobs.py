"""What every weights file has, protobuf or HDF5: layers with blobs, found by name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from split_surgery.errors import FileError, FilePlace, Place

Array = npt.NDArray[np.floating[Any]]

_Size = TypeVar("_Size", int, "int | None")


class Blob(Protocol):
    """A blob on disk, whose numbers are read only by `load` and `part`.

    Attributes:
        shape: as stored; a legacy blob has four axes (num, channels, height, width).
        dtype: `<f4`, `<f8`, or `<f2` (NVIDIA's half precision). count: how many numbers are stored.
        index: which of its layer's blobs it is: 0 the weight, 1 the bias.
        apart: whether `part` reads that part only.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def legacy(self) -> bool: ...
    @property
    def dtype(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def apart(self) -> bool: ...
    @property
    def fault(self) -> str:
        """Why Caffe would stop at the numbers, or they cannot be read: too few, too many, in an unknown form; else ""."""
        ...

    def place(self) -> Place: ...
    def load(self) -> Array:
        """The numbers as a little-endian array of `shape` and `dtype`, C order.

        Raises:
            FileError: the numbers and the shape disagree.
            Unsupported: the numbers are stored in a form that is not read.
        """
        ...

    def part(self, start: int, stop: int) -> Array:
        """The numbers of `start <= i < stop` in C order, as one axis. Raises: as `load`."""
        ...


def padded(shape: tuple[_Size, ...]) -> tuple[_Size | int, ...]:
    """A shape as legacy blobs have it: with four axes, ones in front."""
    return (1,) * (4 - len(shape)) + shape


def same_shape(a: Blob, b: Blob) -> bool:
    """Whether two blobs have one shape; that of a legacy one has been padded to four axes."""
    return a.shape == b.shape or ((a.legacy or b.legacy) and padded(a.shape) == padded(b.shape))


def fits(blob: Blob, shape: Sequence[int | None] | None) -> bool:
    """Whether Caffe would copy a stored blob into a layer's own of this shape (Blob::ShapeEquals of Caffe 1.0).

    Args:
        shape: the layer's; None for a size, or for the whole, that is not known, which then may be any.
    """
    if shape is None:
        return True
    wanted = tuple(shape)
    if blob.legacy:
        wanted = padded(wanted)
    return len(wanted) == len(blob.shape) and all(size in (None, own) for size, own in zip(wanted, blob.shape))


@dataclass(frozen=True)
class Record:
    """One layer of a weights file. HDF5 says neither type nor connections: they are empty.

    Attributes:
        leaves_out_shared: whether blobs that another layer owns are left out (HDF5), and not stored with each layer.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[Blob, ...]
    place: Place
    leaves_out_shared: ClassVar[bool] = True

    def blob(self, index: int) -> Blob | None:
        """The blob of that index; HDF5 leaves out those that another layer owns."""
        return next((blob for blob in self.blobs if blob.index == index), None)

    def digest(self) -> str:
        """A SHA-256 of what the record holds."""
        found = hashlib.sha256()
        for blob in self.blobs:
            found.update(f"{blob.index} {blob.dtype} {blob.shape}\n".encode())
            for piece in pieces(blob):
                found.update(np.ascontiguousarray(piece).data)
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class Held:
    """A blob that is not written yet (see Blob); `file` is what it will be part of."""

    array: Array
    index: int
    file: str
    legacy: bool = False
    apart: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> str:
        return f"<f{self.array.dtype.itemsize}"

    @property
    def count(self) -> int:
        return self.array.size

    @property
    def fault(self) -> str:
        return ""

    def place(self) -> Place:
        return FilePlace(self.file)

    def load(self) -> Array:
        return self.array

    def part(self, start: int, stop: int) -> Array:
        return self.array.reshape(-1)[start:stop]


@dataclass(frozen=True, eq=False)
class ChosenKernels:
    """Some kernels of another blob, in the order given, as a blob that is not written yet (see Blob): none is read before it is asked
    for.

    Attributes:
        shape: (kernels, ...): what a kernel is like without its first axis.
    """

    blob: Blob
    chosen: tuple[int, ...]
    shape: tuple[int, ...]
    legacy: ClassVar[bool] = False
    fault: ClassVar[str] = ""

    @property
    def apart(self) -> bool:
        return self.blob.apart

    @property
    def dtype(self) -> str:
        return self.blob.dtype

    @property
    def index(self) -> int:
        return self.blob.index

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    def place(self) -> Place:
        return self.blob.place()

    def load(self) -> Array:
        return self.part(0, self.count).reshape(self.shape)

    def part(self, start: int, stop: int) -> Array:
        width = math.prod(self.shape[1:])
        first, last = start // max(1, width), -(-stop // max(1, width))
        parts = [self.blob.part(*numbers) for numbers in self.ranges(first, last)]
        whole = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, self.dtype), *parts])
        return whole[start - first * width : stop - first * width]

    def ranges(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Where the numbers of some of these kernels stand in the other blob; those of neighbours are one range."""
        width = math.prod(self.shape[1:])
        began = first
        for at in range(first, last):
            if at + 1 == last or self.chosen[at + 1] != self.chosen[at] + 1:
                yield self.chosen[began] * width, (self.chosen[at] + 1) * width
                began = at + 1


@dataclass(frozen=True, eq=False)
class MadeKernels(ChosenKernels):
    """The same, each of them made into something else, in the dtype of the blob: worked out whenever it is asked for, and not held.

    Attributes:
        make: takes some of the kernels, (n, ...), and gives as many of the same shape, in any dtype.
    """

    make: Callable[[Array], Array]

    def part(self, start: int, stop: int) -> Array:
        width = max(1, math.prod(self.shape[1:]))
        first, step = start // width, max(1, _MADE // width)
        made = np.empty(stop - first * width, self.dtype)
        for at in range(first * width, stop, step * width):
            some = super().part(at, min(self.count, at + step * width)).reshape(-1, *self.shape[1:])
            numbers = self.make(some).reshape(-1)[: stop - at]
            made[at - first * width :][: len(numbers)] = numbers
        return made[start - first * width :]


_MADE = 128 * 1024
"""Numbers made at a time."""

PIECE = 8 * 1024 * 1024
"""Bytes of a blob that are one piece: sums over a blob are those of its pieces, added in their order."""


_FEW = 1024 * 1024
"""Bytes looked at at a time, where the result is the same for all sizes."""


def in_parts(blob: Blob) -> Blob:
    """The blob, or one that holds its numbers where each part would read them all.

    Raises:
        FileError, Unsupported: as `Blob.load`.
    """
    return blob if blob.apart else Held(blob.load(), blob.index, "", blob.legacy)


def pieces(blob: Blob, size: int = _FEW) -> Iterator[Array]:
    """The numbers as flat arrays of at most `size` bytes, read as they are asked for where the file allows it.

    Raises:
        FileError, Unsupported: as `Blob.load`.
    """
    there = in_parts(blob)
    for start, stop in piece_ends(blob, size):
        yield there.part(start, stop)


def piece_ends(blob: Blob, size: int) -> Iterator[tuple[int, int]]:
    """Where the pieces of at most `size` bytes begin and end, in numbers.

    Raises:
        FileError, Unsupported: as `Blob.load`, where it has none.
    """
    step = size // np.dtype(blob.dtype).itemsize
    if not blob.count:
        blob.load()  # says so, where there should be numbers
    for start in range(0, blob.count, step):
        yield start, min(blob.count, start + step)


class Weights(Protocol):
    """A weights file; `name` is how it was named on the command line."""

    @property
    def name(self) -> str: ...
    @property
    def layers(self) -> Sequence[Record]: ...
    def named(self, name: str) -> Sequence[Record]:
        """The records of that name (more than one only in odd files), Caffe's own Split layers left out."""
        ...


def all_finite(blob: Blob) -> bool:
    """Whether a blob holds neither NaN nor infinity."""
    return all(np.isfinite(piece).all() for piece in pieces(blob))


def check_finite(blob: Blob, layer: str) -> None:
    """Raises: FileError, where a blob of that layer holds NaN or infinity."""
    if not all_finite(blob):
        raise FileError(f'layer "{layer}" holds NaN or infinity', blob.place())


def finite(blob: Blob, layer: str, kernels: slice = slice(None)) -> Array:
    """The numbers of a blob of that layer, as stored: of all its kernels, or of those that a slice says.

    Raises:
        FileError: they hold NaN or infinity.
    """
    if kernels == slice(None):
        found = blob.load()
    else:
        width = math.prod(blob.shape[1:])
        found = blob.part(kernels.start * width, kernels.stop * width).reshape(-1, *blob.shape[1:])
    if not np.isfinite(found).all():
        raise FileError(f'layer "{layer}" holds NaN or infinity', blob.place())
    return found
