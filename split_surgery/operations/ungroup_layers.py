"""A grouped convolution as a Slice of its bottom, a convolution for each group, and a Concat: the same numbers, only parted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from split_surgery.documents.edit.layer_edit import EnumValue, Join, LayerEdit
from split_surgery.documents.edit.layer_text import insertion_point, render_layer, splice_layer, style_of
from split_surgery.documents.edit.proof import prove_extent, prove_text
from split_surgery.documents.net.build_faults import check_given_once
from split_surgery.documents.net.layer import Geometry, Layer
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.net.parameters import convolution_blobs, needed_record
from split_surgery.documents.net.splittable import check_linear
from split_surgery.documents.spans import Splice
from split_surgery.documents.v1 import OLD_NUMBERS, OLD_TYPES
from split_surgery.documents.weights.blobs import Blob, ChosenKernels, Record, in_parts, pieces
from split_surgery.documents.weights.caffemodel import LayerRecord
from split_surgery.errors import Defect, UsageError
from split_surgery.operations.named_layers import check_passes_on, named_layers
from split_surgery.workspace.inputs import Inputs
from split_surgery.workspace.outputs import RecordChange, applied, changed_record


@dataclass(frozen=True)
class Ungrouped:
    """A convolution that is several layers now. groups: how many it had. layers: the new ones, in their order."""

    layer: str
    groups: int
    layers: tuple[str, ...]


def ungroup_layers(inputs: Inputs, names: Sequence[str]) -> tuple[Inputs, list[Ungrouped]]:
    """The files with each group of these convolutions as a layer of its own.

    Raises:
        UsageError: there is no such layer, or a new one would have a name that is taken.
        Unsupported, FileError: it has no groups, or its weights are not those of the prototxt.
        Defect: what would be written is not what was meant.
    """
    geometries: dict[str, Geometry] = {}
    changes: list[RecordChange] = []
    for name in named_layers(inputs, names, "Convolution"):
        twins = [layer for net in inputs.nets for layer in net.named(name)]
        found = [_check(layer) for layer in twins]
        if len(set(found)) > 1:
            layer = next(layer for layer, one in zip(twins, found) if one != found[0])
            layer.refuse(f"is another convolution than at {twins[0].place()}")
        layer, geometries[name] = twins[0], found[0]
        record = needed_record(inputs.weights, layer)
        blobs = convolution_blobs(inputs.net, inputs.weights, layer, found[0])
        changes.append(_record_change(record, layer, found[0], blobs))
    for net in inputs.nets:
        _check_free(net, geometries)
    texts = [_edited_text(text, geometries) for text in inputs.texts]
    edited = inputs.edited(texts, applied(inputs.weights, changes))
    return edited, [
        Ungrouped(name, geometries[name].group, tuple(edit.name for edit in change.edits))
        for name, change in zip(geometries, changes)
    ]


def _check(layer: Layer) -> Geometry:
    """The geometry of a convolution whose groups can be layers.

    Raises:
        Unsupported, FileError: they cannot.
    """
    if layer.type != "Convolution":
        layer.refuse(f"has type {layer.type}, and only a Convolution has groups")
    check_passes_on(layer)
    check_given_once(layer)
    if layer.param_names():
        layer.refuse(
            "has named parameters, which its groups cannot share with another layer", layer.param_names()[0][2]
        )
    if layer.message.scalars("propagate_down"):
        layer.refuse("says propagate_down, which a Slice has not", layer.message.scalars("propagate_down")[0])
    check_linear(layer, frozenset())
    geometry = layer.geometry()
    if geometry.group == 1:
        layer.refuse("has one group")
    if geometry.num_output % geometry.group:
        layer.fail(f"num_output {geometry.num_output} is not a multiple of group {geometry.group}")
    return geometry


def _check_free(net: Net, geometries: Mapping[str, Geometry]) -> None:
    """Raises: UsageError, where a layer or a blob of the net has the name of a new one."""
    taken = (
        set(net.inputs()) | {other.name for other in net.layers} | {top for other in net.layers for top in other.tops}
    )
    for layer in _chosen(net, geometries):
        edits = _edits(layer, geometries[layer.name], layer.v1)
        new = [name for edit in edits for name in (edit.name, *edit.tops) if name not in layer.tops]
        clash = next((name for name in new if name in taken), None)
        if clash is not None:
            raise UsageError(f'the new layer "{clash}" would have the name of what is there already', layer.place())


def _chosen(net: Net, geometries: Mapping[str, Geometry]) -> list[Layer]:
    """The layers of a net that are ungrouped, in its order."""
    return [layer for layer in net.layers if layer.name in geometries]


def _edits(layer: Layer, geometry: Geometry, v1: bool) -> list[LayerEdit]:
    """The new layers, in their order, as differences from the old one."""
    name, groups = layer.name, range(1, geometry.group + 1)
    inputs = tuple(f"{name}_slice{at}" for at in groups)
    parts = tuple(f"{name}_group{at}" for at in groups)
    convolutions = [
        LayerEdit(part, (bottom,), part, geometry.num_output // geometry.group, drops=("group",), v1=v1)
        for part, bottom in zip(parts, inputs)
    ]
    first, *others = inputs
    return [
        LayerEdit(f"{name}_slice", layer.bottoms, first, more_tops=tuple(others), join=_join("Slice", v1), v1=v1),
        *convolutions,
        LayerEdit(f"{name}_concat", parts, layer.tops[0], keep_loss_weight=True, join=_join("Concat", v1), v1=v1),
    ]  # fmt: skip


def _join(kind: str, v1: bool) -> Join:
    """A layer without weights on axis 1, which is the default of both."""
    return Join(EnumValue(OLD_TYPES[kind], OLD_NUMBERS[kind]) if v1 else kind, None)


def _edited_text(text: Prototxt, geometries: Mapping[str, Geometry]) -> Prototxt:
    """A prototxt with the layers ungrouped in all its nets, proven. The first convolution keeps the comments of the old one."""
    layers = [layer for net in text.nets for layer in _chosen(net, geometries)]
    splices: list[Splice] = []
    for layer in layers:
        cut, first, *others = _edits(layer, geometries[layer.name], layer.v1)
        style, start, stop = style_of(layer), layer.span.start, insertion_point(layer)
        before = render_layer(style, layer, cut).removeprefix(style.indent) + style.before + style.indent
        splices += [Splice(start, start, before), *splice_layer(layer, first)]
        splices.append(Splice(stop, stop, b"".join(style.before + render_layer(style, layer, edit) for edit in others)))
    prove_extent(splices, [layer.span._replace(stop=insertion_point(layer)) for layer in layers], text.document.name)
    edited = text.edited(splices)
    for was, now in zip(text.nets, edited.nets):
        _prove_net(was, now, geometries)
    return edited


def _prove_net(was: Net, now: Net, geometries: Mapping[str, Geometry]) -> None:
    """Raises: Defect, where the new net is not the old one with the new layers in the place of the old."""
    found = iter(now.layers)
    for layer in was.layers:
        if layer.name in geometries:
            edits = _edits(layer, geometries[layer.name], layer.v1)
            new = list(itertools.islice(found, len(edits)))
            for one, edit in itertools.zip_longest(new, edits):
                if one is None or (one.name, one.bottoms, one.tops) != (edit.name, edit.bottoms, edit.tops):
                    raise Defect(f'the new layer "{edit.name}" is not there, or reads as another')
            prove_text(new, edits, layer)
        elif (same := next(found, None)) is None or (same.name, same.type) != (layer.name, layer.type):
            raise Defect(f'layer "{layer.name}" is not where it was')
    if next(found, None) is not None:
        raise Defect("the new prototxt has more layers than were meant")


def _record_change(record: Record, layer: Layer, geometry: Geometry, blobs: Sequence[Blob]) -> RecordChange:
    """What becomes of the record, proven."""
    v1 = isinstance(record, LayerRecord) and record.v1
    edits, size = _edits(layer, geometry, v1), geometry.num_output // geometry.group
    parts = [_part(blobs, at * size, size) for at in range(geometry.group)]
    _prove_parts(blobs, parts)
    numbers: list[tuple[Blob, ...]] = [(), *parts, ()]
    return changed_record(record, edits, numbers)


def _prove_parts(blobs: Sequence[Blob], parts: Sequence[tuple[Blob, ...]]) -> None:
    """Raises: Defect, where the numbers of the parts, one after the other, are not those of the layer."""
    for index, blob in enumerate(blobs):
        whole, at = in_parts(blob), 0
        for part in parts:
            for piece in pieces(part[index]):
                if whole.part(at, at + len(piece)).tobytes() != piece.tobytes():
                    raise Defect(f"a group holds other numbers of blob {index} than its own")
                at += len(piece)
        if at != blob.count:
            raise Defect(f"the groups hold {at} of the {blob.count} numbers of blob {index}")


def _part(blobs: Sequence[Blob], start: int, count: int) -> tuple[Blob, ...]:
    """The blobs of one group: kernels and biases that follow each other."""
    weight, *bias = blobs
    rows = tuple(range(start, start + count))
    return (ChosenKernels(weight, rows, (count, *weight.shape[1:])), *(ChosenKernels(b, rows, (count,)) for b in bias))
