"""A group of linear layers as the one map it equals.

Between a split layer's bottom and its old top there is no non-linearity, so after any training the block is still one
convolution. Layers are understood by what they are: neither a plan nor a recipe is seen here.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from split_surgery.documents.flow import Flow, Value
from split_surgery.documents.layer import Layer
from split_surgery.documents.net import Net
from split_surgery.documents.weights import Weights
from split_surgery.errors import FileError, FilePlace
from split_surgery.kernels.sliding import NotExact, Sliding, after, scaled, stacked, summed, unchanged
from split_surgery.linear import Trust, by_channel, check_understood, coefficients, convolution, inner_product

Key = TypeVar("Key", bound=Hashable)

CHANNELS, IMAGE, VECTOR = "channel by channel", "convolution", "InnerProduct"
"""What a map reads at once: one pixel of one channel, a patch, or the whole image flattened."""


@dataclass(frozen=True)
class Folded:
    """A block as one convolution, and the names of the layers that it consists of."""

    map: Sliding
    layers: frozenset[str]


def fold_block(
    net: Net, layers: Sequence[Layer], weights: Weights, bottom: str, top: str, trusted: frozenset[str] = frozenset()
) -> Folded:
    """Compose the layers that lead from `bottom` to `top`.

    Args:
        net: the net they are part of. layers: those that may belong to the block, of one phase.
        trusted: names of fork fields that leave a convolution linear.

    Raises:
        FileError: something in between is not linear, or has no weights, or does not slide like the rest.
    """
    trust = Trust(trusted)
    for layer in layers:
        if layer.type == "Convolution":
            check_understood(layer, trust)
    in_place = {blob: layer for layer in layers for blob in layer.tops if blob in layer.bottoms}
    makers = {blob: (layer, layer.bottoms) for layer in layers for blob in layer.tops if blob not in layer.bottoms}
    walk = _Walk(net, weights, makers, bottom, trust)
    found = walk.value(top)
    for blob, layer in in_place.items():
        if (blob in walk.done and blob != top) or blob == bottom:  # on the top itself it comes after the block
            layer.fail("works in place inside the block, and is not linear")
    if found is None or found.over != IMAGE:
        raise FileError(f'"{top}" does not come from a convolution on "{bottom}"', FilePlace(weights.name))
    return Folded(found.map, frozenset(walk.used))


def fold_group(
    net: Net, weights: Weights, flow: Flow, group: Sequence[int], bottom: Value, last: int, trust: Trust
) -> Sliding:
    """Compose a closed group of a flow's layers (places in it), from the value it reads to the top of its `last`.

    Raises:
        FileError, Unsupported: a layer is not linear, not understood, or has no weights; or the whole is not exact.
    """
    makers = {value: (flow.layers[at], flow.reads[at]) for at in group for value in flow.makes[at]}
    walk = _Walk(net, weights, makers, bottom, trust)
    found = walk.value(flow.makes[last][0])
    if found is None or found.over == CHANNELS:
        flow.layers[last].fail("has neither a convolution nor an InnerProduct before it")
    return found.map


class _Found(NamedTuple):
    """The map from the bottom to a value, and what it reads at once."""

    map: Sliding
    over: str


class _Walk(Generic[Key]):
    """From a value back to the bottom; each is composed once. None stands for the bottom itself."""

    def __init__(
        self, net: Net, weights: Weights, makers: Mapping[Key, tuple[Layer, tuple[Key, ...]]], bottom: Key, trust: Trust
    ) -> None:
        self.net = net
        self.weights = weights
        self.makers = makers
        self.bottom = bottom
        self.trust = trust
        self.used: set[str] = set()
        self.done: dict[Key, _Found] = {}
        self.open: set[Key] = set()

    def value(self, key: Key) -> _Found | None:
        if key == self.bottom:
            return None
        if key not in self.done:
            if key not in self.makers:
                name = key.blob if isinstance(key, Value) else key
                raise FileError(f'nothing in the block makes "{name}"', FilePlace(self.weights.name))
            layer, bottoms = self.makers[key]
            if key in self.open:
                layer.fail("its top leads back to its bottom")
            self.open.add(key)
            self.used.add(layer.name)
            check_understood(layer, self.trust)
            inner = [self.value(bottom) for bottom in bottoms]
            try:
                self.done[key] = self._compose(layer, inner)
            except NotExact as error:
                layer.fail(str(error))
        return self.done[key]

    def _compose(self, layer: Layer, inner: list[_Found | None]) -> _Found:
        if layer.type in ("Concat", "Eltwise"):
            return self._joined(layer, inner)
        if len(inner) != 1:
            layer.fail(f"has {len(inner)} bottoms")
        (before,) = inner
        if layer.type == "Convolution":
            own, over = convolution(self.net, self.weights, layer), IMAGE
        elif layer.type == "InnerProduct":
            own, over = inner_product(self.net, self.weights, layer), VECTOR
        else:
            scale, shift = by_channel(self.net, self.weights, layer, self.trust)
            channels = len(shift if scale is None else scale)  # type: ignore[arg-type]  # one of them is there
            before = before or _Found(unchanged(channels), CHANNELS)
            self._check_channels(layer, channels, before.map)
            return _Found(scaled(scale, shift, before.map), before.over)
        if before is None:
            return _Found(own, over)
        if before.over not in (CHANNELS, over):
            layer.fail(f"is a {over} after a {before.over}" if over == IMAGE else f"is an {over} after a {before.over}")
        if over == VECTOR and before.over == CHANNELS and not own.weight.shape[1] % len(before.map.weight):
            return _Found(after(own, before.map), over)  # the pixels of a channel are all treated alike
        self._check_channels(layer, own.weight.shape[1], before.map)
        return _Found(after(own, before.map), over)

    def _joined(self, layer: Layer, inner: list[_Found | None]) -> _Found:
        known = [found for found in inner if found is not None]
        kinds = {found.over for found in known} - {CHANNELS}
        if not known or len(kinds) > 1:
            layer.fail("joins what cannot be joined in one layer")
        identity = unchanged(known[0].map.weight.shape[1])
        maps = [found.map if found is not None else identity for found in inner]
        over = kinds.pop() if kinds else CHANNELS
        if layer.type == "Concat":
            return _Found(stacked(maps), over if over != CHANNELS else IMAGE)
        for each in maps:
            self._check_channels(layer, len(maps[0].weight), each)
        return _Found(summed(maps, coefficients(layer)), over)

    def _check_channels(self, layer: Layer, channels: int, before: Sliding) -> None:
        if channels != len(before.weight):
            layer.fail(f"its weights take {channels} channels, but its bottom has {len(before.weight)}")
