"""Solver states in other forms: there and back the same bytes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from split_surgery import convert
from split_surgery.errors import Defect, OptionError, UsageError
from split_surgery.operations import convert_state
from tests.support.caffe_proto import message_class
from tests.support.nets import tiny_state, write_tiny


@pytest.mark.parametrize(
    ("first", "second"),
    [("h5", "caffemodel"), ("double", "float"), ("raw-float", "float"), ("h5,double", "caffemodel,float")],
)
def test_there_and_back(tmp_path, first, second):
    path, back = tmp_path / "a.solverstate", tmp_path / "b.solverstate"
    path.write_bytes(tiny_state())
    there = tmp_path / ("there.solverstate.h5" if "h5" in first else "there.solverstate")
    report = convert(path, output=there, to=first)
    assert report.weights.kind == "state"
    assert "history: " in str(report)
    convert(there, output=back, to=second)
    assert back.read_bytes() == path.read_bytes()


def test_hdf5_is_what_caffe_writes(tmp_path):
    (tmp_path / "a.solverstate").write_bytes(tiny_state(iteration=7, net="a.caffemodel", step=2))
    report = convert(tmp_path / "a.solverstate", output=tmp_path / "out", to="h5")
    assert report.files == ("net.solverstate.h5",)
    with h5py.File(tmp_path / "out" / "net.solverstate.h5") as file:
        assert (list(file["iter"]), list(file["current_step"]), file["learned_net"][()]) == ([7], [2], b"a.caffemodel")
        assert {key: item.shape for key, item in file["history"].items()} == {"0": (6, 3, 3, 3), "1": (6,)}
        assert file["iter"].dtype == np.int32


def test_a_binary_state_names_binary_weights(tmp_path):
    path = tmp_path / "a.solverstate"
    path.write_bytes(tiny_state(net="a.caffemodel.h5"))
    convert(path, output=tmp_path / "a.solverstate.h5")
    report = convert(tmp_path / "a.solverstate.h5", output=tmp_path / "b.solverstate")
    assert report.notes == ("it names a.caffemodel: a binary state goes on with binary weights; convert those too",)
    made = message_class("SolverState")()
    made.ParseFromString((tmp_path / "b.solverstate").read_bytes())
    assert made.learned_net == "a.caffemodel"


def test_refusals(tmp_path):
    path = tmp_path / "a.solverstate"
    path.write_bytes(tiny_state())
    with pytest.raises(OptionError, match="a solver state has no layers"):
        convert(path, output=tmp_path / "b.solverstate", to="v1")
    net, _ = write_tiny(tmp_path)
    with pytest.raises(UsageError, match="is a solver state, which goes without NET"):
        convert(net, path, tmp_path / "b.solverstate", to="double")


def test_a_planted_fault_is_found(tmp_path, monkeypatch):
    path = tmp_path / "a.solverstate"
    path.write_bytes(tiny_state())
    monkeypatch.setattr(convert_state, "encode_form", lambda blob, number: b"")
    with pytest.raises(Defect, match="blob 0 of the history"):
        convert(path, output=tmp_path / "b.solverstate", to="double")
    assert not (tmp_path / "b.solverstate").exists()
