"""V1 `layers`, in the prototxt, in the weights, or in one of them; and several nets in one solver."""

from __future__ import annotations

import pytest

from split_surgery import extension, residual, verify
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.wire import Buffer
from split_surgery.errors import FileError, UsageError
from tests.support.fixture_nets import INSIDE, solver_case
from tests.support.nets import CONV, DATA, TINY, random_weights, read_weights, tiny_weights, write_tiny
from tests.support.paths import FIXTURES

V1 = (FIXTURES / "v1_layers.prototxt").read_text()
MODERN = (FIXTURES / "plain.prototxt").read_text()


@pytest.mark.parametrize("text", [V1, MODERN], ids=["v1 text", "new text"])
@pytest.mark.parametrize("v1_weights", [True, False])
@pytest.mark.parametrize("verb", [residual, extension])
def test_text_and_weights_each_keep_their_form(tmp_path, text, v1_weights, verb):
    net, weights = write_tiny(tmp_path, text)
    parsed = Net(Document(text.encode(), "net"))
    weights.write_bytes(random_weights(parsed, v1=v1_weights))
    verb(net, weights, tmp_path / "out", noise=0)
    derived = Net(Document((tmp_path / "out" / "net.prototxt").read_bytes(), "net"))
    assert {layer.v1 for layer in derived.layers} == {text is V1}
    model = Caffemodel(Buffer((tmp_path / "out" / "net.caffemodel").read_bytes()))
    assert {record.v1 for record in model.layers} == {v1_weights}
    assert [record.type for record in model.layers][-2:] == ["Concat", "Convolution"]
    assert verify(net, weights, tmp_path / "out").problems == ()


def test_the_fields_of_v1(tmp_path):
    net, weights = write_tiny(tmp_path, V1)
    weights.write_bytes(random_weights(Net(Document(V1.encode(), "net")), v1=True))
    residual(net, weights, tmp_path / "out")
    text = (tmp_path / "out" / "net.prototxt").read_text()
    assert text.count("type: CONVOLUTION") == text.count("blobs_lr: 2") == text.count("weight_decay: 0") == 5
    assert "type: ELTWISE" in text
    assert "type: CONCAT" in text
    assert "concat_param" not in text, "its axis is younger than V1"
    records = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
    assert [records[f"conv1_1_{role}"][0].type for role in ("split1", "split2_residual_sum", "concat")] == [4, 25, 3]


def test_a_frozen_v1_layer_is_named(tmp_path):
    text = V1.replace("blobs_lr: 1", "blobs_lr: 0").replace("blobs_lr: 2", "blobs_lr: 0")
    net, weights = write_tiny(tmp_path, text)
    weights.write_bytes(random_weights(Net(Document(text.encode(), "net")), v1=True))
    assert any("is frozen" in warning for warning in residual(net, weights, tmp_path / "out").warnings)


def test_all_nets_inside_a_solver_are_edited(tmp_path):
    solver, weights = solver_case(tmp_path, INSIDE)
    extension(solver, weights, tmp_path / "out", noise=0)
    nets = Prototxt(Document((tmp_path / "out" / "solver.prototxt").read_bytes(), "solver")).nets
    assert [len(net.layers) for net in nets] == [6, 6]
    assert [net.named("conv1_1_reorder")[0].tops for net in nets] == [("conv1_1",)] * 2
    alone = Net(Document((tmp_path / "out" / "net.prototxt").read_bytes(), "net"))
    assert [layer.name for layer in alone.layers] == [layer.name for layer in nets[0].layers]
    assert verify(solver, weights, tmp_path / "out").problems == ()
    assert extension(solver, weights, tmp_path / "out", noise=0).status == "unchanged"


def test_a_solver_that_names_its_train_net_and_holds_its_test_net(tmp_path):
    text = 'train_net: "base.prototxt"\ntest_net_param {\n' + INSIDE[INSIDE.index("test_net_param {\n") + 17 :]
    solver, weights = solver_case(tmp_path, text)
    with pytest.raises(UsageError, match="only names its net"):
        residual(solver, weights, tmp_path / "out")
    net, _ = write_tiny(tmp_path, DATA + CONV, weights.read_bytes())
    residual(net, weights, tmp_path / "out", solver=solver, as_path="d")
    written = (tmp_path / "out" / "solver.prototxt").read_text()
    assert 'train_net: "d/net.prototxt"' in written
    assert written.count("conv1_1_reorder") == 1


def test_a_test_net_without_the_layer_stays(tmp_path):
    other = (
        INSIDE[: INSIDE.index("test_net_param")]
        + 'test_net_param { layer { name: "other" type: "Silence" bottom: "x" } }\n'
    )
    solver, weights = solver_case(tmp_path, other)
    residual(solver, weights, tmp_path / "out")
    assert 'test_net_param { layer { name: "other"' in (tmp_path / "out" / "solver.prototxt").read_text()


def test_a_test_net_with_another_geometry_is_refused(tmp_path):
    at = INSIDE.index("test_net_param")
    solver, weights = solver_case(tmp_path, INSIDE[:at] + INSIDE[at:].replace("pad: 1", "pad: 0"))
    with pytest.raises(FileError, match="differs in geometry from the layer at"):
        residual(solver, weights, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.caffemodel", "solver.prototxt"]


def test_weights_of_both_forms_are_refused(tmp_path):
    net, weights = write_tiny(tmp_path, TINY)
    both = tiny_weights() + random_weights(Net(Document(V1.encode(), "net")), v1=True)
    weights.write_bytes(both)
    with pytest.raises(FileError, match=r"base.caffemodel@0x\w+: layers\[\d\]: holds both"):
        residual(net, weights, tmp_path / "out")
