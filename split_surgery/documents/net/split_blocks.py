"""The blocks that splits made, recognised by their structure alone: neither a recipe nor split.yaml is consulted.

A region is a closed group of linear layers: it reads one blob, and of what it makes only its top is read elsewhere. It has to be the
same in every phase and stage that has any of its layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from split_surgery.documents.net.flow import Flow, Value, flows
from split_surgery.documents.net.layer import POINTWISE, Layer
from split_surgery.documents.net.net import Net
from split_surgery.errors import NotFoldable, SurgeryError


@dataclass(frozen=True)
class Region:
    """A group of layers, by name, that one layer can stand for.

    Attributes:
        layers: in the order of the net. last: the one that makes the region's top.
        anchor: the layer whose text and record are kept. name: what it is called then.
        split: whether it is the block of a split, which had that name before.
        nested: how many splits are inside that one.
    """

    layers: tuple[str, ...]
    last: str
    anchor: str
    name: str
    split: bool
    nested: int = 0

    def places(self, flow: Flow) -> list[int]:
        """Where its layers are in a flow; empty where it has none of them."""
        return [flow.places[name] for name in self.layers if name in flow.places]

    def bottom(self, flow: Flow) -> Value | None:
        """What it reads in a flow; None where the flow has none of its layers.

        Raises:
            NotFoldable: it is no region there.
        """
        there = self.places(flow)
        if not there:
            return None
        when = "" if flow.state.phase == "TRAIN" else f" in phase {flow.state.phase}"
        if len(there) < len(self.layers):
            missing = next(name for name in self.layers if name not in flow.places)
            raise NotFoldable(f'"{missing}" is not there{when}')
        try:
            return flow.bottom_of(there, flow.places[self.last])
        except NotFoldable as error:
            raise NotFoldable(error.reason + when) from error

    def start(self, flow: Flow) -> Value | None:
        """What it reads in a flow; None where it is no region there."""
        try:
            return self.bottom(flow)
        except NotFoldable:
            return None


Named = Callable[[str, list[str]], "str | None"]
"""The name that a split layer had, from that of the layer that makes the block's top now and from the names that it may have been."""


@dataclass(frozen=True)
class _Unit:
    """What stands for one convolution: a layer, or the block of a split of it.

    Attributes:
        at: the place of what makes its top. name: of the layer, or what the block was called.
        pointwise: whether it is a 1x1 that mixes channels and nothing else.
        nested: how many splits are inside it, its own left out.
    """

    at: int
    bottom: Value
    name: str
    anchor: int
    members: frozenset[int]
    pointwise: bool
    nested: int = 0

    @property
    def is_block(self) -> bool:
        return len(self.members) > 1


