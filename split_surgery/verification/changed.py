"""Is anything else changed in a derived net than what was split or folded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from split_surgery.documents.net.meaning import Fields
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.one_form import in_one_form
from split_surgery.documents.weights.blobs import Record, Weights, same_shape
from split_surgery.documents.weights.records import left_out, meant, readable, same_record
from split_surgery.documents.weights.values import sums_of_squares
from split_surgery.errors import SurgeryError
from split_surgery.verification.equivalence import Block
from split_surgery.verification.wiring import same_reads

ChangedPart = Literal[
    "weights",
    "missing record",
    "added record",
    "text",
    "missing",
    "added",
    "order of the layers",
    "fields of the net itself",
]
"""In what a layer, or the net, is not what it was."""


@dataclass(frozen=True)
class Changed:
    """A layer outside the split layers that is not what it was."""

    layer: str
    part: ChangedPart
    drift: float | None = None


def changes(
    base: Net, base_weights: Weights, derived: Net, weights: Weights, blocks: Sequence[Block],
    progress: Callable[[str, int, int], None],
) -> Iterator[Changed]:  # fmt: skip
    """All that differs outside the split layers, in text and weights, by the rules of `diff`.

    Records that no layer takes, and what is wrong with a record that Caffe would stop at, are for coverage to tell.
    """
    folds = {block.layer: block.members for block in blocks if block.folded}
    splits = {block.layer: block.members for block in blocks if not block.folded}
    gone = {*splits, *itertools.chain.from_iterable(folds.values())}
    members = {*folds, *itertools.chain.from_iterable(splits.values())}
    same = {} if any(block.fault for block in blocks) else same_reads(base, derived, folds, splits)
    texts = list(_text_changes(base, derived, gone, members, {name for name, reads in same.items() if reads}))
    yield from texts
    if not any(change.part == "order of the layers" for change in texts):
        changed = {change.layer for change in texts}
        yield from (Changed(name, "order of the layers") for name in same if not same[name] and name not in changed)
    old = {record.name: record for record in meant(base_weights)}  # of several the last, as Caffe takes them
    new = {record.name: record for record in meant(weights)}
    for done, (name, record) in enumerate(old.items()):
        progress("comparing", done, len(old))
        if name in gone or not base.named(name):
            continue
        if name not in new:
            if not left_out(record, base_weights, weights):
                yield Changed(name, "missing record")
        elif readable(record, new[name]) and not same_record(base_weights, weights, record, new[name]):
            yield Changed(name, "weights", _drift(record, new[name]))
    for name, record in new.items():
        added = name not in old and name not in members and derived.named(name)
        if added and not left_out(record, weights, base_weights):
            yield Changed(name, "added record")


def _text_changes(base: Net, derived: Net, gone: set[str], members: set[str], same: set[str]) -> Iterator[Changed]:
    """same: layers that read what they read, whatever that is called now: who folds may keep the first name of a blob or the last."""
    was, now = in_one_form(base, derived)
    if was.fields != now.fields:
        yield Changed(base.document.name, "fields of the net itself")
    for name in dict.fromkeys(layer.name for layer in was.layers if layer.name not in gone):
        texts = [[*map(said.meaning, said.named(name))] for said in (was, now)]
        if name in same:
            texts = [[_without_blobs(fields) for fields in one] for one in texts]
        if texts[0] != texts[1]:
            yield Changed(name, "text" if now.named(name) else "missing")
    for name in dict.fromkeys(layer.name for layer in now.layers):
        if name not in members and not was.named(name):
            yield Changed(name, "added")
    # In the order of the baseline, the layer that makes the old top standing for the layer that has gone.
    tops = {top for name in gone for layer in base.named(name) for top in layer.tops}
    order = [layer.name if layer.name not in gone else layer.tops for layer in was.layers]
    found = [
        layer.tops if layer.name in members else layer.name
        for layer in now.layers
        if layer.name not in members or set(layer.tops) & tops
    ]
    if sorted(map(str, found)) == sorted(map(str, order)) and found != order:
        first = next(layer for layer, a, b in zip(was.layers, found, order) if a != b)
        yield Changed(first.name, "order of the layers")


def _without_blobs(fields: Fields) -> Fields:
    return {path: text for path, text in fields.items() if path not in ("bottom", "top")}


def _drift(a: Record, b: Record) -> float | None:
    """Relative change of all the blobs of a record, or None where there are none, or they cannot be compared."""
    if len(a.blobs) != len(b.blobs) or not all(map(same_shape, a.blobs, b.blobs)):
        return None
    moved = size = 0.0
    for first, second in zip(a.blobs, b.blobs):
        try:
            step, whole = sums_of_squares(first, second)
        except SurgeryError:
            return None
        moved, size = moved + step, size + whole
    return (moved / size) ** 0.5 if size else None if moved else 0.0
