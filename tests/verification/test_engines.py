"""Derived nets in OpenCV's Caffe importer, and nets made ready to run."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from split_surgery import extension, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import Source
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.errors import FileError, UsageError
from split_surgery.verification.engines import opencv
from split_surgery.verification.engines.prepare import prepare
from tests.support.fixture_nets import siamese
from tests.support.nets import DATA, TINY, write_tiny


def test_an_exact_block_with_other_outputs_is_a_problem(tmp_path, monkeypatch):
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    real = opencv.run

    def off(*arguments):
        before, after = real(*arguments)
        return [before, {name: array + 1 for name, array in after.items()}]

    monkeypatch.setattr(opencv, "run", off)
    report = verify(net, weights, tmp_path / "out", engine="opencv")
    assert any("more than rounding explains" in problem for problem in report.problems)


TRAINING = (
    """\
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  data_param { source: "train" batch_size: 64 }
}
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 8 }
  data_param { source: "test" batch_size: 64 }
}
"""
    + TINY[TINY.index('layer {\n  name: "conv1_1"') :]
    + """\
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
)


def runnable(tmp_path, text, shapes=None):
    net, weights = write_tiny(tmp_path, text)
    with Source(weights) as source:
        return prepare(Net(Document(net.read_bytes(), net.name)), Caffemodel(source), shapes or {})


def test_training_nets_become_runnable(tmp_path):
    made = runnable(tmp_path, TRAINING)
    assert made.inputs == {"data": (1, 3, 8, 8)}
    assert made.outputs == ("ip",)
    assert b"accuracy" not in made.text
    assert b"TRAIN" not in made.text
    assert runnable(tmp_path, TRAINING, {"data": (2, 3, 8, 8)}).inputs == {"data": (2, 3, 8, 8)}
    net, weights = tmp_path / "base.prototxt", tmp_path / "base.caffemodel"
    extension(net, weights, tmp_path / "out", noise=0)
    assert verify(net, weights, tmp_path / "out", engine="opencv").problems == ()


def test_input_shapes(tmp_path):
    with pytest.raises(UsageError, match='does not say the shape of input "data"'):
        runnable(tmp_path, TRAINING.replace("transform_param { crop_size: 8 }", ""))
    with pytest.raises(UsageError, match="the net has no such input"):
        runnable(tmp_path, TINY, {"image": (1, 3, 8, 8)})
    old = (
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
        + TINY[TINY.index('layer {\n  name: "conv1_1"') :]
    )
    assert runnable(tmp_path, old).inputs == {"data": (1, 3, 8, 8)}
    newer = old.replace(
        "input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8", "input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }"
    )
    assert runnable(tmp_path, newer).inputs == {"data": (2, 3, 8, 8)}


def test_engines_that_are_missing(tmp_path, monkeypatch):
    made = runnable(tmp_path, TINY)
    inputs = {"data": np.zeros((1, 3, 8, 8), np.float32)}
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(FileError, match="OpenCV is not installed"):
        opencv.run([(made, tmp_path / "base.caffemodel")], inputs, ["ip"])
    from split_surgery.verification.engines import pycaffe

    monkeypatch.setenv("SPLIT_SURGERY_CAFFE_PYTHON", "/no/such/python")
    with pytest.raises(FileError, match="/no/such/python: cannot be run: No such file"):
        pycaffe.run([(made, tmp_path / "base.caffemodel")], inputs, ["ip"])
    monkeypatch.setenv("SPLIT_SURGERY_CAFFE_PYTHON", sys.executable)
    with pytest.raises(FileError, match="pycaffe cannot be imported"):
        pycaffe.run([(made, tmp_path / "base.caffemodel")], inputs, ["ip"])
    monkeypatch.delenv("SPLIT_SURGERY_CAFFE_PYTHON")
    for name in ("SPLIT_SURGERY_CAFFE", "SPLIT_SURGERY_CAFFE_ROOT"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileError, match="no Python with pycaffe was found"):
        pycaffe.find_interpreter()


