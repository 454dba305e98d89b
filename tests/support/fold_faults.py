"""Deliberate faults in folding, each of which the laws must catch: a function of the package, by its name, made to do wrong.

`planted(fault)` puts it into this process for a while.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import split_surgery.verbs.fold
from split_surgery.documents.edit import layer_edit
from split_surgery.documents.edit.layer_edit import LayerEdit
from split_surgery.documents.net.flow import Flow
from split_surgery.folding import by_channel, collapse, edits, linear, understood
from split_surgery.kernels import channel_maps, dense, linear_maps


class Fault(NamedTuple):
    """`wrong` takes the function that `home` has by that name, and gives the faulty one.

    `arithmetic`: whether the fold computes something else then, which its own probe must notice too.
    """

    what: str
    home: Any
    name: str
    wrong: Callable[[Callable[..., Any]], Callable[..., Any]]
    arithmetic: bool = True


def _transposed(outer):
    """The map with its matrix turned, where it only selects channels."""
    matrix = outer.weight[:, :, 0, 0]
    selects = outer.slide.pointwise and (np.count_nonzero(matrix, axis=1) == 1).all()
    return replace(outer, weight=outer.weight.swapaxes(0, 1)) if selects else outer


def _no_outer_bias(after):
    return lambda outer, inner, *how: after(
        replace(outer, bias=np.zeros_like(outer.bias)) if outer.slide.pointwise else outer, inner, *how
    )


def _no_inner_bias(after):
    return lambda outer, inner, *how: after(
        outer, replace(inner, bias=np.zeros_like(inner.bias)) if outer.slide.pointwise else inner, *how
    )


def _shift_ignores_padding(after_channels):
    def wrong(outer, inner):
        unpadded = replace(outer, slide=outer.slide._replace(pad=(0, 0)))
        return replace(after_channels(unpadded, inner), slide=outer.slide)

    return wrong


def _groups_in_reverse(ungrouped):
    def wrong(weight, group):
        written_out = ungrouped(weight, group)
        blocks = written_out.reshape(len(weight), group, -1, *weight.shape[2:])
        return blocks[:, ::-1].reshape(written_out.shape)

    return wrong


def _of_batch_norms(change):
    """by_channel with the two vectors of a BatchNorm changed."""
    return lambda by_channel: (
        lambda net, weights, layer, *rest: (
            change(*by_channel(net, weights, layer, *rest))
            if layer.type == "BatchNorm"
            else by_channel(net, weights, layer, *rest)
        )
    )


def _no_bias_of_scale(by_channel):
    def wrong(net, weights, layer, *rest):
        scale, shift = by_channel(net, weights, layer, *rest)
        return scale, None if layer.type == "Scale" else shift

    return wrong


def _factor_of_one(vector):
    return lambda layer, blob, size: np.ones_like(vector(layer, blob, size)) if size == 1 else vector(layer, blob, size)


def _as_stored(inner_product):
    """The matrix of a transposed InnerProduct taken row by row as it is in the file."""

    def wrong(net, weights, layer):
        found = inner_product(net, weights, layer)
        if not understood.flag(layer, "transpose", default=False):
            return found
        matrix = found.weight[:, :, 0, 0]
        return replace(found, weight=matrix.T.reshape(matrix.shape)[:, :, None, None])

    return wrong


def _readers_outside_ignored(bottom_of):
    def wrong(self, layers, last):
        group = set(layers)
        blind = copy.copy(self)
        blind.readers = {value: [at for at in read if at in group] or [last] for value, read in self.readers.items()}
        return bottom_of(blind, group, last)

    return wrong


def _records_kept(record_changes):
    return lambda *arguments: [one if one.edits else replace(one, splices=[]) for one in record_changes(*arguments)]


def _without_dilation(geometry_fields):
    return lambda kernel, stride, pad, dilation: geometry_fields(kernel, stride, pad, (1, 1))


FAULTS = (
    Fault("wrong centre", linear_maps, "embedded",
          lambda f: lambda weight, slide, into: weight if slide == into else
          None if (placed := f(weight, slide, into)) is None else np.roll(placed, 1, axis=2)),
    Fault("transposed reorder", linear_maps, "after",
          lambda f: lambda outer, inner, *how: f(_transposed(outer), inner, *how)),
    Fault("bias of a 1x1 dropped", linear_maps, "after", _no_outer_bias),
    Fault("bias before a 1x1 dropped", linear_maps, "after", _no_inner_bias),
    Fault("bias before a kernel seen by one tap", linear_maps, "passed_on",
          lambda f: lambda outer, shift: f(replace(
              outer, weight=outer.weight[:, :, :1, :1], slide=outer.slide._replace(kernel=(1, 1))), shift)),
    Fault("coefficient ignored", linear_maps, "summed", lambda f: lambda parts, ks: f(parts, [1.0] * len(parts))),
    Fault("bottoms of a Concat in reverse", linear_maps, "stacked", lambda f: lambda parts: f(parts[::-1])),
    Fault("stride forgotten", linear_maps, "slide_after",
          lambda f: lambda outer, inner: f(outer, inner)._replace(stride=inner.stride)),
    Fault("padding after a bias taken for exact", linear_maps, "check_exact", lambda f: lambda outer, inner: None),
    Fault("padding after a shift taken for exact", channel_maps, "after_channels", _shift_ignores_padding),
    Fault("groups in the wrong place", dense, "ungrouped", _groups_in_reverse),
    Fault("eps outside the root", by_channel, "by_channel", _of_batch_norms(
        lambda scale, shift: (1 / (np.sqrt(1 / scale**2 - 1e-3) + 1e-3), shift))),
    Fault("scale factor not divided", understood, "vector", _factor_of_one),
    Fault("mean added", by_channel, "by_channel", _of_batch_norms(lambda scale, shift: (scale, -shift))),
    Fault("Scale's bias dropped", by_channel, "by_channel", _no_bias_of_scale),
    Fault("transposition forgotten", linear, "inner_product", _as_stored),
    Fault("statistics of the batch taken for stored ones", split_surgery.verbs.fold, "_only_tested",
          lambda f: lambda inputs: True, arithmetic=False),
    Fault("blob read elsewhere", Flow, "bottom_of", _readers_outside_ignored, arithmetic=False),
    Fault("stale records kept", edits, "record_changes", _records_kept, arithmetic=False),
    Fault("suffix kept in names of parameters", LayerEdit, "renamed",
          lambda f: lambda self, text: text + self.suffix, arithmetic=False),
    Fault("bias_term: false kept", collapse, "edit_of",
          lambda f: lambda *arguments: (edit := f(*arguments)) and replace(
              edit, drops=tuple(drop for drop in edit.drops if drop != "bias_term")), arithmetic=False),
    Fault("dilation forgotten", layer_edit, "geometry_fields", _without_dilation, arithmetic=False),
)  # fmt: skip


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """The fault wherever the package knows the function by its name; then the sound function again."""
    sound = vars(fault.home)[fault.name]
    faulty = fault.wrong(sound)
    loaded = [module for name, module in sys.modules.items() if name.startswith("split_surgery")]
    homes = [fault.home, *(module for module in loaded if vars(module).get(fault.name) is sound)]
    for home in homes:
        setattr(home, fault.name, faulty)
    try:
        yield
    finally:
        for home in homes:
            setattr(home, fault.name, sound)
