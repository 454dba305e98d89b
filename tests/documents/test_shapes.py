"""Shapes and costs of layers, by hand and held against OpenCV and real Caffe."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shapes import costs, infer
from split_surgery.documents.prototxt import Document
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.wire import Buffer
from tests.support.nets import TINY, tiny_weights, weights

TEST, TRAIN = State("TEST"), State("TRAIN")


def net_of(text: str) -> Net:
    document = Document(text.encode(), "net.prototxt")
    return Net(document, document.root)


def tops(text: str, state: State = TEST, **given) -> dict:
    found = {}
    for shaped in infer(net_of(text), state, **given):
        found.update(zip(shaped.layer.tops, shaped.tops))
    return found


def one(kind: str, fields: str = "", bottoms=((2, 6, 9, 9),), made=("out",)) -> list:
    """The shapes that one layer makes of inputs of these shapes."""
    names = [f"in{at}" for at in range(len(bottoms))]
    text = "".join(
        f'input: "{name}" input_shape {{ {" ".join(f"dim: {size}" for size in shape)} }}\n'
        for name, shape in zip(names, bottoms)
    )
    wires = "".join(f' bottom: "{name}"' for name in names) + "".join(f' top: "{name}"' for name in made)
    return list(infer(net_of(f'{text} layer {{ name: "x" type: "{kind}" {wires} {fields} }}'), TEST)[-1].tops)


@pytest.mark.parametrize(
    ("kind", "fields", "shape"),
    [
        (
            "Convolution",
            "convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 dilation: 2 }",
            (2, 4, 4, 4),
        ),
        ("Convolution", "convolution_param { num_output: 4 kernel_h: 1 kernel_w: 3 }", (2, 4, 9, 7)),
        ("Convolution", "convolution_param { num_output: 4 kernel_size: 30 }", (2, 4, None, None)),
        ("Convolution", "convolution_param { num_output: 4 kernel_size: [3, 3, 3] }", None),
        ("Convolution", "convolution_param { kernel_size: 3 }", None),
        ("Deconvolution", "convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 }", (2, 4, 18, 18)),
        ("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", (2, 6, 5, 5)),
        ("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR }", (2, 6, 4, 4)),
        ("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 }", (2, 6, 5, 5)),
        ("Pooling", "pooling_param { pool: AVE global_pooling: true }", (2, 6, 1, 1)),
        ("Pooling", "pooling_param { pool: MAX kernel_size: 2 ceil_mode: false }", None),
        ("Pooling", "pooling_param { pool: MAX }", None),
        ("InnerProduct", "inner_product_param { num_output: 7 }", (2, 7)),
        ("InnerProduct", "inner_product_param { num_output: 7 axis: -1 }", (2, 6, 9, 7)),
        ("InnerProduct", "inner_product_param { num_output: 7 axis: 4 }", None),
        ("Flatten", "", (2, 486)),
        ("Flatten", "flatten_param { end_axis: 2 }", (2, 54, 9)),
        ("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }", (2, 486)),
        ("Reshape", "reshape_param { shape { dim: 3 dim: 2 } axis: 1 num_axes: 1 }", (2, 3, 2, 9, 9)),
        ("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }", None),
        ("Reshape", "reshape_param { shape { dim: 5 dim: -1 } }", (5, None)),
        ("ArgMax", "", (2, 1, 1, 1)),
        ("ArgMax", "argmax_param { axis: 1 top_k: 3 }", (2, 3, 9, 9)),
        ("Reduction", "reduction_param { axis: 1 }", (2,)),
        ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", (2, 9, 9, 6)),
        ("Embed", "embed_param { num_output: 3 input_dim: 5 }", (2, 6, 9, 9, 3)),
        ("SoftmaxWithLoss", "", ()),
        ("Accuracy", "", ()),
        ("LRN", "", (2, 6, 9, 9)),
        ("ForksOwn", "", None),
        ("Flatten", "flatten_param { axis: x }", None),
        ("Flatten", f"flatten_param {{ axis: {'9' * 5000} }}", None),
    ],
)
def test_what_a_layer_makes(kind, fields, shape):
    assert one(kind, fields) == [shape]


def test_what_layers_with_several_ends_make():
    assert one("Concat", "", [(2, 3, 4, 4), (2, 5, 4, 4)]) == [(2, 8, 4, 4)]
    assert one("Concat", "concat_param { axis: 0 }", [(2, 3), (1, 3)]) == [(3, 3)]
    assert one("Concat", "", [(2, 3), (2, 3, 1)]) == [None]
    assert one("Eltwise", "", [(2, 3), (2, 3)]) == [(2, 3)]
    assert one("Slice", "", made=("a", "b")) == [(2, 3, 9, 9)] * 2
    assert one("Slice", "slice_param { slice_point: 1 slice_point: 3 }", made="abc") == [
        (2, n, 9, 9) for n in (1, 2, 3)
    ]
    assert one("Crop", "", [(2, 3, 9, 9), (2, 1, 5, 6)]) == [(2, 3, 5, 6)]
    assert one("Split", "", made="ab") == [(2, 6, 9, 9)] * 2
    assert one("Pooling", "pooling_param { kernel_size: 3 }", made=("out", "mask")) == [(2, 6, 7, 7)] * 2
    assert one("Slice", "", made=()) == []


DATA = """
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { crop_size: 8 } data_param { batch_size: 4 } }
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "conv1_1"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv1_1" top: "ip" inner_product_param { num_output: 4 } }
"""


def test_data_layers_say_what_they_can():
    model = Caffemodel(Buffer(tiny_weights()))
    assert tops(DATA)["data"] == (4, None, 8, 8)
    assert tops(DATA)["conv1_1"] == (4, 6, 8, 8)
    assert tops(DATA, weights=model)["data"] == (4, 3, 8, 8)
    assert tops(DATA, given={"data": (1, 1, 4, 4)})["ip"] == (1, 4)
    assert tops(DATA.replace("crop_size: 8", "crop_size: 8 mean_value: [1, 2, 3]"))["data"] == (4, 3, 8, 8)
    assert tops(DATA.replace('"Data"', '"ImageData"').replace("data_param", "image_data_param"))["data"] == (4, 3, 8, 8)
    assert tops(DATA.replace("crop_size: 8", ""))["conv1_1"] == (4, 6, None, None)
    assert tops(DATA.replace('"Data"', '"ForksData"'))["conv1_1"] is None


def test_inputs_in_all_their_forms():
    assert tops('input: "a" input_dim: [1, 2, 3, 4]' + 'layer { type: "ReLU" bottom: "a" top: "b" }') == {
        "b": (1, 2, 3, 4)
    }
    dummy = 'layer { type: "DummyData" top: "a" top: "b" dummy_data_param { SHAPE } }'
    assert tops(dummy.replace("SHAPE", "shape { dim: 1 dim: 2 }")) == {"a": (1, 2), "b": (1, 2)}
    assert tops(dummy.replace("SHAPE", "num: 1 channels: 2 height: 3 width: 4")) == {
        "a": (1, 2, 3, 4),
        "b": (1, 2, 3, 4),
    }
    memory = 'layer { type: "MemoryData" top: "a" top: "b" memory_data_param { batch_size: 5 channels: 1 height: 2 width: 3 } }'
    assert tops(memory) == {"a": (5, 1, 2, 3), "b": (5,)}


def test_costs_are_those_of_one_image():
    rows = {row.layer.name: row for row in costs(net_of(TINY.replace("dim: 1 dim: 3", "dim: 10 dim: 3")), None, TEST)}
    assert (rows["conv1_1"].parameters, rows["conv1_1"].multiply_adds) == (6 * 27 + 6, 6 * 27 * 64)
    assert (rows["ip"].parameters, rows["ip"].multiply_adds) == (4 * 384 + 4, 4 * 384)
    assert (rows["relu1_1"].parameters, rows["relu1_1"].multiply_adds) == (0, 0)


def test_weights_say_what_the_text_does_not():
    net = net_of(DATA)
    assert [row.parameters for row in costs(net, None, TEST)] == [0, None, 1540]
    assert [row.multiply_adds for row in costs(net, None, TEST)] == [0, None, 1536]
    model = Caffemodel(Buffer(tiny_weights()))
    assert [row.parameters for row in costs(net, model, TEST)] == [0, 168, 1540]
    assert [row.multiply_adds for row in costs(net, model, TEST)] == [0, 168 * 64 - 6 * 64, 1536]


def test_shared_parameters_count_once():
    conv = 'layer { name: "%s" type: "Convolution" bottom: "a" top: "%s" param { name: "w" } convolution_param { num_output: 2 '
    text = 'input: "a" input_dim: [1, 3, 5, 5]' + "".join(conv % (n, n) + "kernel_size: 3 } }" for n in "xy")
    assert [row.parameters for row in costs(net_of(text), None, TEST)] == [56, 2]


SIZES = st.integers(1, 12)


@given(SIZES, SIZES, st.integers(1, 4), st.integers(0, 2), st.integers(1, 3), st.sampled_from(["MAX", "AVE"]))
def test_pooling_and_convolution_are_as_in_opencv(size, kernel, stride, pad, dilation, pool):
    pad = min(pad, kernel - 1)
    if size + 2 * pad < dilation * (kernel - 1) + 1:
        return
    common = f"kernel_size: {kernel} stride: {stride} pad: {pad}"
    layers = {
        "conv": f"convolution_param {{ num_output: 1 bias_term: false {common} dilation: {dilation} }}",
        "pool": f"pooling_param {{ pool: {pool} {common} }}",
    }
    kinds = {"conv": "Convolution", "pool": "Pooling"}
    text = f'input: "a" input_dim: [1, 1, {size}, {size + 1}]\n'
    text += "".join(
        f'layer {{ name: "{n}" type: "{kinds[n]}" bottom: "a" top: "{n}" {p} }}\n' for n, p in layers.items()
    )
    blob = np.zeros((1, 1, size, size + 1), np.float32)
    model = weights([("conv", "Convolution", ["a"], ["conv"], [np.ones((1, 1, kernel, kernel), np.float32)], None)])
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(model, np.uint8))
    net.setInput(blob, "a")
    found = dict(zip(("conv", "pool"), net.forward(["conv", "pool"])))
    assert {name: array.shape for name, array in found.items()} == tops(text)
