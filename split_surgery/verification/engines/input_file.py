"""Inputs that the user gives (`--input FILE`): arrays from npy and npz, or an image as Caffe's data layers would hand it on."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.npy import NPY_MAGIC, npy_array
from split_surgery.documents.source import PathLike, read_file
from split_surgery.errors import FileError, FilePlace, Missing, SurgeryError, UsageError, for_shell
from split_surgery.verification.engines.stderr import held_back

_Inputs = dict[str, npt.NDArray[np.float32]]

_Arrays = dict[str, npt.NDArray[np.generic]]

ZIP = b"PK\x03\x04"

PNG = b"\x89PNG\r\n\x1a\n"

INPUT_LIMIT = 2**31 - 1
"""Bytes of the largest file that is read: as many as Caffe's own reader takes."""

PACKED_LIMIT, PACKED_RATIO = 1 << 28, 20
"""Bytes that an array of an npz may always unpack to; of a larger one, as many times those that are stored."""

PIXELS = 1 << 28
"""Pixels of the largest image that is decoded: more than those of the largest cameras, and 800 MB in colour."""


def read_inputs(path: PathLike, net: Net, shapes: Mapping[str, tuple[int, ...] | None]) -> _Inputs:
    """The inputs in a file, float32, by blob, each of its blob's shape but for the batch.

    An npz names its blobs; an npy or an image is for the one input of the net. An image is read as Caffe's data layers do (blue,
    green, red, 0 to 255; grey for one channel), stretched to the input's size; mean_value and scale of the net's own data layer are
    applied, a deploy net's have been applied by whoever calls it.

    Args:
        shapes: of the net's inputs, None where they are not known.

    Raises:
        FileError: the file cannot be read, or is none of these.
        UsageError: the net has other inputs, or of other shapes.
    """
    place, data = FilePlace(os.fspath(path)), read_file(path, INPUT_LIMIT)
    if data.startswith(ZIP):
        arrays = _archive(data, place, shapes)
    elif data.startswith(NPY_MAGIC):
        arrays = {_only(path, shapes): npy_array(data, place)}
    else:
        name = _only(path, shapes)
        shape = shapes[name]
        if shape is None or len(shape) != 4:
            raise UsageError(f'the size of input "{name}", to which the image must be stretched, is not known',
                             hint=f"give it: --input-shape {for_shell(name)}:1,C,H,W")  # fmt: skip
        arrays = {name: _image(data, place, net, name, shape)}
    return {name: _fitted(name, array, shapes[name], place) for name, array in arrays.items()}


def _only(path: PathLike, shapes: Mapping[str, tuple[int, ...] | None]) -> str:
    if len(shapes) != 1:
        raise UsageError(f"--input {path} is one array, and the net has {len(shapes)} inputs", hint="give an npz with "
                         + ", ".join(shapes))  # fmt: skip
    return next(iter(shapes))


def _archive(data: bytes, place: FilePlace, names: Collection[str]) -> _Arrays:
    """The arrays of an npz, if they are of these names: no other is unpacked.

    Raises:
        FileError: it cannot be read, or an array is far larger than what is stored of it.
        UsageError: it holds others, or not all.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
            _check_names(members, names, place)
            found: _Arrays = {}
            for name, info in members.items():
                inside = FilePlace(f"{place}: {name}")
                if info.file_size > max(PACKED_LIMIT, PACKED_RATIO * info.compress_size):
                    message = f"unpacks from {info.compress_size:,} bytes to {info.file_size:,}: more than is read"
                    raise FileError(message, inside)
                found[name] = npy_array(file.read(info), inside)
            return found
    except SurgeryError:
        raise
    except Exception as error:
        # A damaged archive ends in one of a dozen kinds of error, of zipfile's and of its packers'.
        raise FileError(f"cannot be read as npz: {str(error) or type(error).__name__}", place) from error


def _check_names(arrays: Collection[str], names: Collection[str], place: FilePlace) -> None:
    """Raises: UsageError, where they are not the net's inputs."""
    if set(arrays) != set(names):
        raise UsageError(
            f"--input {place} holds {', '.join(sorted(arrays))}, and the net reads {', '.join(sorted(names))}"
        )