class Splits:
    """The blocks of splits in one flow.

    A block ends in a 1x1 on a Concat of two halves. One half is a convolution (the fast kernels'); the other is a sum, or more than
    one convolution, of which those that do not read the block's own bottom are 1x1. In the order of bottoms there is no meaning, and
    each convolution may itself be the block of a split.
    """

    def __init__(self, flow: Flow, named: Named) -> None:
        self.flow = flow
        self.named = named
        self._known: dict[int, list[_Unit]] = {}

    def found(self) -> list[Region]:
        """The outermost blocks, in the order of the net; nested ones are part of them."""
        regions: list[Region] = []
        covered: set[int] = set()
        for at in reversed(range(len(self.flow.layers))):
            blocks = self._blocks(at) if at not in covered else []
            if blocks:
                covered |= blocks[-1].members
                regions.append(self._region(blocks[-1]))
        return [*self._open(covered), *regions[::-1]]

    def _open(self, covered: set[int]) -> Iterator[Region]:
        """Blocks of whose blobs one is read elsewhere: what forbids to fold them is said later."""
        for at in range(len(self.flow.layers)):
            unit = self._layer(at) if at not in covered else None
            block = self._recognised(unit, closed=False) if unit is not None else None
            if block is not None:
                yield self._region(block)

    def every(self) -> list[Region]:
        """All blocks, those inside others too, the innermost first."""
        found = [self._region(unit) for at in range(len(self.flow.layers)) for unit in self._blocks(at)]
        return sorted(found, key=lambda region: region.nested)

    def _region(self, unit: _Unit) -> Region:
        layers = self.flow.layers
        names = tuple(layers[member].name for member in sorted(unit.members))
        last, anchor = layers[unit.at].name, layers[unit.anchor].name
        return Region(names, last, anchor, unit.name, split=True, nested=unit.nested)

    def _blocks(self, at: int) -> list[_Unit]:
        """The blocks whose top the layer at this place makes, the innermost first: a split of a reorder layer ends where that did."""
        if at not in self._known:
            self._known[at] = []
            unit = self._layer(at)
            while unit is not None and (block := self._recognised(unit, closed=True)) is not None:
                self._known[at].append(block)
                unit = block
        return self._known[at]

    def _recognised(self, last: _Unit, closed: bool) -> _Unit | None:
        """The block that ends with a 1x1, or None."""
        concat = self._maker(last.bottom)
        if not last.pointwise or concat is None or self.flow.layers[concat].type != "Concat":
            return None
        halves = self.flow.reads[concat]
        if len(halves) != 2:
            return None
        for fast, slow in (halves, halves[::-1]):
            first = self._convolution(fast)
            rest = self._half(slow, first.bottom) if first is not None else None
            if first is None or rest is None or first.at in {unit.at for unit in rest[0]}:
                continue
            units, sums = rest
            if not sums and len(units) < 2:  # two branches side by side, as many nets have them
                continue
            parts = [first, *units, last]
            members = frozenset({concat, *sums}).union(*(part.members for part in parts))
            if closed and self.flow.start_of(members, last.at) is None:
                continue
            names = [part.name for part in parts] + [self.flow.layers[at].name for at in (*sums, concat)]
            top, before = self.flow.layers[last.at].tops[0], self._maker(first.bottom)
            candidates = _old_names(names, top)
            if before is not None and self.flow.layers[before].name.startswith(f"{top}_"):
                # It reads a part of the split whose top this is: it was the reorder layer there, and not called after the top.
                candidates.sort(key=lambda name: name == top)
            name = self.named(last.name, candidates)
            if name is not None:
                pointwise = all(part.pointwise for part in parts)
                nested = sum(part.nested + part.is_block for part in parts)
                return _Unit(last.at, first.bottom, name, first.anchor, members, pointwise, nested)
        return None

    def _half(self, value: Value, bottom: Value) -> tuple[list[_Unit], list[int]] | None:
        """The convolutions and the sums that lead from a block's bottom to a value; None where anything else does."""
        units: dict[int, _Unit] = {}
        sums: list[int] = []
        waiting = [value]
        while waiting:
            here = waiting.pop()
            if here == bottom:
                return None  # handed on as it is
            at = self._maker(here)
            if at is not None and self.flow.layers[at].type == "Eltwise":
                if at not in sums:
                    sums.append(at)
                    waiting += self.flow.reads[at]
                continue
            unit = self._convolution(here)
            if unit is None or (unit.bottom != bottom and not unit.pointwise):
                return None
            if unit.at not in units and unit.bottom != bottom:
                waiting.append(unit.bottom)
            units[unit.at] = unit
        return list(units.values()), sums

    def _convolution(self, value: Value) -> _Unit | None:
        """The convolution that makes a value, or the outermost block that stands for one."""
        at = self._maker(value)
        if at is None:
            return None
        blocks = self._blocks(at)
        return blocks[-1] if blocks else self._layer(at)

    def _layer(self, at: int) -> _Unit | None:
        layer = self.flow.layers[at]
        if layer.type != "Convolution" or len(layer.bottoms) != 1 or len(layer.tops) != 1:
            return None
        return _Unit(at, self.flow.reads[at][0], layer.name, at, frozenset({at}), _is_pointwise(layer))

    def _maker(self, value: Value) -> int | None:
        return value.maker if value.maker >= 0 and len(self.flow.layers[value.maker].tops) == 1 else None


def _is_pointwise(layer: Layer) -> bool:
    try:
        geometry = layer.geometry()
    except SurgeryError:
        return False
    return (geometry.kernel, geometry.stride, geometry.pad, geometry.group) == POINTWISE


def _old_names(names: Sequence[str], top: str) -> list[str]:
    """What a layer may have been called whose parts are called `<name>_<suffix>`, the likeliest first.

    That is the old top, where it fits, which is the layer's own name in most nets; else the longest.
    """
    shortest = min(names, key=len)
    common = next((at for at, chars in enumerate(zip(*names)) if len(set(chars)) > 1), len(shortest))
    found = [shortest[:at] for at in range(min(common, len(shortest) - 1), 0, -1) if shortest[at] == "_"]
    return sorted(found, key=lambda name: name != top)


def made_by_splits(net: Net) -> set[str]:
    """The layers of a net that mix kernels or hand their input on, because a split made them; they have no kernels of their own."""
    taken = {layer.name for layer in net.layers}
    found: set[str] = set()
    for flow in flows(net):
        splits = Splits(flow, lambda _last, names: next((name for name in names if name not in taken), None))
        for region in splits.every():
            bottom = region.start(flow)
            for at in region.places(flow) if bottom is not None else ():
                layer = flow.layers[at]
                handed_on = not _has_bias(layer) and layer.frozen(1) and len(region.layers) > 2
                if layer.type == "Convolution" and (flow.reads[at][0] != bottom or handed_on):
                    found.add(layer.name)
    return found


def split_into(net: Net, name: str) -> tuple[str, ...]:
    """The layers that a layer which has gone became, where the block of a split may have had its name; else none."""
    for flow in flows(net):
        for region in Splits(flow, lambda _last, names: name if name in names else None).every():
            return region.layers
    return ()


def _has_bias(layer: Layer) -> bool:
    try:
        return layer.geometry().bias_term
    except SurgeryError:
        return True
