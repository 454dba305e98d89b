"""Real architectures in real Caffe: inputs shrunk, batch 1, random weights; a noise-free extension computes the same."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from split_surgery import extension, verify
from split_surgery.documents.caffemodel import Caffemodel
from split_surgery.documents.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.documents.wire import Buffer
from split_surgery.engines.prepare import Runnable, prepare, random_inputs
from split_surgery.errors import UsageError
from tests.conftest import ROOT, SHARED
from tests.corpus_splits import first_splittable
from tests.nets import tiny_weights

pytestmark = [pytest.mark.caffe, pytest.mark.corpus]

DUCHA = "ducha-aiki__caffenet-benchmark/prototxt__"
ARCHITECTURES = [
    "BVLC__caffe/at_28a8b411a1__examples__mnist__lenet_consolidated_solver",
    "BVLC__caffe/at_8c46bd229c__examples__triplet__pascal3d_triplet",
    "BVLC__caffe/examples__cifar10__cifar10_full",
    "BVLC__caffe/examples__cifar10__cifar10_full_sigmoid_train_test_bn",
    "BVLC__caffe/examples__cifar10__cifar10_quick",
    "BVLC__caffe/examples__net_surgery__conv",
    "MyCaffe__MyCaffe/MyCaffe.app__Resources__lenet_train_test",
    "HoldenCaulfieldRye__caffe-1/models_old__soil_contam__logs__nopool_sl__soil_contam_train",
    "cvjena__cnn-models/ResNet_preact__ResNet10_cvgj__deploy",
    "cwlacewe__netscope/presets__sq11b2a_e3",
    "cwlacewe__netscope/presets__squeezenet_v11",
    "cwlacewe__netscope/presets__zynqnet",
    "eric612__MobileNet-YOLO/models__convert__darknet19_conv23",
    DUCHA + "activations__caffenet128_lsuv_BatchNorm_ScB_nononlin",
    DUCHA + "activations__caffenet128_lsuv_felu",
    DUCHA + "activations__caffenet_lsuv_ReLU_fc_maxout",
    DUCHA + "architectures__HeNet128_no_SPP_lsuv_vlrelu",
    DUCHA + "architectures__HeNet128_no_SPP_lsuv_vlrelu_2x2to3x1",
    DUCHA + "architectures__SqueezeNet128_new",
    DUCHA + "architectures__caffenet128_lsuv_no_group",
    DUCHA + "caffenet128_BatchNormAfterMaxout_lsuv",
    DUCHA + "clf_arch__ReLU_fc6=512C3_1024C3_1536C1_clf_drop_more",
    DUCHA + "clf_arch__caffenet128_lsuv_ELU_pool5_pad_fc6_fc7_1x1_ave_plus_maxfc8",
    DUCHA + "colorspace__caffenet128_lsuv_3_to_16_to_3_vlrelu_color",
    DUCHA + "contrib__caffenet128_1x3_sz_augm",
    DUCHA + "contrib__caffenet128_BatchNormAfterReLU_dropout_fc_02_5x5_to_3x3_AND_faster_lr_AND_PReLU",
    DUCHA + "contrib__caffenet128_1x5_nobn",
    DUCHA + "contrib__caffenet128_lsuv_no_lrn_thin",
    DUCHA + "contrib__complexity__caffenet128_lsuv_2sqrt2x_thinner",
    DUCHA + "contrib__darknet128_lsuv_prelu_bn",
    DUCHA + "contrib__vgglike__calssicnet_res_connect_drop",
]
"""Nets with other layers, kernels or connections each, that BVLC Caffe 1.0 builds, and whose weights take few seconds."""

SIDE = 64
"""Pixels a side, at most: what the deepest of them still takes."""


@dataclass(frozen=True)
class Case:
    """A net made small, the layer to split, and its folder."""

    name: str
    layer: str
    folder: Path

    def file(self, name: str) -> Path:
        return self.folder / name


def shrunk(net: Net) -> Runnable:
    """A net for the TEST phase with inputs of batch 1 and at most SIDE pixels a side."""
    shapes: dict[str, tuple[int, ...]] = {}
    stub = Caffemodel(Buffer(tiny_weights()))
    while True:
        try:
            found = prepare(net, stub, shapes)
            break
        except UsageError as error:
            name = re.search(r'shape of input "(.*)"', str(error))
            if name is None or name[1] in shapes:
                raise
            shapes[name[1]] = (1, 3, SIDE, SIDE)
    small = {
        name: (1, *shape[1:2], *(min(SIDE, side) for side in shape[2:])) if len(shape) == 4 else shape
        for name, shape in found.inputs.items()
    }
    return prepare(net, stub, small)


def in_caffe(caffe, tasks: list[dict[str, object]]) -> None:
    words = json.dumps(tasks, default=str)
    script = ROOT / "tests" / "caffe_batch.py"
    done = subprocess.run([caffe[1], script], input=words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def run_task(case: Case, net: Runnable, folder: Path, weights: Path, blobs: tuple[str, ...]) -> dict[str, object]:
    (folder / "run.prototxt").write_bytes(net.text)
    return {
        "net": folder / "run.prototxt", "weights": weights, "inputs": case.file("in.npz"), "out": folder / "out.npz",
        "blobs": blobs,
    }  # fmt: skip


@pytest.mark.parametrize("part", range(4))
def test_real_architectures_compute_the_same(tmp_path, caffe, monkeypatch, part):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    cases = []
    for at, name in enumerate(ARCHITECTURES[part::4]):
        path = SHARED / "corpus" / "prototxt" / f"{name}.prototxt"
        net = Net(Document(path.read_bytes(), path.name))
        cases.append(Case(name, first_splittable(net)[0], tmp_path / str(at)))
        cases[-1].folder.mkdir()
        cases[-1].file("base.prototxt").write_bytes(shrunk(net).text)
    in_caffe(caffe, [{"net": c.file("base.prototxt"), "save": c.file("base.caffemodel")} for c in cases])
    tasks: list[dict[str, object]] = []
    tolerances = []
    for case in cases:
        base, weights, out = case.file("base.prototxt"), case.file("base.caffemodel"), case.file("derived")
        extension(base, weights, out, layer=case.layer, noise=0)
        report = verify(base, weights, out, max_drift=0)
        assert report.problems == (), case.name
        nets = [Net(Document(path.read_bytes(), path.name)) for path in (base, out / "net.prototxt")]
        files = [weights, out / "net.caffemodel"]
        made = [prepare(net, Caffemodel(Buffer(file.read_bytes())), {}) for net, file in zip(nets, files)]
        np.savez(case.file("in.npz"), **random_inputs(made[0].inputs, 1))
        blobs = (*made[0].outputs, *nets[0].named(case.layer)[0].tops)
        tasks += [
            run_task(case, net, folder, file, blobs) for net, folder, file in zip(made, (case.folder, out), files)
        ]
        tolerances.append(made[1].tolerance)
    in_caffe(caffe, tasks)
    for case, tolerance in zip(cases, tolerances):
        before, after = (np.load(folder / "out.npz") for folder in (case.folder, case.file("derived")))
        largest = 0.0
        for blob in before.files:
            assert np.isfinite(before[blob]).all()
            scale = float(np.abs(before[blob]).max())
            assert scale > 0, f"{case.name}: the output is all zeros, which shows nothing"
            largest = max(largest, float(np.abs(after[blob] - before[blob]).max()) / scale)
        assert largest <= tolerance, case.name
        print(
            f"{case.name}: {case.layer}, largest relative difference {largest:.2g} (rounding explains {tolerance:.2g})"
        )
