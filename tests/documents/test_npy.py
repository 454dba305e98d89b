"""NumPy's format: what numpy writes is read as numpy reads it, and a header that lies is refused before anything is made of it."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split_surgery.documents.npy import npy_array
from split_surgery.errors import FileError, FilePlace, SurgeryError
from split_surgery.splitting.ranking.scores_file import read_scores

PLACE = FilePlace("x.npy")


def saved(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def with_header(header: str, numbers: bytes = b"", version: int = 1) -> bytes:
    data = header.encode("latin1")
    length = struct.pack("<H" if version == 1 else "<I", len(data))
    return b"\x93NUMPY" + bytes([version, 0]) + length + data + numbers


def declaring(shape: object, descr: str = "'<f4'", numbers: bytes = b"") -> bytes:
    return with_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", numbers)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "u1", "<i8", "?"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4), (1,) * 32])
def test_reads_what_numpy_writes(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    for order in ("C", "F"):
        found = npy_array(saved(np.asarray(array, order=order)), PLACE)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert np.array_equal(found, array)
    assert np.array_equal(npy_array(saved(array) + b"more", PLACE), array), "as numpy, which does not look behind it"


@pytest.mark.parametrize("version", [2, 3])
def test_later_versions(version):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    assert npy_array(with_header(header, b"\0" * 8, version), PLACE).shape == (2,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            declaring((1 << 40,)),
            r"declares 4,398,046,511,104 bytes of numbers, of shape \(1099511627776,\), and holds 0",
        ),
        (declaring((10**30,)), "declares 4"),
        (declaring("(" + "9" * 4000 + ",)"), "declares|cannot be read"),
        (declaring((0, 10**30)), "cannot be read as npy"),
        (declaring((0, 1 << 40, 1 << 40)), "cannot be read as npy"),
        (declaring((-1, 4), numbers=b"\0" * 16), "the shape"),
        (declaring((True,), numbers=b"\0" * 16), "the shape"),
        (declaring((1,) * 65, numbers=b"\0" * 4), "the shape"),
        (declaring((2,), numbers=b"\0" * 7), "declares 8 bytes .* and holds 7: is it truncated"),
        (declaring((1,), "'|O'", b"\0" * 8), "holds object, not numbers"),
        (declaring((10**15,), "'V0'"), "not numbers"),
        (declaring((1,), "'<f,)'", b"\0" * 8), "cannot be read as npy"),
        (declaring((1,), "('<f4', (1000000000,))", b"\0" * 8), "declares 4,000,000,000 bytes|cannot be read"),
        (with_header("{'descr': '<f4', ((("), "cannot be read as npy"),
        (with_header("(" * 5000), "cannot be read as npy"),
        (with_header("{'descr': 1if 1else 2}"), "cannot be read as npy"),
        (with_header("{'descr': '<f4', 'shape': (1,)}"), "cannot be read as npy"),
        (with_header(""), "cannot be read as npy"),
        (b"\x93NUMPY", "cannot be read as npy"),
        (b"\x93NUMPY\x09\x00", "cannot be read as npy"),
        (saved(np.ones(3))[:-1], "is it truncated"),
        (saved(np.array(["a", None], object)), "not numbers"),
    ],
)
def test_headers_that_lie(tmp_path, data, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FileError, match=message) as caught:
            npy_array(data, PLACE)
    assert str(caught.value).startswith("x.npy: ")
    assert len(str(caught.value)) < 2500
    (tmp_path / "s.npy").write_bytes(data)
    with pytest.raises(FileError, match="s.npy"):
        read_scores(tmp_path / "s.npy", "conv")


@settings(deadline=None)
@given(st.data())
def test_changed_bytes_end_in_an_array_or_in_an_error_of_ours(data):
    whole = bytearray(saved(np.arange(12, dtype="<f4").reshape(3, 4)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert npy_array(bytes(whole[: data.draw(st.integers(0, len(whole)))]), PLACE).nbytes <= len(whole)
    except SurgeryError as error:
        assert error.exit_code == 3
