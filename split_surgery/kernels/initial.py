"""Initial values of new blobs: identity and permutation with noise, and the centre-boosted start of residual_pre.

Weights are (num_output, channels // group, kernel_h, kernel_w), C order. All is float64, rounded once by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from split_surgery.kernels.dense import Array, Wide
from split_surgery.kernels.partition import rng


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

    With -0.2 and 2 it is the edge-preserving start of residual_pre, W being the slow kernels: 1.8 * W at the centre, negative around
    it. It gets no noise, and its bias starts at zero.

    Args:
        weight: (n, c, kernel_h, kernel_w).
        even: which of the two middle taps of an axis of even size is its centre: low, high, or both, and then the center
            weight is spread evenly over the middle taps (two, or four where both axes are even).
    """
    wide = weight.astype(np.float64)
    boosted: Wide = surround * wide
    rows, columns = (middle(size, even) for size in wide.shape[2:])
    share = center / (len(rows) * len(columns))
    for row in rows:
        for column in columns:
            boosted[..., row, column] += share * wide[..., row, column]
    return boosted


def middle(size: int, even: str | None) -> tuple[int, ...]:
    """Indices of the centre of an axis."""
    low, high = (size - 1) // 2, size // 2
    if low == high:
        return (low,)
    return {"low": (low,), "high": (high,), "both": (low, high)}[even or "low"]
