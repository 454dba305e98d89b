"""Nets by the kinds of layers in them, for verdicts on whether a weights file fits."""

from __future__ import annotations

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 8 dim: 8 } } }\n'
CONV = 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3 } }\n'


def layer(name: str, kind: str, rest: str = "", bottom: str = "conv") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {rest} }}\n'


NETS = {
    "plain": INPUT + CONV + layer("ip", "InnerProduct", "inner_product_param { num_output: 5 }"),
    "transposed": INPUT + CONV + layer("ip", "InnerProduct", "inner_product_param { num_output: 5 transpose: true }"),
    "axis": INPUT + CONV + layer("ip", "InnerProduct", "inner_product_param { num_output: 5 axis: 2 bias_term: false }"),
    "normalised": INPUT + CONV + layer("bn", "BatchNorm") + layer("sc", "Scale", "scale_param { bias_term: true }", "bn"),
    "affine": INPUT + CONV + layer("sc", "Scale", "scale_param { axis: 1 num_axes: 2 }") + layer("bi", "Bias", bottom="sc"),
    "prelu": INPUT + CONV + layer("pr", "PReLU") + layer("shared", "PReLU", "prelu_param { channel_shared: true }", "pr"),
    "deconv": INPUT + CONV + layer("up", "Deconvolution", "convolution_param { num_output: 4 kernel_size: 2 stride: 2 }"),
    "branches": INPUT + CONV + layer("b", "Convolution", "convolution_param { num_output: 6 kernel_size: 1 }")
    + 'layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "b" top: "sum" }\n'
    + layer("pool", "Pooling", "pooling_param { kernel_size: 2 stride: 2 }", "sum")
    + layer("ip", "InnerProduct", "inner_product_param { num_output: 3 }", "pool"),
    "reshaped": INPUT + CONV + layer("flat", "Flatten") + layer("ip", "InnerProduct", "inner_product_param { num_output: 3 }", "flat"),
    "old": 'input: "data"\ninput_dim: 2\ninput_dim: 4\ninput_dim: 8\ninput_dim: 8\n' + CONV,
}  # fmt: skip

HEAD = """
layer {
  name: "conv1_1"
  type: "Convolution"
  bottom: "data"
  top: "conv1_1"
  param { lr_mult: 1 }
  param { lr_mult: 2 }
  convolution_param {
    num_output: 6
    kernel_size: 3
    pad: 1
  }
}
layer { name: "relu1_1" type: "ReLU" bottom: "conv1_1" top: "conv1_1" }
"""

TAIL = """
layer {
  name: "conv2"
  type: "Convolution"
  bottom: "conv1_1"
  top: "conv2"
  convolution_param {
    num_output: 6
    kernel_size: 3
    pad: 1
  }
}
layer {
  name: "sum"
  type: "Eltwise"
  bottom: "conv1_1"
  bottom: "conv2"
  top: "sum"
  eltwise_param { coeff: 1 coeff: -0.5 }
}
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "sum"
  top: "ip"
  inner_product_param { num_output: 5 }
}
"""

V1 = """\
name: "old"
input: "data"
input_dim: 2
input_dim: 4
input_dim: 8
input_dim: 8
layers {
  name: "conv1_1"
  type: CONVOLUTION
  bottom: "data"
  top: "conv1_1"
  blobs_lr: 1
  blobs_lr: 2
  weight_decay: 1
  weight_decay: 0
  convolution_param {
    num_output: 6
    kernel_size: 3
    pad: 1
  }
}
layers { name: "relu1_1" type: RELU bottom: "conv1_1" top: "conv1_1" }
layers {
  name: "ip"
  type: INNER_PRODUCT
  bottom: "conv1_1"
  top: "ip"
  inner_product_param { num_output: 5 }
}
"""

BIASLESS = HEAD.replace("kernel_size: 3", "kernel_size: 3\n    bias_term: false").replace(
    "  param { lr_mult: 2 }\n", ""
)

NORMALISED = INPUT + BIASLESS + """
layer { name: "bn1_1" type: "BatchNorm" bottom: "conv1_1" top: "conv1_1" }
layer { name: "scale1_1" type: "Scale" bottom: "conv1_1" top: "conv1_1" scale_param { bias_term: true } }
layer { name: "sigmoid1_1" type: "Sigmoid" bottom: "conv1_1" top: "conv1_1" }
""" + TAIL  # fmt: skip

SIAMESE = INPUT + "".join(
    (HEAD + TAIL.replace('"sum"', '"joint"')).replace('1"', f'1{other}"').replace('2"', f'2{other}"')
    .replace('"joint"', f'"sum{other}"').replace('"ip"', f'"ip{other}"')
    .replace("lr_mult: 1 }", 'name: "w" lr_mult: 1 }').replace("lr_mult: 2 }", 'name: "b" lr_mult: 2 }')
    for other in ("", "_p")
)  # fmt: skip

SPLIT_NETS = {
    "plain": INPUT + HEAD + TAIL,
    "grouped": INPUT + HEAD.replace("pad: 1", "pad: 1\n    group: 2") + TAIL,
    "strided": INPUT + BIASLESS.replace("pad: 1", "pad: 1\n    stride: 2") + TAIL,
    "normalised": NORMALISED,
    "siamese": SIAMESE,
    "V1": V1,
}
"""Nets whose conv1_1 can be split."""
