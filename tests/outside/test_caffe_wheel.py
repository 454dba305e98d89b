"""The Caffe that `make caffe` takes where there are no Debian packages: the wheel kendryte-caffe, and the `caffe` made of it."""

from __future__ import annotations

import re
import subprocess

import pytest

from split_surgery import extension, residual, verify
from tests.support.nets import write_tiny
from tests.support.paths import caffe_wheel
from tests.support.training import NET, caffe_train, train_baseline

pytestmark = pytest.mark.caffe_wheel

PLAIN = re.sub(r'layer \{ name: "bn".*\n', "", NET).replace('bottom: "bn"', 'bottom: "data"')
"""The net without its BatchNorm, which the wheel does not train."""


@pytest.fixture(scope="module")
def wheel():
    tools = caffe_wheel()
    assert tools is not None
    return tools


def test_an_engine_run(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("SPLIT_SURGERY_CAFFE_PYTHON", str(wheel[1]))
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    report = verify(net, weights, tmp_path / "out", engine="caffe", max_drift=0)
    assert report.problems == ()
    assert report.engine == "caffe"
    assert [output.difference < 1e-5 for output in report.outputs] == [True] * len(report.outputs) != []
    residual(net, weights, tmp_path / "other")
    changed = verify(net, weights, tmp_path / "other", engine="caffe")
    assert max(output.difference for output in changed.outputs) > 1e-3, "it does run the derived net"


def test_a_derived_net_is_trained_tested_and_timed(wheel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_baseline(wheel, tmp_path, "SGD", net=PLAIN)
    report = residual("base.prototxt", "base_iter_10.caffemodel", "derived1", solver="solver.prototxt")
    assert report.next_command.startswith(
        "caffe train --solver derived1/solver.prototxt --weights derived1/net.caffemodel"
    )
    log = caffe_train(wheel, tmp_path, "--solver", "derived1/solver.prototxt", "--weights", "derived1/net.caffemodel")
    losses = [float(loss) for loss in re.findall(r"Iteration \d+ \(.*\), loss = ([\d.]+)", log)]
    assert len(losses) == 20
    assert "Finetuning from derived1/net.caffemodel" in log
    assert log.rstrip().endswith("Optimization Done.")
    assert verify("base.prototxt", "base_iter_10.caffemodel", "derived1", trained=True).problems == ()
    resumed = caffe_train(
        wheel, tmp_path, "-solver", "derived1/solver.prototxt", "-snapshot=derived1/base_iter_10.solverstate"
    )
    assert "Resuming from derived1/base_iter_10.solverstate" in resumed
    again = [float(loss) for loss in re.findall(r"Iteration \d+ \(.*\), loss = ([\d.]+)", resumed)]
    assert again == pytest.approx(losses[10:], rel=1e-5), "resumed, it takes the steps that it took"
    words = ["-model", "derived1/net.prototxt", "-weights", "derived1/base_iter_20.caffemodel", "-iterations", "3"]
    tested = told(wheel, "test", *words)
    scores = [float(score) for score in re.findall(r"Batch \d, loss = ([\d.]+)", tested)]
    (mean,) = re.findall(r"\] loss = ([\d.]+) \(\* 1 = ", tested)
    assert len(scores) == 3
    assert float(mean) == pytest.approx(sum(scores) / 3, rel=1e-4)
    timed = told(wheel, "time", "-model", "derived1/net.prototxt", "-iterations", "2")
    assert set(re.findall(r"\] +(\S+)\tforward: [\d.e-]+ ms", timed)) >= {"conv1_1_split1", "ip", "loss"}
    assert "Average Backward pass: " in timed


def told(wheel, *words):
    done = subprocess.run([wheel[0], *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def test_what_it_cannot_train_is_refused(wheel, tmp_path):
    """Its BatchNorm does not normalize by the statistics of a batch: such a training ends in numbers that are none."""
    with pytest.raises(AssertionError, match="bn: this wheel's BatchNorm does not compute the statistics of a batch"):
        train_baseline(wheel, tmp_path, "SGD")
    (tmp_path / "gpu.prototxt").write_text('net: "base.prototxt"\nsolver_mode: GPU\n')
    words = [wheel[0], "train", "-solver", "gpu.prototxt"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "solver_mode is GPU, and this Caffe has none" in done.stderr