def test_opencv_5_is_told_apart(tmp_path, monkeypatch):
    """Version 5 has no importer of Caffe's files; here a package of that name stands in for it."""
    fake = tmp_path / "fake" / "cv2"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text(
        'from types import SimpleNamespace\n__version__ = "5.0.0"\ndnn = SimpleNamespace()\n'
    )
    monkeypatch.setenv("PYTHONPATH", str(fake.parent))
    with pytest.raises(FileError, match="OpenCV 5.0.0 has no Caffe importer"):
        opencv.run([(runnable(tmp_path, TINY), Path("x"))], {}, [])


def test_a_crash_of_an_engine_takes_nothing_with_it(tmp_path, monkeypatch):
    """The proof from the files stands, whatever becomes of the engine's process."""
    fake = tmp_path / "fake" / "cv2"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setenv("PYTHONPATH", str(fake.parent))
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    with pytest.raises(FileError, match="did not survive it: it was killed by SIGSEGV") as caught:
        verify(net, weights, tmp_path / "out", engine="opencv")
    assert [block.exact for block in caught.value.report.blocks] == [True]


def test_a_net_that_opencv_cannot_run(tmp_path):
    made = runnable(tmp_path, TINY.replace('type: "ReLU"', 'type: "ForkSpecial"'))
    with pytest.raises(FileError, match="OpenCV cannot run it"):
        opencv.run([(made, tmp_path / "base.caffemodel")], {"data": np.zeros((1, 3, 8, 8), np.float32)}, ["ip"])


def test_of_two_nets_the_one_that_fails_is_named(tmp_path):
    good, inputs = runnable(tmp_path, TINY), {"data": np.zeros((1, 3, 8, 8), np.float32)}
    other = tmp_path / "other.caffemodel"
    other.write_bytes((tmp_path / "base.caffemodel").read_bytes())
    bad = runnable(tmp_path, TINY.replace('type: "ReLU"', 'type: "ForkSpecial"'))
    one, two = (good, tmp_path / "base.caffemodel"), (bad, other)
    for nets in ([one, two], [two, one]):
        with pytest.raises(FileError, match="OpenCV cannot run it") as caught:
            opencv.run(nets, inputs, ["ip"])
        assert str(caught.value).startswith(str(other))
    found = opencv.run([one, one], inputs, ["ip"])
    assert (found[0]["ip"] == found[1]["ip"]).all()


def test_blocks_of_another_phase_are_not_asked_for(tmp_path):
    """A layer of the TRAIN net is not in the TEST net that is run."""
    train = TINY.replace(DATA, DATA + CONV_OF_TRAIN)
    net, weights = write_tiny(tmp_path, train)
    from tests.support.nets import conv_arrays  # fmt: skip
    from tests.support.nets import weights as weights_of

    rows = [(n, "Convolution", ["data"], [n], conv_arrays(), {"num_output": 6}) for n in ("aux", "conv1_1")]
    ip = [np.ones((4, 384), np.float32), np.zeros(4, np.float32)]
    weights.write_bytes(weights_of([*rows, ("ip", "InnerProduct", ["conv1_1"], ["ip"], ip, None)]))
    extension(net, weights, tmp_path / "out", layer="aux", noise=0)
    assert verify(net, weights, tmp_path / "out", engine="opencv").problems == ()


CONV_OF_TRAIN = """\
layer {
  name: "aux" type: "Convolution" bottom: "data" top: "aux" include { phase: TRAIN }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 }
}
"""


def test_a_data_layer_with_two_images(tmp_path):

    net, weights = siamese(tmp_path)
    text = net.read_text()
    data = 'layer { name: "d" type: "HDF5Data" top: "data" top: "data_p" top: "sim" hdf5_data_param { source: "x" batch_size: 2 } }'
    net.write_text("\n".join(data if '"Input"' in line else line for line in text.split("\n")))
    extension(net, weights, tmp_path / "out", noise=0)
    shapes = {"data": (2, 3, 8, 8), "data_p": (2, 3, 8, 8)}
    report = verify(net, weights, tmp_path / "out", engine="opencv", input_shape=shapes, max_drift=0)
    assert report.problems == ()
    assert {output.blob for output in report.outputs} == {"conv1", "conv1_p"}


