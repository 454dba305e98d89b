"""Run by pycaffe's Python: whether a text says the net that a caffemodel holds beside its numbers, as a JSON list.

caffe_texts.py (TEXT MODEL)...
"""

import json
import sys

import caffe.proto.caffe_pb2 as pb
from google.protobuf import text_format

found = []
for text, model in zip(sys.argv[1::2], sys.argv[2::2]):
    was, now = pb.NetParameter(), pb.NetParameter()
    with open(model, "rb") as file:
        was.ParseFromString(file.read())
    with open(text) as file:
        text_format.Merge(file.read(), now)
    for layer in list(was.layer) + list(was.layers):
        layer.ClearField("blobs")
    splits = any(layer.type == "Split" for layer in was.layer)
    found.append("has splits" if splits else "same" if was == now else "differs")
print(json.dumps(found))
