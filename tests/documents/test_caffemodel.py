"""The caffemodel reader and writer against protobuf, on whole and on damaged files."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import Held
from split_surgery.documents.weights.caffemodel import Caffemodel, encode_blob, index_blob
from split_surgery.documents.weights.wire import Buffer
from split_surgery.errors import FileError, SurgeryError, Unsupported
from tests.support.caffe_proto import message_class
from tests.support.nets import read_weights, tiny_weights
from tests.support.paths import EXAMPLE, SHARED, examples

NET = EXAMPLE / "fashion_vgg.caffemodel"


def model(data: bytes) -> Caffemodel:
    return Caffemodel(Buffer(data, "net.caffemodel"))


def real_files():
    found = [NET, *sorted((SHARED / "models").glob("*/*.caffemodel"))]
    return [
        pytest.param(path, id=path.stem, marks=[pytest.mark.corpus] if SHARED in path.parents else []) for path in found
    ]


@pytest.mark.parametrize("path", real_files())
def test_reads_real_nets_as_protobuf_does(path):
    oracle = message_class("NetParameter")()
    oracle.ParseFromString(path.read_bytes())
    with Source(path) as source:
        found = Caffemodel(source)
        assert len(found.layers) == len(oracle.layer)
        for record, layer in zip(found.layers, oracle.layer):
            assert (record.name, record.type) == (layer.name, layer.type)
            assert (record.stored_bottoms, record.tops) == (tuple(layer.bottom), tuple(layer.top))
            assert len(record.blobs) == len(layer.blobs)
            for blob, expected in zip(record.blobs, layer.blobs):
                assert blob.shape == tuple(expected.shape.dim)
                assert blob.load().tobytes() == np.array(expected.data, np.float32).tobytes()


def test_records_tile_what_they_cover():
    data = NET.read_bytes()
    spans = [record.span for record in model(data).layers]
    assert all(first.stop == second.start for first, second in itertools.pairwise(spans))
    assert spans[-1].stop == len(data)


class Counting(Buffer):
    touched = 0

    def read(self, start, stop):
        self.touched += stop - start
        return super().read(start, stop)


def test_the_index_reads_heads_only():
    reader = Counting(NET.read_bytes())
    found = Caffemodel(reader)
    assert reader.touched < 40 * sum(6 + 5 * len(record.blobs) for record in found.layers) + 8000
    before = reader.touched
    blob = found.named("conv1_1")[0].blobs[0]
    blob.load()
    assert reader.touched - before < 4 * 32 * 9 + 100


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("legacy", [False, True])
def test_dtypes_and_shapes(dtype, legacy):
    data = tiny_weights(dtype=dtype, legacy=legacy)
    weight, bias = model(data).named("conv1_1")[0].blobs
    assert (weight.dtype, weight.legacy) == (dtype, legacy)
    assert (weight.shape, bias.shape) == ((6, 3, 3, 3), (1, 1, 1, 6) if legacy else (6,))
    expected = read_weights(data)["conv1_1"][1][0]
    assert weight.load().tobytes() == expected.astype(dtype).tobytes()


@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20),
    st.sampled_from(["<f4", "<f8"]),
    st.booleans(),
)
def test_blobs_read_back_in_protobuf(values, dtype, legacy):
    array = np.array(values, dtype).reshape(1, -1)
    like = index_blob(Buffer(b""), Span(0, 0), "blob", 0)
    like = replace(like, legacy=legacy, dtype=dtype, number=5 if dtype == "<f4" else 8)
    message = message_class("BlobProto")()
    message.ParseFromString(b"".join(encode_blob(Held(array, 0, ""), like)))
    found = np.array(message.data if dtype == "<f4" else message.double_data, dtype)
    assert found.tobytes() == array.tobytes()
    assert ((message.num, message.width) == (1, len(values))) if legacy else (tuple(message.shape.dim) == array.shape)


def test_unpacked_numbers_and_odd_field_orders():
    numbers = b"".join(wire.varint(5 << 3 | wire.FIXED32) + np.float32(value).tobytes() for value in (1.5, -2.0))
    shape = wire.tagged(7, wire.tagged(1, 2))  # an unpacked dim
    for data in (numbers + shape, shape + numbers):
        blob = index_blob(Buffer(data), Span(0, len(data)), "blob", 0)
        assert blob.shape == (2,)
        assert blob.load().tolist() == [1.5, -2.0]


def test_groups_of_old_forks_are_skipped():
    inner = wire.varint(20 << 3 | wire.GROUP) + wire.tagged(1, b"inside") + wire.varint(20 << 3 | wire.END_GROUP)
    record = wire.tagged(1, b"conv") + inner + wire.tagged(2, b"Convolution")
    (layer,) = model(wire.tagged(100, record)).layers
    assert (layer.name, layer.type) == ("conv", "Convolution")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", FileError, "net.caffemodel: is empty"),
        (wire.tagged(2, wire.tagged(1, b"\x0a\x01a")), Unsupported, "V0 layers"),
        (wire.tagged(2, b"") + wire.tagged(100, b""), FileError, "both `layer` and V1 `layers`"),
        (wire.tagged(1, b"net"), FileError, "holds no layers"),
        (
            wire.tagged(1, 7),
            FileError,
            "net.caffemodel@0x0: name (is this a caffemodel, or a solverstate?): stored as varint",
        ),
        (
            wire.tagged(100, 7),
            FileError,
            "net.caffemodel@0x0: layer[0]: stored as varint, but must be length-delimited",
        ),
        (wire.tagged(100, wire.tagged(1, 7)), FileError, "net.caffemodel@0x3: layer[0].name: stored as varint"),
        (wire.tagged(100, wire.tagged(7, wire.tagged(5, b"abc"))), FileError, "layer[0].blobs[0]: its numbers"),
        (b"\xff" * 12, FileError, "net.caffemodel@0x0: these bytes are not a protobuf field"),
        (b"name: 'net'\n", FileError, "net.caffemodel@0x"),
        (
            wire.tagged(100, b"x" * 200)[:-150],
            FileError,
            "runs 150 bytes past the end of what holds it",
        ),
        (wire.varint(20 << 3 | wire.GROUP), FileError, "a group never ends"),
        (wire.varint(20 << 3 | wire.END_GROUP), FileError, "a group ends that never began"),
    ],
)
def test_damage_is_named(data, error, message):
    with pytest.raises(error) as caught:
        model(data)
    assert message in str(caught.value)


def test_a_blob_must_fill_its_shape():
    blob = wire.tagged(5, b"\0" * 36) + wire.tagged(7, wire.tagged(1, b"\x02\x05"))
    record = wire.tagged(1, b"conv") + wire.tagged(7, blob)
    (layer,) = model(wire.tagged(100, record)).layers
    with pytest.raises(FileError, match=r"layer\[0\].blobs\[0\]: 36 bytes of data, but shape \(2, 5\) needs 40"):
        layer.blobs[0].load()


def test_every_cut_is_refused_or_ends_at_a_record():
    data = tiny_weights()
    boundaries = {record.span.stop for record in model(data).layers}
    for size in range(len(data)):
        try:
            found = model(data[:size])
        except SurgeryError:
            continue
        assert size in boundaries
        assert len(found.layers) < 4


@given(st.data())
@settings(max_examples=examples(300), deadline=None)
def test_mutations_raise_only_our_error(data):
    whole = bytearray(tiny_weights())
    for _ in range(data.draw(st.integers(1, 4))):
        # Heads matter more than numbers: the interesting bytes are near the records' starts.
        at = data.draw(st.integers(0, 200) | st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    try:
        for record in model(bytes(whole)).layers:
            for blob in record.blobs:
                blob.load()
    except SurgeryError as error:
        assert "net.caffemodel" in str(error)


@given(st.integers(-(2**63), 2**64 - 1))
def test_varints(value):
    data = wire.varint(value)
    assert wire.read_varint(data, 0) == (value & (2**64 - 1), len(data))
    assert wire.read_varint(data[:-1], 0) == (0, 0)


@pytest.mark.parametrize(("dtype", "kind"), [("<f2", 2), ("<f4", 1), ("<f8", 0)])
def test_nvidias_raw_data_stays_raw(tmp_path, dtype, kind):
    """Half, single and double precision: kept in the form they came in."""
    from split_surgery import extension, residual, verify
    from tests.support.nets import TINY, conv_arrays, write_tiny

    net = message_class("NetParameter")()
    net.ParseFromString(tiny_weights())
    arrays = [array.astype(dtype) for array in conv_arrays()]
    for blob, array in zip(net.layer[1].blobs, arrays):
        del blob.data[:]
        blob.raw_data_type, blob.raw_data = kind, array.tobytes()
    paths = write_tiny(tmp_path, TINY, net.SerializeToString())
    report = extension(*paths, tmp_path / "out", noise=0)
    assert verify(*paths, tmp_path / "out", max_drift=0).problems == ()
    made = message_class("NetParameter")()
    made.ParseFromString((tmp_path / "out" / "net.caffemodel").read_bytes())
    split2 = next(layer for layer in made.layer if layer.name == "conv1_1_split2")
    assert (split2.blobs[0].raw_data_type, len(split2.blobs[0].data)) == (kind, 0)
    assert split2.blobs[0].raw_data == arrays[0][list(report.layer.slow)].tobytes()
    residual(*paths, tmp_path / "residual")
    assert verify(*paths, tmp_path / "residual").problems == ()


def test_raw_data_that_cannot_be_read():
    for data, message in (
        (wire.tagged(10, 3) + wire.tagged(12, b"1234"), "of the unknown type 3"),
        (wire.tagged(10, 2) + wire.tagged(12, b"123"), "no whole number of values"),
        (wire.tagged(10, 2) + wire.tagged(12, b"12") + wire.tagged(5, b"1234"), "more than one form"),
    ):
        with pytest.raises(Unsupported, match=message):
            index_blob(Buffer(data), Span(0, len(data)), "blob", 0).load()


def with_shape(shape: bytes, numbers: int = 0) -> bytes:
    """A caffemodel of one layer with one blob, whose BlobShape is these bytes."""
    stored = wire.tagged(7, shape) + wire.tagged(5, b"\0" * (4 * numbers))
    layer = wire.tagged(1, b"conv") + wire.tagged(2, b"Convolution") + wire.tagged(7, stored)
    return wire.tagged(100, layer)


def packed(*sizes: int) -> bytes:
    return wire.tagged(1, b"".join(map(wire.varint, sizes)))


def unpacked(*sizes: int) -> bytes:
    return b"".join(wire.tagged(1, size) for size in sizes)


@pytest.mark.parametrize("form", [packed, unpacked])
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1,) * 33, "more than 32 axes"),
        ((0, *(2**31 - 1,) * 2), "is beyond all bounds"),
        ((1,) * 65, "more than 32 axes"),
        ((1,) * 100_000, "more than 32 axes"),
        ((2**31,), "an axis of size 2147483648"),
        ((3, 2**63), f"an axis of size -{2**63}"),
        ((2**63 - 1,), "an axis of size 9223372036854775807"),
        ((-1, 3), "an axis of size -1"),
        ((0, -5), "an axis of size -5"),
    ],
)
def test_shapes_that_no_blob_has(form, sizes, message):
    with pytest.raises(FileError, match=message) as caught:
        model(with_shape(form(*sizes)))
    assert str(caught.value).startswith("net.caffemodel@0x")
    assert "layer[0].blobs[0]" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_shapes_in_several_parts_are_counted_together():
    shape = packed(*[1] * 20) + unpacked(*[1] * 20)
    with pytest.raises(FileError, match="more than 32 axes"):
        model(with_shape(shape))
    blobs = b"".join(wire.tagged(7, packed(*[1] * 20)) for _ in range(2))
    layer = wire.tagged(1, b"conv") + wire.tagged(7, blobs + wire.tagged(5, b"\0" * 4))
    with pytest.raises(FileError, match="more than 32 axes"):
        model(wire.tagged(100, layer))


@pytest.mark.parametrize("form", [packed, unpacked])
def test_the_largest_shapes_that_caffe_has_are_read(form):
    ((blob,),) = (record.blobs for record in model(with_shape(form(*[1] * 32), 1)).layers)
    assert blob.load().shape == (1,) * 32
    ((blob,),) = (record.blobs for record in model(with_shape(form(2**31 - 1, 0))).layers)
    assert (blob.count, blob.fault) == (0, "")


def test_a_legacy_size_that_is_negative():
    stored = wire.tagged(1, -1) + wire.tagged(2, 3)
    with pytest.raises(FileError, match="an axis of size -1"):
        model(wire.tagged(100, wire.tagged(1, b"conv") + wire.tagged(7, stored)))
