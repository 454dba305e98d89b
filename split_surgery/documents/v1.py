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

OF_A_FORK = "V1 type "
"""What begins the name of a V1 type that only a fork knows; its number follows."""

_MODERN = dict(TYPES) | {str(number): new for number, (_, new) in enumerate(TYPES)}


def modern_type(text: str) -> str:
    """The layer type that a V1 enum value (by name or number, as in a prototxt) became; a fork's stays as it is."""
    return _MODERN.get(text, text)


def modern_type_of(number: int) -> str:
    """The same for the number in a weights file."""
    number &= 0xFFFFFFFF  # as protobuf does
    if number < len(TYPES):
        return TYPES[number][1]
    return f"{OF_A_FORK}{number - (1 << 32) if number >> 31 else number}"


OLD_TYPES = {new: name for name, new in TYPES if new}
"""The name in V1's enum of each layer type that has one."""

OLD_NUMBERS = {new: number for number, (_, new) in enumerate(TYPES)}
"""Its number there."""

MESSAGES_OF_LAYERS = {
    "accuracy_param": (27, 102), "argmax_param": (23, 103), "concat_param": (9, 104), "contrastive_loss_param": (40, 105),
    "convolution_param": (10, 106), "data_param": (11, 107), "dropout_param": (12, 108), "dummy_data_param": (26, 109),
    "eltwise_param": (24, 110), "exp_param": (41, 111), "hdf5_data_param": (13, 112), "hdf5_output_param": (14, 113),
    "hinge_loss_param": (29, 114), "image_data_param": (15, 115), "infogain_loss_param": (16, 116),
    "inner_product_param": (17, 117), "lrn_param": (18, 118), "memory_data_param": (22, 119), "mvn_param": (34, 120),
    "pooling_param": (19, 121), "power_param": (21, 122), "relu_param": (30, 123), "sigmoid_param": (38, 124),
    "softmax_param": (39, 125), "slice_param": (31, 126), "tanh_param": (37, 127), "threshold_param": (25, 128),
    "window_data_param": (20, 129), "transform_param": (36, 100), "loss_param": (42, 101),
}  # fmt: skip
"""The messages that a layer holds in either form, which mean the same: their field numbers in V1 and in new layers (BVLC Caffe 1.0)."""

NEW_ONLY = frozenset(
    "phase propagate_down batch_norm_param bias_param clip_param crop_param elu_param embed_param flatten_param input_param "
    "log_param parameter_param prelu_param python_param recurrent_param reduction_param reshape_param scale_param spp_param "
    "swish_param tile_param".split()
)
"""Fields of a new layer that V1 has not."""

SPEC_OF = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}
"""What V1 says of the parameters in lists, and its name in a new layer's `param { }`: a message for each parameter."""

OLD_ONLY = frozenset(("layer", *SPEC_OF)) - {"param"}
"""Fields of a V1 layer that a new one has not. (What `layer` holds is V0.)"""

SPEC_DEFAULTS = {"name": '""', "share_mode": "STRICT", "lr_mult": "1", "decay_mult": "1"}
"""What a parameter has of which nothing is said (ParamSpec of Caffe 1.0)."""

IMAGE_MESSAGES = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}
"""Layer types whose own message said in V1 what `transform_param` says in new layers, which take no heed of it there."""

TRANSFORMS = {"scale": (2, 1), "mean_file": (3, 4), "crop_size": (5, 3), "mirror": (6, 2)}
"""What it said: field numbers there, and in `transform_param` (UpgradeNetDataTransformation of Caffe 1.0)."""
