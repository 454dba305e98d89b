"""Derived nets in OpenCV's Caffe importer, real ones too."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from split_surgery import extension, fold, residual, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from tests.support.fixture_nets import fixture
from tests.support.nets import random_weights, write_tiny
from tests.support.real_nets import EVERY, NETS, REAL


@pytest.mark.parametrize("name", REAL)
def test_a_noise_free_extension_is_the_baseline(tmp_path, name):
    net, weights, layer = NETS[name]
    extension(net, weights, tmp_path / "out", layer=layer, noise=0)
    report = verify(net, weights, tmp_path / "out", engine="opencv", max_drift=0)
    assert report.problems == ()
    assert {output.blob for output in report.outputs} >= {layer}
    for output in report.outputs:
        assert output.difference <= min(output.tolerance, 1e-5), output


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_every_convolution_of_the_real_nets(tmp_path, name, layer):
    net, weights, _ = NETS[name]
    parsed = Net(Document(net.read_bytes(), net.name))
    assert [found.name for found in parsed.convolutions()] == [other for known, other in EVERY if known == name]
    extension(net, weights, tmp_path / "out", layer=layer, noise=0)
    assert verify(net, weights, tmp_path / "out", engine="opencv", max_drift=0).problems == ()


def drawn_face() -> np.ndarray:
    """A face in a few strokes, which the detector takes for one."""
    image = np.full((300, 300, 3), (120, 130, 140), np.uint8)
    cv2.ellipse(image, (150, 150), (60, 80), 0, 0, 360, (150, 180, 220), -1)
    cv2.circle(image, (128, 130), 9, (40, 40, 40), -1)
    cv2.circle(image, (172, 130), 9, (40, 40, 40), -1)
    cv2.ellipse(image, (150, 190), (25, 10), 0, 0, 180, (60, 60, 150), -1)
    cv2.line(image, (150, 140), (150, 165), (100, 130, 170), 4)
    return cv2.GaussianBlur(image, (7, 7), 0)


@pytest.mark.corpus
def test_a_face_is_detected_where_it_was(tmp_path):
    net, weights, layer = NETS["res10_ssd_face"]
    extension(net, weights, tmp_path / "out", layer=layer, noise=0)
    found = []
    for files in ((net, weights), (tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel")):
        detector = cv2.dnn.readNetFromCaffe(*map(str, files))
        detector.setInput(cv2.dnn.blobFromImage(drawn_face(), 1, (300, 300), (104, 177, 123)))
        detections = detector.forward()[0, 0]
        found.append(detections[detections[:, 2] > 0.2])  # below are hundreds of near ties, which rounding reorders
    assert len(found[0]) == len(found[1]) == 1
    assert found[0][0, 2] > 0.99
    assert np.abs(found[0] - found[1]).max() < 1e-5


@pytest.mark.corpus
def test_the_folded_detector_finds_the_same(tmp_path):
    """res10 with every linear region folded: BatchNorm and Scale go into five convolutions, others into their Scale, and the
    face stays where it was."""
    net, weights, _ = NETS["res10_ssd_face"]
    report = fold(net, weights, tmp_path / "out", all=True)
    assert report.layers == (112, 97)
    assert report.parameters == (2_662_666, 2_659_546)
    assert [region.layer for region in report.regions] == [
        "data_scale", "conv1_h", "layer_64_1_conv1_h", "layer_128_1_scale1_h", "layer_128_1_conv1_h", "layer_256_1_scale1",
        "layer_256_1_conv1", "layer_512_1_scale1", "layer_512_1_conv1_h", "last_scale_h",
    ]  # fmt: skip
    found, raw = [], []
    for files in ((net, weights), (tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel")):
        detector = cv2.dnn.readNetFromCaffe(*map(str, files))
        detector.setInput(cv2.dnn.blobFromImage(drawn_face(), 1, (300, 300), (104, 177, 123)))
        detections, *blobs = detector.forward(["detection_out", "mbox_loc", "mbox_conf_flatten"])
        raw.append(blobs)
        found.append(detections[0, 0][detections[0, 0, :, 2] > 0.2])
    assert len(found[0]) == len(found[1]) == 1
    assert found[0][0, 2] > 0.99
    assert np.abs(found[0] - found[1]).max() < 1e-5
    largest = max(float(np.abs(was - now).max() / np.abs(was).max()) for was, now in zip(*raw))
    print(f"res10 folded: largest relative difference of boxes and confidences {largest:.2g}")
    assert largest < 1e-4


@pytest.mark.parametrize("name", REAL)
def test_a_residual_split_runs_and_differs(tmp_path, name):
    net, weights, layer = NETS[name]
    residual(net, weights, tmp_path / "out", layer=layer)
    report = verify(net, weights, tmp_path / "out", engine="opencv")
    assert report.problems == ()
    assert next(output for output in report.outputs if output.blob == layer).difference > 0.01


@pytest.mark.parametrize("engine", ["opencv", pytest.param("caffe", marks=pytest.mark.caffe)])
@pytest.mark.parametrize("v1_weights", [True, False])
def test_v1_nets_run(tmp_path, request, engine, v1_weights):
    if engine == "caffe":
        request.getfixturevalue("caffe")
    text = fixture("v1_layers").decode()
    net, weights = write_tiny(tmp_path, text)
    weights.write_bytes(random_weights(Net(Document(text.encode(), "net")), v1=v1_weights))
    extension(net, weights, tmp_path / "out", noise=0)
    report = verify(net, weights, tmp_path / "out", engine=engine, max_drift=0)
    assert report.problems == ()
    assert report.outputs[0].size == 6 * 8 * 8
