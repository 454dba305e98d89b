"""Which convolutions can be split and folded, and why the others cannot."""

from __future__ import annotations

from typing import NoReturn

from split_surgery.documents.caffe_fields import caffe_fields
from split_surgery.documents.net.build_faults import check_given_once
from split_surgery.documents.net.layer import CONVOLUTION_FIELDS, Geometry, Layer
from split_surgery.documents.prototxt import Field
from split_surgery.errors import closest

HARMLESS_FIELDS = frozenset(
    "cudnn_workspace_limit cudnn_workspace_allow_on_groups cudnn_worspace_allow_on_groups cudnn_enable_tensor_cores "
    "cudnn_convolution_algo_seeker conv_algos_override".split()
)
"""Fork fields of ConvolutionParameter that choose how it is computed, not what (MyCaffe, NVIDIA's fork)."""

LOOKALIKES = (
    "Deconvolution",
    "DepthwiseConvolution",
    "ConvolutionDepthwise",
    "CONVOLUTION3D",
    "NdConvolution",
    "Convolution3D",
)


def check_splittable(layer: Layer, trusted: frozenset[str] = frozenset()) -> Geometry:
    """The geometry of a convolution that can be split.

    Args:
        trusted: field names the user vouches for (`--trust-field`).

    Raises:
        Unsupported: with the reason why not.
    """
    if layer.type != "Convolution":
        kind = f"type {layer.type}" if layer.type else "no type"
        extra = " (its name is like a convolution's, its arithmetic is not)" if layer.type in LOOKALIKES else ""
        layer.refuse(f"has {kind}, and only a Convolution can be split{extra}")
    if not layer.name:
        layer.refuse("has no name, by which its weights could be found")
    check_given_once(layer)
    if len(layer.bottoms) != 1 or len(layer.tops) != 1:
        layer.refuse(f"has {len(layer.bottoms)} bottoms and {len(layer.tops)} tops; only one of each can be split")
    if layer.bottoms == layer.tops:
        layer.refuse("writes onto its own bottom")
    check_linear(layer, trusted)
    geometry = layer.geometry()
    if geometry.group == geometry.num_output > 1:
        layer.refuse("is depthwise: one kernel in each group leaves nothing to divide into fast and slow")
    if geometry.num_output % geometry.group:
        layer.fail(f"num_output {geometry.num_output} is not a multiple of group {geometry.group}")
    return geometry


def check_linear(layer: Layer, trusted: frozenset[str]) -> None:
    """Raises: Unsupported, where a convolution has a field that may make it compute something else (seen: `is_relu`)."""
    for field in layer.message.fields:
        if field.name.endswith("_param") and field.name != "convolution_param" and field.name not in trusted:
            known = caffe_fields("V1LayerParameter" if layer.v1 else "LayerParameter")
            near = closest(field.name, list(known), 1, 0.85)
            misspelt = (
                f"is no field of Caffe's layers (nearest: {near[0]})" if near else "is no field of Caffe's layers"
            )
            _refuse_field(layer, field, "belongs to another layer type" if field.name in known else misspelt)
    for param in layer.message.messages("convolution_param"):
        for field in param.fields:
            if field.name not in CONVOLUTION_FIELDS | HARMLESS_FIELDS | trusted:
                _refuse_field(layer, field, "is not a field of Caffe's convolution")


def _refuse_field(layer: Layer, field: Field, reason: str) -> NoReturn:
    layer.refuse(
        f"{field.name} {reason}; the layer may not be linear, and then neither split nor fold would be right",
        field,
        f"if it does not change what the layer computes, say so with --trust-field {field.name}",
    )