def _fitted(
    name: str, array: npt.NDArray[np.generic], shape: tuple[int, ...] | None, place: FilePlace
) -> npt.NDArray[np.float32]:
    if array.dtype.kind not in "fiub":
        raise FileError(f'"{name}" is of type {array.dtype}, not numbers', place)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused below
        numbers = array.astype(np.float32)
    if shape is not None and numbers.ndim == len(shape) - 1:
        numbers = numbers[None]  # one image, without the axis of the batch
    if shape is not None and (numbers.ndim != len(shape) or numbers.shape[1:] != shape[1:]):
        raise UsageError(f'{place}: "{name}" has shape {array.shape}, and the net reads {shape}',
                         hint=f"if the net takes this size too: --input-shape {for_shell(name)}:"
                         + ",".join(map(str, numbers.shape)))  # fmt: skip
    if not numbers.size or not np.isfinite(numbers).all():
        raise FileError(f'"{name}" is empty, or holds NaN or infinity', place)
    return np.ascontiguousarray(numbers)


def _image(data: bytes, place: FilePlace, net: Net, blob: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    cv2 = _opencv(place)
    grey = shape[1] == 1
    _check_png(data, place)
    try:
        with held_back():
            found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    except cv2.error as error:
        reason = "it declares more pixels than are read" if "PIXELS" in str(error) else "OpenCV refuses it"
        raise FileError(f"cannot be read as an image: {reason}", place, "give an npy") from error
    if found is None or not found.size:
        raise FileError("is neither an image that OpenCV reads, nor npy or npz", place)
    if shape[1] not in (1, 3):
        raise UsageError(f'"{blob}" has {shape[1]} channels, which no image has', hint="give an npy")
    sized = cv2.resize(found, (shape[3], shape[2]), interpolation=cv2.INTER_LINEAR)
    planes = sized[None] if grey else sized.transpose(2, 0, 1)
    means, scale = _transform(net, blob)
    if len(means) not in (0, 1, shape[1]):
        raise FileError(
            f"the data layer has {len(means)} mean values for {shape[1]} channels", FilePlace(net.document.name)
        )
    shifted: npt.NDArray[np.float32] = planes.astype(np.float32) - np.array(means or [0.0], np.float32)[:, None, None]
    return np.asarray(shifted * np.float32(scale), np.float32)[None]


def _check_png(data: bytes, place: FilePlace) -> None:
    """Raises: FileError, where a PNG has a chunk that goes beyond its end: OpenCV takes memory for it before it looks."""
    at = len(PNG) if data.startswith(PNG) else len(data)
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length  # with its length, its kind and its checksum
        if at > len(data):
            raise FileError(f"its last chunk ends {at - len(data):,} bytes after the file: is it truncated?", place)
        if kind == b"IEND":
            break


def _opencv(place: FilePlace) -> Any:
    """The module cv2, with a limit on what an image may decode to.

    Raises:
        Missing: it is not installed.
    """
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PIXELS))  # read once, when it is loaded
    try:
        import cv2
    except ImportError as error:
        hint = 'pip install "opencv-python-headless<5"'
        raise Missing("is read as an image by OpenCV, which is not installed", place, hint) from error
    return cv2


def _transform(net: Net, blob: str) -> tuple[list[float], float]:
    """Mean values and scale of the data layer that makes a blob in phase TEST.

    Raises:
        UsageError: it takes them from a file.
    """
    for layer in net.layers:
        if blob in layer.tops and not layer.bottoms and layer.in_state(State("TEST")):
            for param in layer.message.messages("transform_param"):
                if param.scalars("mean_file"):
                    raise UsageError(
                        f'the data layer of "{blob}" subtracts a mean_file, which is not read', hint="give an npy"
                    )
                numbers = {name: [value.real() for value in param.scalars(name)] for name in ("mean_value", "scale")}
                if None in numbers["mean_value"] + numbers["scale"]:
                    layer.fail("mean_value or scale is not a number")
                scales = [1.0, *numbers["scale"]]
                return [number or 0.0 for number in numbers["mean_value"]], scales[-1] or 0.0
    return [], 1.0
