"""Inputs that the user gives (`--input FILE`): arrays from npy and npz, or an image as Caffe's data layers would hand it on."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Mapping
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.source import PathLike, read_file
from split_surgery.errors import FileError, FilePlace, UsageError

_Inputs = dict[str, npt.NDArray[np.float32]]

NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"


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
    place, data = FilePlace(os.fspath(path)), read_file(path)
    if data.startswith((NPY, ZIP)):
        arrays = _arrays(data, place)
    else:
        name = _only(path, shapes)
        shape = shapes[name]
        if shape is None or len(shape) != 4:
            raise UsageError(f'the size of input "{name}", to which the image must be stretched, is not known',
                             hint=f"give it: --input-shape {name}:1,C,H,W")  # fmt: skip
        arrays = {name: _image(data, place, net, name, shape)}
    if set(arrays) == {""}:
        arrays = {_only(path, shapes): arrays[""]}
    missing, unknown = set(shapes) - set(arrays), set(arrays) - set(shapes)
    if missing or unknown:
        raise UsageError(
            f"--input {path} holds {', '.join(sorted(arrays))}, and the net reads {', '.join(sorted(shapes))}"
        )
    return {name: _fitted(name, array, shapes[name], place) for name, array in arrays.items()}


def _only(path: PathLike, shapes: Mapping[str, tuple[int, ...] | None]) -> str:
    if len(shapes) != 1:
        raise UsageError(f"--input {path} is one array, and the net has {len(shapes)} inputs", hint="give an npz with "
                         + ", ".join(shapes))  # fmt: skip
    return next(iter(shapes))


def _arrays(data: bytes, place: FilePlace) -> dict[str, npt.NDArray[np.generic]]:
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
        arrays = {"": found} if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
        return {name: np.asarray(array) for name, array in arrays.items()}
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        RuntimeError,
        NotImplementedError,
        BadZipFile,
        zlib.error,
    ) as error:
        raise FileError(f"cannot be read as npy or npz: {error}", place) from error


def _fitted(
    name: str, array: npt.NDArray[np.generic], shape: tuple[int, ...] | None, place: FilePlace
) -> npt.NDArray[np.float32]:
    if array.dtype.kind not in "fiub":
        raise FileError(f'"{name}" is of type {array.dtype}, not numbers', place)
    numbers = array.astype(np.float32)
    if shape is not None and numbers.ndim == len(shape) - 1:
        numbers = numbers[None]  # one image, without the axis of the batch
    if shape is not None and (numbers.ndim != len(shape) or numbers.shape[1:] != shape[1:]):
        raise UsageError(f'{place}: "{name}" has shape {array.shape}, and the net reads {shape}',
                         hint=f"if the net takes this size too: --input-shape {name}:" + ",".join(map(str, numbers.shape)))  # fmt: skip
    if not numbers.size or not np.isfinite(numbers).all():
        raise FileError(f'"{name}" is empty, or holds NaN or infinity', place)
    return np.ascontiguousarray(numbers)


def _image(data: bytes, place: FilePlace, net: Net, blob: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    try:
        import cv2
    except ImportError as error:
        raise FileError(
            "is read as an image by OpenCV, which is not installed", place, 'pip install "opencv-python-headless<5"'
        ) from error
    grey = shape[1] == 1
    found = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
        if data
        else None
    )
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
