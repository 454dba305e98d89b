"""Verdicts on files that other programs wrote, or that somebody damaged: what Caffe stops at fails, what it takes passes."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import diff, extension, fold, residual, show, skip, verify
from split_surgery.errors import FileError, Unsupported
from tests.support.caffe_proto import message_class
from tests.support.fixture_nets import siamese
from tests.support.hdf5_files import write_h5
from tests.support.linear_nets import INPUT, batch_norm, conv, model_of, relu, scale, write_net
from tests.support.nets import CONV, DATA, TAIL, TINY, conv_arrays, read_weights, tiny_weights, weights, write_tiny


def changed(path, edit):
    """A weights file changed through protobuf's own classes."""
    net = message_class("NetParameter")()
    net.ParseFromString(path.read_bytes())
    edit({layer.name: layer for layer in net.layer}, net)
    path.write_bytes(net.SerializeToString())


def split(tmp_path, verb=extension, **options):
    net, model = write_tiny(tmp_path)
    verb(net, model, tmp_path / "out", **options)
    return net, model, tmp_path / "out"


@pytest.mark.parametrize(
    ("old", "new", "has"),
    [
        ("dim: 3 dim: 8 dim: 8", "dim: 1 dim: 8 dim: 8", "conv1_1_split1: mismatch: has 3x3x3x3, 3, needs 3x1x3x3, 3"),
        ("num_output: 4", "num_output: 5", "ip: mismatch: has 4x384, 4, needs 5x384, 5"),
        ("dim: 3 dim: 8 dim: 8", "dim: 3 dim: 8 dim: 9", "ip: mismatch: has 4x384, 4, needs 4x432, 4"),
    ],
)
def test_shapes_are_the_prototxts_and_not_the_baselines(tmp_path, old, new, has):
    """The same wrong prototxt on both sides: Caffe stops at it all the same."""
    assert old in TINY
    net, model = write_tiny(tmp_path, TINY.replace(old, new))
    extension(net, model, tmp_path / "out", noise=0)
    assert has in verify(net, model, tmp_path / "out").problems


@pytest.mark.parametrize("shape", [(1, 1, 1, 6), (6, 1), (1, 6)])
def test_a_new_style_bias_has_one_axis(tmp_path, shape):
    """Only a legacy shape is padded with ones (Blob::ShapeEquals)."""
    weight, bias = conv_arrays()
    net, model = write_tiny(tmp_path, DATA + CONV, weights([("conv1_1", "Convolution", ["data"], ["conv1_1"],
                                                             [weight, bias.reshape(shape)], {"num_output": 6})]))  # fmt: skip
    (problem,) = verify(net, model).problems
    assert problem.startswith("conv1_1: mismatch: has 6x3x3x3, " + "x".join(map(str, shape)))


def test_a_legacy_bias_is_padded(tmp_path):
    net, model = write_tiny(tmp_path, TINY, tiny_weights(legacy=True))
    assert verify(net, model).problems == ()


@pytest.mark.parametrize("damage", ["short", "empty", "double"])
def test_numbers_are_counted(tmp_path, damage):
    net, model, out = split(tmp_path)

    def edit(layers, _net):
        blob = layers["ip"].blobs[0]
        if damage == "double":  # Caffe takes these where there are any, however few
            blob.double_data.extend([1.0, 2.0, 3.0])
        else:
            del blob.data[3 if damage == "short" else 0 :]

    changed(out / "net.caffemodel", edit)
    count = 0 if damage == "empty" else 3
    for trained in (False, True):
        (tmp_path / "t").mkdir(exist_ok=True)
        given = (out / "net.prototxt", out / "net.caffemodel") if trained else out
        problems = verify(net, model, given, trained=trained).problems
        assert f"ip: mismatch: blob 0: holds {count} of its 1536 numbers" in problems


def test_double_data_alone_is_taken(tmp_path):
    """As BVLC's Blob::FromProto does: numbers in double_data are those that count."""
    net, model = write_tiny(tmp_path)

    def edit(layers, _net):
        blob = layers["ip"].blobs[0]
        blob.double_data.extend(list(blob.data))
        blob.data[0] = 7.0

    changed(model, edit)
    assert verify(net, model).problems == ()


