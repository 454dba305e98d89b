"""Which of Caffe's layer types have parameter blobs, and how many."""

from __future__ import annotations

from split_surgery.documents.net.layer import Layer

WITHOUT_BLOBS = frozenset(
    "AbsVal Accuracy ArgMax BatchReindex BNLL Clip Concat ContrastiveLoss Crop Data Dropout DummyData ELU Eltwise "
    "EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData InfogainLoss Input Log LRN MemoryData "
    "MultinomialLogisticLoss MVN Pooling Power Reduction ReLU Reshape Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax "
    "SoftmaxWithLoss Split SPP Swish TanH Threshold Tile WindowData Permute PriorBox DetectionOutput ReLU6".split()
)
"""Layer types without parameter blobs (BVLC Caffe 1.0, SSD)."""


def own_blobs(layer: Layer) -> int | None:
    """How many parameter blobs Caffe gives a layer; None where its type does not tell."""

    def flag(param: str, default: bool) -> bool:
        found = [value.boolean() for message in layer.message.messages(param) for value in message.scalars("bias_term")]
        return default if not found or found[-1] is None else found[-1]

    kind = layer.type
    if kind in WITHOUT_BLOBS:
        return 0
    if kind in ("Convolution", "Deconvolution"):
        return 1 + flag("convolution_param", default=True)
    if kind in ("InnerProduct", "Embed"):
        return 1 + flag({"InnerProduct": "inner_product_param", "Embed": "embed_param"}[kind], default=True)
    if kind in ("Scale", "Bias"):  # a second bottom takes the place of the first blob
        first = int(len(layer.bottoms) < 2)
        return first + (flag("scale_param", default=False) if kind == "Scale" else 0)
    return {"BatchNorm": 3, "PReLU": 1, "Parameter": 1, "Normalize": 1}.get(kind)