def npy(path, array):
    np.save(path, array)
    return path


def test_given_inputs_take_the_place_of_random_ones(tmp_path):
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    images = np.random.RandomState(1).standard_normal((5, 3, 8, 8))
    given = npy(tmp_path / "in.npy", images)
    report = verify(net, weights, tmp_path / "out", engine="opencv", input=given)
    assert (report.problems, report.inputs) == ((), str(given))
    assert {output.blob: output.size for output in report.outputs}["ip"] == 5 * 4
    np.savez(tmp_path / "in.npz", data=images[0])
    assert verify(net, weights, tmp_path / "out", engine="opencv", input=tmp_path / "in.npz").problems == ()
    # What a fault shows depends on the input: a zero image leaves only the bias.
    zeros = verify(
        net, weights, tmp_path / "out", engine="opencv", input=npy(tmp_path / "zeros.npy", np.zeros((3, 8, 8)))
    )
    assert zeros.outputs[0].difference == 0


def test_images_are_read_as_caffe_reads_them(tmp_path):
    from split_surgery.verification.engines.input_file import read_inputs

    text = TINY.replace(
        'type: "Input"', 'type: "ImageData" transform_param { scale: 0.5 mean_value: 10 mean_value: 20 mean_value: 30 }'
    )
    net = Net(Document(text.encode(), "net.prototxt"))
    picture = np.zeros((4, 4, 3), np.uint8) + np.array([50, 60, 70], np.uint8)  # blue, green, red
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    found = read_inputs(tmp_path / "a.png", net, {"data": (1, 3, 8, 6)})["data"]
    assert found.shape == (1, 3, 8, 6)
    assert [found[0, at].min() for at in range(3)] == [found[0, at].max() for at in range(3)] == [20, 20, 20]
    grey = read_inputs(tmp_path / "a.png", Net(Document(TINY.encode(), "n")), {"data": (1, 1, 4, 4)})["data"]
    assert grey.shape == (1, 1, 4, 4)
    assert 55 < grey.min() == grey.max() < 65


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda path: npy(path, np.zeros((1, 3, 9, 8))),
            UsageError,
            "has shape (1, 3, 9, 8), and the net reads (1, 3, 8, 8)",
        ),
        (lambda path: npy(path, np.full((3, 8, 8), np.nan)), FileError, "holds NaN"),
        (lambda path: npy(path, np.array(["a"])), FileError, "not numbers"),
        (lambda path: npy(path, np.array([None])), FileError, "holds object, not numbers"),
        (lambda path: path, FileError, "No such file"),
        (
            lambda path: path.write_bytes(b"no picture") and path,
            FileError,
            "is neither an image that OpenCV reads, nor npy or npz",
        ),
        (lambda path: path.write_bytes(b"PK\x03\x04no zip") and path, FileError, "cannot be read as npz"),
    ],
)
def test_inputs_that_do_not_fit(tmp_path, make, error, message):
    net, weights = write_tiny(tmp_path)
    with pytest.raises(error) as caught:
        verify(net, weights, (net, weights), engine="opencv", input=make(tmp_path / "in.npy"))
    assert message in str(caught.value)


def test_inputs_need_an_engine_and_the_right_names(tmp_path):
    net, weights = write_tiny(tmp_path)
    with pytest.raises(UsageError, match="input is for a run"):
        verify(net, weights, (net, weights), input=tmp_path / "in.npy")
    np.savez(tmp_path / "in.npz", date=np.zeros((3, 8, 8)))
    with pytest.raises(UsageError, match="holds date, and the net reads data"):
        verify(net, weights, (net, weights), engine="opencv", input=tmp_path / "in.npz")