def test_a_bottom_that_nothing_makes(tmp_path):
    net, model = write_tiny(tmp_path, TINY.replace('bottom: "data"', 'bottom: "daat"'))
    assert verify(net, model).problems == ('conv1_1: reads "daat", which nothing before it makes',)
    (warning,) = show(net).warnings
    assert warning == 'conv1_1: reads "daat", which nothing before it makes: Caffe stops here'
    said = residual(net, model, tmp_path / "out", measure="norm").warnings
    assert said == (
        'conv1_1: reads "daat", which nothing before it makes (Caffe stops here, before the split and after it)',
    )


def test_a_byte_order_mark(tmp_path):
    net, model = write_tiny(tmp_path)
    net.write_bytes(b"\xef\xbb\xbf" + net.read_bytes())
    assert verify(net, model).problems == (
        f"{net.name}: starts with a byte order mark, which Caffe's parser refuses: remove it",
    )
    assert "byte order mark" in show(net).warnings[0]
    assert "byte order mark" in residual(net, model, tmp_path / "out", measure="norm").warnings[0]


@pytest.mark.parametrize(
    ("joined", "fault"),
    [
        ('type: "Eltwise"', "its bottoms are of the shapes 1x6x8x8 and 1x3x8x8"),
        ('type: "Concat" concat_param { axis: 2 }', "its bottoms are of the shapes 1x6x8x8 and 1x3x8x8"),
    ],
)
def test_bottoms_that_do_not_go_together(tmp_path, joined, fault):
    text = DATA + CONV + f'layer {{ name: "join" {joined} bottom: "conv1_1" bottom: "data" top: "join" }}\n'
    net, model = write_tiny(tmp_path, text)
    assert any(fault in problem for problem in verify(net, model).problems)


def test_an_average_that_does_not_fit_is_refused(tmp_path):
    text = (DATA + CONV).replace("pad: 1", "pad: 1 stride: 2").replace("dim: 8 dim: 8", "dim: 7 dim: 7")
    assert "stride: 2" in text
    net, model = write_tiny(tmp_path, text)
    with pytest.raises(Unsupported, match='Caffe would stop at "conv1_1_split2_skip_sum"'):
        skip(net, model, tmp_path / "out", skip="average")
    assert not (tmp_path / "out").exists()


def test_a_new_head_is_a_note(tmp_path):
    """Fine-tuning: the baseline leaves it random as well."""
    net, model = write_tiny(tmp_path, DATA + CONV + TAIL.replace('"ip"', '"ip_new"'))
    residual(net, model, tmp_path / "out")
    report = verify(net, model, tmp_path / "out")
    assert (report.problems, report.notes) == ((), ("the baseline leaves at random, too: ip_new",))
    lines = list(report.lines())
    assert (
        "  UNFILLED, as in the baseline: ip_new (InnerProduct) the weights file has nothing for it: it stays random"
        in lines[2]
    )
    assert not any("  UNFILLED ip" in line for line in lines)
    assert any("  UNFILLED ip_new" in line for line in verify(net, model, tmp_path / "out", strict=True).lines())
    assert report.verdict.startswith("passed")
    assert any(p.startswith("ip_new: unfilled") for p in verify(net, model, tmp_path / "out", strict=True).problems)


def test_nets_that_pycaffe_saved_again(tmp_path):
    """It writes a record for every layer, Split layers for blobs that are read twice, and no fork's fields; numbers stay."""
    net, model, out = split(tmp_path, noise=0)

    def edit(layers, whole):
        for layer in layers.values():
            layer.bottom[:] = [f"{bottom}_data_0_split_0" if bottom == "data" else bottom for bottom in layer.bottom]
        whole.layer.add(name="data", type="Input", top=["data"])
        whole.layer.add(name="data_data_0_split", type="Split", bottom=["data"], top=["data_data_0_split_0"])

    before = (out / "net.caffemodel").read_bytes()
    (tmp_path / "saved.caffemodel").write_bytes(before)
    changed(tmp_path / "saved.caffemodel", edit)
    assert (tmp_path / "saved.caffemodel").read_bytes() != before
    saved = (out / "net.prototxt", tmp_path / "saved.caffemodel")
    assert verify(net, model, saved, max_drift=0).problems == ()
    assert diff(out / "net.caffemodel", saved[1]).equal


