"""Dropout hands on what it reads while a net is tested: a layer beside it takes it in, and what stays is named."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import fold, verify
from tests.support.linear_nets import INPUT, conv, inner_product, layer, relu
from tests.support.nets import weights

HALF = "dropout_param { dropout_ratio: 0.5 }"
TEXT = (
    INPUT
    + conv("c", "data", num_output=2, kernel_size=3)
    + relu("c")
    + layer("drop_c", "Dropout", "c", "c", HALF)
    + inner_product("fc1", "c", 5)
    + relu("fc1")
    + layer("drop1", "Dropout", "fc1", "d1", HALF)
    + inner_product("fc2", "d1", 3)
    + layer("drop2", "Dropout", "fc2", "fc2")
    + layer("prob", "Softmax", "fc2", "prob")
)


def written(folder, text=TEXT):
    (folder / "n.prototxt").write_text(text)
    random = np.random.default_rng(0)
    rows = [("c", "Convolution", (2, 4, 3, 3)), ("fc1", "InnerProduct", (5, 242)), ("fc2", "InnerProduct", (3, 5))]
    records = [
        (name, kind, ["x"], [name], [random.standard_normal(shape).astype("f4"), np.ones(shape[0], "f4")], {})
        for name, kind, shape in rows
    ]
    (folder / "n.caffemodel").write_bytes(weights(records))
    return folder / "n.prototxt", folder / "n.caffemodel"


def test_a_layer_beside_it_takes_it_in(tmp_path):
    files = written(tmp_path)
    report = fold(*files, tmp_path / "f", all=True)
    assert {one.layer: one.layers for one in report.regions} == {
        "fc1": ("drop_c", "fc1"),
        "fc2": ("drop1", "fc2", "drop2"),
    }
    assert all(one.error == 0 for one in report.regions), "numbers were only moved"
    text = (tmp_path / "f" / "net.prototxt").read_text()
    assert "Dropout" not in text
    assert '"fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"' in text
    pytest.importorskip("cv2")
    proof = verify(*files, tmp_path / "f", engine="opencv")
    assert proof.exit_code == 0
    assert [one.difference for one in proof.outputs] == [0.0] * len(proof.outputs)


@pytest.mark.caffe
def test_real_caffe_computes_the_same(tmp_path, caffe):
    files = written(tmp_path)
    fold(*files, tmp_path / "f", all=True)
    proof = verify(*files, tmp_path / "f", engine="caffe")
    assert (proof.exit_code, max(one.difference for one in proof.outputs)) == (0, 0.0)


def test_a_net_that_may_train_keeps_it(tmp_path):
    net, model = written(tmp_path)
    trained = net.read_text().replace('"Softmax" bottom: "fc2"', '"SoftmaxWithLoss" bottom: "fc2" bottom: "label"')
    net.write_text(trained.replace('input: "data"', 'input: "label" input_shape { dim: 1 }\ninput: "data"'))
    report = fold(net, model, tmp_path / "f", all=True)
    assert report.regions == ()
    assert all("--phase test folds it as tested" in one.reason for one in report.left)
    assert len(fold(net, model, tmp_path / "g", all=True, phase="test").regions) == 2


def test_what_toolchains_stop_at_is_said(tmp_path):
    report = fold(*written(tmp_path), tmp_path / "f")
    assert report.hints == (
        "drop_c, drop1, drop2: Dropout does nothing there; --all --phase test folds it into a layer beside it",
    )
    assert "  some toolchains stop at it: drop_c, " in str(report)
    assert fold(*written(tmp_path), tmp_path / "g", all=True).hints == ()


def test_old_formats_are_said_too(tmp_path):
    text = INPUT + (
        'layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" convolution_param { num_output: 2 kernel_size: 3 } }\n'
    )
    (tmp_path / "n.prototxt").write_text(text)
    blobs = [np.ones((2, 4, 3, 3), "f4"), np.ones((1, 1, 1, 2), "f4")]
    row = ("c", "Convolution", ["data"], ["c"], blobs, {"num_output": 2})
    (tmp_path / "n.caffemodel").write_bytes(weights([row], legacy=True, v1=True))
    report = fold(tmp_path / "n.prototxt", tmp_path / "n.caffemodel", tmp_path / "f")
    assert report.hints == (
        "its layers are in the V1 format: split-surgery convert NET WEIGHTS --to new makes new ones",
        "its blobs have no `shape`: split-surgery convert NET WEIGHTS --shapes new writes it",
    )
