"""HDF5 weights (`.caffemodel.h5`): an index of the group `data`, and their copy with some layers replaced.

Caffe writes a group for every layer and in it the datasets `0`, `1` ... of the blobs that the layer owns; a parameter shared
by name is written once (Net::ToHDF5 of Caffe 1.0). h5py is loaded only where such a file is met.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Union

import numpy as np

from split_surgery.documents.weights.blobs import PIECE, Array, Held, Record
from split_surgery.documents.weights.casts import Cast
from split_surgery.documents.weights.hdf5_bounds import check_whole
from split_surgery.errors import FileError, FilePlace, Missing

MAGIC = b"\x89HDF\r\n\x1a\n"
DATA, DIFF = "data", "diff"


def need_h5py(name: str) -> Any:
    """The module h5py.

    Raises:
        Missing: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        hint = "pip install h5py"
        raise Missing("is HDF5, and h5py is not installed", FilePlace(name), hint) from error
    return h5py


def name_fault(name: str) -> str:
    """Why no layer in HDF5 can have this name, or ""."""
    if not name:
        return "HDF5 has no group without a name"
    if "/" in name:
        return "HDF5 takes a `/` in a name for a group in a group"
    if "\0" in name:
        return "HDF5 ends a name at a zero byte"
    return "HDF5 takes `.` for the group around it" if name == "." else ""


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """An HDF5 file open for reading.

    Raises:
        FileError: it cannot be read, whatever h5py calls that.
    """
    h5py = need_h5py(path)
    try:
        if path in _kept:
            yield _kept[path]
            return
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except FileError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise FileError(f"cannot be read as HDF5: {error}", FilePlace(path)) from error


_kept: dict[str, Any] = {}
"""Files that stay open, by path."""


@contextmanager
def kept_open(path: str) -> Iterator[None]:
    """Keep an HDF5 file open meanwhile: opening takes longer than reading a small blob, and many are read.

    Raises:
        FileError: it cannot be read.
    """
    with opened(path) as file:
        _kept[path] = file
        try:
            yield
        finally:
            del _kept[path]


@contextmanager
def opened_whole(path: str) -> Iterator[Any]:
    """The same of a file that nothing has been read of: it is whole by itself, and holds about as much as it declares.

    Raises:
        FileError: it is not, or cannot be read.
    """
    with opened(path) as file:
        check_whole(need_h5py(path), file, path)
        yield file


