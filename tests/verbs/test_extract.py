"""The verb extract: the net inside a caffemodel, and single blobs as npy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf import text_format

import split_surgery
from split_surgery import extract
from split_surgery.documents.weights import wire
from split_surgery.errors import FileError, OptionError, SurgeryWarning, UsageError
from tests.support.caffe_proto import message_class
from tests.support.fixture_nets import EVERY_FIXTURE, fixture_net
from tests.support.hdf5_files import h5_case
from tests.support.nets import weights, write_tiny


def without_blobs(data: bytes):
    net = message_class("NetParameter")()
    net.ParseFromString(data)
    for layer in [*net.layer, *net.layers]:
        layer.ClearField("blobs")
    return net


@pytest.mark.parametrize("path", EVERY_FIXTURE, ids=lambda path: path.stem)
def test_protobuf_reads_the_text_as_it_reads_the_file(path, tmp_path):
    _, model = fixture_net(path, tmp_path)
    text = extract(model).text
    try:
        found = text_format.Parse(text, message_class("NetParameter")())
    except UnicodeEncodeError:
        return  # a name that is not UTF-8
    assert found == without_blobs(model.read_bytes())
    assert len(found.layer) + len(found.layers) == extract(model).layers > 0


EVERY_KIND = r"""name: "quote \" and \\ and \012"
layer {
  name: "a"
  type: "Convolution"
  bottom: "x"
  bottom: "y"
  top: "z"
  loss_weight: 1
  loss_weight: 0.1
  loss_weight: 1e-30
  include {
    min_level: -2
    stage: "s"
  }
  phase: TEST
  convolution_param {
    bias_term: false
    kernel_size: 3
    kernel_size: 5
  }
  eltwise_param {
    operation: MAX
  }
}
"""


def test_every_kind_of_field(tmp_path):
    net = message_class("NetParameter")(name='quote " and \\ and \n')
    layer = net.layer.add(
        name="a", type="Convolution", bottom=["x", "y"], top=["z"], loss_weight=[1, 0.1, 1e-30], phase=1
    )
    layer.convolution_param.kernel_size.extend([3, 5])
    layer.convolution_param.bias_term = False
    layer.eltwise_param.operation = 2
    layer.include.add(min_level=-2, stage=["s"])
    layer.blobs.add().data.extend([1, 2])
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString())
    report = extract(tmp_path / "w.caffemodel")
    assert report.text == EVERY_KIND
    assert text_format.Parse(report.text, message_class("NetParameter")()) == without_blobs(net.SerializeToString())


def test_fields_of_a_fork_are_listed_and_stand_as_comments(tmp_path):
    net = message_class("NetParameter")()
    net.layer.add(name="a", type="Of a fork", top=["a"])
    inner = wire.tagged(5, 7) + wire.tagged(77, b"abc")
    fork = wire.tagged(400, 3) + wire.varint(401 << 3 | wire.FIXED32) + b"\0\0\x80?" + wire.tagged(106, inner)
    # An InnerProduct's number holds what is no message: a fork has something else there.
    data = net.layer[0].SerializeToString() + fork + wire.tagged(117, b"\xff\xff\xff")
    (tmp_path / "w.caffemodel").write_bytes(wire.tagged(100, data) + wire.tagged(2000, 1))
    with pytest.warns(
        SurgeryWarning, match=r"has 5 fields that BVLC Caffe 1.0 does not name \(2000, layer\[0\].400, .*as comments"
    ):
        report = extract(tmp_path / "w.caffemodel")
    assert report.unknown == ("2000", "layer[0].400", "layer[0].401", "layer[0].convolution_param.77", "layer[0].117")
    assert report.text.splitlines() == [
        "# field 2000: 1", "layer {", '  name: "a"', '  type: "Of a fork"', '  top: "a"', "  # field 400: 3", "  # field 401: 1.0",
        "  convolution_param {", "    group: 7", "    # field 77: 3 bytes", "  }", "  # field 117: 3 bytes", "}",
    ]  # fmt: skip


def test_layers_that_caffe_put_in_are_left_out(tmp_path):
    path = tmp_path / "w.caffemodel"
    path.write_bytes(weights([
        ("data", "Input", [], ["data"], [], None),
        ("data_data_0_split", "Split", ["data"], ["data_data_0_split_0", "data_data_0_split_1"], [], None),
        ("a", "ReLU", ["data_data_0_split_0"], ["a"], [], None),
        ("b", "ReLU", ["data_data_0_split_1"], ["b"], [], None),
        ("mine", "Split", ["b"], ["c", "d"], [], None),
    ]))  # fmt: skip
    (tmp_path / "net.prototxt").write_text(extract(path).text)
    net = split_surgery.open(tmp_path / "net.prototxt")
    assert [(one.name, one.bottoms) for one in net.layers] == [
        ("data", ()),
        ("a", ("data",)),
        ("b", ("data",)),
        ("mine", ("b",)),
    ]


def test_a_blob_that_is_called_like_a_copy_of_caffe_keeps_its_name(tmp_path):
    """Whether a name is one that Caffe made is known from the layers: another layer may give it."""
    path = tmp_path / "w.caffemodel"
    path.write_bytes(weights([
        ("a", "ReLU", ["data"], ["a"], [], None),
        ("odd", "ReLU", ["data"], ["a_a_0_split_0"], [], None),
        ("reader", "ReLU", ["a_a_0_split_0"], ["b"], [], None),
        ("other", "ReLU", ["a_a_0_split_1"], ["c"], [], None),
    ]))  # fmt: skip
    (tmp_path / "net.prototxt").write_text(extract(path).text)
    net = split_surgery.open(tmp_path / "net.prototxt")
    assert [one.bottoms for one in net.layers] == [("data",), ("data",), ("a_a_0_split_0",), ("a",)]


@pytest.mark.parametrize("form", ["plain", "double", "legacy", "packed in two"])
def test_a_blob_as_npy(form, tmp_path):
    numbers = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    net = message_class("NetParameter")()
    net.ParseFromString(weights([("a/b", "Convolution", [], [], [np.zeros(3), numbers], None)],
                                dtype="<f8" if form == "double" else "<f4", legacy=form == "legacy"))  # fmt: skip
    data = net.SerializeToString()
    if form == "packed in two":
        blob = wire.tagged(5, numbers[0].astype("<f4").tobytes()) + wire.tagged(5, numbers[1].astype("<f4").tobytes())
        shape = wire.tagged(7, wire.tagged(1, b"\2\3\4"))
        first = net.layer[0].blobs[0].SerializeToString()
        data = wire.tagged(100, wire.tagged(1, b"a/b") + wire.tagged(7, first) + wire.tagged(7, blob + shape))
    (tmp_path / "w.caffemodel").write_bytes(data)
    report = extract(tmp_path / "w.caffemodel", tmp_path / "x.npy", blob="a/b/1")
    found = np.load(tmp_path / "x.npy")
    assert (report.blob, report.shape, report.dtype) == (("a/b", 1), found.shape, found.dtype.str)
    assert found.dtype == ("<f8" if form == "double" else "<f4")
    assert found.shape == ((1, 2, 3, 4) if form == "legacy" else (2, 3, 4))
    assert np.array_equal(found.reshape(numbers.shape), numbers)


def test_a_blob_of_hdf5(tmp_path):
    pytest.importorskip("h5py")
    _, model = h5_case(tmp_path)
    extract(model, tmp_path / "x.npy", blob="ip/0")
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.ones((4, 384)))
    with pytest.raises(FileError, match=r"is HDF5, which holds names and numbers of layers, and no net\n  .*blob"):
        extract(model)


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        ("conv1_1", "blob=conv1_1: must be LAYER/INDEX, such as conv1/0"),
        ("conv1/0", r'blob: no layer "conv1" in .*\n  nearest: conv1_1'),
        ("conv1_1/2", '"conv1_1" has 2 blobs in'),
    ],
)
def test_blobs_that_there_are_not(blob, message, tmp_path):
    _, model = write_tiny(tmp_path)
    with pytest.raises(OptionError, match=message):
        extract(model, tmp_path / "x.npy", blob=blob)
    assert not (tmp_path / "x.npy").exists()


def test_damaged_files_are_refused(tmp_path):
    _, model = write_tiny(tmp_path)
    short = message_class("NetParameter")()
    short.layer.add(name="a").blobs.add(data=[1, 2]).shape.dim.extend([3])
    (tmp_path / "short.caffemodel").write_bytes(short.SerializeToString())
    with pytest.raises(FileError, match=r"8 bytes of data, but shape \(3,\) needs 12"):
        extract(tmp_path / "short.caffemodel", tmp_path / "x.npy", blob="a/0")
    with pytest.raises(UsageError, match="output is missing"):
        extract(model, blob="conv1_1/0")
    assert not (tmp_path / "x.npy").exists()


def test_the_command(tmp_path, command):
    _, model = write_tiny(tmp_path)
    text = command("extract", model).stdout
    assert text.startswith('name: "tiny"\nlayer {\n  name: "data"\n')
    done = command("extract", model, "-o", "net.prototxt", cwd=tmp_path)
    assert done.stdout == f"net.prototxt: written; the net of 4 layers in {model}\n"
    assert (tmp_path / "net.prototxt").read_text() == text
    assert command("extract", model, "-o", "net.prototxt", "--check", cwd=tmp_path).returncode == 0
    assert "unchanged" in command("extract", model, "-o", "net.prototxt", cwd=tmp_path).stdout
    (tmp_path / "net.prototxt").write_text(text.replace("tiny", "other"))
    assert command("extract", model, "-o", "net.prototxt", "--check", cwd=tmp_path).returncode == 1
    assert (
        '-name: "other"\n+name: "tiny"\n'
        in command("extract", model, "-o", "net.prototxt", "--diff", cwd=tmp_path).stdout
    )
    refused = command("extract", model, "-o", "net.prototxt", cwd=tmp_path)
    assert (refused.returncode, "net.prototxt is there already" in refused.stderr) == (2, True)
    assert command("extract", model, "-o", "net.prototxt", "--force", cwd=tmp_path).returncode == 0
    tree = json.loads(command("extract", model, "--blob", "ip/1", "-o", "x.npy", "--json", cwd=tmp_path).stdout)
    assert tree["blob"] == {"layer": "ip", "index": 1, "shape": [4], "dtype": "<f4"}
    own_name = tmp_path / "own.npy"
    own_name.write_bytes(model.read_bytes())
    own = command("extract", own_name, "--blob", "ip/1", "-o", own_name, "--force")
    assert (own.returncode, "would replace the input" in own.stderr) == (2, True)
    assert "extract takes the net out of a caffemodel" in command("dump", model).stderr
