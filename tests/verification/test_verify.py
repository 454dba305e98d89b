"""verify must catch what can go wrong with a derived net: each fault is planted and must be named."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from split_surgery import extension, fold, residual, skip, verify
from split_surgery.errors import SurgeryError, UsageError
from tests.support.caffe_proto import message_class
from tests.support.linear_nets import FOR_OPENCV, SHAPES_FOR_OPENCV, inner_product, model_of, write_net
from tests.support.nets import CONV, TINY, blob, conv_arrays, tiny_weights, write_tiny
from tests.support.nets import weights as weights_of


@pytest.fixture
def derived(tmp_path):
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    return net, weights, tmp_path / "out"


def change_weights(out, edit):
    net = message_class("NetParameter")()
    net.ParseFromString((out / "net.caffemodel").read_bytes())
    edit({layer.name: layer for layer in net.layer}, net)
    (out / "net.caffemodel").write_bytes(net.SerializeToString())


def test_a_good_split_passes(derived):
    report = verify(*derived, max_drift=0)
    assert report.problems == ()
    (block,) = report.blocks
    assert (block.layer, block.exact, block.drift, block.largest) == ("conv1_1", True, 0.0, 0.0)
    assert block.members == tuple(
        sorted(f"conv1_1_{role}" for role in ("split1", "split2", "split2_extension", "concat", "reorder"))
    )
    statuses = {row.layer: row.status for row in report.coverage}
    assert statuses["conv1_1_reorder"] == statuses["ip"] == "copied"
    assert statuses["relu1_1"] == statuses["conv1_1_concat"] == "none"


def drop(name):
    return lambda layers, net: net.layer.remove(layers[name])


def swap(layers, _net):
    data = layers["conv1_1_reorder"].blobs[0].data
    data[0], data[1] = data[1], data[0]


def nudge(layers, _net):
    layers["ip"].blobs[0].data[5] += 1


def widen(layers, _net):
    del layers["conv1_1_split1"].blobs[1].data[:]
    layers["conv1_1_split1"].blobs[1].shape.dim[0] = 5
    layers["conv1_1_split1"].blobs[1].data.extend([0.0] * 5)


@pytest.mark.parametrize(
    ("edit", "problems"),
    [
        (drop("conv1_1_split2"), ["conv1_1_split2: unfilled", "conv1_1: the block in its place cannot be folded"]),
        (drop("ip"), ["ip: unfilled", "ip: differs outside"]),
        (swap, ["conv1_1: drift"]),
        (nudge, ["ip: differs outside the split layers (weights)"]),
        (widen, ["conv1_1_split1: mismatch", "conv1_1: the block in its place cannot be folded"]),
    ],
)
def test_faults_in_the_weights_are_caught(derived, edit, problems):
    change_weights(derived[2], edit)
    report = verify(*derived, max_drift=0)
    assert report.exit_code == 1
    for problem in problems:
        assert any(found.startswith(problem) for found in report.problems), report.problems


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("num_output: 4", "num_output: 4 bias_term: false", "ip: differs outside the split layers (text)"),
        ('name: "relu1_1"', 'name: "relu"', "relu1_1: differs outside the split layers (missing)"),
    ],
)
def test_faults_in_the_text_are_caught(derived, old, new, problem):
    text = (derived[2] / "net.prototxt").read_text()
    (derived[2] / "net.prototxt").write_text(text.replace(old, new))
    assert problem in verify(*derived).problems


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("concat_param { axis: 1 }", "concat_param { axis: 2 }", "axis is not 1"),
        ('bottom: "conv1_1_split1"\n', 'bottom: "nosuch"\n', 'nothing in the block makes "nosuch"'),
        (
            "num_output: 6\n    kernel_size: 1",
            "num_output: 6\n    kernel_size: 1\n    stride: 2",
            "has another geometry",
        ),
        (
            'top: "conv1_1_split2"\n  convolution_param {',
            'top: "conv1_1_split2"\n  convolution_param {\n    stride: 2',
            "slide otherwise",
        ),
        (
            'layer {\n  name: "conv1_1_concat"',
            'layer { name: "r" type: "ReLU" bottom: "conv1_1_split2" top: "conv1_1_split2" }\nlayer {\n  name: "conv1_1_concat"',
            "works in place inside the block",
        ),
        (
            'bottom: "conv1_1_split2"\n  top: "conv1_1_split2_extension"',
            'bottom: "conv1_1_concat"\n  top: "conv1_1_split2_extension"',
            "leads back",
        ),
    ],
)
def test_blocks_that_are_not_understood(derived, old, new, message):
    text = (derived[2] / "net.prototxt").read_text()
    assert old in text
    (derived[2] / "net.prototxt").write_text(text.replace(old, new, 1))
    report = verify(*derived)
    assert report.exit_code == 1
    assert any("cannot be folded" in problem and message in problem for problem in report.problems), report.problems


def test_eltwise_coefficients_are_not_ignored(tmp_path):
    """residual_post weighs twice now, so the block has moved further from the layer; and a missing coefficient is a fault."""
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "out")
    text = (tmp_path / "out" / "net.prototxt").read_text()
    before = verify(net, weights, tmp_path / "out").blocks[0].drift
    (tmp_path / "out" / "net.prototxt").write_text(text.replace("operation: SUM", "operation: SUM coeff: 1 coeff: 2"))
    assert 1.5 * before < verify(net, weights, tmp_path / "out").blocks[0].drift < 2.5 * before
    (tmp_path / "out" / "net.prototxt").write_text(text.replace("operation: SUM", "operation: SUM coeff: 2"))
    problem, prescribed = verify(net, weights, tmp_path / "out").problems
    assert "has 1 coefficients for 2 bottoms" in problem
    assert prescribed == "conv1_1_split2_residual_sum: is not the layer that split.yaml prescribes"


def test_unknown_types_are_no_pass(tmp_path):
    text = TINY + 'layer { name: "odd" type: "ForkSpecial" bottom: "ip" top: "odd" }\n'
    net, weights = write_tiny(tmp_path, text)
    residual(net, weights, tmp_path / "out")
    report = verify(net, weights, tmp_path / "out")
    assert (report.problems, report.notes) == ((), ("not known in the baseline, either: odd",))
    (problem,) = verify(net, weights, tmp_path / "out", strict=True).problems
    assert problem.startswith("odd: unknown: which blobs Caffe makes for it is not known")
    # A new layer of an unknown type is no note: the baseline says nothing of it.
    written = tmp_path / "out" / "net.prototxt"
    written.write_text(written.read_text() + 'layer { name: "new" type: "ForkSpecial" bottom: "odd" top: "new" }\n')
    assert any(problem.startswith("new: unknown") for problem in verify(net, weights, tmp_path / "out").problems)


def test_records_that_no_layer_takes_are_information(derived):
    """Caffe passes them over with a line in its log."""

    def leftover(_layers, net):
        blob(net.layer.add(name="leftover", type="Convolution").blobs.add(), np.zeros(3))
        net.layer.add(name="quiet", type="ReLU", bottom=["ip"], top=["ip"])

    change_weights(derived[2], leftover)
    report = verify(*derived, max_drift=0)
    assert (report.problems, report.ignored) == ((), ("leftover",))


def test_silently_unfilled_layers_of_the_baseline_itself(tmp_path):
    text = TINY + 'layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "bn" }\n'
    net, weights = write_tiny(tmp_path, text)
    residual(net, weights, tmp_path / "out")
    assert [row.layer for row in verify(net, weights, tmp_path / "out").coverage if row.status == "unfilled"] == ["bn"]


def test_drift_is_reported_and_limited(tmp_path):
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "out")
    drift = verify(net, weights, tmp_path / "out").blocks[0].drift
    assert 0.1 < drift < 2
    assert verify(net, weights, tmp_path / "out", max_drift=drift * 1.01).problems == ()
    assert "drift" in verify(net, weights, tmp_path / "out", max_drift=drift * 0.99).problems[0]


def test_trained_nets_take_the_newest_snapshot(derived):
    net, weights, out = derived
    for iteration, edit in ((50, nudge), (200, swap)):
        saved = (out / "net.caffemodel").read_bytes()
        change_weights(out, edit)
        change_weights(out, nudge)
        (out / f"net_iter_{iteration}.caffemodel").write_bytes((out / "net.caffemodel").read_bytes())
        (out / "net.caffemodel").write_bytes(saved)
    report = verify(net, weights, out, trained=True)
    assert report.problems == ()
    assert not report.blocks[0].exact, "iteration 200, which has swapped channels"
    assert [(change.layer, change.part) for change in report.changed] == [("ip", "weights")]
    assert report.changed[0].drift == pytest.approx(1 / np.sqrt(4 * 6 * 64))
    (out / "other_iter_9.caffemodel").write_bytes(b"")
    with pytest.raises(UsageError, match="snapshots of several runs \\(net, other\\)"):
        verify(net, weights, out, trained=True)


def test_two_files_instead_of_a_directory(derived):
    net, weights, out = derived
    assert verify(net, weights, (out / "net.prototxt", out / "net.caffemodel"), max_drift=0).problems == ()


def test_a_net_against_itself_has_no_blocks(tmp_path):
    net, weights = write_tiny(tmp_path)
    report = verify(net, weights, (net, weights))
    assert (report.blocks, report.changed, report.problems) == ((), (), ())


def test_legacy_shapes_are_compared_as_caffe_does(tmp_path):
    net, weights = write_tiny(tmp_path, TINY, tiny_weights(legacy=True))
    extension(net, weights, tmp_path / "out", noise=0)
    assert verify(net, weights, tmp_path / "out", max_drift=0).problems == ()


def test_nested_and_several_splits_are_held_against_any_ancestor(tmp_path):
    text = TINY + CONV.replace('"conv1_1"', '"conv2"')
    more = weights_of([("conv2", "Convolution", ["data"], ["conv2"], conv_arrays(seed=4), None)])
    net, weights = write_tiny(tmp_path, text, tiny_weights() + more)
    extension(net, weights, tmp_path / "one", layer=("conv1_1", "conv2"), noise=0)
    extension(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_split1", noise=0)
    residual(tmp_path / "two", None, tmp_path / "three", layer="conv2_split2")
    one, two = ((tmp_path / name / "net.prototxt", tmp_path / name / "net.caffemodel") for name in ("one", "two"))
    for base, derived, layers in (
        ((net, weights), "two", {"conv1_1", "conv2"}),
        (one, "two", {"conv1_1_split1"}),
        (two, "three", {"conv2_split2"}),
        ((net, weights), "three", {"conv1_1", "conv2"}),
    ):
        report = verify(*base, tmp_path / derived, engine="opencv")
        assert report.problems == ()
        assert {block.layer for block in report.blocks} == layers
        assert all(block.exact for block in report.blocks) == (derived == "two")
        tree = report.to_dict()
        assert tree["passed"]
        assert {row["blob"] for row in tree["outputs"]} >= layers | {"ip"}


@pytest.mark.parametrize("verb", [residual, extension, skip])
def test_a_fold_is_held_against_what_it_was_made_of(tmp_path, verb):
    net, weights = write_tiny(tmp_path)
    verb(net, weights, tmp_path / "one")
    verb(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_split2")
    fold(tmp_path / "two", None, tmp_path / "back")
    two = (tmp_path / "two" / "net.prototxt", tmp_path / "two" / "net.caffemodel")
    report = verify(*two, tmp_path / "back", max_drift=0, engine="opencv")
    (block,) = report.blocks
    assert (report.problems, block.layer, block.folded, block.exact) == ((), "conv1_1", True, True)
    assert len(block.members) >= 9
    change_weights(tmp_path / "back", lambda layers, _net: layers["conv1_1"].blobs[0].data.__setitem__(7, 3.0))
    assert verify(*two, tmp_path / "back", max_drift=0).problems[0].startswith("conv1_1: drift")
    change_weights(tmp_path / "back", nudge)
    assert "ip: differs outside the split layers (weights)" in verify(*two, tmp_path / "back").problems


def test_what_all_has_folded_is_held_against_its_regions(tmp_path):
    base = write_net(tmp_path, FOR_OPENCV, model_of(FOR_OPENCV, SHAPES_FOR_OPENCV))
    fold(*base, tmp_path / "out", all=True)
    report = verify(*base, tmp_path / "out", max_drift=0, engine="opencv")
    assert (report.problems, report.changed) == ((), ())
    assert {block.layer: len(block.members) for block in report.blocks} == {
        "c1": 3,
        "c2a": 4,
        "c3b": 3,
        "c4a": 4,
        "ip5": 3,
    }
    assert {row.status for row in report.coverage} == {"copied", "none"}
    change_weights(tmp_path / "out", lambda layers, _net: layers["c1"].blobs[1].data.__setitem__(2, 9.0))
    assert [problem.split(":")[0] for problem in verify(*base, tmp_path / "out", max_drift=0).problems] == ["c1"]
    text = (tmp_path / "out" / "net.prototxt").read_text()
    (tmp_path / "out" / "net.prototxt").write_text(text.replace("dilation: 2", "dilation: 1"))
    assert any("c2a: the block in its place" in problem for problem in verify(*base, tmp_path / "out").problems)


def test_folded_chains_of_inner_products_are_covered(tmp_path):
    text = (
        'input: "data" input_shape { dim: 2 dim: 6 }\n' + inner_product("i1", "data", 8) + inner_product("i2", "i1", 3)
    )
    base = write_net(tmp_path, text, model_of(text, {"i1": [(8, 6), (8,)], "i2": [(3, 8), (3,)]}))
    assert [region.layer for region in fold(*base, tmp_path / "out", all=True).regions] == ["i1"]
    assert verify(*base, tmp_path / "out", max_drift=0).problems == ()


def test_only_our_errors_leave(derived):
    net, weights, out = derived
    whole = (out / "net.caffemodel").read_bytes()
    for size in range(0, len(whole), 13):
        (out / "net.caffemodel").write_bytes(whole[:size])
        with contextlib.suppress(SurgeryError):
            assert verify(net, weights, out).exit_code == 1


def test_nan_never_passes(derived):
    def poison(layers, _net):
        layers["conv1_1_reorder"].blobs[0].data[3] = float("nan")

    change_weights(derived[2], poison)
    for options in ({}, {"max_drift": 0.5}, {"engine": "opencv"}):
        report = verify(*derived, **options)
        assert "conv1_1: the folded block holds NaN or infinity" in report.problems
    assert "output ip: holds NaN or infinity" in report.problems


def test_a_diverged_training_does_not_pass(derived):
    def poison(layers, _net):
        layers["ip"].blobs[0].data[3] = float("nan")

    whole = (derived[2] / "net.caffemodel").read_bytes()
    change_weights(derived[2], poison)
    (derived[2] / "net_iter_9.caffemodel").write_bytes((derived[2] / "net.caffemodel").read_bytes())
    (derived[2] / "net.caffemodel").write_bytes(whole)
    assert "ip: holds NaN or infinity" in verify(*derived, trained=True).problems


def concat_to_the_end(text):
    start, stop = text.index('layer {\n  name: "conv1_1_concat"'), text.index('layer {\n  name: "relu1_1"')
    return text[:start] + text[stop:] + text[start:stop]


def relu_to_the_front(text):
    start, stop = text.index('layer {\n  name: "relu1_1"'), text.index('layer {\n  name: "ip"')
    first = text.index('layer {\n  name: "conv1_1_split1"')
    return text[:first] + text[start:stop] + text[first:start] + text[stop:]


def into_split1(line):
    return lambda text: text.replace('  top: "conv1_1_split1"\n', f'  top: "conv1_1_split1"\n  {line}\n', 1)


def tied(text):
    for role in ("split1", "split2"):
        text = text.replace(f'  top: "conv1_1_{role}"\n', f'  top: "conv1_1_{role}"\n  param {{ name: "w" }}\n', 1)
    return text


def duplicated(text):
    start, stop = text.index('layer {\n  name: "conv1_1_split1"'), text.index('layer {\n  name: "conv1_1_split2"')
    return text[:stop] + text[start:stop] + text[stop:]


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (into_split1("convolution_param { is_relu: true }"), "is_relu is not a field of Caffe's convolution"),
        (into_split1("include { phase: TRAIN }"), 'nothing in the block makes "conv1_1_split1"'),
        (lambda text: text.replace('  top: "conv1_1_', '  exclude { phase: TEST }\n  top: "conv1_1_'), "nothing in the block makes"),
        (tied, 'conv1_1_split1: mismatch: its parameter "w" is tied'),
        (duplicated, 'makes "conv1_1_split1", which is made already'),
        (concat_to_the_end, 'reads "conv1_1", which nothing before it makes'),
        (relu_to_the_front, 'reads "conv1_1", which nothing before it makes'),
        (lambda text: text.replace('name: "tiny"', 'name: "tiny" force_backward: true'), "fields of the net itself"),
    ],
)  # fmt: skip
def test_derived_texts_that_compute_something_else(derived, edit, problem):
    text = (derived[2] / "net.prototxt").read_text()
    assert edit(text) != text
    (derived[2] / "net.prototxt").write_text(edit(text))
    try:
        found = " ".join(verify(*derived).problems)
    except SurgeryError as error:
        found = str(error)
    assert problem in found


def test_moved_layers_are_seen(tmp_path):
    more = 'layer { name: "s" type: "Sigmoid" bottom: "ip" top: "ip" }\nlayer { name: "t" type: "TanH" bottom: "ip" top: "ip" }\n'
    net, weights = write_tiny(tmp_path, TINY + more)
    extension(net, weights, tmp_path / "out", noise=0)
    text = (tmp_path / "out" / "net.prototxt").read_text()
    first, second = more.splitlines()
    (tmp_path / "out" / "net.prototxt").write_text(text.replace(more, f"{second}\n{first}\n"))
    assert verify(net, weights, tmp_path / "out").problems == (
        "s: differs outside the split layers (order of the layers)",
    )


def test_caffes_own_split_records_do_not_count(derived):
    def add(_layers, net):
        net.layer.add(name="data_data_0_split", type="Split")

    change_weights(derived[2], add)
    assert verify(*derived).problems == ()


def test_nothing_split_is_no_pass_under_max_drift(tmp_path):
    net, weights = write_tiny(tmp_path)
    assert "no layer of the baseline was split" in verify(net, weights, (net, weights), max_drift=0).problems[0]
    with pytest.raises(UsageError, match="a directory, or two files"):
        verify(net, weights, (net,))
