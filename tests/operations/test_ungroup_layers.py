"""A grouped convolution as a layer for each group: the same numbers in turn, the same outputs, and `fold --all` goes back."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import convert, fold, reshape
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import Source
from split_surgery.documents.weights.opening import weights_in
from split_surgery.errors import Defect, FileError, Unsupported, UsageError
from split_surgery.operations import ungroup_layers
from split_surgery.workspace import outputs
from tests.support.linear_nets import run_opencv
from tests.support.nets import read_weights
from tests.support.reshaped import GROUPED, as_v1, grouped_net

UNGROUPED = """\
name: "grouped"
input: "data" input_dim: 1 input_dim: 4 input_dim: 6 input_dim: 6
layer {
  name: "conv_slice"
  type: "Slice"
  bottom: "data"
  top: "conv_slice1"
  top: "conv_slice2"
}
layer {
  name: "conv_group1" # the grouped one
  type: "Convolution"
  bottom: "conv_slice1"
  top: "conv_group1"
  param { lr_mult: 1 }
  convolution_param {
    num_output: 4
    kernel_size: 3 # small
    pad: 1
  }
}
layer {
  name: "conv_group2"
  type: "Convolution"
  bottom: "conv_slice2"
  top: "conv_group2"
  param { lr_mult: 1 }
  convolution_param {
    num_output: 4
    kernel_size: 3
    pad: 1
  }
}
layer {
  name: "conv_concat"
  type: "Concat"
  bottom: "conv_group1"
  bottom: "conv_group2"
  top: "conv"
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""


@pytest.mark.parametrize(("group", "options"), [(2, {}), (2, {"v1": True, "legacy": True}), (4, {"dtype": "<f8"})])
def test_the_text_and_the_numbers(group, options, tmp_path):
    style = as_v1 if options.get("v1") else str
    net, model, arrays = grouped_net(tmp_path, group=group, **options)
    report = reshape(net, model, tmp_path / "parts", ungroup="conv")
    parts = [f"conv_group{at}" for at in range(1, group + 1)]
    assert report.ungrouped[0].layers == ("conv_slice", *parts, "conv_concat")
    if group == 2:
        assert (tmp_path / "parts" / "net.prototxt").read_text() == style(UNGROUPED)
    found = read_weights((tmp_path / "parts" / "net.caffemodel").read_bytes())
    for index in (0, 1):
        joined = np.concatenate([found[part][1][index].reshape(-1) for part in parts])
        assert joined.tolist() == arrays[index].reshape(-1).tolist()
    assert [found[part][0].convolution_param.num_output for part in parts] == [8 // group] * group
    assert not any(found[part][0].convolution_param.HasField("group") for part in parts)


def test_opencv_computes_the_same_and_fold_goes_back(tmp_path):
    """The fold is the grouped convolution again, with the very numbers; it goes by the name of the first group."""
    pytest.importorskip("cv2")
    net, model, arrays = grouped_net(tmp_path)
    parts, folded = tmp_path / "parts", tmp_path / "folded"
    reshape(net, model, parts, ungroup="conv")
    fold(parts / "net.prototxt", parts / "net.caffemodel", folded, all=True)
    images = np.random.RandomState(3).standard_normal((1, 4, 6, 6))
    (was,) = run_opencv(net, model, images)
    for place in (parts, folded):
        (now,) = run_opencv(place / "net.prototxt", place / "net.caffemodel", images)
        np.testing.assert_allclose(now, was, rtol=1e-5, atol=1e-5)
    made = read_weights((folded / "net.caffemodel").read_bytes())
    assert [one.tolist() for one in made["conv_group1"][1]] == [one.tolist() for one in arrays]
    layers = Prototxt(Document((folded / "net.prototxt").read_bytes(), "net.prototxt")).net.layers
    assert [(one.name, one.type) for one in layers] == [("conv_group1", "Convolution"), ("relu", "ReLU")]
    assert layers[0].geometry().group == 2


def test_hdf5(tmp_path):
    net, model, arrays = grouped_net(tmp_path)
    convert(net, model, tmp_path / "grouped.caffemodel.h5")
    reshape(net, tmp_path / "grouped.caffemodel.h5", tmp_path / "parts", ungroup="conv")
    with Source(tmp_path / "parts" / "net.caffemodel.h5") as source:
        found = {record.name: [blob.load() for blob in record.blobs] for record in weights_in(source).layers}
    assert found["conv_group2"][0].tolist() == arrays[0][4:].tolist()
    assert "conv" not in found


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("group: 2", "group: 1", Unsupported, "has one group"),
        ("group: 2", "group: 3", FileError, "is not a multiple of group 3"),
        ("lr_mult: 1", 'lr_mult: 1 name: "w"', Unsupported, "has named parameters"),
        ("param {", "propagate_down: true param {", Unsupported, "propagate_down"),
        ('"relu"', '"conv_concat"', UsageError, 'the new layer "conv_concat" would have the name'),
        ('"relu"', '"relu" top: "conv_slice2"', UsageError, "conv_slice2"),
        ("pad: 1", "pad: 1 is_relu: true", Unsupported, "is_relu"),
    ],
)
def test_what_is_refused(old, new, error, message, tmp_path):
    net, model, _ = grouped_net(tmp_path, GROUPED.replace(old, new, 1))
    with pytest.raises(error, match=message):
        reshape(net, model, tmp_path / "parts", ungroup="conv")
    assert not (tmp_path / "parts").exists()


FAULTS = {
    "a group that is left in the record": ("encode_record", lambda old, edit, blobs: old.reader.read(*old.span)),
    "a text without the Concat": ("render_layer", lambda style, layer, edit: b""),
    "the kernels of another group": ("_part", lambda blobs, start, count, made=ungroup_layers._part: made(blobs, 0, 1)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_proof_finds_planted_faults(fault, tmp_path, monkeypatch):
    name, wrong = FAULTS[fault]
    monkeypatch.setattr(outputs if name == "encode_record" else ungroup_layers, name, wrong)
    net, model, _ = grouped_net(tmp_path)
    with pytest.raises(Defect):
        reshape(net, model, tmp_path / "parts", ungroup="conv")
