"""What Caffe does with a weights file: which layers it fills, which it silently leaves random, what it ignores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from split_surgery.documents.layer import Geometry, Layer
from split_surgery.documents.layer_types import WITH_BLOBS, WITHOUT_BLOBS
from split_surgery.documents.net import Net
from split_surgery.documents.parameters import blob_of, shared_with, sharing
from split_surgery.documents.weights import Record, Weights
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


def coverage(
    base: Net, base_weights: Weights, derived: Net, weights: Weights, blocks: Mapping[str, str]
) -> Iterator[LayerCoverage]:
    """What Caffe does with each layer of the derived net.

    The shapes a layer needs are the baseline's, or for a new convolution computed from num_output and its bottoms.

    Args:
        blocks: by name of a new layer, the layer of the baseline whose place its block took.
    """
    channels = _Channels(base, base_weights, derived)
    for name in dict.fromkeys(layer.name for layer in derived.layers):
        layer = derived.named(name)[0]
        records = weights.named(name)
        known = base_weights.named(name)
        wanted = [(blob.shape, blob.legacy) for blob in known[0].blobs] if known and known[0].blobs else None
        if wanted is None and layer.type == "Convolution":
            wanted = channels.shapes(layer)
        tied = _tied(base, derived, weights, layer, blocks)
        if tied:
            yield LayerCoverage(name, layer.type, "mismatch", len(records[0].blobs) if records else 0, tied)
        elif len(records) > 1 and any(record.blobs for record in records):
            yield LayerCoverage(name, layer.type, "mismatch", 0, f"{len(records)} records have its name")
        elif records and records[0].blobs:
            yield _with_blobs(derived, weights, layer, records[0], wanted)
        else:
            yield _without_blobs(derived, weights, layer, records, known, wanted)


def _with_blobs(
    derived: Net, weights: Weights, layer: Layer, record: Record, wanted: list[tuple[tuple[int, ...], bool]] | None
) -> LayerCoverage:
    """A layer whose record has blobs: Net::CopyTrainedLayersFrom holds their number and shapes against the layer's."""
    name, found = layer.name, [(blob.shape, blob.legacy) for blob in record.blobs]
    if wanted is None:
        return LayerCoverage(name, layer.type, "unknown", len(found), "the shapes it needs are not known")
    if record.leaves_out_shared:  # HDF5: blobs that another layer owns are not there
        indices = {blob.index for blob in record.blobs}
        missing = [at for at in range(len(wanted)) if at not in indices]
        for at in missing:
            if blob_of(derived, weights, layer, at) is None:
                return LayerCoverage(name, layer.type, "mismatch", len(found), f"has no blob {at}")
        wanted = [shape for at, shape in enumerate(wanted) if at not in missing]
    if len(found) != len(wanted) or not all(_fits(blob, need) for blob, need in zip(found, wanted)):
        has, needs = ([shape for shape, _ in shapes] for shapes in (found, wanted))
        return LayerCoverage(name, layer.type, "mismatch", len(found), f"has {has}, needs {needs}")
    return LayerCoverage(name, layer.type, "copied", len(found))


def _without_blobs(
    derived: Net, weights: Weights, layer: Layer, records: Sequence[Record], known: Sequence[Record],
    wanted: list[tuple[tuple[int, ...], bool]] | None,
) -> LayerCoverage:  # fmt: skip
    """A layer without a record, or with one that has no blobs."""
    name = layer.name
    if layer.type in WITHOUT_BLOBS or (layer.type == "Scale" and len(layer.bottoms) > 1):
        return LayerCoverage(name, layer.type, "none", 0)
    if records and not records[0].leaves_out_shared and layer.type in WITH_BLOBS:
        return LayerCoverage(name, layer.type, "mismatch", 0, "its record has no blobs, on which Caffe aborts")
    count = len(wanted) if wanted is not None else len(layer.param_names())
    if count and all(blob_of(derived, weights, layer, at) is not None for at in range(count)):
        return LayerCoverage(name, layer.type, "shared", count, "its parameters are another layer's")
    if layer.type in WITH_BLOBS:
        return LayerCoverage(name, layer.type, "unfilled", 0, "the weights file has nothing for it: it stays random")
    if known and not known[0].blobs and records:
        return LayerCoverage(name, layer.type, "none", 0, "as in the baseline's weights")
    return LayerCoverage(name, layer.type, "unknown", 0, "of an unknown type, without a record")


