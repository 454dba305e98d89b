"""Kernels for other images: each change says what becomes of kernels and which old image a new one stands for, and the two agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery.folding.forward import convolve
from split_surgery.kernels.image_changes import Color, Gray, Swapped, Unshifted, largest_difference

means = st.lists(st.floats(-200, 200), min_size=1, max_size=4).map(tuple)
changes = st.one_of(
    st.sampled_from([Gray(), Color(), Swapped()]),
    st.builds(Unshifted, means, st.floats(1e-3, 10) | st.floats(-10, -1e-3)),
)


def drawn(change, seed):
    draw = np.random.RandomState(seed)
    weight = draw.standard_normal((4, change.before, 3, 2)).astype(np.float32).astype(np.float64)
    return draw, weight, draw.standard_normal(4).astype(np.float32).astype(np.float64)


@given(change=changes, seed=st.integers(0, 2**16))
def test_the_same_answers_everywhere(change, seed):
    """On whole images, without a pad, at each place."""
    draw, weight, bias = drawn(change, seed)
    image = draw.standard_normal((change.after, 6, 5))
    slide = ((1, 1), (0, 0), (1, 1))
    was = convolve(change.old_image(image), weight, *slide) + bias[:, None, None]
    new, new_bias = change.kernels(weight, bias)
    assert new.shape == (4, change.after, 3, 2)
    now = convolve(image, new, *slide) + new_bias[:, None, None]
    np.testing.assert_allclose(now, was, rtol=1e-9, atol=1e-9 * (1 + np.abs(was).max()))


def test_known_numbers():
    weight = np.arange(12, dtype=np.float64).reshape(2, 3, 1, 2)
    bias = np.array([1.0, 2.0])
    assert Gray().kernels(weight, bias)[0].tolist() == [[[[6, 9]]], [[[24, 27]]]]
    assert Swapped().kernels(weight, bias)[0][0, :, 0, 0].tolist() == [4, 2, 0]
    assert Color().kernels(weight[:, :1] * 3, bias)[0][1, :, 0, 1].tolist() == [7, 7, 7]
    scaled, shifted = Unshifted((1, 2, 3), 0.5).kernels(weight, bias)
    assert scaled[1, 2].tolist() == [[5, 5.5]]
    assert shifted.tolist() == [1 - 0.5 * (1 * 1 + 2 * 5 + 3 * 9), 2 - 0.5 * (1 * 13 + 2 * 17 + 3 * 21)]


@given(change=changes, seed=st.integers(0, 2**16), dtype=st.sampled_from(["<f2", "<f4", "<f8"]))
def test_rounding_is_allowed_and_no_more(change, seed, dtype):
    _, weight, bias = drawn(change, seed)
    weight, bias = weight / 256, bias / 256
    exact = change.kernels(weight, bias)
    stored = tuple(np.ascontiguousarray(one.astype(dtype)) for one in exact)
    for probe in range(3):
        assert largest_difference((weight, bias), stored, change, probe)[0] <= 1
    if change.after > 1:  # the wrong channel
        wrong = np.roll(stored[0], 1, axis=1)
        if not np.array_equal(wrong, stored[0]):
            ratios = [largest_difference((weight, bias), (wrong, stored[1]), change, probe)[0] for probe in range(3)]
            assert max(ratios) > 1


@pytest.mark.parametrize("change", [Gray(), Color(), Swapped(), Unshifted((104.0, 117.0, 123.0), 0.017)])
def test_one_wrong_number_is_found(change):
    _, weight, bias = drawn(change, 1)
    made, made_bias = (one.astype("<f4") for one in change.kernels(weight, bias))
    made = made.copy()
    made[2, 0, 1, 1] *= 1.001
    assert max(largest_difference((weight, bias), (made, made_bias), change, probe)[0] for probe in range(3)) > 1
