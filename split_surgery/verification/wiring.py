"""Does each layer that both nets have read what it read: a layer in place makes a new value of a blob, whose name says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from split_surgery.documents.net.flow import Flow, Value, flow_in
from split_surgery.documents.net.net import Net


def same_reads(
    base: Net, derived: Net, folds: Mapping[str, Sequence[str]], splits: Mapping[str, Sequence[str]]
) -> dict[str, bool]:
    """Of each layer that both nets have, whether it reads in every state what it read, whatever the blobs are called; for a block in a
    layer's place that layer's name. Those are left out that are not held against another: a name is there twice, a layer has another
    number of bottoms, or an output has another name.

    Args:
        folds: layers of the derived net, each with those of the baseline that it stands for. (What it reads, it was held against.)
        splits: layers of the baseline, each with those of the derived net in its place.
    """
    found: dict[str, bool] = {}
    for state in dict.fromkeys(base.states() + derived.states()):
        was, now = flow_in(base, state), flow_in(derived, state)
        stands = {new: old for old, members in splits.items() for new in members}
        for new, members in folds.items():  # for the last of them, which makes their top
            there = [was.places[name] for name in members if name in was.places]
            stands |= {new: was.layers[max(there)].name} if there else {}
        twice = _twice(was) | _twice(now)
        for at, layer in enumerate(now.layers):
            name = stands.get(layer.name, layer.name)
            if layer.name in folds or name not in was.places or name in twice:
                continue
            before = [_maker(was, value) for value in was.reads[was.places[name]]]
            after = [stands.get(one, one) for one in (_maker(now, value) for value in now.reads[at])]
            if layer.name in stands:  # a block's layers read each other, and what the layer read
                found[name] = found.get(name, True) and {*after} <= {*before, name}
            elif len(before) == len(after) and _same_outputs(was, was.places[name], now, at):
                found[name] = found.get(name, True) and before == after
    return found


def _same_outputs(was: Flow, place: int, now: Flow, at: int) -> bool:
    """Whether what two layers make is read by others, where it has not the same name."""
    pairs = list(zip(was.makes[place], now.makes[at]))
    return len(was.makes[place]) == len(now.makes[at]) and all(
        a.blob == b.blob or (was.readers.get(a) and now.readers.get(b)) for a, b in pairs
    )


def _twice(flow: Flow) -> set[str]:
    """Names that several layers of a state have."""
    return {name for name, count in Counter(layer.name for layer in flow.layers).items() if count > 1}


def _maker(flow: Flow, value: Value) -> str:
    """The name of the layer that makes a value, or what stands for an input."""
    layer = flow.maker(value)
    return layer.name if layer is not None else f"input {value.blob}"
