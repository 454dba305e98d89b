"""A net as large as AlexNet (60,965,224 parameters, 244 MB; three of its convolutions have two groups), with random weights.

alexnet.py DIR writes DIR/alexnet.prototxt and DIR/alexnet.caffemodel.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vgg16 import Row, write_caffemodel

NET = """\
name: "alexnet_sized"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 227 dim: 227 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 96 kernel_size: 11 stride: 4 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer {
  name: "conv2"
  type: "Convolution"
  bottom: "pool1"
  top: "conv2"
  convolution_param {
    num_output: 256
    pad: 2
    kernel_size: 5
    group: 2
  }
}
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv3" type: "Convolution" bottom: "pool2" top: "conv3" convolution_param { num_output: 384 pad: 1 kernel_size: 3 } }
layer { name: "relu3" type: "ReLU" bottom: "conv3" top: "conv3" }
layer {
  name: "conv4"
  type: "Convolution"
  bottom: "conv3"
  top: "conv4"
  convolution_param {
    num_output: 384
    pad: 1
    kernel_size: 3
    group: 2
  }
}
layer { name: "relu4" type: "ReLU" bottom: "conv4" top: "conv4" }
layer {
  name: "conv5"
  type: "Convolution"
  bottom: "conv4"
  top: "conv5"
  convolution_param {
    num_output: 256
    pad: 1
    kernel_size: 3
    group: 2
  }
}
layer { name: "relu5" type: "ReLU" bottom: "conv5" top: "conv5" }
layer { name: "pool5" type: "Pooling" bottom: "conv5" top: "pool5" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "fc6" type: "InnerProduct" bottom: "pool5" top: "fc6" inner_product_param { num_output: 4096 } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" inner_product_param { num_output: 4096 } }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8" inner_product_param { num_output: 1000 } }
"""

ROWS: tuple[Row, ...] = (
    ("conv1", "Convolution", "data", (96, 3, 11, 11)), ("conv2", "Convolution", "pool1", (256, 48, 5, 5)),
    ("conv3", "Convolution", "pool2", (384, 256, 3, 3)), ("conv4", "Convolution", "conv3", (384, 192, 3, 3)),
    ("conv5", "Convolution", "conv4", (256, 192, 3, 3)), ("fc6", "InnerProduct", "pool5", (4096, 9216)),
    ("fc7", "InnerProduct", "fc6", (4096, 4096)), ("fc8", "InnerProduct", "fc7", (1000, 4096)),
)  # fmt: skip

if __name__ == "__main__":
    Path(sys.argv[1], "alexnet.prototxt").write_text(NET)
    write_caffemodel(Path(sys.argv[1], "alexnet.caffemodel"), "alexnet_sized", ROWS)
