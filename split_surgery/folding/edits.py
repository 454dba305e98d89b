"""Folded regions and documents in, splices for each file out; and the proof that they say what was meant."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from split_surgery.documents.edit.layer_edit import LayerEdit
from split_surgery.documents.edit.layer_text import removals, splice_layer
from split_surgery.documents.edit.proof import prove_extent, prove_text
from split_surgery.documents.net.flow import Flow, NetFlows, Value, flow_in
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.spans import Span, Splice
from split_surgery.documents.weights.blobs import Record, Weights
from split_surgery.documents.weights.caffemodel import LayerRecord
from split_surgery.errors import Defect
from split_surgery.folding.collapse import Collapsed, edit_of
from split_surgery.workspace.outputs import RecordChange, with_numbers

Edits = Mapping[Layer, LayerEdit]
"""The anchors of a prototxt, and what becomes of them."""


def anchor_edits(flows: Sequence[Flow], done: Sequence[Collapsed]) -> dict[Layer, LayerEdit]:
    """What becomes of each region's anchor in a net; twins each by the connections of a flow that has them."""
    found: dict[Layer, LayerEdit] = {}
    for collapsed in done:
        region = collapsed.region
        for flow in flows:
            bottom = region.bottom(flow)
            if isinstance(bottom, Value):
                anchor = flow.layers[flow.places[region.anchor]]
                top = flow.makes[flow.places[region.last]][0].blob
                found[anchor] = edit_of(collapsed, anchor, bottom.blob, top)
    return found


def edited_text(text: Prototxt, nets: Sequence[NetFlows], done: Sequence[Collapsed]) -> Prototxt:
    """A prototxt with its regions folded, proven by another route.

    Args:
        nets: those in it, with their flows.

    Raises:
        Defect: what would be written does not say what was meant.
    """
    members = {name for collapsed in done for name in collapsed.region.layers}
    edits = [anchor_edits(one.flows, done) for one in nets]
    splices: list[Splice] = []
    allowed: list[Span] = []
    for one, own in zip(nets, edits):
        for layer, edit in own.items():
            splices += splice_layer(layer, edit)
            allowed.append(layer.span)
        gone = [layer for layer in one.net.layers if layer.name in members and layer not in own]
        spans = sorted(layer.span for layer in gone)
        for out in removals(gone):
            splices.append(out)
            allowed.append(_taken_out(text.document.data, out, spans))
    prove_extent(splices, allowed, text.document.name)
    edited = text.edited(splices)
    for one, again, own in zip(nets, edited.nets, edits):
        if again.other_fields() != one.net.other_fields():
            raise Defect(f"the new {text.document.name} has other fields outside its layers")
        _prove_layers(one.net, again, own, members)
        _prove_wiring(one.net, again, done)
    return edited


def _taken_out(data: bytes, out: Splice, gone: Sequence[Span]) -> Span:
    """What a splice takes out, which must be one of the layers that go (their spans, in order), or white space.

    Raises:
        Defect: it would take more.
    """
    first = bisect_right(gone, out.start, key=lambda span: span.stop)
    inside = gone[first : bisect_left(gone, out.stop, key=lambda span: span.start)]
    (span,) = inside or [Span(out.stop, out.stop)]
    if (data[out.start : span.start] + data[span.stop : out.stop]).strip(b" \t\r\n,"):
        raise Defect(f"taking out layers would take more than them, at byte {out.start}")
    return Span(out.start, out.stop)


def _prove_layers(net: Net, again: Net, edits: Edits, members: set[str]) -> None:
    """Raises: Defect, where the new net has other layers than the anchors as edited and the rest as it was."""
    kept = [layer for layer in net.layers if layer in edits or layer.name not in members]
    if len(kept) != len(again.layers):
        raise Defect(f"the new net has {len(again.layers)} layers instead of {len(kept)}")
    for layer, new in zip(kept, again.layers):
        if layer in edits:
            prove_text([new], [edits[layer]], layer)
        elif layer.text != new.text:
            raise Defect(f'layer "{layer.name}" is not folded, and has changed')


def _prove_wiring(net: Net, again: Net, done: Sequence[Collapsed]) -> None:
    """Raises: Defect, where a layer that stays reads something else than it did, in any phase or stage."""
    for state in dict.fromkeys(net.states() + again.states()):
        old, new = flow_in(net, state), flow_in(again, state)
        tops: dict[Value, Value] = {}
        bottoms: dict[int, Value] = {}  # of what the anchors become
        gone: set[int] = set()
        for collapsed in done:
            bottom, region = collapsed.region.bottom(old), collapsed.region
            if isinstance(bottom, Value):
                gone |= set(region.places(old)) - {old.places[region.anchor]}
                tops[old.makes[old.places[region.last]][0]] = Value(old.places[region.anchor], "")
                bottoms[old.places[region.anchor]] = bottom
        kept = [at for at in range(len(old.layers)) if at not in gone]
        now = {at: index for index, at in enumerate(kept)}

        def moved(value: Value, tops: dict[Value, Value] = tops, now: dict[int, int] = now) -> Value:
            maker = tops[value].maker if value in tops else value.maker
            return Value(now.get(maker, -2) if maker >= 0 else -1, value.blob)

        for index, at in enumerate(kept):
            reads = (bottoms[at],) if at in bottoms else old.reads[at]
            if len(kept) != len(new.layers) or tuple(map(moved, reads)) != new.reads[index]:
                raise Defect(f'after the fold "{old.layers[at].name}" reads something else, {state.said}')


def record_changes(
    weights: Weights, nets: Sequence[Net], edits: Edits, done: Sequence[Collapsed]
) -> list[RecordChange]:
    """What becomes of the weights file's records, proven by another route.

    Args:
        edits: those of all the nets.

    Raises:
        Defect: what would be written is not what was meant.
    """
    changes: list[RecordChange] = []
    gone: set[str] = set()
    for collapsed in done:
        region = collapsed.region
        anchors = [layer for net in nets for layer in net.named(region.anchor) if layer in edits]
        edit = edits[anchors[0]]
        for name in region.layers:
            gone.add(name)
            for record in weights.named(name):
                if name == region.anchor:
                    changes.append(_anchor_change(collapsed, edit, record))
                else:
                    changes.append(_removed(record))
    return [*changes, *(_removed(record) for record in _stale_splits(weights, gone))]


def _anchor_change(collapsed: Collapsed, edit: LayerEdit, record: Record) -> RecordChange:
    arrays = (collapsed.weight,) if collapsed.bias is None else (collapsed.weight, collapsed.bias)
    return with_numbers(record, edit, arrays, (1,) if "bias_term" in edit.drops else ())


def _removed(record: Record) -> RecordChange:
    splices = [Splice(*record.span, b"")] if isinstance(record, LayerRecord) else []
    return RecordChange(record, [], [], splices)


def _stale_splits(weights: Weights, gone: set[str]) -> Iterator[LayerRecord]:
    """Caffe's own Split layers (it adds one where several layers read a blob) that only layers of the regions read."""
    readers: dict[str, set[str]] = {}
    for record in weights.layers:
        for bottom in record.stored_bottoms if isinstance(record, LayerRecord) else ():
            readers.setdefault(bottom, set()).add(record.name)
    for record in weights.layers:
        if isinstance(record, LayerRecord) and record.type == "Split" and record.tops:
            reading = set().union(*(readers.get(top, set()) for top in record.tops))
            if reading and reading <= gone:
                yield record
