"""What a download leaves in the place of a file is called what it is, with what to do about it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from split_surgery import diff, residual, show
from split_surgery.documents.other_files import other_file
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


def test_a_head_of_comments_takes_no_time():
    for head in (b"<" + b"!---->" * 700, b"<" * 4096, b"\n" * 4096, b"<html" * 800, b" <" * 2000):
        other_file(head, weights=False)
