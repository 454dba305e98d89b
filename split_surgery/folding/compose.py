"""A group of linear layers as the one map it equals.

Between a split layer's bottom and its old top there is no non-linearity, so after any training the block is still one
convolution. Layers are understood by what they are: neither a plan nor a recipe is seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar, Union

import numpy as np
import numpy.typing as npt

from split_surgery.documents.net.flow import Flow, Value
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import SLIDING
from split_surgery.documents.net.net import Net
from split_surgery.documents.weights.blobs import Weights
from split_surgery.errors import FilePlace, NotFoldable
from split_surgery.folding.by_channel import by_channel
from split_surgery.folding.linear import coefficients, convolution, inner_product, slice_of, sliced
from split_surgery.folding.understood import JOINED, Trust, check_dropout, check_understood
from split_surgery.kernels.channel_maps import ChannelMap, ChannelRange, after_channels, after_range, scaled
from split_surgery.kernels.dense import Product, fast_product, product
from split_surgery.kernels.linear_maps import (
    WHOLE,
    ChannelWindow,
    LinearMap,
    NotExact,
    Slide,
    after,
    check_exact,
    connected,
    joined_size,
    slide_after,
    stacked,
    summed,
    unchanged,
)

_Key = TypeVar("_Key", bound=Hashable)

CheckSize = Callable[["npt.NDArray[np.bool_]", Slide], None]
"""Is told which channels (c) each output (n) will depend on, and how the map will slide."""

IMAGE, VECTOR = "convolution", "InnerProduct"
"""What a map reads at once: a patch, or the whole image flattened."""


@dataclass(frozen=True)
class Folded:
    """A group of layers as one map.

    Attributes:
        map: seen through a window; of layers by channel alone one kernel of one channel each. channels: that it takes in all, or that
            each of its kernels does. layers: names of those that it consists of.
    """

    map: LinearMap
    channels: int
    layers: frozenset[str]


AT_ONCE = 128 * 1024
"""Numbers of a large map that are composed at a time: what a window holds is a few times these, in float64."""


_MOST_WINDOWS = 24
"""Through each all of the layers is read again: more of them would make the time of a large layer grow with its square."""

Windows = Iterator[tuple[ChannelWindow, slice, Folded]]
"""A map seen through a window after the other: the window, the channels that are in it, and what is seen."""


def by_windows(fold: Callable[[ChannelWindow], Folded], numbers: int) -> Windows:
    """A map of about so many numbers, a window after the other."""
    count = max(1, min(-(-numbers // AT_ONCE), _MOST_WINDOWS))
    for window in (ChannelWindow(at, count) for at in range(count)):
        found = fold(window)
        yield window, window.channels(found.channels), found


class Candidates:
    """The layers of one phase that blocks may consist of, by the blobs that they make: found once for all blocks."""

    def __init__(self, layers: Sequence[Layer], trusted: frozenset[str] = frozenset()) -> None:
        """trusted: names of fork fields that leave a convolution linear."""
        self.layers, self.trust = tuple(layers), Trust(trusted)
        self.in_place = {blob: layer for layer in layers for blob in layer.tops if blob in layer.bottoms}
        self.makers = {
            blob: (layer, layer.bottoms) for layer in layers for blob in layer.tops if blob not in layer.bottoms
        }

    @cached_property
    def understood(self) -> bool:
        """Raises: Unsupported, where a convolution says something that may make it another thing."""
        for layer in self.layers:
            if layer.type == "Convolution":
                check_understood(layer, self.trust)
        return True


def fold_block(
    net: Net, candidates: Candidates, weights: Weights, bottom: str, top: str, window: ChannelWindow = WHOLE
) -> Folded:  # fmt: skip
    """Compose the layers that lead from `bottom` to `top`, to measure how far the whole is from another layer: nothing is written
    of it.

    Args:
        net: the net they are part of. candidates: those that may belong to the block.
        window: which channels of the bottom to look at.

    Raises:
        NotFoldable, Unsupported: something in between is not linear, or not understood, or does not slide like the rest.
        FileError: something has no weights, or weights that do not fit.
    """
    assert candidates.understood
    walk = _Walk(net, weights, candidates.makers, bottom, candidates.trust, window, fast_product)
    found = walk.value(top)
    for blob in walk.done:
        if blob in candidates.in_place and (
            blob != top or blob == bottom
        ):  # on the top itself it comes after the block
            candidates.in_place[blob].leave("works in place inside the block, and is not linear")
    if not isinstance(found, _Found) or found.over != IMAGE:
        raise NotFoldable(f'"{top}" does not come from a convolution on "{bottom}"', FilePlace(weights.name))
    return Folded(found.map, found.channels, frozenset(walk.used))


def fold_group(
    net: Net, weights: Weights, flow: Flow, group: Sequence[int], bottom: Value, last: int, trust: Trust,
    check_size: CheckSize | None = None, window: ChannelWindow = WHOLE, magnitudes: bool = False,
) -> Folded:  # fmt: skip
    """Compose a closed group of a flow's layers (places in it), from the value it reads to the top of its `last`.

    Args:
        check_size: is told what the whole will be like before the product that makes it, and may raise.
        window: which channels of the bottom to look at.
        magnitudes: compose absolute values, so that each number is the sum of the absolute values of the products that make it up; that
            bounds its rounding error.

    Raises:
        NotFoldable, Unsupported: a layer is not linear, or not understood; or the whole is not exact.
        FileError: a layer has no weights, or weights that do not fit.
    """
    makers = {value: (flow.layers[at], flow.reads[at]) for at in group for value in flow.makes[at]}
    multiply = fast_product if magnitudes else product
    walk = _Walk(net, weights, makers, bottom, trust, window=window, multiply=multiply, magnitudes=magnitudes)
    top = flow.makes[last][0]
    if check_size is not None:
        end = top
        while (
            end in makers
            and makers[end][0].type not in (*JOINED, *SLIDING, "InnerProduct")
            and len(makers[end][1]) == 1
        ):
            end = makers[end][1][0]
        walk.end, walk.check_size = end, check_size
    found = walk.value(top)
    if isinstance(found, ChannelMap) and found.channels is not None:
        return Folded(found.as_kernels().seen_through(window), 1, frozenset(walk.used))
    if not isinstance(found, _Found):
        flow.layers[last].leave("has neither a convolution nor an InnerProduct before it")
    return Folded(found.map, found.channels, frozenset(walk.used))


class _Found(NamedTuple):
    """The map from the bottom to a value seen through a window, what it reads at once, and how many channels it takes in all."""

    map: LinearMap
    over: str
    channels: int


_Part = Union[_Found, ChannelMap, ChannelRange, None]
"""What leads from the bottom to a value; None is the bottom itself."""


class _Walk(Generic[_Key]):
    """From a value back to the bottom; each is composed once."""

    def __init__(
        self,
        net: Net,
        weights: Weights,
        makers: Mapping[_Key, tuple[Layer, tuple[_Key, ...]]],
        bottom: _Key,
        trust: Trust,
        window: ChannelWindow,
        multiply: Product = product,
        magnitudes: bool = False,
    ) -> None:
        self.net = net
        self.weights = weights
        self.makers = makers
        self.bottom = bottom
        self.trust = trust
        self.window = window
        self.multiply = multiply
        self.magnitudes = magnitudes
        self.used: set[str] = set()
        self.done: dict[_Key, _Part] = {bottom: None}
        self.open: set[_Key] = set()
        self.end: _Key | None = None  # from there to the end of the group channels are scaled only
        self.check_size: CheckSize | None = None

    def value(self, key: _Key) -> _Part:
        """What leads to a value. (Without recursion: a chain may be longer than the interpreter's stack.)"""
        waiting = [key]
        while waiting:
            at = waiting[-1]
            if at in self.done:
                waiting.pop()
                continue
            if at not in self.makers:
                name = at.blob if isinstance(at, Value) else at
                raise NotFoldable(f'nothing in the block makes "{name}"', FilePlace(self.weights.name))
            layer, bottoms = self.makers[at]
            missing = [bottom for bottom in bottoms if bottom not in self.done]
            if any(bottom in self.open for bottom in missing):
                layer.leave("its top leads back to its bottom")
            self.open.add(at)
            if missing:
                waiting += missing
                continue
            self.used.add(layer.name)
            check_understood(layer, self.trust)
            try:
                self.done[at] = self._compose(layer, at, [self.done[bottom] for bottom in bottoms])
            except NotExact as error:
                layer.leave(str(error))
            self.open.discard(at)
        return self.done[key]

    def _compose(self, layer: Layer, key: _Key, inner: list[_Part]) -> _Part:
        if layer.type in JOINED:
            return self._joined(layer, inner)
        if len(inner) != 1:
            layer.leave(f"has {len(inner)} bottoms")
        (before,) = inner
        if layer.type == "Slice":
            return self._sliced(layer, key.blob if isinstance(key, Value) else str(key), before)
        if layer.type in SLIDING:
            own, over = convolution(self.net, self.weights, layer), IMAGE
        elif layer.type == "InnerProduct":
            own, over = inner_product(self.net, self.weights, layer), VECTOR
        elif layer.type == "Dropout":
            check_dropout(layer, self.trust)
            return before
        else:
            return self._by_channel(layer, before)
        if self.magnitudes:
            own = replace(own, weight=np.abs(own.weight), bias=np.abs(own.bias))
        if before is None:
            return self._seen(own, over)
        if isinstance(before, ChannelMap):
            # The pixels of a channel are all treated alike, so an InnerProduct may read more than there are channels.
            channels = before.channels or own.weight.shape[1]
            if over == IMAGE or own.weight.shape[1] % channels:
                self._check_channels(layer, own.weight.shape[1], channels)
            return self._seen(after_channels(own, before), over)
        if isinstance(before, ChannelRange):
            if over == VECTOR:
                layer.leave("flattens a part of the channels")
            self._check_channels(layer, own.weight.shape[1], before.stop - before.start)
            return self._seen(after_range(own, before), over)
        if before.over != over:
            layer.leave(
                f"is {'an' if over == VECTOR else 'a'} {over} after {'an' if over == IMAGE else 'a'} {before.over}"
            )
        self._check_channels(layer, own.weight.shape[1], len(before.map.weight))
        if key == self.end and self.check_size is not None:
            check_exact(own, before.map)
            pattern = np.zeros((len(own.weight), before.channels), bool)  # outside the window nothing is known
            pattern[:, self.window.channels(before.channels)] = connected(own, before.map)
            self.check_size(pattern, slide_after(own.slide, before.map.slide))
        return _Found(after(own, before.map, self.multiply), over, before.channels)

    def _seen(self, whole: LinearMap, over: str) -> _Found:
        return _Found(whole.seen_through(self.window), over, whole.weight.shape[1])

    def _by_channel(self, layer: Layer, before: _Part) -> _Part:
        if isinstance(before, ChannelRange):
            layer.leave("works on a part of the channels, before any convolution")
        scale, shift = by_channel(self.net, self.weights, layer, self.trust, self.magnitudes)
        own = ChannelMap(np.ones(()), np.zeros(()), 0).then(scale, shift)
        if isinstance(before, _Found):
            outputs = len(before.map.weight)
            self._check_channels(layer, own.channels or outputs, outputs)
            return before._replace(map=scaled(scale, shift, before.map))
        if before is None:
            return own
        if own.channels is not None and before.channels is not None:
            self._check_channels(layer, own.channels, before.channels)
        return before.then(scale, shift)

    def _sliced(self, layer: Layer, top: str, before: _Part) -> _Part:
        """What a Slice hands on of a value in one of its tops."""
        if isinstance(before, ChannelMap):
            layer.leave("cuts what a layer by channel has made, before any convolution")
        if before is None:
            readers = (other for other, _ in self.makers.values())
            return sliced(self.net, self.weights, layer, top, readers)
        if isinstance(before, ChannelRange):
            part = slice_of(layer, top, before.stop - before.start)
            return before.part(part.start, part.stop)
        if before.over == VECTOR:
            layer.leave("cuts a vector")
        rows = slice(*slice_of(layer, top, len(before.map.weight))[:2])
        return before._replace(map=replace(before.map, weight=before.map.weight[rows], bias=before.map.bias[rows]))

    def _joined(self, layer: Layer, inner: list[_Part]) -> _Part:
        kinds = {found.over for found in inner if isinstance(found, _Found)}
        if len(kinds) != 1:
            layer.leave("joins blobs that are not all made of one, by convolutions or by InnerProducts alone")
        (first, *_) = (found for found in inner if isinstance(found, _Found))
        parts = [found if isinstance(found, _Found) else self._handed_on(found, first) for found in inner]
        maps = [found.map for found in parts]
        size = joined_size(maps, max(found.channels for found in parts))
        if self.trust.most is not None and size > self.trust.most:
            layer.leave(f"it would grow: its bottoms in one kernel have {size:,} numbers (--allow-larger folds it)")
        for each in parts:
            if each.channels != first.channels:
                layer.fail(f"its bottoms take {first.channels} and {each.channels} channels of one blob")
        if layer.type == "Concat":
            return first._replace(map=stacked(maps))
        for one in maps:
            self._check_channels(layer, len(maps[0].weight), len(one.weight))
        factors = coefficients(layer)
        return first._replace(map=summed(maps, [*map(abs, factors)] if self.magnitudes else factors))

    def _handed_on(self, found: ChannelMap | ChannelRange | None, first: _Found) -> _Found:
        """What comes to a join through no kernel, written out as one. first: of the others."""
        if isinstance(found, ChannelMap):
            whole = found.written_out(found.channels or first.channels)
        elif isinstance(found, ChannelRange):
            whole = after_range(unchanged(found.stop - found.start), found)
        else:
            whole = unchanged(first.channels)
        return self._seen(whole, first.over)

    def _check_channels(self, layer: Layer, channels: int, before: int) -> None:
        if channels != before:
            layer.fail(f"its weights take {channels} channels, but its bottom has {before}")