@pytest.mark.parametrize(("layer", "index", "width"), [("conv1_1_reorder", 0, 6), ("conv1_1_split1", 1, 1)])
def test_an_untrained_split_is_held_against_its_plan(tmp_path, layer, index, width):
    """Two rows of the reorder layer, or two numbers of a bias, exchanged: no drift is too much, but it is not what was written."""
    net, model, out = split(tmp_path, noise=0)
    assert verify(net, model, out).problems == ()

    def exchange(layers, _net):
        numbers = layers[layer].blobs[index].data
        first, second = list(numbers[:width]), list(numbers[width : 2 * width])
        numbers[: 2 * width] = second + first

    changed(out / "net.caffemodel", exchange)
    assert f"{layer}: does not hold the numbers that split.yaml prescribes" in verify(net, model, out).problems


def test_a_damaged_group_is_a_fault_and_no_crash(tmp_path):
    net, model, out = split(tmp_path)
    text = (out / "net.prototxt").read_text()
    damaged = text.replace("num_output: 3", "num_output: 3 group: 3", 1)
    assert damaged != text
    (out / "net.prototxt").write_text(damaged)
    assert any("channels of one blob" in problem for problem in verify(net, model, out).problems)
    with pytest.raises(FileError, match="channels of one blob"):
        fold(out / "net.prototxt", out / "net.caffemodel", tmp_path / "back")


