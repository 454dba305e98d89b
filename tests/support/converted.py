"""Conversions for tests: files through a row of forms, and weights with everything that the forms differ in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from split_surgery import convert
from split_surgery.documents.weights.wire import tagged, varint
from tests.support.caffe_proto import message_class
from tests.support.nets import blob, conv_arrays


def through(folder: Path, path: Path, *forms: str, net: Path | None = None, **options) -> Path:
    """The last file that a row of conversions makes, each of what the one before has made.

    Args:
        forms: words of `--to`, or `shapes=new`; a file that becomes HDF5 has that suffix.
    """
    for at, form in enumerate(forms):
        suffix = ".h5" if "h5" in form or (path.suffix == ".h5" and "caffemodel" not in form) else ""
        target = folder / f"{path.name.partition('.')[0]}_{at}.caffemodel{suffix}"
        words = {"shapes": form.removeprefix("shapes=")} if form.startswith("shapes=") else {"to": form}
        given = (path, None) if net is None else (net, path)
        convert(*given, target, force=True, **words, **options)
        path = target
    return path


def raw_weights(array: np.ndarray, name: str = "ip") -> bytes:
    """A net of one layer with one blob of one axis, in NVIDIA's raw_data: what its fork writes, byte for byte."""
    kind = {"<f8": 0, "<f4": 1, "<f2": 2}[array.dtype.str]
    shape = tagged(7, tagged(1, varint(array.size)))
    made = shape + tagged(10, kind) + tagged(12, array.tobytes())
    layer = tagged(1, name.encode()) + tagged(2, b"InnerProduct") + tagged(7, made)
    return tagged(1, b"net") + tagged(100, layer)


V1_TEXT = """\
name: "old"  # a net of 2014
layers {
  name: "images" type: IMAGE_DATA top: "data" top: "label"
  image_data_param {
    source: "list.txt" batch_size: 2
    scale: 0.00390625  # 1 / 256
    mean_file: "mean.binaryproto"
    crop_size: 8
    mirror: true
  }
  transform_param {
    mirror: false  # the other word counts
  }
  include { phase: TRAIN }
}
layers {
  name: "conv"
  type: CONVOLUTION
  bottom: "data" top: "conv"
  blobs_lr: 1     # of the weight
  blobs_lr: 2     # of the bias
  weight_decay: 1
  weight_decay: 0
  convolution_param { num_output: 6 kernel_size: 3 fork_field: 7 }
}
layers {
  name: "tied" type: 4 bottom: "conv" top: "tied"
  param: "w" blob_share_mode: PERMISSIVE
  convolution_param { num_output: 6 kernel_size: 3 }
}
layers { name: "loss" type: SOFTMAX_LOSS bottom: "tied" bottom: "label" top: "loss" loss_weight: 0.5 }
"""

NEW_TEXT = """\
name: "old"  # a net of 2014
layer {
  name: "images" type: "ImageData" top: "data" top: "label"
  image_data_param {
    source: "list.txt" batch_size: 2
    # 1 / 256
  }
  transform_param {
    mirror: true  # the other word counts
    scale: 0.00390625
    mean_file: "mean.binaryproto"
    crop_size: 8
  }
  include { phase: TRAIN }
}
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data" top: "conv"
  param { lr_mult: 1 decay_mult: 1 }     # of the weight
  param { lr_mult: 2 decay_mult: 0 }     # of the bias
  convolution_param { num_output: 6 kernel_size: 3 fork_field: 7 }
}
layer {
  name: "tied" type: "Convolution" bottom: "conv" top: "tied"
  param { name: "w" share_mode: PERMISSIVE } \

  convolution_param { num_output: 6 kernel_size: 3 }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "tied" bottom: "label" top: "loss" loss_weight: 0.5 }
"""
"""The same after Caffe's upgrade, comments kept."""


def v1_weights() -> bytes:
    """The weights of a V1 net with lists of rates, a shared name, legacy shapes and a data layer that scales."""
    net = message_class("NetParameter")(name="old")
    net.layers.add(name="images", type=5, top=["data", "label"])
    for name in ("conv", "tied"):
        layer = net.layers.add(name=name, type=4, bottom=["data"], top=[name])
        for array in conv_arrays():
            blob(layer.blobs.add(), array, legacy=True)
        layer.blobs_lr.extend((1, 2))
        layer.weight_decay.extend((1, 0))
        layer.convolution_param.num_output = 6
    return net.SerializeToString()
