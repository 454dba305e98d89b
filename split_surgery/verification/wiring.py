"""Does each layer that both nets have read what it read: a layer in place makes a new value of a blob, whose name says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from split_surgery.documents.net.flow import Flow, Value, flow_in
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net


def same_reads(
    base: Net, derived: Net, folds: Mapping[str, Sequence[str]], splits: Mapping[str, Sequence[str]]
) -> dict[str, bool]:
    """Of each layer that both nets have, whether it reads in every state what it read, whatever the blobs are called; for a block in a
    layer's place that layer's name. Those are left out that are not held against another: a name is there twice, or blobs are others by
    name than those that folds may rename.

    Args:
        folds: layers of the derived net, each with those of the baseline that it stands for. (What it reads, it was held against.)
        splits: layers of the baseline, each with those of the derived net in its place.
    """
    found: dict[str, bool] = {}
    left: set[str] = set()
    for state in dict.fromkeys(base.states() + derived.states()):
        was, now = flow_in(base, state), flow_in(derived, state)
        last = _last_members(was, now, folds)
        stands = {new: old for old, members in splits.items() for new in members}
        stands |= {new: layer.name for new, layer in last.items()}
        # A fold keeps the first name of a blob or the last.
        names = {pair for new, layer in last.items() for pair in zip(layer.tops, now.layers[now.places[new]].tops)}
        left |= _twice(was) | _twice(now)
        for at, layer in enumerate(now.layers):
            name = stands.get(layer.name, layer.name)
            if layer.name in folds or name not in was.places:
                continue
            before = [_maker(was, value) for value in was.reads[was.places[name]]]
            after = [stands.get(one, one) for one in (_maker(now, value) for value in now.reads[at])]
            if layer.name in stands:  # a block's layers read each other, and what the layer read
                found[name] = found.get(name, True) and {*after} <= {*before, name}
            elif _so_called(was, was.places[name], now, at, names):
                found[name] = found.get(name, True) and before == after
            else:
                left.add(name)
    return {name: same for name, same in found.items() if name not in left}


def _last_members(was: Flow, now: Flow, folds: Mapping[str, Sequence[str]]) -> dict[str, Layer]:
    """For each fold that is there in a state, the last of the layers that it stands for: the one that makes their top."""
    there = {new: [was.places[name] for name in members if name in was.places] for new, members in folds.items()}
    return {new: was.layers[max(places)] for new, places in there.items() if places and new in now.places}


def _so_called(was: Flow, place: int, now: Flow, at: int, names: set[tuple[str, str]]) -> bool:
    """Whether the blobs of two layers have the same names, or two that may differ; those of outputs may not."""
    lists = [(was.reads[place], now.reads[at]), (was.makes[place], now.makes[at])]
    pairs = [pair for one, other in lists for pair in zip(one, other)]
    return all(len(one) == len(other) for one, other in lists) and all(
        a.blob == b.blob or ((a.blob, b.blob) in names and was.readers.get(a) and now.readers.get(b)) for a, b in pairs
    )


def _twice(flow: Flow) -> set[str]:
    """Names that several layers of a state have."""
    return {name for name, count in Counter(layer.name for layer in flow.layers).items() if count > 1}


def _maker(flow: Flow, value: Value) -> str:
    """The name of the layer that makes a value, or what stands for an input, be it declared by the net or by a layer."""
    layer = flow.maker(value)
    return f"input {value.blob}" if layer is None or layer.type == "Input" else layer.name
