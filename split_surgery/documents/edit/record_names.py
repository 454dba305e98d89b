"""Layers and blobs under other names in a caffemodel: splices of the records, whose numbers are copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from split_surgery.documents.caffe_fields import caffe_fields
from split_surgery.documents.prototxt import utf8
from split_surgery.documents.spans import Chunk, Reader, Span, Splice, merged
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.caffemodel import (
    LAYER,
    LAYER_V1,
    NET_LAYER,
    NET_LAYERS_V1,
    SPLIT_BLOB,
    Caffemodel,
    LayerRecord,
    text_of,
)

_INPUT = caffe_fields("NetParameter")["input"].number


@dataclass(frozen=True)
class NewNames:
    """New names by old ones. splits: those of Caffe's own Split layers, which it makes of a blob's name, its layer's and its index."""

    layers: Mapping[str, str]
    blobs: Mapping[str, str]
    splits: Mapping[str, str] = field(default_factory=dict)

    def layer(self, name: str) -> str:
        """A layer's name now."""
        return self.splits.get(name) or self.layers.get(name, name)

    def blob(self, name: str) -> str:
        """A blob's name now."""
        made = SPLIT_BLOB.fullmatch(name)
        if made is not None and made[1] in self.splits:
            return self.splits[made[1]] + made[2]
        return self.blobs.get(name, name)


def with_splits(weights: Caffemodel, layers: Mapping[str, str], blobs: Mapping[str, str]) -> NewNames:
    """The same names, and those of the Split layers that follow from them (SplitLayerName of Caffe's insert_splits.cpp)."""
    splits = {
        f"{top}_{record.name}_{at}_split": f"{blobs.get(top, top)}_{layers.get(record.name, record.name)}_{at}_split"
        for record in weights.layers
        for at, top in enumerate(record.tops)
        if record.type != "Split"
    }
    there = {record.name for record in weights.layers if record.type == "Split"}
    changed = {old: new for old, new in splits.items() if old in there and old != new}
    return NewNames(layers, blobs, changed)


def rename_splices(weights: Caffemodel, names: NewNames) -> list[Splice]:
    """What gives the records of a file other names; a record that has none of them is not touched."""
    reader = weights.rope
    splices = [splice for record in weights.layers for splice in _of_record(record, names)]
    for item in wire.walk(reader, 0, reader.size):
        if item.number == _INPUT and item.wire_type == wire.LENGTH:
            splices += _of_text(reader, item, names.blob)
    return splices


def _of_record(record: LayerRecord, names: NewNames) -> Iterator[Splice]:
    numbers = LAYER_V1 if record.v1 else LAYER

    def own_name(name: str) -> str:
        return names.layer(name) if name == record.name else name  # of several the last is the layer's

    kinds = {numbers["name"]: own_name, numbers["bottom"]: names.blob, numbers["top"]: names.blob}
    inside = [
        splice
        for item in wire.walk(record.reader, *record.body)
        if item.number in kinds and item.wire_type == wire.LENGTH
        for splice in _of_text(record.reader, item, kinds[item.number])
    ]
    if not inside:
        return
    chunks: list[Chunk] = []
    at = record.body.start
    for splice in inside:
        chunks += [Span(at, splice.start), *splice.chunks()]
        at = splice.stop
    chunks.append(Span(at, record.body.stop))
    # Only what stands before the numbers is written anew: the length of the record, and its names.
    number = NET_LAYERS_V1 if record.v1 else NET_LAYER
    yield Splice(*record.span, merged(wire.wrapped(number, chunks)))


def _of_text(reader: Reader, item: wire.WireField, renamed: Callable[[str], str]) -> list[Splice]:
    old = text_of(reader, item)
    new = renamed(old)
    if new == old:
        return []
    return [Splice(item.start, item.stop, wire.tagged(item.number, utf8(new)))]
