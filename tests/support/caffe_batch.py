"""Run by pycaffe's Python: a JSON list of tasks on standard input, in one process, since pycaffe takes a second to load.

A task with `save` builds a net in the TEST phase, fills every blob with random numbers, and saves it; one with `out` loads
weights, runs the net on inputs, and saves the blobs asked for.
"""

import json
import os
import sys

os.environ["GLOG_minloglevel"] = "2"  # noqa: SIM112 (glog spells it so)
sys.path.pop(0)

import caffe
import numpy as np


def fill(net):
    draw = np.random.RandomState(0)
    kinds = {name: layer.type for name, layer in zip(net._layer_names, net.layers)}
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            shape = blob.data.shape
            numbers = draw.standard_normal(shape) * 0.1
            if kinds[name] == "BatchNorm":  # mean, variance, and the factor that both are divided by
                numbers = [numbers, 0.5 + draw.uniform(size=shape), np.full(shape, 2.0)][index]
            elif index == 0 and len(shape) > 1:
                numbers = numbers * 10 / np.sqrt(np.prod(shape[1:]))
            elif index == 0:
                numbers = numbers + 1  # Scale, PReLU
            blob.data[...] = numbers


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
