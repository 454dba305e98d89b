"""The numbers of blobs, a piece at a time: what one holds, and how two differ."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from split_surgery.documents.weights import blobs
from split_surgery.documents.weights.blobs import Blob, in_parts, piece_ends


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
    digest, nan, infinite = hashlib.sha256(), 0, 0
    low, high = math.inf, -math.inf
    there = in_parts(blob)

    def look(start: int, stop: int) -> _Wide:
        nonlocal nan, infinite, low, high
        numbers = there.part(start, stop)
        digest.update(np.ascontiguousarray(numbers).data)
        fine = np.isfinite(numbers)
        if not fine.all():
            nan += int(np.isnan(numbers).sum())
            infinite += int(np.isinf(numbers).sum())
            numbers = numbers[fine]
        if numbers.size:
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
        return _squares(numbers.astype(np.float64))

    squares = float(_sums(there, look))
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
    a, b = in_parts(a), in_parts(b)
    moved, largest, equal = 0.0, 0.0, 0
    # By how much the numbers of a piece differ that do; only that much is touched.
    steps = np.empty(min(a.count, blobs.PIECE // np.dtype(a.dtype).itemsize))
    count = 0

    def look(start: int, stop: int) -> _Wide:
        nonlocal count
        x, y = a.part(start, stop), b.part(start, stop)
        other = x.view(f"u{x.dtype.itemsize}") != y.view(f"u{y.dtype.itemsize}") if x.dtype == y.dtype else x != y
        before, after = x.astype(np.float64), y.astype(np.float64)
        many = int(np.count_nonzero(other))
        if many:
            with np.errstate(invalid="ignore", over="ignore"):
                steps[count : count + many] = np.abs(after - before)[other]
            count += many
        return np.array((_squares(before), _squares(after)))

    def step_squares(start: int, stop: int) -> _Wide:
        return _squares(steps[start:stop])

    norms = np.zeros(2)
    for start, stop in piece_ends(a, blobs.PIECE):
        count = 0
        norms = norms + _pairwise(look, start, stop)
        equal += stop - start - count
        if count:
            moved += float(_pairwise(step_squares, 0, count))
            largest = float(np.maximum(largest, steps[:count].max()))  # np.maximum hands NaN on
    if equal == a.count:
        return None
    old, new = map(float, norms)
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
    a, b = in_parts(a), in_parts(b)

    def look(start: int, stop: int) -> _Wide:
        old = a.part(start, stop).astype(np.float64)
        return np.array((_squares(b.part(start, stop).astype(np.float64) - old), _squares(old)))

    moved, size = map(float, _sums(a, look) + np.zeros(2))
    return moved, size


_Wide = npt.NDArray[np.float64]

_BLOCK = 128 * 1024
"""Numbers that are read, and held as float64, at a time."""


def _sums(blob: Blob, sums: Callable[[int, int], _Wide]) -> _Wide:
    """What `sums` gives of the numbers `start <= i < stop` of a blob, over all of them."""
    total = np.zeros(())
    for start, stop in piece_ends(blob, blobs.PIECE):
        total = total + _pairwise(sums, start, stop)
    return total


def _pairwise(sums: Callable[[int, int], _Wide], start: int, stop: int) -> _Wide:
    """The same over one piece, of few numbers at a time: halved where numpy's own pairwise sum halves what it adds, so that the sum is
    what numpy says of the whole piece, to the last bit."""
    if stop - start <= _BLOCK:
        return sums(start, stop)
    half = (stop - start) // 2
    middle = start + half - half % 8
    return _pairwise(sums, start, middle) + _pairwise(sums, middle, stop)


def _squares(numbers: _Wide) -> _Wide:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.square(numbers).sum())
