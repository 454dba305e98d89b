"""The numbers of a blob in another precision or shape, worked out as they are read; and what that rounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from split_surgery.documents.weights.blobs import Array, Blob, pieces
from split_surgery.errors import Place


@dataclass(frozen=True, eq=False)
class Cast:
    """A blob in another dtype and with as many numbers in another shape (see Blob); as a blob that is not written yet."""

    blob: Blob
    dtype: str
    shape: tuple[int, ...]
    legacy: bool

    @property
    def index(self) -> int:
        return self.blob.index

    @property
    def count(self) -> int:
        return self.blob.count

    @property
    def apart(self) -> bool:
        return self.blob.apart

    @property
    def fault(self) -> str:
        return self.blob.fault

    def place(self) -> Place:
        return self.blob.place()

    def load(self) -> Array:
        return self.part(0, self.count).reshape(self.shape)

    def part(self, start: int, stop: int) -> Array:
        return cast(self.blob.part(start, stop), self.dtype)


def cast(numbers: Array, dtype: str) -> Array:
    """Numbers in another precision, rounded to the nearest, ties to even; NaN stays NaN, and too large ones become infinite."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return numbers.astype(dtype, copy=False)


@dataclass(frozen=True)
class Rounding:
    """What a blob's numbers lose in another precision.

    Attributes:
        absolute, relative: the largest of one number; those that overflowed or became 0 are counted, and left out here.
        zeros: how many that were not became 0. overflows: how many finite ones became infinite.
        largest: the largest absolute value among the latter.
    """

    absolute: float = 0.0
    relative: float = 0.0
    zeros: int = 0
    overflows: int = 0
    largest: float = 0.0

    def joined(self, other: Rounding) -> Rounding:
        """That of two blobs together."""
        return Rounding(
            max(self.absolute, other.absolute), max(self.relative, other.relative), self.zeros + other.zeros,
            self.overflows + other.overflows, max(self.largest, other.largest),
        )  # fmt: skip


def rounding_of(blob: Blob, dtype: str) -> Rounding:
    """What the numbers of a blob lose in another precision; all of them are read where it is a smaller one.

    Raises:
        FileError, Unsupported: they cannot be read.
    """
    found = Rounding()
    if np.dtype(dtype).itemsize >= np.dtype(blob.dtype).itemsize:
        return found
    for piece in pieces(blob):
        old = piece[np.isfinite(piece)].astype(np.float64)
        new = cast(old, dtype).astype(np.float64)  # rounded once: old holds the very numbers
        over, gone = np.isinf(new), (new == 0) & (old != 0)
        kept = ~(over | gone) & (new != old)
        steps = np.abs(new[kept] - old[kept])
        found = found.joined(
            Rounding(
                float(steps.max(initial=0)), float((steps / np.abs(old[kept])).max(initial=0)),
                int(gone.sum()), int(over.sum()), float(np.abs(old[over]).max(initial=0)),
            )
        )  # fmt: skip
    return found


def unpadded(shape: tuple[int, ...], axes: int) -> tuple[int, ...] | None:
    """A legacy shape, of four axes, with so many; None where the others are not 1."""
    front = len(shape) - axes
    return shape[front:] if front >= 0 and math.prod(shape[:front]) == 1 else None
