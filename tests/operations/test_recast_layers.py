"""InnerProducts as convolutions: the same numbers in the same order, there and back the same bytes, and what cannot be is refused."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from split_surgery import convert, reshape
from split_surgery.documents.edit import recast
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import Source
from split_surgery.documents.weights.opening import weights_in
from split_surgery.errors import Defect, FileError, OptionError, Unsupported, UsageError
from split_surgery.operations import recast_layers
from tests.support.caffe_proto import message_class
from tests.support.linear_nets import run_opencv
from tests.support.nets import read_weights
from tests.support.reshaped import fc_net, fc_nets

BOTH = "fc6,fc7"


def text_of(path: Path):
    return Prototxt(Document(path.read_bytes(), path.name)).net


@settings(max_examples=15)
@given(fc_nets)
def test_there_and_back_is_the_same_bytes(net):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = net.write(folder)
        report = reshape(*files, folder / "full", to_convolution=BOTH)
        assert [(one.layer, one.now, one.weight[1]) for one in report.layers] == [
            ("fc6", "Convolution", (net.outputs[0], *net.shape)), ("fc7", "Convolution", (*net.outputs[::-1], 1, 1)),
        ]  # fmt: skip
        full = folder / "full"
        before, after = read_weights(net.model), read_weights((full / "net.caffemodel").read_bytes())
        for layer in text_of(full / "net.prototxt").named("fc6"):
            assert layer.type == "Convolution"
            assert (layer.geometry().kernel, layer.geometry().num_output) == (net.shape[1:], net.outputs[0])
        for layer in ("fc6", "fc7"):
            (was, old), (now, new) = before[layer], after[layer]
            assert [array.ravel().tolist() for array in new] == [array.ravel().tolist() for array in old]
            assert now.convolution_param.num_output == was.inner_product_param.num_output
            assert now.convolution_param.bias_term == was.inner_product_param.bias_term
            assert not now.HasField("inner_product_param")
        reshape(full / "net.prototxt", full / "net.caffemodel", folder / "back", to_inner_product=BOTH)
        assert (folder / "back" / "net.prototxt").read_bytes() == net.text
        assert (folder / "back" / "net.caffemodel").read_bytes() == net.model


def test_everything_else_is_the_bytes_it_was(tmp_path):
    net = fc_net(layout="comment")
    reshape(*net.write(tmp_path), tmp_path / "full", to_convolution=BOTH)
    made = (tmp_path / "full" / "net.prototxt").read_bytes().decode()
    expected = (
        net.text.decode().replace('"InnerProduct"', '"Convolution"').replace("inner_product_param", "convolution_param")
    )
    expected = expected.replace("num_output: 5;  # how many\n", "num_output: 5;  # how many\n    kernel_size: 3\n")
    expected = expected.replace("num_output: 4;  # how many\n", "num_output: 4;  # how many\n    kernel_size: 1\n")
    assert made == expected


@pytest.mark.parametrize("shape", [(2, 3, 3), (1, 2, 4)])
@pytest.mark.parametrize("legacy", [False, True])
def test_opencv_computes_the_same(shape, legacy, tmp_path):
    pytest.importorskip("cv2")
    net = fc_net(shape=shape, legacy=legacy)
    files = net.write(tmp_path)
    reshape(*files, tmp_path / "full", to_convolution=BOTH)
    images = np.random.RandomState(3).standard_normal((1, *shape))
    (was,) = run_opencv(*files, images)
    (now,) = run_opencv(tmp_path / "full" / "net.prototxt", tmp_path / "full" / "net.caffemodel", images)
    assert now.shape == (1, 4, 1, 1)
    np.testing.assert_allclose(now.reshape(was.shape), was, rtol=1e-5, atol=1e-6)
    assert np.ptp(was) > 0.01


def test_hdf5(tmp_path):
    net = fc_net()
    text, model = net.write(tmp_path)
    convert(text, model, tmp_path / "fc.caffemodel.h5")
    reshape(text, tmp_path / "fc.caffemodel.h5", tmp_path / "full", to_convolution=BOTH)
    with Source(tmp_path / "full" / "net.caffemodel.h5") as source:
        found = {record.name: [blob.load() for blob in record.blobs] for record in weights_in(source).layers}
    assert found["fc6"][0].shape == (5, 2, 3, 3)
    for name, (_, arrays) in read_weights(net.model).items():
        assert [array.ravel().tolist() for array in found[name]] == [array.ravel().tolist() for array in arrays]


def test_a_training_net_takes_the_size_from_the_deploy_net(tmp_path):
    """And what follows the layers in it is looked at, though it does not say how large its images are."""
    net = fc_net()
    deploy, model = net.write(tmp_path)
    head = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "x" batch_size: 8 } }\n'
    body = re.sub(r"(?s)^.*?(?=layer \{)", "", net.text.decode(), count=1)
    body = body.replace('"Softmax" bottom: "fc7"', '"SoftmaxWithLoss" bottom: "fc7" bottom: "label"')
    train = tmp_path / "train.prototxt"
    train.write_text(head + body)
    with pytest.raises(Unsupported, match='the size of "data", which it reads, does not follow from the files'):
        reshape(train, model, tmp_path / "x", to_convolution="fc6")
    reshape(train, model, tmp_path / "full", to_convolution=BOTH, also=(deploy,))
    assert [layer.type for layer in text_of(tmp_path / "full" / "net.prototxt").named("fc7")] == ["Convolution"]
    by_flag = reshape(train, model, tmp_path / "flag", to_convolution=BOTH, input_shape={"data": (1, 2, 3, 3)})
    assert by_flag.layers[0].bottom == (2, 3, 3)
    train.write_text(head + body + 'layer { name: "odd" type: "Odd" bottom: "fc7" top: "odd" }\n')
    with pytest.raises(Unsupported, match="would read a blob of the shape"):
        reshape(train, model, tmp_path / "y", to_convolution=BOTH, also=(deploy,))


READERS = [
    ('type: "Flatten"', "accepted"), ('type: "Reshape" reshape_param { shape { dim: 0 dim: 2 dim: -1 } }', "accepted"),
    ('type: "InnerProduct" inner_product_param { num_output: 2 }', "accepted"), ('type: "Sigmoid"', "accepted"),
    ('type: "Scale" scale_param { bias_term: true }', "accepted"), ('type: "ArgMax"', "accepted"),
    ('type: "Slice" top: "half"', "accepted"), ('type: "Softmax" softmax_param { axis: -1 }', "Softmax"),
    ('type: "Eltwise" bottom: "label"', "2 and 4 axes"), ('type: "Concat" bottom: "label"', "2 and 4 axes"),
    ('type: "Scale" scale_param { num_axes: -1 }', "Scale"), ('type: "Reduction"', "Reduction"), ('type: "LSTM"', "LSTM"),
    ('type: "Reshape" reshape_param { shape { dim: 0 dim: 2 dim: 2 } num_axes: 2 }', "Reshape"),
    ('type: "MyOwn"', "MyOwn"), ('type: "InnerProduct" inner_product_param { num_output: 2 axis: -1 }', "InnerProduct"),
]  # fmt: skip


@pytest.mark.parametrize(("reader", "verdict"), READERS)
def test_what_reads_the_top(reader, verdict, tmp_path):
    net = fc_net()
    text, model = net.write(tmp_path)
    shaped = net.text.decode().replace(
        "input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 3", "input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }"
    )
    last = f'layer {{ name: "reader" bottom: "fc7" top: "read" {reader} }}\n'
    text.write_text('input: "label"\ninput_shape { dim: 1 dim: 4 }\n' + shaped + last)
    if verdict == "accepted":
        report = reshape(text, model, tmp_path / "full", to_convolution=BOTH)
        assert report.notes[0] == 'the output "prob" has the shape 1x4x1x1 now, and had 1x4'
    else:
        with pytest.raises(Unsupported, match='layer "reader"'):
            reshape(text, model, tmp_path / "full", to_convolution=BOTH)
        assert not (tmp_path / "full").exists()


def refusal(tmp_path, change, error, message, names="fc6", to="to_convolution", model=None):
    net = fc_net()
    text, weights = net.write(tmp_path)
    text.write_text(change(net.text.decode()))
    if model is not None:
        weights.write_bytes(model)
    with pytest.raises(error, match=message):
        reshape(text, weights, tmp_path / "full", **{to: names})
    assert not (tmp_path / "full").exists()


PLAIN = "num_output: 5"


@pytest.mark.parametrize(
    ("change", "error", "message", "names"),
    [
        (str, UsageError, 'no layer "fc8"', "fc8"),
        (str, Unsupported, "has type ReLU", "relu6"),
        (str, Unsupported, "reads a blob of 2 axes", "fc7"),
        (lambda text: text.replace(PLAIN, PLAIN + " transpose: true"), Unsupported, "transposed", "fc6"),
        (lambda text: text.replace(PLAIN, PLAIN + " axis: 2"), Unsupported, "from axis 2 on", "fc6"),
        (lambda text: text.replace(PLAIN, PLAIN + " sparse: true"), Unsupported, "sparse is not a field", "fc6"),
        (lambda text: text.replace(PLAIN, PLAIN + " num_output: 5"), Unsupported, "more than once", "fc6"),
        (lambda text: text.replace(PLAIN, ""), FileError, "num_output is missing", "fc6"),
        (lambda text: text.replace('top: "fc6"', 'top: "fc6" convolution_param { }', 1), Unsupported, "has a convolution_param", "fc6"),
        (lambda text: text.replace("input_dim: 3 input_dim: 3", "input_dim: 4 input_dim: 3"), FileError, "asks for", "fc6"),
        (lambda text: text.replace(PLAIN, "num_output: 6"), FileError, "asks for", "fc6"),
        (lambda text: text.replace("lr_mult: 1", 'lr_mult: 1 name: "w"'), Unsupported, 'shares its weights with "fc7"', "fc6"),
    ],
)  # fmt: skip
def test_what_is_refused(change, error, message, names, tmp_path):
    refusal(tmp_path, change, error, message, names)


def test_a_record_that_says_something_of_the_other_type(tmp_path):
    model = message_class("NetParameter")()
    model.ParseFromString(fc_net().model)
    next(layer for layer in model.layer if layer.name == "fc6").convolution_param.group = 1
    refusal(tmp_path, str, Unsupported, "its record has a convolution_param", model=model.SerializeToString())


def test_a_layer_that_stands_twice_and_reads_something_else_the_second_time(tmp_path):
    """Its twin reads what is no image, and a convolution could not."""
    flat = 'layer { name: "flat" type: "Flatten" bottom: "fc6" top: "flat" }\n'
    twin = 'layer { name: "fc6" type: "InnerProduct" bottom: "flat" top: "x" inner_product_param { num_output: 5 } }\n'
    refusal(tmp_path, lambda text: text + flat + twin, Unsupported, "several sizes: 2x3x3 at .* and 5 at")


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("num_output: 5 kernel_size: 3 pad: 1", "padded by 1x1"),
        ("num_output: 5 kernel_size: 2", "a kernel of 2x2 on images of 3x3"),
        ("num_output: 5 kernel_size: 2 dilation: 2", "dilated"),
        ("num_output: 6 kernel_size: 3 group: 2", "has 2 groups"),
        ("num_output: 5 kernel_size: 3 is_relu: true", "is_relu"),
    ],
)
def test_convolutions_that_are_no_inner_products(param, message, tmp_path):
    def change(text):
        first, _, rest = text.partition('"InnerProduct"')
        return (
            first
            + '"Convolution"'
            + re.sub(r"(?s)inner_product_param \{.*?\n  \}", f"convolution_param {{ {param} }}", rest, count=1)
        )

    refusal(tmp_path, change, Unsupported, message, to="to_inner_product")


def test_nothing_asked_for(tmp_path):
    files = fc_net().write(tmp_path)
    with pytest.raises(UsageError, match="nothing is asked for"):
        reshape(*files, tmp_path / "full")
    with pytest.raises(OptionError, match="has none of the layers"):
        other = tmp_path / "other.prototxt"
        other.write_text('layer { name: "x" type: "Input" top: "x" }')
        reshape(*files, tmp_path / "full", to_convolution=BOTH, also=(other,))


def _moved(monkeypatch, field, numbers):
    monkeypatch.setattr(recast, "KEPT", recast.KEPT | {field: numbers})


FAULTS = {
    "bias_term is lost in the record": lambda patch: _moved(patch, "bias_term", (2, 9)),
    "num_output under another number": lambda patch: _moved(patch, "num_output", (5, 1)),
    "the kernel under another number": lambda patch: patch.setattr(
        recast, "KERNEL_NUMBERS", {"kernel_size": 6, "kernel_h": 9, "kernel_w": 10}
    ),
    "the kernel is the group": lambda patch: patch.setattr(
        recast.Recast, "sizes", property(lambda one: {"kernel_h": 1, "kernel_w": 2} if one.kernel else {})
    ),
    "another shape of the blob": lambda patch: patch.setattr(
        recast_layers, "with_shape", lambda blob, shape, made=recast_layers.with_shape: made(blob, shape[::-1])
    ),
    "a splice too far": lambda patch: patch.setattr(
        recast_layers,
        "recast_splices",
        lambda layer, to, made=recast.recast_splices: [
            s._replace(stop=len(layer.document.data)) for s in made(layer, to)
        ][-1:],
    ),
    "a text that is left as it was": lambda patch: patch.setattr(recast_layers, "recast_splices", lambda layer, to: []),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_proof_finds_planted_faults(fault, tmp_path, monkeypatch):
    FAULTS[fault](monkeypatch)
    files = fc_net(shape=(2, 3, 2), bias=False).write(tmp_path)
    with pytest.raises(Defect):
        reshape(*files, tmp_path / "full", to_convolution=BOTH)
