"""HDF5 weights (`.caffemodel.h5`): an index of the group `data`, and their copy with some layers replaced.

Caffe writes a group for every layer and in it the datasets `0`, `1` ... of the blobs that the layer owns; a parameter shared
by name is written once (Net::ToHDF5 of Caffe 1.0). h5py is loaded only where such a file is met.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from split_surgery.documents.weights import Array, Record
from split_surgery.errors import FileError, FilePlace

MAGIC = b"\x89HDF\r\n\x1a\n"
DATA, DIFF = "data", "diff"


def library(name: str) -> Any:
    """The module h5py.

    Raises:
        FileError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        hint = 'pip install "split-surgery[hdf5]"'
        raise FileError("is HDF5, and h5py is not installed", FilePlace(name), hint) from error
    return h5py


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """An HDF5 file open for reading.

    Raises:
        FileError: it cannot be read, whatever h5py calls that.
    """
    h5py = library(path)
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except FileError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FileError(f"cannot be read as HDF5: {error}", FilePlace(path)) from error


@dataclass(frozen=True)
class Hdf5Blob:
    """A dataset (see weights.Blob) known by where it is."""

    path: str = field(compare=False)
    inside: str
    shape: tuple[int, ...]
    dtype: str
    index: int
    legacy: bool = False

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    def place(self) -> FilePlace:
        return FilePlace(f"{self.path}:/{self.inside}")

    def load(self) -> Array:
        with opened(self.path) as file:
            return np.asarray(file[self.inside][()], self.dtype).reshape(self.shape)


class Hdf5Weights:
    """The index of an HDF5 weights file.

    Raises:
        FileError: it is not one, or h5py is missing.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        with opened(path) as file:
            if DATA not in file or not hasattr(file[DATA], "keys"):
                raise FileError('holds no group "data": is it a caffemodel?', FilePlace(path))
            self.layers = tuple(self._record(name, file[DATA][name]) for name in file[DATA])
        self._by_name = {record.name: record for record in self.layers}

    def named(self, name: str) -> list[Record]:
        return [self._by_name[name]] if name in self._by_name else []

    def _record(self, name: str, group: Any) -> Record:
        if not hasattr(group, "keys"):
            raise FileError("is a dataset where a layer's group is expected", FilePlace(f"{self.name}:/data/{name}"))
        blobs = [self._blob(f"{DATA}/{name}/{key}", key, group[key]) for key in group]
        blobs.sort(key=lambda blob: blob.index)
        return Record(name, "", (), (), tuple(blobs), FilePlace(f"{self.name}:/{DATA}/{name}"))

    def _blob(self, inside: str, key: str, dataset: Any) -> Hdf5Blob:
        dtype = getattr(dataset, "dtype", np.dtype(object))
        if not key.isdecimal() or dtype.kind != "f" or dtype.itemsize not in (4, 8):
            raise FileError("is not a blob: a dataset of float or double, named by a number",
                            FilePlace(f"{self.name}:/{inside}"))  # fmt: skip
        return Hdf5Blob(self.name, inside, tuple(dataset.shape), f"<f{dtype.itemsize}", int(key))


Layers = Mapping[str, Mapping[int, Array]]
"""Blobs by index, by layer."""


def write_replaced(source: str, target: str, gone: Sequence[str], new: Layers) -> None:
    """A copy of a weights file without the layers `gone`, diffs included, and with those in `new`; the rest stays.

    Raises:
        FileError: the source cannot be read.
    """
    h5py = library(source)
    with opened(source) as old, h5py.File(target, "w-") as file:
        _copy_attributes(old, file)
        for name in old:
            if name not in (DATA, DIFF):
                old.copy(old[name], file, name)
                continue
            group = file.create_group(name)
            _copy_attributes(old[name], group)
            for layer in old[name]:
                if layer not in gone:
                    old.copy(old[name][layer], group, layer)
        for layer, blobs in new.items():
            made = file[DATA].create_group(layer)
            for index, array in blobs.items():
                made.create_dataset(str(index), data=array)


def _copy_attributes(source: Any, target: Any) -> None:
    for key, value in source.attrs.items():
        target.attrs[key] = value


def is_replaced(source: str, target: str, gone: Sequence[str], new: Layers) -> bool:
    """Whether `target` holds what `write_replaced` would write; its bytes may be laid out otherwise."""
    if not os.path.isfile(target):
        return False
    with open(target, "rb") as head:
        if head.read(len(MAGIC)) != MAGIC:
            return False
    with opened(source) as old, opened(target) as file:
        if _attributes(old) != _attributes(file) or list(old) != list(file):
            return False
        for name in old:
            if name not in (DATA, DIFF):
                if not _same(old[name], file[name]):
                    return False
                continue
            kept = [layer for layer in old[name] if layer not in gone]
            added = new if name == DATA else {}
            if _attributes(old[name]) != _attributes(file[name]) or set(file[name]) != {*kept, *added}:
                return False
            if not all(_same(old[name][layer], file[name][layer]) for layer in kept):
                return False
            if not all(_holds(file[name][layer], blobs) for layer, blobs in added.items()):
                return False
    return True


def _holds(group: Any, blobs: Mapping[int, Array]) -> bool:
    if set(group) != {str(index) for index in blobs}:
        return False
    return all(
        group[str(index)].dtype == array.dtype
        and group[str(index)].shape == array.shape
        and np.asarray(group[str(index)][()]).tobytes() == array.tobytes()
        for index, array in blobs.items()
    )


def _same(a: Any, b: Any) -> bool:
    if _attributes(a) != _attributes(b) or hasattr(a, "keys") != hasattr(b, "keys"):
        return False
    if hasattr(a, "keys"):
        return list(a) == list(b) and all(_same(a[name], b[name]) for name in a)
    return a.dtype == b.dtype and a.shape == b.shape and np.asarray(a[()]).tobytes() == np.asarray(b[()]).tobytes()


def _attributes(item: Any) -> list[tuple[str, bytes]]:
    return [(key, np.asarray(value).tobytes()) for key, value in sorted(item.attrs.items())]