def test_fold_of_a_damaged_file_is_no_left(tmp_path):
    net, model, out = split(tmp_path)
    changed(out / "net.caffemodel", lambda layers, _net: layers["conv1_1_reorder"].blobs[0].data.pop())
    with pytest.raises(FileError, match="bytes of data, but shape"):
        fold(out, None, tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("first", [residual, extension, skip])
@pytest.mark.parametrize("second", [residual, extension, skip])
def test_a_split_of_a_reorder_layer_folds(tmp_path, first, second):
    net, model = write_tiny(tmp_path)
    first(net, model, tmp_path / "one")
    second(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_reorder")
    (region,) = fold(tmp_path / "two", None, tmp_path / "back").regions
    assert (region.layer, region.nested) == ("conv1_1", 1)
    assert (tmp_path / "back" / "net.prototxt").read_bytes() == net.read_bytes()


def test_the_order_of_bottoms_means_nothing(tmp_path):
    net, model, out = split(tmp_path, residual)
    text = (out / "net.prototxt").read_text()
    names = ("conv1_1_split2", "conv1_1_split2_residual_post")
    one, other = (f'  bottom: "{name}"\n' for name in names)
    assert one + other in text
    (out / "net.prototxt").write_text(text.replace(one + other, other + one))
    assert [region.layer for region in fold(out, None, tmp_path / "back").regions] == ["conv1_1"]


def test_layers_that_nobody_split(tmp_path):
    """A depthwise convolution and a pointwise one on it are no split: the first layer is taken, and none is left out."""
    text = (
        DATA
        + CONV.replace("conv1_1", "conv_a")
        + (
            'layer { name: "dw" type: "Convolution" bottom: "conv_a" top: "dw" '
            "convolution_param { num_output: 6 kernel_size: 3 group: 6 } }\n"
            'layer { name: "pw" type: "Convolution" bottom: "dw" top: "pw" convolution_param { num_output: 8 kernel_size: 1 } }\n'
        )
    )
    draw = np.random.RandomState(3)
    rows = [
        ("conv_a", "Convolution", ["data"], ["conv_a"], conv_arrays(), {"num_output": 6}),
        ("dw", "Convolution", ["conv_a"], ["dw"], [draw.standard_normal((6, 1, 3, 3)), np.zeros(6)], {"num_output": 6}),
        ("pw", "Convolution", ["dw"], ["pw"], [draw.standard_normal((8, 6, 1, 1)), np.zeros(8)], {"num_output": 8}),
    ]
    net, model = write_tiny(tmp_path, text, weights(rows))
    assert residual(net, model, tmp_path / "out").layer.layer == "conv_a"


@pytest.mark.parametrize(
    "text", [TINY, DATA + CONV + TAIL.replace("layer {", "layer {\n  include { stage: 'deploy' }", 1)]
)
def test_a_net_against_itself_passes(tmp_path, text):
    net, model = write_tiny(tmp_path, text)
    assert verify(net, model, (net, model), max_drift=None).problems == ()


def test_a_convolution_over_the_whole_image_is_the_inner_product(tmp_path):
    """Net surgery's own example: fc6 to fc6-conv, the numbers as they are."""
    draw = np.random.RandomState(0)
    weight, bias = draw.standard_normal((5, 3, 8, 8)).astype("<f4"), draw.standard_normal(5).astype("<f4")
    fc = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }\n'
    conv = 'layer { name: "fc-conv" type: "Convolution" bottom: "data" top: "fc" convolution_param { num_output: 5 kernel_size: 8 } }\n'
    (tmp_path / "b").mkdir()
    rows = [("fc", "InnerProduct", ["data"], ["fc"], [weight.reshape(5, -1), bias], None)]
    base = write_tiny(tmp_path, DATA + fc, weights(rows))
    rows = [("fc-conv", "Convolution", ["data"], ["fc"], [weight, bias], {"num_output": 5})]
    derived = write_tiny(tmp_path / "b", DATA + conv, weights(rows))
    report = verify(*base, derived)
    assert report.problems == ()
    assert [block.exact for block in report.blocks] == [True]
    changed(
        derived[1],
        lambda layers, _net: layers["fc-conv"].blobs[0].data.append(layers["fc-conv"].blobs[0].data.pop() + 1),
    )
    assert verify(*base, derived).problems


def test_verify_finds_its_baseline(tmp_path):
    net, model, out = split(tmp_path, noise=0)
    assert verify(out).verdict == "passed: the files are sound, and the block equals the layer"
    net.write_text(net.read_text() + "# touched\n")
    with pytest.raises(FileError, match="was not found"):
        verify(out)


def test_shown_weights_and_read_weights_agree(tmp_path):
    net, model, out = split(tmp_path)
    shown = {layer.name for layer in show(out / "net.caffemodel").nets[0].layers}
    assert set(read_weights((out / "net.caffemodel").read_bytes())) <= shown


BOTTLENECK = (
    INPUT + conv("project", "data", num_output=5, kernel_size=1, bias_term="false") + batch_norm("bn", "project")
    + scale("sc", "project") + conv("expand", "project", num_output=9, kernel_size=1) + relu("expand")
)  # fmt: skip
BOTTLENECK_SHAPES = {
    "project": [(5, 4, 1, 1)], "bn": [(5,), (5,), (1,)], "sc": [(5,), (5,)], "expand": [(9, 5, 1, 1), (9,)],
}  # fmt: skip


def merged_by_another_tool(folder, model, into):
    """The bottleneck without its BatchNorm, which is in the convolution before it, or in the one after it."""
    arrays = {name: [array.astype(np.float64) for array in row[1]] for name, row in read_weights(model).items()}
    mean, variance, factor = arrays["bn"]
    times = arrays["sc"][0] / np.sqrt(variance / factor + 1e-5)
    shift = arrays["sc"][1] - mean / factor * times
    project, (expand, bias) = arrays["project"][0], arrays["expand"]
    if into == "project":
        numbers = {"project": [project * times[:, None, None, None], shift], "expand": [expand, bias]}
    else:
        inside = expand * times[None, :, None, None]
        numbers = {"project": [project], "expand": [inside, bias + expand[:, :, 0, 0] @ shift]}
    text = BOTTLENECK.replace(batch_norm("bn", "project") + scale("sc", "project"), "")
    text = text.replace(" bias_term: false", "") if into == "project" else text
    rows = [
        ("project", "Convolution", ["data"], ["project"], [a.astype("<f4") for a in numbers["project"]], None),
        ("expand", "Convolution", ["project"], ["expand"], [a.astype("<f4") for a in numbers["expand"]], None),
    ]
    folder.mkdir()
    return write_net(folder, text, weights(rows))


@pytest.mark.parametrize("into", ["project", "expand"])
def test_a_linear_bottleneck_merged_either_way(tmp_path, into):
    model = model_of(BOTTLENECK, BOTTLENECK_SHAPES)
    base = write_net(tmp_path, BOTTLENECK, model)
    derived = merged_by_another_tool(tmp_path / "merged", model, into)
    report = verify(*base, derived)
    assert report.problems == ()
    (block,) = report.blocks
    assert block.layer == into
    assert block.members == (("bn", "project", "sc") if into == "project" else ("bn", "expand", "sc"))
    changed(
        derived[1], lambda layers, _net: layers["expand"].blobs[0].data.append(layers["expand"].blobs[0].data.pop() + 1)
    )
    assert verify(*base, derived).problems


def test_our_own_fold_of_a_bottleneck_passes(tmp_path):
    base = write_net(tmp_path, BOTTLENECK, model_of(BOTTLENECK, BOTTLENECK_SHAPES))
    fold(*base, tmp_path / "f", all=True)
    report = verify(*base, tmp_path / "f")
    assert report.problems == ()
    assert [block.layer for block in report.blocks] == ["project"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("num_output: 6", "num_output: 6 num_output: 6", "conv1_1: gives num_output more than once"),
        (
            "num_output: 6",
            "num_output: 6 } convolution_param { group: 1",
            "conv1_1: gives convolution_param more than once",
        ),
        ('name: "tiny"', 'name: "tiny" name: "tiny"', "base.prototxt: gives name more than once"),
        ('top: "ip"', 'top: "ip" param { } param { } param { }', "ip: says how 3 blobs are trained, and has 2"),
        ('type: "ReLU"', 'type: "ReLU" param { lr_mult: 1 }', "relu1_1: says how 1 blobs are trained, and has 0"),
    ],
)
def test_what_caffes_parser_refuses(tmp_path, old, new, said):
    net, model = write_tiny(tmp_path, TINY.replace(old, new))
    assert any(problem.startswith(said) for problem in verify(net, model).problems)


