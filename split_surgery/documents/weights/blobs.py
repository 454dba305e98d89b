"""What every weights file has, protobuf or HDF5: layers with blobs, found by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from split_surgery.errors import FileError, FilePlace, Place

Array = npt.NDArray[np.floating[Any]]

_Size = TypeVar("_Size", int, "int | None")


class Blob(Protocol):
    """A blob on disk, whose numbers are read only by `load`.

    Attributes:
        shape: as stored; a legacy blob has four axes (num, channels, height, width).
        dtype: `<f4`, `<f8`, or `<f2` (NVIDIA's half precision). count: how many numbers are stored.
        index: which of its layer's blobs it is: 0 the weight, 1 the bias.
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
            found.update(np.ascontiguousarray(blob.load()).data)
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class Held:
    """A blob that is not written yet (see Blob); `file` is what it will be part of."""

    array: Array
    index: int
    file: str
    legacy: bool = False

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


PIECE = 8 * 1024 * 1024
"""Bytes of a blob compared at a time, where it can be read in pieces."""


class Weights(Protocol):
    """A weights file; `name` is how it was named on the command line."""

    @property
    def name(self) -> str: ...
    @property
    def layers(self) -> Sequence[Record]: ...
    def named(self, name: str) -> Sequence[Record]:
        """The records of that name (more than one only in odd files), Caffe's own Split layers left out."""
        ...


def finite(blob: Blob, layer: str) -> Array:
    """The numbers of a blob of that layer, as stored.

    Raises:
        FileError: they hold NaN or infinity.
    """
    loaded = blob.load()
    if not np.isfinite(loaded).all():
        raise FileError(f'layer "{layer}" holds NaN or infinity', blob.place())
    return loaded
