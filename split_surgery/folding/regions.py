"""Where a net can be folded: the blocks that splits made, known by their structure, and every other linear region.

A region is a closed group of linear layers: it reads one blob, and of what it makes only its top is read elsewhere. It has to be the
same in every phase and stage that has any of its layers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from split_surgery.documents.net.flow import Flow, Value
from split_surgery.documents.net.layer import POINTWISE, Layer
from split_surgery.errors import SurgeryError
from split_surgery.folding.linear import is_linear


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

    def bottom(self, flow: Flow) -> Value | str | None:
        """What it reads in a flow; None where the flow has none of its layers; or the reason why it is no region there."""
        there = self.places(flow)
        if not there:
            return None
        when = "" if flow.state.phase == "TRAIN" else f" in phase {flow.state.phase}"
        if len(there) < len(self.layers):
            missing = next(name for name in self.layers if name not in flow.places)
            return f'"{missing}" is not there{when}'
        found = flow.within(there, flow.places[self.last])
        return found if isinstance(found, Value) else found + when


Named = Callable[[str, list[str]], "str | None"]
"""The name that a split layer had, from that of the layer that makes the block's top now and from the names that it may have been."""


@dataclass
class _Node:
    """What stands for one convolution: a layer, or the block of a split of it."""

    at: int
    bottom: Value
    name: str
    anchor: int
    members: set[int] = field(default_factory=set)
    nested: int = 0


class Splits:
    """The blocks of splits in one flow."""

    def __init__(self, flow: Flow, named: Named) -> None:
        self.flow = flow
        self.named = named
        self._known: dict[int, _Node | None] = {}

    def found(self) -> list[Region]:
        """The outermost blocks, in the order of the net; nested ones are part of them."""
        regions: list[Region] = []
        covered: set[int] = set()
        for at in reversed(range(len(self.flow.layers))):
            node = self._block(at) if at not in covered else None
            if node is not None:
                covered |= node.members
                regions.append(self._region(at, node))
        return regions[::-1]

    def every(self) -> list[Region]:
        """All blocks, those inside others too, the innermost first."""
        nodes = [(at, self._block(at)) for at in range(len(self.flow.layers))]
        found = [self._region(at, node) for at, node in nodes if node is not None]
        return sorted(found, key=lambda region: region.nested)

    def _region(self, at: int, node: _Node) -> Region:
        layers = self.flow.layers
        names = tuple(layers[member].name for member in sorted(node.members))
        return Region(names, layers[at].name, layers[node.anchor].name, node.name, split=True, nested=node.nested)

    def _block(self, at: int) -> _Node | None:
        """The block whose top the layer at this place makes, or None."""
        if at not in self._known:
            self._known[at] = None
            self._known[at] = self._recognised(at)
        return self._known[at]

    def _recognised(self, at: int) -> _Node | None:
        if not self._is_pointwise(at):
            return None
        concat = self._maker(self.flow.reads[at][0])
        if concat is None or self.flow.layers[concat].type != "Concat" or len(self.flow.reads[concat]) != 2:
            return None
        first = self._convolution(self.flow.reads[concat][0])
        second = self._second_half(self.flow.reads[concat][1])
        if first is None or second is None or any(node.bottom != first.bottom for node in second[0]):
            return None
        slow, between = second
        parts = [first, *slow, *between]
        names = [part.name for part in parts] + [self.flow.layers[concat].name, self.flow.layers[at].name]
        name = self.named(self.flow.layers[at].name, _old_names(names, self.flow.layers[at].tops[0]))
        if name is None:
            return None
        members = {at, concat}.union(*(part.members for part in parts))
        nested = sum(part.nested + (len(part.members) > 1) for part in parts)
        return _Node(at, first.bottom, name, first.anchor, members, nested)

    def _second_half(self, value: Value) -> tuple[list[_Node], list[_Node]] | None:
        """The slow kernels' half: what reads the block's bottom, and what else it has."""
        at = self._maker(value)
        if at is None:
            return None
        if self.flow.layers[at].type == "Eltwise" and len(self.flow.reads[at]) == 2:
            own, other = (self._convolution(read) for read in self.flow.reads[at])
            if own is None or other is None:
                return None
            total = _Node(at, own.bottom, self.flow.layers[at].name, at, {at})
            if other.bottom == own.bottom:
                return [own, other], [total]  # skip
            pre = self._convolution(other.bottom)
            return ([own, pre], [other, total]) if pre is not None else None  # residual
        extension = self._convolution(value)
        own = self._convolution(extension.bottom) if extension is not None else None
        return ([own], [extension]) if own is not None and extension is not None else None

    def _convolution(self, value: Value) -> _Node | None:
        """The convolution that makes a value, or the block that stands for one."""
        at = self._maker(value)
        if at is None:
            return None
        block = self._block(at)
        if block is not None:
            return block
        layer = self.flow.layers[at]
        if layer.type != "Convolution" or len(layer.bottoms) != 1:
            return None
        return _Node(at, self.flow.reads[at][0], layer.name, at, {at})

    def _maker(self, value: Value) -> int | None:
        return value.maker if value.maker >= 0 and len(self.flow.layers[value.maker].tops) == 1 else None

    def _is_pointwise(self, at: int) -> bool:
        layer = self.flow.layers[at]
        if layer.type != "Convolution" or len(layer.bottoms) != 1 or len(layer.tops) != 1:
            return False
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


def linear_regions(flow: Flow, at: int, splits: Sequence[Region], taken: Collection[int]) -> Iterator[list[int]]:
    """Closed groups of linear layers that end at a place in a flow, from the smallest on.

    Args:
        splits: blocks of splits, which belong to a group whole or not at all. taken: places that are part of another region.
    """
    whole = {place: region.places(flow) for region in splits for place in region.places(flow)}
    group: set[int] = set()
    waiting = {at}
    while waiting:
        place = max(waiting)
        layer = flow.layers[place]
        more = set(whole.get(place, [place]))
        if not is_linear(layer) or len(layer.tops) != 1 or more & set(taken):
            return
        made = flow.makes[place][0]
        if place != at and not set(flow.readers.get(made, [])) <= group:
            return
        group |= more
        outside = {value for member in group for value in flow.reads[member] if value.maker not in group}
        waiting = {value.maker for value in outside}
        if len(outside) == 1:
            yield sorted(group)
        if max(waiting, default=-1) < 0:
            return


def anchor_of(flow: Flow, group: Sequence[int], splits: Sequence[Region]) -> tuple[Layer, str] | None:
    """The layer of a group whose text is kept, and its name afterwards: the InnerProduct, or the convolution of the largest kernel.

    Where that is part of a split, it goes by the name of what was split.
    """
    owner = {name: region for region in splits for name in region.layers}
    best: tuple[int, Layer, str] | None = None
    for at in group:
        layer = flow.layers[at]
        region = owner.get(layer.name)
        if region is not None and layer.name != region.anchor:
            continue
        if layer.type == "InnerProduct":
            return layer, layer.name
        if layer.type == "Convolution":
            try:
                kernel = layer.geometry().kernel
            except SurgeryError:  # it is not understood, which folding it will say
                kernel = (1, 1)
            size = kernel[0] * kernel[1]
            if best is None or size > best[0]:
                best = (size, layer, region.name if region is not None else layer.name)
    return best[1:] if best is not None else None
