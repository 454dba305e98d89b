"""What Caffe does with a weights file: which layers it fills, which it silently leaves random, what it ignores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from split_surgery.documents.net.layer import Geometry, Layer
from split_surgery.documents.net.layer_types import own_blobs
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of, shared_with, sharing
from split_surgery.documents.net.rules import State
from split_surgery.documents.weights.blobs import Blob, Record, Weights, padded, same_numbers
from split_surgery.errors import SurgeryError


@dataclass(frozen=True)
class LayerCoverage:
    """What Caffe does with one layer of the derived net when it loads the weights.

    `status` is copied, shared (its blobs are another layer's, which are copied), none (has no blobs), unfilled (stays
    random, silently), mismatch (Caffe aborts, or ties what should be apart) or unknown.
    """

    layer: str
    type: str
    status: str
    blobs: int
    detail: str = ""


FINE = ("copied", "shared", "none")
"""The states of coverage in which nothing is amiss."""


Needed = dict[int, tuple[tuple[int, ...], bool]]
"""Shapes of the blobs that a layer needs by index, and whether they are known in the legacy form only."""


def coverage(
    base: Net,
    base_weights: Weights,
    derived: Net,
    weights: Weights,
    blocks: Mapping[str, str],
    folds: Collection[str] = (),
) -> Iterator[LayerCoverage]:
    """What Caffe does with each layer of the derived net.

    The shapes a layer needs are the baseline's, or for a new convolution computed from num_output and its bottoms.

    Args:
        blocks: by name of a new layer, the layer of the baseline whose place its block took.
        folds: names of layers that stand for several, whose shapes are computed too.
    """
    channels = _Channels(base, base_weights, derived)
    states = derived.states()
    for name in dict.fromkeys(layer.name for layer in derived.layers):
        layer = derived.named(name)[0]
        records = weights.named(name)
        tied = _tied(base, derived, weights, layer, blocks)
        if tied:
            yield LayerCoverage(name, layer.type, "mismatch", len(records[0].blobs) if records else 0, tied)
            continue
        if len(records) > 1 and any(record.blobs for record in records):
            yield LayerCoverage(name, layer.type, "mismatch", 0, f"{len(records)} records have its name")
            continue
        known = {} if name in folds else _needed(base, base_weights, layer)
        needed = known or channels.shapes(layer) or _needed(base, base_weights, layer)
        record = records[0] if records else None
        rows = [
            _in_state(derived, weights, twin, record, needed, state)
            for twin in derived.named(name)
            for state in states
            if twin.in_state(state)
        ]
        yield max(
            rows,
            key=lambda row: row.status not in FINE,
            default=LayerCoverage(name, layer.type, "none", 0, "is in no net"),
        )


def _needed(base: Net, base_weights: Weights, layer: Layer) -> Needed:
    """What the baseline's weights say that a layer needs; blobs that it shares are found with their owner."""
    known = base.named(layer.name)
    count = max([own_blobs(layer) or 0, *(blob.index + 1 for r in base_weights.named(layer.name) for blob in r.blobs)])
    found = {index: blob_of(base, base_weights, known[0], index) for index in range(count)} if known else {}
    return {index: (blob.shape, blob.legacy) for index, blob in found.items() if blob is not None}


def _in_state(
    derived: Net, weights: Weights, layer: Layer, record: Record | None, needed: Needed, state: State
) -> LayerCoverage:
    """What Caffe does with a layer in the net of one state: Net::CopyTrainedLayersFrom and its HDF5 twin."""
    name, kind = layer.name, layer.type
    count = own_blobs(layer)
    found = record.blobs if record is not None else ()
    if count == 0 and not found:
        return LayerCoverage(name, kind, "none", 0)
    if record is not None and not record.leaves_out_shared and not found and (count or needed):
        return LayerCoverage(name, kind, "mismatch", 0, "its record has no blobs, on which Caffe aborts")
    for blob in found:
        need = needed.get(blob.index)
        if not needed:
            return LayerCoverage(name, kind, "unknown", len(found), "the shapes it needs are not known")
        if need is None or not _fits((blob.shape, blob.legacy), need):
            return _shapes_differ(layer, found, needed)
    if found and record is not None and not record.leaves_out_shared:
        status = "copied" if len(found) == len(needed) else "mismatch"
        return (
            LayerCoverage(name, kind, status, len(found))
            if status == "copied"
            else _shapes_differ(layer, found, needed)
        )
    total = count if count is not None else len(needed)
    missing = [at for at in range(total) if not any(blob.index == at for blob in found)]
    if total and all(blob_of(derived, weights, layer, at, state) is not None for at in missing):
        return LayerCoverage(
            name, kind, "copied" if found else "shared", total, "" if found else "its parameters are another layer's"
        )
    if found:  # HDF5: Caffe wants every dataset of a blob that no other layer owns
        return LayerCoverage(name, kind, "mismatch", len(found), f"has no blob {missing[0]}, on which Caffe aborts")
    if count or needed:
        where = "" if len({s.phase for s in derived.states()}) < 2 else f" in phase {state.phase}"
        return LayerCoverage(name, kind, "unfilled", 0, f"the weights file has nothing for it: it stays random{where}")
    if record is not None:
        return LayerCoverage(name, kind, "none", 0, "as in the weights")
    return LayerCoverage(name, kind, "unknown", 0, "of an unknown type, without a record")


