"""Run one net in pycaffe: caffe_runner.py NET WEIGHTS INPUTS.npz OUTPUTS.npz BLOBS.json

A script of its own, so that it can be run by another interpreter than ours: one that has a fork's pycaffe, which may be
Python 2.7. It imports nothing of split_surgery.
"""
from __future__ import print_function

import json
import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
sys.path.pop(0)  # this folder: nothing in it may be taken for a module that pycaffe wants


def main(net_path, weights_path, inputs_path, outputs_path, blobs_path):
    with open(blobs_path) as names:
        blobs = [str(name) for name in json.load(names)]
    try:
        import caffe
        import numpy as np
    except ImportError as error:
        print("pycaffe cannot be imported: %s" % error, file=sys.stderr)
        return 9
    caffe.set_mode_cpu()
    try:
        net = caffe.Net(net_path, caffe.TEST, weights=weights_path)
    except TypeError:  # before 1.0 the order was another and keywords were not known
        net = caffe.Net(net_path, weights_path, caffe.TEST)
    inputs = np.load(inputs_path)
    for name in inputs.files:
        net.blobs[name].reshape(*inputs[name].shape)
        net.blobs[name].data[...] = inputs[name]
    net.forward()
    np.savez(outputs_path, **dict(("blob_%d" % i, np.array(net.blobs[name].data)) for i, name in enumerate(blobs)))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
