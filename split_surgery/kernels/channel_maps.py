"""Maps that treat the channels one by one, or take some of them; and what they make of maps that slide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from split_surgery.kernels.dense import Wide
from split_surgery.kernels.linear_maps import PADDED_BIAS, LinearMap, NotExact, Slide, largest_of, passed_on

SPREAD_SHIFT = "it spreads what has been shifted, and not each pixel of its top gets all taps of its kernel"


@dataclass(frozen=True)
class ChannelMap:
    """scale * x + shift, channel by channel, float64 (channels,); a diagonal matrix that is not written out.

    Of a map that does the same to all channels, however many there are, the two are scalars.
    """

    scale: Wide
    shift: Wide
    roundings: int = 1

    @property
    def channels(self) -> int | None:
        """How many it is for; None for any number."""
        return len(self.scale) if self.scale.ndim else None

    def then(self, scale: Wide | None, shift: Wide | None) -> ChannelMap:
        """The same with another such map after it."""
        both = np.broadcast_arrays(
            self.scale if scale is None else self.scale * scale,
            (self.shift if scale is None else self.shift * scale) + (0.0 if shift is None else shift),
        )
        return ChannelMap(both[0], both[1], self.roundings + 2)

    def as_kernels(self) -> LinearMap:
        """As 1x1 kernels of one channel each, (channels, 1, 1, 1), the way a depthwise convolution has them."""
        reach = max(largest_of(self.scale), largest_of(self.shift))
        weight = self.scale[:, None, None, None]
        return LinearMap(weight, self.shift, Slide((1, 1)), len(weight), True, reach, self.roundings)

    def written_out(self, channels: int) -> LinearMap:
        """As a 1x1 convolution."""
        scale, shift = np.broadcast_to(self.scale, channels), np.broadcast_to(self.shift, channels)
        reach = max(largest_of(scale), largest_of(shift))
        weight = np.diag(scale)[:, :, None, None]
        return LinearMap(weight, shift, Slide((1, 1)), bias_term=True, reach=reach, roundings=self.roundings)


class ChannelRange(NamedTuple):
    """Some of a number of channels, one after the other: what a Slice hands on."""

    start: int
    stop: int
    of: int

    def part(self, start: int, stop: int) -> ChannelRange:
        """Some of these."""
        return ChannelRange(self.start + start, self.start + stop, self.of)


def scaled(scale: Wide | None, shift: Wide | None, inner: LinearMap) -> LinearMap:
    """scale * y + shift by channel, float64 (n,) or one number, of a map's output y; None leaves it as it is."""
    weight, bias, reach, roundings = inner.weight, inner.bias, inner.reach, inner.roundings
    # Of one number an array is made, since NumPy 1 takes a single one times float32 for float32.
    if scale is not None:
        scale = np.broadcast_to(scale, len(weight))
        weight, bias = weight * scale[:, None, None, None], bias * scale
        reach, roundings = reach * largest_of(scale), roundings + 1
    if shift is not None:
        shift = np.broadcast_to(shift, len(weight))
        bias, reach, roundings = bias + shift, reach + largest_of(shift), roundings + 1
    return replace(
        inner,
        weight=weight,
        bias=bias,
        bias_term=inner.bias_term or shift is not None,
        reach=reach,
        roundings=roundings,
    )


def after_channels(outer: LinearMap, inner: ChannelMap) -> LinearMap:
    """`outer` on what a map by channel makes; a matrix may read flattened images, each channel's pixels one after the other.

    Raises:
        NotExact: `outer` pads with zeros, or spreads, what the map has shifted.
    """
    if inner.shift.any() and outer.slide.spreads and outer.slide[:3] != Slide((1, 1))[:3]:
        raise NotExact(SPREAD_SHIFT)
    if any(outer.slide.pad) and inner.shift.any():
        raise NotExact(PADDED_BIAS)
    pixels = outer.weight.shape[1] // inner.scale.size
    bias = passed_on(outer, np.repeat(inner.shift, pixels))
    sums = float(np.abs(outer.weight.reshape(len(outer.weight), -1)).sum(axis=1, dtype=np.float64).max())
    return replace(
        outer,
        weight=outer.weight * np.repeat(inner.scale, pixels)[:, None, None],
        bias=bias,
        bias_term=outer.bias_term or bool(inner.shift.any()),
        reach=max(largest_of(inner.scale), 1.0) * outer.reach + sums * largest_of(inner.shift),
        roundings=outer.roundings + inner.roundings + outer.weight[0].size + 1,
    )


def after_range(outer: LinearMap, inner: ChannelRange) -> LinearMap:
    """`outer` on some channels, as a map of all of them."""
    weight = np.zeros((len(outer.weight), inner.of, *outer.weight.shape[2:]), outer.weight.dtype)
    weight[:, inner.start : inner.stop] = outer.weight
    return replace(outer, weight=weight)
