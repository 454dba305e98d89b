"""Coherence, against another implementation and by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery.kernels.tpm import coherence, entropy


def plain_coherence(window):
    """The same written as the formula reads, without anything of the package."""
    scores = []
    for k in range(len(window[0])):
        path = sum(math.dist(b[k].ravel().tolist(), a[k].ravel().tolist()) for a, b in pairwise(window))
        net = math.dist(window[-1][k].ravel().tolist(), window[0][k].ravel().tolist())
        scores.append(net / path if path else 0.0)
    return scores


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 1000))
def test_coherence_against_another_implementation(snapshots, kernels, seed):
    draw = np.random.RandomState(seed)
    window = [draw.standard_normal((kernels, 2, 3, 3)).astype(np.float32) for _ in range(snapshots)]
    assert np.allclose(coherence(iter(window)), plain_coherence(window), rtol=1e-12)


def test_coherence_of_known_walks():
    start = np.zeros((1, 1, 4, 4))
    steps = np.eye(16).reshape(16, 1, 1, 4, 4)
    straight = [start + k * steps[0] for k in range(6)]
    assert coherence(iter(straight))[0] == pytest.approx(1, abs=1e-15)
    for n in (2, 5, 16):
        corners = [start + steps[:k].sum(axis=0) for k in range(n + 1)]
        assert coherence(iter(corners))[0] == pytest.approx(1 / math.sqrt(n), abs=1e-15)
    assert coherence(iter([start, start + steps[0], start]))[0] == 0
    assert coherence(iter([start, start, start]))[0] == 0
    assert entropy([0.3] * 7) == 0
    assert entropy([(k + 0.5) / 10 for k in range(10)]) == pytest.approx(math.log(10), abs=1e-15)
