"""The classes that a net gives its test images, as (label, class) bytes of an npy file, run by pycaffe.

    predict.py NET WEIGHTS BATCHES OUT.npy [SUFFIX...]

Layers whose names end in a SUFFIX start as their fillers make them, whatever the weights file holds.
"""

import os
import sys

import caffe
import numpy as np

path, weights, batches, out = sys.argv[1:5]
suffixes = tuple(sys.argv[5:])
caffe.set_mode_cpu()
caffe.set_random_seed(1)
filled = caffe.Net(path, caffe.TEST)
net = caffe.Net(path, caffe.TEST, weights=weights)
for name in net.params:
    if suffixes and name.endswith(suffixes):
        for mine, fresh in zip(net.params[name], filled.params[name]):
            mine.data[...] = fresh.data
scores = next(
    net.bottom_names[name][0] for name, layer in zip(net._layer_names, net.layers) if layer.type == "Accuracy"
)
found = []
for _ in range(int(batches)):
    net.forward()
    found.append(
        np.stack([net.blobs["label"].data.reshape(-1), net.blobs[scores].data.argmax(1).reshape(-1)], 1).astype(
            np.uint8
        )
    )
with open(out + ".part", "wb") as file:
    np.save(file, np.concatenate(found))
os.replace(out + ".part", out)
