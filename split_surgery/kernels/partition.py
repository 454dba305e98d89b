"""Kernels into fast and slow: the order they are ranked in, and how many are fast."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from split_surgery.errors import UsageError
from split_surgery.kernels.fast_count import fast_count
from split_surgery.kernels.orders import Order


def rng(seed: int, layer: str, what: str | int) -> np.random.RandomState:
    """A random stream for one purpose, equal on every machine, Python and numpy.

    The stream of RandomState is frozen (NEP 19). It is seeded with the eight big-endian uint32 of the SHA-256 of
    `seed NUL layer NUL what`; `what` is a blob's index for its noise.
    """
    key = b"\0".join((str(seed).encode(), layer.encode("utf-8", "surrogateescape"), str(what).encode()))
    return np.random.RandomState(np.frombuffer(hashlib.sha256(key).digest(), ">u4").astype(np.uint32))


def ranking(scores: Sequence[float], order: Order, seed: int, layer: str) -> tuple[int, ...]:
    """Channels from fast to slow. Ties keep the lower channel first."""
    channels = range(len(scores))
    if order == "random":
        return tuple(int(channel) for channel in rng(seed, layer, "order").permutation(len(scores)))
    sign = -1 if order == "tpm" else 1
    return tuple(sorted(channels, key=lambda channel: (sign * scores[channel], channel)))


def fast_and_slow(order: Sequence[int], policy: str, group: int = 1) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Fast and slow channels of a ranking, each ascending.

    Args:
        order: channels from fast to slow.
        group: the convolution's. Kernels are ranked within each group, and the same number is taken fast from each, so that
            both halves keep the group.

    Raises:
        UsageError: see fast_count; or a number of kernels that the groups cannot share.
    """
    size = len(order) // group
    if policy.isdecimal() and group > 1 and int(policy) % group == 0:
        policy = str(int(policy) // group)
    elif policy.isdecimal() and group > 1:
        raise UsageError(
            f"--fast {policy}: the layer has {group} groups, which must have equally many: give a multiple of {group}"
        )
    count = fast_count(policy, size)
    fast = [channel for at in range(group) for channel in [c for c in order if c // size == at][:count]]
    return tuple(sorted(fast)), tuple(sorted(set(order) - set(fast)))
