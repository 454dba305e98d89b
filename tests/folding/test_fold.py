"""The verb fold: what it undoes, what it leaves, and what a user meets."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import apply, extension, fold, residual, skip, verify
from split_surgery.errors import UsageError
from split_surgery.folding import collapse, compose
from split_surgery.kernels import linear_maps
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import INPUT as RECIPE_INPUT
from split_surgery.splitting.recipes.graph import Channels, Kind, Part, Recipe, Start
from tests.support.caffe_proto import V1_NUMBERS, message_class
from tests.support.fold_laws import LAWS, PLAIN, PLAIN_SHAPES, agree, files, retrained
from tests.support.linear_nets import (
    INPUT,
    batch_norm,
    conv,
    inner_product,
    layer,
    model_of,
    net_of,
    random_arrays,
    relu,
    scale,
    write_net,
)
from tests.support.nets import TINY, read_weights, tiny_weights, write_tiny
from tests.support.nets import weights as weights_of


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("law_"))
def test_the_laws(law, tmp_path):
    law(tmp_path)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("law_"))
def test_the_laws_hold_window_by_window(law, tmp_path, monkeypatch):
    monkeypatch.setattr(compose, "AT_ONCE", 10)
    law(tmp_path)


@pytest.mark.parametrize("verb", [residual, extension, skip], ids=lambda verb: verb.__name__)
def test_windows_change_no_bit(tmp_path, verb, monkeypatch):
    net, model = write_tiny(tmp_path)
    verb(net, model, tmp_path / "out")
    retrained(tmp_path / "out" / "net.caffemodel")
    found, asked, fold_group = [], [], collapse.fold_group
    monkeypatch.setattr(collapse, "fold_group", lambda *given: asked.append(given[-1]) or fold_group(*given))
    for at_once in (compose.AT_ONCE, 100):
        monkeypatch.setattr(compose, "AT_ONCE", at_once)
        report = fold(tmp_path / "out", None, tmp_path / f"folded{at_once}")
        (block,) = verify(net, model, tmp_path / "out").blocks
        folded = (tmp_path / f"folded{at_once}" / "net.caffemodel").read_bytes()
        found.append((folded, report.regions, block.exact, block.largest, pytest.approx(block.drift, rel=1e-12)))
    assert found[0] == found[1]
    assert asked[0].of == 1
    assert {window.of for window in asked[1:]} == {len(asked) - 1}
    assert len(asked) > 2


@pytest.mark.parametrize("verb", [residual, extension, skip], ids=lambda verb: verb.__name__)
@pytest.mark.parametrize("v1", [False, True], ids=["layer", "layers"])
@pytest.mark.parametrize("form", ["float", "double", "legacy"])
def test_every_recipe_in_every_form(tmp_path, verb, v1, form):
    text = TINY
    if v1:
        text = (
            'name: "tiny"\ninput: "data"\ninput_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
            + TINY[TINY.index('layer {\n  name: "conv1_1"') :]
        )
        text = text.replace("layer {", "layers {").replace('"Convolution"', "CONVOLUTION").replace('"ReLU"', "RELU")
        text = text.replace('"InnerProduct"', "INNER_PRODUCT")
    options = {"float": {}, "double": {"dtype": "<f8"}, "legacy": {"legacy": True}}[form]
    model = without_input(tiny_weights(**options)) if not v1 else as_v1(tiny_weights(**options))
    net, weights = write_tiny(tmp_path, text, model)
    verb(net, weights, tmp_path / "out", **({"noise": 0} if verb is extension else {}))
    (region,) = fold(tmp_path / "out", None, tmp_path / "back").regions
    assert (tmp_path / "back" / "net.prototxt").read_bytes() == net.read_bytes()
    if verb is extension:
        assert (tmp_path / "back" / "net.caffemodel").read_bytes() == model
        assert region.error == 0
    else:
        assert 0 < region.error < (1e-14 if form == "double" else 1e-6) * region.largest
    # Untrained, a residual or skip split is another layer than before, and so is its fold.
    changed = ("conv1_1: differs outside the split layers (weights)",)
    assert verify(net, weights, tmp_path / "back").problems == (() if verb is extension else changed)


def without_input(model):
    net = message_class("NetParameter")()
    net.ParseFromString(model)
    del net.layer[0]
    return net.SerializeToString()


def as_v1(model):
    net = message_class("NetParameter")()
    net.ParseFromString(without_input(model))
    for one in net.layer:
        old = net.layers.add(name=one.name, bottom=one.bottom, top=one.top, blobs=one.blobs, type=V1_NUMBERS[one.type])
        if one.HasField("convolution_param"):
            old.convolution_param.CopyFrom(one.convolution_param)
    del net.layer[:]
    return net.SerializeToString()


def test_residual_without_noise_is_the_sum_of_its_parts(tmp_path):
    """W[S] + (surround W[S], plus center W[S] at the centre), worked out here in float64 from the formula."""
    net, weights = write_tiny(tmp_path)
    plan = residual(net, weights, tmp_path / "out", noise=0).layer
    fold(tmp_path / "out", None, tmp_path / "back")
    (_, (w, b)), (_, (now, bias)) = (
        read_weights(p.read_bytes())["conv1_1"] for p in (weights, tmp_path / "back" / "net.caffemodel")
    )
    start = np.float32(1) * (-0.2 * w).astype(np.float32)
    start[:, :, 1, 1] = (-0.2 * w[:, :, 1, 1] + 2.0 * w[:, :, 1, 1]).astype(np.float32)
    wanted = w + start
    assert np.array_equal(now[list(plan.fast)], w[list(plan.fast)])
    assert np.array_equal(now[list(plan.slow)], wanted[list(plan.slow)].astype(np.float32))
    assert np.array_equal(bias, b)


TWINS = """\
layer { name: "data" type: "DummyData" top: "data" include { phase: TRAIN } dummy_data_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "data" type: "DummyData" top: "data" include { phase: TEST } dummy_data_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "c" include { phase: TRAIN } # kept
  param { name: "w" lr_mult: 2 } convolution_param { num_output: 6 kernel_size: 3 } } # this too
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "c" include { phase: TEST }
  param { name: "w" } convolution_param { num_output: 6 kernel_size: 3 } }

