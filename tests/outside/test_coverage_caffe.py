"""What coverage says of a weights file, and what real Caffe does with it."""

from __future__ import annotations

import hashlib
import json
import subprocess

import numpy as np
import pytest

from split_surgery import extension, verify
from tests.support.fixture_nets import siamese
from tests.support.hdf5_files import write_h5
from tests.support.nets import conv_arrays, read_weights, weights, write_tiny
from tests.support.paths import SUPPORT

pytestmark = pytest.mark.caffe

IP = [np.ones((4, 384), np.float32), np.zeros(4, np.float32)]


def record(name, kind, bottom, arrays):
    return (name, kind, [bottom], [name], arrays, None)


def derived_records(tmp_path, legacy=False):
    """TINY split, and the records of its derived net by name."""
    net, model = write_tiny(tmp_path)
    extension(net, model, tmp_path / "out")
    found = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
    rows = {name: (name, r.type, list(r.bottom), list(r.top), arrays, None) for name, (r, arrays) in found.items()}
    return net, model, rows


def loaded(caffe, net, model):
    """Digests of Caffe's parameters by layer after loading, or None where it aborts."""
    script = SUPPORT / "caffe_inspect.py"
    done = subprocess.run([caffe[1], script, "TEST", net, model], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)[0]["params"] if done.returncode == 0 else None


def digests(arrays):
    return [hashlib.sha256(np.asarray(array, "<f4").tobytes()).hexdigest() for array in arrays]


def without(rows, name):
    return [row for key, row in rows.items() if key != name]


def changed(rows, name, arrays):
    return [(*row[:4], arrays, row[5]) if key == name else row for key, row in rows.items()]


CASES = {
    "as written": (lambda rows: list(rows.values()), {}, "copied", True),
    "legacy shapes": (lambda rows: list(rows.values()), {"legacy": True}, "copied", True),
    "no record": (lambda rows: without(rows, "conv1_1_split2"), {}, "unfilled", False),
    "a record without blobs": (lambda rows: changed(rows, "conv1_1_split2", []), {}, "mismatch", None),
    "a blob too few": (lambda rows: changed(rows, "conv1_1_split2", conv_arrays(3)[:1]), {}, "mismatch", None),
    "another shape": (lambda rows: changed(rows, "conv1_1_split2", conv_arrays(4)), {}, "mismatch", None),
    "the same numbers in another shape": (
        lambda rows: changed(rows, "conv1_1_split2", [conv_arrays(3)[0].reshape(3, 27), conv_arrays(3)[1]]),
        {},
        "mismatch",
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_coverage_is_what_caffe_does(tmp_path, caffe, case):
    change, options, status, filled = CASES[case]
    net, model, rows = derived_records(tmp_path)
    path = tmp_path / "out" / "net.caffemodel"
    path.write_bytes(weights(change(rows), **options))
    report = verify(net, model, tmp_path / "out")
    assert {row.layer: row.status for row in report.coverage}["conv1_1_split2"] == status
    assert any("conv1_1_split2:" in problem for problem in report.problems) == (status != "copied")
    held = loaded(caffe, tmp_path / "out" / "net.prototxt", path)
    assert (held is None) == (filled is None)
    if held is not None:
        assert (held["conv1_1_split2"] == digests(rows["conv1_1_split2"][4])) == filled


@pytest.mark.parametrize("form", ["protobuf", "hdf5"])
def test_a_sharer_without_blobs_of_its_own_is_filled(tmp_path, caffe, form):
    net, _ = siamese(tmp_path)
    arrays = conv_arrays()
    if form == "hdf5":
        path = write_h5(tmp_path / "w.caffemodel.h5", {"conv1": dict(enumerate(arrays)), "conv1_p": {}})
    else:
        path = tmp_path / "w.caffemodel"
        path.write_bytes(weights([record("conv1", "Convolution", "data", arrays)]))
    extension(net, path, tmp_path / "out", noise=0)
    report = verify(net, path, tmp_path / "out", max_drift=0)
    assert report.problems == ()
    assert {row.layer: row.status for row in report.coverage}["conv1_p_split1"] == "shared"
    written = next((tmp_path / "out").glob("net.caffemodel*"))
    held = loaded(caffe, tmp_path / "out" / "net.prototxt", written)
    assert held is not None
    for role in ("split1", "split2", "split2_extension", "reorder"):
        assert held[f"conv1_p_{role}"] == held[f"conv1_{role}"]
    fast = list(extension(net, path, tmp_path / "out", noise=0).layer.fast)
    assert held["conv1_p_split1"] == digests([arrays[0][fast], arrays[1][fast]])
