"""Nets with InnerProducts, in many ways of writing them, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tests.support.nets import conv_arrays, weights

LAYOUTS = {
    "lines": '{\n    num_output: OUT\n    weight_filler { type: "xavier" }\n  }',
    "one line": "{ num_output: OUT }",
    "bare": "{num_output:OUT}",
    "last": '{\n    weight_filler { type: "gaussian" }\n    bias_filler { type: "constant" value: 1 } num_output: OUT # all\n  }',
    "comment": "{ # of the layer\n    num_output: OUT;  # how many\n\n  }",
    "axis": "{\n\tnum_output: OUT\n\taxis: 1\n  }",
    "list": "{ num_output: [OUT] weight_filler < type: 'xavier' > }",
    "brackets": "<\n    num_output: OUT,\n  >",
}
"""The inside of `inner_product_param`."""


@dataclass(frozen=True)
class FcNet:
    """A net of an input, two InnerProducts and what lies between, as its two files are.

    Attributes:
        shape: of an image. outputs: of the two layers.
    """

    shape: tuple[int, int, int]
    outputs: tuple[int, int]
    text: bytes
    model: bytes

    def write(self, folder: Path) -> tuple[Path, Path]:
        net, model = folder / "fc.prototxt", folder / "fc.caffemodel"
        net.write_bytes(self.text)
        model.write_bytes(self.model)
        return net, model


def fc_net(shape=(2, 3, 3), outputs=(5, 4), layout="lines", v1=False, bias=True, eol="\n", seed=0, **options) -> FcNet:
    """The net of these numbers; options are those of `weights`."""
    layers, kind = ("layers", "INNER_PRODUCT") if v1 else ("layer", '"InnerProduct"')
    relu, dropout, softmax = ("RELU", "DROPOUT", "SOFTMAX") if v1 else ('"ReLU"', '"Dropout"', '"Softmax"')
    rates = "  blobs_lr: 1\n  blobs_lr: 2\n" if v1 else "  param { lr_mult: 1 }\n  param { lr_mult: 2 }\n"
    dims = " ".join(f"input_dim: {size}" for size in (1, *shape))

    def full(name, bottom, count):
        param = LAYOUTS[layout].replace("OUT", str(count))
        if not bias:
            param = param.replace("num_output", "bias_term: false num_output", 1)
        return (
            f'{layers} {{\n  name: "{name}"\n  type: {kind}\n  bottom: "{bottom}"\n  top: "{name}"\n{rates if bias else ""}'
            f"  inner_product_param {param}\n}}\n"
        )

    def plain(name, kind, bottom, top):
        return f'{layers} {{ name: "{name}" type: {kind} bottom: "{bottom}" top: "{top}" }}\n'

    text = (
        f'name: "fc"\ninput: "data"\n{dims}\n'
        + full("fc6", "data", outputs[0])
        + plain("relu6", relu, "fc6", "fc6")
        + plain("drop6", dropout, "fc6", "fc6")
        + full("fc7", "fc6", outputs[1])
        + plain("prob", softmax, "fc7", "prob")
    )
    draw = np.random.RandomState(seed)
    records = []
    for name, bottom, (rows, width) in (
        ("fc6", "data", (outputs[0], int(np.prod(shape)))),
        ("fc7", "fc6", outputs[::-1]),
    ):
        arrays = [draw.standard_normal((rows, width)).astype(np.float32)]
        arrays += [draw.standard_normal(rows).astype(np.float32)] if bias else []
        records.append((name, "InnerProduct", [bottom], [name], arrays, None))
    model = with_params(weights(records, v1=v1, **options), outputs, bias)
    return FcNet(shape, outputs, text.replace("\n", eol).encode(), model)


def with_params(model: bytes, outputs: tuple[int, int], bias: bool) -> bytes:
    """The weights with what Caffe saves of each layer beside its blobs."""
    from tests.support.caffe_proto import message_class

    net = message_class("NetParameter")()
    net.ParseFromString(model)
    for layer, count in zip([*net.layer, *net.layers], outputs):
        layer.inner_product_param.num_output = count
        if not bias:
            layer.inner_product_param.bias_term = False
        layer.inner_product_param.axis = 1
    return net.SerializeToString()


fc_nets = st.builds(
    fc_net,
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    outputs=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    layout=st.sampled_from(sorted(LAYOUTS)),
    v1=st.booleans(),
    bias=st.booleans(),
    eol=st.sampled_from(["\n", "\r\n"]),
    legacy=st.booleans(),
    dtype=st.sampled_from(["<f4", "<f8"]),
    seed=st.integers(0, 9),
)


GROUPED = """\
name: "grouped"
input: "data" input_dim: 1 input_dim: 4 input_dim: 6 input_dim: 6
layer {
  name: "conv" # the grouped one
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 }
  convolution_param {
    num_output: 8
    group: 2
    kernel_size: 3 # small
    pad: 1
  }
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""


def as_v1(text: str) -> str:
    """A text with V1 layers."""
    for name in ("Convolution", "Slice", "Concat", "ReLU"):
        text = text.replace(f'"{name}"', name.upper())
    return text.replace("layer {", "layers {").replace("param { lr_mult: 1 }", "blobs_lr: 1")


def grouped_net(folder: Path, text: str = GROUPED, group: int = 2, **options):
    """The net and its weights in a folder: the paths of both, and the blobs; options are those of `weights`."""
    text = text.replace("group: 2", f"group: {group}")
    text = as_v1(text) if options.get("v1") else text
    net, model = folder / "grouped.prototxt", folder / "grouped.caffemodel"
    net.write_text(text)
    arrays = conv_arrays(8, 4 // group)
    param = {"num_output": 8, "group": group, "kernel_size": 3, "pad": 1}
    model.write_bytes(weights([("conv", "Convolution", ["data"], ["conv"], arrays, param)], **options))
    return net, model, arrays
