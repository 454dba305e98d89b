"""A net of one state as a flow of values: a blob that layers write in place is a new value each time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.errors import NotFoldable


class Value(NamedTuple):
    """What a blob holds after a layer: `maker` is the layer's place in the flow, -1 for an input of the net."""

    maker: int
    blob: str


class Flow:
    """The layers that Caffe keeps in a state, in their order, with the values that each reads and makes."""

    def __init__(self, state: State, layers: tuple[Layer, ...]) -> None:
        self.state, self.layers = state, layers
        self.reads: list[tuple[Value, ...]] = []
        self.makes: list[tuple[Value, ...]] = []
        self.readers: dict[Value, list[int]] = {}
        latest: dict[str, Value] = {}
        for at, layer in enumerate(self.layers):
            read = tuple(latest.get(blob, Value(-1, blob)) for blob in layer.bottoms)
            made = tuple(Value(at, blob) for blob in layer.tops)
            for value in read:
                self.readers.setdefault(value, []).append(at)
            latest |= {value.blob: value for value in made}
            self.reads.append(read)
            self.makes.append(made)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each layer is, by name."""
        return {layer.name: at for at, layer in enumerate(self.layers)}

    def maker(self, value: Value) -> Layer | None:
        """The layer that makes a value, unless it is an input of the net."""
        return self.layers[value.maker] if value.maker >= 0 else None

    def bottom_of(self, layers: Iterable[int], last: int) -> Value:
        """The one value that a closed group of layers reads.

        A group is closed if it reads exactly one value from outside, and only the one top of `last` is read outside it.

        Raises:
            NotFoldable: the group is not closed.
        """
        group = set(layers)
        if len(self.makes[last]) != 1:
            raise NotFoldable(f'"{self.layers[last].name}" has {len(self.makes[last])} tops')
        read = {value for at in group for value in self.reads[at] if value.maker not in group}
        for at in sorted(group):
            for value in self.makes[at] if at != last else ():
                readers = self.readers.get(value, [])
                if not readers:
                    raise NotFoldable(f'its blob "{value.blob}" is an output of the net')
                for reader in readers:
                    if reader not in group:
                        raise NotFoldable(f'its blob "{value.blob}" is read by "{self.layers[reader].name}" too')
        if len(read) != 1:
            raise NotFoldable("it reads " + (", ".join(f'"{value.blob}"' for value in sorted(read)) or "nothing"))
        return read.pop()

    def start_of(self, layers: Iterable[int], last: int) -> Value | None:
        """The same, and None where the group is not closed."""
        try:
            return self.bottom_of(layers, last)
        except NotFoldable:
            return None


def flow_in(net: Net, state: State) -> Flow:
    """The flow of a net in one state."""
    return Flow(state, net.layers_in(state))


def flows(net: Net) -> list[Flow]:
    """The flows of a net in all its states, those of the same layers once."""
    states: dict[tuple[Layer, ...], State] = {}
    for state in net.states():
        states.setdefault(net.layers_in(state), state)
    return [Flow(state, layers) for layers, state in states.items() if layers]


@dataclass(frozen=True)
class NetFlows:
    """A net and its flows (see `flows`)."""

    net: Net
    flows: tuple[Flow, ...]