# the end of the split layers
layer { name: "relu" type: "ReLU" bottom: "c" top: "c" }
"""


@pytest.mark.parametrize("eol", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_twins_comments_and_line_endings_come_back(tmp_path, eol):
    net, weights = write_tiny(tmp_path, TWINS.replace("\n", eol))
    net.write_bytes(TWINS.replace("\n", eol).encode())
    extension(net, weights, tmp_path / "out", noise=0)
    residual(tmp_path / "out", None, tmp_path / "two", layer="conv1_1_split2")
    assert fold(tmp_path / "two", None, tmp_path / "back").left == ()
    assert (tmp_path / "back" / "net.prototxt").read_bytes() == net.read_bytes()


def test_lists_of_layers_come_back(tmp_path):
    first, rest = TINY.split("layer {", 1)
    parts = [f"{{{part.rstrip()}" for part in rest.split("\nlayer {")]
    text = first + "layer: [" + ", ".join(parts) + "]\n"
    net, weights = write_tiny(tmp_path, text)
    extension(net, weights, tmp_path / "out", noise=0)
    fold(tmp_path / "out", None, tmp_path / "back")
    assert (tmp_path / "back" / "net.prototxt").read_text() == text


def test_a_net_inside_a_solver(tmp_path):
    solver = "base_lr: 0.1\nnet_param {\n" + "".join(f"  {line}\n" for line in TINY.splitlines()) + "}\nmax_iter: 5\n"
    net, weights = write_tiny(tmp_path, solver)
    extension(net, weights, tmp_path / "out", noise=0)
    fold(tmp_path / "out", None, tmp_path / "back")
    kept = [
        line
        for line in (tmp_path / "back" / "solver.prototxt").read_text().splitlines()
        if "snapshot" not in line and "weights" not in line
    ]
    assert kept == solver.splitlines()
    assert (tmp_path / "back" / "net.prototxt").read_text() == TINY


def test_names_of_other_scripts(tmp_path):
    net, weights = write_tiny(tmp_path)
    names = tmp_path / "names.yaml"
    suffixes = {"split1": "a", "split2": "b", "split2_residual_pre": "pre", "split2_residual_post": "post",
                "split2_residual_sum": "sum", "concat": "cat", "reorder": "out"}  # fmt: skip
    names.write_text(
        "recipe: residual\nnames:\n" + "".join(f"  {role}: part_{name}\n" for role, name in suffixes.items())
    )
    apply(names, net, weights, tmp_path / "out")
    fold(tmp_path / "out", None, tmp_path / "told")
    (tmp_path / "out" / "split.yaml").unlink()
    fold(tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel", tmp_path / "untold")
    for folder in ("told", "untold"):
        assert (tmp_path / folder / "net.prototxt").read_bytes() == net.read_bytes()


def test_a_name_that_only_the_plan_knows(tmp_path):
    """The old top is called otherwise, and all suffixes begin alike: the longest common name is not the layer's."""
    text = TINY.replace('top: "conv1_1"', 'top: "x"').replace('bottom: "conv1_1"', 'bottom: "x"')
    net, weights = write_tiny(tmp_path, text)
    names = tmp_path / "names.yaml"
    names.write_text(
        "recipe: extension\nnames: {split1: my_a, split2: my_b, split2_extension: my_c, concat: my_d, reorder: my_e}\n"
    )
    apply(names, net, weights, tmp_path / "out")
    assert fold(tmp_path / "out", None, tmp_path / "told").regions[0].layer == "conv1_1"
    assert (tmp_path / "told" / "net.prototxt").read_bytes() == net.read_bytes()
    (tmp_path / "out" / "split.yaml").unlink()
    given = (tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel")
    assert fold(*given, tmp_path / "guessed").regions[0].layer == "conv1_1_my"
    assert fold(*given, tmp_path / "said", layer="conv1_1").regions[0].layer == "conv1_1"


def test_some_splits_only_and_other_files_too(tmp_path):
    text = PLAIN + conv("conv2", "conv1", num_output=6, kernel_size=1)
    base = write_net(tmp_path, text, model_of(text, PLAIN_SHAPES | {"conv2": [(6, 8, 1, 1), (6,)]}))
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text("# deploy\n" + text)
    extension(*base, tmp_path / "out", layer=("conv1", "conv2"), also=(deploy,), noise=0)
    report = fold(tmp_path / "out", None, tmp_path / "some", layer="conv2")
    assert [region.layer for region in report.regions] == ["conv2"]
    assert report.deploy == ("net.prototxt", "net.caffemodel")
    assert "conv1_split2" in read_weights((tmp_path / "some" / "net.caffemodel").read_bytes())
    fold(
        tmp_path / "some" / "net.prototxt",
        tmp_path / "some" / "net.caffemodel",
        tmp_path / "all",
        also=(tmp_path / "some" / "deploy.prototxt",),
    )
    assert (tmp_path / "all" / "deploy.prototxt").read_bytes() == deploy.read_bytes()
    assert (tmp_path / "all" / "net.caffemodel").read_bytes() == base[1].read_bytes()
    with pytest.raises(UsageError, match='folds into a layer "conv3"'):
        fold(tmp_path / "out", None, tmp_path / "none", layer="conv3")


GROUPED = (
    INPUT
    + layer("conv1", "Convolution", "data", "conv1", "convolution_param { num_output: 8 kernel_size: 3 group: 2 }")
    + relu("conv1")
)


def test_what_will_grow_is_not_worked_out(tmp_path, monkeypatch):
    """A separable pair in one kernel would be nine times as large: its factors' zeros say so, without their product."""
    text = (
        INPUT + conv("dw", "data", num_output=4, group=4, kernel_size=3) + conv("pw", "dw", num_output=8, kernel_size=1)
    )
    base = write_net(tmp_path, text, model_of(text, {"dw": [(4, 1, 3, 3), (4,)], "pw": [(8, 4, 1, 1), (8,)]}))
    multiplied = []
    monkeypatch.setattr(compose, "after", lambda *maps: multiplied.append(maps) or linear_maps.after(*maps))
    (left,) = fold(*base, tmp_path / "left", all=True).left
    assert left.reason.startswith("it would grow: 80 parameters would be 296 and ")
    assert multiplied == []
    assert fold(*base, tmp_path / "larger", all=True, allow_larger=True).parameters == (80, 296)
    assert len(multiplied) == 1


TWIN = Recipe(
    "twin",
    (
        Part("split1", Kind.COPY, (RECIPE_INPUT,), Channels.FAST, Start.ROWS),
        Part("split2", Kind.COPY, (RECIPE_INPUT,), Channels.SLOW, Start.ROWS),
        Part("concat", Kind.CONCAT, ("split1", "split2"), Channels.ALL),
        Part("mix", Kind.POINTWISE, ("concat",), Channels.ALL, Start.IDENTITY),
        Part("reorder", Kind.POINTWISE, ("mix",), Channels.ALL, Start.PERMUTATION),
    ),
)


@pytest.mark.parametrize("layers", [["conv1"], ["conv1", "conv1_split2"]])
def test_a_new_recipe_is_folded_where_split_yaml_names_it(tmp_path, monkeypatch, layers):
    """Its blocks have a structure that nothing knows; also where a part of one is split again."""
    monkeypatch.setitem(RECIPES, TWIN.name, TWIN)
    base = write_net(tmp_path, PLAIN, model_of(PLAIN, PLAIN_SHAPES))
    config = tmp_path / "c.yaml"
    config.write_text("recipe: twin\nnoise: 0\nlayers:\n" + "".join(f"- layer: {layer}\n" for layer in layers))
    apply(config, *base, tmp_path / "out")
    retrained(tmp_path / "out" / "net.caffemodel")
    report = fold(tmp_path / "out", None, tmp_path / "back")
    assert [region.layer for region in report.regions] == ["conv1"]
    assert report.left == ()
    agree(files(tmp_path / "out"), files(tmp_path / "back"), ("relu_conv1", "relu_conv1"))
    assert (tmp_path / "back" / "net.prototxt").read_bytes() == base[0].read_bytes()
    (tmp_path / "out" / "split.yaml").unlink()
    assert fold(*files(tmp_path / "out"), tmp_path / "other").regions == ()


def test_groups_come_back_where_they_are_still_there(tmp_path):
    base = write_net(tmp_path, GROUPED, model_of(GROUPED, {"conv1": [(8, 2, 3, 3), (8,)]}))
    extension(*base, tmp_path / "out", layer="conv1", noise=0)
    fold(tmp_path / "out", None, tmp_path / "back")
    assert (tmp_path / "back" / "net.caffemodel").read_bytes() == base[1].read_bytes()
    retrained(tmp_path / "out" / "net.caffemodel")
    report = fold(tmp_path / "out", None, tmp_path / "left")
    assert report.regions == ()
    assert "it would grow: 244 parameters would be 296" in report.left[0].reason
    fold(tmp_path / "out", None, tmp_path / "larger", allow_larger=True)
    assert "group" not in (tmp_path / "larger" / "net.prototxt").read_text()
    agree(files(tmp_path / "out"), files(tmp_path / "larger"), ("relu_conv1", "relu_conv1"))


def test_hdf5_weights_come_back(tmp_path):
    h5py = pytest.importorskip("h5py")
    arrays = read_weights(tiny_weights())
    net, _ = write_tiny(tmp_path)
    with h5py.File(tmp_path / "base.caffemodel.h5", "w") as file:
        for name, (_, blobs) in arrays.items():
            group = file.create_group(f"data/{name}")
            for index, blob in enumerate(blobs):
                group.create_dataset(str(index), data=blob.astype(np.float32))
    extension(net, tmp_path / "base.caffemodel.h5", tmp_path / "out", noise=0)
    fold(tmp_path / "out", None, tmp_path / "back")
    with h5py.File(tmp_path / "back" / "net.caffemodel.h5") as file, h5py.File(tmp_path / "base.caffemodel.h5") as was:
        assert list(file["data"]) == list(was["data"])
        for name in was["data"]:
            assert [file["data"][name][key][()].tobytes() for key in file["data"][name]] == [
                was["data"][name][key][()].tobytes() for key in was["data"][name]
            ]


def test_caffes_own_splits_go_with_what_read_them(tmp_path):
    """A snapshot has records of Caffe's Split layers: the data, read three times, was copied for a block that is gone."""
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "out")
    model = message_class("NetParameter")()
    model.ParseFromString((tmp_path / "out" / "net.caffemodel").read_bytes())
    tops = [f"data_data_0_split_{at}" for at in range(3)]
    model.layer.add(name="data_data_0_split", type="Split", bottom=["data"], top=tops)
    model.layer.add(name="ip_ip_0_split", type="Split", bottom=["ip"], top=["ip_ip_0_split_0"])
    reading = [one for one in model.layer if list(one.bottom) == ["data"] and one.type == "Convolution"]
    for one, top in zip(reading, tops):
        one.bottom[0] = top
    next(one for one in model.layer if one.name == "relu1_1").bottom[0] = "ip_ip_0_split_0"
    (tmp_path / "out" / "net_iter_5.caffemodel").write_bytes(model.SerializeToString())
    assert fold(tmp_path / "out", None, tmp_path / "back").warnings == ()
    back = read_weights((tmp_path / "back" / "net.caffemodel").read_bytes())
    assert list(back) == ["data", "conv1_1", "relu1_1", "ip", "ip_ip_0_split"]
    assert list(back["conv1_1"][0].bottom) == ["data"]


