"""Weights in other forms: there and back the same bytes or numbers, what is lost said, and what cannot be refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from split_surgery import convert
from split_surgery.documents.edit import v1_record
from split_surgery.documents.source import Source
from split_surgery.documents.weights import blob_forms
from split_surgery.documents.weights.opening import weights_in
from split_surgery.documents.weights.wire import tagged
from split_surgery.errors import Defect, FileError, OptionError, Unsupported
from split_surgery.operations import convert_weights
from tests.support.caffe_proto import message_class
from tests.support.converted import raw_weights, through, v1_weights
from tests.support.hdf5_files import h5_case, write_h5
from tests.support.nets import blob, conv_arrays, tiny_weights, weights, write_tiny


def numbers(path: Path) -> dict[tuple[str, int], np.ndarray]:
    """Every blob of a file, by layer and index."""
    with Source(path) as source:
        return {(record.name, b.index): b.load() for record in weights_in(source).layers for b in record.blobs}


def forms(path: Path) -> set[tuple[str, int, bool]]:
    """Precision, field and kind of shape of the blobs of a protobuf file."""
    with Source(path) as source:
        return {(b.dtype, b.number, b.legacy) for record in weights_in(source).layers for b in record.blobs}


def same_numbers(a: Path, b: Path) -> bool:
    was, now = numbers(a), numbers(b)
    return was.keys() == now.keys() and all(np.array_equal(was[key], now[key], equal_nan=True) for key in was)


def quiet_nans(array: np.ndarray) -> np.ndarray:
    """One NaN for all: which one it is a processor need not keep when it converts."""
    return np.where(np.isnan(array), np.float32("nan"), array)


SINGLE = some.arrays(np.float32, st.tuples(st.integers(1, 3), st.just(2), st.just(2), st.just(1))).map(quiet_nans)
ROWS = (
    ("double", "float"), ("raw-float", "float"), ("raw-double", "double", "float"), ("raw-float", "raw-double", "float"),
    ("shapes=legacy", "shapes=new"), ("raw-double", "raw-float", "float"),
)  # fmt: skip


@settings(max_examples=15)
@given(SINGLE, st.sampled_from(ROWS), st.booleans(), st.booleans())
def test_there_and_back_is_the_same_bytes(array, row, legacy, v1):
    if row[0] == "shapes=legacy" and legacy:
        row = row[::-1]
    data = weights(
        [("conv", "Convolution", ["a"], ["b"], [array, array[:, 0, 0, 0]], {"num_output": 3})], legacy=legacy, v1=v1
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.caffemodel"
        path.write_bytes(data)
        assert through(Path(folder), path, *row).read_bytes() == data


@settings(max_examples=15)
@given(SINGLE)
def test_a_half_is_the_nearest_one(array):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.caffemodel"
        path.write_bytes(weights([("conv", "Convolution", [], [], [array], None)]))
        half = through(Path(folder), path, "half", allow_overflow=True)
        assert forms(half) == {("<f2", 12, False)}
        with np.errstate(over="ignore"):
            expected = array.astype(np.float16)
        assert np.array_equal(numbers(half)["conv", 0], expected, equal_nan=True)
        there = through(Path(folder), half, "float", "half")
        assert there.read_bytes() == half.read_bytes()  # a half is a float too


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
@pytest.mark.parametrize("to", ["float", "double", "raw-float", "raw-double"])
def test_raw_data_as_nvidia_writes_it(tmp_path, dtype, to):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(raw_weights(np.arange(5).astype(dtype) / 8))
    back = {"<f2": "raw-half", "<f4": "raw-float", "<f8": "raw-double"}[dtype]
    there = through(tmp_path, path, to)
    assert np.array_equal(numbers(there)["ip", 0], np.arange(5) / 8)
    assert through(tmp_path, there, back).read_bytes() == path.read_bytes()


def test_a_report_says_what_was_rounded(tmp_path):
    path = tmp_path / "a.caffemodel"
    array = np.array([1, 1 + 2**-11, 3 * 2**-12 + 1, 2**-26, -np.inf, np.nan, 65504], np.float32)
    path.write_bytes(weights([("ip", "InnerProduct", [], [], [array], None)]))
    report = convert(path, output=tmp_path / "out", to="half")
    found = report.rounding
    assert (found.absolute, found.zeros, found.overflows, report.worst) == (2**-11, 1, 0, "ip blob 0")
    assert found.relative == pytest.approx(2**-11 / (1 + 2**-11))
    assert "1 number became 0" in str(report)
    made = numbers(tmp_path / "out" / "net.caffemodel")["ip", 0]
    assert np.isneginf(made[4])
    assert np.isnan(made[5])


@pytest.mark.parametrize(
    ("dtype", "value", "to"), [("<f4", 65520, "half"), ("<f8", 1e39, "float"), ("<f8", -1e5, "half")]
)
def test_too_large_for_it(tmp_path, dtype, value, to):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(weights([("ip", "InnerProduct", [], [], [np.array([1.0, value])], None)], dtype))
    with pytest.raises(Unsupported, match="1 numbers of blob 0 would become infinite") as caught:
        convert(path, output=tmp_path / "out", to=to)
    assert "allow_overflow" in str(caught.value)
    assert not (tmp_path / "out").exists()
    report = convert(path, output=tmp_path / "out", to=to, allow_overflow=True)
    assert (report.rounding.overflows, report.rounding.largest) == (1, abs(value))
    assert np.isinf(numbers(tmp_path / "out" / "net.caffemodel")["ip", 0][1])


def test_all_other_bytes_stay(tmp_path):
    """Unknown fields of the net, the layer and the blob, gradients, and what stands between."""
    net = message_class("NetParameter")()
    net.ParseFromString(tiny_weights())
    net.layer[1].blobs[0].diff.extend([1.0, 2.0])
    net.layer[1].MergeFromString(tagged(999, b"fork of a layer"))
    net.layer[1].blobs[1].MergeFromString(tagged(998, b"fork of a blob"))
    data = tagged(997, b"first") + net.SerializeToString() + tagged(997, b"last")
    path = tmp_path / "a.caffemodel"
    path.write_bytes(data)
    double = through(tmp_path, path, "double")
    made = message_class("NetParameter")()
    made.ParseFromString(double.read_bytes())
    assert list(made.layer[1].blobs[0].diff) == [1.0, 2.0]
    assert list(made.layer[1].blobs[0].double_data) == list(net.layer[1].blobs[0].data)
    for word in (b"fork of a layer", b"fork of a blob", b"first", b"last"):
        assert double.read_bytes().count(word) == 1
    assert through(tmp_path, double, "float").read_bytes() == data


def test_numbers_that_are_not_packed_are_packed(tmp_path):
    values = np.array([1.5, -2, 3], np.float32)
    loose = b"".join(b"\x2d" + value.tobytes() for value in values)  # a tag for each
    shape = tagged(7, tagged(1, b"\x03"))
    path = tmp_path / "a.caffemodel"
    path.write_bytes(tagged(100, tagged(1, b"ip") + tagged(7, loose + shape)))
    assert np.array_equal(numbers(through(tmp_path, path, "double"))["ip", 0], values)
    assert same_numbers(through(tmp_path, path, "double", "float"), path)


# Legacy shapes


def test_legacy_shapes(tmp_path):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(tiny_weights(legacy=True))
    new = through(tmp_path, path, "shapes=new")
    assert {key: array.shape for key, array in numbers(new).items()} == {
        ("conv1_1", 0): (6, 3, 3, 3), ("conv1_1", 1): (6,), ("ip", 0): (4, 384), ("ip", 1): (4,),
    }  # fmt: skip
    assert new.read_bytes() == tiny_weights()
    assert through(tmp_path, new, "shapes=legacy").read_bytes() == path.read_bytes()


def test_a_shape_that_the_type_does_not_tell(tmp_path):
    path, net = tmp_path / "a.caffemodel", tmp_path / "net.prototxt"
    path.write_bytes(weights([("s", "Scale", ["data"], ["data"], [np.ones(3, np.float32)], None)], legacy=True))
    with pytest.raises(Unsupported, match='layer "s": blob 0 has a legacy shape .*\n.*give NET before WEIGHTS'):
        through(tmp_path, path, "shapes=new")
    net.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 }\nlayer { name: "s" type: "Scale" bottom: "data" top: "data" }\n'
    )
    assert numbers(through(tmp_path, path, "shapes=new", net=net))["s", 0].shape == (3,)
    path.write_bytes(weights([("c", "Convolution", [], [], [np.ones((1, 1, 2, 2, 2), np.float32)], None)]))
    with pytest.raises(Unsupported, match="has 5 axes, and a legacy shape has four"):
        through(tmp_path, path, "shapes=legacy")


# HDF5


def shared(owner=1.0, other=1.0) -> bytes:
    net = message_class("NetParameter")()
    for name, value in (("a", owner), ("b", other)):
        layer = net.layer.add(name=name, type="InnerProduct", bottom=["data"], top=[name])
        layer.param.add(name="w")
        blob(layer.blobs.add(), np.full((2, 3), value, np.float32))
        blob(layer.blobs.add(), np.array([1, len(name)], np.float32))
    return net.SerializeToString()


def test_hdf5_is_what_caffe_writes(tmp_path):
    _, model = write_tiny(tmp_path)
    made = through(tmp_path, model, "h5")
    with h5py.File(made) as file:
        assert list(file) == ["data"]
        assert sorted(file["data"]) == ["conv1_1", "data", "ip", "relu1_1"]
        assert list(file["data/relu1_1"]) == []
        assert (file["data/ip/0"].shape, file["data/ip/0"].dtype, file["data/ip/0"].chunks) == (
            (4, 384),
            np.float32,
            None,
        )
    assert same_numbers(made, model)
    assert same_numbers(through(tmp_path, made, "caffemodel"), model)
    assert same_numbers(through(tmp_path, made, "double", "float"), model)


def test_with_the_net_the_records_come_back(tmp_path):
    net, model = write_tiny(tmp_path)
    back = through(tmp_path, through(tmp_path, model, "h5"), "caffemodel", net=net)
    was, now = message_class("NetParameter")(), message_class("NetParameter")()
    was.ParseFromString(model.read_bytes())
    now.ParseFromString(back.read_bytes())
    for layer in was.layer:
        layer.ClearField("convolution_param")  # which HDF5 has not, and NET is not asked for
    assert now == was


def test_hdf5_has_a_shared_blob_once(tmp_path):
    path, net = tmp_path / "a.caffemodel", tmp_path / "net.prototxt"
    path.write_bytes(shared())
    made = through(tmp_path, path, "h5")
    with h5py.File(made) as file:
        assert {name: sorted(file[f"data/{name}"]) for name in "ab"} == {"a": ["0", "1"], "b": ["1"]}
    with pytest.raises(Unsupported, match='layer "b": has no blob 0, which it seems to share.*\n.*give NET'):
        through(tmp_path, made, "caffemodel")
    text = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "data" top: "{0}" param {{ name: "w" }} '
        "inner_product_param {{ num_output: 2 }} }}\n"
    )
    net.write_text('input: "data" input_shape { dim: 1 dim: 3 }\n' + text.format("a") + text.format("b"))
    assert same_numbers(through(tmp_path, made, "caffemodel", net=net), path)
    path.write_bytes(shared(other=2.0))
    with pytest.raises(FileError, match='layer "b": blob 0 shares the parameter "w" .* and holds other numbers'):
        through(tmp_path, path, "h5")


@pytest.mark.parametrize(
    ("name", "message"), [("a/b", 'layer "a/b": HDF5 takes a `/` in a name'), ("", "HDF5 has no group without a name")]
)
def test_names_that_hdf5_has_not(tmp_path, name, message):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(weights([(name, "InnerProduct", [], [], [np.ones(3, np.float32)], None)]))
    with pytest.raises(Unsupported, match=message):
        through(tmp_path, path, "h5")
    twice = weights([("a", "InnerProduct", [], [], [np.ones(3, np.float32)], None)] * 2)
    path.write_bytes(twice)
    with pytest.raises(FileError, match="has two records, and HDF5 has one group"):
        through(tmp_path, path, "h5")


def test_what_an_hdf5_file_holds_besides_stays(tmp_path):
    _, path = h5_case(tmp_path, diff=True)
    with h5py.File(path, "a") as file:
        file["data/ip"].attrs["note"] = "mine"
        file["other"] = np.arange(3)
    with h5py.File(through(tmp_path, path, "half")) as file:
        assert (file["data/ip"].attrs["note"], list(file["other"]), file["data/ip/0"].dtype) == (
            "mine",
            [0, 1, 2],
            np.float16,
        )
        assert file["diff/ip/0"].shape == (4, 384)


# V1


def test_v1_records(tmp_path):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(v1_weights())
    made = message_class("NetParameter")()
    new = through(tmp_path, path, "new")
    made.ParseFromString(new.read_bytes())
    assert [(layer.name, layer.type) for layer in made.layer] == [
        ("images", "Data"),
        ("conv", "Convolution"),
        ("tied", "Convolution"),
    ]
    assert [(spec.lr_mult, spec.decay_mult) for spec in made.layer[1].param] == [(1, 1), (2, 0)]
    assert made.layer[1].convolution_param.num_output == 6
    assert same_numbers(new, path)
    assert through(tmp_path, new, "v1").read_bytes() == path.read_bytes()


def test_both_at_once(tmp_path):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(v1_weights())
    once = through(tmp_path, path, "new,half")
    rows = tmp_path / "rows"
    rows.mkdir()
    assert once.read_bytes() == through(rows, path, "new", "half").read_bytes()


def test_rates_with_a_gap(tmp_path):
    """What V1 cannot leave out it says as the default."""
    net = message_class("NetParameter")()
    layer = net.layer.add(name="a", type="Convolution")
    layer.param.add(lr_mult=3)
    layer.param.add(decay_mult=0)
    path = tmp_path / "a.caffemodel"
    path.write_bytes(net.SerializeToString())
    old = message_class("NetParameter")()
    old.ParseFromString(through(tmp_path, path, "v1").read_bytes())
    assert (list(old.layers[0].blobs_lr), list(old.layers[0].weight_decay)) == ([3], [1, 0])


def test_records_that_v1_has_not(tmp_path):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(tiny_weights())
    report = convert(path, output=tmp_path / "out", to="v1")
    assert report.lost == ("records without blobs of types that V1 has not: 1 Input",)
    assert same_numbers(tmp_path / "out" / "net.caffemodel", path)
    path.write_bytes(weights([("s", "Scale", [], [], [np.ones(3, np.float32)], None)]))
    with pytest.raises(Unsupported, match='layer "s": V1 has no layers of the type "Scale"'):
        through(tmp_path, path, "v1")


@pytest.mark.parametrize(
    ("v1", "extra", "to", "message"),
    [
        (True, tagged(5, 99), "new", "its type 99 is none of Caffe's V1 types"),
        (True, tagged(2000, b"x"), "new", 'layer "conv": field 2000 is none of Caffe\'s V1 layers'),
        (False, tagged(139, b""), "v1", 'layer "conv": V1 layers have no field 139'),
        (False, tagged(6, tagged(9, 1)), "v1", "V1 has no field 9 of a parameter"),
        (False, tagged(6, tagged(2, 7)), "v1", 'layer "conv": share_mode 7 is none that Caffe knows'),
        (True, tagged(1002, 7), "new", "share_mode 7 is none that Caffe knows"),
        (True, tagged(1002, b"\1\7"), "new", "share_mode 7 is none that Caffe knows"),
    ],
)
def test_fields_that_the_other_form_has_not(tmp_path, v1, extra, to, message):
    field, name, kind = (
        (2, tagged(4, b"conv"), tagged(5, 4)) if v1 else (100, tagged(1, b"conv"), tagged(2, b"Convolution"))
    )
    body = name + (b"" if extra[:1] == b"\x28" else kind) + extra
    path = tmp_path / "a.caffemodel"
    path.write_bytes(tagged(field, body))
    with pytest.raises(Unsupported, match=message):
        through(tmp_path, path, to)


def test_a_phase_that_nobody_knows_goes_like_any_other(tmp_path):
    """Protobuf keeps such a value as an unknown field, and V1 has no phase."""
    path = tmp_path / "a.caffemodel"
    path.write_bytes(tagged(100, tagged(1, b"conv") + tagged(2, b"Convolution") + tagged(10, 1_048_576)))
    report = convert(path, output=tmp_path / "out", to="v1")
    assert report.lost == ("phase of the records, which V1 has not, and which say nothing of their numbers",)
    assert (tmp_path / "out" / "net.caffemodel").read_bytes() == tagged(2, tagged(4, b"conv") + tagged(5, 4))


# What is asked for


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"to": "fp16"}, r"did you mean half\?"),
        ({"to": "hafl"}, "did you mean half"),
        ({"to": ("half", "float")}, "contradicts half: a file has one form of its numbers"),
        ({"to": ()}, "say what to convert to: float, double, half"),
        ({"to": "raw-half,h5"}, "HDF5 has no raw_data"),
        ({"to": "h5", "shapes": "legacy"}, "HDF5 has no legacy shapes"),
        ({"to": "half", "shapes": "old"}, "must be new or legacy"),
    ],
)
def test_words(tmp_path, words, message):
    _, model = write_tiny(tmp_path)
    with pytest.raises(OptionError, match=message):
        convert(model, output=tmp_path / "out", **words)


def test_a_blob_without_its_numbers(tmp_path):
    net = message_class("NetParameter")()
    net.layer.add(name="a", type="InnerProduct").blobs.add().shape.dim.extend((2, 3))
    path = tmp_path / "a.caffemodel"
    path.write_bytes(net.SerializeToString())
    with pytest.raises(FileError, match='layer "a": blob 0 holds 0 of its 6 numbers'):
        through(tmp_path, path, "half")


# Planted faults: what is made otherwise than it is meant is a defect, and nothing is written


@pytest.mark.parametrize(
    ("module", "name", "fault", "to"),
    [
        (blob_forms, "_bytes", lambda blob, start, stop: bytes(stop - start), "double"),
        (blob_forms, "BLOB_LEGACY", {1: 1, 2: 0, 3: 2, 4: 3}, "shapes=legacy"),
        (convert_weights, "encode_form", lambda blob, number: b"", "half"),
        (v1_record, "_spec", lambda said: b"", "new"),
        (v1_record, "_values", lambda reader, item: iter([bytes(4)]), "new"),
        (v1_record, "_SAME", {**v1_record._SAME, 10: 104}, "new"),
        (v1_record, "OLD_NUMBERS", {**v1_record.OLD_NUMBERS, "Convolution": 5}, "v1"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, monkeypatch, module, name, fault, to):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(tiny_weights() if to.startswith("shapes") else v1_weights())
    if to == "v1":
        path = through(tmp_path, path, "new")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(module, name, fault)
    with pytest.raises(Defect):
        through(tmp_path, path, to)
    assert sorted(tmp_path.iterdir()) == before


def test_hdf5_alone_has_no_types(tmp_path):
    arrays = conv_arrays()
    path = write_h5(tmp_path / "a.caffemodel.h5", {"conv": dict(enumerate(arrays))})
    report = convert(path, output=tmp_path / "b.caffemodel")
    assert report.notes[0].startswith("HDF5 has no types, connections and parameters")
    assert report.weights.containers == ("h5", "caffemodel")
    assert report.weights.now == {"float": 2}
