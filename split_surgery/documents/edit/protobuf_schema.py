"""Protobuf messages for the independent reading of what was written: the fields a split creates, in our own words.

Built at run time under a package name of our own, so that it ties us to no version of protobuf and lives beside a real
pycaffe in one process. Field numbers are those of BVLC Caffe 1.0.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from split_surgery.documents.v1 import IMAGE_MESSAGES, MESSAGES_OF_LAYERS, TRANSFORMS, TYPES

PACKAGE = "split_surgery"

_STRING, _INT32, _UINT32, _INT64, _BOOL, _FLOAT, _DOUBLE, _BYTES = (
    "string",
    "int32",
    "uint32",
    "int64",
    "bool",
    "float",
    "double",
    "bytes",
)

MESSAGES: dict[str, list[tuple[str, int, str, str]]] = {
    "BlobShape": [("dim", 1, "packed", _INT64)],
    "BlobProto": [
        ("num", 1, "one", _INT32), ("channels", 2, "one", _INT32), ("height", 3, "one", _INT32), ("width", 4, "one", _INT32),
        ("data", 5, "packed", _FLOAT), ("shape", 7, "one", "BlobShape"), ("double_data", 8, "packed", _DOUBLE),
        ("raw_data_type", 10, "one", _UINT32), ("raw_data", 12, "one", _BYTES),
    ],
    "ParamSpec": [
        ("name", 1, "one", _STRING), ("share_mode", 2, "one", "DimCheckMode"), ("lr_mult", 3, "one", _FLOAT),
        ("decay_mult", 4, "one", _FLOAT),
    ],
    "FillerParameter": [
        ("type", 1, "one", _STRING), ("value", 2, "one", _FLOAT), ("min", 3, "one", _FLOAT), ("max", 4, "one", _FLOAT),
        ("mean", 5, "one", _FLOAT), ("std", 6, "one", _FLOAT),
    ],
    "NetStateRule": [
        ("phase", 1, "one", "Phase"), ("min_level", 2, "one", _INT32), ("max_level", 3, "one", _INT32),
        ("stage", 4, "many", _STRING), ("not_stage", 5, "many", _STRING),
    ],
    "ConcatParameter": [("axis", 2, "one", _INT32)],
    "EltwiseParameter": [("operation", 1, "one", "EltwiseOp")],
    "ConvolutionParameter": [
        ("num_output", 1, "one", _UINT32), ("bias_term", 2, "one", _BOOL), ("pad", 3, "many", _UINT32),
        ("kernel_size", 4, "many", _UINT32), ("weight_filler", 7, "one", "FillerParameter"),
        ("bias_filler", 8, "one", "FillerParameter"), ("group", 5, "one", _UINT32), ("stride", 6, "many", _UINT32),
        ("pad_h", 9, "one", _UINT32), ("pad_w", 10, "one", _UINT32), ("kernel_h", 11, "one", _UINT32), ("kernel_w", 12, "one", _UINT32),
        ("stride_h", 13, "one", _UINT32), ("stride_w", 14, "one", _UINT32), ("dilation", 18, "many", _UINT32),
        ("axis", 16, "one", _INT32),
    ],
    "InnerProductParameter": [
        ("num_output", 1, "one", _UINT32), ("bias_term", 2, "one", _BOOL), ("weight_filler", 3, "one", "FillerParameter"),
        ("bias_filler", 4, "one", "FillerParameter"), ("axis", 5, "one", _INT32), ("transpose", 6, "one", _BOOL),
    ],
    "ScaleParameter": [
        ("axis", 1, "one", _INT32), ("num_axes", 2, "one", _INT32), ("filler", 3, "one", "FillerParameter"),
        ("bias_term", 4, "one", _BOOL), ("bias_filler", 5, "one", "FillerParameter"),
    ],
    "LayerParameter": [
        ("name", 1, "one", _STRING), ("type", 2, "one", _STRING), ("bottom", 3, "many", _STRING), ("top", 4, "many", _STRING),
        ("loss_weight", 5, "many", _FLOAT), ("param", 6, "many", "ParamSpec"), ("blobs", 7, "many", "BlobProto"),
        ("include", 8, "many", "NetStateRule"), ("exclude", 9, "many", "NetStateRule"), ("phase", 10, "one", "Phase"),
        ("propagate_down", 11, "many", _BOOL), ("concat_param", 104, "one", "ConcatParameter"),
        ("convolution_param", 106, "one", "ConvolutionParameter"), ("eltwise_param", 110, "one", "EltwiseParameter"),
        ("inner_product_param", 117, "one", "InnerProductParameter"), ("scale_param", 142, "one", "ScaleParameter"),
    ],
    "V1LayerParameter": [
        ("bottom", 2, "many", _STRING), ("top", 3, "many", _STRING), ("name", 4, "one", _STRING), ("type", 5, "one", "V1Type"),
        ("blobs", 6, "many", "BlobProto"), ("blobs_lr", 7, "many", _FLOAT), ("weight_decay", 8, "many", _FLOAT),
        ("concat_param", 9, "one", "ConcatParameter"), ("convolution_param", 10, "one", "ConvolutionParameter"),
        ("inner_product_param", 17, "one", "InnerProductParameter"), ("eltwise_param", 24, "one", "EltwiseParameter"),
        ("include", 32, "many", "NetStateRule"), ("exclude", 33, "many", "NetStateRule"),
        ("loss_weight", 35, "many", _FLOAT), ("param", 1001, "many", _STRING),
        ("blob_share_mode", 1002, "many", "DimCheckMode"),
    ],
    "SolverState": [
        ("iter", 1, "one", _INT32), ("learned_net", 2, "one", _STRING), ("history", 3, "many", "BlobProto"),
        ("current_step", 4, "one", _INT32),
    ],
    "NetParameter": [
        ("name", 1, "one", _STRING), ("layers", 2, "many", "V1LayerParameter"), ("layer", 100, "many", "LayerParameter"),
    ],
}  # fmt: skip
"""Message -> (field, number, how often, type)."""

_IMAGES = {"scale": _FLOAT, "mean_file": _STRING, "crop_size": _UINT32, "mirror": _BOOL}

MESSAGES["Opaque"] = []
MESSAGES["ImagesParameter"] = [(key, TRANSFORMS[key][0], "one", kind) for key, kind in _IMAGES.items()]
MESSAGES["TransformationParameter"] = [(key, TRANSFORMS[key][1], "one", kind) for key, kind in _IMAGES.items()]
for _name, _numbers in MESSAGES_OF_LAYERS.items():
    # What is in the others does not change with their numbers: of it no field is known.
    _kind = {"transform_param": "TransformationParameter"} | dict.fromkeys(IMAGE_MESSAGES.values(), "ImagesParameter")
    for _layer, _number in zip(("V1LayerParameter", "LayerParameter"), _numbers):
        if _name not in {row[0] for row in MESSAGES[_layer]}:
            MESSAGES[_layer].append((_name, _number, "one", _kind.get(_name, "Opaque")))

ENUMS = {
    "EltwiseOp": ["PROD", "SUM", "MAX"],
    "Phase": ["TRAIN", "TEST"],
    "DimCheckMode": ["STRICT", "PERMISSIVE"],
    "V1Type": [name for name, _ in TYPES],
}


@cache
def message_class(name: str) -> Any:
    """The protobuf class of one of MESSAGES."""
    return class_of(_pool(), f"{PACKAGE}.{name}")


def class_of(pool: Any, name: str) -> Any:
    """The class of a message in a pool, by the way that this version of protobuf knows."""
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    factory: Any = message_factory.MessageFactory(pool)  # before 4.22
    return factory.GetPrototype(descriptor)


@cache
def _pool() -> Any:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="split_surgery/caffe.proto", package=PACKAGE, syntax="proto2")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, often, kind in fields:
            added = message.field.add(name=field, number=number)
            added.label = kinds.LABEL_OPTIONAL if often == "one" else kinds.LABEL_REPEATED
            if kind in MESSAGES or kind in ENUMS:
                added.type = kinds.TYPE_MESSAGE if kind in MESSAGES else kinds.TYPE_ENUM
                added.type_name = f".{PACKAGE}.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
            if often == "packed":
                added.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
