"""The usual way in pycaffe, for comparison: parse the whole caffemodel, edit, serialise. Run by the Python that has pycaffe.

pycaffe_route.py IN.caffemodel OUT.caffemodel: conv1_1 becomes two layers with half of its kernels each.
"""

import sys

import numpy as np
from caffe.proto import caffe_pb2

net = caffe_pb2.NetParameter()
with open(sys.argv[1], "rb") as source:
    net.ParseFromString(source.read())
derived = caffe_pb2.NetParameter(name=net.name)
for layer in net.layer:
    if layer.name != "conv1_1":
        derived.layer.add().CopyFrom(layer)
        continue
    weight = np.array(layer.blobs[0].data, np.float32).reshape(tuple(layer.blobs[0].shape.dim))
    half = len(weight) // 2
    for name, rows in (("conv1_1_split1", weight[:half]), ("conv1_1_split2", weight[half:])):
        new = derived.layer.add(name=name, type="Convolution")
        blob = new.blobs.add()
        blob.shape.dim.extend(rows.shape)
        blob.data.extend(rows.ravel().tolist())
with open(sys.argv[2], "wb") as out:
    out.write(derived.SerializeToString())
