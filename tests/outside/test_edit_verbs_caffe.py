"""Renamed nets, and nets taken out of caffemodels, in real Caffe: it loads them, and computes the same to the last bit."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

import split_surgery
from split_surgery.verification.engines.prepare import random_inputs
from tests.support.architectures import ARCHITECTURES, shrunk
from tests.support.nets import net_of
from tests.support.paths import CORPUS, SUPPORT
from tests.support.run_caffe import in_caffe

pytestmark = [pytest.mark.caffe, pytest.mark.corpus]

CHOSEN = [ARCHITECTURES[at] for at in (0, 3, 9)]
"""A net of V1 layers in a solver, one with BatchNorm, and one with blobs that several layers read."""


@pytest.fixture(scope="module")
def saved(caffe, tmp_path_factory):
    """Nets made small, with random weights that Caffe has saved: folder and runnable of each."""
    found = []
    for name in CHOSEN:
        folder = tmp_path_factory.mktemp("net")
        runnable = shrunk(net_of(CORPUS / f"{name}.prototxt"))
        (folder / "net.prototxt").write_bytes(runnable.text)
        np.savez(folder / "in.npz", **random_inputs(runnable.inputs, 1))
        found.append((folder, runnable))
    in_caffe(caffe, [{"net": f / "net.prototxt", "save": f / "net.caffemodel"} for f, _ in found])
    return found


def task(folder, net, weights, inputs, blobs, out):
    return {"net": net, "weights": weights, "inputs": folder / inputs, "blobs": list(blobs), "out": folder / out}


def test_a_renamed_net_computes_the_same(caffe, saved):
    tasks = []
    for folder, runnable in saved:
        net, weights, there = folder / "net.prototxt", folder / "net.caffemodel", folder / "renamed"
        text = split_surgery.open(net)
        names = {name: f"new/{name}" for name in dict.fromkeys([*text._names(), *text.blobs()])}
        split_surgery.rename(net, weights, names, there)
        with np.load(folder / "in.npz") as inputs:
            np.savez(folder / "renamed_in.npz", **{names[name]: inputs[name] for name in inputs.files})
        tasks.append(task(folder, net, weights, "in.npz", runnable.outputs, "was.npz"))
        now = [names[blob] for blob in runnable.outputs]
        tasks.append(task(folder, there / "net.prototxt", there / "net.caffemodel", "renamed_in.npz", now, "now.npz"))
        assert split_surgery.verify(there / "net.prototxt", there / "net.caffemodel").problems == ()
    in_caffe(caffe, tasks)
    for folder, runnable in saved:
        with np.load(folder / "was.npz") as was, np.load(folder / "now.npz") as now:
            assert len(was.files) == len(now.files) == len(runnable.outputs) > 0
            for blob in was.files:
                assert np.ptp(was[blob]) > 0
                assert was[blob].tobytes() == now[blob].tobytes(), folder


def test_an_extracted_net_is_what_caffe_saved(caffe, saved):
    """It computes the same; and protobuf, with Caffe's own schema, reads text and file alike, where no layers were put in."""
    tasks = []
    for folder, runnable in saved:
        weights, text = folder / "net.caffemodel", folder / "out.prototxt"
        report = split_surgery.extract(weights, text, force=True)
        assert report.unknown == ()
        tasks.append(task(folder, folder / "net.prototxt", weights, "in.npz", runnable.outputs, "was.npz"))
        tasks.append(task(folder, text, weights, "in.npz", runnable.outputs, "now.npz"))
    in_caffe(caffe, tasks)
    for folder, _ in saved:
        with np.load(folder / "was.npz") as was, np.load(folder / "now.npz") as now:
            assert all(was[blob].tobytes() == now[blob].tobytes() for blob in was.files)
    files = [path for folder, _ in saved for path in (folder / "out.prototxt", folder / "net.caffemodel")]
    done = subprocess.run([caffe[1], SUPPORT / "caffe_texts.py", *files], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found) <= {"same", "has splits"}
    assert found.count("same") > 1