BN_SHAPES = {"c": [(4, 4, 3, 3), (4,)], "b": [(4,), (4,), (1,)], "s": [(4,), (4,)]}
BN = (
    INPUT
    + conv("c", "data", num_output=4, kernel_size=3)
    + batch_norm("b", "c", more="%s")
    + scale("s", "c")
    + layer("t", "TanH", "c", "t", "%s")
)


@pytest.mark.parametrize("phase", ["test", None])
def test_a_twin_to_train_with_goes_with_a_word(tmp_path, phase):
    """Of two BatchNorms of one name the one of phase TEST is folded; what the other did in phase TRAIN is lost."""
    train, test = (
        layer(
            "b", "BatchNorm", "c", "c", f"batch_norm_param {{ use_global_stats: {used} }} include {{ phase: {name} }}"
        )
        for used, name in (("false" if phase else "true", "TRAIN"), ("true", "TEST"))
    )
    text = INPUT + conv("c", "data", num_output=4, kernel_size=3) + train + test + scale("s", "c")
    base = write_net(tmp_path, text, model_of(text, BN_SHAPES))
    report = fold(*base, tmp_path / "out", all=True, phase=phase)
    assert [one.layers for one in report.regions] == [("c", "b", "s")]
    said = "b: what is there in phase TRAIN went too, whatever it computed: the folded net is one to test"
    assert list(report.warnings) == ([said] if phase else [])