@dataclass(frozen=True)
class Hdf5Blob:
    """A dataset (see weights.Blob) known by where it is."""

    path: str = field(compare=False)
    inside: str
    shape: tuple[int, ...]
    dtype: str
    index: int
    legacy: bool = False
    apart: ClassVar[bool] = True

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def fault(self) -> str:
        return ""

    def place(self) -> FilePlace:
        return FilePlace(f"{self.path}:/{self.inside}")

    def load(self) -> Array:
        with opened(self.path) as file:
            return np.asarray(file[self.inside][()], self.dtype).reshape(self.shape)

    def part(self, start: int, stop: int) -> Array:
        """The numbers of `start <= i < stop`, as one axis; read are the whole rows that they are in."""
        row = max(1, math.prod(self.shape[1:]))
        first = start // row
        with opened(self.path) as file:
            rows = file[self.inside][first : -(-stop // row)] if self.shape else file[self.inside][()]
        return np.asarray(rows, self.dtype).reshape(-1)[start - first * row : stop - first * row]


NewLayers = Mapping[str, Mapping[int, Array]]
"""Blobs by index, by layer."""


class Hdf5Weights:
    """The index of an HDF5 weights file, and of what has been edited in it since.

    Raises:
        FileError: it is not one, or h5py is missing.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        with opened_whole(path) as file:
            if DATA not in file or not hasattr(file[DATA], "keys"):
                raise FileError('is HDF5, and holds no weights of Caffe: it has no group "data"', FilePlace(path))
            self._by_name = {name: self._record(name, file[DATA][name]) for name in file[DATA]}
        self._gone: tuple[str, ...] = ()
        self._new: NewLayers = {}
        self._renamed: Mapping[str, str] = {}

    @property
    def layers(self) -> tuple[Record, ...]:
        return tuple(self._by_name.values())

    def replaced(self, gone: Sequence[str], new: NewLayers) -> Hdf5Weights:
        """These weights without the layers `gone` and with those in `new`."""
        edited = copy.copy(self)
        edited._gone = (*self._gone, *(layer for layer in gone if layer not in self._new))
        edited._new = {layer: blobs for layer, blobs in self._new.items() if layer not in gone} | dict(new)
        edited._by_name = {name: record for name, record in self._by_name.items() if name not in gone} | {
            name: Record(
                name, "", (), (), tuple(Held(array, at, self.name) for at, array in blobs.items()), FilePlace(self.name)
            )
            for name, blobs in new.items()
        }
        return edited

    def renamed(self, names: Mapping[str, str]) -> Hdf5Weights:
        """These weights, none of which has been replaced, with layers under other names."""
        edited = copy.copy(self)
        edited._renamed = names
        records = [replace(record, name=names.get(record.name, record.name)) for record in self.layers]
        edited._by_name = {record.name: record for record in records}
        return edited

    def content(self) -> Hdf5Group:
        """The file with all its edits, diffs of what has gone left out; the rest stays."""
        made = {
            layer: Hdf5Group(None, {str(at): array for at, array in blobs.items()})
            for layer, blobs in self._new.items()
        }
        with opened(self.name) as file:
            members: dict[str, Hdf5Item] = {name: Copy(name) for name in file}
            for name in (DATA, DIFF):
                if name in file:
                    kept: dict[str, Hdf5Item] = {
                        self._renamed.get(layer, layer): Copy(f"{name}/{layer}")
                        for layer in file[name]
                        if layer not in self._gone
                    }
                    members[name] = Hdf5Group(name, kept | (made if name == DATA else {}))
        return Hdf5Group("/", members)

    def named(self, name: str) -> list[Record]:
        return [self._by_name[name]] if name in self._by_name else []

    def _record(self, name: str, group: Any) -> Record:
        if not hasattr(group, "keys"):
            raise FileError("is a dataset where a layer's group is expected", FilePlace(f"{self.name}:/data/{name}"))
        blobs = [index_dataset(self.name, f"{DATA}/{name}/{key}", key, group[key]) for key in group]
        blobs.sort(key=lambda blob: blob.index)
        return Record(name, "", (), (), tuple(blobs), FilePlace(f"{self.name}:/{DATA}/{name}"))


def index_dataset(path: str, inside: str, key: str, dataset: Any) -> Hdf5Blob:
    """What a dataset says of itself, its numbers unread; `key` is its number.

    Raises:
        FileError: it is not a blob.
    """
    dtype = getattr(dataset, "dtype", np.dtype(object))
    if not hasattr(dataset, "shape") or not str(key).isdecimal() or dtype.kind not in "fiu":
        raise FileError("is not a blob: a dataset of numbers, named by a number", FilePlace(f"{path}:/{inside}"))
    own = dtype.kind == "f" and dtype.itemsize in (2, 4, 8)
    # What else is a number HDF5 makes a float of, since Caffe asks for floats.
    return Hdf5Blob(path, inside, tuple(dataset.shape), f"<f{dtype.itemsize}" if own else "<f4", int(key))


@dataclass(frozen=True)
class Copy:
    """A group or dataset of the source, with all that it holds."""

    inside: str


@dataclass(frozen=True)
class Hdf5Group:
    """A group of a file to be written, with the attributes of the source's group `inside`, if it is one."""

    inside: str | None
    members: Mapping[str, Hdf5Item]


Hdf5Item = Union[Copy, Hdf5Group, Array, Cast, bytes]
"""What a file to be written holds: something of the source, numbers, those of a blob, which are read as they are written, or a string
as Caffe stores one."""


def write_hdf5(source: str, target: str, content: Hdf5Group) -> None:
    """Write a new file.

    Args:
        source: what it is made of; it need not be HDF5 where the content copies nothing of it.

    Raises:
        FileError: the source cannot be read.
        OSError: the target cannot be written.
    """
    h5py = need_h5py(source)
    failed: Exception | None = None
    with _source_of(content, source) as old:
        try:
            with h5py.File(target, "w-") as file:
                _fill(h5py, old, file, content)
        except (OSError, RuntimeError, ValueError) as error:  # not only OSError: so h5py tells of a full disk
            failed = error
    if failed is not None:
        raise OSError(str(failed))


def _source_of(content: Hdf5Item, source: str) -> AbstractContextManager[Any]:
    """The source, open where something of it is copied."""
    return opened(source) if _copies(content) else nullcontext()


def _copies(item: Hdf5Item) -> bool:
    if isinstance(item, Hdf5Group):
        return item.inside is not None or any(map(_copies, item.members.values()))
    return isinstance(item, Copy)


def _fill(h5py: Any, old: Any, target: Any, content: Hdf5Group) -> None:
    if content.inside is not None:
        for key, value in old[content.inside].attrs.items():
            target.attrs[key] = value
    for name, item in content.members.items():
        if isinstance(item, Copy):
            old.copy(old[item.inside], target, name, expand_external=True)
        elif isinstance(item, Hdf5Group):
            _fill(h5py, old, target.create_group(name), item)
        elif isinstance(item, bytes):
            _write_string(h5py, target, name, item)
        elif isinstance(item, Cast):
            made = target.create_dataset(name, item.shape, item.dtype)
            for rows, numbers in _rows(item):
                made[rows] = numbers
        else:
            target.create_dataset(name, data=item)


_ROWS = 1024 * 1024
"""Bytes of a blob read at a time, to be written."""


def _rows(blob: Cast) -> Iterator[tuple[Any, Array]]:
    """The numbers of a blob some rows of its first axis at a time, each time with the place of those rows."""
    if not blob.shape:
        yield (), blob.load()
        return
    row = math.prod(blob.shape[1:])
    step = max(1, _ROWS // max(1, row * np.dtype(blob.blob.dtype).itemsize)) if blob.apart else max(1, blob.shape[0])
    for at in range(0, blob.shape[0], step):
        stop = min(blob.shape[0], at + step)
        yield slice(at, stop), blob.part(at * row, stop * row).reshape(stop - at, *blob.shape[1:])


def _write_string(h5py: Any, target: Any, name: str, text: bytes) -> None:
    """As H5LTmake_dataset_string: a string of fixed length that ends in a null, as Caffe reads it."""
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text) + 1)
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    made = h5py.h5d.create(target.id, name.encode(), kind, space)
    made.write(space, space, np.array(text, dtype=f"S{len(text) + 1}"), kind)


def holds(source: str, target: str, content: Hdf5Group) -> bool:
    """Whether the file `target` holds what `write` would write; its bytes may be laid out otherwise."""
    with _source_of(content, source) as old:
        try:
            with opened_whole(target) as file:
                return _holds(old, file, content)
        except FileError:  # damaged: then it is not what it should be
            return False


def _holds(old: Any, there: Any, item: Hdf5Item) -> bool:
    if isinstance(item, Copy):
        return same(old[item.inside], there)
    if isinstance(item, Hdf5Group):
        attributes = _attributes(old[item.inside]) if item.inside is not None else []
        return (
            hasattr(there, "keys")
            and set(there) == set(item.members)
            and _attributes(there) == attributes
            and all(_holds(old, there[name], member) for name, member in item.members.items())
        )
    if isinstance(item, bytes):
        return not hasattr(there, "keys") and bytes(np.asarray(there[()]).item()) == item
    if hasattr(there, "keys") or (there.dtype, there.shape) != (item.dtype, item.shape):
        return False
    if isinstance(item, Cast):
        return all(np.asarray(there[rows]).tobytes() == numbers.tobytes() for rows, numbers in _rows(item))
    return np.asarray(there[()]).tobytes() == item.tobytes()


def same(a: Any, b: Any) -> bool:
    """Whether two files, groups or datasets hold the same, attributes included; numbers are read a piece at a time."""
    if _attributes(a) != _attributes(b) or hasattr(a, "keys") != hasattr(b, "keys"):
        return False
    if hasattr(a, "keys"):
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    shape = getattr(a, "shape", None)
    if a.dtype != b.dtype or shape != getattr(b, "shape", None):
        return False
    if not shape:  # a scalar, an empty dataset, or a type that has a name of its own
        return shape is None or _content(a[()]) == _content(b[()])
    step = max(1, PIECE // max(1, a.dtype.itemsize * math.prod(shape[1:])))
    return all(_content(a[at : at + step]) == _content(b[at : at + step]) for at in range(0, shape[0], step))


def _attributes(item: Any) -> list[tuple[str, object]]:
    return [(key, _content(value)) for key, value in sorted(item.attrs.items())]


def _content(value: Any) -> object:
    """A value to be compared: bytes of numbers, but of texts and other objects themselves, whose bytes would be addresses."""
    array = np.asarray(value)
    return array.tobytes() if array.dtype.kind != "O" else repr(array.tolist())
