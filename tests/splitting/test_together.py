"""Layers split in one run, whose splits are made at once where they can be: the same files as one split after the other."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from split_surgery import apply, extension, residual
from split_surgery.documents.edit.protobuf_schema import message_class
from split_surgery.errors import SurgeryError
from split_surgery.splitting import together
from split_surgery.splitting.choose_layers import candidates
from tests.support.nets import blob, net_of, random_weights
from tests.support.random_surgery import random_net

CHAIN = 'input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }\n' + "".join(
    f'layer {{ name: "c{at}" type: "Convolution" bottom: "{f"c{at - 1}" if at else "data"}" top: "c{at}" '
    f"convolution_param {{ num_output: 3 kernel_size: 3 pad: 1 }} }}{' ' if at % 2 else '  # a comment'}\n"
    for at in range(6)
)


def one_after_the_other(monkeypatch):
    monkeypatch.setattr(together.Together, "_beside", lambda *arguments: None)


@pytest.fixture
def edits(monkeypatch):
    """How many splits were made at once, each time that files were edited."""
    found, good = [], together.edited_files
    monkeypatch.setattr(
        together, "edited_files", lambda files, splits: found.append(len(splits)) or good(files, splits)
    )
    return found


def outcome(verb, *arguments, directory, **options):
    """The bytes of all files that a split writes, and what it says; or why it refuses."""
    try:
        report = verb(*arguments, output=directory, **options)
    except SurgeryError as error:
        return str(error).replace(str(directory), "")
    files = {path.name: path.read_bytes() for path in sorted(directory.iterdir())}
    return files, [split.to_dict() for split in report.splits], report.warnings


def chain(tmp_path, text=CHAIN):
    net = tmp_path / "chain.prototxt"
    net.write_text(text)
    weights = tmp_path / "chain.caffemodel"
    weights.write_bytes(random_weights(net_of(net)))
    return net, weights


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("verb", [residual, extension], ids=lambda verb: verb.__name__)
def test_layers_of_nets_drawn_at_random(tmp_path, monkeypatch, verb, seed):
    path, weights = random_net(tmp_path, Random(seed))
    layers = candidates(net_of(path), frozenset())
    arguments, options = (path, weights), {"layer": layers} | ({"even_center": "both"} if verb is residual else {})
    at_once = outcome(verb, *arguments, directory=tmp_path / "at_once", **options)
    assert (layers, len(at_once[1])) == (["c1", "c2"], 2)
    one_after_the_other(monkeypatch)
    assert at_once == outcome(verb, *arguments, directory=tmp_path / "one_by_one", **options)


def test_layers_of_a_chain_are_split_at_once(tmp_path, monkeypatch, edits):
    names = ["c3", "c0", "c1", "c5", "c2", "c4"]
    at_once = outcome(residual, *chain(tmp_path), directory=tmp_path / "at_once", layer=names)
    assert max(edits) == sum(edits) == 6
    one_after_the_other(monkeypatch)
    assert at_once == outcome(residual, *chain(tmp_path), directory=tmp_path / "one_by_one", layer=names)
    assert edits[-6:] == [1] * 6


def test_history_of_layers_that_are_split_at_once(tmp_path, monkeypatch, edits):
    net, weights = chain(tmp_path)
    state = message_class("SolverState")(iter=10, current_step=1, learned_net=str(weights))
    draw = np.random.RandomState(2)
    for _ in range(6):
        for shape in ((3, 3, 3, 3), (3,)):
            blob(state.history.add(), draw.standard_normal(shape).astype(np.float32))
    path = tmp_path / "chain.solverstate"
    path.write_bytes(state.SerializeToString())
    options = {"layer": ["c4", "c1"], "solverstate": path, "as_path": "d"}
    at_once = outcome(residual, net, weights, directory=tmp_path / "at_once", **options)
    assert max(edits) == 2
    assert "net.solverstate" in at_once[0]
    one_after_the_other(monkeypatch)
    assert at_once == outcome(residual, net, weights, directory=tmp_path / "one_by_one", **options)


def config(tmp_path, *layers):
    path = tmp_path / "config.yaml"
    path.write_text("recipe: residual\nlayers:\n" + "".join(f"  - {{layer: {name}}}\n" for name in layers))
    return path


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (["c0", "c1", "c2"], [3]),
        (["c0", "c0_split2", "c2"], [1, 2]),  # a new layer is split again
        (["c0", "auto:1"], [1]),  # nothing decides: refused, once the first is split
        (["c0", "c0"], [1]),  # refused: it was split before
        (["c0", "c1", "none"], [2]),  # refused: there is none
    ],
)
def test_a_config_of_several_layers(tmp_path, monkeypatch, edits, layers, expected):
    net, weights = chain(tmp_path)
    arguments = (config(tmp_path, *layers), net, weights)
    at_once = outcome(apply, *arguments, directory=tmp_path / "at_once")
    assert [count for count in edits if count] == expected
    one_after_the_other(monkeypatch)
    assert at_once == outcome(apply, *arguments, directory=tmp_path / "one_by_one")


def test_a_name_that_two_layers_would_make(tmp_path, monkeypatch):
    """What is refused of layers one after the other is refused of layers at once."""
    net, weights = chain(tmp_path, CHAIN.replace('"c1"', '"c0_x"'))
    path = tmp_path / "config.yaml"
    path.write_text("recipe: residual\nlayers:\n  - {layer: c0, names: {split1: x_split1}}\n  - {layer: c0_x}\n")
    at_once = outcome(apply, path, net, weights, directory=tmp_path / "at_once")
    assert 'the new layer "c0_x_split1" would have the name of what' in at_once
    one_after_the_other(monkeypatch)
    assert at_once == outcome(apply, path, net, weights, directory=tmp_path / "one_by_one")
