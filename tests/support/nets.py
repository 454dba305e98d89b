"""Small nets for tests, their weights serialised by protobuf itself and not by the code under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from tests.support.caffe_proto import V1_NUMBERS, message_class

CHANNELS = {2: 4}
"""Channels of `data` in the fixtures by group, where not 3."""

DATA = """\
name: "tiny"
layer {
  name: "data"
  type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
}
"""

CONV = """\
layer {
  name: "conv1_1"
  type: "Convolution"
  bottom: "data"
  top: "conv1_1"
  convolution_param {
    num_output: 6
    kernel_size: 3
    pad: 1
  }
}
"""

TAIL = """\
layer {
  name: "relu1_1"
  type: "ReLU"
  bottom: "conv1_1"
  top: "conv1_1"
}
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "conv1_1"
  top: "ip"
  inner_product_param { num_output: 4 }
}
"""

TINY = DATA + CONV + TAIL


def blob(message, array, dtype="<f4", legacy=False):
    """Fill a BlobProto."""
    array = np.asarray(array)
    if legacy:
        shape = (1,) * (4 - array.ndim) + array.shape
        message.num, message.channels, message.height, message.width = shape
    else:
        message.shape.dim.extend(array.shape)
    (message.data if dtype == "<f4" else message.double_data).extend(array.astype(dtype).ravel().tolist())


def weights(layers, dtype="<f4", legacy=False, v1=False):
    """A caffemodel's bytes.

    Args:
        layers: (name, type, bottoms, tops, arrays, convolution_param as a dict or None).
        v1: whether as V1 `layers`.
    """
    net = message_class("NetParameter")(name="tiny")
    for name, kind, bottoms, tops, arrays, convolution in layers:
        if v1:
            layer = net.layers.add(name=name, type=V1_NUMBERS[kind], bottom=bottoms, top=tops)
        else:
            layer = net.layer.add(name=name, type=kind, bottom=bottoms, top=tops)
        for array in arrays:
            blob(layer.blobs.add(), array, dtype, legacy)
        for key, value in (convolution or {}).items():
            field = getattr(layer.convolution_param, key)
            if hasattr(field, "append"):
                field.append(value)
            else:
                setattr(layer.convolution_param, key, value)
    return net.SerializeToString()


def random_weights(net, seed=1, **options):
    """Random weights for every convolution of a fixture; parameters of one name are the same."""
    drawn, records = {}, []
    for layer in {layer.name: layer for layer in net.convolutions()}.values():
        geometry = layer.geometry()
        width = CHANNELS.get(geometry.group, 3) // geometry.group
        arrays = conv_arrays(
            geometry.num_output, width, *geometry.kernel, bias=geometry.bias_term, seed=seed + len(drawn)
        )
        names = {index: name for index, name, _ in layer.param_names()}
        arrays = [drawn.setdefault(names.get(index, (layer.name, index)), array) for index, array in enumerate(arrays)]
        param = {"num_output": geometry.num_output}
        records.append((layer.name, "Convolution", list(layer.bottoms), list(layer.tops), arrays, param))
    return weights(records, **options)


def conv_arrays(n=6, c=3, kh=3, kw=3, bias=True, seed=1):
    """Random weight (n, c, kh, kw) and bias (n,), float32."""
    draw = np.random.RandomState(seed)
    weight = draw.standard_normal((n, c, kh, kw)).astype(np.float32)
    return [weight, draw.standard_normal(n).astype(np.float32)] if bias else [weight]


def tiny_weights(arrays=None, **options):
    """Weights for TINY."""
    arrays = conv_arrays() if arrays is None else arrays
    size = arrays[0].shape[0]
    ip = [np.ones((4, size * 64), np.float32), np.zeros(4, np.float32)]
    param = {"num_output": size, "kernel_size": 3, "pad": 1}
    return weights(
        [
            ("data", "Input", [], ["data"], [], None),
            ("conv1_1", "Convolution", ["data"], ["conv1_1"], arrays, param),
            ("relu1_1", "ReLU", ["conv1_1"], ["conv1_1"], [], None),
            ("ip", "InnerProduct", ["conv1_1"], ["ip"], ip, None),
        ],
        **options,
    )


def write_tiny(folder: Path, text: str = TINY, model: bytes | None = None) -> tuple[Path, Path]:
    """TINY and its weights in a folder: the paths of both."""
    net, model_path = folder / "base.prototxt", folder / "base.caffemodel"
    net.write_bytes(text.encode())
    model_path.write_bytes(tiny_weights() if model is None else model)
    return net, model_path


def read_weights(data: bytes):
    """A caffemodel through protobuf: name -> (record, arrays)."""
    net = message_class("NetParameter")()
    net.ParseFromString(data)
    found = {}
    for layer in [*net.layer, *net.layers]:
        arrays = [
            np.array(b.data or b.double_data).reshape(tuple(b.shape.dim) or (b.num, b.channels, b.height, b.width))
            for b in layer.blobs
        ]
        found[layer.name] = (layer, arrays)
    return found


def tiny_state(iteration=7, net="a.caffemodel", step=2, seed=1) -> bytes:
    """A solver state with the history of one convolution."""
    found = message_class("SolverState")(iter=iteration, learned_net=net, current_step=step)
    for array in conv_arrays(seed=seed):
        blob(found.history.add(), array)
    return found.SerializeToString()


def net_of(path: Path) -> Net:
    """The net of a prototxt."""
    return Net(Document(path.read_bytes(), path.name))
