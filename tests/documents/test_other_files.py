"""What a download leaves in the place of a file is called what it is, with what to do about it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile

import pytest

from split_surgery import diff, residual, show
from split_surgery.documents.other_files import other_file, text_kind
from split_surgery.errors import FileError
from tests.support.nets import TINY, tiny_weights, write_tiny

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


def zipped(data: bytes) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as file:
        file.writestr("net", data)
    return found.getvalue()


def tarred(data: bytes) -> bytes:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as file:
        entry = tarfile.TarInfo("net")
        entry.size = len(data)
        file.addfile(entry, io.BytesIO(data))
    return found.getvalue()


def cases(data: bytes):
    """What may be there instead of these bytes, and a word of the message."""
    return [
        (POINTER, "git lfs pull"),
        (POINTER.replace(b"\n", b"\r\n"), "git lfs pull"),
        (b"<!DOCTYPE html>\n<html><body>Virus scan warning</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf\n<!-- saved -->\n<HTML lang=en>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x">', "an HTML page"),
        (gzip.compress(data), "gunzip"),
        (bz2.compress(data), "bunzip2"),
        (lzma.compress(data), "unxz"),
        (zipped(data), "a zip archive"),
        (tarred(data), "a tar archive"),
        (b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    ]


@pytest.mark.parametrize("at", range(len(cases(b""))))
@pytest.mark.parametrize("weights", [True, False], ids=["weights", "prototxt"])
def test_each_is_named(tmp_path, at, weights):
    net, model = write_tiny(tmp_path)
    path = model if weights else net
    data, message = cases(path.read_bytes())[at]
    path.write_bytes(data)
    for call in (lambda: residual(net, model, tmp_path / "out"), lambda: show(path), lambda: diff(path, path)):
        with pytest.raises(FileError, match=message) as caught:
            call()
        assert str(caught.value).startswith(f"{path}: is ")
        assert caught.value.hint


@pytest.mark.parametrize("data", [TINY.encode(), b"Not Found", b"404: Not Found\n", b'{"message": "Not Found"}'])
def test_text_where_weights_are_meant(tmp_path, data):
    net, model = write_tiny(tmp_path)
    model.write_bytes(data)
    with pytest.raises(
        FileError, match="base.caffemodel: is plain text, not weights or a solver state\n  give the binary"
    ):
        residual(net, model, tmp_path / "out")
    with pytest.raises(FileError, match="is plain text, not weights"):
        residual(net, tmp_path / "base.prototxt", tmp_path / "out", solverstate=model)


def zipped_as(name: str) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as file:
        file.writestr(name, b"numbers")
    return found.getvalue()


def field(number: int, data: bytes) -> bytes:
    """A protobuf field of short bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


ONNX = b"\x08\x08" + field(2, b"pytorch") + field(3, b"1.9.0") + field(7, field(1, b"node"))
GRAPH = field(1, field(1, b"input") + field(2, b"Placeholder")) * 2


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (zipped_as("archive/data.pkl"), "a file of PyTorch's"),
        (pickle.dumps({"conv1.weight": [1.0]}, protocol=2), "a pickle of Python's"),
        (zipped_as("arr_0.npy"), "an npz of NumPy's"),
        (b"\x93NUMPY\x01\0v\0", "an npy of NumPy's"),
        (ONNX, "a net in ONNX"),
        (ONNX.replace(field(3, b"1.9.0"), b""), "a net in ONNX"),
        (GRAPH, "a graph of TensorFlow's"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 40, "a net in TensorFlow Lite"),
        (b'\x02\0\0\0\0\0\0\0{"a": 1}', "a file of safetensors"),
    ],
)
def test_weights_of_another_toolchain(tmp_path, data, what):
    net, model = write_tiny(tmp_path)
    model.write_bytes(data)
    for call in (lambda: residual(net, model, tmp_path / "out"), lambda: show(model)):
        with pytest.raises(FileError, match=f"base.caffemodel: is {what}.*\n  only Caffe's own files are read"):
            call()
    net.write_bytes(data)
    with pytest.raises(FileError, match=f"base.prototxt: is {what}"):
        show(net)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# A title\n\nWords about a net", "3:7: this does not look like a prototxt, but like Markdown: expected ':'"),
        ('{"a": 1}', "1:1: this does not look like a prototxt, but like JSON: expected a field name, found '{'"),
        ("# a comment\nimport caffe\n", "2:8: this does not look like a prototxt, but like Python: expected"),
        ("layers:\n  - layer: conv1\n", "this does not look like a prototxt, but like YAML: expected a number"),
        ('<?xml version="1.0"?>\n<net/>', "1:1: this does not look like a prototxt, but like XML: expected"),
        ("1,2,3\n", "1:1: this does not look like a prototxt: expected a field name, found '1'"),
    ],
)
def test_text_where_a_prototxt_is_meant(tmp_path, text, message):
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises(FileError) as caught:
        show(tmp_path / "net.prototxt")
    assert message in str(caught.value)
    assert caught.value.hint == "give the prototxt here"


def test_weights_where_a_solver_state_is_meant(tmp_path):
    net, model = write_tiny(tmp_path)
    with pytest.raises(FileError, match=r"base.caffemodel: is weights, not a solver state\n  give the \.solverstate"):
        residual(net, model, tmp_path / "out", solverstate=model)


def test_a_solver_state_is_named_too(tmp_path):
    net, model = write_tiny(tmp_path)
    (tmp_path / "x.solverstate").write_bytes(gzip.compress(b"state"))
    with pytest.raises(FileError, match="x.solverstate: is compressed by gzip"):
        residual(net, model, tmp_path / "out", solverstate=tmp_path / "x.solverstate")


def test_hdf5_where_a_prototxt_is_meant(tmp_path):
    net, model = write_tiny(tmp_path)
    net.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    with pytest.raises(FileError, match="base.prototxt: is HDF5"):
        residual(net, model, tmp_path / "out")


def test_what_is_only_damaged_is_not_called_something_else():
    assert other_file(tiny_weights()[:-5], weights=True) is None
    assert other_file(TINY[:-5].encode(), weights=False) is None
    assert other_file(b"", weights=True) is None
    state = b"\x08\x32" + field(2, b"x_iter_50.caffemodel") + field(3, field(5, b"\0" * 64)) + b"\x20\x00"
    assert other_file(state, weights=True) is None
    assert other_file(b"\x08\x01\x12" + b'"2(' * 1300, weights=True) is None  # in linear time
    assert text_kind(TINY[:-5].encode()) is None
    assert text_kind(b"# Words of a comment\n# and more words\n" + TINY.encode()) is None


def test_a_head_of_comments_takes_no_time():
    for head in (b"<" + b"!---->" * 700, b"<" * 4096, b"\n" * 4096, b"<html" * 800, b" <" * 2000):
        other_file(head, weights=False)
