"""One region of a net worked out: what the layer is that stands for it, as the files will hold it; or why it must be left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from split_surgery.documents.edit.layer_edit import GEOMETRY, LayerEdit, NewField, geometry_fields
from split_surgery.documents.net.flow import Flow, NetFlows, Value
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import CONVOLUTIONS, DEPTHWISE, SLIDING, own_blobs
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of
from split_surgery.documents.net.split_blocks import Region
from split_surgery.documents.weights.blobs import Array, Held, Weights, all_finite
from split_surgery.errors import NotFoldable, Overflow
from split_surgery.folding.compose import CheckSize, Folded, by_windows, fold_group
from split_surgery.folding.gathered import Gathered
from split_surgery.folding.linear import as_stored, slide_of
from split_surgery.folding.probe import Probe
from split_surgery.folding.understood import Trust, flag
from split_surgery.kernels.dense import grouped
from split_surgery.kernels.linear_maps import ChannelWindow, Slide, largest_of


@dataclass(frozen=True)
class Collapsed:
    """A region as one layer.

    Attributes:
        slide: how it slides. weight, bias: as they will be stored. count: its outputs. group: of the layer.
        before, after: parameters. error: bound on the rounding of one number. largest: of the numbers.
    """

    region: Region
    slide: Slide
    weight: Array
    bias: Array | None
    count: int
    group: int
    before: int
    after: int
    error: float
    largest: float


def collapse(
    texts: Sequence[NetFlows], weights: Weights, region: Region, trust: Trust, allow_larger: bool
) -> Collapsed:
    """Fold a region, which must be the same in all the nets and flows that have it, or that test it; proven by another route.

    Raises:
        NotFoldable, Unsupported: the region must be left as it is.
        FileError: the files are damaged.
        Defect: the fold does not compute what the layers did.
    """
    found: Gathered | None = None
    tested = any(flow.state.phase == "TEST" and region.places(flow) for text in texts for flow in text.flows)
    done: set[tuple[Layer, ...]] = set()
    anchors: dict[Layer, tuple[str, str]] = {}  # what each reads and makes
    if region.name != region.anchor and weights.named(region.name) and region.name not in region.layers:
        raise NotFoldable(f'{weights.name} has a layer "{region.name}" already')
    for text in texts:
        for flow in text.flows:
            bottom = region.bottom(flow)
            if bottom is None:
                continue
            places = region.places(flow)
            _check_order(flow, region, places, bottom)
            last = flow.places[region.last]
            _check_members(text, flow, region)
            ends = (bottom.blob, flow.makes[last][0].blob)
            if anchors.setdefault(flow.layers[flow.places[region.anchor]], ends) != ends:
                raise NotFoldable(f'"{region.anchor}" would have another bottom or top in another phase')
            layers = tuple(flow.layers[at] for at in places)
            # What is only tested may have twins to train with that compute something else: they go, or say what the others say.
            if layers in done or (trust.statistics and tested and flow.state.phase != "TEST"):
                continue
            done.add(layers)
            if not allow_larger:
                trust = replace(trust, most=_most(text.net, weights, region))
            check = None if allow_larger else _growth_check(texts, weights, region)
            now = _composed(text, weights, flow, region, bottom, trust, check)
            if found is not None and not now.same_as(found):
                raise NotFoldable("it computes something else in another phase or file")
            found = now
    assert found is not None  # a region is found in a flow
    return _stored(texts, weights, region, found, allow_larger)


def _composed(
    text: NetFlows, weights: Weights, flow: Flow, region: Region, bottom: Value, trust: Trust, check_size: CheckSize | None
) -> Gathered:  # fmt: skip
    """The map of a region in one flow, proven by another route; why there is none says in which phase, where the net has several."""
    places, last, anchor = region.places(flow), flow.places[region.last], flow.layers[flow.places[region.anchor]]
    like = blob_of(text.net, weights, anchor, 0)
    numbers = sum(_parameters(text.net, weights, name) for name in region.layers)
    gathered: Gathered | None = None
    probe: Probe | None = None

    def fold(window: ChannelWindow) -> Folded:
        with np.errstate(over="ignore", invalid="ignore"):  # asked about in Gathered
            return fold_group(text.net, weights, flow, places, bottom, last, trust, check_size, window)

    try:
        for _, channels, folded in by_windows(fold, numbers):
            assert like is not None  # it was folded
            gathered = gathered or Gathered.begun(folded, like.dtype)
            gathered.add(channels, folded.map)
            probe = probe or Probe(
                flow, places, bottom, last, _Blobs(text.net, weights).load, folded.map.slide,
                len(folded.map.weight) if anchor.type == "Scale" else folded.channels,
                flat=anchor.type == "InnerProduct", apart=anchor.type == "Scale",
            )  # fmt: skip
            probe.add(channels, folded.map)
    except NotFoldable as error:
        if error.layer is not None and len(text.net.named(error.layer)) > 1:
            raise NotFoldable(f"{error.reason}, {flow.state.said}", error.place, layer=error.layer) from error
        raise
    assert gathered is not None  # there is a window
    assert probe is not None
    probe.prove(gathered.map.bias)
    return gathered


def _check_members(text: NetFlows, flow: Flow, region: Region) -> None:
    """Raises: NotFoldable, where a layer's name or loss stands in the way."""
    names = [layer.name for layer in flow.layers]
    for name in region.layers:
        if not name or names.count(name) > 1:
            raise NotFoldable(f'there are several layers "{name}"')
        if flow.layers[flow.places[name]].message.values("loss_weight") and (
            name != region.last or name != region.anchor
        ):
            raise NotFoldable(f'"{name}" has a loss_weight')
    if region.name not in region.layers and text.net.named(region.name):
        raise NotFoldable(f'another layer is called "{region.name}" already')