def _tied(base: Net, derived: Net, weights: Weights, layer: Layer, blocks: Mapping[str, str]) -> str:
    """Why Caffe would give a new layer the blobs of another by mistake: their parameters share a name.

    It is meant where the two belong to blocks whose baseline layers share parameters, and hold the same numbers.
    """
    if base.named(layer.name):
        return ""
    for index, text, _ in layer.param_names():
        for other, at in shared_with(derived, layer, index):
            mine, its = (blocks.get(each.name, each.name) for each in (layer, other))
            if mine == its or its not in sharing(base, mine):
                return f'its parameter "{text}" is tied to that of "{other.name}"'
            blobs = [
                record.blob(place)
                for each, place in ((layer, index), (other, at))
                for record in weights.named(each.name)[:1]
            ]
            present = [blob for blob in blobs if blob is not None]
            if len(present) == 2 and present[0].load().tobytes() != present[1].load().tobytes():
                return f'its parameter "{text}" is tied to that of "{other.name}", which holds other numbers'
    return ""


def _fits(found: tuple[tuple[int, ...], bool], wanted: tuple[tuple[int, ...], bool]) -> bool:
    """As Blob::ShapeEquals: a legacy shape has four axes, ones in front; any other must be equal."""
    legacy = found[1] or wanted[1]
    shapes = [(1,) * (4 - len(shape)) + shape if legacy else shape for shape, _ in (found, wanted)]
    return shapes[0] == shapes[1]


class _Channels:
    """Channel counts of blobs around new layers, from num_output and from the baseline's weights."""

    def __init__(self, base: Net, base_weights: Weights, derived: Net) -> None:
        old_names = {layer.name for layer in base.layers}
        self.makers = {top: layer for layer in derived.layers if layer.name not in old_names for top in layer.tops}
        self.read_by_old: dict[str, int] = {}
        for layer in base.convolutions():
            for record in base_weights.named(layer.name)[:1]:
                if record.blobs and len(record.blobs[0].shape) == 4 and layer.bottoms:
                    self.read_by_old[layer.bottoms[0]] = record.blobs[0].shape[1] * _geometry_group(layer)

    def of(self, blob: str, depth: int = 0) -> int | None:
        maker = self.makers.get(blob)
        if maker is None or depth > len(self.makers):  # deeper than there are layers: a cycle
            return self.read_by_old.get(blob)
        if maker.type == "Convolution":
            return maker.geometry().num_output
        counts = [self.of(bottom, depth + 1) for bottom in maker.bottoms]
        if not counts or None in counts:
            return None
        return sum(count for count in counts if count is not None) if maker.type == "Concat" else counts[0]

    def shapes(self, layer: Layer) -> list[tuple[tuple[int, ...], bool]] | None:
        """Shapes of the blobs of a new layer, or None where they cannot be known."""
        if len(layer.bottoms) != 1:
            return None
        geometry: Geometry = layer.geometry()
        count = self.of(layer.bottoms[0])
        if count is None or count % geometry.group:
            return None
        weight = (geometry.num_output, count // geometry.group, *geometry.kernel)
        return [(weight, False), ((geometry.num_output,), False)] if geometry.bias_term else [(weight, False)]


def _geometry_group(layer: Layer) -> int:
    try:
        return layer.geometry().group
    except SurgeryError:
        return 1


def ignored(derived: Net, weights: Weights) -> tuple[str, ...]:
    """Records with blobs that no layer of the net takes: Caffe passes them over with a log line."""
    return tuple(record.name for record in weights.layers if record.blobs and not derived.named(record.name))
