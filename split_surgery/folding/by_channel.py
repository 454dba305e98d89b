"""Layers that multiply each channel by a number and add one: what those numbers are, from a layer's text and its blobs."""

from __future__ import annotations

import numpy as np

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.weights.blobs import Weights
from split_surgery.folding.understood import Trust, blobs_of, flag, real, values, vector
from split_surgery.kernels.dense import Wide

BATCH_NORM_EPS = 1e-5
"""BatchNormParameter's default."""


def by_channel(net: Net, weights: Weights, layer: Layer, trust: Trust) -> tuple[Wide | None, Wide | None]:
    """What a BatchNorm, Scale or Bias multiplies each channel with, and what it then adds; float64 (channels,), or None.

    BatchNorm as BVLC Caffe 1.0 does it with stored statistics: mean and variance are divided by the factor in the third blob (0
    gives 0), and y = (x - mean) / sqrt(variance + eps).

    Raises:
        FileError: blobs are missing or disagree.
        NotFoldable: its statistics are those of the batch.
    """
    if layer.type == "Bias":
        (shift,) = blobs_of(net, weights, layer, 1)
        return None, vector(layer, shift, shift.size).astype(np.float64)
    if layer.type == "Scale":
        first, *rest = blobs_of(net, weights, layer, 1 + flag(layer, "bias_term", default=False))
        times = vector(layer, first, first.size).astype(np.float64)
        return times, vector(layer, rest[0], first.size).astype(np.float64) if rest else None
    if not flag(layer, "use_global_stats", default=trust.statistics):
        told = any(values(layer, "use_global_stats"))
        layer.leave(
            "takes the statistics of its batch (use_global_stats: false)"
            if told
            else "takes the statistics of its batch while it trains, as this net may be (--phase test folds it as tested)"
        )
    blobs = blobs_of(net, weights, layer, 3)
    mean, variance = (vector(layer, blob, blobs[0].size).astype(np.float64) for blob in blobs[:2])
    factor = float(vector(layer, blobs[2], 1)[0])
    share = 1.0 / factor if factor else 0.0
    eps = float(np.float32(real(layer, "eps", BATCH_NORM_EPS)))
    with np.errstate(invalid="ignore", divide="ignore"):  # asked about just below
        scale = 1.0 / np.sqrt(variance * share + eps)
    if not np.isfinite(scale).all():
        layer.leave("its statistics give no finite scale (a negative variance, or one of 0 without eps)")
    return scale, -mean * share * scale


def without_factor(net: Net, weights: Weights, layer: Layer) -> bool:
    """Whether a BatchNorm holds statistics that Caffe takes for none, since the factor that they are divided by is 0.

    NVIDIA's fork writes such files (`store_blobs_in_old_format`): there the statistics count as they are.
    """
    if layer.type != "BatchNorm":
        return False
    mean, variance, factor = blobs_of(net, weights, layer, 3)
    return not factor.any() and bool(mean.any() or variance.any())
