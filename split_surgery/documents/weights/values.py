"""The numbers of blobs, a piece at a time: what one holds, and how two differ."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import PIECE, Array, Blob
from split_surgery.documents.weights.caffemodel import BlobRef
from split_surgery.documents.weights.hdf5 import Hdf5Blob


@dataclass(frozen=True)
class Summary:
    """What a blob holds.

    Attributes:
        digest: the first 16 digits of the SHA-256 of its numbers, little-endian, as stored.
        smallest, largest, norm: of its finite numbers; None where there are none. The norm is the root of the sum of squares.
        nan, infinite: how many of its numbers are that.
    """

    digest: str
    smallest: float | None
    largest: float | None
    norm: float | None
    nan: int
    infinite: int


@dataclass(frozen=True)
class Difference:
    """How the numbers of two blobs of one size differ; nan or infinity where theirs do.

    Attributes:
        drift: ||new - old|| / ||old||; infinite where the old norm is 0.
        norms: ||old|| and ||new||. largest: the largest absolute difference of one number.
        equal: the share of numbers that have the same bits (of blobs of different dtypes: the same value).
    """

    drift: float
    norms: tuple[float, float]
    largest: float
    equal: float


def pieces(blob: Blob) -> Iterator[Array]:
    """The numbers as flat arrays of at most PIECE bytes, read as they are asked for where the file allows it.

    Raises:
        FileError, Unsupported: as `Blob.load`.
    """
    size = np.dtype(blob.dtype).itemsize
    step = PIECE // size
    if isinstance(blob, Hdf5Blob):
        for at in range(0, blob.count, step):
            yield blob.part(at, min(blob.count, at + step))
        return
    packed = _packed(blob) if isinstance(blob, BlobRef) and blob.count > step else None
    if packed is None or not isinstance(blob, BlobRef):
        whole = blob.load().reshape(-1)
        for at in range(0, len(whole), step):
            yield whole[at : at + step]
        return
    for start in range(packed.value, packed.stop, PIECE):
        yield np.frombuffer(blob.reader.read(start, min(packed.stop, start + PIECE)), blob.dtype)


def _packed(blob: BlobRef) -> wire.WireField | None:
    """The one field that holds all the numbers, as Caffe stores them, if they can be read at all."""
    if blob.problem or math.prod(blob.shape) != blob.count:
        return None
    items = wire.walk(blob.reader, blob.span.start, blob.span.stop, blob.inside)
    found = [item for item in items if item.number == blob.number]
    return found[0] if len(found) == 1 else None


def summary(blob: Blob) -> Summary:
    """What a blob holds, read once.

    Raises:
        FileError, Unsupported: its numbers cannot be read.
    """
    digest, squares, nan, infinite = hashlib.sha256(), 0.0, 0, 0
    low, high = math.inf, -math.inf
    for piece in pieces(blob):
        digest.update(piece.tobytes())
        fine = np.isfinite(piece)
        if not fine.all():
            nan += int(np.isnan(piece).sum())
            infinite += int(np.isinf(piece).sum())
            piece = piece[fine]
        if piece.size:
            low, high = min(low, float(piece.min())), max(high, float(piece.max()))
            squares += _squares(piece.astype(np.float64))
    some = low <= high
    return Summary(
        digest.hexdigest()[:16],
        low if some else None,
        high if some else None,
        squares**0.5 if some else None,
        nan,
        infinite,
    )


def difference(a: Blob, b: Blob) -> Difference | None:
    """How two blobs of one shape differ, or None where all their numbers are equal.

    Raises:
        FileError, Unsupported: the numbers of one cannot be read.
    """
    old = new = moved = largest = 0.0
    equal = 0
    for x, y in _side_by_side(a, b):
        same = x.view(f"u{x.dtype.itemsize}") == y.view(f"u{y.dtype.itemsize}") if x.dtype == y.dtype else x == y
        before, after = x.astype(np.float64), y.astype(np.float64)
        old, new = old + _squares(before), new + _squares(after)
        equal += int(same.sum())
        if not same.all():
            with np.errstate(invalid="ignore", over="ignore"):
                steps = np.abs(after[~same] - before[~same])
            moved += _squares(steps)
            largest = float(np.maximum(largest, steps.max()))  # np.maximum hands NaN on
    if equal == a.count:
        return None
    drift = (moved / old) ** 0.5 if old else math.inf
    return Difference(drift, (old**0.5, new**0.5), largest, equal / a.count)


def same_numbers(a: Blob, b: Blob) -> bool:
    """Whether two blobs hold the same bits.

    Raises:
        FileError, Unsupported: the numbers of one cannot be read.
    """
    return (a.count, a.dtype) == (b.count, b.dtype) and difference(a, b) is None


def sums_of_squares(a: Blob, b: Blob) -> tuple[float, float]:
    """Of the differences of the numbers of two blobs of one size, and of the first's numbers.

    Raises:
        FileError, Unsupported: the numbers of one cannot be read.
    """
    moved = size = 0.0
    for x, y in _side_by_side(a, b):
        old = x.astype(np.float64)
        moved, size = moved + _squares(y.astype(np.float64) - old), size + _squares(old)
    return moved, size


def _side_by_side(a: Blob, b: Blob) -> Iterator[tuple[Array, Array]]:
    """Pieces of both, of one length each: those of another dtype are longer or shorter."""
    theirs, rest = pieces(b), np.empty(0, b.dtype)
    for mine in pieces(a):
        parts = [rest] if len(rest) else []
        while sum(map(len, parts)) < len(mine):
            parts.append(next(theirs))
        other = parts[0] if len(parts) == 1 else np.concatenate(parts)
        rest = other[len(mine) :]
        yield mine, other[: len(mine)]


def _squares(numbers: Array) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.square(numbers).sum())
