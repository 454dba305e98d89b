"""The three statistics that ANALYSIS.md declares, by their definitions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def paired(differences: Sequence[float]) -> Interval:
    """The mean of paired differences with a 95 % interval by Student's t.

    Raises:
        ValueError: fewer than two differences.
    """
    if len(differences) < 2:
        raise ValueError("an interval needs two differences at least")
    mean = statistics.fmean(differences)
    half = t_quantile(len(differences) - 1) * statistics.stdev(differences) / math.sqrt(len(differences))
    return Interval(mean, mean - half, mean + half)


def t_quantile(freedom: int) -> float:
    """Where Student's t of so many degrees of freedom leaves 2.5 % above: its density integrated by Simpson's rule, and bisection."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))

    def density(t: float) -> float:
        return scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2)

    def above_zero(t: float, pieces: int = 2000) -> float:
        step = t / pieces
        inner = sum((4 if at % 2 else 2) * density(at * step) for at in range(1, pieces))
        return (density(0) + density(t) + inner) * step / 3

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if above_zero(middle) < 0.475 else (low, middle)
    return (low + high) / 2


def mcnemar(only_one: int, only_other: int) -> float:
    """The two-sided p-value of McNemar's exact test: of images that just one of two nets has right, either is as likely to have it."""
    count, fewer = only_one + only_other, min(only_one, only_other)
    tail = sum(math.comb(count, at) for at in range(fewer + 1))
    return min(1.0, 2 * tail / 2**count)
