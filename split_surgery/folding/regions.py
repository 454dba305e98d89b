"""Where a net can be folded beside the blocks of splits: every other linear region, and the layer that will stand for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from split_surgery.documents.net.flow import Flow, Value
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import SLIDING
from split_surgery.documents.net.split_blocks import Region
from split_surgery.errors import SurgeryError
from split_surgery.folding.understood import JOINED, is_linear, values

KERNELS = (*SLIDING, "InnerProduct")


@dataclass(frozen=True)
class GrowingGroup:
    """Places in a flow that are a group at several sizes, each with the places of the smaller ones.

    Attributes:
        joined: the places of the largest group, in the order in which they joined. sizes: how many make a group, growing.
    """

    joined: list[int]
    sizes: list[int]

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> list[int]:
        return sorted(self.joined[: self.sizes[index]])


def linear_regions(flow: Flow, at: int, whole: Mapping[int, Sequence[int]], taken: Collection[str]) -> GrowingGroup:
    """Closed groups of linear layers that end at a place in a flow.

    Args:
        whole: by place, those of the block of a split, which belong to a group whole or not at all.
        taken: names of layers that are part of another region.
    """
    group: dict[int, None] = {}
    outside: set[Value] = set()
    makers = [-at]  # a heap of those of what is read from outside, the last one first
    sizes: list[int] = []
    kernels, spreads = 0, False  # how many are in the group, and whether one is a Deconvolution's
    while makers and makers[0] <= 0:
        place = -heappop(makers)
        if place in group:
            continue
        more, layer = whole.get(place, (place,)), flow.layers[place]
        if not is_linear(layer) or any(flow.layers[other].name in taken for other in more):
            break
        if len(layer.tops) != 1 and (place == at or layer.type != "Slice"):
            break
        made = flow.makes[place]
        if place != at and not all(reader in group for value in made for reader in flow.readers.get(value, [])):
            break
        if kernels + (layer.type in KERNELS) > 1 and (spreads or layer.type == "Deconvolution"):
            break  # no one layer does what a Deconvolution and another kernel do
        group |= dict.fromkeys(more)
        kernels += sum(flow.layers[member].type in KERNELS for member in more)
        spreads = spreads or any(flow.layers[member].type == "Deconvolution" for member in more)
        outside -= {value for member in more for value in flow.makes[member]}
        read = {value for member in more for value in flow.reads[member] if value.maker not in group}
        for value in read - outside:
            heappush(makers, -value.maker)
        outside |= read
        if len(outside) == 1:
            sizes.append(len(group))
    return GrowingGroup(list(group), sizes)


def anchor_of(flow: Flow, group: Sequence[int], owner: Mapping[str, Region]) -> tuple[Layer, str] | None:
    """The layer of a group whose text is kept, and its name afterwards: the InnerProduct, or the convolution of the largest kernel;
    of a chain without either the last Scale, if possible one with a bias.

    Args:
        owner: the split that a layer is part of, by name; where the anchor is, it goes by the name of what was split.
    """
    best: tuple[int, Layer, str] | None = None
    for at in group:
        layer = flow.layers[at]
        region = owner.get(layer.name)
        if region is not None and layer.name != region.anchor:
            continue
        if layer.type == "InnerProduct":
            return layer, layer.name
        if layer.type in SLIDING:
            try:
                kernel = layer.geometry().kernel
            except SurgeryError:  # it is not understood: collapse() says why
                kernel = (1, 1)
            size = kernel[0] * kernel[1]
            if best is None or size > best[0]:
                best = (size, layer, region.name if region is not None else layer.name)
    if best is None and not any(flow.layers[at].type in (*JOINED, "Slice") for at in group):
        scales = [flow.layers[at] for at in group if flow.layers[at].type == "Scale"]
        biased = [layer for layer in scales if any(value.boolean() for value in values(layer, "bias_term")[-1:])]
        return next(((layer, layer.name) for layer in reversed([*scales, *biased])), None)
    return best[1:] if best is not None else None
