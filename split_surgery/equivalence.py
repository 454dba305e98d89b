"""Is a derived net still the baseline: what does each block compute, and is anything else changed.

Works from the files alone and sees neither plan nor recipe, so it also judges nets that other programs made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from split_surgery.documents.caffemodel import Caffemodel, LayerRecord
from split_surgery.documents.net import Layer, Net, State
from split_surgery.documents.prototxt import Message
from split_surgery.errors import SurgeryError
from split_surgery.folding import fold_block, load_affine


@dataclass(frozen=True)
class Block:
    """A layer of the baseline, and the block that took its place.

    Attributes:
        exact: weight and bias of the folded block equal the layer's bit for bit.
        drift: ||folded - old|| / ||old|| over weight and bias: the change of that layer's output for white input only.
        largest: the largest absolute difference of one number.
    """

    layer: str
    members: tuple[str, ...]
    exact: bool
    drift: float
    largest: float


@dataclass(frozen=True)
class Changed:
    """A layer outside the split layers that is not what it was: `part` is weights, text, missing or added."""

    layer: str
    part: str
    drift: float | None = None


def split_blocks(base: Net, base_weights: Caffemodel, derived: Net, weights: Caffemodel) -> list[Block]:
    """The convolutions that have gone, each held against the block that makes its top now.

    Raises:
        FileError: a block cannot be understood.
    """
    gone = [name for name in dict.fromkeys(layer.name for layer in base.convolutions()) if not derived.named(name)]
    old_names = {layer.name for layer in base.layers}
    new_layers = [layer for layer in derived.layers if layer.name not in old_names]
    return [_block(base.named(name)[0], base_weights, new_layers, weights) for name in gone]


def _block(old: Layer, base_weights: Caffemodel, new_layers: list[Layer], weights: Caffemodel) -> Block:
    if len(old.bottoms) != 1 or len(old.tops) != 1:
        old.fail("has gone, and a layer with several bottoms or tops cannot be held against a block")
    # Of TRAIN/TEST twins one is enough for the weights, which they share.
    same_state = [
        layer
        for layer in new_layers
        if any(layer.in_state(state) and old.in_state(state) for state in (State("TRAIN"), State("TEST")))
    ]
    folded = fold_block(same_state or new_layers, weights, old.bottoms[0], old.tops[0])
    geometry = old.geometry()
    weight, bias = load_affine(old, base_weights, geometry)
    if not folded.geometry.same_but_width(geometry) or folded.weight.shape != weight.shape:
        old.fail("the block in its place has another geometry")
    exact = folded.weight.tobytes() == weight.tobytes() and folded.bias.tobytes() == bias.tobytes()
    was = np.concatenate([weight.ravel(), bias]).astype(np.float64)
    now = np.concatenate([folded.weight.ravel(), folded.bias]).astype(np.float64)
    scale = float(np.linalg.norm(was)) or 1.0
    return Block(
        old.name, tuple(sorted(folded.layers)), exact,
        drift=float(np.linalg.norm(now - was)) / scale, largest=float(np.abs(now - was).max()),
    )  # fmt: skip


def changes(
    base: Net, base_weights: Caffemodel, derived: Net, weights: Caffemodel, blocks: Sequence[Block]
) -> Iterator[Changed]:
    """All that differs outside the split layers, in text and weights."""
    gone = {block.layer for block in blocks}
    members = {name for block in blocks for name in block.members}
    for name in dict.fromkeys(layer.name for layer in base.layers):
        if name in gone:
            continue
        if [_meaning(layer.message) for layer in base.named(name)] != [
            _meaning(layer.message) for layer in derived.named(name)
        ]:
            yield Changed(name, "text" if derived.named(name) else "missing")
    for name in dict.fromkeys(layer.name for layer in derived.layers):
        if name not in members and not base.named(name):
            yield Changed(name, "added")
    for record in base_weights.layers:
        if record.name in gone:
            continue
        there = [other for other in weights.layers if other.name == record.name and other.type == record.type]
        if not there:
            yield Changed(record.name, "missing")
        elif not any(same_record(base_weights, record, weights, other) for other in there):
            yield Changed(record.name, "weights", _drift(record, there[0]))
    known = {record.name for record in base_weights.layers} | members
    for record in weights.layers:
        if record.name not in known:
            yield Changed(record.name, "added")


def _meaning(message: Message) -> tuple[object, ...]:
    """A message without its layout: a net moved out of its solver is indented otherwise."""
    return tuple(
        (field.name, tuple(_meaning(value) if isinstance(value, Message) else value.text for value in field.values))
        for field in message.fields
    )


COMPARE = 8 * 1024 * 1024
"""Bytes of two records held at a time."""


def same_record(a: Caffemodel, record: LayerRecord, b: Caffemodel, other: LayerRecord) -> bool:
    """Whether two records are equal byte for byte, a piece at a time."""
    size = record.body.stop - record.body.start
    if size != other.body.stop - other.body.start:
        return False
    return all(
        a.reader.read(record.body.start + at, record.body.start + min(size, at + COMPARE))
        == b.reader.read(other.body.start + at, other.body.start + min(size, at + COMPARE))
        for at in range(0, size, COMPARE)
    )


def _drift(a: LayerRecord, b: LayerRecord) -> float | None:
    """Relative change of all the blobs of a record, or None where they cannot be compared."""
    if [blob.shape for blob in a.blobs] != [blob.shape for blob in b.blobs]:
        return None
    moved = size = 0.0
    for first, second in zip(a.blobs, b.blobs):
        try:
            old, new = first.load().astype(np.float64), second.load().astype(np.float64)
        except SurgeryError:
            return None
        moved += float(((new - old) ** 2).sum())
        size += float((old**2).sum())
    return (moved / size) ** 0.5 if size else None if moved else 0.0
