"""Scores of kernels: how purposefully each moved during training.

No formula of TPM is published. `coherence` is this project's reading of what is known of it (net displacement over path
length, which lies in [0, 1] and does not measure magnitude); the others serve where there is less evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

DIGITS = 9
"""Significant digits of a score: fewer than float64's, so that the order of a sum does not reach the ranking."""

BINS = 10
"""Bins of the entropy (our reading: ten equal bins fit the published entropies, which stay below ln 10)."""

_Weights = npt.NDArray[np.floating[Any]]
_Scores = tuple[float, ...]


@dataclass(frozen=True)
class Measure:
    """A way to score kernels.

    Attributes:
        score: takes the layer's weights over the window, each (num_output, ...), and gives (num_output,) float64.
        snapshots: the fewest weights it takes. tpm: whether it measures training at all.
        unit_range: whether scores lie in [0, 1], so that the entropy's bins do too.
        needs_state: whether the second item of the window is the history blob of a solver state.
    """

    name: str
    score: Callable[[Iterable[_Weights]], npt.NDArray[np.float64]]
    snapshots: int
    tpm: bool
    unit_range: bool
    summary: str
    reference: str
    needs_state: bool = False


_ROWS = 64
"""Kernels worked on at a time: float64 copies of a whole layer would take twice its memory, several times over."""


def _norms(weights: _Weights, start: _Weights | None = None) -> npt.NDArray[np.float64]:
    """||w|| per kernel, or ||w - start||, in float64."""
    found = np.empty(len(weights))
    for at in range(0, len(weights), _ROWS):
        rows = np.asarray(weights[at : at + _ROWS], np.float64)
        rows = rows if start is None else rows - start[at : at + _ROWS]
        rows = rows.reshape(len(rows), -1)
        found[at : at + _ROWS] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return found


def coherence(window: Iterable[_Weights]) -> npt.NDArray[np.float64]:
    """Path efficiency: ||w(t_n) - w(t_0)|| / sum_i ||w(t_i) - w(t_(i-1))|| per kernel; 0 for a kernel that never moved.

    Holds two snapshots and the first at a time, however many there are.
    """
    first = before = now = None
    path: npt.NDArray[np.float64] | float = 0.0
    for now in window:
        if before is None:
            first = now
        else:
            path = path + _norms(now, before)
        before = now
    assert first is not None
    assert now is not None
    return _ratio(_norms(now, first), np.broadcast_to(path, len(first)))


def ratio(window: Iterable[_Weights]) -> npt.NDArray[np.float64]:
    """Relative displacement: ||w(t_n) - w(t_0)|| / ||w(t_0)|| per kernel; 0 for a kernel that started at zero."""
    first = last = None
    for last in window:
        first = last if first is None else first
    assert first is not None
    assert last is not None
    return _ratio(_norms(last, first), _norms(first))


def update(window: Iterable[_Weights]) -> npt.NDArray[np.float64]:
    """||history|| / ||w|| per kernel: for SGD the last update over the weights; 0 for a kernel that is zero.

    Args:
        window: the weights, then the blob that the solver keeps for them.
    """
    weights, history = window
    return _ratio(_norms(history), _norms(weights))


def norm(window: Iterable[_Weights]) -> npt.NDArray[np.float64]:
    """||w|| of the last weights per kernel: a stand-in that knows nothing of training."""
    *_, last = window
    return _norms(last)


def _ratio(top: npt.NDArray[np.float64], bottom: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)


MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            "coherence", coherence, 3, True, True,
            "net displacement over path length across three or more snapshots, in [0, 1]",
            "our reading of TPM as path efficiency; the author of the method published no formula",
        ),
        Measure(
            "ratio", ratio, 2, True, False,
            "net displacement over starting norm between two snapshots",
            "our stand-in for TPM where there are only two snapshots (path efficiency would always be 1)",
        ),
        Measure(
            "update", update, 1, True, False,
            "norm of the solver's history over norm of the weights, from one snapshot and its solver state",
            "our stand-in for TPM where there is one snapshot; for SGD the history is the last update",
            needs_state=True,
        ),
        Measure(
            "norm", norm, 1, False, False,
            "norm of the weights: NOT a TPM, a stand-in when there is nothing else",
            "the kernel norm of magnitude pruning (Li et al., Pruning Filters for Efficient ConvNets, 2017)",
        ),
    )
}  # fmt: skip
"""Measures from the best evidence to none."""


def rounded(scores: Iterable[float]) -> _Scores:
    """Scores as they are ranked and written: to `DIGITS` significant digits."""
    return tuple(float(f"{float(score):.{DIGITS}g}") for score in scores)


def entropy(scores: Sequence[float], top: float = 1.0) -> float:
    """Shannon entropy, natural log, of the scores over ten equal bins of [0, top]; the last bin includes `top`,
    the first whatever is below 0.

    `top` is 1 for a measure of unit range, else the largest score over the layers compared.
    """
    top = top if top > 0 else 1.0
    bins = [min(BINS - 1, int(min(max(score, 0.0), top) / top * BINS)) for score in scores]
    shares = [bins.count(index) / len(scores) for index in set(bins)]
    return abs(math.fsum(-share * math.log(share) for share in shares))