@pytest.mark.parametrize(
    ("stats", "rule", "phase", "reason"),
    [
        ("", "", None, ""),
        ("", "include { phase: TEST }", None, ""),
        ("", "include { phase: TRAIN }", None, "while it trains, as this net may be"),
        ("", "include { phase: TRAIN }", "test", ""),
        ("use_global_stats: true", "include { phase: TRAIN }", None, ""),
        ("use_global_stats: false", "", None, "takes the statistics of its batch (use_global_stats: false)"),
        ("use_global_stats: false", "", "test", "takes the statistics of its batch (use_global_stats: false)"),
        ("eps: 0.1 clip: true", "", None, "clip is not understood in a layer of type BatchNorm"),
    ],
)
def test_when_statistics_are_taken(tmp_path, stats, rule, phase, reason):
    text = BN % (stats or "eps: 0.00001", rule)
    base = write_net(tmp_path, text, model_of(text, BN_SHAPES))
    report = fold(*base, tmp_path / "out", all=True, phase=phase)
    assert bool(report.regions) == (not reason)
    assert any(reason in left.reason for left in report.left) or not reason
    if reason:
        assert (tmp_path / "out" / "net.caffemodel").read_bytes() == base[1].read_bytes()


def left_of(tmp_path, text, shapes, **options):
    base = write_net(tmp_path, text, model_of(text, shapes))
    report = fold(*base, tmp_path / "out", all=True, **options)
    return [region.layer for region in report.regions], " | ".join(left.reason for left in report.left)


