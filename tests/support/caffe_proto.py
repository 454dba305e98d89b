"""Caffe's messages in the tests' own words, so that what they write and read owes nothing to the package's schema.

tests/outside/test_caffe.py holds every field of it to the caffe_pb2 of a real pycaffe.
"""

from __future__ import annotations

from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SPEC = """
BlobShape: dim=1 packed int64
BlobProto: num=1 int32, channels=2 int32, height=3 int32, width=4 int32, data=5 packed float, diff=6 packed float,
  shape=7 BlobShape, double_data=8 packed double, double_diff=9 packed double,
  raw_data_type=10 uint32, raw_data=12 bytes
ParamSpec: name=1 string, lr_mult=3 float, decay_mult=4 float
NetStateRule: phase=1 Phase, min_level=2 int32, max_level=3 int32, stage=4 many string, not_stage=5 many string
ConvolutionParameter: num_output=1 uint32, bias_term=2 bool, pad=3 many uint32, kernel_size=4 many uint32, group=5 uint32,
  stride=6 many uint32, kernel_h=11 uint32, kernel_w=12 uint32, axis=16 int32, dilation=18 many uint32
ConcatParameter: axis=2 int32
EltwiseParameter: operation=1 EltwiseOp
InnerProductParameter: num_output=1 uint32, bias_term=2 bool, axis=5 int32
LayerParameter: name=1 string, type=2 string, bottom=3 many string, top=4 many string, loss_weight=5 many float,
  param=6 many ParamSpec, blobs=7 many BlobProto, include=8 many NetStateRule, phase=10 Phase,
  concat_param=104 ConcatParameter,
  convolution_param=106 ConvolutionParameter, eltwise_param=110 EltwiseParameter, inner_product_param=117 InnerProductParameter
V1LayerParameter: bottom=2 many string, top=3 many string, name=4 string, type=5 V1Type, blobs=6 many BlobProto,
  blobs_lr=7 many float, weight_decay=8 many float, concat_param=9 ConcatParameter, eltwise_param=24 EltwiseParameter,
  convolution_param=10 ConvolutionParameter, inner_product_param=17 InnerProductParameter
SolverState: iter=1 int32, learned_net=2 string, history=3 many BlobProto, current_step=4 int32
NetParameter: name=1 string, layers=2 many V1LayerParameter, layer=100 many LayerParameter
"""

NVIDIA = ("raw_data_type", "raw_data")
"""Fields of NVIDIA's fork, which BVLC's Caffe has not."""

ENUMS = {
    "Phase": {"TRAIN": 0, "TEST": 1},
    "EltwiseOp": {"PROD": 0, "SUM": 1, "MAX": 2},
    "V1Type": {"NONE": 0, "CONCAT": 3, "CONVOLUTION": 4, "DATA": 5, "INNER_PRODUCT": 14, "RELU": 18, "ELTWISE": 25},
}

V1_NUMBERS = {"Convolution": 4, "Data": 5, "InnerProduct": 14, "ReLU": 18}
"""V1LayerParameter.LayerType of the layer types that the tests write."""


def fields() -> dict[str, list[tuple[str, int, str, str]]]:
    """Message -> (field, number, "one", "many" or "packed", type)."""
    found = {}
    for line in SPEC.strip().replace("\n  ", " ").splitlines():
        name, _, rest = line.partition(": ")
        rows = []
        for text in rest.split(", "):
            (field, number), words = text.split()[0].split("="), text.split()[1:]
            rows.append((field, int(number), words[0] if len(words) == 2 else "one", words[-1]))
        found[name] = rows
    return found


@cache
def _pool():
    kinds, package = descriptor_pb2.FieldDescriptorProto, "tests_caffe"
    file = descriptor_pb2.FileDescriptorProto(name="tests/caffe.proto", package=package, syntax="proto2")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    messages = fields()
    for name, rows in messages.items():
        message = file.message_type.add(name=name)
        for field, number, often, kind in rows:
            added = message.field.add(name=field, number=number, label=1 if often == "one" else 3)
            if kind in messages or kind in ENUMS:
                added.type = kinds.TYPE_MESSAGE if kind in messages else kinds.TYPE_ENUM
                added.type_name = f".{package}.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
            if often == "packed":
                added.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def class_of(pool, name: str):
    """The class of a message in a pool, by the way that this version of protobuf knows."""
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)  # before 4.22


@cache
def message_class(name: str):
    """The protobuf class of one of the messages above."""
    return class_of(_pool(), f"tests_caffe.{name}")
