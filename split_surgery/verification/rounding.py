"""What rounding may make of the numbers of a folded layer, whoever has folded it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from split_surgery.documents.weights.blobs import Array
from split_surgery.kernels.linear_maps import LinearMap

SAFETY = 4.0
"""Times the machine epsilon: what another program's rounding (of factors, say, and then of the product) may add up to."""

_ONE, _WHOLE = 4.0, 8.0
"""n positive products in float32, added one after the other, err by sqrt(n) / 8 epsilons: 0.4, 1.0, 3.0 and 8.3 were measured for
n = 8, 64, 512 and 4,096; of 400 such sums the worst by three times as much. So twice that counts for one number."""


class Excess:
    """How far a layer's numbers are from those of the block that it stands for, in units of what rounding explains.

    A program that folds in the layer's dtype rounds factors, products and sums. What that makes of a number is bounded by what the
    absolute values of its products sum to (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and not by the number,
    which may be what is left where they cancel. So each number is held against its own magnitude, and weight and bias as a whole
    against theirs, where roundings average out.
    """

    def __init__(self, dtype: np.dtype[np.floating[Any]], layers: int) -> None:
        """dtype: the layer's. layers: how many the block has; each may round once more."""
        self.layers = layers
        self.eps, self.least = (
            float(np.finfo(dtype).eps),
            float(np.finfo(dtype).tiny),
        )  # below the least normal number all is rounding
        self.worst, self.root_of_terms, self.known = 0.0, 0.0, True
        self.moved, self.whole = np.zeros(2), np.zeros(2)  # of the weight and of the bias

    def add(self, pairs: Sequence[tuple[Array, Array]], magnitudes: LinearMap) -> None:
        """Take some of the numbers in.

        Args:
            pairs: the layer's weight and the block's, and their biases, if they are among them.
            magnitudes: the block in absolute values.
        """
        self.root_of_terms = max(self.root_of_terms, math.sqrt(magnitudes.roundings))
        for part, (mine, its) in enumerate(pairs):
            size = (magnitudes.weight, magnitudes.bias)[part].astype(np.float64)
            difference = np.abs(its.astype(np.float64) - mine)
            self.known &= bool(np.isfinite(size).all())
            explained = SAFETY * self.eps * (self.layers + self.root_of_terms / _ONE) * size + self.least
            self.worst = float(np.maximum(self.worst, (difference / explained).max(initial=0.0)))  # which hands NaN on
            self.moved[part] += np.vdot(difference, difference)
            self.whole[part] += np.vdot(size, size)

    @property
    def value(self) -> float | None:
        """Up to 1 rounding explains all; None where a magnitude is infinite."""
        if not self.known:
            return None
        times = max(
            1.0, self.root_of_terms / _WHOLE, self.layers / _WHOLE
        )  # few numbers, or equal ones, do not average out
        explained = SAFETY * self.eps * times * np.sqrt(self.whole) + self.least
        return float(np.maximum(self.worst, (np.sqrt(self.moved) / explained).max()))
