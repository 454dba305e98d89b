"""Layers of Caffe's forks, Deconvolution, Power and Slice, folded: held against equal nets of layers that the engines know."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import fold, verify
from tests.support.fold_laws import TOLERANCE, files, images
from tests.support.fork_nets import FORK_NETS, as_plain
from tests.support.linear_nets import net_of, run_opencv
from tests.support.run_caffe import in_caffe

KEPT = {"sum", "k"}
"""Layers of those nets that nothing is folded into."""

every_net = pytest.mark.parametrize("case", FORK_NETS, ids=lambda case: case.name)


@every_net
def test_it_is_folded_and_verified(tmp_path, case):
    base = case.write(tmp_path)
    report = fold(*base, tmp_path / "out", all=True)
    assert {name for one in report.left for name in one.layers} <= KEPT
    names = [layer.name for layer in net_of(files(tmp_path / "out")[0].read_text()).layers if layer.type != "ReLU"]
    assert set(names) - KEPT == {region.layer for region in report.regions} == set(case.folded)
    proof = verify(*base, tmp_path / "out")
    assert proof.exit_code == 0, str(proof)
    assert [(block.layer, block.sound) for block in proof.blocks] == [(name, True) for name in case.folded]
    again = fold(*files(tmp_path / "out"), tmp_path / "twice", all=True)
    assert again.regions == ()


def known_to_engines(net):
    """A folded net with the names that an engine knows for its layers."""
    net.write_text(as_plain(net.read_text()))
    return net


@every_net
def test_opencv_computes_the_same(tmp_path, case):
    pytest.importorskip("cv2")
    fold(*case.write(tmp_path), tmp_path / "out", all=True)
    net, model = files(tmp_path / "out")
    (was,), (now,) = (
        run_opencv(*pair, images()) for pair in (case.write_plain(tmp_path), (known_to_engines(net), model))
    )
    assert was.shape == now.shape
    assert np.abs(was - now).max() <= TOLERANCE * np.abs(was).max()


@pytest.mark.caffe
def test_real_caffe_computes_the_same(tmp_path, caffe):
    tasks = []
    np.savez(tmp_path / "in.npz", data=images())
    for case in FORK_NETS:
        folder = tmp_path / case.name
        folder.mkdir()
        fold(*case.write(folder), folder / "out", all=True)
        net, model = files(folder / "out")
        for name, pair in (("was", case.write_plain(folder)), ("now", (known_to_engines(net), model))):
            blobs = [net_of(pair[0].read_text()).layers[-1].tops[0]]
            task = {
                "net": pair[0],
                "weights": pair[1],
                "inputs": tmp_path / "in.npz",
                "out": folder / f"{name}.npz",
                "blobs": blobs,
            }
            tasks.append(task)
    in_caffe(caffe, tasks)
    for case in FORK_NETS:
        was, now = (np.load(tmp_path / case.name / f"{name}.npz")["blob_0"] for name in ("was", "now"))
        assert was.shape == now.shape
        assert np.abs(was - now).max() <= TOLERANCE * np.abs(was).max(), case.name
        assert np.abs(was).max() > 0, case.name
