"""Nets, layers and weights that are not split: each is refused with its reason, and nothing is written."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import extension, residual, verify
from split_surgery.errors import FileError, SurgeryError, Unsupported, UsageError
from tests.support.nets import CONV, DATA, TAIL, TINY, conv_arrays, tiny_weights, write_tiny


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("pad: 1", "pad: 1 group: 6"), Unsupported, "is depthwise"),
        (("pad: 1", "pad: 1 group: 4"), FileError, "num_output 6 is not a multiple of group 4"),
        (("pad: 1", "pad: 1 group: 0"), FileError, "group is 0"),
        (("pad: 1", "pad: 1 is_relu: true"), Unsupported, "is_relu is not a field of Caffe's convolution"),
        (
            ("  convolution_param", "  pooling_param { pool: MAX }\n  convolution_param"),
            Unsupported,
            "pooling_param belongs to another layer type",
        ),
        (("  top", '  bottom: "label"\n  top'), Unsupported, "has 2 bottoms"),
        (("Convolution", "Deconvolution"), UsageError, "only convolutions are split"),
        (("kernel_size: 3", "kernel_size: [3, 3, 3]"), Unsupported, "only 2-D convolutions"),
        (("num_output: 6", ""), FileError, "num_output is missing"),
        (("num_output: 6", "num_output: six"), FileError, "num_output is not a whole number"),
        (("kernel_size: 3", "stride: 0 kernel_size: 3"), FileError, "stride is 0"),
        (
            ("num_output: 6", "num_output: 7"),
            FileError,
            r"weights of shape \(6, 3, 3, 3\), but the prototxt asks for \(7, channels, 3, 3\)",
        ),
        (("kernel_size: 3", "kernel_size: 5"), FileError, "has weights of shape"),
        (("pad: 1", "pad: 1 bias_term: false"), FileError, "has 2 blobs, but without bias it has 1"),
        (("pad: 1", "pad: 1 axis: 2"), Unsupported, "axis 1"),
    ],
)
def test_layers_that_cannot_be_split(tmp_path, change, error, message):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace(*change, 1) + TAIL)
    with pytest.raises(error, match=message) as caught:
        residual(net, weights, tmp_path / "out", layer="conv1_1")
    assert str(caught.value).startswith(str(tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base.caffemodel", "base.prototxt"]


def test_a_trusted_field_is_split(tmp_path):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace("pad: 1", "pad: 1 is_relu: false") + TAIL)
    residual(net, weights, tmp_path / "out", trust_field=("is_relu",))
    assert (tmp_path / "out" / "net.prototxt").read_bytes().count(b"is_relu: false") == 5


def test_overlapping_twins_are_refused_and_disjoint_ones_edited(tmp_path):
    twin = lambda rule: CONV.replace("  convolution_param", f"  {rule}\n  convolution_param")  # noqa: E731
    net, weights = write_tiny(
        tmp_path, DATA + twin("include { phase: TRAIN }") + twin("exclude { phase: TRAIN }") + TAIL
    )
    residual(net, weights, tmp_path / "out")
    text = (tmp_path / "out" / "net.prototxt").read_bytes()
    assert text.count(b'name: "conv1_1_reorder"') == text.count(b'name: "conv1_1_split1"') == 2
    for rules in (("include { phase: TRAIN }", 'include { stage: "a" }'), ("", "include { phase: TEST }"), ("", "")):
        net, weights = write_tiny(tmp_path, DATA + twin(rules[0]) + twin(rules[1]) + TAIL)
        with pytest.raises(
            FileError, match=r'base.prototxt:\d+:1: two layers are named "conv1_1".*the other is at .*:8:1'
        ):
            residual(net, weights, tmp_path / "out2")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('net: "x.prototxt"\nbase_lr: 1\n', UsageError, "--solver"),
        ('layers { layer { name: "c" type: "conv" } bottom: "a" top: "b" }', Unsupported, "upgrade_net_proto_text"),
        ('layer { name: "a" }\nlayers { name: "b" }', FileError, ":2:1: holds both `layer` and V1 `layers`"),
        ("net_param { layer { } } net_param { layer { } }", FileError, "several nets to train"),
        ("net_param { layer { } } train_net_param { layer { } }", FileError, "several nets to train"),
        ("test_net_param { layer { } }", UsageError, "test nets only"),
        ("base_lr: 0.1", FileError, "holds no layers"),
        (DATA, UsageError, "no convolution to split"),
    ],
)
def test_files_that_are_no_net(tmp_path, text, error, message):
    net, weights = write_tiny(tmp_path, text)
    with pytest.raises(error) as caught:
        residual(net, weights, tmp_path / "out")
    assert message in str(caught.value)


def test_names_that_would_collide(tmp_path):
    net, weights = write_tiny(tmp_path, TINY.replace('"relu1_1"', '"conv1_1_concat"'))
    with pytest.raises(UsageError, match='new layer "conv1_1_concat" would have the name of what'):
        residual(net, weights, tmp_path / "out")
    stale = tiny_weights().replace(b"\x0a\x07relu1_1", b"\x0a\x07conv1_1")
    net, weights = write_tiny(tmp_path, TINY, stale)
    with pytest.raises(FileError, match='has 2 layers "conv1_1"'):
        residual(net, weights, tmp_path / "out")


def test_a_net_that_was_split_before_asks_which_layer(tmp_path):
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "one")
    again = (tmp_path / "one" / "net.prototxt", tmp_path / "one" / "net.caffemodel")
    with pytest.raises(UsageError, match="was split before") as caught:
        residual(*again, tmp_path / "two")
    assert "conv1_1_split2" in str(caught.value)
    residual(*again, tmp_path / "two", layer="conv1_1_split2")
    assert verify(*again, tmp_path / "two").problems == ()


def test_nan_and_overflow_are_refused(tmp_path):
    arrays = conv_arrays()
    arrays[0][3, 1, 1, 1] = np.nan
    net, weights = write_tiny(tmp_path, TINY, tiny_weights(arrays))
    with pytest.raises(FileError, match="NaN or infinity"):
        residual(net, weights, tmp_path / "out")
    arrays[0][3, 1, 1, 1] = 3e38
    net, weights = write_tiny(tmp_path, TINY, tiny_weights(arrays))
    with pytest.raises(UsageError, match="overflows float32"):
        residual(net, weights, tmp_path / "out", center=20.0, order="reverse")


def test_only_our_errors_leave(tmp_path):
    """Every prefix of a real prototxt is split or refused by our own error."""
    text = TINY.encode()
    _, weights = write_tiny(tmp_path)
    done = []
    for size in range(len(text), 0, -3):
        (tmp_path / "cut.prototxt").write_bytes(text[:size])
        try:
            residual(tmp_path / "cut.prototxt", weights, tmp_path / "out", diff=True)
            done.append(size)
        except SurgeryError:
            pass
    assert done, "the whole file can be split"


def test_parameters_are_never_tied_to_another_layers(tmp_path):
    named = CONV.replace("  convolution_param {", '  param { name: "w" }\n  convolution_param {')
    other = CONV.replace("conv1_1", "c2").replace(
        "  convolution_param {", '  param { name: "w_split1" }\n  convolution_param {'
    )
    net, weights = write_tiny(tmp_path, DATA + named + other + TAIL)
    with pytest.raises(
        UsageError, match='new parameter "w_split1" of "conv1_1_split1" would be tied to that of .*base.prototxt:20:1'
    ):
        residual(net, weights, tmp_path / "out")


def test_new_blobs_never_take_an_inputs_name(tmp_path):
    net, weights = write_tiny(tmp_path, 'input: "conv1_1_concat"\n' + TINY)
    with pytest.raises(UsageError, match='"conv1_1_concat" would have the name of what .*base.prototxt already makes'):
        residual(net, weights, tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('  name: "conv1_1"\n', "", "has no name"),
        ('  name: "conv1_1"\n', '  name: "x"\n  name: "conv1_1"\n', "gives name more than once"),
        ("num_output: 6", "num_output: 6 num_output: 6", "gives num_output more than once"),
        (
            "  convolution_param {",
            "  convolution_param { }\n  convolution_param {",
            "gives convolution_param more than once",
        ),
        ("num_output: 6", "num_output: []", "num_output is missing"),
        ("num_output: 6", "num_output: 0x" + "F" * 5000, "not a whole number of at most"),
    ],
)
def test_layers_that_caffe_could_not_read(tmp_path, old, new, message):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace(old, new, 1) + TAIL)
    with pytest.raises(SurgeryError, match=message):
        residual(net, weights, tmp_path / "out")


def test_nan_in_a_bias_is_a_fault_of_the_file(tmp_path):
    arrays = conv_arrays()
    arrays[1][2] = np.inf
    net, weights = write_tiny(tmp_path, TINY, tiny_weights(arrays))
    with pytest.raises(
        FileError, match=r'base.caffemodel@0x\w+: layer\[1\].blobs\[1\]: layer "conv1_1" holds NaN or infinity'
    ):
        extension(net, weights, tmp_path / "out")
