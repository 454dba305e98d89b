"""Run nets in pycaffe: caffe_runner.py INPUTS.npz BLOBS.json, and NET WEIGHTS OUTPUTS.npz of each

A script of its own, so that it can be run by another interpreter than ours: one that has a fork's pycaffe, which may be
Python 2.7. It imports nothing of split_surgery.
"""
from __future__ import print_function

import json
import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
sys.path.pop(0)  # this folder: nothing in it may be taken for a module that pycaffe wants


def main(inputs_path, blobs_path, *nets):
    try:
        import caffe
        import numpy as np
    except ImportError as error:
        print("pycaffe cannot be imported: %s" % error, file=sys.stderr)
        return 9
    caffe.set_mode_cpu()
    with open(blobs_path) as names:
        asked = json.load(names)
    inputs = np.load(inputs_path)
    for index, blobs in enumerate(asked):
        net_path, weights_path, outputs_path = nets[3 * index : 3 * index + 3]
        arrays = forward(caffe, net_path, weights_path, inputs, [str(name) for name in blobs])
        np.savez(outputs_path, **dict(("blob_%d" % i, array) for i, array in enumerate(arrays)))
    return 0


def forward(caffe, net_path, weights_path, inputs, blobs):
    try:
        net = caffe.Net(net_path, caffe.TEST, weights=weights_path)
    except TypeError:  # before 1.0 the order was another and keywords were not known
        net = caffe.Net(net_path, weights_path, caffe.TEST)
    for name in inputs.files:
        net.blobs[name].reshape(*inputs[name].shape)
        net.blobs[name].data[...] = inputs[name]
    net.forward()
    return [net.blobs[name].data.copy() for name in blobs]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
