"""The script that runs a fork's pycaffe must run under Python 2.7, which is all that some forks know."""

from __future__ import annotations

import ast
import json
import os
import subprocess

import numpy as np
import pytest

from tests.support.paths import ROOT

RUNNER = ROOT / "split_surgery" / "verification" / "engines" / "caffe_runner.py"

NEWER = (
    ast.JoinedStr,
    ast.AnnAssign,
    ast.Nonlocal,
    ast.YieldFrom,
    ast.AsyncFunctionDef,
    ast.NamedExpr,
    ast.Starred,
    ast.Match,
)
"""What Python 2.7 cannot read (a star among other arguments too)."""

STUB_CAFFE = """\
import numpy as np
TEST = 1
class Blob(object):
    def __init__(self): self.data = np.zeros((1, 3, 2, 2))
    def reshape(self, *shape): self.data = np.zeros(shape)
class Net(object):
    def __init__(self, net, weights, phase):  # the order of before 1.0, without keywords
        assert (net, weights, phase) == ("net.prototxt", "net.caffemodel", TEST)
        self.blobs = {"data": Blob(), "out": Blob()}
    def forward(self): self.blobs["out"].data = 2 * self.blobs["data"].data
def set_mode_cpu(): pass
"""


def test_nothing_in_it_is_newer():
    tree = ast.parse(RUNNER.read_text())
    alone = {id(node) for call in ast.walk(tree) if isinstance(call, ast.Call) for node in call.args[-1:]}
    for node in ast.walk(tree):
        assert not isinstance(node, NEWER) or (isinstance(node, ast.Starred) and id(node) in alone), ast.dump(node)
        if isinstance(node, ast.FunctionDef):
            assert not node.args.kwonlyargs
            assert node.returns is None
            assert all(argument.annotation is None for argument in node.args.args)
    future = next(node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    assert (future.module, future.names[0].name) == ("__future__", "print_function")


def test_it_runs_there(tmp_path):
    python = os.environ.get("SPLIT_SURGERY_PYTHON27")
    if not python:
        pytest.skip("needs Python 2.7")
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "caffe.py").write_text(STUB_CAFFE)
    np.savez(tmp_path / "in.npz", data=np.arange(24.0).reshape(2, 3, 2, 2))
    (tmp_path / "blobs.json").write_text(json.dumps([["out"], ["data"]]))
    nets = [("net.prototxt", "net.caffemodel", f"out{at}.npz") for at in range(2)]
    command = [python, RUNNER, "in.npz", "blobs.json", *nets[0], *nets[1]]
    paths = [str(tmp_path / "stub"), *filter(None, [os.environ.get("SPLIT_SURGERY_PYTHON27_PATH")])]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for at in range(2):
        with np.load(tmp_path / f"out{at}.npz") as found:
            assert np.array_equal(found["blob_0"], (2 - at) * np.arange(24.0).reshape(2, 3, 2, 2))
