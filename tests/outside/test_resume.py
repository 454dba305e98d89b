"""Going on in mid-schedule: the history of a real solver carried over a split, and resumed in real Caffe."""

from __future__ import annotations

import re

import h5py
import numpy as np
import pytest

from split_surgery import extension, residual, verify
from tests.support.training import KINDS, NET, caffe_train, train_baseline

pytestmark = pytest.mark.caffe


def losses(log):
    return {int(at): float(loss) for at, loss in re.findall(r"Iteration (\d+) .*?, loss = ([\d.e+-]+)", log)}


def rates(log):
    return {int(at): float(rate) for at, rate in re.findall(r"Iteration (\d+), lr = ([\d.e+-]+)", log)}


CASES = [(kind, "BINARYPROTO") for kind in KINDS] + [("SGD", "HDF5"), ("Adam", "HDF5")]


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_training_goes_on_where_it_was(tmp_path, caffe, monkeypatch, kind, form):
    monkeypatch.chdir(tmp_path)
    train_baseline(caffe, tmp_path, kind, form)
    suffix = ".h5" if form == "HDF5" else ""
    weights, state = f"base_iter_10.caffemodel{suffix}", f"base_iter_10.solverstate{suffix}"
    report = extension(
        "base.prototxt", weights, "derived1", noise=0, layer="conv1_1", solver="solver.prototxt", solverstate=state
    )
    assert report.next_command.startswith(
        f"caffe train --solver derived1/solver.prototxt --snapshot derived1/net.solverstate{suffix} "
    )
    assert extension(
        "base.prototxt", weights, "derived1", noise=0, layer="conv1_1", solver="solver.prototxt", solverstate=state
    ).status == "unchanged"  # fmt: skip
    before = caffe_train(caffe, tmp_path, "--solver", "solver.prototxt", "--snapshot", state)
    after = caffe_train(
        caffe, tmp_path, "--solver", "derived1/solver.prototxt", "--snapshot", f"derived1/net.solverstate{suffix}"
    )
    assert list(losses(after)) == list(losses(before)) == list(range(10, 20))
    assert rates(after) == rates(before)
    assert rates(after)[10] == 0.005, "the rate of the schedule at that iteration, not that of its start"
    assert losses(after)[10] == pytest.approx(losses(before)[10], rel=1e-5)
    assert np.isfinite(list(losses(after).values())).all()
    assert verify("base.prototxt", weights, "derived1", trained=True).problems == ()


def history(path):
    with h5py.File(path) as file:
        return [np.array(file["history"][str(at)]) for at in range(len(file["history"]))]


@pytest.mark.parametrize("verb", [residual, extension])
def test_rows_move_and_new_blobs_start_at_zero(tmp_path, caffe, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    train_baseline(caffe, tmp_path, "Adam", "HDF5")
    report = verb(
        "base.prototxt", "base_iter_10.caffemodel.h5", "out", layer="conv1_1", solverstate="base_iter_10.solverstate.h5"
    )
    old, new = history("base_iter_10.solverstate.h5"), history("out/net.solverstate.h5")
    assert len(old) == 2 * 7  # BatchNorm's three, conv1_1's two, ip's two
    parts = {"residual": 5, "extension": 4}[verb.__name__]
    assert len(new) == 2 * (3 + 2 * parts + 2)
    fast, slow = list(report.layer.fast), list(report.layer.slow)
    for run in range(2):
        was, now = old[run * 7 : run * 7 + 7], new[run * len(new) // 2 : (run + 1) * len(new) // 2]
        for at in (0, 1, 2):
            assert now[at].tobytes() == was[at].tobytes()
        assert [blob.tobytes() for blob in now[-2:]] == [blob.tobytes() for blob in was[-2:]]
        assert now[3].tobytes() == was[3][fast].tobytes()
        assert now[4].tobytes() == was[4][fast].tobytes()
        assert now[5].tobytes() == was[3][slow].tobytes()
        assert now[6].tobytes() == was[4][slow].tobytes()
        assert not any(blob.any() for blob in now[7:-2])


def test_shared_parameters_have_one_history(tmp_path, caffe, monkeypatch):
    """Two towers that share their convolution: the owner's history is split, the sharer has none."""
    conv = NET[NET.index('layer {\n  name: "conv1_1"') : NET.index('layer { name: "relu"')]
    shared = '  param { name: "w" }\n  param { name: "b" }\n  convolution_param'
    tower = conv.replace("  convolution_param", shared)
    second = tower.replace("conv1_1", "conv1_2").replace('bottom: "bn"', 'bottom: "data"')
    joined = 'layer { name: "both" type: "Eltwise" bottom: "conv1_1" bottom: "conv1_2" top: "both" }\n'
    net = NET.replace(conv, tower + second + joined).replace(
        'bottom: "conv1_1" top: "conv1_1"', 'bottom: "both" top: "both"'
    )
    net = net.replace('bottom: "conv1_1"\n  top: "ip"', 'bottom: "both"\n  top: "ip"')
    monkeypatch.chdir(tmp_path)
    for form, suffix in (("BINARYPROTO", ""), ("HDF5", ".h5")):
        train_baseline(caffe, tmp_path, "SGD", form, net)
        weights, state = f"base_iter_10.caffemodel{suffix}", f"base_iter_10.solverstate{suffix}"
        extension(
            "base.prototxt",
            weights,
            f"out{suffix}",
            noise=0,
            layer="conv1_2",
            solver="solver.prototxt",
            solverstate=state,
        )
        before = caffe_train(caffe, tmp_path, "--solver", "solver.prototxt", "--snapshot", state)
        after = caffe_train(
            caffe,
            tmp_path,
            "--solver",
            f"out{suffix}/solver.prototxt",
            "--snapshot",
            f"out{suffix}/net.solverstate{suffix}",
        )
        assert losses(after)[10] == pytest.approx(losses(before)[10], rel=1e-5)
        assert verify("base.prototxt", weights, f"out{suffix}", max_drift=0).problems == ()
