"""The numbers of blobs, a piece at a time: what one holds, and how two differ."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from split_surgery.documents.weights.blobs import Array, Blob, pieces


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


def summary(blob: Blob) -> Summary:
    """What a blob holds, read once.

    Raises:
        FileError, Unsupported: its numbers cannot be read.
    """
    digest, squares, nan, infinite = hashlib.sha256(), 0.0, 0, 0
    low, high = math.inf, -math.inf
    for piece in pieces(blob):
        digest.update(np.ascontiguousarray(piece).data)
        fine = np.isfinite(piece)
        if not fine.all():
            nan += int(np.isnan(piece).sum())
            infinite += int(np.isinf(piece).sum())
            piece = piece[fine]
        if piece.size:
            low, high = min(low, float(piece.min())), max(high, float(piece.max()))
            squares += _squares(piece)
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
        alike = int(np.count_nonzero(same))
        equal += alike
        old, new = old + _squares(x), new + _squares(y)
        if alike < len(x):
            steps = _steps(x, y, ~same, len(x) - alike)
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
        moved, size = moved + _squares(y, x), size + _squares(x)
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


_BLOCK = 128 * 1024
"""Numbers worked on as float64 at a time."""


def _steps(x: Array, y: Array, chosen: npt.NDArray[np.bool_], count: int) -> npt.NDArray[np.float64]:
    """By how much the chosen numbers of two arrays differ, of which there are `count`."""
    found, done = np.empty(count), 0
    for at in range(0, len(x), _BLOCK):
        some = chosen[at : at + _BLOCK]
        before, after = (side[at : at + _BLOCK][some].astype(np.float64) for side in (x, y))
        with np.errstate(invalid="ignore", over="ignore"):
            found[done : done + len(before)] = np.abs(after - before)
        done += len(before)
    return found


def _squares(numbers: Array, less: Array | None = None) -> float:
    """The sum of the squares of numbers, or of what they are above others, in float64.

    Long arrays are halved where numpy's own pairwise sum halves them, so that the sum is that of the whole to the last bit.
    """
    if len(numbers) > _BLOCK:
        half = len(numbers) // 2 - len(numbers) // 2 % 8
        sides = (slice(0, half), slice(half, None))
        first, second = (_squares(numbers[side], None if less is None else less[side]) for side in sides)
        return first + second
    with np.errstate(invalid="ignore", over="ignore"):
        wide = numbers.astype(np.float64)
        return float(np.square(wide if less is None else wide - less.astype(np.float64)).sum())
