"""What is known of Caffe's layer types: which have parameter blobs and how many, which slide a kernel, which work by channel."""

from __future__ import annotations

from typing import Literal

from split_surgery.documents.net.layer import Layer

WITHOUT_BLOBS = frozenset(
    "AbsVal Accuracy ArgMax BatchReindex BNLL Clip Concat ContrastiveLoss Crop Data Dropout DummyData ELU Eltwise "
    "EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData InfogainLoss Input Log LRN MemoryData "
    "MultinomialLogisticLoss MVN Pooling Power Reduction ReLU Reshape Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax "
    "SoftmaxWithLoss Split SPP Swish TanH Threshold Tile WindowData Permute PriorBox DetectionOutput ReLU6".split()
)
"""Layer types without parameter blobs (BVLC Caffe 1.0, SSD)."""


DEPTHWISE = ("DepthwiseConvolution", "ConvolutionDepthwise")
"""Convolutions of forks with one kernel for each channel: grouped ones, whose group is the number of channels."""

CONVOLUTIONS = ("Convolution", *DEPTHWISE)
SLIDING = (*CONVOLUTIONS, "Deconvolution")
"""Layer types with a `convolution_param`."""

BY_CHANNEL = ("BatchNorm", "BN", "Scale", "Bias")
"""Layer types that multiply each channel by a number and add one, once a net is tested."""

BnFork = Literal["SegNet", "PSPNet"]


def bn_fork(layer: Layer) -> BnFork | None:
    """Which of the two known layers called BN a layer is, by the fields that only that one has; None where they do not tell.

    SegNet's has two blobs, a scale and a shift, and in bn_mode INFERENCE is no more than them. PSPNet's has four, a slope, a bias, a
    mean and a variance, and takes the stored statistics where it is tested or `frozen`.
    """
    fields = {field.name for message in layer.message.messages("bn_param") for field in message.fields}
    segnet, pspnet = "bn_mode" in fields, bool(fields & {"slope_filler", "frozen"})
    return None if segnet == pspnet else "SegNet" if segnet else "PSPNet"


def has_scale_bias(layer: Layer) -> bool:
    """Whether a BatchNorm is one of NVIDIA's that has the blobs of a Scale too: its `scale_bias` or a filler says so."""
    messages = layer.message.messages("batch_norm_param")
    told = [value.boolean() for message in messages for value in message.scalars("scale_bias")]
    filled = any(message.messages(name) for message in messages for name in ("scale_filler", "bias_filler"))
    return filled or bool(told and told[-1])


def own_blobs(layer: Layer) -> int | None:
    """How many parameter blobs Caffe gives a layer; None where its type does not tell."""

    def flag(param: str, default: bool) -> bool:
        found = [value.boolean() for message in layer.message.messages(param) for value in message.scalars("bias_term")]
        return default if not found or found[-1] is None else found[-1]

    kind = layer.type
    if kind in WITHOUT_BLOBS:
        return 0
    if kind in SLIDING:
        return 1 + flag("convolution_param", default=True)
    if kind in ("InnerProduct", "Embed"):
        return 1 + flag({"InnerProduct": "inner_product_param", "Embed": "embed_param"}[kind], default=True)
    if kind in ("Scale", "Bias"):  # a second bottom takes the place of the first blob
        first = int(len(layer.bottoms) < 2)
        return first + (flag("scale_param", default=False) if kind == "Scale" else 0)
    if kind == "BatchNorm":
        return 5 if has_scale_bias(layer) else 3
    if kind == "BN":
        fork = bn_fork(layer)
        return {"SegNet": 2, "PSPNet": 4}[fork] if fork is not None else None
    return {"PReLU": 1, "Parameter": 1, "Normalize": 1}.get(kind)
