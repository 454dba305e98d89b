"""Layers of a derived net that stand for a region of the baseline, because that was folded: found without knowing who folded it.

Both nets are walked side by side. What a layer that both have reads in one, it reads in the other; so a convolution,
InnerProduct or Scale that differs makes what the baseline's layers before its reader made, and is held against those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from split_surgery.documents.net.flow import Flow, Value
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import SLIDING

KINDS = (*SLIDING, "InnerProduct", "Scale")
"""Layer types that may have been folded, or stand for what was."""


@dataclass(frozen=True)
class StandIn:
    """A layer of the derived net, and the places in the baseline's flow of the layers that it stands for.

    Attributes:
        last: the place of the one that makes their top. bottom: the baseline's value that they start from.
    """

    layer: Layer
    group: tuple[int, ...]
    last: int
    bottom: Value


def stand_ins(
    base: Flow, derived: Flow, unchanged: Callable[[Layer, Layer], bool], proves: Callable[[StandIn], bool]
) -> Iterator[StandIn]:
    """The layers of the derived net that stand for others than their namesakes, in one state.

    Args:
        unchanged: whether a layer of the baseline and its namesake are the same in text and numbers. (Asked only where it decides.)
        proves: whether a layer computes what it would stand for. (Asked only where nothing else tells which of several values of a
            blob it makes.)
    """
    same = _SameValues(base, derived, unchanged)
    for at, layer in enumerate(derived.layers):
        if layer.type in KINDS and len(layer.bottoms) == len(layer.tops) == 1:
            made, bottom = derived.makes[at][0], same.value(derived.reads[at][0])
            found = [_stand_in(base, layer, bottom, top) for top in same.values(made)] or [None]
            stand = found[0]
            if len(found) > 1:
                stand = next((one for one in found if one is not None and proves(one)), stand)
            if stand is not None:
                same.settled[made] = base.makes[stand.last][0]
                yield stand


def _stand_in(base: Flow, layer: Layer, bottom: Value | None, top: Value) -> StandIn | None:
    """A layer that makes one value of the baseline of another; None where it is its namesake, or nothing that could be folded."""
    group = _between(base, bottom, top) if bottom is not None else ()
    if bottom is None or not group or [base.layers[at].name for at in group] == [layer.name]:
        return None
    return StandIn(layer, group, top.maker, bottom)


def _between(base: Flow, bottom: Value, top: Value) -> tuple[int, ...]:
    """The layers that lead from one value to another; none where something else leads there too, or leads away."""
    group: set[int] = set()
    waiting = [top]
    while waiting:
        value = waiting.pop()
        if value == bottom or value.maker in group:
            continue
        if value.maker <= bottom.maker:
            return ()  # it comes from elsewhere
        group.add(value.maker)
        waiting += base.reads[value.maker]
    return tuple(sorted(group)) if group and base.start_of(group, top.maker) == bottom else ()


class _SameValues:
    """Which values of the two flows are the same."""

    def __init__(self, base: Flow, derived: Flow, unchanged: Callable[[Layer, Layer], bool]) -> None:
        self.base = base
        self.derived = derived
        self.unchanged = unchanged
        self.settled: dict[Value, Value] = {}  # what was found out since
        self._makes: dict[str, list[Value]] = {}  # the baseline's values, by the blob that they are in
        for one in (one for makes in base.makes for one in makes):
            self._makes.setdefault(one.blob, []).append(one)

    def _kept(self, at: int) -> int | None:
        """Where a layer of the derived net is in the baseline, if it can neither have been folded nor be a fold."""
        layer = self.derived.layers[at]
        place = self.base.places.get(layer.name)
        if place is None or layer.type != self.base.layers[place].type:
            return None
        if layer.type == "Scale":  # few are folds
            return place if self.unchanged(self.base.layers[place], layer) else None
        return place if layer.type not in KINDS else None

    def value(self, value: Value) -> Value | None:
        """The baseline's value that one of the derived net is; None where there is none."""
        return next(iter(self.values(value)), None)

    def values(self, value: Value) -> list[Value]:
        """The baseline's values that one of the derived net may be, the likeliest first: what the layers that both have say, or was
        found out, else those of its name, from the last on."""
        if value in self.settled:
            return [self.settled[value]]
        told = self._told(value)
        if told is not None:
            return [told]
        made = self._makes.get(value.blob, [])
        # An output is the last of its name in both nets.
        return made[::-1] if self.derived.readers.get(value) else made[-1:]

    def _told(self, value: Value) -> Value | None:
        if value.maker < 0:
            return value
        place = self._kept(value.maker)
        tops = self.derived.makes[value.maker]
        if place is not None and len(tops) == len(self.base.makes[place]):
            return self.base.makes[place][tops.index(value)]
        for reader in self.derived.readers.get(value, []):
            there, index = self._kept(reader), self.derived.reads[reader].index(value)
            if there is not None and len(self.base.reads[there]) == len(self.derived.reads[reader]):
                return self.base.reads[there][index]
        made = self._makes.get(value.blob, [])
        layer = self.derived.layers[value.maker]
        own = self.base.places.get(layer.name)
        # A BatchNorm in place behind a convolution may have been folded into that one, or into the one that reads its blob.
        if own is None or len(made) < 2 or len(tops) != len(self.base.makes[own]):
            return None
        return self.base.makes[own][tops.index(value)] if self.unchanged(self.base.layers[own], layer) else None
