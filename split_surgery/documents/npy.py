"""NumPy's own format of one array, read within what the bytes hold, and begun.

Source of the format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

from __future__ import annotations

import io
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from split_surgery.errors import FileError, Place, shown

NPY_MAGIC = b"\x93NUMPY"

_MOST = (1 << 63) // 16
"""Numbers, of the longest type, whose bytes can be counted."""

_AXES = 32
"""The most that every version of numpy allows."""


def npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """What stands before the numbers of an array in C order, in the bytes of an npy file."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def npy_array(data: bytes, place: Place) -> npt.NDArray[Any]:
    """The array in the bytes of an npy file.

    Raises:
        FileError: it is none, holds objects, or its header says more than there is.
    """
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those that Python has on the source are of no use to anybody
            shape, by_column, dtype = _header(file)
    except Exception as error:
        # A header is read as Python source, with as many kinds of errors as that has; whatever it is, it is about this file.
        raise FileError("cannot be read as npy: its header is damaged, or of another format", place) from error
    held = len(data) - file.tell()
    if dtype.hasobject or not dtype.itemsize:
        raise FileError(f"holds {dtype}, not numbers", place)
    if len(shape) > _AXES or any(type(size) is not int or size < 0 for size in shape):
        raise FileError(f"cannot be read as npy: it declares the shape {shown(shape)}", place)
    # Of no numbers, but of sizes that numpy multiplies all the same.
    if 0 in shape and math.prod(filter(None, shape)) > _MOST:
        raise FileError(f"cannot be read as npy: it declares the shape {shown(shape)}", place)
    needed = math.prod(shape) * dtype.itemsize
    if needed > held:
        message = f"declares {needed:,} bytes of numbers, of shape {shown(shape)}, and holds {held:,}: is it truncated?"
        raise FileError(message, place)
    try:
        array: npt.NDArray[Any] = np.frombuffer(data, dtype, math.prod(shape), file.tell())
        return array.reshape(shape, order="F" if by_column else "C")
    except (ValueError, OverflowError) as error:  # of no numbers, but sizes beyond numpy's
        raise FileError(f"cannot be read as npy: {error}", place) from error


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and dtype."""
    if np.lib.format.read_magic(file) == (1, 0):
        found: tuple[tuple[int, ...], bool, np.dtype[Any]] = np.lib.format.read_array_header_1_0(file)
    else:
        found = np.lib.format.read_array_header_2_0(file)  # the third differs in how it spells names of fields
    return found
