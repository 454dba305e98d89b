"""Carrying a solver's history over: what is refused, and faults that must be stopped. (test_resume.py trains on with it.)"""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from split_surgery import extension, residual
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.prototxt import Document
from split_surgery.errors import Defect, FileError, SurgeryError, UsageError
from split_surgery.splitting import edited_files
from split_surgery.splitting.history import solver_type, train_state
from tests.support.caffe_proto import message_class
from tests.support.hdf5_files import tiny_layers, write_h5
from tests.support.nets import CONV, DATA, TAIL, blob, conv_arrays, write_tiny

SHAPES = [(6, 3, 3, 3), (6,), (4, 384), (4,)]


def state_bytes(shapes=SHAPES, runs=1, iteration=10, learned_net="base_iter_10.caffemodel", legacy=False):
    """A solver state, by protobuf."""
    draw = np.random.RandomState(5)
    state = message_class("SolverState")(iter=iteration, current_step=1)
    if learned_net:
        state.learned_net = learned_net
    for _ in range(runs):
        for shape in shapes:
            blob(state.history.add(), draw.standard_normal(shape).astype(np.float32), legacy=legacy)
    return state.SerializeToString()


def parsed(data):
    state = message_class("SolverState")()
    state.ParseFromString(data)
    return state


def case(tmp_path, state=None, text=None):
    net, weights = write_tiny(tmp_path, text or DATA + CONV + TAIL)
    path = tmp_path / "base_iter_10.solverstate"
    path.write_bytes(state if state is not None else state_bytes())
    return net, weights, path


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("legacy", [False, True])
def test_only_the_layers_history_changes(tmp_path, runs, legacy):
    data = state_bytes(runs=runs, legacy=legacy)
    net, weights, path = case(tmp_path, data)
    report = residual(net, weights, tmp_path / "out", solverstate=path, as_path="d")
    old, new = parsed(data), parsed((tmp_path / "out" / "net.solverstate").read_bytes())
    assert (new.iter, new.current_step, new.learned_net) == (10, 1, "d/net.caffemodel")
    assert len(new.history) == runs * (10 + 2)
    for run in range(runs):
        was, now = old.history[4 * run :][:4], new.history[12 * run :][:12]
        rows = np.array(was[0].data, np.float32).reshape(6, 27)[list(report.layer.fast)]
        assert np.array(now[0].data, np.float32).tobytes() == rows.tobytes()
        assert not any(any(moved.data) for moved in now[4:10])
        assert [moved.SerializeToString() for moved in now[10:]] == [kept.SerializeToString() for kept in was[2:]]
    plan = yaml.safe_load((tmp_path / "out" / "split.yaml").read_text())
    assert plan["solverstate"] == {"file": path.name, "bytes": len(data)}
    assert path.read_bytes() == data


def test_a_state_without_learned_net_is_given_one(tmp_path):
    net, weights, path = case(tmp_path, state_bytes(learned_net=""))
    residual(net, weights, tmp_path / "out", solverstate=path, as_path="d")
    assert parsed((tmp_path / "out" / "net.solverstate").read_bytes()).learned_net == "d/net.caffemodel"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (state_bytes(SHAPES[:3]), r"holds 3 history blobs, but the TRAIN net has 4 learnable parameters"),
        (state_bytes(SHAPES * 3), r"holds 12 history blobs"),
        (
            state_bytes([SHAPES[0], (7,), *SHAPES[2:]]),
            r'history\[1\] has shape \(7,\), but belongs to blob 1 of layer "conv1_1"',
        ),
        (b"", "holds no history"),
        (b"net: 'x'\n" * 20, "base_iter_10.solverstate: is plain text"),
        (state_bytes()[:-5], "runs 3 bytes past the end"),
    ],
)
def test_states_that_do_not_fit(tmp_path, state, message):
    net, weights, path = case(tmp_path, state)
    with pytest.raises(FileError, match=message):
        residual(net, weights, tmp_path / "out", solverstate=path)
    assert not (tmp_path / "out").exists()


