"""Weights as HDF5: read, split, written again as HDF5, and measured as snapshots."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from split_surgery import extension, rank, residual, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.errors import FileError, UsageError
from tests.support.fixture_nets import siamese
from tests.support.hdf5_files import h5_case, tiny_layers, write_h5
from tests.support.nets import TINY, conv_arrays, read_weights, tiny_weights, write_tiny


def content(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: np.array(item) if hasattr(item, "dtype") else None}))
        return found


@pytest.mark.parametrize("verb", [residual, extension])
@pytest.mark.parametrize("diff", [False, True])
def test_an_hdf5_file_is_split_as_its_protobuf_twin(tmp_path, verb, diff):
    net, weights = h5_case(tmp_path, diff=diff)
    before = weights.read_bytes()
    verb(net, weights, tmp_path / "out")
    assert weights.read_bytes() == before
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["net.caffemodel.h5", "net.prototxt", "split.yaml"]
    (tmp_path / "base.caffemodel").write_bytes(tiny_weights())
    verb(net, tmp_path / "base.caffemodel", tmp_path / "twin")
    twin = read_weights((tmp_path / "twin" / "net.caffemodel").read_bytes())
    found = content(tmp_path / "out" / "net.caffemodel.h5")
    for name, (_, arrays) in twin.items():
        assert f"data/{name}" in found, "a group for every layer, blobless ones too"
        for index, array in enumerate(arrays):
            assert found[f"data/{name}/{index}"].tobytes() == array.astype("<f4").tobytes()
    assert not any("conv1_1/" in name for name in found)
    assert (f"diff/{'ip'}/0" in found) == diff
    proof = verify(net, weights, tmp_path / "out")
    assert proof.problems == ()
    assert verb(net, weights, tmp_path / "out").status == "unchanged"
    assert verb(net, weights, tmp_path / "out", check=True).status == "same"


def test_doubles_stay_doubles(tmp_path):
    net, weights = h5_case(tmp_path, dtype=np.float64)
    residual(net, weights, tmp_path / "out")
    assert {array.dtype for array in content(tmp_path / "out" / "net.caffemodel.h5").values() if array is not None} == {
        np.dtype("<f8")
    }


@pytest.mark.parametrize("fault", ["value", "missing", "extra", "attribute", "protobuf"])
def test_check_sees_what_differs(tmp_path, fault):
    net, weights = h5_case(tmp_path)
    residual(net, weights, tmp_path / "out")
    written = tmp_path / "out" / "net.caffemodel.h5"
    if fault == "protobuf":
        written.write_bytes(tiny_weights())
    else:
        with h5py.File(written, "r+") as file:
            if fault == "value":
                file["data/conv1_1_split1/0"][0, 0, 0, 0] += 1
            elif fault == "missing":
                del file["data/conv1_1_concat"]
            elif fault == "extra":
                file["data"].create_group("extra")
            else:
                file["data/ip"].attrs["note"] = 1
    report = residual(net, weights, tmp_path / "out", check=True)
    assert (report.status, report.differing) == ("differs", ("net.caffemodel.h5",))


def test_attributes_and_unknown_groups_stay(tmp_path):
    net, weights = h5_case(tmp_path)
    with h5py.File(weights, "r+") as file:
        file.attrs["fork"] = "yes"
        file["data/ip/0"].attrs["note"] = "kept"
        file.create_dataset("extra/deep", data=[1, 2])
    extension(net, weights, tmp_path / "out")
    with h5py.File(tmp_path / "out" / "net.caffemodel.h5") as file:
        assert (file.attrs["fork"], file["data/ip/0"].attrs["note"], list(file["extra/deep"])) == (
            "yes",
            "kept",
            [1, 2],
        )


def test_shared_parameters_are_stored_once(tmp_path):
    net, _ = siamese(tmp_path)
    arrays = dict(enumerate(conv_arrays()))
    weights = write_h5(
        tmp_path / "w.caffemodel.h5", {"data": {}, "conv1": arrays, "relu1": {}, "conv1_p": {}, "relu1_p": {}}
    )
    extension(net, weights, tmp_path / "out", noise=0)
    found = content(tmp_path / "out" / "net.caffemodel.h5")
    assert "data/conv1_split1/0" in found
    assert "data/conv1_p_split1" in found
    assert "data/conv1_p_split1/0" not in found
    proof = verify(net, weights, tmp_path / "out", max_drift=0)
    assert proof.problems == ()
    assert {row.layer: row.status for row in proof.coverage}["conv1_p_split1"] == "shared"


def test_a_weight_shared_and_a_bias_owned(tmp_path):
    net, _ = siamese(tmp_path, "shared_weight_own_bias")
    weight, bias = conv_arrays()
    layers = {"data": {}, "near": {0: weight, 1: bias}, "far": {1: bias + 1}}
    weights = write_h5(tmp_path / "w.caffemodel.h5", layers)
    extension(net, weights, tmp_path / "out", layer="near", noise=0)
    found = content(tmp_path / "out" / "net.caffemodel.h5")
    assert "data/far_split1/0" not in found
    assert len(found["data/far_split1/1"]) == 3
    assert verify(net, weights, tmp_path / "out", max_drift=0).problems == ()


def test_snapshots_as_hdf5_are_evidence(tmp_path):
    net, _ = write_tiny(tmp_path)
    for step in (10, 20, 30):
        write_h5(tmp_path / f"run_iter_{step}.caffemodel.h5", tiny_layers(seed=step))
        (tmp_path / f"same_iter_{step}.caffemodel").write_bytes(tiny_weights(conv_arrays(seed=step)))
    found = rank(net, tmp_path / "run_iter_30.caffemodel.h5", layer="conv1_1")
    same = rank(net, tmp_path / "same_iter_30.caffemodel", layer="conv1_1")
    assert found.kernels == same.kernels
    assert found.measure == "coherence"
    assert (
        rank(net, tmp_path / "same_iter_30.caffemodel", snapshots=str(tmp_path / "run_*.h5"), layer="conv1_1").kernels
        == same.kernels
    )


def test_the_solver_is_pointed_at_the_hdf5_file(tmp_path):
    net, weights = h5_case(tmp_path)
    (tmp_path / "solver.prototxt").write_text('net: "base.prototxt"\nweights: "base.caffemodel.h5"\n')
    report = residual(net, weights, tmp_path / "out", solver=tmp_path / "solver.prototxt", as_path="d")
    assert 'weights: "d/net.caffemodel.h5"' in (tmp_path / "out" / "solver.prototxt").read_text()
    assert "--weights d/net.caffemodel.h5" in report.next_command


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.create_group("other"), 'it has no group "data"'),
        (lambda file: file.create_dataset("data/conv1_1", data=[1.0]), "a dataset where a layer's group is expected"),
        (lambda file: file.create_dataset("data/conv1_1/0", data=[b"text"]), "is not a blob"),
        (lambda file: file.create_dataset("data/conv1_1/w", data=[1.0]), "is not a blob"),
        (lambda file: file.create_group("data/other"), 'has no layer "conv1_1"'),
    ],
)
def test_what_is_no_weights_file(tmp_path, make, message):
    net, _ = write_tiny(tmp_path)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        make(file)
    with pytest.raises(FileError) as caught:
        residual(net, tmp_path / "w.h5", tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_named(tmp_path):
    net, weights = h5_case(tmp_path)
    data = weights.read_bytes()
    for size in (8, 100, len(data) // 2, len(data) - 100):
        (tmp_path / "cut.h5").write_bytes(data[:size])
        with pytest.raises(FileError, match=r"cut.h5.*cannot be read as HDF5"):
            residual(net, tmp_path / "cut.h5", tmp_path / "out")


def test_without_h5py_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    net, weights = h5_case(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(FileError, match="is HDF5, and h5py is not installed(?s:.*)pip install h5py"):
        residual(net, weights, tmp_path / "out")


def test_another_split_in_the_directory_is_not_mixed(tmp_path):
    net, weights = h5_case(tmp_path)
    residual(net, weights, tmp_path / "out")
    (tmp_path / "base.caffemodel").write_bytes(tiny_weights())
    with pytest.raises(UsageError, match="holds net.caffemodel.h5 of another run"):
        residual(net, tmp_path / "base.caffemodel", tmp_path / "out")


def test_a_net_of_the_derived_directory(tmp_path):
    net, weights = h5_case(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    derived = Net(Document((tmp_path / "out" / "net.prototxt").read_bytes(), "net"))
    assert len(derived.layers) == len(Net(Document(TINY.encode(), "net")).layers) + 4
    assert verify(net, weights, tmp_path / "out", max_drift=0).problems == ()
    (tmp_path / "base.caffemodel").write_bytes(tiny_weights())
    assert verify(net, tmp_path / "base.caffemodel", tmp_path / "out", max_drift=0).problems == ()


def test_what_cannot_be_compared_by_bytes_is_still_unchanged(tmp_path):
    net, weights = h5_case(tmp_path)
    with h5py.File(weights, "r+") as file:
        file.attrs["names"] = ["a", "bcd"]
        file.attrs["nothing"] = h5py.Empty("f4")
        file["kind"] = np.dtype("f4")
        file.create_dataset("texts", data=["x", "yz"])
        file.create_dataset("empty", data=h5py.Empty("f4"))
    residual(net, weights, tmp_path / "out")
    for _ in range(2):
        assert residual(net, weights, tmp_path / "out").status == "unchanged"
        assert residual(net, weights, tmp_path / "out", check=True).status == "same"


def test_a_damaged_output_differs_and_is_replaced_by_force(tmp_path):
    net, weights = h5_case(tmp_path)
    residual(net, weights, tmp_path / "out")
    written = tmp_path / "out" / "net.caffemodel.h5"
    written.write_bytes(written.read_bytes()[:-500])
    assert residual(net, weights, tmp_path / "out", check=True).differing == ("net.caffemodel.h5",)
    assert residual(net, weights, tmp_path / "out", force=True).status == "written"
    assert residual(net, weights, tmp_path / "out").status == "unchanged"


def test_odd_things_in_the_place_of_blobs_are_our_own_errors(tmp_path):
    net, weights = h5_case(tmp_path)
    with h5py.File(weights, "r+") as file:
        file["data/zz/0"] = np.dtype("f4")
    with pytest.raises(FileError, match="is not a blob"):
        residual(net, weights, tmp_path / "out")
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["iter"] = np.zeros(0, "i4")
        file.create_group("history")
    with pytest.raises(FileError, match="cannot be read as HDF5"):
        residual(net, h5_case(tmp_path)[1], tmp_path / "out", solverstate=tmp_path / "s.h5")


def test_comparing_reads_a_piece_at_a_time(tmp_path, monkeypatch):
    from split_surgery.documents.weights import blobs as weights_module
    from split_surgery.documents.weights import hdf5  # fmt: skip

    net, model = h5_case(tmp_path)
    monkeypatch.setattr(hdf5, "PIECE", 64)
    monkeypatch.setattr(weights_module, "PIECE", 64)
    residual(net, model, tmp_path / "out")
    assert residual(net, model, tmp_path / "out").status == "unchanged"
    assert verify(net, model, tmp_path / "out").problems == ()
    with h5py.File(tmp_path / "out" / "net.caffemodel.h5", "r+") as file:
        file["data/ip/0"][3, 380] += 1
    assert any(problem.startswith("ip: differs") for problem in verify(net, model, tmp_path / "out").problems)
    assert residual(net, model, tmp_path / "out", check=True).status == "differs"
