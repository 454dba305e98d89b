"""Trained nets that engines run: the example's, and real ones that are not published."""

from __future__ import annotations

import pytest

from tests.support.paths import EXAMPLE, SHARED

NETS = {
    "fashion_vgg": (EXAMPLE / "deploy.prototxt", EXAMPLE / "fashion_vgg.caffemodel", "conv1_1"),
    "lenet": (
        SHARED / "models/lenet/mnist_deploy.prototxt",
        SHARED / "models/lenet/lenet_iter_10000.caffemodel",
        "conv1",
    ),
    "mtcnn_det3": (SHARED / "models/mtcnn_det3/det3.prototxt", SHARED / "models/mtcnn_det3/det3.caffemodel", "conv1"),
    "res10_ssd_face": (
        SHARED / "models/res10_ssd_face/deploy.prototxt",
        SHARED / "models/res10_ssd_face/res10_300x300_ssd_iter_140000.caffemodel",
        "conv1_h",
    ),
}


REAL = [pytest.param(name, marks=[] if name == "fashion_vgg" else [pytest.mark.corpus]) for name in NETS]


EVERY = [("lenet", f"conv{n}") for n in (1, 2)] + [("mtcnn_det3", f"conv{n}") for n in (1, 2, 3, 4)]