C = conv("c", "data", num_output=4, kernel_size=3)
TWO = {
    "c": [(4, 4, 3, 3), (4,)],
    "d": [(4, 4, 3, 3), (4,)],
    "e": [(4, 4, 1, 1), (4,)],
    "s": [(4,), (4,)],
    "ip": [(3, 4 * 11 * 11), (3,)],
}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (C + conv("d", "c", num_output=4, kernel_size=3, pad=1), "pads the output of a further spatial kernel"),
        (C + conv("d", "c", num_output=4, kernel_size=3), "it would grow: 296 parameters would be 404"),
        (C + layer("s", "Scale", "c", "c", "scale_param { bias_term: true axis: 2 }"), "axis is not 1"),
        (C + layer("s", "Scale", "c c", "s"), "has 2 bottoms"),
        (C + layer("s", "Scale", "c", "c", "loss_weight: 1 scale_param { bias_term: true }"), '"s" has a loss_weight'),
        (C + layer("s", "Scale", "c", "c", "fork_param { x: 1 } scale_param { bias_term: true }"), "fork_param is not understood"),
        (C + inner_product("ip", "c", 3), "is an InnerProduct after a convolution"),
        (C + conv("e", "data", num_output=4, kernel_size=1) + layer("sum", "Eltwise", "c e", "sum"), "slide otherwise than each other"),
        (C + conv("e", "c", num_output=4, kernel_size=1) + layer("l", "Sigmoid", "c", "l") + conv("d", "e", num_output=4, kernel_size=3)
         + scale("s", "d"), ""),
    ],
)  # fmt: skip
def test_what_is_left_and_why(tmp_path, text, reason):
    _, found = left_of(tmp_path, INPUT + text, TWO)
    assert reason in found


