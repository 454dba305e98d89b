"""What rounding may make of the numbers of a folded block, whoever has folded it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from split_surgery.documents.weights.blobs import Array
from split_surgery.errors import NotFoldable
from split_surgery.folding.compose import Folded
from split_surgery.kernels.linear_maps import LinearMap, embedded

Blocks = Iterator[tuple[slice, Folded]]
"""A map a window after the other, each with the channels that it is of."""

SAFETY = 4.0
"""Times the machine epsilon: what another program's rounding (of factors, say, and then of the product) may add up to."""


def pairs_of(own: LinearMap, channels: slice, folded: Folded) -> list[tuple[Array, Array]]:
    """A layer's weight, in some channels, beside the block's; with the last of them the bias, too. None of both where they are of
    different geometry."""
    now = folded.map
    # The block may read more pixels than the layer does: then the layer is taken for one of that size, with zeros there.
    weight = embedded(own.weight[:, channels], own.slide, now.slide)
    if weight is None or weight.shape != now.weight.shape or folded.channels != own.weight.shape[1]:
        return []
    return [(weight, now.weight), *([(own.bias, now.bias)] if channels.stop == folded.channels else [])]


def excess(own: LinearMap, block: Blocks, sizes: Blocks, layers: int) -> float | None:
    """How far a layer's numbers are from those of the block that it stands for, in units of what rounding explains: up to 1 it explains
    all. None where a size is no number in float64.

    A program that folds in the layer's dtype rounds factors, products and sums. What that makes of a number is bounded by what the
    absolute values of its products sum to (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and not by the number,
    which may be what is left where they cancel. So each number is held against its own size, and weight and bias as a whole against
    theirs, where roundings average out. n terms added one after the other err as the root of n does.

    Args:
        sizes: what the absolute values sum to. layers: how many the block has; each may round once more.
    """
    eps, least = float(np.finfo(own.weight.dtype).eps), float(np.finfo(own.weight.dtype).tiny)
    worst, terms, moved, whole = 0.0, 0.0, np.zeros(2), np.zeros(2)
    try:
        for (channels, folded), (_, measure) in zip(block, sizes):
            most = (measure.map.weight, measure.map.bias)
            for part, (mine, its) in enumerate(pairs_of(own, channels, folded)):
                size, difference = np.abs(most[part], dtype=np.float64), np.abs(its.astype(np.float64) - mine)
                if not np.isfinite(size).all():
                    return None
                terms = math.sqrt(measure.map.roundings)
                explained = SAFETY * eps * (layers + terms / 4) * size + least
                worst = float(np.maximum(worst, (difference / explained).max(initial=0.0)))
                moved[part] += np.vdot(difference, difference)
                whole[part] += np.vdot(size, size)
    except NotFoldable:  # a bias of 0 may have a size, with which nothing can be padded
        return None
    explained = SAFETY * eps * max(1.0, terms / 8) * np.sqrt(whole) + least
    return max(worst, float((np.sqrt(moved) / explained).max()))