@dataclass(frozen=True)
class _Blobs:
    net: Net
    weights: Weights

    def load(self, layer: Layer, index: int) -> Array | None:
        blob = blob_of(self.net, self.weights, layer, index)
        return blob.load() if blob is not None else None


def _check_order(flow: Flow, region: Region, places: Sequence[int], bottom: Value) -> None:
    """Raises: NotFoldable, where a layer that is kept works on the region's blobs between the anchor and the region's end."""
    anchor, last = flow.places[region.anchor], flow.places[region.last]
    top = flow.makes[last][0].blob
    for at, layer in enumerate(flow.layers):
        if at in places:
            continue
        if bottom.maker < at < anchor and bottom.blob in layer.tops:
            raise NotFoldable(f'"{layer.name}" works in place on its bottom "{bottom.blob}" before "{region.anchor}"')
        if anchor < at < last and top in (*layer.bottoms, *layer.tops):
            raise NotFoldable(f'"{layer.name}" uses the blob "{top}" before "{region.last}" makes it')


def _stored(
    texts: Sequence[NetFlows], weights: Weights, region: Region, found: Gathered, allow_larger: bool
) -> Collapsed:
    """The layer as the files will hold it.

    Raises:
        NotFoldable: it is larger than the region was.
        Overflow: its numbers are too large for the files.
    """
    net = next(text.net for text in texts if text.net.named(region.anchor))
    anchor = net.named(region.anchor)[0]
    like = blob_of(net, weights, anchor, 0)
    assert like is not None  # it was folded
    groups, whole = [1], found.map
    if anchor.type == "InnerProduct":
        weight = whole.weight[:, :, 0, 0]
        weight = weight.T if flag(anchor, "transpose", default=False) else weight
        has_bias = flag(anchor, "bias_term", default=True)
    elif anchor.type == "Scale":
        weight, has_bias = whole.weight[:, 0, 0, 0], flag(anchor, "bias_term", default=False)
        if whole.bias.any() and not has_bias:
            raise NotFoldable("has no bias_term: true, to take what the layers before it add", layer=anchor.name)
    else:
        # What is zero between groups must have been so before it was rounded.
        groups = _groups(texts, region, found.linked)
        apart = whole.weight.shape[:2] == (groups[0], groups[0])
        if anchor.type in DEPTHWISE and not (apart and whole.slide == slide_of(anchor)):
            raise NotFoldable(
                f"one kernel for each channel, as those of {anchor.type}, would not do", layer=anchor.name
            )
        parts = as_stored(anchor, whole.weight, groups[0])
        assert parts is not None
        weight, has_bias = parts, anchor.geometry().bias_term
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(weight, like.dtype)
        bias = np.ascontiguousarray(whole.bias, like.dtype) if has_bias or whole.bias.any() else None
    if not (all_finite(Held(stored, 0, "")) and (bias is None or np.isfinite(bias).all())):
        raise Overflow(f"its numbers overflow {stored.dtype.name}")
    before = sum(_parameters(net, weights, name) for name in region.layers)
    after = stored.size + (bias.size if bias is not None else 0)
    if not allow_larger:
        _check_grown(texts, weights, region, before, after, 0 if anchor.type == "Scale" else stored.size)
    largest = largest_of(stored)
    error = whole.error(np.finfo(stored.dtype), found.largest)
    return Collapsed(region, whole.slide, stored, bias, len(whole.weight), groups[0], before, after, error, largest)