def test_a_split_and_what_follows_it_are_rounded_once(tmp_path):
    text = (
        INPUT
        + conv("c", "data", num_output=4, kernel_size=3, pad=1)
        + batch_norm("b", "c")
        + scale("s", "c")
        + relu("c")
    )
    base = write_net(tmp_path, text, model_of(text, BN_SHAPES))
    residual(*base, tmp_path / "out", layer="c")
    given = (tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel")
    (region,) = fold(*given, tmp_path / "all", all=True).regions
    assert (region.layer, len(region.layers)) == ("c", 9)
    assert (tmp_path / "all" / "net.prototxt").read_text() == INPUT + conv(
        "c", "data", num_output=4, kernel_size=3, pad=1
    ) + relu("c")
    agree(given, files(tmp_path / "all"), ("relu_c", "relu_c"))


def test_nan_is_left(tmp_path):
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "out")
    model = message_class("NetParameter")()
    model.ParseFromString((tmp_path / "out" / "net.caffemodel").read_bytes())
    next(one for one in model.layer if one.name == "conv1_1_split2").blobs[0].data[0] = float("nan")
    (tmp_path / "out" / "net.caffemodel").write_bytes(model.SerializeToString())
    assert fold(tmp_path / "out", None, tmp_path / "back").left[0].reason == "its weights hold NaN or infinity"


