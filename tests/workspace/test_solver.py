"""The solver that trains a split: pointed into the directory, and the nets that it names or holds."""

from __future__ import annotations

import pytest

from split_surgery import residual
from split_surgery.errors import UsageError
from tests.support.nets import TINY, write_tiny

SOLVER = """\
# trains base
net: "base.prototxt"  # the net
base_lr: 0.01
snapshot_prefix: 'snapshots/base'
weights: "old.caffemodel"
"""


def test_the_solver_points_into_the_directory(tmp_path, monkeypatch):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    report = residual("base.prototxt", "base.caffemodel", "derived1/", solver="solver.prototxt")
    expected = SOLVER.replace("base.prototxt", "derived1/net.prototxt").replace("snapshots/base", "derived1/base")
    expected = expected.replace("old.caffemodel", "derived1/net.caffemodel")
    assert (tmp_path / "derived1" / "solver.prototxt").read_text() == expected
    assert report.next_command == (
        "caffe train --solver derived1/solver.prototxt --weights derived1/net.caffemodel 2>&1 | tee derived1/train.log"
    )
    there = residual("base.prototxt", "base.caffemodel", "d2", solver="solver.prototxt", as_path="/gpu/runs/d2/")
    text = (tmp_path / "d2" / "solver.prototxt").read_text()
    assert 'net: "/gpu/runs/d2/net.prototxt"' in text
    assert "snapshot_prefix: '/gpu/runs/d2/base'" in text
    assert "--solver /gpu/runs/d2/solver.prototxt" in there.next_command
    assert (tmp_path / "derived1" / "net.prototxt").read_bytes() == (tmp_path / "d2" / "net.prototxt").read_bytes()


@pytest.mark.parametrize(("end", "eol"), [("\n", "\n"), ("", "\n"), ("\r\n", "\r\n")])
def test_a_solver_without_a_prefix_gets_one(tmp_path, end, eol):
    net, weights = write_tiny(tmp_path)
    text = f'net: "base.prototxt"{eol}base_lr: 1{end}'
    (tmp_path / "s.prototxt").write_bytes(text.encode())
    residual(net, weights, tmp_path / "out", solver=tmp_path / "s.prototxt", as_path="out")
    expected = (
        text.replace("base.prototxt", "out/net.prototxt") + ("" if end else eol) + f'snapshot_prefix: "out/net"{eol}'
    )
    assert (tmp_path / "out" / "solver.prototxt").read_bytes() == expected.encode()


def test_a_solver_of_another_net_is_refused(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "other.prototxt").write_text(TINY)
    (tmp_path / "s.prototxt").write_text('net: "other.prototxt"\n')
    with pytest.raises(UsageError, match=r's.prototxt:1:1: the solver\'s net is "other.prototxt", which is not NET'):
        residual(net, weights, tmp_path / "out", solver=tmp_path / "s.prototxt")
    # A path of the training machine, which is not here: the name decides.
    (tmp_path / "s.prototxt").write_text('net: "/gpu/base.prototxt"\n')
    residual(net, weights, tmp_path / "out", solver=tmp_path / "s.prototxt")


def test_a_net_inside_a_solver(tmp_path):
    body = "".join(f"  {line}\n" for line in TINY.splitlines())
    text = f'# FitNet\nsnapshot_prefix: "snap/fit"\nnet_param {{\n{body}}}\nbase_lr: 0.1\n'
    net, weights = write_tiny(tmp_path, text)
    residual(net, weights, tmp_path / "out", as_path="out")
    solver = (tmp_path / "out" / "solver.prototxt").read_text()
    assert solver.startswith('# FitNet\nsnapshot_prefix: "out/fit"\nnet_param {\n  name: "tiny"\n')
    assert solver.endswith("\n}\nbase_lr: 0.1\n")
    plain, plain_weights = write_tiny(tmp_path)
    residual(plain, plain_weights, tmp_path / "plain")
    assert (tmp_path / "out" / "net.prototxt").read_bytes() == (tmp_path / "plain" / "net.prototxt").read_bytes()
    with pytest.raises(UsageError, match="is a solver itself"):
        net, weights = write_tiny(tmp_path, text)
        residual(net, weights, tmp_path / "out2", solver=net)


@pytest.mark.parametrize("text", [TINY, "", "base_lr: 1\n"])
def test_a_solver_that_names_no_net(tmp_path, text):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "s.prototxt").write_text(text)
    with pytest.raises(UsageError, match="names no net"):
        residual(net, weights, tmp_path / "out", solver=tmp_path / "s.prototxt")


def test_a_solver_with_two_nets_needs_both(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "test.prototxt").write_text(TINY)
    (tmp_path / "s.prototxt").write_text('train_net: "base.prototxt"\ntest_net: "test.prototxt"\n')
    with pytest.raises(UsageError, match="(?s)test.prototxt.*which is not NET.*also=FILE"):
        residual(net, weights, tmp_path / "out", solver=tmp_path / "s.prototxt")
    residual(
        net, weights, tmp_path / "out", solver=tmp_path / "s.prototxt", also=(tmp_path / "test.prototxt",), as_path="d"
    )
    text = (tmp_path / "out" / "solver.prototxt").read_text()
    assert text.startswith('train_net: "d/net.prototxt"\ntest_net: "d/test.prototxt"\n')
