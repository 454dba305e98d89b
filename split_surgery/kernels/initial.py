"""Initial values of new blobs, and the two ways to write a grouped kernel.

Weights are (num_output, channels // group, kernel_h, kernel_w), C order. Values that are only moved are moved by
indexing, so that their bits stay (-0.0 times 1 plus 0 would be 0.0); the rest is float64, rounded once by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from split_surgery.kernels.partition import rng

Array = npt.NDArray[np.floating[Any]]
Wide = npt.NDArray[np.float64]


def noisy(matrix: Wide, std: float, seed: int, layer: str, blob: int) -> Wide:
    """A 1x1 kernel (n, m) plus normal noise of standard deviation `std`, which is float32 whatever the blob's type is."""
    if not std:
        return matrix
    draw = rng(seed, layer, blob).standard_normal(matrix.shape) * std
    return matrix + draw.astype(np.float32).astype(np.float64)


def identity(count: int) -> Wide:
    return np.eye(count, dtype=np.float64)


def permutation(fast: Sequence[int], slow: Sequence[int]) -> Wide:
    """R of shape (n, n) with R[fast[i], i] = 1 and R[slow[j], len(fast) + j] = 1: channels back in their old order."""
    order = [*fast, *slow]
    matrix = np.zeros((len(order), len(order)))
    matrix[order, range(len(order))] = 1.0
    return matrix


def centre_boosted(weight: Array, surround: float, center: float, even: str | None = None) -> Wide:
    """surround * W everywhere, plus center * W at the spatial centre ((k - 1) / 2 of each axis, k odd).

    With -0.2 and 2 it is the edge-preserving start of residual_pre: 1.8 * W at the centre, negative around it.

    Args:
        weight: (n, c, kernel_h, kernel_w).
        even: which of the two middle taps of an axis of even size is its centre: low, high, or both, and then the center
            weight is spread evenly over the middle taps (two, or four where both axes are even).
    """
    wide = weight.astype(np.float64)
    boosted: Wide = surround * wide
    rows, columns = (_middle(size, even) for size in wide.shape[2:])
    share = center / (len(rows) * len(columns))
    for row in rows:
        for column in columns:
            boosted[..., row, column] += share * wide[..., row, column]
    return boosted


def _middle(size: int, even: str | None) -> tuple[int, ...]:
    """Indices of the centre of an axis."""
    low, high = (size - 1) // 2, size // 2
    if low == high:
        return (low,)
    return {"low": (low,), "high": (high,), "both": (low, high)}[even or "low"]


def ungrouped(weight: Array, group: int) -> Array:
    """A grouped convolution's weight (n, c // group, ...) as that of a plain one, (n, c, ...), with zeros between groups."""
    if group == 1:
        return weight
    count, width = weight.shape[:2]
    dense = np.zeros((count, width * group, *weight.shape[2:]), weight.dtype)
    for at in range(group):
        rows = slice(at * count // group, (at + 1) * count // group)
        dense[rows, at * width : (at + 1) * width] = weight[rows]
    return dense


def grouped(weight: Array, group: int) -> Array | None:
    """The way back: (n, c // group, ...), or None where a number between the groups is not zero."""
    if group == 1:
        return weight
    count, channels = weight.shape[:2]
    if count % group or channels % group:
        return None
    blocks = weight.reshape(group, count // group, group, channels // group, *weight.shape[2:])
    between = np.count_nonzero(weight) - sum(np.count_nonzero(blocks[at, :, at]) for at in range(group))
    return None if between else np.concatenate([blocks[at, :, at] for at in range(group)])


BLOCK = 16 * 1024
"""Numbers of a product worked on at a time: few enough to stay in the processor's cache."""


def product(matrix: Array, columns: Array) -> Wide:
    """matrix (n, m) times columns (m, ...), float64 (n, ...), the m terms of each number added from the first to the last.

    BLAS is faster, but the order in which it adds, and so the last bit, is another one on another machine.
    """
    flat = columns.reshape(len(columns), -1)
    out = np.zeros((len(matrix), flat.shape[1]))
    factors = np.ascontiguousarray(matrix.T, np.float64)[:, :, None]
    step = max(1, BLOCK // max(1, len(matrix)))
    for start in range(0, flat.shape[1], step):
        block = flat[:, start : start + step].astype(np.float64)
        total = np.zeros((len(matrix), block.shape[1]))
        term = np.empty_like(total)
        for factor, row in zip(factors, block):
            np.multiply(factor, row, out=term)
            total += term
        out[:, start : start + step] = total
    return out.reshape(len(matrix), *columns.shape[1:])
