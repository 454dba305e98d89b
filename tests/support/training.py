"""A small net trained in real Caffe, with a snapshot and its solver state."""

from __future__ import annotations

import subprocess

import h5py
import numpy as np

NET = """\
name: "resumed"
layer {
  name: "data"
  type: "HDF5Data"
  top: "data"
  top: "label"
  hdf5_data_param { source: "data.txt" batch_size: 4 }
}
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }
layer {
  name: "conv1_1"
  type: "Convolution"
  bottom: "bn"
  top: "conv1_1"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
}
layer { name: "relu" type: "ReLU" bottom: "conv1_1" top: "conv1_1" }
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "conv1_1"
  top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


SOLVER = """\
net: "base.prototxt"
type: "{kind}"
base_lr: 0.01
lr_policy: "step"
gamma: 0.5
stepsize: 8
max_iter: {stop}
display: 1
snapshot: 10
snapshot_prefix: "base"
snapshot_format: {form}
solver_mode: CPU
random_seed: 3
{extra}
"""


KINDS = {
    "SGD": "momentum: 0.9",
    "Nesterov": "momentum: 0.9",
    "AdaGrad": "",
    "RMSProp": "rms_decay: 0.9",
    "AdaDelta": "momentum: 0.95 delta: 1e-6",
    "Adam": "momentum: 0.9 momentum2: 0.999",
}


def caffe_train(caffe, folder, *arguments):
    done = subprocess.run([str(caffe[0]), "train", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def train_baseline(caffe, folder, kind, form="BINARYPROTO", net=NET):
    """Train for 10 iterations, and leave a snapshot with its solver state."""
    draw = np.random.RandomState(0)
    with h5py.File(folder / "data.h5", "w") as file:
        file["data"] = draw.standard_normal((40, 3, 6, 6)).astype("f4") * 2 + 1
        file["label"] = draw.randint(0, 3, 40).astype("f4")
    (folder / "data.txt").write_text("data.h5\n")
    (folder / "base.prototxt").write_text(net)
    for name, stop in (("solver", 20), ("first", 10)):
        text = SOLVER.format(kind=kind, form=form, stop=stop, extra=KINDS[kind])
        (folder / f"{name}.prototxt").write_text(text)
    caffe_train(caffe, folder, "--solver", "first.prototxt")
