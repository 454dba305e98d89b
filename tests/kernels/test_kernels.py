"""Scores, groups, initial values and the algebra of a block: known values, laws, and a second implementation."""

from __future__ import annotations

import hashlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from split_surgery.errors import UsageError
from split_surgery.kernels import dense, initial
from split_surgery.kernels.fast_count import fast_count
from split_surgery.kernels.linear_maps import Slide, after, of_layer
from split_surgery.kernels.partition import fast_and_slow, ranking, rng
from split_surgery.kernels.tpm import MEASURES, entropy, rounded

finite = st.floats(-100, 100, width=32)
windows = st.integers(3, 6).flatmap(lambda n: hnp.arrays(np.float32, (n, 4, 2, 3, 3), elements=finite))


def naive_coherence(window):
    """Path efficiency written independently: plain Python, kernel by kernel."""
    scores = []
    for kernel in range(len(window[0])):
        points = [[float(x) for x in weights[kernel].ravel()] for weights in window]
        path = sum(math.dist(a, b) for a, b in itertools.pairwise(points))
        scores.append(math.dist(points[0], points[-1]) / path if path else 0.0)
    return scores


@given(windows)
def test_coherence_against_a_second_implementation(window):
    scores = MEASURES["coherence"].score(iter(window))
    assert scores.tolist() == pytest.approx(naive_coherence(window), rel=1e-9, abs=1e-12)
    assert all(0 <= score <= 1 for score in rounded(scores))


def walk(*steps):
    """Weights of one kernel of len(steps[0]) numbers, before and after each step."""
    return [
        np.array(point, np.float64).reshape(1, 1, 1, -1)
        for point in np.cumsum([np.zeros(len(steps[0])), *steps], axis=0)
    ]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (walk([1, 0], [2, 0], [0.5, 0]), 1),
        (walk([1, 0, 0], [0, 1, 0], [0, 0, 1]), 1 / math.sqrt(3)),
        (walk([1, 0], [-1, 0]), 0),
        (walk([0, 0], [0, 0]), 0),
    ],
    ids=["straight", "orthogonal", "there and back", "never moved"],
)
def test_known_coherence(window, expected):
    assert MEASURES["coherence"].score(window)[0] == pytest.approx(expected, abs=1e-15)


def test_ratio_and_norm():
    first, last = np.full((1, 1, 2, 2), 3.0), np.full((1, 1, 2, 2), 4.0)
    assert MEASURES["ratio"].score([first, last * 9, last])[0] == pytest.approx(1 / 3)
    assert MEASURES["ratio"].score([first * 0, last])[0] == 0
    assert MEASURES["norm"].score([first, last])[0] == 8


def test_entropy():
    assert entropy([0.31] * 7) == 0
    assert entropy([i / 10 + 0.05 for i in range(10)]) == pytest.approx(math.log(10))
    assert entropy([0.0, 1.0]) == pytest.approx(math.log(2)), "1 belongs to the last bin"
    assert entropy([2.0, 4.0], top=4.0) == pytest.approx(math.log(2))
    assert entropy([0.0, 0.0], top=0.0) == 0


@pytest.mark.parametrize(
    ("policy", "count", "fast"),
    [
        ("half", 32, 16),
        ("half", 5, 2),
        ("3", 5, 3),
        ("50%", 5, 3),
        ("25%", 10, 3),
        ("24.9%", 10, 2),
        ("0.5%", 100, 1),
        ("99%", 5, None),
    ],
)
def test_fast_count(policy, count, fast):
    if fast is None:
        with pytest.raises(UsageError, match="the slow group would be empty"):
            fast_count(policy, count)
    else:
        assert fast_count(policy, count) == fast


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("0", "fast group would be empty"),
        ("6", "slow group"),
        ("400", "more than"),
        ("-1", r"a whole number of kernels \(16\), a share \(50%\), or half"),
        ("x", r"a whole number of kernels \(16\), a share \(50%\), or half"),
        ("1.5", r"a whole number of kernels \(16\), a share \(50%\), or half"),
        ("1%", "fast group"),
    ],
)
def test_fast_counts_that_do_not_fit(policy, message):
    with pytest.raises(UsageError, match=message):
        fast_count(policy, 6)


def test_one_kernel_cannot_be_split():
    with pytest.raises(UsageError, match="one kernel"):
        fast_count("half", 1)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=12), st.data())
