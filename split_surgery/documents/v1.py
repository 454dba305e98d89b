"""The old form of layers, V1 (`layers { type: CONVOLUTION }`): its enum of types beside the names that came after it."""

from __future__ import annotations

TYPES = (
    ("NONE", ""), ("ACCURACY", "Accuracy"), ("BNLL", "BNLL"), ("CONCAT", "Concat"), ("CONVOLUTION", "Convolution"),
    ("DATA", "Data"), ("DROPOUT", "Dropout"), ("EUCLIDEAN_LOSS", "EuclideanLoss"), ("FLATTEN", "Flatten"),
    ("HDF5_DATA", "HDF5Data"), ("HDF5_OUTPUT", "HDF5Output"), ("IM2COL", "Im2col"), ("IMAGE_DATA", "ImageData"),
    ("INFOGAIN_LOSS", "InfogainLoss"), ("INNER_PRODUCT", "InnerProduct"), ("LRN", "LRN"),
    ("MULTINOMIAL_LOGISTIC_LOSS", "MultinomialLogisticLoss"), ("POOLING", "Pooling"), ("RELU", "ReLU"),
    ("SIGMOID", "Sigmoid"), ("SOFTMAX", "Softmax"), ("SOFTMAX_LOSS", "SoftmaxWithLoss"), ("SPLIT", "Split"),
    ("TANH", "TanH"), ("WINDOW_DATA", "WindowData"), ("ELTWISE", "Eltwise"), ("POWER", "Power"),
    ("SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"), ("HINGE_LOSS", "HingeLoss"),
    ("MEMORY_DATA", "MemoryData"), ("ARGMAX", "ArgMax"), ("THRESHOLD", "Threshold"), ("DUMMY_DATA", "DummyData"),
    ("SLICE", "Slice"), ("MVN", "MVN"), ("ABSVAL", "AbsVal"), ("SILENCE", "Silence"),
    ("CONTRASTIVE_LOSS", "ContrastiveLoss"), ("EXP", "Exp"), ("DECONVOLUTION", "Deconvolution"),
)  # fmt: skip
"""V1LayerParameter.LayerType by number: its name there, and the layer type it became (BVLC Caffe 1.0)."""

_MODERN = dict(TYPES) | {str(number): new for number, (_, new) in enumerate(TYPES)}


def modern_type(text: str) -> str:
    """The layer type that a V1 enum value (by name or number, as in a prototxt) became; a fork's stays as it is."""
    return _MODERN.get(text, text)


def modern_type_of(number: int) -> str:
    """The same for the number in a weights file."""
    return TYPES[number][1] if number < len(TYPES) else f"V1 type {number}"
