"""A weights file looked at by name: what is read, and when."""

from __future__ import annotations

import numpy as np
import pytest

import split_surgery
from split_surgery.documents.source import Source
from split_surgery.errors import SurgeryError, UsageError
from tests.support.caffe_proto import message_class
from tests.support.hdf5_files import write_h5
from tests.support.nets import weights as model_of

LAYERS = [
    ("conv", "Convolution", ["data"], ["conv"], [np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2), np.ones(2, np.float32)], None),
    ("conv_conv_0_split", "Split", ["conv"], ["a", "b"], [], None),
    ("ip", "InnerProduct", ["conv"], ["ip"], [np.full((4, 8), 0.5, np.float32)], None),
]  # fmt: skip


@pytest.mark.parametrize("v1", [False, True])
def test_layers_and_blobs_by_name(tmp_path, v1):
    path = tmp_path / "w.caffemodel"
    path.write_bytes(model_of([row for row in LAYERS if not v1 or row[1] != "Split"], legacy=v1, v1=v1))
    found = split_surgery.weights(path)
    assert list(found) == ["conv", "ip"]
    assert ("conv" in found, "nosuch" in found, len(found)) == (True, False, 2)
    conv = found["conv"]
    assert (conv.name, conv.type, conv.bottoms, conv.tops) == ("conv", "Convolution", ("data",), ("conv",))
    assert (list(conv), len(conv)) == ([0, 1], 2)
    assert (conv.shapes, conv.dtypes) == (((2, 3, 2, 2), (1, 1, 1, 2) if v1 else (2,)), ("<f4", "<f4"))
    assert np.array_equal(conv[0], LAYERS[0][4][0])
    assert conv[0].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        conv[0][0] = 1
    with pytest.raises(UsageError, match='layer "ip": there is no blob 1, but 1 in all'):
        found["ip"][1]
    with pytest.raises(UsageError, match=r'no layer "con" in .*w.caffemodel\n  nearest: conv'):
        found["con"]


def test_numbers_are_read_when_they_are_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "w.caffemodel"
    large = np.zeros((100, 100, 10, 10), np.float32)
    path.write_bytes(model_of([("large", "Convolution", [], [], [large], None), *LAYERS]))
    read = []
    was = Source._pread
    monkeypatch.setattr(Source, "_pread", lambda self, start, stop: read.append(stop - start) or was(self, start, stop))
    found = split_surgery.weights(path)
    assert next(layer.shapes for layer in found.values()) == ((100, 100, 10, 10),)
    assert np.array_equal(found["ip"][0], LAYERS[2][4][0])
    assert sum(read) < 50_000
    assert found["large"][0].nbytes == 4_000_000
    assert sum(read) > 4_000_000


def test_nvidia_half_precision(tmp_path):
    net = message_class("NetParameter")()
    layer = net.layer.add(name="half", type="Convolution")
    numbers = np.arange(6, dtype=np.float16)
    layer.blobs.add(raw_data_type=2, raw_data=numbers.tobytes()).shape.dim.extend([2, 3])
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString())
    found = split_surgery.weights(tmp_path / "w.caffemodel")
    assert found["half"][0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["half"][0].dtype == np.float16


def test_hdf5(tmp_path):
    pytest.importorskip("h5py")
    path = tmp_path / "w.caffemodel.h5"
    write_h5(path, {"conv": dict(enumerate(LAYERS[0][4])), "ip": {0: LAYERS[2][4][0]}})
    found = split_surgery.weights(path)
    assert (list(found), found["conv"].type) == (["conv", "ip"], "")
    assert np.array_equal(found["conv"][0], LAYERS[0][4][0])
    assert not found["conv"][0].flags.writeable


def test_the_last_record_of_a_name_counts(tmp_path):
    other = ("ip", "InnerProduct", [], [], [np.zeros((1, 1), np.float32)], None)
    (tmp_path / "w.caffemodel").write_bytes(model_of([*LAYERS, other]))
    assert split_surgery.weights(tmp_path / "w.caffemodel")["ip"][0].shape == (1, 1)


def test_a_file_that_is_another_now_is_not_read(tmp_path):
    path = tmp_path / "w.caffemodel"
    large = ("large", "InnerProduct", [], [], [np.ones((100, 100), np.float32)], None)
    path.write_bytes(model_of([large]))
    found = split_surgery.weights(path)
    path.write_bytes(model_of([*LAYERS, large]))
    with pytest.raises(SurgeryError, match="was changed while it was being read"):
        found["large"][0]


def test_what_is_no_weights_file_is_closed_again(tmp_path):
    (tmp_path / "net.prototxt").write_text('name: "x"')
    with pytest.raises(SurgeryError, match="net.prototxt"):
        split_surgery.weights(tmp_path / "net.prototxt")
