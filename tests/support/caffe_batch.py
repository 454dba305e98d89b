"""Run by pycaffe's Python: a JSON list of tasks on standard input, in one process, since pycaffe takes a second to load.

A task with `save` builds a net in the TEST phase, fills every blob with random numbers, and saves it; one with `out` loads
weights, runs the net on inputs, and saves the blobs asked for.
"""

import json
import sys

import caffe
import numpy as np
from caffe_oracle import fill

for task in json.load(sys.stdin):
    if "save" in task:
        net = caffe.Net(task["net"], caffe.TEST)
        fill(net)
        net.save(task["save"])
        continue
    net = caffe.Net(task["net"], caffe.TEST, weights=task["weights"])
    inputs = np.load(task["inputs"])
    for name in inputs.files:
        net.blobs[name].data[...] = inputs[name]
    net.forward()
    np.savez(task["out"], **{f"blob_{at}": np.array(net.blobs[name].data) for at, name in enumerate(task["blobs"])})