def test_an_inner_split_alone(tmp_path):
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "one", noise=0)
    extension(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_split2", noise=0)
    (region,) = fold(tmp_path / "two", None, tmp_path / "back", layer="conv1_1_split2").regions
    assert (region.layer, region.nested) == ("conv1_1_split2", 0)
    for name in ("net.prototxt", "net.caffemodel"):
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    (region,) = fold(tmp_path / "two", None, tmp_path / "whole").regions
    assert (region.layer, region.nested) == ("conv1_1", 1)


W = 'param { name: "w" } param { name: "b" }'


TIED = INPUT + "".join(
    layer(name, "Convolution", "data", name, f"{W} convolution_param {{ num_output: 4 kernel_size: 3 }}")
    + scale(f"s_{name}", name)
    + relu(name)
    for name in ("a", "b")
)
"""Two convolutions that share weight and bias, each with a Scale of its own."""


@pytest.mark.parametrize("which", ["weight", "bias", "nothing"])
def test_ties_that_a_fold_would_break(tmp_path, which):
    shapes = {"a": [(4, 4, 3, 3), (4,)], "s_a": [(4,), (4,)], "b": [(4, 4, 3, 3), (4,)], "s_b": [(4,), (4,)]}
    kinds = {"a": "Convolution", "b": "Convolution", "s_a": "Scale", "s_b": "Scale"}
    arrays = random_arrays(shapes, kinds)
    arrays["b"] = arrays["a"]
    arrays["s_b"] = [arrays["s_a"][0] + (which == "weight"), arrays["s_a"][1] + (which == "bias")]
    net = net_of(TIED)
    model = weights_of(
        [(one.name, one.type, list(one.bottoms), list(one.tops), arrays.get(one.name, []), None) for one in net.layers]
    )
    report = fold(*write_net(tmp_path, TIED, model), tmp_path / "out", all=True)
    assert len(report.regions) == (2 if which == "nothing" else 0)
    assert which == "nothing" or "which becomes another" in report.left[0].reason


def test_names_that_would_collide(tmp_path):
    text = INPUT + layer(
        "conv1_1", "Convolution", "data", "x", f"{W} convolution_param {{ num_output: 6 kernel_size: 3 }}"
    )
    base = write_net(tmp_path, text, model_of(text, {"conv1_1": [(6, 4, 3, 3), (6,)]}))
    residual(*base, tmp_path / "out")
    net, model = files(tmp_path / "out")
    derived = net.read_text()
    net.write_text(
        derived + layer("new", "Convolution", "data", "n", f"{W} convolution_param {{ num_output: 6 kernel_size: 3 }}")
    )
    assert 'would be called "w" again' in fold(net, model, tmp_path / "tied").left[0].reason
    net.write_text(derived + layer("conv1_1", "Sigmoid", "x", "n"))
    assert fold(net, model, tmp_path / "named").regions == ()


@pytest.mark.parametrize(
    "trained",
    [
        "state { phase: TRAIN }\n",
        layer("l", "EuclideanLoss", "c data", "l"),
        layer("e", "Sigmoid", "c", "e", "exclude { phase: TEST }"),
    ],
)
def test_what_says_that_a_net_is_trained(tmp_path, trained):
    text = trained + BN % ("eps: 0.1", "") if trained.startswith("state") else BN % ("eps: 0.1", "") + trained
    assert "while it trains" in left_of(tmp_path, text, BN_SHAPES)[1]


def test_odd_layouts_of_what_goes(tmp_path):
    conv_text, scale_text, rest = C.rstrip(), scale("s", "c").rstrip(), relu("c").rstrip()
    for number, (text, kept) in enumerate((
        (f"{INPUT}{conv_text} # the conv\n  {scale_text} {rest}\n", "# the conv\n   layer"),
        (f"{INPUT}{conv_text}\n{scale_text} # last\n{rest}\n", "} # last\n"),
        (INPUT + f"layer: [\n {conv_text[6:]}, # one\n {scale_text[6:]}, # two\n {rest[6:]} # three\n]\n", "# one"),
        (INPUT + f"layer: [\n {conv_text[6:]}, # one\n {scale_text[6:]} # two\n]\n", "# one"),
    )):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        base = write_net(tmp_path / str(number), text, model_of(text, {"c": TWO["c"], "s": TWO["s"]}))
        assert len(fold(*base, tmp_path / str(number) / "out", all=True).regions) == 1
        assert kept in (tmp_path / str(number) / "out" / "net.prototxt").read_text()


def test_two_blocks_are_not_given_one_name(tmp_path):
    """Of names that may be cut at several places, without a split.yaml."""
    text = INPUT + "".join(
        layer(f"conv1_{n}", "Convolution", "data", top, "convolution_param { num_output: 6 kernel_size: 3 }")
        for n, top in ((1, "p"), (2, "q"))
    )
    base = write_net(tmp_path, text, model_of(text, {f"conv1_{n}": [(6, 4, 3, 3), (6,)] for n in (1, 2)}))
    extension(*base, tmp_path / "out", layer=("conv1_1", "conv1_2"), noise=0)
    (tmp_path / "out" / "split.yaml").unlink()
    report = fold(*files(tmp_path / "out"), tmp_path / "back", layer=("conv1_1", "conv1_1", "conv1_2"))
    assert [region.layer for region in report.regions] == ["conv1_1", "conv1_2"]
    assert (tmp_path / "back" / "net.prototxt").read_bytes() == base[0].read_bytes()
    names = [region.layer for region in fold(*files(tmp_path / "out"), tmp_path / "guessed").regions]
    assert len(set(names)) == len(names)


def test_layers_asked_for_among_all_regions(tmp_path):
    base = write_net(tmp_path, BN % ("eps: 0.1", ""), model_of(BN % ("eps: 0.1", ""), BN_SHAPES))
    assert [region.layer for region in fold(*base, tmp_path / "out", all=True, layer="c").regions] == ["c"]
    with pytest.raises(UsageError, match='folds into a layer "nosuch"'):
        fold(*base, tmp_path / "no", all=True, layer=("c", "nosuch"))
    assert not (tmp_path / "no").exists()


def test_a_layer_that_cannot_be_read_is_left(tmp_path):
    """An N-D convolution and its Scale, beside what can be folded."""
    deep = layer("v", "Convolution", "data", "v", "convolution_param { num_output: 2 kernel_size: [3, 3, 3] }")
    text = INPUT + deep + scale("w", "v") + C + scale("s", "c")
    base = write_net(tmp_path, text, model_of(text, TWO | {"v": [(2, 4, 3, 3, 3), (2,)], "w": [(2,), (2,)]}))
    report = fold(*base, tmp_path / "out", all=True)
    assert [region.layer for region in report.regions] == ["c"]
    assert "kernel_size has 3 axes" in report.left[0].reason


def test_a_kernel_that_would_be_huge_is_left_before_it_is_made(tmp_path):
    """As in DeepLab's head: the same image through dilations of 6 and 24."""
    text = (
        INPUT
        + "".join(conv(f"d{n}", "data", num_output=2, kernel_size=3, pad=n, dilation=n) for n in (6, 24))
        + layer("sum", "Eltwise", "d6 d24", "sum")
    )
    base = write_net(tmp_path, text, model_of(text, {"d6": [(2, 4, 3, 3), (2,)], "d24": [(2, 4, 3, 3), (2,)]}))
    assert "it would grow: its bottoms in one kernel have" in fold(*base, tmp_path / "out", all=True).left[0].reason
    (region,) = fold(*base, tmp_path / "larger", all=True, allow_larger=True).regions
    assert region.parameters[1] == 2 * 4 * 49 * 49 + 2
