"""Run by pycaffe's Python: the fields of Caffe's messages, and the values of its enums, as JSON."""

import json

import caffe.proto.caffe_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor

SCALARS = {value: name[5:].lower() for name, value in vars(FieldDescriptor).items() if name.startswith("TYPE_")}


def kind(field):
    inner = field.message_type or field.enum_type
    return inner.name if inner else SCALARS[field.type]


messages, enums = {}, {}
for message in pb.DESCRIPTOR.message_types_by_name.values():
    messages[message.name] = {f.name: [f.number, kind(f), f.label == f.LABEL_REPEATED] for f in message.fields}
    for enum in message.enum_types:
        enums[enum.name] = {value.name: value.number for value in enum.values}
for enum in pb.DESCRIPTOR.enum_types_by_name.values():
    enums[enum.name] = {value.name: value.number for value in enum.values}
print(json.dumps({"messages": messages, "enums": enums}))