def _shapes_differ(layer: Layer, found: Sequence[Blob], needed: Needed) -> LayerCoverage:
    has, needs = [blob.shape for blob in found], [shape for shape, _ in needed.values()]
    return LayerCoverage(layer.name, layer.type, "mismatch", len(found), f"has {has}, needs {needs}")


def _tied(base: Net, derived: Net, weights: Weights, layer: Layer, blocks: Mapping[str, str]) -> str:
    """Why Caffe would give a new layer the blobs of another by mistake, or not those that it should have.

    A tie by a parameter's name is meant where the two belong to blocks whose baseline layers share that parameter, and hold
    the same numbers; and there it must be.
    """
    if base.named(layer.name):
        return ""
    mine = blocks.get(layer.name, layer.name)
    tied: dict[int, set[str]] = {}
    for index, text, _ in layer.param_names():
        for other, at in shared_with(derived, layer, index):
            its = blocks.get(other.name, other.name)
            if mine == its or its not in sharing(base, mine):
                return f'its parameter "{text}" is tied to that of "{other.name}"'
            tied.setdefault(index, set()).add(its)
            blobs = [
                record.blob(place)
                for each, place in ((layer, index), (other, at))
                for record in weights.named(each.name)[:1]
            ]
            present = [blob for blob in blobs if blob is not None]
            if len(present) == 2 and not same_numbers(*present):
                return f'its parameter "{text}" is tied to that of "{other.name}", which holds other numbers'
    for old in base.named(mine)[:1]:
        for index in range(own_blobs(layer) or 0):
            lost = {other.name for other, _ in shared_with(base, old, index)} - tied.get(index, set())
            if lost and layer.name in blocks:
                return f'its parameter {index} is not tied to the block of "{min(lost)}", as the baseline\'s layers are'
    return ""


def _fits(found: tuple[tuple[int, ...], bool], wanted: tuple[tuple[int, ...], bool]) -> bool:
    """As Blob::ShapeEquals: a legacy shape has four axes, ones in front; any other must be equal."""
    if found[1] or wanted[1]:
        return padded(found[0]) == padded(wanted[0])
    return found[0] == wanted[0]


class _Channels:
    """Channel counts of blobs around new layers, from num_output and from the baseline's weights."""

    def __init__(self, base: Net, base_weights: Weights, derived: Net) -> None:
        old_names = {layer.name for layer in base.layers}
        self.makers = {top: layer for layer in derived.layers if layer.name not in old_names for top in layer.tops}
        self.base, self.weights = base, base_weights
        convolutions = [layer for layer in derived.convolutions() if layer.name in old_names]
        self.made_by_old = {top: count for layer in convolutions for top in layer.tops if (count := _num_output(layer))}
        self.read_by_old: dict[str, int] = {}
        for layer in base.convolutions():
            weight = blob_of(base, base_weights, layer, 0)
            if weight is not None and len(weight.shape) == 4 and layer.bottoms:
                self.read_by_old[layer.bottoms[0]] = weight.shape[1] * _geometry_group(layer)

    def of(self, blob: str, depth: int = 0) -> int | None:
        maker = self.makers.get(blob)
        if maker is None or depth > len(self.makers):  # deeper than there are layers: a cycle
            return self.read_by_old.get(blob, self.made_by_old.get(blob))
        if maker.type == "Convolution":
            return maker.geometry().num_output
        counts = [self.of(bottom, depth + 1) for bottom in maker.bottoms]
        if not counts or None in counts:
            return None
        return sum(count for count in counts if count is not None) if maker.type == "Concat" else counts[0]

    def shapes(self, layer: Layer) -> Needed:
        """Shapes of the blobs of a new convolution, or of an InnerProduct folded; none where they cannot be known."""
        if layer.type == "InnerProduct":
            return self._inner_product(layer)
        if layer.type != "Convolution" or len(layer.bottoms) != 1:
            return {}
        geometry: Geometry = layer.geometry()
        count = self.of(layer.bottoms[0])
        if count is None or count % geometry.group:
            return {}
        weight = (geometry.num_output, count // geometry.group, *geometry.kernel)
        shapes = [weight, (geometry.num_output,)] if geometry.bias_term else [weight]
        return {index: (shape, False) for index, shape in enumerate(shapes)}

    def _inner_product(self, layer: Layer) -> Needed:
        """Those of its namesake, with a bias if it has one now."""
        weight = blob_of(self.base, self.weights, layer, 0) if self.base.named(layer.name) else None
        outputs = [
            value.integer() for p in layer.message.messages("inner_product_param") for value in p.scalars("num_output")
        ]
        if weight is None or not outputs or outputs[-1] is None:
            return {}
        transposed = any(
            value.boolean() for p in layer.message.messages("inner_product_param") for value in p.scalars("transpose")
        )
        shape = (*weight.shape[:-1], outputs[-1]) if transposed else (*weight.shape[:-2], outputs[-1], weight.shape[-1])
        found: Needed = {0: (shape, weight.legacy)}
        return found | ({1: ((outputs[-1],), weight.legacy)} if own_blobs(layer) == 2 else {})


def _num_output(layer: Layer) -> int | None:
    try:
        return layer.geometry().num_output
    except SurgeryError:
        return None


def _geometry_group(layer: Layer) -> int:
    try:
        return layer.geometry().group
    except SurgeryError:
        return 1


def ignored(derived: Net, weights: Weights) -> tuple[str, ...]:
    """Records with blobs that no layer of the net takes: Caffe passes them over with a log line."""
    return tuple(record.name for record in weights.layers if record.blobs and not derived.named(record.name))