def test_a_state_of_another_iteration_is_refused(tmp_path):
    net, weights, path = case(tmp_path, state_bytes(iteration=20))
    weights = weights.rename(tmp_path / "base_iter_10.caffemodel")
    with pytest.raises(UsageError, match=r"is of iteration 20, and .* of 10"):
        residual(net, weights, tmp_path / "out", solverstate=path)


def test_a_state_of_another_kind_of_solver_is_refused(tmp_path):
    net, weights, path = case(tmp_path)
    (tmp_path / "solver.prototxt").write_text('net: "base.prototxt"\ntype: "Adam"\n')
    with pytest.raises(FileError, match="but a solver of type Adam keeps 2"):
        residual(net, weights, tmp_path / "out", solver=tmp_path / "solver.prototxt", solverstate=path)


def test_layers_of_unknown_size_are_refused(tmp_path):
    unknown = 'layer { name: "odd" type: "SomeForksLayer" bottom: "ip" top: "odd" }\n'
    net, weights, path = case(tmp_path, state_bytes([*SHAPES, (5,)]), text=DATA + CONV + TAIL + unknown)
    with pytest.raises(FileError, match='says nothing of layer "odd"'):
        residual(net, weights, tmp_path / "out", solverstate=path)


def test_only_layers_of_the_train_net_count(tmp_path):
    test_only = CONV.replace("conv1_1", "extra").replace(
        "  convolution_param", "  include { phase: TEST }\n  convolution_param"
    )
    net, weights, path = case(tmp_path, text=DATA + CONV + test_only + TAIL)
    extension(net, weights, tmp_path / "out", layer="conv1_1", solverstate=path)
    assert len(parsed((tmp_path / "out" / "net.solverstate").read_bytes()).history) == 8 + 2


@pytest.mark.parametrize(
    "fault",
    [
        lambda replaced: {key: arrays[::-1] for key, arrays in replaced.items()},
        lambda replaced: {key: arrays[1:] for key, arrays in replaced.items()},
        lambda replaced: {key + 2: arrays for key, arrays in replaced.items()},
        lambda replaced: {},
    ],
)
def test_planted_faults_are_stopped(tmp_path, monkeypatch, fault):
    good = edited_files.carried_over
    monkeypatch.setattr(edited_files, "carried_over", lambda *arguments: fault(good(*arguments)))
    net, weights, path = case(tmp_path)
    with pytest.raises(Defect):
        residual(net, weights, tmp_path / "out", solverstate=path)
    assert not (tmp_path / "out").exists()


def test_the_state_in_which_caffe_trains():
    net = Net(Document(('state { level: 2 stage: "a" }\n' + DATA).encode(), "net"))
    solver = Document(b'train_state { stage: "b" }\n', "solver")
    assert train_state(net, None) == State("TRAIN", 2, frozenset("a"))
    assert train_state(net, solver) == State("TRAIN", 2, frozenset("ab"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "SGD"),
        ('type: "Adam"', "Adam"),
        ("solver_type: ADAGRAD", "AdaGrad"),
        ("solver_type: 5", "Adam"),
        ('type: "Forks"', "Forks"),
    ],
)
def test_solver_types(text, kind):
    assert solver_type(Document(text.encode(), "solver")) == kind


def test_every_cut_of_a_state_is_refused_by_our_own_error(tmp_path):
    data = state_bytes([(6, 3, 3, 3), (6,)])
    net, weights, path = case(tmp_path, text=DATA + CONV)
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(SurgeryError):
            residual(net, weights, tmp_path / "out", solverstate=path)


def test_a_frozen_seed_of_history_is_the_same_twice(tmp_path):
    net, weights, path = case(tmp_path)
    for folder in ("a", "b"):
        residual(net, weights, tmp_path / folder, solverstate=path, as_path="d")
    assert (tmp_path / "a" / "net.solverstate").read_bytes() == (tmp_path / "b" / "net.solverstate").read_bytes()
    assert conv_arrays()[0].shape == SHAPES[0]


