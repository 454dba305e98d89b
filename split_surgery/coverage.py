"""What Caffe does with a weights file: which layers it fills, which it silently leaves random, what it ignores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from split_surgery.documents.caffemodel import Caffemodel
from split_surgery.documents.net import Geometry, Layer, Net
from split_surgery.errors import SurgeryError

WITH_BLOBS = frozenset(
    "Convolution Deconvolution InnerProduct BatchNorm Scale Bias PReLU Embed LSTM RNN Parameter Normalize".split()
)
"""Layer types that have parameter blobs (BVLC Caffe 1.0, and SSD's Normalize)."""

WITHOUT_BLOBS = frozenset(
    "AbsVal Accuracy ArgMax BatchReindex BNLL Clip Concat ContrastiveLoss Crop Data Dropout DummyData ELU Eltwise "
    "EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData InfogainLoss Input Log LRN MemoryData "
    "MultinomialLogisticLoss MVN Pooling Power Reduction ReLU Reshape Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax "
    "SoftmaxWithLoss Split SPP Swish TanH Threshold Tile WindowData Permute PriorBox DetectionOutput ReLU6".split()
)
"""Layer types without any (BVLC Caffe 1.0, SSD)."""


@dataclass(frozen=True)
class LayerCoverage:
    """What Caffe does with one layer of the derived net when it loads the weights.

    `status` is copied, none (has no blobs), unfilled (stays random, silently), mismatch (Caffe aborts) or unknown.
    """

    layer: str
    type: str
    status: str
    blobs: int
    detail: str = ""


def coverage(base: Net, base_weights: Caffemodel, derived: Net, weights: Caffemodel) -> Iterator[LayerCoverage]:
    """What Caffe does with each layer of the derived net.

    The shapes a layer needs are the baseline's, or for a new convolution computed from num_output and its bottoms.
    """
    channels = _Channels(base, base_weights, derived)
    for name in dict.fromkeys(layer.name for layer in derived.layers):
        layer = derived.named(name)[0]
        records = weights.named(name)
        known = base_weights.named(name)
        if not records or not records[0].blobs:
            if layer.type in WITHOUT_BLOBS or (layer.type == "Scale" and len(layer.bottoms) > 1):
                yield LayerCoverage(name, layer.type, "none", 0)
            elif layer.type in WITH_BLOBS:
                yield LayerCoverage(
                    name, layer.type, "unfilled", 0, "the weights file has nothing for it: it stays random"
                )
            elif known and not known[0].blobs and records:
                yield LayerCoverage(name, layer.type, "none", 0, "as in the baseline's weights")
            else:
                yield LayerCoverage(name, layer.type, "unknown", 0, "of an unknown type, without a record")
            continue
        tied = _tied(base, derived, layer)
        if tied:
            yield LayerCoverage(name, layer.type, "mismatch", len(records[0].blobs), tied)
            continue
        found = [blob.shape for blob in records[0].blobs]
        wanted = [blob.shape for blob in known[0].blobs] if known else channels.shapes(layer)
        if len(records) > 1:
            yield LayerCoverage(name, layer.type, "mismatch", len(found), f"{len(records)} records have its name")
        elif wanted is None:
            yield LayerCoverage(name, layer.type, "unknown", len(found), "the shapes it needs are not known")
        elif [_trim(shape) for shape in found] != [_trim(shape) for shape in wanted]:
            yield LayerCoverage(name, layer.type, "mismatch", len(found), f"has {found}, needs {wanted}")
        else:
            yield LayerCoverage(name, layer.type, "copied", len(found))


def _tied(base: Net, derived: Net, layer: Layer) -> str:
    """Why Caffe would give a new layer the blobs of another: their parameters share a name."""
    if base.named(layer.name):
        return ""
    for name, _ in layer.param_names():
        for other in derived.layers:
            if other.name != layer.name and any(name == shared for shared, _ in other.param_names()):
                return f'its parameter "{name}" is tied to that of "{other.name}"'
    return ""


def _trim(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without leading ones: legacy blobs have them, and Caffe compares those leniently (Blob::ShapeEquals)."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


class _Channels:
    """Channel counts of blobs around new layers, from num_output and from the baseline's weights."""

    def __init__(self, base: Net, base_weights: Caffemodel, derived: Net) -> None:
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

    def shapes(self, layer: Layer) -> list[tuple[int, ...]] | None:
        """Shapes of the blobs of a new layer, or None where they cannot be known."""
        if layer.type != "Convolution" or len(layer.bottoms) != 1:
            return None
        geometry: Geometry = layer.geometry()
        count = self.of(layer.bottoms[0])
        if count is None or count % geometry.group:
            return None
        weight = (geometry.num_output, count // geometry.group, *geometry.kernel)
        return [weight, (geometry.num_output,)] if geometry.bias_term else [weight]


def _geometry_group(layer: Layer) -> int:
    try:
        return layer.geometry().group
    except SurgeryError:
        return 1


def ignored(derived: Net, weights: Caffemodel) -> tuple[str, ...]:
    """Records with blobs that no layer of the net takes: Caffe passes them over with a log line."""
    return tuple(record.name for record in weights.layers if record.blobs and not derived.named(record.name))
