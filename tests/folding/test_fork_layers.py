"""Layers of Caffe's forks, Deconvolution, Power and Slice, folded: held against equal nets of layers that the engines know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from split_surgery import fold, verify
from split_surgery.errors import Defect, SurgeryError
from split_surgery.folding import by_channel, linear
from split_surgery.kernels import channel_maps
from split_surgery.kernels.channel_maps import ChannelMap, ChannelRange
from tests.support.fold_faults import Fault, planted
from tests.support.fold_laws import TOLERANCE, files, images
from tests.support.fork_nets import FORK_NETS, as_plain
from tests.support.linear_nets import (
    INPUT,
    batch_norm,
    conv,
    inner_product,
    layer,
    model_of,
    net_of,
    run_opencv,
    scale,
    write_net,
)
from tests.support.nets import read_weights, weights
from tests.support.run_caffe import in_caffe

KEPT = {"sum", "k"}
"""Layers of those nets that nothing is folded into."""

every_net = pytest.mark.parametrize("case", FORK_NETS, ids=lambda case: case.name)


@every_net
def test_it_is_folded_and_verified(tmp_path, case):
    base = case.write(tmp_path)
    report = fold(*base, tmp_path / "out", all=True, phase="test")
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
    fold(*case.write(tmp_path), tmp_path / "out", all=True, phase="test")
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
        fold(*case.write(folder), folder / "out", all=True, phase="test")
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


def case_of(name):
    return next(case for case in FORK_NETS if case.name == name)


@pytest.mark.parametrize(
    ("name", "told", "wrong"),
    [
        ("PSPNet", "eps: 0.25", "eps: 0.2499"),
        ("NVIDIA", "eps: 1e-7", "eps: 1.001e-5"),
        ("Power", "shift: -3", "shift: 0"),
        ("Slice", 'bottom: "f" bottom: "e"', 'bottom: "e" bottom: "f"'),
        ("Deconvolution", "dilation: 2", "dilation: 2 pad: 0 stride: 2"),
        ("one Scale", "shift: 2", "shift: 1.999"),
    ],
)
def test_verify_finds_what_was_folded_wrongly(tmp_path, name, told, wrong):
    """The fold of a net that says something else in one place, held against the net."""
    case = case_of(name)
    base = case.write(tmp_path)
    assert told in case.text
    (tmp_path / "other").mkdir()
    other = case._replace(text=case.text.replace(told, wrong)).write(tmp_path / "other")
    assert fold(*other, tmp_path / "out", all=True).regions
    proof = verify(*base, tmp_path / "out")
    assert proof.exit_code == 1
    assert any(not block.sound for block in proof.blocks), str(proof)


@every_net
def test_verify_finds_one_shift_that_is_missed(tmp_path, case):
    base = case.write(tmp_path)
    fold(*base, tmp_path / "out", all=True, phase="test")
    model = files(tmp_path / "out")[1]
    found = read_weights(model.read_bytes())
    records = []
    for name, (record, arrays) in found.items():
        if name == case.folded[-1] and len(arrays) > 1:
            arrays[1][0] += np.abs(arrays[1]).max() / 100
        records.append((name, record.type, list(record.bottom), list(record.top), arrays, None))
    model.write_bytes(weights(records))
    proof = verify(*base, tmp_path / "out")
    assert [block.layer for block in proof.blocks if not block.sound] == [case.folded[-1]]
    assert proof.exit_code == 1


def _turned(convolution):
    """A Deconvolution's kernels upside down."""

    def wrong(net, weights, layer):
        found = convolution(net, weights, layer)
        return replace(found, weight=found.weight[:, :, ::-1]) if found.slide.spreads else found

    return wrong


