"""Nets for other images: gray, colour, RGB for BGR, and pixels as they are; text and weights together."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import convert, reshape
from split_surgery.documents.source import Source
from split_surgery.documents.weights.opening import weights_in
from split_surgery.errors import Defect, FileError, OptionError, Unsupported, UsageError
from split_surgery.operations import change_images, image_sources, scale_layer
from tests.support.linear_nets import run_opencv
from tests.support.nets import CONV, DATA, TAIL, TINY, conv_arrays, read_weights, tiny_weights, write_tiny

GRAY = TINY.replace("dim: 3", "dim: 1", 1)
TRAIN = """\
layer {
  name: "data" # of LMDB
  type: "Data"
  top: "data"
  top: "label"
  include { phase: TRAIN }
  transform_param {
    mirror: true
    mean_value: 104 # blue
    mean_value: 117.5
    mean_value: 123
    scale: 0.5
  }
  data_param { source: "lmdb" batch_size: 4 }
}
layer {
  name: "data"
  type: "Data"
  top: "data"
  top: "label"
  include { phase: TEST }
  transform_param { mean_value: [104, 117.5, 123] scale: .5 }
  data_param { source: "lmdb_test" batch_size: 4 }
}
"""
UNPADDED = (CONV + TAIL).replace("    pad: 1\n", "")


def images(channels, seed=3):
    return np.random.RandomState(seed).standard_normal((2, channels, 8, 8))


def outputs(net, model, given):
    return run_opencv(net, model, given, ["ip"])[0]


def written(folder):
    return folder / "net.prototxt", folder / "net.caffemodel"


@pytest.mark.parametrize("options", [{}, {"legacy": True}, {"dtype": "<f8"}])
def test_gray(tmp_path, options):
    pytest.importorskip("cv2")
    net, model = write_tiny(tmp_path, model=tiny_weights(**options))
    report = reshape(net, model, tmp_path / "gray", channels="gray")
    assert (report.images[0].channels, report.images[0].layers, report.notes) == ((3, 1), ("conv1_1",), ())
    assert (tmp_path / "gray" / "net.prototxt").read_text() == GRAY
    made = read_weights((tmp_path / "gray" / "net.caffemodel").read_bytes())
    weight, bias = conv_arrays()
    np.testing.assert_allclose(made["conv1_1"][1][0].reshape(6, 3, 3), weight.astype(float).sum(1), rtol=2e-7)
    assert made["conv1_1"][1][1].reshape(-1).tolist() == bias.tolist()
    if not options.get("dtype"):
        given = images(1)
        was = outputs(net, model, np.repeat(given, 3, axis=1))
        np.testing.assert_allclose(outputs(*written(tmp_path / "gray"), given), was, rtol=1e-4, atol=1e-4)


def test_colour_and_back(tmp_path):
    pytest.importorskip("cv2")
    arrays = conv_arrays(c=1)
    net, model = write_tiny(tmp_path, GRAY, tiny_weights(arrays))
    report = reshape(net, model, tmp_path / "color", channels="color")
    assert 0 < report.images[0].rounding < 1e-7
    assert (tmp_path / "color" / "net.prototxt").read_text() == TINY
    given = images(3)
    was = outputs(net, model, given.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(outputs(*written(tmp_path / "color"), given), was, rtol=1e-4, atol=1e-4)
    reshape(*written(tmp_path / "color"), tmp_path / "back", channels="gray")
    assert (tmp_path / "back" / "net.prototxt").read_text() == GRAY
    made = read_weights((tmp_path / "back" / "net.caffemodel").read_bytes())["conv1_1"][1][0]
    np.testing.assert_allclose(made, arrays[0], rtol=3e-7)


@pytest.mark.parametrize("options", [{}, {"legacy": True}, {"dtype": "<f8"}])
def test_swapped_twice_is_the_same_files(tmp_path, options):
    net, model = write_tiny(tmp_path, model=tiny_weights(**options))
    report = reshape(net, model, tmp_path / "rgb", channels="swapped")
    assert report.images[0].rounding == 0
    assert (tmp_path / "rgb" / "net.prototxt").read_bytes() == net.read_bytes()
    made = read_weights((tmp_path / "rgb" / "net.caffemodel").read_bytes())["conv1_1"][1][0]
    assert made.reshape(6, 3, 3, 3).tolist() == conv_arrays()[0][:, ::-1].tolist()
    reshape(*written(tmp_path / "rgb"), tmp_path / "bgr", channels="swapped")
    assert (tmp_path / "bgr" / "net.caffemodel").read_bytes() == model.read_bytes()


def test_pixels_as_they_are(tmp_path):
    """Without a pad the convolution takes mean and scale in; the deploy net takes what the training net says."""
    pytest.importorskip("cv2")
    net, model = write_tiny(tmp_path, TRAIN + UNPADDED, tiny_weights(conv_arrays(bias=False)))
    bare = UNPADDED.replace("    kernel_size", "    bias_term: false\n    kernel_size")
    net.write_text(TRAIN + bare)
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(DATA + bare.replace("num_output: 4", "num_output: 4 bias_term: false"))
    arrays = conv_arrays(bias=False)
    ip = [np.ones((4, 6 * 36), np.float32)]
    model.write_bytes(weights_of(arrays, ip))
    report = reshape(net, model, tmp_path / "raw", raw_pixels=True, also=(deploy,))
    assert report.images[0].folded == "mean 104, 117.5, 123 and scale 0.5"
    assert (tmp_path / "raw" / "net.prototxt").read_text() == (
        TRAIN.replace(
            "    mean_value: 104 # blue\n    mean_value: 117.5\n    mean_value: 123\n    scale: 0.5\n", "    # blue\n"
        ).replace("  transform_param { mean_value: [104, 117.5, 123] scale: .5 }\n", "")
        + UNPADDED
    )
    pixels = np.random.RandomState(1).randint(0, 256, (2, 3, 8, 8)).astype(float)
    was = outputs(deploy, model, 0.5 * (pixels - np.array([104, 117.5, 123]).reshape(3, 1, 1)))
    now = outputs(tmp_path / "raw" / "deploy.prototxt", tmp_path / "raw" / "net.caffemodel", pixels)
    np.testing.assert_allclose(now, was, rtol=1e-4, atol=1e-4 * np.abs(was).max())


def weights_of(arrays, ip):
    from tests.support.nets import weights

    return weights(
        [
            ("conv1_1", "Convolution", ["data"], ["conv1_1"], arrays, {"num_output": 6, "kernel_size": 3, "bias_term": False}),
            ("ip", "InnerProduct", ["conv1_1"], ["ip"], ip, None),
        ]
    )  # fmt: skip


def test_behind_a_pad_a_layer_takes_them(tmp_path):
    """A pad is 0 behind the mean: in pixels that is the mean, which no convolution pads."""
    pytest.importorskip("cv2")
    net, model = write_tiny(tmp_path)
    report = reshape(net, model, tmp_path / "raw", raw_pixels=True, mean="104,117.5,123", scale=0.5)
    assert report.images[0].added == "data_scaled"
    text = (tmp_path / "raw" / "net.prototxt").read_text()
    assert text.startswith(
        DATA + 'layer {\n  name: "data_scaled"\n  type: "Scale"\n  bottom: "data"\n  top: "data_scaled"\n'
    )
    assert text.endswith(CONV.replace('bottom: "data"', 'bottom: "data_scaled"') + TAIL)
    pixels = np.random.RandomState(1).randint(0, 256, (2, 3, 8, 8)).astype(float)
    was = outputs(net, model, 0.5 * (pixels - np.array([104, 117.5, 123]).reshape(3, 1, 1)))
    np.testing.assert_allclose(
        outputs(*written(tmp_path / "raw"), pixels), was, rtol=1e-4, atol=1e-4 * np.abs(was).max()
    )
    made = read_weights((tmp_path / "raw" / "net.caffemodel").read_bytes())
    assert [array.tolist() for array in made["data_scaled"][1]] == [[0.5] * 3, [-52, -58.75, -61.5]]


def test_a_scale_alone_is_taken_in_behind_a_pad_too(tmp_path):
    net, model = write_tiny(
        tmp_path, TRAIN.replace("mean_value", "# ").replace("{ # : [104, 117.5, 123] ", "{ ") + CONV + TAIL
    )
    report = reshape(net, model, tmp_path / "raw", raw_pixels=True, channels="gray")
    assert [one.change for one in report.images] == ["raw", "gray"]
    assert report.images[0].added == ""
    made = read_weights((tmp_path / "raw" / "net.caffemodel").read_bytes())["conv1_1"][1][0]
    np.testing.assert_allclose(made[:, 0], conv_arrays()[0].astype(float).sum(1) / 2, rtol=1e-6)


def test_a_gray_training_net(tmp_path):
    net, model = write_tiny(tmp_path, TRAIN + CONV + TAIL)
    with pytest.raises(Unsupported, match=r"takes mean 104, 117.5, 123 and scale 0.5 from its channels"):
        reshape(net, model, tmp_path / "gray", channels="gray")
    net.write_text((TRAIN + CONV + TAIL).replace("117.5", "104").replace("123", "104"))
    report = reshape(net, model, tmp_path / "gray", channels="gray")
    assert report.notes == ('"data" must give images of 1 channel now, or encoded ones',)
    text = (tmp_path / "gray" / "net.prototxt").read_text()
    assert "    mean_value: 104 # blue\n    scale: 0.5\n    force_gray: true\n" in text
    assert "transform_param { mean_value: [104] scale: .5 force_gray: true }" in text


def test_swapped_means(tmp_path):
    net, model = write_tiny(tmp_path, TRAIN + CONV + TAIL)
    report = reshape(net, model, tmp_path / "rgb", channels="swapped")
    assert report.notes == ('"data" must give images whose channels are in the other order now',)
    text = (tmp_path / "rgb" / "net.prototxt").read_text()
    assert "mean_value: 123 # blue\n    mean_value: 117.5\n    mean_value: 104\n" in text
    assert "mean_value: [123, 117.5, 104]" in text


SOURCES = {
    'type: "ImageData" top: "data" top: "label" image_data_param { source: "l" }': "is_color: false }",
    'type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 1 channels: 3 height: 8 width: 8 }': "channels: 1 ",
    'type: "DummyData" top: "data" dummy_data_param { num: 1 channels: 3 height: 8 width: 8 }': "channels: 1 ",
    'type: "Input" top: "data" top: "b" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } }': "dim: 1 dim: 1 dim: 8",
}


@pytest.mark.parametrize("source", SOURCES)
def test_other_sources(source, tmp_path):
    net, model = write_tiny(tmp_path, f'layer {{ name: "data" {source} }}\n' + CONV + TAIL)
    reshape(net, model, tmp_path / "gray", channels="gray")
    assert SOURCES[source] in (tmp_path / "gray" / "net.prototxt").read_text().splitlines()[0]
    reshape(*written(tmp_path / "gray"), tmp_path / "color", channels="color")
    first = (tmp_path / "color" / "net.prototxt").read_text().splitlines()[0]
    assert first == f'layer {{ name: "data" {source} }}'.replace('"l" }', '"l" is_color: true }')


@pytest.mark.parametrize("declared", ["input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }", "input_dim: [1, 3, 8, 8]"])
def test_a_declared_input(declared, tmp_path):
    net, model = write_tiny(tmp_path, f'input: "data" {declared}\n' + CONV + TAIL)
    reshape(net, model, tmp_path / "gray", channels="gray")
    assert (tmp_path / "gray" / "net.prototxt").read_text() == net.read_text().replace("3", "1", 1)


def test_v1_and_hdf5(tmp_path):
    net, model = write_tiny(tmp_path, 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n' + CONV + TAIL)
    old = tmp_path / "old"
    convert(net, model, old, to="v1")
    reshape(old / "net.prototxt", old / "net.caffemodel", tmp_path / "gray", channels="gray")
    assert "CONVOLUTION" in (tmp_path / "gray" / "net.prototxt").read_text()
    with pytest.raises(Unsupported, match="V1 layer, and they know no Scale"):
        reshape(old / "net.prototxt", old / "net.caffemodel", tmp_path / "raw", raw_pixels=True, mean=(3,))
    convert(net, model, tmp_path / "base.caffemodel.h5")
    reshape(net, tmp_path / "base.caffemodel.h5", tmp_path / "h5", raw_pixels=True, mean=(1, 2, 3), scale=2)
    with Source(tmp_path / "h5" / "net.caffemodel.h5") as source:
        found = {record.name: [blob.load() for blob in record.blobs] for record in weights_in(source).layers}
    assert [one.tolist() for one in found["data_scaled"]] == [[2, 2, 2], [-2, -4, -6]]
    assert found["conv1_1"][0].tolist() == conv_arrays()[0].tolist()


REFUSED = [
    ("dim: 3", "dim: 1", "gray", FileError, 'reads 3 channels, and "data" has 1'),
    ("num_output: 6", "num_output: 6 group: 3", "gray", Unsupported, "has 3 groups"),
    ('bottom: "data"', 'bottom: "other"', "gray", UsageError, "no convolution of .* reads what comes into the net"),
    ("dim: 8 dim: 8 } }", 'dim: 8 dim: 8 } }\n}\nlayer { name: "p" type: "Pooling" bottom: "data" top: "p"', "gray", Unsupported,
     'reads the images "data" and is a Pooling'),
    ("  convolution_param", '  param { name: "w" }\n  convolution_param', "color", Unsupported, "color images are made of 1"),
    ("pad: 1", "pad: 1 is_relu: true", "gray", Unsupported, "is_relu"),
    ('type: "Input"', 'type: "WindowData"', "gray", Unsupported, "cuts windows"),
    ('type: "Input"', 'type: "ImageData"', "swapped", Unsupported, "always gives as BGR"),
    ('type: "Input"', 'type: "Data" transform_param { mean_file: "m" }', "gray", Unsupported, 'mean of each pixel from "m"'),
    ('type: "Input"', 'type: "Data" transform_param { mean_value: 1 mean_value: 2 }', "gray", FileError, "2 mean values for 3"),
    ('type: "Input"', 'type: "Data" data_param { scale: 2 }', "gray", Unsupported, "says scale in data_param"),
    ('top: "data"', 'top: "data" top: "again"', "gray", Unsupported, "one shape for all its tops"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "channels", "error", "message"), REFUSED)
def test_what_is_refused(old, new, channels, error, message, tmp_path):
    arrays = conv_arrays(c=1) if "group" in new else conv_arrays()
    net, model = write_tiny(tmp_path, TINY.replace(old, new, 1), tiny_weights(arrays))
    with pytest.raises(error, match=message):
        reshape(net, model, tmp_path / "out", channels=channels)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_numbers_that_give_no_others(value, tmp_path):
    arrays = conv_arrays()
    arrays[0][1, :, 1, 1] = value
    net, model = write_tiny(tmp_path, model=tiny_weights(arrays))
    with pytest.raises(FileError, match="holds NaN or infinity|float32 cannot hold"):
        reshape(net, model, tmp_path / "gray", channels="gray")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"channels": "grey"}, OptionError, "must be one of gray, color, swapped"),
        ({"raw_pixels": True}, UsageError, "no prototxt says what is done to pixels"),
        ({"raw_pixels": True, "mean": "0"}, UsageError, "pixels are taken as they are already"),
        ({"raw_pixels": True, "mean": "1,2"}, OptionError, "must be one number or 3"),
        ({"raw_pixels": True, "mean": "1;2"}, OptionError, "numbers with commas"),
        ({"raw_pixels": True, "scale": 0.0}, OptionError, "other than 0"),
        ({"mean": "1"}, UsageError, "say what .* folds into the net"),
        ({"raw_pixels": True, "mean": "1e39"}, OptionError, "finite"),
    ],
)
def test_what_is_asked_wrongly(words, error, message, tmp_path):
    net, model = write_tiny(tmp_path)
    with pytest.raises(error, match=message):
        reshape(net, model, tmp_path / "out", **words)


def test_files_that_disagree(tmp_path):
    net, model = write_tiny(tmp_path, TRAIN + CONV + TAIL)
    with pytest.raises(Unsupported, match="what is given mean 104"):
        reshape(net, model, tmp_path / "out", raw_pixels=True, mean="104")
    net.write_text((TRAIN + CONV + TAIL).replace("scale: .5", "scale: .25"))
    with pytest.raises(Unsupported, match=r"takes mean 104, 117.5, 123 and scale 0.25, and .*base.prototxt"):
        reshape(net, model, tmp_path / "out", raw_pixels=True)


FAULTS = {
    "kernels of another order": (
        change_images, "_rounded", lambda layer, array, dtype: np.ascontiguousarray(array[::-1].astype(dtype)), "gray",
    ),
    "means that stay": (image_sources, "_without_transform", lambda layer: None, "raw"),
    "a shape that stays": (image_sources, "_set_channels", lambda *_: None, "gray"),
    "a shape of other images": (
        image_sources, "_set_channels", lambda layer, source, param, at, channels: layer.set(f"{param}.shape[0].dim[2]", 1), "gray",
    ),
    "a layer behind the convolution": (
        scale_layer.EditableNet, "add_before", lambda self, where, new: self.add_after(where, new), "padded",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_proof_finds_planted_faults(fault, tmp_path, monkeypatch):
    owner, name, wrong, change = FAULTS[fault]
    text = TRAIN + UNPADDED if change == "raw" else TINY
    net, model = write_tiny(tmp_path, text)
    monkeypatch.setattr(owner, name, wrong)
    asked = {"raw": {"raw_pixels": True}, "padded": {"raw_pixels": True, "mean": (1,)}}.get(
        change, {"channels": change}
    )
    with pytest.raises(Defect):
        reshape(net, model, tmp_path / "out", **asked)


def test_what_it_prints(tmp_path, command):
    write_tiny(tmp_path)
    run = ("reshape", "base.prototxt", "base.caffemodel", "--channels", "gray", "-o", "gray")
    assert command(*run, cwd=tmp_path).stdout.splitlines()[:2] == [
        "gray: written; 1 layer reshaped",
        '"data": gray images of 1 channel, and not 3 channels: kernels of conv1_1 summed',
    ]
    run = ("reshape", "base.prototxt", "base.caffemodel", "--raw-pixels", "--mean", "104,117,123", "-o", "raw")
    assert command(*run, cwd=tmp_path).stdout.splitlines() == [
        "raw: written; 1 layer reshaped",
        '"data": pixels as they are; mean 104, 117, 123 taken into the new layer "data_scaled", before the pad of conv1_1',
    ]
    assert command(*run, "--check", cwd=tmp_path).returncode == 0