@pytest.mark.parametrize("name", ["conv1_1_split1", "ip"])
def test_of_several_records_the_last_counts(tmp_path, name):
    net, model, out = split(tmp_path, noise=0)
    files = out / "net.prototxt", out / "net.caffemodel"

    def twice(layers, whole, first):
        other = layers[name]
        (again := whole.layer.add()).CopyFrom(other)
        (other if first else again).blobs[0].data[0] += 1

    before = files[1].read_bytes()
    for first, problems in ((True, False), (False, True)):
        files[1].write_bytes(before)
        changed(files[1], lambda layers, whole, first=first: twice(layers, whole, first))
        assert bool(verify(net, model, files, max_drift=0).problems) == problems


def test_a_sharer_stored_as_doubles_holds_the_same_numbers(tmp_path):
    net, model = siamese(tmp_path)
    extension(net, model, tmp_path / "out")
    files = tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel"

    def edit(layers, _net, more=0.0):
        blob = layers["conv1_p_split1"].blobs[0]
        numbers = list(blob.double_data or blob.data)
        del blob.data[:]
        blob.double_data[:] = [number + more for number in numbers]

    changed(files[1], edit)
    assert verify(net, model, files, trained=True).problems == ()
    changed(files[1], lambda layers, whole: edit(layers, whole, 1.0))
    assert any("which holds other numbers" in problem for problem in verify(net, model, files, trained=True).problems)


def test_hdf5_leaves_out_what_is_shared(tmp_path):
    """As Caffe saves it: the blobs of the layer that owns them only."""
    net, model = siamese(tmp_path)
    arrays = {name: dict(enumerate(found)) for name, (_, found) in read_weights(model.read_bytes()).items()}
    stored = write_h5(tmp_path / "w.caffemodel.h5", {**arrays, "conv1_p": {}})
    for pair in ((model, stored), (stored, model)):
        assert diff(*pair).equal
        assert verify(net, pair[0], (net, pair[1])).problems == ()
    arrays["conv1"][0][0, 0, 0, 0] += 1
    other = write_h5(tmp_path / "other.caffemodel.h5", {**arrays, "conv1_p": {}})
    assert not diff(model, other).equal
    assert verify(net, model, (net, other)).problems