def test_ranking(scores, data):
    order = ranking(scores, "tpm", 0, "conv")
    assert sorted(order) == list(range(len(scores)))
    for first, second in itertools.pairwise(order):
        assert scores[first] > scores[second] or (scores[first] == scores[second] and first < second)
    reverse = ranking(scores, "reverse", 0, "conv")
    assert [scores[channel] for channel in reverse] == sorted(scores)
    fast, slow = fast_and_slow(order, str(data.draw(st.integers(1, len(scores) - 1))))
    assert sorted(fast + slow) == list(range(len(scores)))
    assert (list(fast), list(slow)) == (sorted(fast), sorted(slow))


def test_random_order_is_a_permutation_of_its_own():
    scores = [0.0] * 32
    orders = {ranking(scores, "random", seed, layer) for seed in range(3) for layer in ("a", "b")}
    assert len(orders) == 6
    assert all(sorted(order) == list(range(32)) for order in orders)


def test_the_noise_is_the_one_that_is_documented():
    digest = hashlib.sha256(b"7\0conv1_1_reorder\x000").digest()
    seed = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, 32, 4)]
    expected = np.random.RandomState(seed).standard_normal((4, 4))
    assert rng(7, "conv1_1_reorder", 0).standard_normal((4, 4)).tolist() == expected.tolist()
    noisy = initial.noisy(np.eye(4), 0.01, 7, "conv1_1_reorder", 0)
    assert (noisy - np.eye(4)) == pytest.approx((expected * 0.01).astype(np.float32).astype(np.float64), abs=1e-15)


def test_the_noise_never_changes():
    """Bytes that users have reproduced must stay: this digest was taken when the format was made."""
    draw = initial.noisy(np.zeros((3, 5)), 0.01, 0, "conv1_1_reorder", 0).astype("<f4")
    assert (
        hashlib.sha256(draw.tobytes()).hexdigest() == "bf607a61974e12e89dfc8fedc53dc369a417d0ea04e99b175deb3bd0aa24e6db"
    )


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3, 5]), st.sampled_from([1, 3])),
        elements=finite,
    )
)
def test_centre_boosted(weight):
    start = initial.centre_boosted(weight, -0.2, 2.0)
    high, wide = weight.shape[2] // 2, weight.shape[3] // 2
    for index, value in np.ndenumerate(start):
        w = float(weight[index])
        expected = -0.2 * w + 2.0 * w if index[2:] == (high, wide) else -0.2 * w
        assert value == expected


def mixing(matrix):
    return of_layer(np.asarray(matrix)[:, :, None, None], None, Slide((1, 1)))


@given(st.permutations(range(8)), st.integers(1, 7))
def test_every_output_channel_of_the_permutation_appears_once(order, count):
    fast, slow = fast_and_slow(order, str(count))
    matrix = initial.permutation(fast, slow)
    assert matrix.sum(axis=0).tolist() == matrix.sum(axis=1).tolist() == [1.0] * 8
    for place, channel in enumerate((*fast, *slow)):
        assert matrix[channel, place] == 1
    weight = np.arange(8.0).reshape(8, 1, 1, 1)
    back = after(mixing(matrix), of_layer(weight[[*fast, *slow]], None, Slide((1, 1))))
    assert back.weight.tobytes() == weight.tobytes()


@given(st.permutations(range(12)), st.sampled_from([1, 2, 3]), st.integers(1, 3))
def test_every_group_gives_equally_many(order, group, each):
    fast, slow = fast_and_slow(order, str(each * group), group)
    size = 12 // group
    for at in range(group):
        members = [channel for channel in order if channel // size == at]
        assert [channel for channel in fast if channel // size == at] == sorted(members[:each])
    assert sorted(fast + slow) == list(range(12))


@pytest.mark.parametrize(
    ("policy", "count"), [("half", 4), ("50%", 4), ("10%", None), ("4", 4), ("5", None), ("12", None)]
)
def test_policies_within_groups(policy, count):
    if count is None:
        with pytest.raises(UsageError):
            fast_and_slow(range(12), policy, 4)
    else:
        assert len(fast_and_slow(range(12), policy, 4)[0]) == {"half": 4, "50%": 8, "4": 4}[policy]


def test_a_grouped_convolution_is_a_plain_one_with_zeros_between():
    weight = np.arange(4 * 2 * 1 * 1, dtype=np.float32).reshape(4, 2, 1, 1) + 1
    wide = dense.ungrouped(weight, 2)
    assert wide[:, :, 0, 0].tolist() == [[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 5, 6], [0, 0, 7, 8]]
