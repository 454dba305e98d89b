"""Whether an HDF5 file is whole by itself, and holds about as much as it declares: looked at before anything of it is read.

HDF5 lets a file of a few hundred bytes declare a dataset of any size, and take groups and numbers out of other files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from mmap import ACCESS_READ, mmap
from typing import Any

import numpy as np

from split_surgery.errors import FileError, FilePlace

_RATIO = 100
"""Bytes that a file may declare for each of its own: compressed zeros reach a thousand, trained numbers not two."""

_SPARE = 64 * 1024 * 1024
"""Bytes that it may declare besides: a small file of zeros is no attack."""

_CHUNKS = 100_000
"""Chunks of a dataset that may be missing from the file: each takes a look-up when it is read."""

_OBJECTS = 10_000
"""Texts and lists of any length in a dataset: each is read, which takes a while. Caffe writes none."""

_HEAP = b"GCOL\1\0\0\0"
"""What a global heap begins with."""

_REFERENCE = 16
"""Bytes by which a text or a list names its place in the file."""

_ATTRIBUTES = "declares, with the texts and lists in its attributes,"

_DEPTH = 16
"""Groups inside one another; Caffe's are two deep."""


def check_whole(h5py: Any, file: Any, path: str) -> None:
    """Look at every group, link, dataset and attribute of a file.

    Raises:
        FileError: it takes something out of another file, declares far more than it holds, or has a group in two places.
    """
    size, declared = os.path.getsize(path), 0
    longest = cache(lambda: _longest(file, path))

    def count(sizes: Iterable[int], place: FilePlace, says: str = "declares") -> None:
        nonlocal declared
        for more in sizes:
            declared += more
            if declared > _RATIO * size + _SPARE:
                message = f"{says} {declared:,} bytes up to here, and the file has {size:,}: is it damaged?"
                raise FileError(message, place)

    seen: set[int] = set()
    rest = [("", file, 0)]
    while rest:
        inside, group, depth = rest.pop()
        if depth > _DEPTH:
            raise FileError(f"has groups more than {_DEPTH} deep inside one another", FilePlace(f"{path}:{inside}"))
        address = _address(h5py, group)
        if address in seen:  # where groups are in a ring, they have no end
            raise FileError("holds the same group in two places", FilePlace(f"{path}:{inside}"))
        seen.add(address)
        count(_attributes(h5py, group, longest), FilePlace(f"{path}:{inside or '/'}"), _ATTRIBUTES)
        for name in group:
            place = FilePlace(f"{path}:{inside}/{name}")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                message = "is a link into another file: only a file that is whole by itself is read"
                raise FileError(message, place, "copy what it leads to into this file (h5repack, or h5py's copy)")
            if isinstance(link, h5py.SoftLink):  # what it leads to stands in this file, and is met there
                continue
            member = group[name]
            if isinstance(member, h5py.Group):
                rest.append((f"{inside}/{name}", member, depth + 1))
            elif isinstance(member, h5py.Dataset) and _address(h5py, member) not in seen:
                seen.add(_address(h5py, member))
                count([_declared(member, size, place)], place)
                count(_lengths(h5py, member, size, longest, place), place)
                count(_attributes(h5py, member, longest), place, _ATTRIBUTES)


def _address(h5py: Any, item: Any) -> int:
    return int(h5py.h5o.get_info(item.id).addr)


def _declared(dataset: Any, size: int, place: FilePlace) -> int:
    """Bytes that reading a dataset would take.

    Raises:
        FileError: its numbers are in another file, or in too many chunks.
    """
    if dataset.external or dataset.is_virtual:
        message = "keeps its numbers in another file: only a file that is whole by itself is read"
        raise FileError(message, place, "write them into this file (h5py: read the dataset, and create it anew)")
    width, chunk = dataset.id.get_type().get_size(), dataset.chunks
    if chunk is None:
        return int(width * math.prod(dataset.shape or ()))
    chunks = math.prod(-(-whole // part) for whole, part in zip(dataset.shape, chunk))
    if chunks > _CHUNKS + size // 16:
        raise FileError(f"declares {chunks:,} chunks, and the file has {size:,} bytes: is it damaged?", place)
    return int(width * math.prod(chunk) * max(chunks, 1))


def _attributes(h5py: Any, item: Any, longest: Callable[[], int]) -> Iterator[int]:
    """Bytes that reading each attribute may take: h5py reads one whole, and says only then how long its texts are."""
    for index in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=index)
        if attribute.get_space().get_simple_extent_type() != h5py.h5s.NULL:
            one = _bytes_of_one(h5py, attribute.dtype, longest() if attribute.dtype.hasobject else 0)
            yield math.prod(attribute.shape) * one


def _bytes_of_one(h5py: Any, dtype: Any, longest: int) -> int:
    """Bytes that one element may take: many texts or lists may be one and the same in the file, and that the longest."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return int(math.prod(shape)) * _bytes_of_one(h5py, base, longest)
    if dtype.names:
        return sum(_bytes_of_one(h5py, dtype[name], longest) for name in dtype.names)
    if not dtype.hasobject or h5py.check_ref_dtype(dtype) is not None:
        return int(dtype.itemsize)
    inner = h5py.check_vlen_dtype(dtype)
    nested = isinstance(inner, np.dtype) and inner.hasobject
    return longest // _REFERENCE * _bytes_of_one(h5py, inner, longest) if nested else longest


def _longest(file: Any, path: str) -> int:
    """Bytes of the longest text or list in a file: the objects of its global heaps (HDF5 File Format Specification, III.E). What only
    looks like a heap counts too, and where it cannot be told it is all of the file."""
    found = looked = 0
    with open(path, "rb") as raw, mmap(raw.fileno(), 0, access=ACCESS_READ) as data:
        if file.id.get_create_plist().get_sizes() != (8, 8):
            return len(data)
        at = data.find(_HEAP)
        while at >= 0:
            stop = min(len(data), at + int.from_bytes(data[at + 8 : at + 16], "little"))
            inside = at + 16
            while inside + 16 <= stop and data[inside : inside + 2] != b"\0\0":  # the last is the free space
                size = int.from_bytes(data[inside + 8 : inside + 16], "little")
                found, looked = max(found, min(size, len(data))), looked + 1
                inside += 16 + (size + 7) // 8 * 8
            if looked > len(data) // 16:  # heaps inside one another
                return len(data)
            at = data.find(_HEAP, at + 1)
    return found


def _lengths(h5py: Any, dataset: Any, size: int, longest: Callable[[], int], place: FilePlace) -> Iterator[int]:
    """Bytes of what is of any length in a dataset, one element after the other: many may be one and the same in the file, and are
    written out one by one where the dataset is copied.

    Raises:
        FileError: there are too many.
    """
    if dataset.shape is None or not dataset.dtype.hasobject:
        return
    if dataset.size > _OBJECTS:
        raise FileError(f"holds {dataset.size:,} texts or lists, and weights of Caffe hold none: is it damaged?", place)
    one = _bytes_of_one(h5py, dataset.dtype, longest())
    if one > _RATIO * size:  # lists of lists: not even one element is read
        yield one
    for at in np.ndindex(dataset.shape):
        yield _length(dataset[at])


def _length(value: Any) -> int:
    """Bytes of a text, of a list, or of the texts and lists in a compound value."""
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, np.void) and value.dtype.names:
        return sum(_length(value[name]) for name in value.dtype.names)
    if isinstance(value, np.ndarray):
        return sum(map(_length, value.flat)) if value.dtype.hasobject else value.nbytes
    return 8  # a number or a reference
