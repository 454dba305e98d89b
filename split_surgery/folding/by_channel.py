"""Layers that multiply each channel by a number and add one: what those numbers are, from a layer's text and its blobs."""

from __future__ import annotations

import numpy as np

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import bn_fork, has_scale_bias
from split_surgery.documents.net.net import Net
from split_surgery.documents.weights.blobs import Array, Weights
from split_surgery.folding.understood import Trust, blobs_of, flag, real, text, values, vector
from split_surgery.kernels.dense import Wide

LEAST_EPS = 1e-5
"""The default of BatchNormParameter, of PSPNet's BNParameter, and the least that NVIDIA's BatchNorm takes."""

ScaleAndShift = tuple["Wide | None", "Wide | None"]


def by_channel(net: Net, weights: Weights, layer: Layer, trust: Trust, magnitudes: bool = False) -> ScaleAndShift:
    """What a layer multiplies each channel with, and what it then adds; float64 (channels,), or None.

    Of a Power, which does the same to every channel, both are scalars.

    Args:
        magnitudes: use absolute values; see `fold_group`.

    Raises:
        FileError: blobs are missing or disagree.
        NotFoldable: its statistics are those of the batch, or it is not known what it does.
    """
    steps = _steps(net, weights, layer, trust)
    if magnitudes:
        steps = [(None if a is None else np.abs(a), None if b is None else np.abs(b)) for a, b in steps]
    first, *rest = steps
    return _then(*first, *rest[0]) if rest else first


def _then(scale: Wide | None, shift: Wide | None, times: Wide | None, plus: Wide | None) -> ScaleAndShift:
    """A normalisation, and the scale and shift behind it; all four are there."""
    assert scale is not None
    assert shift is not None
    assert times is not None
    assert plus is not None
    return scale * times, shift * times + plus


def _steps(net: Net, weights: Weights, layer: Layer, trust: Trust) -> list[ScaleAndShift]:
    """What a layer does, step by step: in some forks a normalisation is followed by a scale and a shift of its own."""
    if layer.type == "Power":  # to the power of 1
        return [(np.array(real(layer, "scale", 1.0)), np.array(real(layer, "shift", 0.0)))]
    if layer.type == "Bias":
        (shift,) = blobs_of(net, weights, layer, 1)
        return [(None, vector(layer, shift, shift.size).astype(np.float64))]
    if layer.type == "Scale":
        first, *rest = blobs_of(net, weights, layer, 1 + flag(layer, "bias_term", default=False))
        return [_affine(layer, first, rest[0] if rest else None)]
    if layer.type == "BN":
        return _bn(net, weights, layer, trust)
    return _batch_norm(net, weights, layer, trust)


def _affine(layer: Layer, scale: Array, shift: Array | None, size: int = 0) -> ScaleAndShift:
    """size: how many numbers each must have; 0: as many as `scale` has."""
    times = vector(layer, scale, size or scale.size).astype(np.float64)
    return times, vector(layer, shift, times.size).astype(np.float64) if shift is not None else None


def _batch_norm(net: Net, weights: Weights, layer: Layer, trust: Trust) -> list[ScaleAndShift]:
    """BVLC Caffe 1.0 with stored statistics: mean and variance are divided by the factor in the third blob (0 gives 0), and
    y = (x - mean) / sqrt(variance + eps).

    NVIDIA's with `scale_bias` does not look at the third blob, takes an eps of at least 1e-5, and has a scale and a bias of its own in
    the fourth and fifth. It takes stored statistics in the TEST phase, and only there.
    """
    nvidia = has_scale_bias(layer)
    if nvidia:
        stored = trust.statistics and flag(layer, "use_global_stats", default=True)
    else:
        stored = flag(layer, "use_global_stats", default=trust.statistics)
    if not stored:
        told = bool(values(layer, "use_global_stats")) and not flag(layer, "use_global_stats", default=True)
        _leave_to_its_batch(layer, "use_global_stats: false" if told else "")
    blobs = blobs_of(net, weights, layer, 5 if nvidia else 3)
    eps, share = real(layer, "eps", LEAST_EPS), 1.0
    if nvidia:
        if blobs[2].size != 1 or blobs[4].size == 1:
            layer.leave("its blobs may be in DIGITS' old order (scale, bias, mean, variance)")
        eps = max(eps, float(np.float32(LEAST_EPS)))
    else:
        factor = float(vector(layer, blobs[2], 1)[0])
        share = 1.0 / factor if factor else 0.0
    steps: list[ScaleAndShift] = [_normalised(layer, blobs[0], blobs[1], share, eps)]
    if nvidia:
        steps.append(_affine(layer, blobs[3], blobs[4], blobs[0].size))
    return steps


def _bn(net: Net, weights: Weights, layer: Layer, trust: Trust) -> list[ScaleAndShift]:
    """SegNet's: in bn_mode INFERENCE y = scale * x + shift, else the statistics of the batch, also where it is tested.

    PSPNet's: y = slope * (x - mean) / sqrt(variance + eps) + bias with what is stored, where it is tested or frozen.
    """
    fork = bn_fork(layer)
    if fork is None:
        layer.leave(
            "several forks call a layer BN, and its fields do not tell whose it is (SegNet's bn_mode, PSPNet's slope_filler)"
        )
    if fork == "SegNet":
        if text(layer, "bn_mode") not in ("INFERENCE", "1"):
            _leave_to_its_batch(layer, "bn_mode: LEARN")
        scale, shift = blobs_of(net, weights, layer, 2)
        return [_affine(layer, scale, shift)]
    if not trust.statistics and not flag(layer, "frozen", default=False):
        _leave_to_its_batch(layer, "")
    slope, bias, mean, variance = blobs_of(net, weights, layer, 4)
    normal = _normalised(layer, mean, variance, 1.0, real(layer, "eps", LEAST_EPS))
    return [normal, _affine(layer, slope, bias, mean.size)]


def _leave_to_its_batch(layer: Layer, told: str) -> None:
    """Raises: NotFoldable. told: the field that says so."""
    layer.leave(
        f"takes the statistics of its batch ({told})"
        if told
        else "takes the statistics of its batch while it trains, as this net may be (--phase test folds it as tested)"
    )


def _normalised(layer: Layer, mean: Array, variance: Array, share: float, eps: float) -> tuple[Wide, Wide]:
    """Scale and shift of a normalisation. share: of the stored mean and variance that is meant.

    Raises:
        NotFoldable: the scale is not finite.
    """
    means, variances = (vector(layer, blob, mean.size).astype(np.float64) * share for blob in (mean, variance))
    with np.errstate(invalid="ignore", divide="ignore"):  # asked about just below
        scale = 1.0 / np.sqrt(variances + float(np.float32(eps)))
    if not np.isfinite(scale).all():
        layer.leave("its statistics give no finite scale (a negative variance, or one of 0 without eps)")
    return scale, -means * scale


def without_factor(net: Net, weights: Weights, layer: Layer) -> bool:
    """Whether a BatchNorm holds statistics that Caffe takes for none, since the factor that they are divided by is 0.

    NVIDIA's fork writes such files (`store_blobs_in_old_format`): there the statistics count as they are.
    """
    if layer.type != "BatchNorm" or has_scale_bias(layer):
        return False
    mean, variance, factor = blobs_of(net, weights, layer, 3)
    return not factor.any() and bool(mean.any() or variance.any())
