"""Run by the Python that has pycaffe: what nets hold and compute once Caffe has loaded them, in one process, as a JSON list.

Reads a JSON list of [NET, WEIGHTS] on standard input; gives the SHA-256 of every parameter's bytes, and of all that a forward pass of
random inputs makes.
"""

import hashlib
import json
import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
import caffe
import numpy as np

caffe.set_mode_cpu()
found = []
for text, weights in json.load(sys.stdin):
    net = caffe.Net(text, caffe.TEST, weights=weights)
    draw = np.random.RandomState(0)
    for name in net.inputs:
        net.blobs[name].data[...] = draw.standard_normal(net.blobs[name].data.shape)
    net.forward()
    params = {
        f"{name} {at}": hashlib.sha256(blob.data.tobytes()).hexdigest()
        for name, blobs in net.params.items()
        for at, blob in enumerate(blobs)
    }
    made = hashlib.sha256(b"".join(net.blobs[name].data.tobytes() for name in net.blobs)).hexdigest()
    found.append({"params": params, "made": made})
print(json.dumps(found))
