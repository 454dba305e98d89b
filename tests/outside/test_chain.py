"""The chain of splits that comes with the project, in real Caffe."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from tests.support.nets import conv_arrays, tiny_weights, write_tiny
from tests.support.paths import PROGRAM, ROOT
from tests.support.training import train_baseline

CHAIN = ROOT / "examples" / "chain.sh"


def test_the_snapshots_of_the_baseline_are_named(tmp_path):
    """No Caffe is reached: the script stops at what `true` has not trained."""
    net, weights = write_tiny(tmp_path)
    (tmp_path / "solver.prototxt").write_text(f'net: "{net}"\nmax_iter: 6\nsnapshot_prefix: "base"\n')
    (tmp_path / "kept").mkdir()
    for step in (1, 2, 3):
        (tmp_path / "kept" / f"x_iter_{step}.caffemodel").write_bytes(tiny_weights(conv_arrays(seed=step)))
    environment = os.environ | {
        "SPLIT_SURGERY": str(PROGRAM), "SPLIT_SURGERY_CAFFE": "true", "SNAPSHOTS": f"{tmp_path}/kept/x_iter_*.caffemodel",
    }  # fmt: skip
    subprocess.run(
        [str(CHAIN), net, weights, "solver.prototxt", "out", "1"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    plan = yaml.safe_load((tmp_path / "out" / "residual" / "derived1" / "split.yaml").read_text())
    assert "coherence" in str(plan), "ranked over the three that were named"


@pytest.mark.caffe
def test_the_chain_from_a_baseline_to_derived3(tmp_path, caffe):
    """In real Caffe, both flows; run again it leaves all as it is; a cut training goes on; a failed one stops it."""

    train_baseline(caffe, tmp_path, "SGD")
    (tmp_path / "grow.prototxt").write_text(
        'net: "base.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\nmomentum: 0.9\nmax_iter: 6\ndisplay: 1\nsnapshot: 2\n'
        'snapshot_prefix: "base"\nsolver_mode: CPU\nrandom_seed: 1\n'
    )
    environment = os.environ | {
        "SPLIT_SURGERY": str(PROGRAM), "SPLIT_SURGERY_CAFFE": str(caffe[0]),
    }  # fmt: skip
    arguments = ["base.prototxt", "base_iter_10.caffemodel", "grow.prototxt", "out"]

    def run():
        return subprocess.run(
            [str(CHAIN), *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    for flow in ("residual", "extension"):
        for k in (1, 2, 3):
            assert (tmp_path / "out" / flow / f"derived{k}" / "base_iter_6.caffemodel").exists()
        lineage = yaml.safe_load((tmp_path / "out" / flow / "derived3" / "split.yaml").read_text())["lineage"]
        assert lineage["depth"] == 2
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    again = run()
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("unchanged") == 6
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()} == stamps
    last = tmp_path / "out" / "extension" / "derived3"
    for name in ("base_iter_6.caffemodel", "base_iter_6.solverstate"):
        (last / name).unlink()
    assert run().returncode == 0
    assert "Resuming from out/extension/derived3/base_iter_4.solverstate" in (last / "train.log").read_text()
    for path in last.glob("base_iter_*"):
        path.unlink()
    (tmp_path / "data.h5").unlink()
    failed = run()
    assert failed.returncode == 1
    assert "chain.sh: training in out/extension/derived3 failed" in failed.stderr
