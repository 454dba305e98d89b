"""A report on logs of real Caffe: a training, its split trained on, and what that was folded into, tested."""

from __future__ import annotations

import math
import subprocess

import h5py
import numpy as np
import pytest

from split_surgery import fold, report, residual
from tests.support.training import NET, caffe_train

pytestmark = pytest.mark.caffe

ACCURACY = """\
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
"""

SOLVER = """\
net: "base.prototxt"
base_lr: 0.01
lr_policy: "fixed"
max_iter: 8
display: 2
test_iter: {tests}
test_interval: 4
snapshot: 8
snapshot_prefix: "base"
solver_mode: CPU
random_seed: 3
"""


def test_images_errors_and_folded_nets(tmp_path, caffe, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(4)
    with h5py.File("data.h5", "w") as file:
        file["data"] = draw.normal(size=(40, 3, 5, 5)).astype(np.float32)
        file["label"] = draw.integers(0, 3, size=(40, 1)).astype(np.float32)
    (tmp_path / "data.txt").write_text("data.h5\n")
    (tmp_path / "base.prototxt").write_text(NET + ACCURACY)
    (tmp_path / "solver.prototxt").write_text(SOLVER.format(tests=5))
    (tmp_path / "train.log").write_text(caffe_train(caffe, tmp_path, "--solver", "solver.prototxt"))
    residual("base.prototxt", "base_iter_8.caffemodel", "derived1", measure="norm", solver="solver.prototxt")
    start = ("--solver", "derived1/solver.prototxt", "--weights", "derived1/net.caffemodel")
    (tmp_path / "derived1" / "train.log").write_text(caffe_train(caffe, tmp_path, *start))
    fold("derived1", output="folded")
    words = ["test", "--model", "folded/net.prototxt", "--weights", "folded/net.caffemodel", "--iterations", "10"]
    done = subprocess.run([caffe[0], *words], capture_output=True, text=True, check=True)
    (tmp_path / "folded" / "test.log").write_text(done.stderr)
    found = report(tmp_path)
    rows = {row.source.removeprefix(f"{tmp_path}/"): row for row in found.groups[0].rows}
    assert {place: row.told.images for place, row in rows.items()} == {
        "train.log": 5 * 4,
        "derived1/train.log": 5 * 4,
        "folded/test.log": 10 * 4,
    }
    for row in rows.values():
        p = row.told.final
        assert 0 < p < 1
        assert row.told.standard_error == pytest.approx(math.sqrt(p * (1 - p) / row.told.images), rel=1e-3)
    (folded,) = found.folded
    assert (folded.source, folded.layers, folded.was) == (("derived1",), ("conv1_1",), 7)
    assert folded.accuracy == rows["folded/test.log"]
    assert [text for text in found.warnings if "not all were tested on the same number of images" in text]
