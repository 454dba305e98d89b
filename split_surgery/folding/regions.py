"""Where a net can be folded beside the blocks of splits: every other linear region, and the layer that will stand for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from split_surgery.documents.net.flow import Flow
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.split_blocks import Region
from split_surgery.errors import SurgeryError
from split_surgery.folding.linear import is_linear


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
            except SurgeryError:  # it is not understood: collapse() says why
                kernel = (1, 1)
            size = kernel[0] * kernel[1]
            if best is None or size > best[0]:
                best = (size, layer, region.name if region is not None else layer.name)
    return best[1:] if best is not None else None
