"""Folded nets in real Caffe: every kind of region, every phase, and a net that was trained for real."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from split_surgery import fold, residual, skip
from split_surgery.verbs.demo import SCALE
from tests.support.linear_nets import EVERYTHING, model_of, write_net
from tests.support.paths import EXAMPLE, SUPPORT
from tests.support.run_caffe import in_caffe

pytestmark = pytest.mark.caffe

REGIONS = ("c1", "bias2", "c3c", "cat4", "ip5", "ip6")
"""Blobs of EVERYTHING after each of its regions."""


def outputs(caffe, folder: Path, nets, batches, blobs):
    """By net and batch of images, the blobs asked for, as real Caffe computes them (in one process)."""
    tasks = []
    for number, images in enumerate(batches):
        np.savez(folder / f"in{number}.npz", data=images)
        for at, (net, weights) in enumerate(nets):
            given, out = folder / f"in{number}.npz", folder / f"out{at}_{number}.npz"
            tasks.append({"net": net, "weights": weights, "inputs": given, "out": out, "blobs": blobs})
    in_caffe(caffe, tasks)
    found = []
    for at in range(len(nets)):
        files = [np.load(folder / f"out{at}_{number}.npz") for number in range(len(batches))]
        found.append([[file[f"blob_{index}"] for index in range(len(blobs))] for file in files])
    return found


def test_every_kind_of_region(tmp_path, caffe):
    """Bias layers and transposed matrices too, which OpenCV has not; BatchNorm by Caffe's own arithmetic."""
    base = write_net(tmp_path, EVERYTHING, model_of(EVERYTHING))
    report = fold(*base, tmp_path / "out", all=True)
    assert [region.layer for region in report.regions] == ["c1", "c2a", "c3b", "c4a", "ip5"]
    images = np.random.RandomState(1).standard_normal((1, 4, 13, 13)).astype(np.float32)
    folded = (tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel")
    before, after = outputs(caffe, tmp_path, [base, folded], [images], REGIONS)
    for name, was, now in zip(REGIONS, before[0], after[0]):
        assert np.abs(now - was).max() <= 2e-6 * np.abs(was).max(), name


BATCH = 250
TEST_SET = "usr/share/datasets/fashion-mnist/t10k-{}-idx{}-ubyte.gz"


def fashion_mnist(caffe) -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 test images as the net reads them, and their labels: Debian's dataset-fashion-mnist, beside Caffe."""
    root = next(root for root in Path(caffe[0]).resolve().parents if (root / TEST_SET.format("labels", 1)).exists())
    with gzip.open(root / TEST_SET.format("images", 3)) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(root / TEST_SET.format("labels", 1)) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return pixels.astype(np.float32) * np.float32(SCALE), labels


def test_the_trained_example_folds_without_a_change_of_accuracy(tmp_path, caffe):
    """examples/fashion_vgg/derived1, trained by real Caffe: accuracy on all test images, and predictions that differ."""
    images, labels = fashion_mnist(caffe)
    residual(EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel", tmp_path / "split",
             snapshots=str(EXAMPLE / "snapshots" / "*_iter_*.caffemodel"), also=(EXAMPLE / "deploy.prototxt",))  # fmt: skip
    trained = EXAMPLE / "derived1" / "grow_iter_1000.caffemodel"
    assert (tmp_path / "split" / "net.prototxt").read_bytes() == (EXAMPLE / "derived1" / "net.prototxt").read_bytes()
    report = fold(
        tmp_path / "split" / "net.prototxt",
        trained,
        tmp_path / "folded",
        also=(tmp_path / "split" / "deploy.prototxt",),
    )
    for name in ("net", "deploy"):
        original = EXAMPLE / ("train_val.prototxt" if name == "net" else "deploy.prototxt")
        assert (tmp_path / "folded" / f"{name}.prototxt").read_bytes() == original.read_bytes()
    assert report.parameters[1] == 42426
    nets = [
        (tmp_path / "split" / "deploy.prototxt", trained),
        (EXAMPLE / "deploy.prototxt", tmp_path / "folded" / "net.caffemodel"),
    ]
    sized = []
    for at, (net, weights) in enumerate(nets):
        text = net.read_text().replace("dim: 1 dim: 1", f"dim: {BATCH} dim: 1")
        assert text != net.read_text()
        (tmp_path / f"net{at}.prototxt").write_text(text)
        sized.append((tmp_path / f"net{at}.prototxt", weights))
    scores = outputs(caffe, tmp_path, sized, np.split(images, len(images) // BATCH), ["prob"])
    said = [[prob.argmax(axis=1) for (prob,) in parts] for parts in scores]
    before, after = (np.concatenate(parts) for parts in said)
    right = [(classes == labels).sum() for classes in (before, after)]
    differing = int((before != after).sum())
    print(
        f"{len(labels)} test images: accuracy {right[0] / len(labels):.4f}, folded {right[1] / len(labels):.4f}, {differing} differ"
    )
    assert right[0] / len(labels) == pytest.approx(0.8965, abs=0.0005)  # what its training log says
    assert differing <= 2  # images whose two best classes float32 cannot tell apart
    assert abs(int(right[0]) - int(right[1])) <= differing


TWINS = """\
layer { name: "data" type: "DummyData" top: "data" include { phase: TRAIN } dummy_data_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "data" type: "DummyData" top: "data" include { phase: TEST } dummy_data_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "c" include { phase: TRAIN }
  param { name: "w" lr_mult: 2 } convolution_param { num_output: 6 kernel_size: 3 bias_term: false } }
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "c" include { phase: TEST }
  param { name: "w" } convolution_param { num_output: 6 kernel_size: 3 bias_term: false } }
layer { name: "other" type: "Convolution" bottom: "data" top: "o" param { name: "w" }
  convolution_param { num_output: 6 kernel_size: 3 bias_term: false } }
"""


@pytest.mark.parametrize("verb", [residual, skip])
def test_caffe_fills_a_folded_net_in_both_phases(tmp_path, caffe, verb):
    from tests.support.nets import conv_arrays, weights

    arrays = conv_arrays(bias=False)
    model = weights(
        [(name, "Convolution", ["data"], [top], arrays, None) for name, top in (("conv1_1", "c"), ("other", "o"))]
    )
    base = write_net(tmp_path, TWINS, model)
    verb(*base, tmp_path / "out", layer="conv1_1")
    assert len(fold(tmp_path / "out", None, tmp_path / "back").regions) == 2
    net, weights_file = tmp_path / "back" / "net.prototxt", tmp_path / "back" / "net.caffemodel"
    for phase in ("TRAIN", "TEST"):
        done = subprocess.run(
            [caffe[1], SUPPORT / "caffe_inspect.py", phase, net, weights_file, *base],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        folded, was = json.loads(done.stdout)
        assert list(folded["params"]) == list(was["params"]) == ["conv1_1", "other"]
        assert folded["params"]["conv1_1"] == folded["params"]["other"]
        assert folded["layers"] == was["layers"]