def _check_grown(
    texts: Sequence[NetFlows], weights: Weights, region: Region, before: int, after: int, size: int
) -> None:
    """Raises: NotFoldable, where the layer has more numbers than the region, or multiplies more. size: numbers of its weight."""
    work = (_work(texts, weights, region), size / _spread_over(texts, region))
    if after > before or work[1] > work[0] * (1 + 1e-12):
        grown = [f"{before:,} parameters would be {after:,}"] if after > before else []
        grown += [f"{work[0]:,.0f} multiply-adds a pixel would be {work[1]:,.0f}"] if work[1] > work[0] else []
        raise NotFoldable(f"it would grow: {' and '.join(grown)} (--allow-larger folds it)")


def _growth_check(texts: Sequence[NetFlows], weights: Weights, region: Region) -> CheckSize:
    """Says of a region that will grow so before its last and largest product is worked out, from the zeros in its factors alone."""
    net = next(text.net for text in texts if text.net.named(region.anchor))
    anchor = net.named(region.anchor)[0]
    before = sum(_parameters(net, weights, name) for name in region.layers)

    def check(pattern: npt.NDArray[np.bool_], slide: Slide) -> None:
        group = 1 if anchor.type == "InnerProduct" else _groups(texts, region, pattern)[0]
        size = pattern.size // group * slide.kernel[0] * slide.kernel[1]
        biased = (
            flag(anchor, "bias_term", default=True) if anchor.type == "InnerProduct" else anchor.geometry().bias_term
        )
        _check_grown(texts, weights, region, before, size + (len(pattern) if biased else 0), size)

    return check


def _groups(texts: Sequence[NetFlows], region: Region, linked: npt.NDArray[np.bool_]) -> list[int]:
    """In how many groups the region's layer can be stored, the most first: its anchor's, times the parts of a Slice; or 1.

    Args:
        linked: (n, c), whether an output depends on a channel.
    """
    layers = [layer for text in texts for name in region.layers for layer in text.net.named(name)[:1]]
    anchor = next(layer for layer in layers if layer.name == region.anchor)
    slices = max([len(layer.tops) for layer in layers if layer.type == "Slice"], default=1)
    wanted = sorted({anchor.geometry().group * slices, anchor.geometry().group, 1}, reverse=True)
    return [count for count in wanted if grouped(linked.astype(np.float32), count) is not None]


