"""What protobuf reads of a record, and that it finds what is not as it was meant."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery.documents.edit.read_back import read_blob, read_history, read_record
from split_surgery.documents.spans import Span
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.blobs import Held
from split_surgery.documents.weights.wire import Buffer, tagged, varint
from split_surgery.errors import Defect

LARGE = np.random.RandomState(0).standard_normal((3, 50_000)).astype("<f4")
"""More than one piece of numbers."""


def blob_of(array, *, number=5, extra=b"", shape=None):
    """A BlobProto with these numbers."""
    dims = tagged(7, tagged(1, b"".join(map(varint, shape or array.shape))))
    return dims + extra + tagged(number, array.tobytes())


def prove(data, array):
    read_blob(Buffer(data), Span(0, len(data)), "the blob").prove(Held(array, 0, ""), "the blob")


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("count", [0, 1, 65_536, 65_537, 150_000])
def test_numbers_of_any_count_are_read(dtype, count):
    array = LARGE.reshape(-1)[:count].astype(dtype)
    prove(blob_of(array, number={"<f4": 5, "<f8": 8}[dtype]), array)


def test_raw_numbers_are_read():
    half = LARGE.astype("<f2")
    prove(blob_of(half, number=12, extra=tagged(10, 2)), half)


def test_raw_numbers_stand_in_one_field():
    """Of two protobuf keeps the last."""
    half = LARGE[:1, :4].astype("<f2")
    for parts in ((half.tobytes()[:4], half.tobytes()[4:]), (half.tobytes()[:-1],)):
        data = blob_of(half, number=12, extra=tagged(10, 2)).removesuffix(tagged(12, half.tobytes()))
        with pytest.raises(Defect, match="raw numbers twice, or a part of one"):
            prove(data + b"".join(tagged(12, one) for one in parts), half)


def test_legacy_shapes_are_read():
    array = LARGE[:, :2]
    prove(
        b"".join(tagged(axis + 1, size) for axis, size in enumerate((1, 1, 3, 2))) + tagged(5, array.tobytes()), array
    )


def changed(array, at):
    other = array.copy()
    other.reshape(-1).view(np.uint32)[at] ^= 1
    return other


def one_by_one(array, number, kind):
    """A blob whose numbers have a tag each, as protobuf writes them that are not declared packed."""
    head = varint(number << 3 | {"<f4": 5, "<f8": 1}[kind])
    dims = tagged(7, tagged(1, b"".join(map(varint, array.shape))))
    return dims + b"".join(head + one.tobytes() for one in array.astype(kind).reshape(-1))


@pytest.mark.parametrize(("number", "kind"), [(5, "<f4"), (8, "<f8")])
def test_numbers_may_stand_one_by_one(number, kind):
    array = np.arange(-3, 3, dtype=kind).reshape(2, 3)
    prove(one_by_one(array, number, kind), array)
    with pytest.raises(Defect, match="other numbers"):
        prove(one_by_one(changed(array, 4), number, kind), array)
    with pytest.raises(Defect, match="another number of numbers"):
        prove(
            one_by_one(array, number, kind) + varint(number << 3 | {5: 5, 8: 1}[number]) + b"\0" * array.itemsize, array
        )
    with pytest.raises(Defect, match="another form"):
        prove(one_by_one(array, number, kind), array.astype("<f8" if kind == "<f4" else "<f4"))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        *((blob_of(changed(LARGE, at)), "other numbers") for at in (0, 65_535, 65_536, LARGE.size - 1)),
        (blob_of(LARGE.reshape(-1)[:-1], shape=LARGE.shape), "another number of numbers"),
        (blob_of(np.append(LARGE, np.float32(0)), shape=LARGE.shape), "another number of numbers"),
        (blob_of(LARGE) + tagged(5, b"\0\0\0\0"), "another number of numbers"),
        (blob_of(LARGE, shape=(50_000, 3)), "has shape"),
        (blob_of(LARGE, number=12, extra=tagged(10, 0)), "another form"),
        (blob_of(LARGE) + tagged(8, b"\0" * 8), "another form"),
        (blob_of(LARGE) + varint(5 << 3 | 5) + b"\0\0\0\0", "one by one"),
        (blob_of(LARGE)[:-1], "does not parse"),
        (blob_of(LARGE) + tagged(5, b"\0\0\0"), "does not parse"),
    ],
    ids=[
        "first", "end of a piece", "begin of a piece", "last", "too few", "too many", "again", "shape", "raw doubles",
        "in two forms", "one by one", "cut off", "no whole number",
    ],
)  # fmt: skip
def test_what_is_not_as_meant_is_found(data, what):
    with pytest.raises(Defect, match=what):
        prove(data, LARGE)


def record_of(*parts):
    return tagged(100, b"".join(parts))


def test_a_record_says_what_it_says_without_its_numbers():
    data = record_of(
        tagged(1, b"conv"), tagged(7, blob_of(LARGE)), tagged(2, b"Convolution"), tagged(7, blob_of(LARGE[0]))
    )
    record = read_record(Buffer(data), Span(0, len(data)), "the record")
    assert (record.said.name, record.said.type, len(record.said.blobs)) == ("conv", "Convolution", 0)
    assert [data[start:stop] for start, stop in record.blobs] == [blob_of(LARGE), blob_of(LARGE[0])]


@pytest.mark.parametrize(
    "data",
    [b"", record_of() * 2, tagged(101, b""), record_of(tagged(7, b"x"), b"\x3a"), record_of(tagged(1, b"conv"))[:-1]],
    ids=["nothing", "two", "another field", "half a field", "cut off"],
)
def test_what_is_no_record_is_found(data):
    with pytest.raises(Defect):
        read_record(Buffer(data), Span(0, len(data)), "the record")


@pytest.mark.parametrize("value", [100 << 3 | 2, 5])
def test_a_head_that_we_read_otherwise_than_protobuf_is_found(monkeypatch, value):
    """A tag or a length is decoded wrongly, and so that all else goes together."""
    data = record_of(tagged(1, b"con"))
    wrong = {100 << 3 | 2: (2 << 3 | 2, 2), 5: (4, 3)}[value]

    def read_varint(head, at):
        found = sound(head, at)
        return wrong if found[0] == value else found

    sound = wire.read_varint
    monkeypatch.setattr(wire, "read_varint", read_varint)
    with pytest.raises(Defect, match="head|not one layer"):
        read_record(Buffer(data), Span(0, len(data) - (value == 5)), "the record")


def test_history_is_read():
    data = tagged(1, 7) + tagged(3, blob_of(LARGE)) + tagged(3, blob_of(LARGE[0]))
    first, second = read_history(Buffer(data), "the history")
    first.prove(Held(LARGE, 0, ""), "first")
    second.prove(Held(LARGE[0], 0, ""), "second")
    with pytest.raises(Defect, match="second has shape"):
        second.prove(Held(LARGE[0, 1:], 0, ""), "second")