FAULTS = (
    ("SegNet", by_channel, "_affine", lambda f: lambda layer, scale, shift, *size: f(layer, scale, None, *size)),
    ("PSPNet", by_channel, "_then", lambda f: lambda scale, shift, times, plus: (scale * times, shift * times)),
    ("PSPNet", by_channel, "_normalised", lambda f: lambda layer, mean, variance, share, eps: f(layer, mean, variance, share, 0.0)),
    ("NVIDIA", by_channel, "LEAST_EPS", lambda eps: 0.0),
    ("Power", by_channel, "real", lambda f: lambda layer, name, default: default if name == "shift" else f(layer, name, default)),
    ("Deconvolution", linear, "convolution", _turned),
    ("Slice", channel_maps, "after_range", lambda f: lambda outer, some: f(outer, ChannelRange(0, some.stop - some.start, some.of))),
    ("one Scale", ChannelMap, "as_kernels", lambda f: lambda self: replace(f(self), bias=0 * self.shift)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "home", "function", "wrong"), FAULTS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_fold_finds_its_own_faults(tmp_path, name, home, function, wrong):
    base = case_of(name).write(tmp_path)
    with planted(Fault(name, home, function, wrong)), pytest.raises(Defect, match="changed what they compute"):
        fold(*base, tmp_path / "out", all=True)
    assert not (tmp_path / "out").exists()


C = conv("c", "data", num_output=4, kernel_size=3, bias_term="false")
DEEP = {"d": [(4, 1, 3, 3), (4,)], "s": [(4,), (4,)]}
PARTS = {"e": [(4, 2, 1, 1), (4,)]}


def bn(more: str, shapes: list[tuple[int, ...]]):
    return C + layer("b", "BN", "c", "c", f"bn_param {{ {more} }}"), {"c": [(4, 4, 3, 3)], "b": shapes}


def nvidia(more: str, shapes: list[tuple[int, ...]]):
    return C + batch_norm("b", "c", more=f"scale_bias: true {more}"), {"c": [(4, 4, 3, 3)], "b": shapes}


def deep(kind: str, more: str, shapes=DEEP):
    return layer("d", kind, "data", "d", f"convolution_param {{ num_output: 4 kernel_size: 3 {more} }}") + scale(
        "s", "d"
    ), shapes


def cut(more: str, *rest: str):
    return layer("cut", "Slice", "data", "x", f'top: "y" slice_param {{ {more} }}') + "".join(rest)


E, CAT = conv("e", "x", num_output=4, kernel_size=1), layer("cat", "Concat", "e y", "cat")


@pytest.mark.parametrize(
    ("text", "shapes", "reason"),
    [
        (*bn("", [(4,)] * 4), "several forks call a layer BN, and its fields do not tell whose it is"),
        (*bn("bn_mode: INFERENCE frozen: true", [(4,)] * 2), "several forks call a layer BN"),
        (*bn("bn_mode: LEARN", [(4,)] * 2), "takes the statistics of its batch (bn_mode: LEARN)"),
        (*bn("slope_filler { } moving_average: true", [(4,)] * 4), "moving_average is not understood in a layer of type BN"),
        (*nvidia("", [(4,), (4,), (4,), (4,), (1,)]), "its blobs may be in DIGITS' old order"),
        (*nvidia("use_global_stats: false", [(4,), (4,), (1,), (4,), (4,)]), "of its batch (use_global_stats: false)"),
        (layer("p", "Power", "data", "p", "power_param { shift: 1 }") + conv("c", "p", num_output=4, kernel_size=3, pad=1),
         {"c": [(4, 4, 3, 3), (4,)]}, "pads with zeros after a bias has been added"),
        (scale("s", "data", "s") + layer("d", "Deconvolution", "s", "d", "convolution_param { num_output: 4 kernel_size: 3 }"),
         DEEP | {"d": [(4, 4, 3, 3), (4,)]}, "it spreads what has been shifted"),
        (*deep("DepthwiseConvolution", "group: 2", DEEP | {"d": [(4, 2, 3, 3), (4,)]}),
         "4 outputs in 2 groups, which is not depthwise"),
        (*deep("DepthwiseConvolution", "group: 4 fork_field: 1"), "fork_field is not a field of Caffe's convolution"),
        (cut("", E, CAT), PARTS, "it would grow: 12 parameters would be 30"),
        (cut("slice_point: 3", E, CAT), {"e": [(4, 3, 1, 1), (4,)]}, "so that it is not known how many there are"),
        (cut("axis: 2", E, CAT), PARTS, "axis is not 1"),
        (batch_norm("b", "data", "b") + scale("t", "b", bias="false"), {"b": [(4,), (4,), (1,)], "t": [(4,)]},
         "has no bias_term: true, to take what the layers before it add"),
    ],
)  # fmt: skip
def test_what_is_left_and_why(tmp_path, text, shapes, reason):
    base = write_net(tmp_path, INPUT + text, model_of(INPUT + text, shapes))
    report = fold(*base, tmp_path / "out", all=True)
    assert reason in " | ".join(left.reason for left in report.left)
    assert report.regions == ()
    assert files(tmp_path / "out")[1].read_bytes() == base[1].read_bytes()


@pytest.mark.parametrize(
    ("more", "phase", "folded"), [("", None, False), ("", "test", True), ("frozen: true", None, True)]
)
def test_when_a_bn_of_pspnet_takes_stored_statistics(tmp_path, more, phase, folded):
    text, shapes = bn(f"slope_filler {{ }} {more}", [(1, 4, 1, 1)] * 4)
    text = INPUT + text + layer("loss", "EuclideanLoss", "c c", "loss")
    base = write_net(tmp_path, text, model_of(text, shapes, positive=True))
    report = fold(*base, tmp_path / "out", all=True, phase=phase)
    assert bool(report.regions) == folded
    assert folded or "while it trains, as this net may be" in report.left[0].reason


def test_what_larger_allows(tmp_path):
    """A part of a Slice that goes on as it is; and a depthwise layer, which cannot be anything else."""
    text = INPUT + cut("", E, CAT)
    base = write_net(tmp_path, text, model_of(text, PARTS))
    assert fold(*base, tmp_path / "out", all=True, allow_larger=True).regions[0].parameters == (12, 30)
    assert verify(*base, tmp_path / "out").exit_code == 0
    kind = "ConvolutionDepthwise"
    text = INPUT + deep(kind, "")[0] + conv("e", "d", num_output=4, kernel_size=1)
    base = write_net(tmp_path, text, model_of(text, DEEP | {"e": [(4, 4, 1, 1), (4,)]}))
    report = fold(*base, tmp_path / "deep", all=True, allow_larger=True)
    assert [region.layers for region in report.regions] == [("d", "s")]
    assert report.left[0].reason == f'layer "d": one kernel for each channel, as those of {kind}, would not do'


def test_parts_of_a_depthwise_layer(tmp_path):
    halves = "".join(
        layer(name, "DepthwiseConvolution", part, name, "convolution_param { num_output: 2 group: 2 kernel_size: 3 }")
        for name, part in (("p", "x"), ("q", "y"))
    )
    text = INPUT + cut("", halves, layer("cat", "Concat", "p q", "cat"))
    base = write_net(tmp_path, text, model_of(text, {name: [(2, 1, 3, 3), (2,)] for name in "pq"}))
    assert fold(*base, tmp_path / "out", all=True).regions[0].layers == ("cut", "p", "q", "cat")
    assert "num_output: 4 group: 4" in files(tmp_path / "out")[0].read_text()
    assert verify(*base, tmp_path / "out").exit_code == 0


@pytest.mark.parametrize("name", ["SegNet", "PSPNet", "depthwise"])
def test_an_engine_that_knows_no_fork_says_so(tmp_path, name):
    pytest.importorskip("cv2")
    base = case_of(name).write(tmp_path)
    fold(*base, tmp_path / "out", all=True)
    with pytest.raises(SurgeryError) as caught:
        verify(*base, tmp_path / "out", engine="opencv")
    assert "does not know a layer of the net: verify without" in str(caught.value)


def test_a_training_net_is_folded_as_it_is_tested(tmp_path):
    """Twins that only train go; where nothing is said of testing they stay, and so does a layer that is there to train alone."""
    case = case_of("twins")
    base = case.write(tmp_path)
    kept = fold(*base, tmp_path / "kept", all=True)
    assert kept.regions == ()
    assert "takes the statistics of its batch (use_global_stats: false), in phase TRAIN" in kept.left[0].reason
    assert [region.layers for region in fold(*base, tmp_path / "out", all=True, phase="test").regions] == [
        ("c", "b", "s")
    ]
    dropped = layer("drop", "Dropout", "c", "c", "include { phase: TRAIN }") + scale("s", "c")
    base = case._replace(text=case.text.replace(scale("s", "c"), dropped)).write(tmp_path)
    report = fold(*base, tmp_path / "less", all=True, phase="test")
    assert [region.layers for region in report.regions] == [("c", "b")]
    assert report.left[0].reason == '"drop" is not there in phase TEST'
    assert verify(*base, tmp_path / "less").exit_code == 0


def test_sizes_that_no_prototxt_says_may_change_in_a_fold(tmp_path):
    text = 'input: "data"\n' + inner_product("big", "data", 10) + inner_product("small", "big", 2)
    base = write_net(tmp_path, text, model_of(text, {"big": [(10, 4), (10,)], "small": [(2, 10), (2,)]}))
    assert fold(*base, tmp_path / "out", all=True).regions[0].parameters == (72, 10)
    assert verify(*base, tmp_path / "out").problems == ()
