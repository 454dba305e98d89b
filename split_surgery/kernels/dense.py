"""Grouped kernels written out in full and put back, and matrix products: equal on every machine, or fast.

Weights are (num_output, channels // group, kernel_h, kernel_w), C order. Values that are only moved are moved by
indexing, so that their bits stay (-0.0 times 1 plus 0 would be 0.0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Wide = npt.NDArray[np.float64]


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


_COLUMNS, _BLOCK = 1024, 40 * 1024
"""Columns of a product worked on at a time, and numbers: few enough to stay in the processor's cache."""

_SHORT = 64
"""Numbers in numpy's buffer, for rows that are longer: through its usual one of 8,192 it sends a row together with a copy of its factor
for each number, which takes longer than to multiply."""


def product(matrix: Array, columns: Array) -> Wide:
    """matrix (n, m) times columns (m, ...), float64 (n, ...), the m terms of each number added from the first to the last.

    BLAS is faster, but the order in which it adds, and so the last bit, is another one on another machine.
    """
    flat = columns.reshape(len(columns), -1)
    out = np.zeros((len(matrix), flat.shape[1]))
    factors = np.ascontiguousarray(matrix.T, np.float64)[:, :, None]
    before = np.getbufsize()
    np.setbufsize(_SHORT if flat.shape[1] > _SHORT else before)
    try:
        for left in range(0, flat.shape[1], _COLUMNS):
            block = flat[:, left : left + _COLUMNS].astype(np.float64, copy=False)
            step = max(1, _BLOCK // block.shape[1])
            for top in range(0, len(matrix), step):
                total = out[top : top + step, left : left + _COLUMNS]
                term = np.empty_like(total)
                for factor, row in zip(factors[:, top : top + step], block):
                    np.multiply(factor, row, out=term)
                    total += term
    finally:
        np.setbufsize(before)
    return out.reshape(len(matrix), *columns.shape[1:])


def fast_product(matrix: Array, columns: Array) -> Wide:
    """The same by BLAS, for numbers that are measured and not written: its last bits are those of this machine."""
    if not (np.isfinite(matrix).all() and np.isfinite(columns).all()):
        return product(matrix, columns)  # BLAS may leave out what is multiplied by zero, be it infinite
    flat = columns.reshape(len(columns), -1)
    found: Wide = np.matmul(matrix, flat, dtype=np.float64)
    return found.reshape(len(matrix), *columns.shape[1:])


Product = Callable[[Array, Array], Wide]
"""`product` or `fast_product`."""
