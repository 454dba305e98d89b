"""Folded nets held against what they were folded from: right ones pass, and one wrong number fails."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import fold, verify
from tests.support.caffe_proto import message_class
from tests.support.linear_nets import INPUT, batch_norm, conv, layer, model_of, relu, scale, write_net
from tests.support.nets import weights


def folded(folder, text, shapes):
    """The files of a net, and the directory of its fold."""
    base = write_net(folder, text, model_of(text, shapes))
    fold(*base, folder / "out", all=True, allow_larger=True)
    return base, folder / "out"


def damaged(out, name, blob, add):
    """One number of a blob that is another."""
    model = message_class("NetParameter")()
    model.ParseFromString((out / "net.caffemodel").read_bytes())
    (record,) = (one for one in model.layer if one.name == name)
    record.blobs[blob].data[0] += add
    (out / "net.caffemodel").write_bytes(model.SerializeToString())


FOUR = [(4, 4, 1, 1), (4,)]
SUM = (
    INPUT
    + conv("a", "data", num_output=4, kernel_size=1)
    + conv("b", "data", num_output=4, kernel_size=1)
    + layer("e", "Eltwise", "a", "e").replace('bottom: "a"', 'bottom: "a" bottom: "b"')
)


@pytest.mark.parametrize("end", ["Deconvolution", "Convolution"])
def test_a_scale_in_place_behind_a_sum(tmp_path, end):
    """It goes into the layer behind it or into those before it: which, only the numbers say."""
    text = SUM + scale("s", "e") + layer("d", end, "e", "d", "convolution_param { num_output: 4 kernel_size: 1 }")
    base, out = folded(tmp_path, text, dict.fromkeys("abd", FOUR) | {"s": [(4,), (4,)]})
    report = verify(*base, out)
    assert report.problems == ()
    assert {name for block in report.blocks for name in block.members} == set("abesd")
    damaged(out, report.blocks[-1].layer, 0, 0.01)
    assert verify(*base, out).exit_code == 1


def test_a_scale_that_was_lost_is_missed(tmp_path):
    """A net that ends at the blob has it scaled; one without the Scale has not."""
    base, out = folded(tmp_path, SUM + scale("s", "e"), dict.fromkeys("ab", FOUR) | {"s": [(4,), (4,)]})
    assert verify(*base, out).problems == ()
    (tmp_path / "other").mkdir()
    _, bare = folded(tmp_path / "other", SUM, dict.fromkeys("ab", FOUR))
    assert verify(*base, (bare / "net.prototxt", bare / "net.caffemodel")).exit_code == 1


def test_a_large_bias_hides_no_weight(tmp_path):
    text = INPUT + conv("c", "data", num_output=4, kernel_size=3) + batch_norm("n", "c") + scale("s", "c") + relu("c")
    shapes = {"c": [(4, 4, 3, 3), (4,)], "n": [(4,), (4,), (1,)], "s": [(4,), (4,)]}
    given = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    given[0].write_text(text)
    given[1].write_bytes(model_of(text, shapes, positive=True))
    damaged(tmp_path, "s", 1, 1e6)  # the bias, which becomes the convolution's
    fold(*given, tmp_path / "out", all=True)
    assert verify(*given, tmp_path / "out").problems == ()
    damaged(tmp_path / "out", "c", 0, 0.001)
    (problem,) = verify(*given, tmp_path / "out").problems
    assert "c: differs from the block that it stands for by" in problem


IN_PLACE = (
    'input: "data" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }\n'
    'layer { name: "conv0" type: "Convolution" bottom: "data" top: "conv0" convolution_param { num_output: 2 kernel_size: 3 } }\n'
)
SCALE = 'layer { name: "scale0" type: "Scale" bottom: "conv0" top: "conv0" scale_param { bias_term: true } }\n'
RELU = 'layer { name: "relu0" type: "ReLU" bottom: "conv0" top: "conv0" }\n'
CONV1 = 'layer { name: "conv1" type: "Convolution" bottom: "conv0" top: "conv1" convolution_param { num_output: 2 kernel_size: 3 } }\n'


def in_place(folder, text, name="conv0"):
    """A net of two convolutions, with a Scale in place behind the first, and a fold of that by another program with this text."""
    draw = np.random.default_rng(0)
    first, second = (draw.normal(size=(2, 2, 3, 3)).astype(np.float32) for _ in range(2))
    bias, scale, shift = (draw.normal(size=2).astype(np.float32) for _ in range(3))
    last = ("conv1", "Convolution", [], [], [second, bias], None)
    (folder / "a.prototxt").write_text(IN_PLACE + SCALE + RELU + CONV1)
    (folder / "b.prototxt").write_text(text)
    rest = [("scale0", "Scale", [], [], [scale, shift], None), last]
    (folder / "a.caffemodel").write_bytes(weights([("conv0", "Convolution", [], [], [first, bias], None), *rest]))
    made = [first * scale[:, None, None, None], bias * scale + shift]
    (folder / "b.caffemodel").write_bytes(weights([(name, "Convolution", [], [], made, None), last]))
    return verify(folder / "a.prototxt", folder / "a.caffemodel", (folder / "b.prototxt", folder / "b.caffemodel"))


def test_a_layer_that_reads_another_value_of_a_blob_is_seen(tmp_path):
    """The names are the same: conv1 reads what the ReLU in place has not changed yet."""
    assert in_place(tmp_path, IN_PLACE + RELU + CONV1).problems == ()
    assert in_place(tmp_path, IN_PLACE + CONV1 + RELU).problems == (
        "conv1: differs outside the split layers (order of the layers)",
    )


def test_a_fold_of_another_name_that_makes_the_same_blob_of_the_same(tmp_path):
    """It might be taken for a split that moved."""
    text = IN_PLACE.replace('name: "conv0"', 'name: "merged"')
    report = in_place(tmp_path, text + RELU + CONV1, "merged")
    assert (report.problems, [(block.layer, block.members) for block in report.blocks]) == (
        (),
        [("merged", ("conv0", "scale0"))],
    )


def test_a_fold_that_keeps_the_first_name_of_a_blob(tmp_path):
    """Its readers read the convolution's top, and what that has become in the baseline; any other blob is another text."""
    base = IN_PLACE + SCALE.replace('top: "conv0"', 'top: "scaled"')
    readers = RELU.replace('"conv0"', '"scaled"') + CONV1.replace('"conv0"', '"scaled"')
    added = 'layer { name: "sum" type: "Eltwise" bottom: "scaled" bottom: "scaled" top: "sum" }\n'
    in_place(tmp_path, IN_PLACE + (readers + added).replace("scaled", "conv0"))
    (tmp_path / "a.prototxt").write_text(base + readers + added)

    def verdict(text):
        (tmp_path / "b.prototxt").write_text(IN_PLACE + text)
        files = [tmp_path / name for name in ("a.prototxt", "a.caffemodel", "b.prototxt", "b.caffemodel")]
        return verify(*files[:2], tuple(files[2:])).problems

    right = (readers + added).replace("scaled", "conv0")
    assert verdict(right) == ()
    other = right.replace('bottom: "conv0" bottom: "conv0"', 'bottom: "conv0" bottom: "conv1"')
    assert "sum: differs outside the split layers (text)" in verdict(other)
    (problem,) = verdict(right.replace('top: "sum"', 'top: "total"'))  # an output has another name
    assert problem == "sum: differs outside the split layers (text)"
    assert "relu0: differs outside the split layers (text)" in verdict(right.replace('type: "ReLU"', 'type: "TanH"'))