def test_binary_states_do_not_go_with_hdf5_weights(tmp_path):
    """Caffe would read the HDF5 file as protobuf, find no layer in it, and train from random weights: seen there."""

    net, _, path = case(tmp_path)
    weights = write_h5(tmp_path / "w.caffemodel.h5", tiny_layers())
    with pytest.raises(UsageError, match="a binary state cannot go with HDF5 weights"):
        residual(net, weights, tmp_path / "out", solverstate=path)


@pytest.mark.parametrize("where", ["also", "inside"])
def test_the_order_is_that_of_the_net_that_the_solver_trains(tmp_path, where):
    """NET may be the deploy net, whose layers stand in another order."""
    other = CONV.replace("conv1_1", "a")
    train, deploy = DATA + other + CONV, DATA + CONV + other
    net, weights = write_tiny(tmp_path, deploy)
    from tests.support.nets import weights as weights_of

    rows = [
        (n, "Convolution", ["data"], [n], conv_arrays(seed=s), {"num_output": 6})
        for s, n in enumerate(("a", "conv1_1"))
    ]
    weights.write_bytes(weights_of(rows))
    state = tmp_path / "s.solverstate"
    state.write_bytes(state_bytes([(6, 3, 3, 3), (6,)] * 2))
    (tmp_path / "train.prototxt").write_text(train)
    solver = 'net: "train.prototxt"\n' if where == "also" else f"net_param {{\n{train}}}\n"
    (tmp_path / "solver.prototxt").write_text(solver)
    also = (tmp_path / "train.prototxt",) if where == "also" else ()
    report = extension(
        net,
        weights,
        tmp_path / "out",
        layer="conv1_1",
        solver=tmp_path / "solver.prototxt",
        also=also,
        solverstate=state,
    )
    old, new = parsed(state.read_bytes()), parsed((tmp_path / "out" / "net.solverstate").read_bytes())
    assert [blob.SerializeToString() for blob in new.history[:2]] == [
        blob.SerializeToString() for blob in old.history[:2]
    ]
    rows_of = np.array(old.history[2].data, np.float32).reshape(6, 27)[list(report.layer.fast)]
    assert np.array(new.history[2].data, np.float32).tobytes() == rows_of.tobytes()


def test_stages_of_the_command_line_are_told_by_the_weights(tmp_path):
    """`caffe train --stage big` is in no file; but Caffe saves every layer of the net that it trains."""
    big = CONV.replace("conv1_1", "x").replace("  convolution_param", '  include { stage: "big" }\n  convolution_param')
    small = CONV.replace("conv1_1", "y").replace(
        "  convolution_param", '  exclude { stage: "big" }\n  convolution_param'
    )
    net, weights = write_tiny(tmp_path, DATA + big + small + CONV)
    from tests.support.nets import weights as weights_of

    rows = [
        (n, "Convolution", ["data"], [n], conv_arrays(seed=s), {"num_output": 6})
        for s, n in enumerate(("x", "conv1_1"))
    ]
    weights.write_bytes(weights_of(rows))
    state = tmp_path / "s.solverstate"
    state.write_bytes(state_bytes([(6, 3, 3, 3), (6,)] * 2))
    extension(net, weights, tmp_path / "out", layer="conv1_1", solverstate=state)
    assert len(parsed((tmp_path / "out" / "net.solverstate").read_bytes()).history) == 2 + 8


def test_a_state_at_the_end_of_the_schedule_is_remarked(tmp_path):
    net, weights, path = case(tmp_path)
    (tmp_path / "solver.prototxt").write_text('net: "base.prototxt"\nmax_iter: 10\n')
    report = extension(net, weights, tmp_path / "out", solver=tmp_path / "solver.prototxt", solverstate=path)
    assert any("max_iter is 10, which the state has reached" in warning for warning in report.warnings)