def _spread_over(texts: Sequence[NetFlows], region: Region) -> int:
    """How many pixels a Deconvolution that is a region's anchor makes of one; 1 for other layers."""
    anchor = next(layer for text in texts for layer in text.net.named(region.anchor)[:1])
    stride = anchor.geometry().stride if anchor.type == "Deconvolution" else (1, 1)
    return stride[0] * stride[1]


def _most(net: Net, weights: Weights, region: Region) -> int:
    """Numbers that a region may have while it is composed, groups written out, if it is not to grow."""
    groups, slices = [1], [1]
    for layer in (layer for name in region.layers for layer in net.named(name)):
        if layer.type in SLIDING:
            groups.append(layer.geometry().group)
        elif layer.type == "Slice":
            slices.append(len(layer.tops))
    return max(groups) * max(slices) * sum(_parameters(net, weights, name) for name in region.layers)


def _parameters(net: Net, weights: Weights, name: str) -> int:
    """Numbers in a layer's blobs."""
    layer = net.named(name)[0]
    blobs = [blob_of(net, weights, layer, index) for index in range(own_blobs(layer) or 0)]
    return sum(blob.count for blob in blobs if blob is not None)


def _work(texts: Sequence[NetFlows], weights: Weights, region: Region) -> float:
    """Multiply-adds of the region's layers for each pixel of its top: convolutions that a stride follows have more pixels."""
    text, flow = next((t, f) for t in texts for f in t.flows if region.places(f))
    pixels: dict[Value, float] = {}  # of a value for each of the region's bottom
    total: list[tuple[float, float]] = []
    for at in sorted(region.places(flow)):
        layer = flow.layers[at]
        share = pixels.get(flow.reads[at][0], 1.0)
        if layer.type in CONVOLUTIONS:
            stride = layer.geometry().stride
            share /= stride[0] * stride[1]
        if layer.type in (*SLIDING, "InnerProduct"):
            weight = blob_of(text.net, weights, layer, 0)
            total.append((share, float(weight.count) if weight is not None else 0.0))
        if layer.type == "Deconvolution":
            stride = layer.geometry().stride
            share *= stride[0] * stride[1]
        pixels |= dict.fromkeys(flow.makes[at], share)
    end = pixels[flow.makes[flow.places[region.last]][0]]
    return sum(share / end * count for share, count in total)


def edit_of(collapsed: Collapsed, anchor: Layer, bottom: str, top: str) -> LayerEdit:
    """What makes the region's one layer out of its anchor, in the text and in the record alike.

    Args:
        anchor: as the prototxt has it. bottom, top: the region's.
    """
    region, drops, adds = collapsed.region, list[str](), list[NewField]()
    holder = {"InnerProduct": "inner_product_param", "Scale": "scale_param"}.get(anchor.type, "convolution_param")
    if anchor.type in SLIDING:
        geometry, slide = anchor.geometry(), collapsed.slide
        changed = slide_of(anchor) != slide
        if changed or geometry.group != collapsed.group:
            drops += GEOMETRY if changed else ["group"]
            adds += [NewField("group", collapsed.group)] if collapsed.group > 1 else []
        if changed:
            adds += geometry_fields(slide.kernel, slide.stride, slide.pad, slide.dilation)
        has_bias = geometry.bias_term
    else:
        has_bias = anchor.type == "Scale" or flag(anchor, "bias_term", default=True)
    if not has_bias and collapsed.bias is not None:
        drops.append("bias_term")
    suffix = anchor.name.removeprefix(region.name) if region.split or region.name != anchor.name else ""
    return LayerEdit(
        name=region.name, bottoms=(bottom,), top=top,
        num_output=collapsed.count if anchor.type != "Scale" else None, holder=holder, drops=tuple(drops), adds=tuple(adds),
        unsuffix=suffix, keep_propagate_down=True, keep_loss_weight=region.last == region.anchor, v1=anchor.v1,
    )  # fmt: skip
