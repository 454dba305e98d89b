"""The published multi-split of an All-CNN, as the two configs of examples/all_cnn, on generated weights."""

from __future__ import annotations

import numpy as np

from split_surgery import apply, rank, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from tests.support.nets import conv_arrays, weights
from tests.support.paths import ROOT

FOLDER = ROOT / "examples" / "all_cnn"


def generated(folder, net):
    """Random weights for the chain of convolutions, in a file named as Caffe would."""
    rows, width = [], 3
    for at, layer in enumerate(net.convolutions()):
        g = layer.geometry()
        arrays = [array / np.float32(50) for array in conv_arrays(g.num_output, width, *g.kernel, seed=at)]
        rows.append(
            (layer.name, "Convolution", list(layer.bottoms), list(layer.tops), arrays, {"num_output": g.num_output})
        )
        width = g.num_output
    path = folder / "all_cnn.caffemodel"
    path.write_bytes(weights(rows))
    return path


def test_both_configs_run_and_rank_lists_every_layer(tmp_path):
    path = FOLDER / "all_cnn.prototxt"
    net = Net(Document(path.read_bytes(), path.name))
    model = generated(tmp_path, net)
    table = rank(path, model)
    assert {row.layer: (row.num_output, row.weights) for row in table.layers} == {
        "conv1": (96, 96 * 3 * 9), "conv2": (96, 96 * 96 * 9), "conv3": (96, 96 * 96 * 9), "conv4": (192, 192 * 96 * 9),
        "conv5": (192, 192 * 192 * 9), "conv6": (192, 192 * 192 * 9), "conv7": (192, 192 * 192 * 9),
        "conv8": (192, 192 * 192), "conv9": (10, 10 * 192),
    }  # fmt: skip
    assert [row.entropy for row in table.layers] == sorted((row.entropy for row in table.layers), reverse=True)
    first = apply(FOLDER / "split1.yaml", path, model, tmp_path / "derived1")
    assert [split.plan.layer for split in first.splits] == ["conv1", "conv2", "conv8"]
    assert [len(split.plan.fast) for split in first.splits] == [48, 48, 96]
    second = apply(FOLDER / "split2.yaml", tmp_path / "derived1", None, tmp_path / "derived2")
    assert [(split.plan.layer, len(split.plan.fast)) for split in second.splits] == [
        ("conv1_split2_residual_pre", 24), ("conv1_split2", 24), ("conv2_split2", 24), ("conv2_split1", 24),
    ]  # fmt: skip
    proof = verify(path, model, (tmp_path / "derived2" / "net.prototxt", tmp_path / "derived2" / "net.caffemodel"))
    assert proof.problems == ()
    assert {block.layer: len(block.members) for block in proof.blocks} == {"conv1": 19, "conv2": 19, "conv8": 7}
